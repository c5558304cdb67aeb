"""Several runs at once in one project, and runs that are ended: each module gets what its own run was told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from processes import children, is_running

from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam

YML = "firmware: firmware.zip\nmodule: WROOM-32\n"
SPEEDS = (9600, 57600, 230400)
FACTORY_PARAM = slice(0x30000, 0x31000)


@pytest.mark.parametrize("option", [[], ["--factory"]], ids=["images", "factory-image"])
def test_every_module_has_its_own(project, simulated_module, option):
    folder = project(yml=YML)
    modules = [simulated_module("esp32") for _ in SPEEDS]
    runs = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "platformio_esp_at", "flash", *option),
                *("--factory-param", f"uart_baudrate={speed}", "-p", module.port),
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for speed, module in zip(SPEEDS, modules, strict=True)
    ]
    for run in runs:
        said, _ = run.communicate(timeout=120)
        assert run.returncode == 0, said
    written = [FactoryParam.from_bytes(module.flash[FACTORY_PARAM]).values["uart_baudrate"] for module in modules]
    assert written == list(SPEEDS)

    assert {path.name for path in (folder / "build").iterdir()} == {"esp_at", "esp_at_report.json"}
    published = open_package(folder / "build/esp_at").files["customized_partitions/factory_param.bin"]
    assert FactoryParam.from_bytes(published).values["uart_baudrate"] in SPEEDS


@pytest.mark.skipif(sys.platform != "linux", reason="need Linux's ps")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["flash", "verify"])
def test_an_ended_run_leaves_nothing_behind(number, command, project, silent_port):
    folder = project(yml="firmware: firmware.zip\n", chip="esp32c3")
    run = subprocess.Popen(
        [sys.executable, "-m", "platformio_esp_at", command, "-v", "-p", silent_port],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 - as in a terminal, wherever tests run
    )
    said = read_until(b"Serial port", run)
    (worker,) = children(run.pid)
    run.send_signal(number)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 1, said
    assert errors.decode().lstrip("\n") == (
        "Error: interrupted: nothing was written  [interrupted]\n  run the command again\n"
    )
    assert {path.name for path in (folder / "build").iterdir()} == {"esp_at", "esp_at_report.json"}
    assert json.loads((folder / "build/esp_at_report.json").read_text())["module_state"] == "as_before"
    assert not is_running(worker)


def read_until(words, run):
    """Return what a run prints until it has printed these words."""
    said = b""
    while words not in said:
        piece = run.stdout.read1(4096)
        assert piece, said
        said += piece
    return said


def test_nohup_stays_nohup(project, silent_port):
    folder = project(yml="firmware: firmware.zip\n", chip="esp32c3")
    run = subprocess.Popen(
        ["nohup", sys.executable, "-m", "platformio_esp_at", "flash", "-v", "-p", silent_port],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    read_until(b"Serial port", run)
    run.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert run.poll() is None
    run.terminate()
    assert b"nothing was written" in run.communicate(timeout=30)[0]
