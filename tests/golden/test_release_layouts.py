"""Our catalog has the partition tables of every module of a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from platformio_esp_at.catalog.layouts import release_layout
from platformio_esp_at.catalog.modules import module
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.checks.release import layout_of_release
from platformio_esp_at.errors import Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import Text

RELEASES = ["v2.1.0.0_esp32s2", "v2.2.0.0_esp32", "v2.2.1.0_esp8266", "v2.4.0.0", "v3.1.0.0", "v4.1.1.0"]
PACKAGES = [
    ("ESP32-WROOM-32_AT_Bin_V2.0.zip", "WROOM-32"),
    ("ESP8266-01_RTOS_AT_Bin_V2.2.1", "ESP8266_1MB"),
    ("ESP8266-01_RTOS_AT_Bin_V2.2.1", "WROOM-02"),
    ("ESP8266-01_RTOS_AT_Bin_V2.2.1", "WROOM-02-N"),
    ("ESP32-C3-MINI-1-AT-V4.0.0.0-dev.zip", "MINI-1"),
    ("ESP32-WROOM-32-AT-V4.1.0.0-dev.zip", "PICO-D4"),
    ("ESP32-WROOM-32-AT-V4.1.0.0-dev.zip", "WROVER-32"),
]


@pytest.mark.parametrize("release", RELEASES)
def test_tables_of_a_release(reference, release):
    """A tag for one chip has rows of other chips, too, whose firmware has not been released with it."""
    checked = 0
    number, _, only = release.partition("_")
    for folder in sorted((reference / "golden" / release).glob("ESP*-*")):
        platform, _, name = folder.name.partition("-")
        found = module(platform, name)
        layout = release_layout(found.chip, found.module_config, number)
        if layout is None and only not in ("", found.chip):
            continue
        assert layout is not None, folder.name
        checked += 1
        for csv, stored in ((layout.primary, "partitions_at.csv"), (layout.secondary, "at_customize.csv")):
            expected = PartitionTable.from_csv((folder / stored).read_text(), first_offset=0)
            assert PartitionTable.from_csv(csv, first_offset=0) == expected, (folder.name, stored)
        images = parse_download_config((folder / "download.config").read_text()).images
        assert layout.table_offset in {image.offset for image in images if "partition" in Path(image.path).stem}
    assert checked >= 4


@pytest.mark.parametrize(("name", "module_name"), PACKAGES)
def test_a_released_package_is_as_its_release(reference, name, module_name):
    package = open_package(reference / "at-packages" / name)
    selected = select(Text(module_name, Place.at(option="module")), None, package)
    plan = make_plan(package, selected, Request())
    assert layout_of_release(plan) is not None
    assert check_plan(plan, None) == ()
