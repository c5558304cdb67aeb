"""What every command of a project begins with: one checked plan, before anything is written."""

from __future__ import annotations

import sys

import pytest
from plans import FILES
from sample_project import SampleProject

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands import flashing, packaging, run
from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.errors import EspAtError, FormatError, LayoutError, SelectionError, UnknownNameError
from platformio_esp_at.request.values import Firmware, Speed

NOWHERE = "/dev/no-such-port" if sys.platform != "win32" else "COM255"
ESP32_BOARD = BoardFacts("my_board", mcu="esp32", variant="solo1", name="My SOLO board", flash_size=4 << 20)
ALL = [packaging.info, packaging.package, flashing.upload, flashing.upload_factory, flashing.verify, flashing.erase]


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


def _ids(command) -> str:
    return getattr(command, "__name__", "")


# --- the job ---


def test_the_job_has_what_it_was_made_from(project):
    job = prepare(project.setup(baud="9600"))
    assert job.plan.module.name == "WROOM-32"
    assert job.firmware == job.request.firmware
    assert isinstance(job.firmware, Firmware)
    assert job.firmware.path == project.root / "AT_PACK.zip"
    assert isinstance(job.request.baud, Speed)
    assert [layer.base for layer in job.layers] == [project.root, project.root]
    assert (project.reported, project.files()) == ([], {"AT_PACK.zip", "esp_at.yml"})


def test_options_of_the_host_win(project):
    project.write("firmware: AT_PACK.zip\nmodule: MINI-1\n")
    module = prepare(project.setup(module="SOLO-1")).plan.module
    assert (module.name, module.reason) == ("SOLO-1", "--module")


# --- boards ---


def test_the_hosts_own_board_chooses(project):
    project.board = ESP32_BOARD
    job = prepare(project.setup())
    assert (project.asked, job.on_own_board) == ([None], True)
    assert (job.plan.module.name, job.plan.module.reason) == ("SOLO-1", "board my_board: board name has 'SOLO'")


def test_a_named_board_chooses(project):
    project.board = ESP32_BOARD
    job = prepare(project.setup(board="my_board"))
    assert (project.asked, job.on_own_board, job.plan.module.name) == (["my_board"], False, "SOLO-1")


def test_no_board(project):
    project.board = BoardFacts("other", mcu="esp32c3")
    job = prepare(project.setup(board="none"))
    assert (project.asked, job.on_own_board) == ([], False)
    assert job.plan.module.reason == "the only module of firmware package AT_PACK"


def test_a_host_mcu_next_to_the_module_does_not_count(project):
    project.board = BoardFacts("nucleo", mcu="stm32f401ret6")
    job = prepare(project.setup())
    assert job.plan.module.reason == "the only module of firmware package AT_PACK"
    assert not job.on_own_board


def test_options_of_the_board_are_the_weakest(project):
    project.board = BoardFacts(
        "my_board", mcu="esp32", at={"module": "MINI-1", "factory_param": {"uart_tx_pin": 4, "uart_rx_pin": 5}}
    )
    project.write("firmware: AT_PACK.zip\nfactory_param: {uart_rx_pin: 18}\n")
    job = prepare(project.setup())
    assert (job.plan.module.name, job.plan.wiring.tx, job.plan.wiring.rx) == ("MINI-1", 4, 18)
    assert list(job.layers[0].options) == ["factory_param"]


def test_a_board_may_name_the_firmware(project):
    project.board = BoardFacts("my_board", mcu="esp32", at={"firmware": "AT_PACK.zip"})
    project.write("module: WROOM-32\n")
    assert prepare(project.setup()).firmware.path == project.root / "AT_PACK.zip"


def test_unknown_board(project):
    with pytest.raises(UnknownNameError) as caught:
        prepare(project.setup(board="misspelt"))
    assert str(caught.value) == "--board: unknown board 'misspelt'\n  write esp32dev"
    assert caught.value.code == "unknown-board"


# --- refusals ---


def test_no_firmware(project):
    project.write("module: WROOM-32\n")
    with pytest.raises(EspAtError) as caught:
        prepare(project.setup())
    assert (caught.value.code, caught.value.message) == ("firmware-missing", "no firmware package is named")
    for way in ("write firmware: latest; esp-at releases", "path of a zip"):
        assert way in caught.value.hint


def test_not_in_a_project(project):
    (project.root / "esp_at.yml").unlink()
    with pytest.raises(EspAtError) as caught:
        prepare(project.setup())
    assert caught.value.message == f"no firmware package is named, and there is no esp_at.yml in {project.root}"
    assert caught.value.hint.endswith("\nor go to the project's folder; esp-at init starts a new project")


@pytest.mark.parametrize("command", ALL, ids=_ids)
@pytest.mark.parametrize(
    ("text", "board", "kind", "code", "where"),
    [
        pytest.param("module: WROOM-32", None, EspAtError, "firmware-missing", None, id="no-firmware"),
        pytest.param("firmware: none.zip", None, EspAtError, "firmware-not-found", "esp_at.yml:1", id="no-such-file"),
        pytest.param(
            "firmware: AT_PACK.zip\nfactory_param: {uart_tx_pin: x}",
            None,
            FormatError,
            "not-a-number",
            "esp_at.yml:2",
            id="request",
        ),
        pytest.param(
            "firmware: AT_PACK.zip\nmodule: {name: MY-BOARD}",
            None,
            FormatError,
            "module-not-based",
            "esp_at.yml:2",
            id="own-module",
        ),
        pytest.param(
            "firmware: AT_PACK.zip",
            BoardFacts("c3", mcu="esp32c3"),
            SelectionError,
            "board-other-chip",
            None,
            id="chip",
        ),
        pytest.param(
            "firmware: AT_PACK.zip\nmodule: WROOM-32",
            BoardFacts("small", mcu="esp32", flash_size=2 << 20),
            SelectionError,
            "flash-too-small",
            None,
            id="flash",
        ),
        pytest.param(
            "firmware: AT_PACK.zip\nmodule: WROOM-32\npartitions: tiny.csv\ndata: {fatfs: fs.img}",
            None,
            LayoutError,
            "content-too-large",
            "tiny.csv:2",
            id="layout",
        ),
    ],
)
def test_nothing_is_written_when_a_check_fails(project, command, text, board, kind, code, where):
    project.board = board
    project.write(text)
    (project.root / "fs.img").write_bytes(FILES)
    (project.root / "tiny.csv").write_text("factory_param, 0x40, 8, 0x21000, 4K\nfatfs, data, fat, 0x22000, 4K\n")
    before = project.files()
    with pytest.raises(kind) as caught:
        command(project.setup(port=NOWHERE))
    assert (caught.value.code, caught.value.where) == (code, where)
    assert project.files() == before
    assert project.reported == []


# --- commands by their names ---


@pytest.mark.parametrize("command", ALL, ids=_ids)
def test_a_front_end_runs_a_command_by_its_name(project, command, monkeypatch):
    given = []
    monkeypatch.setattr(f"{command.__module__}.{command.__name__}", given.append)
    setup = project.setup()
    run(command.__name__, setup)
    assert given == [setup]


def test_there_is_no_other_command(project):
    with pytest.raises(KeyError):
        run("prepare", project.setup())
