"""GATT services of the Bluetooth LE server: the CSV that people write, and ``ble_data.bin`` up to v3.0.0.0.

``ble_data.bin`` is a short header and JSON::

    offset  size  field
    0       2     length of the JSON, little endian
    2       2     27 95
    4       …     {"Service": [{"index": 0, "uuid_len": 16, "uuid": "2800", …}, …]}

No padding and no NUL. Source: ESP-AT ``tools/BLEService.py`` and its ``Configs/ATBleService.yml``. The order of the
keys in the JSON came from the CSV's header on Python 3 and from dict hashing on Python 2; the firmware reads both.

Since v3.1.0.0 the rows are strings in ``mfg_nvs``: ``cfg0``, ``cfg1``…, each a row of the CSV.
"""

from __future__ import annotations

import csv
import json
import re
import struct
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from platformio_esp_at.errors import FormatError, Place, located, unknown_name
from platformio_esp_at.units import parse_size

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER = struct.Struct("<H2s")
_MAGIC = b"\x27\x95"
_HEX = re.compile(r"(?:[0-9A-F]{2})*")
_MAX_NUMBER = 0xFFFF
_MAX_DIGITS_SHOWN = 16
_OTHER_NAMES = {"max_len": "val_max_len", "cur_len": "val_cur_len"}
"""Column names of upstream's CSV since v3.1 -> the names before."""

_DEFAULTS = {"val_max_len": "512", "val_cur_len": "0", "value": ""}


@dataclass(frozen=True, slots=True)
class GattRow:
    """One attribute; ``uuid`` and ``value`` are upper-case hex without 0x, lengths are in bytes, uuid_len in bits."""

    index: int
    uuid_len: int
    uuid: str
    perm: int
    val_max_len: int
    val_cur_len: int
    value: str

    def __post_init__(self) -> None:
        for name in ("index", "perm", "val_max_len", "val_cur_len"):
            if not 0 <= getattr(self, name) <= _MAX_NUMBER:
                raise FormatError(
                    "gatt-number", f"{name} is outside 0…{_MAX_NUMBER}", hint=f"write a number from 0 to {_MAX_NUMBER}"
                )
        for name in ("uuid", "value"):
            if not _HEX.fullmatch(getattr(self, name)):
                raise FormatError(
                    "gatt-hex",
                    f"{name} {getattr(self, name)!r} isn't hex",
                    hint="write pairs of 0-9 and A-F, such as 2A00",
                )
        if not self.uuid:
            raise FormatError("gatt-uuid", "the row has no uuid", hint="write its uuid, such as 0x2A00")
        if len(self.uuid) * 4 != self.uuid_len:
            raise FormatError(
                "gatt-uuid",
                f"uuid {self.uuid} doesn't have the {self.uuid_len} bits that uuid_len says",
                hint=f"write {len(self.uuid) * 4} as uuid_len, or a uuid of {self.uuid_len} bits",
            )
        if len(self.value) // 2 > self.val_max_len:
            raise FormatError(
                "gatt-length",
                f"the value has {len(self.value) // 2} bytes, more than val_max_len {self.val_max_len}",
                hint=f"write {len(self.value) // 2} or more as val_max_len, or a shorter value",
            )


COLUMNS = tuple(row.name for row in fields(GattRow))
"""The columns of the CSV, in upstream's order."""


