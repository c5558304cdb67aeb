"""Pythons that are too old for the package, but not for what a host runs of it, such as ESP-IDF 5.1 may have."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

NEEDED = "need a Python from 3.6 to 3.9"


def old_pythons() -> list[str]:
    """Return those of this machine, the newest first: on PATH, and of pyenv."""
    folders = [*os.get_exec_path(), *map(str, Path.home().glob(".pyenv/versions/3.[6-9].*/bin"))]
    found = {}
    for minor in (9, 8, 7, 6):
        for folder in folders:
            # The interpreter itself: what is on PATH may be a script of pyenv's, which needs a shell.
            if name := shutil.which(f"python3.{minor}", path=folder):
                command = [name, "-c", "import sys; print(sys.executable)"]
                asked = subprocess.run(command, capture_output=True, text=True, check=False)
                if asked.returncode == 0:
                    found.setdefault(minor, asked.stdout.strip())
    return list(found.values())
