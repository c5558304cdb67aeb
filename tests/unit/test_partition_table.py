"""Partition tables, as text and as bytes. What makes a layout unsafe: `test_layout`."""

from __future__ import annotations

import hashlib
import struct

import pytest

from platformio_esp_at.errors import FormatError, UnknownNameError
from platformio_esp_at.formats.partition_table import (
    ESP8266_APP_ALIGNMENT,
    TABLE_SIZE,
    Partition,
    PartitionRow,
    PartitionRows,
    PartitionTable,
)

DAMAGED = "the file is damaged: copy it again from where it was made"

CSV = """\
# Name, Type, SubType, Offset, Size, Flags
otadata, data, ota, 0x9000, 0x2000
factory_param, 0x40, 0x08, 0x19000, 0x1000
factory, app, factory, 0x20000, 0xe0000, encrypted:readonly
"""
TABLE = PartitionTable(
    (
        Partition("otadata", 1, 0, 0x9000, 0x2000),
        Partition("factory_param", 0x40, 8, 0x19000, 0x1000),
        Partition("factory", 0, 0, 0x20000, 0xE0000, 3),
    )
)
ROWS = (
    bytes.fromhex("aa50 01 00 00900000 00200000") + b"otadata\0\0\0\0\0\0\0\0\0" + bytes.fromhex("00000000")
    + bytes.fromhex("aa50 40 08 00900100 00100000") + b"factory_param\0\0\0" + bytes.fromhex("00000000")
    + bytes.fromhex("aa50 00 00 00000200 00000e00") + b"factory\0\0\0\0\0\0\0\0\0" + bytes.fromhex("03000000")
)  # fmt: skip
MD5_ROW = bytes.fromhex("ebeb ffffffffffffffffffffffffffff 4dfdce963319144daa28866a00839b8e")
BLANK = b"\xff"
ONLY_MD5 = MD5_ROW[:16] + bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")


def _padded(data: bytes) -> bytes:
    return data + BLANK * (3072 - len(data))


def _from_csv(text: str, **options) -> PartitionTable:
    return PartitionTable.from_csv(text, **{"first_offset": 0x9000, **options})


def test_bytes_with_md5():
    assert MD5_ROW[16:] == hashlib.md5(ROWS).digest()  # noqa: S324 - the format's
    assert TABLE.to_bytes() == _padded(ROWS + MD5_ROW)
    assert len(TABLE.to_bytes()) == TABLE_SIZE
    assert PartitionTable.from_bytes(TABLE.to_bytes()) == TABLE


def test_bytes_without_md5():
    table = PartitionTable(TABLE.partitions, md5=False)
    assert table.to_bytes() == _padded(ROWS)
    assert PartitionTable.from_bytes(_padded(ROWS)) == table


@pytest.mark.parametrize(
    ("data", "md5"),
    [
        pytest.param(ROWS + MD5_ROW, True, id="ends-with-md5"),
        pytest.param(ROWS + BLANK * 32, False, id="one-blank-row"),
        pytest.param(ROWS + BLANK * 7, False, id="part-of-a-blank-row"),
        pytest.param(_padded(ROWS) + BLANK * 1024, False, id="flash-sector"),
        pytest.param(_padded(ROWS + MD5_ROW) + BLANK * 1024 + b"next", True, id="flash-after-the-sector"),
    ],
)
def test_bytes_of_other_lengths(data, md5):
    assert PartitionTable.from_bytes(data) == PartitionTable(TABLE.partitions, md5=md5)


def test_csv():
    table = _from_csv(CSV)
    assert table == TABLE
    assert [row.line for row in table] == [2, 3, 4]
    assert TABLE.to_csv() == CSV


def test_rows_keep_their_order():
    rows = tuple(reversed(TABLE.partitions))
    assert PartitionTable.from_bytes(PartitionTable(rows).to_bytes()).partitions == rows
    assert _from_csv(PartitionTable(rows).to_csv()).partitions == rows


def test_find():
    assert TABLE.find("factory_param") is TABLE.partitions[1]
    assert TABLE.find("fatfs") is None


