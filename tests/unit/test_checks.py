"""Everything that is refused before the first erase."""

from __future__ import annotations

from dataclasses import replace

import pytest
from esp_images import for_revisions, with_text

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, LayoutError, PackageError, SelectionError
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.esp_image import ChipRevisions
from platformio_esp_at.formats.partition_table import Partition, PartitionTable
from platformio_esp_at.formats.pki import PkiContainer, PkiType
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.project import InputFile, Request, Text

FOLDER = "customized_partitions"
HERE = "esp_at.yml:7"
SAMPLE = sample_package("esp32")
CONFIG = SAMPLE["download.config"].decode()
PRIMARY = "partition_table/partition-table.bin"
BOOTLOADER = "bootloader/bootloader.bin"
USER_CSV = PartitionTable.from_bytes(SAMPLE["at_customize.bin"]).to_csv()
"""Its line 1 is a comment; ble_data stands in line 2, factory_param in line 9, mqtt_ca in 15, fatfs in 16."""


def _plan(tmp_path, chip: str = "esp32", module: str | None = None, files=None, **request) -> FlashPlan:
    root = tmp_path / "AT_PACK"
    for name, data in (sample_package(chip) | (files or {})).items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
    package = open_package(root)
    return make_plan(package, select(Text(module, HERE) if module else None, None, package), Request(**request))


def _csv(old: str = "", new: str = "") -> dict[str, InputFile]:
    assert old in USER_CSV
    return {"partitions": InputFile("user.csv", HERE, USER_CSV.replace(old, new).encode())}


def _refusal(plan: FlashPlan, kind: type[EspAtError], board: BoardFacts | None = None) -> EspAtError:
    with pytest.raises(EspAtError) as caught:
        check_plan(plan, board)
    assert type(caught.value) is kind
    return caught.value


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp32c6", "esp8266"])
def test_a_sound_plan_passes(tmp_path, chip):
    plan = _plan(tmp_path, chip)
    check_plan(plan, None)
    check_plan(plan, BoardFacts("b", mcu=chip, flash_size=plan.flash_size))


def test_a_sound_csv_passes(tmp_path):
    check_plan(_plan(tmp_path, **_csv("0x3b000, 0x2000", "0x50000, 0x20000")), None)


# --- flash sizes ---


@pytest.mark.parametrize(
    ("module", "files", "board", "message"),
    [
        pytest.param(
            "WROOM-32",
            {},
            BoardFacts("small", mcu="esp32", flash_size=2 << 20),
            "the firmware package AT_PACK needs 4MB of flash, board small has 2MB",
            id="board",
        ),
        pytest.param(
            "ESP32-D2WD",
            {},
            None,
            "the firmware package AT_PACK needs 4MB of flash, module ESP32-D2WD has 2MB",
            id="module",
        ),
        pytest.param(
            "WROOM-32",
            {"download.config": CONFIG.replace("4MB", "8MB")},
            None,
            "the firmware package AT_PACK needs 8MB of flash, module WROOM-32 has 4MB",
            id="package-for-more",
        ),
    ],
)
def test_flash_too_small(tmp_path, module, files, board, message):
    error = _refusal(_plan(tmp_path, module=module, files=files), SelectionError, board)
    assert error.message == message
    assert error.hint.startswith("take a firmware package for that flash size")


def test_package_for_less_than_its_own_tables(tmp_path):
    error = _refusal(_plan(tmp_path, files={"download.config": CONFIG.replace("4MB", "2MB")}), LayoutError)
    assert [(problem.where, problem.message) for problem in error.problems] == [
        (PRIMARY, "partition 'ota_0' (0x100000…0x280000) ends behind 0x200000, the end of the flash"),
        (PRIMARY, "partition 'ota_1' (0x280000…0x400000) ends behind 0x200000, the end of the flash"),
    ]


# --- the user partition table ---


