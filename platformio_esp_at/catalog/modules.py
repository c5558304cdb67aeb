"""AT modules: what ESP-AT builds firmware for, and the factory parameters that each starts with."""

from __future__ import annotations

import functools
import re
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from platformio_esp_at.catalog import _data, chips
from platformio_esp_at.errors import FormatError, SelectionError, UnknownNameError, setting, unknown_name
from platformio_esp_at.units import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


Release = tuple[int, ...]

_RADIO = ("start_channel", "channel_num", "country_code")
_UART_PINS = ("uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin")
_CONTROL_PINS = ("tx_control_pin", "rx_control_pin")

# The columns of factory_param_type.csv in the order of each version, without magic_flag and bytes that stay 0xFF.
_FIELDS: dict[int, tuple[str, ...]] = {
    1: ("version", "module_id", "tx_max_power", *_RADIO, "uart_baudrate", *_UART_PINS, *_CONTROL_PINS),
    2: ("version", "module_id", "tx_max_power", "uart_port", *_RADIO, "uart_baudrate", *_UART_PINS, *_CONTROL_PINS),
    3: (
        *("version", "reserved1", "tx_max_power", "uart_port", *_RADIO, "uart_baudrate", *_UART_PINS, *_CONTROL_PINS),
        *("platform", "module_name"),
    ),
    4: (
        *("version", "module_name", "max_tx_power", "country_code", "start_channel", "channel_num"),
        *("uart_port", "uart_baudrate", *_UART_PINS, "sys_store"),
    ),
}
LATEST = "latest"
"""The release that Espressif recommends for a module; it counts as newer than any number."""

MFG_NVS_SINCE = "v3.1.0.0"
"""The first release that keeps parameters, certificates and services in ``mfg_nvs``."""

_SYS_STORE_SINCE: Release = (4, 1, 0, 0)


@dataclass(frozen=True, slots=True)
class Releases:
    """Ranges of releases, both ends included, as the catalog writes them: ``v2.2.0.0..v3.0.0.0``, ``v4.1.0.0..``."""

    text: str

    def __contains__(self, release: str) -> bool:
        wanted = release_key(release)
        return any(first <= wanted and (last is None or wanted <= last) for first, last in self._ranges())

    def __str__(self) -> str:
        return re.sub(r"\.\.(?=,|$)", " and later", self.text).replace("..", " to ")

    def _ranges(self) -> Iterator[tuple[Release, Release | None]]:
        for part in self.text.split(","):
            first, dots, last = part.strip().partition("..")
            if last:
                yield release_key(first), release_key(last)
            else:
                yield release_key(first), None if dots else release_key(first)


class Successor(NamedTuple):
    """The module that replaces another one, and the first release that it does so in."""

    since: str
    module: str