@pytest.mark.parametrize(
    ("row", "partition"),
    [
        pytest.param("a,data,nvs,0x9000,4K", Partition("a", 1, 2, 0x9000, 0x1000), id="no-spaces"),
        pytest.param("  a ,\tDATA , NVS, 36864, 4k  ", Partition("a", 1, 2, 0x9000, 0x1000), id="spaces-and-capitals"),
        pytest.param("a,data,fat,0x70000,576K,", Partition("a", 1, 0x81, 0x70000, 0x90000), id="empty-flags"),
        pytest.param("a,data,fat,0x70000,1M,,", Partition("a", 1, 0x81, 0x70000, 0x100000), id="empty-seventh-cell"),
        pytest.param("a,0x40,14,0x3B000,8K", Partition("a", 0x40, 14, 0x3B000, 0x2000), id="numbers-for-types"),
        pytest.param("a,app,ota_15,0x10000,1M", Partition("a", 0, 0x1F, 0x10000, 0x100000), id="ota_15"),
        pytest.param("a,app,test,0x10000,1M", Partition("a", 0, 0x20, 0x10000, 0x100000), id="test-app"),
        pytest.param("a,data,,0x9000,4K", Partition("a", 1, 6, 0x9000, 0x1000), id="no-subtype-is-undefined"),
        pytest.param("a,data,nvs,,4K", Partition("a", 1, 2, 0x9000, 0x1000), id="no-offset-is-the-first"),
        pytest.param("a,app,factory,,1M", Partition("a", 0, 0, 0x10000, 0x100000), id="no-offset-app-aligned"),
        pytest.param("a,data,nvs,0x9000,-0x10000", Partition("a", 1, 2, 0x9000, 0x7000), id="negative-size-is-an-end"),
        pytest.param("a,data,nvs,0x9000,4K,encrypted", Partition("a", 1, 2, 0x9000, 0x1000, 1), id="encrypted"),
        pytest.param("a,data,nvs,0x9000,4K,readonly", Partition("a", 1, 2, 0x9000, 0x1000, 2), id="readonly"),
        pytest.param("b c,data,nvs,0x9000,4K", Partition("b c", 1, 2, 0x9000, 0x1000), id="space-in-name"),
        pytest.param(
            "sixteen_bytes_xx,data,nvs,0x9000,4K",
            Partition("sixteen_bytes_xx", 1, 2, 0x9000, 0x1000),
            id="longest-name",
        ),
    ],
)
def test_row(row, partition):
    assert _from_csv(row).partitions == (partition,)


def test_blank_offsets_follow_the_row_before():
    table = _from_csv("a,data,nvs,0xa000,100\nb,data,phy,,4K\nc,app,ota_0,,64K\nd,data,fat,,4K\n")
    assert [row.offset for row in table] == [0xA000, 0xB000, 0x10000, 0x20000]


def test_blank_app_offset_on_esp8266():
    table = _from_csv("a,data,nvs,0xa000,4K\nb,app,ota_0,,64K\n", app_alignment=ESP8266_APP_ALIGNMENT)
    assert table.find("b").offset == 0xB000


def test_comments_and_blank_lines_count_as_lines():
    (row,) = _from_csv("# head\r\n\r\n   # more\r\na,data,nvs,0x9000,4K\r\n")
    assert row.line == 4


