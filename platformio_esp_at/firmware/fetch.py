"""A firmware package by name or URL: from the cache if the lock has it, else from a mirror or its server.

A download is opened, and checked for the right chip, before it is stored in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.releases import (
    is_release_name,
)
from platformio_esp_at.errors import EspAtError, PackageError, located, setting, warning
from platformio_esp_at.events import Noticed
from platformio_esp_at.files import is_regular
from platformio_esp_at.firmware.cache import Cache, CachedFile, CacheError
from platformio_esp_at.firmware.download import NotThereError, UnreachableError, allows_http, download
from platformio_esp_at.firmware.lock import check_locked, read_lock
from platformio_esp_at.firmware.mirror import MIRROR, Mirror
from platformio_esp_at.firmware.package import FoundFirmware, other_release
from platformio_esp_at.firmware.reading import MAX_ZIP_SIZE, ZIP_MAGIC, open_package
from platformio_esp_at.firmware.source import Source, source_of_name, source_of_release
from platformio_esp_at.formats.lock_file import LOCK_FILE, Lock, LockedPackage
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


_IMAGE_STARTS = (b"\xff", b"\xe9", b"\xea", b"\xaa\x50")
"""Starts of factory images, and of what is taken for one: `reading` tells what it is."""


def fetch_firmware(
    firmware: Firmware,
    module: Text | CustomModule | None,
    board: BoardFacts | None,
    *,
    project: Path,
    lock_file: str,
    report: Report,
    offline: bool = False,
) -> FoundFirmware:
    """Return the firmware package of a name or a URL; see `find.find_firmware`."""
    lock = read_lock(project, lock_file)
    wanted = _wanted(firmware, module, board, lock, report)
    source, url = wanted.source, shown(wanted.source.url)
    with located(firmware.text.where):
        opened = wanted.from_disk()
    if opened is None:
        mirror = Mirror.of_environment() if source.is_espressifs else None
        with located(firmware.text.where):
            opened = wanted.from_this_machine(mirror) if offline else wanted.from_network(mirror)
    if any((entry.url, entry.asked) == (url, source.asked) for entry in lock.packages):
        return FoundFirmware(opened.package, lock=lock)
    firmware_asked, chip, module_asked = source.asked
    sha256 = opened.package.sha256 or ""
    entry = LockedPackage(firmware_asked, url, opened.size, sha256, chip=chip, module=module_asked)
    return FoundFirmware(opened.package, entry, lock)


def places_to_ask(
    firmware: Firmware,
    module: Text | CustomModule | None,
    board: BoardFacts | None,
    *,
    project: Path,
    lock_file: str = LOCK_FILE,
) -> tuple[str, ...]:
    """Return the URLs that `fetch_firmware` would ask for a package, in its order; none where no server is needed."""
    wanted = _wanted(firmware, module, board, read_lock(project, lock_file), lambda _: None)
    if wanted.from_disk() is not None:
        return ()
    mirror = Mirror.of_environment() if wanted.source.is_espressifs else None
    return mirror.places(wanted.source.url) if mirror else (wanted.source.url,)


def _wanted(
    firmware: Firmware,
    module: Text | CustomModule | None,
    board: BoardFacts | None,
    lock: Lock,
    report: Report,
) -> _Wanted:
    if is_release_name(firmware.text.text):
        source = source_of_release(firmware.text, module, board, lock, report)
    else:
        source = source_of_name(firmware.text)
    url = shown(source.url)
    known = next((entry for entry in lock.packages if entry.url == url or entry.asked == source.asked), None)
    return _Wanted(source, known, lock.file, report)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A checked zip: its package, and its size in bytes."""

    package: FirmwarePackage
    size: int


