"""The inputs of an image set: the files that a build tool watches, to rebuild it only when one has changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.files import writing_hint
from platformio_esp_at.firmware.source import local_path
from platformio_esp_at.outputs.depfile import format_depfile
from platformio_esp_at.outputs.image_set import MANIFEST
from platformio_esp_at.request.layers import input_paths
from platformio_esp_at.request.project_files import lock_file_of
from platformio_esp_at.request.values import PROJECT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from platformio_esp_at.commands.setup import Job, Setup
    from platformio_esp_at.request.nodes import Layer
    from platformio_esp_at.request.values import Firmware

_PACKAGE_SUFFIXES = (".bin", ".img", "download.config", "flasher_args.json", "flash_project_args")
"""Suffixes of the files that `firmware.reading` reads."""


def inputs_of(
    firmware: Firmware,
    layers: Iterable[Layer],
    folder: Path,
    project_file: str = PROJECT_FILE,
    *,
    but: Path,
    is_placed: bool = False,
) -> tuple[Path, ...]:
    """Return all inputs of a project in ``folder``, without the files in ``but``, its image set.

    A folder counts with all its files, and itself, since files may be added. Of a firmware package, only the files that
    may be part of it count: the ``build/`` folder of an esp-at checkout has thousands. The lock file counts for a
    downloaded package, and where it says where partitions are (``is_placed``); without ``project_file``, the
    project's folder, since that file may be added.
    """
    options = folder / project_file
    paths = [options if os.path.lexists(options) else folder]
    package = firmware.path or local_path(firmware)
    if firmware.path is None or is_placed:
        paths.append(folder / lock_file_of(project_file))
    if package is not None:
        paths += [path for path in _tree(package, but) if path == package or path.name.endswith(_PACKAGE_SUFFIXES)]
    for path in input_paths(layers):
        paths += _tree(path, but)
    if package is not None and package.is_dir():
        paths.remove(package)
    return tuple(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))  # noqa: PTH100 - keeps links


def _tree(path: Path, but: Path) -> Iterator[Path]:
    yield path
    for inside, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if Path(os.path.realpath(Path(inside, name))) != but)
        yield from (Path(inside, name) for name in [*folders, *sorted(files)])


def write_depfile(file: Path, setup: Setup, job: Job) -> None:
    """Write the depfile of the image set that was made from ``setup``. Raises `EspAtError` if that fails."""
    but, is_placed = Path(os.path.realpath(setup.folder)), any(not own.is_fixed for own in job.plan.own)
    inputs = inputs_of(job.firmware, job.layers, setup.project, setup.project_file, but=but, is_placed=is_placed)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(format_depfile(setup.folder / MANIFEST, inputs), encoding="utf-8")
    except OSError as error:
        raise EspAtError(
            "not-writable", f"{file} can't be written: {error.strerror or error}", hint=writing_hint(file, error)
        ) from None
