"""The demo, as people run it."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]


def test_the_demo_shows_a_real_upload_and_leaves_nothing_behind(tmp_path):
    command = [sys.executable, "-m", "platformio_esp_at", "demo"]
    scratch = tmp_path / "scratch files"
    scratch.mkdir()
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch), "HOME": str(tmp_path)}
    env |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    env["ESP_AT_PYTHON"] = sys.executable  # it has the packages; elsewhere the demo gets them
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for part in (
        "The firmware is a stand-in",
        "$ pio run -t upload_at --upload-port ",
        "partition_table      written",
        "AT commands    GPIO17  GPIO16  unused  unused  921600",
        "Verdict: the firmware runs, and is as planned; whether it answers AT was not tested.",
        "every byte outside their sectors is as it was.",
    ):
        assert part in done.stdout
    assert "Warning" not in done.stdout + done.stderr
    assert not set(re.findall(r"\[([\w-]+)\]$", done.stderr, re.MULTILINE)) - {"at-not-asked"}
    assert list(tmp_path.rglob("*")) == [scratch]


def test_the_picture_of_the_readme_shows_what_an_upload_prints():
    picture = runpy.run_path(str(ROOT / "tools" / "picture.py"))
    drawn = picture["draw"](picture["printed_by_an_upload"]())
    assert _text(picture["PICTURE"].read_text(encoding="utf-8")) == _text(drawn)


def _text(svg: str) -> list[str]:
    """Return the lines of a picture; how they are drawn depends on the version of rich."""
    texts = ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")  # noqa: S314 - our own picture
    return [(text.text or "").replace("\xa0", " ").rstrip() for text in texts]
