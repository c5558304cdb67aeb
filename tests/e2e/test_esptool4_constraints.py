"""ESP-IDF 5 pins esptool 4 and click before 8.2: we must install beside them, or idf.py stops working."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import requires

import pytest

CONSTRAINTS = {
    "ESP-IDF 5.5": "esptool~=4.10\nclick<8.2\n",
    "ESP-IDF 5.1": "esptool~=4.8\nclick<8.2\n",
    "ESP-IDF 6": "esptool>=5.1\n",
}


def index_answers() -> bool:
    """Return whether pip finds itself: a requirement that it can't find then is ours to mend."""
    words = ["--quiet", "--dry-run", "--ignore-installed", "--no-deps", "pip"]
    command = [sys.executable, "-m", "pip", "install", *words]
    return subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 0


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_pip_finds_a_set_of_packages(name, tmp_path):
    constraints, report = tmp_path / "constraints.txt", tmp_path / "report.json"
    constraints.write_text(CONSTRAINTS[name])
    own = [requirement for requirement in requires("platformio-esp-at") or () if "extra ==" not in requirement]
    assert any(requirement.startswith("esptool") for requirement in own)
    words = ["--quiet", "--dry-run", "--ignore-installed", "--report", report, "--constraint", constraints, *own]
    command = [sys.executable, "-m", "pip", "install", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if "from versions: none" in done.stderr and not index_answers():
        pytest.skip("need a package index to ask")
    assert done.returncode == 0, done.stderr
    found = {item["metadata"]["name"].lower(): item["metadata"] for item in json.loads(report.read_text())["install"]}
    assert found["esptool"]["version"].startswith("5." if name == "ESP-IDF 6" else "4.")
