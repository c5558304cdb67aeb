"""What the page about the project file shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from platformio_esp_at.commands import packaging
from platformio_esp_at.commands.setup import Setup
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.request.read import read_project

ROOT = Path(__file__).parents[2]
CERTIFICATE = (ROOT / "examples/flash-only/certs/ca.pem").read_bytes()
PAGE = (ROOT / "docs/reference/project-file.md").read_text(encoding="utf-8")
GATTS = b"index,uuid_len,uuid,perm,val_max_len,val_cur_len,value\n0,16,0x2800,0x01,2,2,A002\n"


@pytest.mark.parametrize("nvs", [False, True], ids=["partitions", "mfg_nvs"])
def test_the_project_file(tmp_path, nvs, monkeypatch):
    """It names a release and a partition of one's own; with a release of the other generation, it works, too."""
    text = next(block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    release = re.search(r"firmware: v(\S+) ", text)[1]
    if not nvs:
        text, release = text.replace(f"v{release}", "v2.4.0.0"), "2.4.0.0"
    write_sample_package(tmp_path / f"ESP32-WROOM-32-AT-V{release}.zip", nvs=nvs)
    monkeypatch.setenv("ESP_AT_MIRROR", str(tmp_path))
    rows = next(block for block in re.findall(r"```\n(# Name.*?)```", PAGE, re.DOTALL))
    (tmp_path / "own_partitions.csv").write_text(rows)
    for name, data in {
        "certs/ca.pem": CERTIFICATE,
        "certs/a.crt": CERTIFICATE,
        "certs/b.crt": CERTIFICATE,
        "gatts_data.csv": GATTS,
        "data/table.bin": b"own",
        "data/www/index.html": b"<p>",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "esp_at.yml").write_text(text.replace("board: esp32dev ", "board: none "))
    plan = packaging.package(
        Setup(
            layers=(read_project(tmp_path),),
            project=tmp_path,
            folder=tmp_path / "out",
            find_board=lambda _: None,
            report=lambda _: None,
        )
    )
    assert (plan.wiring.tx, plan.wiring.rx, plan.wiring.cts, plan.wiring.baudrate) == (17, 16, -1, 921600)
    assert {"my_partition", "fatfs"} <= {region.name for region in plan.regions}
