"""Which saved UART settings a project contradicts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import sample_plan

from platformio_esp_at.planning.plan import Wiring
from platformio_esp_at.planning.uart_settings import ENCODINGS, wanted_settings

BOTH, RTS, CTS, NONE = 3, 1, 2, 0


@pytest.fixture
def plan(tmp_path):
    """Return a plan with this wiring."""
    made = sample_plan(tmp_path)

    def wired(**pins: int):
        wiring = {"tx": 17, "rx": 16, "cts": 15, "rts": 14, "baudrate": 9600, "download_tx": 1, "download_rx": 3}
        return replace(made, wiring=Wiring(**(wiring | pins)))

    return wired


def test_what_no_user_has_asked_for_stays(plan):
    assert wanted_settings((), plan(cts=-1, rts=-1), {"rate": 115200, "flow_ctrl": BOTH}) == {}
    assert wanted_settings(("uart_tx_pin", "country_code"), plan(cts=-1, rts=-1), {"flow_ctrl": BOTH}) == {}


@pytest.mark.parametrize("saved", [{}, {"rate": 115200}, {"rate": 9600}])
def test_the_rate_that_the_project_sets(plan, saved):
    assert wanted_settings(("uart_baudrate",), plan(), saved) == {"rate": 9600}


@pytest.mark.parametrize(
    ("given", "pins", "saved", "wanted"),
    [
        (["uart_rts_pin"], {"rts": -1}, BOTH, CTS),
        (["uart_cts_pin"], {"cts": -1}, BOTH, RTS),
        (["uart_rts_pin", "uart_cts_pin"], {"rts": -1, "cts": -1}, BOTH, NONE),
        (["uart_rts_pin"], {"rts": -1}, RTS, NONE),
        (["uart_rts_pin"], {"rts": -1}, CTS, CTS),
        (["uart_cts_pin"], {"rts": -1, "cts": -1}, BOTH, RTS),
    ],
)
def test_flow_control_without_the_lines_that_have_no_pin(plan, given, pins, saved, wanted):
    assert wanted_settings(given, plan(**pins), {"flow_ctrl": saved}) == {"flow_ctrl": wanted}


def test_flow_control_stays_where_the_lines_have_pins(plan):
    assert wanted_settings(("uart_rts_pin", "uart_cts_pin"), plan(), {"flow_ctrl": NONE}) == {}


def test_a_module_without_an_at_uart(plan):
    without = replace(plan(), wiring=None)
    assert wanted_settings(("uart_baudrate",), without, {"rate": 115200}) == {}


def test_keys_are_in_the_order_of_the_firmware():
    assert list(ENCODINGS) == ["rate", "databits", "stopbits", "parity", "flow_ctrl"]
