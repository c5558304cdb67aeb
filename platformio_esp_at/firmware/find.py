"""From what a project calls its firmware to the firmware package: looked up, downloaded once, held against the lock.

A path is opened where it is. A release's name (``v4.1.1.0``, ``latest``) or a package's becomes an address by the
catalog; what is there comes, by way of a mirror if one is set, into the cache of all projects. ``esp_at.lock`` says
what it was when the project first used it: from then on, that content is what counts, wherever it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.releases import (
    is_release_name,
)
from platformio_esp_at.errors import EspAtError, PackageError, located
from platformio_esp_at.files import is_regular
from platformio_esp_at.firmware.cache import Cache, CachedFile, CacheError
from platformio_esp_at.firmware.download import NotThereError, UnreachableError, allows_http, download
from platformio_esp_at.firmware.lock import check_locked, read_lock
from platformio_esp_at.firmware.mirror import MIRROR, Mirror
from platformio_esp_at.firmware.reading import MAX_ZIP_SIZE, open_package
from platformio_esp_at.firmware.source import Source, source_of_name, source_of_release
from platformio_esp_at.formats.lock_file import LockedPackage
from platformio_esp_at.urls import (
    file_name_of,
    path_of_file_address,
    scheme_of,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.request.project import CustomModule, Firmware, Text

    Say = Callable[[str], None]

_ZIP_MAGIC = b"PK"


@dataclass(frozen=True, slots=True)
class FoundFirmware:
    """A firmware package, and what the lock doesn't say of it yet."""

    package: FirmwarePackage
    new_entry: LockedPackage | None = None


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
    locked = read_lock(project)
    if is_release_name(firmware.text.text):
        source = source_of_release(firmware.text, module, board, locked, say)
    else:
        source = source_of_name(firmware.text)
    url = shown(source.address)
    known = next((entry for entry in locked if entry.url == url or entry.asked == source.asked), None)
    wanted = _Wanted(source, known, say)
    with located(firmware.text.where):
        opened = wanted.at_hand()
    if opened is None:
        mirror = Mirror.of_environment() if source.is_espressifs else None
        with located(firmware.text.where):
            opened = wanted.from_network(mirror)
    if any((entry.url, entry.asked) == (url, source.asked) for entry in locked):
        return FoundFirmware(opened.package)
    firmware_asked, chip, module_asked = source.asked
    sha256 = opened.package.sha256 or ""
    return FoundFirmware(
        opened.package, LockedPackage(firmware_asked, url, opened.size, sha256, chip=chip, module=module_asked)
    )


# --- where it comes from ---


@dataclass(frozen=True, slots=True)
class _Opened:
    """A zip that was found good: its package, and its size in bytes."""

    package: FirmwarePackage
    size: int


