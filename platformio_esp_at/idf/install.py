"""How the actions get into idf.py: by a file of the project, which loads them from the component."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at import __version__
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.files import writing_hint

if TYPE_CHECKING:
    from pathlib import Path

PROJECT_EXTENSION = '''\
"""idf.py at-flash and its relatives, of the component esp_at_flash: the same file for ESP-IDF 5 and 6."""

import glob, importlib.util, os, sys


def action_extensions(base_actions, project_path):
    try:
        for folder in ("components", "managed_components"):
            for file in glob.glob(os.path.join(glob.escape(project_path), folder, "*esp_at_flash", "esp_at_idf.py")):
                spec = importlib.util.spec_from_file_location("esp_at_idf", file)
                component = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(component)
                return component.action_extensions(base_actions, project_path)
        if any(word.startswith("at-") for word in sys.argv[1:]):
            sys.stderr.write("The component esp_at_flash isn't here yet: run idf.py reconfigure first\\n")
    except Exception as error:  # else it would end every idf.py command
        sys.stderr.write("WARNING: idf.py at-flash can't be offered: %s\\n" % error)
    return {"version": "1", "actions": {}}
'''
"""``idf_ext.py`` of a project; until the component is there, it offers no action."""


def explanation() -> str:
    """Return how `idf.py at-flash` comes into a project."""
    code = "".join(f"       {line}".rstrip() + "\n" for line in PROJECT_EXTENSION.splitlines())
    return f"""\
ESP-IDF 5.1 to 6.1, in the folder of the project. Nothing is installed into the Python of ESP-IDF.

1. Add the component esp_at_flash. <namespace> is the one that it is published in:

       idf.py add-dependency "<namespace>/esp_at_flash^{__version__}"
       idf.py reconfigure

   With a checkout of platformio-esp-at, link its folder idf_component/esp_at_flash into components/ instead.

2. Name the firmware in esp_at.yml:

       firmware: latest

   idf.py at_image writes the image set then, and ESPPORT=PORT idf.py at_image-flash flashes the AT module.

3. For idf.py -p PORT at-flash and its relatives, add idf_ext.py, which esp-at idf-setup --write writes:

{code}"""


def write_project_extension(folder: Path) -> str:
    """Write ``idf_ext.py`` into a project, and return the message. Raises `EspAtError` if another one exists."""
    file = folder / "idf_ext.py"
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(PROJECT_EXTENSION)
    except FileExistsError:
        if _is_ours(file):
            return f"{file} is there already"
        hint = "it isn't replaced; let its action_extensions return our actions, too: see esp-at idf-setup"
        raise EspAtError("idf-ext-differs", f"{file} exists with other content", hint=hint) from None
    except OSError as error:
        raise EspAtError(
            "not-writable", f"{file} can't be written: {error.strerror or error}", hint=writing_hint(file, error)
        ) from None
    return f"Wrote {file}: with the component esp_at_flash, idf.py in {folder.absolute()} has at-flash"


def _is_ours(file: Path) -> bool:
    try:
        return file.read_text(encoding="utf-8") == PROJECT_EXTENSION
    except (OSError, ValueError):
        return False
