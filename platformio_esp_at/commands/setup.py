"""What every command of a project begins with: a `Setup` from the front end, and the checked plan made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from platformio_esp_at.checks.plan import check_plan, check_values
from platformio_esp_at.errors import located
from platformio_esp_at.firmware.find import find_firmware
from platformio_esp_at.firmware.lock import add_to_lock
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.project import Layer, firmware_of, layer_of_board, make_request, option_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.project import Request


NO_BOARD = "none"
"""Value of the option ``board`` that says: the AT module is on no board, or beside the project's board."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a front end knows."""

    layers: tuple[Layer, ...]
    """Options, the weakest first."""
    project: Path
    """The project's folder, where `esp_at.lock` lies and the paths of a board's own options start."""
    folder: Path
    """Where the image set is written."""
    find_board: Callable[[str | None], BoardFacts | None]
    """Returns the facts of a board by its id, of the host's own board for None (None where it has none)."""
    find_port: Callable[[], str] | None = None
    """Returns the port of the host's own board; None where it has none: esptool then looks for a module."""
    baud: int | None = None
    """The host's speed where no option names one."""
    say: Callable[[str], None] = print


@dataclass(frozen=True, slots=True)
class Job:
    plan: FlashPlan
    request: Request
    on_own_board: bool
    """Whether the AT module is on the board that the host knows, and not beside it."""


def prepare(setup: Setup, *, lock: bool = True) -> Job:
    """Return the checked plan: after this, writing files and flash is all that is left to do."""
    board, on_own_board = _board(setup)
    layers = _with_board(setup, board)
    request = make_request(layers)
    found = find_firmware(firmware_of(layers), request.module, board, project=setup.project, say=setup.say)
    firmware = found.package
    module = select(request.module, board, firmware)
    plan = make_plan(firmware, module, request)
    check_plan(plan, board)
    warnings = check_values(plan, board, request, now=datetime.now(timezone.utc))
    if lock and found.new_entry:
        add_to_lock(setup.project, found.new_entry)
    return Job(replace(plan, notes=(*plan.notes, *warnings)), request, on_own_board)


def layers_of(setup: Setup) -> tuple[Layer, ...]:
    """Return all options that count for a setup: those of the board first, which every other wins over."""
    return _with_board(setup, _board(setup)[0])


def _with_board(setup: Setup, board: BoardFacts | None) -> tuple[Layer, ...]:
    own = (layer_of_board(board.id, board.at, base=setup.project),) if board else ()
    return (*own, *setup.layers)


def _board(setup: Setup) -> tuple[BoardFacts | None, bool]:
    """Return the board that carries the AT module (None: none that says something), and if it is the host's own."""
    wanted = option_text(setup.layers, "board")
    if wanted is None:
        board = setup.find_board(None)
        is_host = board is not None and not board.is_espressifs
        return (None, False) if is_host else (board, True)
    if wanted.text == NO_BOARD:
        return None, False
    with located(wanted.where):
        return setup.find_board(wanted.text), False
