"""Folders of files on the disk: the image set, put in place whole, and private files of one run.

A folder is written next to its final name and then put in place, so that there is never half of one. Several runs may
do so at once: esptool never reads the published folder, which another run may have replaced by then, but a private one
of its own run.
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
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.outputs.image_set import MANIFEST, image_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from platformio_esp_at.planning.plan import FlashPlan

_PUBLIC_MODE = 0o644
_SECRET_MODE = 0o600
_NAMED = 3
"""So many files of others are told by their names."""
_QUICKER = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, *((errno.EACCES,) if os.name == "nt" else ()))
"""What renaming a folder fails with where another run was quicker; Windows says EACCES for one in use, too."""
_UNFINISHED = ".unfinished"
_STALE_AFTER = 3600
"""In seconds; publishing takes one or two."""
_ATTEMPTS = 200
_PAUSE = 0.01


def write_image_set(plan: FlashPlan, folder: Path) -> None:
    """Write the image set as ``folder``, in place of what an earlier run wrote there.

    Of several runs at once, the last one's image set stays. Images of user partitions and the factory image may hold
    private keys: only their owner can read them. Raises `EspAtError` where the folder is somebody else's or can't be
    written.
    """
    secret = {region.path for region in plan.regions if plan.secondary.find(region.name)}
    with _told(folder):
        place = Path(os.path.realpath(folder))  # what a link leads to is replaced, not the link
        _check_not_inside(place)
        _check_replaceable(place, folder)
        with _scratch(place) as scratch:
            for path, data in image_set(plan).items():
                mode = _SECRET_MODE if path in secret or path.startswith("factory/") else _PUBLIC_MODE
                _write(scratch / "new" / path, data, mode)
            _put_in_place(scratch, place, folder)


@contextmanager
def private_folder(files: Mapping[str, bytes], beside: Path) -> Iterator[Path]:
    """Write ``files`` to a folder of this run alone, which is gone afterwards: no other run replaces what is in it.

    It is made beside the image set, so that removing a build folder removes what a killed run has left there, too.
    """
    with ExitStack() as stack:
        with _told(beside):
            folder = stack.enter_context(_scratch(Path(os.path.realpath(beside))))
            for path, data in files.items():
                _write(folder / path, data, _SECRET_MODE)
        yield folder


@contextmanager
def _scratch(place: Path) -> Iterator[Path]:
    """Make a folder beside ``place`` that only its owner can open (mode 0700), and remove it afterwards.

    Those of runs that were killed go with the next run: they may hold private keys.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(place)
    with tempfile.TemporaryDirectory(
        prefix=f".{place.name}-", suffix=_UNFINISHED, dir=place.parent, ignore_cleanup_errors=True
    ) as scratch:
        yield Path(scratch)


def _remove_stale(place: Path) -> None:
    """Remove what a killed run has left beside ``place``.

    Age decides, not whether a process is there: its number tells nothing from inside a container, or once it was given
    again. esptool has opened its files long before, so that a slower run isn't harmed either.
    """
    for folder in place.parent.glob(f".{glob.escape(place.name)}-????????{_UNFINISHED}"):
        with suppress(OSError):
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and time.time() - status.st_mtime > _STALE_AFTER:
                shutil.rmtree(folder, ignore_errors=True)


def _put_in_place(scratch: Path, place: Path, folder: Path) -> None:
    """Make ``scratch/new`` the folder ``place``; what is there moves to ``scratch``.

    A folder can't be renamed onto one with files in it, so there is a moment without any, and another run may put its
    own there: then that one is moved away as well.
    """
    for attempt in range(_ATTEMPTS):
        _check_replaceable(place, folder)
        old = scratch / f"old{attempt}"
        try:
            if place.exists():
                place.replace(old)
            (scratch / "new").replace(place)
        except OSError as error:
            if error.errno in _QUICKER and attempt + 1 < _ATTEMPTS:
                time.sleep(_PAUSE)
                continue
            if old.exists():
                with suppress(OSError):
                    old.replace(place)
            raise
        return


def _check_not_inside(place: Path) -> None:
    """Raise `EspAtError` where a process is in the folder that is to be replaced: it would be nowhere afterwards."""
    current = Path(os.path.realpath(Path.cwd()))
    if place in (current, *current.parents):
        hint = "name a folder of its own, such as esp_at: the whole folder is replaced"
        raise EspAtError(
            "output-is-current-folder",
            f"the image set can't replace {place}: it is or contains the current folder",
            hint=hint,
        )


def _check_replaceable(place: Path, folder: Path) -> None:
    """Raise `EspAtError`, naming ``folder``, where a file in ``place`` is in no manifest of ours."""
    others = _others(place)
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        hint = "move them away, or name a new or empty folder: its content is replaced"
        raise EspAtError(
            "output-folder-foreign", f"{folder} holds other files: {', '.join(others[:_NAMED])}{more}", hint=hint
        )


def _others(place: Path) -> list[str]:
    """Return the files in ``place`` that its manifest doesn't list.

    Another run may replace the folder while we look: then the files are of one image set and the manifest of another,
    or something is gone. So what is found counts where the folder is still the same after a pause.
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
    """Return what tells a folder from a later one of the same name; None where there is none."""
    try:
        status = place.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns  # file systems use a number again; renaming sets ctime


def _files(place: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(place, onerror=_raise):
        links = (name for name in folders if Path(folder, name).is_symlink())
        yield from (Path(folder, name).relative_to(place).as_posix() for name in (*files, *links))


def _raise(error: OSError) -> None:
    raise error


def _listed(manifest: Path) -> list[str]:
    """Return the files that a manifest says are ours: none where it isn't one, whoever wrote that."""
    try:
        files = json.loads(manifest.read_bytes())["files"] if manifest.is_file() else []
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    return [name for name in files if isinstance(name, str)] if isinstance(files, list) else []


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Tell what the system refuses as one `EspAtError`; looking is refused as well as writing."""
    try:
        yield
    except OSError as error:
        hint = "the image set needs a folder with room for it that you can write"
        raise EspAtError("not-writable", f"{folder} can't be written: {error.strerror or error}", hint=hint) from None


def _write(file: Path, data: bytes, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)


def write_new_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files that only their owner can read. Raises `EspAtError` where one is there already, and writes none."""
    with _told(folder):
        for path in files:
            if (folder / path).exists():
                raise EspAtError(
                    "already-exists",
                    f"{folder / path} is there already",
                    hint="name another place: nothing is replaced",
                )
        for path, data in files.items():
            _write(folder / path, data, _SECRET_MODE)
