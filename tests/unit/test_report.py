"""What people read about a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.outputs.text import (
    describe_choice,
    describe_factory,
    describe_plan,
    describe_update,
    describe_wiring,
    table,
)
from platformio_esp_at.planning.plan import FlashPlan, Wiring, make_plan
from platformio_esp_at.planning.selection import SelectedModule, select
from platformio_esp_at.request.project import InputFile, Request, Text

KEY = b"-----BEGIN %b-----\nS3CR3T\n" % b"PRIVATE KEY"


@pytest.fixture
def plan(tmp_path) -> FlashPlan:
    return _plan(tmp_path, "esp8266")


def _plan(tmp_path, chip: str, **request) -> FlashPlan:
    path = tmp_path / "AT_PACK.zip"
    write_sample_package(path, chip)
    package = open_package(path)
    return make_plan(package, select(None, None, package), Request(**request))


CHOICE = """\
Firmware package: AT_PACK (ESP8266, 1MB flash)
AT module: ESP8266_1MB (the only module of firmware package AT_PACK)"""

UPDATE = """\
Offset   Size   Written          From
0x0      4128   bootloader       firmware package
0x8000   3KB    partition_table  firmware package
0x9000   8KB    otadata          firmware package
0x18000  3KB    at_customize     firmware package
0x19000  4KB    factory_param    firmware package
0x1a000  92     client_cert      firmware package
0x1b000  92     client_key       firmware package
0x1c000  88     client_ca        firmware package
0x1d000  88     mqtt_cert        firmware package
0x1e000  88     mqtt_key         firmware package
0x1f000  88     mqtt_ca          firmware package
0x20000  16416  factory          firmware package

Offset   Size  Kept as the device has it
0x10000  32KB  nvs

Module's UART  TX      RX      CTS    RTS    Baud
AT commands    GPIO15  GPIO13  GPIO3  GPIO1  115200
Download, log  GPIO1   GPIO3
The module answers AT on the first of them; TX goes to the other side's RX."""


def test_choice(plan):
    assert describe_choice(plan) == CHOICE


@pytest.mark.parametrize(
    ("alternatives", "others"),
    [
        pytest.param((), "", id="no-others"),
        pytest.param(("SOLO-1",), "; it may also be SOLO-1", id="one"),
        pytest.param(("PICO-D4", "MINI-1"), "; it may also be PICO-D4 or MINI-1", id="two"),
    ],
)
def test_a_guess_asks_to_be_settled(plan, alternatives, others):
    module = SelectedModule("WROOM-32", plan.chip, "board b: nothing tells", assumed=True, alternatives=alternatives)
    assert describe_choice(replace(plan, module=module)).splitlines()[1:] == [
        "AT module: WROOM-32 (board b: nothing tells)",
        f"  That is a guess{others}. Settle it with module: WROOM-32 in esp_at.yml.",
    ]


def test_no_alternatives_of_what_was_named(plan):
    module = SelectedModule("WROOM-32", plan.chip, "esp_at.yml:2", alternatives=("SOLO-1",))
    assert "SOLO-1" not in describe_choice(replace(plan, module=module))


def test_update(plan):
    assert describe_update(plan) == UPDATE


def test_plan(plan):
    assert describe_plan(plan) == f"{CHOICE}\nFlash: dout, 80m, 1MB\n\n{UPDATE}"


def test_update_that_keeps_nothing(plan):
    assert "Kept" not in describe_update(replace(plan, kept=()))


def test_notes(plan):
    lines = describe_update(replace(plan, notes=("mind this", "and that"))).splitlines()
    assert lines[lines.index("Note: mind this") + 1] == "Note: and that"


def test_who_gave_what(tmp_path):
    plan = _plan(
        tmp_path,
        "esp32",
        pki={"mqtt_key": (InputFile("certs/key.pem", "esp_at.yml:3", KEY),)},
        factory_param={"uart_tx_pin": Text("4", "esp_at.yml:5")},
    )
    lines = {line.split()[2]: line for line in describe_update(plan).splitlines() if line.startswith("0x")}
    assert lines["mqtt_key"].endswith("  certs/key.pem")
    assert lines["factory_param"].endswith("  firmware package, with uart_tx_pin of the project")
    text = describe_plan(plan)
    assert "AT commands    GPIO4" in text
    assert "Note: mqtt_key is the project's, mqtt_cert stays as the firmware package has it: they won't match" in text
    assert "S3CR3T" not in text


def test_factory(plan):
    assert describe_factory(plan) == (
        "The factory image erases the first 1MB of the flash.\n"
        "Besides what it writes, these are lost:\n"
        "Offset   Size  Erased\n"
        "0x10000  32KB  nvs"
    )
    assert describe_factory(replace(plan, kept=())) == "The factory image erases the first 1MB of the flash."


def test_wiring():
    text = describe_wiring(Wiring(tx=0, rx=3, cts=-1, rts=-1, baudrate=9600, download_tx=1, download_rx=3))
    assert text.splitlines()[1:3] == [
        "AT commands    GPIO0  GPIO3  unused  unused  9600",
        "Download, log  GPIO1  GPIO3",
    ]


def test_no_wiring():
    assert describe_wiring(None) == "AT commands don't come over a UART of this module, or its pins aren't known."


def test_table():
    assert table(("A", "Long"), [("wider", "x"), ("", "y")]) == ["A      Long", "wider  x", "       y"]
    assert table(("A", "B"), []) == ["A  B"]
    assert table(("A", "B"), [("\x1b", "x")]) == ["A     B", "\\x1b  x"]


def test_nothing_reaches_the_terminal_raw(plan):
    package = replace(plan.package, name="\x1b[2J")
    module = replace(plan.module, reason="\u202e")
    regions = (replace(plan.regions[0], name="\x1b", origin="\x1b"), *plan.regions[1:])
    text = describe_plan(replace(plan, package=package, module=module, regions=regions, notes=("\x1b",)))
    assert all(map(str.isprintable, text.splitlines()))
