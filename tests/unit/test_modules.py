import pytest

from platformio_esp_at.catalog.modules import (
    Limit,
    Releases,
    limit_of,
    module,
    modules,
    modules_named,
    only_module,
    release_key,
    unsupported_modules,
)
from platformio_esp_at.errors import FormatError, SelectionError, UnknownNameError

MIB = 1 << 20


@pytest.mark.parametrize(
    ("chip", "name", "found"),
    [
        ("esp32", "WROOM-32", "WROOM-32"),
        ("esp32", "wroom-32", "WROOM-32"),
        ("esp32", "WROOM_32", "WROOM-32"),
        ("esp32", "WROOM-32E", "WROOM-32"),
        ("esp32", "ESP32-WROOM-32E-N8R2", "WROOM-32"),
        ("ESP32", "ESP-WROOM-32", "WROOM-32"),
        ("esp32", "ESP32-WROVER-IE-N4R8", "WROVER-32"),
        ("esp32", "WROVER", "WROVER-32"),
        ("esp32", "ESP32-PICO-MINI-02", "PICO-D4"),
        ("esp32", "ESP32-SOLO", "SOLO-1"),
        ("esp32", "mini-1", "MINI-1"),
        ("esp32", "D2WD", "ESP32-D2WD"),
        ("esp32c3", "ESP32-C3-MINI-1", "MINI-1"),
        ("ESP32-C3", "ESP32-C3-MINI-1-H4X", "MINI-1"),
        ("esp32c3", "ESP8685-WROOM-04", "MINI-1"),
        ("esp32c3", "ESP8685-WROOM-07", "MINI-1"),
        ("esp32c2", "ESP8684-WROOM-03", "ESP32C2-4MB"),
        ("esp32c2", "ESP8684-WROOM-05-H4X", "ESP32C2-4MB"),
        ("esp32c2", "ESP8684-WROOM-07-H4", "ESP32C2-4MB"),
        ("esp32c2", "ESP8684-WROOM-03-H2", "ESP32C2-2MB-G2"),
        ("esp32c2", "ESP8684-WROOM-07-H2X", "ESP32C2-2MB-G2"),
        ("esp32c2", "ESP8684-MINI-1-H2X", "ESP32C2-2MB"),
        ("esp8266", "ESP8285N08", "ESP8266_1MB"),
        ("esp8266", "ESP8285H16", "WROOM-02"),
        ("esp32c2", "ESP32-C2-2MB", "ESP32C2-2MB"),
        ("esp32c2", "2MB", "ESP32C2-2MB"),
        ("esp32c2", "ESP8684-MINI-1-H2", "ESP32C2-2MB"),
        ("esp32c2", "ESP8684-MINI-1-H4", "ESP32C2-4MB"),
        ("PLATFORM_ESP32C6", "ESP32-C6-WROOM-1-N8", "ESP32C6-4MB"),
        ("esp32s2", "ESP32-S2-WROVER", "WROVER"),
        ("esp8266", "ESP-WROOM-02", "WROOM-02"),
        ("esp8266", "esp8266_1mb", "ESP8266_1MB"),
        ("esp8266", "wroom-02-n", "WROOM-02-N"),
    ],
)
def test_names(chip, name, found):
    assert module(chip, name).name == found


@pytest.mark.parametrize(
    ("chip", "name", "hint"),
    [
        ("esp32", "WROM-32", "did you mean WROOM-32"),
        ("esp32c3", "ESP32-C3-MINY-1", "did you mean ESP32-C3-MINI-1"),
        ("esp32c2", "ESP8684-MINI-1", "known: ESP32C2-2MB"),
        ("esp32c2", "ESP8684-MINI-1", "several sizes of flash: write ESP8684-MINI-1-H2 or ESP8684-MINI-1-H4; "),
        ("esp32c3", "WROOM-32", "that is a module of ESP32; name a module of "),
        ("esp8266", "MINI-1", "that is a module of ESP32, ESP32-C3; name a module of ESP8266: "),
        ("esp32c6", "ESP32-WROVER-E", "that is a module of ESP32; name a module of "),
        ("esp32", "ESP32-C3-MINI-1", "that is a module of ESP32-C3; name a module of ESP32: "),
        ("esp32", "", "known: "),
        ("esp32", "---", "known: "),
    ],
)
def test_unknown_names(chip, name, hint):
    with pytest.raises(UnknownNameError) as caught:
        module(chip, name)
    assert (caught.value.code, caught.value.facts) == ("unknown-module", {"name": name})
    assert f"AT module {name!r}" in caught.value.message
    assert hint in caught.value.hint
    assert "did you mean" not in caught.value.hint or hint.startswith("did you mean")