@dataclass(frozen=True, slots=True)
class _Brought:
    """A zip that was downloaded and found good: where it was, and what the server there calls this content."""

    opened: _Opened
    place: str
    validator: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A package to be had: from the cache if the lock knows it, else from its server, else from the cache after all.

    What the lock doesn't know is asked for also where the cache has it: it may have changed since.
    """

    source: Source
    known: LockedPackage | None
    say: Say

    def at_hand(self) -> _Opened | None:
        """Return what the lock knows and the cache has, or a file that is named by its address; None for others."""
        address = self.source.address
        if scheme_of(address) == "file":
            return self._checked(path_of_file_address(address), shown(address))
        content = self._locked_content(Cache.of_this_user())
        return self._checked(content, shown(address)) if content else None

    def from_network(self, mirror: Mirror | None) -> _Opened:
        """Return what the server has, or the mirror in its place. Raises `PackageError`, and `CacheError`."""
        address, cache = shown(self.source.address), Cache.of_this_user()
        before = None if self.known else cache.find(address)
        try:
            with cache.exclusive(address, self.say) as folder:
                return self._refreshed(mirror, cache, folder, before)
        except CacheError:
            if before is None:
                raise
            return self._checked(before.path, address)  # filled before, and read only now

    def _locked_content(self, cache: Cache) -> Path | None:
        name = file_name_of(self.source.address)
        return cache.find_content(self.known.sha256, name) if self.known else None

    def _refreshed(self, mirror: Mirror | None, cache: Cache, folder: Path, before: CachedFile | None) -> _Opened:
        """Return what the server has now, its download being this run's alone; ``before`` is what was cached then."""
        address = shown(self.source.address)
        if content := self._locked_content(cache):
            return self._checked(content, address)  # another run has brought it while this one waited
        cached = None if self.known else cache.find(address)
        if cached and cached != before:
            return self._checked(cached.path, address)  # the same: the server was asked a moment ago
        file = folder / file_name_of(self.source.address)
        try:
            brought = self._bring(mirror, file, cached)
        except PackageError as error:
            if cached is None:
                raise self._missing(mirror, cache, error) from None
            self.say(f"Taking {cached.path.name} from the cache: {error.message}")
            return self._checked(cached.path, address)
        if brought is not None:
            cache.admit(address, file, source=brought.place, validator=brought.validator)
            return brought.opened
        assert cached is not None  # noqa: S101 - what is cached is what it was compared with
        return self._checked(cached.path, address)

    def _bring(self, mirror: Mirror | None, file: Path, cached: CachedFile | None) -> _Brought | None:
        """Make ``file`` the good zip of the first place that has one; return None where that has what is cached.

        Raises `UnreachableError` for a server that isn't there, and otherwise what is wrong with the first place that
        has something.
        """
        failures: list[PackageError] = []
        for place in mirror.places(self.source.address) if mirror else (self.source.address,):
            unless = cached.validator if cached and cached.source == shown(place) else ""
            allow_http = mirror.allows_http if mirror else allows_http()
            try:
                return self._fetch(place, file, unless, allow_http=allow_http)
            except UnreachableError:
                raise
            except PackageError as error:  # another place of a mirror may have it
                failures.append(error)
        raise next((error for error in failures if not isinstance(error, NotThereError)), failures[0])

    def _fetch(self, place: str, file: Path, unless: str, *, allow_http: bool) -> _Brought | None:
        """Download, and keep nothing that isn't good: the server may have something better later."""
        validator = download(place, file, limit=MAX_ZIP_SIZE, allow_http=allow_http, say=self.say, unless=unless)
        if validator is None:
            return None
        try:
            _check_zip(file, shown(place))
            return _Brought(self._checked(file, shown(place)), shown(place), validator)
        except EspAtError:
            file.unlink()
            raise

    def _checked(self, file: Path, place: str) -> _Opened:
        """Return the package of a zip that came from ``place``, if it is the locked one and for the right chip."""
        if not is_regular(file):
            raise PackageError(f"{file} is not there, or no file", hint="name a folder by its path, without file://")
        package, size = open_package(file), file.stat().st_size
        if self.known:
            check_locked(place, size, package.sha256, self.known)
        if self.source.chip and package.chip.key != self.source.chip:
            raise PackageError(
                f"what {place} has is for {package.chip.display_name}, "
                f"{file.name} should be for {find_chip(self.source.chip).display_name}",
                hint="it was not kept: put the right zip there",
            )
        return _Opened(package, size)

    def _missing(self, mirror: Mirror | None, cache: Cache, error: PackageError) -> PackageError:
        """Return what to tell of a package that is nowhere."""
        address, name = shown(self.source.address), file_name_of(self.source.address)
        if isinstance(error, UnreachableError):
            use_mirror = f"set {MIRROR} to a folder that has it; or " if self.source.is_espressifs else ""
            hint = f"go online once; or {use_mirror}download {address} elsewhere, and name the path of the zip"
            return PackageError(f"{name} is not in the cache ({cache.folder}), and {error.message}", hint=hint)
        if mirror and isinstance(error, NotThereError):
            hint = f"put it there, from {address}; or unset {MIRROR}"
            return PackageError(f"the mirror {shown(mirror.address)} has no {name}", hint=hint)
        return error


def _check_zip(file: Path, place: str) -> None:
    with file.open("rb") as stream:
        if stream.read(len(_ZIP_MAGIC)) != _ZIP_MAGIC:
            hint = "open it in a browser: it may be a page to log in, or an error's"
            raise PackageError(f"what is at {place} is no zip", hint=hint)
