"""How platformio.ini has the options that hints name."""

from __future__ import annotations

import pytest

from platformio_esp_at.pio.run import as_option


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("module", "NAME", "custom_at_module = NAME"),
        ("factory_param.uart_tx_pin", "17", "custom_at_factory_param = uart_tx_pin=17"),
        ("factory_param", "{uart_tx_pin: 17}", "custom_at_factory_param = {uart_tx_pin: 17}"),
        ("data.mfg_nvs", "", "custom_at_data = mfg_nvs"),
        ("skip", "", "custom_at_skip"),
    ],
)
def test_an_option_in_a_hint(option, value, text):
    assert as_option(option, value) == text
