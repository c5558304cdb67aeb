"""A mirror: a server, or a folder, that takes the place of Espressif's servers."""

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
    check_address,
    file_name_of,
    host_of,
    is_address,
    is_loopback,
)

MIRROR = "ESP_AT_MIRROR"
"""The environment variable that names it."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """A mirror by its address, which may be a ``file:`` address."""

    address: str

    @classmethod
    def of_environment(cls) -> Mirror | None:
        """Return the mirror of `MIRROR`, or None. Raises `EspAtError` for a folder that isn't there."""
        text = os.environ.get(MIRROR, "").strip()
        if not text:
            return None
        with located(MIRROR):
            if is_address(text):
                mirror = cls(text)
                check_address(text, allow_http=mirror.allows_http)
                return mirror
            folder = Path(os.path.expanduser(text)).absolute()  # noqa: PTH111 - which never raises
            hint = f"set {MIRROR} to a folder of zips or to an address (https://…), or unset it"
            try:
                mode = file_mode(folder)
            except OSError as error:
                raise EspAtError(f"{folder} can't be read: {error.strerror or error}", hint=hint) from None
            if mode is None or not stat.S_ISDIR(mode):
                raise EspAtError(f"there is no folder {folder}", hint=hint)
            return cls(folder.as_uri())

    @property
    def allows_http(self) -> bool:
        """Whether it may be asked by http: on this machine, nobody is on the way."""
        return allows_http() or is_loopback(self.address)

    def places(self, address: str) -> tuple[str, ...]:
        """Return where it may have what is at an address: as a copy of all servers, of one, or as a plain folder."""
        path = urlsplit(address).path.lstrip("/")
        insides = (f"{host_of(address)}/{path}", path, quote(file_name_of(address)))
        parts = urlsplit(self.address)
        base = parts.path.rstrip("/")
        return tuple(urlunsplit(parts._replace(path=f"{base}/{inside}")) for inside in dict.fromkeys(insides))
