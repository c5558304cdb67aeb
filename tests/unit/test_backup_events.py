"""What is said of a backup, to people and to programs; and the firmware that its project names."""

from __future__ import annotations

from pathlib import Path

import pytest

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.events import BackedUp, Restored, Restoring
from platformio_esp_at.outputs.records import event_record
from platformio_esp_at.outputs.text import event_text
from platformio_esp_at.planning.migration import Origin, make_project

HERE = Path("esp_at_backup_240AC4000001")
PRIVATE = "It has keys and Wi-Fi passwords in it: only you can open it, and git ignores it.\n"


def test_backed_up():
    event = BackedUp(HERE, 20, 823296, raw=False, has_project=True, version="v2.4.0.0")
    assert event_text(event) == (
        f"Saved 20 parts of the flash, confirmed by digests, in {HERE}\n"
        "The module's application is v2.4.0.0.\n"
        f"A project that rebuilds its user partitions is there, too: esp_at.yml.\n{PRIVATE}"
    )
    assert event_record(event) == {
        "event": "backed_up",
        "text": event_text(event),
        "stream": "stdout",
        "folder": str(HERE),
        "parts": 20,
        "size": 823296,
        "raw": False,
        "has_project": True,
        "version": "v2.4.0.0",
    }


def test_the_whole_flash_of_other_firmware():
    event = BackedUp(HERE, 1, 4 << 20, raw=True, has_project=False, version=None)
    assert event_text(event) == f"Saved the whole flash (4MB), confirmed by digests, in {HERE}\n{PRIVATE}"


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Restoring(HERE, "24:0a:c4:00:00:01", 19, raw=False), "19 parts of the flash of the module 24:0a:c4:00:00:01"),
        (Restoring(HERE, None, 1, raw=True), "the whole flash"),
    ],
)
def test_restoring(event, text):
    assert event_text(event) == f"Restoring {text} from {HERE}\n"


def test_restored():
    said = event_text(Restored(HERE, 19, 4))
    assert said == (
        "The device has what the backup saved, confirmed by digests: 4 of 19 parts written, 15 unchanged.\n"
    )


# --- the project ---


@pytest.mark.parametrize(
    ("version", "line"),
    [
        (None, "firmware: FIRMWARE.zip # name the firmware package"),
        ("v2.4.0.0", "firmware: v2.4.0.0 # by the application's version"),
        ("v2.4.0.0-dev-12-g0123456", "firmware: v2.4.0.0 # by the application's version"),
        ("v9.9.0.0", "firmware: FIRMWARE.zip # name the firmware package; the application is v9.9.0.0"),
        ("mine\x1b\n", "firmware: FIRMWARE.zip # name the firmware package; the application is mine\\x1b\\n"),
    ],
)
def test_the_firmware_that_a_module_has(version, line):
    contents = {"factory_param": sample_package("esp32")["customized_partitions/factory_param_WROOM-32.bin"]}
    files = make_project(Origin("module 24:0a:c4:00:00:01", "esp32", contents, version=version))
    lines = files["esp_at.yml"].decode().splitlines()
    assert lines[:2] == [
        "# Made from module 24:0a:c4:00:00:01: rebuilds its content with a firmware package of the same chip.",
        line,
    ]
