"""Our catalog has every row of upstream's factory parameter tables, and every released package."""

import csv

import pytest

from platformio_esp_at.catalog.chips import chip
from platformio_esp_at.catalog.modules import data_layout, module, modules, release_key
from platformio_esp_at.catalog.releases import released_packages
from platformio_esp_at.units import format_size

LEGACY = ["v2.0.0.0_esp32", "v2.1.0.0_esp32s2", "v2.2.0.0_esp32", "v2.2.1.0_esp8266", "v2.4.0.0"]
MFG_NVS = {"v3.1.0.0": "v3.1.0.0", "v4.1.1.0": "v4.1.1.0", "HEAD": "v5.0.1.0"}


def rows(reference, release):
    with (reference / "golden" / release / "_inputs" / "factory_param_data.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found = module(chip(row.pop("platform")).key, row["module_name"])
            # v2.0 and v2.1 misspell uart_cts_pin; magic_flag is the same everywhere and not a parameter.
            fields = {name.replace("ctx", "cts"): value for name, value in row.items()}
            yield found, {name: fields[name] for name in fields if name not in {"description", "magic_flag"}}


@pytest.mark.parametrize("release", LEGACY)
def test_factory_param_rows(reference, release):
    checked = 0
    for found, expected in rows(reference, release):
        version = int(expected["version"])
        row = {name: str(value) for name, value in found.factory_param(version).items()}
        if version == 3:
            expected["platform"] = chip(found.chip).platform
        else:
            expected.pop("module_name")
        assert row == expected, f"{found.chip} {found.name}"
        checked += 1
    assert checked >= 6


@pytest.mark.parametrize(("folder", "release"), MFG_NVS.items())
def test_mfg_nvs_rows(reference, folder, release):
    checked = 0
    for found, expected in rows(reference, folder):
        row = found.factory_param(4, release=release)
        assert {name: str(value) for name, value in row.items()} == expected, f"{found.chip} {found.name}"
        checked += 1
    assert checked >= 12


@pytest.mark.parametrize("release", [*LEGACY, *MFG_NVS])
def test_fields_are_in_the_order_of_the_type_table(reference, release):
    path = reference / "golden" / release / "_inputs" / "factory_param_type.csv"
    lines = [line.split(",") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    legacy = lines[0][0] == "param_name"
    # The table has more than a row: fields that no blob has (offset -1), the magic, and bytes that stay 0xFF.
    names = [line[0].replace("ctx", "cts") for line in lines if not legacy or line[1].isdigit()]
    names = [name for name in names if name not in {"magic_flag", "reserved2"}]
    found, expected = next(rows(reference, release))
    version = int(expected["version"])
    assert list(found.factory_param(version, release=MFG_NVS.get(release, release))) == names


def test_every_released_url(reference):
    """The catalog has every URL of the list, from chip, module and release."""
    with (reference / "reference" / "releases.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 125
    ours = {
        (package.chip, release_key(package.release), package.url, package.recommended, package.by_form)
        for module_row in modules()
        for package in released_packages(module_row.chip, module_row.name)
    }
    assert ours == {
        (
            chip(row["chip"]).key,
            release_key(row["version"]),
            row["url"],
            row["recommended"] == "yes",
            row["kind"] == "application-form",
        )
        for row in rows
    }


def test_configuration_and_layout_of_every_module(reference):
    with (reference / "reference" / "modules.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["factory_param_version"]]
    assert len(rows) >= 60
    for row in rows:
        found = module(chip(row["chip"]).key, row["module_name"])
        version = int(row["factory_param_version"])
        assert found.module_config == row["module_config_dir"], row
        assert format_size(found.flash_size) == row["flash_size"], row
        assert row["from_version"] in found.versions[version], row
        assert row["to_version"] == "master" or row["to_version"] in found.versions[version], row
        assert data_layout(version) == {"mfg_nvs": "mfg_nvs"}.get(row["data_layout"], "factory_param"), row
