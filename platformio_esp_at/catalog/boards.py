"""Which AT module a board carries, found from its PlatformIO manifest.

The manifest rarely names the module, so `select_module` tries rules in order, and names the fact that decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from platformio_esp_at.catalog import _data
from platformio_esp_at.catalog.chips import Chip, chip
from platformio_esp_at.catalog.modules import (
    LATEST,
    Module,
    folded_name,
    module,
    modules,
    release_key,
    unsupported_modules,
)
from platformio_esp_at.errors import (
    EspAtError,
    FormatError,
    Place,
    SelectionError,
    UnknownNameError,
    located,
    setting,
)
from platformio_esp_at.units import format_size, parse_size

_LARGEST_FLASH = 1 << 30
"""More than any flash chip has. Larger values in a manifest are rejected."""
_MAX_DIGITS = 5
"""Enough for the number in the name of a linker script."""


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """The fields of a PlatformIO board manifest that help to find the AT module."""

    id: str
    name: str = ""
    mcu: str = ""
    variant: str = ""
    extra_flags: str = ""
    flash_size: int | None = None
    """The flash chip in bytes; None if it isn't in the manifest."""
    flash_size_is_least: bool = False
    """Whether the flash may be larger: the manifest only has the room for a sketch, rounded up."""
    openocd: str = ""
    sdkconfig: str = ""
    """For an ESP-IDF project as the board: the options of its sdkconfig about the hardware."""
    lists_ethernet: bool = False
    """Whether ``connectivity`` has Ethernet. Many boards list what their chip can, so it may not be there."""
    at: Mapping[str, object] = field(default_factory=dict, hash=False)
    """The board's own ``at`` block, or ``board_at.*`` of platformio.ini."""

    @property
    def is_espressifs(self) -> bool:
        """Whether its chip is from Espressif; other boards carry no AT module, but may be connected to one."""
        return self.mcu.startswith("esp")

    @classmethod
    def from_manifest(cls, board_id: str, manifest: Mapping[str, object]) -> BoardFacts:
        """Return the facts of a board's JSON file. Raises `FormatError`, naming the key that has an invalid value."""
        where = Place.at(board=board_id)
        if not isinstance(manifest, Mapping):
            raise FormatError(
                "board-manifest-invalid",
                f"the manifest must be an object, not {_kind(manifest)}",
                where=where,
                hint="write the manifest as {…}, with the keys name, build and upload",
            )
        build, upload, debug = (_block(manifest, name, where) for name in ("build", "upload", "debug"))
        mcu = _text(build, "build.mcu", where).strip().lower()
        connectivity = manifest.get("connectivity")
        flash_size, is_least = _flash_size(build, upload, mcu, where)
        return cls(
            id=board_id,
            name=_text(manifest, "name", where),
            mcu=mcu,
            variant=_text(build, "build.variant", where),
            extra_flags=_words(build, "build.extra_flags", where),
            flash_size=flash_size,
            flash_size_is_least=is_least,
            openocd=_text(debug, "debug.openocd_board", where) or _text(debug, "debug.openocd_target", where),
            at=MappingProxyType(dict(_block(manifest, "at", where))),
            lists_ethernet=isinstance(connectivity, list) and "ethernet" in connectivity,
        )


class Choice(NamedTuple):
    """The AT module chosen for a board, and why."""

    chip: str
    module: str
    reason: str
    """One sentence that names the fact that decided."""
    assumed: bool = False
    """True for a guess: nothing in the manifest decided."""
    alternatives: tuple[str, ...] = ()
    """Other modules of the chip whose firmware would run on the board."""


def select_module(facts: BoardFacts) -> Choice:
    """Return the AT module that the board carries.

    Raises `SelectionError` for a board that no AT firmware fits, `UnknownNameError` for a module in the board's ``at``
    block that doesn't exist.
    """
    found = _chip(facts)
    named = _named(facts, found)
    pick = named or _exception(facts, found) or _by_rule(facts, found)
    chosen = module(found.key, pick.module)
    if named is None or not facts.flash_size_is_least:
        _check_flash(facts, chosen)
    return Choice(
        chip=found.key,
        module=chosen.name,
        reason=pick.reason,
        assumed=pick.assumed,
        alternatives=tuple(name for name in chosen.alternatives if _fits(facts, module(found.key, name))),
    )


