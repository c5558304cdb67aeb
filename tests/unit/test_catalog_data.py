"""The catalog's YAML files keep to their schema: a slip in the data fails here and not at a user's desk."""

import re
import subprocess
import sys
from importlib import resources

import pytest
import yaml

from platformio_esp_at.catalog.chips import chip, chips
from platformio_esp_at.catalog.gpios import UART_PINS
from platformio_esp_at.catalog.modules import _spellings, module, modules, release_key, unsupported_modules
from platformio_esp_at.catalog.releases import package_named, released_packages

CHIP_KEYS = {
    *("display_name", "image_chip_id", "bootloader_offset", "partition_table_offset"),
    *("download_pins", "download_levels"),
}
PARAMETERS = {
    *("tx_max_power", "start_channel", "channel_num", "country_code", "uart_port", "uart_baudrate"),
    *("tx_control_pin", "rx_control_pin", "sys_store"),
}
MODULE_KEYS = {"description", "flash_size", "pins", "versions"}
OPTIONAL_KEYS = {
    "module_config",
    "psram",
    "covers",
    "alternatives",
    "successor",
    "module_id",
    "exceptions",
    *PARAMETERS,
}
HIGHEST_GPIO = {
    "esp32": 39,
    "esp32s2": 46,
    "esp32c2": 20,
    "esp32c3": 21,
    "esp32c5": 28,
    "esp32c6": 30,
    "esp32c61": 29,
    "esp8266": 16,
}


class UniqueKeyLoader(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node, deep=False):  # noqa: FBT002 - PyYAML's signature
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key stands here twice"
        return super().construct_mapping(node, deep)


def read(name):
    text = resources.files("platformio_esp_at.catalog").joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, UniqueKeyLoader)  # noqa: S506 - derived from SafeLoader


def module_rows():
    for chip_key, rows in read("modules.yml")["modules"].items():
        for name, row in rows.items():
            if name != "defaults":
                yield pytest.param(chip_key, name, row, id=f"{chip_key}-{name}")


def test_chips():
    content = read("chips.yml")
    assert set(content) == {"chips", "unsupported"}
    for key, row in content["chips"].items():
        assert key == key.lower()
        assert key == row["display_name"].lower().replace("-", "")
        assert CHIP_KEYS <= set(row) <= CHIP_KEYS | {"aliases", "crystal_mhz", "memory"}
        assert row.get("crystal_mhz", 26) in {26, 40}
        assert row["bootloader_offset"] in {0, 0x1000, 0x2000}
        assert row["partition_table_offset"] % 0x1000 == 0
        assert row["bootloader_offset"] < row["partition_table_offset"]
        assert set(row["download_pins"]) == {"tx", "rx"}
        assert all(0 <= pin <= HIGHEST_GPIO[key] for pin in row["download_pins"].values())
    for row in content["unsupported"].values():
        assert {"display_name", "image_chip_id"} <= set(row) <= {"display_name", "image_chip_id", "why"}


def test_image_chip_ids_are_unique():
    content = read("chips.yml")
    ids = [row["image_chip_id"] for rows in content.values() for row in rows.values()]
    assert len(ids) == len(set(ids))
    assert [key for key, row in content["chips"].items() if row["image_chip_id"] is None] == ["esp8266"]


def test_module_defaults():
    content = read("modules.yml")
    assert set(content) == {"defaults", "modules", "limits"}
    assert set(content["defaults"]) == {"psram", *PARAMETERS}
    assert set(content["modules"]) == set(read("chips.yml")["chips"])
    for rows in content["modules"].values():
        assert set(rows.get("defaults", {})) <= {"module_config", *PARAMETERS}


@pytest.mark.parametrize(("chip_key", "name", "row"), list(module_rows()))
def test_module_row(chip_key, name, row):
    assert isinstance(name, str)
    assert len(name) < 32, "module_name[32] of factory parameters version 3 ends in a NUL"
    assert MODULE_KEYS <= set(row) <= MODULE_KEYS | OPTIONAL_KEYS
    assert isinstance(row["description"], str)
    assert re.fullmatch(r"(1|2|4|8|16)MB", row["flash_size"])
    assert len(row["pins"]) == 4
    assert all(-1 <= pin <= HIGHEST_GPIO[chip_key] for pin in row["pins"])
    used = [pin for pin in row["pins"] if pin >= 0]
    assert len(used) == len(set(used))
    assert set(row["versions"]) <= {0, 1, 2, 3, 4}
    assert ("module_id" in row) == bool({1, 2} & set(row["versions"]))


