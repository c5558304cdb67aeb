"""Every value of a format is read back as it was written; any other input raises `EspAtError`."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ota_data import entry, sector

from platformio_esp_at.checks.layout import check_primary, check_secondary
from platformio_esp_at.errors import EspAtError, LayoutError
from platformio_esp_at.formats.download_config import (
    FlashArgs,
    FlashImage,
    format_download_config,
    parse_download_config,
)
from platformio_esp_at.formats.esp_image import FLASH_MODES, EspImage, FlashSettings, flash_frequencies, flash_sizes
from platformio_esp_at.formats.factory_param import FactoryParam, field_names
from platformio_esp_at.formats.flasher_args import format_flasher_args, parse_flasher_args
from platformio_esp_at.formats.gatts import COLUMNS, GattRow, GattTable
from platformio_esp_at.formats.ota_data import OtaData
from platformio_esp_at.formats.partition_table import FLAGS, Partition, PartitionTable
from platformio_esp_at.formats.pki import PkiContainer, PkiItem
from platformio_esp_at.units import format_offset, format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

CHIPS = ("esp32", "esp32s2", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61", "esp8266")

# -- values --

u8, u16, u32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))


def _is_partition_name(name: str) -> bool:
    try:
        Partition(name, 1, 2, 0, 0)
    except EspAtError:
        return False
    return True


names = st.one_of(
    st.from_regex(r"[a-z][a-z0-9_]{0,15}", fullmatch=True),
    st.text(min_size=1, max_size=16).filter(_is_partition_name),
)
partitions = st.builds(Partition, names, u8, u8, u32, u32, st.integers(0, sum(FLAGS.values())))
tables = st.builds(PartitionTable, st.lists(partitions, min_size=1, max_size=94).map(tuple), st.booleans())

ota_data_sectors = st.one_of(st.just(sector()), st.integers(1, 0xFFFFFFFE).map(lambda number: sector(entry(number))))
containers = st.lists(st.builds(PkiItem, u8, u8, st.binary(max_size=300)), max_size=12).map(
    lambda items: PkiContainer(tuple(items))
)


@st.composite
def gatt_rows(draw) -> GattRow:
    uuid = draw(st.sampled_from([2, 4, 16]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
    value = draw(st.binary(max_size=40))
    return GattRow(
        index=draw(u16),
        uuid_len=len(uuid) * 8,
        uuid=uuid.hex().upper(),
        perm=draw(u16),
        val_max_len=draw(st.integers(len(value), 0xFFFF)),
        val_cur_len=draw(u16),
        value=value.hex().upper(),
    )


gatt_tables = st.builds(
    GattTable, st.lists(gatt_rows(), min_size=1, max_size=12).map(tuple), st.permutations(COLUMNS).map(tuple)
)


def _text_of(size: int) -> st.SearchStrategy[str]:
    characters = st.characters(codec="utf-8", exclude_characters="\0")
    return st.text(characters, max_size=size).filter(lambda text: len(text.encode()) <= size)


FIELDS = {
    "uart_baudrate": st.integers(-(1 << 31), (1 << 31) - 1),
    "country_code": _text_of(4),
    "platform": _text_of(32),
    "module_name": _text_of(32),
    **dict.fromkeys(("module_id", "reserved1", "tx_max_power", "start_channel", "channel_num"), u8),
}


@st.composite
def factory_param_values(draw) -> dict[str, int | str]:
    version = draw(st.sampled_from([1, 2, 3]))
    fields = [name for name in field_names(version) if name != "version"]
    return {"version": version} | {name: draw(FIELDS.get(name, st.integers(-128, 127))) for name in fields}


paths = st.from_regex(r"[a-z0-9][a-zA-Z0-9_./=-]{0,30}", fullmatch=True)


@st.composite
def flash_args(draw, *, chips: tuple[str | None, ...]) -> FlashArgs:
    chip = draw(st.sampled_from(chips))
    words = chip or "esp32"
    return FlashArgs(
        FlashSettings(
            draw(st.sampled_from(["keep", *FLASH_MODES])),
            draw(st.sampled_from(["keep", *flash_frequencies(words)])),
            draw(st.sampled_from(["keep", "detect", *flash_sizes(words)])),
        ),
        tuple(draw(st.lists(st.builds(FlashImage, u32, paths), min_size=1, max_size=20, unique_by=lambda i: i.offset))),
        chip,
    )


def _image(segments: list[bytes], header: bytes, *, digest: bool, esp8266: bool) -> bytes:
    """Return an ESP image of these segments, made without the code under test."""
    data = b"\xe9" + bytes([len(segments)]) + header[2:8]
    if not esp8266:
        data += header[8:23] + bytes([digest])
    checksum = 0xEF
    for segment in segments:
        data += struct.pack("<LL", 0x40380000, len(segment)) + segment
        for byte in segment:
            checksum ^= byte
    data += bytes(-(len(data) + 1) % 16) + bytes([checksum])
    return data + hashlib.sha256(data).digest() if digest and not esp8266 else data


@st.composite
def images(draw) -> tuple[bytes, bool]:
    """Draw the bytes of a valid image, and whether it is for ESP8266."""
    esp8266 = draw(st.booleans())
    segments = draw(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=16))
    header = draw(st.binary(min_size=24, max_size=24))
    return _image(segments, header, digest=draw(st.booleans()), esp8266=esp8266), esp8266


# -- both directions --


@few
@given(st.integers(0, (1 << 64) - 1))
def test_sizes(number):
    assert parse_size(format_offset(number)) == number
    assert parse_size(format_size(number)) == number
    assert parse_size(str(number)) == number
    assert parse_size(f"-{number}") == -number


@few
@given(tables)
def test_partition_table_bytes(table):
    data = table.to_bytes()
    assert len(data) == 3072
    assert PartitionTable.from_bytes(data) == table
    assert PartitionTable.from_bytes(data + b"\xff" * 1024 + b"next") == table


@few
@given(tables)
def test_partition_table_csv(table):
    assert PartitionTable.from_csv(table.to_csv(), first_offset=0, md5=table.md5) == table


@few
@given(containers, st.integers(0, 20))
def test_pki(container, padding):
    data = container.to_bytes()
    assert len(data) % 4 == 0
    assert PkiContainer.from_bytes(data + b"\xff" * padding) == container


@few
@given(gatt_tables, st.integers(0, 20))
def test_gatts_bytes(table, padding):
    assert GattTable.from_bytes(table.to_bytes() + b"\xff" * padding) == table


@few
@given(gatt_tables)
def test_gatts_csv(table):
    assert GattTable.from_csv(table.to_csv()) == table


@few
@given(factory_param_values())
def test_factory_param(values):
    param = FactoryParam.from_values(values)
    assert param.values == values
    assert FactoryParam.from_bytes(param.to_bytes()) == param
    assert FactoryParam.from_values(param.values) == param


@few
@given(factory_param_values(), st.data())
def test_factory_param_replace_touches_nothing_else(values, data):
    other = data.draw(factory_param_values().filter(lambda other: other["version"] == values["version"]))
    name = data.draw(st.sampled_from(sorted(values)))
    before = FactoryParam.from_values(values)
    after = before.replace({name: other[name]})
    assert after.values == values | {name: other[name]}
    assert after.replace({name: values[name]}) == before


@few
@given(flash_args(chips=(None,)))
def test_download_config(args):
    assert parse_download_config(format_download_config(args)) == args
    assert parse_download_config(format_download_config(args).replace(" 0x", "\n0x")) == args


@few
@given(flash_args(chips=(None, *CHIPS)))
def test_flasher_args(args):
    assert parse_flasher_args(format_flasher_args(args)) == args


@few
@given(images(), st.binary(max_size=40), st.sampled_from(CHIPS), st.data())
def test_esp_image(image_and_kind, tail, chip, data):
    content, esp8266 = image_and_kind
    image = EspImage.from_bytes(content + tail, esp8266=esp8266)
    assert (image.to_bytes(), image.size, image.digest_valid) == (content + tail, len(content), True)
    wanted = data.draw(flash_args(chips=(chip,))).settings
    changed = image.with_flash_settings(wanted, chip)
    assert EspImage.from_bytes(changed.to_bytes(), esp8266=esp8266) == changed
    assert changed.digest_valid
    assert changed.to_bytes()[4 : len(content) - 32] == image.to_bytes()[4 : len(content) - 32]
    assert changed.to_bytes()[len(content) :] == tail
    assert changed.with_flash_settings(wanted, chip) == changed
    found = changed.flash_settings(chip)
    if wanted.mode != "keep":
        assert found.mode == wanted.mode
    if wanted.freq != "keep":
        assert flash_frequencies(chip)[found.freq] == flash_frequencies(chip)[wanted.freq]
    if wanted.size not in ("keep", "detect"):
        assert found.size == wanted.size


# -- layouts --

HOME = Partition("at_customize", 0x40, 0, 0x20000, 0x40000)
sectors = st.integers(0, 0x60).map(lambda number: number * 0x1000)
layouts = st.lists(
    st.builds(
        Partition,
        names,
        st.sampled_from([0, 1, 0x40]),
        u8,
        st.one_of(sectors, sectors.map(lambda offset: offset + 0x20000), st.integers(0, 0x60000)),
        st.one_of(sectors, st.integers(0, 0x10000)),
    ),
    min_size=1,
    max_size=6,
)


@st.composite
def sound_layouts(draw, *, first: int, last: int) -> list[Partition]:
    """Draw rows that don't overlap, with gaps, in any order."""
    rows: list[Partition] = []
    offset = first
    for number in range(draw(st.integers(1, 8))):
        offset += draw(st.integers(0, 3)) * 0x1000
        size = draw(st.integers(1, 0x4000))
        if offset + size > last:
            break
        rows.append(Partition(f"p{number}", 0x40, number, offset, size))
        offset += -(-size // 0x1000) * 0x1000
    return draw(st.permutations(rows))


def _is_sound(rows: tuple[Partition, ...], first: int, last: int) -> bool:
    """Check the rules in another way: row by row and pair by pair."""
    return len({row.name for row in rows}) == len(rows) and all(
        first <= row.offset < row.end <= last
        and row.offset % (0x10000 if row.type == 0 else 0x1000) == 0
        and all(row.end <= other.offset or other.end <= row.offset for other in rows[:number])
        for number, row in enumerate(rows)
    )


def _passes(check: Callable[[PartitionTable], None], table: PartitionTable) -> bool:
    try:
        check(table)
    except LayoutError:
        return False
    return True


@few
@given(layouts)
def test_layout_passes_where_it_is_sound(rows):
    table = PartitionTable(tuple(rows))
    for check, first, last in (
        (partial(check_secondary, home=HOME), 0x21000, 0x60000),
        (partial(check_primary, table_offset=0x8000, flash_size=0x80000), 0x9000, 0x80000),
    ):
        assert _passes(check, table) == _is_sound(table.partitions, first, last)


@few
@given(sound_layouts(first=0x21000, last=0x60000), st.data())
def test_sound_layout_passes_and_one_fault_does_not(rows, data):
    assume(rows)
    table = PartitionTable(tuple(rows))
    check_secondary(table, home=HOME)
    check_primary(table, table_offset=0x8000, flash_size=0x60000)
    victim = data.draw(st.sampled_from(rows))
    fault = data.draw(
        st.sampled_from(
            [
                replace(victim, name="twin"),
                replace(victim, name="twin", offset=victim.offset + (victim.size - 1) // 0x1000 * 0x1000),
                replace(victim, name="odd", offset=0x5F800, size=1),
                replace(victim, name="low", offset=0x20000, size=1),
                replace(victim, name="high", offset=0x5F000, size=0x1001),
                replace(victim, name="empty", offset=0x5F000, size=0),
            ]
        )
    )
    with pytest.raises(LayoutError):
        check_secondary(PartitionTable((*rows, fault)), home=HOME)


# -- hostile input --


def _table_meaning(table: PartitionTable) -> None:
    assert PartitionTable.from_bytes(table.to_bytes()) == table


def _pki_meaning(container: PkiContainer) -> None:
    assert PkiContainer.from_bytes(container.to_bytes()) == container


def _gatt_meaning(table: GattTable) -> None:
    assert GattTable.from_bytes(table.to_bytes()) == table
    assert GattTable.from_csv(table.to_csv()) == table


def _factory_param_meaning(param: FactoryParam) -> None:
    assert FactoryParam.from_bytes(param.to_bytes()).values == param.values


def _ota_data_meaning(data: OtaData) -> None:
    assert data.slot(2) in (None, 0, 1)


def _image_meaning(image: EspImage) -> None:
    assert image.size <= len(image.data)
    assert image.digest_valid in (True, False)
    assert len(image.with_flash_settings(FlashSettings("dio", "40m", "4MB"), "esp32").data) == len(image.data)


READERS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], None]]] = {
    "partition_table": (PartitionTable.from_bytes, _table_meaning),
    "pki": (PkiContainer.from_bytes, _pki_meaning),
    "gatts": (GattTable.from_bytes, _gatt_meaning),
    "factory_param": (FactoryParam.from_bytes, _factory_param_meaning),
    "ota_data": (OtaData.from_bytes, _ota_data_meaning),
    "esp_image": (EspImage.from_bytes, _image_meaning),
    "esp8266_image": (partial(EspImage.from_bytes, esp8266=True), _image_meaning),
}
VALID = {
    "partition_table": tables.map(PartitionTable.to_bytes),
    "pki": containers.map(PkiContainer.to_bytes),
    "gatts": gatt_tables.map(GattTable.to_bytes),
    "factory_param": factory_param_values().map(lambda values: FactoryParam.from_values(values).to_bytes()),
    "ota_data": st.tuples(ota_data_sectors, ota_data_sectors).map(b"".join),
    "esp_image": images().filter(lambda image: not image[1]).map(lambda image: image[0]),
    "esp8266_image": images().filter(lambda image: image[1]).map(lambda image: image[0]),
}
MAGICS = {
    "partition_table": b"\xaa\x50",
    "pki": b"\xf1\xf1",
    "gatts": b"\x10\x00\x27\x95",
    "factory_param": b"\xfc\xfc\x03",
    "ota_data": b"\xff" * 4096,
    "esp_image": b"\xe9\x01",
    "esp8266_image": b"\xe9\x01",
}
every_format = pytest.mark.parametrize("kind", READERS)


