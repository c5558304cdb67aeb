"""The targets on a platform that compiles programs, through the extra script; in a checkout, as its developers do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TARGETS = {
    "package_at": ("Package AT Firmware", "Write the image set of the AT module, without a device"),
    "upload_at": ("Upload AT Firmware", "Flash the AT module; its saved settings stay"),
    "upload_at_factory": (
        "Upload AT Factory Image",
        "Flash the AT module's combined image; erases all that is saved on it",
    ),
    "verify_at": ("Verify AT Firmware", "Compare the AT module's flash with the image set"),
    "test_at": ("Test AT Module", "Look whether the AT module is alive and as planned"),
    "erase_at": ("Erase AT Module", "Erase the AT module's whole flash, with all that is saved on it"),
    "backup_at": ("Back Up AT Module", "Save what the AT module holds in a folder"),
    "restore_at": ("Restore AT Module", "Put back what a backup of the AT module has saved"),
    "info_at": ("Show AT Flash Plan", "Show what upload_at writes and keeps, without a device"),
    "table_at": ("Show AT User Partitions", "Show the AT module's user partition table as CSV"),
    "report_at": (
        "Report on AT Firmware",
        "Write a page about the AT module: its flash, wiring, parameters, certificates and last run",
    ),
}
SCRIPT = Path(__file__).parents[2] / "esp_at.py"
INI = f"""\
    [env:it]
    platform = compiling
    board = esp32dev
    extra_scripts = pre:{SCRIPT}
    custom_at_firmware = firmware.zip
    custom_at_module = WROOM-32
"""
FRAMEWORKS = {"no framework": "", "framework": "    framework = arduino\n"}
COMPILING = "Compiling the program"
PREPARING = "Looking for the program's sources and libraries"
SOURCE = {"src/main.cpp": "int main() {}"}


@pytest.fixture(params=FRAMEWORKS.values(), ids=FRAMEWORKS)
def framework_project(request, project):
    return lambda **files: project(INI + request.param, **files)


def test_flashing_the_module_leaves_the_program_alone(framework_project, compiling_pio, used_module):
    module = used_module()
    folder = framework_project()  # has no sources: they aren't looked for
    said = compiling_pio(f"run -t upload_at -t verify_at --upload-port {module.port}", folder).stdout
    assert PREPARING not in said
    assert COMPILING not in said
    assert not (folder / ".pio/build/it/program.bin").exists()
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")


def test_everything_else_still_compiles_it(framework_project, compiling_pio):
    folder = framework_project(**SOURCE)
    program = folder / ".pio/build/it/program.bin"
    said = compiling_pio("run", folder).stdout
    assert said.index(PREPARING) < said.index(COMPILING)
    assert "AT module" not in said
    program.unlink()
    said = compiling_pio("run -t upload -t info_at", folder).stdout
    assert said.index(COMPILING) < said.index("Uploading the program") < said.index("AT module: WROOM-32")
    assert program.exists()


def test_the_targets_are_listed_with_titles_and_descriptions(framework_project, compiling_pio):
    said = compiling_pio("run --list-targets", framework_project(**SOURCE)).stdout
    rows = [re.split(r"\s{2,}", line.strip()) for line in said.splitlines()]
    ours = {row[2]: (row[3], row[4]) for row in rows if row[0] == "it" and row[1] == "Custom"}
    assert ours == TARGETS


BOTH = INI.replace("platform = compiling", "platform = espressif_at")
"""The flash-only platform, which has the targets itself, in a project whose extra script adds them, too."""


def test_the_extra_script_on_the_flash_only_platform_lists_each_target_once(project, at_pio):
    said = at_pio("run --list-targets", project(BOTH)).stdout
    rows = [re.split(r"\s{2,}", line.strip()) for line in said.splitlines() if line.startswith("it ")]
    assert sorted(row[2] for row in rows) == sorted([*TARGETS, "upload", "erase"])
    own_names = {"upload": TARGETS["upload_at"], "erase": TARGETS["erase_at"]}
    assert {row[2]: (row[3], row[4]) for row in rows} == {**TARGETS, **own_names}


def test_the_extra_script_on_the_flash_only_platform_runs_a_target_once(project, at_pio):
    said = at_pio("run -t info_at", project(BOTH)).stdout
    assert said.count("AT module: WROOM-32 ") == 1
    assert said.count("Offset ") == 1


def test_the_table_of_a_project(project, at_pio):
    folder = project(f"{BOTH}custom_at_partitions = own.csv\n", **{"own.csv": "ours, 0x40, 15, , 4K\n"})
    assert "\nours, 0x40, 0x0f, 0x3d000, 0x1000\nfatfs, " in at_pio("run -t table_at", folder).stdout
    said = at_pio("run -t report_at", folder).stdout
    (page,) = folder.glob(".pio/build/*/esp_at_report.html")
    assert f"Wrote {page}" in said


@pytest.mark.parametrize("target", ["upload_at", "upload"])
def test_the_extra_script_on_the_flash_only_platform_flashes(target, project, at_pio, used_module):
    module = used_module()
    folder = project(BOTH)
    said = at_pio(f"run -t {target} --upload-port {module.port}", folder).stdout
    assert said.count("Connected at ") == 1
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")


def test_the_extra_script_on_the_flash_only_platform_packages_by_default(project, at_pio):
    folder = project(BOTH)
    assert at_pio("run", folder).stdout.count("Wrote 17 images and the factory image to ") == 1
    assert (folder / ".pio/build/it/esp_at/esp-at.bin").is_file()
