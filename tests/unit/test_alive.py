"""The verdict: played logs and played AT ports, of each chip and generation, right and with each fault."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import NamedTuple

import pytest
from boot_logs import GENERATIONS, NOISE, Says
from plans import sample_plan

from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.checks.alive import Expected, State, Verdict, judge
from platformio_esp_at.formats.at_replies import Conversation, Exchange
from platformio_esp_at.formats.boot_log import BootLog

MODULES = {
    "esp32": "WROOM-32",
    "esp32s2": "MINI",
    "esp32c2": "ESP32C2-2MB",
    "esp32c3": "MINI-1",
    "esp32c5": "ESP32C5-4MB",
    "esp32c6": "ESP32C6-4MB",
    "esp32c61": "ESP32C61-4MB",
    "esp8266": "ESP8266_1MB",
}
OLD = ("esp32", "esp32s2", "esp32c3", "esp8266")
"""Chips with releases that have factory_param."""
CASES = [(chip, generation) for chip in MODULES for generation in GENERATIONS if generation >= "v3.1" or chip in OLD]
VERSION, OTHER_VERSION = "v4.1.0.0-dev", "v3.9.0.0"
STAMP, OTHER_STAMP = ("4b00c3d4", "Jul 30 2025", "17:17:20"), ("70ff5889", "Jun  7 2024", "04:46:01")
TEXTS = (VERSION, *STAMP, "v5.0.6-dirty", "b1dca01")
OK = b"AT\r\r\n\r\nOK\r\n"


class Case(NamedTuple):
    """What is expected of a module, and what a module says that is as expected."""

    expected: Expected
    says: Says


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Return the case of a chip and a generation."""
    made: dict[tuple[str, bool], Case] = {}

    def find(chip: str, generation: str = "v4.1") -> Case:
        nvs = generation >= "v3.1" and chip != "esp8266"
        if (chip, nvs) not in made:
            folder = tmp_path_factory.mktemp("plan")
            plan = sample_plan(folder, chip, nvs=nvs and chip in ("esp32", "esp32s2", "esp32c3"))
            name = str((plan.parameters or {})["module_name"])
            application = plan.package.application + "\0".join(("", *TEXTS, name, "")).encode()
            expected = Expected.of(replace(plan, package=replace(plan.package, application=application)))
            wiring = expected.wiring
            assert wiring is not None
            says = Says(chip, name, expected.uart or 0, wiring[:4], wiring.baudrate, expected.parameter_mode, VERSION)
            made[chip, nvs] = Case(replace(expected, version=VERSION), says)
        return made[chip, nvs]

    return find


def _gmr(says: Says, stamp=STAMP) -> bytes:
    commit, date, time = stamp
    return (
        f"AT version:4.1.0.0(b1dca01 - ESP32 - Jul 10 2025 11:41:05)\r\nSDK version:v5.0.6-dirty\r\n"
        f"compile time({commit}):{date} {time}\r\nBin version:{says.version}({says.name})\r\n\r\nOK\r\n"
    ).encode()


def _talk(*exchanges: tuple[int, str, bytes], unasked: bytes = b"") -> Conversation:
    return Conversation("COM4", unasked, tuple(Exchange(*one) for one in exchanges))


def _answers(says: Says, stamp=STAMP, baud: int | None = None) -> Conversation:
    baud = baud or says.baudrate
    return _talk((baud, "AT", OK), (baud, "AT+GMR", b"AT+GMR\r\r\n" + _gmr(says, stamp)))


def _log(says: Says, generation: str = "v4.1") -> BootLog:
    return BootLog.from_bytes(says.log(generation).encode())


def _codes(verdict: Verdict) -> list[str]:
    return [problem.code for problem in verdict.problems]


def _notes(verdict: Verdict) -> list[str]:
    return [notice.code for notice in verdict.notices]


def _states(verdict: Verdict) -> dict[str, State]:
    return {aspect.name: aspect.state for aspect in verdict.aspects}


SILENT = [(baud, "AT", b"") for baud in (115200, 115200, 9600, 921600)]
SEEN_SINCE = {"Module name": "v2.2", "Pins": "v3.0", "Speed": "v3.0", "Parameters": "v3.1", "Version": "v3.1"}