@pytest.mark.parametrize(
    ("row", "kind", "code", "message", "hint"),
    [
        pytest.param(
            "a,data,nvs",
            FormatError,
            "table-row-invalid",
            "the row 'a,data,nvs' has 3 cells",
            "write name, type, subtype, offset, size, separated by commas",
            id="cells-missing",
        ),
        pytest.param(
            "a;data;nvs;0x9000;4K;",
            FormatError,
            "table-row-invalid",
            "the cells of this row are separated by semicolons",
            "write commas in place of the semicolons; a spreadsheet has that as CSV (comma delimited)",
            id="semicolons",
        ),
        pytest.param(
            "a,data,nvs,1,2,,x",
            FormatError,
            "table-row-invalid",
            "the row 'a,data,nvs,1,2,,x' has 7 cells",
            "write name, type, subtype, offset, size, separated by commas",
            id="cell-too-many",
        ),
        pytest.param(
            ",data,nvs,0x9000,4K",
            FormatError,
            "partition-name",
            "'' can't be a partition name",
            "write letters, digits and _",
            id="no-name",
        ),
        pytest.param(
            "sixteen_bytes_xxx,data,nvs,0x9000,4K",
            FormatError,
            "partition-name",
            "partition name 'sixteen_bytes_xxx' is longer than 16 bytes",
            "write a name of 16 bytes at most: the firmware would see this one cut",
            id="name-of-17-bytes",
        ),
        pytest.param(
            "a\x07,data,nvs,0x9000,4K",
            FormatError,
            "partition-name",
            "'a\\x07' can't be a partition name",
            "write letters, digits and _",
            id="control-character-in-name",
        ),
        pytest.param(
            "a,date,nvs,0x9000,4K",
            UnknownNameError,
            "unknown-partition-type",
            "unknown partition type 'date'",
            "did you mean data?",
            id="misspelt-type",
        ),
        pytest.param(
            "a,,nvs,0x9000,4K",
            UnknownNameError,
            "unknown-partition-type",
            "unknown partition type ''",
            "known: app, bootloader, data, partition_table",
            id="no-type",
        ),
        pytest.param(
            "a,data,nvs2,0x9000,4K",
            UnknownNameError,
            "unknown-partition-subtype",
            "unknown partition subtype 'nvs2'",
            "did you mean nvs?",
            id="misspelt-subtype",
        ),
        pytest.param(
            "a,0x40,nvs,0x9000,4K",
            UnknownNameError,
            "unknown-partition-subtype",
            "unknown partition subtype 'nvs'",
            "known: none",
            id="subtype-of-another-type",
        ),
        pytest.param(
            "a,app,,0x10000,4K",
            FormatError,
            "table-row-invalid",
            "an app partition needs a subtype",
            "write factory, ota_0 or ota_1",
            id="app-without-subtype",
        ),
        pytest.param(
            "a,256,0,0x9000,4K",
            FormatError,
            "partition-range",
            "type 0x100 of partition 'a' is outside 0…0xff",
            "write 0 to 0xff as type",
            id="type-over-a-byte",
        ),
        pytest.param(
            "a,data,256,0x9000,4K",
            FormatError,
            "partition-range",
            "subtype 0x100 of partition 'a' is outside 0…0xff",
            "write 0 to 0xff as subtype",
            id="subtype-over-a-byte",
        ),
        pytest.param(
            "a,data,nvs,0x100000000,4K",
            FormatError,
            "partition-range",
            "offset 0x100000000 of partition 'a' is outside 0…0xffffffff",
            "write 0 to 0xffffffff as offset",
            id="offset-over-32-bits",
        ),
        pytest.param(
            "a,data,nvs,-0x1000,4K",
            FormatError,
            "partition-range",
            "offset -0x1000 of partition 'a' is outside 0…0xffffffff",
            "write 0 to 0xffffffff as offset",
            id="negative-offset",
        ),
        pytest.param(
            "a,data,nvs,0x9000,8G",
            FormatError,
            "not-a-size",
            "'8G' is not a size or offset",
            "write 4096, 0x1000, 4K or 1M",
            id="unknown-unit",
        ),
        pytest.param(
            "a,data,nvs,0x9000,",
            FormatError,
            "not-a-size",
            "partition 'a' has no size",
            "write 4096, 0x1000, 4K or 1M after its offset",
            id="no-size",
        ),
        pytest.param(
            "a,data,nvs,$OFFSET,4K",
            FormatError,
            "not-a-size",
            "'$OFFSET' is not a size or offset",
            "write 4096, 0x1000, 4K or 1M",
            id="variable",
        ),
        pytest.param(
            "a,data,nvs,0x9000,-0x8000",
            FormatError,
            "table-row-invalid",
            "partition 'a' starts at 0x9000, after the end that its negative size gives",
            "write the size itself, such as 0x8000, or an end above 0x9000",
            id="end-before-offset",
        ),
        pytest.param(
            "a,data,nvs,0x9000,4K,encrypt",
            UnknownNameError,
            "unknown-partition-flag",
            "unknown partition flag 'encrypt'",
            "did you mean encrypted?",
            id="misspelt-flag",
        ),
    ],
)
def test_row_refused(row, kind, code, message, hint):
    with pytest.raises(kind) as caught:
        _from_csv(f"# head\n{row}\n")
    assert (caught.value.code, caught.value.facts["line"]) == (code, 2)
    assert (caught.value.message, caught.value.where, caught.value.hint) == (message, "2", hint)


