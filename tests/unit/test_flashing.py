"""The commands that need a device: the image set is written first, and success is reported only after esptool's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from sample_project import SampleProject

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands import flashing, packaging
from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.device.esptool import END_OF_FLASH, Device
from platformio_esp_at.errors import EspAtError, FlashError
from platformio_esp_at.events import (
    Erased,
    ErasingAll,
    EsptoolOutput,
    FactoryImageWritten,
    Noticed,
    Planned,
    Updated,
    Verified,
)
from platformio_esp_at.outputs.image_set import MANIFEST
from platformio_esp_at.outputs.text import event_text

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.events import Report

NOWHERE = "/dev/no-such-port" if sys.platform != "win32" else "COM255"
WITH_IMAGES = [flashing.upload, flashing.upload_factory, flashing.verify]
WITH_DEVICE = [*WITH_IMAGES, flashing.erase]
WRITING = [flashing.upload, flashing.upload_factory]


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


@pytest.fixture
def esptool_runs(monkeypatch) -> list[list[str]]:
    """Return the arguments of esptool's runs, which succeed without a device."""
    runs: list[list[str]] = []

    def run_esptool(arguments: list[str], *, folder: Path, report: Report) -> Device:
        runs.append(arguments)
        report(EsptoolOutput("done\n"))
        return Device()

    monkeypatch.setattr("platformio_esp_at.device.esptool.run_esptool", run_esptool)
    return runs


def _ids(command) -> str:
    return getattr(command, "__name__", "")


# --- what is reported ---


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        pytest.param(flashing.upload, [Planned], [Updated], id="upload"),
        pytest.param(flashing.upload_factory, [ErasingAll, Planned], [FactoryImageWritten], id="upload_factory"),
        pytest.param(flashing.verify, [Planned], [Verified], id="verify"),
    ],
)
def test_events_before_and_after_esptool(project, esptool_runs, command, before, after):
    command(project.setup(port=NOWHERE))
    output = [EsptoolOutput] * len(esptool_runs)
    assert [type(event) for event in project.reported] == [*before, *output, *after]
    plan = prepare(project.setup()).plan
    assert project.reported[0] == before[0](plan)
    assert project.reported[-1] == (Verified(len(plan.regions)) if after == [Verified] else after[0](plan))


def test_what_is_lost_is_reported_before_the_factory_image_is_written(project):
    with pytest.raises(FlashError):
        flashing.upload_factory(project.setup(port=NOWHERE))
    text = event_text(project.reported[0])
    assert text.startswith("The factory image erases the first 4MB of the flash.")
    assert "nvs" in text


@pytest.mark.parametrize("command", WRITING, ids=_ids)
def test_another_crystal_is_reported(tmp_path, command, monkeypatch):
    project = SampleProject(tmp_path)

    def run_esptool(arguments: list[str], *, folder: Path, report: Report) -> Device:
        report(EsptoolOutput(" ".join(arguments)))
        return Device(crystal_mhz=26)

    monkeypatch.setattr("platformio_esp_at.device.esptool.run_esptool", run_esptool)
    command(project.setup(port=NOWHERE))
    (event,) = [event for event in project.reported if isinstance(event, Noticed)]
    (written,) = [event for event in project.reported if "write" in getattr(event, "text", "")]
    assert project.reported.index(event) < project.reported.index(written)
    assert (event.notice.code, event.notice.is_warning, event.notice.facts) == (
        "crystal-mismatch",
        True,
        {"crystal_mhz": 26},
    )


# --- ports and speeds ---


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
def test_nothing_is_written_for_what_is_no_port(project, command):
    with pytest.raises(EspAtError) as caught:
        command(project.setup(port="--before"))
    assert (caught.value.code, caught.value.message) == ("not-a-port", "'--before' is not a serial port")
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
        command(setup._replace(baud=host))
    text = str(caught.value)
    assert text.startswith(
        f"{place}baud is 99999999999, the UART of a module takes up to 5000000\n  write baud: 460800, "
    )
    assert caught.value.code == "upload-speed-invalid"
    assert not project.out.exists()


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
@pytest.mark.parametrize("board", [None, BoardFacts("nucleo", mcu="stm32f401ret6")], ids=["none", "host-mcu"])
def test_a_module_next_to_the_board_needs_a_port(project, command, board):
    project.board = board
    project.write("firmware: AT_PACK.zip\nboard: none\n" if board is None else "firmware: AT_PACK.zip\n")
    with pytest.raises(EspAtError) as caught:
        command(project.setup(port=NOWHERE))
    assert caught.value.code == "port-missing"
    assert caught.value.message == "the AT module is not on the project's board, and no port is named for it"
    assert caught.value.hint == "write port: PORT"
    assert not project.out.exists()


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
def test_port_and_speed_of_the_project_win(project, command, esptool_runs):
    project.write("firmware: AT_PACK.zip\nport: COM7\nbaud: 9600\n")
    command(project.setup(port="COM1")._replace(baud=115200))
    arguments = esptool_runs[-1]
    assert arguments[arguments.index("--port") + 1] == "COM7"
    assert arguments[arguments.index("--baud") + 1] == "9600"


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
def test_port_and_speed_of_the_host(project, command, esptool_runs):
    command(project.setup(port="COM1")._replace(baud=115200))
    arguments = esptool_runs[-1]
    assert arguments[arguments.index("--port") + 1] == "COM1"
    assert arguments[arguments.index("--baud") + 1] == "115200"


