"""Which application an ota_data image selects, and which images a bootloader can't take one from."""

from __future__ import annotations

import pytest
from ota_data import entry, sector

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.ota_data import OTA_DATA_SIZE, OtaData
from platformio_esp_at.units import SECTOR_SIZE

BLANK = sector()
HINT = "take ota_data_initial.bin of the firmware package: 8192 bytes FF"


def test_the_checksum_is_that_of_the_bootloader():
    """The entry of sequence number 1, as ESP-IDF's otatool writes it."""
    assert entry(1)[28:32].hex() == "9a984347"


@pytest.mark.parametrize(
    ("data", "slots", "slot"),
    [
        pytest.param(BLANK + BLANK, 2, None, id="blank"),
        pytest.param(sector(entry(1)) + BLANK, 2, 0, id="first"),
        pytest.param(sector(entry(1)) + sector(entry(2)), 2, 1, id="the-larger-number"),
        pytest.param(sector(entry(3)) + sector(entry(2)), 2, 0, id="numbers-go-on"),
        pytest.param(BLANK + sector(entry(2, state=0xFFFFFFFF)), 3, 1, id="second-sector"),
        pytest.param(BLANK + b"\xff", 2, None, id="short"),
    ],
)
def test_which_slot_is_started(data, slots, slot):
    assert OtaData.from_bytes(data).slot(slots) == slot


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        pytest.param(bytes(OTA_DATA_SIZE), 32, id="zero"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n".ljust(OTA_DATA_SIZE, b"\xff"), 32, id="text"),
        pytest.param(sector(entry(0)) + BLANK, 0, id="sequence-0"),
        pytest.param(BLANK + sector(entry(1, checksum=7)), SECTOR_SIZE, id="checksum"),
        pytest.param(sector(entry(1, state=3)) + BLANK, 0, id="invalid"),
        pytest.param(sector(entry(1, state=4)) + BLANK, 0, id="aborted"),
        pytest.param(BLANK + BLANK[:-1] + b"\0", SECTOR_SIZE + 32, id="a-byte-behind-the-entry"),
    ],
)
def test_what_the_bootloader_would_ignore(data, offset):
    with pytest.raises(FormatError) as caught:
        OtaData.from_bytes(data)
    assert (caught.value.code, caught.value.hint) == ("ota-data-damaged", HINT)
    assert caught.value.facts == {"offset": offset}


def test_one_sector_would_leave_the_second_entry():
    with pytest.raises(FormatError) as caught:
        OtaData.from_bytes(BLANK)
    assert caught.value.message == (
        "ota_data has 4096 bytes, one sector: the second entry would stay as the flash has it"
    )