def test_rows_before_they_are_placed():
    rows = PartitionRows.from_csv("# head\na,data,nvs,,4K\nb,0x40,5,0xb000,-0xd000,readonly\nc,0x40,6,,-0x10000\n")
    assert list(rows) == [
        PartitionRow("a", 1, 2, None, 0x1000, 0, line=2),
        PartitionRow("b", 0x40, 5, 0xB000, -0xD000, 2, line=3),
        PartitionRow("c", 0x40, 6, None, -0x10000, 0, line=4),
    ]
    first, second, third = rows
    assert first.at(0xC000) == Partition("a", 1, 2, 0xC000, 0x1000)
    assert second.at(0xB000) == Partition("b", 0x40, 5, 0xB000, 0x2000, 2)
    assert third.at(0xF000) == Partition("c", 0x40, 6, 0xF000, 0x1000)
    assert [row.offset for row in rows.placed(first_offset=0xA000)] == [0xA000, 0xB000, 0xD000]


def test_a_place_that_a_row_cannot_have():
    """It is only known when the rows are placed, and all such rows are reported."""
    with pytest.raises(FormatError) as caught:
        _from_csv("a,data,nvs,0x9000,64K\nb,data,nvs,,-0x10000\nc,data,nvs,,-0x11000\n")
    assert [(problem.where, problem.code) for problem in caught.value.problems] == [
        ("2", "table-row-invalid"),
        ("3", "table-row-invalid"),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# Name, Type\n"], ids=["empty", "blank", "only-a-comment"])
def test_csv_without_rows(text):
    with pytest.raises(FormatError) as caught:
        _from_csv(text)
    assert (caught.value.code, caught.value.message) == ("table-empty", "the partition CSV has no rows")
    assert caught.value.hint == "write rows: name, type, subtype, offset, size"


def test_every_bad_row_is_reported():
    with pytest.raises(FormatError) as caught:
        _from_csv("a,data,nvs,zz,4K\nb,data,nvs,0x9000,4K\nc,data,nvz,0xa000,4K\n")
    assert [(problem.where, problem.code) for problem in caught.value.problems] == [
        ("1", "not-a-size"),
        ("3", "unknown-partition-subtype"),
    ]


@pytest.mark.parametrize(
    "name",
    ["a,b", " a", "a ", "#a", "a\nb", "a\x7f", "a\x85b", "a\u2028b", "a\u2029b", "\udcff"],
    ids=["comma", "space-before", "space-after", "hash", "line-end", "del", "nel", "ls", "ps", "undecoded-byte"],
)
def test_names_that_a_csv_could_not_hold(name):
    with pytest.raises(FormatError, match="can't be a partition name") as caught:
        Partition(name, 1, 2, 0x9000, 0x1000)
    assert caught.value.code == "partition-name"


def test_flags_without_a_name_stay_in_bytes_but_not_in_csv():
    table = PartitionTable((Partition("a", 1, 2, 0x9000, 0x1000, flags=0x80000001),))
    assert PartitionTable.from_bytes(table.to_bytes()) == table
    with pytest.raises(FormatError) as caught:
        table.to_csv()
    assert caught.value.code == "partition-flags"
    assert caught.value.message == "flags 0x80000001 of partition 'a' have no name"


def test_words_of_types():
    row = Partition("a", 0x40, 8, 0, 0)
    assert (row.type_name, row.subtype_name) == ("0x40", "0x08")
    row = Partition("a", 1, 0x99, 0x1000, 0x1000)
    assert (row.type_name, row.subtype_name, row.end, str(row)) == ("data", "0x99", 0x2000, "'a' (0x1000…0x2000)")


def _entry(**changed) -> bytes:
    """Return one row of bytes, written apart from the code under test."""
    row = {"magic": b"\xaa\x50", "type": 1, "subtype": 2, "offset": 0x9000, "size": 0x1000, "name": b"nvs", "flags": 0}
    return struct.pack("<2sBBLL16sL", *(row | changed).values())


@pytest.mark.parametrize(
    ("data", "code", "message", "where", "hint"),
    [
        pytest.param(
            b"",
            "not-a-table",
            "no partition table: there is no entry (AA 50) at its start",
            "0x0",
            "name a partition-table.bin or at_customize.bin, or its CSV if the place takes one",
            id="nothing",
        ),
        pytest.param(
            BLANK * 3072,
            "not-a-table",
            "no partition table: there is no entry (AA 50) at its start",
            "0x0",
            "name a partition-table.bin or at_customize.bin, or its CSV if the place takes one",
            id="blank",
        ),
        pytest.param(
            b"PK\x03\x04" + bytes(60),
            "table-damaged",
            "not a partition entry (AA 50)",
            "0x0",
            DAMAGED,
            id="another-file",
        ),
        pytest.param(
            _padded(ROWS)[:40], "table-damaged", "not a partition entry (AA 50)", "0x20", DAMAGED, id="cut-in-a-row"
        ),
        pytest.param(
            ROWS, "table-damaged", "no blank row ends the partition table", "0x60", DAMAGED, id="cut-between-rows"
        ),
        pytest.param(
            ROWS[:64],
            "table-damaged",
            "no blank row ends the partition table",
            "0x40",
            DAMAGED,
            id="cut-before-last-row",
        ),
        pytest.param(
            _padded(ROWS[:32] + b"\xab" + ROWS[33:]),
            "table-damaged",
            "not a partition entry (AA 50)",
            "0x20",
            DAMAGED,
            id="magic-changed",
        ),
        pytest.param(
            _padded(ROWS[:4] + b"\x01" + ROWS[5:] + MD5_ROW),
            "table-damaged",
            "the MD5 row doesn't match the rows before it",
            "0x60",
            DAMAGED,
            id="row-changed-under-md5",
        ),
        pytest.param(
            _padded(ROWS + MD5_ROW[:31]),
            "table-damaged",
            "the MD5 row doesn't match the rows before it",
            "0x60",
            DAMAGED,
            id="md5-changed",
        ),
        pytest.param(
            _padded(ROWS + BLANK * 32 + b"\0"),
            "table-damaged",
            "there are bytes after the last row",
            "0x60",
            DAMAGED,
            id="bytes-after-blank-row",
        ),
        pytest.param(
            _padded(ROWS + MD5_ROW + ROWS[:32]),
            "table-damaged",
            "there are bytes after the last row",
            "0x60",
            DAMAGED,
            id="row-after-md5",
        ),
        pytest.param(
            _padded(ROWS) + b"\0",
            "table-damaged",
            "there are bytes after the last row",
            "0x60",
            DAMAGED,
            id="bytes-in-the-sector",
        ),
        pytest.param(
            _padded(ONLY_MD5),
            "not-a-table",
            "no partition table: there is no entry (AA 50) at its start",
            "0x0",
            "name a partition-table.bin or at_customize.bin, or its CSV if the place takes one",
            id="only-an-md5-row",
        ),
        pytest.param(
            _padded(_entry(name=b"nvs\0rest")),
            "table-damaged",
            "there are bytes after the end of the partition's name",
            "0x0",
            DAMAGED,
            id="bytes-after-the-name",
        ),
        pytest.param(
            _padded(_entry(name=b"nv\xff")),
            "table-damaged",
            "the partition's name b'nv\\xff' isn't text",
            "0x0",
            DAMAGED,
            id="name-not-utf8",
        ),
        pytest.param(
            _padded(_entry(name=b"")),
            "partition-name",
            "'' can't be a partition name",
            "0x0",
            "write letters, digits and _",
            id="no-name",
        ),
        pytest.param(
            _padded(_entry(name=b"a,b")),
            "partition-name",
            "'a,b' can't be a partition name",
            "0x0",
            "write letters, digits and _",
            id="comma-in-name",
        ),
        pytest.param(
            _entry() * 96, "table-damaged", "no blank row ends the partition table", "0xc00", DAMAGED, id="96-rows"
        ),
    ],
)
def test_from_bytes_refuses(data, code, message, where, hint):
    with pytest.raises(FormatError) as caught:
        PartitionTable.from_bytes(data)
    assert caught.value.code == code
    assert (caught.value.message, caught.value.where, caught.value.hint) == (message, where, hint)


@pytest.mark.parametrize(("md5", "most"), [(True, 94), (False, 95)], ids=["with-md5", "without-md5"])
def test_most_rows(md5, most):
    rows = tuple(Partition(f"p{number}", 1, 2, number << 12, 0x1000) for number in range(most + 1))
    table = PartitionTable(rows[:most], md5=md5)
    assert len(table.to_bytes()) == 3072
    assert PartitionTable.from_bytes(table.to_bytes()) == table
    with pytest.raises(FormatError) as caught:
        PartitionTable(rows, md5=md5).to_bytes()
    assert caught.value.code == "table-full"
    assert caught.value.message == f"{most + 1} partitions are more than a table holds"
    assert caught.value.hint == f"remove 1 rows: a table holds {most}"


def test_md5_row_in_the_last_place():
    rows = _entry() * 95
    with pytest.raises(FormatError, match="no blank row ends the partition table") as caught:
        PartitionTable.from_bytes(rows + MD5_ROW[:16] + hashlib.md5(rows).digest())  # noqa: S324
    assert caught.value.code == "table-damaged"
