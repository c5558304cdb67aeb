"""The values of a project's options, frozen: texts with their places, and the content of files. No disk access."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from platformio_esp_at.errors import FormatError, Place, located
from platformio_esp_at.units import parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


PROJECT_FILE = "esp_at.yml"
"""The options file in a project's folder."""


_HEAD = 256
"""How many bytes are looked at for NULs, which UTF-16 has in most of its characters."""


@dataclass(frozen=True, slots=True)
class Text:
    """A value as the user wrote it, and where: ``esp_at.yml:3``, ``custom_at_module``, ``--module``."""

    text: str
    where: Place

    def number(self) -> int:
        """Return it as a whole number, decimal or 0x hex. Raises `FormatError`."""
        with located(self.where):
            return parse_number(self.text)


@dataclass(frozen=True, slots=True)
class Speed:
    """A speed in baud, and where the user wrote it."""

    baud: int
    where: Place


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the project, read.

    ``label`` is its path as the user wrote it; of an absolute path, only the name, so that the output doesn't depend
    on the machine. Two different files of a request never have the same label.
    """

    label: str
    where: Place
    data: bytes = field(repr=False)

    def text(self) -> str:
        """Return it as UTF-8 text. Raises `FormatError`."""
        if self.data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in self.data[:_HEAD]:
            # Windows PowerShell's > and Notepad's "Unicode" write it.
            raise FormatError("not-text", "UTF-16 text, or no text", where=Place.at(file=self.label), hint=self._save)
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.data[: error.start].count(b"\n") + 1
            place = Place.at(file=self.label, line=line)
            byte = self.data[error.start]
            raise FormatError(
                "not-text", f"not UTF-8 text: the byte {byte:#04x}, perhaps of Latin-1", where=place, hint=self._save
            ) from None

    @property
    def _save(self) -> str:
        return f"save {self.label} as UTF-8 in your editor"


@dataclass(frozen=True, slots=True)
class InputFolder:
    """A folder of the project, read: its files by their relative paths, with ``/``."""

    label: str
    where: Place
    files: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Firmware:
    """Where a project takes its firmware package from."""

    text: Text
    path: Path | None = None
    """The existing zip or folder; None if ``text`` is a URL, or the name of a release or a package."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder, which may not exist."""

    text: Text
    path: Path


@dataclass(frozen=True, slots=True)
class CustomModule:
    """A module defined by the user: factory parameters of another one (``based_on``), and those that differ."""

    name: Text
    based_on: Text
    values: Mapping[str, Text]
