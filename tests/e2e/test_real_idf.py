"""The real idf.py of ``IDF_PATH``, in the Python of ``IDF_PYTHON_ENV_PATH``, which has nothing of ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import descendants, is_running, wait_for

from platformio_esp_at import __version__
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.idf.actions import ACTIONS

ROOT = Path(__file__).parents[2]
COMPONENT = ROOT / "idf_component/esp_at_flash"
EXTENSION = COMPONENT / "examples/flash_only/idf_ext.py"

YML = "firmware: firmware.zip\nboard: {board}\nfactory_param: {{uart_cts_pin: -1, uart_rts_pin: -1}}\n"
NAMES = sorted(action.name for action in ACTIONS)
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
    hidden = ("ESPPORT", "ESPBAUD", "IDF_EXTRA_ACTIONS_PATH", "PYTHONPATH")
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    settings |= {"IDF_PATH": str(idf_path), "ESP_IDF_VERSION": "{}.{}".format(*version)}
    settings.setdefault("IDF_PYTHON_CHECK_CONSTRAINTS", "no")
    return settings


@pytest.fixture(scope="module")
def idf_python():
    home = os.environ.get("IDF_PYTHON_ENV_PATH")
    return str(Path(home, "Scripts/python.exe" if os.name == "nt" else "bin/python")) if home else sys.executable


@pytest.fixture(scope="module", autouse=True)
def nothing_is_installed(idf_path, env, idf_python):
    """Fail if ESP-IDF's Python has other packages after all these tests than before."""

    def packages():
        command = [idf_python, "-m", "pip", "freeze", "--all"]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    before = packages()
    assert "platformio" not in before, "ESP-IDF's Python has this package: uninstall it there"
    yield
    assert packages() == before


@pytest.fixture
def start(idf_path, env, idf_python):
    """Start the real idf.py with these words in a folder; a variable that is None isn't set."""

    def start(*words, cwd, **settings):
        command = [idf_python, str(idf_path / "tools/idf.py"), *map(str, words)]
        present = {name: value for name, value in (env | settings).items() if value is not None}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=cwd, env=present, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    return start


@pytest.fixture
def idf_py(start):
    """Run the real idf.py with these words in a folder; it must end with this code (None: any)."""

    def run(*words, cwd, code=0, **settings):
        process = start(*words, cwd=cwd, **settings)
        output, errors = process.communicate(timeout=300)
        assert code in (process.returncode, None), output + errors
        assert code is None or "Traceback" not in output + errors
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    return run


@pytest.fixture
def with_component(packed_component):
    """Copy the component into a project, as the component manager does, and the idf_ext.py that a user commits."""

    def copy(folder):
        shutil.copytree(packed_component, folder / "components" / COMPONENT.name)
        shutil.copy(EXTENSION, folder)
        return folder

    return copy


@pytest.fixture
def idf_project(project, with_component):
    """Write a project with the component in it."""
    return lambda *args, **files: with_component(project(*args, **files))


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


def offered(idf_py, folder, **settings):
    """Return the actions that idf.py offers; nothing is offered twice."""
    done = idf_py("--help", cwd=folder, **settings)
    assert not re.search("warning:|already defined", done.stdout + done.stderr, re.IGNORECASE)
    return sorted(re.findall(r"^\W*(at-\S+) ", done.stdout, re.MULTILINE))


# --- a project that CMake doesn't know ---


@pytest.mark.parametrize(("chip", "board"), [("esp32", "esp32dev"), ("esp32c3", "esp32-c3-devkitm-1")])
def test_an_unconfigured_project(*, idf_project, idf_py, used_module, same_as_others, chip, board):
    folder, module = idf_project(ini(board), YML.format(board=board), chip=chip), used_module(chip)
    idf_py("-p", module.port, "at-flash", cwd=folder)
    assert module.flash == module.after_upload(folder / "build_at_flash")
    assert "The device has all " in idf_py("at-verify", "-p", module.port, cwd=folder).stdout
    same_as_others(folder, module.flash, chip)
    idf_py("at-flash", "--erase", "-p", module.port, cwd=folder)
    (factory_image,) = (folder / "build_at_flash/factory").glob("factory_*[!d].bin")
    assert module.flash == factory_image.read_bytes()
    idf_py("at-erase", "-p", module.port, cwd=folder)
    assert module.flash == b"\xff" * len(module.flash)


def test_a_configured_project(idf_project, idf_py, used_module, same_as_others):
    yml = YML.format(board="none") + "module: WROOM-32\n"
    folder, module = idf_project(ini("esp32dev"), yml, **HOST_PROJECT), used_module()
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


