"""One command with a device: how it is reached, what the device has if the run ends, and the report that stays."""

from __future__ import annotations

import json
import sys

import pytest
from sample_project import SampleProject

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands.device_run import DeviceRun, connection
from platformio_esp_at.commands.flashing import erase, upload
from platformio_esp_at.commands.setup import Link, prepare
from platformio_esp_at.demo.faults import RefusedErase, SpeedLimit, StuckBits, Unplugged
from platformio_esp_at.device.difference import Image
from platformio_esp_at.device.session import Connection
from platformio_esp_at.errors import EspAtError, FlashError
from platformio_esp_at.events import Connected, Erased, EsptoolOutput, ImageDone, Noticed, Progressed, Updated
from platformio_esp_at.outputs.report import REPORT

NOWHERE = "/dev/no-such-port" if sys.platform != "win32" else "COM255"
MEGABYTE = 1 << 20


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


def _report(project: SampleProject) -> dict:
    return json.loads((project.out.parent / REPORT).read_bytes())


def _done(project: SampleProject) -> list[ImageDone]:
    return [event for event in project.reported if isinstance(event, ImageDone)]


def _codes(project: SampleProject) -> list[str]:
    return [event.notice.code for event in project.reported if isinstance(event, Noticed)]


def _at(project, kind, act):
    """Return a setup in which this is done at the first event of a kind, after it was reported."""
    begun = []

    def report(event) -> None:
        project.reported.append(event)
        if isinstance(event, kind) and not begun:
            begun.append(event)
            act()

    return report


def _interrupt() -> None:
    raise KeyboardInterrupt


def _images(project):
    return prepare(project.setup()).plan.regions


# --- how the device is reached ---


def _connection(setup) -> Connection:
    return connection(setup, prepare(setup))


def test_what_nobody_sets(project):
    assert _connection(project.setup(port="COM1")) == Connection("esp32", "COM1", 460800)


LINK = Link(baud=921600, before="usb-reset", after="watchdog-reset", stub=False, attempts=3)


def test_the_host_reaches_its_own_board_its_own_way(project):
    setup = project.setup(port="COM1")._replace(link=LINK)
    assert _connection(setup) == Connection(
        "esp32", "COM1", 921600, "usb-reset", "watchdog-reset", stub=False, attempts=3
    )
    assert _connection(setup._replace(baud=115200)).baud == 115200


def test_the_project_wins(project):
    project.write(
        "firmware: AT_PACK.zip\nport: COM7\nbaud: 9600\nbefore: no-reset\nafter: no_reset_stub\nno_stub: true\n"
    )
    setup = project.setup(port="COM1")._replace(link=LINK._replace(stub=True), baud=115200)
    assert _connection(setup) == Connection("esp32", "COM7", 9600, "no-reset", "no-reset-stub", stub=False, attempts=3)


def test_a_module_next_to_the_board_isnt_reached_as_the_board_is(project):
    project.board = BoardFacts("nucleo", mcu="stm32f401ret6")
    project.write("firmware: AT_PACK.zip\nport: COM7\n")
    assert _connection(project.setup(port="COM1")._replace(link=LINK)) == Connection("esp32", "COM7", 460800)


@pytest.mark.parametrize(
    ("yml", "option", "host", "place"),
    [
        pytest.param("", "99999999999", None, "--baud: ", id="option"),
        pytest.param("baud: 99999999999\n", None, 115200, "esp_at.yml:2: ", id="project"),
        pytest.param("", None, 99999999999, "", id="host"),
    ],
)
def test_a_speed_that_no_module_has(project, yml, option, host, place):
    project.write("firmware: AT_PACK.zip\n" + yml)
    setup = project.setup(port=NOWHERE, **({"baud": option} if option else {}))
    with pytest.raises(EspAtError) as caught:
        _connection(setup._replace(baud=host))
    assert caught.value.code == "upload-speed-invalid"
    assert str(caught.value).startswith(
        f"{place}baud is 99999999999, the UART of a module takes up to 5000000\n  write baud: 460800, "
    )


@pytest.mark.parametrize("by_host", [False, True])
def test_an_esp8266_needs_the_stub(tmp_path, by_host):
    project = SampleProject(tmp_path, "esp8266")
    setup = project.setup(port="COM1", **({} if by_host else {"no_stub": "true"}))
    with pytest.raises(EspAtError) as caught:
        _connection(setup._replace(link=Link(stub=False)) if by_host else setup)
    assert caught.value.code == "stub-needed"


# --- the device is not touched ---


