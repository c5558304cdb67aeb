"""``esp-at init``: a project that flashes the AT module, in a new folder or in one that is a project already.

What can be found out isn't asked: the host by the folder's files, the module by the project's board or a connected
device, the release by the catalog. Nothing that exists is overwritten; a file of the host's gets lines more.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at import __version__
from platformio_esp_at.commands.init_answers import (
    Around,
    Known,
    Wishes,
    ask_host,
    carries_module,
    environment_name,
    is_of,
    module_of,
    values_of,
)
from platformio_esp_at.commands.project_host import (
    Host,
    environment_of,
    host_of,
    read_ini,
    read_text,
    setup_without_server,
)
from platformio_esp_at.commands.setup import NO_BOARD, prepare
from platformio_esp_at.commands.templates import TEMPLATES, template
from platformio_esp_at.errors import EspAtError, Place, note
from platformio_esp_at.files import is_regular, replace_file, writing_hint
from platformio_esp_at.formats.idf_manifest import FILE as IDF_MANIFEST
from platformio_esp_at.formats.idf_manifest import has_dependency, with_dependency
from platformio_esp_at.formats.platformio_ini import FILE as PLATFORMIO_INI
from platformio_esp_at.formats.platformio_ini import PlatformioIni, items
from platformio_esp_at.outputs.project_file import project_text, write_new
from platformio_esp_at.outputs.text import notice_text
from platformio_esp_at.request.board_manifests import find_board, module_board
from platformio_esp_at.request.command_line import spelling
from platformio_esp_at.request.kinds import is_board_file
from platformio_esp_at.request.layers import layer_of_options
from platformio_esp_at.request.read import layer_of_text
from platformio_esp_at.request.values import PROJECT_FILE, Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.commands.project_host import Environment
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.nodes import Layer

COMPONENT = "esp_at_flash"
"""The component for ESP-IDF."""


class Change(NamedTuple):
    """A file that is written: a new one, or one that gets lines more."""

    path: Path
    before: str | None
    text: str


class Paste(NamedTuple):
    """Lines that the user has to add."""

    where: str
    lines: tuple[str, ...]


class Start(NamedTuple):
    """What ``init`` does with a folder."""

    folder: Path
    changes: tuple[Change, ...]
    kept: tuple[str, ...]
    """Files that are there already, and stay as they are."""
    paste: tuple[Paste, ...]
    notices: tuple[Notice, ...]
    plan: FlashPlan | None
    """The checked plan; None where the firmware isn't on this machine yet."""
    following: tuple[str, ...]
    """The next commands."""


def plan_start(folder: Path, wishes: Wishes, around: Around) -> Start:
    """Return what makes a folder a project that flashes the AT module; nothing is written yet. Raises `EspAtError`."""
    host = wishes.host or host_of(folder) or ask_host(wishes, around)
    plan_of = {Host.PLATFORMIO: _of_platformio, Host.IDF: _of_idf, Host.ESP_AT: _of_esp_at}[host]
    return plan_of(folder, wishes, around)


def plan_copy(folder: Path, name: str) -> Start:
    """Return what makes a folder a copy of a template; nothing is written yet. Raises `EspAtError`."""
    source = template(name)
    changes, kept = [], []
    for file in TEMPLATES[name]:
        text = (source / file).read_text(encoding="utf-8")
        there = read_text(folder / file)
        if there is None:
            changes.append(Change(folder / file, None, text))
        elif there == text or file in _NOT_RUN:
            kept.append(file)
        else:
            message = f"{folder / file} is there already, with other content than in the template {name}"
            hint = f"nothing was written; name a new folder: esp-at init --template {name} FOLDER"
            raise EspAtError("already-exists", message, hint=hint)
    return Start(folder, tuple(changes), tuple(kept), (), (), None, ("pio run -t info_at", "pio run -t upload_at"))


_NOT_RUN = (".gitignore", "README.md")
"""Files of a template that a folder may have of its own: the project is whole without."""


def write_start(start: Start) -> None:
    """Write the files. Raises `EspAtError`."""
    for change in start.changes:
        if change.before is None:
            write_new(change.path, change.text)
            continue
        try:
            replace_file(change.path, change.text)
        except OSError as error:
            problem = f"{change.path} can't be written: {error.strerror or error}"
            raise EspAtError("not-writable", problem, hint=writing_hint(change.path, error)) from None


# --- the hosts --------------------------------------------------------------------------------------------------------


def _of_platformio(folder: Path, wishes: Wishes, around: Around) -> Start:
    if not is_regular(folder / PLATFORMIO_INI):
        return _flash_only(folder, wishes, around)
    ini = read_ini(folder)
    environment = environment_of(ini, environment_name(ini, wishes, around), folder)
    on_board = environment.is_espressifs and carries_module(environment.facts)
    board = environment.facts if on_board else None
    known = Known(wishes.options, environment.own, board, needs_module=not on_board)
    values, notices = values_of(known, around, folder)
    if values.get("board") == environment.board:
        del values["board"]  # the project's board is the default
    made, paste = _with_targets(ini, environment)
    changes = [Change(folder / PLATFORMIO_INI, ini.text, made.text)] if made is not ini else []
    upload = f"pio run -e {environment.name} -t upload_at"
    named = {**environment.own, **values}
    if (not on_board or "board" in named) and "port" not in named:
        upload += " --upload-port PORT"  # PlatformIO's port is that of its own board
    base = _Base(
        folder, wishes.options, board, environment.own, notices, (f"pio run -e {environment.name} -t info_at", upload)
    )
    return _start(base, values, changes, paste)


