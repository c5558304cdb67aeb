"""The README and every page of docs/ that has commands, followed command by command on the machine of its reader."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from consoles import Command, follow, steps
from module_nvs import ModuleNvs
from x509_files import certificate, ec_key, key_bytes, pem

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.demo.stand_in import StandIn
from platformio_esp_at.formats.download_config import parse_download_config

pytest.importorskip("pty", reason="need pseudo-terminals")
from reader_machine import reader_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
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


def _package(release: str) -> dict[str, bytes]:
    return sample_package(nvs=release != "v2.4.0.0", prints=StandIn(release=release).prints)


def _zip_of(release: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in _package(release).items():
            archive.writestr(name, data)
    return made.getvalue()


def _flash_with(release: str, rate: int = 115200) -> bytes:
    """Return the flash of a module that runs a release, and that has saved its UART settings."""
    files = _package(release)
    flash = bytearray(b"\xff" * (4 << 20))
    saved = ModuleNvs(13)
    for key, value in {"rate": rate, "flow_ctrl": 0}.items():
        saved.set(key, value)
    plan = parse_download_config(files["download.config"].decode())
    images = {image.offset: files[image.path] for image in plan.images}
    for offset, data in {**images, NVS: saved.image()}.items():
        flash[offset : offset + len(data)] = data
    return bytes(flash)


class Reader(NamedTuple):
    """What the reader of a page has; by default, an ESP32 module and the recommended firmware."""

    firmware: Mapping[str, str] = {"esp32/WROOM-32": "v4.1.1.0"}
    runs: StandIn = StandIn()
    """The firmware that his module runs; what that says is by what is in the flash."""
    others: Mapping[str, StandIn] = {}
    """The modules at further ports, by these."""
    before: tuple[str, ...] = ()
    """The commands that the page takes for done; they aren't compared."""
    files: Mapping[str, Callable[[], bytes]] = {}
    flash: Callable[[], bytes] = bytes
    """What the module has in its flash before."""


V4 = "ESP32-WROOM-32-AT-V4.1.1.0.zip"
CERTIFICATES = {
    "certs/ca.pem": _ca,
    "certs/client.pem": _client,
    "certs/client.key": lambda: key_bytes(ec_key("docs client")),
    "certs/other.key": lambda: key_bytes(ec_key("docs other")),
}
NVS = 0x12000
IDF_PROJECT = ("idf.py create-project gateway", "cd gateway", "idf.py set-target esp32")
READERS: dict[str, Reader] = {
    "how-to/air-gapped-factory-pc.md": Reader(files={f"firmware/{V4}": lambda: _zip_of("v4.1.1.0")}),
    "how-to/back-up-and-restore.md": Reader(flash=lambda: _flash_with("v4.1.1.0")),
    "how-to/company-network-and-mirror.md": Reader(files={V4: lambda: _zip_of("v4.1.1.0")}),
    "how-to/esp8266.md": Reader(
        firmware={"esp8266/WROOM-02": "v2.3.0.0"},
        runs=StandIn("esp8266", "v2.3.0.0"),
    ),
    "how-to/flash-ok-no-answer.md": Reader(flash=lambda: _flash_with("v4.1.1.0", rate=9600)),
    "how-to/from-v2-to-v4.md": Reader(
        firmware={"esp32/WROOM-32": "v2.4.0.0 v4.1.1.0"},
        files={**CERTIFICATES, "ESP32-WROOM-32-AT-V2.4.0.0.zip": lambda: _zip_of("v2.4.0.0")},
        flash=lambda: _flash_with("v2.4.0.0"),
    ),
    "how-to/mqtt-certificates.md": Reader(files=CERTIFICATES),
    "how-to/two-modules.md": Reader(
        firmware={"esp32/WROOM-32": "v4.1.1.0", "esp32c3/MINI-1": "v4.1.1.0"},
        others={"/dev/ttyUSB1": StandIn(), "/dev/ttyUSB2": StandIn("esp32c3")},
        before=(*IDF_PROJECT, "esp-at init --namespace acme", "idf.py reconfigure"),
    ),
    "how-to/update-and-keep-wifi.md": Reader(flash=lambda: _flash_with("v4.1.0.0")),
    "reference/formats.md": Reader(
        files={"esp_at.yml": lambda: b"firmware: v4.1.1.0\nmodule: WROOM-32\n"}, before=("esp-at package",)
    ),
}
"""The readers who need something else, by page."""


README_BEFORE = {
    # pio finds the only board that is plugged in; it can't see a simulated one.
    "In a PlatformIO project": ("export PLATFORMIO_UPLOAD_PORT=/dev/ttyUSB0",),
    "In an ESP-IDF project": IDF_PROJECT,
    "On the command line": (),
}
"""The sections of the README, each with the commands that it takes for done."""


@pytest.fixture
def followed(reader_pio_env, released, tmp_path):
    """Follow a page, or a section of it, as its reader, and return how many commands ran."""

    def run(page, reader, section=None):
        with reader_machine(
            tmp_path / "machine",
            pio_env=reader_pio_env,
            released=released,
            firmware=reader.firmware,
            runs=reader.runs,
            flash=reader.flash(),
            others=reader.others,
        ) as shell:
            for file, content in reader.files.items():
                path = shell.folder / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content())
            for command in reader.before:
                code, printed = shell.run(command)
                assert code == 0, printed
            return follow(page, shell, section=section, not_run=tuple(NOT_RUN))

    return run


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_true(name, followed):
    ran = followed(DOCS / name, READERS.get(name, Reader()))
    assert bool(ran) is (name not in NOTHING_TO_RUN)


@pytest.mark.parametrize("section", README_BEFORE)
def test_a_section_of_the_readme_is_true(section, followed):
    assert followed(README, Reader(before=README_BEFORE[section]), section)


def test_the_readme_has_no_other_commands():
    page = README.read_text(encoding="utf-8")

    def commands(section=None):
        return {step.text.partition("#")[0].strip() for step in steps(page, section) if isinstance(step, Command)}

    in_sections = set().union(*map(commands, README_BEFORE))
    assert commands() == in_sections


def test_no_exception_is_left_over():
    assert set(NOTHING_TO_RUN) <= set(PAGES)
    assert set(READERS) <= set(PAGES)
