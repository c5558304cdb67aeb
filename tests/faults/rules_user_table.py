"""Faults in the user partition table (``at_customize.bin``), which says where parameters and certificates are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from faults.rule import rule
from platformio_esp_at.formats.pki import PKI_SLOTS
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

_LOST = "parameters-missing package-without-parameters package-inconsistent"


@rule("the firmware finds no parameters and answers on its built-in pins", codes=_LOST)
def parameters_row_gone(case: Case) -> Iterator[tuple[str, Case]]:
    yield case.parameters, case.without_row(case.parameters)


@rule("the firmware looks for the partition by its type and subtype", codes=_LOST)
def parameters_row_other_kind(case: Case) -> Iterator[tuple[str, Case]]:
    for word, changes in (("type", {"type": 0x41}), ("app", {"type": 0})):
        yield word, case.with_row(case.parameters, **changes)
    if case.modern:  # before, the chips have different subtypes, and only the name tells
        yield "subtype", case.with_row(case.parameters, subtype=0x63)


@rule("the firmware looks for the partition by its name", codes=_LOST)
def parameters_row_renamed(case: Case) -> Iterator[tuple[str, Case]]:
    for name in (case.parameters.upper(), case.parameters[:-1], "param"):
        yield name, case.with_row(case.parameters, name=name)


@rule("the firmware reads the parameters where the image isn't written", codes=_LOST)
def parameters_row_moved(case: Case) -> Iterator[tuple[str, Case]]:
    home, row = case.row("at_customize"), case.row(case.parameters)
    end = max(other.end for other in case.secondary)
    if end + row.size <= home.end:
        yield "behind the others", case.with_row(case.parameters, offset=end)
    yield "half a sector", case.with_row(case.parameters, offset=row.offset + 0x800)


@rule("its image doesn't fit, or NVS has fewer than the 3 pages that it needs")
def parameters_row_small(case: Case) -> Iterator[tuple[str, Case]]:
    sizes = (0, SECTOR_SIZE, 2 * SECTOR_SIZE) if case.modern else (0, 0x800, 0x400)
    for size in sizes:
        yield f"{size:#x}", case.with_row(case.parameters, size=size)


@rule("the firmware takes the first of two partitions of one name, where nothing is written")
def user_row_twice(case: Case) -> Iterator[tuple[str, Case]]:
    row = case.row(case.parameters)
    end = max(other.end for other in case.secondary)
    yield case.parameters, case.with_secondary([replace(row, offset=end, size=SECTOR_SIZE), *case.secondary])


@rule("writing one partition overwrites the other one", codes="image-overlap")
def user_rows_overlap(case: Case) -> Iterator[tuple[str, Case]]:
    row = case.row(case.parameters)
    yield "longer", case.with_row(case.parameters, size=row.size + 0x10000000)
    if len(case.secondary.partitions) > 1:
        other = next(one for one in case.secondary if one != row)
        yield "on another", case.with_row(other.name, offset=row.offset)
    yield "on the table", case.with_row(case.parameters, offset=case.row("at_customize").offset)


@rule("the partition is in the application or outside the flash")
def user_row_outside(case: Case) -> Iterator[tuple[str, Case]]:
    for word, offset in (("in the application", case.app_row.offset + 0x20000), ("at 256 MB", 256 << 20)):
        yield word, case.with_row(case.parameters, offset=offset)


def _pki_rows(case: Case) -> list[str]:
    return [row.name for row in case.secondary if row.name in PKI_SLOTS and case.has(row.name)]


@rule("the firmware finds no certificate or key under this name: no TLS", codes="unknown-partition")
def pki_row_renamed(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _pki_rows(case)[:2]:
        yield name, case.with_row(name, name=f"x{name[1:]}")


@rule("the firmware finds no certificate or key: no TLS")
def pki_row_gone(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _pki_rows(case)[-2:]:
        yield name, case.without_row(name)


@rule("the certificate is read where its key is written, and the key where the certificate is: no TLS")
def pki_rows_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    for cert in [name for name in _pki_rows(case) if name.endswith("_cert")]:
        key = cert.replace("_cert", "_key")
        a, b = case.row(cert), case.row(key)
        if case.has(key) and a and b:
            yield cert, case.with_row(cert, name="_").with_row(key, name=cert).with_row("_", name=key)


@rule("the image is larger than the partition, and would be written over the next one", codes="image-overlap")
def pki_row_small(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _pki_rows(case)[:1]:
        yield name, case.with_row(name, size=0x40)


@rule("the firmware of this generation looks for factory_param and finds no parameters",
      codes="package-inconsistent application-other-generation")  # fmt: skip
def parameters_row_of_other_generation(case: Case) -> Iterator[tuple[str, Case]]:
    if not case.modern:
        yield "mfg_nvs", case.with_row("factory_param", name="mfg_nvs", type=1, subtype=2)


@rule("the firmware or the bootloader takes it for what it isn't: an application, its ota_data, its nvs")
def user_row_of_system_kind(case: Case) -> Iterator[tuple[str, Case]]:
    name = next((row.name for row in case.secondary if row.name in PKI_SLOTS), None)
    if name:
        for word, changes in (("app", {"type": 0, "subtype": 0x10}), ("type 0x41", {"type": 0x41})):
            yield f"{name} {word}", case.with_row(name, **changes)
