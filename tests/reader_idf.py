"""The idf.py of somebody who follows our pages: a project's start, and its component from the registry.

``COMPONENT`` is the component as the registry would have it. All else is that of `idf_py`.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import sys
from pathlib import Path

import idf_py
import yaml

COMPONENT = "READER_IDF_COMPONENT"
"""The environment variable that names the folder of the component ``esp_at_flash``."""
_CMAKE = """\
cmake_minimum_required(VERSION 3.16)
include($ENV{{IDF_PATH}}/tools/cmake/project.cmake)
project({name})
"""


def create_project(name: str) -> None:
    """Write a project into a new folder."""
    main = Path(name, "main")
    main.mkdir(parents=True)
    (main.parent / "CMakeLists.txt").write_text(_CMAKE.format(name=name))
    (main / "CMakeLists.txt").write_text(f'idf_component_register(SRCS "{name}.c" INCLUDE_DIRS ".")\n')
    (main / f"{name}.c").write_text("void app_main(void) {}\n")


def add_dependency(spec: str) -> None:
    """Write a component into the manifest of ``main``."""
    name, version = re.split(r"(?=[\^=<>~])", spec, maxsplit=1)
    Path("main", "idf_component.yml").write_text(f'dependencies:\n  {name}: "{version}"\n')


def fetch_component() -> None:
    """Fetch our component, if the project depends on it."""
    manifest = Path("main", "idf_component.yml")
    wanted = yaml.safe_load(manifest.read_text())["dependencies"] if manifest.exists() else {}
    for name in wanted:
        if name.endswith("/esp_at_flash"):
            shutil.copytree(
                os.environ[COMPONENT], Path("managed_components", name.replace("/", "__")), dirs_exist_ok=True
            )


def main(words: list[str]) -> int:
    """Run idf.py with these words in the current folder, and return its exit status."""
    own = {"create-project": create_project, "add-dependency": add_dependency}
    if words[0] in own:
        own[words[0]](*words[1:])
        return 0
    if words[0] in ("set-target", "reconfigure"):
        fetch_component()
    extension = runpy.run_path("idf_ext.py")["action_extensions"] if Path("idf_ext.py").exists() else None
    sys.modules.update(idf_py.modules(idf_py.no_port))
    return idf_py.run(words, extension or (lambda *_: {"actions": {}}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
