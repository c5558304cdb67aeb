"""From what a project calls its firmware to the firmware package: looked up, downloaded once, held against the lock.

A path is opened where it is. A release's name (``v4.1.1.0``, ``latest``) or a package's becomes an address by the
catalog; what is there comes, by way of a mirror if one is set, into the cache of all projects. ``esp_at.lock`` says
what it was when the project first used it: from then on, that content is what counts, wherever it comes from.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

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
from platformio_esp_at.cache import Cache, CachedFile, CacheError
from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import LATEST
from platformio_esp_at.catalog.releases import find_release, is_release_name, package_named
from platformio_esp_at.download import NotThereError, UnreachableError, download
from platformio_esp_at.errors import EspAtError, PackageError, SelectionError, located
from platformio_esp_at.files import file_mode, is_regular, open_regular, replace_file
from platformio_esp_at.formats.lock_file import Asked, LockedPackage, format_lock_file, parse_lock_file
from platformio_esp_at.package import MAX_ZIP_SIZE, open_package
from platformio_esp_at.selection import module_of_release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.package import FirmwarePackage
    from platformio_esp_at.project import CustomModule, Firmware, Text

    Say = Callable[[str], None]

LOCK_FILE = "esp_at.lock"
"""In the project's folder: see `formats.lock_file`."""

MIRROR = "ESP_AT_MIRROR"
"""The environment variable that names a server, or a folder, to take the place of Espressif's servers."""

_MAX_LOCK_FILE_SIZE = 1 << 20
_ZIP_MAGIC = b"PK"


@dataclass(frozen=True, slots=True)
class FoundFirmware:
    """A firmware package, and what the lock doesn't say of it yet."""

    package: FirmwarePackage
    new_entry: LockedPackage | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """An address, and what asked for it."""

    address: str
    asked: Asked
    chip: str | None = None
    """The chip that Espressif's package there is for; None for an address of the project's own."""


@dataclass(frozen=True, slots=True)
class _Mirror:
    """What takes the place of Espressif's servers."""

    address: str

    def places(self, address: str) -> tuple[str, ...]:
        """Return where it may have what is at an address: as a copy of all servers, of one, or as a plain folder."""
        path = urlsplit(address).path.lstrip("/")
        insides = (f"{host_of(address)}/{path}", path, quote(file_name_of(address)))
        parts = urlsplit(self.address)
        base = parts.path.rstrip("/")
        return tuple(urlunsplit(parts._replace(path=f"{base}/{inside}")) for inside in dict.fromkeys(insides))


def find_firmware(
    firmware: Firmware,
    module: Text | CustomModule | None,
    board: BoardFacts | None,
    *,
    project: Path,
    say: Say,
) -> FoundFirmware:
    """Return the firmware package that a project means.

    ``module`` and ``board`` are for the name of a release, which has a package for each module. ``project`` is the
    folder of the lock file: what differs from it is refused. Raises `SelectionError` where no package is known for the
    module, `PackageError` for one that can't be had, isn't the locked one, or isn't good.
    """
    if firmware.path is not None:
        return FoundFirmware(open_package(firmware.path))
    locked = _read_lock(project)
    mirror = _mirror()
    source = _source(firmware.text, module, board, locked, say)
    url = shown(source.address)
    known = next((entry for entry in locked if entry.url == url or entry.asked == source.asked), None)
    with located(firmware.text.where):
        file = _obtain(source, known, mirror, say)
        package = _checked(file, source, known)
    if any((entry.url, entry.asked) == (url, source.asked) for entry in locked):
        return FoundFirmware(package)
    new = LockedPackage(source.asked.firmware, url, file.stat().st_size, package.sha256 or "", *source.asked[1:])
    return FoundFirmware(package, new)


def local_path(firmware: Firmware) -> Path | None:
    """Return the path that a firmware's address is for, if it is a ``file:`` address."""
    text = firmware.text.text
    return path_of_file_address(text) if is_address(text) and scheme_of(text) == "file" else None


def add_to_lock(project: Path, entry: LockedPackage) -> None:
    """Add an entry to a project's lock file, in place of one for the same.

    Raises `PackageError` where another run has locked something else meanwhile, `EspAtError` where it can't be written.
    """
    with _one_at_a_time(project):
        locked = _read_lock(project)
        for other in locked:
            if other.url == entry.url and (other.size, other.sha256) != (entry.size, entry.sha256):
                raise _not_locked(entry.url, entry.size, entry.sha256, other)
        others = tuple(other for other in locked if other.asked != entry.asked)
        try:
            replace_file(project / LOCK_FILE, format_lock_file((*others, entry)))
        except OSError as error:
            hint = "it says which firmware the project was first used with; make the project's folder writable once"
            raise EspAtError(f"{LOCK_FILE} can't be written: {error.strerror or error}", hint=hint) from None


