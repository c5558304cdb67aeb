"""The manifest of a backup: what it says comes back, and what no backup of ours says is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.backup import TABLE, WHOLE, Application, Backup, SavedPart

TABLE_PART = SavedPart(TABLE, "flash/008000-primary_partition_table.bin", 0x8000, 0x1000, "a" * 64)
NVS = SavedPart("nvs", "flash/012000-nvs.bin", 0x12000, 0xE000, "b" * 64)
FLASH = SavedPart(WHOLE, "flash/whole.bin", 0, 4 << 20, "c" * 64)
BACKUP = Backup(
    chip="esp32",
    mac="24:0a:c4:00:00:01",
    flash_size=4 << 20,
    raw=False,
    application=Application("ota_0", 0x100000, "v2.4.0.0", "d" * 64),
    saved=(TABLE_PART, NVS),
)


@pytest.mark.parametrize(
    "backup",
    [
        BACKUP,
        replace(BACKUP, raw=True, saved=(FLASH, TABLE_PART, NVS)),
        replace(BACKUP, raw=True, saved=(FLASH,), application=None),
        replace(BACKUP, mac=None, flash_size=None),
        replace(BACKUP, application=replace(BACKUP.application, version=None)),
    ],
    ids=["partitions", "raw", "raw-alone", "little-is-known", "no-version"],
)
def test_what_it_says_comes_back(backup):
    data = backup.to_bytes("a test")
    assert Backup.from_bytes(data) == backup
    assert json.loads(data)["generator"] == "a test"
    assert data.endswith(b"\n")


def test_a_part_by_its_name():
    assert BACKUP.part("nvs") is NVS
    assert BACKUP.part("ota_0") is None
    assert NVS.end == 0x20000


def test_the_names_of_ours_are_those_of_no_partition():
    assert min(len(TABLE), len(WHOLE)) > 16


DAMAGED = {
    "no-json": b"{",
    "no-object": b"[]",
    "no-chip": {"chip": None},
    "a-number-for-the-mac": {"mac": 7},
    "yes-for-the-size": {"flash_size": True},
    "a-word-for-raw": {"raw": "yes"},
    "no-parts": {"saved": []},
    "parts-no-list": {"saved": {}},
    "a-part-no-object": {"saved": ["nvs"]},
    "application-no-object": {"application": "ota_0"},
    "application-outside": {"application": {"slot": "x", "offset": 4 << 20, "version": None, "sha256": "d" * 64}},
    "raw-without-the-flash": {"raw": True},
}
PARTS = {
    "a-path-that-leads-out": {"file": "flash/../../x.bin"},
    "a-path-elsewhere": {"file": "/etc/passwd"},
    "a-digest-that-is-none": {"sha256": "B" * 64},
    "no-size": {"size": 0},
    "a-negative-offset": {"offset": -0x1000},
    "inside-a-sector": {"offset": 0x12001},
    "half-a-sector": {"size": 100},
    "after-the-flash": {"offset": 0x3FF000},
    "after-every-flash": {"offset": 1 << 32},
    "over-another": {"offset": 0x8000},
    "a-number-for-the-name": {"name": 1},
}


@pytest.mark.parametrize("change", DAMAGED.values(), ids=DAMAGED)
def test_what_is_damaged_is_refused(change):
    data = change if isinstance(change, bytes) else json.dumps(json.loads(BACKUP.to_bytes("x")) | change).encode()
    _refused(data, "backup-damaged")


@pytest.mark.parametrize("change", PARTS.values(), ids=PARTS)
def test_a_part_that_no_backup_has_is_refused(change):
    root = json.loads(BACKUP.to_bytes("x"))
    root["saved"][1] |= change
    _refused(json.dumps(root).encode(), "backup-damaged")


@pytest.mark.parametrize("part", [replace(FLASH, size=2 << 20), replace(FLASH, offset=0x1000, size=(4 << 20) - 0x1000)])
def test_a_part_of_the_flash_is_not_the_whole(part):
    _refused(replace(BACKUP, raw=True, saved=(part, NVS)).to_bytes("x"), "backup-damaged")


@pytest.mark.parametrize("number", [2, None, "1"])
def test_another_format_is_told_from_damage(number):
    error = _refused(json.dumps(json.loads(BACKUP.to_bytes("x")) | {"format": number}).encode(), "backup-format")
    assert "update platformio-esp-at" in error.hint


def _refused(data: bytes, code: str) -> FormatError:
    with pytest.raises(FormatError) as caught:
        Backup.from_bytes(data)
    assert caught.value.code == code
    return caught.value
