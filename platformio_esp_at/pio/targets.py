"""SCons targets: ``pio run -t upload_at`` and its relatives.

Every ``pio run`` of a project loads this file, mostly to build something else, in PlatformIO's own Python: it imports
the standard library alone, in the syntax of 3.6. The work is done by a child, which `launcher` starts.
"""

import os
import sys
from functools import partial
from typing import Any, Dict, NamedTuple


class Target(NamedTuple):
    """A target, and the function of `commands` that it runs."""

    name: str
    command: str
    title: str
    description: str


TARGETS = (
    Target("package_at", "package", "Package AT Firmware", "Write the image set of the AT module, without a device"),
    Target("upload_at", "upload", "Upload AT Firmware", "Flash the AT module; its saved settings stay"),
    Target(
        "upload_at_factory",
        "upload_factory",
        "Upload AT Factory Image",
        "Flash the AT module's combined image; erases all that is saved on it",
    ),
    Target("verify_at", "verify", "Verify AT Firmware", "Compare the AT module's flash with the image set"),
    Target("test_at", "test", "Test AT Module", "Look whether the AT module is alive and as planned"),
    Target("erase_at", "erase", "Erase AT Module", "Erase the AT module's whole flash, with all that is saved on it"),
    Target("backup_at", "backup", "Back Up AT Module", "Save what the AT module holds in a folder"),
    Target("restore_at", "restore", "Restore AT Module", "Put back what a backup of the AT module has saved"),
    Target("info_at", "info", "Show AT Flash Plan", "Show what upload_at writes and keeps, without a device"),
    Target("table_at", "table", "Show AT User Partitions", "Show the AT module's user partition table as CSV"),
    Target(
        "report_at",
        "report",
        "Report on AT Firmware",
        "Write a page about the AT module: its flash, wiring, parameters, certificates and last run",
    ),
)

FLASH_ONLY = {"upload_at": "upload", "erase_at": "erase"}
"""Targets that the flash-only platform has under PlatformIO's own names, too."""


def register(env: Any) -> None:  # noqa: ANN401 - an SCons environment has no types
    """Add `TARGETS` to the environment of a project, from an extra script that runs ``pre:``."""
    from SCons.Script import COMMAND_LINE_TARGETS

    ours = {target.name for target in TARGETS}
    if COMMAND_LINE_TARGETS and ours.issuperset(map(str, COMMAND_LINE_TARGETS)):
        # PlatformIO's target for "don't compile"; appended, since core takes the first target as the wanted one.
        COMMAND_LINE_TARGETS.append("nobuild")
    if env.get("PIOFRAMEWORK") is None:
        env["PIOFRAMEWORK"] = []  # espressif32 reads it without a check that it is set
    for target in TARGETS:
        _add(env.AddCustomTarget, env, target, target.name)


def register_platform(env: Any) -> None:  # noqa: ANN401
    """Add `TARGETS` as those of the flash-only platform, whose builder calls this."""
    for target in TARGETS:
        for name in filter(None, (target.name, FLASH_ONLY.get(target.name))):
            _add(env.AddPlatformTarget, env, target, name)
    env.Default("package_at")


def _add(add: Any, env: Any, target: Target, name: str) -> None:  # noqa: ANN401
    """Add one target with one of PlatformIO's ``Add…Target`` methods.

    A target that the project has already stays as it is: the extra script and the flash-only platform may both add it.
    """
    if name in env.get("__PIO_TARGETS", {}):  # where PlatformIO's builder/tools/piotarget.py keeps them
        return
    action = env.VerboseAction(partial(_run, target.command), target.title)
    add(name, None, action, title=target.title, description=target.description)


def _run(command: str, target: Any, source: Any, env: Any) -> int:  # noqa: ANN401, ARG001 - SCons passes these by name
    """Run a command; its one message goes to stderr, as PlatformIO's own do."""
    from platformio_esp_at.launcher.child import run_command

    homes = (os.path.join(env.subst("$PROJECT_CORE_DIR"), "esp-at"),)
    failure = run_command("pio", _request(command, env), {"port_wanted": partial(_find_port, env)}, homes)
    if failure is None:
        return 0
    sys.stdout.flush()
    sys.stderr.write("Error: {}\n".format(failure.text))
    return 1


def _request(command: str, env: Any) -> Dict[str, Any]:  # noqa: ANN401
    """Return the request for `pio.run`: options as they are written, folders, and the board with its overrides."""
    from SCons.Script import ARGUMENTS

    from platformio_esp_at.launcher.streams import terminal_width

    config = env.GetProjectConfig()
    options = config.items(env=env["PIOENV"], as_dict=True)
    return {
        "command": command,
        "env": env["PIOENV"],
        "project": env.subst("$PROJECT_DIR"),
        "folder": os.path.join(env.subst("$BUILD_DIR"), "esp_at"),
        # Those of others, too: one of ours whose prefix is misspelt is refused.
        "options": {name: str(value) for name, value in options.items() if name.lower().startswith("custom")},
        "board": env.get("BOARD"),
        "manifest": env.BoardConfig().manifest if "BOARD" in env else None,
        "boards_dir": config.get("platformio", "boards_dir"),
        "platforms_dir": config.get("platformio", "platforms_dir"),
        "port": env.subst("$UPLOAD_PORT"),
        "typed": ["port"] if "UPLOAD_PORT" in ARGUMENTS else [],
        # Not UPLOAD_SPEED: PlatformIO puts the board's own speed there, too.
        "speed": str(options.get("upload_speed") or ""),
        "flags": [str(flag) for flag in options.get("upload_flags") or []],
        "verbose": int(ARGUMENTS.get("PIOVERBOSE", 0)),
        # The output goes through a pipe of pio, which shows it; the input is the user's own.
        "width": terminal_width(sys.stdin),
    }


def _find_port(env: Any) -> str:  # noqa: ANN401
    env.AutodetectUploadPort()  # takes upload_port if it is set; ends the build if there is no port
    return str(env.subst("$UPLOAD_PORT"))
