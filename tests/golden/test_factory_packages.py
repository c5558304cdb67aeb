"""Factory images as firmware: the plan made from each gives the same bytes again."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING

import pytest
from test_factory_images import IMAGES
from test_legacy_formats import FACTORY, _folder_name, _part, _parts

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.errors import Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.esp_image import ESP8266, EspImage
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import Text
from platformio_esp_at.units import parse_size

if TYPE_CHECKING:
    from pathlib import Path

ALL = [*FACTORY, *IMAGES]


def _id(entry: dict) -> str:
    return f"{_folder_name(entry)}/{entry['name']}"


def _image(golden: Path, entry: dict) -> bytes:
    """Return the bytes of upstream's factory image, with upstream's defects."""
    args = parse_download_config((golden / _folder_name(entry) / "download.config").read_text())
    if entry in FACTORY:
        parts = list(_parts(golden, entry, args))
    else:
        parts = []
        for image in args.images:
            path = image.path.replace("phy_multiple_init_data", "phy_init_data")
            own = golden / _folder_name(entry) / image.path.rpartition("/")[2]
            data = own.read_bytes() if own.exists() else _part(golden, entry, path)
            if image.path.endswith("bootloader.bin"):
                built = data
                data = (
                    EspImage.from_bytes(data).with_flash_settings(args.settings, find_chip(entry["platform"]).key).data
                )
                if "combine" in entry["tool"]:
                    data = data[:-32] + built[-32:]
            parts.append((image.offset, data))
    flash = bytearray(b"\xff" * parse_size(args.settings.size))
    for offset, data in parts:
        flash[offset : offset + len(data)] = data
    end = max(offset + len(data) for offset, data in parts)
    image = bytes(flash[:end] if entry["name"].endswith("_unfilled.bin") else flash)
    assert hashlib.sha256(image).hexdigest() == entry["sha256"]
    return image


def _plan(file: Path, module: str | None = None) -> FlashPlan:
    package = open_package(file)
    request = Request(module=Text(module, Place.at(option="module")) if module else None)
    plan = make_plan(package, select(request.module, None, package), request)
    check_plan(plan, None)
    return plan


def _rebuilt(plan: FlashPlan, file: Path) -> bytes:
    return plan.unfilled_image() if file.stem.endswith("_unfilled") else plan.factory_image()


@pytest.mark.usefixtures("reference")
def test_every_image_is_rebuilt():
    assert len(ALL) == 167


@pytest.mark.parametrize("entry", ALL, ids=_id)
def test_factory_image_rebuilds_itself(entry, reference, tmp_path):
    file = tmp_path / entry["name"]
    file.write_bytes(_image(reference / "golden", entry))
    plan = _plan(file)
    assert plan.module.name == entry["module"]
    assert plan.notes == ()
    assert plan.chip == find_chip(entry["platform"])
    assert _rebuilt(plan, file) == file.read_bytes()
    if plan.chip.key != ESP8266:
        assert plan.settings == plan.package.args.settings


REAL = (
    "ESP32-WROOM-32_AT_Bin_V2.0.zip",
    "ESP32-WROOM-32-AT-V4.1.0.0-dev.zip",
    "ESP32-C3-MINI-1-AT-V4.0.0.0-dev.zip",
)


@pytest.mark.parametrize("name", REAL)
def test_image_of_a_real_package_rebuilds_itself(name, reference, tmp_path):
    count = 0
    with zipfile.ZipFile(reference / "at-packages" / name) as archive:
        for path in archive.namelist():
            if "__MACOSX" in path or not path.endswith(".bin") or "/factory/factory_" not in path:
                continue
            file = tmp_path / path.rpartition("/")[2]
            file.write_bytes(archive.read(path))
            plan = _plan(file)
            assert plan.module.name == file.stem.removeprefix("factory_").removesuffix("_unfilled")
            assert plan.notes == ()
            assert _rebuilt(plan, file) == file.read_bytes()
            count += 1
    assert count == (1 if "V2.0" in name else 2)


@pytest.mark.parametrize("name", [*REAL, "ESP8266-01_RTOS_AT_Bin_V2.2.1"])
@pytest.mark.parametrize("unfilled", [False, True])
def test_the_image_that_is_made_of_a_real_package(name, unfilled, reference, tmp_path):
    """It flashes the same bytes as the package: to the same offsets, with the same settings, for the same module."""
    package = open_package(reference / "at-packages" / name)
    modules = {"ESP8266-01_RTOS_AT_Bin_V2.2.1": "ESP8266_1MB"}
    wanted = Text(modules[name], Place.at(option="module")) if name in modules else None
    plan = make_plan(package, select(wanted, None, package), Request())
    file = tmp_path / f"dump{'_unfilled' if unfilled else ''}.bin"
    file.write_bytes(plan.unfilled_image() if unfilled else plan.factory_image())
    again = _plan(file)
    assert _rebuilt(again, file) == file.read_bytes()
    assert (again.module.name, again.settings, again.notes) == (plan.module.name, plan.settings, ())
    assert {region.offset for region in again.regions} == {region.offset for region in plan.regions}
    assert {region.name: region.offset for region in again.programs} == {r.name: r.offset for r in plan.programs}
