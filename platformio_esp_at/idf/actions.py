"""The actions of idf.py: ``idf.py at-flash`` and its relatives.

Every idf.py command loads this file, mostly for other actions, in ESP-IDF's own Python, and an exception here would end
the command: it imports the standard library alone, in the syntax of 3.6. The work is done by a child, which `launcher`
starts.
"""

import json
import os
import sys
from functools import partial
from typing import Any, Callable, Dict, Mapping, NamedTuple

OPTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "options.json")
"""The options of a project as idf.py takes them; a generated file, since `request.options` needs a newer Python."""

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
    Action("at-test", "test", "Look whether the AT module is alive and as planned."),
    Action("at-erase", "erase", "Erase the AT module's whole flash, with all that is saved on it."),
    Action("at-backup", "backup", "Save what the AT module holds in a folder."),
    Action("at-restore", "restore", "Put back what a backup of the AT module has saved."),
    Action("at-info", "info", "Show what at-flash writes and keeps, without a device.", has_port=False),
    Action("at-table", "table", "Show the AT module's user partition table as CSV.", has_port=False),
    Action(
        "at-report",
        "report",
        "Write a page about the AT module: its flash, wiring, parameters, certificates and last run.",
        has_port=False,
    ),
)

_ERASE = {
    "names": ["--erase"],
    "is_flag": True,
    "help": "Erase all that is saved on the module, too: the same as at-flash-factory.",
}


def action_extensions(base_actions: Mapping[str, Any], project_path: str) -> Dict[str, Any]:  # noqa: ARG001 - idf.py's
    """Return `ACTIONS` in idf.py's format; none if idf.py has already loaded them from another place."""
    extension: Dict[str, Any] = {"version": "1", "global_options": [], "actions": {}}
    present = base_actions.get("actions", {})
    if "at-flash" in present:
        return extension
    try:
        with open(OPTIONS, encoding="utf-8") as file:
            own = json.load(file)
    except (OSError, ValueError) as error:
        sys.stderr.write("WARNING: idf.py at-flash can't be offered: {}; install esp-at again\n".format(error))
        return extension
    connection = [option for option in present.get("flash", {}).get("options", ()) if _is_connection(option)]
    for action in ACTIONS:
        extension["actions"][action.name] = {
            "callback": partial(_run, action.command),
            "help": action.help,
            "short_help": action.help,
            "options": [
                *(dict(option, callback=_note) for option in connection if action.has_port),
                *map(dict, own),
                *([_ERASE] if action.name == "at-flash" else []),
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
    from platformio_esp_at.launcher.child import run_command
    from platformio_esp_at.launcher.environment import homes_of_idf
    from platformio_esp_at.launcher.streams import terminal_width

    given = {name: getattr(args, name, None) for name in ("port", "baud")}
    noted = ctx.meta.get(_ON_COMMAND_LINE, ())
    request = {
        # The factory image erases everything; like all images, it is checked before anything is erased.
        "command": "upload_factory" if erase else command,
        "project": str(args.project_dir),
        "build": str(args.build_dir),
        "options": {name: value for name, value in options.items() if value},
        "port": given["port"],
        "speed": str(given["baud"] or ""),
        "verbose": int(bool(getattr(args, "verbose", False))),
        "width": terminal_width(sys.stdout),
        "typed": [name for name in given if _is_on_command_line(ctx, name) or name in noted],
    }
    failure = run_command("idf", request, {"port_wanted": partial(_find_port, given["port"])}, homes_of_idf())
    if failure is None:
        return
    sys.stdout.flush()
    if failure.is_interrupt:
        sys.stderr.write(failure.text + "\n")
        raise KeyboardInterrupt
    raise _fatal_error()(failure.text)


def _fatal_error() -> Callable[[str], Exception]:
    try:
        from idf_py_actions.errors import FatalError
    except ImportError:
        from click import ClickException

        return ClickException
    return FatalError  # type: ignore[no-any-return]


def _find_port(given: Any) -> str:  # noqa: ANN401
    """Return ESPPORT, or the port that idf.py finds; if there is none, idf.py raises its own error."""
    if given:
        return str(given)
    from idf_py_actions.tools import get_default_serial_port

    return str(get_default_serial_port())
