"""The machine of somebody who follows our pages: `esp-at`, `pio` and `idf.py` on PATH, and a module plugged in.

What such a reader downloads lies on this machine: firmware in a mirror of sample packages, our own releases as files,
dev-platforms as stand-ins. Everything else is real.
"""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from consoles import Shell, write_program
from played_module import PlayedModule
from reader_idf import COMPONENT

from platformio_esp_at.catalog.modules import module, release_key
from platformio_esp_at.catalog.releases import find_release
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.demo.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOWNLOAD_PORT = "/dev/ttyUSB0"
AT_PORT = "/dev/ttyUSB1"
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
    runs: StandIn,
    flash: bytes = b"",
    others: Mapping[str, StandIn] | None = None,
) -> Iterator[Shell]:
    """Give a shell in an empty folder below ``place``, at whose ports a module is plugged in; its firmware is ``runs``.

    ``released``: what is released of this project. ``firmware``: the releases that the servers have, by module: one, or
    several with spaces between. ``flash``: what the module has in its flash before. It starts after each upload; what
    its log and its AT port say is by what its flash has then. ``others``: modules at further ports, or instead of the
    AT port, by which they are flashed.
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
            nvs, prints = release_key(release) >= _MFG_NVS, StandIn(of.chip, release).prints
            write_sample_package(path, of.chip, module=of.name, nvs=nvs, prints=prints)
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
    with ExitStack() as plugged_in:

        def plug_in(firmware: StandIn, flash: bytes) -> SimulatedModule:
            module = SimulatedModule(firmware.chip, flash=flash, transport="rfc2217", boot_log=firmware.boot_log)
            return plugged_in.enter_context(module)

        main = plug_in(runs, flash)
        version, baud = (lambda: runs.version(main.flash)), (lambda: runs.baudrate(main.flash))
        replies = {"AT": [b"\r\nOK\r\n"], "AT+GMR": [version], "*": [b"\r\nERROR\r\n"]}
        at_port = plugged_in.enter_context(PlayedModule(replies, baud=baud))
        ports = {DOWNLOAD_PORT: main.port, AT_PORT: at_port.port}
        ports |= {port: plug_in(firmware, b"").port for port, firmware in (others or {}).items()}
        yield Shell(folder, env, ports, files=("platformio.ini", "esp_at.yml"))


def _write_programs(folder: Path, released: Path) -> None:
    python = shlex.quote(sys.executable)
    write_program(folder / "esp-at", f'#!/bin/sh\nexec {python} -m platformio_esp_at "$@"\n')
    run_pio = folder / "lib" / "pio.py"
    write_program(run_pio, _PIO.format(python=sys.executable, released=str(released)))
    write_program(folder / "pio", f'#!/bin/sh\nexec {python} {shlex.quote(str(run_pio))} "$@"\n')
    idf_py = shlex.quote(str(_TESTS / "reader_idf.py"))
    write_program(folder / "idf.py", f'#!/bin/sh\nexec {python} {idf_py} "$@"\n')
