"""The ESP-IDF component: its CMake with a real cmake, on stand-ins for IDF's functions that record their calls."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path, PurePosixPath

import pytest
from idf_component_tools.hash_tools.calculate import hash_dir
from idf_component_tools.hash_tools.errors import HashNotEqualError
from idf_component_tools.hash_tools.validate import validate_hashfile_eq_hashdir
from idf_stand_ins import STAND_IN_IDF, building, configuring, program
from old_pythons import NEEDED, old_pythons

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.sample_pki import sample_pki
from platformio_esp_at.formats.pki import PkiType
from platformio_esp_at.idf.actions import ACTIONS
from platformio_esp_at.launcher import environment

ROOT = Path(__file__).parents[2]
COMPONENT = ROOT / "idf_component/esp_at_flash"

PROJECT = "cmake_minimum_required(VERSION 3.16)\ninclude($ENV{IDF_PATH}/tools/cmake/project.cmake)\nproject(host)\n"
FIRMWARE = 'CONFIG_ESP_AT_FIRMWARE="firmware.zip"\nCONFIG_ESP_AT_MODULE="WROOM-32"\n'
NOT_SET = "".join(f"CONFIG_ESP_AT_UART_{pin}_PIN=-2\n" for pin in ("TX", "RX", "CTS", "RTS"))
SDKCONFIG = f'CONFIG_IDF_TARGET="esp32"\nCONFIG_ESP_AT_PARTITIONS=""\n{NOT_SET}CONFIG_ESP_AT_UART_BAUDRATE=0\n'
WITH_APP = "CONFIG_ESP_AT_FLASH_WITH_APP=y\n"
AS_FIRMWARE = {"at_customize_offset": "0x20000", "at_customize_size": "0xe0000", "at_customize_encrypted": "False"}


class IdfProject:
    """A project on the stand-ins, in a folder with its sdkconfig."""

    def __init__(self, folder):
        self.folder, self.build_folder = folder, folder / "build"
        self.output = self.build_folder / "esp_at"
        self.manifest = self.output / "esp_at_manifest.json"

    def configure(self, *, code=0, python=sys.executable, **variables):
        values = {"COMPONENT": COMPONENT, "PYTHON": python} | variables
        return self._run(configuring(self.folder, self.build_folder, **values), code)

    def build(self, *targets, code=0, **environment):
        return self._run(building(self.build_folder, *targets), code, environment)

    def _run(self, command, code, environment=None):
        env = {name: value for name, value in os.environ.items() if name not in ("ESPPORT", "ESPBAUD")}
        env["IDF_PATH"] = str(STAND_IN_IDF)
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=env | (environment or {})
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def calls(self, function):
        lines = (self.build_folder / "calls.txt").read_text().splitlines()
        return [line.split("|")[1:] for line in lines if line.split("|")[0] == function]

    def is_rebuilt(self, target="at_image"):
        """Build, and return whether the image set was made anew; anything else would be a surprise, too."""
        before = self.manifest.stat().st_mtime_ns
        said = self.build(target)
        rebuilt = self.manifest.stat().st_mtime_ns != before
        assert rebuilt or "Packaging" not in said
        return rebuilt


@pytest.fixture
def idf_project(project):
    """Write an `IdfProject`: lines of its sdkconfig, esp_at.yml, and files named for their paths."""

    def write(sdkconfig=FIRMWARE, yml="", **files):
        return IdfProject(project(yml=yml, sdkconfig=SDKCONFIG + sdkconfig, **{"CMakeLists.txt": PROJECT} | files))

    return write


def newer(path):
    """Give a file the time of now, and the file system time to see that it differs from the one of before."""
    now = path.stat().st_mtime_ns
    while path.stat().st_mtime_ns == now:
        path.touch()


@pytest.fixture
def component(request, tmp_path, packed_component):
    """Return the component as it lies in the checkout, as it is linked from there, or as it is packed."""
    link = tmp_path / "components" / COMPONENT.name
    link.parent.mkdir()
    link.symlink_to(COMPONENT, target_is_directory=True)
    return {"in the checkout": COMPONENT, "linked": link, "packed": packed_component}[request.param]


PLACES = ["in the checkout", "linked", "packed"]

# --- the image set ---


def test_the_image_set_is_what_esp_at_makes(idf_project, esp_at):
    made = idf_project('CONFIG_ESP_AT_FIRMWARE="firmware.zip"\nCONFIG_ESP_AT_UART_TX_PIN=4\n' + "CONFIG_SPIRAM=y\n")
    made.configure()
    said = made.build("at_image")
    assert "AT module: WROVER-32" in said  # for the PSRAM
    options = ["--firmware", made.folder / "firmware.zip", "--module", "WROVER-32", "--factory-param", "uart_tx_pin=4"]
    esp_at("package", *options, "-o", "other")
    files = json.loads(made.manifest.read_text())["files"]
    for path in files:
        assert (made.output / path).read_bytes() == (made.folder.parent / "other" / path).read_bytes()


def test_esp_at_yml_wins_over_menuconfig_key_by_key(idf_project, esp_at):
    made = idf_project(
        FIRMWARE.replace("firmware.zip", "nowhere.zip") + "CONFIG_ESP_AT_UART_TX_PIN=4\nCONFIG_ESP_AT_UART_RX_PIN=5\n",
        yml="firmware: firmware.zip\nfactory_param: {uart_rx_pin: 18}\n",
    )
    made.configure()
    assert "AT module: WROOM-32 (CONFIG_ESP_AT_MODULE)" in made.build("at_image")
    values = esp_at("inspect", made.output / "customized_partitions/factory_param.bin", "--json").stdout
    values = json.loads(values)
    assert (values["uart_tx_pin"], values["uart_rx_pin"], values["uart_baudrate"]) == (4, 18, 115200)


def test_packaged_again_only_when_an_input_has_changed(idf_project):
    made = idf_project(
        yml="data: {ours: 'a $table #1.bin'}\n",
        **{"own.csv": "factory_param, 0x40, 8, 0x30000, 4K\nours, 0x40, 15, 0x3d000, 4K\n"},
        **{"a $table #1.bin": b"1"},
    )
    (made.folder / "sdkconfig").write_text(
        SDKCONFIG.replace('PARTITIONS=""', 'PARTITIONS="own.csv"') + FIRMWARE, encoding="utf-8"
    )
    made.configure()
    made.build("at_image")
    assert not made.is_rebuilt()
    made.configure()
    assert not made.is_rebuilt()
    for path in ("esp_at.yml", "a $table #1.bin", "own.csv", "firmware.zip", "sdkconfig"):
        newer(made.folder / path)
        assert made.is_rebuilt(), path
        assert not made.is_rebuilt(), path
    newer(made.folder / "CMakeLists.txt")
    assert not made.is_rebuilt()


@pytest.mark.parametrize("sdkconfig", ["", WITH_APP])
def test_an_image_that_is_gone_or_changed_is_made_again(sdkconfig, idf_project):
    made = idf_project(FIRMWARE + sdkconfig)
    target = "flash" if sdkconfig else "at_image"
    made.configure(**AS_FIRMWARE)
    made.build(target)
    for path in ("esp-at.bin", "download.config", "customized_partitions/mqtt_key.bin", "factory/factory_WROOM-32.bin"):
        image = made.output / path
        content = image.read_bytes()
        image.unlink()
        made.build(target)
        assert image.read_bytes() == content, path
        assert not made.is_rebuilt(target), path
    image.write_bytes(b"something else")
    newer(image)
    made.build(target)
    assert image.read_bytes() == content
    assert not made.is_rebuilt(target)


def test_flashing_leaves_an_image_set_that_is_up_to_date(idf_project, used_module):
    made = idf_project()
    made.configure()
    made.build("at_image")
    made.build("at_image-flash", ESPPORT=used_module().port)
    made.build("at_image")
    assert not made.is_rebuilt()


def test_files_that_appear_count(idf_project):
    made = idf_project(FIRMWARE)
    (made.folder / "firmware.zip").unlink()
    write_sample_package(made.folder / "firmware.zip")  # as a file of its own, to be replaced by a folder
    made.configure()
    made.build("at_image")
    assert not made.is_rebuilt()
    (made.folder / "esp_at.yml").write_text("module: PICO-D4\n")
    assert made.is_rebuilt()
    assert json.loads(made.manifest.read_text())["module"] == "PICO-D4"
    (made.folder / "esp_at.yml").write_text("module: PICO-D5\n")
    assert "esp_at.yml:1: unknown ESP32 AT module 'PICO-D5'  [unknown-module]\n" in made.build("at_image", code=1)
    (made.folder / "esp_at.yml").write_text("module: PICO-D4\n")
    made.build("at_image")


def test_the_build_folder_of_an_esp_at_checkout(idf_project):
    made = idf_project('CONFIG_ESP_AT_FIRMWARE="build"\nCONFIG_ESP_AT_MODULE="WROOM-32"\n' + WITH_APP)
    write_sample_package(made.build_folder)
    assert "this project's own build, whose idf.py flash writes all of it already" in " ".join(made.configure().split())
    said = made.build("at_image")
    assert said.index("IDF's own app") < said.index("Firmware package: build")
    made.build("at_image")  # its own output inside the firmware package does no harm
    assert len(json.loads(made.manifest.read_text())["images"]) == 17


# --- flashing ---


@pytest.mark.parametrize("component", PLACES, indirect=True)
def test_flash(component, idf_project, used_module):
    made = idf_project()
    made.configure(COMPONENT=component)
    module = used_module()
    made.build("at_image-flash", ESPPORT=module.port, ESPBAUD="921600")
    assert module.flash == module.after_upload(made.output)
    made.build("at_image")
    assert not made.is_rebuilt()


@pytest.fixture
def recording_python(tmp_path):
    """Return a Python that writes down how it is asked to flash, and on which port of the environment."""
    script = tmp_path / "recording_python"
    # A shell's script: the first line of one for Python can't name a Python whose path has a space.
    script.write_text(
        textwrap.dedent(f"""\
            #!/bin/sh
            for word in "$@"; do
                if [ "$word" = flash ]; then
                    exec printf '%s\\n' "$@" "$ESPTOOL_PORT" >{shlex.quote(str(tmp_path / "asked.txt"))}
                fi
            done
            exec {shlex.quote(sys.executable)} "$@"
        """)
    )
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    ("yml", "environment", "connection"),
    [
        ("", {"ESPPORT": "/dev/ttyUSB7"}, ["/dev/ttyUSB7"]),
        ("", {"ESPPORT": "COM3", "ESPBAUD": "115200"}, ["-b", "115200", "COM3"]),
        ("skip: [ble_data]\nport: COM4 # the module's\n", {"ESPPORT": "COM3", "ESPBAUD": "9600"}, ["-b", "9600", ""]),
        ("port: COM4\nbaud: 115200\n", {"ESPBAUD": "9600"}, [""]),
        ("port:\n", {}, None),
        ("", {}, None),
    ],
)
def test_port_and_speed(yml, environment, connection, idf_project, recording_python):
    made = idf_project(yml=yml)
    made.configure(python=recording_python)
    said = made.build("at_image-flash", code=0 if connection is not None else 1, **environment)
    if connection is None:
        assert "No port is named for the AT module." in said
        assert not recording_python.with_name("asked.txt").exists()
        return
    asked = recording_python.with_name("asked.txt").read_text().splitlines()
    options = ["-C", str(made.folder), "-o", str(made.output), "--sdkconfig", str(made.folder / "sdkconfig")]
    assert asked == [str(ROOT / "platformio_esp_at/launcher"), "flash", *options, *connection]


def test_plain_flash_is_left_alone_unless_asked(idf_project):
    made = idf_project()
    made.configure(**AS_FIRMWARE)
    assert made.calls("idf_component_register") == [["PRIV_REQUIRES", "esptool_py", "partition_table"]]
    assert made.calls("esptool_py_flash_target_image") == []
    made.build("flash", "all")
    assert not made.output.exists()


def test_plain_flash_writes_the_content_of_at_customize(idf_project):
    made = idf_project(FIRMWARE + WITH_APP, yml="skip: [server_cert, server_key]\n")
    made.configure(**AS_FIRMWARE)
    joined = made.calls("esptool_py_flash_target_image")
    images = json.loads(made.manifest.read_text())["images"]
    expected = [image for image in images if 0x20000 <= int(image["offset"], 16) < 0x100000]
    assert len(expected) == 10
    paths = [PurePosixPath(image["path"]) for image in expected]
    assert joined == [
        ["flash", f"at_image-{path.stem}", image["offset"], f"esp_at/{path}", "ALWAYS_PLAINTEXT"]
        for image, path in zip(expected, paths, strict=True)
    ]
    made.build("flash")
    # What IDF 6.1 leaves beside the images that it has written is no hindrance.
    (made.output / "at_customize_flashed.bin").write_bytes(b"")
    (made.folder / "esp_at.yml").write_text("skip: [server_cert]\n")
    assert made.is_rebuilt("flash")
    assert len(made.calls("esptool_py_flash_target_image")) == 11
    assert not made.is_rebuilt("flash")


@pytest.mark.parametrize(
    ("sdkconfig", "table", "reason"),
    [
        ("", {}, "the project's partition table has no partition at_customize; the AT firmware has it at 0x20000"),
        ("", AS_FIRMWARE | {"at_customize_offset": "0x30000"}, "at_customize at 0x30000, the AT firmware at 0x20000"),
        ('CONFIG_ESP_AT_MODULE="WROM-32"\n', AS_FIRMWARE, "'WROM-32' [unknown-module]"),
        ('CONFIG_ESP_AT_FIRMWARE=""\n', AS_FIRMWARE, "no ESP-AT firmware package is named"),
    ],
)
def test_plain_flash_fails_where_it_cannot_write_all(sdkconfig, table, reason, idf_project):
    made = idf_project(FIRMWARE + WITH_APP + sdkconfig)
    assert reason in " ".join(made.configure(**table).split())
    assert made.calls("esptool_py_flash_target_image") == []
    assert "idf.py flash can't write the AT module's part (CONFIG_ESP_AT_FLASH_WITH_APP): " in made.build(
        "flash", code=1
    )
    made.build("app")


def test_plain_flash_of_another_chip(idf_project):
    made = idf_project(FIRMWARE + WITH_APP, yml="board: none\n")
    config = made.folder / "sdkconfig"
    config.write_text(config.read_text().replace('TARGET="esp32"', 'TARGET="esp32c3"'))
    assert "the AT firmware is for esp32, and this project is for esp32c3" in " ".join(
        made.configure(**AS_FIRMWARE).split()
    )
    made.build("flash", code=1)


# --- guards ---


@pytest.mark.parametrize("variable", ["BOOTLOADER_BUILD", "CMAKE_BUILD_EARLY_EXPANSION"])
def test_no_targets_in_builds_that_flash_nothing(variable, idf_project):
    made = idf_project()
    made.configure(**{variable: 1})
    assert not re.search("at_image|at-", made.build("help"))


def test_no_targets_for_linux(idf_project):
    made = idf_project()
    config = made.folder / "sdkconfig"
    config.write_text(config.read_text().replace('TARGET="esp32"', 'TARGET="linux"'))
    made.configure()
    assert made.calls("idf_component_register") == [[]]
    assert not re.search("at_image|at-", made.build("help"))


def test_nothing_named_is_no_trouble_until_it_is_asked_for(idf_project):
    made = idf_project('CONFIG_ESP_AT_FIRMWARE=""\n')
    assert "Warning" not in made.configure()
    made.build("all")
    assert "Error: no ESP-AT firmware package is named" in made.build("at_image-flash", code=1, ESPPORT="COM3")


# --- the Python that runs it ---


def test_the_package_of_the_component_runs(packed_component, idf_project, recording_python):
    made = idf_project()
    made.configure(COMPONENT=packed_component, python=recording_python)
    made.build("at_image-flash", ESPPORT="COM3")
    asked = recording_python.with_name("asked.txt").read_text().splitlines()
    assert asked[:2] == [str(packed_component / "platformio_esp_at/launcher"), "flash"]


def test_a_copy_from_a_checkout(idf_project, tmp_path):
    copy = shutil.copytree(COMPONENT, tmp_path / "components/esp_at_flash")
    made = idf_project()
    made.configure(COMPONENT=copy)
    made.build("all", "flash")
    for target in ("at_image", "at_image-flash"):
        said = made.build(target, code=1, ESPPORT="COM3")
        assert f"Error: {copy} has no folder platformio_esp_at: it is a copy from a checkout, where a link" in said


@pytest.mark.parametrize("old_python", old_pythons()[:1] or [pytest.param("", marks=pytest.mark.skip(reason=NEEDED))])
def test_an_old_python_takes_a_newer_one_of_path(idf_project, old_python, tmp_path, monkeypatch):
    newer = tmp_path / "bin/python{}.{}".format(*sys.version_info)
    newer.parent.mkdir()
    newer.symlink_to(sys.executable)
    packages = tmp_path / "packages" / environment._name(str(newer))
    packages.parent.mkdir()
    packages.symlink_to(sysconfig.get_path("purelib"), target_is_directory=True)
    monkeypatch.delenv("ESP_AT_PYTHON")
    monkeypatch.setenv("ESP_AT_ENV", str(packages.parent))
    monkeypatch.setenv("PATH", str(newer.parent))
    made = idf_project()
    made.configure(python=old_python)
    assert "AT module: WROOM-32" in made.build("at_image")
    newer.unlink()
    (made.folder / "esp_at.yml").touch()
    said = made.build("at_image", code=1)
    assert "Error: Python 3.10 or newer is needed; this one is " in said
    assert f" ({old_python})  [python-too-old]\n" in said
    assert "install a newer one" in said


# --- further modules ---


CALLS = """
    esp_at_create_module_image(left esp_at_left.yml)
    add_custom_command(OUTPUT ca.pem
        COMMAND ${CMAKE_COMMAND} -E copy "${CMAKE_SOURCE_DIR}/source.pem" ca.pem DEPENDS source.pem)
    esp_at_create_module_image(right modules/esp_at_right.yml DEPENDS "${CMAKE_CURRENT_BINARY_DIR}/ca.pem")