# --- as planned ---


@pytest.mark.parametrize(("chip", "generation"), CASES)
def test_a_log_as_planned(case, chip, generation):
    expected, says = case(chip, generation)
    verdict = judge(expected, _log(says, generation), None)
    assert verdict.holds
    assert _notes(verdict) == ["at-not-asked"]
    assert _states(verdict) == {"AT firmware": State.AS_PLANNED} | {
        name: State.AS_PLANNED if generation >= since else State.NOT_SEEN for name, since in SEEN_SINCE.items()
    }


@pytest.mark.parametrize(("chip", "generation"), CASES)
def test_log_and_at_port_as_planned(case, chip, generation):
    expected, says = case(chip, generation)
    verdict = judge(expected, _log(says, generation), _answers(says))
    assert (verdict.holds, _notes(verdict)) == (True, [])
    assert _states(verdict)["Version"] is State.AS_PLANNED


@pytest.mark.parametrize("chip", MODULES)
@pytest.mark.parametrize(
    "log", [None, BootLog.from_bytes(b""), BootLog.from_bytes(NOISE)], ids=["none", "empty", "noise"]
)
def test_only_the_at_port(case, chip, log):
    expected, says = case(chip)
    verdict = judge(expected, log, _answers(says))
    assert (verdict.holds, _notes(verdict)) == (True, ["log-not-seen"])
    states = _states(verdict)
    assert (states["Pins"], states["Parameters"]) == (State.NOT_SEEN, State.NOT_SEEN)
    assert (states["Module name"], states["Speed"], states["Version"]) == (State.AS_PLANNED,) * 3


# --- one fault ---

LOG_FAULTS = {
    "name": ("module-other-name", "v2.2", {"name": "WROVER-32"}),
    "pins": ("module-other-pins", "v3.0", {"pins": (33, 32, -1, -1)}),
    "unused": ("module-other-pins", "v3.0", {"pins": (33, 32, 31, 30)}),
    "uart": ("module-other-pins", "v3.0", {"uart": 2}),
    "speed": ("module-other-speed", "v3.0", {"baudrate": 9600}),
    "mode": ("module-other-parameters", "v3.1", {"mode": 0}),
    "version": ("module-other-version", "v3.1", {"version": OTHER_VERSION}),
    "cut version": ("module-other-version", "v3.1", {"version": "v4.1.0.0"}),
}


@pytest.mark.parametrize("fault", LOG_FAULTS)
@pytest.mark.parametrize(("chip", "generation"), CASES)
def test_a_log_with_a_fault(case, chip, generation, fault):
    """What a generation doesn't print is not seen, and no fault."""
    expected, says = case(chip, generation)
    code, since, changes = LOG_FAULTS[fault]
    verdict = judge(expected, _log(says._replace(**changes), generation), None)
    assert _codes(verdict) == ([code] if generation >= since else [])


STOPPED = {
    "rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0))\r\nwaiting for download\r\n": "module-in-download-mode",
    "invalid header: 0xffffffff\r\n" * 9: "module-not-booting",
    "E (60) boot: No bootable app partitions in the partition table\r\n": "module-not-booting",
    "Brownout detector was triggered\r\n": "module-brownout",
    "Guru Meditation Error: Core  0 panic'ed (LoadProhibited)\r\n": "module-crashing",
    f"{Says().rom()}\r\n" * 4: "module-crashing",
}


