"""Whether tables and images fit together, and into the flash: each problem with its place and the next step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from plans import HERE, refusal, sample_plan

from platformio_esp_at.checks.layout import check_primary, check_secondary, misplaced_regions
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.demo.sample_pki import sample_pki
from platformio_esp_at.errors import LayoutError
from platformio_esp_at.formats.partition_table import ESP8266_APP_ALIGNMENT, Partition, PartitionTable
from platformio_esp_at.formats.pki import PkiContainer, PkiType
from platformio_esp_at.planning.filesystems import FileSystem, build_filesystem
from platformio_esp_at.request.values import InputFile

if TYPE_CHECKING:
    from platformio_esp_at.planning.plan import FlashPlan

SAMPLE = sample_package("esp32")
CONFIG = SAMPLE["download.config"].decode()
PRIMARY_FILE = "partition_table/partition-table.bin"
USER_CSV = PartitionTable.from_bytes(SAMPLE["at_customize.bin"]).to_csv()
"""Its line 1 is a comment; ble_data stands in line 2, factory_param in line 9, mqtt_ca in 15, fatfs in 16."""


# --- tables by themselves ---


def _from_csv(text: str) -> PartitionTable:
    return PartitionTable.from_csv(text, first_offset=0x9000)


PRIMARY = """\
nvs,data,nvs,0x9000,24K
at_customize,0x40,0,0x20000,64K
ota_0,app,ota_0,0x30000,832K
"""


def _check_primary(text: str, **options) -> None:
    check_primary(_from_csv(text), **{"table_offset": 0x8000, "flash_size": 0x100000, **options})


def test_check_primary():
    _check_primary(PRIMARY)
    _check_primary(PRIMARY.replace("832K", "64M"), flash_size=None)
    _check_primary("app,app,factory,0x11000,4K\n", app_alignment=ESP8266_APP_ALIGNMENT)


MULTIPLE = "partition {} doesn't start at a multiple of {}"
UNDER_TABLE = "write {} or more as its offset: the partition table itself is before that"


@pytest.mark.parametrize(
    ("text", "code", "message", "where", "hint"),
    [
        pytest.param(
            "a,data,nvs,0x9000,4K\na,data,nvs,0xa000,4K",
            "partition-twice",
            "partition name 'a' is used twice",
            "2",
            "rename one of the two: the firmware finds partitions by name",
            id="name-twice",
        ),
        pytest.param(
            "a,data,nvs,0x9000,8K\nb,data,phy,0xa000,4K",
            "table-overlap",
            "partition 'b' (0xa000…0xb000) overlaps 'a' (0x9000…0xb000)",
            "2",
            "move it to 0xb000",
            id="overlap",
        ),
        pytest.param(
            "b,data,phy,0xa000,4K\na,data,nvs,0x9000,8K",
            "table-overlap",
            "partition 'b' (0xa000…0xb000) overlaps 'a' (0x9000…0xb000)",
            "1",
            "move it to 0xb000",
            id="overlap-out-of-order",
        ),
        pytest.param(
            "a,data,nvs,0x9000,4K\nb,data,nvs,0x9000,4K",
            "table-overlap",
            "partition 'b' (0x9000…0xa000) overlaps 'a' (0x9000…0xa000)",
            "2",
            "move it to 0xa000",
            id="same-place",
        ),
        pytest.param(
            "a,data,nvs,0x9000,100\nb,data,nvs,0x9000,200",
            "table-overlap",
            "partition 'b' (0x9000…0x90c8) overlaps 'a' (0x9000…0x9064)",
            "2",
            "move it to 0xa000",
            id="overlap-inside-a-sector",
        ),
        pytest.param(
            "a,data,nvs,0x9004,4K",
            "partition-misaligned",
            MULTIPLE.format("'a' (0x9004…0xa004)", "0x1000"),
            "1",
            "write 0xa000 as its offset",
            id="data-misaligned",
        ),
        pytest.param(
            "a,app,ota_0,0x11000,4K",
            "partition-misaligned",
            MULTIPLE.format("'a' (0x11000…0x12000)", "0x10000"),
            "1",
            "write 0x20000 as its offset",
            id="app-misaligned",
        ),
        pytest.param(
            "a,data,nvs,0x9000,0",
            "partition-empty",
            "partition 'a' (0x9000…0x9000) has no size",
            "1",
            "write its size, such as 0x1000",
            id="no-size",
        ),
        pytest.param(
            "a,data,nvs,0x8000,4K",
            "partition-outside",
            "partition 'a' (0x8000…0x9000) starts before 0x9000",
            "1",
            UNDER_TABLE.format("0x9000"),
            id="over-the-table",
        ),
        pytest.param(
            "a,data,nvs,0x0,4K",
            "partition-outside",
            "partition 'a' (0x0…0x1000) starts before 0x9000",
            "1",
            UNDER_TABLE.format("0x9000"),
            id="before-the-table",
        ),
        pytest.param(
            "a,data,nvs,0xff000,8K",
            "partition-outside",
            "partition 'a' (0xff000…0x101000) ends after 0x100000, the end of the flash",
            "1",
            "write 4KB or less as its size",
            id="over-the-end",
        ),
        pytest.param(
            "a,data,nvs,0x100000,4K",
            "partition-outside",
            "partition 'a' (0x100000…0x101000) ends after 0x100000, the end of the flash",
            "1",
            "move it to an offset before 0x100000, or remove the row",
            id="after-the-end",
        ),
    ],
)
def test_check_primary_refuses(text, code, message, where, hint):
    with pytest.raises(LayoutError) as caught:
        _check_primary(text)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_every_problem_of_a_table_is_reported():
    with pytest.raises(LayoutError) as caught:
        _check_primary("a,data,nvs,0x9004,8K\nb,data,phy,0xa000,0\n")
    assert [problem.message for problem in caught.value.problems] == [
        "partition 'a' (0x9004…0xb004) doesn't start at a multiple of 0x1000",
        "partition 'b' (0xa000…0xa000) has no size",
        "partition 'b' (0xa000…0xa000) overlaps 'a' (0x9004…0xb004)",
    ]
    assert [problem.where for problem in caught.value.problems] == ["1", "2", "2"]
    assert [problem.code for problem in caught.value.problems] == [
        "partition-misaligned",
        "partition-empty",
        "table-overlap",
    ]


HOME = Partition("at_customize", 0x40, 0, 0x18000, 0x8000)
AFTER_HOME = "ends after 0x20000, the end of the primary table's 'at_customize' (0x18000…0x20000)"


def test_check_secondary():
    check_secondary(_from_csv("a,0x40,8,0x19000,4K\nb,0x40,5,0x1a000,24K\n"), home=HOME)


@pytest.mark.parametrize(
    ("row", "code", "message", "hint"),
    [
        pytest.param(
            "a,0x40,8,0x18000,4K",
            "partition-outside",
            "partition 'a' (0x18000…0x19000) starts before 0x19000",
            UNDER_TABLE.format("0x19000"),
            id="over-the-table",
        ),
        pytest.param(
            "a,0x40,8,0x1f000,8K",
            "partition-outside",
            f"partition 'a' (0x1f000…0x21000) {AFTER_HOME}",
            "write 4KB or less as its size",
            id="over-the-end",
        ),
        pytest.param(
            "a,0x40,8,0x30000,4K",
            "partition-outside",
            f"partition 'a' (0x30000…0x31000) {AFTER_HOME}",
            "move it to an offset before 0x20000, or remove the row",
            id="after-the-end",
        ),
        pytest.param(
            "a,0x40,8,0x19800,2K",
            "partition-misaligned",
            MULTIPLE.format("'a' (0x19800…0x1a000)", "0x1000"),
            "write 0x1a000 as its offset",
            id="misaligned",
        ),
    ],
)
def test_check_secondary_refuses(row, code, message, hint):
    with pytest.raises(LayoutError) as caught:
        check_secondary(_from_csv(row), home=HOME)
    assert (caught.value.code, caught.value.where) == (code, "1")
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_check_of_a_table_from_bytes_names_no_line():
    with pytest.raises(LayoutError) as caught:
        check_secondary(PartitionTable.from_bytes(_from_csv("nvs,data,nvs,0x9000,4K").to_bytes()), home=HOME)
    assert (caught.value.message, caught.value.where) == ("partition 'nvs' (0x9000…0xa000) starts before 0x19000", None)
    assert caught.value.facts == {"partition": "nvs"}


# --- the user table of a project ---


def _csv(old: str = "", new: str = "") -> dict[str, InputFile]:
    assert old in USER_CSV
    return {"partitions": InputFile("user.csv", HERE, USER_CSV.replace(old, new).encode())}


@pytest.mark.parametrize(
    ("old", "new", "where", "code", "message", "hint"),
    [
        pytest.param(
            "0x24000, 0x2000",
            "0x23000, 0x2000",
            "user.csv:3",
            "table-overlap",
            "partition 'server_cert' (0x23000…0x25000) overlaps 'ble_data' (0x21000…0x24000)",
            "move it to 0x24000",
            id="overlap",
        ),
        pytest.param(
            "0x3b000, 0x2000",
            "0x3b800, 0x1000",
            "user.csv:15",
            "partition-misaligned",
            "partition 'mqtt_ca' (0x3b800…0x3c800) doesn't start at a multiple of 0x1000",
            "write 0x3c000 as its offset",
            id="alignment",
        ),
        pytest.param(
            "0x70000, 0x90000",
            "0x70000, 0x90001",
            "user.csv:16",
            "partition-outside",
            "partition 'fatfs' (0x70000…0x100001) ends after 0x100000, the end of the primary table's "
            "'at_customize' (0x20000…0x100000)",
            "write 576KB or less as its size",
            id="end",
        ),
        pytest.param(
            "0x70000, 0x90000",
            "0x200000, 0x1000",
            "user.csv:16",
            "partition-outside",
            "partition 'fatfs' (0x200000…0x201000) ends after 0x100000, the end of the primary table's "
            "'at_customize' (0x20000…0x100000)",
            "move it to an offset before 0x100000, or remove the row",
            id="outside",
        ),
        pytest.param(
            "0x21000, 0x3000",
            "0x20000, 0x4000",
            "user.csv:2",
            "partition-outside",
            "partition 'ble_data' (0x20000…0x24000) starts before 0x21000",
            "write 0x21000 or more as its offset: the partition table itself is before that",
            id="over-the-table",
        ),
        pytest.param(
            "0x70000, 0x90000",
            "0x70000, 0",
            "user.csv:16",
            "partition-empty",
            "partition 'fatfs' (0x70000…0x70000) has no size",
            "write its size, such as 0x1000",
            id="size",
        ),
        pytest.param(
            "fatfs",
            "mqtt_ca",
            "user.csv:16",
            "partition-twice",
            "partition name 'mqtt_ca' is used twice",
            "rename one of the two: the firmware finds partitions by name",
            id="name-twice",
        ),
    ],
)
def test_user_partition_table(tmp_path, old, new, where, code, message, hint):
    error = refusal(sample_plan(tmp_path, **_csv(old, new)), LayoutError)
    assert (error.code, error.where) == (code, where)
    assert (error.message, error.hint) == (message, hint)


def test_a_user_table_without_a_row_for_the_parameters(tmp_path):
    """The module's factory_param finds no row: planning refuses that already."""
    with pytest.raises(LayoutError) as caught:
        sample_plan(tmp_path, **_csv("factory_param", "factory"))
    assert (caught.value.code, caught.value.where) == ("parameters-missing", "user.csv")
    assert caught.value.message == "the partition table has no factory_param"
    assert caught.value.hint == (
        "add the row factory_param, which esp-at table PACKAGE prints; or name only partitions of your own: those are "
        "added to the firmware package's table"
    )


