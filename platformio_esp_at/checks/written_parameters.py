"""The factory parameters that a plan writes: which findings about them are refused, and which are only warned of.

What the project asks for is refused where it can't work. What comes with firmware package and module is refused only if
the module wouldn't start or answer with it; what depends on a guess about the module is never refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog.boards import (
    Choice,
    carries_psram,
    has_ethernet,
    known_module,
    module_for_release,
    used_gpios,
)
from platformio_esp_at.catalog.gpios import chip_gpios, has_in_package_flash
from platformio_esp_at.checks.parameters import check_parameters
from platformio_esp_at.errors import EspAtError, Notice, Place, note, raise_all, setting
from platformio_esp_at.planning.content import ESSENTIAL, FIRMWARE_PACKAGE, MFG_NVS
from platformio_esp_at.planning.mfg_nvs import RENAMED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.catalog.modules import Module
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.options import Request
    from platformio_esp_at.request.values import InputFile, InputFolder, Text

_ESP8266_PLAIN_TX = 1


def check_written_parameters(plan: FlashPlan, board: BoardFacts | None, request: Request) -> Iterator[Notice]:
    """Yield the warnings of the factory parameters, and a note on what the firmware package has changed in them.

    Raises an `EspAtError` with all problems of the values that the project gives, and of those that come with firmware
    package and module if the module wouldn't start or answer with them. What depends on a guess about the module is
    only warned of.
    """
    if plan.parameters is None:
        return
    hardware = _hardware(plan, board)
    problems, warnings = check_parameters(
        plan.parameters,
        chip=plan.chip.key,
        psram=hardware.psram,
        in_package_flash=hardware.in_package_flash,
        outside_flash=hardware.outside_flash,
        in_package_psram=hardware.in_package_psram,
        usual=_usual_parameters(plan),
        used_by_board=used_gpios(board) if board else None,
        ethernet=board is not None and has_ethernet(board),
    )
    given = {_parameter(name): text for name, text in {**plan.module.changes, **request.factory_param}.items()}
    own_file = request.data.get(MFG_NVS)
    refused = []
    for problem in problems:
        text = next((given[name] for name in map(_parameter, _involved(problem)) if name in given), None)
        if text is not None:
            problem.locate(text.where)
        elif own_file is not None:
            problem.locate(Place.at(file=own_file.label))
        if hardware.is_in_doubt(problem) or (text is None and not _stops_module(problem, plan, hardware)):
            yield problem.as_warning()
            continue
        if text is None and own_file is None:
            problem.marked_hint = f"{problem.marked_hint}\n{_other_pins_or_module(problem, plan, hardware)}"
        refused.append(problem)
    raise_all(refused)
    yield from (_where_given(found, given, own_file) for found in warnings)
    yield from _changed_in_package(plan)


def _where_given(found: Notice, given: Mapping[str, Text], own_file: InputFile | InputFolder | None) -> Notice:
    """Return a warning with the place where the project gives the parameter, if it does."""
    text = given.get(_parameter(str(found.place.facts.get("parameter"))))
    if text is not None:
        return found.inside(text.where)
    return found if own_file is None else found.inside(Place.at(file=own_file.label))


def _changed_in_package(plan: FlashPlan) -> Iterator[Notice]:
    """Yield a note if the package's own parameters of a module differ from those of every release."""
    region = next((region for region in plan.regions if region.name in ESSENTIAL), None)
    row, values = plan.module.row, plan.parameters or {}
    if region is None or region.origin != FIRMWARE_PACKAGE or row is None or "version" not in values:
        return
    try:
        usual = row.factory_param(int(values["version"]))
    except EspAtError:
        return
    known = {
        name: {value, *(of[_parameter(name)] for _, of in row.exceptions if _parameter(name) in of)}
        for name, value in usual.items()
    }
    changed = [name for name in values if name in known and values[name] not in known[name]]
    if changed:
        what = ", ".join(f"{name} {values[name]} instead of {usual[name]}" for name in changed)
        message = f"the firmware package's parameters differ from Espressif's for {row.name}: {what}"
        yield note("parameters-changed", message, where=Place.at(file=region.path), parameters=tuple(changed))


