"""Project files of a folder: ``esp_at.yml``, and one more for each further module, such as ``esp_at_left.yml``.

Each module has its own: what is locked is next to its project file, and its image set and reports have a folder of
their own. A host names the file with the option ``project_file``; a project file can't name another one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, near_names, setting
from platformio_esp_at.files import listed, looked_for
from platformio_esp_at.request.layers import wanted_project_file
from platformio_esp_at.request.values import PROJECT_FILE

if TYPE_CHECKING:
    from platformio_esp_at.request.nodes import Layer
    from platformio_esp_at.request.values import Text

SUFFIX = ".yml"
_OF_A_MODULE = "esp_at_{}.yml"
_OPTION = "project_file"


def find_project_file(folder: Path, options: Layer) -> str:
    """Return the project file that a host's options name, as a path from the project's folder; else ``esp_at.yml``.

    Raises `EspAtError` if the named file doesn't exist, or if its name isn't one of a project file.
    """
    named = wanted_project_file(options)
    if named is None:
        return PROJECT_FILE
    file = _path_of(named.text, folder)
    if not file.endswith(SUFFIX):
        hint = f"rename it to {PurePath(file).stem}{SUFFIX}" if os.path.lexists(folder / file) else _those_of(folder)
        message = f"{named.text} is no project file: its name must end with {SUFFIX}"
        raise EspAtError("misnamed-file", message, where=named.where, hint=hint)
    if not os.path.lexists(folder / file):
        raise _not_found(named, file, folder)
    return file


def project_files(folder: Path) -> list[str]:
    """Return the names of the project files in a folder, ``esp_at.yml`` and ``esp_at_NAME.yml``, sorted."""
    return [file.name for file in listed(folder) if re.fullmatch(r"esp_at(_.+)?\.yml", file.name)]


def names_of_modules(folder: Path) -> list[str]:
    """Return ``NAME`` of each project file ``esp_at_NAME.yml`` in a folder: `find_project_file` takes it, too."""
    return [_name_of(file) for file in project_files(folder) if file != PROJECT_FILE]


def _name_of(project_file: str) -> str:
    return project_file.removeprefix("esp_at_").removesuffix(SUFFIX)


def lock_file_of(project_file: str) -> str:
    """Return the lock file of a project file, next to it.

    >>> lock_file_of("esp_at.yml"), lock_file_of("modules/left.yml")
    ('esp_at.lock', 'modules/left.lock')
    """
    return project_file.removesuffix(SUFFIX) + ".lock"


def folder_name_of(project_file: str) -> str:
    """Return a name for the folder of what is made from a project file; no other project file has the same.

    >>> folder_name_of("esp_at_left.yml"), folder_name_of("modules/left.yml")
    ('esp_at_left', 'modules+left')
    """
    return re.sub(r"[/\\:]+", "+", project_file.removesuffix(SUFFIX))


def output_folder(project_file: str) -> str:
    """Return where an image set is put by default, below ``build``; reports are beside it, those of each module apart.

    >>> output_folder("esp_at.yml"), output_folder("esp_at_left.yml")
    ('esp_at', 'esp_at_left/esp_at')
    """
    name = PurePath(PROJECT_FILE).stem
    return name if project_file == PROJECT_FILE else f"{folder_name_of(project_file)}/{name}"


def _path_of(text: str, folder: Path) -> str:
    """Return the path that a user means, from the project's folder.

    A word alone is that of ``esp_at_WORD.yml``, with or without ``esp_at_``.
    """
    if re.fullmatch(r"[\w-]+", text):
        return _OF_A_MODULE.format(_name_of(text) or text)
    try:
        return Path(os.path.relpath(folder / Path(text).expanduser(), folder)).as_posix()
    except (RuntimeError, ValueError):  # no such user; another drive of Windows, or a NUL
        return text


def _not_found(named: Text, file: str, folder: Path) -> EspAtError:
    there = project_files(folder)
    by_name = {_name_of(name): name for name in there}  # what all have makes none of them near
    near = [by_name[name] for name in near_names(_name_of(file), by_name)]
    hint = f"did you mean {setting(_OPTION, near[0])}?\n" if near else ""
    return EspAtError(
        "project-file-not-found",
        f"there is no project file {file}",
        where=named.where,
        hint=f"{hint}{_those_of(folder)}; {looked_for(folder / file)}",
        known=tuple(there),
    )


def _those_of(folder: Path) -> str:
    there = project_files(folder)
    return (
        f"there are {', '.join(there)}" if there else f"name one that ends with {SUFFIX}, such as esp_at_left{SUFFIX}"
    )
