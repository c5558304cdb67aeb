"""The cache of downloads that all projects of a user share.

A file is kept under the hash of its content and under its own name, a URL under its own hash::

    packages/<sha256>/ESP32-WROOM-32-AT-V4.1.1.0.zip
    urls/<sha256 of the URL>.json        what was there last: name, size, sha256, and by which way it came
    downloads/<sha256 of the URL>/            what is on its way
    downloads/<sha256>.lock                       what runs wait by that bring the same, or lock for the same project

Everything is put in place by renaming, content before what points to it, so that two runs at once and one that is
killed leave nothing wrong; a file whose content isn't what its place says counts as not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.events import WaitingForDownload
from platformio_esp_at.files import listed, open_regular, replace_file, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.events import Report

CACHE = "ESP_AT_CACHE"
"""The environment variable that names another folder for the cache."""


class CacheError(EspAtError):
    """The cache can't be written."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """What was at a URL last."""

    path: Path
    source: str
    """The URL that it came from: a mirror's, or its own."""
    validator: str
    """What the server there called this content; "" where it didn't."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache in a folder, which is made when something is put into it."""

    folder: Path

    @classmethod
    def of_this_user(cls) -> Cache:
        """Return the cache of `CACHE`, or that of the user in the system's place for such things."""
        if folder := os.environ.get(CACHE):
            return cls(Path(os.path.expanduser(folder)).absolute())  # noqa: PTH111 - which never raises
        from platformdirs import user_cache_path  # noqa: PLC0415 - only where something is downloaded

        return cls(user_cache_path("platformio-esp-at", appauthor=False))

    def find(self, url: str) -> CachedFile | None:
        """Return what was at a URL last; None where it isn't here whole."""
        try:
            entry = json.loads(self._entry(url).read_bytes())
            name, sha256 = str(entry["name"]), str(entry["sha256"])
            source, validator = str(entry["source"]), str(entry["validator"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        file = self._with_hash(sha256, name)
        return CachedFile(file, source, validator) if file else None

    def find_content(self, sha256: str, name: str) -> Path | None:
        """Return a file with this content and name, wherever it came from; None where there is none.

        Of content that came under another name, a copy is made: what a package is called may count.
        """
        if found := self._with_hash(sha256, name):
            return found
        if Path(name).name != name:
            return None
        for other in listed(self.folder / "packages" / sha256):
            with suppress(OSError):
                copy = other.with_name(f".{name}-{secrets.token_hex(8)}")
                shutil.copyfile(other, copy)
                copy.replace(other.with_name(name))
                return self._with_hash(sha256, name)
        return None

    def _with_hash(self, sha256: str, name: str) -> Path | None:
        if not re.fullmatch(r"[0-9a-f]{64}", sha256) or Path(name).name != name:
            return None
        file = self.folder / "packages" / sha256 / name
        with suppress(OSError):
            return file if _hash_of(file) == sha256 else None
        return None

    @contextmanager
    def exclusive(self, what: str, report: Report) -> Iterator[Path]:
        """Give the folder for ``what``, such as the URL of a download, to this run alone; another run waits.

        Raises `CacheError`.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 - only where something is downloaded

        place = self.folder / "downloads" / _key(what)
        with self._told():
            place.mkdir(parents=True, exist_ok=True)
            lock = FileLock(place.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                report(WaitingForDownload())
                lock.acquire()
            try:
                place.mkdir(exist_ok=True)  # the other run may have tidied up
                yield place  # what can't be written there is told in the same words
            finally:
                with suppress(OSError):
                    place.rmdir()  # stays where a part of a download is in it
                lock.release()

    def admit(self, url: str, file: Path, *, source: str = "", validator: str = "") -> Path:
        """Take over a complete file of an `exclusive` folder as what is at a URL, and return its place here.

        ``source`` is where it came from, and ``validator`` what that calls this content.
        """
        with self._told():
            sha256, size = _hash_of(file), file.stat().st_size
            place = self.folder / "packages" / sha256 / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
            entry = {"url": url, "name": file.name, "size": size, "sha256": sha256}
            entry |= {"source": source, "validator": validator}
            replace_file(self._entry(url), json.dumps(entry, indent=2) + "\n")
            return place

    def _entry(self, url: str) -> Path:
        return self.folder / "urls" / f"{_key(url)}.json"

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            hint = f"set {CACHE} to a folder that you can write"
            raise CacheError(
                "cache-not-writable", f"the cache {self.folder} can't be written: {reason}", hint=hint
            ) from None


def _hash_of(file: Path) -> str:
    with open_regular(file) as stream:
        return sha256_of(stream)


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