def _flash_only(folder: Path, wishes: Wishes, around: Around) -> Start:
    """Return a new project for PlatformIO, of the platform that only flashes; its board is in ``platformio.ini``."""
    known = Known(wishes.options, {}, None, needs_module=True)
    values, notices = values_of(known, around, folder)
    named = values.get("board", NO_BOARD)
    if named != NO_BOARD and not is_board_file(named):
        board = values.pop("board")
    else:
        board = module_board(module_of(known, values, folder))
    text = (template("flash-only") / PLATFORMIO_INI).read_text(encoding="utf-8")
    text = re.sub(r"(?m)^board = .*$", lambda _: f"board = {board}", text)
    facts = find_board(board, own_boards=folder / "boards")
    base = _Base(folder, wishes.options, facts, {}, notices, ("pio run -t upload_at",))
    return _start(base, values, [Change(folder / PLATFORMIO_INI, None, text)], ())


def _of_idf(folder: Path, wishes: Wishes, around: Around) -> Start:
    if host_of(folder) is not Host.IDF:
        message = f"{folder} is no project of ESP-IDF: it has no CMakeLists.txt of one"
        raise EspAtError("not-an-idf-project", message, hint=f"make it first: idf.py create-project -p {folder} NAME")
    if wishes.namespace is not None:
        _check_namespace(wishes.namespace)
    board = around.idf_board(folder)
    given = dict(wishes.options)
    is_next = not carries_module(board) or ("module" in given and not is_of(given["module"], board))
    if is_next:
        given.setdefault("board", NO_BOARD)  # the module isn't the project's chip
    known = Known(given, {}, None if is_next else board, needs_module=is_next)
    values, notices = values_of(known, around, folder)
    changes, kept, paste = [], [], []
    extension = folder / "idf_ext.py"
    there = read_text(extension)
    if there is None:
        changes.append(Change(extension, None, around.idf_extension))
    elif there == around.idf_extension:
        kept.append(extension.name)
    else:
        hint = "let its action_extensions return the actions of esp_at_flash, too: esp-at idf-setup shows the lines"
        notices.append(note("idf-ext-differs", f"{extension.name} exists with other content", hint=hint))
    dependency = _dependency(folder, wishes.namespace)
    if isinstance(dependency, Change):
        changes.append(dependency)
    elif dependency:
        paste.append(dependency)
    base = _Base(folder, wishes.options, board, {}, notices, ("idf.py reconfigure", "idf.py -p PORT at-flash"))
    return _start(base, values, changes, tuple(paste), kept=tuple(kept))


def _of_esp_at(folder: Path, wishes: Wishes, around: Around) -> Start:
    values, notices = values_of(Known(wishes.options, {}, None, needs_module=True), around, folder)
    port = "" if "port" in values else " -p PORT"
    return _start(_Base(folder, wishes.options, None, {}, notices, (f"esp-at flash{port}",)), values, [], ())


def _is_other(base: _Base, layer: Layer, name: str, value: str) -> bool:
    """Return whether a project file lacks a value, or has another one than the user gave."""
    there = layer.options.get(name)
    return there is None or bool(base.given.get(name) and isinstance(there, Text) and there.text != value)


class _Base(NamedTuple):
    """What all hosts have in common."""

    folder: Path
    given: Mapping[str, str]
    """As the user gave it: paths start at the current folder."""
    board: BoardFacts | None
    """That of the host."""
    own: Mapping[str, str]
    """Options that the host has already."""
    notices: list[Notice]
    following: tuple[str, ...]


def _start(
    base: _Base,
    values: Mapping[str, str],
    changes: Sequence[Change],
    paste: tuple[Paste, ...],
    kept: tuple[str, ...] = (),
) -> Start:
    """Return all that is done, with the project's file in it, and the plan of what was made."""
    file = base.folder / PROJECT_FILE
    there = read_text(file)
    if there is None:
        text = project_text(values)
        layer_of_text(text, base.folder)  # raises for a value that can't be written
        changes = [Change(file, None, text), *changes]
        # The folder may not be there yet, from which the paths in the file start.
        from_here = {name: base.given.get(name, value) for name, value in values.items()}
        layer = layer_of_options(from_here, base=Path(), spelling=spelling)
    else:
        kept = (PROJECT_FILE, *kept)
        layer = layer_of_text(there, base.folder)
        if other := tuple(f"{name}: {value}" for name, value in values.items() if _is_other(base, layer, name, value)):
            paste = (Paste(PROJECT_FILE, other), *paste)
    plan, notices = _checked(base, layer)
    return Start(base.folder, tuple(changes), kept, paste, (*base.notices, *notices), plan, base.following)


