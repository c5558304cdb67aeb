"""Every input file, image and table of a run is opened once and parsed once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.formats.partition_table import PartitionTable

ROOT = Path(__file__).parents[2]
CERTIFICATE = (ROOT / "examples/flash-only/certs/ca.pem").read_bytes()
GATTS = b"index,uuid_len,uuid,perm,val_max_len,val_cur_len,value\n0,16,0x2800,0x01,2,2,A002\n"
YML = """\
firmware: firmware.zip
board: board.json
partitions: at_customize.csv
factory_param: {uart_tx_pin: 5, uart_rx_pin: 18, uart_cts_pin: -1, uart_rts_pin: -1}
pki: {mqtt_ca: ca.pem, server_ca: server.pem}
gatts: gatts.csv
data: {fatfs: www}
"""
OWN_ROW = b"my_data, 0x40, 0x20, , 4K\n"
LOCK = b"""\
version: 1
partitions:
- {chip: esp32, module: WROOM-32, name: my_data, offset: 0x50000}
"""
BOARD = {"name": "Ours with a WROOM", "build": {"mcu": "esp32"}, "upload": {"flash_size": "4MB"}}

# Runs a command in a process of its own, since an audit hook stays; prints what was opened, and what was parsed.
COUNT = """\
import collections, hashlib, json, sys
from pathlib import Path

folder, command = Path(sys.argv[1]), sys.argv[2:]
opened, parsed = collections.Counter(), collections.Counter()

def count_file(event, args):
    # Files of the project alone, read and not written.
    if event == "open" and isinstance(args[0], (str, bytes)) and "r" in str(args[1] or ""):
        path = Path(args[0] if isinstance(args[0], str) else args[0].decode())
        if path.is_absolute() and path.is_relative_to(folder) and path.relative_to(folder).parts[:1] != ("build",):
            opened[path.relative_to(folder).as_posix()] += 1

def counted(owner, name):
    parse = getattr(owner, name).__func__
    def count(cls, data, *args, **options):
        key = data if isinstance(data, bytes) else str(data).encode()
        parsed[f"{cls.__name__}.{name} {hashlib.sha256(key).hexdigest()[:8]}"] += 1
        return parse(cls, data, *args, **options)
    setattr(owner, name, classmethod(count))

from platformio_esp_at.formats.esp_image import EspImage
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.partition_table import PartitionRows, PartitionTable
from platformio_esp_at.formats.pki import PkiContainer
from platformio_esp_at.formats.x509 import X509File

for owner, names in {
    EspImage: ["from_bytes"], GattTable: ["from_bytes", "from_csv"], NvsImage: ["from_bytes"],
    PartitionRows: ["from_csv"], PartitionTable: ["from_bytes", "from_csv"], PkiContainer: ["from_bytes"],
    X509File: ["from_bytes"],
}.items():
    for name in names:
        counted(owner, name)

from platformio_esp_at.cli import cli

sys.addaudithook(count_file)
cli(command, standalone_mode=False)
print(json.dumps([opened, parsed]))
"""


@pytest.mark.parametrize("command", ["info", "package"])
@pytest.mark.parametrize("nvs", [False, True], ids=["partitions", "mfg_nvs"])
@pytest.mark.parametrize("is_whole", [False, True], ids=["own-rows", "whole-table"])
def test_every_input_is_opened_and_parsed_once(tmp_path, nvs, is_whole, command):
    folder = tmp_path / "project"
    (folder / "www").mkdir(parents=True)
    write_sample_package(folder / "firmware.zip", nvs=nvs)
    write_sample_package(tmp_path / "unpacked", nvs=nvs)
    table = PartitionTable.from_bytes((tmp_path / "unpacked/at_customize.bin").read_bytes())
    files = {
        "esp_at.yml": YML.encode(),
        "board.json": json.dumps(BOARD).encode(),
        "at_customize.csv": table.to_csv().encode() if is_whole else OWN_ROW,
        "esp_at.lock": LOCK,
        "ca.pem": CERTIFICATE,
        "server.pem": CERTIFICATE + b"\n",
        "gatts.csv": GATTS,
        "www/index.html": b"<p>",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", COUNT, folder, command, "-C", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    opened, parsed = json.loads(done.stdout.splitlines()[-1])
    assert opened == dict.fromkeys([*files, "firmware.zip"], 1)
    assert {what.split()[0] for what in parsed} >= {
        "EspImage.from_bytes",
        "GattTable.from_csv",
        "PartitionRows.from_csv",
        "X509File.from_bytes",
    }
    assert {what: count for what, count in parsed.items() if count > 1} == {}
