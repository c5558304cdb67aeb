"""A firmware package beside its release: what differs is said, a mixture of two generations is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from esp_images import with_text
from plans import refusal, sample_plan

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import PackageError, Place, note, warning
from platformio_esp_at.formats.partition_table import Partition, PartitionTable

if TYPE_CHECKING:
    from platformio_esp_at.planning.plan import FlashPlan

PRIMARY_FILE = "partition_table/partition-table.bin"
SECONDARY_FILE = "at_customize.bin"
SAMPLE = sample_package("esp32")


def _plan_of_release(tmp_path, release: str = "v2.4.0.0", files=None, **changes) -> FlashPlan:
    """Return the plan for the sample package as one of that release."""
    plan = sample_plan(tmp_path, files=files)
    return replace(plan, package=replace(plan.package, release=release), **changes)


def _table(name: str, change) -> dict[str, bytes]:
    table = PartitionTable.from_bytes(SAMPLE[name])
    return {name: replace(table, partitions=tuple(change(table.partitions))).to_bytes()}


def test_a_package_as_its_release(tmp_path):
    assert check_plan(_plan_of_release(tmp_path), None) == ()


def test_no_release_or_one_that_is_not_known(tmp_path):
    files = _table(PRIMARY_FILE, lambda rows: [row for row in rows if row.name != "ota_1"])
    assert check_plan(sample_plan(tmp_path, files=files), None) == ()
    assert check_plan(_plan_of_release(tmp_path, "v9.0.0.0", files), None) == ()


def test_no_slot_for_an_update(tmp_path):
    files = _table(PRIMARY_FILE, lambda rows: [row for row in rows if row.name != "ota_1"])
    message = "the table has no ota_1, v2.4.0.0 has 'ota_1' (0x280000…0x400000): no update over the air is possible"
    assert check_plan(_plan_of_release(tmp_path, files=files), None) == (
        warning(
            "layout-partition-missing",
            message,
            hint="if nobody built it so on purpose, take the package as Espressif releases it",
            where=Place.at(file=PRIMARY_FILE),
            partition="ota_1",
        ),
    )


def test_a_small_slot_for_an_update(tmp_path):
    def change(rows):
        return [replace(row, size=0x80000) if row.name == "ota_1" else row for row in rows]

    found = check_plan(_plan_of_release(tmp_path, files=_table(PRIMARY_FILE, change)), None)
    assert [notice.code for notice in found] == ["layout-differs", "layout-slot-small"]
    assert found[1].is_warning
    assert found[1].message == (
        "'ota_1' (0x280000…0x300000) is smaller than in v2.4.0.0 (1536KB): an update may not fit"
    )


@pytest.mark.parametrize("change", [{"type": 1}, {"subtype": 0x31}])
def test_a_slot_that_is_none(tmp_path, change):
    """A single flipped bit of a table without a checksum: the application still starts."""
    files = _table(PRIMARY_FILE, lambda rows: [replace(row, **change) if row.name == "ota_1" else row for row in rows])
    found = check_plan(_plan_of_release(tmp_path, files=files), None)
    assert [notice.code for notice in found] == ["layout-differs", "layout-slot-type"]
    assert found[1].is_warning
    assert found[1].message.endswith(", in v2.4.0.0 app, ota_1: no update over the air is possible")


@pytest.mark.parametrize(("offset", "size"), [(0x12000, 0x6000), (0x13000, 0xD000)])
def test_saved_settings_elsewhere(tmp_path, offset, size):
    def change(rows):
        return [replace(row, offset=offset, size=size) if row.name == "nvs" else row for row in rows]

    found = check_plan(_plan_of_release(tmp_path, files=_table(PRIMARY_FILE, change)), None)
    assert [notice.code for notice in found] == ["layout-differs", "layout-nvs-moved"]
    assert found[1].is_warning
    assert found[1].message == (
        f"'nvs' ({offset:#x}…{offset + size:#x}) is elsewhere than in v2.4.0.0 ('nvs' (0x12000…0x20000)): "
        "what a module with that has saved is lost"
    )


def test_other_partitions(tmp_path):
    def change(rows):
        return [*(replace(row, size=0x1000) if row.name == "fatfs" else row for row in rows), mine]

    mine = Partition("mine", 0x40, 0x20, 0x90000, 0x1000)
    assert check_plan(_plan_of_release(tmp_path, files=_table(SECONDARY_FILE, change)), None) == (
        note(
            "layout-differs",
            "other partitions than v2.4.0.0 has: fatfs, mine",
            where=Place.at(file=SECONDARY_FILE),
            partitions=("fatfs", "mine"),
        ),
    )


def test_the_place_of_the_table_is_that_of_the_release(tmp_path):
    """An ESP32-C5 package with a layout of its own, and the table where v4.1 has it."""
    files = sample_package("esp32c5")
    table = PartitionTable.from_bytes(files[PRIMARY_FILE])
    small = [replace(row, size=0x130000) if row.name == "ota_1" else row for row in table]
    config = files["download.config"].decode().replace("0xc000 partition", "0x8000 partition")
    own = {PRIMARY_FILE: replace(table, partitions=tuple(small)).to_bytes(), "download.config": config}
    plan = sample_plan(tmp_path, "esp32c5", files=own)
    check_plan(plan, None)
    check_plan(replace(plan, package=replace(plan.package, release="v4.1.1.0")), None)
    of_v5 = replace(plan, package=replace(plan.package, release="v5.0.1.0"))
    assert refusal(of_v5, PackageError).code == "table-misplaced"


@pytest.mark.parametrize(
    ("chip", "names", "wanted", "has"),
    [
        pytest.param("esp32", b"factory_param\0mfg_nvs\0", "mfg_nvs", "factory_param", id="v4.1-in-v2.0"),
        pytest.param("esp32c6", b"factory_param\0", "factory_param", "mfg_nvs", id="v2.0-in-v4.1"),
    ],
)
def test_an_application_of_the_other_generation(tmp_path, chip, names, wanted, has):
    app = sample_package(chip)["esp-at.bin"]
    files = {"esp-at.bin": with_text(_without_names(app), names)}
    error = refusal(sample_plan(tmp_path, chip, files=files), PackageError)
    assert (error.code, error.where) == ("application-other-generation", "AT_PACK")
    assert error.message == f"the application reads its parameters from {wanted}, the user partition table has {has}"
    assert error.hint == "the package is a mixture of two releases: take all of its files from one"


@pytest.mark.parametrize("chip", ["esp32", "esp32c6"])
def test_an_application_that_says_nothing(tmp_path, chip):
    app = with_text(_without_names(sample_package(chip)["esp-at.bin"]), b"")
    check_plan(sample_plan(tmp_path, chip, files={"esp-at.bin": app}), None)


def _without_names(app: bytes) -> bytes:
    """Return the application without the zeros that end its names; its checksum is wrong then."""
    return app[:32] + app[32:-64].replace(b"\0", b" ") + app[-64:]