@pytest.mark.parametrize(
    ("old", "new", "where", "message", "hint"),
    [
        pytest.param(
            "0x24000, 0x2000",
            "0x23000, 0x2000",
            "user.csv:3",
            "partition 'server_cert' (0x23000…0x25000) overlaps 'ble_data' (0x21000…0x24000)",
            "move it to 0x24000",
            id="overlap",
        ),
        pytest.param(
            "0x3b000, 0x2000",
            "0x3b800, 0x1000",
            "user.csv:15",
            "partition 'mqtt_ca' (0x3b800…0x3c800) doesn't start at a multiple of 0x1000",
            None,
            id="alignment",
        ),
        pytest.param(
            "0x70000, 0x90000",
            "0x70000, 0x90001",
            "user.csv:16",
            "partition 'fatfs' (0x70000…0x100001) ends behind 0x100000, the end of the primary table's "
            "'at_customize' (0x20000…0x100000)",
            "at most 576KB fit there",
            id="end",
        ),
        pytest.param(
            "0x70000, 0x90000",
            "0x200000, 0x1000",
            "user.csv:16",
            "partition 'fatfs' (0x200000…0x201000) ends behind 0x100000, the end of the primary table's "
            "'at_customize' (0x20000…0x100000)",
            None,
            id="outside",
        ),
        pytest.param(
            "0x21000, 0x3000",
            "0x20000, 0x4000",
            "user.csv:2",
            "partition 'ble_data' (0x20000…0x24000) starts before 0x21000",
            "the partition table itself lies before that",
            id="over-the-table",
        ),
        pytest.param(
            "0x70000, 0x90000",
            "0x70000, 0",
            "user.csv:16",
            "partition 'fatfs' (0x70000…0x70000) has no size",
            None,
            id="size",
        ),
        pytest.param(
            "fatfs",
            "mqtt_ca",
            "user.csv:16",
            "partition name 'mqtt_ca' is used twice",
            "the firmware finds partitions by name",
            id="name-twice",
        ),
        pytest.param(
            "factory_param",
            "factory",
            None,
            "unknown partition 'factory_param'",
            None,
            id="factory_param-renamed",
        ),
    ],
)
def test_user_partition_table(tmp_path, old, new, where, message, hint):
    if where is None:
        # The module's factory_param finds no row: that is told while planning.
        with pytest.raises(EspAtError) as caught:
            _plan(tmp_path, **_csv(old, new))
        assert caught.value.message == message
        return
    error = _refusal(_plan(tmp_path, **_csv(old, new)), LayoutError)
    assert (error.where, error.message, error.hint) == (where, message, hint)


def test_every_problem_is_told(tmp_path):
    request = _csv("0x24000, 0x2000", "0x24800, 0x1000")
    text = request["partitions"].text().replace("0x70000, 0x90000", "0x70000, 0x90001")
    plan = _plan(tmp_path, partitions=InputFile("user.csv", HERE, text.encode()))
    error = _refusal(plan, LayoutError)
    assert error.message == "2 problems:"
    assert [problem.where for problem in error.problems] == ["user.csv:3", "user.csv:16"]
    assert str(error).count("\n") >= 3


# --- content ---


def _pki_image(size: int) -> InputFile:
    """Return a finished image of a PKI partition, with FF to its end."""
    return InputFile("big.bin", HERE, PkiContainer.of(PkiType.CA, [b"x"]).to_bytes().ljust(size, b"\xff"))


@pytest.mark.parametrize(
    ("size", "fits"), [pytest.param(0x1000, True, id="as-large"), pytest.param(0x1001, False, id="a-byte-too-large")]
)
def test_content_too_large_names_the_line(tmp_path, size, fits):
    plan = _plan(
        tmp_path,
        **_csv("0x3b000, 0x2000", "0x3b000, 0x1000"),
        data={"mqtt_ca": _pki_image(size)},
    )
    if fits:
        check_plan(plan, None)
        return
    error = _refusal(plan, LayoutError)
    assert str(error) == (
        "user.csv:15: partition 'mqtt_ca' has 4096 bytes, its content (big.bin) 4097\n"
        "  make the partition larger, or its content smaller"
    )


def test_content_too_large_for_the_packages_own_table(tmp_path):
    error = _refusal(_plan(tmp_path, data={"mqtt_ca": _pki_image(0x2001)}), LayoutError)
    assert (error.where, error.message) == (
        "at_customize.bin",
        "partition 'mqtt_ca' has 8192 bytes, its content (big.bin) 8193",
    )


