"""The serial ports of this computer, and which of them a module is on."""

from __future__ import annotations

import pytest
from serial.tools.list_ports_common import ListPortInfo

from platformio_esp_at.device.ports import (
    ESPTOOL_PORT,
    Port,
    check_baud,
    check_one,
    check_port,
    find_port,
    list_ports,
    usb_ports,
)
from platformio_esp_at.errors import EspAtError, FlashError


def _on_usb(
    name: str, product: str | None = None, serial: str | None = None, location: str | None = "1-2"
) -> ListPortInfo:
    port = ListPortInfo(name)
    port.vid, port.pid = 0x10C4, 0xEA60
    port.product, port.serial_number, port.location = product, serial, location
    return port


def _built_in(name: str = "/dev/ttyS0") -> ListPortInfo:
    return ListPortInfo(name)


@pytest.fixture
def plugged_in(monkeypatch):
    """Let pyserial find these ports alone."""
    monkeypatch.delenv(ESPTOOL_PORT, raising=False)
    return lambda *ports: monkeypatch.setattr("serial.tools.list_ports.comports", lambda: list(ports))


# --- which there are ---


def test_ports_on_usb_by_name(plugged_in):
    plugged_in(_on_usb("COM7"), _built_in("COM1"), _on_usb("COM3", "CP2102N", "a1", "1-4.2"))
    assert usb_ports() == [Port("COM3", "CP2102N", "a1", "1-4.2"), Port("COM7", "", "", "1-2")]
    assert list(map(str, usb_ports())) == ["COM3 (CP2102N, serial a1, at USB 1-4.2)", "COM7 (at USB 1-2)"]
    assert list_ports() == "on USB there is COM3 (CP2102N, serial a1, at USB 1-4.2), COM7 (at USB 1-2)"


def test_what_an_adapter_doesnt_tell(plugged_in):
    plugged_in(_on_usb("COM3", location=None))
    assert str(usb_ports()[0]) == "COM3 (at USB ?)"


def test_no_port_on_usb(plugged_in):
    plugged_in(_built_in())
    assert usb_ports() == []
    assert list_ports() == "no serial port is on USB: a cable without data lines, a driver?"


# --- which it is ---


def test_the_only_port_on_usb(plugged_in):
    plugged_in(_built_in(), _on_usb("COM3"))
    assert find_port() == "COM3"


def test_the_port_of_esptools_environment_variable(plugged_in, monkeypatch):
    plugged_in(_on_usb("COM3"), _on_usb("COM7"))
    monkeypatch.setenv(ESPTOOL_PORT, "COM9")
    assert find_port() == "COM9"
    monkeypatch.setenv(ESPTOOL_PORT, "")
    with pytest.raises(FlashError):
        find_port()


def test_nothing_is_plugged_in(plugged_in):
    plugged_in(_built_in())
    with pytest.raises(FlashError) as caught:
        find_port()
    assert (caught.value.code, caught.value.message) == (
        "port-missing",
        "no module is plugged in: no serial port is on USB",
    )
    assert caught.value.hint.endswith("or write its port, port: PORT")


def test_several_ports(plugged_in):
    plugged_in(_on_usb("COM7", "CH340"), _on_usb("COM3", "CP2102N", "a1"))
    with pytest.raises(FlashError) as caught:
        find_port()
    assert (caught.value.code, caught.value.message) == (
        "several-ports",
        "2 devices are plugged in, and none is named",
    )
    assert caught.value.hint == (
        "write the module's, port: COM3:\nCOM3 (CP2102N, serial a1, at USB 1-2)\nCOM7 (CH340, at USB 1-2)"
    )


@pytest.mark.parametrize("ports", [[], [Port("COM3", "", "", "1")]], ids=["none", "one"])
def test_not_several(ports):
    check_one(ports)


# --- names and speeds ---


@pytest.mark.parametrize("port", [None, "COM3", "/dev/ttyUSB0", "socket://127.0.0.1:5555", "rfc2217://host:1"])
def test_ports(port):
    check_port(port)


@pytest.mark.parametrize("port", ["", "-", "--before", "-x"])
def test_not_a_port(port):
    with pytest.raises(EspAtError) as caught:
        check_port(port)
    assert (caught.value.code, caught.value.message) == ("not-a-port", f"{port!r} is not a serial port")
    assert caught.value.hint == "write a port's name, such as port: /dev/ttyUSB0; pio device list shows them"


@pytest.mark.parametrize("baud", [None, 1, 9600, 460800, 5_000_000])
def test_speeds(baud):
    check_baud(baud)


@pytest.mark.parametrize("baud", [5_000_001, 99999999999, 0, -9600])
def test_not_a_speed(baud):
    with pytest.raises(EspAtError) as caught:
        check_baud(baud)
    assert caught.value.code == "upload-speed-invalid"
    assert caught.value.message == f"baud is {baud}, the UART of a module takes up to 5000000"
    assert caught.value.hint == "write baud: 460800, which is usual; 115200 is the safest"
