"""What a module says that has the sample package on it: as the AT firmware v4.1 does, by the parameters in its flash.

Source of the lines: what modules print, as `formats.boot_log` and `formats.at_replies` read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.planning import mfg_nvs
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROMS = {
    "esp32": "ets Jul 29 2019 12:21:46\n\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\n",
    "esp8266": "\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\n\n",
}
_NEWER_ROM = "ESP-ROM:{}\nrst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)\n"
_BLANK = "invalid header: 0xffffffff\n"


class StandIn(NamedTuple):
    """The firmware that a sample package stands in for; ``prints`` has to be given to the package, too."""

    chip: str = "esp32"
    release: str = "v4.1.1.0"
    commit: str = "0123456"
    date: str = "Jun 26 2025"
    time: str = "16:00:00"

    @property
    def prints(self) -> tuple[str, ...]:
        """The texts of the application by which one tells its build."""
        return (self.release, self.commit, self.date, self.time)

    def boot_log(self, flash: bytes) -> bytes:
        """Return what it prints at the log port when it starts from this flash."""
        rom = _ROMS.get(self.chip, _NEWER_ROM.format(self.chip))
        try:
            mode, values = _parameters(self.chip, flash)
        except EspAtError:
            return _lines(rom + _BLANK)
        pins = " ".join(f"{pin}:{values[f'uart_{pin}_pin']}" for pin in ("tx", "rx", "cts", "rts"))
        return _lines(
            rom + "I (30) boot: ESP-IDF v5.0.6-dirty 2nd stage bootloader\n"
            f"I (1554) at-init: at param mode: {mode}\n"
            f"I (1555) at-uart: AT cmd port:uart{values['uart_port']} {pins} baudrate:{values['uart_baudrate']}\n"
            f"I (1557) at-init: module_name: {values['module_name']}\n"
            f"I (1559) at-init: {self.release} (gitlab)\n"
        )

    def version(self, module: str) -> bytes:
        """Return what it answers to ``AT+GMR``."""
        number = self.release.removeprefix("v")
        return _lines(
            f"AT version:{number}({self.commit} - {self.chip.upper()} - {self.date} 08:00:00)\n"
            "SDK version:v5.0.6-dirty\n"
            f"compile time({self.commit}):{self.date} {self.time}\n"
            f"Bin version:{self.release}({module})\n\nOK\n"
        )


def _parameters(chip: str, flash: bytes) -> tuple[int, Mapping[str, int | str]]:
    """Return where the firmware looks for its parameters (1: ``mfg_nvs``, 2: ``factory_param``), and what is there."""
    primary = PartitionTable.from_bytes(flash[find_chip(chip).partition_table_offset :][:SECTOR_SIZE])
    customized = primary.find("at_customize")
    user = PartitionTable.from_bytes(flash[customized.offset :][:SECTOR_SIZE]) if customized else PartitionTable(())
    if home := user.find("mfg_nvs"):
        return 1, mfg_nvs.parameters(NvsImage.from_bytes(flash[home.offset : home.end]))
    if home := user.find("factory_param"):
        return 2, FactoryParam.from_bytes(flash[home.offset : home.end]).values
    raise EspAtError("simulation-failed", "the flash has no parameters", hint="flash an AT firmware package first")


def _lines(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()
