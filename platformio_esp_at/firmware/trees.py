"""The files of a firmware package, in a folder or a zip: none is outside of it, and none is read without a limit."""

from __future__ import annotations

import errno
import os
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from platformio_esp_at.errors import EspAtError, PackageError, Place, located, setting
from platformio_esp_at.files import reading_hint
from platformio_esp_at.firmware.package import ZIP_AGAIN
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_DEPTH = 6


@contextmanager
def zip_errors(path: Path) -> Iterator[None]:
    """Turn the errors of `zipfile` for a damaged zip (more than it documents) into `PackageError`."""
    try:
        yield
    except EspAtError:
        raise
    except OSError as error:
        hint = reading_hint(path, error)
        raise PackageError("unreadable", f"can't be read: {error.strerror or error}", hint=hint) from None
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, RuntimeError, ValueError) as error:
        raise PackageError("zip-damaged", f"the zip can't be read: {error}", hint=ZIP_AGAIN) from None


class Tree(Protocol):
    """The files of a package by their names, ``/`` between the parts."""

    def names(self) -> Iterator[str]:
        """Yield the names of the files. Raises `PackageError`."""
        ...

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file. Raises `PackageError` for more than ``limit`` bytes."""
        ...


class FolderTree:
    """The files of a folder, sorted; a link may not lead out of it."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def names(self) -> Iterator[str]:
        """Yield the names of the files, down to a limited depth. Raises `PackageError` for an unreadable folder."""
        for folder, folders, files in os.walk(self._root, onerror=self._refuse):
            inside = Path(folder).relative_to(self._root)
            folders[:] = sorted(folders) if len(inside.parts) < _MAX_DEPTH else []
            yield from ((inside / file).as_posix() for file in sorted(files))

    def _refuse(self, error: OSError) -> None:
        """Raise for a folder that can't be listed: its files would be reported as missing."""
        where = os.path.relpath(error.filename, self._root)
        raise PackageError(
            "unreadable",
            f"can't be read: {error.strerror}",
            where=Place.at(file=where) if where != "." else None,
            hint=reading_hint(Path(error.filename), error),
        )

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file. Raises `PackageError` for a link out of the folder, or more than ``limit``."""
        file = self._root / name
        try:
            file = file.resolve()
            if not file.is_relative_to(self._root):
                raise PackageError(
                    "path-escapes",
                    "the file is a link that leads out of the package",
                    where=Place.at(file=name),
                    hint=f"put the file itself in place of the link {name}",
                )
            if not file.is_file():
                raise PackageError(
                    "not-a-file",
                    "neither a file nor a link to one",
                    where=Place.at(file=name),
                    hint=f"put a regular file in place of {name}",
                )
            with file.open("rb") as stream:
                return _bounded(stream.read(limit + 1), name, limit)
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, up to Python 3.12
            reason = error.strerror if isinstance(error, OSError) else "it is a link to itself"
            hint = reading_hint(file, error if isinstance(error, OSError) else OSError(errno.ELOOP, reason))
            raise PackageError("unreadable", f"can't be read: {reason}", where=Place.at(file=name), hint=hint) from None


class ZipTree:
    """The files of a zip, in its order; nothing is unpacked to disk."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def names(self) -> Iterator[str]:
        """Yield the names of the files. Raises `PackageError` for a name that is there twice."""
        seen = set()
        for info in self._archive.infolist():
            if not info.filename or info.filename.endswith("/"):
                continue
            if info.filename in seen:
                raise PackageError(
                    "zip-damaged",
                    "the zip has this file twice",
                    where=Place.at(file=info.filename),
                    hint="zip the folder of the package anew: each file once",
                )
            seen.add(info.filename)
            yield info.filename

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file. Raises `PackageError` for a damaged one, or more than ``limit`` bytes."""
        if self._archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # With other methods, zipfile doesn't limit how much it unpacks at once; no release uses them.
            raise PackageError(
                "zip-compression",
                "the file isn't compressed with deflate",
                where=Place.at(file=name),
                hint="zip it again",
            )
        with located(file=name), zip_errors(Path(self._archive.filename or name)), self._archive.open(name) as stream:
            return _bounded(stream.read(limit + 1), None, limit)


def _bounded(data: bytes, name: str | None, limit: int) -> bytes:
    if len(data) > limit:
        raise PackageError(
            "package-too-large",
            f"the file is larger than {format_size(limit)}",
            where=Place.at(file=name),
            hint=f"no release has so large a file: name another firmware package, {setting('firmware', 'PATH')}",
        )
    return data
