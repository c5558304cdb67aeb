"""Read ``esp_at.lock`` of a project, and add to it, one process at a time. Its format: `formats.lock_file`."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, PackageError, located
from platformio_esp_at.files import FileTooLargeError, read_file, replace_file
from platformio_esp_at.formats.lock_file import (
    LOCK_FILE,
    START_ANEW,
    Lock,
    LockedPackage,
    LockedPartition,
    format_lock_file,
    parse_lock_file,
)
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_SIZE = 1 << 20


def read_lock(project: Path, name: str = LOCK_FILE) -> Lock:
    """Return what a project has locked: nothing where it has no such file. Raises `EspAtError`.

    ``name``: the path of the lock file from the project's folder.
    """
    with located(file=name):
        try:
            data = read_file(project / name, _MAX_SIZE)
        except FileNotFoundError:
            return Lock(file=name)
        except FileTooLargeError:
            raise FormatError("lock-damaged", f"larger than {format_size(_MAX_SIZE)}", hint=START_ANEW) from None
        except OSError as error:
            raise EspAtError("unreadable", f"can't be read: {error.strerror or error}", hint=START_ANEW) from None
        try:
            return parse_lock_file(data.decode("utf-8-sig"))._replace(file=name)
        except UnicodeDecodeError:
            raise FormatError("lock-damaged", "not UTF-8 text", hint=START_ANEW) from None


def add_to_lock(project: Path, *entries: LockedPackage | LockedPartition, name: str = LOCK_FILE) -> None:
    """Add entries to a project's lock file; each replaces the one for the same request or partition.

    ``name``: as that of `read_lock`.

    Raises `PackageError` if another process has locked other content meanwhile, `EspAtError` if it can't be written.
    """
    new = Lock(
        tuple(entry for entry in entries if isinstance(entry, LockedPackage)),
        tuple(entry for entry in entries if isinstance(entry, LockedPartition)),
    )
    with _one_at_a_time(project / name):
        locked = read_lock(project, name)
        for entry in new.packages:
            for other in locked.packages:
                if other.url == entry.url:
                    check_locked(entry.url, entry.size, entry.sha256, other, name)
        packages = {entry.asked: entry for entry in (*locked.packages, *new.packages)}
        partitions = {entry.key: entry for entry in (*locked.partitions, *new.partitions)}
        try:
            text = format_lock_file(Lock(tuple(packages.values()), tuple(partitions.values())))
            replace_file(project / name, text)
        except OSError as error:
            hint = (
                "it has the firmware that the project was first used with, and where its own partitions are; make the "
                "project's folder writable once"
            )
            raise EspAtError(
                "lock-not-writable", f"{name} can't be written: {error.strerror or error}", hint=hint
            ) from None


def check_locked(place: str, size: int, sha256: str | None, known: LockedPackage, lock_file: str) -> None:
    """Raise `PackageError` if the file at ``place``, of ``size`` bytes, isn't the package of a locked entry."""
    if (size, sha256) == (known.size, known.sha256):
        return
    of = "" if place == known.url else f", for {known.url}"
    raise PackageError(
        "lock-mismatch",
        f"{place} differs from {lock_file}: downloaded: {size} bytes, SHA-256 {sha256}; "
        f"locked: {known.size} bytes, SHA-256 {known.sha256}{of}",
        hint=f"if it was changed for a good reason, remove its entries (firmware: {known.firmware}) from {lock_file}",
        url=place,
        size=size,
        sha256=sha256 or "",
        locked_size=known.size,
        locked_sha256=known.sha256,
    )


@contextmanager
def _one_at_a_time(lock_file: Path) -> Iterator[None]:
    """Let one process at a time change a lock file, if all use the same cache and can write it.

    The inter-process lock is in the cache folder, to keep the project folder clean.
    """
    import hashlib  # noqa: PLC0415 - reading needs neither

    from platformio_esp_at.firmware.cache import Cache  # noqa: PLC0415

    key = hashlib.sha256(os.path.realpath(lock_file).encode("utf-8", "surrogateescape")).hexdigest()
    with ExitStack() as waiting:
        with suppress(EspAtError):  # everything else works with a read-only cache
            waiting.enter_context(Cache.of_this_user().exclusive(f"lock file {key}", report=lambda _: None))
        yield
