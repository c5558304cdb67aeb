"""Every page of docs/ that has commands, followed command by command on the machine of its reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pytest
from boot_logs import Says
from consoles import Command, follow, steps
from x509_files import certificate, ec_key, key_bytes, pem

pytest.importorskip("pty", reason="need pseudo-terminals")
from reader_machine import reader_machine

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(
    page.relative_to(DOCS).as_posix()
    for page in DOCS.rglob("*.md")
    if any(isinstance(step, Command) for step in steps(page.read_text(encoding="utf-8")))
)

NOT_RUN = {
    "pipx": "installs from the package index",
    "pip": "installs from the package index",
    "sudo": "changes the machine",
    "git": "is the reader's own, with his name and his remote",
    ".": "sets up ESP-IDF, which isn't here",
    "pyserial-miniterm": "is for somebody at a terminal",
    "idf.py -p /dev/ttyUSB0 flash": "writes a program that ESP-IDF compiles",
    "pio device monitor": "is for somebody at a terminal",
}
"""Words that a command begins with that is left out, and why."""

NOTHING_TO_RUN: dict[str, str] = {}
"""Pages of which no command can run, and why."""


def _date(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=timezone.utc)


def _ca() -> bytes:
    return pem(certificate("Our CA", ec_key("docs ca"), start=_date(2020), end=_date(2049), ca=True))


def _client() -> bytes:
    issuer = {"issuer": "Our CA", "issuer_key": ec_key("docs ca")}
    return pem(certificate("gateway-7", ec_key("docs client"), start=_date(2020), end=_date(2049), ca=False, **issuer))


class Reader(NamedTuple):
    """What the reader of a page has; by default, an ESP32 module and the recommended firmware."""

    firmware: Mapping[str, str] = {"esp32/WROOM-32": "v4.1.1.0"}  # noqa: RUF012 - never changed
    chip: str = "esp32"
    says: Says = Says(version="v4.1.1.0")
    """What the module says when it starts, and at its AT port."""
    files: Mapping[str, Callable[[], bytes]] = {}  # noqa: RUF012


CERTIFICATES = {
    "certs/ca.pem": _ca,
    "certs/client.pem": _client,
    "certs/client.key": lambda: key_bytes(ec_key("docs client")),
}
READERS: dict[str, Reader] = {}
"""The readers who need something else, by page."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_true(name, reader_pio_env, released, tmp_path):
    reader = READERS.get(name, Reader())
    with reader_machine(
        tmp_path / "machine",
        pio_env=reader_pio_env,
        released=released,
        firmware=reader.firmware,
        chip=reader.chip,
        says=reader.says,
    ) as shell:
        for file, content in reader.files.items():
            path = shell.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content())
        ran = follow(DOCS / name, shell, not_run=tuple(NOT_RUN))
    assert bool(ran) is (name not in NOTHING_TO_RUN)


def test_no_exception_is_left_over():
    assert set(NOTHING_TO_RUN) <= set(PAGES)
    assert set(READERS) <= set(PAGES)
