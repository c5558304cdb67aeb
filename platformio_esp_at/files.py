"""Open user-named files (regular files only) with readable errors; replace a file.

Reading a pipe or a device might never end, and opening a serial port may reset the device.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from platformio_esp_at.units import format_size

_NO_PERMISSION = (errno.EACCES, errno.EPERM)
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


def file_mode(path: Path) -> int | None:
    """Return the ``st_mode`` of a file or folder; None where there is none. Raises `OSError` with a reason."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - Path's errors differ between Python versions
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, _no_such_characters()) from None
    except ValueError:
        raise OSError(errno.EINVAL, "there is a NUL in its name") from None
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading. Raises `OSError` with a reason in ``strerror``."""
    mode = file_mode(path)
    if mode is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, a file is needed")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is neither a file nor a folder")
    return path.open("rb")


class FileTooLargeError(OSError):
    """A file is larger than the caller allows."""


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file. Raises `OSError`, `FileTooLargeError` for more than ``limit`` bytes."""
    with open_regular(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise FileTooLargeError(errno.EFBIG, f"it is larger than {format_size(limit)}")
    return data


def load_yaml(path: Path) -> Any:  # noqa: ANN401 - YAML; the caller gives it a type
    """Return the content of a YAML file of ours."""
    import yaml  # noqa: PLC0415 - many runs need none

    # libyaml, if PyYAML was built with it, needs a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - both are safe


def is_regular(path: Path) -> bool:
    """Return whether a regular file is there; False in a folder that can't be read."""
    try:
        return stat.S_ISREG(file_mode(path) or 0)
    except OSError:
        return False


def listed(folder: Path) -> list[Path]:
    """Return the entries of a folder, sorted; none if it doesn't exist or can't be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def sha256_of(stream: BinaryIO, limit: int) -> str:
    """Return the SHA-256 of the rest of a stream, in hex; it is read in pieces.

    Raises `FileTooLargeError` for more than ``limit`` bytes: a file of a system such as /proc may have no end.
    """
    import hashlib  # noqa: PLC0415 - 3 ms, and every idf.py loads this module

    digest = hashlib.sha256()
    left = limit
    while piece := stream.read(1 << 20):
        left -= len(piece)
        if left < 0:
            raise FileTooLargeError(errno.EFBIG, f"it is larger than {format_size(limit)}")
        digest.update(piece)
    return digest.hexdigest()


def replace_file(file: Path, text: str) -> None:
    """Replace a text file in one step: others see either the old one or the new one, complete. Raises `OSError`.

    The target of a link is replaced, not the link.
    """
    import secrets  # noqa: PLC0415 - 3 ms that only writing needs

    file = Path(os.path.realpath(file))
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    try:
        with new.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        new.replace(file)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def reading_hint(path: Path, error: OSError) -> str:
    """Return what to do about a file or folder that can't be read."""
    if error.errno in _NO_PERMISSION:
        return _permission_hint(path, "r")
    if error.errno == errno.ENOENT:
        return looked_for(path.absolute())
    if error.errno == errno.EISDIR:
        return f"name a file inside {path}, or rename that folder"
    if error.errno == errno.ELOOP:
        return f"the link {path} leads to itself: remove it, and make it again"
    if error.errno == errno.EILSEQ:
        return "set LC_ALL=C.UTF-8, or PYTHONUTF8=1"
    if error.errno == errno.EINVAL:
        return "name a regular file: no device, no pipe, no socket"
    return f"see its state: ls -l {_quoted(path)}; if the disk fails, copy the file from another one"


def writing_hint(path: Path, error: OSError) -> str:
    """Return what to do about a file that can't be written."""
    if error.errno == errno.ENOSPC:
        return f"free some room on the disk of {path.absolute().parent}"
    if error.errno == errno.EROFS:
        return f"{path.absolute().parent} is on a read-only disk: name a folder on another one"
    if error.errno in _NO_PERMISSION:
        return _permission_hint(path if path.exists() else path.absolute().parent, "w")
    return f"name a file in a folder that you can write, instead of {path.absolute()}"


def _permission_hint(path: Path, access: str) -> str:
    """Return who can give access (``r`` or ``w``) to a path, or to the first folder on the way that is closed."""
    path = path.absolute()
    closed = next((folder for folder in reversed(path.parents) if not os.access(folder, os.X_OK)), path)
    try:
        state = os.stat(closed)  # noqa: PTH116 - see `file_mode`
    except OSError:
        return f"see who owns it: ls -ld {_quoted(closed)}"
    if not hasattr(os, "getuid"):
        return f"give your account access to {closed} in its properties, under Security"
    mode = access if closed == path and not stat.S_ISDIR(state.st_mode) else f"{access}x"
    command = f"chmod u+{mode} {_quoted(closed)}"
    return (
        command if state.st_uid == os.getuid() else f"it is {_user(state.st_uid)}'s: sudo chown $USER {_quoted(closed)}"
    )


def _user(uid: int) -> str:
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _quoted(path: Path) -> str:
    import shlex  # noqa: PLC0415 - only a failure needs it

    return shlex.quote(str(path))


def looked_for(path: Path) -> str:
    """Return a hint with the path of a missing file, and the locale if that may have changed the name."""
    hint = f"looked for {path}: put it there, or write another path"
    if not str(path).isascii() and sys.getfilesystemencoding() != "utf-8":
        hint += f"; {_no_such_characters()}"
    return hint


def _no_such_characters() -> str:
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), "C")
    return f"the locale {locale} has no UTF-8 for its name: set LC_ALL=C.UTF-8, or PYTHONUTF8=1"