def _is_reported(error: EspAtError) -> None:
    assert error.code
    assert error.message
    assert all(line.isprintable() for line in str(error).split("\n"))


def _meet(kind: str, data: bytes) -> None:
    """Read ``data``: it is refused with an `EspAtError`, or its value stays the same when written and read again."""
    read, meaning = READERS[kind]
    try:
        value = read(data)
    except EspAtError as error:
        _is_reported(error)
        return
    meaning(value)


@every_format
@few
@given(data=st.data())
def test_any_bytes(kind, data):
    tail = data.draw(st.binary(max_size=200))
    _meet(kind, tail)
    _meet(kind, MAGICS[kind] + tail)


@every_format
@few
@given(data=st.data())
def test_cut_anywhere(kind, data):
    valid = data.draw(VALID[kind])
    _meet(kind, valid[: data.draw(st.integers(0, len(valid)))])


@every_format
@few
@given(data=st.data())
def test_one_byte_changed(kind, data):
    valid = data.draw(VALID[kind])
    at = data.draw(st.integers(0, min(len(valid), 400) - 1))
    _meet(kind, valid[:at] + bytes([data.draw(u8)]) + valid[at + 1 :])


@every_format
@few
@given(data=st.data())
def test_one_bit_changed_near_the_end(kind, data):
    valid = data.draw(VALID[kind])
    at = data.draw(st.integers(max(0, len(valid) - 64), len(valid) - 1))
    _meet(kind, valid[:at] + bytes([valid[at] ^ 1 << data.draw(st.integers(0, 7))]) + valid[at + 1 :])