def module_for_release(choice: Choice, release: str) -> Choice:
    """Return the choice for firmware of ``release`` (or ``latest``): an old module is replaced by its successor.

    Not for a module that the user named: that one stays.

    >>> module_for_release(Choice("esp32", "WROVER-32", "board name has 'wrover'"), "v4.1.1.0").module
    'MINI-1'
    """
    successor = module(choice.chip, choice.module).successor
    if successor is None or (release.lower() != LATEST and release_key(release) < release_key(successor.since)):
        return choice
    reason = (
        f"{choice.reason}; from {successor.since} on, {successor.module} firmware takes the place of {choice.module}"
    )
    others = (choice.module, *(name for name in choice.alternatives if name != successor.module))
    return choice._replace(module=successor.module, reason=reason, alternatives=others)


def carries_psram(facts: BoardFacts | None) -> bool:
    """Return whether the board's own module has PSRAM, even if the user named another one; False without a board."""
    if facts is None:
        return False
    try:
        choice = select_module(replace(facts, at={}))
    except EspAtError:
        return False
    return module(choice.chip, choice.module).psram


def known_module(facts: BoardFacts | None) -> Module | None:
    """Return the board's own module, even if the user named another one; None where it is a guess, or only likely."""
    if facts is None:
        return None
    facts = replace(facts, at={})
    try:
        found = _chip(facts)
        pick = _exception(facts, found) or _by_rule(facts, found)
    except EspAtError:
        return None
    return None if pick.assumed or pick.is_likely else module(found.key, pick.module)


def has_ethernet(facts: BoardFacts) -> bool:
    """Return whether the board has, or may have, an Ethernet PHY: as `BoardFacts.lists_ethernet`, or as is known."""
    known: list[str] = _data.load("boards.yml")["ethernet"]
    return facts.lists_ethernet or facts.id in known


def used_gpios(facts: BoardFacts) -> Mapping[int, str]:
    """Return the known uses of the GPIOs of the module's default AT port on a board; see `gpios.NOT_LED_OUT`."""
    boards: Mapping[str, Mapping[int, str]] = _data.load("boards.yml")["used_gpios"].get(facts.mcu, {})
    return boards.get(facts.id, {})


def known_crystal_mhz(facts: BoardFacts) -> int | None:
    """Return the frequency of the board's crystal in MHz if it is known to be an unusual one, else None."""
    known: Mapping[str, int] = _data.load("boards.yml")["crystal_mhz"]
    return known.get(facts.id)


# --- reading the manifest ---------------------------------------------------------------------------------------------


def _block(manifest: Mapping[str, object], name: str, where: Place) -> Mapping[str, object]:
    block = manifest.get(name)
    if block is None:
        return {}
    if not isinstance(block, Mapping):
        raise FormatError(
            "board-manifest-invalid",
            f"{name} must be an object, not {_kind(block)}",
            where=where,
            hint=f'write "{name}": {{…}} in the board\'s JSON file',
        )
    return block


def _text(block: Mapping[str, object], key: str, where: Place) -> str:
    """Return the string under the last part of ``key``, or "" where there is none."""
    last = key.rpartition(".")[2]
    value = block.get(last)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FormatError(
            "board-manifest-invalid",
            f"{key} must be a string, not {_kind(value)}",
            where=where,
            hint=f'write "{last}": "TEXT" in the board\'s JSON file',
        )
    return value


def _words(block: Mapping[str, object], key: str, where: Place) -> str:
    """Return the string under the last part of ``key``, or the strings of a list there."""
    words = block.get(key.rpartition(".")[2])
    if isinstance(words, (list, tuple)) and all(isinstance(word, str) for word in words):
        return " ".join(words)
    if isinstance(words, (list, tuple)):
        raise FormatError(
            "board-manifest-invalid",
            f"{key} has something in it that is not a string",
            where=where,
            hint=f'write each part of {key} in double quotes in the board\'s JSON file: ["-DNAME"]',
        )
    return _text(block, key, where)


def _flash_size(
    build: Mapping[str, object], upload: Mapping[str, object], mcu: str, where: Place
) -> tuple[int | None, bool]:
    """Return the size of the flash, and whether that is only the least that it has."""
    stated = _size(upload, "upload.flash_size", where)
    if stated is not None or not mcu.startswith("esp82"):
        return stated, False  # maximum_size is the room for the program on the other chips, and often wrong
    # The room for a sketch: the whole flash, or the part that the layout leaves (434160 of 512 KB, 1044464 of 1 MB).
    room = _size(upload, "upload.maximum_size", where)
    least = 0 if room is None else 1 << (room - 1).bit_length()
    layout = _flash_of_layout(build, where)
    if layout >= least:
        return layout or None, False
    return least, True


