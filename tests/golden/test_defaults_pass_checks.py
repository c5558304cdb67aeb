"""Upstream's own files are never refused: factory parameters, certificates, keys and GATT tables of every release."""

from __future__ import annotations

import csv
from datetime import datetime, timezone
from pathlib import Path

import pytest

from platformio_esp_at.catalog.chips import chip
from platformio_esp_at.catalog.gpios import has_in_package_flash
from platformio_esp_at.catalog.modules import module
from platformio_esp_at.checks.certificates import CheckedFile, check_pair, check_pki_file
from platformio_esp_at.checks.gatts import EDITABLE_ROWS, lint_gatts
from platformio_esp_at.checks.parameters import check_parameters
from platformio_esp_at.errors import Place
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.gatts import COLUMNS, GattTable
from platformio_esp_at.formats.pki import PkiContainer, PkiType
from platformio_esp_at.formats.x509 import summarize
from platformio_esp_at.request.values import InputFile

RELEASES = [
    *("v2.0.0.0_esp32", "v2.1.0.0_esp32s2", "v2.2.0.0_esp32", "v2.2.1.0_esp8266", "v2.4.0.0"),
    *("v3.1.0.0", "v4.1.1.0", "HEAD"),
]
# After the newest of upstream's certificates was made, and before the first expires.
NOW = datetime(2026, 7, 1, tzinfo=timezone.utc)


def _inputs(reference, release):
    return reference / "golden" / release / "_inputs"


def _pki(source: Path | bytes, kind: PkiType) -> CheckedFile:
    label, data = (source.name, source.read_bytes()) if isinstance(source, Path) else ("container", source)
    return check_pki_file(InputFile(label, Place.at(option="pki"), data), kind, now=NOW)


def _check(values, found):
    return check_parameters(
        values,
        chip=found.chip,
        psram=found.psram,
        in_package_flash=has_in_package_flash(found.chip, found.name),
        usual=values,
    )


@pytest.mark.parametrize("release", RELEASES)
def test_factory_param_rows(reference, release):
    checked = 0
    with (_inputs(reference, release) / "factory_param_data.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found = module(chip(row.pop("platform")).key, row["module_name"])
            text = {"module_name", "description", "country_code", "magic_flag"}
            values = {name.replace("ctx", "cts"): value if name in text else int(value) for name, value in row.items()}
            assert _check(values, found) == ([], []), f"{found.chip} {found.name}"
            checked += 1
    assert checked >= 4


@pytest.mark.parametrize("release", RELEASES[:5])
def test_factory_param_images(reference, release):
    checked = 0
    for path in sorted((reference / "golden" / release).glob("*/factory_param*.bin")):
        data = path.read_bytes()
        if not data.strip(b"\xff"):
            continue
        values = FactoryParam.from_bytes(data).values
        platform, _, name = path.parent.name.partition("-")
        stem = path.stem.removeprefix("factory_param").removeprefix("_")
        assert _check(values, module(platform, stem or name)) == ([], []), path
        checked += 1
    assert checked


@pytest.mark.parametrize("release", RELEASES)
def test_certificates_and_keys(reference, release):
    kinds = {"ca": PkiType.CA, "cert": PkiType.CERT, "key": PkiType.KEY}
    files = sorted((_inputs(reference, release) / "raw_data").glob("*_*/*"))
    checked = 0
    for path in files:
        kind = kinds.get(path.parent.name.rpartition("_")[2])
        if kind is None:
            continue
        assert _pki(path, kind).problems == [], path
        assert summarize(path.read_bytes())
        checked += 1
    assert checked >= 6


@pytest.mark.parametrize("release", RELEASES)
def test_keys_match_their_certificates(reference, release):
    raw_data = _inputs(reference, release) / "raw_data"
    checked = 0
    for folder in sorted(raw_data.glob("*_cert")):
        keys = sorted((raw_data / folder.name.replace("_cert", "_key")).iterdir())
        for certificate, key in zip(sorted(folder.iterdir()), keys, strict=True):
            pair = _pki(certificate, PkiType.CERT), _pki(key, PkiType.KEY)
            assert pair[0].certificates
            assert pair[1].key is not None
            assert check_pair(*pair) == [], certificate
            checked += 1
    assert checked >= 3


@pytest.mark.parametrize("release", RELEASES[:5])
def test_pki_containers(reference, release):
    kinds = {"ca": PkiType.CA, "cert": PkiType.CERT, "key": PkiType.KEY}
    contents = {
        (item.content, kind)
        for name, kind in kinds.items()
        for path in (reference / "golden" / release).glob(f"*/*_{name}.bin")
        for item in PkiContainer.from_bytes(path.read_bytes()).items
    }
    assert contents
    for content, kind in contents:
        assert _pki(content, kind).problems == [], content


@pytest.mark.parametrize("release", RELEASES)
def test_gatt_tables(reference, release):
    (path,) = (_inputs(reference, release) / "raw_data" / "ble_data").glob("*.csv")
    # From v3.1.0.0 on, the first line is a comment.
    text = path.read_text().partition("\n")[2]
    table = GattTable.from_csv(",".join(COLUMNS) + "\n" + text)
    assert lint_gatts(table.rows, editable_rows=EDITABLE_ROWS) == ([], [])
