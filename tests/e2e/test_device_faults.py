"""Faults of port, link and chip: an error with its code, what is on the module now, and a way that leads on."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from device_runs import AS_BEFORE, HALF, LONG, DeviceProject, running_of, wait_for_end
from esp_images import for_revisions
from processes import wait_for

from platformio_esp_at.demo.faults import DamagedByte, RefusedErase, RefusedWrite, SpeedLimit, StuckBits, Unplugged
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.demo.security import Security
from platformio_esp_at.device.ports import usb_ports

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="need Linux's ps")

YML = "firmware: firmware.zip\nmodule: WROOM-32\n"
IMPATIENT = "[esptool]\nconnect_attempts = 1\ntimeout = 0.5\n"
"""An ``esptool.cfg``: what doesn't answer is given up soon."""
OTA_0 = 0x100000
NOBODY = 65534


@pytest.fixture
def at(project, tmp_path):
    """Write a project, by default one with `YML`, and return it."""
    return lambda **files: DeviceProject(project(**{"yml": YML, **files}), tmp_path / "scratch")


# --- the port ---


def test_a_port_that_is_gone(at, used_module):
    project, module = at(), used_module()
    flash = ("flash", "-p", module.port)
    module.unplug()
    error = project.refused(*flash, code="port-absent", state=AS_BEFORE)
    assert error.startswith(f"Error: there is no port {module.port}; ")
    assert "\n  plug the module in, or write its port, -p PORT; " in error
    module.plug_in()
    assert module.untouched
    project.completes(*flash, module=module)


def test_a_port_that_was_never_there(at, used_module):
    project, module = at(), used_module()
    error = project.refused("flash", "-p", "/dev/ttyNONE", code="port-absent", state=AS_BEFORE)
    assert "there is no port /dev/ttyNONE; " in error
    assert module.untouched


@pytest.mark.skipif(bool(usb_ports()), reason="need a computer without a serial port on USB")
def test_no_port_at_all(at, used_module):
    project, module = at(), used_module()
    error = project.run("flash", code=1).error
    assert error.startswith("Error: no module is plugged in: no serial port is on USB  [port-missing]\n  plug it in ")
    assert "--port PORT" in error
    project.completes("flash", "-p", module.port, module=module)


def test_a_port_that_another_program_has(at, used_module):
    project, module = at(), used_module()
    flash = ("flash", "-p", module.port)
    monitor = "import serial, sys; open_port = serial.Serial(sys.argv[1], exclusive=True); print(); input()"
    words = [sys.executable, "-c", monitor, module.port]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        done = project.wait(project.start(*flash), 1)
        project.check_error(done, "port-busy", AS_BEFORE)
        assert f"another program has {module.port} open; " in done.error
        assert "\n  close serial monitors, and what else flashes; then run it again\n" in done.error
        other.communicate(b"\n")
    assert module.untouched
    project.completes(*flash, module=module)


def test_two_runs_on_one_port(at, used_module):
    project, module = at(**LONG), used_module()
    flash = ("flash", "-p", module.port)
    first = project.writing(*flash, module=module)
    first.send_signal(signal.SIGSTOP)  # it has the port as long as the other run needs to find that out
    second = project.wait(project.start(*flash), 1)
    assert "nothing was written  [port-busy]\n" in second.error
    first.send_signal(signal.SIGCONT)
    project.wait(first)
    project.check_nothing_is_left()
    assert module.flash == module.after_upload(project.image_set)
    writes = len(module.writes)
    project.completes(*flash, module=module)
    assert len(module.writes) == writes


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="need root, to run as another user")
def test_a_port_without_permission(used_module, sample_zip):
    grp = pytest.importorskip("grp")
    module, group = used_module(), grp.getgrall()[-1]
    with tempfile.TemporaryDirectory() as place:  # pytest's folders are for their owner alone
        folder = Path(place, "project")
        folder.mkdir()
        (folder / "esp_at.yml").write_text(YML)
        shutil.copy(sample_zip(), folder / "firmware.zip")
        port = Path(module.port).resolve()
        os.chown(port, 0, group.gr_gid)
        port.chmod(0o660)
        project = DeviceProject(folder, Path(place, "scratch"))
        for path in (Path(place), *Path(place).rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        other_user = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "env": {"HOME": place}}
        if not _runs([sys.executable, "-c", "import platformio_esp_at"], **other_user):
            pytest.skip("need a Python and a checkout that other users can read")
        flash = ("flash", "-p", port)
        error = project.refused(*flash, code="port-permission", state=AS_BEFORE, **other_user)
        assert f"you have no permission to open {port}; " in error
        assert group.gr_name == "root" or f"sudo usermod -aG {group.gr_name} $USER" in error
        assert module.untouched
        port.chmod(0o666)
        project.run(*flash, **other_user)
        assert module.flash == module.after_upload(project.image_set)