def test_a_port_that_is_not_there(project):
    with pytest.raises(FlashError) as caught:
        upload(project.setup(port=NOWHERE))
    assert (caught.value.code, caught.value.message) == (
        "port-absent",
        f"there is no port {NOWHERE}; nothing was written",
    )
    report = _report(project)
    assert (report["command"], report["ended"], report["module_state"]) == ("upload", "port-absent", "as_before")
    assert (report["device"], report["images"]) == (None, [])


def test_another_chip_is_refused(project, simulated_module):
    module = simulated_module("esp32c3")
    with pytest.raises(FlashError) as caught:
        upload(project.setup(port=module.port))
    assert caught.value.code == "device-other-chip"
    assert caught.value.message.endswith("; nothing was written")
    assert not any(isinstance(event, Connected) for event in project.reported)
    assert module.writes == module.erases == []
    assert _report(project)["ended"] == "device-other-chip"


# --- what it has if the run ends ---


@pytest.mark.parametrize(
    ("at", "words", "state", "hint"),
    [
        pytest.param(Connected, "nothing was written", "as_before", "run the command again", id="connected"),
        pytest.param(
            Progressed,
            "the module is half written",
            "half",
            "run the same command again: it writes what is missing",
            id="writing",
        ),
        pytest.param(Updated, "all images are on the module", "whole", "run the command again", id="written"),
    ],
)
def test_an_interrupted_upload(project, simulated_module, at, words, state, hint):
    module = simulated_module()
    setup = project.setup(port=module.port)
    with pytest.raises(FlashError) as caught:
        upload(setup._replace(report=_at(project, at, _interrupt)))
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "interrupted",
        f"interrupted: {words}",
        hint,
    )
    report = _report(project)
    assert (report["ended"], report["module_state"]) == ("interrupted", state)
    assert report["device"]["port"] == module.port
    assert report["images"] == [
        {**done._asdict(), "result": "written" if done.written else "unchanged"} for done in _done(project)
    ]


@pytest.mark.parametrize(
    ("at", "words", "state"),
    [
        pytest.param(Connected, "nothing was written", "as_before", id="connected"),
        pytest.param(EsptoolOutput, "the flash may be half erased", "half_erased", id="erasing"),
        pytest.param(Erased, "the flash is blank", "blank", id="erased"),
    ],
)
def test_an_interrupted_erase(project, simulated_module, at, words, state):
    module = simulated_module()
    connected = []

    def report(event) -> None:
        if isinstance(event, at) and (connected or at is Connected):
            raise KeyboardInterrupt
        connected.extend([event] if isinstance(event, Connected) else [])

    with pytest.raises(FlashError) as caught:
        erase(project.setup(port=module.port)._replace(report=report))
    assert caught.value.message == f"interrupted: {words}"
    assert _report(project)["module_state"] == state


def test_an_unplugged_module_is_half_written_until_the_next_run(project, simulated_module):
    module = simulated_module()
    setup = project.setup(port=module.port)
    with pytest.raises(FlashError) as caught:
        upload(setup._replace(report=_at(project, ImageDone, lambda: module.add_fault(Unplugged(after=2000)))))
    assert caught.value.code == "port-lost"
    assert caught.value.message.endswith("; the module is half written")
    assert caught.value.hint.splitlines()[-1] == "run the same command again: it writes what is missing"
    report = _report(project)
    assert (report["ended"], report["module_state"]) == ("port-lost", "half")
    done = [image["name"] for image in report["images"]]
    assert 0 < len(done) < len(_images(project))
    module.plug_in()
    module.reset_counts()
    project.reported.clear()
    upload(setup)
    for region in _images(project):
        assert module.flash[region.offset :].startswith(region.data)
    unchanged = [image.name for image in _done(project) if not image.written]
    assert set(done) <= set(unchanged)
    assert _report(project)["module_state"] == "whole"


@pytest.mark.parametrize("broken", ["stuck", "refused"])
def test_a_flash_that_is_broken(project, simulated_module, broken):
    image = max(_images(project), key=lambda region: len(region.data))
    at = next(index for index, byte in enumerate(image.data) if index > 5000 and byte != 0xFF)
    fault = StuckBits(image.offset + at, ones=0xFF) if broken == "stuck" else RefusedErase(image.offset)
    module = simulated_module(faults=[fault])
    with pytest.raises(FlashError) as caught:
        upload(project.setup(port=module.port, baud="115200"))
    assert caught.value.code == ("flash-bad" if broken == "stuck" else "chip-failed")
    assert caught.value.message.endswith("; the module is half written")
    assert image.name not in [done.name for done in _done(project)]