@dataclass(frozen=True, slots=True)
class _Downloaded:
    """A checked download: the zip, the URL that sent it, and the validator from this server."""

    opened: _Opened
    place: str
    validator: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The package to get: from the cache if the lock has it, else from its server; if that fails, from the cache.

    Without an entry in the lock, the server is asked even if the cache has the file: it may have changed.
    """

    source: Source
    known: LockedPackage | None
    lock_file: str
    report: Report

    def from_disk(self) -> _Opened | None:
        """Return the locked package from the cache, or that of a ``file:`` URL; None for others."""
        url = self.source.url
        if scheme_of(url) == "file":
            return self._checked(path_of_file_url(url), shown(url))
        content = self._locked_content(Cache.of_this_user())
        return self._checked(content, shown(url)) if content else None

    def from_this_machine(self, mirror: Mirror | None) -> _Opened:
        """Return the package from the cache, or from a mirror that is a folder; no server is asked.

        Raises `PackageError` where neither has it.
        """
        url, name = shown(self.source.url), file_name_of(self.source.url)
        if cached := None if self.known else Cache.of_this_user().find(url):
            return self._checked(cached.path, url)
        if mirror and scheme_of(mirror.url) == "file":
            for place in mirror.places(self.source.url):
                if is_regular(path_of_file_url(place)):
                    return self._checked(path_of_file_url(place), shown(place))
        raise PackageError(
            "firmware-not-here", f"{name} is not on this machine yet", hint="the first run downloads it, and checks it"
        )

    def from_network(self, mirror: Mirror | None) -> _Opened:
        """Return the package from the server, or from the mirror. Raises `PackageError` or `CacheError`."""
        url, cache = shown(self.source.url), Cache.of_this_user()
        before = None if self.known else cache.find(url)
        try:
            with cache.exclusive(url, self.report) as folder:
                return self._refreshed(mirror, cache, folder, before)
        except CacheError:
            if before is None:
                raise
            return self._checked(before.path, url)  # the cache has it, but is read-only now

    def _locked_content(self, cache: Cache) -> Path | None:
        name = file_name_of(self.source.url)
        return cache.find_content(self.known.sha256, name) if self.known else None

    def _refreshed(self, mirror: Mirror | None, cache: Cache, folder: Path, before: CachedFile | None) -> _Opened:
        """Return the server's current package; no other process downloads it. ``before``: cached before we waited."""
        url = shown(self.source.url)
        if content := self._locked_content(cache):
            return self._checked(content, url)  # another process downloaded it while this one waited
        cached = None if self.known else cache.find(url)
        if cached and cached != before:
            return self._checked(cached.path, url)  # so did another process: the server was asked a moment ago
        file = folder / file_name_of(self.source.url)
        try:
            downloaded = self._download(mirror, file, cached)
        except PackageError as error:
            if cached is None:
                raise self._missing(mirror, cache, error) from None
            message = f"taking {cached.path.name} from the cache: {error.message}"
            self.report(
                Noticed(
                    warning(
                        "firmware-from-cache",
                        message,
                        cause=error.code,
                        hint=f"go online and run again to have the server's file: {url}",
                    )
                )
            )
            return self._checked(cached.path, url)
        if downloaded is not None:
            cache.admit(url, file, source=downloaded.place, validator=downloaded.validator)
            return downloaded.opened
        assert cached is not None  # noqa: S101 - nothing downloaded: the cached file is the server's
        return self._checked(cached.path, url)

    def _download(self, mirror: Mirror | None, file: Path, cached: CachedFile | None) -> _Downloaded | None:
        """Download a valid zip to ``file`` from the first place that has one; None if that is the cached one.

        Raises `UnreachableError` for a server that can't be reached, else the error of the first place that has a file.
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

    def _fetch(self, place: str, file: Path, unless: str, *, allow_http: bool) -> _Downloaded | None:
        """Download, and remove an invalid file: the server may have a valid one later."""
        validator = download(place, file, limit=MAX_ZIP_SIZE, allow_http=allow_http, report=self.report, unless=unless)
        if validator is None:
            return None
        try:
            _check_start(file, shown(place))
            return _Downloaded(self._checked(file, shown(place)), shown(place), validator)
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
            check_locked(place, size, package.sha256, self.known, self.lock_file)
        if self.source.chip and package.chip.key != self.source.chip:
            raise PackageError(
                "firmware-other-chip",
                f"{place} is a package for {package.chip.display_name}, "
                f"but {file.name} must be for {find_chip(self.source.chip).display_name}",
                hint=self._forgotten(),
            )
        if self.source.release and (found := other_release(package, self.source.release)):
            own = f"if this is the one that you want, name it by its path: {setting('firmware', 'PATH')}"
            raise PackageError(
                "firmware-other-release",
                f"{place} is not {self.source.release}, which {file.name} must be: {found}",
                hint=f"{self._forgotten()}; {own}",
                release=self.source.release,
            )
        return _Opened(package, size)

    def _forgotten(self) -> str:
        """Forget the cached package of the URL, which isn't the one of its name; return the next step."""
        Cache.of_this_user().forget(shown(self.source.url))
        if self.known:
            return f"remove its entries (firmware: {self.known.firmware}) from {self.lock_file}, and run it again"
        return "it was not kept: put the right zip there"

    def _missing(self, mirror: Mirror | None, cache: Cache, error: PackageError) -> PackageError:
        """Return the error for a package that is neither in the cache nor on its server."""
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


def _check_start(file: Path, place: str) -> None:
    """Raise `PackageError` for a download that begins neither as a zip nor, if it isn't called one, as an image."""
    with file.open("rb") as stream:
        start = stream.read(len(ZIP_MAGIC))
    may_be_image = file.suffix.lower() != ".zip" and start.startswith(_IMAGE_STARTS)
    if start != ZIP_MAGIC and not may_be_image:
        hint = "open it in a browser: it may be a login page or an error page"
        what = "not a zip" if file.suffix.lower() == ".zip" else "neither a zip nor a factory image"
        raise PackageError("not-a-zip", f"the file from {place} is {what}", hint=hint)