@dataclass(frozen=True, slots=True)
class GattTable:
    """The rows of a GATT table; ``keys`` is the order in which the JSON names a row's fields."""

    rows: tuple[GattRow, ...]
    keys: tuple[str, ...] = COLUMNS
    written: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The rows of the CSV as they were written, blank cells included, if the columns are in upstream's order."""

    @classmethod
    def from_csv(cls, text: str) -> GattTable:
        """Return the table that a GATT CSV describes; its header may be a comment, as in upstream's since v3.1.

        ``val_max_len``, ``val_cur_len`` and ``value`` may be blank. Raises `FormatError`, naming the line.
        """
        lines = _csv_lines(text)
        header, first = _header(lines)
        rows = []
        for number, cells in lines[first:]:
            if cells[0].lstrip().startswith("#"):
                continue
            with located(line=number):
                if len(cells) > len(header):
                    raise FormatError(
                        "gatt-csv-invalid",
                        f"the row has {len(cells)} cells for {len(header)} columns",
                        hint=f"write {len(header)} cells, separated by commas: {','.join(header)}",
                    )
                rows.append(_row_of_cells(dict(zip(header, (cell.strip() for cell in cells), strict=False))))
        if not rows:
            raise FormatError(
                "gatt-empty", "the GATT CSV has no rows", hint=f"write a row for each attribute: {','.join(COLUMNS)}"
            )
        keys = (*header, *(name for name in COLUMNS if name not in header))
        written = [[cell.strip() for cell in cells] for _, cells in lines[first:]] if keys == COLUMNS else []
        return cls(tuple(rows), keys, tuple(",".join(cells) for cells in written if not cells[0].startswith("#")))

    def to_cfg(self) -> tuple[str, ...]:
        """Return the rows as ``mfg_nvs`` stores them since v3.1.0.0.

        Like upstream, unchanged from the CSV if they were read from one, blank cells included.
        """
        return self.written or tuple(_cells(row, COLUMNS) for row in self.rows)

    def to_csv(self) -> str:
        """Return the CSV that gives this table again."""
        return "\n".join([",".join(self.keys), *(_cells(row, self.keys) for row in self.rows)]) + "\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> GattTable:
        """Return the table in a ``ble_data`` image; the rest of its partition, FF, may follow.

        Raises `FormatError`, naming the place.
        """
        if len(data) < _HEADER.size or data[2:4] != _MAGIC:
            hint = "name a ble_data.bin, as BLEService.py of ESP-AT makes it up to v3.0.0.0"
            if data[2:4] == b"\x27\xc2":
                hint = "make it again on Python 2: BLEService.py of v2.0 and v2.1 writes C2 there on Python 3"
            raise FormatError(
                "not-ble-data", f"no ble_data: its magic 27 95 is missing (found {data[2:4].hex(' ')})", hint=hint
            )
        length, _ = _HEADER.unpack_from(data)
        end = _HEADER.size + length
        if end > len(data):
            raise FormatError(
                "ble-data-damaged",
                f"ble_data is cut: its header has {end} bytes and has {len(data)}",
                where=Place.at(offset=0),
                hint=_MAKE_AGAIN,
            )
        if data[end:].strip(b"\xff"):
            raise FormatError(
                "ble-data-damaged",
                "there are bytes after the JSON of ble_data",
                where=Place.at(offset=end),
                hint=_MAKE_AGAIN,
            )
        try:
            services = json.loads(data[_HEADER.size : end])["Service"]
            keys = tuple(services[0])
        except (ValueError, LookupError, TypeError, RecursionError):
            raise FormatError(
                "ble-data-damaged",
                "the JSON of ble_data can't be read",
                where=Place.at(offset=_HEADER.size),
                hint=_MAKE_AGAIN,
            ) from None
        rows = []
        for number, service in enumerate(services):
            with located(row=number, origin_hint=_MAKE_AGAIN):
                rows.append(_row_of_json(service))
        return cls(tuple(rows), keys)

    def to_bytes(self) -> bytes:
        """Return the ``ble_data`` image. Raises `FormatError` if the JSON is too long for its length field."""
        services = [{name: getattr(row, name) for name in self.keys} for row in self.rows]
        text = json.dumps({"Service": services}).encode("ascii")
        if len(text) > 0xFFFF:
            raise FormatError(
                "gatt-too-large",
                f"{len(self.rows)} GATT rows make {len(text)} bytes of JSON",
                hint="remove rows, or shorten their values: 65535 bytes are the most",
            )
        return _HEADER.pack(len(text), _MAGIC) + text


_MAKE_AGAIN = "make ble_data.bin again from its CSV, with BLEService.py of ESP-AT"


def is_ble_data(data: bytes) -> bool:
    """Return whether ``data`` starts as a ``ble_data`` image does."""
    return data[2:4] == _MAGIC


def misencoded(data: bytes) -> bytes | None:
    """Return the image that was meant, where each byte was written as a character in UTF-8; None for any other.

    Upstream's tool of v2.0.0.0 and v2.1.0.0 does that on Python 3: the magic becomes 27 C2 95.
    """
    try:
        meant = data.rstrip(b"\xff").decode().encode("latin-1")
    except UnicodeError:
        return None
    return meant if is_ble_data(meant) and not is_ble_data(data) else None


def _csv_lines(text: str) -> list[tuple[int, list[str]]]:
    """Return the number and the cells of each line that isn't blank."""
    reader = csv.reader(text.splitlines())
    try:
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise FormatError(
            "gatt-csv-invalid",
            f"the GATT CSV can't be read: {error}",
            where=Place.at(line=reader.line_num),
            hint="write the row anew, with one pair of double quotes around a cell that needs them",
        ) from None


