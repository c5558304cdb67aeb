"""GATT tables that clients can use, and tables that they can't."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platformio_esp_at.checks.gatts import EDITABLE_ROWS, lint_gatts
from platformio_esp_at.errors import EspAtError, FormatError, Place
from platformio_esp_at.formats.gatts import GattRow, GattTable

HEADER = "index,uuid_len,uuid,perm,val_max_len,val_cur_len,value"
SERVICE = "0x2800,0x01,2,2,A002"
READABLE = "0x2803,0x01,1,1,02"
VALUE = "0xC300,0x01,1,1,30"
DESCRIPTION = "0x2901,0x11,1,1,30"
NOTIFYING = "0x2803,0x01,1,1,10"
CONFIGURATION = "0x2902,0x11,2,2,0000"


def _rows(*rows: str) -> tuple[GattRow, ...]:
    lines = [f"{number},16,{row}" for number, row in enumerate(rows)]
    return GattTable.from_csv("\n".join([HEADER, *lines])).rows


def _problem(*rows: str) -> EspAtError:
    (problem,), _ = lint_gatts(_rows(*rows))
    assert isinstance(problem, FormatError)
    assert problem.hint
    return problem


@pytest.mark.parametrize(
    "rows",
    [
        (SERVICE, READABLE, VALUE),
        (SERVICE, READABLE, VALUE, DESCRIPTION, READABLE, VALUE),
        (SERVICE, NOTIFYING, VALUE, CONFIGURATION),
        (SERVICE, NOTIFYING, VALUE, DESCRIPTION, CONFIGURATION, SERVICE, READABLE, VALUE),
        (SERVICE, "0x2802,0x01,2,2,A003", READABLE, VALUE),
        ("0x2801,0x01,2,2,A002", READABLE, "0xC301,0x01,512,512,"),
        (SERVICE,),
    ],
)
def test_sound_tables_pass(rows):
    assert lint_gatts(_rows(*rows)) == ([], [])


def test_a_uuid_of_128_bits():
    uuid = "0x0000FF01-0000-1000-8000-00805F9B34FB".replace("-", "")
    rows = _rows(SERVICE, READABLE, VALUE)
    row = GattRow(2, 128, uuid[2:], 0x01, 1, 1, "30")
    assert lint_gatts((*rows[:2], row)) == ([], [])


def test_no_rows():
    (problem,), warnings = lint_gatts(())
    assert (problem.code, problem.message, warnings) == ("gatt-empty", "the GATT table has no rows", [])
    assert problem.hint.startswith("order: service (2800), then ")


@pytest.mark.parametrize(
    ("rows", "row", "code", "message"),
    [
        ((READABLE, VALUE), 0, "gatt-order", "starts with 2803"),
        ((SERVICE, VALUE), 1, "gatt-order", "belongs to no characteristic"),
        ((SERVICE, DESCRIPTION, READABLE, VALUE), 1, "gatt-order", "belongs to no characteristic"),
        ((SERVICE, READABLE, READABLE, VALUE), 2, "gatt-order", "has no value yet"),
        ((SERVICE, READABLE, DESCRIPTION), 2, "gatt-order", "2901 is a descriptor"),
        ((SERVICE, READABLE, SERVICE), 2, "gatt-order", "has no value yet"),
        ((SERVICE, READABLE), 1, "gatt-order", "last declaration has no value"),
        (
            (SERVICE, READABLE, VALUE, "0x2802,0x01,2,2,A003"),
            3,
            "gatt-order",
            "must be directly after the service",
        ),
        (("0x2800,0x01,2,0,",), 0, "gatt-service", "no uuid of 2, 4 or 16"),
        (("0x2800,0x01,3,3,A00201",), 0, "gatt-service", "no uuid of 2, 4 or 16"),
        ((SERVICE, "0x2803,0x01,1,0,", VALUE), 1, "gatt-properties", "must be 1 byte (its properties), not 0"),
        ((SERVICE, "0x2803,0x01,2,2,0202", VALUE), 1, "gatt-properties", "must be 1 byte (its properties), not 2"),
        ((SERVICE, READABLE, "0xC300,0x09,1,1,30"), 2, "gatt-permission", "undefined bits: 0x8"),
        ((SERVICE, READABLE, "0xC300,0x01,513,1,30"), 2, "gatt-length", "val_max_len 513 is too large"),
        ((SERVICE, READABLE, "0xC300,0x01,1,2,30"), 2, "gatt-length", "more than val_max_len"),
    ],
)
def test_faults(rows, row, code, message):
    problem = _problem(*rows)
    assert (problem.code, problem.where, problem.facts) == (code, f"row {row}", {"row": row})
    assert message in problem.message


def test_the_index_counts():
    rows = GattTable.from_csv(f"{HEADER}\n0,16,{SERVICE}\n2,16,{READABLE}\n2,16,{VALUE}").rows
    (problem,), _ = lint_gatts(rows)
    assert (problem.code, problem.where, problem.message) == ("gatt-index-invalid", "row 1", "its index is 2")
    assert problem.hint == "write 1: the index counts 0, 1, 2…"


def test_a_uuid_of_another_length():
    (problem,), _ = lint_gatts([*_rows(SERVICE, READABLE), GattRow(2, 24, "C30000", 1, 1, 1, "30")])
    assert (problem.code, problem.where, problem.message) == ("gatt-uuid", "row 2", "a uuid of 24 bits")
    assert problem.hint == "write 16, 32 or 128"


@pytest.mark.parametrize(
    ("rows", "row", "code", "text"),
    [
        (
            (SERVICE, READABLE, "0xC300,0x10,1,1,30"),
            *(2, "gatt-access", "its properties have read, perm 0x10 doesn't allow it"),
        ),
        (
            (SERVICE, "0x2803,0x01,1,1,08", VALUE),
            *(2, "gatt-access", "its properties have write, perm 0x1 doesn't allow it"),
        ),
        (
            (SERVICE, NOTIFYING, VALUE),
            *(
                1,
                "gatt-no-subscription",
                "it notifies or indicates, and without a descriptor 2902 clients can't subscribe",
            ),
        ),
        (
            (SERVICE, "0x2803,0x01,1,1,00", VALUE),
            *(1, "gatt-no-properties", "the characteristic has no properties, so clients can't use it"),
        ),
        (
            (SERVICE, "0x2803,0x10,1,1,02", VALUE),
            *(1, "gatt-access", "perm 0x10 keeps clients from reading the declaration"),
        ),
        (
            (SERVICE, READABLE, "0xC300,0x01,9,3,30"),
            *(2, "gatt-value-length", "val_cur_len is 3, the value has 1 byte"),
        ),
        (
            (SERVICE, READABLE, VALUE, "0xC301,0x01,1,1,30"),
            *(3, "gatt-descriptor", "C301 is taken as a descriptor, since no declaration (2803) is before it"),
        ),
    ],
)
def test_warnings(rows, row, code, text):
    problems, (found,) = lint_gatts(_rows(*rows))
    assert not problems
    assert (found.code, found.is_warning, found.place) == (code, True, Place.at(row=row))
    assert found.message == text


def test_more_rows_than_at_py_can_change():
    rows = _rows(SERVICE, *[READABLE, VALUE] * 16)
    assert lint_gatts(rows) == ([], [])
    problems, (found,) = lint_gatts(rows, editable_rows=EDITABLE_ROWS)
    assert not problems
    assert (found.code, found.is_warning, found.facts) == ("gatt-not-editable", True, {"rows": 33})
    assert str(found) == "the GATT table has 33 rows, at.py can only change the first 31"
    assert lint_gatts(rows[:31], editable_rows=EDITABLE_ROWS) == ([], [])


def test_problems_come_in_the_order_of_the_rows():
    problems, _ = lint_gatts(_rows(VALUE, READABLE, READABLE, "0xC300,0x08,600,700,30"))
    assert [problem.where for problem in problems] == ["row 0", "row 2", "row 3", "row 3", "row 3"]


_ROW = st.builds(
    GattRow,
    index=st.integers(0, 4),
    uuid_len=st.just(16),
    uuid=st.sampled_from(["2800", "2801", "2802", "2803", "2901", "2902", "C300"]),
    perm=st.integers(0, 0xFFFF),
    val_max_len=st.integers(2, 600),
    val_cur_len=st.integers(0, 600),
    value=st.sampled_from(["", "02", "A002"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_ROW, max_size=6))
def test_any_rows_are_looked_at_without_a_crash(rows):
    problems, warnings = lint_gatts(rows)
    numbers = [problem.facts["row"] for problem in problems if problem.code != "gatt-empty"]
    assert numbers == sorted(numbers)
    assert all(dict(found.place.parts)["row"] in range(len(rows)) for found in warnings)
    assert set(numbers) <= set(range(len(rows)))
