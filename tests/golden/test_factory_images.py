"""Factory images since v3.1: package folder, selection and plan give images with upstream's hashes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.errors import Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.esp_image import EspImage
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import Text

REFERENCE = os.environ.get("ESP_AT_REFERENCE")
IMAGES = (
    [
        entry
        for entry in json.loads(Path(REFERENCE, "golden", "MANIFEST.json").read_text())["entries"]
        if entry.get("role") == "factory-hash-only" and entry["generation"] == "modern"
    ]
    if REFERENCE
    else []
)


def _row(entry: dict) -> str:
    name = f"{entry['platform'].removeprefix('PLATFORM_')}-{entry['module']}"
    return f"{entry['tag']}/_variants/{name}{entry['variant']}" if entry.get("variant") else f"{entry['tag']}/{name}"


def _plan(entry: dict, golden: Path, folder: Path) -> FlashPlan:
    """Return the plan of a package folder with a row's files and the dummy files of its chip."""
    row, chip = golden / _row(entry), find_chip(entry["platform"])
    folder = folder / f"{chip.display_name}-AT-{entry['tag']}"  # the dummy application has no release
    config = (row / "download.config").read_text()
    for image in parse_download_config(config).images:
        name = Path(image.path).name
        # There is one dummy file for all kinds of PHY data.
        stand_in = name.replace("phy_multiple_init_data", "phy_init_data")
        places = (row / name, golden / "_dummy" / chip.key / name, golden / "_dummy" / stand_in)
        packed = row / f"{name}.gz"
        data = (
            gzip.decompress(packed.read_bytes()) if packed.exists() else next(filter(Path.exists, places)).read_bytes()
        )
        (folder / image.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / image.path).write_bytes(data)
    (folder / "download.config").write_text(config)
    package = open_package(folder)
    request = Request(module=Text(entry["module"], Place.at(option="module")))
    plan = make_plan(package, select(request.module, None, package), request)
    assert check_plan(plan, None) == ()
    return plan


def _with_the_digest_of_before(image: bytes, plan: FlashPlan) -> bytes:
    """Undo the bootloader's new digest: upstream's tool, up to v4.0, changes the header and keeps the old digest."""
    start = plan.package.bootloader.offset
    built = plan.package.files[plan.package.bootloader.path]
    size = EspImage.from_bytes(built).size
    return image[: start + size - 32] + built[size - 32 : size] + image[start + size :]


@pytest.mark.usefixtures("reference")
def test_every_image_is_compared():
    assert len(IMAGES) == 107


@pytest.mark.parametrize("entry", IMAGES, ids=lambda entry: f"{_row(entry)}/{entry['name']}")
def test_factory_image(entry, reference, tmp_path):
    plan = _plan(entry, reference / "golden", tmp_path)
    image = plan.factory_image()
    if "combine" in entry["tool"]:
        image = _with_the_digest_of_before(image, plan)
    if entry["name"].endswith("_unfilled.bin"):
        image = image[: max(region.end for region in plan.regions)]
    assert len(image) == entry["size"]
    assert hashlib.sha256(image).hexdigest() == entry["sha256"]
