"""The first step of every command of a project: from a `Setup`, made by the front end, to the checked plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.checks.plan import check_plan, check_values
from platformio_esp_at.errors import IN_PROJECT_FILE, EspAtError, located, setting
from platformio_esp_at.firmware.find import find_firmware
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.layers import layer_of_board, make_request, wanted_board
from platformio_esp_at.request.project_files import lock_file_of, project_files
from platformio_esp_at.request.values import PROJECT_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.errors import Spelling
    from platformio_esp_at.events import Report
    from platformio_esp_at.firmware.package import FoundFirmware
    from platformio_esp_at.formats.lock_file import LockedPackage, LockedPartition
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.planning.selection import SelectedModule
    from platformio_esp_at.request.nodes import Layer, Node
    from platformio_esp_at.request.options import Request
    from platformio_esp_at.request.values import Firmware


NO_BOARD = "none"
"""Value of the option ``board``: the AT module is on no board, or next to the project's board."""


class Link(NamedTuple):
    """How the host reaches its own board, in esptool's words; for a module next to that board, it says nothing."""

    baud: int | None = None
    before: str = "default-reset"
    after: str = "hard-reset"
    stub: bool = True
    attempts: int | None = None


class Setup(NamedTuple):
    """What a front end passes to a command."""

    layers: tuple[Layer, ...]
    """Options, the weakest first."""
    project: Path
    """The project's folder: paths in a board's options start there."""
    folder: Path
    """Where the image set is written."""
    find_board: Callable[[str | None], BoardFacts | None]
    """Returns the facts of a board by its id; for None, those of the host's own board, or None."""
    report: Report
    """Shows events."""
    find_port: Callable[[], str] | None = None
    """Returns the port of the host's own board; None where the host has none."""
    has_port: bool = True
    """Whether that port was named to the host; else it looks for one."""
    baud: int | None = None
    """The speed that was written for the host, used if no option sets one."""
    link: Link = Link()
    spelling: Spelling = IN_PROJECT_FILE
    """How the host writes options, for the text of errors."""
    offline: bool = False
    """Whether no server is asked: firmware that isn't on this machine is an error then."""
    project_file: str = PROJECT_FILE
    """The project file, from the project's folder."""

    @property
    def lock_file(self) -> str:
        """The lock file of the project file, from the project's folder."""
        return lock_file_of(self.project_file)


class Job(NamedTuple):
    """A checked plan, and what it was made from."""

    plan: FlashPlan
    request: Request
    firmware: Firmware
    layers: tuple[Layer, ...]
    """All options used, those of the board first: the others override them."""
    on_own_board: bool
    """Whether the AT module is on the board that the host knows, and not next to it."""

    @property
    def chip(self) -> str:
        """The chip that the module must have."""
        return self.plan.chip.key


class Reach(NamedTuple):
    """How a project reaches its module, whatever firmware that has."""

    request: Request
    """Without the options for what is written."""
    on_own_board: bool
    """As that of a `Job`."""
    chip: str | None = None
    """The chip that the module must have; None: any."""


class Asked(NamedTuple):
    """What a project asks for, and the board that it names."""

    request: Request
    firmware: Firmware
    layers: tuple[Layer, ...]
    """All options used, those of the board first: the others override them."""
    board: BoardFacts | None
    on_own_board: bool
    """Whether the AT module is on the board that the host knows, and not next to it."""


def ask(setup: Setup, only: Collection[str] | None = None) -> Asked:
    """Return what a project asks for, or ``only`` some of its options. Raises `EspAtError`."""
    layers, board, on_own_board = _layers(setup, only)
    request = make_request(layers)
    if request.firmware is None:
        raise _no_firmware(setup)
    return Asked(request, request.firmware, layers, board, on_own_board)


_REACHING = ("port", "baud", "before", "after", "no_stub", "backup", "raw", "other_module")


def reach(setup: Setup) -> Reach:
    """Return how a project reaches its module, which needs no firmware package. Raises `EspAtError`."""
    layers, _, on_own_board = _layers(setup, _REACHING)
    return Reach(make_request(layers), on_own_board)


