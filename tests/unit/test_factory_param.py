"""factory_param.bin, versions 1 to 3."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError, UnknownNameError
from platformio_esp_at.formats.factory_param import PARTITION_SIZE, FactoryParam, field_names

KNOWN = "known versions: 1, 2, 3; 4 is kept in mfg_nvs, from v3.1.0.0 on"

COMMON = {
    "tx_max_power": 78,
    "start_channel": 1,
    "channel_num": 13,
    "country_code": "CN",
    "uart_baudrate": 115200,
    "uart_tx_pin": 17,
    "uart_rx_pin": 16,
    "uart_cts_pin": 15,
    "uart_rts_pin": 14,
    "tx_control_pin": -1,
    "rx_control_pin": -1,
}
VALUES = {
    1: {"version": 1, "module_id": 1, **COMMON},
    2: {"version": 2, "module_id": 5, "uart_port": 1, **COMMON},
    3: {
        "version": 3,
        "reserved1": 0,
        "uart_port": 1,
        **COMMON,
        "platform": "PLATFORM_ESP32",
        "module_name": "WROOM-32",
    },
}
START = {
    1: bytes.fromhex("fcfc 01 01 4e ff 01 0d 434e0000 00c20100 11 10 0f 0e ff ff"),
    2: bytes.fromhex("fcfc 02 05 4e 01 01 0d 434e0000 00c20100 11 10 0f 0e ff ff"),
    3: bytes.fromhex("fcfc 03 00 4e 01 01 0d 434e0000 00c20100 11 10 0f 0e ff ff ffff")
    + b"PLATFORM_ESP32" + b"\0" * 18 + b"WROOM-32" + b"\0" * 24,
}  # fmt: skip
VERSIONS = pytest.mark.parametrize("version", [1, 2, 3], ids=["v1", "v2", "v3"])


def _image(version: int) -> bytes:
    return START[version] + b"\xff" * (4096 - len(START[version]))


@VERSIONS
def test_bytes(version):
    param = FactoryParam.from_values(VALUES[version])
    assert param.to_bytes() == _image(version)
    assert len(param.to_bytes()) == PARTITION_SIZE
    assert FactoryParam.from_bytes(_image(version)) == param
    assert (param.version, param.values) == (version, VALUES[version])


def test_field_names():
    assert field_names(1) == (
        "version",
        "module_id",
        "tx_max_power",
        "start_channel",
        "channel_num",
        "country_code",
        "uart_baudrate",
        "uart_tx_pin",
        "uart_rx_pin",
        "uart_cts_pin",
        "uart_rts_pin",
        "tx_control_pin",
        "rx_control_pin",
    )
    assert set(field_names(2)) - set(field_names(1)) == {"uart_port"}
    assert set(field_names(3)) - set(field_names(2)) == {"reserved1", "platform", "module_name"}
    assert set(field_names(2)) - set(field_names(3)) == {"module_id"}


def test_module_without_uart():
    values = {"version": 3, "uart_port": -1, "uart_baudrate": -1, "uart_tx_pin": -1}
    param = FactoryParam.from_values(values)
    assert param.to_bytes()[:24] == bytes.fromhex("fcfc03") + b"\xff" * 21
    assert {name: param.values[name] for name in values} == values
    assert (param.values["country_code"], param.values["platform"]) == ("", "")


def test_replace_changes_only_its_field():
    before = bytearray(_image(3))
    before[22:24], before[100:104] = b"\x12\x34", b"keep"
    after = FactoryParam.from_bytes(bytes(before)).replace({"uart_tx_pin": 5, "uart_baudrate": 9600}).to_bytes()
    before[16], before[12:16] = 5, bytes.fromhex("80250000")
    assert after == bytes(before)


def test_replace_of_a_shorter_text_leaves_nothing_of_the_longer():
    param = FactoryParam.from_bytes(_image(3)).replace({"module_name": "SOLO"})
    assert param.to_bytes()[56:88] == b"SOLO" + b"\0" * 28


@pytest.mark.parametrize("length", [88, 128, 4096])
def test_lengths(length):
    assert FactoryParam.from_bytes(_image(3)[:length]).values == VALUES[3]


def test_text_that_fills_its_field_has_no_end():
    param = FactoryParam.from_values({**VALUES[3], "module_name": "M" * 32, "country_code": "ABCD"})
    assert param.to_bytes()[56:89] == b"M" * 32 + b"\xff"
    assert (param.values["module_name"], param.values["country_code"]) == ("M" * 32, "ABCD")


def test_bytes_that_are_no_text_can_still_be_shown():
    data = bytearray(_image(3))
    data[8:12] = b"C\xfe\0\0"
    param = FactoryParam.from_bytes(bytes(data))
    assert param.values["country_code"] == "C\\xfe"
    assert param.to_bytes() == bytes(data)


@pytest.mark.parametrize(
    ("data", "code", "message", "where", "hint"),
    [
        pytest.param(
            b"",
            "not-factory-param",
            "no factory_param: its magic FC FC is missing (found )",
            None,
            "this partition was never written; name the factory_param.bin of a firmware package",
            id="nothing",
        ),
        pytest.param(
            b"\xff" * 4096,
            "not-factory-param",
            "no factory_param: its magic FC FC is missing (found ff ff)",
            None,
            "this partition was never written; name the factory_param.bin of a firmware package",
            id="blank",
        ),
        pytest.param(
            b"\xaa\x50" * 2048,
            "not-factory-param",
            "no factory_param: its magic FC FC is missing (found aa 50)",
            None,
            "name the factory_param.bin of a firmware package",
            id="a-table",
        ),
        pytest.param(
            b"\xfc\xfc",
            "factory-param-version",
            "factory_param version 0 is unknown",
            "0x2",
            KNOWN,
            id="cut-after-magic",
        ),
        pytest.param(
            b"\xfc\xfc\x04" + b"\xff" * 4093,
            "factory-param-version",
            "factory_param version 4 is unknown",
            "0x2",
            KNOWN,
            id="version-4",
        ),
        pytest.param(
            b"\xfc\xfc" + b"\xff" * 4094,
            "factory-param-version",
            "factory_param version 255 is unknown",
            "0x2",
            KNOWN,
            id="version-blank",
        ),
        pytest.param(
            _image(3)[:87],
            "factory-param-damaged",
            "the factory_param has 87 bytes instead of 4096",
            None,
            "take all 4096 bytes, as a factory_param.bin of a firmware package has them",
            id="cut-in-last-field",
        ),
        pytest.param(
            _image(1)[:21],
            "factory-param-damaged",
            "the factory_param has 21 bytes instead of 4096",
            None,
            "take all 4096 bytes, as a factory_param.bin of a firmware package has them",
            id="v1-cut-in-last-field",
        ),
        pytest.param(
            _image(3) + b"\xff",
            "factory-param-damaged",
            "the factory_param has 4097 bytes instead of 4096",
            None,
            "take all 4096 bytes, as a factory_param.bin of a firmware package has them",
            id="too-long",
        ),
    ],
)
def test_from_bytes_refuses(data, code, message, where, hint):
    with pytest.raises(FormatError) as caught:
        FactoryParam.from_bytes(data)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("name", "value", "code", "message"),
    [
        pytest.param("uart_tx_pin", 128, "parameter-range", "uart_tx_pin must be -128…127, not 128", id="pin-too-high"),
        pytest.param(
            "uart_tx_pin", -129, "parameter-range", "uart_tx_pin must be -128…127, not -129", id="pin-too-low"
        ),
        pytest.param("tx_max_power", -1, "parameter-range", "tx_max_power must be 0…255, not -1", id="negative-power"),
        pytest.param(
            "channel_num", 300, "parameter-range", "channel_num must be 0…255, not 300", id="upstream-would-cut-it"
        ),
        pytest.param(
            "uart_baudrate",
            1 << 31,
            "parameter-range",
            "uart_baudrate must be -2147483648…2147483647, not 2147483648",
            id="baud-rate-too-high",
        ),
        pytest.param(
            "uart_rx_pin", "16", "parameter-type", "uart_rx_pin must be a number, not '16'", id="text-for-a-number"
        ),
        pytest.param(
            "uart_rx_pin", True, "parameter-type", "uart_rx_pin must be a number, not True", id="bool-for-a-number"
        ),
        pytest.param("country_code", 86, "parameter-type", "country_code must be text, not 86", id="number-for-text"),
        pytest.param(
            "country_code",
            "CHINA",
            "parameter-too-long",
            "country_code 'CHINA' doesn't fit into 4 bytes",
            id="text-too-long",
        ),
        pytest.param(
            "country_code",
            "\u4e2d\u56fd",
            "parameter-too-long",
            "country_code '\u4e2d\u56fd' doesn't fit into 4 bytes",
            id="6-bytes",
        ),
        pytest.param(
            "country_code",
            "C\0",
            "parameter-too-long",
            "country_code 'C\\x00' doesn't fit into 4 bytes",
            id="nul-inside",
        ),
        pytest.param(
            "country_code", "\udcff", "parameter-type", "country_code '\\udcff' isn't text", id="undecoded-byte"
        ),
        pytest.param(
            "module_name",
            "M" * 33,
            "parameter-too-long",
            f"module_name '{'M' * 33}' doesn't fit into 32 bytes",
            id="33-bytes",
        ),
    ],
)
def test_value_refused(name, value, code, message):
    for make in (
        lambda: FactoryParam.from_values({**VALUES[3], name: value}),
        lambda: FactoryParam.from_bytes(_image(3)).replace({name: value}),
    ):
        with pytest.raises(FormatError) as caught:
            make()
        assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("version", "name", "hint"),
    [
        pytest.param(
            3, "uart_ctx_pin", "did you mean uart_tx_pin or uart_cts_pin or uart_rx_pin?", id="upstream-misspelling"
        ),
        pytest.param(1, "platform", None, id="platform-in-v1"),
        pytest.param(
            1, "uart_port", "did you mean uart_rts_pin or uart_baudrate or uart_tx_pin?", id="uart_port-in-v1"
        ),
        pytest.param(3, "module_id", "did you mean module_name?", id="module_id-in-v3"),
    ],
)
def test_unknown_field(version, name, hint):
    with pytest.raises(UnknownNameError) as caught:
        FactoryParam.from_values({**VALUES[version], name: 1})
    assert caught.value.code == "unknown-parameter"
    assert caught.value.message == f"unknown field of factory_param version {version} {name!r}"
    assert hint is None or caught.value.hint == hint


@pytest.mark.parametrize("version", [None, 0, 4, "3", 3.5], ids=repr)
def test_from_values_refuses_version(version):
    values = VALUES[3] | {"version": version}
    with pytest.raises(FormatError) as caught:
        FactoryParam.from_values({name: value for name, value in values.items() if value is not None})
    assert caught.value.code == "factory-param-version"
    assert caught.value.message == f"factory_param version {version!r} is unknown"
    assert caught.value.hint == KNOWN


def test_field_names_of_unknown_version():
    with pytest.raises(FormatError) as caught:
        field_names(4)
    assert caught.value.code == "factory-param-version"
    assert (caught.value.message, caught.value.hint) == ("factory_param version 4 is unknown", KNOWN)
