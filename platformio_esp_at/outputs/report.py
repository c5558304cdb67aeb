"""The report of a run with a device: what it is, what was written and what it had, and how the run ended."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from platformio_esp_at import __version__
from platformio_esp_at.outputs.folder import write_beside
from platformio_esp_at.outputs.records import device_facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from platformio_esp_at.device.session import Device
    from platformio_esp_at.events import ImageDone
    from platformio_esp_at.planning.plan import FlashPlan

REPORT = "esp_at_report.json"
"""Its name, beside the folder of the image set."""


def is_of_plan(report: Mapping[str, Any], plan: FlashPlan) -> bool:
    """Return whether a report is of a run with these very images, for this module."""
    return report.get("module") == plan.module.name and report.get("plan_sha256") == _digest(plan)


def _digest(plan: FlashPlan) -> str:
    """Return the SHA-256 of all that a plan writes."""
    return hashlib.sha256(plan.unfilled_image()).hexdigest()


def write_report(
    folder: Path,
    plan: FlashPlan | None,
    *,
    command: str,
    device: Device | None,
    images: Sequence[ImageDone],
    state: str,
    error: str | None,
    facts: Mapping[str, object],
) -> None:
    """Write the report beside the image set ``folder``; a run without a plan has only what the device has told.

    Raises `EspAtError`.
    """
    planned = (
        {
            "module": plan.module.name,
            "plan_sha256": _digest(plan),
            "firmware_package": {"name": plan.package.name, "sha256": plan.package.sha256},
        }
        if plan
        else {}
    )
    report: dict[str, Any] = {
        "generator": f"platformio-esp-at {__version__}",
        "command": command,
        "ended": error or "succeeded",
        "module_state": state,
        "device": device and device_facts(device),
        **planned,
        "images": [
            {
                "name": image.name,
                "offset": image.offset,
                "size": image.size,
                "written": image.written,
                "result": "written" if image.written else "unchanged",
            }
            for image in images
        ],
        **facts,
    }
    write_beside(folder, REPORT, (json.dumps(report, indent=2) + "\n").encode())
