"""From what a project calls its firmware to the firmware package: looked up, downloaded once, held against the lock.

A path is opened where it is. A release's name (``v4.1.1.0``, ``latest``) or a package's becomes an address by the
catalog; what is there comes, by way of a mirror if one is set, into the cache of all projects. ``esp_at.lock`` says
what it was when the project first used it.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from platformio_esp_at.addresses import (
    ALLOW_HTTP,
    check_address,
    file_name_of,
    host_of,
    is_address,
    is_loopback,
    path_of_file_address,
    scheme_of,
    shown,
)
from platformio_esp_at.cache import Cache
from platformio_esp_at.catalog.releases import LATEST, find_release, is_release_name, package_named
from platformio_esp_at.download import NotThereError, UnreachableError, download
from platformio_esp_at.errors import EspAtError, PackageError, SelectionError, located
from platformio_esp_at.files import file_mode, open_regular, replace_file
from platformio_esp_at.formats.lock_file import LockedPackage, format_lock_file, parse_lock_file
from platformio_esp_at.package import MAX_ZIP_SIZE, open_package
from platformio_esp_at.selection import module_of_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.package import FirmwarePackage
    from platformio_esp_at.project import CustomModule, Firmware, Text

LOCK_FILE = "esp_at.lock"
"""In the project's folder: see `formats.lock_file`."""

MIRROR = "ESP_AT_MIRROR"
"""The environment variable that names a server, or a folder, to take the place of Espressif's servers."""

_MAX_LOCK_FILE_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Source:
    """An address, and what asked for it: the key of its entry in the lock."""

    address: str
    asked: tuple[str, str | None, str | None]
    released: bool = True
    """Whether it is Espressif's, which a mirror takes the place of; False for one of the project's own."""


def open_firmware(
    firmware: Firmware,
    module: Text | CustomModule | None,
    board: BoardFacts | None,
    *,
    project: Path,
    say: Callable[[str], None],
    lock: bool,
) -> FirmwarePackage:
    """Return the firmware package that a project means.

    ``module`` and ``board`` are for the name of a release, which has a package for each module. ``project`` is the
    folder of the lock file: what differs from it is refused; with ``lock``, what isn't in it yet is added. Raises
    `SelectionError` where no package is known for the module, `PackageError` for one that can't be had, isn't the
    locked one, or isn't good.
    """
    if firmware.path is not None:
        return open_package(firmware.path)
    with located(firmware.text.where):
        locked = _read_lock(project)
        source = _source(firmware.text.text, module, board, locked, say)
        url = shown(source.address)
        known = next((entry for entry in locked if entry.url == url or entry.asked == source.asked), None)
        package, size = _package_at(source, known, say)
        if lock and not any((entry.url, entry.asked) == (url, source.asked) for entry in locked):
            _add_to_lock(project, source, size, package.sha256 or "")
    return package


# --- what is meant ---


def _source(
    text: str,
    wanted: Text | CustomModule | None,
    board: BoardFacts | None,
    locked: tuple[LockedPackage, ...],
    say: Callable[[str], None],
) -> _Source:
    if is_address(text):
        check_address(text, allow_http=_allows_http())
        return _Source(text, (shown(text), None, None), released=False)
    if not is_release_name(text):
        found = package_named(text)
        if found is None:
            raise PackageError(f"no released firmware package is called {text}")
        return _Source(found.address, (found.name, None, None))
    module = module_of_release(text, wanted, board)
    asked = (text.lower(), module.chip, module.name)
    pinned = next((entry for entry in locked if entry.asked == asked), None)
    if pinned and text.lower() == LATEST:
        with suppress(SelectionError):
            newest = find_release(module, LATEST)
            if newest.address != pinned.url:
                say(f"{LOCK_FILE} has an earlier {LATEST} than {newest.name}: remove its entry there to move on")
        return _Source(pinned.url, asked)
    return _Source(find_release(module, text).address, asked)


# --- where it comes from ---


def _package_at(
    source: _Source, known: LockedPackage | None, say: Callable[[str], None]
) -> tuple[FirmwarePackage, int]:
    """Return the package at an address, and the size of its zip in bytes."""
    address = source.address
    if scheme_of(address) == "file":
        return _opened(path_of_file_address(address), known)
    cache, key = Cache.of_this_user(), shown(address)
    sha256 = known.sha256 if known else None
    if cached := cache.find(key, sha256):
        return _opened(cached, known)
    with cache.exclusive(key, say) as folder:
        if cached := cache.find(key, sha256):  # another run was quicker
            return _opened(cached, known)
        file = folder / file_name_of(address)
        _bring(address, file, cache, _mirror() if source.released else None, say)
        try:
            _opened(file, known)
        except EspAtError:
            file.unlink()  # what isn't good is no part of the cache: the server may have something better later
            raise
        return _opened(cache.admit(key, file), known)


