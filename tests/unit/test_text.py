"""What people read: events, errors, warnings, the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from platformio_esp_at import events
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.device.session import Device, Security
from platformio_esp_at.errors import EspAtError, FormatError, Place, Spelling, note, raise_all, setting, warning
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.partition_table import Partition
from platformio_esp_at.outputs.connections import connections
from platformio_esp_at.outputs.flash_map import FlashMap
from platformio_esp_at.outputs.pictures import draw_connections, draw_flash_map
from platformio_esp_at.outputs.text import (
    _EVENTS,
    describe_choice,
    describe_factory,
    describe_plan,
    describe_wiring,
    error_text,
    event_text,
    notice_text,
)
from platformio_esp_at.planning.plan import FlashPlan, Wiring, make_plan
from platformio_esp_at.planning.selection import SelectedModule, select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile, Text

HOST = Spelling("<{}={}>".format, "host.ini")
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

ROWS = """\
  Offset    Size   Name                  Image  From
# 0x0       8KB    bootloader            4128   firmware package
. 0x2000    24KB   free
# 0x8000    4KB    partition_table       3KB    firmware package
# 0x9000    8KB    otadata               8KB    firmware package
. 0xb000    20KB   free
= 0x10000   32KB   nvs
  0x18000   32KB   at_customize
#  0x18000  4KB    user partition table  3KB    firmware package
#  0x19000  4KB    factory_param         4KB    firmware package
#  0x1a000  4KB    client_cert           1044   firmware package
#  0x1b000  4KB    client_key            1712   firmware package
#  0x1c000  4KB    client_ca             1052   firmware package
#  0x1d000  4KB    mqtt_cert             1036   firmware package
#  0x1e000  4KB    mqtt_key              1708   firmware package
#  0x1f000  4KB    mqtt_ca               1040   firmware package
# 0x20000   896KB  factory               16416  firmware package"""

WIRING = """\
Module's UART  TX      RX      CTS    RTS    Baud
AT commands    GPIO15  GPIO13  GPIO3  GPIO1  115200
Download, log  GPIO1   GPIO3
The first is for AT commands; its TX goes to the other side's RX."""


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
    module = SelectedModule("WROOM-32", plan.chip, "board b: nothing is known", assumed=True, alternatives=alternatives)
    assert describe_choice(replace(plan, module=module)).splitlines()[1:] == [
        "AT module: WROOM-32 (board b: nothing is known)",
        f"  That is a guess{others}. To confirm, write module: WROOM-32.",
    ]


def test_no_alternatives_of_what_was_named(plan):
    module = SelectedModule("WROOM-32", plan.chip, "esp_at.yml:2", alternatives=("SOLO-1",))
    assert "SOLO-1" not in describe_choice(replace(plan, module=module))


def test_plan(plan):
    head = f"{CHOICE}\nFlash: dout, 80m, 1MB\n\n{draw_flash_map(FlashMap.of(plan))}\n\n{ROWS}\n"
    saved = "A module that has booted once has saved its UART settings: they win over this table."
    text = describe_plan(plan)
    assert text.startswith(f"{head}\n{WIRING}\n{saved} ")
    assert text.endswith(f"\n\n{draw_connections(connections(plan))}")
    without = replace(plan, wiring=None)
    assert describe_plan(without) == f"{head}\n{describe_wiring(None)}"


def test_each_row_of_a_plan_is_shown_once(plan):
    names = [row.name for row in (*plan.primary, *plan.secondary)]
    words = describe_plan(plan).partition("Offset")[2].partition("Wiring")[0].split()
    assert [words.count(name) for name in names] == [1] * len(names)


@pytest.mark.parametrize("width", [100, 80, 60, 40])
def test_a_plan_fits_a_terminal(tmp_path, width):
    plan = _plan(tmp_path, "esp32")
    assumed = replace(plan, module=replace(plan.module, assumed=True, alternatives=("SOLO-1", "PICO-D4", "MINI-1")))
    for event in (events.Described(assumed), events.ErasingAll(plan), events.ImageDone("ota_0", 0x10000, 40000, 8192)):
        text = event_text(event, width=width)
        assert max(map(len, text.splitlines())) <= width
        words = "".join(text.split())
        assert all(name in words for name in ("wpa2_cert", "SOLO-1") if name in event_text(event))


