"""``mfg_nvs`` from its inputs gives the bytes of upstream's tools: every module row since v3.1, both dialects."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from nvs_images import generated_from_csv

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.errors import Place
from platformio_esp_at.formats.nvs import Dialect, NvsImage
from platformio_esp_at.planning.content import gatts_of
from platformio_esp_at.planning.mfg_nvs import make_mfg_nvs
from platformio_esp_at.planning.selection import SelectedModule
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile

REFERENCE = os.environ.get("ESP_AT_REFERENCE")
ROWS = (
    [
        entry
        for entry in json.loads(Path(REFERENCE, "golden", "MANIFEST.json").read_text())["entries"]
        if "nvs_dialect_sha256" in entry
    ]
    if REFERENCE
    else []
)


def _inputs(golden: Path, row: dict) -> tuple[set[str], Request]:
    """Return the names that the row's firmware reads, and the request with its inputs."""
    raw = golden / row["tag"] / "_inputs" / "raw_data"
    rows = list(csv.reader((golden / row["path"]).with_suffix(".csv").read_text().splitlines()))
    namespaces = [cells[0] for cells in rows if cells[1] == "namespace"]
    reads = {*namespaces, *(cells[0] for cells in rows)}
    pki = {
        name: tuple(
            InputFile(file.name, Place.at(option=name), file.read_bytes())
            for file in sorted(_folder(raw, name).iterdir())
        )
        for name in namespaces
        if name not in ("factory_param", "ble_data")
    }
    gatts = None
    if "ble_data" in namespaces:
        (file,) = (raw / "ble_data").glob("*.csv")
        gatts = _file(file, "gatts")
    request = {name.replace("wpa_ent_", "wpa2_"): files for name, files in pki.items()}
    return reads, Request(pki=request, gatts=gatts)


def _file(path: Path, option: str) -> InputFile:
    return InputFile(path.name, Place.at(option=option), path.read_bytes())


def _folder(raw: Path, name: str) -> Path:
    """Return the folder with the raw data of a namespace: one build option maps the files of wpa_ent to wpa2."""
    return raw / name if (raw / name).is_dir() else raw / name.replace("wpa2_", "wpa_ent_")


@pytest.mark.usefixtures("reference")
def test_every_row_is_compared():
    assert len(ROWS) == 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(Path(row["path"]).parent))
def test_image_from_the_module_table_and_raw_data(row, reference):
    golden = reference / "golden"
    expected = (golden / row["path"]).read_bytes()
    chip = find_chip(row["platform"])
    module = SelectedModule(row["module"], chip, "", row=find_module(chip.key, row["module"]))
    reads, request = _inputs(golden, row)
    made = make_mfg_nvs(
        None, size=len(expected), reads=reads.__contains__, module=module, request=request, gatts=gatts_of(request)
    )
    for name, digest in row["nvs_dialect_sha256"].items():
        image = replace(made, dialect=Dialect(name.partition("(")[0]))
        assert hashlib.sha256(image.to_bytes()).hexdigest() == digest
    assert replace(made, dialect=NvsImage.from_bytes(expected).dialect).to_bytes() == expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(Path(row["path"]).parent))
def test_image_is_read_and_written(row, reference):
    expected = (reference / "golden" / row["path"]).read_bytes()
    image = NvsImage.from_bytes(expected)
    assert image.dialect.value == row["nvs_dialect"][0].partition("(")[0]
    assert image.to_bytes() == expected
    ours = replace(image, dialect=Dialect.BLANK_TAIL).to_bytes()
    assert generated_from_csv(image.to_csv(), image.size) == ours
