"""The Pythons that PlatformIO and ESP-IDF run in, and what is installed in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.launcher.interpreter import OLDEST_PYTHON, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCRIPT = """\
import json, platform, sys
def version(name):
    try:
        from importlib.metadata import version
        return version(name)
    except Exception:
        return None
names = ("platformio", "platformio-esp-at", "esptool")
print(json.dumps([platform.python_version(), sys.prefix, {name: version(name) for name in names}]))
"""
_SECONDS = 30
_RUN_BY_SHELL = re.compile(rb"""'''exec' "?([^"\n]+?)"? "\$0" "\$@\"""")
"""The second line of such a command: Python takes it for the beginning of a string."""
_SHELLS = ("sh", "bash", "dash", "zsh")


class HostPython(NamedTuple):
    """An interpreter of a host's."""

    path: str
    version: str
    prefix: str
    packages: Mapping[str, str | None]
    """The versions of what we look for in it; None for what isn't there."""

    @property
    def is_ours(self) -> bool:
        """Whether this process runs in it."""
        return Path(self.prefix).resolve() == Path(sys.prefix).resolve()

    @property
    def is_new_enough(self) -> bool:
        """Whether our package runs in it."""
        return tuple(map(int, self.version.split(".")[:2])) >= OLDEST_PYTHON


def python_of_platformio() -> str | None:
    """Return the interpreter of PlatformIO: that of the command, or of its installer; None where there is none."""
    command = shutil.which("pio") or shutil.which("platformio")
    of_command = interpreter_of(Path(command)) if command else None
    of_installer = interpreter_in(core_dir() / "penv")
    return of_command or of_installer


def python_of_idf() -> str | None:
    """Return the interpreter of the ESP-IDF whose export script has run in this terminal; None where none has."""
    folder = os.environ.get("IDF_PYTHON_ENV_PATH")
    return interpreter_in(Path(folder)) if folder else None


def core_dir() -> Path:
    """Return PlatformIO's folder; see `board_manifests`, which looks for boards there."""
    return Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio")


def interpreter_of(script: Path) -> str | None:
    """Return the interpreter that an installed command names in its first line; on Windows, the one beside it.

    Where that line can't have its path, which is long or has a space, pip lets a shell run it in the second line.
    """
    try:
        with script.open("rb") as stream:
            first, second = stream.readline(1024), stream.readline(1024)
    except OSError:
        return None
    if by_shell := _RUN_BY_SHELL.match(second):
        return os.fsdecode(by_shell[1])
    if first.startswith(b"#!"):
        words = first[2:].decode("utf-8", "replace").split()
        if words and Path(words[0]).name in _SHELLS:
            return None  # somebody's own script, which may run anything
        named = words[-1] if words[:1] == ["/usr/bin/env"] else " ".join(words)
        return shutil.which(named)
    return interpreter_in(script.parent.parent)


def interpreter_in(environment: Path) -> str | None:
    """Return the interpreter of a virtual environment; None where it has none."""
    names = ("bin/python", "bin/python3", "Scripts/python.exe")
    return next((str(environment / name) for name in names if (environment / name).is_file()), None)


def look_into(python: str) -> HostPython | None:
    """Return what is installed in an interpreter; None for one that can't be run."""
    null = subprocess.DEVNULL
    try:
        said = subprocess.run(
            [python, "-c", _SCRIPT],
            env=clean_environment(),
            stdin=null,
            stdout=subprocess.PIPE,
            stderr=null,
            timeout=_SECONDS,
            check=True,
        ).stdout
        version, prefix, packages = json.loads(said)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return HostPython(python, version, prefix, packages)
