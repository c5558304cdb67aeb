"""URLs of downloads: which are allowed, and how messages show them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from platformio_esp_at.errors import EspAtError

ALLOW_HTTP = "ESP_AT_ALLOW_HTTP"
"""The environment variable that allows http URLs; others on the network can change such a download."""


def is_url(text: str) -> bool:
    """Return whether a text is a URL, such as ``https://…``, and not a path."""
    return re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE) is not None


def check_url(url: str, *, allow_http: bool = False) -> None:
    """Raise `EspAtError` for a URL that isn't allowed."""
    parts = _split(url)
    if parts.scheme not in ("https", "file", "http"):
        raise EspAtError("url-scheme", f"{shown(url)} has an unsupported scheme", hint="take an https URL, or a path")
    if parts.scheme == "http" and not allow_http:
        hint = f"take its https URL; where there is none and you trust the network, set {ALLOW_HTTP}=1"
        raise EspAtError(
            "url-not-encrypted",
            f"{shown(url)} is not encrypted: others on the network could change the download",
            hint=hint,
        )
    if parts.scheme != "file" and not parts.hostname:
        raise EspAtError("url-damaged", f"{shown(url)} names no host", hint="write https://HOST/PATH")
    if parts.scheme == "file" and parts.hostname not in (None, "localhost"):
        raise EspAtError(
            "url-scheme", f"{shown(url)}: file URLs with a host are not supported", hint="write file:///PATH"
        )


def is_loopback(url: str) -> bool:
    """Return whether the host of a URL is this machine."""
    import ipaddress  # noqa: PLC0415 - 1 ms that only a download needs

    host = host_of(url)
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(url: str) -> str:
    """Return a URL for messages and files: without user name and password.

    >>> shown("https://me:secret@example.com/a.zip")
    'https://example.com/a.zip'
    """
    parts = _split(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def file_name_of(url: str) -> str:
    """Return the file name in a URL, made safe for this machine.

    >>> file_name_of("https://example.com/a/b.zip?c"), file_name_of("https://example.com/%2e%2e%2fb.zip")
    ('b.zip', '_b.zip')
    """
    name = unquote(_split(url).path.rpartition("/")[2])
    return re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII).lstrip(".")[-100:] or "package.zip"


def path_of_file_url(url: str) -> Path:
    """Return the path that a ``file:`` URL means."""
    from urllib.request import url2pathname  # noqa: PLC0415 - 20 ms, and every idf.py loads this module

    return Path(url2pathname(_split(url).path))


def followed(url: str, target: str) -> str:
    """Return the URL of a redirect. Raises `EspAtError` for an invalid one."""
    try:
        return urljoin(url, target)
    except ValueError:
        raise EspAtError(
            "url-damaged", f"{shown(url)} redirects to an invalid URL", hint="report it to the server's operator"
        ) from None


def scheme_of(url: str) -> str:
    """Return ``https`` of ``https://…``."""
    return _split(url).scheme


def host_of(url: str) -> str:
    """Return the host that a URL names; "" for none."""
    return _split(url).hostname or ""


def _split(url: str) -> SplitResult:
    try:
        url.encode()  # raises for bytes of a command line that aren't text
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        place = url.rpartition("@")[2]  # without user name and password, wherever they end
        raise EspAtError("url-damaged", f"…{place} is not a URL", hint="write https://HOST/PATH") from None
    return parts