class _Hardware(NamedTuple):
    """What is known of the module that is really there: the selected one, and the one that the board carries."""

    psram: bool
    in_package_flash: bool
    outside_flash: bool
    in_package_psram: bool
    taken: frozenset[int]
    """GPIOs that flash and PSRAM take for sure."""
    doubtful: frozenset[int]
    """GPIOs that they take if a guess about the module is right."""
    of_board: Module | None
    """The board's own module, if that is known."""

    def is_in_doubt(self, problem: EspAtError) -> bool:
        return problem.code == "pin-taken" and problem.facts["gpio"] in self.doubtful


def _hardware(plan: FlashPlan, board: BoardFacts | None) -> _Hardware:
    chip, row, of_board = plan.chip.key, plan.module.row, known_module(board)
    gpios = chip_gpios(chip)
    rows = [found for found in (row, of_board) if found is not None]
    sure = [found for found in (None if plan.module.assumed else row, of_board) if found is not None]
    in_package = any(has_in_package_flash(chip, found.name) for found in rows)
    outside = not all(has_in_package_flash(chip, found.name) for found in rows) or not rows
    in_package_psram = re.search(_PSRAM_SUFFIX, plan.module.hardware) is not None
    # Where the user names PSRAM in the chip's package, the board's PSRAM is that one.
    elsewhere = not in_package_psram or (row is not None and row.psram)
    taken = gpios.flash & gpios.in_package_flash
    if rows and outside:
        taken |= gpios.flash
    if elsewhere and any(found.psram for found in sure):
        taken |= gpios.psram
    if any(has_in_package_flash(chip, found.name) for found in sure):
        taken |= gpios.in_package_flash
    if in_package_psram:
        taken |= gpios.in_package_psram
    psram = elsewhere and (any(found.psram for found in rows) or carries_psram(board))
    doubtful = (gpios.psram if psram else frozenset()) - taken
    return _Hardware(psram, in_package, outside, in_package_psram, taken, doubtful, of_board)


_PSRAM_SUFFIX = r"(?i)[-_][NH]\d+R\d+[A-Z]*\s*$"
"""The end of a module's name that shows PSRAM in its chip: ``ESP32-WROOM-32E-N8R2``."""


# Without these, the UART has no speed, no port or no line: the firmware ends in an assertion, or nobody hears it.
_FATAL = ("uart-missing", "uart-port-invalid", "baudrate-invalid", "pin-nonexistent", "pin-input-only", "pin-twice")


def _stops_module(problem: EspAtError, plan: FlashPlan, hardware: _Hardware) -> bool:
    """Return whether the module doesn't start or answer with a value that nobody asked for."""
    values = plan.parameters or {}
    if problem.code == "pin-taken":
        return problem.facts["gpio"] in hardware.taken
    if problem.code == "pin-missing":
        return plan.package.has_mfg_nvs  # up to v3.0.0.0, the firmware's own pins take its place
    if problem.code == "pin-not-routable":
        # With TX 1 and RX 3, ESP-AT doesn't look at CTS and RTS; see `_unroutable_on_esp8266`.
        return problem.facts["parameter"] == "uart_tx_pin" or values["uart_tx_pin"] != _ESP8266_PLAIN_TX
    return problem.code in _FATAL


def _other_pins_or_module(problem: EspAtError, plan: FlashPlan, hardware: _Hardware) -> str:
    """Return the next step for a value that came with firmware package and module."""
    parameter = problem.facts["parameter"]
    hint = (
        f"this value comes with {plan.module.name}: write another number: {setting(f'factory_param.{parameter}', 'N')}"
    )
    own = hardware.of_board
    if problem.code == "pin-taken" and own is not None and own != plan.module.row:
        choice, release = Choice(own.chip, own.name, ""), plan.package.release
        name = (module_for_release(choice, release) if release else choice).module
        return f"{hint}, or write {setting('module', name)} for the board's own module"
    return hint


def _involved(problem: EspAtError) -> tuple[str, ...]:
    """Return the parameters of a problem: its own, and those that it is in conflict with."""
    own, others = problem.facts.get("parameter", ""), problem.facts.get("conflicts_with", ())
    return (str(own), *(others if isinstance(others, tuple) else ()))


def _parameter(name: str) -> str:
    """Return a parameter's name before v3.1.0.0: a project may use the old or the new name."""
    return RENAMED.get(name, name)


def _usual_parameters(plan: FlashPlan) -> Mapping[str, int | str] | None:
    """Return upstream's values for the module; None if the catalog doesn't have it in this version."""
    try:
        return plan.module.factory_param_values(int((plan.parameters or {}).get("version", 0)))
    except EspAtError:
        return None
