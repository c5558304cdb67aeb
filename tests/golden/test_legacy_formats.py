"""For the releases up to v2.4, the format modules make every file as upstream's tools did.

The data is in ``$ESP_AT_REFERENCE/golden``; its ``MANIFEST.json`` lists the files and what made them. Each defect of
upstream has its own function here, named for the defect, and used only where upstream has it.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import re
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from platformio_esp_at.checks.layout import check_primary, check_secondary
from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.download_config import FlashArgs, format_download_config, parse_download_config
from platformio_esp_at.formats.esp_image import ESP8266, EspImage, FlashSettings, flash_sizes
from platformio_esp_at.formats.factory_param import FactoryParam, field_names
from platformio_esp_at.formats.flasher_args import format_flasher_args, parse_flasher_args
from platformio_esp_at.formats.gatts import COLUMNS, GattTable
from platformio_esp_at.formats.partition_table import APP_ALIGNMENT, ESP8266_APP_ALIGNMENT, PartitionTable
from platformio_esp_at.formats.pki import PkiContainer, PkiType
from platformio_esp_at.units import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASES = ("v2.0.0.0_esp32", "v2.1.0.0_esp32s2", "v2.2.0.0_esp32", "v2.2.1.0_esp8266", "v2.4.0.0")
PKI_NAME = re.compile(r"(server|client|mqtt|wpa2)_(?P<kind>ca|cert|key)\.bin")
PKI_SUFFIXES = {"ca": (".pem", ".der", ".cer", ".crt"), "cert": (".pem", ".der", ".cer", ".crt")}
KEY_SUFFIXES = (".pem", ".der", ".key")
TABLE_OFFSET = 0x8000

# The files of each test, by the pattern of their names.
KINDS = {
    "primary": ("partition-table.bin", "partition-table.nomd5.bin"),
    "secondary": ("at_customize.bin",),
    "pki": tuple(
        f"{user}_{kind}.bin" for user in ("server", "client", "mqtt", "wpa2") for kind in ("ca", "cert", "key")
    ),
    "gatts": ("ble_data.bin", "ble_data.py2.bin", "ble_data.py3-upstream-corrupt.bin"),
    "factory_param": ("factory_param.bin", "factory_param_*.bin"),
    "arguments": ("download.config", "flash_project_args"),
}
NOT_OURS = {
    "fatfs.bin.gz": "a FAT image carries a random volume id",
    "ota_data_initial.bin": "8192 bytes of FF, no format of its own",
}


def _entries() -> list[dict]:
    """Return the manifest's entries of these releases; none without the reference data."""
    place = os.environ.get("ESP_AT_REFERENCE")
    if not place:
        return []
    manifest = json.loads((Path(place) / "golden" / "MANIFEST.json").read_text())
    return [entry for entry in manifest["entries"] if entry["tag"].startswith("v2.")]


def _path(entry: dict) -> str:
    return entry.get("logical_path") or entry["path"] or ""


def _kind(name: str) -> str | None:
    return next((kind for kind, patterns in KINDS.items() if any(fnmatch(name, each) for each in patterns)), None)


ENTRIES = _entries()
MADE = [entry for entry in ENTRIES if not entry.get("role")]
CASES = {kind: [entry for entry in MADE if _kind(Path(_path(entry)).name) == kind] for kind in KINDS}
FACTORY = [entry for entry in ENTRIES if entry.get("role") == "factory-hash-only"]


def _each(entries: list[dict]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=[_path(entry) or _factory_id(entry) for entry in entries])


def _factory_id(entry: dict) -> str:
    return f"{_folder_name(entry)}/{entry['name']}"


def _folder_name(entry: dict) -> str:
    """Return the folder of a factory image's row."""
    row = f"{entry['platform'].removeprefix('PLATFORM_')}-{entry['module']}"
    return f"{entry['tag']}/_variants/{row}{entry['variant']}" if entry.get("variant") else f"{entry['tag']}/{row}"


def _chip(entry: dict) -> str:
    return entry["platform"].removeprefix("PLATFORM_").lower()


def _release(entry: dict) -> tuple[int, ...]:
    return tuple(int(number) for number in entry["tag"].removeprefix("v").partition("_")[0].split("."))


@pytest.fixture(scope="session")
def golden(reference: Path) -> Path:
    return reference / "golden"


# -- nothing is left out --