def test_content_of_the_last_partition_beyond_the_flash(tmp_path):
    """The home of ota_1 is the end of the flash: both problems are told."""
    app = SAMPLE["esp-at.bin"] + bytes(0x180000)
    config = CONFIG.replace("0x100000 esp-at.bin", "0x280000 esp-at.bin")
    error = _refusal(_plan(tmp_path, files={"download.config": config, "esp-at.bin": app}), LayoutError)
    assert [(problem.where, problem.message) for problem in error.problems] == [
        ("esp-at.bin", "ota_1 ends at 0x404050, the flash has 4MB"),
        (PRIMARY, f"partition 'ota_1' has {0x180000} bytes, its content (firmware package) {len(app)}"),
    ]


@pytest.mark.parametrize(("chip", "name"), [("esp32", "factory_param"), ("esp32c6", "mfg_nvs")])
def test_parameters_missing(tmp_path, chip, name):
    plan = _plan(tmp_path, chip)
    plan = replace(plan, regions=tuple(region for region in plan.regions if region.name != name))
    error = _refusal(plan, LayoutError)
    assert str(error) == (
        f"at_customize.bin: the partition table has no {name}\n  without it the module answers on other pins"
    )


def test_parameters_missing_in_a_csv(tmp_path):
    """Where factory_param isn't given by a row of the CSV, mfg_nvs' packages only show it here."""
    csv = "fatfs, data, fat, 0x47000, 100K\n"
    error = _refusal(_plan(tmp_path, "esp32c6", partitions=InputFile("user.csv", HERE, csv.encode())), LayoutError)
    assert (error.where, error.message) == ("user.csv", "the partition table has no mfg_nvs")


# --- images ---


def _with_image(offset: str, data: bytes = b"x") -> dict[str, bytes | str]:
    return {"download.config": f"{CONFIG} {offset} extra.bin", "extra.bin": data}


@pytest.mark.parametrize(
    ("files", "where", "message", "hint"),
    [
        pytest.param(
            _with_image("0x1000"),
            None,
            "extra.bin at 0x1000 would be written over bootloader/bootloader.bin, which takes 0x1000…0x3000",
            "move one of the two: no two images can share a sector (0x1000 bytes)",
            id="same-offset",
        ),
        pytest.param(
            _with_image("0x2000"),
            None,
            "extra.bin at 0x2000 would be written over bootloader/bootloader.bin, which takes 0x1000…0x3000",
            "move one of the two: no two images can share a sector (0x1000 bytes)",
            id="same-sector",
        ),
        pytest.param(
            _with_image("0x7000", bytes(0x1001)),
            None,
            f"{PRIMARY} at 0x8000 would be written over extra.bin, which takes 0x7000…0x9000",
            "move one of the two: no two images can share a sector (0x1000 bytes)",
            id="over-the-partition-table",
        ),
        pytest.param(
            _with_image("0x6800"),
            "extra.bin",
            "extra goes to 0x6800, inside a sector of the flash",
            "sectors start at multiples of 0x1000",
            id="inside-a-sector",
        ),
        pytest.param(
            _with_image("0x13000"),
            "extra.bin",
            "it takes 0x13000…0x14000, inside 'nvs' (0x12000…0x20000), which an update keeps",
            "move it to where no partition is",
            id="inside-a-kept-partition",
        ),
        pytest.param(
            _with_image("0x60000", bytes(0x10001)),
            "extra.bin",
            "it takes 0x60000…0x71000, inside 'fatfs' (0x70000…0x100000), which an update keeps",
            "move it to where no partition is",
            id="into-a-kept-partition",
        ),
    ],
)
def test_image_in_the_way(tmp_path, files, where, message, hint):
    error = _refusal(_plan(tmp_path, files=files), LayoutError)
    assert (error.where, error.message, error.hint) == (where, message, hint)


