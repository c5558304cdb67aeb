"""GATT tables: whether a Bluetooth LE client can use the services that their rows describe.

Order of the rows (ESP-AT ``docs/en/Compile_and_Develop/How_to_customize_BLE_services.rst``): a service declaration,
then characteristics; each has a declaration (0x2803), a value and descriptors. A declaration's value is one byte of
properties; the stack adds handle and UUID. Bits and sizes: Bluetooth Core Specification, Vol 3, Part G (3.1, 3.3) and
Part F (3.2.9); permissions: ``ESP_GATT_PERM_…`` in the ESP-AT document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, Notice, Place, raise_all, warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from platformio_esp_at.formats.gatts import GattRow
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.options import Request


EDITABLE_ROWS = 31
"""Rows that at.py can change in ``mfg_nvs``: cfg0 to cfg30. ESP-AT's documentation still adds rows 31 to 34."""

_SERVICES = {"2800", "2801"}
_INCLUDE = "2802"
_CHARACTERISTIC = "2803"
_CLIENT_CONFIGURATION = "2902"
_DECLARATIONS = {*_SERVICES, _INCLUDE, _CHARACTERISTIC}
_UUID_BITS = (16, 32, 128)
_MAX_VALUE = 512

_READ_PERMISSIONS = 0x0207
_WRITE_PERMISSIONS = 0x05F0
_KNOWN_PERMISSIONS = _READ_PERMISSIONS | _WRITE_PERMISSIONS
_READ, _WRITES, _NOTIFY_OR_INDICATE = 0x02, 0x04 | 0x08 | 0x40, 0x10 | 0x20

_ORDER = "order: service (2800), then for each characteristic its declaration (2803), its value, its descriptors"


def lint_gatts(rows: Sequence[GattRow], *, editable_rows: int | None = None) -> tuple[list[EspAtError], list[Notice]]:
    """Return the problems and the warnings of a GATT table.

    The fact ``row`` is the row's number, counted from 0 like its index. ``editable_rows`` is `EDITABLE_ROWS` if the
    rows go into ``mfg_nvs``; more rows than that give a warning.
    """
    if not rows:
        return [FormatError("gatt-empty", "the GATT table has no rows", hint=_ORDER)], []
    problems: list[EspAtError] = []
    warnings: list[Notice] = []
    findings = [finding for number, row in enumerate(rows) for finding in _row(number, row)]
    for number, finding in (*findings, *_structure(rows), *_characteristics(rows)):
        if isinstance(finding, EspAtError):
            finding.locate(Place.at(row=number))
            problems.append(finding)
        else:
            warnings.append(finding.inside(Place.at(row=number)))
    if editable_rows is not None and len(rows) > editable_rows:
        message = f"the GATT table has {len(rows)} rows, at.py can only change the first {editable_rows}"
        warnings.append(
            warning(
                "gatt-not-editable", message, rows=len(rows), hint="put the rows that are to be changed later first"
            )
        )
    problems.sort(key=lambda problem: int(str(problem.facts["row"])))
    return problems, warnings


def _row(number: int, row: GattRow) -> Iterator[tuple[int, EspAtError | Notice]]:
    """Yield the problems of one row, without the rows around it."""
    size = len(row.value) // 2
    if row.index != number:
        yield (
            number,
            FormatError(
                "gatt-index-invalid", f"its index is {row.index}", hint=f"write {number}: the index counts 0, 1, 2…"
            ),
        )
    if row.uuid_len not in _UUID_BITS:
        yield number, FormatError("gatt-uuid", f"a uuid of {row.uuid_len} bits", hint="write 16, 32 or 128")
    if unknown := row.perm & ~_KNOWN_PERMISSIONS:
        yield (
            number,
            FormatError("gatt-permission", f"perm {row.perm:#x} has undefined bits: {unknown:#x}", hint=_PERM_HINT),
        )
    if row.val_max_len > _MAX_VALUE:
        yield (
            number,
            FormatError(
                "gatt-length",
                f"val_max_len {row.val_max_len} is too large",
                hint=f"write {_MAX_VALUE} or less",
            ),
        )
    if row.val_cur_len > row.val_max_len:
        yield (
            number,
            FormatError(
                "gatt-length",
                f"val_cur_len {row.val_cur_len} is more than val_max_len {row.val_max_len}",
                hint="write the length of the value, in bytes",
            ),
        )
    elif row.value and row.val_cur_len != size:
        message = f"val_cur_len is {row.val_cur_len}, the value has {size} byte{'s' if size != 1 else ''}"
        yield number, warning("gatt-value-length", message, hint=f"write {size} as val_cur_len")


_PROPERTIES = "one byte: 02 read, 04 and 08 write, 10 notify, 20 indicate, or the sum of some"
_PERM_HINT = "write 0x01 for read, 0x10 for write, 0x11 for both, or the encrypted kinds of them"


