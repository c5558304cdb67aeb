"""How the device is reached, and what of a run is shown and reported: by the options of each front end."""

from __future__ import annotations

import json
import re

import pytest
from device_runs import DeviceProject

from platformio_esp_at.demo.reset_lines import ChipState

YML = "firmware: firmware.zip\nmodule: WROOM-32\n"
INI = """\
    [env:at]
    platform = espressif_at
    board = esp32dev
    custom_at_firmware = firmware.zip
    custom_at_module = WROOM-32
"""
OF_ESPTOOL = ("Serial port ", "Connecting...", "Stub flasher", "Compressed ", "Hash of data", "Changing baud rate")


@pytest.fixture
def at(project, tmp_path):
    """Write a project, by default one with `YML`, and return it."""
    return lambda **files: DeviceProject(project(**{"yml": YML, **files}), tmp_path / "scratch")


# --- options ---


@pytest.mark.parametrize("place", ["esp_at.yml", "command line"])
def test_without_the_stub(at, used_module, place):
    in_file = place == "esp_at.yml"
    project, module = at(yml=f"{YML}no_stub: true\n" if in_file else YML), used_module()
    done = project.completes("flash", "-v", "-p", module.port, *([] if in_file else ["--no-stub"]), module=module)
    assert "stub" not in done.out.lower()
    assert project.report["device"]["has_stub"] is False
    module.reset_counts()
    project.completes("flash", "-p", module.port, "--no-stub", module=module)
    assert (module.writes, module.erases) == ([], [])


@pytest.mark.parametrize(("after", "state"), [("hard-reset", ChipState.FIRMWARE), ("no-reset", ChipState.BOOTLOADER)])
def test_how_the_module_leaves_its_bootloader(at, used_module, after, state):
    project, module = at(yml=f"{YML}after: {after}\n"), used_module(transport="rfc2217")
    module.boot()
    done = project.completes("flash", "-p", module.port, module=module)
    assert module.state is state
    assert ("[not-restarted]" in done.err) is (after == "no-reset")


def test_how_the_module_comes_into_its_bootloader(at, used_module):
    """With ``no-reset``, it must be there."""
    impatient = {"esptool.cfg": "[esptool]\nconnect_attempts = 1\n"}
    project, module = at(yml=f"{YML}before: no-reset\n", **impatient), used_module(transport="rfc2217")
    module.boot()
    project.refused("flash", "-p", module.port, code="module-not-responding", state="nothing was written")
    assert module.untouched
    project.run("flash", "-p", module.port, "--before", "default-reset", "--after", "no-reset")
    assert module.flash == module.after_upload(project.image_set)
    project.completes("flash", "-p", module.port, module=module)


def test_settings_that_esptool_does_not_have(at, used_module):
    project, module = at(), used_module()
    for option in ("--before", "--after"):
        error = project.run("flash", "-p", module.port, option, "nonsense", code=1).error
        assert error.startswith(f"Error: {option}: ")
        assert "  [option-invalid]\n" in error
    assert module.untouched


# --- PlatformIO ---


def test_upload_flags(project, at_pio, used_module):
    module = used_module()
    flags = "    upload_flags =\n        --no-stub\n        --before=no_reset\n        --after no_reset\n"
    folder = project(f"{INI}{flags}    upload_speed = 230400\n")
    said = at_pio(f"run -v -t upload_at --upload-port {module.port}", folder)
    report = json.loads((folder / ".pio/build/at/esp_at_report.json").read_text())
    assert (report["device"]["has_stub"], report["device"]["baud"]) == (False, 230_400)
    assert 'Pre-connection option "no-reset" was selected' in said.stdout
    assert "[not-restarted]" in said.stderr
    assert module.flash == module.after_upload(folder / ".pio/build/at/esp_at")


