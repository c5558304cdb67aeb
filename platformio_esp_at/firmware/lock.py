"""Read ``esp_at.lock`` in a project's folder, and add to it, one process at a time. Its format: `formats.lock_file`."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, PackageError, located
from platformio_esp_at.files import FileTooLargeError, read_file, replace_file
from platformio_esp_at.formats.lock_file import (
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

LOCK_FILE = "esp_at.lock"
"""Next to ``esp_at.yml``."""

_MAX_SIZE = 1 << 20


def read_lock(project: Path) -> Lock:
    """Return what a project has locked: nothing where it has no such file. Raises `EspAtError`."""
    with located(file=LOCK_FILE):
        try:
            data = read_file(project / LOCK_FILE, _MAX_SIZE)
        except FileNotFoundError:
            return Lock()
        except FileTooLargeError:
            raise FormatError("lock-damaged", f"larger than {format_size(_MAX_SIZE)}", hint=START_ANEW) from None
        except OSError as error:
            raise EspAtError("unreadable", f"can't be read: {error.strerror or error}", hint=START_ANEW) from None
        try:
            return parse_lock_file(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise FormatError("lock-damaged", "not UTF-8 text", hint=START_ANEW) from None


def add_to_lock(project: Path, *entries: LockedPackage | LockedPartition) -> None:
    """Add entries to a project's lock file; each replaces the one for the same request or partition.

    Raises `PackageError` if another process has locked other content meanwhile, `EspAtError` if it can't be written.
    """
    new = Lock(
        tuple(entry for entry in entries if isinstance(entry, LockedPackage)),
        tuple(entry for entry in entries if isinstance(entry, LockedPartition)),
    )
    with _one_at_a_time(project):
        locked = read_lock(project)
        for entry in new.packages:
            for other in locked.packages:
                if other.url == entry.url:
                    check_locked(entry.url, entry.size, entry.sha256, other)
        packages = {entry.asked: entry for entry in (*locked.packages, *new.packages)}
        partitions = {entry.key: entry for entry in (*locked.partitions, *new.partitions)}
        try:
            text = format_lock_file(Lock(tuple(packages.values()), tuple(partitions.values())))
            replace_file(project / LOCK_FILE, text)
        except OSError as error:
            hint = (
                "it has the firmware that the project was first used with, and where its own partitions are; make the "
                "project's folder writable once"
            )
            raise EspAtError(
                "lock-not-writable", f"{LOCK_FILE} can't be written: {error.strerror or error}", hint=hint
            ) from None


def check_locked(place: str, size: int, sha256: str | None, known: LockedPackage) -> None:
    """Raise `PackageError` if the file at ``place``, of ``size`` bytes, isn't the package of an entry."""
    if (size, sha256) == (known.size, known.sha256):
        return
    of = "" if place == known.url else f", for {known.url}"
    raise PackageError(
        "lock-mismatch",
        f"{place} differs from {LOCK_FILE}: downloaded: {size} bytes, SHA-256 {sha256}; "
        f"locked: {known.size} bytes, SHA-256 {known.sha256}{of}",
        hint=f"if it was changed for a good reason, remove its entries (firmware: {known.firmware}) from {LOCK_FILE}",
        url=place,
        size=size,
        sha256=sha256 or "",
        locked_size=known.size,
        locked_sha256=known.sha256,
    )


@contextmanager
def _one_at_a_time(project: Path) -> Iterator[None]:
    """Let one process at a time change a project's lock file, if all use the same cache and can write it.

    The inter-process lock is in the cache folder, to keep the project folder clean.
    """
    import hashlib  # noqa: PLC0415 - reading needs neither

    from platformio_esp_at.firmware.cache import Cache  # noqa: PLC0415

    key = hashlib.sha256(os.path.realpath(project).encode("utf-8", "surrogateescape")).hexdigest()
    with ExitStack() as waiting:
        with suppress(EspAtError):  # everything else works with a read-only cache
            waiting.enter_context(Cache.of_this_user().exclusive(f"project {key}", report=lambda _: None))
        yield
