"""What the worker says of a failure, as an error with a next step."""

from __future__ import annotations

import os

import pytest

from platformio_esp_at.device.failures import _KINDS, LINK, failure, kind_of_opening, worker_ended
from platformio_esp_at.errors import FlashError

TEXT = "Failed to do it.\nFor troubleshooting steps visit: https://example.com"


@pytest.fixture(autouse=True)
def _no_ports(monkeypatch):
    monkeypatch.setattr("serial.tools.list_ports.comports", list)


@pytest.mark.parametrize(
    ("kind", "code", "message", "hint"),
    [
        (
            "port-absent",
            "port-absent",
            "there is no port COM3",
            "plug the module in, or write its port, port: PORT; no ",
        ),
        ("port-permission", "port-permission", "you have no permission to open COM3", "add yourself to its group"),
        ("port-busy", "port-busy", "another program has COM3 open", "close serial monitors"),
        ("port-unavailable", "port-unavailable", "COM3 can't be opened: Failed to do it", "write the module's port"),
        ("port-lost", "port-lost", "COM3 is gone: Failed to do it", "plug the module in again"),
        (
            "no-answer",
            "module-not-responding",
            "no chip answers at COM3: Failed to do it",
            "hold BOOT, tap RESET (or EN), and try again; or write another port, port: PORT",
        ),
        (
            "chip",
            "chip-failed",
            "the chip at COM3 doesn't do it: Failed to do it",
            "look at cable and power supply, and run it again",
        ),
        (
            "flash-refuses",
            "flash-bad",
            "the chip can't erase or write its flash: Failed to do it",
            "look at the power supply; if it stays so, ",
        ),
        ("flash", "flash-bad", "the flash doesn't hold what is written: Failed to do it", "run it again; if it stays"),
        (
            "speed",
            "upload-speed-invalid",
            "COM3 doesn't have this speed: Failed to do it",
            "write one that it has, baud",
        ),
        ("esptool", "esptool-failed", "esptool can't be loaded: Failed to do it", "install platformio-esp-at again"),
    ],
)
def test_what_a_failure_becomes(kind, code, message, hint):
    error = failure(kind, TEXT, "COM3")
    assert isinstance(error, FlashError)
    assert (error.code, error.message, error.output) == (code, message, TEXT)
    assert error.hint.startswith(hint)


def test_every_kind_is_tested():
    table = test_what_a_failure_becomes.pytestmark[0].args[1]
    assert {row[0] for row in table} == set(_KINDS)


def test_a_failure_before_a_port_is_known():
    assert failure("no-answer", "x", None).message == "no chip answers at the port: x"


def test_only_failures_of_the_link_are_cured_by_a_slower_speed():
    assert set(LINK) == {_KINDS["chip"].code, "link-bad"}


@pytest.mark.parametrize(("status", "how"), [(1, "with status 1"), (-9, "by signal 9")])
def test_a_worker_that_ended(status, how):
    error = worker_ended(status)
    assert (error.code, error.message) == ("esptool-failed", f"the program that drives esptool ended {how}")


def test_permission_for_a_port_that_is_not_there():
    hint = failure("port-permission", "", "COM3").hint
    assert hint == "add yourself to its group, and log in again: sudo usermod -aG dialout $USER"


def test_permission_for_a_port_comes_with_its_group(tmp_path):
    grp = pytest.importorskip("grp", reason="need groups of files")
    port = tmp_path / "tty"
    port.touch()
    for group in grp.getgrall():
        try:
            os.chown(port, -1, group.gr_gid)
        except OSError:
            continue  # we aren't in that group
        hint = failure("port-permission", "", str(port)).hint
        if group.gr_name == "root":
            assert hint.startswith(f"let your user open it: sudo chmod a+rw {port}, ")
        else:
            assert hint.endswith(f": sudo usermod -aG {grp.getgrgid(group.gr_gid).gr_name} $USER")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(2, "could not open port /dev/ttyUSB9"), "port-absent"),
        (OSError(13, "could not open port /dev/ttyUSB0: Permission denied"), "port-permission"),
        (OSError(11, "Could not exclusively lock port /dev/ttyUSB0"), "port-busy"),
        (OSError("could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)"), "port-busy"),
        (OSError("could not open port 'COM9': FileNotFoundError(2, '…', None, 2)"), "port-absent"),
        (ValueError("Not a valid baudrate"), "port-unavailable"),
    ],
)
def test_why_a_port_can_not_be_opened(error, kind):
    assert kind_of_opening(error) == kind
