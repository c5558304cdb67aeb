"""bootstrap.py, as far as it goes without a network: what it says of a wrong command."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes programs of Unix")


@pytest.fixture
def checkout(tmp_path):
    """Return a folder with bootstrap.py, and an environment that is set up already."""
    shutil.copy(ROOT / "bootstrap.py", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    stamp = hashlib.sha256((sys.version + "test").encode()).hexdigest()
    (tmp_path / ".venv/installed-test").write_text(stamp)
    return tmp_path


def _run(checkout, *words):
    command = [sys.executable, checkout / "bootstrap.py", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_program_that_is_not_there(checkout):
    done = _run(checkout, "run", "nothere")
    programs = checkout / ".venv/bin"
    assert done.returncode == 1
    assert done.stderr == f"nothere can't be run: No such file or directory; the programs are in {programs}\n"


def test_a_program_that_can_not_be_run(checkout):
    (checkout / ".venv/bin/text").write_text("")
    done = _run(checkout, "run", "text")
    assert done.returncode == 1
    assert done.stderr.startswith("text can't be run: Permission denied; ")


def test_the_exit_code_of_a_program(checkout):
    assert _run(checkout, "run", "python", "-c", "raise SystemExit(7)").returncode == 7


@pytest.mark.parametrize("words", [[], ["run"], ["--help"]])
def test_usage(checkout, words):
    done = _run(checkout, *words)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "usage: python3 bootstrap.py COMMAND [ARGUMENT ...]")


def test_a_misspelt_session_is_named_before_anything_is_installed(checkout):
    shutil.copy(ROOT / "noxfile.py", checkout)
    (checkout / ".venv/installed-test").unlink()
    done = _run(checkout, "tests")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("There is no command tests; did you mean test?\n")


def test_what_cant_be_written_is_named(tmp_path):
    shutil.copy(ROOT / "bootstrap.py", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv").touch()
    done = _run(tmp_path, "demo")
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path}/.venv: Not a directory; is the checkout in a folder that is yours?\n"
