"""ESP-IDF's CMake on stand-ins: a real cmake and ninja run a project and our component, and nothing is compiled."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

STAND_IN_IDF = Path(__file__).parent / "stand_in_idf"
"""What ``IDF_PATH`` names then."""


def program(name: str) -> str:
    """Return the path of a program beside this Python, or on ``PATH``."""
    scripts = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([scripts, os.environ["PATH"]]))
    assert found, f"{name} isn't installed: pip install -e .[test]"
    return found


def configuring(folder: Path | str, build_folder: Path | str, **variables: object) -> list[str]:
    """Return the command that configures a project; CMake gets these variables. ``IDF_PATH`` must be set for it."""
    given = [f"-D{name}={value}" for name, value in {"PYTHON": sys.executable, **variables}.items()]
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={program('ninja')}"]
    return [program("cmake"), "-S", str(folder), "-B", str(build_folder), *generator, *given]


def building(build_folder: Path | str, *targets: str) -> list[str]:
    """Return the command that builds targets of a configured project."""
    return [program("cmake"), "--build", str(build_folder), "--target", *targets]
