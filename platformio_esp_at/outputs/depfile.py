"""A depfile: what an image set was made from, in the words of make, for a build tool that makes it again only then.

Source of the form: the manual of ninja, "Depfiles", and what CMake reads of it (``cmake_transform_depfile``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.commands.setup import layers_of
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.firmware.lock import LOCK_FILE
from platformio_esp_at.firmware.source import local_path
from platformio_esp_at.outputs.image_set import MANIFEST
from platformio_esp_at.request.project import PROJECT_FILE, firmware_of, input_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from platformio_esp_at.commands.setup import Setup
    from platformio_esp_at.request.project import Layer


_OF_PACKAGES = (".bin", ".img", "download.config", "flasher_args.json", "flash_project_args")
"""How the names of files end that `package` reads."""


def inputs_of(layers: Iterable[Layer], folder: Path, *, but: Path) -> tuple[Path, ...]:
    """Return everything that is read for a project in ``folder``, without what lies in ``but``, its image set.

    A folder comes with all that is in it, itself included, since a file may be added; but of a firmware package only
    the files that may be a part of it count, since the ``build/`` folder of an esp-at checkout has thousands; one that
    was downloaded is what the lock file says. Of a project without an ``esp_at.yml``, its folder is one of them: the
    file may be added.
    """
    project_file = folder / PROJECT_FILE
    layers = tuple(layers)
    paths = [project_file if os.path.lexists(project_file) else folder]
    found = firmware_of(layers)
    firmware = found.path or local_path(found)
    if found.path is None:
        paths.append(folder / LOCK_FILE)
    if firmware is not None:
        paths += [path for path in _tree(firmware, but) if path == firmware or path.name.endswith(_OF_PACKAGES)]
    for path in input_paths(layers):
        paths += _tree(path, but)
    if firmware is not None and firmware.is_dir():
        paths.remove(firmware)
    return tuple(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))  # noqa: PTH100 - keeps links


def _tree(path: Path, but: Path) -> Iterator[Path]:
    yield path
    for inside, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if Path(os.path.realpath(Path(inside, name))) != but)
        yield from (Path(inside, name) for name in [*folders, *sorted(files)])


def format_depfile(output: Path, inputs: Iterable[Path]) -> str:
    """Return the depfile that says: ``output`` is made from ``inputs``."""
    return " \\\n  ".join([f"{_escaped(output)}:", *map(_escaped, inputs)]) + "\n"


def _escaped(path: Path) -> str:
    text = path.as_posix().replace("$", "$$")
    return "".join(f"\\{char}" if char in " #" else char for char in text)


def write_depfile(file: Path, setup: Setup) -> None:
    """Write the depfile of the image set that was made from ``setup``. Raises `EspAtError` where that can't be."""
    inputs = inputs_of(layers_of(setup), setup.project, but=Path(os.path.realpath(setup.folder)))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(format_depfile(setup.folder / MANIFEST, inputs), encoding="utf-8")
    except OSError as error:
        raise EspAtError(f"{file} can't be written: {error.strerror or error}") from None
