"""What goes into the wheel besides Python modules: our files, all of them, and nobody else's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.commands.templates import TEMPLATES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
OF_A_USER = (
    "flash-only/firmware.zip",
    "flash-only/certs/key.pem",
    "flash-only/.pio/build/at-module/esp_at/esp-at.bin",
    "host-mcu/build/esp_at/esp-at.bin",
)


def _packed(package: str, folder: Path) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"][package]
    return {
        file.relative_to(folder).as_posix() for pattern in patterns for file in folder.glob(pattern) if file.is_file()
    }


def _tracked(folder: str) -> set[str]:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("need a git checkout")
    command = ["git", "ls-files", "-z", folder]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return {file.removeprefix(f"{folder}/") for file in listed if file}


def test_examples(tmp_path):
    examples = tmp_path / "examples"
    for name in _tracked("examples"):
        (examples / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "examples" / name, examples / name)
    for name in OF_A_USER:
        (examples / name).parent.mkdir(parents=True, exist_ok=True)
        (examples / name).write_bytes(b"somebody's")
    assert _packed("platformio_esp_at.examples", examples) == _tracked("examples")
    files = {f"{name}/{file}" for name, files in TEMPLATES.items() for file in files}
    assert {"README.md"} | files == _tracked("examples")


def test_what_is_no_module_of_a_package():
    """Packages are found by their ``__init__.py``; every other file of ours is data, and named."""
    tracked = _tracked("platformio_esp_at")
    packages = {name.rpartition("/")[0] for name in tracked if name.endswith("__init__.py")}
    files = {name for name in tracked if not (name.endswith(".py") and name.rpartition("/")[0] in packages)}
    packed = _packed("platformio_esp_at", ROOT / "platformio_esp_at")
    assert files <= packed
    assert not any("__pycache__" in name for name in packed)
