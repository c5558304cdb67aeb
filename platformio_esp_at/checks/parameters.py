"""Factory parameters: whether pins, UART, speed, country, channels and power can work on a chip.

The names are those of ESP-AT's tables: factory_param versions 1 to 3, and version 4 in ``mfg_nvs``. The firmware reads
the values in ESP-AT ``components/at/src/at_init.c``, ``main/interface/uart/at_uart_api.c`` and, up to v3.0.0.0,
``main/interface/uart/at_uart_task.c``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog import chips
from platformio_esp_at.catalog.gpios import PINS, UART_PINS, UNUSED, chip_gpios
from platformio_esp_at.checks.pins import pin_problems
from platformio_esp_at.errors import EspAtError, FormatError, Notice, Place, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_MFG_NVS_VERSION = 4
_NAME_MAX = 31
"""Of 32 bytes in factory_param, which end with a NUL: ESP-AT compares names with strcmp (at_default_config.c)."""
_BAUDRATE_MIN = 80
_UNSET_BYTE = 0xFF

# AT_UART_PATTERN_TIMEOUT_MS of at_uart_task.c: above this speed, all chips but ESP32 and ESP8266 can't detect the +++
# that ends the passthrough mode.
_PATTERN_BAUDRATE_MAX = 0xFFFF * 1000 // 20

_CHANNEL_MAX = 14
_POWER_UNIT = 0.25
# AT+RFPOWER in docs/en/AT_Command_Set/Basic_AT_Commands.rst, all releases; at.py's --tx_power has the same limits.
_POWER_MIN, _POWER_MAX, _POWER_MAX_ESP8266 = 40, 84, 82
# esp_wifi_set_max_tx_power in ESP-IDF's esp_wifi.h accepts 8 and more, so values below AT+RFPOWER's minimum work.
_POWER_MIN_IDF = 8
# Version 1 tables of v1.1.3.0 to v2.0.0.0 have 1: the firmware of these releases ignores values below 10.
_POWER_IGNORED_BELOW = 10

# Two letters as in ISO 3166-1, or 01 for world safe mode; a third character as in IEEE 802.11's dot11CountryString.
_COUNTRY = re.compile(r"(?:[A-Z]{2}|01)[ OIX]?")
# ESP-IDF's esp_wifi.h, esp_wifi_set_country_code; the AT documentation also has EU.
_COUNTRIES = {
    *("01", "AT", "AU", "BE", "BG", "BR", "CA", "CH", "CN", "CY", "CZ", "DE", "DK", "EE", "ES", "FI"),
    *("FR", "GB", "GR", "HK", "HR", "HU", "IE", "IN", "IS", "IT", "JP", "KR", "LI", "LT", "LU", "LV"),
    *("MT", "MX", "NL", "NO", "NZ", "PL", "PT", "RO", "SE", "SI", "SK", "TW", "US", "EU"),
}


def check_parameters(
    values: Mapping[str, int | str],
    *,
    chip: str,
    psram: bool,
    in_package_flash: bool,
    outside_flash: bool | None = None,
    in_package_psram: bool = False,
    usual: Mapping[str, int | str] | None = None,
    used_by_board: Mapping[int, str] | None = None,
    ethernet: bool = False,
) -> tuple[list[EspAtError], list[Notice]]:
    """Return the problems and the warnings of a module's factory parameters.

    The fact ``parameter`` is the parameter's name, ``conflicts_with`` names the others involved. ``usual``: upstream's
    values for the module; an unchanged value gives no warning, unless the board uses its GPIO, and a module with a UART
    must keep it. Parameters missing in ``values`` are not checked. ``used_by_board``: what the board connects to its
    GPIOs; ``ethernet``: whether it may have a PHY. Raises as `chips.chip` does for a chip that doesn't exist.
    """
    wrong = [
        FormatError(
            "not-a-number",
            f"{values[name]!r} is not a number",
            where=Place.at(parameter=name),
            hint="write a number, without quotes",
        )
        for name in _NUMBERS
        if name in values and not _is_number(values[name])
    ]
    if wrong:
        return list(wrong), []
    check = _Check(values, chips.chip(chip).key, usual or {})
    pins = check.numbers(PINS)
    report = pin_problems(
        chip,
        pins,
        psram=psram,
        in_package_flash=in_package_flash,
        outside_flash=outside_flash,
        in_package_psram=in_package_psram,
        usual={name: int(value) for name, value in check.usual.items() if name in PINS},
        uart_port=check.number("uart_port"),
        used_by_board=used_by_board,
        ethernet=ethernet,
    )
    problems: list[EspAtError] = []
    warnings: list[Notice] = []
    for finding in (*check.uart(), *report.problems, *check.wifi(), *check.store(), *check.name()):
        if isinstance(finding, EspAtError):
            problems.append(finding)
            continue
        name = dict(finding.place.parts)["parameter"]
        if name not in check.usual or check.usual[str(name)] != values[str(name)]:
            warnings.append(finding)
    return problems, [*report.warnings, *warnings]


_POWER_NAMES = ("tx_max_power", "max_tx_power")
_NUMBERS = (*PINS, "version", "uart_port", "uart_baudrate", "start_channel", "channel_num", *_POWER_NAMES, "sys_store")


def _is_number(value: int | str) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class _Check(NamedTuple):
    """The parameters of one module; each method yields its problems and warnings."""

    values: Mapping[str, int | str]
    chip: str
    usual: Mapping[str, int | str]

    def number(self, name: str) -> int | None:
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def numbers(self, names: tuple[str, ...]) -> dict[str, int]:
        return {name: value for name in names if isinstance(value := self.values.get(name), int)}

    @property
    def in_mfg_nvs(self) -> bool:
        """Whether these are parameters of version 4, which the firmware reads differently."""
        version = self.number("version")
        return version >= _MFG_NVS_VERSION if version is not None else "max_tx_power" in self.values

    # --- UART ---

    def uart(self) -> Iterator[EspAtError | Notice]:
        baudrate = self.number("uart_baudrate")
        if baudrate is None:
            return
        if baudrate == UNUSED:
            yield from self._no_uart()
            return
        yield from self._baudrate(baudrate)
        for name in UART_PINS[:2]:
            if self.number(name) == UNUSED:
                yield EspAtError(
                    "pin-missing",
                    "-1 is not allowed: the AT command port needs this pin",
                    where=Place.at(parameter=name),
                    hint="write the number of a GPIO: only uart_cts_pin and uart_rts_pin may be -1",
                )
        port, ports = self.number("uart_port"), chip_gpios(self.chip).uart_ports
        # Up to v3.0.0.0, -1 means the firmware's own port.
        if port is not None and port not in ports and not (port == UNUSED and not self.in_mfg_nvs):
            display_name = chips.chip(self.chip).display_name
            known = " or ".join(map(str, ports))
            yield EspAtError(
                "uart-port-invalid",
                f"the {display_name} has no UART {port}",
                where=Place.at(parameter="uart_port"),
                hint=f"write {known}",
            )

    def _baudrate(self, baudrate: int) -> Iterator[EspAtError | Notice]:
        highest = chip_gpios(self.chip).baudrate_max
        if not _BAUDRATE_MIN <= baudrate <= highest:
            yield EspAtError(
                "baudrate-invalid",
                f"{baudrate} is not a baud rate that this chip's AT firmware takes",
                where=Place.at(parameter="uart_baudrate"),
                hint=f"write {_BAUDRATE_MIN} to {highest}; 115200 is usual",
            )
        elif baudrate > _PATTERN_BAUDRATE_MAX and self.chip not in ("esp32", "esp8266"):
            message = f"above {_PATTERN_BAUDRATE_MAX} baud, +++ can't end the passthrough mode"
            yield warning(
                "passthrough-end",
                message,
                where=Place.at(parameter="uart_baudrate"),
                hint=f"write {_PATTERN_BAUDRATE_MAX} or less, or end that mode by the pin or a reset",
            )

    def _no_uart(self) -> Iterator[EspAtError]:
        """Yield a problem if other values contradict a baud rate of -1: AT commands over SDIO or SPI."""
        hint = "write 115200, or the speed that your host uses"
        if self.usual.get("uart_baudrate", UNUSED) != UNUSED:
            yield EspAtError(
                "uart-missing",
                "-1 means no UART, but this module gets its AT commands over the UART",
                where=Place.at(parameter="uart_baudrate"),
                hint=hint,
            )
        elif pins := {name: gpio for name, gpio in self.numbers(UART_PINS).items() if gpio != UNUSED}:
            message = f"-1 means no UART, but {' and '.join(pins)} {'are' if len(pins) > 1 else 'is'} set"
            yield EspAtError(
                "uart-contradiction",
                message,
                where=Place.at(parameter="uart_baudrate"),
                hint=hint,
                conflicts_with=tuple(pins),
            )

    # --- Wi-Fi ---

    def wifi(self) -> Iterator[EspAtError | Notice]:
        yield from self._country()
        yield from self._channels()
        for name in _POWER_NAMES:
            power = self.number(name)
            if power is not None:
                yield from self._power(name, power)

    def _country(self) -> Iterator[EspAtError | Notice]:
        if "country_code" not in self.values:
            return
        code = str(self.values["country_code"])
        # A factory_param without a country reads as blank.
        if not code and not self.in_mfg_nvs:
            return
        if not _COUNTRY.fullmatch(code):
            upper = code.upper()
            hint = (
                f"write {upper}" if _COUNTRY.fullmatch(upper) else "write two letters, such as DE, or 01 for world safe"
            )
            yield EspAtError(
                "country-invalid",
                f"{code!r} is not a country code",
                where=Place.at(parameter="country_code"),
                hint=hint,
            )
        elif code[:2] not in _COUNTRIES:
            message = f"ESP-IDF's list of countries doesn't have {code[:2]}, so the firmware may not accept it"
            yield warning(
                "country-unknown",
                message,
                where=Place.at(parameter="country_code"),
                hint="write a country of that list, such as DE or US, or 01 for world safe",
            )

    def _channels(self) -> Iterator[EspAtError | Notice]:
        start, count = self.number("start_channel"), self.number("channel_num")
        for name, channel in (("start_channel", start), ("channel_num", count)):
            unset = channel is None or (channel == _UNSET_BYTE and not self.in_mfg_nvs)
            if channel is not None and not unset and not 1 <= channel <= _CHANNEL_MAX:
                yield EspAtError(
                    "channel-invalid",
                    f"{channel} is outside 1…{_CHANNEL_MAX}",
                    where=Place.at(parameter=name),
                    hint="write start_channel 1 and channel_num 13, which are usual",
                )
                return
        if start is None or count is None or _UNSET_BYTE in (start, count):
            return
        if self.in_mfg_nvs:
            if start + count - 1 > _CHANNEL_MAX:
                message = f"{count} channels from {start} on end at {start + count - 1}, Wi-Fi ends at {_CHANNEL_MAX}"
                most = _CHANNEL_MAX - start + 1
                yield EspAtError(
                    "channel-range",
                    message,
                    where=Place.at(parameter="channel_num"),
                    conflicts_with=("start_channel",),
                    hint=f"with start_channel {start}, write {most} at most",
                )
        elif count < start:
            # at_init.c: nchan = channel_num - start_channel + 1; with an empty range there is no Wi-Fi.
            yield EspAtError(
                "channel-range",
                f"this firmware reads channel_num as the last channel, and {count} is before start_channel {start}",
                where=Place.at(parameter="channel_num"),
                conflicts_with=("start_channel",),
                hint="write the number of the last channel",
            )
        elif start > 1:
            message = f"channel_num is the last channel in this release: channels {start} to {count}"
            yield warning(
                "last-channel",
                message,
                where=Place.at(parameter="channel_num"),
                hint=f"write {count} only if that is meant; start_channel 1 and channel_num 13 are usual",
            )

    def _power(self, name: str, power: int) -> Iterator[EspAtError | Notice]:
        if power == _UNSET_BYTE and not self.in_mfg_nvs:
            return
        if self.number("version") == 1 and power < _POWER_IGNORED_BELOW:
            message = f"this firmware ignores values below {_POWER_IGNORED_BELOW}"
            yield warning(
                "power-ignored", message, where=Place.at(parameter=name), hint=f"write {_POWER_IGNORED_BELOW} or more"
            )
            return
        esp8266 = self.chip == "esp8266"
        highest = _POWER_MAX_ESP8266 if esp8266 else _POWER_MAX
        lowest = _POWER_MIN if esp8266 else _POWER_MIN_IDF
        if not lowest <= power <= highest:
            yield EspAtError(
                "tx-power-invalid",
                f"{power} (in 0.25 dBm: {power * _POWER_UNIT:g} dBm) is not a power that the firmware takes",
                where=Place.at(parameter=name),
                hint=f"write {_POWER_MIN} to {highest}, which is {_POWER_MIN * _POWER_UNIT:g} to "
                f"{highest * _POWER_UNIT:g} dBm",
            )
        elif power < _POWER_MIN:
            message = f"{power * _POWER_UNIT:g} dBm is below the {_POWER_MIN * _POWER_UNIT:g} that AT+RFPOWER starts at"
            yield warning("power-low", message, where=Place.at(parameter=name), hint=f"write {_POWER_MIN} or more")

    # --- storage ---

    def store(self) -> Iterator[EspAtError]:
        if self.number("sys_store") not in (None, 0, 1):
            hint = "write 1 to save what AT commands set to flash, or 0"
            yield EspAtError(
                "sys-store-invalid",
                f"{self.number('sys_store')} is neither 0 nor 1",
                where=Place.at(parameter="sys_store"),
                hint=hint,
            )

    # --- name ---

    def name(self) -> Iterator[EspAtError]:
        length = len(str(self.values.get("module_name", "")).encode("utf-8", "backslashreplace"))
        if length > _NAME_MAX:
            yield EspAtError(
                "module-name",
                f"a module's name has {_NAME_MAX} bytes at most, this one has {length}",
                where=Place.at(parameter="module_name"),
                hint=f"write letters, digits, - and _, {_NAME_MAX} at most",
            )
