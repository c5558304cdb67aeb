"""What several kinds of tests share."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from firmware_server import FirmwareServer, write_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the reference data where there is none; where it is there, nothing may be without a case."""
    without = pytest.mark.skip(reason="need the reference data (ESP_AT_REFERENCE)")
    for item in items:
        if "reference" in getattr(item, "fixturenames", ()) and not os.environ.get("ESP_AT_REFERENCE"):
            item.add_marker(without, append=False)  # before pytest's own, of tests whose cases come from the data
        elif any("empty parameter set" in mark.kwargs.get("reason", "") for mark in item.iter_markers("skip")):
            raise pytest.UsageError(f"{item.nodeid} has no case to test")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was skipped and why; reasons begin with "need"."""
    skipped = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    if skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.most_common())
        terminalreporter.write_line(f"{skipped.total()} skipped: {reasons}")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the folder of the reference data; tests that need it are skipped without `ESP_AT_REFERENCE`.

    It holds what upstream's tools made and firmware packages as released, and lies outside this repository.
    """
    return Path(os.environ["ESP_AT_REFERENCE"])


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