def _runs(command, **options):
    try:
        return subprocess.run(command, check=False, **options).returncode == 0
    except PermissionError:
        return False


@pytest.mark.parametrize("way", ["environment", "esptool.cfg"])
def test_nobody_answers(at, used_module, silent_port, monkeypatch, way):
    project = at() if way == "environment" else at(**{"esptool.cfg": IMPATIENT})
    if way == "environment":
        monkeypatch.setenv("ESPTOOL_CONNECT_ATTEMPTS", "1")
    done = project.run("flash", "-v", "-p", silent_port, code=1)
    project.check_error(done, "module-not-responding", AS_BEFORE)
    assert f"no chip answers at {silent_port}: " in done.error
    assert "\n  hold BOOT, tap RESET (or EN), and try again" in done.error
    dots = "".join(re.findall(r"\.{3,}", done.out))
    assert len(dots) == len("Connecting...") - len("Connecting") + 5  # esptool's five of one attempt
    module = used_module()
    project.completes("flash", "-p", module.port, module=module)


# --- unplugged ---


@pytest.mark.parametrize("after", [5_000, 200_000], ids=["while-it-looks", "while-it-writes"])
def test_unplugged_in_the_middle(at, used_module, after):
    project = at(**LONG, **{"esptool.cfg": IMPATIENT})
    module = used_module(faults=[Unplugged(after)])
    flash = ("flash", "-p", module.port)
    run = project.start(*flash)
    wait_for(lambda: not module.is_plugged_in or run.poll() is not None, "the loss of the port")
    done = project.wait(run, 1)
    project.check_nothing_is_left()
    written = bool(module.writes)
    project.check_error(done, "port-lost", HALF if written else AS_BEFORE)
    assert written == (after == 200_000)
    assert f"Error: {module.port} is gone: " in done.error
    assert "\n  plug the module in again, look at cable and power supply" in done.error
    module.plug_in()
    project.completes(*flash, module=module)


def test_unplugged_and_plugged_in_again(at, used_module):
    """Esptool waits for some seconds for a module that it has lost."""
    project, module = at(**LONG), used_module(faults=[Unplugged(200_000)])
    run = project.start("flash", "-p", module.port)
    wait_for(lambda: not module.is_plugged_in or run.poll() is not None, "the loss of the port")
    module.plug_in()
    project.wait(run)
    project.check_nothing_is_left()
    assert module.flash == module.after_upload(project.image_set)
    assert project.report["module_state"] == "whole"


# --- the link ---


@pytest.mark.parametrize(("limit", "speeds"), [(230_400, [230_400]), (115_200, [230_400, 115_200])])
def test_a_speed_above_which_the_link_is_garbage(at, used_module, limit, speeds):
    project, module = at(**{"esptool.cfg": IMPATIENT}), used_module(faults=[SpeedLimit(limit)])
    done = project.completes("flash", "-p", module.port, module=module)
    for was, now in zip([460_800, *speeds], speeds, strict=False):
        assert f"Warning: the link fails at {was} baud: going on at {now}  [upload-speed-reduced]\n" in done.err
    assert done.err.count("[upload-speed-reduced]") == len(speeds)
    assert f" {limit} baud\n" in done.out
    assert project.report["device"]["baud"] == limit


@pytest.mark.parametrize(
    ("fault", "reductions"),
    [
        pytest.param(DamagedByte(100_000, lost=True), 0, id="of-a-block"),  # esptool itself sends it again
        pytest.param(DamagedByte(1_010, lost=True, to_client=True), 1, id="of-a-digest"),
    ],
)
def test_one_byte_lost_on_the_line(at, used_module, fault, reductions):
    project, module = at(**LONG, **{"esptool.cfg": IMPATIENT}), used_module(faults=[fault])
    done = project.completes("flash", "-p", module.port, module=module)
    assert done.err.count("[upload-speed-reduced]") == reductions
    assert project.report["device"]["baud"] == [460_800, 230_400][reductions]