# --- what is meant ---


def _source(
    firmware: Text,
    wanted: Text | CustomModule | None,
    board: BoardFacts | None,
    locked: tuple[LockedPackage, ...],
    say: Say,
) -> _Source:
    text = firmware.text
    if is_address(text):
        with located(firmware.where):
            check_address(text, allow_http=_allows_http())
        return _Source(text, Asked(shown(text)))
    if not is_release_name(text):
        found = package_named(text)
        if found is None:
            raise PackageError(f"no released firmware package is called {text}", where=firmware.where)
        return _Source(found.address, Asked(found.name), found.chip)
    module = module_of_release(firmware, wanted, board)
    asked = Asked(text.lower(), module.chip, module.name)
    pinned = next((entry for entry in locked if entry.asked == asked), None)
    if pinned and text.lower() == LATEST:
        with suppress(SelectionError):
            newest = find_release(module, LATEST)
            if newest.address != pinned.url:
                say(
                    f"{LOCK_FILE} keeps {LATEST} at {file_name_of(pinned.url)}, and {newest.file_name} is known: "
                    f"to move on, remove the entry firmware: {LATEST}"
                )
        with located(LOCK_FILE):
            check_address(pinned.url, allow_http=True)  # whether http is allowed, a download tells
        return _Source(pinned.url, asked, module.chip)
    with located(firmware.where):
        found = find_release(module, text)
    if found.module != module.name:
        say(f"{found.release} for {module.name} is the firmware of {found.module}")
    return _Source(found.address, asked, found.chip)


# --- where it comes from ---


def _obtain(source: _Source, known: LockedPackage | None, mirror: _Mirror | None, say: Say) -> Path:
    """Return a zip with what is at an address: what the lock knows, else what the server has, else the cache.

    What the project's lock doesn't know yet is asked for, also where the cache has it: it may have changed since.
    """
    if scheme_of(source.address) == "file":
        return path_of_file_address(source.address)
    cache, key = Cache.of_this_user(), shown(source.address)
    if known and (content := cache.find_content(known.sha256)):
        return content
    cached = None if known else cache.find(key)
    try:
        with cache.exclusive(key, say) as folder:
            return _from_the_network(source, known, cached, mirror=mirror, cache=cache, folder=folder, say=say)
    except CacheError:
        if cached is None:
            raise
        return cached.path  # filled before, and read only now


def _from_the_network(
    source: _Source,
    known: LockedPackage | None,
    before: CachedFile | None,
    *,
    mirror: _Mirror | None,
    cache: Cache,
    folder: Path,
    say: Say,
) -> Path:
    """Return the zip that is at an address now, its download being this run's alone; ``before`` is what was cached."""
    key = shown(source.address)
    if known and (content := cache.find_content(known.sha256)):
        return content  # another run was quicker
    cached = None if known else cache.find(key)
    if cached and cached != before:
        return cached.path  # the same
    file = folder / file_name_of(source.address)
    try:
        brought = _bring(source, file, cached, mirror if source.chip else None, say)
    except PackageError as error:
        if cached is None:
            raise _missing(source, file.name, cache, mirror, error) from None
        say(f"Taking {cached.path.name} from the cache: {error.message}")
        return cached.path
    if isinstance(brought, CachedFile):
        return brought.path
    place, validator = brought
    try:
        _checked(file, source, known, place)
    except EspAtError:
        file.unlink()  # what isn't good is no part of the cache: the server may have something better later
        raise
    return cache.admit(key, file, source=shown(place), validator=validator)


def _bring(
    source: _Source, file: Path, cached: CachedFile | None, mirror: _Mirror | None, say: Say
) -> tuple[str, str] | CachedFile:
    """Make ``file`` what is at an address, or at the mirror in its place: return that place and what it calls this.

    Returns ``cached`` where it is that. Raises as `download`.
    """
    # An http mirror on this machine has nobody on the way.
    allow_http = _allows_http() or (mirror is not None and is_loopback(mirror.address))
    failed: PackageError | None = None
    for place in mirror.places(source.address) if mirror else (source.address,):
        unless = cached.validator if cached and cached.source == shown(place) else ""
        found = _attempt(place, file, unless, allow_http=allow_http, say=say)
        if cached and found is None:
            return cached
        if isinstance(found, str):
            return place, found
        if failed is None or isinstance(failed, NotThereError):
            failed = found
    assert failed is not None  # noqa: S101 - there is a place, at least
    raise failed


