"""Which factory parameters are refused, and which are warned of."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog.gpios import has_in_package_flash
from platformio_esp_at.catalog.modules import module, modules
from platformio_esp_at.checks.parameters import check_parameters
from platformio_esp_at.errors import EspAtError, FormatError, Notice, Place

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


def _refusal(chip="esp32c3", **values) -> EspAtError:
    problems, _ = _check(chip, **values)
    assert len(problems) == 1
    return problems[0]


def _warning(chip="esp32c3", **values) -> Notice:
    """Return the one warning of values without problems."""
    problems, warnings = _check(chip, **values)
    assert not problems
    (found,) = warnings
    assert found.is_warning
    return found


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
    assert (error.code, error.place) == ("pin-taken", Place.at(parameter="uart_tx_pin"))
    assert str(error).startswith("uart_tx_pin: GPIO8 is taken by the SPI flash\n  free on this chip")


def test_pins_of_psram_and_of_flash_in_the_package():
    error = _refusal("esp32", psram=True, uart_rx_pin=4)
    assert (error.code, error.where, error.message) == ("pin-taken", "uart_tx_pin", "GPIO17 is taken by the PSRAM")
    error = _refusal("esp32", in_package_flash=True, uart_rx_pin=4, uart_tx_pin=16)
    assert (error.code, error.where) == ("pin-taken", "uart_tx_pin")
    assert error.message == "GPIO16 is taken by the flash in the chip's package"
    assert not _check("esp32", uart_rx_pin=4, uart_tx_pin=16)[0]


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
    assert (error.code, error.where) == ("baudrate-invalid", "uart_baudrate")
    assert error.message.startswith(f"{baudrate} is not a baud rate ")
    highest = {"esp32c3": 5_000_000, "esp32": 5_000_000, "esp8266": 4_500_000, "esp32c2": 2_500_000}[chip]
    assert error.hint == f"write 80 to {highest}; 115200 is usual"


def test_a_baud_rate_too_fast_for_the_end_of_passthrough():
    found = _warning("esp32c3", uart_baudrate=3_276_751)
    assert (found.code, found.place) == ("passthrough-end", Place.at(parameter="uart_baudrate"))
    assert "3276750" in found.message
    assert "+++" in found.message
    assert _check("esp32c3", uart_baudrate=3_276_750) == ([], [])
    assert _check("esp32", uart_baudrate=4_000_000) == ([], [])
    assert _check("esp8266", uart_baudrate=4_000_000) == ([], [])


@pytest.mark.parametrize("name", ["uart_tx_pin", "uart_rx_pin"])
def test_a_uart_needs_tx_and_rx(name):
    error = _refusal(**{name: -1})
    assert (error.code, error.where) == ("pin-missing", name)
    assert error.hint == "write the number of a GPIO: only uart_cts_pin and uart_rts_pin may be -1"


def test_a_uart_needs_no_flow_control():
    assert _check(uart_cts_pin=-1, uart_rts_pin=-1) == ([], [])


def test_a_module_keeps_its_uart():
    pins = dict.fromkeys(("uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin"), -1)
    error = _refusal(uart_baudrate=-1, uart_port=-1, **pins)
    assert (error.code, error.where) == ("uart-missing", "uart_baudrate")
    assert error.hint == "write 115200, or the speed that your host uses"


def test_no_uart_with_pins():
    values = {**module("esp32c3", "ESP32C3-SPI").factory_param(4), "uart_tx_pin": 7}
    (problem,), _ = check_parameters(values, chip="esp32c3", psram=False, in_package_flash=False)
    assert (problem.code, problem.where) == ("uart-contradiction", "uart_baudrate")
    assert problem.message == "-1 means no UART, but uart_tx_pin is set"
    assert problem.facts["conflicts_with"] == ("uart_tx_pin",)
    both = {**values, "uart_rx_pin": 6}
    (problem,), _ = check_parameters(both, chip="esp32c3", psram=False, in_package_flash=False)
    assert problem.message == "-1 means no UART, but uart_tx_pin and uart_rx_pin are set"
    assert problem.facts["conflicts_with"] == ("uart_tx_pin", "uart_rx_pin")


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
    assert (error.code, error.where) == ("uart-port-invalid", "uart_port")
    assert error.message.endswith(f" has no UART {port}")
    assert error.hint == {"esp32": "write 0 or 1 or 2", "esp8266": "write 0"}.get(chip, "write 0 or 1")


@pytest.mark.parametrize("code", ["US", "01", "EU", "DE ", "JPI"])
def test_a_country(code):
    assert _check(country_code=code) == ([], [])


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("us", "write US"),
        *((code, "write two letters, such as DE, or 01 for world safe") for code in ("USA", "00", "", "ÖÄ")),
    ],
)
def test_no_country(code, hint):
    error = _refusal(country_code=code)
    assert (error.code, error.where) == ("country-invalid", "country_code")
    assert (error.message, error.hint) == (f"{code!r} is not a country code", hint)


def test_a_country_that_the_driver_does_not_list():
    found = _warning(country_code="ZA")
    assert (found.code, found.place) == ("country-unknown", Place.at(parameter="country_code"))
    assert "ZA" in found.message


def test_a_blank_country_is_no_country_up_to_version_3():
    assert not _check("esp32", country_code="")[0]


@pytest.mark.parametrize(("start", "count"), [(1, 11), (1, 14), (6, 9), (14, 1)])
def test_channels(start, count):
    assert _check(start_channel=start, channel_num=count) == ([], [])


@pytest.mark.parametrize(
    ("start", "count", "where", "channel"),
    [
        (0, 13, "start_channel", 0),
        (15, 1, "start_channel", 15),
        (1, 0, "channel_num", 0),
        (1, 15, "channel_num", 15),
        (255, 255, "start_channel", 255),
    ],
)
def test_channels_outside_of_wifi(start, count, where, channel):
    error = _refusal(start_channel=start, channel_num=count)
    assert (error.code, error.where) == ("channel-invalid", where)
    assert (error.message, error.hint) == (
        f"{channel} is outside 1…14",
        "write start_channel 1 and channel_num 13, which are usual",
    )


@pytest.mark.parametrize(("start", "count", "most"), [(2, 14, 13), (14, 2, 1)])
def test_channels_that_end_outside_of_wifi(start, count, most):
    error = _refusal(start_channel=start, channel_num=count)
    assert (error.code, error.where) == ("channel-range", "channel_num")
    assert error.facts["conflicts_with"] == ("start_channel",)
    assert error.message == f"{count} channels from {start} on end at 15, Wi-Fi ends at 14"
    assert error.hint == f"with start_channel {start}, write {most} at most"


def test_up_to_version_3_channel_num_is_the_last_channel():
    assert _check("esp32", start_channel=1, channel_num=14) == ([], [])
    found = _warning("esp32", start_channel=6, channel_num=11)
    assert (found.code, found.place) == ("last-channel", Place.at(parameter="channel_num"))
    assert "6 to 11" in found.message
    error = _refusal("esp32", start_channel=6, channel_num=5)
    assert (error.code, error.where) == ("channel-range", "channel_num")
    assert error.facts["conflicts_with"] == ("start_channel",)
    assert error.hint == "write the number of the last channel"
    assert _check("esp32", start_channel=6, channel_num=6)[0] == []
    assert not _check("esp32", start_channel=255, channel_num=255)[0]


@pytest.mark.parametrize(("chip", "power"), [("esp32c3", 40), ("esp32c3", 84), ("esp8266", 82)])
def test_a_power(chip, power):
    name = "max_tx_power" if chip == "esp32c3" else "tx_max_power"
    assert _check(chip, **{name: power}) == ([], [])


@pytest.mark.parametrize(("chip", "power"), [("esp32c3", 7), ("esp32c3", 85), ("esp8266", 83), ("esp8266", 39)])
def test_a_power_that_the_firmware_does_not_take(chip, power):
    name = "max_tx_power" if chip == "esp32c3" else "tx_max_power"
    error = _refusal(chip, **{name: power})
    assert (error.code, error.where) == ("tx-power-invalid", name)
    assert error.message.startswith(f"{power} (in 0.25 dBm: {power / 4:g} dBm) is not a power ")
    most = "82, which is 10 to 20.5 dBm" if chip == "esp8266" else "84, which is 10 to 21 dBm"
    assert error.hint == f"write 40 to {most}"


def test_a_low_power_is_warned_of():
    found = _warning(max_tx_power=20)
    assert found.code == "power-low"
    assert str(found) == "max_tx_power: 5 dBm is below the 10 that AT+RFPOWER starts at"


def test_a_power_that_version_1_does_not_look_at():
    values = module("esp32", "WROOM-32").factory_param(1)
    problems, warnings = check_parameters(
        {**values, "tx_max_power": 1}, chip="esp32", psram=False, in_package_flash=False
    )
    assert not problems
    assert [found.code for found in warnings if found.place == Place.at(parameter="tx_max_power")] == ["power-ignored"]


def test_sys_store():
    assert _check(sys_store=0) == ([], [])
    error = _refusal(sys_store=2)
    assert (error.code, error.where) == ("sys-store-invalid", "sys_store")
    assert (error.message, error.hint) == (
        "2 is neither 0 nor 1",
        "write 1 to save what AT commands set to flash, or 0",
    )


def test_text_where_a_number_belongs():
    error = _refusal(uart_tx_pin="GPIO7")
    assert isinstance(error, FormatError)
    assert (error.code, error.where) == ("not-a-number", "uart_tx_pin")
    assert (error.message, error.hint) == ("'GPIO7' is not a number", "write a number, without quotes")
    assert _refusal(uart_tx_pin=True).code == "not-a-number"


def test_only_what_is_given_is_looked_at():
    assert check_parameters({}, chip="esp32", psram=False, in_package_flash=False) == ([], [])
    assert check_parameters({"country_code": "US"}, chip="esp32c6", psram=False, in_package_flash=False) == ([], [])


def test_every_problem_is_reported():
    problems, _ = _check(uart_tx_pin=12, uart_baudrate=1, country_code="usa", channel_num=20)
    assert [(problem.code, problem.where) for problem in problems] == [
        ("baudrate-invalid", "uart_baudrate"),
        ("pin-taken", "uart_tx_pin"),
        ("country-invalid", "country_code"),
        ("channel-invalid", "channel_num"),
    ]


def test_what_stays_as_upstream_has_it_is_not_warned_of():
    values = {"country_code": "ZA", "version": 4}
    facts = {"chip": "esp32c3", "psram": False, "in_package_flash": False}
    assert [found.code for found in check_parameters(values, **facts)[1]] == ["country-unknown"]
    assert check_parameters(values, **facts, usual=values) == ([], [])
    changed = check_parameters(values, **facts, usual={**values, "country_code": "CN"})[1]
    assert [found.code for found in changed] == ["country-unknown"]
