"""``esp_at_backup.json``: which parts of a module's flash a backup has, and of which module.

JSON::

    {
      "generator": "platformio-esp-at 0.2.0",
      "format": 1,
      "chip": "esp32c3",
      "mac": "24:0a:c4:00:00:01",
      "flash_size": 4194304,                in bytes
      "raw": false,                         true: the whole flash is one of the parts
      "application": {                      what the module starts; null where that isn't known
        "slot": "ota_0", "offset": 1048576,
        "version": "v4.1.1.0",              null where it doesn't tell
        "sha256": "…"                       of its first sector
      },
      "saved": [
        {"name": "nvs", "file": "flash/012000-nvs.bin", "offset": 73728, "size": 57344, "sha256": "…"}
      ]
    }

Parts are whole sectors; no two overlap, but with the whole flash.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from platformio_esp_at.errors import FormatError
from platformio_esp_at.units import MAX_FLASH_SIZE, SECTOR_SIZE, format_offset

MANIFEST = "esp_at_backup.json"
"""Its name, in the folder of the backup."""

TABLE = "primary partition table"
WHOLE = "the flash as a whole"
"""Names of two parts; no partition has a name of more than 16 bytes."""

_FORMAT = 1
_FILE = re.compile(r"flash/[\w.-]{1,64}\.bin", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "take the backup from another copy, whole"


@dataclass(frozen=True, slots=True)
class SavedPart:
    """A part of the flash, saved as a file."""

    name: str
    """Of the partition, or `TABLE`, `WHOLE`."""
    file: str
    """Its path in the folder."""
    offset: int
    size: int
    """In bytes."""
    sha256: str

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class Application:
    """The application that a module starts."""

    slot: str
    offset: int
    version: str | None
    sha256: str
    """Of its first sector, in which its descriptor is."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What the manifest of a backup says."""

    chip: str
    mac: str | None
    flash_size: int | None
    """In bytes; None where the device didn't tell."""
    raw: bool
    application: Application | None
    saved: tuple[SavedPart, ...]

    def part(self, name: str) -> SavedPart | None:
        """Return the first part of a name, or None."""
        return next((part for part in self.saved if part.name == name), None)

    def to_bytes(self, generator: str) -> bytes:
        """Return the manifest."""
        return (json.dumps({"generator": generator, "format": _FORMAT, **asdict(self)}, indent=2) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Backup:
        """Return what a manifest says. Raises `FormatError` where it is damaged, or of a newer version."""
        try:
            root = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise _damaged(f"it is no JSON: {error}") from None
        if not isinstance(root, dict):
            raise _damaged("it isn't an object")
        if root.get("format") != _FORMAT:
            raise FormatError(
                "backup-format",
                f"the format of the backup is {root.get('format')!r}, known here is {_FORMAT}",
                hint="update platformio-esp-at to the version that has made the backup, or a newer one",
            )
        application = root.get("application")
        rows = _value(root, "saved", list)
        backup = cls(
            chip=_value(root, "chip", str),
            mac=_value(root, "mac", str, type(None)),
            flash_size=_value(root, "flash_size", int, type(None)),
            raw=_value(root, "raw", bool),
            application=None if application is None else _application(application),
            saved=tuple(_part(row) for row in rows),
        )
        backup._check_parts()
        return backup

    def _check_parts(self) -> None:
        """Raise `FormatError` for parts that no backup of ours has."""
        if not self.saved:
            raise _damaged("it lists no part of the flash")
        if self.raw is not (self.part(WHOLE) is not None):
            raise _damaged("raw doesn't agree with the parts that it lists")
        limit = MAX_FLASH_SIZE if self.flash_size is None else min(self.flash_size, MAX_FLASH_SIZE)
        end = 0
        for part in sorted((part for part in self.saved if part.name != WHOLE), key=lambda part: part.offset):
            if part.offset < end or part.end > limit or part.offset % SECTOR_SIZE or part.size % SECTOR_SIZE:
                raise _damaged(f"{part.name} can't be at {format_offset(part.offset)}…{format_offset(part.end)}")
            end = part.end
        if self.application and not 0 <= self.application.offset <= limit - SECTOR_SIZE:
            raise _damaged("the application is outside the flash")
        whole = self.part(WHOLE)
        if whole and (whole.offset, whole.size) != (0, self.flash_size):
            raise _damaged("the part for the whole flash is another one")


def _application(row: object) -> Application:
    if not isinstance(row, dict):
        raise _damaged("application isn't an object")
    return Application(
        slot=_value(row, "slot", str),
        offset=_value(row, "offset", int),
        version=_value(row, "version", str, type(None)),
        sha256=_matching(row, "sha256", _SHA256),
    )


def _part(row: object) -> SavedPart:
    if not isinstance(row, dict):
        raise _damaged("saved isn't a list of objects")
    offset, size = _value(row, "offset", int), _value(row, "size", int)
    if not (0 <= offset <= MAX_FLASH_SIZE and 0 < size <= MAX_FLASH_SIZE):
        raise _damaged("a part is outside every flash")
    name = _value(row, "name", str)
    return SavedPart(name, _matching(row, "file", _FILE), offset, size, _matching(row, "sha256", _SHA256))


def _matching(row: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    text: str = _value(row, name, str)
    if not pattern.fullmatch(text):
        raise _damaged(f"{name} can't be {text!r}")
    return text


def _value(row: dict[str, Any], name: str, *kinds: type) -> Any:  # noqa: ANN401 - one of the kinds
    value = row.get(name)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise _damaged(f"{name} can't be {value!r}")
    return value


def _damaged(what: str) -> FormatError:
    return FormatError("backup-damaged", f"the backup is damaged: {what}", hint=_HINT)
