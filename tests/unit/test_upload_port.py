"""Which port a module is on."""

from __future__ import annotations

import pytest
from sample_project import SampleProject
from serial.tools.list_ports_common import ListPortInfo

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.commands.upload_port import choose_port, name_origin
from platformio_esp_at.device.failures import failure
from platformio_esp_at.errors import EspAtError, FlashError, Place
from platformio_esp_at.request.values import Text


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


@pytest.fixture
def plugged_in(monkeypatch):
    """Let pyserial find ports on USB with these names."""
    monkeypatch.delenv("ESPTOOL_PORT", raising=False)

    def plug_in(*names: str) -> None:
        ports = [ListPortInfo(name) for name in names]
        for port in ports:
            port.vid = 0x10C4
        monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)

    return plug_in


def _chosen(setup) -> str:
    return choose_port(setup, prepare(setup))


@pytest.mark.parametrize("names", [(), ("COM3",), ("COM3", "COM4")], ids=len)
def test_a_port_that_is_named_is_taken_whatever_is_plugged_in(project, plugged_in, names):
    plugged_in(*names)
    assert _chosen(project.setup(port="COM1")) == "COM1"  # the host's
    project.write("firmware: AT_PACK.zip\nport: COM7\n")
    assert _chosen(project.setup(port="COM1")) == "COM7"
    assert _chosen(project.setup(port="COM1")._replace(find_port=None)) == "COM7"


def test_without_a_host_it_is_the_only_one(project, plugged_in):
    plugged_in("COM3")
    assert _chosen(project.setup()._replace(find_port=None)) == "COM3"
    plugged_in("COM3", "COM4")
    with pytest.raises(FlashError) as caught:
        _chosen(project.setup()._replace(find_port=None))
    assert caught.value.code == "several-ports"
    plugged_in()
    with pytest.raises(FlashError) as caught:
        _chosen(project.setup()._replace(find_port=None))
    assert caught.value.code == "port-missing"


def test_a_host_that_looks_for_a_port_would_take_the_first(project, plugged_in):
    setup = project.setup(port="COM3")._replace(has_port=False)
    for names in ((), ("COM3",)):
        plugged_in(*names)
        assert _chosen(setup) == "COM3"
    plugged_in("COM3", "COM4")
    with pytest.raises(FlashError) as caught:
        _chosen(setup)
    assert caught.value.code == "several-ports"


@pytest.mark.parametrize("board", [None, BoardFacts("nucleo", mcu="stm32f401ret6")], ids=["none", "host-mcu"])
def test_a_module_next_to_the_board_needs_a_port(project, plugged_in, board):
    """The host's port is that of the board."""
    plugged_in("COM3")
    project.board = board
    project.write("firmware: AT_PACK.zip\nboard: none\n" if board is None else "firmware: AT_PACK.zip\n")
    with pytest.raises(EspAtError) as caught:
        _chosen(project.setup(port="COM3"))
    assert caught.value.code == "port-missing"
    assert caught.value.message == "the AT module is not on the project's board, and no port is named for it"
    assert caught.value.hint == "write port: PORT"


def test_what_is_no_port(project, plugged_in):
    plugged_in()
    for setup in (project.setup(port="--before"), project.setup(port="")):
        with pytest.raises(EspAtError) as caught:
            _chosen(setup)
        assert caught.value.code == "not-a-port"


@pytest.mark.parametrize(
    ("where", "place", "written"),
    [
        (Place.at(option="--port"), "", "-p PORT"),
        (Place.at(option="--upload-port"), "", "--upload-port PORT"),
        (Place.at(file="esp_at.yml", line=4), "esp_at.yml:4", "port: PORT"),
        (Place.at(option="custom_at_port"), "custom_at_port", "port: PORT"),
        (None, "", "port: PORT"),
    ],
)
def test_an_error_says_where_the_port_was_written(where, place, written, plugged_in):
    plugged_in()
    error = failure("port-absent", "", "COM3")
    name_origin(error, where and Text("COM3", where))
    assert str(error.place) == place
    assert error.hint.startswith(f"plug the module in, or write its port, {written}; ")


def test_an_error_that_is_not_of_the_port_stays(plugged_in):
    plugged_in()
    error = failure("flash", "bits", "COM3")
    name_origin(error, Text("COM3", Place.at(file="esp_at.yml", line=4)))
    assert str(error.place) == ""
