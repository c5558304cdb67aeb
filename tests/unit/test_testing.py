"""The command that tests a module: what it listens to and asks, what it reports, and how it ends."""

from __future__ import annotations

import json
import sys

import pytest
from boot_logs import Says
from sample_project import SampleProject

from platformio_esp_at import events
from platformio_esp_at.commands import run, testing
from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.outputs.records import event_record
from platformio_esp_at.outputs.text import event_text

LOG = Says().log("v3.0").encode()
BARE = """\
Module       Planned                              Seen                                 Verdict       At
AT firmware  runs                                 runs                                 as planned    log
Module name                                       WROOM-32                             not compared  log
Pins         UART1: TX 17, RX 16, CTS 15, RTS 14  UART1: TX 17, RX 16, CTS 15, RTS 14  as planned    log
Speed        115200                               115200                               as planned    log
Parameters   factory_param                        not seen                             not seen
Version      AT_PACK                              not seen                             not seen
Evidence:
  log: AT cmd port:uart1 tx:17 rx:16 cts:15 rts:14 baudrate:115200
  log: module_name:WROOM-32
Note: AT itself was not asked: no port is named for it  [at-not-asked]
  write command_port: PORT, and a test asks there, too
Verdict: the firmware runs, and is as planned in all that was seen; not seen: parameters, version.
"""


def tried(setup, listen, *, port=None, patience=None):
    """Judge a module, and report the verdict as the command does. Raises what it raises."""
    job = prepare(setup)
    verdict = testing.look(job, port, listen, patience)
    testing.tell(setup, job, verdict)


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


def test_a_log_as_planned(project):
    setup = project.setup()
    tried(setup, lambda: LOG)
    (tested,) = project.reported
    assert event_text(tested) == BARE
    record = event_record(tested)
    assert {"event": "tested", "module": "WROOM-32", "holds": True, "problems": []}.items() <= record.items()
    assert record["aspects"][3] == {
        "name": "Speed",
        "planned": "115200",
        "seen": "115200",
        "state": "as planned",
        "source": "log",
    }
    assert record["notices"] == ["at-not-asked"]


def test_an_upload_that_ends_with_a_test(project):
    project.write("firmware: AT_PACK.zip\ntest: true\n")
    with SimulatedModule(transport="rfc2217", boot_log=LOG) as module:
        run("upload", project.setup(port=module.port))
    assert project.events[-2:] == ["Updated", "Tested"]
    assert "was not tested" not in project.text
    report = json.loads((project.out.parent / "esp_at_report.json").read_text())
    assert (report["ended"], report["module_state"], report["verdict"]["holds"]) == ("succeeded", "whole", True)


def test_an_upload_whose_test_fails(project):
    project.write("firmware: AT_PACK.zip\ntest: true\n")
    with (
        SimulatedModule(transport="rfc2217", boot_log=Says(pins=(22, 19, 15, 14)).log("v3.0").encode()) as module,
        pytest.raises(EspAtError) as caught,
    ):
        run("upload", project.setup(port=module.port))
    assert caught.value.code == "module-other-pins"
    report = json.loads((project.out.parent / "esp_at_report.json").read_text())
    assert (report["ended"], report["module_state"]) == ("module-other-pins", "whole")
    assert report["verdict"]["problems"] == ["module-other-pins"]


def test_a_log_with_other_pins(project):
    setup = project.setup()
    with pytest.raises(EspAtError) as caught:
        tried(setup, Says(pins=(22, 19, 15, 14)).log("v3.0").encode)
    assert caught.value.code == "module-other-pins"
    (tested,) = project.reported
    assert event_text(tested).endswith("Verdict: WROOM-32 is not shown to be alive and as planned.\n")
    assert event_record(tested)["problems"] == ["module-other-pins"]


def test_nothing_to_see(project):
    with SimulatedModule() as module, pytest.raises(EspAtError) as caught:  # its port can't reset it
        run("test", project.setup(port=module.port))
    assert caught.value.code == "module-not-seen"
    assert project.events == ["Planned", "Tested"]
    assert project.files() == {"AT_PACK.zip", "esp_at.yml"}


def test_a_log_as_planned_after_a_reset(project):
    with SimulatedModule(transport="rfc2217", boot_log=LOG) as module:
        run("test", project.setup(port=module.port))
    assert event_text(project.reported[-1]) == BARE


def test_a_port_that_does_not_exist(project, tmp_path):
    project.write(f"firmware: AT_PACK.zip\ncommand_port: {tmp_path / 'ttyUSB9'}\n")
    setup = project.setup()
    with pytest.raises(EspAtError) as caught:
        tried(setup, lambda: LOG)
    assert (caught.value.code, caught.value.facts["line"]) == ("port-absent", 2)


if sys.platform != "win32":
    from played_module import PlayedModule

    from platformio_esp_at.device.command_port import Patience, open_command_port

    LIVE = {"AT": [b"\r\nOK\r\n"], "AT+GMR": [b"\r\nERROR\r\n"]}
    LONG = Patience(quiet=0.02, reply=5, tries=1)

    def _tested(project) -> dict:
        (record,) = [event_record(event) for event in project.reported if isinstance(event, events.Tested)]
        return record

    def test_the_port_is_open_while_the_module_starts(project):
        """So it is seen whether the module says that it is ready."""
        with PlayedModule({}, echo=False) as module:

            def start() -> bytes:
                module.say(b"\r\nready\r\n")
                return LOG

            setup = project.setup(command_port=module.port)
            patience = Patience(quiet=0.3, reply=0.05, other=0.02, tries=1)
            with pytest.raises(EspAtError) as caught:
                tried(setup, start, patience=patience)
        assert caught.value.code == "module-deaf"
        assert "AT port, unasked: ready" in _tested(project)["evidence"]

    def test_the_log_port_itself_is_asked_after_the_log(project):
        """Two can't have one port open."""
        with PlayedModule(LIVE) as module:
            project.write(f"firmware: AT_PACK.zip\nport: {module.port}\ncommand_port: {module.port}\n")

            def start() -> bytes:
                with open_command_port(module.port, 115200):
                    return LOG

            setup = project.setup()
            tried(setup, start, port=module.port, patience=LONG)
        assert _tested(project)["notices"] == ["version-not-told"]

    def test_the_speed_of_the_log_is_tried_before_the_usual_ones(project):
        with PlayedModule(LIVE, baud=2000000, noise=b"") as module:
            setup = project.setup(command_port=module.port)
            patience = Patience(quiet=0.02, reply=0.05, other=5, tries=1)
            with pytest.raises(EspAtError) as caught:
                tried(setup, Says(baudrate=2000000).log("v3.0").encode, patience=patience)
            assert {baud for baud, _ in module.received} == {115200, 2000000}
        assert caught.value.code == "module-other-speed"
