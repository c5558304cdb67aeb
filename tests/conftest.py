"""What several kinds of tests share."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from firmware_server import FirmwareServer, write_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the folder of the reference data; tests that need it are skipped where it is missing.

    It holds what upstream's tools made and firmware packages as released, and lies outside this repository.
    """
    place = os.environ.get("ESP_AT_REFERENCE")
    if not place:
        pytest.skip("ESP_AT_REFERENCE isn't set: no reference data to compare with")
    return Path(place)


@pytest.fixture(scope="session")
def server_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the certificate, with its key, of the https servers of these tests."""
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def http_server() -> Iterator[FirmwareServer]:
    """Return a server that speaks http."""
    with FirmwareServer() as server:
        yield server


@pytest.fixture
def https_server(server_certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FirmwareServer]:
    """Return a server that speaks https, and trust its certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server_certificate))
    with FirmwareServer(server_certificate) as server:
        yield server


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the cache of downloads of whoever runs the tests out of them, and what it set for them."""
    for name in ("ESP_AT_MIRROR", "ESP_AT_ALLOW_HTTP", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    cache = tmp_path_factory.getbasetemp() / "cache" / secrets.token_hex(4)
    monkeypatch.setenv("ESP_AT_CACHE", str(cache))
    return cache