def _attempt(place: str, file: Path, unless: str, *, allow_http: bool, say: Say) -> str | PackageError | None:
    """Return what `download` does, or why another place is worth a try."""
    try:
        validator = download(place, file, limit=MAX_ZIP_SIZE, allow_http=allow_http, say=say, unless=unless)
    except UnreachableError:
        raise
    except PackageError as error:
        return error
    if validator is None:
        return None
    with file.open("rb") as stream:
        if stream.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
            return validator
    file.unlink()
    hint = "open it in a browser: it may be a page to log in, or an error's"
    return PackageError(f"what is at {shown(place)} is no zip", hint=hint)


def _missing(source: _Source, name: str, cache: Cache, mirror: _Mirror | None, error: PackageError) -> PackageError:
    address = shown(source.address)
    if isinstance(error, UnreachableError):
        use_mirror = f"set {MIRROR} to a folder that has it; or " if source.chip else ""
        hint = f"go online once; or {use_mirror}download {address} elsewhere, and name the path of the zip"
        return PackageError(f"{name} is not in the cache ({cache.folder}), and {error.message}", hint=hint)
    if mirror and source.chip and isinstance(error, NotThereError):
        hint = f"put it there, from {address}; or unset {MIRROR}"
        return PackageError(f"the mirror {shown(mirror.address)} has no {name}", hint=hint)
    return error


def _mirror() -> _Mirror | None:
    """Return the mirror, which may be a folder. Raises `EspAtError` for a folder that isn't there."""
    text = os.environ.get(MIRROR, "").strip()
    if not text:
        return None
    with located(MIRROR):
        if is_address(text):
            check_address(text, allow_http=_allows_http() or is_loopback(text))
            return _Mirror(text)
        folder = Path(os.path.expanduser(text)).absolute()  # noqa: PTH111 - which never raises
        hint = f"set {MIRROR} to a folder of zips, or unset it"
        try:
            if file_mode(folder) is None:
                raise EspAtError(f"there is no folder {folder}", hint=hint)
        except OSError as error:
            raise EspAtError(f"{folder} can't be read: {error.strerror or error}", hint=hint) from None
        return _Mirror(folder.as_uri())


def _allows_http() -> bool:
    return os.environ.get(ALLOW_HTTP, "").lower() not in ("", "0", "no", "false")


# --- whether it is the right one ---


def _checked(file: Path, source: _Source, known: LockedPackage | None, place: str | None = None) -> FirmwarePackage:
    """Return the package of a zip, if it is the one of the lock and for the chip that was asked for.

    ``place`` is where it was just brought from. Raises `PackageError`.
    """
    if not is_regular(file):
        raise PackageError(f"{file} is not a file", hint="a folder is named by its path, without file://")
    package = open_package(file)
    size = file.stat().st_size
    if known and (size, package.sha256) != (known.size, known.sha256):
        raise _not_locked(shown(place or source.address), size, package.sha256 or "", known)
    if source.chip and package.chip.key != source.chip:
        raise PackageError(
            f"what {shown(place or source.address)} has is for {package.chip.display_name}, "
            f"{file.name} should be for {find_chip(source.chip).display_name}",
            hint="it was not kept: put the right zip there",
        )
    return package


def _not_locked(place: str, size: int, sha256: str, known: LockedPackage) -> PackageError:
    of = "" if place == known.url else f", for {known.url}"
    return PackageError(
        f"what {place} has is not the one of {LOCK_FILE}: it has {size} bytes and SHA-256 {sha256}, "
        f"there it has {known.size} and {known.sha256}{of}",
        hint=f"if it was changed for a good reason, remove its entries (firmware: {known.firmware}) from {LOCK_FILE}",
    )


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


@contextmanager
def _one_at_a_time(project: Path) -> Iterator[None]:
    """Let one run at a time change a project's lock file, as far as they share a cache that can be written.

    What they wait by lies there, since it would be litter in the project.
    """
    key = hashlib.sha256(os.path.realpath(project).encode("utf-8", "surrogateescape")).hexdigest()
    with ExitStack() as waiting:
        with suppress(EspAtError):  # a cache that was filled before and is read only now does for the rest
            waiting.enter_context(Cache.of_this_user().exclusive(f"project {key}", say=lambda _: None))
        yield
