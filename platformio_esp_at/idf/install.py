"""How to add the actions to idf.py: ESP-IDF 5 and 6 differ."""

from __future__ import annotations

import os
import re
from pathlib import Path

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.files import writing_hint

EXTRA_ACTIONS = Path(__file__).parent / "extra_actions"
"""The folder for IDF_EXTRA_ACTIONS_PATH."""

PROJECT_EXTENSION = '''\
"""idf.py at-flash and its relatives: pip install platformio-esp-at."""
from platformio_esp_at.idf.actions import action_extensions  # noqa: F401
'''
"""``idf_ext.py`` of a project. If this package is not installed, ESP-IDF 5 prints a warning and continues."""

_OLDEST = (5, 1)


def explanation() -> str:
    """Return how to set up each ESP-IDF."""
    code = "".join(f"      {line}\n" for line in PROJECT_EXTENSION.splitlines())
    return f"""\
idf.py has a Python of its own. Install into that one, in a terminal where ESP-IDF's export script has run:

    python -m pip install platformio-esp-at

ESP-IDF 6.0 and newer: that is all. `idf.py --help` lists at-flash and its relatives.

ESP-IDF 5.1 to 5.5: add them in one of two ways.

  For all projects, by an environment variable (more folders are separated by ";"):
    IDF_EXTRA_ACTIONS_PATH={EXTRA_ACTIONS}

  For one project, by a file idf_ext.py in it; esp-at idf-setup --write writes it:
{code}
More than one of these does no harm."""


def write_project_extension(folder: Path) -> str:
    """Write ``idf_ext.py`` into a project, and return the message. Raises `EspAtError` if another one exists."""
    file = folder / "idf_ext.py"
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(PROJECT_EXTENSION)
    except FileExistsError:
        if _is_ours(file):
            return f"{file} is there already"
        hint = "it isn't replaced; let its action_extensions return ours, too: see platformio_esp_at.idf.actions"
        raise EspAtError("idf-ext-differs", f"{file} exists with other content", hint=hint) from None
    except OSError as error:
        raise EspAtError(
            "not-writable", f"{file} can't be written: {error.strerror or error}", hint=writing_hint(file, error)
        ) from None
    return f"Wrote {file}: idf.py in {folder.absolute()} has at-flash now"


def check_idf_version() -> None:
    """Raise `EspAtError` in an ESP-IDF that is older than all tested ones."""
    version = _idf_version()
    if version and version < _OLDEST:
        raise EspAtError(
            "idf-too-old",
            f"ESP-IDF {'.'.join(map(str, version))} is not supported",
            hint=f"take {'.'.join(map(str, _OLDEST))} or newer, or esp-at flash, which needs no ESP-IDF",
        )


def _idf_version() -> tuple[int, int] | None:
    """Return major and minor version of the ESP-IDF that runs us; None if unknown."""
    try:
        text = (Path(os.environ["IDF_PATH"]) / "tools" / "cmake" / "version.cmake").read_text(encoding="utf-8")
    except (KeyError, OSError, ValueError):
        return None
    numbers = dict(re.findall(r"set\(IDF_VERSION_(MAJOR|MINOR) (\d+)\)", text))
    return (int(numbers["MAJOR"]), int(numbers["MINOR"])) if len(numbers) == 2 else None


def _is_ours(file: Path) -> bool:
    try:
        return file.read_text(encoding="utf-8") == PROJECT_EXTENSION
    except (OSError, ValueError):
        return False