def test_what_pio_shows(project, at_pio, used_module):
    module, folder = used_module(), project(INI)
    quiet = at_pio(f"run -t upload_at --upload-port {module.port}", folder)
    for words in OF_ESPTOOL:
        assert words not in quiet.stdout + quiet.stderr
    assert len((quiet.stdout + quiet.stderr).splitlines()) < 60
    again = at_pio(f"run -v -t upload_at --upload-port {module.port}", folder)
    assert again.stdout.index("Connecting...") < again.stdout.index("Connected at ")
    silent = at_pio(f"run -s -t upload_at --upload-port {module.port}", folder)
    assert "Connect" not in silent.stdout
    assert module.flash == module.after_upload(folder / ".pio/build/at/esp_at")


def test_esptool_cfg_of_a_project_under_pio(project, at_pio, silent_port):
    folder = project(INI, **{"esptool.cfg": "[esptool]\nconnect_attempts = 1\n"})
    failed = at_pio(f"run -v -t upload_at --upload-port {silent_port}", folder, code=1)
    assert "[module-not-responding]" in failed.stderr
    (dots,) = re.findall(r"^(\.+)$|Connecting(\.+)$", failed.stdout, re.MULTILINE)[-1:]
    assert len("".join(dots).removeprefix("...")) in (2, 5)  # five, maybe behind the three of "Connecting..."


# --- what is shown ---


def test_events_for_programs(at, used_module):
    project, module = at(), used_module()
    done = project.run("flash", "--json", "-p", module.port)
    events = [json.loads(line) for line in done.out.splitlines()]
    assert done.err == ""
    names = [event["event"] for event in events if event["event"] not in ("esptool_output", "progressed")]
    assert names == ["planned", "connected", *["image_done"] * 17, "updated", "noticed"]
    connected = next(event for event in events if event["event"] == "connected")
    assert (connected["chip"], connected["flash_size"], connected["baud"]) == ("esp32", 4 << 20, 460_800)
    assert all(event["written"] for event in events if event["event"] == "image_done")
    failed = project.run("flash", "--json", "-p", "/dev/ttyNONE", code=1)
    last = json.loads(failed.out.splitlines()[-1])
    assert (last["event"], last["code"]) == ("error", "port-absent")


def test_a_quiet_run_shows_warnings_and_errors_alone(at, used_module):
    project, module = at(), used_module()
    done = project.completes("flash", "-q", "-p", module.port, module=module)
    assert done.out == ""
    assert done.err.startswith("Note: the firmware isn't started")
    failed = project.run("flash", "-q", "-p", "/dev/ttyNONE", code=1)
    assert failed.out == ""
    assert "[port-absent]" in failed.error


def test_a_verbose_run_shows_what_esptool_says(at, used_module):
    project, module = at(), used_module()
    done = project.completes("flash", "-v", "-p", module.port, module=module)
    for words in ("Serial port ", "Connecting...", "Changing baud rate to 460800", "Hash of data verified."):
        assert words in done.out


# --- the report ---


def test_the_report(at, used_module):
    project, module = at(), used_module()
    project.run("flash", "-p", module.port)
    report = project.report
    assert (report["command"], report["ended"], report["module_state"]) == ("upload", "succeeded", "whole")
    assert (report["module"], report["device"]["chip"], report["device"]["port"]) == ("WROOM-32", "esp32", module.port)
    assert len(report["images"]) == 17
    assert {image["result"] for image in report["images"]} == {"written"}
    assert "nvs" in report["kept"]
    project.run("flash", "-p", module.port)
    assert {(image["written"], image["result"]) for image in project.report["images"]} == {(0, "unchanged")}
    (project.folder / "esp_at.yml").write_text(f"{YML}factory_param: {{uart_tx_pin: 5}}\n")
    project.run("verify", "-p", module.port, code=1)
    report = project.report
    assert (report["command"], report["ended"], report["module_state"]) == ("verify", "content-differs", "as_before")
    assert list(report["differing"]) == ["factory_param"]
    project.run("erase", "-p", module.port)
    assert (project.report["command"], project.report["ended"]) == ("erase", "succeeded")
