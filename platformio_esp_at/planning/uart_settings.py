"""The UART settings that every release saves in the partition ``nvs`` when it boots first.

From then on they win over ``uart_baudrate`` of the factory parameters, if the firmware can read all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.formats.nvs_pages import Encoding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from platformio_esp_at.planning.plan import FlashPlan

NAMESPACE = "UART"
"""Their namespace."""

ENCODINGS = {
    "rate": Encoding.I32,
    "databits": Encoding.I8,
    "stopbits": Encoding.I8,
    "parity": Encoding.I8,
    "flow_ctrl": Encoding.I8,
}
"""Their keys and types, in the order in which the firmware saves them."""

_RTS, _CTS = 1, 2
"""Bits of ``flow_ctrl``: which lines are used (ESP-IDF, ``uart_hw_flowcontrol_t``)."""


def wanted_settings(set_by_project: Collection[str], plan: FlashPlan, saved: Mapping[str, int]) -> dict[str, int]:
    """Return what the saved settings have to be for a project: those that it contradicts, by their keys.

    ``set_by_project``: the factory parameters that it sets; the others of a plan are the firmware package's, which no
    user has asked for. A saved flow control is wanted without the lines for which the project has no pin.
    """
    wiring = plan.wiring
    if wiring is None:
        return {}
    wanted = {}
    if "uart_baudrate" in set_by_project:
        wanted["rate"] = wiring.baudrate
    lines = saved.get("flow_ctrl", 0)
    for name, pin, line in (("uart_rts_pin", wiring.rts, _RTS), ("uart_cts_pin", wiring.cts, _CTS)):
        if name in set_by_project and pin < 0:
            wanted["flow_ctrl"] = lines = lines & ~line
    return wanted