@pytest.mark.parametrize("name", ["ESP32-PICO-V3-ZERO", "pico_v3_zero", "ESP32-PICO-V3-ZERO-N4"])
def test_hardware_on_which_no_released_firmware_runs(name):
    for find in (lambda: module("esp32", name), lambda: modules_named(name), lambda: only_module(name)):
        with pytest.raises(UnknownNameError) as caught:
            find()
        assert (caught.value.code, caught.value.facts) == ("module-unsupported", {"name": "ESP32-PICO-V3-ZERO"})
        assert "runs with none of the released firmware" in caught.value.message
        assert "/latest/esp32/Compile_and_Develop/How_to_clone_project_and_compile_it.html" in caught.value.hint
    assert unsupported_modules("esp32") == ("ESP32-PICO-V3-ZERO",)


def test_limits_of_hardware():
    assert limit_of("esp32c3", "esp8685_wroom_07") == Limit("ESP8685-WROOM-07", (), other_pins=True)
    assert limit_of("esp32c2", "ESP8684-WROOM-03-H4") == Limit("ESP8684-WROOM-03", ("ESP32C2-2MB",), other_pins=False)
    assert limit_of("esp32c2", "ESP8684-WROOM-07") == Limit("ESP8684-WROOM-07", ("ESP32C2-2MB",), other_pins=True)
    assert limit_of("esp32c2", "ESP8684-MINI-1-H4") is limit_of("esp8266", "WROOM-07") is limit_of("esp32", "") is None


def test_full_names_mean_one_module_each():
    for row in modules():
        assert modules_named(row.full_name) == (row,)
    assert module("esp32c3", "MINI-1").full_name == "ESP32-C3-MINI-1"
    assert module("esp32c2", "ESP32C2-4MB").full_name == "ESP32C2-4MB"


def test_a_chip_without_firmware_has_no_modules():
    with pytest.raises(SelectionError) as caught:
        modules("esp32s3")
    assert caught.value.code == "chip-unsupported"
    assert "ESP32-S3" in caught.value.message


def test_modules_of_a_chip():
    assert [m.name for m in modules("ESP32-S2")] == ["MINI", "WROOM", "WROVER", "SOLO"]
    assert {m.chip for m in modules()} >= {"esp32", "esp8266", "esp32c61"}


@pytest.mark.parametrize(
    ("chip", "name", "port", "pins", "flash_size"),
    [
        ("esp32", "WROOM-32", 1, (17, 16, 15, 14), 4 * MIB),
        ("esp32", "WROVER-32", 1, (22, 19, 15, 14), 4 * MIB),
        ("esp32", "ESP32-D2WD", 1, (22, 19, 15, 14), 2 * MIB),
        ("esp32", "ESP32-SDIO", -1, (-1, -1, -1, -1), 4 * MIB),
        ("esp32s2", "MINI", 1, (17, 21, 20, 19), 4 * MIB),
        ("esp32c2", "ESP32C2-2MB", 1, (7, 6, 19, 20), 2 * MIB),
        ("esp32c2", "ESP32C2-4MB", 1, (7, 6, 5, 4), 4 * MIB),
        ("esp32c5", "ESP32C5-4MB", 1, (23, 24, 25, 26), 4 * MIB),
        ("esp8266", "WROOM-02", 0, (15, 13, 3, 1), 2 * MIB),
        ("esp8266", "ESP8266_1MB", 0, (15, 13, 3, 1), 1 * MIB),
        ("esp8266", "WROOM-02-N", 0, (1, 3, -1, -1), 2 * MIB),
    ],
)
def test_at_port_and_flash(chip, name, port, pins, flash_size):
    found = module(chip, name)
    assert found.uart_port == port
    assert (found.uart_tx_pin, found.uart_rx_pin, found.uart_cts_pin, found.uart_rts_pin) == pins
    assert found.uart_baudrate == (-1 if port < 0 else 115200)
    assert found.flash_size == flash_size


def test_psram_is_a_matter_of_the_wrover_family():
    assert {(m.chip, m.name) for m in modules() if m.psram} == {("esp32", "WROVER-32"), ("esp32s2", "WROVER")}


def test_factory_param_version_1():
    row = module("esp32", "PICO-D4").factory_param(1)
    assert list(row.items()) == [
        *[("version", 1), ("module_id", 3), ("tx_max_power", 78), ("start_channel", 1), ("channel_num", 13)],
        *[("country_code", "CN"), ("uart_baudrate", 115200), ("uart_tx_pin", 22), ("uart_rx_pin", 19)],
        *[("uart_cts_pin", 15), ("uart_rts_pin", 14), ("tx_control_pin", -1), ("rx_control_pin", -1)],
    ]


def test_factory_param_version_2_adds_the_port():
    row = module("esp8266", "ESP8266_1MB").factory_param(2)
    assert list(row)[:5] == ["version", "module_id", "tx_max_power", "uart_port", "start_channel"]
    assert (row["module_id"], row["uart_port"]) == (2, 0)


def test_factory_param_version_3_adds_the_names():
    row = module("esp32c3", "MINI-1").factory_param(3)
    assert list(row)[:4] == ["version", "reserved1", "tx_max_power", "uart_port"]
    assert list(row)[-2:] == ["platform", "module_name"]
    assert (row["reserved1"], row["platform"], row["module_name"]) == (0, "PLATFORM_ESP32C3", "MINI-1")
    assert "module_id" not in row