# PlatformIO's espressif8266 reads the size from the name in the same way (_parse_ld_sizes in builder/main.py).
_LINKER_SCRIPT = r"(?i:\.flash\.(\d+)([mk])[^\s/\\]*\.ld\b)"


def _flash_of_layout(build: Mapping[str, object], where: Place) -> int:
    """Return the flash that an ESP8266's linker script is for (``eagle.flash.4m2m.ld``: 4 MB); 0 where none says."""
    arduino = build.get("arduino")
    scripts = [_words(build, "build.ldscript", where)]
    if isinstance(arduino, Mapping):
        scripts.append(_words(arduino, "build.arduino.ldscript", where))
    for text in (*scripts, _words(build, "build.extra_flags", where)):
        if match := re.search(_LINKER_SCRIPT, text):
            size = int(match[1][:_MAX_DIGITS]) << (20 if match[2] in "mM" else 10)
            return size if size <= _LARGEST_FLASH else 0
    return 0


def _size(upload: Mapping[str, object], key: str, where: Place) -> int | None:
    value = upload.get(key.rpartition(".")[2])
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise FormatError(
            "board-manifest-invalid", f"{key} must be a size, not {_kind(value)}", where=where, hint="write 4MB"
        )
    try:
        size = parse_size(value) if isinstance(value, str) else value
    except ValueError:
        raise FormatError(
            "board-manifest-invalid", f"{key} is {str(value)[:40]!r}, not a size", where=where, hint="write 4MB"
        ) from None
    if not 0 < size <= _LARGEST_FLASH:
        raise FormatError(
            "board-manifest-invalid", f"{key} is not a possible flash size", where=where, hint="write 4MB"
        )
    return size


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", bool: "true or false", str: "a string"}.get(type(value), "a number")


# --- choosing ---------------------------------------------------------------------------------------------------------


class _Pick(NamedTuple):
    module: str
    reason: str
    assumed: bool = False
    is_likely: bool = False
    """Whether the fact is about something else than the module, such as its debugger's file."""


def _chip(facts: BoardFacts) -> Chip:
    """Return the board's chip, from ``build.mcu`` alone: board names often contain the name of another chip."""
    if not facts.mcu:
        raise SelectionError(
            "board-without-chip",
            f"board {facts.id} doesn't name its chip",
            hint="add build.mcu to its JSON file, or choose another board",
        )
    try:
        found = chip(facts.mcu)
    except UnknownNameError as error:
        raise SelectionError(
            "chip-unsupported",
            f"board {facts.id} has the chip {facts.mcu}, for which there is no ESP-AT firmware",
            hint=error.hint,
        ) from None
    except SelectionError as error:
        raise SelectionError("chip-unsupported", f"board {facts.id}: {error.message}", hint=error.hint) from None
    named = _text(facts.at, "at.chip", Place.at(board=facts.id))
    if named and chip(named) != found:
        raise SelectionError(
            "board-contradiction",
            f"board {facts.id} has the chip {found.display_name}, but its at.chip says {named}",
            hint="remove at.chip from the board's JSON file (board_at.chip from platformio.ini); if it is right, "
            f"correct build.mcu there: {chip(named).key}",
        )
    return found


def _named(facts: BoardFacts, found: Chip) -> _Pick | None:
    """Rule 1: the board's own ``at.module``."""
    name = _text(facts.at, "at.module", Place.at(board=facts.id))
    if not name:
        return None
    try:
        chosen = module(found.key, name)
    except UnknownNameError as error:
        error.locate(Place.at(board=facts.id, option="at.module"))
        raise
    return _Pick(chosen.name, f"the board's own at.module names {name}")


def _exception(facts: BoardFacts, found: Chip) -> _Pick | None:
    """Rule 2: boards whose manifest misleads the other rules."""
    row = _data.load("boards.yml")["exceptions"].get(found.key, {}).get(facts.id)
    return _Pick(row["module"], f"{facts.id} is known: {row['why']}") if row else None


def _by_rule(facts: BoardFacts, found: Chip) -> _Pick:
    _check_contradictions(facts, found)
    return _esp32(facts) if found.key == "esp32" else _by_flash(facts, found)


