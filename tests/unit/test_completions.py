"""What a shell can complete for each kind of option."""

from __future__ import annotations

import pytest

from platformio_esp_at.commands.completions import completions
from platformio_esp_at.request.kinds import Completes
from platformio_esp_at.request.options import OPTIONS


@pytest.mark.parametrize(
    ("option", "incomplete", "found"),
    [
        ("firmware", "lat", ["latest"]),
        ("board", "ESP32-C3-DEVKITC", ["esp32-c3-devkitc-02"]),
        ("board", "non", ["none"]),
        ("module", "wroom-3", ["WROOM-32"]),
        ("module", "ESP32-C3-M", ["ESP32-C3-MINI-1"]),
        ("factory_param", "uart_t", ["uart_tx_pin="]),
        ("pki", "mqtt_", ["mqtt_ca=", "mqtt_cert=", "mqtt_key="]),
        ("skip", "ble", ["ble_data"]),
        ("data", "fs", ["fs_storage="]),
        ("partitions", "", []),
    ],
)
def test_completions(option, incomplete, found):
    assert completions(OPTIONS[option].kind.completes, incomplete) == found


def test_only_numbers_switches_and_the_words_of_the_help_are_not_completed():
    nothing = [name for name, option in OPTIONS.items() if option.kind.completes is Completes.NOTHING]
    assert nothing == ["baud", "before", "after", "no_stub", "write_all", "show_kept", "test", "raw", "other_module"]
