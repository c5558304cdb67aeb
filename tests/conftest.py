"""Fixtures and hooks that several kinds of tests share."""

from __future__ import annotations

import os
import secrets
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from firmware_server import FirmwareServer, write_certificate
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from platformio_esp_at.demo.simulated_module import SimulatedModule

settings.register_profile("without-clock", deadline=None)  # the first example loads what the others find loaded
settings.load_profile("without-clock")

# A host's script runs us in this Python, which has what we need; tests of a folder of packages take this away.
os.environ.setdefault("ESP_AT_PYTHON", sys.executable)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what CONTRIBUTING.md names for long runs."""
    help_ = "how long tests/property/test_hostile_input.py changes the input of each reader (default: some examples)"
    parser.addoption("--reader-seconds", type=float, default=0, metavar="N", help=help_)
    help_ = "how often tests/e2e/test_packages_folder.py kills a first use (default: 3)"
    parser.addoption("--kills", type=int, default=3, metavar="N", help=help_)
    parser.addoption("--all-packages", action="store_true", help="with all packages there, not just the fewest")
    help_ = "how many of upstream's modules tests/golden/test_kept_bytes.py updates (default: 8; there are 167)"
    parser.addoption("--module-rows", type=int, default=8, metavar="N", help=help_)
    parser.addoption("--kill-within", type=float, default=2, metavar="S", help="in how many seconds after its start")
    help_ = "how often tests/e2e/test_device_faults.py kills an upload at a random moment (default: 3)"
    parser.addoption("--flash-kills", type=int, default=3, metavar="N", help=help_)
    help_ = "how many flipped bytes tests/e2e/test_what_is_written.py lets verify find (default: 2)"
    parser.addoption("--flips", type=int, default=2, metavar="N", help=help_)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests that need the reference data if there is none; if it is there, refuse tests without a case."""
    without = pytest.mark.skip(reason="need the reference data (ESP_AT_REFERENCE)")
    for item in items:
        if "reference" in getattr(item, "fixturenames", ()) and not os.environ.get("ESP_AT_REFERENCE"):
            item.add_marker(without, append=False)  # before pytest's own mark for tests without a case
        elif any("empty parameter set" in mark.kwargs.get("reason", "") for mark in item.iter_markers("skip")):
            raise pytest.UsageError(f"{item.nodeid} has no case to test")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print in one line what was skipped and why; reasons begin with "need"."""
    skipped = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    if skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.most_common())
        terminalreporter.write_line(f"{skipped.total()} skipped: {reasons}")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the folder of the reference data; tests that need it are skipped without `ESP_AT_REFERENCE`.

    It has the output of upstream's tools and released firmware packages, and is outside this repository.
    """
    return Path(os.environ["ESP_AT_REFERENCE"])


@pytest.fixture(scope="session")
def server_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the certificate, with its key, of the https servers of these tests."""
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def http_server() -> Iterator[FirmwareServer]:
    """Return an http server."""
    with FirmwareServer() as server:
        yield server


@pytest.fixture
def https_server(server_certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FirmwareServer]:
    """Return an https server whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(server_certificate))
    with FirmwareServer(server_certificate) as server:
        yield server


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test its own download cache, without the user's environment variables for downloads."""
    ours = ("ESP_AT_MIRROR", "ESP_AT_ALLOW_HTTP", "ESP_AT_CA_BUNDLE")
    for name in (*ours, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    cache = tmp_path_factory.getbasetemp() / "cache" / secrets.token_hex(4)
    monkeypatch.setenv("ESP_AT_CACHE", str(cache))
    return cache


@pytest.fixture
def simulated_module() -> Iterator[Callable[..., SimulatedModule]]:
    """Start a `SimulatedModule` with these arguments; it stops after the test."""
    pytest.importorskip("pty", reason="need pseudo-terminals")
    from platformio_esp_at.demo.simulated_module import SimulatedModule  # noqa: PLC0415 - tests without it need no part

    with ExitStack() as running:
        yield lambda *args, **options: running.enter_context(SimulatedModule(*args, **options))


@pytest.fixture
def silent_port() -> Iterator[str]:
    """Return a port on which nobody answers: esptool tries to connect for many seconds."""
    pty = pytest.importorskip("pty", reason="need pseudo-terminals")
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(theirs)
    os.close(ours)
