"""Module and board: whether they have the flash, the PSRAM and the AT command bus that the firmware needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.catalog.boards import carries_psram
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.errors import SelectionError
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.catalog.modules import Module
    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.planning.selection import SelectedModule


def check_flash_size(
    selected: SelectedModule, board: BoardFacts | None, flash_size: int, package: FirmwarePackage
) -> None:
    """Check that board and module have the flash that the package is laid out for, in bytes.

    Raises `SelectionError`. A larger flash is fine.
    """
    owners = [(f"board {board.id}", board.flash_size)] if board else []
    if selected.row is not None:
        owners.append((f"module {selected.row.name}", selected.row.flash_size))
    for owner, size in owners:
        if size is not None and size < flash_size:
            raise SelectionError(
                "flash-too-small",
                f"the firmware package {package.name} needs {format_size(flash_size)} of flash, "
                f"{owner} has {format_size(size)}",
                hint="take a firmware package for that flash size, or name the module that is really there",
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


def _made_for(package: FirmwarePackage) -> tuple[Module, ...]:
    """Return the modules of the catalog that a package is made for: from its files, or else from its name."""
    known = {row.name.casefold(): row for row in modules(package.chip.key)}
    found = [known[name.casefold()] for name in package.modules if name.casefold() in known]
    if found:
        return tuple(found)
    from platformio_esp_at.catalog.releases import package_named  # noqa: PLC0415 - 5 ms that few packages need

    released = package_named(package.name)
    return (find_module(released.chip, released.module),) if released and released.chip == package.chip.key else ()
