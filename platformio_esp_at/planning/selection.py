"""Which AT module a firmware package is flashed for: the user's choice, else the board's, else the package's only one.

`SelectedModule.reason` names the fact that decided, for the user.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.boards import module_for_release, select_module
from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import MODULE_NAME
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.errors import EspAtError, FormatError, Place, SelectionError, UnknownNameError, located, setting
from platformio_esp_at.request.values import CustomModule, Text

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
    """The release of the firmware package: the row's values for it are used. None if unknown."""
    based_on: str | None = None
    """For a module of the user's own: the one whose parameters it starts from."""
    changes: Mapping[str, Text] = field(default_factory=dict)
    """What a module of the user's own changes in the row's factory parameters."""
    hardware: str = ""
    """The name of it that the user or the board's ``at`` block gave; "" where it was found in another way."""

    def factory_param_values(self, version: int) -> dict[str, int | str]:
        """Return its factory parameters in that version of the format, ``changes`` left out.

        Raises `SelectionError` where the catalog doesn't know the module, or not in that version.
        """
        if self.row is None:
            raise SelectionError(
                "module-not-in-package",
                f"the firmware package has no factory_param_{self.name}.bin, and the catalog has no module {self.name}",
                hint="name the module that it is like: "
                + setting("module", f"{{name: {self.name}, based_on: WROOM-32, …}}"),
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
            hardware=str(board.at.get("module") or ""),
        )
    if len(package.modules) == 1:
        only = Text(package.modules[0], Place.at(package=package.name))
        return replace(_named_module(only, package), reason=f"the only module of firmware package {package.name}")
    raise SelectionError(
        "module-missing",
        f"which AT module? The firmware package has {', '.join(package.modules) or 'no name of one'}",
        hint=f"write {setting('module', 'NAME')}; esp-at modules lists them",
    )


def _check_board_chip(board: BoardFacts, package: FirmwarePackage) -> None:
    chip = find_chip(board.mcu)
    if chip != package.chip:
        raise SelectionError(
            "board-other-chip",
            f"board {board.id} has an {chip.display_name}, "
            f"the firmware package {package.name} is for {package.chip.display_name}",
            hint="take the firmware package of that chip; or, if the AT module is next to this board, "
            f"write {setting('board', 'none')}, or the board that carries it",
        )


def _named_module(wanted: Text, package: FirmwarePackage) -> SelectedModule:
    try:
        with located(wanted.where):
            row = find_module(package.chip.key, wanted.text)
    except UnknownNameError:
        # The user's own build can have modules that no release has: its factory_param has their values.
        own = next((name for name in package.modules if name.casefold() == wanted.text.casefold()), None)
        if own is None:
            raise
        return SelectedModule(own, package.chip, str(wanted.where))
    return SelectedModule(
        row.name,
        package.chip,
        str(wanted.where),
        alternatives=row.alternatives,
        row=row,
        release=package.release,
        hardware=wanted.text,
    )


def _own_module(wanted: CustomModule, package: FirmwarePackage) -> SelectedModule:
    if not MODULE_NAME.fullmatch(wanted.name.text):
        hint = "write letters, digits, - and _, 31 at most"
        raise FormatError(
            "module-name", f"{wanted.name.text!r} can't be a module's name", where=wanted.name.where, hint=hint
        )
    row = _named_module(wanted.based_on, package).row
    if row is None:
        hint = "name a module that esp-at modules lists for this chip"
        problem = f"{wanted.based_on.text} is not in the catalog"
        raise EspAtError("module-base-unknown", problem, where=wanted.based_on.where, hint=hint)
    return SelectedModule(
        name=wanted.name.text,
        chip=package.chip,
        reason=f"{wanted.name.where}, based on {row.name}",
        row=row,
        release=package.release,
        based_on=row.name,
        changes=wanted.values,
        hardware=wanted.based_on.text,
    )
