"""``esp-at demo``: a real ``pio run -t upload_at`` of the example project, then the flash of the simulated module."""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.releases import find_release
from platformio_esp_at.commands.templates import template
from platformio_esp_at.demo.archive import write_platform_archive
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.stand_in import StandIn
from platformio_esp_at.errors import EspAtError, FlashError
from platformio_esp_at.firmware.cache import CACHE
from platformio_esp_at.firmware.mirror import MIRROR
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.units import SECTOR_SIZE, align_up, format_offset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from platformio_esp_at.demo.simulated_module import SimulatedModule

_ENVIRONMENT = "at-module"
"""The environment of the example's ``platformio.ini``."""

_INTRODUCTION = """\
A real pio flashes the project examples/flash-only onto a simulated ESP32 module, with real esptool.
The firmware is a stand-in, made here: it has the form of a package of Espressif's, and no program in it.\
"""

_OLD_FLASH = (b"what the module had saved before " * (4 << 20))[: 4 << 20]


class DemoProject(NamedTuple):
    """The example project in a folder of its own, a PlatformIO that is there for it alone, and a module at a port."""

    folder: Path
    module: SimulatedModule
    pio_environment: Mapping[str, str]

    @property
    def image_set(self) -> Path:
        """Where its images are, once they are made."""
        return self.folder / ".pio" / "build" / _ENVIRONMENT / "esp_at"


@contextmanager
def demo_project() -> Iterator[DemoProject]:
    """Give what the demo runs in; all of it is gone afterwards. Raises `EspAtError` if a part is missing."""
    try:
        from platformio_esp_at.demo.pio_home import make_pio_home  # noqa: PLC0415 - parts of an extra
        from platformio_esp_at.demo.simulated_module import SimulatedModule  # noqa: PLC0415
    except ImportError as error:
        raise _missing(error.name) from None
    firmware = StandIn()
    with tempfile.TemporaryDirectory(prefix="esp-at-demo-") as scratch:
        folder = Path(scratch, "project")
        shutil.copytree(template("flash-only"), folder)
        _take_platform_from(write_platform_archive(Path(scratch)), folder / "platformio.ini")
        mirror = Path(scratch, "mirror")
        mirror.mkdir()
        package = mirror / find_release(find_module("esp32", "WROOM-32"), firmware.release).file_name
        write_sample_package(package, nvs=True, prints=firmware.prints)
        # pio itself downloads nothing here, but the first target gets the Python packages that it needs.
        env = make_pio_home(Path(scratch, "pio-home"), offline=False)
        env |= {MIRROR: str(mirror), CACHE: str(Path(scratch, "cache"))}
        # Its port has DTR and RTS, by which esptool resets the module, as at a real board.
        with SimulatedModule("esp32", flash=_OLD_FLASH, transport="rfc2217", boot_log=firmware.boot_log) as module:
            yield DemoProject(folder, module, env)


def run_demo(say: Callable[[str], None]) -> None:
    """Flash the example project onto a simulated module, and compare its flash with the plan.

    ``say`` prints a line. Raises `EspAtError` if a part is missing, `FlashError` if the flash differs from the plan.
    """
    from platformio_esp_at.demo.pio_home import run_pio  # noqa: PLC0415

    say(_INTRODUCTION)
    with demo_project() as project:
        for target in ("upload_at", "test_at"):
            words = ["run", "-t", target, "--upload-port", project.module.port]
            say(f"\n$ pio {shlex.join(words)}")
            if run_pio(words, project=project.folder, env=project.pio_environment, shown=True).returncode:
                raise FlashError("demo-failed", "pio failed", hint="its own message is above")
        say(_compare(project))


def _take_platform_from(archive: Path, ini: Path) -> None:
    """Let a project take the flash-only platform from this machine instead of its release's address."""
    text = ini.read_text(encoding="utf-8")
    address = f"file://{archive.as_posix()}"  # not as_uri(): a % means something in this file
    ini.write_text(re.sub(r"(?m)^platform = .*$", lambda _: f"platform = {address}", text), encoding="utf-8")


def _missing(name: str | None) -> EspAtError:
    return EspAtError(
        "demo-part-missing", f"the demo needs {name}", hint='install it with: pip install "platformio-esp-at[demo]"'
    )


def _compare(project: DemoProject) -> str:
    """Return what was found equal. Raises `FlashError` for a byte that is neither the image set's nor the old one."""
    module, image_set = project.module, project.image_set
    args = parse_download_config((image_set / "download.config").read_text())
    expected = bytearray(_OLD_FLASH)
    for image in args.images:
        data = (image_set / image.path).read_bytes()
        end = image.offset + align_up(len(data), SECTOR_SIZE)
        expected[image.offset : end] = data.ljust(end - image.offset, b"\xff")
    found = module.flash
    if found != expected:
        first = next(offset for offset, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
        raise FlashError(
            "demo-failed",
            f"the module's flash differs from the plan at {format_offset(first)}",
            hint=f"report it with the image set in {image_set}",
        )
    written = sum(length for _, length in module.writes)
    return (
        f"\nThe module's flash was read back: all {len(args.images)} images of the plan are there ({written} bytes), "
        "and every byte outside their sectors is as it was."
    )
