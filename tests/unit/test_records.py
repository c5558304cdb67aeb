"""Events as values for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plans import sample_plan

from platformio_esp_at import events
from platformio_esp_at.errors import EspAtError, Place, Spelling, setting, warning
from platformio_esp_at.outputs.records import error_record, event_record

HOST = Spelling(lambda option, value: f"<{option}={value}>")


def test_the_plan_is_named(tmp_path):
    plan = sample_plan(tmp_path)
    record = event_record(events.Packaged(plan, Path("out")))
    assert record.pop("text").startswith("Wrote ")
    assert record == {
        "event": "packaged",
        "stream": "stdout",
        "redraws": False,
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
        "redraws": False,
        "code": "pin-taken",
        "warning": True,
        "place": {"file": "a.yml"},
    }


@pytest.mark.parametrize(
    ("event", "facts"),
    [
        (
            events.EsptoolOutput("Writing… 5 %\r"),
            {"event": "esptool_output", "text": "Writing… 5 %\r", "redraws": True},
        ),
        (
            events.DownloadStarted("https://x/a.zip", None, 3),
            {"url": "https://x/a.zip", "total": None, "resumed_at": 3},
        ),
        (events.Verified(6), {"event": "verified", "images": 6}),
        (events.TableMade(("a.zip",), "# Name\n"), {"csv": "# Name\n", "sources": ("a.zip",)}),
    ],
)
def test_facts(event, facts):
    record = event_record(event)
    assert facts.items() <= record.items()
    assert json.loads(json.dumps(record))["event"] == record["event"]


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
