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

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.errors import Spelling
    from platformio_esp_at.events import Report
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.nodes import Layer
    from platformio_esp_at.request.options import Request
    from platformio_esp_at.request.values import Firmware


NO_BOARD = "none"
"""Value of the option ``board``: the AT module is on no board, or next to the project's board."""


class Setup(NamedTuple):
    """What a front end passes to a command."""

    layers: tuple[Layer, ...]
    """Options, the weakest first."""
    project: Path
    """The project's folder: it has `esp_at.lock`, and paths in a board's options start there."""
    folder: Path
    """Where the image set is written."""
    find_board: Callable[[str | None], BoardFacts | None]
    """Returns the facts of a board by its id; for None, those of the host's own board, or None."""
    report: Report
    """Shows events."""
    find_port: Callable[[], str] | None = None
    """Returns the port of the host's own board; None where it has none: esptool then looks for a module."""
    baud: int | None = None
    """The host's speed, used if no option sets one."""
    spelling: Spelling = IN_PROJECT_FILE
    """How the host writes options, for the text of errors."""


class Job(NamedTuple):
    """A checked plan, and what it was made from."""

    plan: FlashPlan
    request: Request
    firmware: Firmware
    layers: tuple[Layer, ...]
    """All options used, those of the board first: the others override them."""
    on_own_board: bool
    """Whether the AT module is on the board that the host knows, and not next to it."""


def prepare(setup: Setup, *, lock: bool = True) -> Job:
    """Return the checked plan: after this, only files and flash are left to write. Raises `EspAtError`.

    ``lock``: whether `esp_at.lock` is written for a firmware package that it doesn't know yet.
    """
    board, on_own_board = _board(setup)
    of_board = (layer_of_board(board.id, board.at, base=setup.project),) if board else ()
    layers = (*of_board, *setup.layers)
    request = make_request(layers)
    if request.firmware is None:
        raise EspAtError("firmware-missing", "no firmware package is named", hint=_NAME_FIRMWARE)
    found = find_firmware(request.firmware, request.module, board, project=setup.project, report=setup.report)
    module = select(request.module, board, found.package)
    plan = make_plan(found.package, module, request)
    notices = (
        *check_plan(plan, board),
        *check_values(plan, board, request, now=datetime.now(timezone.utc)),
    )
    if lock and found.new_entry:
        from platformio_esp_at.firmware.lock import add_to_lock  # noqa: PLC0415 - see `find_firmware`

        add_to_lock(setup.project, found.new_entry)
    plan = replace(plan, notes=(*plan.notes, *notices))
    return Job(plan, request, request.firmware, layers, on_own_board)


_NAME_FIRMWARE = (
    f"write {setting('firmware', 'latest')}; esp-at releases lists the others, and the path of a zip will do, too"
)


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
