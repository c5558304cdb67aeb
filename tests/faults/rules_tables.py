"""Faults in the primary partition table, which the bootloader and ESP-IDF read.

What the bootloader does with a table: ESP-IDF ``bootloader_support/src/bootloader_utility.c``
(`bootloader_utility_load_partition_table`, `index_to_partition`) and ``flash_partitions.c``.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from faults.rule import rule
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

_FLASH_END = "package-inconsistent partition-outside table-overlap package-incomplete"


@rule("nvs_flash_init finds no partition nvs: Wi-Fi doesn't start, and nothing can be saved")
def nvs_gone(case: Case) -> Iterator[tuple[str, Case]]:
    yield "gone", case.without_row("nvs")


@rule("NVS needs 3 pages, one of them free: with fewer, nvs_flash_init fails")
def nvs_small(case: Case) -> Iterator[tuple[str, Case]]:
    for sectors in (2, 1):
        yield f"{sectors} sectors", case.with_row("nvs", size=sectors * SECTOR_SIZE)


@rule("ESP-IDF looks for the name nvs (NVS_DEFAULT_PART_NAME)")
def nvs_renamed(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("nvs0", "NVS"):
        yield name, case.with_row("nvs", name=name)


@rule("nvs_flash_init looks for type data, subtype nvs")
def nvs_other_kind(case: Case) -> Iterator[tuple[str, Case]]:
    for word, changes in (("fat", {"subtype": 0x81}), ("nvs_keys", {"subtype": 4}), ("0x40", {"type": 0x40})):
        yield word, case.with_row("nvs", **changes)


@rule("without otadata, esp_ota_begin and AT+CIUPDATE fail, and a slot chosen before is forgotten",
      codes="image-misdirected")  # fmt: skip
def otadata_gone(case: Case) -> Iterator[tuple[str, Case]]:
    yield "gone", case.without_row("otadata")


@rule("the bootloader takes data, ota as otadata, whatever its name; data, nvs or phy there means none")
def otadata_other_kind(case: Case) -> Iterator[tuple[str, Case]]:
    for word, changes in (("nvs", {"subtype": 2}), ("undefined", {"subtype": 6}), ("0x40", {"type": 0x40})):
        yield word, case.with_row("otadata", **changes)


@rule("bootloader_common_read_otadata refuses less than two sectors: no application is started")
def otadata_small(case: Case) -> Iterator[tuple[str, Case]]:
    yield "1 sector", case.with_row("otadata", size=SECTOR_SIZE)


@rule("the bootloader counts the OTA slots and tries 0 to count - 1: slot 5 is never tried")
def first_app_as_ota_5(case: Case) -> Iterator[tuple[str, Case]]:
    for slot in (5, 15):
        yield f"ota_{slot}", case.with_row(case.app_row.name, subtype=0x10 + slot)


@rule("an app partition with a subtype that no bootloader knows isn't tried")
def first_app_of_unknown_subtype(case: Case) -> Iterator[tuple[str, Case]]:
    for subtype in (0x30, 0xFF):
        yield f"{subtype:#x}", case.with_row(case.app_row.name, subtype=subtype)


@rule("a partition that isn't of type app is never started", codes="package-incomplete")
def first_app_of_other_type(case: Case) -> Iterator[tuple[str, Case]]:
    for kind in (1, 0x40):
        yield f"{kind:#x}", case.with_row(case.app_row.name, type=kind)


@rule("the application's row is gone: there is nothing to start", codes="package-incomplete")
def first_app_gone(case: Case) -> Iterator[tuple[str, Case]]:
    yield "gone", case.without_row(case.app_row.name)


@rule(
    "updates over the air have no slot to write to: AT+CIUPDATE fails",
    still_works="the application is in the other slot, and the bootloader starts it",
    a_note_will_do=True,
)
def second_app_gone(case: Case) -> Iterator[tuple[str, Case]]:
    if case.primary.find("ota_1") and case.of_release:  # who builds ESP-AT may want one slot
        yield "gone", case.without_row("ota_1")


@rule("after an update, the bootloader would look for slot 1 where the table has slot 7: the old one starts again")
def second_app_as_ota_7(case: Case) -> Iterator[tuple[str, Case]]:
    if case.primary.find("ota_1"):
        yield "ota_7", case.with_row("ota_1", subtype=0x17)


@rule("two rows claim slot 0: the later one is started, and nothing is written there")
def two_apps_of_one_slot(case: Case) -> Iterator[tuple[str, Case]]:
    if case.primary.find("ota_1"):
        yield "ota_1 as ota_0", case.with_row("ota_1", subtype=0x10)


@rule("ESP-AT looks for the user table in the partition of type 0x40")
def at_customize_other_kind(case: Case) -> Iterator[tuple[str, Case]]:
    for word, changes in (("type data", {"type": 1}), ("type 0x41", {"type": 0x41}), ("subtype 7", {"subtype": 7})):
        yield word, case.with_row("at_customize", **changes)


@rule("the firmware looks for at_customize by its name")
def at_customize_renamed(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("at_customise", "user"):
        yield name, case.with_row("at_customize", name=name)


@rule("the firmware finds no user partition at all: no parameters, no certificates", codes=_FLASH_END)
def at_customize_gone(case: Case) -> Iterator[tuple[str, Case]]:
    yield "gone", case.without_row("at_customize")


@rule("the table says another sector than the image of the user table goes to", codes=_FLASH_END)
def at_customize_moved(case: Case) -> Iterator[tuple[str, Case]]:
    row = case.row("at_customize")
    for sectors in (1, -1):
        moved = {"offset": row.offset + sectors * SECTOR_SIZE, "size": row.size - sectors * SECTOR_SIZE}
        if sectors > 0:
            yield f"{sectors:+}", case.with_row("at_customize", **moved)
    yield "to the end", case.with_row("at_customize", offset=row.end - SECTOR_SIZE, size=SECTOR_SIZE)


@rule("the user partitions are outside of it, so the firmware refuses them", codes=_FLASH_END)
def at_customize_small(case: Case) -> Iterator[tuple[str, Case]]:
    for sectors in (1, 2):
        yield f"{sectors} sectors", case.with_row("at_customize", size=sectors * SECTOR_SIZE)


@rule("the row isn't where the image of the PHY data is written: the radio isn't calibrated with it, or aborts",
      codes="image-misdirected")  # fmt: skip
def phy_init_moved(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has("phy_init_data"):
        yield "gone", case.without_row("phy_init")
        free = case.row("nvs")
        moved = [
            replace(row, offset=free.offset) if row.name == "phy_init" else
            replace(row, offset=row.offset + SECTOR_SIZE, size=row.size - SECTOR_SIZE) if row.name == "nvs" else row
            for row in case.primary
        ]  # fmt: skip
        yield "into nvs", case.with_primary(moved)


@rule("esp_phy_get_init_data looks for data, phy, and aborts without it (CONFIG_ESP_PHY_INIT_DATA_IN_PARTITION)")
def phy_init_other_kind(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has("phy_init_data"):
        yield "nvs", case.with_row("phy_init", subtype=2)
        yield "0x40", case.with_row("phy_init", type=0x40)


@rule("the bootloader looks for the table where it was built for (0x8000; 0xc000 on some), and finds none")
def table_elsewhere(case: Case) -> Iterator[tuple[str, Case]]:
    own = case.image(case.table).offset
    taken = {offset for row in case.primary for offset in range(row.offset, row.end, SECTOR_SIZE)}
    places = (0x8000, 0x9000, 0xA000, 0xB000, 0xC000, 0x7000, 0xE000)
    free = [offset for offset in places if offset != own and offset not in taken]
    for offset in free[:2]:
        yield f"{offset:#x}", case.moved(case.table, offset)


@rule("a row with a wrong magic ends the table: the bootloader refuses it (invalid magic number)")
def row_magic(case: Case) -> Iterator[tuple[str, Case]]:
    for number in (0, 2):
        yield f"row {number}", case.with_(case.table, _flipped(case[case.table], 32 * number, 3))


@rule("the table has no end, or stops before the application: the bootloader refuses it, or finds no application",
      codes="package-incomplete package-inconsistent")  # fmt: skip
def table_cut(case: Case) -> Iterator[tuple[str, Case]]:
    data, rows = case[case.table], len(case.primary.partitions)
    yield "no end row", case.with_(case.table, data[: 32 * rows])
    yield "after 2 rows", case.with_(case.table, data[:64].ljust(len(data), b"\xff"))
    yield "row 1 blank", case.with_(case.table, data[:32] + b"\xff" * 32 + data[64:])


def _flip(field: str, offset: int, bits: tuple[int, ...], names: tuple[str, ...]):
    """Make a rule's variants: single bits of a field flipped, in the rows that the firmware needs."""

    def makes(case: Case) -> Iterator[tuple[str, Case]]:
        for name, bit in zip(names, bits, strict=True):
            rows = list(case.primary)
            wanted = case.app_row.name if name == "app" else name
            at = next((number for number, row in enumerate(rows) if row.name == wanted), None)
            if at is not None:
                flipped = _flipped(case[case.table], 32 * at + offset + bit // 8, bit % 8)
                yield f"{wanted} {field} bit {bit}", case.with_(case.table, flipped)

    return makes


def _flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def _flip_rule(name: str, harm: str, *of: object, codes: str = "") -> None:
    makes = _flip(*of)
    makes.__name__ = name
    rule(harm, codes=codes)(makes)


_ANY = "package-inconsistent package-incomplete partition-outside table-overlap partition-misaligned parameters-missing"
_flip_rule("offset_bit_flipped", "the row points elsewhere: into another partition, or outside the flash",
           "offset", 4, (12, 13, 16, 20, 0), ("nvs", "otadata", "app", "at_customize", "nvs"), codes=_ANY)  # fmt: skip
_flip_rule("size_bit_flipped", "the partition ends inside a page or in another partition, or is too small",
           "size", 8, (16, 13, 24, 19), ("nvs", "otadata", "app", "at_customize"), codes=_ANY)  # fmt: skip
_flip_rule("type_bit_flipped", "the firmware doesn't find a partition of another type",
           "type", 2, (1, 6, 1, 1), ("nvs", "otadata", "app", "at_customize"), codes=_ANY)  # fmt: skip
_flip_rule("subtype_bit_flipped", "the firmware doesn't find a partition of another subtype",
           "subtype", 3, (0, 1, 3, 0), ("nvs", "otadata", "app", "at_customize"), codes=_ANY)  # fmt: skip
_flip_rule("name_bit_flipped", "the firmware doesn't find a partition of another name",
           "name", 12, (1, 9, 8), ("nvs", "at_customize", "nvs"), codes=_ANY)  # fmt: skip


@rule("the firmware reads what is another partition's: its saved settings or the slot to start")
def rows_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    a, b = case.row("nvs"), case.row("otadata")
    places = {"nvs": (b.offset, b.size), "otadata": (a.offset, a.size)}
    yield (
        "nvs and otadata",
        case.with_primary(
            replace(row, offset=places[row.name][0], size=places[row.name][1]) if row.name in places else row
            for row in case.primary
        ),
    )


@rule("which of two partitions of one name the firmware uses depends on their order")
def row_twice(case: Case) -> Iterator[tuple[str, Case]]:
    yield "nvs", case.with_primary([*case.primary, case.row("nvs")])
    if case.primary.find("ota_1"):
        yield "ota_1 called ota_0", case.with_row("ota_1", name=case.app_row.name)


@rule("what is saved in one partition overwrites the other one")
def rows_overlap(case: Case) -> Iterator[tuple[str, Case]]:
    app = case.app_row
    yield "nvs over what follows", case.with_row("nvs", size=case.row("nvs").size + 0x1000)
    yield "otadata in the application", case.with_row("otadata", offset=app.offset + 0x10000)
    yield "otadata under the table", case.with_row("otadata", offset=case.image(case.table).offset)


@rule("what would be written there isn't in the flash")
def row_outside_flash(case: Case) -> Iterator[tuple[str, Case]]:
    last = max(case.primary, key=lambda row: row.offset)
    yield "size doubled", case.with_row(last.name, size=2 * last.size)
    yield "at 64 MB", case.with_row("nvs", offset=64 << 20)
    yield "at 4 GB", case.with_row("nvs", offset=0xFFFFF000)


@rule("ESP-IDF maps applications in pages of 64 KB: elsewhere they can't run", codes="package-incomplete")
def app_misaligned(case: Case) -> Iterator[tuple[str, Case]]:
    if case.chip_name != "esp8266":
        app = case.app_row
        shifted = case.with_row(app.name, offset=app.offset + SECTOR_SIZE, size=app.size - SECTOR_SIZE)
        yield "one sector", shifted.moved("esp-at", app.offset + SECTOR_SIZE)


@rule("ESP-IDF 5 opens such a partition for reading only: nvs can't be initialized, nothing is saved")
def read_only(case: Case) -> Iterator[tuple[str, Case]]:
    if case.modern:
        yield "nvs", case.with_row("nvs", flags=2)
        yield "otadata", case.with_row("otadata", flags=2)


@rule("a table's MD5 is checked by every bootloader since ESP-IDF 3.1: it refuses this one")
def table_md5_wrong(case: Case) -> Iterator[tuple[str, Case]]:
    data = replace(case.primary, md5=True).to_bytes()
    at = data.index(b"\xeb\xeb") + 16
    yield "table", case.with_(case.table, _flipped(data, at, 0))
    user = case["at_customize"]
    yield "at_customize", case.with_("at_customize", _flipped(user, user.index(b"\xeb\xeb") + 20, 5))


@rule("the user table's rows are for another layout than the primary one's",
      codes="package-incomplete package-inconsistent package-without-parameters")  # fmt: skip
def tables_of_two_layouts(case: Case) -> Iterator[tuple[str, Case]]:
    shifted = [replace(row, offset=row.offset + 0x40000) for row in case.secondary]
    yield "user rows shifted", case.with_secondary(shifted)
    yield "the primary one twice", case.with_("at_customize", case[case.table])
    yield "the user one twice", case.with_(case.table, case["at_customize"])


@rule("the bytes of a row aren't a row: a name that isn't text or goes on after its end, a field of nonsense")
def row_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    data = case[case.table]
    yield "name not text", case.with_(case.table, data[:12] + b"\xfe\x80\x81" + data[15:])
    yield "bytes after name", case.with_(case.table, data[:26] + b"x" + data[27:])
    yield "no name", case.with_(case.table, data[:12] + bytes(16) + data[28:])
    junk = struct.pack("<2sBBLL16sL", b"\xaa\x50", 0xEE, 0xEE, 0x1234, 7, b"junk", 0)
    rows = 32 * len(case.primary.partitions)
    yield "a row more", case.with_(case.table, data[:rows] + junk + data[rows + 32 :])