def _structure(rows: Sequence[GattRow]) -> Iterator[tuple[int, EspAtError | Notice]]:
    """Yield what is wrong with the order of the rows."""
    before = ""
    if rows[0].uuid not in _SERVICES:
        yield (
            0,
            FormatError("gatt-order", f"the table starts with {rows[0].uuid}, not with a service (2800)", hint=_ORDER),
        )
        before = "service"
    for number, row in enumerate(rows):
        if before == "declaration" and (row.uuid in _DECLARATIONS or _is_descriptor(row)):
            what = "a descriptor" if _is_descriptor(row) else "a declaration"
            message = f"{row.uuid} is {what}, and the declaration before it has no value yet"
            yield number, FormatError("gatt-order", message, hint=_ORDER)
        if row.uuid in _SERVICES:
            if len(row.value) // 2 not in (2, 4, 16):
                yield (
                    number,
                    FormatError(
                        "gatt-service",
                        "the service has no uuid of 2, 4 or 16 bytes as its value",
                        hint="write its uuid as the value, such as A002",
                    ),
                )
            before = "service"
        elif row.uuid == _INCLUDE:
            if before not in ("service", "include"):
                yield (
                    number,
                    FormatError(
                        "gatt-order", "an included service (2802) must be directly after the service", hint=_ORDER
                    ),
                )
            before = "include"
        elif row.uuid == _CHARACTERISTIC:
            before = "declaration"
        elif before == "declaration":
            before = "value"
        elif before in ("service", "include") and number:
            message = f"{row.uuid} belongs to no characteristic"
            yield number, FormatError("gatt-order", message, hint="put its declaration (2803) before it")
        elif not _is_descriptor(row):
            message = f"{row.uuid} is taken as a descriptor, since no declaration (2803) is before it"
            yield (
                number,
                warning(
                    "gatt-descriptor",
                    message,
                    hint="put a declaration (2803) before it, if it is a characteristic's value",
                ),
            )
    if before == "declaration":
        yield len(rows) - 1, FormatError("gatt-order", "the last declaration has no value", hint=_ORDER)


def _characteristics(rows: Sequence[GattRow]) -> Iterator[tuple[int, EspAtError | Notice]]:
    """Yield what is wrong with the properties of characteristics."""
    for number, row in enumerate(rows):
        if row.uuid != _CHARACTERISTIC:
            continue
        if len(row.value) != 2:
            hint = f"write {_PROPERTIES}"
            size = len(row.value) // 2
            yield (
                number,
                FormatError(
                    "gatt-properties",
                    f"the value of a declaration must be 1 byte (its properties), not {size}",
                    hint=hint,
                ),
            )
            continue
        properties = int(row.value, 16)
        if not properties:
            yield (
                number,
                warning(
                    "gatt-no-properties",
                    "the characteristic has no properties, so clients can't use it",
                    hint=f"write its properties as the value, {_PROPERTIES}",
                ),
            )
        if not row.perm & _READ_PERMISSIONS:
            message = f"perm {row.perm:#x} keeps clients from reading the declaration"
            yield number, warning("gatt-access", message, hint=f"write {row.perm | 0x01:#04x} as perm")
        if number + 1 < len(rows) and rows[number + 1].uuid not in _DECLARATIONS:
            yield from _value(number + 1, rows[number + 1], properties)
        configurable = _CLIENT_CONFIGURATION in (descriptor.uuid for descriptor in _descriptors(rows[number + 2 :]))
        if properties & _NOTIFY_OR_INDICATE and not configurable:
            message = "it notifies or indicates, and without a descriptor 2902 clients can't subscribe"
            yield (
                number,
                warning(
                    "gatt-no-subscription", message, hint="add a row with the uuid 0x2902 and perm 0x11 after its value"
                ),
            )


def _value(number: int, row: GattRow, properties: int) -> Iterator[tuple[int, Notice]]:
    if properties & _READ and not row.perm & _READ_PERMISSIONS:
        yield (
            number,
            warning(
                "gatt-access",
                f"its properties have read, perm {row.perm:#x} doesn't allow it",
                hint=f"write {row.perm | 0x01:#04x} as perm, or take 02 out of the properties",
            ),
        )
    if properties & _WRITES and not row.perm & _WRITE_PERMISSIONS:
        yield (
            number,
            warning(
                "gatt-access",
                f"its properties have write, perm {row.perm:#x} doesn't allow it",
                hint=f"write {row.perm | 0x10:#04x} as perm, or take 04 and 08 out of the properties",
            ),
        )


def _descriptors(rows: Iterable[GattRow]) -> Iterator[GattRow]:
    for row in rows:
        if row.uuid in _DECLARATIONS:
            return
        yield row


def _is_descriptor(row: GattRow) -> bool:
    """Return whether its UUID is in the range that the Bluetooth SIG reserves for descriptors: 2900 and up."""
    return row.uuid_len == 16 and row.uuid.startswith("29")


def check_gatts(plan: FlashPlan, request: Request) -> Iterator[Notice]:
    """Yield the warnings of the project's GATT table."""
    if request.gatts is None or plan.gatts is None:
        return
    problems, warnings = lint_gatts(plan.gatts.rows, editable_rows=EDITABLE_ROWS if plan.package.has_mfg_nvs else None)
    for problem in problems:
        problem.locate(Place.at(file=request.gatts.label))
    raise_all(problems)
    yield from (found.inside(Place.at(file=request.gatts.label)) for found in warnings)