def test_bytes_lost_at_every_speed(at, used_module):
    """It is tried at each slower speed, then given up."""
    project = at(**{"esptool.cfg": IMPATIENT})
    module = used_module(faults=[DamagedByte(700, lost=True, repeats=True, to_client=True)])
    done = project.run("flash", "-p", module.port, code=1)
    assert done.err.count("[upload-speed-reduced]") == 2
    state = HALF if module.writes else AS_BEFORE
    project.check_error(done, project.report["ended"], state)
    assert "look at cable and power supply" in done.error


# --- the flash ---


@pytest.mark.parametrize("in_part", [True, False], ids=["in-what-is-written-in-part", "in-what-is-written-whole"])
def test_a_bad_cell(at, used_module, in_part):
    """It fails each time, and says what to do."""
    project, module = at(), used_module()
    flash = ("flash", "-p", module.port)
    bad = OTA_0 + 0x1234
    if in_part:
        project.run(*flash)
        byte = module.flash[bad]
    else:
        byte = sample_package("esp32")["esp-at.bin"][bad - OTA_0]
    module.add_fault(StuckBits(bad, ones=~byte & 0xFF, zeros=byte))
    for _ in range(2):
        error = project.refused(*flash, code="flash-bad", state=HALF)
        assert "Error: the flash doesn't hold what " in error
        assert "\n  run it again; if it stays so, the flash or its power supply is bad: take another module" in error


@pytest.mark.parametrize("fault", [RefusedErase(OTA_0), RefusedWrite(OTA_0)])
def test_a_flash_that_refuses(at, used_module, fault):
    """No slower speed is tried: the chip answers."""
    project, module = at(), used_module(faults=[fault])
    error = project.refused("flash", "-p", module.port, code="flash-bad", state=HALF)
    assert "power supply" in error
    assert "upload-speed-reduced" not in error


# --- the chip ---

PROTECTED = [
    ("esp32", Security("v1"), "secure-boot"),
    ("esp32", Security("v2"), "secure-boot"),
    ("esp32", Security(None, "development"), "flash-encrypted"),
    ("esp32", Security(None, "release"), "flash-encrypted"),
    ("esp32c3", Security("v2"), "secure-boot"),
    ("esp32c3", Security(None, "development"), "flash-encrypted"),
    ("esp32c3", Security(None, "release"), "flash-encrypted"),
    ("esp32c3", Security(secure_download=True), "secure-download"),
    ("esp32c3", Security("v2", "release", secure_download=True), "secure-download"),
]


@pytest.mark.parametrize(("chip", "security", "code"), PROTECTED)
def test_a_protected_chip(at, used_module, chip, security, code):
    project, module = at(chip=chip, yml="firmware: firmware.zip\n"), used_module(chip, security=security)
    error = project.refused("flash", "-p", module.port, code=code, state=AS_BEFORE)
    assert "\n  take another module: its eFuses can't be changed back" in error
    assert security.flash_encryption is None or code != "flash-encrypted" or security.flash_encryption in error
    assert module.untouched
    told = project.report["device"]["security"]
    assert told["secure_download"] is security.secure_download
    assert told["secure_boot"] is (security.secure_boot is not None)
    assert told["encryption"] == security.flash_encryption


@pytest.mark.parametrize(
    ("command", "of"), [(("flash", "--factory"), 3), (("flash", "--all"), 7), (("verify",), 3), (("erase",), 7)]
)
def test_no_command_touches_a_protected_chip(at, used_module, command, of):
    chip, security, code = PROTECTED[of]
    project, module = at(chip=chip, yml="firmware: firmware.zip\n"), used_module(chip, security=security)
    project.refused(*command, "-p", module.port, code=code, state=AS_BEFORE)
    assert module.untouched


def test_another_chip(at, used_module):
    project, wrong, right = at(), used_module("esp32c3"), used_module()
    error = project.refused("flash", "-p", wrong.port, code="device-other-chip", state=AS_BEFORE)
    assert f"the device at {wrong.port} is an ESP32-C3, the firmware is for ESP32; " in error
    assert "-p PORT" in error
    assert wrong.untouched
    project.completes("flash", "-p", right.port, module=right)


