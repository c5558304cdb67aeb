"""A firmware package by name or URL: from the cache if the lock knows it, else from a mirror or its server.

What arrives is opened, and found to be for the right chip, before the cache takes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.releases import (
    is_release_name,
)
from platformio_esp_at.errors import EspAtError, PackageError, located, warning
from platformio_esp_at.events import Noticed
from platformio_esp_at.files import is_regular
from platformio_esp_at.firmware.cache import Cache, CachedFile, CacheError
from platformio_esp_at.firmware.download import NotThereError, UnreachableError, allows_http, download
from platformio_esp_at.firmware.lock import check_locked, read_lock
from platformio_esp_at.firmware.mirror import MIRROR, Mirror
from platformio_esp_at.firmware.package import FoundFirmware
from platformio_esp_at.firmware.reading import MAX_ZIP_SIZE, open_package
from platformio_esp_at.firmware.source import Source, source_of_name, source_of_release
from platformio_esp_at.formats.lock_file import LockedPackage
from platformio_esp_at.urls import (
    file_name_of,
    path_of_file_url,
    scheme_of,
    shown,
)

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.events import Report
    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.request.values import CustomModule, Firmware, Text


_ZIP_MAGIC = b"PK"


def fetch_firmware(
    firmware: Firmware,
    module: Text | CustomModule | None,
    board: BoardFacts | None,
    *,
    project: Path,
    report: Report,
) -> FoundFirmware:
    """Return the firmware package of a name or a URL; see `find.find_firmware`."""
    locked = read_lock(project)
    if is_release_name(firmware.text.text):
        source = source_of_release(firmware.text, module, board, locked, report)
    else:
        source = source_of_name(firmware.text)
    url = shown(source.url)
    known = next((entry for entry in locked if entry.url == url or entry.asked == source.asked), None)
    wanted = _Wanted(source, known, report)
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
    report: Report

    def at_hand(self) -> _Opened | None:
        """Return what the lock knows and the cache has, or a file that is named by its URL; None for others."""
        url = self.source.url
        if scheme_of(url) == "file":
            return self._checked(path_of_file_url(url), shown(url))
        content = self._locked_content(Cache.of_this_user())
        return self._checked(content, shown(url)) if content else None

    def from_network(self, mirror: Mirror | None) -> _Opened:
        """Return what the server has, or the mirror in its place. Raises `PackageError`, and `CacheError`."""
        url, cache = shown(self.source.url), Cache.of_this_user()
        before = None if self.known else cache.find(url)
        try:
            with cache.exclusive(url, self.report) as folder:
                return self._refreshed(mirror, cache, folder, before)
        except CacheError:
            if before is None:
                raise
            return self._checked(before.path, url)  # filled before, and read only now

    def _locked_content(self, cache: Cache) -> Path | None:
        name = file_name_of(self.source.url)
        return cache.find_content(self.known.sha256, name) if self.known else None

    def _refreshed(self, mirror: Mirror | None, cache: Cache, folder: Path, before: CachedFile | None) -> _Opened:
        """Return what the server has now, its download being this run's alone; ``before`` is what was cached then."""
        url = shown(self.source.url)
        if content := self._locked_content(cache):
            return self._checked(content, url)  # another run has brought it while this one waited
        cached = None if self.known else cache.find(url)
        if cached and cached != before:
            return self._checked(cached.path, url)  # the same: the server was asked a moment ago
        file = folder / file_name_of(self.source.url)
        try:
            brought = self._bring(mirror, file, cached)
        except PackageError as error:
            if cached is None:
                raise self._missing(mirror, cache, error) from None
            message = f"taking {cached.path.name} from the cache: {error.message}"
            self.report(Noticed(warning("firmware-from-cache", message, cause=error.code)))
            return self._checked(cached.path, url)
        if brought is not None:
            cache.admit(url, file, source=brought.place, validator=brought.validator)
            return brought.opened
        assert cached is not None  # noqa: S101 - what is cached is what it was compared with
        return self._checked(cached.path, url)

    def _bring(self, mirror: Mirror | None, file: Path, cached: CachedFile | None) -> _Brought | None:
        """Make ``file`` the good zip of the first place that has one; return None where that has what is cached.

        Raises `UnreachableError` for a server that isn't there, and otherwise what is wrong with the first place that
        has something.
        """
        failures: list[PackageError] = []
        for place in mirror.places(self.source.url) if mirror else (self.source.url,):
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
        validator = download(place, file, limit=MAX_ZIP_SIZE, allow_http=allow_http, report=self.report, unless=unless)
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
            raise PackageError(
                "firmware-not-found",
                f"{file} does not exist, or is not a file",
                hint="name a folder by its path, without file://",
            )
        package, size = open_package(file), file.stat().st_size
        if self.known:
            check_locked(place, size, package.sha256, self.known)
        if self.source.chip and package.chip.key != self.source.chip:
            raise PackageError(
                "firmware-other-chip",
                f"{place} is a package for {package.chip.display_name}, "
                f"but {file.name} must be for {find_chip(self.source.chip).display_name}",
                hint="it was not kept: put the right zip there",
            )
        return _Opened(package, size)

    def _missing(self, mirror: Mirror | None, cache: Cache, error: PackageError) -> PackageError:
        """Return what to tell of a package that is nowhere."""
        url, name = shown(self.source.url), file_name_of(self.source.url)
        if isinstance(error, UnreachableError):
            use_mirror = f"set {MIRROR} to a folder that has it; or " if self.source.is_espressifs else ""
            hint = f"go online once; or {use_mirror}download {url} elsewhere, and name the path of the zip"
            return PackageError(
                "firmware-not-cached",
                f"{name} is not in the cache ({cache.folder}), and {error.message}",
                hint=hint,
                cause=error.code,
            )
        if mirror and isinstance(error, NotThereError):
            hint = f"put it there, from {url}; or unset {MIRROR}"
            return PackageError("mirror-without-package", f"the mirror {shown(mirror.url)} has no {name}", hint=hint)
        return error


def _check_zip(file: Path, place: str) -> None:
    with file.open("rb") as stream:
        if stream.read(len(_ZIP_MAGIC)) != _ZIP_MAGIC:
            hint = "open it in a browser: it may be a login page or an error page"
            raise PackageError("not-a-zip", f"the file from {place} is not a zip", hint=hint)