@few
@given(tables.filter(lambda table: table.md5), st.data())
def test_changed_table_under_md5_is_refused(table, data):
    valid = table.to_bytes()
    at = data.draw(st.integers(0, 32 * len(table.partitions) - 1))
    with pytest.raises(EspAtError):
        PartitionTable.from_bytes(valid[:at] + bytes([valid[at] ^ 1 << data.draw(st.integers(0, 7))]) + valid[at + 1 :])


@few
@given(tables, st.data())
def test_cut_table_never_loses_rows(table, data):
    valid = table.to_bytes()
    try:
        read = PartitionTable.from_bytes(valid[: data.draw(st.integers(0, len(valid)))])
    except EspAtError:
        return
    assert read == table


def _text_meaning_of_table(table: PartitionTable) -> None:
    assert PartitionTable.from_csv(table.to_csv(), first_offset=0) == table


def _text_meaning_of_download_config(args: FlashArgs) -> None:
    assert parse_download_config(format_download_config(args)) == args


def _text_meaning_of_flasher_args(args: FlashArgs) -> None:
    assert parse_flasher_args(format_flasher_args(args)) == args


def _text_meaning_of_size(number: int) -> None:
    assert parse_size(str(number)) == number


PARSERS: dict[str, tuple[Callable[[str], Any], Callable[[Any], None]]] = {
    "partition_table": (partial(PartitionTable.from_csv, first_offset=0x9000), _text_meaning_of_table),
    "gatts": (GattTable.from_csv, _gatt_meaning),
    "download_config": (parse_download_config, _text_meaning_of_download_config),
    "flasher_args": (parse_flasher_args, _text_meaning_of_flasher_args),
    "size": (parse_size, _text_meaning_of_size),
}
VALID_TEXT = {
    "partition_table": tables.map(PartitionTable.to_csv),
    "gatts": gatt_tables.map(GattTable.to_csv),
    "download_config": flash_args(chips=(None,)).map(format_download_config),
    "flasher_args": flash_args(chips=CHIPS).map(format_flasher_args),
    "size": st.one_of(u32.map(format_offset), u32.map(format_size)),
}
# Words that together make text that is nearly right.
WORDS = {
    "partition_table": [
        "a",
        "data",
        "app",
        "nvs",
        "0x40",
        "0x9000",
        "4K",
        "-1M",
        ",",
        ", ",
        "\n",
        "#",
        "encrypted",
        ":",
    ],
    "gatts": [*COLUMNS, ",", ",,", "\n", "0", "16", "0x2800", "0x", "1", "A00", '"', "\0", "-1", "0xfffff"],
    "download_config": [
        "--flash_mode",
        "--flash-size",
        "=",
        " ",
        "dio",
        "0x0",
        "4K",
        "-0x1",
        "a.bin",
        "\n",
        "--",
        "\\",
    ],
    "flasher_args": ["{", "}", '"flash_files"', ":", ",", '"0x0"', '"a"', '"flash_settings"', "[", "]", "1", "null"],
    "size": ["0", "0x", "-", "1", "9" * 30, "K", "M", "B", " ", "f", "\u212a", "\u0661"],
}
every_text = pytest.mark.parametrize("kind", PARSERS)