"""


@pytest.fixture
def two_modules(idf_project):
    """Configure a project for an ESP32-S2 that has two further modules, an ESP32 and an ESP32-C3."""

    def configure(left="", calls=CALLS, **variables):
        made = idf_project(
            f'CONFIG_ESP_AT_FIRMWARE=""\n{NOT_SET.replace("TX_PIN=-2", "TX_PIN=99")}',
            **{"CMakeLists.txt": PROJECT + calls, "source.pem": sample_pki("mqtt", PkiType.CA)},
            **{"esp_at_left.yml": f"firmware: firmware.zip\nmodule: WROOM-32\n{left}"},
            **{"modules/esp_at_right.yml": "firmware: ../c3.zip\nmodule: MINI-1\npki: {mqtt_ca: ../build/ca.pem}\n"},
        )
        write_sample_package(made.folder / "c3.zip", "esp32c3")
        config = made.folder / "sdkconfig"
        config.write_text(config.read_text().replace('TARGET="esp32"', 'TARGET="esp32s2"'))
        made.configure(**variables)
        return made

    return configure


def manifest_of(made, name):
    return made.build_folder / f"esp_at_{name}/esp_at/esp_at_manifest.json"


def test_two_modules_are_made_apart(two_modules):
    made = two_modules()
    made.build("at_image_left", "at_image_right")
    manifests = {name: manifest_of(made, name) for name in ("left", "right")}
    assert [json.loads(file.read_text())["chip"] for file in manifests.values()] == ["esp32", "esp32c3"]

    def rebuilt():
        before = {name: file.stat().st_mtime_ns for name, file in manifests.items()}
        made.build("at_image_left", "at_image_right")
        return [name for name, file in manifests.items() if file.stat().st_mtime_ns != before[name]]

    assert rebuilt() == []
    newer(made.folder / "esp_at_left.yml")
    assert rebuilt() == ["left"]
    newer(made.folder / "source.pem")
    assert rebuilt() == ["right"]
    newer(made.folder / "sdkconfig")
    assert rebuilt() == []
    manifests["left"].with_name("esp-at.bin").unlink()
    assert rebuilt() == ["left"]


def test_a_port_that_is_not_there(idf_project):
    made = idf_project(yml="module: WROOM-32\n")
    made.configure()
    said = made.build("at_image-flash", code=1, ESPPORT="/dev/no-such-port")
    assert "there is no port /dev/no-such-port; nothing was written  [port-absent]" in said
    assert "write its port, port: PORT in esp_at.yml; " in said


def test_two_modules_are_flashed(two_modules, used_module):
    left, right = used_module("esp32"), used_module("esp32c3")
    made = two_modules(left=f"port: {left.port}\n")
    said = made.build("at_image_right-flash", code=1)
    assert "Flashing the AT module right" in said
    assert "No port is named for the AT module." in said
    assert "write port: PORT into esp_at_right.yml, or use idf.py -p PORT at-flash" in " ".join(said.split())
    made.build("at_image_left-flash", "at_image_right-flash", ESPPORT=right.port)
    for name, module in (("left", left), ("right", right)):
        place = made.build_folder / f"esp_at_{name}"
        assert module.flash == module.after_upload(place / "esp_at")
        assert json.loads((place / "esp_at_report.json").read_text())["device"]["chip"] == module.chip
    made.build("all", "flash")


def test_the_project_file_of_a_module_is_missing(two_modules):
    made = two_modules()
    (made.folder / "esp_at_left.yml").rename(made.folder / "esp_at_lefd.yml")
    said = made.build("at_image_left", code=1)
    assert "there is no project file esp_at_left.yml  [project-file-not-found]\n" in said
    assert "  did you mean --project-file esp_at_lefd.yml?\n" in said
    said = made.build("at_image", code=1)
    assert "For esp_at_lefd.yml, use the targets that esp_at_create_module_image has added" not in said
    said = " ".join(made.configure(code=1).split())
    missing = made.folder / "esp_at_left.yml"
    assert f"esp_at_create_module_image(left esp_at_left.yml): there is no project file {missing}: " in said
    missing.write_bytes((made.folder / "esp_at_lefd.yml").read_bytes())
    made.configure()
    said = made.build("at_image", code=1)
    assert "For esp_at_lefd.yml, esp_at_left.yml, use the targets that esp_at_create_module_image has added" in said


def test_the_project_file_of_a_module_is_made_by_the_build(two_modules):
    calls = """
    add_custom_command(OUTPUT made.yml
        COMMAND ${CMAKE_COMMAND} -E copy "${CMAKE_SOURCE_DIR}/esp_at_left.yml" made.yml)
    esp_at_create_module_image(made "${CMAKE_CURRENT_BINARY_DIR}/made.yml" DEPENDS made.yml)