def test_factory_param_version_4():
    row = module("esp32c6", "ESP32C6-4MB").factory_param(4)
    assert list(row) == [
        *["version", "module_name", "max_tx_power", "country_code", "start_channel", "channel_num", "uart_port"],
        *["uart_baudrate", "uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin", "sys_store"],
    ]
    assert "sys_store" in module("esp32c6", "ESP32C6-4MB").factory_param(4, release="v4.1.0.0")
    assert "sys_store" not in module("esp32c6", "ESP32C6-4MB").factory_param(4, release="v4.0.0.0")


@pytest.mark.parametrize(
    ("name", "release", "pin"),
    [
        ("WROOM-02", "v2.2.0.0", -1),
        ("WROOM-02", "v2.2.1.0_esp8266", -1),
        ("WROOM-02", "v2.2.2.0_esp8266", 5),
        ("WROOM-02", "v2.3.0.0", 5),
        ("ESP8266_1MB", "v2.2.2.0", 5),
        ("WROOM-5V2L", "v2.2.0.0", 5),
        ("WROOM-S2", "v2.3.0.0", -1),
        ("WROOM-02-N", "v2.3.0.0", -1),
    ],
)
def test_the_pin_that_enables_tx_changed_in_v2_2_2_0(name, release, pin):
    assert module("esp8266", name).factory_param(3, release=release)["tx_control_pin"] == pin


def test_first_releases_sent_with_less_power():
    wroom = module("esp32", "WROOM-32")
    assert wroom.factory_param(1, release="v1.2.0.0")["tx_max_power"] == 1
    assert wroom.factory_param(1, release="v2.0.0.0")["tx_max_power"] == 78
    assert module("esp8266", "WROOM-02").factory_param(1, release="v2.0.0.0")["tx_max_power"] == 1


@pytest.mark.parametrize(
    ("chip", "name", "version", "hint"),
    [
        ("esp32", "MINI-1", 1, "version 3 in v2.2.0.0 to v3.0.0.0; version 4 in v3.1.0.0 and later"),
        ("esp32c6", "ESP32C6-4MB", 3, "version 4 in v3.2.0.0 and later"),
        ("esp8266", "WROOM-02", 4, "version 1 in v2.0.0.0; version 2 in v2.1.0.0; version 3 in v2.2.0.0 to v2.3.0.0"),
        ("esp32", "WROOM-32", 0, "version 1 in v1.1.3.0 to v2.0.0.0"),
        ("esp32c2", "ESP32C2-2MB-G2", 3, "version 4 in v3.3.1.0, v4.1.0.0 and later"),
        ("esp32", "WROOM-32", 5, "version 4 in"),
    ],
)
def test_no_row_of_that_version(chip, name, version, hint):
    with pytest.raises(SelectionError) as caught:
        module(chip, name).factory_param(version)
    assert caught.value.code == "module-not-in-release"
    assert f"no factory parameters version {version}" in caught.value.message
    assert hint in caught.value.hint


def test_rows_are_read_only():
    row = module("esp32", "WROOM-32").factory_param(3)
    with pytest.raises(TypeError):
        row["uart_tx_pin"] = 1


def test_modules_can_be_told_apart_and_hashed():
    assert len(set(modules())) == len(modules())
    assert module("esp32", "MINI-1") != module("esp32c3", "MINI-1")


@pytest.mark.parametrize(
    ("releases", "inside", "outside"),
    [
        ("v2.1.0.0", ["v2.1.0.0", "v2.1.0.0_esp32s2"], ["v2.1.0.1", "v2.0.0.0"]),
        ("v2.2.0.0..v3.0.0.0", ["v2.2.0.0", "v2.4.2.0", "v3.0.0.0"], ["v2.1.0.0", "v3.1.0.0"]),
        ("v3.3.1.0, v4.1.0.0..", ["v3.3.1.0", "v4.1.0.0", "v10.0.0.0"], ["v3.4.0.0", "v4.0.0.0"]),
    ],
)
def test_releases(releases, inside, outside):
    assert all(release in Releases(releases) for release in inside)
    assert not any(release in Releases(releases) for release in outside)


def test_release_key():
    assert release_key("v2.2.2.0_esp8266") == release_key("2.2.2.0") == (2, 2, 2, 0)
    assert release_key("V4.0.0.0-dev") == release_key("v4.0") == (4, 0, 0, 0)


@pytest.mark.parametrize("text", ["", "v", "master", "4.x", "v4..1"])
def test_not_a_release(text):
    with pytest.raises(FormatError) as caught:
        release_key(text)
    assert caught.value.code == "not-a-release"
    assert caught.value.message == f"{text!r} is not a release of ESP-AT"
    assert caught.value.hint == "write it as v4.1.1.0"
