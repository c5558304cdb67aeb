"""What people read in a terminal of 80, 60 and 40 columns, and what goes through a pipe."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import pytest

from platformio_esp_at.outputs.tables import columns

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

import fcntl
import pty
import termios


def _in_terminal(words, folder, width: int, **environment: str) -> list[str]:
    """Return the lines that a command prints in a terminal of ``width`` columns."""
    there, here = pty.openpty()
    fcntl.ioctl(here, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    program = [sys.executable, "-m", "platformio_esp_at", *map(str, words)]
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | environment
    child = subprocess.Popen(program, cwd=folder, env=variables, stdin=here, stdout=here)
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