@dataclass(frozen=True, slots=True)
class Module:
    """An AT module; only ``chip`` and ``name`` together name it: the ESP32 and the ESP32-C3 each have a MINI-1."""

    chip: str
    name: str
    """``module_name`` of ESP-AT's factory parameters."""
    description: str
    flash_size: int
    """The flash that its firmware is laid out for: the hardware must have at least that."""
    psram: bool
    module_config: str
    """The folder of ESP-AT's ``module_config`` that its firmware is built from."""
    covers: tuple[str, ...]
    """Hardware that uses this module's firmware and parameters, by marketing name."""
    alternatives: tuple[str, ...]
    """Other modules of the chip whose firmware runs on the same hardware."""
    successor: Successor | None
    versions: Mapping[int, Releases] = field(hash=False)
    """Factory parameter version -> the releases that have the module with it; 0: releases without such parameters."""
    parameters: Mapping[str, int | str] = field(hash=False, repr=False)
    """Factory parameters of all versions, under ESP-AT's names."""
    exceptions: tuple[tuple[Releases, Mapping[str, int | str]], ...] = field(hash=False, repr=False)

    @property
    def full_name(self) -> str:
        """The name that no module of another chip has: ``ESP32-C3-MINI-1``, ``ESP32C2-4MB``."""
        chip = chips.chip(self.chip).display_name
        return self.name if folded_name(self.name).startswith(folded_name(chip)) else f"{chip}-{self.name}"

    @property
    def bus(self) -> str:
        """What AT commands come over: ``UART``, ``SDIO`` or ``SPI``."""
        return "UART" if self.uart_baudrate > 0 else "SDIO" if self.module_config.endswith("sdio") else "SPI"

    @property
    def needs_psram(self) -> bool:
        """Whether its firmware is only for modules with PSRAM."""
        return all(other.psram for other in modules(self.chip) if other.module_config == self.module_config)

    @property
    def uart_port(self) -> int:
        """The UART of the AT command port; -1 where AT commands come over SDIO or SPI."""
        return int(self.parameters["uart_port"])

    @property
    def uart_baudrate(self) -> int:
        """The speed of the AT command port."""
        return int(self.parameters["uart_baudrate"])

    @property
    def uart_tx_pin(self) -> int:
        """The GPIO that the module sends on."""
        return int(self.parameters["uart_tx_pin"])

    @property
    def uart_rx_pin(self) -> int:
        """The GPIO that the module listens on."""
        return int(self.parameters["uart_rx_pin"])

    @property
    def uart_cts_pin(self) -> int:
        """The GPIO of CTS, -1 for none."""
        return int(self.parameters["uart_cts_pin"])

    @property
    def uart_rts_pin(self) -> int:
        """The GPIO of RTS, -1 for none."""
        return int(self.parameters["uart_rts_pin"])

    def factory_param(self, version: int, *, release: str | None = None) -> Mapping[str, int | str]:
        """Return the module's row of that version's table: ESP-AT's field names and values, in its order.

        With ``release`` (``v2.2.2.0``), the values are exactly that release's; without it, those of most releases.
        Raises `SelectionError` when no release has this module with that version.
        """
        if version not in self.versions or version not in _FIELDS:
            has = "; ".join(f"version {number} in {when}" for number, when in self.versions.items() if number)
            display_name = chips.chip(self.chip).display_name
            raise SelectionError(
                "module-not-in-release",
                f"the {display_name} module {self.name} has no factory parameters version {version}",
                hint=f"write one of those that it has: {has}",
            )
        values: dict[str, int | str] = {
            **self.parameters,
            "version": version,
            "reserved1": 0,
            "platform": chips.chip(self.chip).platform,
            "module_name": self.name,
        }
        if release is not None:
            for releases, changes in self.exceptions:
                if release in releases:
                    values |= changes
        values["max_tx_power"] = values["tx_max_power"]
        fields = _FIELDS[version]
        if release is not None and release_key(release) < _SYS_STORE_SINCE:
            fields = tuple(name for name in fields if name != "sys_store")
        return MappingProxyType({name: values[name] for name in fields})


def modules(chip: str | None = None) -> tuple[Module, ...]:
    """Return every AT module, or those of one chip (any spelling of it)."""
    if chip is None:
        return tuple(_modules().values())
    key = chips.chip(chip).key
    return tuple(module for module in modules() if module.chip == key)


def module(chip: str, name: str, *, if_of_other_chip: str = "") -> Module:
    """Return the AT module of ``chip`` that ``name`` means: ``MINI-1``, ``mini-1``, ``ESP32-C3-MINI-1``, ``WROOM-32E``.

    Raises `UnknownNameError` with near names, or for hardware on which no released firmware runs. A flash suffix
    (``-N4``, ``-N8R2``, ``-H4``) counts only if listed. ``if_of_other_chip``: the first next step, where ``name`` is
    exactly that of another chip's module.
    """
    found = chips.chip(chip)
    spellings = _spellings(found.key)
    for spelling in _without_suffixes(name):
        if match := spellings.get(folded_name(spelling)):
            return _modules()[found.key, match]
    if limit := limit_of(found.key, name):
        raise _unsupported(found, limit)
    error = unknown_name("unknown-module", f"{found.display_name} AT module", name, _names(modules(found.key)))
    if sizes := [cover for row in modules(found.key) for cover in row.covers if _differs_in_flash(cover, name)]:
        error.hint = f"it comes with several sizes of flash: write {' or '.join(sizes)}; {error.hint}"
    if others := [m for m in modules() if folded_name(name) in map(folded_name, (m.name, m.full_name, *m.covers))]:
        owners = ", ".join(dict.fromkeys(chips.chip(other.chip).display_name for other in others))
        own = f"name a module of {found.display_name}: {', '.join(_names(modules(found.key)))}"
        other = f"{if_of_other_chip}; else " if if_of_other_chip else ""
        error.hint = f"that is a module of {owners}; {other}{own}"
    raise error


