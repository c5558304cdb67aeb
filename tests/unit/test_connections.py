"""How the module is connected, as lines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import HERE, sample_plan

from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.catalog.gpios import chip_gpios
from platformio_esp_at.outputs.connections import Line, connections
from platformio_esp_at.request.values import Text


def test_all_lines(tmp_path):
    at, download = connections(sample_plan(tmp_path)).interfaces
    assert (at.title, at.other) == ("AT commands on UART1, 115200 baud", "Host")
    assert at.lines == (
        Line("TX", 17, "RX", is_output=True),
        Line("RX", 16, "TX", is_output=False),
        Line("RTS", 14, "CTS", is_output=True),
        Line("CTS", 15, "RTS", is_output=False),
        Line("3V3", None, "3.3 V, 500 mA"),
        Line("GND", None, "GND"),
    )
    assert [line.gpio for line in download.lines] == [1, 3, None]


@pytest.mark.parametrize(("off", "left"), [("cts", {"RTS"}), ("rts", {"CTS"}), (("cts", "rts"), set())])
def test_lines_that_are_not_used(off, left, tmp_path):
    names = [off] if isinstance(off, str) else off
    plan = sample_plan(tmp_path, factory_param={f"uart_{name}_pin": Text("-1", HERE) for name in names})
    pins = {line.pin for line in connections(plan).interfaces[0].lines}
    assert pins == {"TX", "RX", "3V3", "GND"} | left


def test_no_uart(tmp_path):
    assert connections(replace(sample_plan(tmp_path), wiring=None)) is None


def test_no_number_of_the_uart_is_known(tmp_path):
    at, _ = connections(replace(sample_plan(tmp_path), parameters={})).interfaces
    assert at.title == "AT commands, 115200 baud"


@pytest.mark.parametrize("chip", chips(), ids=lambda chip: chip.key)
def test_the_download_mode_is_that_of_the_chip(chip):
    """Its pins are read at reset; the first is pulled down by BOOT, and is never a pin of the download port."""
    levels = dict(chip.download_levels)
    assert set(levels) <= chip_gpios(chip.key).strapping
    assert next(iter(levels.values())) == "low"
    assert len(levels) >= 2
    assert set(levels.values()) <= {"low", "high"}
    assert not {chip.download_tx_pin, chip.download_rx_pin} & set(levels)


def test_the_steps(tmp_path):
    steps = connections(sample_plan(tmp_path, "esp8266")).steps
    assert steps[0] == "Hold GPIO0 low (the BOOT button), and tap RESET (EN), with GPIO2 high and GPIO15 low."