def test_notes(plan):
    notices = (warning("odd", "mind this", hint="mend it"), note("kept", "and that"))
    lines = describe_plan(replace(plan, notes=notices)).splitlines()
    assert lines[lines.index("Warning: mind this  [odd]") + 1] == "  mend it"
    assert lines[lines.index("  mend it") + 1] == "Note: and that  [kept]"


def test_who_gave_what(tmp_path):
    plan = _plan(
        tmp_path,
        "esp32",
        pki={"mqtt_key": (InputFile("certs/key.pem", Place.at(file="esp_at.yml", line=3), KEY),)},
        factory_param={"uart_tx_pin": Text("4", Place.at(file="esp_at.yml", line=5))},
    )
    text = describe_plan(plan)
    lines = {line.split()[3]: line for line in text.splitlines() if line.startswith("#  0x")}
    assert lines["mqtt_key"].endswith("  certs/key.pem")
    assert lines["factory_param"].endswith("  firmware package, with uart_tx_pin of the project")
    assert "AT commands    GPIO4" in text
    message = "mqtt_key is the project's, mqtt_cert stays as the firmware package has it: they won't match"
    assert f"Warning: {message}  [pki-half-changed]" in text.splitlines()
    assert "S3CR3T" not in text


def test_factory(plan):
    assert describe_factory(plan) == (
        "The factory image erases the first 1MB of the flash.\n"
        "Apart from what it writes, these are lost:\n"
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


def test_nothing_reaches_the_terminal_raw(plan):
    package = replace(plan.package, name="\x1b[2J")
    module = replace(plan.module, reason="\u202e")
    regions = (replace(plan.regions[0], name="\x1b", origin="\x1b"), *plan.regions[1:])
    text = describe_plan(replace(plan, package=package, module=module, regions=regions, notes=(note("kept", "\x1b"),)))
    assert all(map(str.isprintable, text.splitlines()))


# --- errors, warnings and notes ---


def test_an_error_has_its_code_after_the_first_line():
    error = FormatError("bad-row", "bad row", where=Place.at(file="a.csv", line=3), hint="write another\nor none")
    assert error_text(error) == "a.csv:3: bad row  [bad-row]\n  write another\n  or none"
    assert error_text(EspAtError("odd", "it is odd", hint="mend it")) == "it is odd  [odd]\n  mend it"


def test_each_of_several_errors_has_its_code():
    problems = [
        FormatError("no-size", "no size", where=Place.at(line=2), hint="write one"),
        FormatError("no-type", "no type", where=Place.at(line=5), hint="write app"),
    ]
    with pytest.raises(FormatError) as caught:
        raise_all(problems)
    assert (
        error_text(caught.value)
        == "2 problems:\n2: no size  [no-size]\n  write one\n5: no type  [no-type]\n  write app"
    )


def test_an_error_reaches_no_terminal_raw():
    error = EspAtError("odd", "m\x1b\n", where=Place.at(file="\x1b"), hint="h\x1b")
    assert error_text(error) == "\\x1b: m\\x1b\\n  [odd]\n  h\\x1b"


def test_a_host_writes_options_its_own_way():
    hint = f"write {setting('module', 'NAME')}"
    error = EspAtError("odd", "it is odd", hint=hint)
    assert error_text(error, HOST) == "it is odd  [odd]\n  write <module=NAME> in host.ini"
    assert notice_text(error.as_warning(), HOST) == "Warning: it is odd  [odd]\n  write <module=NAME> in host.ini"
    assert event_text(events.Noticed(error.as_warning()), HOST).endswith("\n  write <module=NAME> in host.ini\n")
    with pytest.raises(EspAtError) as caught:
        raise_all([error, error])
    assert error_text(caught.value, HOST).count("write <module=NAME> in host.ini") == 2


def test_what_stands_in_the_project_file_is_changed_there():
    error = EspAtError("odd", "it is odd", where=Place.at(file="esp_at.yml", line=3), hint=setting("module", "NAME"))
    assert error_text(error, HOST) == "esp_at.yml:3: it is odd  [odd]\n  module: NAME"
    assert notice_text(error.as_warning(), HOST).endswith("\n  module: NAME")


def test_a_guess_is_confirmed_in_the_host_s_way(plan):
    assumed = replace(plan, module=replace(plan.module, assumed=True))
    assert "To confirm, write <module=" in describe_choice(assumed, HOST)
    for event in (events.Planned(assumed), events.Described(assumed)):
        assert "To confirm, write <module=" in event_text(event, HOST)
    noticed = replace(plan, notes=(note("kept", "it stays", hint=f"write {setting('port', 'PORT')}"),))
    assert "  write <port=PORT> in host.ini\n" in event_text(events.Updated(noticed, 12, 0), HOST)


def test_a_notice_has_its_kind_and_its_code():
    where = Place.at(file="a.csv", line=3)
    mind = warning("odd", "mind this", where=where, hint="mend it")
    assert notice_text(mind) == "Warning: a.csv:3: mind this  [odd]\n  mend it"
    assert notice_text(note("kept", "it stays")) == "Note: it stays  [kept]"
    assert notice_text(note("kept", "a\n\x1b")) == "Note: a\\n\\x1b  [kept]"
    taken = EspAtError("pin-taken", "GPIO6 is taken", hint="free:\nGPIO\x1b").as_warning()
    assert notice_text(taken) == "Warning: GPIO6 is taken  [pin-taken]\n  free:\n  GPIO\\x1b"


# --- events ---

HOME = Partition("at_customize", 0x40, 0, 0x20000, 0x20000)


def test_events_of_a_plan(plan):
    folder = Path("build/at")
    assert event_text(events.Planned(plan)) == f"{describe_choice(plan)}\n"
    assert event_text(events.Described(plan)) == f"{describe_plan(plan)}\n"
    assert event_text(events.ErasingAll(plan)) == f"{describe_factory(plan)}\n"
    assert event_text(events.ErasingAll(plan, blanks=True)) == (
        "Erasing the whole flash of the module ESP8266_1MB (ESP8266): its firmware, and all that it has saved.\n"
    )
    assert event_text(events.Erased(plan)) == (
        "The module's flash is blank now: it answers no AT command until the firmware is written to it again.\n"
    )
    assert event_text(events.Packaged(plan, folder)) == f"Wrote 12 images and the factory image to {folder}\n"


UNTESTED = "Whether it answers AT was not tested; test: true tests it at the end of each upload.\n"


def test_an_update_counts_what_was_written(plan):
    kept = "Offset   Size  Kept as the device has it\n0x10000  32KB  nvs"
    confirmed = "The device has all 12 images of the plan, confirmed by their digests:"
    assert event_text(events.Updated(plan, 12, 3)) == (
        f"{confirmed} 3 written, 9 unchanged.\n\n{kept}\n\n{describe_wiring(plan.wiring)}\n{UNTESTED}"
    )
    assert event_text(events.Updated(replace(plan, kept=()), 12, 0, test=True)) == (
        f"{confirmed} none had changed.\n\n{describe_wiring(plan.wiring)}\n"
    )


def test_the_factory_image_was_written(plan):
    head = "The device has the factory image, confirmed by its digest."
    written = events.FactoryImageWritten(plan)
    assert event_text(written) == f"{head}\n\n{describe_wiring(plan.wiring)}\n{UNTESTED}"
    noticed = events.FactoryImageWritten(replace(plan, notes=(note("kept", "it stays"),)), test=True)
    assert event_text(noticed) == f"{head}\n\nNote: it stays  [kept]\n{describe_wiring(plan.wiring)}\n"
    assert "<test=true> in host.ini tests it" in event_text(written, HOST)


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (events.Verified(12), "The device has all 12 images of the plan: compared by digest.\n"),
        (
            events.Connected(Device("COM3", "esp32c3", Security(), 4, 40, "02:00", 4 << 20, 921600, has_stub=True)),
            "Connected at COM3: ESP32-C3, revision v0.4, 4MB flash, MAC 02:00, 921600 baud\n",
        ),
        (events.Connected(Device("COM3", "esp32p4", Security())), "Connected at COM3: esp32p4, 115200 baud\n"),
        (events.Progressed("ota_0", 1, 3), "  ota_0 33 %\n"),
        (events.Progressed("ota_0", 0, 0), "  ota_0 0 %\n"),
        (events.ImageDone("ota_0", 0x100000, 40000, 40000), "    0x100000  ota_0                written\n"),
        (
            events.ImageDone("ota_0", 0x100000, 40000, 8192),
            "    0x100000  ota_0                2 of 10 sectors written\n",
        ),
        (events.ImageDone("otadata", 0x9000, 8192, 0), "      0x9000  otadata              unchanged\n"),
        (
            events.SavedSettingsChanged({"rate": 115200, "flow_ctrl": 3}, {"rate": 9600, "flow_ctrl": 0}),
            (
                "The UART settings that the module had saved were changed: "
                "rate was 115200 and is 9600, flow_ctrl was 3 and is 0.\n"
            ),
        ),
        (
            events.SavedSettingsRead({"nvs": "3 entries", "otadata": "starts ota_0"}),
            "The device keeps:\n  nvs: 3 entries\n  otadata: starts ota_0\n",
        ),
        (events.Noticed(warning("odd", "mind this", hint="mend it")), "Warning: mind this  [odd]\n  mend it\n"),
        (events.DownloadStarted("https://a/b.zip", 2336705), "Downloading https://a/b.zip (2.2 MB)\n"),
        (events.DownloadStarted("https://a/b.zip", None), "Downloading https://a/b.zip\n"),
        (
            events.DownloadStarted("https://a/b.zip", 2336705, resumed_at=1 << 20),
            "Resuming at 1.0 MB: https://a/b.zip (2.2 MB)\n",
        ),
        (events.DownloadStarted("https://a/b.zip", None, resumed_at=700), "Resuming at 0.7 KB: https://a/b.zip\n"),
        (events.DownloadProgressed(1 << 20, 4 << 20), "  1.0 MB of 4.0 MB, 25 %\n"),
        (events.DownloadProgressed(700, None), "  0.7 KB\n"),
        (events.Copying(Path("a.zip")), "Copying a.zip\n"),
        (events.Reported((Path("a.html"), Path("b.svg")), None), "Wrote a.html\nWrote b.svg\n"),
        (
            events.Reported((Path("a\x1b.html"),), "upload\x1b"),
            "Wrote a\\x1b.html\nThe page has the last run with the device, too: upload\\x1b.\n",
        ),
        (events.TableMade(("PACK",), "# Name\na, 0x40\n"), "# Primary partition table of PACK\n# Name\na, 0x40\n"),
        (
            events.TableMade(("PACK", "own.csv"), "# Name\na, 0x40\n", HOME, ((0x21000, 0x22000), (0x30000, 0x40000))),
            (
                "# User partition table of PACK with own.csv\n"
                "# Free inside 'at_customize' (0x20000…0x40000): 0x21000…0x22000 (4KB), 0x30000…0x40000 (64KB)\n"
                "# Name\na, 0x40\n"
            ),
        ),
        (
            events.TableMade(("own.csv",), "a, 0x40\n", HOME),
            "# User partition table of own.csv\n# Free inside 'at_customize' (0x20000…0x40000): nothing\na, 0x40\n",
        ),
        (events.WaitingForDownload(), "Waiting: another process is downloading this file\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, tuple) else "",
)
def test_other_events(event, text):
    assert event_text(event) == text


@pytest.mark.parametrize("text", ["Connecting..", "done\n", "", "a\r\nb\x1b[0m"], ids=repr)
def test_what_esptool_printed_stays_as_it_is(text):
    assert event_text(events.EsptoolOutput(text)) == text


def test_every_event_has_its_text():
    names = {name.strip() for name in events.Event.split("|")}
    assert {kind.__name__ for kind in _EVENTS} == names - {"EsptoolOutput"}


@pytest.mark.parametrize(
    "event",
    [
        events.Copying(Path("a\x1b.zip")),
        events.DownloadStarted("https://a/\x1b.zip", None),
        events.Noticed(note("kept", "\x1b")),
        events.Connected(Device("\x1b", "esp32", Security())),
        events.Progressed("\x1b", 1, 2),
        events.ImageDone("\x1b", 0, 1, 1),
    ],
    ids=lambda event: type(event).__name__,
)
def test_no_event_reaches_the_terminal_raw(event):
    assert event_text(event).removesuffix("\n").isprintable()


def test_a_folder_reaches_no_terminal_raw(plan):
    assert event_text(events.Packaged(plan, Path("a\x1b"))).removesuffix("\n").isprintable()
