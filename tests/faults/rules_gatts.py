"""Faults in a project's GATT table: services that no client could use, or that the firmware can't build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

_HEADER = "index,uuid_len,uuid,perm,val_max_len,val_cur_len,value"
_ROWS = ("0,16,0x2800,0x01,2,2,A002", "1,16,0x2803,0x01,1,1,02", "2,16,0xC300,0x01,1,1,30",
         "3,16,0x2803,0x01,1,1,10", "4,16,0xC301,0x01,1,1,30", "5,16,0x2902,0x11,2,2,0000")  # fmt: skip
CSV = "gatts.csv"


def _reads(case: Case) -> bool:
    if case.modern:
        return b"ble_data\0" in case["esp-at"]
    return case.secondary.find("ble_data") is not None


def _table(case: Case, *rows: str, header: str = _HEADER) -> Case:
    return case.asking({CSV: "\n".join([header, *rows, ""]).encode()}, gatts=CSV)


def _with(number: int, row: str) -> tuple[str, ...]:
    return (*_ROWS[:number], row, *_ROWS[number + 1 :])


@rule("the firmware builds services in this order only: declaration, value, descriptors")
def gatt_order(case: Case) -> Iterator[tuple[str, Case]]:
    if _reads(case):
        yield "no service", _table(case, "0,16,0x2803,0x01,1,1,02", "1,16,0xC300,0x01,1,1,30")
        yield "no value", _table(case, *_ROWS[:2])
        yield "value first", _table(case, _ROWS[0], "1,16,0xC300,0x01,1,1,30", "2,16,0x2803,0x01,1,1,02")
        yield "two declarations", _table(case, *_ROWS[:2], "2,16,0x2803,0x01,1,1,02", "3,16,0xC300,0x01,1,1,30")


@rule("the row's numbers contradict each other: the value is cut, or memory after it is sent")
def gatt_length(case: Case) -> Iterator[tuple[str, Case]]:
    if _reads(case):
        yield "current above most", _table(case, *_with(2, "2,16,0xC300,0x01,1,5,3031323334"))
        yield "most 9999", _table(case, *_with(2, "2,16,0xC300,0x01,9999,1,30"))


@rule("the value that is sent isn't the one that was written: 303 became 3003")
def gatt_value_of_odd_digits(case: Case) -> Iterator[tuple[str, Case]]:
    if _reads(case):
        yield "303", _table(case, *_with(2, "2,16,0xC300,0x01,2,2,303"))


@rule("the stack refuses such a row: no GATT server")
def gatt_row_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    if _reads(case):
        for word, row in (
            ("uuid_len", "2,24,0xC300,0x01,1,1,30"),
            ("uuid too short", "2,128,0xC300,0x01,1,1,30"),
            ("no uuid", "2,16,,0x01,1,1,30"),
            ("uuid", "2,16,0xC3ZZ,0x01,1,1,30"),
            ("perm", "2,16,0xC300,0x8000,1,1,30"),
            ("perm text", "2,16,0xC300,rw,1,1,30"),
            ("value", "2,16,0xC300,0x01,1,1,hello"),
            ("index", "7,16,0xC300,0x01,1,1,30"),
        ):
            yield word, _table(case, *_with(2, row))


@rule("a declaration needs one byte of properties, a service its uuid")
def gatt_declaration(case: Case) -> Iterator[tuple[str, Case]]:
    if _reads(case):
        yield "no properties", _table(case, *_with(1, "1,16,0x2803,0x01,1,0,"))
        yield "two bytes", _table(case, *_with(1, "1,16,0x2803,0x01,2,2,0212"))
        yield "service", _table(case, *_with(0, "0,16,0x2800,0x01,3,3,A00201"))


@rule("what the CSV means can't be known")
def gatt_csv_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    if _reads(case):
        yield "empty", case.asking({CSV: b""}, gatts=CSV)
        yield "no rows", _table(case)
        yield "semicolons", _table(case, *(row.replace(",", ";") for row in _ROWS), header=_HEADER.replace(",", ";"))
        yield "column missing", _table(case, *_ROWS, header=_HEADER.replace(",perm", ""))
        yield "cells missing", _table(case, *_with(2, "2,16,0xC300"))
        yield "UTF-16", case.asking({CSV: f"{_HEADER}\n{_ROWS[0]}\n".encode("utf-16")}, gatts=CSV)


@rule("clients can't read, write or subscribe to the characteristic",
      still_works="boot, AT commands and TLS don't use GATT, and the other services work")  # fmt: skip
def gatt_that_clients_can_not_use(case: Case) -> Iterator[tuple[str, Case]]:
    if _reads(case):
        yield "not readable", _table(case, *_with(2, "2,16,0xC300,0x10,1,1,30"))
        yield "no 2902", _table(case, *_ROWS[:5])


@rule("the release has no Bluetooth: the services are never shown", codes="not-read-by-release unknown-partition")
def gatt_for_no_bluetooth(case: Case) -> Iterator[tuple[str, Case]]:
    if not _reads(case) and not (case.modern and not case.runs and not case.name.startswith("SAMPLE")):
        yield "services", _table(case, *_ROWS)
