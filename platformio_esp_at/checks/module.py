"""Module and board: whether they have the flash, the PSRAM and the AT command bus that the firmware needs.

Also what upstream's table of supported modules says of hardware that the user names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.catalog.boards import carries_psram, flash_size_hint
from platformio_esp_at.catalog.modules import limit_of, modules
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.errors import Place, SelectionError, setting, warning
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.catalog.modules import Module
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.planning.selection import SelectedModule
    from platformio_esp_at.request.options import Request


def check_flash_size(
    selected: SelectedModule, board: BoardFacts | None, flash_size: int, package: FirmwarePackage
) -> None:
    """Check that board and module have the flash that the package is laid out for, in bytes.

    Raises `SelectionError`. A larger flash is fine, and a board whose manifest only shows the least that it has decides
    nothing: see `flash_warnings`.
    """
    owners = [(f"board {board.id}", board.flash_size)] if board and not board.flash_size_is_least else []
    if selected.row is not None:
        owners.append((f"module {selected.row.name}", selected.row.flash_size))
    for owner, size in owners:
        if size is not None and size < flash_size:
            hint = "take a firmware package for that flash size, or name the module that is really there"
            if selected.assumed and (made_for := _made_for(package)):
                name = setting("module", made_for[0].name)
                hint = f"the module is a guess: if the board carries another one, write {name}"
            raise SelectionError(
                "flash-too-small",
                f"the firmware package {package.name} needs {format_size(flash_size)} of flash, "
                f"{owner} has {format_size(size)}",
                hint=hint,
            )


def check_family(selected: SelectedModule, board: BoardFacts | None, package: FirmwarePackage) -> None:
    """Check that the module has what the firmware is built for: PSRAM, and the bus of the AT commands.

    Raises `SelectionError`. Firmware without PSRAM is fine on a module with PSRAM: the factory parameters set the pins.
    """
    row = selected.row
    if row is None:
        return
    made_for = _made_for(package)
    names = " and ".join(other.name for other in made_for)
    name = f"the firmware package {package.name}" + (f" (for {names})" if names else "")
    hint = f"take the firmware package for {row.name}, or name the module that is really there"
    needs_psram = package.needs_psram or (made_for and all(other.needs_psram for other in made_for))
    if needs_psram and not (row.psram or carries_psram(board)):
        raise SelectionError(
            "psram-missing", f"{name} only starts on modules with PSRAM, {row.name} has none", hint=hint
        )
    buses = {other.bus for other in made_for}
    if buses and row.bus not in buses:
        message = f"{name} takes AT commands over {' or '.join(sorted(buses))}, {row.name} over {row.bus}"
        raise SelectionError("bus-mismatch", message, hint=hint)


def flash_warnings(plan: FlashPlan, board: BoardFacts | None) -> Iterator[Notice]:
    """Yield a warning where the board's manifest doesn't show whether it has the flash that the firmware needs."""
    if board and board.flash_size_is_least and board.flash_size and board.flash_size < plan.flash_size:
        needed = format_size(plan.flash_size)
        message = (
            f"the manifest of board {board.id} has the room for a sketch only, which shows "
            f"{format_size(board.flash_size)} of flash or more; the firmware needs {needed}"
        )
        hint = f"if the board has that, {flash_size_hint(needed)}"
        yield warning("flash-size-assumed", message, hint=hint, board=board.id)


def check_limits(selected: SelectedModule, package: FirmwarePackage) -> None:
    """Check that the firmware runs on hardware of the name that the user gave. Raises `SelectionError`."""
    limit = limit_of(selected.chip.key, selected.hardware)
    if limit is None:
        return
    made_for = [row.name for row in _made_for(package)]
    if made_for and set(made_for) <= set(limit.not_for):
        row = selected.row
        others = [other.name for other in (row, *_alternatives(row)) if other.name not in limit.not_for] if row else []
        raise SelectionError(
            "module-unsupported",
            f"{limit.name} doesn't run with {' and '.join(made_for)} firmware, as Espressif's table of supported "
            "modules has it",
            hint=f"take the firmware package for {' or '.join(others)}",
            name=limit.name,
        )


def _alternatives(row: Module) -> Iterator[Module]:
    return (find_module(row.chip, name) for name in row.alternatives)


def pin_limit_warnings(plan: FlashPlan, request: Request) -> Iterator[Notice]:
    """Yield a warning for hardware that needs other pins for the AT port, unless the project gives some."""
    limit = limit_of(plan.chip.key, plan.module.hardware)
    given = {*plan.module.changes, *request.factory_param}
    if limit and limit.other_pins and not given & {"uart_tx_pin", "uart_rx_pin"}:
        message = (
            f"{limit.name} needs other pins for the AT port than those of {plan.module.name} firmware, as Espressif's "
            "table of supported modules has it"
        )
        pins = " and ".join(setting(f"factory_param.{name}") for name in ("uart_tx_pin", "uart_rx_pin"))
        hint = f"write {pins}, with GPIOs that the module leads out"
        yield warning("module-needs-pins", message, where=Place.at(option="module"), hint=hint, name=limit.name)


def _made_for(package: FirmwarePackage) -> tuple[Module, ...]:
    """Return the modules of the catalog that a package is made for: from its files, or else from its name."""
    known = {row.name.casefold(): row for row in modules(package.chip.key)}
    found = [known[name.casefold()] for name in package.modules if name.casefold() in known]
    if found:
        return tuple(found)
    from platformio_esp_at.catalog.releases import package_named  # noqa: PLC0415 - 5 ms that few packages need

    released = package_named(package.name)
    return (find_module(released.chip, released.module),) if released and released.chip == package.chip.key else ()
