"""The machine of somebody who follows our pages: `esp-at`, `pio` and `idf.py` on PATH, and a module plugged in.

What such a reader downloads lies on this machine: firmware in a mirror of sample packages, our own releases as files,
dev-platforms as stand-ins. Everything else is real.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from boot_logs import GENERATIONS, Says
from consoles import Shell, write_program
from played_module import PlayedModule
from reader_idf import COMPONENT

from platformio_esp_at.catalog.modules import module, release_key
from platformio_esp_at.catalog.releases import find_release
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.simulated_module import SimulatedModule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOWNLOAD_PORT = "/dev/ttyUSB0"
AT_PORT = "/dev/ttyUSB1"
COMPILED = ("0123456", "Jun 26 2025", "16:00:00")
"""What the firmware says of its build: from which commit, when."""
_TESTS = Path(__file__).parent
_NOT_A_READERS = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "PIP_", "VIRTUAL_ENV")
_MFG_NVS = release_key("v3.1.0.0")
"""The first release that has its parameters and certificates in ``mfg_nvs``."""

_PIO = """\
#!{python}
import re, runpy, sys
from pathlib import Path

ini = Path("platformio.ini")
if ini.exists():
    address = re.compile(r"https://github\\.com/\\S+/releases/download/[^/\\s]+")
    ini.write_text(address.sub(lambda _: "file://" + {released!r}, ini.read_text()))
sys.argv[0] = "pio"
runpy.run_module("platformio", run_name="__main__")
"""


@contextmanager
def reader_machine(
    place: Path,
    *,
    pio_env: Mapping[str, str],
    released: Path,
    firmware: Mapping[str, str],
    says: Says | None = None,
    chip: str = "esp32",
    flash: bytes = b"",
) -> Iterator[Shell]:
    """Give a shell in an empty folder below ``place``, at whose ports a module of ``chip`` is plugged in.

    ``released``: what is released of this project. ``firmware``: the releases that the servers have, by module: one, or
    several with spaces between. ``flash``: what the module has in its flash before. It starts after each upload, and
    says what ``says`` has; its AT port answers.
    """
    folder, home, programs, scratch = (place / name for name in ("a project für AT", "home", "bin", "scratch"))
    for path in (folder, home, scratch):
        path.mkdir(parents=True)
    mirror = place / "mirror"
    mirror.mkdir()
    for name, releases in firmware.items():
        of = module(*name.split("/"))
        for release in releases.split():
            path = mirror / find_release(of, release).file_name
            prints = (release, *COMPILED)
            write_sample_package(path, of.chip, module=of.name, nvs=release_key(release) >= _MFG_NVS, prints=prints)
    _write_programs(programs, released)
    env = {
        **{name: value for name, value in pio_env.items() if not name.startswith(_NOT_A_READERS)},
        "HOME": str(home),
        "TMPDIR": str(scratch),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "COLUMNS": "100",
        "ESP_AT_MIRROR": str(mirror),
        "ESP_AT_CACHE": str(place / "cache"),
        "ESP_AT_PYTHON": sys.executable,
        COMPONENT: str(released / "esp_at_flash"),
    }
    says = says or Says(chip=chip, version="v4.1.1.0")
    generation = max((g for g in GENERATIONS if release_key(g) <= release_key(says.version)), key=release_key)
    replies = {"AT": [b"\r\nOK\r\n"], "AT+GMR": [_version_of(says).encode()], "*": [b"\r\nERROR\r\n"]}
    with (
        SimulatedModule(chip, flash=flash, transport="rfc2217", boot_log=says.log(generation).encode()) as plugged_in,
        PlayedModule(replies, baud=says.baudrate) as at_port,
    ):
        replaced = {DOWNLOAD_PORT: plugged_in.port, AT_PORT: at_port.port}
        yield Shell(folder, env, replaced, files=("platformio.ini", "esp_at.yml"))


def _version_of(says: Says) -> str:
    """Return what AT+GMR answers."""
    number = says.version.removeprefix("v")
    lines = (
        f"AT version:{number}(0123456 - {says.chip.upper()} - Jun 26 2025 08:00:00)",
        "SDK version:v5.0.6-dirty",
        f"compile time({COMPILED[0]}):{COMPILED[1]} {COMPILED[2]}",
        f"Bin version:{says.version}({says.name})",
        "",
        "OK",
    )
    return "".join(f"{line}\r\n" for line in lines)


def _write_programs(folder: Path, released: Path) -> None:
    python = shlex.quote(sys.executable)
    write_program(folder / "esp-at", f'#!/bin/sh\nexec {python} -m platformio_esp_at "$@"\n')
    run_pio = folder / "lib" / "pio.py"
    write_program(run_pio, _PIO.format(python=sys.executable, released=str(released)))
    write_program(folder / "pio", f'#!/bin/sh\nexec {python} {shlex.quote(str(run_pio))} "$@"\n')
    idf_py = shlex.quote(str(_TESTS / "reader_idf.py"))
    write_program(folder / "idf.py", f'#!/bin/sh\nexec {python} {idf_py} "$@"\n')