"""
    made = two_modules(calls=calls)
    (made.folder / "esp_at_left.yml").write_text("firmware: ../firmware.zip\nmodule: WROOM-32\n")
    made.build("at_image_made")
    assert manifest_of(made, "made").is_file()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("left esp_at_left.yml FLASH_IN_PROJECT", "unknown argument FLASH_IN_PROJECT: it takes DEPENDS alone."),
        ('"le ft" esp_at_left.yml', "'le ft' can't be part of a target's name: take letters, digits, _ and - alone"),
        (
            "left sdkconfig)\n    esp_at_create_module_image(left sdkconfig",
            "there is a target at_image_left or at_image_left-flash already: give each module another name",
        ),
    ],
)
def test_a_wrong_call(call, message, idf_project):
    made = idf_project(**{"CMakeLists.txt": f"{PROJECT}esp_at_create_module_image({call})\n"})
    assert message in " ".join(made.configure(code=1).split())


@pytest.mark.parametrize("variable", ["BOOTLOADER_BUILD", "CMAKE_BUILD_EARLY_EXPANSION"])
def test_no_further_module_in_builds_that_flash_nothing(variable, two_modules):
    made = two_modules(calls="    esp_at_create_module_image(left esp_at_left.yml)\n", **{variable: 1})
    assert "at_image_left" not in made.build("help")


def test_a_further_module_of_a_copy_from_a_checkout(two_modules, tmp_path):
    copy = shutil.copytree(COMPONENT, tmp_path / "components/esp_at_flash")
    made = two_modules(COMPONENT=copy)
    said = made.build("at_image_left-flash", code=1, ESPPORT="COM3")
    assert f"Error: {copy} has no folder platformio_esp_at: it is a copy from a checkout, where a link" in said


# --- without the extension of idf.py ---


EXTENSION = (COMPONENT / "examples/flash_only/idf_ext.py").read_text()


@pytest.mark.parametrize("sdkconfig", [FIRMWARE, 'CONFIG_ESP_AT_FIRMWARE=""\n'])
def test_a_target_for_each_action_explains_itself(sdkconfig, idf_project, used_module):
    made, module = idf_project(sdkconfig), used_module()
    made.configure()
    instead = {"at-package": "idf.py at_image", "at-flash": "ESPPORT=PORT idf.py at_image-flash"}
    for action in ACTIONS:
        said = made.build(action.name, code=1, ESPPORT=module.port)
        expected = f"Error: idf.py doesn't have the command {action.name} yet. "
        expected += f"To add it, copy {COMPONENT}/examples/flash_only/idf_ext.py into {made.folder}"
        if action.name in instead:
            expected += f", or use: {instead[action.name]}"
        assert said.splitlines().count(expected) == said.count("doesn't have the command") == 1
    assert module.untouched
    assert not made.output.exists()


@pytest.mark.parametrize(
    ("files", "step"),
    [
        ({"idf_ext.py": "def action_extensions(*_):\n    return {}\n"}, "To add it, let {folder}/idf_ext.py return "),
        ({"idf_ext.py": EXTENSION}, f"To add it, link {COMPONENT} into {{folder}}/components, or "),
        (
            {"idf_ext.py": EXTENSION, "managed_components/example__esp_at_flash/esp_at_idf.py": ""},
            "Run the command again if this component was not there yet; else see the WARNING in the first lines ",
        ),
    ],
    ids=["an extension of its own", "another folder", "fetched just now"],
)
def test_why_an_action_is_missing(files, step, idf_project):
    made = idf_project(**files)
    made.configure()
    said = made.build("at-flash", code=1)
    assert f"idf.py doesn't have the command at-flash yet. {step.format(folder=made.folder)}" in said


def test_a_component_in_a_folder_of_another_name(idf_project):
    made = idf_project(**{"idf_ext.py": EXTENSION})
    renamed = made.folder / "components" / "at"
    renamed.parent.mkdir()
    shutil.copytree(COMPONENT, renamed)
    made.configure(COMPONENT=renamed)
    assert f"To add it, rename {renamed} to esp_at_flash, or " in made.build("at-flash", code=1)


# --- the examples ---


def test_the_flash_only_example(idf_project):
    defaults = (COMPONENT / "examples/flash_only/sdkconfig.defaults").read_text()
    made = idf_project(defaults)
    write_sample_package(made.folder / "ESP32-WROOM-32-AT-V4.1.1.0.zip", "esp32", nvs=True)
    made.configure()
    made.build("at_image")
    manifest = json.loads(made.manifest.read_text())
    assert manifest["module"] == "WROOM-32"
    assert {"uart_tx_pin": 17, "uart_rx_pin": 16, "uart_cts_pin": -1}.items() <= manifest["factory_param"].items()


def test_the_example_with_a_host(idf_project):
    made = idf_project("", yml=(COMPONENT / "examples/host_with_module/esp_at.yml").read_text())
    write_sample_package(made.folder / "ESP32-C3-MINI-1-AT-V4.1.1.0.zip", "esp32c3", nvs=True)
    made.configure()  # for another chip than the module's
    assert "AT module: MINI-1 (esp_at.yml:2)" in made.build("at_image")


# --- what ESP-IDF's component manager makes of it ---


@pytest.fixture
def requirements_of_main(tmp_path):
    """Resolve the dependencies of a project by the two steps that ESP-IDF's CMake runs.

    Return the names of the components that the manager has added, and the names that ``main`` requires then. ESP-IDF
    takes the folder's name as the name of a component.
    """

    def resolve(project):
        work = tmp_path / "work"
        work.mkdir()
        files = {name: work / name for name in ("local.yml", "managed.cmake", "requirements.cmake")}
        files["local.yml"].write_text(
            f"components:\n  - {{name: main, path: '{project / 'main'}', source: project_components}}\n"
        )
        step(work, project, "prepare_dependencies", local_components_list_file=files["local.yml"],
             managed_components_list_file=files["managed.cmake"])  # fmt: skip
        folders = re.findall(r'^idf_build_component\("([^"]+)"', files["managed.cmake"].read_text(), re.MULTILINE)
        added = [Path(folder).name for folder in folders]
        files["requirements.cmake"].write_text(
            "".join(
                f'__component_set_property(___idf_{name} REQUIRES "")\n'
                f'__component_set_property(___idf_{name} __COMPONENT_SOURCE "{source}")\n'
                for name, source in [("main", "project_components"), *((name, MANAGED) for name in added)]
            )
        )
        step(work, project, "inject_requirements", component_requires_file=files["requirements.cmake"])
        (required,) = re.findall(
            r'^__component_set_property\(___idf_main PRIV_REQUIRES "(.*)"\)$',
            files["requirements.cmake"].read_text(),
            re.MULTILINE,
        )
        return added, required.split(";")

    def step(work, project, name, **options):
        general = {"project_dir": project, "interface_version": 4, "lock_path": work / "dependencies.lock"}
        done = subprocess.run(
            [sys.executable, "-m", "idf_component_manager.prepare_components"]
            + [f"--{option}={value}" for option, value in general.items()]
            + [name, f"--build_dir={work}"]
            + [f"--{option}={value}" for option, value in options.items()],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ
            | {"IDF_PATH": str(work), "IDF_TARGET": "esp32", "ESP_IDF_VERSION": "5.5", "IDF_VERSION": "5.5.5"},
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return resolve


EXAMPLES = sorted(path.parent.name for path in COMPONENT.glob("examples/*/CMakeLists.txt"))
MANAGED = "project_managed_components"


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_find_the_component(example, requirements_of_main, tmp_path):
    component = shutil.copytree(COMPONENT, tmp_path / COMPONENT.name)
    added, required = requirements_of_main(component / "examples" / example)
    assert (added, required) == (["esp_at_flash"], ["esp_at_flash"])


def test_a_renamed_folder_is_not_found(requirements_of_main, tmp_path):
    """The rule that the examples depend on: if the manager drops it one day, so can our README."""
    component = shutil.copytree(COMPONENT, tmp_path / "renamed")
    added, required = requirements_of_main(component / "examples/flash_only")
    assert (added, required) == (["renamed"], ["example__esp_at_flash"])


# --- what the component registry takes ---


def test_kconfig_is_in_good_style(tmp_path):
    shutil.copy(COMPONENT / "Kconfig", tmp_path)
    command = [sys.executable, "-m", "kconfcheck", tmp_path / "Kconfig"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("component", ["in the checkout", "packed"], indirect=True)
def test_manifests_are_valid(component):
    assert len(list(component.rglob("idf_component.yml"))) == 3
    command = [program("compote"), "manifest", "lint", component]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_the_component_can_be_packed(packed_component, tmp_path):
    packed = tmp_path / "packed"
    command = [program("compote"), "component", "pack", "--name", "esp_at_flash", "--dest-dir", packed]
    subprocess.run(command, cwd=packed_component, capture_output=True, check=True)
    (folder,) = (path for path in packed.iterdir() if path.is_dir())
    assert _files(folder) >= _files(packed_component) >= _files(COMPONENT)
    assert {"platformio_esp_at/idf/options.json", "platformio_esp_at/launcher/requirements.txt"} <= _files(folder)


def test_the_component_manager_finds_it_unchanged_after_it_ran(packed_component, tmp_path):
    """Python leaves its cache in it; then, the manager would neither remove nor replace it."""
    component = shutil.copytree(packed_component, tmp_path / "managed_components/example__esp_at_flash")
    Path(component, ".component_hash").write_text(hash_dir(component))
    launcher = component / "platformio_esp_at/launcher"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, launcher, "--version"], env=env, capture_output=True, check=True)
    assert list(component.rglob("*.pyc"))
    validate_hashfile_eq_hashdir(component)
    (component / "other.txt").touch()
    with pytest.raises(HashNotEqualError):
        validate_hashfile_eq_hashdir(component)


def _files(folder):
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path for path in files if "__pycache__" not in path}