# --- content ---


def _pki_image(size: int) -> InputFile:
    """Return a finished image of a PKI partition, with FF to its end."""
    return InputFile(
        "big.bin", HERE, PkiContainer.of(PkiType.CA, [sample_pki("mqtt", PkiType.CA)]).to_bytes().ljust(size, b"\xff")
    )


@pytest.mark.parametrize(
    ("size", "fits"), [pytest.param(0x1000, True, id="as-large"), pytest.param(0x1001, False, id="a-byte-too-large")]
)
def test_content_too_large_names_the_line(tmp_path, size, fits):
    plan = sample_plan(
        tmp_path,
        **_csv("0x3b000, 0x2000", "0x3b000, 0x1000"),
        data={"mqtt_ca": _pki_image(size)},
    )
    if fits:
        check_plan(plan, None)
        return
    error = refusal(plan, LayoutError)
    assert error.code == "content-too-large"
    assert error.facts == {"file": "user.csv", "line": 15, "partition": "mqtt_ca", "size": 0x1000}
    assert str(error) == (
        "user.csv:15: partition 'mqtt_ca' has 4096 bytes, its content (big.bin) 4097\n"
        "  make the partition larger, or its content smaller"
    )


def test_content_too_large_for_the_packages_own_table(tmp_path):
    error = refusal(sample_plan(tmp_path, data={"mqtt_ca": _pki_image(0x2001)}), LayoutError)
    assert error.code == "content-too-large"
    assert (error.where, error.message) == (
        "at_customize.bin",
        "partition 'mqtt_ca' has 8192 bytes, its content (big.bin) 8193",
    )