def _check_contradictions(facts: BoardFacts, found: Chip) -> None:
    """Raise `SelectionError` for a manifest that contradicts itself.

    No manifest of the public platforms does. Some have a PSRAM flag for a WROOM or PICO, or an id that names another
    chip: the rules expect that.
    """
    others = sorted({name for name in _chips_named(facts) if name != found.key})
    families = _families_named(facts) if found.key == "esp32" else {}
    without_psram = (
        found.display_name if found.key in _WITHOUT_PSRAM else "ESP32-SOLO-1" if "SOLO-1" in families else ""
    )
    if others:
        conflict = f"its chip is {found.key} (build.mcu), its variant or extra_flags are for {' and '.join(others)}"
    elif len(families) > 1:
        conflict = f"its id, name, variant and extra_flags name {' and '.join(families.values())}"
    elif without_psram and "board_has_psram" in facts.extra_flags.lower():
        conflict = f"its extra_flags have BOARD_HAS_PSRAM, and no {without_psram} has PSRAM"
    else:
        return
    hint = f"correct its manifest, or name the module that it carries: {setting('module', 'NAME')}"
    raise SelectionError("board-contradiction", f"board {facts.id} contradicts itself: {conflict}", hint=hint)


_WITHOUT_PSRAM = ("esp32c2", "esp32c3", "esp32c6", "esp8266")
_CHIP_NAME = re.compile(r"esp[-_]?(?:(8266)|32[-_]?(c61|c2|c3|c5|c6|h2|p4|s2|s3))(?![0-9])", re.IGNORECASE)
_BOARD_DEFINES = re.compile(r"-D\s*(ARDUINO_\w+|ESP8266)(?=[\s=]|$)")
"""The defines in which an Arduino core names the board; other defines may be about anything."""


def _chips_named(facts: BoardFacts) -> Iterator[str]:
    """Yield the chips that variant and defines name; not the ESP32, whose name is in every board's defines."""
    text = " ".join([facts.variant, *_BOARD_DEFINES.findall(facts.extra_flags)])
    for match in _CHIP_NAME.finditer(text):
        yield "esp8266" if match[1] else f"esp32{match[2].lower()}"


def _families_named(facts: BoardFacts) -> dict[str, str]:
    """Return the modules that the manifest of an ESP32 board names, each with the word that names it."""
    text = f"{facts.id} {facts.name} {facts.variant} {facts.extra_flags}".lower()
    return {hint.module: word for hint in _ESP32_FAMILIES for word in hint.words if word in text}


def _by_flash(facts: BoardFacts, found: Chip) -> _Pick:
    """Rules 4 to 7: chips whose modules differ in flash alone."""
    names: list[str] = _data.load("boards.yml")["by_flash"][found.key]
    if len(names) == 1:
        return _Pick(names[0], f"{names[0]} firmware is for every {found.display_name} board")
    smallest = names[-1]
    if facts.flash_size is None:
        return _Pick(smallest, f"its manifest has no flash size, and {smallest} needs the least", assumed=True)
    name = next((name for name in names if _fits(facts, module(found.key, name))), smallest)
    flash = format_size(facts.flash_size)
    if not facts.flash_size_is_least:
        return _Pick(name, f"it has {flash} of flash")
    if name == names[0]:
        return _Pick(name, f"it has at least {flash} of flash")
    reason = f"its manifest has the room for a sketch only, so {flash} of flash is the least that it has"
    return _Pick(name, reason, assumed=True)


class _Hint(NamedTuple):
    """Words that show the module, and the places of the manifest to look for them."""

    module: str
    places: tuple[str, ...]
    words: tuple[str, ...]
    is_likely: bool = False


_NAME = ("board id", "board name")
_BUILD = ("build.variant", "build.extra_flags")

