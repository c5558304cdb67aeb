"""How a command line has the options that hints name."""

from __future__ import annotations

import shlex

import pytest

from platformio_esp_at.request.command_line import as_arguments, layer_of_command_line, parameters
from platformio_esp_at.request.options import OPTIONS


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("module", "NAME", "--module NAME"),
        ("factory_param.uart_tx_pin", "17", "--factory-param uart_tx_pin=17"),
        ("factory_param", "{uart_tx_pin: 17}", "--factory-param '{uart_tx_pin: 17}'"),
        ("data.mfg_nvs", "", "--data mfg_nvs"),
        ("skip", "", "--skip"),
        ("no_stub", "true", "--no-stub"),
        ("test", "true", "--test"),
    ],
)
def test_an_option_in_a_hint(option, value, text):
    assert as_arguments(option, value) == text


@pytest.mark.parametrize("name", OPTIONS)
def test_what_a_hint_says_can_be_typed(name):
    """The example of each option, typed as a hint writes it, is read."""
    word, *values = shlex.split(as_arguments(name, OPTIONS[name].example))
    parameter = parameters()[name]
    assert word in parameter["names"]
    if parameter.get("is_flag"):
        value = not values
    else:
        (value,) = [tuple(values)] if parameter["multiple"] else values
    layer = layer_of_command_line({name: value})
    assert list(layer.options) == [name]
