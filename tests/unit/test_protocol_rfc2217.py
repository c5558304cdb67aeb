"""The quick client for rfc2217://, against the server that pyserial has."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing, suppress

import pytest
import serial
from serial import rfc2217

from platformio_esp_at.demo.links import Rfc2217Link
from platformio_esp_at.demo.reset_lines import ChipState

PACKAGE = "platformio_esp_at.device.worker.serial_ports"

pytestmark = pytest.mark.filterwarnings("ignore:set(Daemon|Name)")  # pyserial's


class Server(Rfc2217Link):
    """A server that counts what its client asks for, and sends back what it receives."""

    answers_control = True
    only_baud: int | None = None

    def __init__(self) -> None:
        self.states: list[ChipState] = []
        self.requests = 0
        super().__init__(self.states.append)

    def write(self, data: bytes) -> None:
        is_answer = data.startswith(rfc2217.IAC + rfc2217.SB)
        self.requests += is_answer
        if is_answer and self.only_baud and data[3:4] == rfc2217.SERVER_SET_BAUDRATE:
            data = data[:4] + self.only_baud.to_bytes(4, "big") + data[8:]
        if self.answers_control or not is_answer or data[3:4] != rfc2217.SERVER_SET_CONTROL:
            super().write(data)

    def serve(self, stop: threading.Event) -> None:
        while not stop.is_set():
            with suppress(ConnectionError):
                data = memoryview(self.receive())
                while data and not stop.is_set():
                    data = data[self.send(data) :]


@pytest.fixture
def server():
    stop = threading.Event()
    with ExitStack() as ending:
        server = ending.enter_context(closing(Server()))
        thread = threading.Thread(target=server.serve, args=(stop,))
        thread.start()
        ending.callback(thread.join)
        ending.callback(stop.set)
        yield server


@pytest.fixture
def open_port(monkeypatch):
    """Open a port as esptool does; it is closed after the test."""
    monkeypatch.setattr(serial, "protocol_handler_packages", [PACKAGE, *serial.protocol_handler_packages])
    with ExitStack() as ports:
        yield lambda url, **options: ports.enter_context(serial.serial_for_url(url, **options))


def test_pyserial_finds_it(server, open_port):
    port = open_port(server.port)
    assert type(port).__module__ == f"{PACKAGE}.protocol_rfc2217"
    assert isinstance(port, rfc2217.Serial)


def test_a_timeout_is_no_matter_of_the_other_end(server, open_port):
    port = open_port(server.port, baudrate=115200)
    known = server.requests
    for timeout in (0.1, 3, None, 0):
        port.timeout = timeout
    port.baudrate = 115200
    assert server.requests == known


def test_a_new_speed_and_a_new_flow_control_are(server, open_port):
    port = open_port(server.port, baudrate=115200)
    known = server.requests
    port.baudrate = 921600
    assert (server.baud, server.requests) == (921600, known + 4)
    port.xonxoff = True
    assert server.requests == known + 9
    port.parity = "E"
    assert server.requests == known + 13
    port.close()
    port.open()
    assert server.baud == 921600


@pytest.mark.parametrize("option", ["", "?ign_set_control"])
def test_control_lines_arrive_in_order(server, open_port, option):
    port = open_port(server.port + option, timeout=10)
    for dtr, rts in [(False, True), (True, False), (False, False), (False, True), (False, False)]:
        port.dtr = dtr
        port.rts = rts
    port.write(b"x")
    assert port.read(1) == b"x"
    assert [state for state in server.states if state is not ChipState.HELD] == [
        ChipState.BOOTLOADER,
        ChipState.FIRMWARE,
    ]


def test_every_byte_passes_both_ways(server, open_port):
    data = bytes(range(256)) * 40 + b"\xff" * 1000
    port = open_port(server.port, timeout=10)
    port.write(data)
    assert port.read(len(data)) == data


def test_an_answer_that_never_comes(server, open_port):
    server.answers_control = False
    with pytest.raises(serial.SerialException, match="control"):
        open_port(f"{server.port}?timeout=0.2")
    assert open_port(f"{server.port}?ign_set_control").is_open


def test_esptool_learns_that_there_is_no_timeout_for_writing(server, open_port):
    port = open_port(server.port)
    with pytest.raises(NotImplementedError):
        port.write_timeout = 10
    port.write_timeout = None
    port.baudrate = 9600
    assert server.baud == 9600


@pytest.mark.parametrize(("options", "message"), [({"rtscts": True, "xonxoff": True}, "not supported")])
def test_settings_that_exclude_each_other(server, open_port, options, message):
    with pytest.raises(ValueError, match=message):
        open_port(server.port, **options)


def test_a_server_that_refuses_a_speed(server, open_port):
    port = open_port(server.port, baudrate=115200)
    server.only_baud = 9600
    with pytest.raises(ValueError, match="baudrate"):
        port.baudrate = 921600
    server.only_baud = None
    port.baudrate = 115200
    assert server.baud == 115200
