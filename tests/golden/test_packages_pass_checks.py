"""Firmware packages as upstream's tools make them, of every module: no check has anything to say about them."""

from __future__ import annotations

import gzip
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.checks.plan import check_plan, check_values
from platformio_esp_at.errors import Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import Text

REFERENCE = os.environ.get("ESP_AT_REFERENCE")
ROWS = sorted(config.parent for config in Path(REFERENCE, "golden").rglob("download.config")) if REFERENCE else []
RELEASED = {
    "ESP32-WROOM-32_AT_Bin_V2.0.zip": "WROOM-32",
    "ESP8266-01_RTOS_AT_Bin_V2.2.1": "ESP8266_1MB",
    "ESP32-WROOM-32-AT-V4.1.0.0-dev.zip": "WROOM-32",
    "ESP32-C3-MINI-1-AT-V4.0.0.0-dev.zip": "MINI-1",
}
NOW = datetime(2026, 7, 1, tzinfo=timezone.utc)


def _name(row: Path) -> str:
    return "/".join(row.relative_to(Path(REFERENCE, "golden")).parts) if REFERENCE else ""


def _row_of(row: Path) -> tuple[str, str, str]:
    """Return release, chip and module of a row."""
    release = _name(row).split("/")[0]
    platform, _, module = row.name.partition("__")[0].partition("-")
    return release, platform, module


def _content(row: Path, chip: str, name: str) -> bytes:
    """Return an image of the row: of programs and PHY data, there are stand-ins."""
    golden = row.parents[len(_name(row).split("/")) - 1]
    dummy = golden / "_dummy"
    stand_in = name.replace("phy_multiple_init_data", "phy_init_data")
    places = (row / name, row.parent / "_common" / name, dummy / chip / name, dummy / name, dummy / stand_in)
    packed = row / f"{name}.gz"
    return gzip.decompress(packed.read_bytes()) if packed.exists() else next(filter(Path.exists, places)).read_bytes()


def _findings(package: Path, module: str):
    found = open_package(package)
    request = Request(module=Text(module, Place.at(option="module")))
    plan = make_plan(found, select(request.module, None, found), request)
    return [*plan.notes, *check_plan(plan, None), *check_values(plan, None, request, now=NOW)]


@pytest.mark.usefixtures("reference")
def test_every_row_is_checked():
    assert len(ROWS) >= 120


@pytest.mark.parametrize("row", ROWS, ids=_name)
@pytest.mark.usefixtures("reference")
def test_a_row_has_no_finding(row, tmp_path):
    release, platform, module = _row_of(row)
    chip = find_chip(platform)
    folder = tmp_path / f"{platform}-AT-{release}"  # the stand-in of an application has no release
    config = (row / "download.config").read_text()
    for image in parse_download_config(config).images:
        (folder / image.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / image.path).write_bytes(_content(row, chip.key, Path(image.path).name))
    (folder / "download.config").write_text(config)
    assert _findings(folder, module) == []


@pytest.mark.parametrize(("name", "module"), RELEASED.items())
def test_a_released_package_has_no_finding(name, module, reference):
    assert _findings(reference / "at-packages" / name, module) == []
