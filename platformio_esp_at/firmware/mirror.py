"""A mirror: a server, or a folder, that replaces Espressif's servers."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from platformio_esp_at.errors import EspAtError, located
from platformio_esp_at.files import file_mode
from platformio_esp_at.firmware.download import allows_http
from platformio_esp_at.urls import (
    check_url,
    file_name_of,
    host_of,
    is_loopback,
    is_url,
)

MIRROR = "ESP_AT_MIRROR"
"""The environment variable that names the mirror."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror by its URL, which may be a ``file:`` URL."""

    url: str

    @classmethod
    def of_environment(cls) -> Mirror | None:
        """Return the mirror of `MIRROR`, or None. Raises `EspAtError` for a folder that isn't there."""
        text = os.environ.get(MIRROR, "").strip()
        if not text:
            return None
        with located(variable=MIRROR):
            if is_url(text):
                mirror = cls(text)
                check_url(text, allow_http=mirror.allows_http)
                return mirror
            folder = Path(os.path.expanduser(text)).absolute()  # noqa: PTH111 - never raises
            hint = f"set {MIRROR} to a folder of zips or to a URL (https://…), or unset it"
            try:
                mode = file_mode(folder)
            except OSError as error:
                raise EspAtError(
                    "unreadable", f"{folder} can't be read: {error.strerror or error}", hint=hint
                ) from None
            if mode is None or not stat.S_ISDIR(mode):
                raise EspAtError("mirror-not-found", f"there is no folder {folder}", hint=hint)
            return cls(folder.as_uri())

    @property
    def allows_http(self) -> bool:
        """Whether http is allowed: to this machine, nobody can change the download on its way."""
        return allows_http() or is_loopback(self.url)

    def places(self, url: str) -> tuple[str, ...]:
        """Return the mirror's URLs for a file at ``url``: as a copy of all servers, of one, or as a plain folder."""
        path = urlsplit(url).path.lstrip("/")
        insides = (f"{host_of(url)}/{path}", path, quote(file_name_of(url)))
        parts = urlsplit(self.url)
        base = parts.path.rstrip("/")
        return tuple(urlunsplit(parts._replace(path=f"{base}/{inside}")) for inside in dict.fromkeys(insides))