def test_image_beyond_the_flash(tmp_path):
    error = _refusal(_plan(tmp_path, files=_with_image("0x400000")), LayoutError)
    assert (error.where, error.message) == ("extra.bin", "extra ends at 0x400001, the flash has 4MB")
    assert error.hint == "place it lower, or take a module with more flash"


def test_image_between_the_partitions(tmp_path):
    check_plan(_plan(tmp_path, files=_with_image("0x6000")), None)


# --- the primary table ---


def _primary(*rows: Partition) -> dict[str, bytes]:
    own = PartitionTable.from_bytes(SAMPLE[PRIMARY])
    names = {row.name for row in rows}
    kept = tuple(row for row in own if row.name not in names)
    return {PRIMARY: PartitionTable(kept + rows, md5=False).to_bytes()}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param(
            Partition("nvs", 1, 2, 0x8000, 0x1000),
            "partition 'nvs' (0x8000…0x9000) starts before 0x9000",
            id="over-the-table",
        ),
        pytest.param(
            Partition("nvs", 1, 2, 0x11000, 0xF000),
            "partition 'nvs' (0x11000…0x20000) overlaps 'otadata' (0x10000…0x12000)",
            id="overlap",
        ),
        pytest.param(
            Partition("ota_1", 0, 0x11, 0x281000, 0x17F000),
            "partition 'ota_1' (0x281000…0x400000) doesn't start at a multiple of 0x10000",
            id="alignment-of-an-app",
        ),
    ],
)
def test_primary_table(tmp_path, row, message):
    error = _refusal(_plan(tmp_path, files=_primary(row)), LayoutError)
    assert (error.where, error.message) == (PRIMARY, message)


def test_an_app_of_esp8266_may_start_at_any_sector(tmp_path):
    files = sample_package("esp8266")
    rows = [row for row in PartitionTable.from_bytes(files[PRIMARY]) if row.name != "factory"]
    table = PartitionTable((*rows, Partition("factory", 0, 0, 0x21000, 0xDF000)), md5=False)
    config = files["download.config"].decode().replace("0x20000 esp-at.bin", "0x21000 esp-at.bin")
    check_plan(_plan(tmp_path, "esp8266", files={PRIMARY: table.to_bytes(), "download.config": config}), None)


# --- bootloader and application ---


def _damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("app", "kind", "where", "message", "hint"),
    [
        pytest.param(
            _damaged(SAMPLE["esp-at.bin"], 100),
            FormatError,
            "esp-at.bin:0x402f",
            "the ESP image's checksum is ",
            "the file is damaged: take it from the firmware package again",
            id="checksum",
        ),
        pytest.param(
            _damaged(SAMPLE["esp-at.bin"], len(SAMPLE["esp-at.bin"]) - 1),
            PackageError,
            "esp-at.bin",
            "the image's SHA-256 doesn't match its bytes",
            "the file is damaged: download the firmware package again",
            id="digest",
        ),
        pytest.param(
            SAMPLE["esp-at.bin"][:1000],
            FormatError,
            "esp-at.bin:0x18",
            "the ESP image is cut inside segment 0",
            None,
            id="cut",
        ),
        pytest.param(
            b"not an image",
            FormatError,
            "esp-at.bin:0x0",
            "no ESP image: it starts with 6e instead of e9",
            None,
            id="text",
        ),
        pytest.param(
            sample_package("esp32c3")["esp-at.bin"],
            PackageError,
            "esp-at.bin",
            "not an image for ESP32 (chip id 5)",
            "take the firmware package of the module's chip",
            id="another-chip",
        ),
        pytest.param(sample_package("esp8266")["esp-at.bin"], FormatError, None, "", None, id="esp8266"),
    ],
)
def test_app(tmp_path, app, kind, where, message, hint):
    error = _refusal(_plan(tmp_path, files={"esp-at.bin": app}), kind)
    assert error.where.startswith("esp-at.bin") if where is None else error.where == where
    assert error.message.startswith(message)
    assert error.hint == hint


def test_an_app_without_a_digest_passes(tmp_path):
    app = bytearray(SAMPLE["esp-at.bin"][:-32])
    app[23] = 0
    check_plan(_plan(tmp_path, files={"esp-at.bin": bytes(app)}), None)


