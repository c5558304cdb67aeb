"""Addresses that files are fetched from: which are allowed, and how they are told."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from platformio_esp_at.errors import EspAtError

ALLOW_HTTP = "ESP_AT_ALLOW_HTTP"
"""The environment variable that allows http addresses, where whoever is on the way can change what comes."""


def is_address(text: str) -> bool:
    """Return whether a text is an address, such as ``https://…``, and not a path."""
    return re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE) is not None


def check_address(address: str, *, allow_http: bool = False) -> None:
    """Raise `EspAtError` for an address that nothing is fetched from."""
    parts = _split(address)
    if parts.scheme not in ("https", "file", "http"):
        raise EspAtError(f"nothing is fetched from {shown(address)}", hint="take an https address, or a path")
    if parts.scheme == "http" and not allow_http:
        hint = f"take its https address; where there is none and you trust the network, set {ALLOW_HTTP}=1"
        raise EspAtError(f"{shown(address)} is not encrypted: anybody on the way could change what comes", hint=hint)
    if parts.scheme != "file" and not parts.hostname:
        raise EspAtError(f"{shown(address)} names no host", hint="write https://HOST/PATH")
    if parts.scheme == "file" and parts.hostname not in (None, "localhost"):
        raise EspAtError(f"{shown(address)} is a file of another host", hint="write file:///PATH")


def is_loopback(address: str) -> bool:
    """Return whether an address is this machine itself."""
    host = host_of(address)
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(address: str) -> str:
    """Return an address as it may be told and kept: without a user's name and password.

    >>> shown("https://me:secret@example.com/a.zip")
    'https://example.com/a.zip'
    """
    parts = _split(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def file_name_of(address: str) -> str:
    """Return the name of the file that is at an address, made safe to be one here too.

    >>> file_name_of("https://example.com/a/b.zip?c"), file_name_of("https://example.com/%2e%2e%2fb.zip")
    ('b.zip', '_b.zip')
    """
    name = unquote(_split(address).path.rpartition("/")[2])
    return re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII).lstrip(".")[-100:] or "package.zip"


def path_of_file_address(address: str) -> Path:
    """Return the path that a ``file:`` address means."""
    from urllib.request import url2pathname  # noqa: PLC0415 - 20 ms, and every idf.py loads this module

    return Path(url2pathname(_split(address).path))


def followed(address: str, target: str) -> str:
    """Return the address that a redirect leads to. Raises `EspAtError` for what can't be one."""
    try:
        return urljoin(address, target)
    except ValueError:
        raise EspAtError(f"{shown(address)} leads on to what is no address") from None


def scheme_of(address: str) -> str:
    """Return ``https`` of ``https://…``."""
    return _split(address).scheme


def host_of(address: str) -> str:
    """Return the host that an address names; "" for none."""
    return _split(address).hostname or ""


def _split(address: str) -> SplitResult:
    try:
        address.encode()  # bytes of a command line that are no text
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        place = address.rpartition("@")[2]  # no name, no password: wherever they end here
        raise EspAtError(f"…{place} is not an address", hint="write https://HOST/PATH") from None
    return parts