def _checked(base: _Base, layer: Layer) -> tuple[FlashPlan | None, tuple[Notice, ...]]:
    """Return the plan of what is written, and its warnings. Raises `EspAtError` for one that would be refused.

    No plan where the firmware isn't on this machine, where the host doesn't know its own board yet, or where an older
    ``esp_at.yml`` names no firmware.
    """
    try:
        plan = prepare(setup_without_server(base.folder, base.own, base.board, project=layer), lock=False).plan
    except EspAtError as error:
        if error.code == "firmware-missing":
            return None, (error.as_warning(),)
        if error.code not in ("firmware-not-here", "module-missing"):
            raise
        return None, ()
    return plan, tuple(notice for notice in plan.notes if notice.is_warning)


# --- the host's lines -------------------------------------------------------------------------------------------------


def _with_targets(ini: PlatformioIni, environment: Environment) -> tuple[PlatformioIni, tuple[Paste, ...]]:
    """Return the file with the two lines that bring the targets; what can't be added safely is to be pasted."""
    if environment.is_flash_only or environment.has_targets:
        return ini, ()
    made, paste = ini, []
    of_template = PlatformioIni.from_text((template("arduino-esp32") / PLATFORMIO_INI).read_text(encoding="utf-8"))
    for option in ("lib_deps", "extra_scripts"):
        wanted = of_template.find(of_template.environments[0], option)
        assert wanted is not None  # noqa: S101 - a test holds it
        there = made.find(environment.name, option)
        if there and wanted.text in items(there.text):
            continue
        if (with_item := made.with_item(environment.name, option, wanted.text)) is not None:
            made = with_item
        elif there:
            paste.append(f"{option}, one line more: {wanted.text}")
        else:
            paste.append(f"{option} = {wanted.text}")
    where = f"{PLATFORMIO_INI}, [env:{environment.name}]"
    return made, (Paste(where, tuple(paste)),) if paste else ()


def _check_namespace(namespace: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", namespace):
        raise EspAtError(
            "namespace-invalid",
            f"{namespace!r} can't be a namespace of ESP-IDF's registry",
            where=Place.at(option="--namespace"),
            hint="write the part before / in the component's name there: letters, digits, - and _",
        )


def _dependency(folder: Path, namespace: str | None) -> Change | Paste | None:
    """Return how the component comes into a project of ESP-IDF; None where it is there."""
    if any((folder / "components").glob(f"*{COMPONENT}/esp_at_idf.py")):
        return None
    manifest = folder / "main" / IDF_MANIFEST
    text = read_text(manifest)
    if text is not None and has_dependency(text, COMPONENT):
        return None
    version = f"^{__version__}"
    wanted = f"{namespace or '<namespace>'}/{COMPONENT}"
    made = with_dependency(text or "", wanted, version) if namespace and manifest.parent.is_dir() else None
    if made is None:
        add = f'idf.py add-dependency "{wanted}{version}"'
        return Paste("a terminal of ESP-IDF; <namespace> is the one that the component is published in", (add,))
    return Change(manifest, text, made)


# --- in words ---------------------------------------------------------------------------------------------------------


def describe(start: Start, *, dry_run: bool) -> str:
    """Return what was done, or would be, and the next commands."""
    lines: list[str] = []
    for change in start.changes:
        lines += _described(change, start.folder, dry_run=dry_run)
    lines += [f"{name} is there already, and stays as it is" for name in start.kept]
    for paste in start.paste:
        lines += ["", f"Write yourself, in {paste.where}:", *(f"    {line}" for line in paste.lines)]
    lines += [line for notice in start.notices for line in ("", notice_text(notice))]
    if start.plan is not None:
        plan = start.plan
        lines += ["", f"Checked: {plan.package.name} for module {plan.module.name}, {len(plan.regions)} images"]
    else:
        lines += ["", "Not checked yet: the next command gets the firmware, and checks it with the project"]
    steps = start.following
    if start.folder.resolve() != Path.cwd():
        steps = (f"cd {_quoted(start.folder)}", *steps)
    return "\n".join([*lines, "", "Next:", *(f"    {step}" for step in steps)])


def _described(change: Change, folder: Path, *, dry_run: bool) -> list[str]:
    name = change.path.relative_to(folder).as_posix()
    added = [line for line in change.text.splitlines() if line not in (change.before or "").splitlines()]
    if not dry_run:
        return [f"Wrote {name}" if change.before is None else f"Added to {name}: {'; '.join(map(str.strip, added))}"]
    if change.before is None:
        return [f"Would write {name}:", *(f"    {line}".rstrip() for line in change.text.splitlines())]
    return [f"Would add to {name}:", *(f"    {line}".rstrip() for line in added)]


def _quoted(folder: Path) -> str:
    import shlex  # noqa: PLC0415 - only this line needs it

    return shlex.quote(str(folder))
