"""SCons targets: ``pio run -t upload_at`` and its relatives.

Every ``pio run`` of a project imports this file, mostly to build something else: our other modules are imported only
when a target runs.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.commands.setup import Setup
    from platformio_esp_at.errors import Spelling

OPTION_PREFIX = "custom_at_"


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
    Target("info_at", "info", "Show AT Flash Plan", "Show what upload_at writes and keeps, without a device"),
    Target("table_at", "table", "Show AT User Partitions", "Show the AT module's user partition table as CSV"),
)


def register(env: Any) -> None:  # noqa: ANN401 - an SCons environment has no types
    """Add `TARGETS` to the environment of a project, from an extra script that runs ``pre:``."""
    from SCons.Script import COMMAND_LINE_TARGETS  # noqa: PLC0415 - there is no SCons outside a build

    ours = {target.name for target in TARGETS}
    if COMMAND_LINE_TARGETS and ours.issuperset(map(str, COMMAND_LINE_TARGETS)):
        # PlatformIO's target for "don't compile"; appended, since core takes the first target as the wanted one.
        COMMAND_LINE_TARGETS.append("nobuild")
    if env.get("PIOFRAMEWORK") is None:
        env["PIOFRAMEWORK"] = []  # espressif32 reads it without a check that it is set
    for target in TARGETS:
        add_target(env.AddCustomTarget, env, target)


def add_target(add: Any, env: Any, target: Target, name: str | None = None) -> None:  # noqa: ANN401
    """Add one target with one of PlatformIO's ``Add…Target`` methods, under its own name unless another is given.

    A target that the project has already stays as it is: the extra script and the flash-only platform may both add it.
    """
    name = name or target.name
    if name in env.get("__PIO_TARGETS", {}):  # where PlatformIO's builder/tools/piotarget.py keeps them
        return
    add(
        name,
        None,
        env.VerboseAction(partial(_run, target.command), target.title),
        title=target.title,
        description=target.description,
    )


def _run(command: str, target: Any, source: Any, env: Any) -> int:  # noqa: ANN401, ARG001 - SCons passes these by name
    """Run a command; its one message goes to stderr, as PlatformIO's own do."""
    from platformio_esp_at import commands  # noqa: PLC0415 - see above
    from platformio_esp_at.errors import EspAtError, Spelling  # noqa: PLC0415
    from platformio_esp_at.outputs.text import error_text  # noqa: PLC0415

    spelling = Spelling(_as_option, "platformio.ini")
    try:
        commands.run(command, _setup(env, spelling))
    except EspAtError as error:
        sys.stdout.flush()
        sys.stderr.write(f"Error: {error_text(error, spelling)}\n")
        return 1
    return 0


def _as_option(option: str, value: str) -> str:
    """Return an option as ``platformio.ini`` has it, for hints."""
    name, _, inner = option.partition(".")
    text = f"{inner}={value}" if inner and value else inner or value
    return f"{OPTION_PREFIX}{name} = {text}" if text else f"{OPTION_PREFIX}{name}"


def _setup(env: Any, spelling: Spelling) -> Setup:  # noqa: ANN401
    from SCons.Script import ARGUMENTS  # noqa: PLC0415

    from platformio_esp_at.commands.setup import Setup  # noqa: PLC0415
    from platformio_esp_at.outputs.terminal import show  # noqa: PLC0415
    from platformio_esp_at.request.layers import layer_of_options, own_options  # noqa: PLC0415
    from platformio_esp_at.request.nodes import Layer  # noqa: PLC0415
    from platformio_esp_at.request.read import read_project  # noqa: PLC0415

    folder = Path(env.subst("$PROJECT_DIR"))
    options = env.GetProjectConfig().items(env=env["PIOENV"], as_dict=True)
    place = f"platformio.ini [env:{env['PIOENV']}]"
    own = own_options(options, OPTION_PREFIX, place=place)
    spelled = f"{place} {OPTION_PREFIX}{{}}".format
    layers = [read_project(folder), layer_of_options(own, base=folder, spelling=spelled)]
    if "UPLOAD_PORT" in ARGUMENTS:
        # --upload-port on the command line overrides all files; upload_port in platformio.ini is the program's port.
        layers.append(layer_of_options({"port": env.subst("$UPLOAD_PORT")}, base=folder, spelling="--upload-{}".format))
    return Setup(
        layers=tuple[Layer, ...](layers),
        project=folder,
        folder=Path(env.subst("$BUILD_DIR")) / "esp_at",
        find_board=partial(_find_board, env),
        find_port=partial(_find_port, env),
        baud=int(env["UPLOAD_SPEED"]) if str(env.get("UPLOAD_SPEED") or "").isdigit() else None,
        report=partial(show, spelling=spelling),
    )


def _find_board(env: Any, board_id: str | None) -> BoardFacts | None:  # noqa: ANN401
    from platformio_esp_at.catalog.boards import BoardFacts  # noqa: PLC0415
    from platformio_esp_at.request.board_manifests import find_board  # noqa: PLC0415

    if board_id is not None:
        config = env.GetProjectConfig()
        own = Path(config.get("platformio", "boards_dir"))
        return find_board(board_id, own_boards=own, platforms=Path(config.get("platformio", "platforms_dir")))
    if "BOARD" not in env:
        return None
    return BoardFacts.from_manifest(env["BOARD"], env.BoardConfig().manifest)


def _find_port(env: Any) -> str:  # noqa: ANN401
    env.AutodetectUploadPort()  # takes upload_port if it is set; ends the build if there is no port
    return str(env.subst("$UPLOAD_PORT"))