# Rule 3: the ESP32, whose modules differ in AT pins, PSRAM and flash. The first hint that fits decides:
# - WROOM is before PSRAM, since some boards with a WROOM have a wrong PSRAM flag;
# - PICO is before WROVER and PSRAM, since a PICO may have PSRAM in its package, and a WROVER's OpenOCD file;
# - "mini" alone is no hint (MiniKit, mini32).
_ESP32_NAMES = (
    _Hint("SOLO-1", _NAME, ("solo",)),
    _Hint("SOLO-1", _BUILD, ("core32solo1",)),
    _Hint("WROOM-32", (*_NAME, *_BUILD), ("wroom",)),
    _Hint("PICO-D4", (*_NAME, *_BUILD), ("pico",)),
    _Hint("WROVER-32", (*_NAME, *_BUILD), ("wrover",)),
    _Hint("ESP32-D2WD", _NAME, ("nina", "d2wd")),
)
_MINI_1 = _Hint("MINI-1", _NAME, ("esp32-mini-1", "u4wdh"))
_PSRAM_FLAG = _Hint("WROVER-32", ("build.extra_flags",), ("board_has_psram",))
_WROVER_DEBUGGER = _Hint("WROVER-32", ("OpenOCD file",), ("wrover",), is_likely=True)
_ESP32_SIGNS = (
    _Hint("MINI-1", _BUILD, ("unicore",), is_likely=True),
    _Hint("MINI-1", ("OpenOCD file",), ("solo",), is_likely=True),
    _MINI_1,
    _PSRAM_FLAG,
    _Hint("WROVER-32", ("sdkconfig",), ("config_spiram",)),
    _WROVER_DEBUGGER,
)


_ESP32_FAMILIES = (*_ESP32_NAMES, _MINI_1)
"""The hints that name a module; the others only show what it has."""


def _esp32(facts: BoardFacts) -> _Pick:
    _check_supported(facts)
    if pick := _first_hint(facts, _ESP32_NAMES):
        return pick
    if facts.flash_size is not None and facts.flash_size < module("esp32", "WROOM-32").flash_size:
        return _Pick("ESP32-D2WD", f"it has only {format_size(facts.flash_size)} of flash", is_likely=True)
    if pick := _first_hint(facts, _ESP32_SIGNS):
        by_flag_alone = pick == _first_hint(facts, (_PSRAM_FLAG,)) and not _first_hint(facts, (_WROVER_DEBUGGER,))
        return pick._replace(assumed=by_flag_alone and _is_generic(facts))
    return _Pick("WROOM-32", "nothing names the module, and most ESP32 boards carry this one", assumed=True)


def _is_generic(facts: BoardFacts) -> bool:
    """Return whether the manifest is that of no board: it has the variant and the define of Arduino's generic ESP32."""
    return facts.variant.lower() == "esp32" or re.search(r"-D\s*ARDUINO_ESP32_DEV\b", facts.extra_flags) is not None


def _check_supported(facts: BoardFacts) -> None:
    """Raise `UnknownNameError` for a board that names a module which runs with no released firmware."""
    for text in (facts.id, facts.name, facts.variant):
        for name in unsupported_modules("esp32"):
            if folded_name(name).removeprefix("esp32") in folded_name(text):
                with located(Place.at(board=facts.id)):
                    module("esp32", name)


def _first_hint(facts: BoardFacts, hints: tuple[_Hint, ...]) -> _Pick | None:
    texts = {
        "board id": facts.id,
        "board name": facts.name,
        "build.variant": facts.variant,
        "build.extra_flags": facts.extra_flags,
        "OpenOCD file": facts.openocd,
        "sdkconfig": facts.sdkconfig,
    }
    for hint in hints:
        for place in hint.places:
            for word in hint.words:
                if (at := texts[place].lower().find(word)) >= 0:
                    reason = f"{place} has '{texts[place][at : at + len(word)]}'"
                    return _Pick(hint.module, reason, is_likely=hint.is_likely)
    return None


def _fits(facts: BoardFacts, candidate: Module) -> bool:
    return facts.flash_size is None or candidate.flash_size <= facts.flash_size


def _check_flash(facts: BoardFacts, chosen: Module) -> None:
    if facts.flash_size is None or _fits(facts, chosen):
        return
    smaller = [other.name for other in modules(chosen.chip) if other.uart_port >= 0 and _fits(facts, other)]
    needed = format_size(chosen.flash_size)
    hint = f"no AT firmware fits into that; if the board has more, {flash_size_hint(needed)}"
    if smaller:
        hint = f"if the board's flash is right, write {setting('module', 'NAME')}, with one that fits: "
        hint += f"{', '.join(smaller)}; else {flash_size_hint(needed)}"
    raise SelectionError(
        "flash-too-small",
        f"board {facts.id} has {format_size(facts.flash_size)} of flash, but {chosen.name} firmware needs {needed}",
        hint=hint,
    )


def flash_size_hint(size: str) -> str:
    """Return how to correct the flash size of a board, for a hint: its manifest has it in each host."""
    return (
        f"write upload.flash_size = {size} into the board's JSON file, or board_upload.flash_size = {size} into "
        "platformio.ini"
    )