@pytest.mark.parametrize("talk", [None, _talk(*SILENT)], ids=["not asked", "silent"])
@pytest.mark.parametrize(("text", "code"), STOPPED.items(), ids=STOPPED.values())
@pytest.mark.parametrize("chip", MODULES)
def test_a_module_that_does_not_start(case, chip, text, code, talk):
    """Its silence at the AT port has the same reason."""
    expected, says = case(chip)
    verdict = judge(expected, BootLog.from_bytes((says.rom() + text).encode()), talk)
    assert _codes(verdict) == [code]
    assert _states(verdict)["AT firmware"] is State.OTHER


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (None, "the log was not read"),
        (b"", "printed nothing"),
        (NOISE, "printed no text"),
        (Says().rom().encode(), "no line of it, as with a silent build"),
    ],
    ids=["none", "empty", "noise", "silent build"],
)
@pytest.mark.parametrize("chip", MODULES)
def test_nothing_seen(case, chip, log, why):
    verdict = judge(case(chip).expected, log if log is None else BootLog.from_bytes(log), None)
    assert _codes(verdict) == ["module-not-seen"]
    assert why in verdict.problems[0].message
    assert "command_port" in verdict.problems[0].hint
    assert set(_states(verdict).values()) == {State.NOT_SEEN}


TALKS = {
    "silent": ("module-silent", _talk(*SILENT)),
    "deaf": ("module-deaf", _talk(*SILENT, unasked=b"\r\nready\r\n")),
    "garbled": ("at-port-garbled", _talk((115200, "AT", NOISE), (9600, "AT", b"\xfe\x80"), (57600, "AT", b""))),
    "loop": ("at-port-loopback", _talk((115200, "AT", b"AT\r\n"), (9600, "AT", b"AT\r\n"))),
    "echo only": ("module-not-answering", _talk((115200, "AT", b"AT\r\n"), (9600, "AT", NOISE))),
    "error": ("module-not-answering", _talk((115200, "AT", b"AT\r\r\n\r\nERROR\r\n"))),
    "busy": ("module-busy", _talk((115200, "AT", b"busy p...\r\n"), (115200, "AT", b"busy p...\r\n"))),
    "prompt": ("module-in-passthrough", _talk(unasked=b"\r\nready\r\nWIFI GOT IP\r\n\r\n>")),
    "text": ("at-port-other-text", _talk(unasked=b"HTTP/1.1 400 Bad Request\r\n")),
    "short text": ("at-port-other-text", _talk((115200, "AT", b"pong"), (115200, "AT", b"pong"), (9600, "AT", b""))),
}


@pytest.mark.parametrize("has_log", [True, False], ids=["log", "no log"])
@pytest.mark.parametrize("fault", TALKS)
@pytest.mark.parametrize("chip", MODULES)
def test_an_at_port_that_does_not_answer(case, chip, fault, has_log):
    expected, says = case(chip)
    code, talk = TALKS[fault]
    verdict = judge(expected, _log(says) if has_log else None, talk)
    assert _codes(verdict) == [code]
    assert verdict.problems[0].facts["port"] == "COM4"
    if fault == "silent":
        wiring = expected.wiring
        assert f"GPIO{wiring.tx}" in verdict.problems[0].hint
        assert verdict.problems[0].message.startswith("the module starts, but" if has_log else "nothing answers")
    if fault in ("silent", "garbled", "loop"):
        assert _states(verdict)["AT firmware"] is (State.AS_PLANNED if has_log else State.NOT_SEEN)


@pytest.mark.parametrize("chip", MODULES)
def test_an_at_port_with_another_speed(case, chip):
    expected, says = case(chip)
    planned = replace(expected, wiring=expected.wiring._replace(baudrate=921600))
    for log in (None, _log(says)):
        verdict = judge(planned, log, _answers(says))
        assert _codes(verdict) == ["module-other-speed"]
        problem = verdict.problems[0]
        assert "answers at 115200 baud, not at 921600" in problem.message
        assert "AT+UART_DEF=921600,8,1,0,0 at 115200 baud" in problem.hint


@pytest.mark.parametrize("chip", MODULES)
def test_another_version_or_name_at_the_at_port(case, chip):
    expected, says = case(chip)
    assert _codes(judge(expected, None, _answers(says, OTHER_STAMP))) == ["module-other-version"]
    assert _codes(judge(expected, None, _answers(says._replace(name="OTHER")))) == ["module-other-name"]


