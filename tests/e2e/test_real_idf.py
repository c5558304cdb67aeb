"""The real idf.py of ``IDF_PATH``, in the Python of ``IDF_PYTHON_ENV_PATH``, where this package must be installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.idf.install import EXTRA_ACTIONS

COMPONENT = Path(__file__).parents[2] / "idf_component/esp_at_flash"

YML = "firmware: firmware.zip\nboard: {board}\nfactory_param: {{uart_cts_pin: -1, uart_rts_pin: -1}}\n"
ACTIONS = ["at-flash", "at-flash-factory", "at-info", "at-package", "at-table", "at-verify"]
HOST_PROJECT = {
    "CMakeLists.txt": """\
        cmake_minimum_required(VERSION 3.16)
        include($ENV{IDF_PATH}/tools/cmake/project.cmake)
        set(COMPONENTS main)
        project(host)
    """,
    "main/CMakeLists.txt": "idf_component_register(SRCS main.c)\n",
    "main/main.c": "void app_main(void) {}\n",
}
"""A project that the computer's own compiler builds, with IDF's target ``linux``."""


@pytest.fixture(scope="module")
def idf_path():
    place = os.environ.get("IDF_PATH")
    if not place:
        pytest.skip("need ESP-IDF (IDF_PATH)")
    return Path(place)


@pytest.fixture(scope="module")
def version(idf_path):
    numbers = re.findall(r"set\(IDF_VERSION_\w+ (\d+)\)", (idf_path / "tools/cmake/version.cmake").read_text())
    return int(numbers[0]), int(numbers[1])


@pytest.fixture(scope="module")
def env(idf_path, version):
    """Return the environment for `idf.py`; what export.sh sets is here already, or made up for."""
    settings = {name: value for name, value in os.environ.items() if name not in ("ESPPORT", "ESPBAUD")}
    settings |= {"IDF_PATH": str(idf_path), "ESP_IDF_VERSION": "{}.{}".format(*version)}
    settings.setdefault("IDF_PYTHON_CHECK_CONSTRAINTS", "no")
    settings.pop("IDF_EXTRA_ACTIONS_PATH", None)
    return settings | ({"IDF_EXTRA_ACTIONS_PATH": str(EXTRA_ACTIONS)} if version < (6, 0) else {})


@pytest.fixture
def idf_py(idf_path, env):
    """Run the real idf.py with these words in a folder; it must end with this code (None: any)."""
    home = os.environ.get("IDF_PYTHON_ENV_PATH")
    python = str(Path(home, "Scripts/python.exe" if os.name == "nt" else "bin/python")) if home else sys.executable

    def run(*words, cwd, code=0, **settings):
        command = [python, str(idf_path / "tools/idf.py"), *map(str, words)]
        present = {name: value for name, value in (env | settings).items() if value is not None}
        options = {"cwd": cwd, "env": present, "capture_output": True, "text": True, "timeout": 300}
        done = subprocess.run(command, **options, check=False)
        assert code in (done.returncode, None), done.stdout + done.stderr
        assert code is None or "Traceback" not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def same_as_others(esp_at, at_pio, used_module):
    """Flash with esp-at and upload_at what idf.py did, and compare all of the flash."""

    def compare(folder, flash, chip):
        for run in (
            lambda port: esp_at("flash", "-p", port, cwd=folder),
            lambda port: at_pio(f"run -t upload_at --upload-port {port}", folder),
        ):
            module = used_module(chip)
            run(module.port)
            assert module.flash == flash

    return compare


def ini(board):
    return f"[env:at]\nplatform = espressif_at\nboard = {board}\n"


@pytest.mark.parametrize(("chip", "board"), [("esp32", "esp32dev"), ("esp32c3", "esp32-c3-devkitm-1")])
def test_an_empty_folder(*, project, idf_py, used_module, same_as_others, chip, board):
    folder, module = project(ini(board), YML.format(board=board), chip=chip), used_module(chip)
    idf_py("-p", module.port, "at-flash", cwd=folder)
    assert module.flash == module.after_upload(folder / "build_at_flash")
    assert "The device has all " in idf_py("at-verify", "-p", module.port, cwd=folder).stdout
    same_as_others(folder, module.flash, chip)
    idf_py("at-flash", "--erase", "-p", module.port, cwd=folder)
    (factory_image,) = (folder / "build_at_flash/factory").glob("factory_*[!d].bin")
    assert module.flash == factory_image.read_bytes()


def test_a_configured_project(project, idf_py, used_module, same_as_others):
    yml = YML.format(board="none") + "module: WROOM-32\n"
    folder, module = project(ini("esp32dev"), yml, **HOST_PROJECT), used_module()
    idf_py("at-package", cwd=folder)  # before there is a build folder: it mustn't be in the way of set-target
    configured = idf_py("--preview", "set-target", "linux", cwd=folder, code=None)
    if configured.returncode:
        pytest.skip(f"need an ESP-IDF that configures a project for linux: {configured.stderr[-300:]}")
    refused = idf_py("at-flash", cwd=folder, code=2, ESPPORT=module.port)
    assert "the AT module is not on the project's board, and no port is named for it" in refused.stderr
    assert module.untouched
    idf_py("-p", module.port, "at-flash", cwd=folder)
    assert module.flash == module.after_upload(folder / "build/at_flash")
    same_as_others(folder, module.flash, "esp32")
    idf_py("fullclean", cwd=folder)


def test_a_project_with_a_chip(project, idf_py, used_module, same_as_others):
    """Its description is written here: to make one, idf.py wants the chip's compiler."""
    yml = YML.format(board="esp32-c3-devkitm-1").replace("board:", "# board:")
    folder, module = project(ini("esp32-c3-devkitm-1"), yml, chip="esp32c3"), used_module("esp32c3")
    (folder / "build").mkdir()
    (folder / "build/CMakeCache.txt").touch()
    description = {"config_file": str(folder / "sdkconfig"), "target": "esp32c3"}
    (folder / "build/project_description.json").write_text(json.dumps(description))
    (folder / "sdkconfig").write_text('CONFIG_IDF_TARGET="esp32c3"\nCONFIG_ESPTOOLPY_FLASHSIZE="4MB"\n')
    assert "(board this project: " in idf_py("-p", module.port, "at-flash", cwd=folder).stdout
    assert module.flash == module.after_upload(folder / "build/at_flash")
    same_as_others(folder, module.flash, "esp32c3")
    (folder / "sdkconfig").write_text('CONFIG_IDF_TARGET="esp32s3"\n')
    again = used_module("esp32c3")
    refused = idf_py("-p", again.port, "at-flash", cwd=folder, code=2)
    assert refused.stderr.startswith(
        "the chip of this project is esp32s3, for which there is no ESP-AT firmware  [chip-unsupported]\n"
    )
    assert again.untouched


