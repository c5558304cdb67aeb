"""Progress bars in a terminal: one at a time, which is gone when something else is shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from platformio_esp_at.events import ImageDone, Progressed, Verified
from platformio_esp_at.outputs.bars import Bars


@pytest.fixture
def shown() -> list:
    return []


def test_other_events_are_shown_as_they_are(shown):
    bars = Bars(shown.append)
    for event in (Verified(3), ImageDone("ota_0", 0, 1, 1)):
        bars.show(event)
    assert shown == [Verified(3), ImageDone("ota_0", 0, 1, 1)]


def _bar(bars: Bars) -> tuple[str, float, float | None] | None:
    """Return the name of the bar, how far it is, and its length."""
    if bars._bar is None:
        return None
    _, progress, task = bars._bar
    (row,) = progress.tasks
    assert row.id == task
    return row.description, row.completed, row.total


def test_a_bar_goes_on_and_another_image_has_its_own(shown):
    bars = Bars(shown.append)
    bars.show(Progressed("ota_0", 1, 10))
    first = bars._bar[1]
    bars.show(Progressed("ota_0", 7, 12))
    assert bars._bar[1] is first
    assert _bar(bars) == ("ota_0", 7, 12)
    bars.show(Progressed("[red]\x1b", 1, 2))
    assert _bar(bars) == (r"\[red]\x1b", 1, 2)
    assert first.finished or not first.live.is_started
    bars.clear()
    bars.clear()
    assert _bar(bars) is None
    assert shown == []


def test_a_bar_goes_before_something_else_is_shown():
    states = []
    bars = Bars(lambda _event: states.append(_bar(bars)))
    bars.show(Progressed("ota_0", 1, 10))
    assert _bar(bars) is not None
    bars.show(Verified(3))
    assert states == [None]


SCRIPT = """
from platformio_esp_at.events import Progressed, Verified
from platformio_esp_at.outputs.bars import Bars
from platformio_esp_at.outputs.terminal import show
bars = Bars(show)
bars.show(Progressed("ota_0", 1, 4))
bars.show(Progressed("ota_0", 2, 4))
bars.show(Verified(3))
"""


def test_in_a_terminal():
    pty = pytest.importorskip("pty", reason="need pseudo-terminals")
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], stdout=theirs, stderr=theirs, env=env, check=False)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 1 << 16):
            text += piece
    except OSError:  # as Linux ends it
        pass
    os.close(ours)
    assert done.returncode == 0, text
    printed = text.decode()
    assert "ota_0" in printed
    assert "50%" in printed
    last = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", printed).replace("\r", "\n").strip().splitlines()[-1]
    assert last == "The device has all 3 images of the plan: compared by digest."