def modules_named(name: str) -> tuple[Module, ...]:
    """Return the AT modules that a name means, on any chip: ``WROOM-32``, ``MINI-1``, ``ESP32-C3-MINI-1``.

    A module's own name has priority over hardware that another one covers. Raises `UnknownNameError` with near names.
    """
    found = [row for row in modules() if folded_name(row.name) == folded_name(name)]
    for chip in chips.chips() if not found else ():
        with suppress(UnknownNameError):
            found.append(module(chip.key, name))
    for chip in chips.chips() if not found else ():
        if limit := limit_of(chip.key, name):
            raise _unsupported(chip, limit)
    if not found:
        raise unknown_name("unknown-module", "AT module", name, _names(modules()))
    return tuple(found)


def parameter_names() -> tuple[str, ...]:
    """Return the factory parameters that a project may set, of all versions; `factory_param` says which has which."""
    names = dict.fromkeys(name for version in reversed(_FIELDS) for name in _FIELDS[version])
    return tuple(name for name in names if name not in _OF_THE_FORMAT)


_OF_THE_FORMAT = ("version", "reserved1")
"""Fields that describe the layout, not how the module works."""


class Limit(NamedTuple):
    """What upstream's table of supported modules says of hardware that doesn't run with all firmware of its kind."""

    name: str
    not_for: tuple[str, ...]
    """AT modules whose firmware doesn't run on it."""
    other_pins: bool
    """Whether the AT port needs other pins than those that the firmware starts with."""


def limit_of(chip: str, name: str) -> Limit | None:
    """Return the limit of hardware by its marketing name, None where it has none. ``chip`` is a key."""
    limits, prefix = _limits(chip), folded_name(chips.chip(chip).display_name)
    folded = [folded_name(spelling) for spelling in _without_suffixes(name)]
    found = (limits.get(spelling) or limits.get(prefix + spelling) for spelling in folded)
    return next(filter(None, found), None)


def unsupported_modules(chip: str) -> tuple[str, ...]:
    """Return the hardware on which no released firmware runs, by marketing name. ``chip`` is a key."""
    spellings = _spellings(chip)
    return tuple(limit.name for folded, limit in _limits(chip).items() if folded not in spellings)


def only_module(name: str) -> Module:
    """Return the one AT module that a name means.

    Raises `SelectionError` for a name that several chips have, `UnknownNameError` for one that none has.
    """
    found = modules_named(name)
    if len(found) == 1:
        return found[0]
    names = " or ".join(row.full_name for row in found)
    raise SelectionError(
        "module-ambiguous",
        f"{name} exists on {len(found)} chips",
        hint=f"write {names}, or name the board",
    )


def data_layout(version: int) -> str:
    """Return where firmware with this version of the factory parameters stores them and its certificates.

    That is ``compiled in`` (0), ``factory_param``, with more such partitions (up to v3.0.0.0), or ``mfg_nvs``.
    """
    return "compiled in" if version == 0 else "factory_param" if version < 4 else "mfg_nvs"


def release_key(text: str) -> Release:
    """Return the four numbers of ``v2.2.2.0``, ``v2.2.2.0_esp8266``, ``4.0.0.0-dev`` or ``V2.0``, to be compared."""
    match = re.fullmatch(r"v?(\d+(?:\.\d+)*)(?:[-_].*)?", text.strip(), flags=re.IGNORECASE)
    if not match:
        raise FormatError("not-a-release", f"{text!r} is not a release of ESP-AT", hint="write it as v4.1.1.0")
    numbers = [int(number) for number in match[1].split(".")]
    return (*numbers, *([0] * (4 - len(numbers))))


