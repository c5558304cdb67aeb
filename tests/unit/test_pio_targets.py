"""What PlatformIO's targets print."""

from __future__ import annotations

import io
import sys

from platformio_esp_at.pio.targets import _say


def test_a_terminal_without_umlauts(monkeypatch):
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="ascii"))
    _say("fürm…")
    sys.stdout.flush()
    assert stream.getvalue() == b"f\\xfcrm\\u2026\n"