def _meet_text(kind: str, text: str) -> None:
    parse, meaning = PARSERS[kind]
    try:
        value = parse(text)
    except EspAtError as error:
        _is_reported(error)
        return
    meaning(value)


@every_text
@few
@given(data=st.data())
def test_any_text(kind, data):
    _meet_text(kind, data.draw(st.text(max_size=200)))
    _meet_text(kind, "".join(data.draw(st.lists(st.sampled_from(WORDS[kind]), max_size=30))))


@every_text
@few
@given(data=st.data())
def test_valid_text_with_a_piece_replaced(kind, data):
    text = data.draw(VALID_TEXT[kind])
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 10)))
    piece = data.draw(st.one_of(st.text(max_size=5), st.sampled_from(WORDS[kind])))
    _meet_text(kind, text[:begin] + piece + text[end:])


@few
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), paths),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(
                st.sampled_from(
                    ["flash_files", "flash_settings", "write_flash_args", "flash_mode", "chip", "0x0", "1"]
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    ),
    st.booleans(),
)
def test_any_json(value, with_files):
    root = {"flash_files": {"0x0": "a.bin"}, **value} if with_files and isinstance(value, dict) else value
    _meet_text("flasher_args", json.dumps(root))
    data = json.dumps({"Service": value}).encode()[:0xFFFF]
    _meet("gatts", len(data).to_bytes(2, "little") + b"\x27\x95" + data)