def _layers(setup: Setup, only: Collection[str] | None) -> tuple[tuple[Layer, ...], BoardFacts | None, bool]:
    """Return all options or ``only`` some, the board, and whether the module is on the host's own."""
    board, on_own_board = _board(setup)
    of_board = (layer_of_board(board.id, board.at, base=setup.project),) if board else ()
    layers: tuple[Layer, ...] = (*of_board, *setup.layers)
    if only is not None:
        layers = tuple(layer._replace(options=_chosen(layer.options, only)) for layer in layers)
    return layers, board, on_own_board


def _chosen(options: Mapping[str, Node], names: Collection[str]) -> dict[str, Node]:
    return {name: node for name, node in options.items() if name in names}


def find(setup: Setup, asked: Asked) -> FoundFirmware:
    """Return the firmware package that a project asks for. Raises `EspAtError`."""
    return find_firmware(
        asked.firmware,
        asked.request.module,
        asked.board,
        project=setup.project,
        lock_file=setup.lock_file,
        report=setup.report,
        offline=setup.offline,
    )


def recorded_offsets(setup: Setup, asked: Asked, found: FoundFirmware, module: SelectedModule) -> Mapping[str, int]:
    """Return where the project's own partitions are by its lock file, by name. Raises `EspAtError`."""
    if asked.request.partitions is None:
        return {}
    from platformio_esp_at.firmware.lock import read_lock  # noqa: PLC0415 - 10 ms that only an own table needs

    lock = read_lock(setup.project, setup.lock_file) if found.lock is None else found.lock
    return lock.offsets(found.package.chip.key, module.name)


def prepare(setup: Setup, *, lock: bool = True) -> Job:
    """Return the checked plan: after this, only files and flash are left to write. Raises `EspAtError`.

    ``lock``: whether the lock file is written, for what it doesn't know yet: a firmware package, or where partitions
    of the project's own were placed.
    """
    asked = ask(setup)
    request, board = asked.request, asked.board
    found = find(setup, asked)
    module = select(request.module, board, found.package)
    plan = make_plan(found.package, module, request, recorded_offsets(setup, asked, found, module), setup.lock_file)
    notices = (
        *check_plan(plan, board),
        *check_values(plan, board, request, now=datetime.now(timezone.utc)),
    )
    if lock:
        _lock(setup, found, plan)
    plan = replace(plan, notes=(*plan.notes, *notices))
    return Job(plan, request, asked.firmware, asked.layers, asked.on_own_board)


def _lock(setup: Setup, found: FoundFirmware, plan: FlashPlan) -> None:
    """Add what the lock file doesn't know yet: partitions whose offset the CSV gives only if it has another one."""
    entries: list[LockedPackage | LockedPartition] = [found.new_entry] if found.new_entry else []
    if any(own.is_unrecorded for own in plan.own):
        from platformio_esp_at.formats.lock_file import LockedPartition  # noqa: PLC0415 - only for own partitions

        entries += [
            LockedPartition(plan.chip.key, plan.module.name, own.partition.name, own.partition.offset)
            for own in plan.own
            if own.is_unrecorded
        ]
    if entries:
        from platformio_esp_at.firmware.lock import add_to_lock  # noqa: PLC0415 - see `find_firmware`

        add_to_lock(setup.project, *entries, name=setup.lock_file)


_FIND_PROJECT = "\nor go to the project's folder; esp-at init starts a new project"


def _no_firmware(setup: Setup) -> EspAtError:
    """Return the error for a project that names no firmware; it says where no project file is read."""
    hint = (
        f"write {setting('firmware', 'latest')}; esp-at releases lists the others, and the path of a zip will do, too"
    )
    message, files = "no firmware package is named", project_files(setup.project)
    if setup.project_file not in files:
        message += f", and there is no {setup.project_file} in {setup.project.absolute()}"
        named = " or ".join(setting("project_file", name) for name in files)
        hint += f"\nor name the project file of the module: {named}" if files else _FIND_PROJECT
    return EspAtError("firmware-missing", message, hint=hint)


def _board(setup: Setup) -> tuple[BoardFacts | None, bool]:
    """Return the board that carries the AT module (None: none is known), and whether it is the host's own."""
    wanted = wanted_board(setup.layers)
    if wanted is None:
        board = setup.find_board(None)
        is_host = board is not None and not board.is_espressifs
        return (None, False) if is_host else (board, True)
    if wanted.text == NO_BOARD:
        return None, False
    with located(wanted.where):
        return setup.find_board(wanted.text), False