@functools.cache
def _modules() -> dict[tuple[str, str], Module]:
    catalog = _data.load("modules.yml")
    found = {}
    for chip, rows in catalog["modules"].items():
        chip_defaults = rows.get("defaults", {})
        for name, row in rows.items():
            if name != "defaults":
                found[chip, name] = _module(chip, name, {**catalog["defaults"], **chip_defaults, **row})
    return found


def _module(chip: str, name: str, row: dict[str, Any]) -> Module:
    successor = row.pop("successor", None)
    exceptions = row.pop("exceptions", ())
    row |= zip(_UART_PINS, row.pop("pins"), strict=True)
    return Module(
        chip=chip,
        name=name,
        description=row.pop("description"),
        flash_size=parse_size(row.pop("flash_size")),
        psram=row.pop("psram"),
        module_config=row.pop("module_config"),
        covers=tuple(row.pop("covers", ())),
        alternatives=tuple(row.pop("alternatives", ())),
        successor=successor and Successor(successor["from"], successor["module"]),
        versions=MappingProxyType({number: Releases(when) for number, when in row.pop("versions").items()}),
        parameters=MappingProxyType(row),
        exceptions=tuple(
            (Releases(changes["releases"]), MappingProxyType({k: v for k, v in changes.items() if k != "releases"}))
            for changes in exceptions
        ),
    )


@functools.cache
def _spellings(chip: str) -> dict[str, str]:
    """Return every folded spelling of the chip's modules with the module's name; own names have priority."""
    prefix = folded_name(chips.chip(chip).display_name)
    spellings: dict[str, str] = {}
    for covers_turn in (False, True):
        for candidate in modules(chip):
            for spelling in candidate.covers if covers_turn else (candidate.name,):
                folded = folded_name(spelling)
                spellings.setdefault(folded, candidate.name)
                spellings.setdefault(folded.removeprefix(prefix), candidate.name)
                spellings.setdefault(prefix + folded.removeprefix(prefix), candidate.name)
    return spellings


@functools.cache
def _limits(chip: str) -> dict[str, Limit]:
    rows: Mapping[str, Mapping[str, Any]] = _data.load("modules.yml")["limits"].get(chip, {})
    return {
        folded_name(name): Limit(name, tuple(row.get("not_for", ())), row.get("other_pins", False))
        for name, row in rows.items()
    }


def _unsupported(chip: chips.Chip, limit: Limit) -> UnknownNameError:
    return UnknownNameError(
        "module-unsupported",
        f"{limit.name} runs with none of the released firmware, as Espressif's table of supported modules has it",
        hint=f"build ESP-AT for it: {_BUILD_GUIDE.format(chip=chip.key)}; then write "
        f"{setting('firmware', 'PATH/OF/esp-at/build')} and {setting('module', 'ITS-NAME')}",
        name=limit.name,
    )


_BUILD_GUIDE = (
    "https://docs.espressif.com/projects/esp-at/en/latest/{chip}/Compile_and_Develop/"
    "How_to_clone_project_and_compile_it.html"
)


def _without_suffixes(name: str) -> tuple[str, ...]:
    """Return the name, without the letters of its flash suffix (``-H4X``), and without that suffix."""
    name = name.strip()
    plain = re.sub(r"([-_][NH]\d+(R\d+)?)[A-Z]+$", r"\1", name, flags=re.IGNORECASE)
    return name, plain, re.sub(r"[-_][NH]\d+(R\d+)?$", "", plain, flags=re.IGNORECASE)


def _differs_in_flash(cover: str, name: str) -> bool:
    return folded_name(cover) != folded_name(name) and folded_name(_without_suffixes(cover)[-1]) == folded_name(name)


def _names(rows: Iterable[Module]) -> Iterator[str]:
    for row in rows:
        yield from (row.name, row.full_name)


def folded_name(name: str) -> str:
    """Return the name of a module as names are compared: letters and digits alone, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


MODULE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,30}")
"""Allowed names of a module: they become part of file names, and fit into 32 bytes of factory_param."""
