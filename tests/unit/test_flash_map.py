"""The map of a plan's flash: all of it, each byte once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import HERE, plan_of_files, sample_plan

from platformio_esp_at.catalog.layouts import release_layout
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.catalog.releases import released_packages
from platformio_esp_at.checks.layout import check_secondary
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.formats.download_config import FlashImage
from platformio_esp_at.formats.partition_table import Partition, PartitionTable
from platformio_esp_at.outputs.flash_map import USER_TABLE, FlashMap, MapRow, State
from platformio_esp_at.request.values import InputFile, Text


def _assert_whole(rows: tuple[MapRow, ...], start: int, end: int) -> None:
    """Assert that rows follow each other without a gap and without an overlap, inside each other, too."""
    assert [rows[0].offset, *(row.end for row in rows)] == [*(row.offset for row in rows), end]
    assert rows[0].offset == start
    for row in rows:
        assert row.offset < row.end
        assert 0 <= row.written <= row.size
        assert (row.name == "") == (row.state is State.FREE)
        if row.rows:
            _assert_whole(row.rows, row.offset, row.end)


def _states(rows: tuple[MapRow, ...]) -> dict[str, State]:
    return {row.name: row.state for row in rows if row.name}


@pytest.mark.parametrize(
    ("chip", "nvs"),
    [
        *((chip, False) for chip in ("esp32", "esp32s2", "esp32c2", "esp32c3", "esp8266")),
        *((chip, True) for chip in ("esp32", "esp32c3", "esp32c5", "esp32c6", "esp32c61")),
    ],
)
def test_all_bytes_of_a_plan(chip, nvs, tmp_path):
    plan = sample_plan(tmp_path, chip, nvs=nvs)
    found = FlashMap.of(plan)
    _assert_whole(found.rows, 0, plan.flash_size)
    assert found.size == plan.flash_size
    written = {row.offset: row.offset + row.written for row in _leaves(found.rows) if row.state is State.WRITTEN}
    assert written == {region.offset: region.erase_end for region in plan.regions}
    kept = {(row.name, row.offset, row.end) for row in _leaves(found.rows) if row.state is State.KEPT}
    assert kept == {(row.name, row.offset, row.end) for row in plan.kept}


def _leaves(rows):
    for row in rows:
        yield from _leaves(row.rows) if row.rows else (row,)


def _layouts():
    """Yield each layout of a release once, with a module that has it."""
    rows = {(row.chip, row.name): row for row in modules()}
    seen = {}
    for package in released_packages():
        row = rows[package.chip, package.module]
        if layout := release_layout(package.chip, row.module_config, package.release):
            seen.setdefault((package.chip, row.flash_size, layout), package.module)
    return [(chip, module, size, layout) for (chip, size, layout), module in seen.items()]


@pytest.mark.parametrize(
    ("chip", "module", "flash_size", "layout"), _layouts(), ids=[f"{row[1]}-{at}" for at, row in enumerate(_layouts())]
)
def test_all_bytes_of_every_layout(chip, module, flash_size, layout, tmp_path):
    """The sample package's plan, with the tables of a release: everything is where those have it."""
    primary = PartitionTable.from_csv(layout.primary, first_offset=0)
    secondary = PartitionTable.from_csv(layout.secondary, first_offset=0)
    home = primary.find("at_customize")
    check_secondary(secondary, home=home)
    plan = sample_plan(tmp_path, chip, nvs=chip != "esp8266")
    offsets = {row.name: row.offset for row in (*primary, *secondary)} | {"partition_table": layout.table_offset}
    regions = [replace(region, offset=offsets.get(region.name, region.offset)) for region in plan.regions]
    there = {*offsets, "bootloader"}
    regions = [region for region in regions if region.name in there and region.offset < flash_size]
    moved = FlashImage(home.offset, plan.package.secondary_image.path)
    package = replace(plan.package, primary=primary, secondary=secondary, secondary_image=moved)
    at = {region.offset for region in regions}
    kept = tuple(row for row in (*primary, *secondary) if row.offset not in at and row != home)
    changed = replace(
        plan,
        package=package,
        primary=primary,
        secondary=secondary,
        regions=tuple(regions),
        kept=kept,
        flash_size=flash_size,
    )
    found = FlashMap.of(changed)
    _assert_whole(found.rows, 0, flash_size)
    names = [row.name for row in found.rows if row.name]
    assert {row.name for row in primary} | {"bootloader", "partition_table"} == set(names)
    (parent,) = (row for row in found.rows if row.rows)
    assert [row.name for row in parent.rows if row.name] == [
        USER_TABLE,
        *(row.name for row in sorted(secondary, key=lambda row: row.offset)),
    ]
    assert State.NEW not in {row.state for row in _leaves(found.rows)}, module


