"""The primary table: what keeps the chip from starting its application, or the firmware from working."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ota_data import entry, sector
from plans import refusal, sample_plan

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import FormatError, LayoutError, PackageError
from platformio_esp_at.firmware.package import FOLDER_AGAIN
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import Encoding
from platformio_esp_at.formats.partition_table import FLAGS, PartitionTable

SAMPLE = sample_package("esp32")
CONFIG = SAMPLE["download.config"].decode()
PRIMARY_FILE = "partition_table/partition-table.bin"
BLANK = sector()


def _table(*, without: str = "", chip: str = "esp32", **changes: dict[str, object]) -> dict[str, bytes]:
    """Return the sample's primary table without a row, or with changed fields of rows, by their names."""
    rows = PartitionTable.from_bytes(sample_package(chip)[PRIMARY_FILE])
    kept = [replace(row, **changes.get(row.name, {})) for row in rows if row.name != without]
    return {PRIMARY_FILE: PartitionTable(tuple(kept), md5=False).to_bytes()}


@pytest.mark.parametrize(
    ("files", "code", "message"),
    [
        pytest.param(
            _table(without="nvs"),
            "partition-missing",
            "no partition nvs, where the firmware saves its settings: it wouldn't start",
            id="no-nvs",
        ),
        pytest.param(
            _table(nvs={"name": "nvr"}),
            "partition-missing",
            "no partition nvs, where the firmware saves its settings: it wouldn't start",
            id="nvs-renamed",
        ),
        pytest.param(
            _table(nvs={"size": 0x2000}),
            "partition-too-small",
            "'nvs' (0x12000…0x14000) has 8KB, NVS needs 12KB",
            id="nvs-small",
        ),
        pytest.param(
            _table(nvs={"subtype": 6}),
            "partition-type",
            "'nvs' (0x12000…0x20000) is data, undefined: the firmware looks for data, nvs",
            id="nvs-subtype",
        ),
        pytest.param(
            _table(nvs={"flags": FLAGS["readonly"]}),
            "partition-read-only",
            "'nvs' (0x12000…0x20000) is read-only, and the firmware writes to it",
            id="nvs-read-only",
        ),
        pytest.param(
            _table(without="otadata"),
            "otadata-missing",
            "no partition for ota_data (data, ota): an update over the air couldn't select its application",
            id="no-otadata",
        ),
        pytest.param(
            _table(otadata={"size": 0x1000}),
            "partition-too-small",
            "'otadata' (0x10000…0x11000) has 4KB, the bootloader needs 8KB",
            id="otadata-small",
        ),
        pytest.param(
            _table(phy_init={"subtype": 0}),
            "otadata-twice",
            "'phy_init' (0xf000…0x10000) and 'otadata' (0x10000…0x12000) are both for ota_data",
            id="two-otadata",
        ),
        pytest.param(
            _table(ota_0={"subtype": 0x15}),
            "table-slots",
            "the application slots are ota_1, ota_5: the bootloader counts from ota_0 without gaps",
            id="ota_5",
        ),
        pytest.param(
            _table(at_customize={"name": "at_custom"}),
            "partition-missing",
            "the user partition table is in 'at_custom' (0x20000…0x100000), the firmware looks for it in at_customize",
            id="at_customize-renamed",
        ),
        pytest.param(
            _table(at_customize={"type": 0x41}),
            "partition-type",
            "'at_customize' (0x20000…0x100000) is 0x41, 0x00: the firmware looks for 0x40, 0",
            id="at_customize-type",
        ),
        pytest.param(
            _table(at_customize={"subtype": 1}),
            "partition-type",
            "'at_customize' (0x20000…0x100000) is 0x40, 0x01: the firmware looks for 0x40, 0",
            id="at_customize-subtype",
        ),
    ],
)
def test_tables_that_the_firmware_cant_work_with(tmp_path, files, code, message):
    error = refusal(sample_plan(tmp_path, files=files), LayoutError)
    first = next(iter(error.problems), error)
    assert (first.code, first.where, first.message) == (code, PRIMARY_FILE, message)
    assert first.hint == f"{FOLDER_AGAIN}; or, if you built it, correct partitions_at.csv"


@pytest.mark.parametrize(
    "files",
    [
        pytest.param(_table(without="ota_1"), id="one-slot"),
        pytest.param(_table(otadata={"name": "ota_select"}, phy_init={"name": "rf"}), id="other-names"),
        pytest.param(_table(nvs={"size": 0x3000}), id="small-nvs"),
    ],
)
def test_tables_of_ones_own_that_work(tmp_path, files):
    check_plan(sample_plan(tmp_path, files=files), None)


# --- where the table is ---


