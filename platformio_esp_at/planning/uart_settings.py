"""The UART settings that every release saves in the partition ``nvs`` when it boots first.

From then on they win over ``uart_baudrate`` of the factory parameters, if the firmware can read all of them.
"""

from __future__ import annotations

from platformio_esp_at.formats.nvs_pages import Encoding

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
