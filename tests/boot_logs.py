"""What modules print at their log ports, in the format of each generation of AT firmware."""

from __future__ import annotations

from typing import NamedTuple

ROM = {
    "esp32": "ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n",
    "esp8266": "\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n\r\n",
}
OTHER_ROM = "ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021\r\nrst:0x1 (POWERON),boot:0xc (SPI_FAST_FLASH_BOOT)\r\n"
BOOTLOADER = (
    "load:0x3fff0030,len:7104\r\nentry 0x40080628\r\n"
    "\x1b[0;32mI (29) boot: ESP-IDF v5.0.6-dirty 2nd stage bootloader\x1b[0m\r\n"
    "\x1b[0;32mI (30) boot: compile time 11:40:02\x1b[0m\r\n"
    "I (71) boot: ## Label            Usage          Type ST Offset   Length\r\n"
    "I (107) boot: Disabling RNG early entropy source...\r\n"
)
NOISE = bytes.fromhex("fe80e0f8187e9ee6061818e67e8698f81ee0fe80667898e0f81e06fee07e98e6") * 4
"""What text of another speed looks like."""

GENERATIONS = ("v2.0", "v2.2", "v3.0", "v3.1", "v4.1")


class Says(NamedTuple):
    """What a module says of itself."""

    chip: str = "esp32"
    name: str = "WROOM-32"
    uart: int = 1
    pins: tuple[int, int, int, int] = (17, 16, 15, 14)
    baudrate: int = 115200
    mode: int = 1
    version: str = "v4.1.0.0-dev"

    def rom(self) -> str:
        """Return the lines of the ROM and the bootloader."""
        return ROM.get(self.chip, OTHER_ROM) + BOOTLOADER

    def log(self, generation: str) -> str:
        """Return a whole log."""
        return self.rom() + "".join(f"{line}\r\n" for line in self.lines(generation))

    def lines(self, generation: str) -> list[str]:
        """Return the lines of the AT firmware."""
        tx, rx, cts, rts = self.pins
        port = f"AT cmd port:uart{self.uart} tx:{tx} rx:{rx} cts:{cts} rts:{rts} baudrate:{self.baudrate}"
        mode = f"at param mode: {self.mode}"
        return {
            "v2.0": ["max tx power=78,ret=0"],
            "v2.2": [f"module_name:{self.name}", "max tx power=78,ret=0"],
            "v3.0": [port, f"module_name:{self.name}", "max tx power=78,ret=0"],
            "v3.1": [mode, port, f"module_name: {self.name}", "max tx power=78, ret=0", self.version],
            "v4.1": [
                f"\x1b[0;32mI (1554) at-init: {mode}\x1b[0m",
                f"I (1555) at-uart: {port}",
                "I (1556) at-uart: AT log port:uart0 tx:1 rx:3 baudrate:115200",
                f"I (1557) at-init: module_name: {self.name}",
                "I (1558) at-init: max tx power=78, ret=0",
                f"I (1559) at-init: {self.version} (gitlab)",
            ],
        }[generation]
