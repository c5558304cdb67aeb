"""The actions of idf.py: ``idf.py at-flash`` and its relatives.

Every idf.py command loads this file, mostly for other actions, and an exception here would end the command: so only the
standard library is imported at the top, and if our options can't be loaded, the actions are left out.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.commands.setup import Setup
    from platformio_esp_at.idf.project import IdfProject

_ON_COMMAND_LINE = "platformio_esp_at.on_command_line"
"""Key in click's ``ctx.meta``: the names of idf.py's options that are on the command line."""


class Action(NamedTuple):
    """An action of idf.py, and the function of `commands` that it runs."""

    name: str
    command: str
    help: str
    has_port: bool = True


ACTIONS = (
    Action("at-package", "package", "Write the image set of the AT module, without a device.", has_port=False),
    Action("at-flash", "upload", "Flash the AT module; its saved settings stay."),
    Action(
        "at-flash-factory",
        "upload_factory",
        "Flash the AT module's combined image; erases all that is saved on it.",
    ),
    Action("at-verify", "verify", "Compare the AT module's flash with the image set."),
    Action("at-info", "info", "Show what at-flash writes and keeps, without a device.", has_port=False),
    Action("at-table", "table", "Show the AT module's user partition table as CSV.", has_port=False),
)

_ERASE = {
    "names": ["--erase"],
    "is_flag": True,
    "help": "Erase all that is saved on the module, too: the same as at-flash-factory.",
}


def action_extensions(base_actions: Mapping[str, Any], project_path: str) -> dict[str, Any]:  # noqa: ARG001 - idf.py's
    """Return `ACTIONS` in idf.py's format; none if idf.py has already loaded them from another place."""
    extension: dict[str, Any] = {"version": "1", "global_options": [], "actions": {}}
    present = base_actions.get("actions", {})
    if "at-flash" in present:
        return extension
    try:
        from platformio_esp_at.request.command_line import parameters  # noqa: PLC0415 - see above

        own = parameters()
    except Exception as error:  # noqa: BLE001 - whatever it is, idf.py must go on
        sys.stderr.write(f"WARNING: idf.py at-flash can't be offered: {error}\n")
        return extension
    connection = [dict(option) for option in present.get("flash", {}).get("options", ()) if _is_connection(option)]
    options = [option for name, option in own.items() if name not in ("port", "baud")]
    for action in ACTIONS:
        extension["actions"][action.name] = {
            "callback": partial(_run, action.command),
            "help": action.help,
            "short_help": action.help,
            "options": [
                *([{**option, "callback": _note} for option in connection] if action.has_port else ()),
                *map(dict, options),
                *([_ERASE] if action.name == "at-flash" else ()),
            ],
        }
    return extension


def _is_connection(option: Mapping[str, Any]) -> bool:
    return bool({"--port", "--baud"} & set(option.get("names", ())))


def _note(ctx: Any, param: Any, value: object) -> object:  # noqa: ANN401 - click's
    """Note that an action has its own port or speed; idf.py mixes both with ESPPORT and ESPBAUD."""
    if _is_on_command_line(ctx, param.name):
        ctx.meta.setdefault(_ON_COMMAND_LINE, set()).add(param.name)
    return value


def _is_on_command_line(ctx: Any, name: str) -> bool:  # noqa: ANN401
    return getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"


def _run(command: str, action: str, ctx: Any, args: Any, *, erase: bool = False, **options: Any) -> None:  # noqa: ANN401, ARG001
    """Run a command, and fail as idf.py's own actions do."""
    from platformio_esp_at import commands  # noqa: PLC0415 - see above
    from platformio_esp_at.errors import EspAtError  # noqa: PLC0415
    from platformio_esp_at.idf.project import spelling_of  # noqa: PLC0415
    from platformio_esp_at.outputs.text import error_text  # noqa: PLC0415

    setup = None
    try:
        setup = _setup(ctx, args, options)
        # The factory image erases everything; like all images, it is checked before anything is erased.
        commands.run("upload_factory" if erase else command, setup)
    except EspAtError as error:
        sys.stdout.flush()
        spelling = setup.spelling if setup else spelling_of(None)
        raise _fatal_error()(error_text(error, spelling)) from None


def _fatal_error() -> type[Exception]:
    try:
        from idf_py_actions.errors import FatalError  # noqa: PLC0415 - exists only in idf.py
    except ImportError:
        from click import ClickException  # noqa: PLC0415

        return ClickException
    fatal_error: type[Exception] = FatalError
    return fatal_error


def _setup(ctx: Any, args: Any, options: dict[str, Any]) -> Setup:  # noqa: ANN401
    from platformio_esp_at.commands.setup import Setup  # noqa: PLC0415
    from platformio_esp_at.idf import install  # noqa: PLC0415
    from platformio_esp_at.idf.project import image_set_folder, read_idf_project, spelling_of  # noqa: PLC0415
    from platformio_esp_at.outputs.terminal import show  # noqa: PLC0415
    from platformio_esp_at.request.command_line import layer_of_command_line  # noqa: PLC0415
    from platformio_esp_at.request.layers import layer_of_options  # noqa: PLC0415
    from platformio_esp_at.request.nodes import Layer  # noqa: PLC0415
    from platformio_esp_at.request.read import read_project  # noqa: PLC0415

    install.check_idf_version()
    folder, build = Path(args.project_dir), Path(args.build_dir)
    project = read_idf_project(folder, build)
    given = {"port": getattr(args, "port", None), "baud": getattr(args, "baud", None)}
    noted = ctx.meta.get(_ON_COMMAND_LINE, ())
    typed = {name: value for name, value in given.items() if _is_on_command_line(ctx, name) or name in noted}
    layers = [read_project(folder), layer_of_command_line({**options, **typed})]
    if project is not None:
        layers.insert(0, project.options)
    elif given["port"]:
        layers.insert(0, layer_of_options({"port": given["port"]}, base=folder, spelling=lambda _: "ESPPORT"))
    spelling = spelling_of(project)
    return Setup(
        layers=tuple[Layer, ...](layers),
        project=folder,
        folder=image_set_folder(build),
        find_board=partial(_find_board, project, folder),
        report=partial(show, spelling=spelling),
        find_port=partial(_find_port, given["port"]) if project else None,
        baud=int(given["baud"]) if given["baud"] else None,
        spelling=spelling,
    )


def _find_board(project: IdfProject | None, folder: Path, board: str | None) -> BoardFacts | None:
    from platformio_esp_at.request.board_manifests import find_board  # noqa: PLC0415 - see above

    if board is None:
        return project.board() if project else None
    return find_board(board, own_boards=folder / "boards")


def _find_port(given: str | None) -> str:
    """Return ESPPORT, or the port that idf.py finds; if there is none, idf.py raises its own error."""
    if given:
        return given
    from idf_py_actions.tools import get_default_serial_port  # noqa: PLC0415 - exists only in idf.py

    find: Callable[[], str] = get_default_serial_port
    return find()