def test_what_becomes_of_each(tmp_path):
    csv = InputFile("own.csv", HERE, b"ours, 0x40, 15, 0x3d000, 4K\nbare, 0x40, 16, , 8K\n")
    data = {"ours": InputFile("ours.bin", HERE, b"x" * 5)}
    plan = sample_plan(tmp_path, partitions=csv, data=data, skip=(Text("mqtt_ca", HERE),))
    rows = FlashMap.of(plan).rows
    assert _states(rows) == {
        **dict.fromkeys(("bootloader", "partition_table", "phy_init", "otadata", "at_customize"), State.WRITTEN),
        **dict.fromkeys(("nvs", "ota_1"), State.KEPT),
        "ota_0": State.WRITTEN,
    }
    (home,) = (row for row in rows if row.rows)
    inside = {row.name: row for row in home.rows}
    assert (inside["ours"].state, inside["ours"].written) == (State.WRITTEN, 4096)
    assert {inside[name].state for name in ("mqtt_ca", "bare", "fatfs", "wpa2_ca")} == {State.KEPT}
    assert inside["mqtt_key"].factory_state is State.WRITTEN
    assert inside["fatfs"].factory_state is State.ERASED
    assert inside[""].factory_state is State.FREE
    application = next(row for row in rows if row.name == "ota_0")
    assert 0 < application.written < application.size


def test_a_partition_that_a_whole_table_moves_is_new(tmp_path):
    table = PartitionTable.from_bytes(sample_package("esp32")["at_customize.bin"])
    moved = [replace(row, offset=0x80000, size=0x80000) if row.name == "fatfs" else row for row in table]
    csv = InputFile("whole.csv", HERE, PartitionTable(tuple(moved)).to_csv().encode())
    (home,) = (row for row in FlashMap.of(sample_plan(tmp_path, partitions=csv)).rows if row.rows)
    fatfs = next(row for row in home.rows if row.name == "fatfs")
    assert (fatfs.state, fatfs.factory_state) == (State.NEW, State.ERASED)


def test_an_image_in_no_partition_has_a_row_of_its_own(tmp_path):
    files = sample_package("esp32")
    files["extra.bin"] = b"extra"
    files["download.config"] += b" 0x3e000 extra.bin 0xa000 extra.bin"
    del files["flasher_args.json"]
    found = FlashMap.of(plan_of_files(tmp_path, files))
    _assert_whole(found.rows, 0, 4 << 20)
    (home,) = (row for row in found.rows if row.rows)
    assert [(row.offset, row.state) for rows in (found.rows, home.rows) for row in rows if row.name == "extra"] == [
        (0xA000, State.WRITTEN),
        (0x3E000, State.WRITTEN),
    ]


def test_a_full_flash_has_nothing_free(tmp_path):
    plan = sample_plan(tmp_path, "esp8266")
    last = plan.primary.partitions[-1]
    assert last.end == plan.flash_size
    assert FlashMap.of(plan).rows[-1].name == last.name
    assert isinstance(last, Partition)