@pytest.mark.parametrize("found", modules(), ids=lambda m: f"{m.chip}-{m.name}")
def test_module_values(found):
    assert chip(found.chip).key == found.chip
    assert (found.uart_tx_pin >= 0) == (found.uart_baudrate > 0)
    assert found.uart_port in {-1, 0, 1}
    assert found.parameters["country_code"] == "CN"
    assert found.module_config.startswith("module_")
    for version, releases in found.versions.items():
        starts = [release_key(part.partition("..")[0]) for part in releases.text.split(",")]
        assert starts == sorted(starts)
        assert all(len(start) == 4 for start in starts)
        if version:
            row = found.factory_param(version)
            assert row["version"] == version
            assert all(isinstance(value, int | str) and not isinstance(value, bool) for value in row.values())
    assert all(module(found.chip, other).name == other != found.name for other in found.alternatives)
    if found.successor:
        assert module(found.chip, found.successor.module).successor is None
    for releases, changes in found.exceptions:
        assert releases.text
        assert set(changes) <= PARAMETERS


def test_versions_of_a_module_do_not_overlap():
    for found in modules():
        starts = [releases.text.partition("..")[0].partition(",")[0] for releases in found.versions.values()]
        for version, start in zip(found.versions, starts, strict=True):
            assert [v for v, releases in found.versions.items() if start in releases] == [version]


@pytest.mark.parametrize("key", [c.key for c in chips()])
def test_every_name_and_covered_hardware_is_unambiguous(key):
    covered = [spelling for m in modules(key) for spelling in m.covers]
    assert len(covered) == len(set(covered))
    for found in modules(key):
        assert module(key, found.name) is found
        assert all(module(key, spelling) is found for spelling in found.covers)
    assert "" not in _spellings(key)


def test_limits_of_hardware():
    for key, rows in read("modules.yml")["limits"].items():
        assert list(rows) == sorted(rows)
        for name, row in rows.items():
            assert set(row) <= {"not_for", "other_pins"}
            assert all(module(key, other).name == other for other in row.get("not_for", ()))
            if row:
                assert module(key, name).name not in row.get("not_for", ())
            else:
                assert name in unsupported_modules(key)


def test_boards_with_ethernet():
    ids = read("boards.yml")["ethernet"]
    assert ids == sorted(set(ids))


def test_boards():
    content = read("boards.yml")
    assert set(content) == {"by_flash", "exceptions", "used_gpios", "crystal_mhz", "ethernet"}
    assert set(content["by_flash"]) == {c.key for c in chips()} - {"esp32"}
    for key, names in content["by_flash"].items():
        sizes = [module(key, name).flash_size for name in names]
        assert sizes == sorted(set(sizes), reverse=True)
    for key, rows in content["exceptions"].items():
        for row in rows.values():
            assert set(row) == {"module", "why"}
            assert module(key, row["module"]).name == row["module"]
            assert row["why"].startswith("it carries ")
            assert "#" not in row["why"]  # facts, not the issues of other projects


def test_releases():
    content = read("releases.yml")
    assert set(content) == {"servers", "releases"}
    assert all(url.startswith("https://") for url in content["servers"].values())
    for key, series in content["releases"].items():
        for name, row in series.items():
            assert module(key, name).name == name
            assert {"packages"} <= set(row) <= {"packages", "recommended"}
            offered = [release for group in row["packages"] for release in group["releases"]]
            assert row.get("recommended", offered[0]) in offered
            # What is recommended, `latest` takes: a module that has a successor gets the successor's.
            assert ("recommended" not in row) or module(key, name).successor is None
            for group in row["packages"]:
                check_release_group(group)


def test_used_gpios_of_boards():
    for key, boards in read("boards.yml")["used_gpios"].items():
        ports = {pin for found in modules(key) for pin in (found.parameters[name] for name in UART_PINS)}
        assert list(boards) == sorted(boards)
        for board, uses in boards.items():
            assert uses, board
            assert set(uses) <= ports, board
            assert all(isinstance(use, str) and use == use.strip() and not use.endswith(".") for use in uses.values())


def check_release_group(group):
    assert len({"url", "form"} & set(group)) == 1
    assert set(group) <= {"url", "form", "releases", "chip_revisions"}
    keys = [release_key(release) for release in group["releases"]]
    assert keys == sorted(set(keys), reverse=True)
    assert all(re.fullmatch(r"v\d+(\.\d+){2,3}", release) for release in group["releases"])
    if "url" in group:
        assert group["url"].endswith(".zip")
    assert len(group["releases"]) == 1 or "{release}" in group.get("url", group.get("form"))
    if "chip_revisions" in group:
        assert re.fullmatch(r"v\d\.\d( to v\d\.\d)?", group["chip_revisions"])


def test_released_packages_have_names_of_their_own():
    packages = [found for found in released_packages() if not found.by_form]
    assert len({found.name.lower() for found in packages}) == len(packages)
    assert len({found.url for found in released_packages()}) == len(released_packages())
    assert all(package_named(found.file_name) is found for found in packages)


def test_importing_the_catalog_reads_nothing():
    code = (
        "import sys; import platformio_esp_at.catalog.boards;"
        "sys.exit(any(name in sys.modules for name in ('yaml', 'click', 'SCons', 'subprocess')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
