"""The page about file formats has the offsets, sizes and names that the code has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from plans import sample_plan

from platformio_esp_at.formats.factory_param import VERSIONS, FactoryParam, field_names
from platformio_esp_at.formats.nvs_pages import BLOB_DATA, BLOB_INDEX, Encoding
from platformio_esp_at.formats.ota_data import OTA_DATA_SIZE
from platformio_esp_at.formats.partition_table import MAX_PARTITIONS, TABLE_SIZE
from platformio_esp_at.formats.phy_init import SIZES, TYPES
from platformio_esp_at.outputs.image_set import MANIFEST, image_set
from platformio_esp_at.planning.mfg_nvs import ENCODINGS

PAGE = (Path(__file__).parents[2] / "docs/reference/formats.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    """Return the text below a heading."""
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def rows(text: str, columns: int) -> list[list[str]]:
    """Return the rows of the tables that have so many columns."""
    lines = (line for line in text.splitlines() if line.startswith("| "))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if len(row) == columns]


@pytest.mark.parametrize("version", VERSIONS)
def test_factory_param(version):
    table = [row for row in rows(section("factory_param"), 5) if row[2].startswith("`")]
    fields = {row[2].strip("`"): (int(row[0]), int(row[1])) for row in table if str(version) in row[3].split(", ")}
    assert tuple(fields) == field_names(version)
    for name, (offset, size) in fields.items():
        if name == "version":
            continue
        texts = ("country_code", "platform", "module_name")
        blank = FactoryParam.from_values({"version": version}).to_bytes()
        full = FactoryParam.from_values(
            {"version": version, name: "\x01" * size if name in texts else int.from_bytes(b"\1" * size, "little")}
        ).to_bytes()
        changed = [at for at, (old, new) in enumerate(zip(blank, full, strict=True)) if old != new]
        assert changed == list(range(offset, offset + size))


def test_names_and_types_in_mfg_nvs():
    table = dict(row for row in rows(section("NVS"), 2) if row[0].strip("`") in ENCODINGS)
    assert {name.strip("`"): kind for name, kind in table.items()} == {
        name: encoding.name.lower() for name, encoding in ENCODINGS.items()
    }


def test_types_of_nvs_entries():
    table = [row for row in rows(section("NVS"), 2) if row[0].startswith("0x")]
    numbers = [number for row in table for number in row[0].split(", ")]
    names = [name for row in table for name in re.findall(r"`(\w+)`", row[1])]
    kinds = [kind for kind in Encoding if kind is not Encoding.NAMESPACE]
    assert numbers == [f"{number:#04x}" for number in (*kinds, BLOB_DATA, BLOB_INDEX)]
    assert names == [kind.name.lower() for kind in (*kinds, Encoding.BINARY)]


def test_sizes():
    assert f"has {TABLE_SIZE} bytes\n({TABLE_SIZE:#x}" in section("Partition table").replace("0xC00", "0xc00")
    assert f"room for {MAX_PARTITIONS} rows" in section("Partition table")
    assert f"has {OTA_DATA_SIZE} bytes" in section("ota_data")
    assert f"n is {SIZES[0]}, on ESP32-C5 {SIZES[1]}" in section("PHY data")
    assert ", ".join(TYPES) in section("PHY data")


def test_keys_of_the_manifest(tmp_path):
    manifest = json.loads(image_set(sample_plan(tmp_path))[MANIFEST])
    named = [name for row in rows(section(MANIFEST), 2) for name in re.findall(r"`(\w+)`", row[0])]
    assert named == list(manifest)
    for name in manifest["images"][0]:
        assert f"`{name}`" in section(MANIFEST)
