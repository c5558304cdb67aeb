"""Events as values for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plans import sample_plan

from platformio_esp_at import events
from platformio_esp_at.device.session import Device, Security
from platformio_esp_at.errors import EspAtError, Place, Spelling, setting, warning
from platformio_esp_at.outputs.records import device_facts, error_record, event_record

HOST = Spelling(lambda option, value: f"<{option}={value}>")


def test_the_plan_is_named(tmp_path):
    plan = sample_plan(tmp_path)
    record = event_record(events.Packaged(plan, Path("out")))
    assert record.pop("text").startswith("Wrote ")
    assert record == {
        "event": "packaged",
        "stream": "stdout",
        "module": plan.module.name,
        "chip": plan.chip.key,
        "package": plan.package.name,
        "folder": "out",
    }


def test_a_warning():
    notice = warning(
        "pin-taken", "GPIO6 is taken", hint=f"write {setting('module', 'X')}", where=Place.at(file="a.yml")
    )
    assert event_record(events.Noticed(notice), HOST) == {
        "event": "noticed",
        "text": "Warning: a.yml: GPIO6 is taken  [pin-taken]\n  write <module=X>\n",
        "stream": "stderr",
        "code": "pin-taken",
        "warning": True,
        "place": {"file": "a.yml"},
    }


@pytest.mark.parametrize(
    ("event", "facts"),
    [
        (
            events.EsptoolOutput("Stub running…\n"),
            {"event": "esptool_output", "text": "Stub running…\n", "stream": "stdout"},
        ),
        (
            events.DownloadStarted("https://x/a.zip", None, 3),
            {"url": "https://x/a.zip", "total": None, "resumed_at": 3},
        ),
        (events.Verified(6), {"event": "verified", "images": 6}),
        (events.Progressed("ota_0", 5, 10), {"event": "progressed", "name": "ota_0", "done": 5, "total": 10}),
        (
            events.ImageDone("ota_0", 0x100000, 40000, 8192),
            {"event": "image_done", "name": "ota_0", "offset": 0x100000, "size": 40000, "written": 8192},
        ),
        (
            events.SavedSettingsChanged({"rate": 115200}, {"rate": 9600}),
            {"event": "saved_settings_changed", "was": {"rate": 115200}, "now": {"rate": 9600}},
        ),
        (events.SavedSettingsRead({"nvs": "3 entries"}), {"facts": {"nvs": "3 entries"}}),
        (events.TableMade(("a.zip",), "# Name\n"), {"csv": "# Name\n", "sources": ("a.zip",)}),
    ],
)
def test_facts(event, facts):
    record = event_record(event)
    assert facts.items() <= record.items()
    assert json.loads(json.dumps(record))["event"] == record["event"]


def test_the_device_has_its_facts():
    device = Device("COM3", "esp32c3", Security(secure_boot=True), 4, 40, "02:00", 4 << 20, 921600, has_stub=True)
    facts = {
        "port": "COM3",
        "chip": "esp32c3",
        "security": {"secure_boot": True, "encryption": None, "secure_download": False},
        "revision": 4,
        "crystal_mhz": 40,
        "mac": "02:00",
        "flash_size": 4 << 20,
        "baud": 921600,
        "has_stub": True,
    }
    assert device_facts(device) == facts
    record = event_record(events.Connected(device))
    assert facts.items() <= record.items()
    assert json.loads(json.dumps(record)) == record


def test_an_error():
    error = EspAtError(
        "port-missing", "no port", hint=f"write {setting('port', 'P')}", where=Place.at(file="a", line=3)
    )
    assert error_record(error, HOST) == {
        "event": "error",
        "code": "port-missing",
        "text": "a:3: no port  [port-missing]\n  write <port=P>",
        "place": {"file": "a", "line": 3},
    }