def test_a_report_that_cant_be_written_hides_no_failure(project, simulated_module):
    module = simulated_module()
    (project.out.parent / REPORT / "mine").mkdir(parents=True)
    with pytest.raises(FlashError) as caught:
        upload(project.setup(port=NOWHERE))
    assert caught.value.code == "port-absent"
    with pytest.raises(EspAtError) as caught:
        upload(project.setup(port=module.port))
    assert caught.value.code == "not-writable"


# --- a link that fails ---


def test_where_the_link_fails_halfway_the_run_goes_on_at_a_slower_speed(project, simulated_module):
    module = simulated_module()
    report = _at(project, ImageDone, lambda: module.add_fault(SpeedLimit(230400)))
    upload(project.setup(port=module.port)._replace(report=report))
    images = _images(project)
    for region in images:
        assert module.flash[region.offset :].startswith(region.data)
    assert _codes(project) == ["upload-speed-reduced", "not-restarted"]
    assert sorted(done.name for done in _done(project)) == sorted(region.name for region in images)
    found = _report(project)
    assert (found["ended"], found["module_state"], found["device"]["baud"]) == ("succeeded", "whole", 230400)


# --- single steps ---


def test_only_sectors_that_differ_are_written(project, simulated_module):
    module = simulated_module()
    setup = project.setup(port=module.port)
    images = [Image("a", 0x10000, bytes(range(256)) * 400), Image("b", 0x40000, b"b" * 20000)]
    job = prepare(setup)
    with DeviceRun(setup, job, "upload") as run:
        run.update(images)
        assert run.written_images == 2
        assert module.writes
        module.reset_counts()
    with DeviceRun(setup, job, "upload") as run:
        run.update(images)
        assert run.differing(images) == {}
        assert (run.written_images, module.writes, module.erases) == (0, [], [])
    changed = [images[0]._replace(data=images[0].data[:9000] + b"!" + images[0].data[9001:]), images[1]]
    project.reported.clear()
    with DeviceRun(setup, job, "upload") as run:
        assert run.differing(changed) == {changed[0]: 0x10000 + 9000}
        run.update(changed)
    assert module.erases == [(0x12000, 0x1000)]
    assert sorted(_done(project)) == [ImageDone("a", 0x10000, 102400, 4096), ImageDone("b", 0x40000, 20000, 0)]
    module.reset_counts()
    with DeviceRun(setup, job, "upload") as run:
        run.update(changed, everything=True)
        assert run.written_images == 2
    assert sorted(module.erases) == [(0x10000, 0x19000), (0x40000, 0x5000)]


def test_reading_and_writing_sectors(project, simulated_module):
    before = bytes(range(256)) * (4 * MEGABYTE // 256)
    module = simulated_module(flash=before)
    setup = project.setup(port=module.port)
    with DeviceRun(setup, prepare(setup), "upload") as run:
        assert run.read("nvs", 0x12000, 5000) == before[0x12000:][:5000]
        run.rewrite({0x12000: b"n" * 4096, 0x14000: b"m" * 4096})
        run.facts["told"] = True
    assert module.flash[0x11000:0x16000] == (
        before[:0x1000] + b"n" * 4096 + before[:0x1000] + b"m" * 4096 + before[:0x1000]
    )
    report = _report(project)
    assert (report["told"], report["module_state"]) == (True, "as_before")


def test_sectors_that_dont_hold_what_is_written(project, simulated_module):
    module = simulated_module(faults=[StuckBits(0x12345, zeros=0xFF)])
    setup = project.setup(port=module.port)
    with pytest.raises(FlashError) as caught, DeviceRun(setup, prepare(setup), "upload") as run:
        run.rewrite({0x12000: b"n" * 4096})
    assert caught.value.code == "flash-bad"
    assert caught.value.message.endswith("; the module is half written")


def test_a_defect_of_ours_keeps_its_traceback_and_is_reported(project, simulated_module):
    module = simulated_module()
    setup = project.setup(port=module.port)
    with pytest.raises(ZeroDivisionError), DeviceRun(setup, prepare(setup), "upload"):
        raise ZeroDivisionError
    assert _report(project)["ended"] == "ZeroDivisionError"


def test_a_firmware_that_isnt_started_is_a_note(project, simulated_module):
    module = simulated_module()
    setup = project.setup(port=module.port)
    with DeviceRun(setup, prepare(setup), "upload") as run:
        assert run.restart() is None
    assert _codes(project) == ["not-restarted"]