def test_every_way_at_once(project, idf_py, esp_at):
    """IDF_EXTRA_ACTIONS_PATH, idf_ext.py, and with ESP-IDF 6 the entry point: each action is there, and once."""
    folder = project()
    esp_at("idf-setup", "--write", cwd=folder)
    done = idf_py("--help", cwd=folder, IDF_EXTRA_ACTIONS_PATH=str(EXTRA_ACTIONS))
    assert sorted(re.findall(r"^\W*(at-\S+) ", done.stdout, re.MULTILINE)) == ACTIONS
    assert not re.search("warning:|already defined", done.stdout + done.stderr, re.IGNORECASE)
    for name in ACTIONS:
        said = idf_py(name, "--help", cwd=folder).stdout
        assert "--firmware" in said
        assert ("--port" in said) == (name not in ("at-info", "at-package", "at-table"))


def test_a_project_extension_alone(project, idf_py, esp_at, version):
    folder = project(yml="firmware: firmware.zip\n")
    if version < (6, 0):
        idf_py("at-info", cwd=folder, code=2, IDF_EXTRA_ACTIONS_PATH=None)
    esp_at("idf-setup", "--write", cwd=folder)
    assert "AT module: WROOM-32" in idf_py("at-info", cwd=folder, IDF_EXTRA_ACTIONS_PATH=None).stdout