def test_manifest_has_exactly_these_releases(golden):
    assert {entry["tag"] for entry in ENTRIES} == set(RELEASES)


def test_every_file_on_disk_is_in_a_case(golden):
    """Every file in the folders is in a test, except for those that are listed as not ours."""
    on_disk = {
        path.relative_to(golden).as_posix()
        for release in RELEASES
        for path in (golden / release).rglob("*")
        if path.is_file() and _kind(path.name) and "_inputs" not in path.parts
    }
    taken = [_path(entry) for cases in CASES.values() for entry in cases]
    assert len(taken) == len(set(taken))
    assert set(taken) == on_disk


def test_every_file_of_the_manifest_is_in_a_case(golden):
    left = [_path(entry) for entry in MADE if not _kind(Path(_path(entry)).name)]
    assert {Path(path).name for path in left} <= set(NOT_OURS)
    assert sum(map(len, CASES.values())) + len(left) == len(MADE)


# -- partition tables --


def _alignment(entry: dict) -> int:
    return ESP8266_APP_ALIGNMENT if _chip(entry) == ESP8266 else APP_ALIGNMENT


def _primary_has_md5(entry: dict) -> bool:
    """v2.1's own Kconfig doesn't know its option to switch the MD5 row off; ESP8266 never has the row."""
    return _release(entry)[:2] == (2, 1) and _chip(entry) != ESP8266 and ".nomd5" not in _path(entry)


def _table(csv_path: Path, entry: dict, *, md5: bool) -> PartitionTable:
    return PartitionTable.from_csv(
        csv_path.read_text(), first_offset=TABLE_OFFSET + 0x1000, md5=md5, app_alignment=_alignment(entry)
    )


@_each(CASES["primary"])
def test_primary_table(golden, entry):
    upstream = golden / _path(entry)
    table = _table(upstream.parent / "partitions_at.csv", entry, md5=_primary_has_md5(entry))
    assert table.to_bytes() == upstream.read_bytes()
    assert PartitionTable.from_bytes(upstream.read_bytes()) == table
    flash_size = parse_size(parse_download_config((upstream.parent / "download.config").read_text()).settings.size)
    check_primary(table, table_offset=TABLE_OFFSET, flash_size=flash_size, app_alignment=_alignment(entry))


@_each(CASES["secondary"])
def test_secondary_table(golden, entry):
    upstream = golden / _path(entry)
    table = _table(upstream.parent / "at_customize.csv", entry, md5=True)
    assert table.to_bytes() == upstream.read_bytes()
    assert PartitionTable.from_bytes(upstream.read_bytes()) == table
    home = _table(upstream.parent / "partitions_at.csv", entry, md5=False).find("at_customize")
    check_secondary(table, home=home)


# -- PKI --


def _pki_type(entry: dict, kind: str) -> int:
    """From v2.2 on, upstream's build marks every item as a certificate."""
    return PkiType.CERT if _release(entry) >= (2, 2) else PkiType[kind.upper()]


def _raw_files(golden: Path, entry: dict, kind: str) -> list[Path]:
    """Return a partition's input files as upstream orders them: by suffix, then by name."""
    folder = golden / entry["tag"] / "_inputs" / "raw_data" / Path(_path(entry)).stem
    suffixes = PKI_SUFFIXES.get(kind, KEY_SUFFIXES)
    return sorted(folder.iterdir(), key=lambda path: (suffixes.index(path.suffix), path.name))


@_each(CASES["pki"])
def test_pki(golden, entry):
    kind = PKI_NAME.fullmatch(Path(_path(entry)).name)["kind"]
    contents = [path.read_bytes() for path in _raw_files(golden, entry, kind)]
    container = PkiContainer.of(_pki_type(entry, kind), contents)
    upstream = (golden / _path(entry)).read_bytes()
    assert container.to_bytes() == upstream
    assert PkiContainer.from_bytes(upstream) == container


# -- GATTS --

PYTHON2_KEYS = ("index", "uuid", "uuid_len", "val_max_len", "value", "perm", "val_cur_len")
"""The order of the JSON keys in releases that were built with Python 2, up to v2.1."""


def _gatts(golden: Path, entry: dict) -> GattTable:
    text = (golden / entry["tag"] / "_inputs" / "raw_data" / "ble_data" / "example.csv").read_text()
    table = GattTable.from_csv(text)
    return replace(table, keys=PYTHON2_KEYS) if ".py2." in _path(entry) else table


