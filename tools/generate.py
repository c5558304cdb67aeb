"""Write the files that are made from others: `python3 bootstrap.py generate` (with --upgrade, newer pins, too).

A host's script needs them before it has a Python with our packages: the pins, the options of idf.py, and the AT modules
as boards of the flash-only platform. An editor needs the schema of esp_at.yml, and people the pages of the reference.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import reference

from platformio_esp_at.catalog.chips import chip
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.idf.actions import OPTIONS
from platformio_esp_at.launcher.interpreter import OLDEST_PYTHON
from platformio_esp_at.launcher.packages import BUILD_PINS, PINS
from platformio_esp_at.request.board_manifests import PLATFORM, module_board
from platformio_esp_at.request.command_line import parameters
from platformio_esp_at.request.schema import SCHEMA_FILE, project_schema
from platformio_esp_at.units import UPLOAD_BAUD, format_size

ROOT = Path(__file__).parents[1]


def options_of_idf_py() -> str:
    """Return the options of a project as idf.py takes them; port and speed are idf.py's own."""
    return _json([option for name, option in parameters().items() if name not in ("port", "baud")])


def module_boards() -> dict[str, str]:
    """Return a board manifest for every AT module by itself, such as ``esp32c3-at-mini-1.json``, by its file name."""
    return {
        f"{module_board(module)}.json": _json(
            {
                "name": f"AT module {chip(module.chip).display_name} {module.name}",
                "vendor": "Espressif",
                "url": "https://docs.espressif.com/projects/esp-at/",
                "build": {"mcu": module.chip},
                "upload": {
                    "flash_size": format_size(module.flash_size),
                    "maximum_size": module.flash_size,
                    "speed": UPLOAD_BAUD,
                },
                "at": {"module": module.name},
            }
        )
        for module in modules()
    }


OURS = ["--extra", "launcher", str(ROOT / "pyproject.toml")]
BUILDS_ESPTOOL = "setuptools>=77"
"""What esptool's pyproject.toml has under build-system; it is released as source alone."""


def pins(arguments: list[str], present: Path, *, given: str = "", upgrade: bool = False) -> str:
    """Return packages with those that they need, for every system, pinned with their hashes.

    ``arguments`` of uv name them; ``-`` stands for what is ``given``. The pins that are ``present`` stay, where the
    source allows them, unless all are to be upgraded.
    """
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "pins.txt")
        file.write_text(present.read_text(encoding="utf-8") if present.is_file() else "", encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config"]
        command += ["--universal", "--python-version", ".".join(map(str, OLDEST_PYTHON)), "--fork-strategy", "fewest"]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--output-file", str(file)]
        command += ["--upgrade"] if upgrade else []
        subprocess.run([*command, *arguments], input=given, text=True, check=True, env=os.environ | _index())
        return file.read_text(encoding="utf-8")


def _index() -> dict[str, str]:
    """Return pip's package index for uv, which doesn't read pip's settings."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    url = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url else {}


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def main() -> int:
    """Write the files, or say which ones differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a file differs")
    parser.add_argument("--upgrade", action="store_true", help="pin the newest versions")
    arguments = parser.parse_args()
    boards, upgrade = Path(PLATFORM, "boards"), arguments.upgrade
    files = {
        Path(OPTIONS): options_of_idf_py(),
        Path(PINS): pins(OURS, Path(PINS), upgrade=upgrade),
        Path(BUILD_PINS): pins(["-"], Path(BUILD_PINS), given=BUILDS_ESPTOOL, upgrade=upgrade),
        SCHEMA_FILE: _json(project_schema()),
        **{boards / name: text for name, text in module_boards().items()},
        **reference.pages(),
    }
    stale = {file for file in boards.glob("*-at-*.json") if file not in files}
    changed = [file for file, text in files.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in (*changed, *stale):
        print(file.relative_to(ROOT))
        if not arguments.check and file in files:
            file.write_text(files[file], encoding="utf-8", newline="\n")
        elif not arguments.check:
            file.unlink()
    if arguments.check and (changed or stale):
        print("These files differ from what they are made from; run: python3 bootstrap.py generate")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