def test_an_at_port_of_another_module(case):
    """Where the log is as planned and the AT port isn't, the ports may be those of two modules."""
    expected, says = case("esp32")
    other = _answers(says._replace(version=OTHER_VERSION), OTHER_STAMP)
    hint = judge(expected, _log(says), other).problems[0].hint
    assert hint.endswith("the log says v4.1.0.0-dev, so COM4 may belong to another module")
    assert "another module" not in judge(expected, None, other).problems[0].hint
    wrong_name = judge(expected, _log(says), _answers(says._replace(name="MINI-1"))).problems[0]
    assert wrong_name.hint.endswith("the log says WROOM-32, so COM4 may belong to another module")


# --- what it may not say ---


def test_an_answer_counts_more_than_a_log(case):
    expected, says = case("esp32")
    verdict = judge(expected, _log(says._replace(baudrate=9600)), _answers(says))
    assert verdict.holds
    stopped = BootLog.from_bytes(b"Brownout detector was triggered\r\n")
    assert judge(expected, stopped, _answers(says)).holds


def test_one_cause_is_one_problem(case):
    """With another firmware, all else is another, too."""
    expected, says = case("esp32")
    other = says._replace(version=OTHER_VERSION, name="MINI-1", pins=(22, 19, 15, 14), baudrate=9600)
    verdict = judge(expected, _log(other), None)
    assert _codes(verdict) == ["module-other-version"]
    assert list(_states(verdict).values()).count(State.OTHER) == 4


def test_several_problems(case):
    expected, says = case("esp32")
    verdict = judge(expected, _log(says._replace(name="MINI-1", pins=(22, 19, 15, 14), baudrate=9600)), _talk(*SILENT))
    assert _codes(verdict) == ["module-other-name", "module-other-pins", "module-other-speed", "module-silent"]


def test_a_name_that_the_firmware_does_not_know_is_not_compared(case):
    """Firmware prints the first name that it knows in place of one that it doesn't."""
    expected, says = case("esp32")
    verdict = judge(replace(expected, module_name=None), _log(says), None)
    assert (verdict.holds, _states(verdict)["Module name"]) == (True, State.NOT_COMPARED)


@pytest.mark.parametrize(
    ("gmr", "holds"),
    [
        (b"Bin version:v4.1.0.0-dev(WROOM-32)\r\n\r\nOK\r\n", True),
        (b"Bin version:v4.1.0.0(WROOM-32)\r\n\r\nOK\r\n", False),
        (b"AT version:4.1.0.0(s-b1dca01 - ESP32 - Jul)\r\nSDK version:v5.0.6-dirty\r\n\r\nOK\r\n", True),
        (b"AT version:4.1.0.0(c362384 - ESP32 - Jul)\r\nSDK version:v5.0.6-dirty\r\n\r\nOK\r\n", False),
    ],
)
def test_a_version_told_in_part(case, gmr, holds):
    verdict = judge(case("esp32").expected, None, _talk((115200, "AT", OK), (115200, "AT+GMR", gmr)))
    assert verdict.holds is holds


@pytest.mark.parametrize("gmr", [b"", b"\r\nERROR\r\n", b"AT version:4.1.0.0(b1"])
def test_a_version_not_told(case, gmr):
    verdict = judge(case("esp32").expected, None, _talk((115200, "AT", OK), (115200, "AT+GMR", gmr)))
    assert verdict.holds
    assert "version-not-told" in _notes(verdict)
    assert _states(verdict)["Version"] is State.NOT_SEEN


def test_a_module_without_a_uart(case):
    expected, says = case("esp32")
    bare = replace(expected, wiring=None)
    verdict = judge(bare, _log(says, "v2.2"), None)
    assert (verdict.holds, _notes(verdict)) == (True, ["at-not-asked"])
    assert verdict.notices[0].hint is None
    assert _codes(judge(bare, _log(says), None)) == ["module-other-pins", "module-other-speed"]


