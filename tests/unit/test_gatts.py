"""GATT tables: the CSV that people write and ble_data.bin."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from platformio_esp_at.errors import EspAtError, FormatError, UnknownNameError
from platformio_esp_at.formats.gatts import COLUMNS, GattRow, GattTable

HEADER = "index,uuid_len,uuid,perm,val_max_len,val_cur_len,value"
CSV = f"""\
{HEADER}
0,16,0x2800,0x01,2,2,A002
1,128,0x6E400001B5A3F393E0A9E50E24DCCA9E,0x11,512,0,
"""
TABLE = GattTable(
    (
        GattRow(0, 16, "2800", 1, 2, 2, "A002"),
        GattRow(1, 128, "6E400001B5A3F393E0A9E50E24DCCA9E", 0x11, 512, 0, ""),
    )
)
JSON = (
    b'{"Service": [{"index": 0, "uuid_len": 16, "uuid": "2800", "perm": 1, "val_max_len": 2, "val_cur_len": 2, '
    b'"value": "A002"}, {"index": 1, "uuid_len": 128, "uuid": "6E400001B5A3F393E0A9E50E24DCCA9E", "perm": 17, '
    b'"val_max_len": 512, "val_cur_len": 0, "value": ""}]}'
)
BYTES = b"\x05\x01\x27\x95" + JSON


def test_bytes():
    assert len(JSON) == 0x105
    assert TABLE.to_bytes() == BYTES
    assert GattTable.from_bytes(BYTES) == TABLE
    assert GattTable.from_bytes(BYTES + b"\xff" * 100) == TABLE


def test_bytes_with_the_keys_of_python_2():
    keys = ("index", "uuid", "uuid_len", "val_max_len", "value", "perm", "val_cur_len")
    table = GattTable(TABLE.rows[:1], keys)
    data = (
        b"\x7b\x00\x27\x95"
        b'{"Service": [{"index": 0, "uuid": "2800", "uuid_len": 16, "val_max_len": 2, "value": "A002", "perm": 1, '
        b'"val_cur_len": 2}]}'
    )
    assert table.to_bytes() == data
    assert GattTable.from_bytes(data) == table


def test_csv():
    assert GattTable.from_csv(CSV) == TABLE
    assert TABLE.to_csv() == CSV


def test_header_gives_the_order_of_keys():
    text = "uuid,index,uuid_len,perm\n0x2800,0,16,0x01\n"
    table = GattTable.from_csv(text)
    assert table.keys == ("uuid", "index", "uuid_len", "perm", "val_max_len", "val_cur_len", "value")
    assert table.rows == (GattRow(0, 16, "2800", 1, 512, 0, ""),)
    assert table.to_bytes()[4:].startswith(b'{"Service": [{"uuid": "2800", "index": 0, "uuid_len": 16, "perm": 1, ')
    assert GattTable.from_csv(table.to_csv()) == table


@pytest.mark.parametrize(
    ("line", "row"),
    [
        pytest.param("0,16,0x800,0x1,,,", GattRow(0, 16, "0800", 1, 512, 0, ""), id="odd-uuid-is-padded-in-front"),
        pytest.param("0,16,2a00,11,,,", GattRow(0, 16, "2A00", 0x11, 512, 0, ""), id="no-0x"),
        pytest.param("0,16,0X2a00,0x01,5,1,ab", GattRow(0, 16, "2A00", 1, 5, 1, "AB"), id="lower-case"),
        pytest.param("0,16,0x2800,0x01,5,1,2", GattRow(0, 16, "2800", 1, 5, 1, "02"), id="one-digit-is-a-byte"),
        pytest.param("0,16,0x2800,0x01,5,1,0xA002", GattRow(0, 16, "2800", 1, 5, 1, "A002"), id="0x-in-value"),
        pytest.param("0x10,16,0x2800,0x01,0x20,1,30", GattRow(16, 16, "2800", 1, 32, 1, "30"), id="hex-numbers"),
        pytest.param(" 0 , 16 ,\t0x2800 , 0x01", GattRow(0, 16, "2800", 1, 512, 0, ""), id="short-row-with-spaces"),
        pytest.param('"0","16","0x2800","0x01"', GattRow(0, 16, "2800", 1, 512, 0, ""), id="quoted"),
        pytest.param("0,32,0x12345678,0x01", GattRow(0, 32, "12345678", 1, 512, 0, ""), id="32-bit-uuid"),
    ],
)
def test_row(line, row):
    assert GattTable.from_csv(f"{HEADER}\n{line}\n").rows == (row,)


@pytest.mark.parametrize(
    "gap", ["\n", ",,,,,,\n", " , ,\n", "# a comment\n"], ids=["blank", "commas", "spaces", "comment"]
)
def test_lines_without_a_row_are_passed_over(gap):
    header, *rows = CSV.splitlines()
    assert GattTable.from_csv("\n".join([header, *(f"{gap}{row}" for row in rows)])) == TABLE


@pytest.mark.parametrize(
    "header",
    ["", "# index,uuid_len,uuid,perm,max_len,cur_len,value\n", "index,uuid_len,uuid,perm,max_len,cur_len,value\n"],
    ids=["none", "comment", "new-names"],
)
def test_header_as_upstream_has_it_since_v3_1(header):
    assert GattTable.from_csv(f"{header}0,16,0x2800,0x01,2,2,A002\n").rows == (GattRow(0, 16, "2800", 1, 2, 2, "A002"),)


def test_rows_of_mfg_nvs_are_as_written():
    text = "# index,uuid_len,uuid,perm,max_len,cur_len,value\n0,16,0x2800,0x01,2,2,a002\n\n1, 16,0xC305,0x1,,,\n"
    assert GattTable.from_csv(text).to_cfg() == ("0,16,0x2800,0x01,2,2,a002", "1,16,0xC305,0x1,,,")
    assert GattTable.from_csv("\n".join(GattTable.from_csv(text).to_cfg())) == GattTable.from_csv(text)


def test_rows_of_mfg_nvs_are_put_into_upstreams_order():
    text = "index,uuid,uuid_len,perm,val_max_len,val_cur_len,value\n0,0x2800,16,0x01,2,2,A002\n"
    assert GattTable.from_csv(text).to_cfg() == ("0,16,0x2800,0x01,2,2,A002",)


def _refusal(call, kind=FormatError) -> EspAtError:
    with pytest.raises(kind) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        pytest.param(
            "0,16,0x2800,0x01,2,2,00,1", "gatt-csv-invalid", "the row has 8 cells for 7 columns", id="cell-too-many"
        ),
        pytest.param("0,16,,0x01,2,2,00", "gatt-csv-invalid", "the cell 'uuid' is empty", id="no-uuid"),
        pytest.param("0,16,0x2800", "gatt-csv-invalid", "the cell 'perm' is empty", id="row-too-short"),
        pytest.param(
            "zero,16,0x2800,0x01,2,2,00", "not-a-size", "'zero' is not a size or offset", id="index-no-number"
        ),
        pytest.param("0,16,0x28g0,0x01,2,2,00", "gatt-hex", "'0x28g0' isn't hex", id="uuid-no-hex"),
        pytest.param("0,16,0x2800,rw,2,2,00", "gatt-hex", "'rw' isn't hex", id="perm-no-hex"),
        pytest.param("0,16,0x2800,0x01,2,2,hello", "gatt-hex", "'hello' isn't hex", id="value-no-hex"),
        pytest.param("0,16,0x2800,-0x01,2,2,00", "gatt-hex", "'-0x01' isn't hex", id="perm-negative"),
        pytest.param("0,0,0x,0x01,2,2,00", "gatt-hex", "'0x' isn't hex", id="uuid-without-digits"),
        pytest.param("0,16,0x2800,0x,2,2,00", "gatt-hex", "'0x' isn't hex", id="perm-without-digits"),
        pytest.param(
            "0,128,0x2800,0x01,2,2,00",
            "gatt-uuid",
            "uuid 2800 doesn't have the 128 bits that uuid_len says",
            id="uuid-short",
        ),
        pytest.param(
            "0,16,0x12800,0x01,2,2,00",
            "gatt-uuid",
            "uuid 012800 doesn't have the 16 bits that uuid_len says",
            id="uuid-long",
        ),
        pytest.param(
            "0,16,0x2800,0x01,1,2,A002",
            "gatt-length",
            "the value has 2 bytes, more than val_max_len 1",
            id="value-too-long",
        ),
        pytest.param("-1,16,0x2800,0x01,2,2,00", "gatt-number", "index is outside 0…65535", id="index-negative"),
        pytest.param("0,16,0x2800,0x10000,2,2,00", "gatt-number", "perm is outside 0…65535", id="perm-over-16-bits"),
        pytest.param(
            "0,16,0x2800,0x01,64K,2,00", "gatt-number", "val_max_len is outside 0…65535", id="val_max_len-over-16-bits"
        ),
        pytest.param(
            "0,16,0x2800,0x01,2,-2,00", "gatt-number", "val_cur_len is outside 0…65535", id="val_cur_len-negative"
        ),
        pytest.param("0,16,0x2800," + "f" * 20000, "gatt-number", "perm is outside 0…65535", id="perm-of-20000-digits"),
    ],
)
def test_row_refused(line, code, message):
    error = _refusal(lambda: GattTable.from_csv(f"{HEADER}\n0,16,0x2800,0x01,2,2,A002\n{line}\n"))
    assert (error.code, error.message, error.where) == (code, message, "3")


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        (
            "303",
            "value 303 has an odd number of hex digits (3), and a byte has two",
            "write 0303 or 3003, whichever you mean",
        ),
        (
            "0xa00",
            "value A00 has an odd number of hex digits (3), and a byte has two",
            "write 0A00 or A000, whichever you mean",
        ),
        (
            "0" * 17,
            "value 0000000000000000… has an odd number of hex digits (17), and a byte has two",
            "write two digits for each byte: one is missing, or one is too many",
        ),
    ],
)
def test_a_value_of_half_a_byte(value, message, hint):
    error = _refusal(lambda: GattTable.from_csv(f"{HEADER}\n0,16,0x2800,0x01,2,2,A002\n1,16,0x2803,1,9,,{value}\n"))
    assert (error.code, error.message, error.hint, error.where) == ("gatt-hex", message, hint, "3")


@pytest.mark.parametrize(
    ("text", "kind", "code", "message", "where", "hint"),
    [
        pytest.param(
            "",
            FormatError,
            "gatt-csv-invalid",
            "the GATT CSV has no column 'index'",
            "1",
            "write the header index,uuid_len,uuid,perm,val_max_len,val_cur_len,value, and a cell for each",
            id="empty",
        ),
        pytest.param(
            "index,uuid,perm\n",
            FormatError,
            "gatt-csv-invalid",
            "the GATT CSV has no column 'uuid_len'",
            "1",
            "write the header index,uuid_len,uuid,perm,val_max_len,val_cur_len,value, and a cell for each",
            id="no-uuid_len",
        ),
        pytest.param(
            "index,uid\n",
            UnknownNameError,
            "gatt-csv-invalid",
            "unknown GATT column 'uid'",
            "1",
            "did you mean uuid?",
            id="misspelt",
        ),
        pytest.param(
            "index,index\n",
            FormatError,
            "gatt-csv-invalid",
            "the GATT CSV has the column 'index' twice",
            "1",
            "remove one of the two columns index",
            id="twice",
        ),
        pytest.param(
            f"{HEADER}\n",
            FormatError,
            "gatt-empty",
            "the GATT CSV has no rows",
            None,
            "write a row for each attribute: index,uuid_len,uuid,perm,val_max_len,val_cur_len,value",
            id="only-a-header",
        ),
        pytest.param(
            f"{HEADER}\n0,16,{'0' * 200000}",
            FormatError,
            "gatt-csv-invalid",
            "the GATT CSV can't be read: field larger than field limit (131072)",
            "2",
            "write the row anew, with one pair of double quotes around a cell that needs them",
            id="endless-cell",
        ),
    ],
)
def test_csv_refused(text, kind, code, message, where, hint):
    error = _refusal(lambda: GattTable.from_csv(text), kind)
    assert (error.code, error.where) == (code, where)
    assert (error.message, error.hint) == (message, hint)


def _image(text: bytes) -> bytes:
    return len(text).to_bytes(2, "little") + b"\x27\x95" + text


def _image_of(**changed) -> bytes:
    service = {name: getattr(TABLE.rows[0], name) for name in COLUMNS} | changed
    return _image(json.dumps({"Service": [service]}).encode())


MISSING = "no ble_data: its magic 27 95 is missing (found {})"
UNREADABLE = "the JSON of ble_data can't be read"
FIELDS = "a row of ble_data has the fields index, uuid_len, uuid, perm, val_max_len, val_cur_len, value"
CORRUPT_HINT = "make it again on Python 2: BLEService.py of v2.0 and v2.1 writes C2 there on Python 3"


@pytest.mark.parametrize(
    ("data", "code", "message", "where", "hint"),
    [
        pytest.param(
            b"",
            "not-ble-data",
            MISSING.format(""),
            None,
            "name a ble_data.bin, as BLEService.py of ESP-AT makes it up to v3.0.0.0",
            id="nothing",
        ),
        pytest.param(
            BYTES[:3],
            "not-ble-data",
            MISSING.format("27"),
            None,
            "name a ble_data.bin, as BLEService.py of ESP-AT makes it up to v3.0.0.0",
            id="cut-in-header",
        ),
        pytest.param(
            b"\xff" * 64,
            "not-ble-data",
            MISSING.format("ff ff"),
            None,
            "name a ble_data.bin, as BLEService.py of ESP-AT makes it up to v3.0.0.0",
            id="blank",
        ),
        pytest.param(
            b"\x53\x19\x27\xc2\x95{",
            "not-ble-data",
            MISSING.format("27 c2"),
            None,
            CORRUPT_HINT,
            id="header-written-as-text",
        ),
        pytest.param(
            BYTES[:-1],
            "ble-data-damaged",
            "ble_data is cut: its header has 265 bytes and has 264",
            "0x0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="cut",
        ),
        pytest.param(
            BYTES + b"\0",
            "ble-data-damaged",
            "there are bytes after the JSON of ble_data",
            "0x109",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="bytes-after",
        ),
        pytest.param(
            _image(JSON[:-1]),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="json-cut",
        ),
        pytest.param(
            _image(b""),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="no-json",
        ),
        pytest.param(
            _image(b"\xfe\xfe"),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="no-text",
        ),
        pytest.param(
            _image(b"[1]"),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="json-list",
        ),
        pytest.param(
            _image(b'"Service"'),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="json-text",
        ),
        pytest.param(
            _image(b'{"Services": []}'),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="other-key",
        ),
        pytest.param(
            _image(b'{"Service": []}'),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="no-row",
        ),
        pytest.param(
            _image(b'{"Service": {"a": 1}}'),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="service-object",
        ),
        pytest.param(
            _image(b'{"Service": [5]}'),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="row-number",
        ),
        pytest.param(
            _image(b"[" * 60000),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="nested-60000-deep",
        ),
        pytest.param(
            _image(b'{"Service": [' + b"9" * 5000 + b"]}"),
            "ble-data-damaged",
            UNREADABLE,
            "0x4",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="5000-digits",
        ),
        pytest.param(
            _image(b'{"Service": "abc"}'),
            "ble-data-damaged",
            FIELDS,
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="service-text",
        ),
        pytest.param(
            _image(b'{"Service": [{"index": 0}]}'),
            "ble-data-damaged",
            FIELDS,
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="fields-missing",
        ),
        pytest.param(
            _image_of(more=1),
            "ble-data-damaged",
            FIELDS,
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="field-too-many",
        ),
        pytest.param(
            _image_of(index="0"),
            "ble-data-damaged",
            "index has the wrong type: '0'",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="text-for-a-number",
        ),
        pytest.param(
            _image_of(index=True),
            "ble-data-damaged",
            "index has the wrong type: True",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="bool-for-a-number",
        ),
        pytest.param(
            _image_of(index=0.5),
            "ble-data-damaged",
            "index has the wrong type: 0.5",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="fraction",
        ),
        pytest.param(
            _image_of(index=None),
            "ble-data-damaged",
            "index has the wrong type: None",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="null",
        ),
        pytest.param(
            _image_of(uuid=2800),
            "ble-data-damaged",
            "uuid has the wrong type: 2800",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="number-for-text",
        ),
        pytest.param(
            _image_of(uuid="", uuid_len=0),
            "gatt-uuid",
            "the row has no uuid",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="no-uuid",
        ),
        pytest.param(
            _image_of(uuid="28zz"),
            "gatt-hex",
            "uuid '28zz' isn't hex",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="uuid-no-hex",
        ),
        pytest.param(
            _image_of(value="abc"),
            "gatt-hex",
            "value 'abc' isn't hex",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="value-lower-case-and-odd",
        ),
        pytest.param(
            _image_of(perm=-1),
            "gatt-number",
            "perm is outside 0…65535",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="perm-negative",
        ),
        pytest.param(
            _image_of(index=1 << 70),
            "gatt-number",
            "index is outside 0…65535",
            "row 0",
            "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT",
            id="index-over-16-bits",
        ),
    ],
)
def test_from_bytes_refuses(data, code, message, where, hint):
    error = _refusal(lambda: GattTable.from_bytes(data))
    assert (error.code, error.where) == (code, where)
    assert (error.message, error.hint) == (message, hint)


def test_second_row_is_named():
    services = [{name: getattr(TABLE.rows[0], name) for name in COLUMNS}, {}]
    error = _refusal(lambda: GattTable.from_bytes(_image(json.dumps({"Service": services}).encode())))
    assert (error.code, error.message, error.where) == ("ble-data-damaged", FIELDS, "row 1")


def test_json_that_is_too_long_for_its_length_field():
    row = replace(TABLE.rows[0], val_max_len=512, value="00" * 512)
    assert len(GattTable((row,) * 56).to_bytes()) == 4 + 13 + 56 * 1132
    error = _refusal(lambda: GattTable((row,) * 58).to_bytes())
    assert error.code == "gatt-too-large"
    assert error.message == f"58 GATT rows make {13 + 58 * 1132} bytes of JSON"
    assert error.hint == "remove rows, or shorten their values: 65535 bytes are the most"


def test_a_csv_with_semicolons():
    error = _refusal(
        lambda: GattTable.from_csv("index;uuid_len;uuid;perm;val_max_len;val_cur_len;value\n0;16;0x2800\n")
    )
    assert (error.code, error.where) == ("gatt-csv-invalid", "1")
    assert error.message == "the cells are separated by semicolons"
    assert error.hint.startswith("write commas in place of the semicolons; ")
