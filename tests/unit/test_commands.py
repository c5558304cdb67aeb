"""The commands that front ends offer: nothing is written before every check has passed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands import flashing
from platformio_esp_at.commands.setup import Setup
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.device.esptool import Device
from platformio_esp_at.errors import EspAtError, FlashError, FormatError, SelectionError
from platformio_esp_at.outputs.image_set import MANIFEST, image_set
from platformio_esp_at.request.project import layer_of_options, read_project

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "/dev/no-such-port" if sys.platform != "win32" else "COM255"
ESP32_BOARD = BoardFacts("my_board", mcu="esp32", variant="solo1", name="My SOLO board", flash_size=4 << 20)
WITH_DEVICE = [flashing.upload, flashing.upload_factory, flashing.verify]
ALL = [flashing.info, flashing.package, *WITH_DEVICE]


class Project:
    """A project folder with a sample package in it, and what was said about it."""

    def __init__(self, root: Path, chip: str = "esp32") -> None:
        self.root = root
        self.out = root / "build/at"
        self.said: list[str] = []
        self.asked: list[str | None] = []
        self.board: BoardFacts | None = None
        write_sample_package(root / "AT_PACK.zip", chip)
        self.write("firmware: AT_PACK.zip\n")

    def write(self, text: str) -> None:
        (self.root / "esp_at.yml").write_text(text)

    def setup(self, *, port: str | None = None, **options: str) -> Setup:
        def find_board(name: str | None) -> BoardFacts | None:
            self.asked.append(name)
            if name == "misspelt":
                raise EspAtError("unknown board 'misspelt'")
            return self.board

        return Setup(
            layers=(read_project(self.root), layer_of_options(options, base=self.root, spelling="--{}".format)),
            project=self.root,
            folder=self.out,
            find_board=find_board,
            find_port=lambda: port,
            say=self.said.append,
        )

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def files(self) -> set[str]:
        return {file.relative_to(self.root).as_posix() for file in self.root.rglob("*")}


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


def _ids(command) -> str:
    return getattr(command, "__name__", "")


def test_info_writes_nothing(project):
    flashing.info(project.setup())
    assert project.files() == {"AT_PACK.zip", "esp_at.yml"}
    assert "AT module: WROOM-32 (the only module of firmware package AT_PACK)" in project.text
    assert "0x100000  16464  ota_0            firmware package" in project.text
    assert "Kept as the device has it" in project.text
    assert "AT commands    GPIO17  GPIO16  GPIO15  GPIO14  115200" in project.text


def test_package_writes_the_image_set(project):
    plan = flashing.package(project.setup())
    assert {path.relative_to(project.out).as_posix() for path in project.out.rglob("*") if path.is_file()} == set(
        image_set(plan)
    )
    assert project.said[-1] == f"Wrote {len(plan.regions)} images and the factory image to {project.out}"
    assert "AT module: WROOM-32" in project.said[0]


def test_options_of_the_host_win(project):
    project.write("firmware: AT_PACK.zip\nmodule: MINI-1\n")
    flashing.info(project.setup(module="SOLO-1"))
    assert "AT module: SOLO-1 (--module)" in project.text


# --- boards ---


def test_the_hosts_own_board_chooses(project):
    project.board = ESP32_BOARD
    plan = flashing.package(project.setup())
    assert (project.asked, plan.module.name) == ([None], "SOLO-1")
    assert "AT module: SOLO-1 (board my_board: board name has 'SOLO')" in project.text


def test_a_named_board_chooses(project):
    project.board = ESP32_BOARD
    flashing.info(project.setup(board="my_board"))
    assert project.asked == ["my_board"]


def test_no_board(project):
    project.board = BoardFacts("other", mcu="esp32c3")
    flashing.info(project.setup(board="none"))
    assert project.asked == []
    assert "AT module: WROOM-32 (the only module" in project.text


def test_a_host_mcu_beside_the_module_has_no_say(project):
    project.board = BoardFacts("nucleo", mcu="stm32f401ret6")
    flashing.info(project.setup())
    assert "AT module: WROOM-32 (the only module" in project.text


def test_options_of_the_board_are_the_weakest(project):
    project.board = BoardFacts(
        "my_board", mcu="esp32", at={"module": "MINI-1", "factory_param": {"uart_tx_pin": 4, "uart_rx_pin": 5}}
    )
    project.write("firmware: AT_PACK.zip\nfactory_param: {uart_rx_pin: 18}\n")
    plan = flashing.package(project.setup())
    assert (plan.module.name, plan.wiring.tx, plan.wiring.rx) == ("MINI-1", 4, 18)


def test_unknown_board(project):
    with pytest.raises(EspAtError) as caught:
        flashing.info(project.setup(board="misspelt"))
    assert str(caught.value) == "--board: unknown board 'misspelt'"


# --- refusals ---


@pytest.mark.parametrize("command", ALL, ids=_ids)
@pytest.mark.parametrize(
    ("text", "board", "kind", "message"),
    [
        pytest.param("module: WROOM-32", None, EspAtError, "no firmware package is named", id="no-firmware"),
        pytest.param(
            "firmware: none.zip", None, EspAtError, "firmware package 'none.zip' is not there", id="not-there"
        ),
        pytest.param(
            "firmware: AT_PACK.zip\nfactory_param: {uart_tx_pin: x}",
            None,
            FormatError,
            "'x' is not a whole number",
            id="request",
        ),
        pytest.param(
            "firmware: AT_PACK.zip",
            BoardFacts("c3", mcu="esp32c3"),
            SelectionError,
            "board c3 has an ESP32-C3, the firmware package AT_PACK is for ESP32",
            id="chip",
        ),
        pytest.param(
            "firmware: AT_PACK.zip\nmodule: WROOM-32",
            BoardFacts("small", mcu="esp32", flash_size=2 << 20),
            SelectionError,
            "the firmware package AT_PACK needs 4MB of flash, board small has 2MB",
            id="flash",
        ),
        pytest.param(
            "firmware: AT_PACK.zip\nmodule: WROOM-32\npartitions: tiny.csv\ndata: {fatfs: AT_PACK.zip}",
            None,
            EspAtError,
            "partition 'fatfs' has 4096 bytes, its content (AT_PACK.zip) ",
            id="layout",
        ),
    ],
)
def test_nothing_is_written_when_a_check_fails(project, command, text, board, kind, message):
    project.board = board
    project.write(text)
    (project.root / "tiny.csv").write_text("factory_param, 0x40, 8, 0x21000, 4K\nfatfs, data, fat, 0x22000, 4K\n")
    before = project.files()
    with pytest.raises(kind) as caught:
        command(project.setup(port=NOWHERE))
    assert caught.value.message.startswith(message)
    assert project.files() == before
    assert project.said == []


@pytest.mark.parametrize("command", [flashing.upload, flashing.upload_factory], ids=_ids)
def test_nothing_is_written_for_what_is_no_port(project, command):
    with pytest.raises(EspAtError, match="'--before' is not a serial port"):
        command(project.setup(port="--before"))
    assert not project.out.exists()


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
@pytest.mark.parametrize(
    ("yml", "option", "host", "place"),
    [
        pytest.param("", "99999999999", None, "--baud: ", id="option"),
        pytest.param("baud: 99999999999\n", None, 115200, "esp_at.yml:2: ", id="project"),
        pytest.param("", None, 99999999999, "", id="host"),
    ],
)
def test_nothing_is_written_at_a_speed_that_no_module_has(project, command, yml, option, host, place):
    project.write("firmware: AT_PACK.zip\n" + yml)
    setup = project.setup(port=NOWHERE, **({"baud": option} if option else {}))
    with pytest.raises(EspAtError) as caught:
        command(replace(setup, baud=host))
    text = str(caught.value)
    assert text.startswith(f"{place}baud is 99999999999, the UART of a module takes up to 5000000\n  460800 is usual")
    assert not project.out.exists()


def test_an_earlier_image_set_survives_a_refusal(project):
    flashing.package(project.setup())
    before = (project.out / MANIFEST).read_bytes()
    project.write("firmware: AT_PACK.zip\nskip: [factory_param]\n")
    with pytest.raises(EspAtError, match="factory_param can't be skipped"):
        flashing.package(project.setup())
    assert (project.out / MANIFEST).read_bytes() == before


# --- esptool ---


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
@pytest.mark.parametrize("named", [True, False], ids=["named", "found"])
def test_port_that_is_not_there(project, command, named, capsys):
    """The image set is written first; the refused run ends in a failure, and nothing claims success."""
    setup = project.setup(port=NOWHERE)
    if named:
        project.write(f"firmware: AT_PACK.zip\nport: {NOWHERE}\n")
        setup = project.setup(port="/dev/another-port")
    with pytest.raises(FlashError) as caught:
        command(setup)
    assert f"Could not open {NOWHERE}" in caught.value.message
    assert caught.value.hint == "check the port's name, and that nothing else has it open"
    assert (project.out / MANIFEST).is_file()
    assert "The device has all" not in project.text
    assert "answers AT" not in project.text
    assert "esptool" in capsys.readouterr().out


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
def test_esptool_gets_a_folder_of_this_run(project, command, monkeypatch):
    """What another run publishes meanwhile is not what this one writes."""
    plan = flashing.package(project.setup())
    given = {}

    def run_esptool(arguments: list[str], *, folder: Path) -> Device:
        for file in project.out.rglob("*.bin"):
            file.write_bytes(b"of another run")
        given.update({file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.bin")})
        assert set(given) <= set(arguments)
        assert folder.parent == project.out.parent
        return Device()

    monkeypatch.setattr("platformio_esp_at.device.esptool.run_esptool", run_esptool)
    command(project.setup(port=NOWHERE))
    if command is flashing.upload_factory:
        assert given == {"factory/factory_WROOM-32.bin": plan.factory_image()}
    else:
        assert given == {region.path: region.data for region in plan.regions}
    assert list(project.out.parent.iterdir()) == [project.out]


@pytest.mark.parametrize("command", [flashing.upload, flashing.upload_factory], ids=_ids)
def test_interrupted_while_writing(project, command, monkeypatch):
    def run_esptool(arguments: list[str], *, folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("platformio_esp_at.device.esptool.run_esptool", run_esptool)
    with pytest.raises(FlashError) as caught:
        command(project.setup(port=NOWHERE))
    assert str(caught.value) == "interrupted: the module may be half written\n  run the command again"
    assert list(project.out.parent.iterdir()) == [project.out]


def test_factory_says_what_is_lost_before_it_writes(project):
    with pytest.raises(FlashError):
        flashing.upload_factory(project.setup(port=NOWHERE))
    assert project.said[0].startswith("The factory image erases the first 4MB of the flash.")
    assert "nvs" in project.said[0]


def test_a_folder_package_gives_the_same_images(project):
    for name, data in sample_package("esp32").items():
        file = project.root / "AT_PACK" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    zipped = flashing.package(project.setup())
    unpacked = flashing.package(project.setup(firmware="AT_PACK"))
    assert unpacked.factory_image() == zipped.factory_image()