@pytest.mark.parametrize(("chip", "offset"), [("esp32", 0x9000), ("esp32c61", 0xB000)])
def test_a_table_where_the_bootloader_doesnt_look(tmp_path, chip, offset):
    config = sample_package(chip)["download.config"].decode()
    own = 0x8000 if chip == "esp32" else 0xC000
    files = {"download.config": config.replace(f"{own:#x} {PRIMARY_FILE}", f"{offset:#x} {PRIMARY_FILE}")}
    error = refusal(sample_plan(tmp_path, chip, files=files), PackageError)
    assert (error.code, error.where) == ("table-misplaced", PRIMARY_FILE)
    assert error.message == f"the partition table goes to {offset:#x}, where the bootloader doesn't look for it"
    assert error.hint == (
        f"{FOLDER_AGAIN}; or, if you built it, correct download.config of AT_PACK: change its offset to {own:#x}"
    )


def _esp32c5(table_offset: int, **changes: dict[str, object]) -> dict[str, bytes | str]:
    newest = sample_package("esp32c5")["download.config"].decode()
    config = newest.replace(f"0xc000 {PRIMARY_FILE}", f"{table_offset:#x} {PRIMARY_FILE}")
    return {**_table(chip="esp32c5", **changes), "download.config": config}


def test_esp32_c5_has_two_places_for_its_table(tmp_path):
    """v4.1 has it at 0x8000, v5.0 at 0xc000: a package of no known layout may have either."""
    own = {"ota_1": {"size": 0x130000}}
    for offset in (0x8000, 0xC000):
        check_plan(sample_plan(tmp_path, "esp32c5", files=_esp32c5(offset, **own)), None)
    check_plan(sample_plan(tmp_path, "esp32c5", files=_esp32c5(0xC000)), None)
    error = refusal(sample_plan(tmp_path, "esp32c5", files=_esp32c5(0x8000)), PackageError)
    assert error.code == "table-misplaced"


# --- which application is started ---


def test_ota_data_that_is_not_written(tmp_path):
    files = {"download.config": CONFIG.replace(" 0x10000 ota_data_initial.bin", "")}
    error = refusal(sample_plan(tmp_path, files=files), PackageError)
    assert (error.code, error.where) == ("otadata-not-written", "AT_PACK")
    assert error.message == (
        "no image for 'otadata' (0x10000…0x12000): the chip would start what ota_data on the module selects"
    )
    assert error.hint.endswith("add 0x10000 ota_data_initial.bin (8192 bytes FF)")


def test_damaged_ota_data(tmp_path):
    error = refusal(sample_plan(tmp_path, files={"ota_data_initial.bin": bytes(0x2000)}), FormatError)
    assert (error.code, error.where) == ("ota-data-damaged", "ota_data_initial.bin:0x20")


def test_ota_data_that_selects_an_empty_slot(tmp_path):
    files = {"ota_data_initial.bin": sector(entry(2)) + BLANK}
    error = refusal(sample_plan(tmp_path, files=files), PackageError)
    assert (error.code, error.where) == ("application-missing", "AT_PACK")
    assert error.message == (
        "the chip would start 'ota_1' (0x280000…0x400000), where the firmware package writes no application"
    )
    second = {**files, "download.config": f"{CONFIG} 0x280000 second.bin", "second.bin": SAMPLE["esp-at.bin"]}
    check_plan(sample_plan(tmp_path, files=second), None)


def test_the_application_in_the_second_slot_alone(tmp_path):
    files = {"download.config": CONFIG.replace("0x100000 esp-at.bin", "0x280000 esp-at.bin")}
    error = refusal(sample_plan(tmp_path, files=files), PackageError)
    assert error.code == "application-missing"
    assert error.message.startswith("the chip would start 'ota_0' (0x100000…0x280000)")


def test_a_factory_application_is_started_unless_ota_data_selects_a_slot(tmp_path):
    table = _table(ota_0={"name": "factory", "subtype": 0}, ota_1={"name": "ota_0", "subtype": 0x10})
    check_plan(sample_plan(tmp_path, files=table), None)
    error = refusal(
        sample_plan(tmp_path, files={**table, "ota_data_initial.bin": sector(entry(1)) + BLANK}), PackageError
    )
    assert error.message.startswith("the chip would start 'ota_0' (0x280000…0x400000)")


# --- what the module has saved ---


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\xff" * 0x3000, "it is blank", id="blank"),
        pytest.param(b"text", "it is no NVS image (an NVS image of 4 bytes)", id="text"),
    ],
)
def test_an_image_that_erases_what_the_module_has_saved(tmp_path, data, reason):
    files = {"download.config": f"{CONFIG} 0x12000 extra.bin", "extra.bin": data}
    error = refusal(sample_plan(tmp_path, files=files), PackageError)
    assert (error.code, error.where) == ("image-misdirected", PRIMARY_FILE)
    assert error.message == (
        f"extra.bin goes into 'nvs' (0x12000…0x20000), and would erase what the module has saved: {reason}"
    )


def test_settings_of_ones_own_in_nvs(tmp_path):
    image = NvsImage((), 0x3000).with_namespace("mine", [NvsEntry("mine", "key", Encoding.U8, 1)])
    files = {"download.config": f"{CONFIG} 0x12000 nvs.bin", "nvs.bin": image.to_bytes()}
    check_plan(sample_plan(tmp_path, files=files), None)