@pytest.mark.parametrize("mode", ["dio", "qio"])
def test_damaged_bootloader(tmp_path, mode):
    """New flash settings in its header come with a new digest, which mustn't hide the damage."""
    bootloader = _damaged(SAMPLE[BOOTLOADER], 5)
    files = {BOOTLOADER: bootloader, "download.config": CONFIG.replace("dio", mode)}
    with pytest.raises(PackageError) as caught:
        check_plan(_plan(tmp_path, files=files), None)
    assert str(caught.value) == (
        f"{BOOTLOADER}: the image's SHA-256 doesn't match its bytes\n"
        "  the file is damaged: download the firmware package again"
    )


# --- the family of the module ---


def _made_for(tmp_path, name: str, module: str, board: BoardFacts | None = None, chip: str = "esp32") -> FlashPlan:
    """Return the plan that flashes the sample package for one module onto another."""
    write_sample_package(tmp_path / name, chip, module=name)
    package = open_package(tmp_path / name)
    assert package.modules == (name,)
    return make_plan(package, select(Text(module, HERE), board, package), Request())


@pytest.mark.parametrize(
    ("made_for", "module"),
    [("WROOM-32", "WROVER-32"), ("WROVER-32", "WROVER-32"), ("WROOM-32", "PICO-D4"), ("MINI-1", "WROVER-32")],
)
def test_families_that_go_together(tmp_path, made_for, module):
    check_plan(_made_for(tmp_path, made_for, module), None)


@pytest.mark.parametrize("module", ["WROOM-32", "SOLO-1", "PICO-D4", "MINI-1"])
def test_firmware_that_needs_psram_on_a_module_without(tmp_path, module):
    error = _refusal(_made_for(tmp_path, "WROVER-32", module), SelectionError)
    assert error.message == (
        f"the firmware package WROVER-32 (for WROVER-32) only starts on modules with PSRAM, {module} has none"
    )
    assert error.hint == f"take the firmware package for {module}, or name the module that is really there"


def test_firmware_that_needs_psram_on_a_board_with_it(tmp_path):
    board = BoardFacts("my_wrover", mcu="esp32", extra_flags="-DBOARD_HAS_PSRAM")
    check_plan(_made_for(tmp_path, "WROVER-32", "MINI-1", board), board)


def test_an_application_that_needs_psram_tells_so_itself(tmp_path):
    """Whatever the package is called: the text is what ESP-IDF says before it gives up."""
    text = b"cpu_start: Failed to init external RAM!\0"
    plan = _plan(tmp_path, files={"esp-at.bin": with_text(SAMPLE["esp-at.bin"], text)}, module="WROOM-32")
    assert "only starts on modules with PSRAM" in _refusal(plan, SelectionError).message
    check_plan(_plan(tmp_path, files={"esp-at.bin": with_text(SAMPLE["esp-at.bin"], text)}, module="WROVER-32"), None)
    goes_on = b"cpu_start: Failed to init external RAM; continuing without it.\0"
    check_plan(_plan(tmp_path, files={"esp-at.bin": with_text(SAMPLE["esp-at.bin"], goes_on)}, module="WROOM-32"), None)


def test_other_ways_for_at_commands(tmp_path):
    error = _refusal(_made_for(tmp_path, "WROOM-32", "ESP32-SDIO"), SelectionError)
    assert error.message.endswith("takes AT commands over UART, ESP32-SDIO over SDIO")
    error = _refusal(_made_for(tmp_path, "ESP32-SDIO", "WROOM-32"), SelectionError)
    assert error.message.endswith("takes AT commands over SDIO, WROOM-32 over UART")


def test_programs_for_different_silicon(tmp_path):
    files = {
        BOOTLOADER: for_revisions(SAMPLE[BOOTLOADER], 0, 99),
        "esp-at.bin": for_revisions(SAMPLE["esp-at.bin"], 300, 399),
    }
    plan = _plan(tmp_path, files=files)
    assert plan.chip_revisions == ChipRevisions(300, 99)
    assert "different revisions of the chip" in _refusal(plan, PackageError).message
