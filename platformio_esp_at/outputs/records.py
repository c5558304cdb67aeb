"""An event as a value for programs: its name, its text for people, and its facts; a line of JSON lines."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformio_esp_at.errors import IN_PROJECT_FILE
from platformio_esp_at.events import Noticed, TableMade, Tested
from platformio_esp_at.outputs.terminal import goes_to_error_output
from platformio_esp_at.outputs.text import error_text, event_text

if TYPE_CHECKING:
    from platformio_esp_at.checks.alive import Verdict
    from platformio_esp_at.device.session import Device
    from platformio_esp_at.errors import EspAtError, Spelling
    from platformio_esp_at.events import Event


def event_record(event: Event, spelling: Spelling = IN_PROJECT_FILE, width: int | None = None) -> dict[str, Any]:
    """Return an event; options in its text as the host writes them, its tables in ``width`` columns (see `tables`).

    ``stream`` says on which output its text is shown.
    """
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    return {
        "event": name,
        "text": event_text(event, spelling, width),
        "stream": "stderr" if goes_to_error_output(event) else "stdout",
        **_facts(event),
    }


def error_record(error: EspAtError, spelling: Spelling = IN_PROJECT_FILE) -> dict[str, Any]:
    """Return the error that ends a command."""
    return {"event": "error", "text": error_text(error, spelling), "code": error.code, "place": error.place.facts}


def device_facts(device: Device) -> dict[str, Any]:
    """Return what a device has told."""
    return asdict(device) | {"security": device.security._asdict()}


def _facts(event: Event) -> dict[str, Any]:
    """Return what is plain in an event, and of a plan and a notice what names them."""
    if isinstance(event, Noticed):
        return {"code": event.notice.code, "warning": event.notice.is_warning, "place": event.notice.place.facts}
    facts: dict[str, Any] = {}
    for name, value in event._asdict().items():
        if name == "plan":
            facts |= {"module": value.module.name, "chip": value.chip.key, "package": value.package.name}
        elif name == "device":
            facts |= device_facts(value)
        elif isinstance(value, Path):
            facts[name] = str(value)
        elif isinstance(event, Tested) and name == "verdict":
            facts |= verdict_facts(value)
        elif name != "text" and isinstance(value, str | int | dict | None):
            facts[name] = value
    return facts if not isinstance(event, TableMade) else {"csv": event.csv, "sources": event.sources}


def verdict_facts(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict of a test."""
    return {
        "holds": verdict.holds,
        "aspects": [{**aspect._asdict(), "state": aspect.state.value} for aspect in verdict.aspects],
        "evidence": list(verdict.evidence),
        "problems": [problem.code for problem in verdict.problems],
        "notices": [notice.code for notice in verdict.notices],
    }
