"""What a backup saves, by the partition tables of a module; and which application that starts."""

from __future__ import annotations

import pytest
from ota_data import entry, sector

from platformio_esp_at.catalog.chips import chip, chips
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.backup import TABLE
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.planning.backup import ModuleLayout, Part, ota_data_of, started_slot, table_offsets

PRIMARY = """\
otadata, data, ota, 0x9000, 8K
phy_init, data, phy, 0xf000, 4K
nvs, data, nvs, 0x10000, 32K
at_customize, 0x40, 0, 0x18000, 32K
ota_0, app, ota_0, 0x20000, 64K
ota_1, app, ota_1, 0x30000, 64K
"""
USER = """\
factory_param, 0x40, 8, 0x19000, 4K
mine, data, undefined, 0x1a000, 8K
"""


def _table(csv: str) -> PartitionTable:
    return PartitionTable.from_csv(csv, first_offset=0x9000)


def _layout(primary: str = PRIMARY, user: str | None = USER) -> ModuleLayout:
    return ModuleLayout(0x8000, _table(primary), _table(user) if user else None)


def test_everything_but_applications():
    assert _layout().parts(1 << 20) == (
        Part(TABLE, 0x8000, 0x1000),
        Part("otadata", 0x9000, 0x2000),
        Part("phy_init", 0xF000, 0x1000),
        Part("nvs", 0x10000, 0x8000),
        Part("at_customize", 0x18000, 0x1000),
        Part("factory_param", 0x19000, 0x1000),
        Part("mine", 0x1A000, 0x2000),
    )


def test_without_a_user_table():
    names = [part.name for part in _layout(user=None).parts(1 << 20)]
    assert names == [TABLE, "otadata", "phy_init", "nvs", "at_customize"]
    other = _layout(PRIMARY.replace("at_customize, 0x40, 0,", "files, data, fat,"), None)
    assert other.home is None
    assert other.parts(1 << 20)[-1] == Part("files", 0x18000, 0x8000)


def test_whole_sectors_are_saved():
    layout = _layout(user="odd, 0x40, 15, 0x19800, 0x900\nnone, 0x40, 16, 0x1b000, 0\n")
    assert layout.parts(1 << 20)[-1] == Part("odd", 0x19000, 0x2000)


@pytest.mark.parametrize(
    ("primary", "user", "names"),
    [
        pytest.param(PRIMARY, USER + "other, 0x40, 15, 0x1b000, 4K\n", ("mine", "other"), id="overlap"),
        pytest.param(PRIMARY, "odd, 0x40, 15, 0x19800, 2K\nx, 0x40, 16, 0x19000, 2K\n", ("odd", "x"), id="same-sector"),
        pytest.param(PRIMARY, USER + "far, 0x40, 15, 0xff000, 8K\n", ("far", "1MB"), id="after-the-flash"),
        pytest.param(PRIMARY.replace("0x18000, 32K", "0x18800, 4K"), None, ("at_customize",), id="inside-a-sector"),
        pytest.param(PRIMARY.replace("0x9000, 8K", "0x8000, 8K"), None, (TABLE, "otadata"), id="over-the-table"),
    ],
)
def test_tables_that_cannot_be_right(primary, user, names):
    with pytest.raises(FormatError) as caught:
        _layout(primary, user).parts(1 << 20)
    assert caught.value.code == "backup-layout"
    assert all(name in caught.value.message for name in names)
    assert "raw: true" in caught.value.hint


@pytest.mark.parametrize("key", [chip.key for chip in chips()])
@pytest.mark.parametrize("nvs", [False, True])
def test_the_layouts_of_releases(key, nvs):
    try:
        files = sample_package(key, nvs=nvs)
    except KeyError:
        pytest.skip("need a sample of this generation")
    primary = PartitionTable.from_bytes(files["partition_table/partition-table.bin"])
    user = PartitionTable.from_bytes(files["at_customize.bin"])
    parts = ModuleLayout(chip(key).partition_table_offset, primary, user).parts(4 << 20)
    assert {part.name for part in parts} >= {TABLE, "otadata", "nvs", "at_customize", *(row.name for row in user)}
    assert not {part.name for part in parts} & {"ota_0", "ota_1", "factory"}


def test_the_usual_place_of_the_table_comes_first():
    assert table_offsets(chip("esp32")) == (0x8000, 0xC000)
    assert table_offsets(chip("esp32c61")) == (0xC000, 0x8000)


# --- what starts ---

SLOTS = PRIMARY
FACTORY = PRIMARY + "factory, app, factory, 0x40000, 64K\n"
ALONE = PRIMARY.partition("ota_0")[0] + "factory, app, factory, 0x40000, 64K\n"


@pytest.mark.parametrize(
    ("csv", "ota_data", "slot"),
    [
        pytest.param(SLOTS, sector() + sector(), "ota_0", id="blank"),
        pytest.param(SLOTS, sector(entry(1)) + sector(entry(2)), "ota_1", id="second"),
        pytest.param(SLOTS, sector(entry(3)) + sector(entry(2)), "ota_0", id="third"),
        pytest.param(FACTORY, sector() + sector(), "factory", id="factory"),
        pytest.param(FACTORY, sector(entry(2)) + sector(), "ota_1", id="not-factory"),
        pytest.param(ALONE, sector() + sector(), "factory", id="factory-alone"),
        pytest.param(ALONE, b"", "factory", id="no-ota-data"),
        pytest.param(SLOTS, sector(entry(1, checksum=0)) + sector(), None, id="damaged"),
        pytest.param(PRIMARY.partition("ota_0")[0], sector() + sector(), None, id="no-application"),
    ],
)
def test_the_application_that_starts(csv, ota_data, slot):
    primary = _table(csv)
    found = started_slot(primary, ota_data)
    assert (found and found.name) == slot
    assert ota_data_of(primary).name == "otadata"