def test_evidence(case):
    expected, says = case("esp32")
    talk = replace(
        _talk((921600, "AT", NOISE), (9600, "AT", b""), *_answers(says).exchanges), refused_speeds=(4000000,)
    )
    verdict = judge(expected, _log(says, "v3.0"), replace(talk, unasked=b"\r\nready\r\n"))
    assert verdict.evidence == (
        "log: AT cmd port:uart1 tx:17 rx:16 cts:15 rts:14 baudrate:115200",
        "log: module_name:WROOM-32",
        "AT port, unasked: ready",
        f"AT port, AT at 921600: {len(NOISE)} bytes, no text",
        "AT port, AT at 9600: nothing",
        "AT port, AT at 115200: AT | OK",
        f"AT port, AT+GMR at 115200: AT+GMR | {' | '.join(filter(None, _gmr(says).decode().splitlines()))}",
        "AT port: the adapter has no 4000000 baud",
    )


# --- played on pseudo terminals ---

if sys.platform != "win32":
    from played_module import PlayedModule

    from platformio_esp_at.device.command_port import Patience, open_command_port

    SHORT = Patience(quiet=0.02, reply=0.04, other=0.03, tries=2)
    LONG = Patience(quiet=0.02, reply=5, other=0.5)

    def _played(name: str, says: Says) -> tuple[PlayedModule, Patience, bytes]:
        live = {"AT": [b"\r\nOK\r\n"], "AT+GMR": [_gmr(says)]}
        return {
            "right": lambda: (PlayedModule(live), LONG, b""),
            "echo off": lambda: (PlayedModule(live, echo=False), LONG, b""),
            "half lines": lambda: (PlayedModule(live, pieces=5), LONG, b""),
            "boots": lambda: (
                PlayedModule(live | {"AT": [b"\r\nready\r\n", b"\r\nOK\r\n"]}),
                LONG._replace(reply=1),
                b"",
            ),
            "busy first": lambda: (
                PlayedModule(live | {"AT": [b"busy p...\r\n", b"\r\nOK\r\n"]}),
                LONG._replace(reply=1),
                b"",
            ),
            "other version": lambda: (PlayedModule(live | {"AT+GMR": [_gmr(says, OTHER_STAMP)]}), LONG, b""),
            "other speed": lambda: (PlayedModule(live, baud=9600), SHORT._replace(other=0.5), b""),
            "other speed, no noise": lambda: (PlayedModule(live, baud=9600, noise=b""), SHORT._replace(other=0.5), b""),
            "silent": lambda: (PlayedModule({}, echo=False, noise=b""), SHORT, b""),
            "garbage": lambda: (PlayedModule({}, baud=1000000), SHORT._replace(reply=0.5), b""),
            "busy": lambda: (PlayedModule({"*": [b"busy p...\r\n"]}), SHORT._replace(reply=0.5), b""),
            "loop": lambda: (PlayedModule({}, loopback=True), SHORT._replace(reply=0.3, other=0.3), b""),
            "passthrough": lambda: (PlayedModule({}, echo=False), LONG, b"WIFI GOT IP\r\n\r\n>"),
            "server": lambda: (
                PlayedModule({"*": [b"HTTP/1.1 400 Bad Request\r\n"]}, echo=False),
                LONG._replace(reply=1),
                b"",
            ),
        }[name]()

    PLAYED = {
        "right": [],
        "echo off": [],
        "half lines": [],
        "boots": [],
        "busy first": [],
        "other version": ["module-other-version"],
        "other speed": ["module-other-speed"],
        "other speed, no noise": ["module-other-speed"],
        "silent": ["module-silent"],
        "garbage": ["at-port-garbled"],
        "busy": ["module-busy"],
        "loop": ["at-port-loopback"],
        "passthrough": ["module-in-passthrough"],
        "server": ["at-port-other-text"],
    }

    @pytest.mark.parametrize("name", PLAYED)
    @pytest.mark.parametrize("chip", ["esp32", "esp32c6"])
    def test_a_played_port(case, chip, name):
        expected, says = case(chip)
        module, patience, unasked = _played(name, says)
        with module, open_command_port(module.port, says.baudrate, patience) as port:
            if unasked:
                module.say(unasked)
            talk = port.ask((says.baudrate, 9600, 57600))
        assert _codes(judge(expected, _log(says), talk)) == PLAYED[name]


def test_the_modules_are_those_of_the_catalog():
    for chip, name in MODULES.items():
        assert find_module(chip, name).chip == chip