def test_refusals(project, idf_py, used_module):
    folder, module = project(yml="firmware: gone.zip\n"), used_module()
    refused = idf_py("-p", module.port, "at-flash", cwd=folder, code=2)
    assert refused.stderr.startswith("esp_at.yml:1: firmware package 'gone.zip' does not exist  [firmware-not-found]\n")
    assert module.untouched


# --- the component ---

EXAMPLES = {"flash_only": "esp32", "host_with_module": "esp32c3"}
"""The chip of the AT module by the name of the example; the program's is an ESP32 in both."""


@pytest.fixture
def example(tmp_path, idf_py):
    """Configure an example of the component for ESP32, in a copy of the component, and return its folder."""

    def configure(name):
        if shutil.which("xtensa-esp32-elf-gcc") is None:
            pytest.skip("need a compiler for the ESP32 on PATH: without it, ESP-IDF can't configure a project")
        component = shutil.copytree(COMPONENT, tmp_path / COMPONENT.name)
        for chip, package in (("esp32", "ESP32-WROOM-32"), ("esp32c3", "ESP32-C3-MINI-1")):
            for folder in component.glob("examples/*/"):
                write_sample_package(folder / f"{package}-AT-V4.1.1.0.zip", chip, nvs=True)
        idf_py("set-target", "esp32", cwd=component / "examples" / name)
        return component / "examples" / name

    return configure


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_image_set_of_an_example(name, example, idf_py):
    folder = example(name)
    manifest, application = (folder / "build/esp_at" / name for name in ("esp_at_manifest.json", "esp-at.bin"))
    idf_py("at_image", cwd=folder)
    assert json.loads(manifest.read_text())["chip"] == EXAMPLES[name]
    content, made = application.read_bytes(), manifest.stat().st_mtime_ns
    idf_py("at_image", cwd=folder)
    assert manifest.stat().st_mtime_ns == made
    application.unlink()
    idf_py("at_image", cwd=folder)
    assert application.read_bytes() == content


def test_the_host_program_finds_the_uart_driver(example):
    folder = example("host_with_module")
    commands = json.loads((folder / "build/compile_commands.json").read_text())
    (main,) = (each["command"] for each in commands if Path(each["file"]) == folder / "main/main.c")
    assert any(Path(include, "driver/uart.h").is_file() for include in re.findall(r"-I(\S+)", main))


def test_at_flash_without_the_extension(example, idf_py, used_module, version):
    if version >= (6, 0):
        pytest.skip("ESP-IDF 6 loads the extension from every Python that has this package")
    folder, module = example("flash_only"), used_module()
    for name in ACTIONS:
        refused = idf_py("-p", module.port, name, cwd=folder, code=2, IDF_EXTRA_ACTIONS_PATH=None)
        assert f"Error: idf.py doesn't have the command {name} yet." in refused.stdout
    assert module.untouched


def test_the_extension_in_a_project_with_the_component(example, idf_py, used_module):
    folder, module = example("flash_only"), used_module()
    idf_py("at_image", cwd=folder)
    done = idf_py("--help", cwd=folder)
    assert sorted(re.findall(r"^\W*(at-\S+) ", done.stdout, re.MULTILINE)) == ACTIONS
    assert not re.search("warning:|already defined", done.stdout + done.stderr, re.IGNORECASE)
    idf_py("-p", module.port, "at-flash", cwd=folder)
    assert module.flash == module.after_upload(folder / "build/at_flash")


def test_the_component_adds_nothing_for_linux(tmp_path, idf_py):
    component = shutil.copytree(COMPONENT, tmp_path / COMPONENT.name)
    folder = component / "examples/flash_only"
    (folder / "CMakeLists.txt").write_text(HOST_PROJECT["CMakeLists.txt"])
    configured = idf_py("--preview", "set-target", "linux", cwd=folder, code=None)
    assert configured.returncode == 0, configured.stdout + configured.stderr
    assert "esp_at_flash" in json.loads((folder / "build/project_description.json").read_text())["build_components"]
    refused = idf_py("at_image", cwd=folder, code=2)
    assert "is not known to idf.py" in refused.stderr