def _header(lines: Sequence[tuple[int, Sequence[str]]]) -> tuple[tuple[str, ...], int]:
    """Return the columns and where the rows begin: a file without a header has upstream's columns."""
    number, cells = lines[0] if lines else (1, ())
    if len(cells) == 1 and cells[0].count(";") > 1:
        raise FormatError(
            "gatt-csv-invalid",
            "the cells are separated by semicolons",
            where=Place.at(line=number),
            hint="write commas in place of the semicolons; a spreadsheet has that as CSV (comma delimited)",
        )
    names = [cell.strip() for cell in cells]
    if names and re.match(r"\d", names[0]):
        return COLUMNS, 0
    if names:
        names[0] = names[0].lstrip("# ")
    header = tuple(_OTHER_NAMES.get(name, name) for name in names)
    with located(line=number):
        for name in header:
            if name not in COLUMNS:
                raise unknown_name("gatt-csv-invalid", "GATT column", name, COLUMNS)
            if header.count(name) > 1:
                raise FormatError(
                    "gatt-csv-invalid",
                    f"the GATT CSV has the column {name!r} twice",
                    hint=f"remove one of the two columns {name}",
                )
        if missing := [name for name in COLUMNS if name not in header and name not in _DEFAULTS]:
            raise FormatError(
                "gatt-csv-invalid",
                f"the GATT CSV has no column {missing[0]!r}",
                hint=f"write the header {','.join(COLUMNS)}, and a cell for each",
            )
    return header, 1


def _cells(row: GattRow, columns: Sequence[str]) -> str:
    """Return a row of the CSV."""
    cells = {name: str(getattr(row, name)) for name in COLUMNS}
    cells |= {"uuid": f"0x{row.uuid}", "perm": f"{row.perm:#04x}"}
    return ",".join(cells[name] for name in columns)


def _row_of_cells(cells: dict[str, str]) -> GattRow:
    for name in COLUMNS:
        if not cells.get(name):
            if name not in _DEFAULTS:
                raise FormatError(
                    "gatt-csv-invalid", f"the cell {name!r} is empty", hint=f"write a value for {name} in this row"
                )
            cells[name] = _DEFAULTS[name]
    return GattRow(
        index=parse_size(cells["index"]),
        uuid_len=parse_size(cells["uuid_len"]),
        uuid=_number_digits(cells["uuid"]),
        perm=int(_number_digits(cells["perm"]), 16),
        val_max_len=parse_size(cells["val_max_len"]),
        val_cur_len=parse_size(cells["val_cur_len"]),
        value=_value_digits(cells["value"]),
    )


def _number_digits(text: str) -> str:
    """Return the upper-case digits of a number, in pairs: an odd count gets a 0 at the front."""
    digits = _hex_digits(text)
    if not digits:
        raise FormatError("gatt-hex", f"{text!r} isn't hex", hint="write hex digits, such as 0x2803")
    return digits if len(digits) % 2 == 0 else f"0{digits}"


def _value_digits(text: str) -> str:
    """Return the upper-case digits of a value; a single one is a byte. Raises `FormatError` for another odd count.

    Upstream's tool makes the last digit a byte of its own, and few mean that: 303 would be 30 03.
    """
    digits = _hex_digits(text)
    if len(digits) == 1:
        return f"0{digits}"
    if len(digits) % 2 == 0:
        return digits
    hint = f"write 0{digits} or {digits[:-1]}0{digits[-1]}, whichever you mean"
    if len(digits) > _MAX_DIGITS_SHOWN:
        hint = "write two digits for each byte: one is missing, or one is too many"
    shown = digits if len(digits) <= _MAX_DIGITS_SHOWN else f"{digits[:_MAX_DIGITS_SHOWN]}…"
    raise FormatError(
        "gatt-hex", f"value {shown} has an odd number of hex digits ({len(digits)}), and a byte has two", hint=hint
    )


def _hex_digits(text: str) -> str:
    digits = re.sub("^0[xX]", "", text).upper()
    if not re.fullmatch("[0-9A-F]*", digits):
        raise FormatError("gatt-hex", f"{text!r} isn't hex", hint="write hex digits without blanks, such as 0x2803")
    return digits


def _row_of_json(service: Any) -> GattRow:  # noqa: ANN401 - what json.loads gave
    if not isinstance(service, dict) or set(service) != set(COLUMNS):
        raise FormatError(
            "ble-data-damaged", f"a row of ble_data has the fields {', '.join(COLUMNS)}", hint=_MAKE_AGAIN
        )
    for name, value in service.items():
        kind = str if name in ("uuid", "value") else int
        if not isinstance(value, kind) or isinstance(value, bool):
            raise FormatError("ble-data-damaged", f"{name} has the wrong type: {value!r}", hint=_MAKE_AGAIN)
    return GattRow(**service)