# --- esptool ---


@pytest.mark.parametrize("command", WITH_IMAGES, ids=_ids)
@pytest.mark.parametrize("named", [True, False], ids=["named", "found"])
def test_port_that_does_not_exist(project, command, named):
    """The image set is written first; the refused run ends in a failure, and nothing claims success."""
    setup = project.setup(port=NOWHERE)
    if named:
        project.write(f"firmware: AT_PACK.zip\nport: {NOWHERE}\n")
        setup = project.setup(port="/dev/another-port")
    with pytest.raises(FlashError) as caught:
        command(setup)
    assert caught.value.code == "port-unavailable"
    assert f"Could not open {NOWHERE}" in caught.value.message
    assert caught.value.hint == "write the module's port, port: PORT; close other programs that have it open"
    assert (project.out / MANIFEST).is_file()
    assert project.events == (["ErasingAll", "Planned"] if command is flashing.upload_factory else ["Planned"])
    assert project.esptool_output.startswith("esptool")


@pytest.mark.parametrize("command", WITH_IMAGES, ids=_ids)
def test_esptool_gets_a_folder_of_this_run(project, command, monkeypatch):
    """What another run publishes meanwhile is not what this one writes."""
    plan = packaging.package(project.setup())
    given = {}

    def run_esptool(arguments: list[str], *, folder: Path, report: Report) -> Device:
        for file in project.out.rglob("*.bin"):
            file.write_bytes(b"of another run")
        if "write" not in " ".join(arguments) and command is not flashing.verify:
            return Device()  # the probe for the crystal
        given.update({file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.bin")})
        assert set(given) <= set(arguments)
        assert folder.parent == project.out.parent
        assert (folder / END_OF_FLASH).exists() == (command is not flashing.verify)
        return Device()

    monkeypatch.setattr("platformio_esp_at.device.esptool.run_esptool", run_esptool)
    command(project.setup(port=NOWHERE))
    if command is flashing.upload_factory:
        assert given == {"factory/factory_WROOM-32.bin": plan.factory_image()}
    else:
        assert given == {region.path: region.data for region in plan.regions}
    assert list(project.out.parent.iterdir()) == [project.out]


@pytest.mark.parametrize("command", WRITING, ids=_ids)
@pytest.mark.parametrize(
    ("verb", "what"),
    [("read", "nothing is written yet"), ("write", "the module may be half written")],
    ids=["probing", "writing"],
)
def test_interrupted(project, command, monkeypatch, verb, what):
    def run_esptool(arguments: list[str], *, folder: Path, report: Report) -> Device:
        if verb in " ".join(arguments):
            raise KeyboardInterrupt
        return Device()

    monkeypatch.setattr("platformio_esp_at.device.esptool.run_esptool", run_esptool)
    with pytest.raises(FlashError) as caught:
        command(project.setup(port=NOWHERE))
    assert str(caught.value) == f"interrupted: {what}\n  run the command again"
    assert caught.value.code == "interrupted"
    assert list(project.out.parent.iterdir()) == [project.out]


# --- erasing ---


def test_erase(project, esptool_runs):
    flashing.erase(project.setup(port=NOWHERE)._replace(baud=115200))
    plan = prepare(project.setup()).plan
    assert project.reported == [ErasingAll(plan, blanks=True), EsptoolOutput("done\n"), Erased(plan)]
    assert esptool_runs == [["--chip", "esp32", "--port", NOWHERE, "--baud", "115200", "erase-flash"]]
    assert project.files() == {"AT_PACK.zip", "esp_at.yml"}


def test_erase_fails(project):
    with pytest.raises(FlashError) as caught:
        flashing.erase(project.setup(port=NOWHERE))
    assert caught.value.code == "port-unavailable"
    assert project.events == ["ErasingAll"]


def test_erase_interrupted(project, monkeypatch):
    def run_esptool(arguments: list[str], *, folder: Path, report: Report) -> Device:
        raise KeyboardInterrupt

    monkeypatch.setattr("platformio_esp_at.device.esptool.run_esptool", run_esptool)
    with pytest.raises(FlashError) as caught:
        flashing.erase(project.setup(port=NOWHERE))
    assert str(caught.value) == "interrupted: the flash may be half erased\n  run the command again"
    assert caught.value.code == "interrupted"


def test_verify_names_the_partitions_that_differ(project, monkeypatch):
    output = (
        "Verifying 0x1000 (4096) bytes at 0x00100000 in flash against 'esp-at.bin'...\n"
        "Verification failed (digest mismatch).\n"
    )

    def run_esptool(arguments: list[str], *, folder: Path, report: Report) -> Device:
        raise FlashError("esptool-failed", "esptool failed: Verification failed", output=output, hint="again")

    monkeypatch.setattr("platformio_esp_at.device.esptool.run_esptool", run_esptool)
    with pytest.raises(FlashError) as caught:
        flashing.verify(project.setup(port=NOWHERE))
    assert str(caught.value) == (
        "the device has other content in ota_0\n"
        "  upload again; if it differs then, too, the flash or its wiring may be bad"
    )
    assert (caught.value.code, caught.value.output) == ("content-differs", output)
    assert project.events == ["Planned"]
