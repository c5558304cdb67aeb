"""Which factory parameters are refused, and which are warned of."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog.gpios import has_in_package_flash
from platformio_esp_at.catalog.modules import module, modules
from platformio_esp_at.checks.parameters import check_parameters
from platformio_esp_at.errors import FormatError

USUAL = {
    "esp32": module("esp32", "WROOM-32").factory_param(3),
    "esp32c3": module("esp32c3", "MINI-1").factory_param(4),
    "esp32c2": module("esp32c2", "ESP32C2-4MB").factory_param(4),
    "esp32c61": module("esp32c61", "ESP32C61-4MB").factory_param(4),
    "esp8266": module("esp8266", "WROOM-02").factory_param(3),
}


def _check(chip="esp32c3", *, psram=False, in_package_flash=False, **values):
    usual = USUAL[chip]
    return check_parameters({**usual, **values}, chip=chip, psram=psram, in_package_flash=in_package_flash, usual=usual)


def _refusal(chip="esp32c3", **values):
    problems, _ = _check(chip, **values)
    assert len(problems) == 1
    return problems[0]


@pytest.mark.parametrize(
    ("row", "version"),
    [(row, version) for row in modules() for version in row.versions if version],
    ids=lambda value: f"{value.chip}-{value.name}" if hasattr(value, "chip") else str(value),
)
def test_upstreams_own_values_pass(row, version):
    facts = {"psram": row.psram, "in_package_flash": has_in_package_flash(row.chip, row.name)}
    releases = [name for name in ("v1.2.0.0", "v2.0.0.0", "v2.3.0.0", "v4.0.0.0") if name in row.versions[version]]
    for release in (None, *releases):
        values = row.factory_param(version, release=release)
        assert check_parameters(values, chip=row.chip, usual=values, **facts) == ([], [])
        assert not check_parameters(values, chip=row.chip, **facts)[0]


def test_pins_are_checked_with_the_name_of_the_parameter():
    error = _refusal("esp32", uart_tx_pin=8)
    assert str(error).startswith("uart_tx_pin: GPIO8 is taken by the SPI flash\n  free on this chip")
    assert _refusal("esp32", psram=True, uart_rx_pin=4).where == "uart_tx_pin"
    assert _check("esp32", in_package_flash=True, uart_rx_pin=4, uart_tx_pin=16)[0][0].where == "uart_tx_pin"


@pytest.mark.parametrize(
    ("chip", "baudrate"),
    [("esp32c3", 80), ("esp32c3", 921600), ("esp32", 5_000_000), ("esp8266", 4_500_000), ("esp32c2", 2_500_000)],
)
def test_a_baud_rate_that_the_firmware_takes(chip, baudrate):
    assert _check(chip, uart_baudrate=baudrate) == ([], [])


@pytest.mark.parametrize(
    ("chip", "baudrate"),
    [("esp32c3", 79), ("esp32c3", 0), ("esp32", 5_000_001), ("esp8266", 4_500_001), ("esp32c2", 2_500_001)],
)
def test_a_baud_rate_that_the_firmware_does_not_take(chip, baudrate):
    error = _refusal(chip, uart_baudrate=baudrate)
    assert error.where == "uart_baudrate"
    assert "80 to" in error.hint


def test_a_baud_rate_too_fast_for_the_end_of_passthrough():
    assert "+++" in _check("esp32c3", uart_baudrate=4_000_000)[1][0]
    assert not _check("esp32", uart_baudrate=4_000_000)[1]


@pytest.mark.parametrize("name", ["uart_tx_pin", "uart_rx_pin"])
def test_a_uart_needs_tx_and_rx(name):
    assert _refusal(**{name: -1}).where == name


def test_a_uart_needs_no_flow_control():
    assert _check(uart_cts_pin=-1, uart_rts_pin=-1) == ([], [])


def test_a_module_keeps_its_uart():
    pins = dict.fromkeys(("uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin"), -1)
    error = _refusal(uart_baudrate=-1, uart_port=-1, **pins)
    assert error.where == "uart_baudrate"


def test_no_uart_with_pins():
    values = {**module("esp32c3", "ESP32C3-SPI").factory_param(4), "uart_tx_pin": 7}
    problems, _ = check_parameters(values, chip="esp32c3", psram=False, in_package_flash=False)
    assert [problem.message for problem in problems] == ["-1 means no UART, but uart_tx_pin is set"]


@pytest.mark.parametrize(
    ("chip", "port"), [("esp32", 2), ("esp32c61", 2), ("esp32", -1), ("esp32c3", 0), ("esp8266", 0)]
)
def test_a_uart_that_the_chip_has(chip, port):
    assert not _check(chip, uart_port=port)[0]


@pytest.mark.parametrize(
    ("chip", "port"), [("esp32", 3), ("esp32c3", 2), ("esp32c3", -1), ("esp32c2", 2), ("esp8266", 1)]
)
def test_a_uart_that_the_chip_does_not_have(chip, port):
    error = _refusal(chip, uart_port=port)
    assert error.where == "uart_port"
    assert f"has no UART {port}" in error.message


@pytest.mark.parametrize("code", ["US", "01", "EU", "DE ", "JPI"])
def test_a_country(code):
    assert _check(country_code=code) == ([], [])


@pytest.mark.parametrize(
    ("code", "hint"), [("us", "write US"), ("USA", "two letters"), ("00", "two letters"), ("", "two"), ("ÖÄ", "two")]
)
def test_no_country(code, hint):
    error = _refusal(country_code=code)
    assert error.where == "country_code"
    assert hint in error.hint


def test_a_country_that_the_driver_does_not_list():
    assert "ZA" in _check(country_code="ZA")[1][0]


def test_a_blank_country_is_no_country_up_to_version_3():
    assert not _check("esp32", country_code="")[0]


@pytest.mark.parametrize(("start", "count"), [(1, 11), (1, 14), (6, 9), (14, 1)])
def test_channels(start, count):
    assert _check(start_channel=start, channel_num=count) == ([], [])


@pytest.mark.parametrize(
    ("start", "count", "where"),
    [
        (0, 13, "start_channel"),
        (15, 1, "start_channel"),
        (1, 0, "channel_num"),
        (1, 15, "channel_num"),
        (2, 14, "channel_num"),
        (14, 2, "channel_num"),
        (255, 255, "start_channel"),
    ],
)
def test_channels_outside_of_wifi(start, count, where):
    assert _refusal(start_channel=start, channel_num=count).where == where


def test_up_to_version_3_channel_num_is_the_last_channel():
    assert _check("esp32", start_channel=1, channel_num=14) == ([], [])
    assert "last channel: 6 to 11" in _check("esp32", start_channel=6, channel_num=11)[1][0]
    assert "last channel" in _refusal("esp32", start_channel=6, channel_num=5).message
    assert not _check("esp32", start_channel=255, channel_num=255)[0]


@pytest.mark.parametrize(("chip", "power"), [("esp32c3", 40), ("esp32c3", 84), ("esp8266", 82)])
def test_a_power(chip, power):
    name = "max_tx_power" if chip == "esp32c3" else "tx_max_power"
    assert _check(chip, **{name: power}) == ([], [])


@pytest.mark.parametrize(("chip", "power"), [("esp32c3", 7), ("esp32c3", 85), ("esp8266", 83), ("esp8266", 39)])
def test_a_power_that_the_firmware_does_not_take(chip, power):
    name = "max_tx_power" if chip == "esp32c3" else "tx_max_power"
    error = _refusal(chip, **{name: power})
    assert error.where == name
    assert "dBm" in error.message
    assert "write 40 to" in error.hint


def test_a_low_power_is_warned_of():
    assert _check(max_tx_power=20)[1] == ["max_tx_power: 5 dBm is below the 10 that AT+RFPOWER starts at"]


def test_a_power_that_version_1_does_not_look_at():
    values = module("esp32", "WROOM-32").factory_param(1)
    problems, warnings = check_parameters(
        {**values, "tx_max_power": 1}, chip="esp32", psram=False, in_package_flash=False
    )
    assert not problems
    assert [warning.split(":")[0] for warning in warnings if "power" in warning] == ["tx_max_power"]


def test_sys_store():
    assert _check(sys_store=0) == ([], [])
    assert _refusal(sys_store=2).where == "sys_store"


def test_text_where_a_number_belongs():
    error = _refusal(uart_tx_pin="GPIO7")
    assert isinstance(error, FormatError)
    assert error.where == "uart_tx_pin"


def test_only_what_is_given_is_looked_at():
    assert check_parameters({}, chip="esp32", psram=False, in_package_flash=False) == ([], [])
    assert check_parameters({"country_code": "US"}, chip="esp32c6", psram=False, in_package_flash=False) == ([], [])


def test_every_problem_is_told():
    problems, _ = _check(uart_tx_pin=12, uart_baudrate=1, country_code="usa", channel_num=20)
    assert [problem.where for problem in problems] == ["uart_baudrate", "uart_tx_pin", "country_code", "channel_num"]
