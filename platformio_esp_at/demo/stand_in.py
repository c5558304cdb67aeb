"""What a module says that has the sample package on it: as the AT firmware does, by the parameters in its flash.

Source of the lines: what modules print, as `formats.boot_log` and `formats.at_replies` read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import release_key
from platformio_esp_at.commands.saved_settings import uart_settings
from platformio_esp_at.errors import EspAtError, FormatError
from platformio_esp_at.formats.boot_log import AtPort
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.planning import mfg_nvs
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

GENERATIONS = ("v2.0", "v2.2", "v3.0", "v3.1", "v4.1")
"""The releases since which the firmware prints other lines when it starts, the oldest first."""

BOOTLOADER = (
    "load:0x3fff0030,len:7104\r\nentry 0x40080628\r\n"
    "\x1b[0;32mI (29) boot: ESP-IDF v5.0.6-dirty 2nd stage bootloader\x1b[0m\r\n"
    "\x1b[0;32mI (30) boot: compile time 11:40:02\x1b[0m\r\n"
    "I (71) boot: ## Label            Usage          Type ST Offset   Length\r\n"
    "I (107) boot: Disabling RNG early entropy source...\r\n"
)
_ROMS = {
    "esp32": "ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n",
    "esp8266": "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\n",
}
_NEWER_ROM = "ESP-ROM:{}-api1-20210207\r\nBuild:Feb  7 2021\r\nrst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)\r\n"
_BLANK = "invalid header: 0xffffffff\r\n"


class Running(NamedTuple):
    """What the firmware has found in the flash, and works with."""

    mode: int
    """Where its parameters are: 1 in ``mfg_nvs``, 2 in ``factory_param``."""
    module: str
    port: AtPort


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

    def running(self, flash: bytes) -> Running | None:
        """Return what it works with when it starts from this flash; None if that has no firmware."""
        try:
            primary = PartitionTable.from_bytes(flash[find_chip(self.chip).partition_table_offset :][:SECTOR_SIZE])
            mode, values = _parameters(primary, flash)
        except EspAtError:
            return None
        keys = ("uart_port", *(f"uart_{pin}_pin" for pin in ("tx", "rx", "cts", "rts")), "uart_baudrate")
        port = AtPort(*(int(values[key]) for key in keys))
        return Running(mode, str(values["module_name"]), port._replace(baudrate=_saved_rate(primary, flash, port)))

    def boot_log(self, flash: bytes) -> bytes:
        """Return what it prints at the log port when it starts from this flash."""
        found = self.running(flash)
        if not found:
            return (rom_log(self.chip) + _BLANK).encode()
        generation = [each for each in GENERATIONS if release_key(each) <= release_key(self.release)][-1]
        lines = firmware_lines(generation, found, self.release)
        return (rom_log(self.chip) + BOOTLOADER + "".join(f"{line}\r\n" for line in lines)).encode()

    def baudrate(self, flash: bytes) -> int:
        """Return the speed of its AT port; 0 if the flash has no firmware."""
        found = self.running(flash)
        return found.port.baudrate if found else 0

    def version(self, flash: bytes) -> bytes:
        """Return what it answers to ``AT+GMR``; nothing if the flash has no firmware."""
        found = self.running(flash)
        if not found:
            return b""
        lines = (
            f"AT version:{self.release.removeprefix('v')}({self.commit} - {self.chip.upper()} - {self.date} 08:00:00)",
            "SDK version:v5.0.6-dirty",
            f"compile time({self.commit}):{self.date} {self.time}",
            f"Bin version:{self.release}({found.module})",
            "",
            "OK",
        )
        return "".join(f"{line}\r\n" for line in lines).encode()


def rom_log(chip: str) -> str:
    """Return what the ROM of a chip prints after a reset."""
    return _ROMS.get(chip, _NEWER_ROM.format(chip))


def firmware_lines(generation: str, running: Running, version: str) -> list[str]:
    """Return the lines that the AT firmware of one of `GENERATIONS` prints when it starts."""
    tx, rx, cts, rts = running.port[1:5]
    pins = f"tx:{tx} rx:{rx} cts:{cts} rts:{rts}"
    port = f"AT cmd port:uart{running.port.uart} {pins} baudrate:{running.port.baudrate}"
    mode = f"at param mode: {running.mode}"
    return {
        "v2.0": ["max tx power=78,ret=0"],
        "v2.2": [f"module_name:{running.module}", "max tx power=78,ret=0"],
        "v3.0": [port, f"module_name:{running.module}", "max tx power=78,ret=0"],
        "v3.1": [mode, port, f"module_name: {running.module}", "max tx power=78, ret=0", version],
        "v4.1": [
            f"\x1b[0;32mI (1554) at-init: {mode}\x1b[0m",
            f"I (1555) at-uart: {port}",
            "I (1556) at-uart: AT log port:uart0 tx:1 rx:3 baudrate:115200",
            f"I (1557) at-init: module_name: {running.module}",
            "I (1558) at-init: max tx power=78, ret=0",
            f"I (1559) at-init: {version} (gitlab)",
        ],
    }[generation]


def _parameters(primary: PartitionTable, flash: bytes) -> tuple[int, Mapping[str, int | str]]:
    """Return where the firmware has its parameters, as `Running.mode`, and what is there."""
    customized = primary.find("at_customize")
    user = PartitionTable.from_bytes(flash[customized.offset :][:SECTOR_SIZE]) if customized else PartitionTable(())
    if home := user.find("mfg_nvs"):
        return 1, mfg_nvs.parameters(NvsImage.from_bytes(flash[home.offset : home.end]))
    if home := user.find("factory_param"):
        return 2, FactoryParam.from_bytes(flash[home.offset : home.end]).values
    raise EspAtError("simulation-failed", "the flash has no parameters", hint="flash an AT firmware package first")


def _saved_rate(primary: PartitionTable, flash: bytes, port: AtPort) -> int:
    """Return the speed that the module has saved, or that of its parameters."""
    home = primary.find("nvs")
    try:
        saved = uart_settings(flash[home.offset : home.end]) if home else {}
    except FormatError:
        saved = {}
    return saved.get("rate", port.baudrate)
