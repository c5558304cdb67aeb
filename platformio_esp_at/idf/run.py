"""The child of an action: a request of ``idf.py`` becomes a `Setup`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.commands.setup import Link, Setup
from platformio_esp_at.hosted import Host, serve
from platformio_esp_at.idf.project import (
    check_idf_version,
    find_board_of,
    image_set_folder,
    read_idf_project,
    spelling_of,
)
from platformio_esp_at.request.command_line import layer_of_command_line
from platformio_esp_at.request.layers import layer_of_options
from platformio_esp_at.request.project_files import find_project_file
from platformio_esp_at.request.read import read_project

if TYPE_CHECKING:
    from platformio_esp_at.request.nodes import Layer


def _setup(host: Host) -> Setup:
    """Return what a request asks for; `idf.actions` has made it."""
    request = host.request
    folder, build = Path(request["project"]), Path(request["build"])
    host.spelling = spelling_of(None, folder)
    check_idf_version()
    project = read_idf_project(folder, build)
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in request["options"].items()}
    given = {"port": request["port"], "baud": request["speed"]}
    typed = {name: given[name] for name in request["typed"]}
    typed_options = layer_of_command_line({**values, **typed})
    file = find_project_file(folder, typed_options)
    host.spelling = spelling_of(project, folder, file)
    layers: list[Layer] = [read_project(folder, file), typed_options]
    if project is not None:
        layers.insert(0, project.options_below(file))
    elif given["port"]:
        layers.insert(0, layer_of_options({"port": given["port"]}, base=folder, spelling=lambda _: "ESPPORT"))
    return Setup(
        layers=tuple(layers),
        project=folder,
        folder=image_set_folder(build, file),
        find_board=partial(find_board_of, project, folder),
        report=host.report,
        find_port=partial(host.ask, "port_wanted") if project else None,
        has_port=bool(given["port"]),
        baud=int(given["baud"]) if given["baud"] else None,
        link=project.link() if project else Link(),
        spelling=host.spelling,
        project_file=file,
    )


if __name__ == "__main__":
    serve(_setup)
