"""The AT port, on real pseudo terminals: what is sent at which speed, and what becomes of a port that fails."""

from __future__ import annotations

import os
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("need pseudo terminals", allow_module_level=True)

import fcntl
import termios
from pathlib import Path

from played_module import PlayedModule

from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.device.command_port import Patience, open_command_port
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.formats.at_replies import Result

OK = b"\r\nOK\r\n"
GMR = b"Bin version:v4.1.1.0(WROOM-32)\r\n\r\nOK\r\n"
LONG = Patience(quiet=0.02, reply=10, other=10)
"""For a module that answers: nothing waits longer than the answer takes."""
SHORT = Patience(quiet=0.02, reply=0.05, other=0.03)
"""For one that doesn't."""
LIVE = {"AT": [OK], "AT+GMR": [GMR]}


def _talk(module, speeds=(115200,), patience=LONG, unasked=b""):
    with open_command_port(module.port, speeds[0], patience) as port:
        if unasked:
            module.say(unasked)
        return port.ask(speeds)


def test_a_module_that_answers():
    with PlayedModule(LIVE) as module:
        talk = _talk(module)
        assert module.commands == [b"AT", b"AT+GMR"]
    assert talk.answered is not None
    assert talk.answered.baud == 115200
    assert talk.version.firmware == "v4.1.1.0"
    assert talk.port == module.port


@pytest.mark.parametrize("pieces", [1, 2, 7])
@pytest.mark.parametrize("echo", [True, False])
def test_replies_in_parts(echo, pieces):
    with PlayedModule(LIVE, echo=echo, pieces=pieces) as module:
        assert _talk(module).version.module_name == "WROOM-32"


def test_other_speeds_are_tried_in_their_order():
    with PlayedModule(LIVE, baud=9600) as module:
        talk = _talk(module, (921600, 115200, 921600, 9600, 57600), Patience(quiet=0.02, reply=0.05, other=0.7))
        assert [baud for baud, _ in module.received] == [921600, 921600, 115200, 9600, 9600]
    assert talk.answered is not None
    assert talk.answered.baud == 9600


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # of pyserial 3.5
def test_a_remote_port():
    with SimulatedModule("esp32", transport="rfc2217", boot_log=b"ready\r\n") as module:
        talk = _talk(module, patience=SHORT)
        assert module.received  # AT, which the simulated firmware doesn't answer
    assert talk.answered is None


def test_silence():
    with PlayedModule({"*": [b""]}, echo=False, noise=b"") as module:
        talk = _talk(module, (115200, 9600), SHORT)
    assert talk.answered is None
    assert [(one.baud, one.heard) for one in talk.exchanges] == [(115200, b""), (115200, b""), (9600, b"")]


def test_a_loop_is_not_tried_at_every_speed():
    with PlayedModule({}, loopback=True) as module:
        talk = _talk(module, (115200, 9600, 921600, 57600), Patience(quiet=0.02, reply=0.4, other=0.4))
    assert {one.baud for one in talk.exchanges} == {115200, 9600}


@pytest.mark.parametrize(
    "first",
    [b"busy p...\r\n", b"\r\nERROR\r\n", b"\xff\xfe\r\nready\r\n", b"\r\n\r\nO"],
    ids=["busy", "half a line before", "boots", "half an answer"],
)
def test_it_is_asked_again(first):
    with PlayedModule({"AT": [first, first, OK], "AT+GMR": [GMR]}) as module:
        talk = _talk(module, patience=Patience(quiet=0.02, reply=0.5))
        assert module.commands.count(b"AT") == 3
    assert talk.version.firmware == "v4.1.1.0"


@pytest.mark.parametrize("unasked", [b"\r\nready\r\nWIFI GOT IP\r\n\r\n>", b"HTTP/1.1 200 OK\r\nServer: example\r\n"])
def test_nothing_is_sent_in_passthrough_mode(unasked):
    with PlayedModule(LIVE) as module:
        talk = _talk(module, unasked=unasked)
        assert module.received == []
    assert talk.exchanges == ()
    assert talk.unasked == unasked


def test_what_came_unasked():
    with PlayedModule(LIVE) as module:
        talk = _talk(module, unasked=b"\r\nready\r\n")
    assert talk.unasked == b"\r\nready\r\n"
    assert talk.answered is not None


def test_a_flood_ends():
    with PlayedModule({"*": [b"x" * 5000]}, echo=False) as module:
        talk = _talk(module, patience=SHORT)
    assert talk.exchanges[-1].reply.result is Result.NOTHING


def test_an_adapter_without_that_speed(monkeypatch):
    def refuse(*_):
        raise ValueError("speed")

    monkeypatch.setattr("serial.Serial._set_special_baudrate", refuse)
    with PlayedModule(LIVE) as module, open_command_port(module.port, 115200, LONG) as port:
        talk = port.ask((123456, 115200))
    assert talk.refused_speeds == (123456,)
    assert talk.answered is not None


# --- DTR and RTS ---


def test_rts_is_never_alone(monkeypatch):
    """RTS without DTR resets a chip. The system raises both when a port is opened; pyserial clears one at a time."""
    lines = {"DTR", "RTS"}
    seen = []
    ioctl = fcntl.ioctl

    def record(fd, request, argument=0, *rest):
        if request in (termios.TIOCMBIC, termios.TIOCMBIS):
            bits = int.from_bytes(argument, sys.byteorder)
            changed = {name for name in ("DTR", "RTS") if bits & getattr(termios, f"TIOCM_{name}")}
            (lines.difference_update if request == termios.TIOCMBIC else lines.update)(changed)
            seen.append(frozenset(lines))
            return b""
        return ioctl(fd, request, argument, *rest)

    monkeypatch.setattr(fcntl, "ioctl", record)
    with PlayedModule(LIVE) as module:
        _talk(module)
    assert {"RTS"} not in seen
    assert seen[-1] == frozenset()


# --- ports that fail ---


def _refused(name):
    with pytest.raises(EspAtError) as caught, open_command_port(str(name), 115200):
        pass
    return caught.value


def test_no_such_port(tmp_path):
    error = _refused(tmp_path / "ttyUSB9")
    assert (error.code, error.message) == ("port-absent", f"there is no port {tmp_path / 'ttyUSB9'}")
    assert error.facts["port"] == str(tmp_path / "ttyUSB9")
    assert "command_port: PORT" in error.hint


def test_no_port_at_all(tmp_path):
    (tmp_path / "file").touch()
    assert "can't be opened: Could not configure port" in _refused(tmp_path / "file").message
    assert _refused("no-protocol://x").code == "port-unavailable"


def test_a_port_in_use():
    with PlayedModule(LIVE) as module, open_command_port(module.port, 115200):
        error = _refused(module.port)
    assert (error.code, error.message) == ("port-busy", f"another program has {module.port} open")


def test_a_port_of_a_group(monkeypatch, tmp_path):
    def deny(*_):
        raise PermissionError(13, "Permission denied")

    with PlayedModule(LIVE) as module:
        group = Path(module.port).group()
        monkeypatch.setattr(os, "open", deny)
        error = _refused(module.port)
    assert (error.code, error.message) == ("port-permission", f"you have no permission to open {module.port}")
    assert ("a rule of udev" if group == "root" else f"sudo usermod -aG {group} $USER") in error.hint


def test_a_port_that_goes_away():
    with PlayedModule(LIVE) as module, open_command_port(module.port, 115200, SHORT) as port:
        module.unplug()
        with pytest.raises(EspAtError) as caught:
            port.ask((115200, 9600))
    assert caught.value.code == "port-lost"
