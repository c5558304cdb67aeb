"""Whether a backup can be restored to the device at the port."""

from __future__ import annotations

import pytest

from platformio_esp_at.checks.device import check_restorable
from platformio_esp_at.device.session import Device, Security
from platformio_esp_at.errors import FlashError
from platformio_esp_at.formats.backup import Backup, SavedPart

MAC, OTHER = "24:0a:c4:00:00:01", "24:0a:c4:00:00:02"
NVS = SavedPart("nvs", "flash/a.bin", 0x10000, 0x1000, "0" * 64)
BACKUP = Backup("esp32c3", MAC, flash_size=4 << 20, raw=False, application=None, saved=(NVS,))


def _device(**facts) -> Device:
    return Device(
        **{"port": "COM3", "chip": "esp32c3", "security": Security(), "mac": MAC, "flash_size": 4 << 20, **facts}
    )


@pytest.mark.parametrize("size", [None, 4 << 20, 8 << 20])
def test_the_module_itself(size):
    assert check_restorable(BACKUP, _device(flash_size=size), other_module=False) == ()


def test_another_module_on_ones_word():
    assert check_restorable(BACKUP, _device(mac=OTHER), other_module=True) == ()


@pytest.mark.parametrize(
    ("facts", "code", "said", "hint"),
    [
        ({"chip": "esp32s3"}, "device-other-chip", "an ESP32-S3, the backup is of an ESP32-C3", "port: PORT"),
        ({"security": Security(encryption="release")}, "flash-encrypted", "release mode", "another module"),
        ({"flash_size": 2 << 20}, "device-flash-too-small", "2MB of flash, less than the 4MB", "4MB"),
        ({"mac": OTHER}, "backup-other-module", f"{MAC}, the device is {OTHER}", "other_module: true"),
        ({"mac": None}, "backup-other-module", MAC, f"plug in {MAC}"),
    ],
)
def test_refused(facts, code, said, hint):
    with pytest.raises(FlashError) as caught:
        check_restorable(BACKUP, _device(**facts), other_module=False)
    assert caught.value.code == code
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_the_chip_comes_first_and_no_word_helps():
    with pytest.raises(FlashError) as caught:
        check_restorable(BACKUP, _device(chip="esp32", mac=OTHER, flash_size=1 << 20), other_module=True)
    assert caught.value.code == "device-other-chip"
