"""Which AT module a firmware package is flashed for: the user's word, else the board, else the package itself.

Whatever decides is told to the user in one sentence (`SelectedModule.reason`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.boards import carries_psram, module_for_release, select_module
from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.modules import modules, only_module
from platformio_esp_at.catalog.releases import package_named
from platformio_esp_at.errors import EspAtError, FormatError, SelectionError, UnknownNameError, located
from platformio_esp_at.firmware.package import MODULE_NAME
from platformio_esp_at.request.project import CustomModule, Text
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.catalog.modules import Module
    from platformio_esp_at.firmware.package import FirmwarePackage


@dataclass(frozen=True, slots=True)
class SelectedModule:
    """The module, and why this one."""

    name: str
    chip: Chip
    reason: str
    assumed: bool = False
    """A guess, which the user should confirm."""
    alternatives: tuple[str, ...] = ()
    row: Module | None = None
    """Its row in the catalog, or that of the module it is based on; None where only the firmware package knows it."""
    release: str | None = None
    """The release of the firmware package, whose values of the row count; None where it isn't known."""
    based_on: str | None = None
    """For a module of the user's own: the one whose parameters it starts from."""
    changes: Mapping[str, Text] = field(default_factory=dict)
    """What a module of the user's own changes in the row's factory parameters."""

    def factory_param_values(self, version: int) -> dict[str, int | str]:
        """Return its factory parameters in that version of the format, ``changes`` left out.

        Raises `SelectionError` where the catalog doesn't know the module, or not in that version.
        """
        if self.row is None:
            raise SelectionError(
                f"the firmware package has no factory_param_{self.name}.bin, and the catalog has no module {self.name}",
                hint=f"name the module that it is like: module: {{name: {self.name}, based_on: WROOM-32, …}}",
            )
        values = dict(self.row.factory_param(version, release=self.release))
        if "module_name" in values:
            values["module_name"] = self.name
        return values


def select(wanted: Text | CustomModule | None, board: BoardFacts | None, package: FirmwarePackage) -> SelectedModule:
    """Return the module to flash ``package`` for.

    Raises `SelectionError` where none can be chosen, or where board, module and package don't fit together;
    `UnknownNameError` for a module that neither the catalog nor the package knows.
    """
    if board is not None:
        _check_board_chip(board, package)
    if isinstance(wanted, CustomModule):
        return _own_module(wanted, package)
    if wanted is not None:
        return _named_module(wanted, package)
    if board is not None:
        choice = select_module(board)
        if package.release and "module" not in board.at:
            choice = module_for_release(choice, package.release)
        return SelectedModule(
            name=choice.module,
            chip=package.chip,
            reason=f"board {board.id}: {choice.reason}",
            assumed=choice.assumed,
            alternatives=choice.alternatives,
            row=find_module(choice.chip, choice.module),
            release=package.release,
        )
    if len(package.modules) == 1:
        return _named_module(Text(package.modules[0], f"the only module of firmware package {package.name}"), package)
    raise SelectionError(
        f"which AT module? The firmware package has {', '.join(package.modules) or 'no name of one'}",
        hint="write module: NAME into esp_at.yml, or give --module NAME; esp-at modules lists them",
    )


def module_of_release(
    firmware: Text, wanted: Text | CustomModule | None, board: BoardFacts | None
) -> tuple[Module, Module]:
    """Return the module that a release is for, and the one whose package to look up for it, before there is a package.

    They differ where the board's module has given way to a successor. Raises `SelectionError` where neither the user
    nor the board tells it, `UnknownNameError` for a name that isn't one.
    """
    name = wanted.based_on if isinstance(wanted, CustomModule) else wanted
    if name is not None:
        with located(name.where):
            named = find_module(board.mcu, name.text) if board else only_module(name.text)
        return named, named
    if isinstance(wanted, CustomModule):
        raise _like_which(wanted)
    if board is None:
        raise SelectionError(
            f"which AT module is firmware {firmware.text} for?",
            where=firmware.where,
            hint="say what carries it, by the option board, or what it is, by the option module: module: WROOM-32",
        )
    carried = select_module(board)
    flashed = carried if "module" in board.at else module_for_release(carried, firmware.text)
    return find_module(carried.chip, carried.module), find_module(flashed.chip, flashed.module)


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
                f"the firmware package {package.name} needs {format_size(flash_size)} of flash, "
                f"{owner} has {format_size(size)}",
                hint="take a firmware package for that flash size, or name the module that is really there",
            )


def check_family(selected: SelectedModule, board: BoardFacts | None, package: FirmwarePackage) -> None:
    """Check that the module has what the firmware is built for: PSRAM, and the bus that AT commands come over.

    Raises `SelectionError`. Firmware without PSRAM runs on a module with it, whose pins its parameters have.
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
        raise SelectionError(f"{name} only starts on modules with PSRAM, {row.name} has none", hint=hint)
    buses = {other.bus for other in made_for}
    if buses and row.bus not in buses:
        message = f"{name} takes AT commands over {' or '.join(sorted(buses))}, {row.name} over {row.bus}"
        raise SelectionError(message, hint=hint)


def _made_for(package: FirmwarePackage) -> tuple[Module, ...]:
    """Return the modules of the catalog that a package is made for, as its files or else its name tell."""
    known = {row.name.casefold(): row for row in modules(package.chip.key)}
    found = [known[name.casefold()] for name in package.modules if name.casefold() in known]
    released = package_named(package.name)
    if not found and released and released.chip == package.chip.key:
        return (find_module(released.chip, released.module),)
    return tuple(found)


def _check_board_chip(board: BoardFacts, package: FirmwarePackage) -> None:
    chip = find_chip(board.mcu)
    if chip != package.chip:
        raise SelectionError(
            f"board {board.id} has an {chip.display_name}, "
            f"the firmware package {package.name} is for {package.chip.display_name}",
            hint="take the firmware package of that chip; or, if the AT module is beside this board, set the option "
            "board to the one that carries it, or to none",
        )


def _named_module(wanted: Text, package: FirmwarePackage) -> SelectedModule:
    try:
        with located(wanted.where):
            row = find_module(package.chip.key, wanted.text)
    except UnknownNameError:
        # A build of one's own can have modules that no release has: its factory_param says the rest.
        own = next((name for name in package.modules if name.casefold() == wanted.text.casefold()), None)
        if own is None:
            raise
        return SelectedModule(own, package.chip, wanted.where)
    return SelectedModule(
        row.name, package.chip, wanted.where, alternatives=row.alternatives, row=row, release=package.release
    )


def _own_module(wanted: CustomModule, package: FirmwarePackage) -> SelectedModule:
    if not MODULE_NAME.fullmatch(wanted.name.text):
        hint = "write letters, digits, - and _, 31 at most"
        raise FormatError(f"{wanted.name.text!r} can't be a module's name", where=wanted.name.where, hint=hint)
    if wanted.based_on is None:
        raise _like_which(wanted)
    row = _named_module(wanted.based_on, package).row
    if row is None:
        raise EspAtError(f"{wanted.based_on.text} is not in the catalog", where=wanted.based_on.where)
    return SelectedModule(
        name=wanted.name.text,
        chip=package.chip,
        reason=f"{wanted.name.where}, based on {row.name}",
        row=row,
        release=package.release,
        based_on=row.name,
        changes=wanted.values,
    )


def _like_which(wanted: CustomModule) -> FormatError:
    return FormatError(
        f"module {wanted.name.text} doesn't say which module it is like",
        where=wanted.name.where,
        hint="add based_on: WROOM-32, or whichever is nearest; esp-at modules lists them",
    )