def test_content_of_the_last_partition_beyond_the_flash(tmp_path):
    """The home of ota_1 is the end of the flash: that the content leaves the flash, too, is no other problem."""
    error = refusal(_with_ota_1(tmp_path, 0x180001), LayoutError)
    assert (error.code, error.where, error.message) == (
        "content-too-large",
        PRIMARY_FILE,
        f"partition 'ota_1' has {0x180000} bytes, its content (firmware package) {0x180001}",
    )


def test_content_that_ends_where_the_flash_ends(tmp_path):
    plan = _with_ota_1(tmp_path, 0x180000)
    assert max(region.end for region in plan.regions) == plan.flash_size == 4 << 20
    check_plan(plan, None)


def _with_ota_1(tmp_path, size: int) -> FlashPlan:
    """Return a plan whose application has so many bytes, and goes to the last partition of the flash."""
    config = f"{CONFIG} 0x280000 second.bin"
    files = {"download.config": config, "second.bin": SAMPLE["esp-at.bin"].ljust(size, b"\xff")}
    return sample_plan(tmp_path, files=files)


@pytest.mark.parametrize(("chip", "name"), [("esp32", "factory_param"), ("esp32c6", "mfg_nvs")])
def test_parameters_missing(tmp_path, chip, name):
    plan = sample_plan(tmp_path, chip)
    plan = replace(plan, regions=tuple(region for region in plan.regions if region.name != name))
    error = refusal(plan, LayoutError)
    assert error.code == "parameters-missing"
    assert str(error) == (
        f"at_customize.bin: the partition table has no {name}\n"
        f"  add a row {name}: without it the module answers on other pins"
    )