def test_a_project_with_a_chip(idf_project, idf_py, used_module, same_as_others):
    """Its description is written here: to make one, idf.py wants the chip's compiler."""
    yml = YML.format(board="esp32-c3-devkitm-1").replace("board:", "# board:")
    folder, module = idf_project(ini("esp32-c3-devkitm-1"), yml, chip="esp32c3"), used_module("esp32c3")
    (folder / "build").mkdir()
    (folder / "build/CMakeCache.txt").touch()
    description = {"config_file": str(folder / "sdkconfig"), "target": "esp32c3"}
    (folder / "build/project_description.json").write_text(json.dumps(description))
    (folder / "sdkconfig").write_text('CONFIG_IDF_TARGET="esp32c3"\nCONFIG_ESPTOOLPY_FLASHSIZE="4MB"\n')
    assert "(board of this project: " in idf_py("-p", module.port, "at-flash", cwd=folder).stdout
    assert module.flash == module.after_upload(folder / "build/at_flash")
    same_as_others(folder, module.flash, "esp32c3")
    (folder / "sdkconfig").write_text('CONFIG_IDF_TARGET="esp32s3"\n')
    again = used_module("esp32c3")
    refused = idf_py("-p", again.port, "at-flash", cwd=folder, code=2)
    assert refused.stderr.startswith(
        "the chip of this project is esp32s3, for which there is no ESP-AT firmware  [chip-unsupported]\n"
    )
    assert again.untouched


def test_the_port_that_idf_py_finds(idf_project, idf_py):
    """It searches in the child of its own Python, and fails in its own words."""
    folder = idf_project(yml="firmware: firmware.zip\n", sdkconfig='CONFIG_IDF_TARGET="esp32"\n')
    refused = idf_py("at-flash", cwd=folder, code=2)
    assert "No serial ports found" in refused.stderr


def test_refusals(idf_project, idf_py, used_module):
    folder, module = idf_project(yml="firmware: gone.zip\n"), used_module()
    refused = idf_py("-p", module.port, "at-flash", cwd=folder, code=2)
    assert refused.stderr.startswith("esp_at.yml:1: firmware package 'gone.zip' does not exist  [firmware-not-found]\n")
    assert module.untouched


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="need process groups")
@pytest.mark.parametrize("end", ["Ctrl-C", "SIGTERM to idf.py alone"])
def test_an_end_in_the_middle(end, idf_project, start, used_module):
    yml = "firmware: firmware.zip\nmodule: WROOM-32\ndata: {fatfs: www}\n"
    folder, module = idf_project(yml=yml, **{"www/noise.bin": os.urandom(400 << 10)}), used_module()
    process = start("-p", module.port, "at-flash", cwd=folder)
    wait_for(lambda: module.writes or process.poll() is not None, "the first image")
    running = descendants(process.pid)
    assert len(running) == 2
    if end == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    output, errors = process.communicate(timeout=60)
    assert process.returncode == (1 if end == "Ctrl-C" else -signal.SIGTERM)
    assert ("interrupted: the module is half written  [interrupted]\n" in errors) == (end == "Ctrl-C")
    assert "Traceback" not in output + errors
    for pid in running:
        wait_for(lambda pid=pid: not is_running(pid), "the end of the child and of esptool")
    assert module.flash != module.after_upload(folder / "build_at_flash")


# --- how the actions get into idf.py ---


def test_the_actions_and_their_options(idf_project, idf_py, esp_at):
    folder = idf_project()
    assert "is there already" in esp_at("idf-setup", "--write", cwd=folder).stdout
    assert offered(idf_py, folder) == NAMES
    for name in NAMES:
        said = idf_py(name, "--help", cwd=folder).stdout
        assert "--firmware" in said
        assert ("--port" in said) == (name not in ("at-info", "at-package", "at-report", "at-table"))


def test_the_component_of_a_checkout(project, idf_py):
    folder = project(yml="firmware: firmware.zip\n")
    shutil.copy(EXTENSION, folder)
    assert offered(idf_py, folder) == []
    (folder / "components").mkdir()
    (folder / "components/esp_at_flash").symlink_to(COMPONENT, target_is_directory=True)
    assert "AT module: WROOM-32" in idf_py("at-info", cwd=folder).stdout


def test_a_broken_component_stops_no_command(idf_project, idf_py):
    folder = idf_project()
    (folder / "components/esp_at_flash/esp_at_idf.py").write_text("def action_extensions(\n")
    done = idf_py("--version", cwd=folder)
    assert "WARNING: idf.py at-flash can't be offered: " in done.stderr