def _bring(address: str, file: Path, cache: Cache, mirror: str | None, say: Callable[[str], None]) -> None:
    """Make ``file`` what is at an address, or at the mirror in its place."""
    places = _places_in(mirror, address) if mirror else (address,)
    # An http mirror on this machine has nobody on the way.
    allow_http = _allows_http() or (mirror is not None and is_loopback(mirror))
    missing: NotThereError | None = None
    try:
        for place in places:
            missing = _attempt(place, file, allow_http=allow_http, say=say)
            if missing is None:
                return
    except UnreachableError as error:
        hint = (
            f"go online once; or set {MIRROR} to a folder that has it; "
            f"or download {shown(address)} elsewhere, and name the path of the zip"
        )
        what = f"{file.name} is not in the cache ({cache.folder})"
        raise PackageError(f"{what}, and {error.message}", hint=hint) from None
    if mirror:
        hint = f"put it there, from {shown(address)}; or unset {MIRROR}"
        raise PackageError(f"the mirror {shown(mirror)} has no {file.name}", hint=hint)
    raise missing or PackageError(f"there is nothing at {shown(address)}")


def _attempt(place: str, file: Path, *, allow_http: bool, say: Callable[[str], None]) -> NotThereError | None:
    try:
        download(place, file, limit=MAX_ZIP_SIZE, allow_http=allow_http, say=say)
    except NotThereError as error:
        return error
    return None


def _places_in(mirror: str, address: str) -> tuple[str, ...]:
    """Return where a mirror may have what is at an address: as a copy of all servers, of one, or as a plain folder."""
    path = urlsplit(address).path.lstrip("/")
    insides = (f"{host_of(address)}/{path}", path, quote(file_name_of(address)))
    return tuple(f"{mirror.rstrip('/')}/{inside}" for inside in dict.fromkeys(insides))


def _mirror() -> str | None:
    """Return the address of the mirror; a folder's, too. Raises `EspAtError` for a folder that isn't there."""
    text = os.environ.get(MIRROR, "").strip()
    if not text:
        return None
    with located(MIRROR):
        if is_address(text):
            check_address(text, allow_http=_allows_http() or is_loopback(text))
            return text
        folder = Path(text).expanduser()
        if file_mode(folder) is None:
            raise EspAtError(f"there is no folder {folder}")
        return folder.absolute().as_uri()


def _allows_http() -> bool:
    return os.environ.get(ALLOW_HTTP, "").lower() not in ("", "0", "no", "false")


def _opened(file: Path, known: LockedPackage | None) -> tuple[FirmwarePackage, int]:
    """Return the package of a zip and its size in bytes, if it is the one of the lock. Raises `PackageError`."""
    try:
        size = file.stat().st_size
    except OSError as error:
        raise PackageError(f"{file} can't be read: {error.strerror or error}") from None
    package = open_package(file)
    if package.sha256 is None:
        raise PackageError(f"{file} is a folder", hint="name its path, without file://")
    if known and (size, package.sha256) != (known.size, known.sha256):
        raise PackageError(
            f"{file.name} is not the one of {LOCK_FILE}: it has {size} bytes and SHA-256 {package.sha256}, "
            f"there it has {known.size} and {known.sha256}",
            hint=f"if {known.url} was changed for a good reason, remove its entry from {LOCK_FILE}",
        )
    return package, size


# --- the lock ---


def _read_lock(project: Path) -> tuple[LockedPackage, ...]:
    file = project / LOCK_FILE
    with located(LOCK_FILE):
        try:
            with open_regular(file) as stream:
                text = stream.read(_MAX_LOCK_FILE_SIZE).decode("utf-8-sig")
        except FileNotFoundError:
            return ()
        except UnicodeDecodeError:
            raise EspAtError("not UTF-8 text", hint="take it from version control again") from None
        except OSError as error:
            raise EspAtError(f"can't be read: {error.strerror or error}") from None
        return parse_lock_file(text)


def _add_to_lock(project: Path, source: _Source, size: int, sha256: str) -> None:
    firmware, chip, module = source.asked
    entry = LockedPackage(firmware, shown(source.address), size, sha256, chip, module)
    with _one_at_a_time(project):
        others = [other for other in _read_lock(project) if other.asked != source.asked]
        try:
            replace_file(project / LOCK_FILE, format_lock_file((*others, entry)))
        except OSError as error:
            hint = "it says which firmware the project was first used with; make the project's folder writable once"
            raise EspAtError(f"{LOCK_FILE} can't be written: {error.strerror or error}", hint=hint) from None


@contextmanager
def _one_at_a_time(project: Path) -> Iterator[None]:
    """Let one run at a time change a project's lock file; what they wait by lies in the cache, not in the project."""
    key = hashlib.sha256(os.path.realpath(project).encode("utf-8", "surrogateescape")).hexdigest()
    with Cache.of_this_user().exclusive(f"lock of {key}", say=lambda _: None):
        yield