def test_parameters_missing_in_a_csv(tmp_path):
    """Planning lets a table without mfg_nvs through: its content would be the package's own."""
    csv = "fatfs, data, fat, 0x47000, 100K\n"
    error = refusal(sample_plan(tmp_path, "esp32c6", partitions=InputFile("user.csv", HERE, csv.encode())), LayoutError)
    assert (error.code, error.where) == ("parameters-missing", "user.csv")
    assert error.message == "the partition table has no mfg_nvs"


def test_parameters_missing_in_what_may_be_meant_as_an_addition(tmp_path):
    csv = "fatfs, data, fat, 0x47000, 100K\nmy_data, 0x40, 0x20, 0x3e000, 4K\n"
    error = refusal(sample_plan(tmp_path, "esp32c6", partitions=InputFile("user.csv", HERE, csv.encode())), LayoutError)
    assert error.hint == (
        "add the row mfg_nvs, which esp-at table PACKAGE prints; or name only partitions of your own: those are added "
        "to the firmware package's table"
    )


# --- partitions of the project's own ---


def _own(csv: str) -> InputFile:
    return InputFile("own.csv", HERE, csv.encode())


def test_a_partition_that_would_move(tmp_path):
    plan = sample_plan(
        tmp_path, partitions=_own("log, 0x40, 5, , 4K\nmine, 0x40, 5, , 4K\n"), recorded={"mine": 0x21000}
    )
    error = refusal(plan, LayoutError)
    assert (error.code, error.where) == ("partition-would-move", "own.csv:2")
    assert error.message == (
        "partition 'mine' can't stay at 0x21000 with AT_PACK: 'ble_data' (0x21000…0x24000) is there"
    )
    assert error.hint == (
        "what it holds would be lost: give it content, data: {mine: FILE}; or write 0x3e000 as its offset to move it "
        "without its content; or remove its entry from partitions: in esp_at.lock"
    )
    assert error.facts == {"file": "own.csv", "line": 2, "partition": "mine", "recorded": 0x21000, "offset": 0x3E000}


