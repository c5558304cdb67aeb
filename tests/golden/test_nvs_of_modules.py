"""Partitions that ESP-IDF's own library wrote: the same entries are read in them, and the same bytes are changed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from platformio_esp_at.cli import cli
from platformio_esp_at.formats.nvs import NvsEntry
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.formats.saved_nvs import SavedNvs, changed_sectors, is_nvs_partition

REFERENCE = os.environ.get("ESP_AT_REFERENCE")
IMAGES = sorted(Path(REFERENCE, "golden-nvs").glob("*/*.bin")) if REFERENCE else []
CASES = sorted({image.parent for image in IMAGES})


def _encoding(name: str) -> Encoding:
    return Encoding["BINARY" if name == "blob" else name.upper()]


def _listed(image: Path) -> list[tuple]:
    """Return what the library lists in an image."""
    entries = json.loads(image.with_suffix(".json").read_text())["entries"]
    return sorted(
        (entry["namespace"], entry["key"], _encoding(entry["type"]), _value(entry["type"], entry["value"]))
        for entry in entries
    )


def _value(type_: str, value: int | str) -> int | str | bytes:
    return base64.b64decode(value) if type_ == "blob" else value


def _read(data: bytes) -> list[tuple]:
    entries = SavedNvs.from_bytes(data).entries
    return sorted((entry.namespace, entry.key, entry.encoding, entry.value) for entry in entries)


@pytest.mark.usefixtures("reference")
def test_every_image_is_compared():
    assert (len(IMAGES), len(CASES)) == (70, 35)


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("image", IMAGES, ids=lambda image: f"{image.parent.name}-{image.stem}")
def test_the_entries_are_those_of_the_library(image):
    assert _read(image.read_bytes()) == _listed(image)


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_changing_in_place(case):
    expected = json.loads((case / "case.json").read_text())
    changes = {
        (row["namespace"], row["key"], _encoding(row["type"])): _value(row["type"], row["value"])
        for row in expected["change"]
    }
    data = (case / "before.bin").read_bytes()
    sectors = changed_sectors(data, [NvsEntry(*name, value) for name, value in changes.items()])
    assert [offset // PAGE_SIZE for offset in sectors] == expected["in_place"]["pages"]
    changed = bytearray(data)
    for offset, sector in sectors.items():
        changed[offset : offset + PAGE_SIZE] = sector
    assert hashlib.sha256(changed).hexdigest() == expected["in_place"]["sha256"]
    before = _listed(case / "before.bin")
    assert _read(bytes(changed)) == sorted((*name, changes.get(tuple(name), value)) for *name, value in before)


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("image", IMAGES, ids=lambda image: f"{image.parent.name}-{image.stem}")
def test_inspecting(image):
    data = image.read_bytes()
    result = CliRunner().invoke(cli, ["inspect", str(image), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    decoded = json.loads(result.stdout)
    if not is_nvs_partition(data):
        assert decoded == {"kind": "blank", "size": len(data)}
        return
    assert (decoded["kind"], decoded["size"], decoded["encrypted"]) == ("saved_nvs", len(data), False)
    assert len(decoded["pages"]) == len(data) // PAGE_SIZE
    listed = _listed(image)
    shown = [(row["namespace"], row["key"], row["encoding"]) for row in decoded["entries"]]
    assert sorted(shown) == sorted((namespace, key, type_.name.lower()) for namespace, key, type_, _ in listed)
    assert {*decoded} == {"kind", "size", "encrypted", "pages", "uart", "entries"}
    assert all({*row} == {"namespace", "key", "encoding", "size"} for row in decoded["entries"])
    assert sorted((row["key"], row["encoding"], row["value"]) for row in decoded["uart"]) == sorted(
        (key, type_.name.lower(), value) for namespace, key, type_, value in listed if namespace == "UART"
    )
