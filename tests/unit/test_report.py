"""The report that a run with a device leaves beside the image set."""

from __future__ import annotations

import hashlib
import json

import pytest
from plans import plan_of_zip

from platformio_esp_at import __version__
from platformio_esp_at.device.session import Device, Security
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.events import ImageDone
from platformio_esp_at.outputs.records import device_facts
from platformio_esp_at.outputs.report import REPORT, write_report

DEVICE = Device("COM3", "esp32", Security(), 300, 40, "02:00", 4 << 20, 921600, has_stub=True)


def _report(tmp_path, **changed) -> dict:
    facts = {"command": "upload", "device": DEVICE, "images": (), "state": "whole", "error": None, "facts": {}}
    plan = plan_of_zip(tmp_path)
    write_report(tmp_path / "build/at", plan, **(facts | changed))
    return json.loads((tmp_path / "build" / REPORT).read_bytes())


def test_a_run_that_succeeded(tmp_path):
    images = [ImageDone("ota_0", 0x100000, 40000, 8192), ImageDone("otadata", 0x10000, 8192, 0)]
    report = _report(tmp_path, images=images, facts={"uart_settings": "unread"})
    assert report == {
        "generator": f"platformio-esp-at {__version__}",
        "command": "upload",
        "ended": "succeeded",
        "module_state": "whole",
        "device": device_facts(DEVICE),
        "module": "WROOM-32",
        "firmware_package": {"name": "AT_PACK", "sha256": plan_of_zip(tmp_path).package.sha256},
        "plan_sha256": hashlib.sha256(plan_of_zip(tmp_path).unfilled_image()).hexdigest(),
        "images": [
            {"name": "ota_0", "offset": 0x100000, "size": 40000, "written": 8192, "result": "written"},
            {"name": "otadata", "offset": 0x10000, "size": 8192, "written": 0, "result": "unchanged"},
        ],
        "uart_settings": "unread",
    }


def test_a_run_that_failed_before_it_knew_the_device(tmp_path):
    report = _report(tmp_path, device=None, state="as_before", error="port-absent")
    assert (report["ended"], report["module_state"], report["device"]) == ("port-absent", "as_before", None)


def test_it_replaces_the_report_of_the_last_run(tmp_path):
    _report(tmp_path, error="port-absent")
    assert _report(tmp_path)["ended"] == "succeeded"
    assert [file.name for file in (tmp_path / "build").iterdir()] == [REPORT]


def test_a_report_that_cant_be_written(tmp_path):
    (tmp_path / "build").touch()
    with pytest.raises(EspAtError) as caught:
        _report(tmp_path)
    assert caught.value.code == "not-writable"
