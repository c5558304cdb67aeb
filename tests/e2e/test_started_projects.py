"""esp-at init in each kind of project: what it wrote flashes a simulated module with at most two commands."""

from __future__ import annotations

import difflib
import os
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.request.options import OPTIONS

INI = """\
; The program of somebody.
[platformio]
default_envs = it

[env]
lib_deps =
    ; nothing yet

[env:it] ; this one
platform = compiling
board = esp32dev
extra_scripts = pre:own.py ; ours

; The other one.
[env:other]
platform = compiling
board = host_mcu
"""
CMAKE = "cmake_minimum_required(VERSION 3.16)\ninclude($ENV{IDF_PATH}/tools/cmake/project.cmake)\nproject(x)\n"
IDF_PY = Path(__file__).parents[1] / "idf_py.py"


def from_here(file, option, address):
    """Put an address of this machine into platformio.ini: what is released is downloaded in real life."""
    text, count = re.subn(r"https://github\.com/\S+", lambda _: address, file.read_text())
    assert count == 1, option
    file.write_text(text)


def next_commands(said):
    return [line.strip() for line in said.partition("\nNext:\n")[2].splitlines()]


def test_a_project_of_platformio(project, esp_at, compiling_pio, library, used_module):
    folder, module = project(INI, **{"own.py": ""}), used_module()
    said = esp_at("init", "--firmware", "firmware.zip", "--module", "WROOM-32", cwd=folder).stdout
    written = (folder / "platformio.ini").read_text()
    changes = [line for line in difflib.ndiff(INI.splitlines(), written.splitlines()) if line[0] in "+-"]
    assert [line.split("//")[0].strip() for line in changes] == [
        "+     pre:$PROJECT_LIBDEPS_DIR/$PIOENV/esp-at/esp_at.py",
        "+ lib_deps =",
        "+     ${env.lib_deps}",
        "+     https:",
    ]
    assert written.index("/esp-at-") < written.index("[env:other]")
    assert "Checked: firmware for module WROOM-32, " in said
    assert next_commands(said) == ["pio run -e it -t info_at", "pio run -e it -t upload_at"]
    from_here(folder / "platformio.ini", "lib_deps", library)
    compiling_pio(f"run -e it -t upload_at --upload-port {module.port}", folder)
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")
    before = {file: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    again = esp_at("init", cwd=folder).stdout
    assert "esp_at.yml is there already, and stays as it is" in again
    assert {file: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before


def test_a_project_that_only_flashes(project, esp_at, at_pio, released_platform, used_module):
    folder, module = project(), used_module()
    said = esp_at("init", "--host", "pio", "--firmware", "firmware.zip", "--module", "WROOM-32", cwd=folder).stdout
    assert "board = esp32-at-wroom-32\n" in (folder / "platformio.ini").read_text()
    assert next_commands(said) == ["pio run -t upload_at"]
    from_here(folder / "platformio.ini", "platform", released_platform)
    at_pio(f"run -t upload --upload-port {module.port}", folder)
    assert module.flash == module.after_upload(folder / ".pio/build/at-module/esp_at")


def test_a_project_of_esp_idf(project, esp_at, packed_component, used_module):
    folder, module = project(**{"CMakeLists.txt": CMAKE, "sdkconfig": 'CONFIG_IDF_TARGET="esp32"\n'}), used_module()
    shutil.copytree(packed_component, folder / "components" / "esp_at_flash")
    said = esp_at("init", "--firmware", "firmware.zip", cwd=folder).stdout
    assert next_commands(said) == ["idf.py reconfigure", "idf.py -p PORT at-flash"]
    command = [sys.executable, IDF_PY, "-p", module.port, "at-flash"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert module.flash == module.after_upload(folder / "build_at_flash")


def test_a_dependency_of_esp_idf(project, esp_at):
    folder = project(
        **{"CMakeLists.txt": CMAKE, "main/main.c": "", "main/idf_component.yml": "dependencies:\n  # ours\n"}
    )
    esp_at("init", "--namespace", "acme", "--module", "ESP32-C3-MINI-1", cwd=folder)
    manifest = (folder / "main/idf_component.yml").read_text()
    assert re.fullmatch(r'dependencies:\n  acme/esp_at_flash: "\^[\d.]+"\n  # ours\n', manifest)
    assert "\nboard: none\n" in (folder / "esp_at.yml").read_text()
    other = project(**{"esp_at.yml": "firmware: latest\n"})
    (other / "main/idf_component.yml").unlink()
    said = esp_at("init", cwd=other).stdout
    assert 'idf.py add-dependency "<namespace>/esp_at_flash^' in said
    assert "idf_ext.py is there already, and stays as it is" in said


def test_esp_at_alone(project, esp_at, used_module):
    folder, module = project(), used_module()
    said = esp_at("init", folder, "--firmware", folder / "firmware.zip", "--module", "WROOM-32").stdout
    assert next_commands(said) == [f"cd '{folder}'", "esp-at flash -p PORT"]
    esp_at("flash", "-p", module.port, cwd=folder)
    assert module.flash == module.after_upload(folder / "build/esp_at")


@pytest.mark.parametrize(("chip", "module"), [("esp32", "ESP32-WROOM-32"), ("esp32c3", "ESP32-C3-MINI-1")])
def test_a_connected_device_says_which_module(chip, module, esp_at, used_module, tmp_path):
    device = used_module(chip)
    said = esp_at("init", "new", "--port", device.port).stdout
    written = (tmp_path / "new/esp_at.yml").read_text()
    assert f"\nmodule: {module}\n" in written
    assert f"\nport: {device.port}\n" in written
    assert re.search(r"\nfirmware: v\d\.\d\.\d\.\d\n", written)
    assert f"Note: {chip} with 4MB at {device.port}: module " in said
    assert next_commands(said) == ["cd new", "esp-at flash"]
    assert device.untouched


def test_a_dry_run_writes_nothing(esp_at, tmp_path):
    said = esp_at("init", "new", "--firmware", "v4.1.1.0", "--board", "esp32dev", "--dry-run").stdout
    assert not (tmp_path / "new").exists()
    assert "Would write esp_at.yml:\n" in said
    assert "\n    firmware: v4.1.1.0\n" in said
    assert all(option.help.split()[0] in said for option in OPTIONS.values())


def test_what_is_refused_writes_nothing(esp_at, project, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    refused = esp_at("init", "new", code=1).stderr
    assert "  [init-module-missing]\n  name its board, --board esp32dev, or the module, --module WROOM-32" in refused
    assert "[unknown-board]" in esp_at("init", "new", "--board", "esp32dew", code=1).stderr
    assert "[release-by-request]" in esp_at("init", "new", "--module", "ESP32C5-4MB", code=1).stderr
    assert "[not-an-idf-project]" in esp_at("init", "new", "--host", "idf", code=1).stderr
    assert sorted(tmp_path.rglob("*")) == before
    folder = project("[env:a]\nboard = esp32dev\n[env:b]\nboard = esp32dev\n")
    assert "  [several-environments]\n  name one of them: esp-at init -e a" in esp_at("init", folder, code=1).stderr
    assert "  [unknown-environment]\n  platformio.ini has a, b" in esp_at("init", folder, "-e", "it", code=1).stderr
    wrong = esp_at(
        "init", folder, "-e", "a", "--firmware", folder / "firmware.zip", "--module", "MINI-9", code=1
    ).stderr
    assert "[unknown-module]" in wrong
    assert not (folder / "esp_at.yml").exists()


# --- questions ---


@pytest.fixture
def in_terminal(tmp_path):
    """Run esp-at in a real terminal, and answer its questions; returns what was on the screen."""
    pty = pytest.importorskip("pty", reason="need pseudo-terminals")
    script = shutil.which("esp-at", path=str(Path(sys.executable).parent))

    def run(*args, answers, cwd=tmp_path):
        ours, theirs = pty.openpty()
        with subprocess.Popen([script, *args], cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs) as child:
            os.close(theirs)
            shown, waiting = "", list(answers)
            while select.select([ours], [], [], 60)[0]:
                try:
                    piece = os.read(ours, 4096)
                except OSError:  # Linux's way to tell that the other end is closed
                    break
                shown += piece.decode()
                while waiting and waiting[0][0] in shown:
                    question, answer = waiting.pop(0)
                    shown = shown.partition(question)[2]
                    os.write(ours, answer.encode() + b"\n")
        os.close(ours)
        assert not waiting, shown
        return child.returncode, shown.replace("\r\n", "\n")

    return run


def test_questions_for_a_new_folder(in_terminal, tmp_path):
    answers = [
        ("with PlatformIO (pio) or with this program alone (esp-at)? (pio, esp-at) [esp-at]:", "pio"),
        ("Which board or AT module, such as", "esp32dew"),
        ("'esp32dew' is neither a board nor a module.", "esp-wrover-kit"),
    ]
    code, shown = in_terminal("init", "new", answers=answers)
    assert code == 0, shown
    assert "board = esp-wrover-kit\n" in (tmp_path / "new/platformio.ini").read_text()
    assert re.search(r"\nfirmware: v\d", (tmp_path / "new/esp_at.yml").read_text())


def test_who_names_the_board_is_asked_nothing(in_terminal, tmp_path):
    code, shown = in_terminal("init", "new", "--firmware", "v4.1.1.0", "--board", "esp32dev", answers=[])
    assert code == 0, shown
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["esp_at.yml"]


def test_nothing_is_asked_that_is_known(in_terminal, project):
    folder = project("[env:a]\nboard = esp32dev\n[env:b]\nboard = esp32dev\n")
    code, shown = in_terminal("init", answers=[("Which environment", "b")], cwd=folder)
    assert code == 0, shown
    ini = (folder / "platformio.ini").read_text()
    assert ini.startswith("[env:a]\nboard = esp32dev\n[env:b]\nboard = esp32dev\nlib_deps = https://")