def _written_as_text(data: bytes) -> bytes:
    """Return ``ble_data`` as the tools of v2.0 and v2.1 write it on Python 3: each byte as a character of UTF-8."""
    return data.decode("latin-1").encode("utf-8")


CORRUPT = [entry for entry in CASES["gatts"] if "corrupt" in _path(entry)]


@_each([entry for entry in CASES["gatts"] if entry not in CORRUPT])
def test_gatts(golden, entry):
    table = _gatts(golden, entry)
    upstream = (golden / _path(entry)).read_bytes()
    assert table.to_bytes() == upstream
    assert GattTable.from_bytes(upstream) == table
    assert set(table.keys) == set(COLUMNS)


@_each(CORRUPT)
def test_gatts_defect_header_written_as_text(golden, entry):
    """No firmware can use this file: the magic 27 95 has become 27 C2 95, so it finds no services."""
    upstream = (golden / _path(entry)).read_bytes()
    ours = _gatts(golden, entry).to_bytes()
    assert upstream == _written_as_text(ours)
    assert (ours[:4], upstream[:5]) == (b"\x53\x19\x27\x95", b"\x53\x19\x27\xc2\x95")
    with pytest.raises(FormatError, match="its magic 27 95 is missing") as caught:
        GattTable.from_bytes(upstream)
    assert caught.value.code == "not-ble-data"
    assert caught.value.hint == "make it again on Python 2: BLEService.py of v2.0 and v2.1 writes C2 there on Python 3"


# -- factory_param --

# Columns of the table that aren't fields, and one that was misspelt.
COLUMN_NAMES = {"uart_ctx_pin": "uart_cts_pin"}
TEXT_COLUMNS = ("country_code", "platform", "module_name")


def _row_values(golden: Path, entry: dict, module: str) -> dict[str, int | str]:
    """Return a module's values in ``factory_param_data.csv``, for the fields of its version."""
    with (golden / entry["tag"] / "_inputs" / "factory_param_data.csv").open(newline="") as file:
        (row,) = (
            row for row in csv.DictReader(file) if (row["platform"], row["module_name"]) == (entry["platform"], module)
        )
    named = {COLUMN_NAMES.get(column, column): cell for column, cell in row.items()}
    assert int(named["magic_flag"], 16) == 0xFCFC
    return {
        name: named[name] if name in TEXT_COLUMNS else int(named[name]) for name in field_names(int(named["version"]))
    }


CTS_OFFSET = 18
CTS_LEFT_OUT = [entry for entry in CASES["factory_param"] if entry["tag"] == "v2.1.0.0_esp32s2"]


def _without_cts(data: bytes) -> bytes:
    """Return factory_param as v2.1.0.0_esp32s2 writes it: its tables spell one column in two ways, so it stays FF."""
    return data[:CTS_OFFSET] + b"\xff" + data[CTS_OFFSET + 1 :]


def _factory_param(golden: Path, entry: dict) -> FactoryParam:
    assert Path(_path(entry)).name in ("factory_param.bin", f"factory_param_{entry['module']}.bin")
    return FactoryParam.from_values(_row_values(golden, entry, entry["module"]))


@_each([entry for entry in CASES["factory_param"] if entry not in CTS_LEFT_OUT])
def test_factory_param(golden, entry):
    param = _factory_param(golden, entry)
    upstream = (golden / _path(entry)).read_bytes()
    assert param.to_bytes() == upstream
    assert FactoryParam.from_bytes(upstream).values == _row_values(golden, entry, entry["module"])


@_each(CTS_LEFT_OUT)
def test_factory_param_defect_cts_left_out(golden, entry):
    """No firmware needs this defect: with hardware flow control, the CTS pin would be missing."""
    param = _factory_param(golden, entry)
    upstream = (golden / _path(entry)).read_bytes()
    assert upstream == _without_cts(param.to_bytes())
    assert param.values["uart_cts_pin"] in (3, 15, 20)
    assert FactoryParam.from_bytes(upstream).values == {**param.values, "uart_cts_pin": -1}


# -- flash arguments --


