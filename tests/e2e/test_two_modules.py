"""Two modules in one project, each with a project file of its own: nothing of one gets into the other's way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.demo.sample_package import write_sample_package

SCRIPT = Path(__file__).parents[2] / "esp_at.py"
LEFT = "firmware: firmware.zip\nmodule: WROOM-32\nboard: none\n"
RIGHT = "firmware: c3.zip\nmodule: MINI-1\nboard: none\n"
OWN = "partitions: {}.csv\n"
OWN_FILES = {"left.csv": "log, 0x40, 5, , 4K\nmine, 0x40, 5, , 4K\n", "right.csv": "mine, 0x40, 5, , 4K\n"}


@pytest.fixture
def two(project):
    """Write a project with the files of two modules, an ESP32 and an ESP32-C3; more lines for each."""

    def write(ini="", left="", right="", **files):
        named = {"esp_at_left.yml": LEFT + left, "esp_at_right.yml": RIGHT + right}
        folder = project(ini, **named | files)
        write_sample_package(folder / "c3.zip", "esp32c3")
        return folder

    return write


@pytest.fixture
def modules(used_module):
    """Return both modules; each is at a port of its own."""
    return {"left": used_module("esp32"), "right": used_module("esp32c3")}


def ports_of(modules):
    return {side: f"port: {module.port}\n" for side, module in modules.items()}


def is_flashed(module, place):
    """Return whether a module has the image set of a folder, and the report beside that is of this module."""
    report = json.loads((place / "esp_at_report.json").read_text())
    return module.flash == module.after_upload(place / "esp_at") and report["device"]["chip"] == module.chip


# --- PlatformIO ---


@pytest.mark.parametrize("has_files", [True, False])
def test_two_environments(has_files, two, modules, compiling_pio):
    own = {"left": "custom_at_project_file = esp_at_left.yml", "right": "custom_at_project_file = right"}
    if not has_files:
        own = {
            side: f"custom_at_firmware = {file}\n    custom_at_module = {name}\n    custom_at_board = none\n"
            f"    custom_at_port = {modules[side].port}"
            for side, file, name in (("left", "firmware.zip", "WROOM-32"), ("right", "c3.zip", "MINI-1"))
        }
    environments = "".join(f"    [env:{side}]\n    board = host_mcu\n    {lines}\n" for side, lines in own.items())
    head = f"    [env]\n    platform = compiling\n    framework = arduino\n    extra_scripts = pre:{SCRIPT}\n"
    folder = two(head + environments, **ports_of(modules))
    if not has_files:
        for side in own:
            (folder / f"esp_at_{side}.yml").unlink()
    compiling_pio("run -t upload_at", folder)
    for side, module in modules.items():
        assert is_flashed(module, folder / ".pio/build" / side)
    compiling_pio("run -t report_at", folder)
    pages = [(folder / ".pio/build" / side / "esp_at_report.html").read_text() for side in modules]
    assert ["MINI-1" in page for page in pages] == [False, True]


def test_a_misspelt_file_of_an_environment(two, at_pio):
    ini = "[env:left]\nplatform = espressif_at\nboard = esp32dev\ncustom_at_project_file = {}\n"
    folder = two(ini.format("esp_at_lefd.yml"))
    refused = at_pio("run -t info_at", folder, code=1).stderr
    assert (
        "platformio.ini [env:left] custom_at_project_file: there is no project file esp_at_lefd.yml  "
        "[project-file-not-found]\n"
        "  did you mean custom_at_project_file = esp_at_left.yml in platformio.ini?\n"
        "  there are esp_at_left.yml, esp_at_right.yml; looked for "
    ) in refused
    (folder / "platformio.ini").write_text(ini.format("left"))
    (folder / "esp_at_left.yml").write_text(LEFT + "factory_param: {uart_tx_pin: 99}\n")
    assert "Error: esp_at_left.yml:4:uart_tx_pin: " in at_pio("run -t info_at", folder, code=1).stderr


# --- the command line ---


def test_both_at_once_on_the_command_line(two, modules, esp_at):
    folder = two(**ports_of(modules))
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "platformio_esp_at", "flash", "-C", folder, "-f", side],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for side in modules
    ]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    for side, module in modules.items():
        assert is_flashed(module, folder / f"build/esp_at_{side}")
        verified = esp_at("verify", "-f", f"esp_at_{side}.yml", cwd=folder).stdout
        assert "The device has all " in verified
        esp_at("report", "-f", side, cwd=folder)
        assert (folder / f"build/esp_at_{side}/esp_at_report.html").is_file()
    assert sorted(path.name for path in (folder / "build").iterdir()) == ["esp_at_left", "esp_at_right"]


def test_what_is_locked_is_of_one_module(two, esp_at):
    """Both are the same AT module here, with partitions of their own that have the same name in both."""
    left, right = (OWN.format(side) for side in ("left", "right"))
    folder = two(left=left, **OWN_FILES)
    (folder / "esp_at_right.yml").write_text(LEFT + right)
    for side in ("left", "right", "left"):
        said = esp_at("package", "-f", side, cwd=folder)
        assert "partition-stays" not in said.stderr
    locks = {side: (folder / f"esp_at_{side}.lock").read_text() for side in ("left", "right")}
    assert "name: log" in locks["left"]
    assert "name: log" not in locks["right"]
    assert not (folder / "esp_at.lock").exists()
    (folder / "left.csv").write_text("mine, 0x40, 5, , 4K\n")
    assert "stays where esp_at_left.lock has it" in esp_at("package", "-f", "left", cwd=folder).stderr


def test_no_file_is_named(two, esp_at):
    folder = two()
    refused = esp_at("info", cwd=folder, code=1).stderr
    assert "no firmware package is named, and there is no esp_at.yml in " in refused
    assert "  or name the project file of the module: --project-file esp_at_left.yml or --project-file esp" in refused


def test_a_file_in_another_folder(two, esp_at):
    """What it names is looked for in its own folder, and its lock lies there."""
    folder = two()
    place = folder / "modules"
    place.mkdir()
    (folder / "left.csv").write_text("nonsense")
    (place / "left.csv").write_text(OWN_FILES["left.csv"])
    (place / "left.yml").write_text(LEFT.replace("firmware.zip", "../firmware.zip") + OWN.format("left"))
    esp_at("package", "-C", folder, "-f", "modules/left.yml", cwd=folder.parent)
    assert (folder / "build/modules+left/esp_at/esp_at_manifest.json").is_file()
    assert (place / "left.lock").is_file()


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("esp_at_left.yaml", "esp_at_left.yaml is no project file: its name must end with .yml  [misnamed-file]"),
        ("gsm", "there is no project file esp_at_gsm.yml  [project-file-not-found]"),
    ],
)
def test_what_is_no_project_file(named, message, two, esp_at):
    refused = esp_at("info", "-f", named, cwd=two(), code=1).stderr
    assert refused.startswith(f"Error: --project-file: {message}\n  there are esp_at_left.yml, esp_at_right.yml")


def test_a_project_file_names_no_other(two, esp_at):
    folder = two(left="project_file: esp_at_right.yml\n")
    refused = esp_at("info", "-f", "left", cwd=folder, code=1).stderr
    assert "esp_at_left.yml:4:1: project_file is no option here  [unknown-option]\n  remove it: " in refused


def test_doctor_looks_at_both(two):
    folder = two()
    command = [sys.executable, "-m", "platformio_esp_at", "doctor", "-C", folder, "--json"]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)
    words = [finding["words"] for finding in found if finding["subject"] == "project"]
    assert [text.partition(":")[0] for text in words] == ["esp_at_left.yml", "esp_at_right.yml"]