@pytest.mark.parametrize(
    ("row", "recorded", "data"),
    [
        pytest.param("mine, 0x40, 5, , 4K", {}, {}, id="new"),
        pytest.param("mine, 0x40, 5, , 4K", {"mine": 0x50000, "log": 0x21000}, {}, id="it-stays"),
        pytest.param("mine, 0x40, 5, 0x3d000, 4K", {"mine": 0x21000}, {}, id="the-csv-has-its-offset"),
        pytest.param("mine, 0x40, 5, , 4K", {"mine": 0x21000}, {"mine": b"x"}, id="it-has-content"),
    ],
)
def test_a_partition_that_may_be_where_it_is(tmp_path, row, recorded, data):
    files = {name: InputFile("mine.bin", HERE, content) for name, content in data.items()}
    check_plan(sample_plan(tmp_path, partitions=_own(row), recorded=recorded, data=files), None)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        pytest.param("0x3b000, 0x2000", "0x3a000, 0x2000", "table-overlap", id="tables"),
        pytest.param("factory_param, 0x40", "factory_param, 0x41", "partition-type", id="types"),
    ],
)
def test_what_is_wrong_with_the_package_is_not_in_the_csv(tmp_path, old, new, code):
    wrong = PartitionTable.from_csv(USER_CSV.replace(old, new), first_offset=0).to_bytes()
    plan = sample_plan(tmp_path, files={"at_customize.bin": wrong}, partitions=_own("mine, 0x40, 5, , 4K\n"))
    error = refusal(plan, LayoutError)
    assert (error.code, error.where) == (code, "at_customize.bin")


def test_rows_of_the_package_are_not_in_the_csv(tmp_path):
    """What doesn't fit into one is told with the file that has its row."""
    large = build_filesystem({}, kind=FileSystem.FAT, size=1 << 20)
    plan = sample_plan(tmp_path, partitions=_own("mine, 0x40, 5, , 4K\n"), data={"fatfs": InputFile("f", HERE, large)})
    assert [(problem.code, problem.where) for problem in misplaced_regions(plan)] == [
        ("content-too-large", "at_customize.bin")
    ]
    plan = sample_plan(
        tmp_path, partitions=_own("mine, 0x40, 5, , 4K\n"), data={"mine": InputFile("f", HERE, bytes(4097))}
    )
    assert [(problem.code, problem.where) for problem in misplaced_regions(plan)] == [
        ("content-too-large", "own.csv:1")
    ]


# --- images ---


def _with_image(offset: str, data: bytes = b"x") -> dict[str, bytes | str]:
    return {"download.config": f"{CONFIG} {offset} extra.bin", "extra.bin": data}


