"""The clean cases: our sample packages and, with the reference data, released and assembled packages."""

from __future__ import annotations

import functools
import gzip
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from faults.case import CONFIG, Case
from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.formats.download_config import parse_download_config

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAMPLES = (
    ("esp32", "WROOM-32", False),
    ("esp32", "WROVER-32", True),
    ("esp32c3", "MINI-1", False),
    ("esp8266", "ESP8266_1MB", False),
    ("esp32c6", "ESP32C6-4MB", True),
    ("esp32s2", "MINI", False),
    ("esp32c5", "ESP32C5-4MB", True),
    ("esp32", "ESP32-D2WD", False),
    ("esp32c61", "ESP32C61-4MB", True),
    ("esp32c2", "ESP32C2-2MB", False),
    ("esp32s2", "MINI", True),
)
_RELEASED = {
    "ESP32-WROOM-32_AT_Bin_V2.0.zip": ("esp32", "WROOM-32"),
    "ESP32-WROOM-32-AT-V4.1.0.0-dev.zip": ("esp32", "WROOM-32"),
    "ESP8266-01_RTOS_AT_Bin_V2.2.1": ("esp8266", "ESP8266_1MB"),
    "ESP32-C3-MINI-1-AT-V4.0.0.0-dev.zip": ("esp32c3", "MINI-1"),
}
_ROWS = (
    "v2.2.0.0_esp32/ESP32-WROVER-32",
    "v4.1.1.0/ESP32C5-ESP32C5-4MB",
    "v2.2.1.0_esp8266/ESP8266-WROOM-02",
    "HEAD/ESP32C61-ESP32C61-4MB",
    "v2.4.0.0/ESP32C3-MINI-1",
    "v4.1.1.0/ESP32C6-ESP32C6-4MB",
    "v2.1.0.0_esp32s2/ESP32S2-MINI",
    "v4.1.1.0/ESP32C2-ESP32C2-2MB",
    "v3.1.0.0/ESP32-WROOM-32",
    "v2.2.1.0_esp8266/ESP8266-ESP8266_1MB",
    "v4.1.1.0/ESP32S2-MINI",
    "v4.1.1.0/ESP32-ESP32-SDIO",
)


@functools.cache
def sample_cases() -> tuple[Case, ...]:
    """Return the cases of our own sample packages, both generations, every chip."""
    return tuple(
        Case(
            f"SAMPLE-{name}-{module}{'-NVS' if nvs else ''}",
            name,
            module,
            _images(sample_package(name, module=module, nvs=nvs)),
        )
        for name, module, nvs in _SAMPLES
    )


@functools.cache
def reference_cases(reference: Path) -> tuple[Case, ...]:
    """Return the released packages, and packages of what upstream's tools made with stand-ins for the programs."""
    return (
        *(_released(reference / "at-packages" / name, *of) for name, of in _RELEASED.items()),
        *(_row(reference / "golden", row) for row in _ROWS),
    )


def all_cases(reference: Path | None) -> tuple[Case, ...]:
    return (*(reference_cases(reference) if reference else ()), *sample_cases())


def _images(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return a package without the factory images, which are large and of which only the name is read."""
    return {path: data for path, data in files.items() if not path.startswith("factory/")}


def _released(path: Path, chip: str, module: str) -> Case:
    root: Path | zipfile.Path = path
    if path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        config = next(
            name for name in archive.namelist() if PurePosixPath(name).name == CONFIG and "__MACOSX" not in name
        )
        root = zipfile.Path(archive, config).parent
    return Case(path.name.removesuffix(".zip"), chip, module, _images(dict(_files(root, ""))))


def _files(folder: Path | zipfile.Path, inside: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{inside}{entry.name}/")
        elif entry.name.endswith((".bin", CONFIG, "flasher_args.json")) and not entry.name.startswith("._"):
            yield inside + entry.name, entry.read_bytes()


def _row(golden: Path, row: str) -> Case:
    """Return the package of one module: its own files, and the stand-ins of its chip."""
    release, _, name = row.partition("/")
    platform, _, module = name.partition("-")
    chip = find_chip(platform).key
    files = {CONFIG: (golden / row / CONFIG).read_bytes()}
    for image in parse_download_config(files[CONFIG].decode()).images:
        file = PurePosixPath(image.path).name
        stand_in = file.replace("phy_multiple_init_data", "phy_init_data")
        places = (golden / row / file, golden / "_dummy" / chip / file, golden / "_dummy" / stand_in)
        packed = golden / row / f"{file}.gz"
        files[image.path] = (
            gzip.decompress(packed.read_bytes()) if packed.exists() else next(filter(Path.exists, places)).read_bytes()
        )
    files |= {
        f"customized_partitions/{own.name}": own.read_bytes() for own in (golden / row).glob("factory_param_*.bin")
    }
    number = release.partition("_")[0]
    version = f"-AT-{number.upper()}" if number != "HEAD" else ""
    return Case(f"{platform}-{module}{version}", chip, module, files)