def test_the_entry_point_of_an_installed_package(idf_project, idf_py, version, tmp_path):
    """ESP-IDF 6 looks for such; in a project with the component, too, each action is there once."""
    (tmp_path / "site/platformio_esp_at").parent.mkdir()
    (tmp_path / "site/platformio_esp_at").symlink_to(ROOT / "platformio_esp_at", target_is_directory=True)
    info = tmp_path / f"site/platformio_esp_at-{__version__}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: platformio-esp-at\nVersion: {__version__}\n")
    (info / "entry_points.txt").write_text(
        "[idf_extension]\nESP-AT = platformio_esp_at.idf.actions:action_extensions\n"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    installed = {"PYTHONPATH": str(tmp_path / "site")}
    assert offered(idf_py, empty, **installed) == (NAMES if version >= (6, 0) else [])
    folder = idf_project(yml="firmware: firmware.zip\n")
    assert offered(idf_py, folder, **installed) == NAMES
    assert "AT module: WROOM-32" in idf_py("at-info", cwd=folder, **installed).stdout


# --- the folder of packages ---


@pytest.mark.parametrize("place", ["ESP_AT_ENV", "IDF_TOOLS_PATH"])
def test_the_first_use_gets_the_packages_and_the_next_ones_need_no_network(
    place, *, idf_project, idf_py, used_module, offline_packages, tmp_path
):
    folder, module = idf_project(yml=YML.format(board="esp32dev")), used_module()
    pip = {name: value for name, value in offline_packages.items() if name.startswith("PIP_")}
    settings = {"ESP_AT_PYTHON": None, "ESP_AT_ENV": None} | pip | {place: str(tmp_path / "a place")}
    assert offered(idf_py, folder, **settings) == NAMES
    assert not (tmp_path / "a place").exists()
    first = idf_py("at-info", cwd=folder, **settings)
    (made,) = (tmp_path / "a place").glob("cpython-*" if place == "ESP_AT_ENV" else "esp-at/cpython-*")
    assert f"esp-at: getting the Python packages that it needs into {made} (once; it takes a moment)\n" in first.stderr
    dead = {"PIP_FIND_LINKS": (tmp_path / "nowhere").as_uri()}
    dead |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://localhost:9")
    again = idf_py("-p", module.port, "at-flash", cwd=folder, **settings | dead)
    assert "getting the packages" not in again.stderr
    assert module.flash == module.after_upload(folder / "build_at_flash")
    assert [path for path in made.parent.iterdir() if path.name != made.name] == []


def test_no_packages_and_no_network(idf_project, idf_py, used_module, tmp_path):
    folder, module = idf_project(yml=YML.format(board="esp32dev")), used_module()
    settings = {"ESP_AT_PYTHON": None, "ESP_AT_ENV": str(tmp_path / "packages"), "PIP_CONFIG_FILE": os.devnull}
    settings |= {"PIP_INDEX_URL": "https://localhost:9/simple", "PIP_FIND_LINKS": None, "PIP_EXTRA_INDEX_URL": None}
    refused = idf_py("-p", module.port, "at-flash", cwd=folder, code=2, **settings)
    assert "the Python packages of esp-at can't be installed: " in refused.stderr
    assert "  [packages-not-installed]\n" in refused.stderr
    assert not list((tmp_path / "packages").iterdir())
    assert module.untouched


# --- the component in the build ---

EXAMPLES = {"flash_only": "esp32", "host_with_module": "esp32c3"}
"""The chip of the AT module by the name of the example; the program's is an ESP32 in both."""


@pytest.fixture
def needs_a_compiler():
    if shutil.which("xtensa-esp32-elf-gcc") is None:
        pytest.skip("need a compiler for the ESP32 on PATH: without it, ESP-IDF can't configure a project")


@pytest.fixture
def example(tmp_path, packed_component, with_component, idf_py, needs_a_compiler):
    """Configure a copy of an example for ESP32, with the component in it, and return its folder."""

    def configure(name):
        folder = shutil.copytree(packed_component / "examples" / name, tmp_path / name)
        assert (folder / "idf_ext.py").read_bytes() == EXTENSION.read_bytes()
        (folder / "main/idf_component.yml").unlink()
        _write_packages(folder)
        idf_py("set-target", "esp32", cwd=with_component(folder))
        return folder

    return configure


def _write_packages(folder):
    for chip, package in (("esp32", "ESP32-WROOM-32"), ("esp32c3", "ESP32-C3-MINI-1")):
        write_sample_package(folder / f"{package}-AT-V4.1.1.0.zip", chip, nvs=True)


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


def test_two_modules_of_one_project(example, idf_py, used_module):
    folder = example("flash_only")
    modules = {"left": used_module("esp32"), "right": used_module("esp32c3")}
    for name, package in (("left", "ESP32-WROOM-32"), ("right", "ESP32-C3-MINI-1")):
        (folder / f"esp_at_{name}.yml").write_text(f"firmware: {package}-AT-V4.1.1.0.zip\n")
        with (folder / "CMakeLists.txt").open("a") as file:
            file.write(f"esp_at_create_module_image({name} esp_at_{name}.yml)\n")
    idf_py("reconfigure", cwd=folder)
    idf_py("at_image_left", "at_image_right", cwd=folder)
    manifests = [folder / f"build/esp_at_{name}/esp_at/esp_at_manifest.json" for name in modules]
    made = [manifest.stat().st_mtime_ns for manifest in manifests]
    with (folder / "esp_at_right.yml").open("a") as file:
        file.write("skip: [ble_data]\n")
    idf_py("at_image_left", "at_image_right", cwd=folder)
    assert [old == manifest.stat().st_mtime_ns for old, manifest in zip(made, manifests, strict=True)] == [True, False]
    for name, module in modules.items():
        idf_py(f"at_image_{name}-flash", cwd=folder, ESPPORT=module.port)
        assert module.flash == module.after_upload(folder / f"build/esp_at_{name}/esp_at")
        again = used_module(module.chip)
        idf_py("-p", again.port, "at-flash", "--project-file", name, cwd=folder)
        assert again.flash == again.after_upload(folder / f"build/esp_at_{name}/at_flash") == module.flash


def test_the_host_program_finds_the_uart_driver(example):
    folder = example("host_with_module")
    commands = json.loads((folder / "build/compile_commands.json").read_text())
    (main,) = (each["command"] for each in commands if Path(each["file"]) == folder / "main/main.c")
    assert any(Path(include, "driver/uart.h").is_file() for include in re.findall(r"-I(\S+)", main))


def test_both_ways_in_a_configured_project(example, idf_py, used_module):
    folder, module = example("flash_only"), used_module()
    idf_py("at_image-flash", cwd=folder, ESPPORT=module.port)
    assert module.flash == module.after_upload(folder / "build/esp_at")
    assert offered(idf_py, folder) == NAMES
    again = used_module()
    idf_py("-p", again.port, "at-flash", cwd=folder)
    assert again.flash == again.after_upload(folder / "build/at_flash") == module.flash


def test_the_build_uses_the_folder_of_packages_too(example, idf_py, offline_packages, tmp_path):
    folder = example("flash_only")
    pip = {name: value for name, value in offline_packages.items() if name.startswith("PIP_")}
    settings = pip | {"ESP_AT_PYTHON": None, "ESP_AT_ENV": None, "IDF_TOOLS_PATH": str(tmp_path / "tools")}
    idf_py("reconfigure", cwd=folder, **settings)
    assert not (tmp_path / "tools").exists()
    idf_py("at_image", cwd=folder, **settings)
    assert len(list((tmp_path / "tools/esp-at").iterdir())) == 1
    idf_py("at-info", cwd=folder, **settings | {"PIP_FIND_LINKS": None})


def test_at_flash_without_the_extension(example, idf_py, used_module):
    folder, module = example("flash_only"), used_module()
    (folder / "idf_ext.py").unlink()
    idf_py("reconfigure", cwd=folder)
    for name in NAMES:
        refused = idf_py("-p", module.port, name, cwd=folder, code=2)
        assert f"Error: idf.py doesn't have the command {name} yet. To add it, copy " in refused.stdout
    assert module.untouched


@pytest.mark.usefixtures("needs_a_compiler")
def test_the_examples_where_they_lie(packed_component, tmp_path, idf_py, used_module):
    """There, the component comes by ``override_path``, where the extension doesn't find it."""
    component, module = shutil.copytree(packed_component, tmp_path / COMPONENT.name), used_module()
    folder = component / "examples/flash_only"
    _write_packages(folder)
    idf_py("set-target", "esp32", cwd=folder)
    refused = idf_py("-p", module.port, "at-flash", cwd=folder, code=2)
    assert f"To add it, link {component} into {folder}/components, or use: " in refused.stdout
    assert module.untouched
    idf_py("at_image-flash", cwd=folder, ESPPORT=module.port)
    assert module.flash == module.after_upload(folder / "build/esp_at")


def test_the_component_adds_nothing_for_linux(tmp_path, packed_component, idf_py):
    component = shutil.copytree(packed_component, tmp_path / COMPONENT.name)
    folder = component / "examples/flash_only"
    (folder / "CMakeLists.txt").write_text(HOST_PROJECT["CMakeLists.txt"])
    configured = idf_py("--preview", "set-target", "linux", cwd=folder, code=None)
    assert configured.returncode == 0, configured.stdout + configured.stderr
    assert "esp_at_flash" in json.loads((folder / "build/project_description.json").read_text())["build_components"]
    refused = idf_py("at_image", cwd=folder, code=2)
    assert "is not known to idf.py" in refused.stderr
