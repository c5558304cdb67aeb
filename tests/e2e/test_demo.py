"""The demo, as people run it."""

from __future__ import annotations

import os
import subprocess
import sys


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
        "$ pio run --list-targets",
        "$ pio run -t upload_at --upload-port ",
        "partition_table      written",
        "AT commands    GPIO17  GPIO16  unused  unused  921600",
        "every byte outside their sectors is as it was.",
    ):
        assert part in done.stdout
    assert list(tmp_path.rglob("*")) == [scratch]
