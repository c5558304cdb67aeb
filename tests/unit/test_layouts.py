"""The partition tables of the releases: each is sound, and each module's releases have one."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog.chips import chip, chips
from platformio_esp_at.catalog.layouts import _layouts, layouts_of, release_layout
from platformio_esp_at.catalog.modules import modules, release_key
from platformio_esp_at.catalog.releases import released_packages
from platformio_esp_at.checks.layout import check_primary, check_secondary
from platformio_esp_at.formats.partition_table import APP_ALIGNMENT, ESP8266_APP_ALIGNMENT, PartitionTable


@pytest.mark.parametrize(("used_by", "layout"), _layouts(), ids=range(len(_layouts())))
def test_every_layout_is_sound(used_by, layout):
    primary = PartitionTable.from_csv(layout.primary, first_offset=0)
    secondary = PartitionTable.from_csv(layout.secondary, first_offset=0)
    alignment = ESP8266_APP_ALIGNMENT if used_by[0] == "esp8266" else APP_ALIGNMENT
    check_primary(primary, table_offset=layout.table_offset, flash_size=4 << 20, app_alignment=alignment)
    check_secondary(secondary, home=primary.find("at_customize"))


def test_every_released_package_has_a_layout():
    """But those before v1.1.3.0, without factory parameters, and those of QCloud, which count on their own."""
    rows = {(row.chip, row.name): row for row in modules()}
    without = {
        (package.module, package.release)
        for package in released_packages()
        if not release_layout(package.chip, rows[package.chip, package.module].module_config, package.release)
    }
    assert {name for name, release in without if release_key(release) >= (1, 1, 3, 0)} == {"ESP8266_QCLOUD"}


def test_where_the_bootloader_looks():
    """ESP32-C5 moved with v5.0.0.0, when its bootloader had become larger."""
    offsets = {found.key: [layout.table_offset for layout in layouts_of(found.key)] for found in chips()}
    assert {key: set(found) for key, found in offsets.items()} == {
        **{key: {0x8000} for key in ("esp32", "esp32s2", "esp32c2", "esp32c3", "esp32c6", "esp8266")},
        "esp32c5": {0x8000, 0xC000},
        "esp32c61": {0xC000},
    }
    assert all(found[-1] == chip(key).partition_table_offset for key, found in offsets.items())


def test_a_release_that_is_not_known():
    assert release_layout("esp32", "module_esp32_default", "v9.0.0.0") is None
    assert release_layout("esp32", "module_of_mine", "v4.1.1.0") is None
