"""Messages are for people: a product that words every one of them otherwise decides everything as before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_refusals import PROJECTS, SAMPLE

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.formats.partition_table import PartitionTable

RISKY_GATTS = """\
index,uuid_len,uuid,perm,val_max_len,val_cur_len,value
0,16,0x2800,0x01,2,2,A002
1,16,0x2803,0x01,1,1,10
2,16,0xC300,0x01,1,1,30
"""
WARNED = """\
firmware: firmware.zip
board: board.json
partitions: own.csv
factory_param: {uart_tx_pin: 12, uart_cts_pin: -1, uart_rts_pin: -1, country_code: ZZ, start_channel: 2}
pki: {mqtt_ca: ca.pem, client_cert: ca.pem}
gatts: gatts.csv
"""
CERTIFICATE = Path(__file__).parents[2] / "examples/flash-only/certs/ca.pem"
TABLE = PartitionTable.from_bytes(sample_package("esp32")["at_customize.bin"]).to_csv()
BOARD = json.dumps({"name": "Ours", "build": {"mcu": "esp32"}, "upload": {"flash_size": "4MB"}})
PINS = {
    "taken by flash": "uart_tx_pin: 6",
    "taken twice": "uart_tx_pin: 17, uart_rx_pin: 17",
    "taken by another one that the package sets": "uart_rx_pin: 17",
    "input only": "uart_tx_pin: 34",
    "no such GPIO": "uart_tx_pin: 99",
    "a strapping pin": "uart_tx_pin: 12",
    "no UART": "uart_baudrate: -1",
    "too fast": "uart_baudrate: 99999999",
    "a channel too far": "start_channel: 14, channel_num: 13",
}

# Runs a command as the front ends do, with every message, hint and remark in other words if it is told to; prints what
# was decided: the refusal's kind, code, facts and places, or the notices and the bytes of the plan.
DECIDE = """\
import hashlib, json, sys
from pathlib import Path

from platformio_esp_at import errors

folder, reworded = Path(sys.argv[1]), sys.argv[2] == "reworded"
if reworded:
    init, notice = errors.EspAtError.__init__, errors.Notice.__init__

    def other_words(self, code, message, **options):
        init(self, code, "zzz", **{**options, "hint": "zzz"})

    def other_notice(self, code, message, *args, **options):
        notice(self, code, "zzz", *args, **{**options, "marked_hint": options.get("marked_hint") and "zzz"})

    errors.EspAtError.__init__, errors.Notice.__init__ = other_words, other_notice

from platformio_esp_at.commands import setup
from platformio_esp_at.events import Noticed
from platformio_esp_at.request.board_manifests import find_board
from platformio_esp_at.request.read import read_project

def decided(problem):
    return [type(problem).__name__, problem.code, problem.where, problem.facts, [decided(p) for p in problem.problems]]

reported = []
try:
    job = setup.prepare(setup.Setup(
        layers=(read_project(folder),), project=folder, folder=folder / "out",
        find_board=lambda board: find_board(board) if board else None, report=reported.append,
    ))
except errors.EspAtError as error:
    print(json.dumps(decided(error)))
else:
    notices = [*job.plan.notes, *(event.notice for event in reported if isinstance(event, Noticed))]
    print(json.dumps([
        [[found.code, found.is_warning, str(found.place), dict(found.facts)] for found in notices],
        [[region.name, region.offset, hashlib.sha256(region.data).hexdigest()] for region in job.plan.regions],
    ]))
"""


@pytest.fixture
def decide():
    def run(folder, words):
        command = [sys.executable, "-c", DECIDE, folder, words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("fault", PROJECTS)
def test_a_refusal_is_the_same_in_other_words(fault, project, decide):
    yml, files, code, _ = PROJECTS[fault]
    folder = project(yml=yml, **files)
    refusal = decide(folder, "usual")
    assert refusal[1] == code
    assert decide(folder, "reworded") == refusal


@pytest.mark.parametrize("values", PINS.values(), ids=PINS)
def test_parameters_are_refused_or_warned_of_all_the_same(values, project, decide):
    folder = project(yml=f"firmware: firmware.zip\nmodule: WROOM-32\nfactory_param: {{{values}}}\n")
    decision = decide(folder, "usual")
    assert decide(folder, "reworded") == decision


def test_warnings_and_notes_are_the_same_in_other_words(project, decide):
    files = {
        "firmware.zip": SAMPLE,
        "board.json": BOARD,
        "own.csv": TABLE,
        "ca.pem": CERTIFICATE,
        "gatts.csv": RISKY_GATTS,
    }
    folder = project(yml=WARNED, **files)
    notices, regions = decide(folder, "usual")
    assert len({code for code, _, _, _ in notices}) >= 5
    assert decide(folder, "reworded") == [notices, regions]
