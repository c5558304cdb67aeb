"""Folders and files on the disk: the image set, replaced as a whole, and what is written beside it.

A folder is written under a temporary name and then renamed, so that it is never incomplete. Several runs may do so at
once: one after the other, so that what a killed run has left is known to be its.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.outputs.image_set import MANIFEST, image_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from platformio_esp_at.planning.plan import FlashPlan

_PUBLIC_MODE = 0o644
_SECRET_MODE = 0o600
_NAMED = 3
"""Foreign files listed by name in the error, at most."""
_OTHER_RUN_FIRST = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, *((errno.EACCES,) if os.name == "nt" else ()))
"""Errors of renaming if another run was faster; on Windows, EACCES is also a folder in use."""
_UNFINISHED = ".unfinished"
_STALE_AFTER = 3600
"""In seconds; publishing takes one or two."""
_ATTEMPTS = 200
_PAUSE = 0.01
_LOCK_PAUSE = 0.05


def write_image_set(plan: FlashPlan, folder: Path) -> None:
    """Write the image set as ``folder``; it replaces that of an earlier run.

    If several runs write at once, the last one's image set stays. Images of user partitions and the factory image may
    contain private keys: only their owner can read them. Raises `EspAtError` if the folder has other files or can't be
    written.
    """
    secret = {region.path for region in plan.regions if plan.secondary.find(region.name)}
    with os_errors(folder):
        place = Path(os.path.realpath(folder))  # the target of a link is replaced, not the link
        _check_not_inside(place)
        _check_replaceable(place, folder)
        with _scratch(place) as scratch:
            for path, data in image_set(plan).items():
                mode = _SECRET_MODE if path in secret or path.startswith("factory/") else _PUBLIC_MODE
                _write(scratch / "new" / path, data, mode)
            _put_in_place(scratch, place, folder)


def write_beside(folder: Path, name: str, data: bytes) -> None:
    """Write a file beside the image set ``folder``, whole or not at all. Raises `EspAtError`."""
    place = folder.parent
    with os_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        with _turn(place):
            new = place / f".{name}{_UNFINISHED}"
            try:
                new.write_bytes(data)
                new.replace(place / name)
            finally:
                new.unlink(missing_ok=True)


@contextmanager
def _scratch(place: Path) -> Iterator[Path]:
    """Make a temporary folder next to ``place`` that only its owner can open (mode 0700).

    The next run removes those of killed runs: they may contain private keys.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with _turn(place.parent) as is_alone:
        _remove_stale(place, of_all=is_alone)
        with tempfile.TemporaryDirectory(
            prefix=f".{place.name}-", suffix=_UNFINISHED, dir=place.parent, ignore_cleanup_errors=True
        ) as scratch:
            yield Path(scratch)


@contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Wait until no other run publishes in a folder; False where that can't be known, or lasts too long.

    The lock is on the folder itself, so that no file stays; it ends with its process, however that ends.
    """
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield any(_locks(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)) for _ in range(_ATTEMPTS))
    finally:
        os.close(descriptor)


def _locks(lock: Callable[[], None]) -> bool:
    """Return whether a folder is locked now; else wait a little."""
    try:
        lock()
    except OSError:  # another run has it; or a file system has no locks
        time.sleep(_LOCK_PAUSE)
        return False
    return True


def _remove_stale(place: Path, *, of_all: bool) -> None:
    """Remove the folders of killed runs next to ``place``: ``of_all``, else those that are old.

    Where there is no lock, age decides, not the process id, which is different inside a container and may be reused.
    """
    for folder in place.parent.glob(f".{glob.escape(place.name)}-????????{_UNFINISHED}"):
        with suppress(OSError):
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and (of_all or time.time() - status.st_mtime > _STALE_AFTER):
                shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(scratch: Path, place: Path, folder: Path) -> None:
    """Rename ``scratch/new`` to ``place``; the folder that is there moves to ``scratch``.

    A folder can't be renamed onto one with files in it, so for a moment there is none, and another run may put its own
    there: then that one is moved away as well.
    """
    for attempt in range(_ATTEMPTS):
        _check_replaceable(place, folder)
        old = scratch / f"old{attempt}"
        try:
            if place.exists():
                place.replace(old)
            (scratch / "new").replace(place)
        except OSError as error:
            if error.errno in _OTHER_RUN_FIRST and attempt + 1 < _ATTEMPTS:
                time.sleep(_PAUSE)
                continue
            if old.exists():
                with suppress(OSError):
                    old.replace(place)
            raise
        return


def _check_not_inside(place: Path) -> None:
    """Raise `EspAtError` if the current folder is in the folder to replace: it would no longer exist."""
    current = Path(os.path.realpath(Path.cwd()))
    if place in (current, *current.parents):
        hint = "name a folder of its own, such as esp_at: the whole folder is replaced"
        raise EspAtError(
            "output-is-current-folder",
            f"the image set can't replace {place}: it is or contains the current folder",
            hint=hint,
        )


def _check_replaceable(place: Path, folder: Path) -> None:
    """Raise `EspAtError`, naming ``folder``, if a file in ``place`` isn't in the manifest there."""
    others = _others(place)
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        hint = "move them away, or name a new or empty folder: its content is replaced"
        raise EspAtError(
            "output-folder-foreign", f"{folder} holds other files: {', '.join(others[:_NAMED])}{more}", hint=hint
        )


def _others(place: Path) -> list[str]:
    """Return the files in ``place`` that its manifest doesn't list.

    Another run may replace the folder meanwhile: then files and manifest are of different image sets, or missing. So
    the result counts only if the folder is still the same after a pause.
    """
    others: list[str] = []
    before: tuple[int, int, int] | None = None
    for _ in range(_ATTEMPTS):
        seen = _identity(place)
        if seen is None:
            return []
        if seen == before:
            return others
        before = None
        with suppress(FileNotFoundError):
            others = sorted(set(_files(place)).difference(_listed(place / MANIFEST)))
            if not others:
                return []
            before = seen
        time.sleep(_PAUSE)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _identity(place: Path) -> tuple[int, int, int] | None:
    """Return an identity that a later folder of the same name doesn't have; None if there is no folder."""
    try:
        status = place.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns  # inode numbers are reused; renaming sets ctime


def _files(place: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(place, onerror=_raise):
        links = (name for name in folders if Path(folder, name).is_symlink())
        yield from (Path(folder, name).relative_to(place).as_posix() for name in (*files, *links))


def _raise(error: OSError) -> None:
    raise error


def _listed(manifest: Path) -> list[str]:
    """Return the files that a manifest lists; none if it is no manifest."""
    try:
        files = json.loads(manifest.read_bytes())["files"] if manifest.is_file() else []
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    return [name for name in files if isinstance(name, str)] if isinstance(files, list) else []


@contextmanager
def os_errors(folder: Path) -> Iterator[None]:
    """Turn each `OSError`, also of reading, into the same `EspAtError`."""
    try:
        yield
    except OSError as error:
        hint = "make room there, or name a folder that you can write"
        raise EspAtError("not-writable", f"{folder} can't be written: {error.strerror or error}", hint=hint) from None


def write_secret(file: Path, data: bytes) -> None:
    """Write a new file that only its owner can read. Raises `OSError`, also if it exists."""
    _write(file, data, _SECRET_MODE)


def _write(file: Path, data: bytes, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)


def write_new_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files that only their owner can read. Raises `EspAtError`, and writes none, if one exists."""
    with os_errors(folder):
        for path in files:
            if (folder / path).exists():
                raise EspAtError(
                    "already-exists",
                    f"{folder / path} is there already",
                    hint="name another place: nothing is replaced",
                )
        for path, data in files.items():
            _write(folder / path, data, _SECRET_MODE)
