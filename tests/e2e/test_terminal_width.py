"""What people read in a terminal of 80, 60 and 40 columns, and what goes through a pipe."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.outputs.tables import columns

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

import fcntl
import pty
import termios

ROOT = Path(__file__).parents[2]


ESP_AT = (sys.executable, "-m", "platformio_esp_at")


def _in_terminal(words, folder, width: int, program=ESP_AT, **environment: str) -> list[str]:
    """Return the lines that a program prints in a terminal of ``width`` columns."""
    there, here = pty.openpty()
    fcntl.ioctl(here, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    command = [*map(str, (*program, *words))]
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    child = subprocess.Popen(command, cwd=folder, env=inherited | environment, stdin=here, stdout=here)
    os.close(here)
    said = b""
    try:
        while piece := os.read(there, 65536):
            said += piece
    except OSError:  # what Linux gives instead of an end
        pass
    os.close(there)
    child.wait()
    return said.decode().replace("\r\n", "\n").splitlines()


@pytest.fixture(scope="session")
def made(sample_zip, tmp_path_factory):
    """Return a project with its image set."""
    from platformio_esp_at.cli import cli  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("project")
    (folder / "esp_at.yml").write_text(f"firmware: {sample_zip()}\n")
    cli(["package", "-C", str(folder), "-q"], standalone_mode=False)
    return folder


COMMANDS = {
    "modules": ["modules"],
    "releases": ["releases", "--module", "WROOM-32"],
    "boards": ["boards"],
    "explain": ["explain"],
    "doctor": ["doctor"],
    "info": ["info"],
    "image set": ["inspect", "build/esp_at"],
    "manifest": ["inspect", "build/esp_at/esp_at_manifest.json"],
    "download.config": ["inspect", "build/esp_at/download.config"],
    "factory image": ["inspect", "build/esp_at/factory/factory_WROOM-32.bin"],
    "certificates": ["inspect", "build/esp_at/customized_partitions/client_ca.bin"],
}


@pytest.mark.parametrize("width", [80, 60, 40])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_line_is_wider_than_the_terminal(made, command, width):
    lines = _in_terminal(command, made, width)
    assert len(lines) > 5
    assert [line for line in lines if columns(line) > width] == []


@pytest.mark.parametrize("width", [80, 60])
def test_nor_in_pio(project, compiling_env, width):
    ini = f"[env:it]\nplatform = compiling\nboard = esp32dev\nextra_scripts = pre:{ROOT}/esp_at.py\n"
    folder = project(ini, "firmware: firmware.zip\nmodule: WROOM-32\n")
    pio, env = (sys.executable, "-m", "platformio"), dict(compiling_env)
    env.pop("COLUMNS", None)
    assert _rows_of_plan(_in_terminal(["run", "-t", "info_at"], folder, width, pio, **env)) <= width


@pytest.mark.parametrize("width", [80, 60])
def test_nor_in_idf_py(project, width):
    folder = project(**{"esp_at.yml": "firmware: firmware.zip\nmodule: WROOM-32\n", "sdkconfig": ""})
    program = (sys.executable, ROOT / "tests/idf_py.py")
    assert _rows_of_plan(_in_terminal(["at-info"], folder, width, program)) <= width


def _rows_of_plan(lines: list[str]) -> int:
    """Return the columns of the widest line of a plan, which has a table."""
    start = next(number for number, line in enumerate(lines) if line.startswith("Firmware package"))
    end = next(number for number, line in enumerate(lines) if line.startswith("Wiring"))
    assert any(line.strip().startswith("Offset") for line in lines[start:end])
    return max(map(columns, lines[start:end]))


def test_columns_is_what_the_user_says(made):
    lines = _in_terminal(["modules"], made, 120, COLUMNS="50")
    assert 40 < max(map(columns, lines)) <= 50


def test_a_pipe_gets_each_row_in_one_line(esp_at, made, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    listed = esp_at("modules", "--chip", "esp32c3").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["Chip", *["esp32c3"] * (len(listed) - 1)]
    said = esp_at("inspect", made / "build/esp_at/esp_at_manifest.json").stdout
    assert said.count("…") == 0
    assert max(map(len, said.splitlines())) > 120


def test_a_table_of_partitions_is_a_file_and_stays_whole(esp_at, made):
    """Its lines are pasted into a CSV."""
    lines = _in_terminal(["table", "-C", made], made, 40)
    assert lines == esp_at("table", "-C", made).stdout.splitlines()