@pytest.mark.parametrize(
    ("files", "where", "code", "message", "hint"),
    [
        pytest.param(
            _with_image("0x2000"),
            None,
            "image-overlap",
            "extra.bin at 0x2000 would be written over bootloader/bootloader.bin, which takes 0x1000…0x3000",
            "move one of the two: no two images can share a sector (0x1000 bytes)",
            id="same-sector",
        ),
        pytest.param(
            _with_image("0x7000", bytes(0x1001)),
            None,
            "image-overlap",
            f"{PRIMARY_FILE} at 0x8000 would be written over extra.bin, which takes 0x7000…0x9000",
            "move one of the two: no two images can share a sector (0x1000 bytes)",
            id="over-the-partition-table",
        ),
        pytest.param(
            _with_image("0x6800"),
            "extra.bin",
            "image-misaligned",
            "extra goes to 0x6800, inside a sector of the flash",
            "write a multiple of 0x1000 before it in download.config",
            id="inside-a-sector",
        ),
        pytest.param(
            _with_image("0x13000"),
            "extra.bin",
            "image-over-partition",
            "it takes 0x13000…0x14000, inside 'nvs' (0x12000…0x20000), which an update keeps",
            "move it to where no partition is",
            id="inside-a-kept-partition",
        ),
        pytest.param(
            _with_image("0x60000", bytes(0x10001)),
            "extra.bin",
            "image-over-partition",
            "it takes 0x60000…0x71000, inside 'fatfs' (0x70000…0x100000), which an update keeps",
            "move it to where no partition is",
            id="into-a-kept-partition",
        ),
    ],
)
def test_image_in_the_way(tmp_path, files, where, code, message, hint):
    error = refusal(sample_plan(tmp_path, files=files), LayoutError)
    assert (error.code, error.where) == (code, where)
    assert (error.message, error.hint) == (message, hint)


def test_image_beyond_the_flash(tmp_path):
    error = refusal(sample_plan(tmp_path, files=_with_image("0x400000")), LayoutError)
    assert error.code == "image-outside-flash"
    assert (error.where, error.message) == ("extra.bin", "extra ends at 0x400001, the flash has 4MB")
    assert error.hint == "place it lower, or take a module with more flash"


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        pytest.param("0x6000", 1, id="before-the-table"),
        pytest.param("0x60000", 0x10000, id="up-to-a-kept-partition"),
    ],
)
def test_image_between_the_partitions(tmp_path, offset, size):
    check_plan(sample_plan(tmp_path, files=_with_image(offset, bytes(size))), None)


# --- the primary table ---


def _primary(*rows: Partition) -> dict[str, bytes]:
    own = PartitionTable.from_bytes(SAMPLE[PRIMARY_FILE])
    names = {row.name for row in rows}
    kept = tuple(row for row in own if row.name not in names)
    return {PRIMARY_FILE: PartitionTable(kept + rows, md5=False).to_bytes()}


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        pytest.param(
            Partition("nvs", 1, 2, 0x8000, 0x1000),
            "partition-outside",
            "partition 'nvs' (0x8000…0x9000) starts before 0x9000",
            id="over-the-table",
        ),
        pytest.param(
            Partition("nvs", 1, 2, 0x11000, 0xF000),
            "table-overlap",
            "partition 'nvs' (0x11000…0x20000) overlaps 'otadata' (0x10000…0x12000)",
            id="overlap",
        ),
        pytest.param(
            Partition("ota_1", 0, 0x11, 0x281000, 0x17F000),
            "partition-misaligned",
            "partition 'ota_1' (0x281000…0x400000) doesn't start at a multiple of 0x10000",
            id="alignment-of-an-app",
        ),
    ],
)
def test_primary_table(tmp_path, row, code, message):
    error = refusal(sample_plan(tmp_path, files=_primary(row)), LayoutError)
    assert (error.code, error.where, error.message) == (code, PRIMARY_FILE, message)


def test_an_app_of_esp8266_may_start_at_any_sector(tmp_path):
    files = sample_package("esp8266")
    rows = [row for row in PartitionTable.from_bytes(files[PRIMARY_FILE]) if row.name != "factory"]
    table = PartitionTable((*rows, Partition("factory", 0, 0, 0x21000, 0xDF000)), md5=False)
    config = files["download.config"].decode().replace("0x20000 esp-at.bin", "0x21000 esp-at.bin")
    check_plan(
        sample_plan(tmp_path, "esp8266", files={PRIMARY_FILE: table.to_bytes(), "download.config": config}), None
    )


def test_package_for_less_than_its_own_tables(tmp_path):
    error = refusal(sample_plan(tmp_path, files={"download.config": CONFIG.replace("4MB", "2MB")}), LayoutError)
    assert [(problem.where, problem.message) for problem in error.problems] == [
        (PRIMARY_FILE, "partition 'ota_0' (0x100000…0x280000) ends after 0x200000, the end of the flash"),
        (PRIMARY_FILE, "partition 'ota_1' (0x280000…0x400000) ends after 0x200000, the end of the flash"),
    ]
