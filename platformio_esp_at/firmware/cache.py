"""The cache of downloads that all projects of a user share.

A file is stored under its SHA-256 and its own name, a URL under its hash::

    packages/<sha256>/ESP32-WROOM-32-AT-V4.1.1.0.zip
    urls/<sha256 of the URL>.json    the last download: name, size, sha256, source, validator
    downloads/<sha256 of the URL>/   files that are being downloaded
    downloads/<sha256>.lock          held while this file is downloaded, or while this project's esp_at.lock is written

Files are renamed into place, the content before the JSON that names it: two runs at once, or a killed one, leave no
damage. A file whose content doesn't have the SHA-256 of its path counts as missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.events import WaitingForDownload
from platformio_esp_at.files import listed, open_regular, read_file, replace_file, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.events import Report

CACHE = "ESP_AT_CACHE"
"""The environment variable that names another folder for the cache."""

_MAX_ENTRY_SIZE = 64 << 10
_MAX_FILE_SIZE = 64 << 20
"""In bytes; `fetch` downloads nothing larger."""


class CacheError(EspAtError):
    """The cache can't be written."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """The last file downloaded from a URL."""

    path: Path
    source: str
    """The URL that sent it: a mirror's, or its own."""
    validator: str
    """ETag or Last-Modified that this server sent for the file; "" for none."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache in a folder, which is made with the first file."""

    folder: Path

    @classmethod
    def of_this_user(cls) -> Cache:
        """Return the cache in the folder that `CACHE` names, or in the user's cache folder of this system."""
        if folder := os.environ.get(CACHE):
            return cls(Path(os.path.expanduser(folder)).absolute())  # noqa: PTH111 - never raises
        from platformdirs import user_cache_path  # noqa: PLC0415 - only where something is downloaded

        return cls(user_cache_path("platformio-esp-at", appauthor=False))

    def find(self, url: str) -> CachedFile | None:
        """Return the last file downloaded from a URL; None if it is missing or damaged."""
        try:
            entry = json.loads(read_file(self._entry(url), _MAX_ENTRY_SIZE))
            name, sha256 = str(entry["name"]), str(entry["sha256"])
            source, validator = str(entry["source"]), str(entry["validator"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        file = self._with_hash(sha256, name)
        return CachedFile(file, source, validator) if file else None

    def find_content(self, sha256: str, name: str) -> Path | None:
        """Return a file with this content and name, from any URL; None if there is none.

        If the content has another name here, it is copied: the name of a package may matter.
        """
        if found := self._with_hash(sha256, name):
            return found
        if Path(name).name != name:
            return None
        for other in listed(self.folder / "packages" / sha256):
            with suppress(OSError):
                data = read_file(other, _MAX_FILE_SIZE)  # it may be a link to anything
                copy = other.with_name(f".{name}-{secrets.token_hex(8)}")
                copy.write_bytes(data)
                copy.replace(other.with_name(name))
                return self._with_hash(sha256, name)
        return None

    def forget(self, url: str) -> None:
        """Let the server of a URL be asked as if nothing had been downloaded from it."""
        with suppress(OSError):
            self._entry(url).unlink(missing_ok=True)

    def _with_hash(self, sha256: str, name: str) -> Path | None:
        if not re.fullmatch(r"[0-9a-f]{64}", sha256) or Path(name).name != name:
            return None
        file = self.folder / "packages" / sha256 / name
        with suppress(OSError):
            return file if _hash_of(file) == sha256 else None
        return None

    @contextmanager
    def exclusive(self, what: str, report: Report) -> Iterator[Path]:
        """Give the folder for ``what``, such as the URL of a download, to this process alone; others wait.

        Raises `CacheError`.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 - only where something is downloaded

        place = self.folder / "downloads" / _key(what)
        with self._os_errors():
            place.mkdir(parents=True, exist_ok=True)
            lock = FileLock(place.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                report(WaitingForDownload())
                lock.acquire()
            try:
                place.mkdir(exist_ok=True)  # the other process may have removed it
                yield place  # an `OSError` in there becomes the same error
            finally:
                with suppress(OSError):
                    place.rmdir()  # stays while a partial download is in it
                lock.release()

    def admit(self, url: str, file: Path, *, source: str = "", validator: str = "") -> Path:
        """Move a complete download of a URL from its `exclusive` folder into the cache, and return its path there.

        ``source``: the URL that sent it. ``validator``: ETag or Last-Modified that this server sent for it.
        """
        with self._os_errors():
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
    def _os_errors(self) -> Iterator[None]:
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
        return sha256_of(stream, _MAX_FILE_SIZE)


def _key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
