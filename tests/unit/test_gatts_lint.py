"""GATT tables that clients can use, and tables that they can't."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platformio_esp_at.checks.gatts import EDITABLE_ROWS, lint_gatts
from platformio_esp_at.errors import FormatError
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


def _problem(*rows: str) -> tuple[str, str]:
    problems, _ = lint_gatts(_rows(*rows))
    assert len(problems) == 1
    assert isinstance(problems[0], FormatError)
    assert problems[0].hint
    return problems[0].where, problems[0].message


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
    assert "no rows" in lint_gatts(())[0][0].message


@pytest.mark.parametrize(
    ("rows", "where", "message"),
    [
        ((READABLE, VALUE), "row 0", "starts with 2803"),
        ((SERVICE, VALUE), "row 1", "belongs to no characteristic"),
        ((SERVICE, DESCRIPTION, READABLE, VALUE), "row 1", "belongs to no characteristic"),
        ((SERVICE, READABLE, READABLE, VALUE), "row 2", "has no value yet"),
        ((SERVICE, READABLE, DESCRIPTION), "row 2", "2901 is a descriptor"),
        ((SERVICE, READABLE, SERVICE), "row 2", "has no value yet"),
        ((SERVICE, READABLE), "row 1", "last declaration has no value"),
        ((SERVICE, READABLE, VALUE, "0x2802,0x01,2,2,A003"), "row 3", "right behind the service"),
        (("0x2800,0x01,2,0,",), "row 0", "no uuid of 2, 4 or 16"),
        (("0x2800,0x01,3,3,A00201",), "row 0", "no uuid of 2, 4 or 16"),
        ((SERVICE, "0x2803,0x01,1,0,", VALUE), "row 1", "has 0 bytes"),
        ((SERVICE, "0x2803,0x01,2,2,0202", VALUE), "row 1", "has 2 bytes"),
        ((SERVICE, READABLE, "0xC300,0x09,1,1,30"), "row 2", "bits that mean nothing: 0x8"),
        ((SERVICE, READABLE, "0xC300,0x01,513,1,30"), "row 2", "val_max_len is 513"),
        ((SERVICE, READABLE, "0xC300,0x01,1,2,30"), "row 2", "more than val_max_len"),
    ],
)
def test_faults(rows, where, message):
    found_where, found_message = _problem(*rows)
    assert found_where == where
    assert message in found_message


def test_the_index_counts():
    rows = GattTable.from_csv(f"{HEADER}\n0,16,{SERVICE}\n2,16,{READABLE}\n2,16,{VALUE}").rows
    problems, _ = lint_gatts(rows)
    assert [(problem.where, problem.message) for problem in problems] == [("row 1", "its index is 2")]


def test_a_uuid_of_another_length():
    assert (
        "a uuid of 24 bits"
        in lint_gatts([*_rows(SERVICE, READABLE), GattRow(2, 24, "C30000", 1, 1, 1, "30")])[0][0].message
    )


@pytest.mark.parametrize(
    ("rows", "warning"),
    [
        ((SERVICE, READABLE, "0xC300,0x10,1,1,30"), "row 2: its properties say read"),
        ((SERVICE, "0x2803,0x01,1,1,08", VALUE), "row 2: its properties say write"),
        ((SERVICE, NOTIFYING, VALUE), "row 1: it notifies or indicates"),
        ((SERVICE, "0x2803,0x01,1,1,00", VALUE), "row 1: the characteristic has no properties"),
        ((SERVICE, "0x2803,0x10,1,1,02", VALUE), "row 1: perm 0x10 keeps clients"),
        ((SERVICE, READABLE, "0xC300,0x01,9,3,30"), "row 2: val_cur_len is 3"),
        ((SERVICE, READABLE, VALUE, "0xC301,0x01,1,1,30"), "row 3: C301 is taken as a descriptor"),
    ],
)
def test_warnings(rows, warning):
    problems, warnings = lint_gatts(_rows(*rows))
    assert not problems
    assert len(warnings) == 1
    assert f"GATT {warning}" in warnings[0]


def test_more_rows_than_at_py_can_change():
    rows = _rows(SERVICE, *[READABLE, VALUE] * 16)
    assert lint_gatts(rows) == ([], [])
    assert "at.py can only change the first 31" in lint_gatts(rows, editable_rows=EDITABLE_ROWS)[1][0]
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
def test_any_rows_are_told_about_without_a_crash(rows):
    problems, warnings = lint_gatts(rows)
    assert all(problem.message and problem.where for problem in problems if rows)
    assert all(isinstance(warning, str) for warning in warnings)
