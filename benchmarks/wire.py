"""What goes over the link to a module, counted at a simulated ROM: ours, plain esptool, and a whole image.

    python benchmarks/wire.py --old OLD.zip --new NEW.zip

Each row is one upload. "flash data" is what came to be written, compressed; "sectors" are those erased; "link"
is all that went over it, both ways. "a whole image" is what upstream's at.py makes: 4 MB, written as one. Without
packages, the sample package of the demo is taken, which has no older release.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.formats.download_config import parse_download_config

if TYPE_CHECKING:
    from collections.abc import Callable

ESP_AT = [sys.executable, "-m", "platformio_esp_at"]
ESPTOOL = [sys.executable, "-m", "esptool"]


class Cost(NamedTuple):
    """What one upload cost."""

    flash_data: int
    sectors: int
    link: int

    def __str__(self) -> str:
        return f"{self.flash_data:>9,} / {self.sectors:>5} / {self.link:>9,}"


class Project(NamedTuple):
    """A project's folder."""

    root: Path

    def write(self, firmware: Path, **options: str) -> None:
        """Write its file."""
        lines = [f"firmware: {firmware}", "module: WROOM-32", *(f"{name}: {value}" for name, value in options.items())]
        (self.root / "esp_at.yml").write_text("\n".join(lines) + "\n")

    def images(self) -> list[str]:
        """Return the images for esptool's command line."""
        folder = self.root / "build" / "esp_at"
        args = parse_download_config((folder / "download.config").read_text())
        return [word for image in args.images for word in (hex(image.offset), str(folder / image.path))]

    def factory_image(self) -> str:
        """Return the file of the whole flash."""
        return str(next(self.root.glob("build/esp_at/factory/factory_*[!d].bin")))


def run(command: list[str]) -> None:
    """Run a program; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def cost_of(flash: bytes, upload: Callable[[str], None]) -> tuple[Cost, bytes]:
    """Return what an upload onto a flash costs, and the flash afterwards."""
    with SimulatedModule("esp32", flash_size=4 << 20, flash=flash) as module:
        upload(module.port)
        link = module.received + module.sent
        return Cost(module.flash_data, module.erased_sectors, link), module.flash


def rows(project: Project, old: Path | None, new: Path) -> list[tuple[str, list[Cost]]]:
    """Return the costs of each case, in three ways."""

    def ours(port: str) -> None:
        run([*ESP_AT, "flash", "-q", "-C", str(project.root), "-p", port])

    def plain(port: str) -> None:
        run([*ESPTOOL, "--chip", "esp32", "--port", port, "--baud", "460800", "write-flash", *project.images()])

    def whole(port: str) -> None:
        command = [*ESPTOOL, "--chip", "esp32", "--port", port, "--baud", "460800", "write-flash", "0x0"]
        run([*command, project.factory_image()])

    def row(title: str, flash: bytes) -> tuple[str, list[Cost]]:
        return title, [cost_of(flash, upload)[0] for upload in (ours, plain, whole)]

    found = []
    if old is not None:
        project.write(old)
        run([*ESP_AT, "package", "-q", "-C", str(project.root)])
        _, older = cost_of(b"", ours)
    project.write(new)
    run([*ESP_AT, "package", "-q", "-C", str(project.root)])
    found.append(row("first flash, blank module", b""))
    found.append(row("first flash, other content", bytes(range(256)) * (4 << 12)))
    if old is not None:
        found.append(row(f"{old.stem} to {new.stem}", older))
    _, flashed = cost_of(b"", ours)
    found.append(row("nothing changed", flashed))
    changed = bytearray(flashed)
    changed[0x150000] ^= 1
    found.append(row("one byte changed behind our back", bytes(changed)))
    project.write(new, factory_param="{uart_tx_pin: 5}")
    run([*ESP_AT, "package", "-q", "-C", str(project.root)])
    found.append(row("one pin", flashed))
    certificate = Path(__file__).parents[1] / "examples" / "flash-only" / "certs" / "ca.pem"
    project.write(new, pki=f"{{mqtt_ca: {certificate}}}")
    run([*ESP_AT, "package", "-q", "-C", str(project.root)])
    found.append(row("one certificate", flashed))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--old", type=Path, help="an older release for ESP32")
    parser.add_argument("--new", type=Path, help="a release for ESP32")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "project")
        root.mkdir()
        new = arguments.new and arguments.new.resolve()
        if new is None:
            new = Path(scratch, "AT_PACK.zip")
            write_sample_package(new, "esp32", nvs=True)
        print(f"{'flash data / sectors / link':35}{'ours':>30}{'plain write-flash':>30}{'a whole image':>30}")
        for title, costs in rows(Project(root), arguments.old and arguments.old.resolve(), new):
            print(f"{title[:34]:35}{''.join(f'{cost!s:>30}' for cost in costs)}", flush=True)


if __name__ == "__main__":
    main()