@_each(CASES["arguments"])
def test_flash_arguments(golden, entry):
    """The values are written as they were read, in our one spelling of offsets; both files mean the same."""
    path = golden / _path(entry)
    args = parse_download_config(path.read_text())
    words = path.read_text().split()
    assert format_download_config(args).split() == [word.lower() if word.startswith("0x") else word for word in words]
    assert parse_download_config((path.parent / "download.config").read_text()) == args
    assert parse_flasher_args(format_flasher_args(args)) == args


# -- factory images --


def _part(golden: Path, entry: dict, path: str) -> bytes:
    """Return the file at ``path`` of ``download.config``: the row's own, or a dummy for a built one."""
    name = Path(path).name
    own = golden / _folder_name(entry)
    if (own / f"{name}.gz").exists():
        return gzip.decompress((own / f"{name}.gz").read_bytes())
    places = (own, golden / "_dummy" / _chip(entry), golden / "_dummy")
    return next(place / name for place in places if (place / name).exists()).read_bytes()


def _with_header_as_upstream_leaves_it(image: bytes, settings: FlashSettings, chip: str) -> bytes:
    """Return a bootloader with ``settings`` in its header, and with upstream's two defects."""
    patched = EspImage.from_bytes(image, esp8266=chip == ESP8266).with_flash_settings(settings, chip)
    data = _with_digest_of(patched, image)
    return _with_size_number_of_esp32(data, settings) if chip == ESP8266 else data


def _with_digest_of(patched: EspImage, original: bytes) -> bytes:
    """Undo the new digest: upstream's tool changes the header and keeps the old digest."""
    if not patched.hash_appended:
        return patched.data
    start = patched.size - 32
    return patched.data[:start] + original[start:]


def _with_size_number_of_esp32(data: bytes, settings: FlashSettings) -> bytes:
    """Write the size with ESP32's number: upstream's tool has no other table before v2.2.2.0."""
    return data[:3] + bytes([flash_sizes("esp32")[settings.size] << 4 | data[3] & 0xF]) + data[4:]


def _with_factory_param_of_module(path: str, module: str) -> str:
    """Return the file that is finally at ``path``'s offset: v2.x writes the module's factory_param over it."""
    return path.replace("factory_param.bin", f"factory_param_{module}.bin")


def _parts(golden: Path, entry: dict, args: FlashArgs) -> Iterator[tuple[int, bytes]]:
    """Yield the offsets and bytes of upstream's factory image."""
    for image in args.images:
        data = _part(golden, entry, _with_factory_param_of_module(image.path, entry["module"]))
        if image.path.endswith("bootloader.bin"):
            data = _with_header_as_upstream_leaves_it(data, args.settings, _chip(entry))
        yield image.offset, data


@_each(FACTORY)
def test_factory_image(golden, entry):
    args = parse_download_config((golden / _folder_name(entry) / "download.config").read_text())
    flash = bytearray(b"\xff" * parse_size(args.settings.size))
    for offset, data in _parts(golden, entry, args):
        flash[offset : offset + len(data)] = data
    assert len(flash) == entry["size"]
    assert hashlib.sha256(flash).hexdigest() == entry["sha256"]


@_each(FACTORY)
def test_factory_image_defects(golden, entry):
    """Upstream's header differs from ours only by the two defects above."""
    settings = parse_download_config((golden / _folder_name(entry) / "download.config").read_text()).settings
    chip = _chip(entry)
    built = _part(golden, entry, "bootloader.bin")
    ours = EspImage.from_bytes(built, esp8266=chip == ESP8266).with_flash_settings(settings, chip)
    upstream = _with_header_as_upstream_leaves_it(built, settings, chip)
    differ = {place for place, (mine, theirs) in enumerate(zip(ours.data, upstream, strict=True)) if mine != theirs}
    assert ours.digest_valid
    if chip == ESP8266:
        assert differ == {3}
        assert ours.flash_settings(chip) == settings
    else:
        assert differ <= set(range(len(built) - 32, len(built)))
        assert bool(differ) == (ours.data[:4] != built[:4])


@pytest.mark.parametrize("chip", ["esp32", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61", "esp32s2", ESP8266])
@pytest.mark.parametrize("name", ["bootloader.bin", "esp-at.bin"])
def test_stand_in_image(golden, chip, name):
    data = (golden / "_dummy" / chip / name).read_bytes()
    image = EspImage.from_bytes(data, esp8266=chip == ESP8266)
    assert (image.size, image.digest_valid) == (len(data), True)
    assert image.hash_appended == (chip != ESP8266)