def test_too_little_flash(at, used_module):
    project, small, large = at(), used_module(size=2 << 20), used_module(size=8 << 20)
    error = project.refused("flash", "-p", small.port, code="device-flash-too-small", state=AS_BEFORE)
    assert "the device has 2MB of flash, less than the 4MB that the firmware is laid out for; " in error
    assert small.untouched
    project.completes("flash", "-p", large.port, module=large)


def test_an_older_revision(at, used_module):
    project, module = at(chip="esp32c3", yml="firmware: NEW\n"), used_module("esp32c3")
    write_sample_package(project.folder / "NEW", "esp32c3")
    app = project.folder / "NEW/esp-at.bin"
    app.write_bytes(for_revisions(app.read_bytes(), 9000, 9099))
    done = project.wait(project.start("flash", "-p", module.port), 1)
    project.check_error(done, "chip-revision", AS_BEFORE)
    assert "the firmware is for v90.0" in done.error
    assert module.untouched


# --- ended from outside ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_in_the_middle(at, used_module, number):
    project, module = at(**LONG), used_module()
    flash = ("flash", "-p", module.port)
    run = project.writing(*flash, module=module)
    processes = running_of(run)
    assert len(processes) == 2
    run.send_signal(number)
    done = project.wait(run, -number if number == signal.SIGKILL else 1)
    wait_for_end(processes)
    assert module.flash != module.after_upload(project.image_set)
    if number == signal.SIGKILL:
        assert not done.err
    else:
        project.check_error(done, "interrupted", HALF)
        project.check_nothing_is_left()
    project.completes(*flash, module=module)


def test_the_worker_is_killed(at, used_module):
    project, module = at(**LONG), used_module()
    flash = ("flash", "-p", module.port)
    run = project.writing(*flash, module=module)
    _, worker = running_of(run)
    os.kill(worker, signal.SIGKILL)
    done = project.wait(run, 1)
    project.check_nothing_is_left()
    project.check_error(done, "esptool-failed", HALF)
    assert "ended by signal 9; " in done.error
    project.completes(*flash, module=module)


def test_a_worker_that_is_stopped_does_not_outlive_us(at, used_module):
    project, module = at(**LONG), used_module()
    run = project.writing("flash", "-p", module.port, module=module)
    _, worker = running_of(run)
    os.kill(worker, signal.SIGSTOP)
    run.send_signal(signal.SIGINT)
    done = project.wait(run, 1)
    project.check_nothing_is_left()
    project.check_error(done, "interrupted", HALF)


# --- the disk ---


@pytest.fixture
def small_disk(tmp_path):
    """Mount a small disk, which a function makes larger."""
    place = tmp_path / "small disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if os.getuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("need root, to mount a small disk")

    def enlarge(size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)

    yield place, enlarge
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(small_disk, used_module, sample_zip, tmp_path):
    place, enlarge = small_disk
    (place / "esp_at.yml").write_text(YML)
    shutil.copy(sample_zip(), place / "firmware.zip")
    project, module = DeviceProject(place, tmp_path / "scratch"), used_module()
    flash = ("flash", "-p", module.port)
    error = project.run(*flash, code=1).error
    assert error.startswith("Error: build/esp_at can't be written: No space left on device  [not-writable]\n")
    assert "\n  make room there, or name a folder that you can write\n" in error
    assert module.untouched
    assert not list(place.glob("build/*"))
    enlarge("64m")
    project.completes(*flash, module=module)


# --- many kills ---


def test_killed_at_random_moments(at, used_module, request):
    """After each kill, one run completes the upload; ``--flash-kills`` makes it many."""
    project, module = at(**LONG), used_module()
    start = time.monotonic()
    project.completes("flash", "-p", module.port, module=module)
    duration = time.monotonic() - start
    for _ in range(request.config.getoption("flash_kills")):
        module = used_module()
        flash = ("flash", "-p", module.port)
        run = project.start(*flash)
        time.sleep(random.uniform(0, duration))  # noqa: S311
        processes = running_of(run)
        run.kill()
        project.wait(run, None)
        wait_for_end(processes)
        project.completes(*flash, module=module)
