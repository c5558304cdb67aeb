"""What a project asks for, compared with the module: the place of each problem, and what is only warned of."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from nvs_images import with_value

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.checks.plan import check_values
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, Notice, Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.layers import make_request
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.read import read_project

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
YEAR = timedelta(days=365)
WROVER = BoardFacts("esp-wrover-kit", name="Espressif ESP-WROVER-KIT", mcu="esp32", flash_size=4 << 20)
NO_PSRAM = BoardFacts("esp32dev", name="Espressif ESP32 Dev Module", mcu="esp32", flash_size=4 << 20)
GATTS = """\
index,uuid_len,uuid,perm,val_max_len,val_cur_len,value
0,16,0x2800,0x01,2,2,A002
1,16,0x2803,0x01,1,1,02
2,16,0xC300,0x01,16,2,ABCD
"""


@functools.cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(name: str) -> bytes:
    return _key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@functools.cache
def _certificate(name: str = "module", start: datetime = NOW - YEAR, end: datetime = NOW + YEAR, *, ca=False) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, _key(name).public_key(), 1, start, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return builder.sign(_key(name), hashes.SHA256()).public_bytes(Encoding.PEM)


def _check(tmp_path, yml: str, *, chip="esp32", nvs=False, board=None, now=NOW, contents=None, files=None):
    """Return the warnings of a project whose own options start in line 2 of ``esp_at.yml``, after ``firmware``."""
    tmp_path.mkdir(exist_ok=True)
    write_sample_package(tmp_path / "package", chip, nvs=nvs)
    for name, data in (contents or {}).items():
        (tmp_path / f"package/customized_partitions/{name}.bin").write_bytes(data)
    for name, data in {"esp_at.yml": f"firmware: package\n{yml}".encode(), **(files or {})}.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    package = open_package(tmp_path / "package")
    request = make_request([read_project(tmp_path)])
    return check_values(make_plan(package, select(request.module, None, package), request), board, request, now=now)


def _warning(*args, **options) -> Notice:
    """Return the one warning of a project that passes."""
    (found,) = (notice for notice in _check(*args, **options) if notice.is_warning)
    return found


def _refusal(*args, **options) -> list[EspAtError]:
    with pytest.raises(EspAtError) as caught:
        _check(*args, **options)
    return list(caught.value.problems or (caught.value,))


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
@pytest.mark.parametrize("chip", ["esp32", "esp32c3"])
def test_a_sound_project(tmp_path, chip, nvs):
    yml = (
        "factory_param: {country_code: DE, uart_baudrate: 9600}\n"
        "pki: {client_cert: cert.pem, client_key: key.pem, client_ca: ca.pem}\ngatts: own.csv\n"
    )
    files = {"cert.pem": _certificate(), "key.pem": _key_pem("module"), "ca.pem": _certificate("root", ca=True)}
    assert _check(tmp_path, yml, chip=chip, nvs=nvs, files=files | {"own.csv": GATTS}) == ()


# --- parameters ---


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ("uart_tx_pin: 34", "pin-input-only", "GPIO34 is input only, and uart_tx_pin is an output"),
        ("uart_tx_pin: 6", "pin-taken", "GPIO6 is taken by the SPI flash"),
        ("uart_baudrate: 10000000", "baudrate-invalid", "10000000 is not a baud rate"),
        ("country_code: Germ", "country-invalid", "'Germ' is not a country code"),
        ("start_channel: 15", "channel-invalid", "15 is outside 1…14"),
    ],
)
def test_a_parameter_is_named_with_its_line(tmp_path, value, code, message, nvs):
    (problem,) = _refusal(tmp_path, f"factory_param:\n  {value}\n", nvs=nvs)
    name = value.partition(":")[0]
    assert (problem.code, problem.where) == (code, f"esp_at.yml:3:{name}")
    assert problem.place == Place.at(file="esp_at.yml", line=3, parameter=name)
    assert problem.message.startswith(message)
    assert problem.hint


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
@pytest.mark.parametrize("name", ["tx_max_power", "max_tx_power"])
def test_a_parameter_under_the_name_of_either_generation(tmp_path, name, nvs):
    (problem,) = _refusal(tmp_path, f"factory_param:\n  {name}: 120\n", nvs=nvs)
    assert problem.code == "tx-power-invalid"
    assert problem.where == f"esp_at.yml:3:{'max_tx_power' if nvs else 'tx_max_power'}"
    assert problem.message.startswith("120 (in 0.25 dBm: 30 dBm) is not a power")


def test_every_parameter_is_reported(tmp_path):
    problems = _refusal(tmp_path, "factory_param:\n  uart_tx_pin: 6\n  country_code: Germ\n  start_channel: 0\n")
    assert [(problem.where, problem.code) for problem in problems] == [
        ("esp_at.yml:3:uart_tx_pin", "pin-taken"),
        ("esp_at.yml:4:country_code", "country-invalid"),
        ("esp_at.yml:5:start_channel", "channel-invalid"),
    ]


def test_a_parameter_of_an_own_module(tmp_path):
    (problem,) = _refusal(tmp_path, "module:\n  name: MY-BOARD\n  based_on: WROOM-32\n  uart_rx_pin: 11\n")
    assert (problem.code, problem.where) == ("pin-taken", "esp_at.yml:5:uart_rx_pin")


def test_the_project_is_named_where_it_overrides_its_own_module(tmp_path):
    yml = "module: {name: MY-BOARD, based_on: WROOM-32, uart_rx_pin: 16}\nfactory_param:\n  uart_rx_pin: 11\n"
    (problem,) = _refusal(tmp_path, yml)
    assert (problem.code, problem.where) == ("pin-taken", "esp_at.yml:4:uart_rx_pin")


def test_what_a_changed_parameter_collides_with_is_reported_at_its_place(tmp_path):
    (problem,) = _refusal(tmp_path, "factory_param: {uart_tx_pin: 15}\n")
    assert (problem.code, problem.where) == ("pin-twice", "esp_at.yml:2:uart_cts_pin")
    assert problem.message == "GPIO15 is uart_tx_pin already"


def test_a_range_of_channels_is_reported_at_the_end_that_the_project_gives(tmp_path):
    """The package's own 13 channels from 14 on would end at 26: the project has only the first of the two numbers."""
    (problem,) = _refusal(tmp_path, "factory_param:\n  start_channel: 14\n", nvs=True)
    assert (problem.code, problem.where) == ("channel-range", "esp_at.yml:3:channel_num")
    assert problem.facts["conflicts_with"] == ("start_channel",)


def test_what_the_package_has_is_not_blamed_on_something_else_that_is_asked_for(tmp_path):
    """PSRAM of the board takes the package's own pins: the project's country isn't to blame."""
    board = BoardFacts("kit", name="WROVER kit", mcu="esp32")
    problems = _refusal(tmp_path, "factory_param: {country_code: DE}\n", board=board)
    assert [(problem.code, problem.place) for problem in problems] == [
        ("pin-taken", Place.at(parameter="uart_tx_pin")),
        ("pin-taken", Place.at(parameter="uart_rx_pin")),
    ]


def test_a_risky_parameter_is_warned_of(tmp_path):
    found = _warning(tmp_path, "factory_param: {uart_tx_pin: 5}\n")
    assert found.code == "pin-strapping"
    assert str(found).startswith("esp_at.yml:2:uart_tx_pin: GPIO5 is a strapping pin")


def _with_parameters(chip: str, *, nvs: bool, module: str = "WROOM-32", **values: int | str) -> dict[str, bytes]:
    """Return the images of the sample package's factory parameters with other values."""
    if nvs:
        image = NvsImage.from_bytes(sample_package(chip, nvs=True)["customized_partitions/mfg_nvs.bin"])
        for name, value in values.items():
            image = with_value(image, "factory_param", name, value)
        return {"mfg_nvs": image.to_bytes()}
    data = FactoryParam.from_bytes(sample_package(chip)["customized_partitions/factory_param.bin"])
    changed = data.replace(values).to_bytes()
    return {"factory_param": changed, f"factory_param_{module}": changed}


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
@pytest.mark.parametrize(
    ("values", "code", "parameter"),
    [
        ({"uart_tx_pin": 6}, "pin-taken", "uart_tx_pin"),
        ({"uart_rx_pin": 24}, "pin-nonexistent", "uart_rx_pin"),
        ({"uart_tx_pin": 34}, "pin-input-only", "uart_tx_pin"),
        ({"uart_rx_pin": 17}, "pin-twice", "uart_rx_pin"),
        ({"uart_baudrate": 0}, "baudrate-invalid", "uart_baudrate"),
        ({"uart_port": 7}, "uart-port-invalid", "uart_port"),
    ],
)
def test_what_the_package_has_by_itself_is_refused_if_the_module_would_not_answer(
    tmp_path, nvs, values, code, parameter
):
    (problem,) = _refusal(tmp_path, "", nvs=nvs, contents=_with_parameters("esp32", nvs=nvs, **values))
    assert (problem.code, problem.where) == (code, parameter)
    hint = f"this value comes with WROOM-32: write another number: factory_param: {{{parameter}: N}}"
    assert problem.hint.endswith(f"\n{hint}")
    number = {"uart_baudrate": 9600, "uart_port": 1}.get(parameter, 4)
    assert _check(tmp_path, f"factory_param: {{{parameter}: {number}}}\n", nvs=nvs) == ()


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
@pytest.mark.parametrize(
    ("values", "code"),
    [({"country_code": "xx"}, "country-invalid"), ({"start_channel": 20}, "channel-invalid")],
)
def test_what_the_package_has_by_itself_is_warned_of_if_the_module_answers(tmp_path, nvs, values, code):
    found = _warning(tmp_path, "", nvs=nvs, contents=_with_parameters("esp32", nvs=nvs, **values))
    assert found.code == code


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_what_the_package_has_changed_is_noted(tmp_path, nvs):
    (found,) = _check(tmp_path, "", nvs=nvs, contents=_with_parameters("esp32", nvs=nvs, country_code="DE"))
    image = f"customized_partitions/{'mfg_nvs' if nvs else 'factory_param'}.bin"
    assert (found.code, found.is_warning, found.place) == ("parameters-changed", False, Place.at(file=image))
    assert found.facts == {"parameters": ("country_code",)}
    message = "the firmware package's parameters differ from Espressif's for WROOM-32"
    assert found.message == f"{message}: country_code DE instead of CN"


def test_a_finished_image_of_the_project_is_named(tmp_path):
    own = _with_parameters("esp32", nvs=True, uart_tx_pin=34)["mfg_nvs"]
    (problem,) = _refusal(tmp_path, "data: {mfg_nvs: own.bin}\n", nvs=True, files={"own.bin": own})
    assert (problem.code, problem.where) == ("pin-input-only", "own.bin:uart_tx_pin")
    assert problem.hint.startswith("free on this chip")
    assert "factory_param" not in problem.hint


def test_a_risk_in_a_finished_image_of_the_project_is_named(tmp_path):
    own = _with_parameters("esp32", nvs=True, uart_tx_pin=5)["mfg_nvs"]
    found = _warning(tmp_path, "data: {mfg_nvs: own.bin}\n", nvs=True, files={"own.bin": own})
    assert (found.code, str(found.place)) == ("pin-strapping", "own.bin:uart_tx_pin")


def test_a_line_that_is_missing_in_the_package(tmp_path):
    """Up to v3.0.0.0, the firmware has pins of its own for it; since then it has none."""
    found = _warning(tmp_path, "", contents=_with_parameters("esp32", nvs=False, uart_rx_pin=-1))
    assert (found.code, found.place) == ("pin-missing", Place.at(parameter="uart_rx_pin"))
    contents = _with_parameters("esp32", nvs=True, uart_rx_pin=-1)
    (problem,) = _refusal(tmp_path, "", nvs=True, contents=contents)
    assert (problem.code, problem.where) == ("pin-missing", "uart_rx_pin")


def test_a_package_that_says_it_has_no_uart(tmp_path):
    contents = _with_parameters("esp32", nvs=True, uart_baudrate=-1, uart_tx_pin=-1, uart_rx_pin=-1)
    contents = {
        "mfg_nvs": with_value(
            with_value(NvsImage.from_bytes(contents["mfg_nvs"]), "factory_param", "uart_cts_pin", -1),
            "factory_param",
            "uart_rts_pin",
            -1,
        ).to_bytes()
    }
    (problem,) = _refusal(tmp_path, "", nvs=True, contents=contents)
    assert (problem.code, problem.where) == ("uart-missing", "uart_baudrate")


# --- the ESP8266's fixed pins ---


@pytest.mark.parametrize("gpio", [-7, 60, 15, 3, 17])
def test_an_esp8266_has_no_other_pin_for_rx(tmp_path, gpio):
    (problem,) = _refusal(tmp_path, f"factory_param:\n  uart_rx_pin: {gpio}\n", chip="esp8266")
    assert (problem.code, problem.where) == ("pin-not-routable", "esp_at.yml:3:uart_tx_pin")
    assert problem.message == f"the ESP8266 has no UART with TX on GPIO15 and RX on GPIO{gpio}"
    assert problem.hint == "take TX 15 with RX 13 or TX 1 with RX 3"


def test_an_esp8266_without_rx(tmp_path):
    (problem,) = _refusal(tmp_path, "factory_param:\n  uart_rx_pin: -1\n", chip="esp8266")
    assert (problem.code, problem.where) == ("pin-missing", "esp_at.yml:3:uart_rx_pin")


def test_the_download_port_of_an_esp8266_leaves_cts_and_rts_where_they_are(tmp_path):
    """ESP-AT compares CTS and RTS with the hardware on GPIO15 and GPIO13 alone."""
    found = _check(tmp_path, "factory_param: {uart_tx_pin: 1, uart_rx_pin: 3}\n", chip="esp8266")
    assert [(notice.code, str(notice.place)) for notice in found] == [
        ("pin-not-routable", "uart_cts_pin"),
        ("pin-not-routable", "uart_rts_pin"),
    ]
    contents = _with_parameters("esp8266", nvs=False, module="ESP8266_1MB", uart_cts_pin=4)
    (problem,) = _refusal(tmp_path, "", chip="esp8266", contents=contents)
    assert (problem.code, problem.where) == ("pin-not-routable", "uart_cts_pin")


# --- the module's name ---


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
@pytest.mark.parametrize("name", ["N" * 32, "ä" * 16])
def test_a_name_that_the_firmware_has_no_room_for(tmp_path, nvs, name):
    (problem,) = _refusal(tmp_path, f"factory_param:\n  module_name: {name}\n", nvs=nvs)
    assert (problem.code, problem.where) == ("module-name", "esp_at.yml:3:module_name")
    assert problem.message == "a module's name has 31 bytes at most, this one has 32"
    assert _check(tmp_path, f"factory_param: {{module_name: {name[:15]}}}\n", nvs=nvs) == ()


# --- flash in the chip's package ---


@pytest.mark.parametrize("gpio", [16, 17])
@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_flash_in_the_package_of_the_chip_takes_its_pins(tmp_path, gpio, nvs):
    yml = f"module: PICO-D4\nfactory_param:\n  uart_tx_pin: {gpio}\n"
    (problem,) = _refusal(tmp_path, yml, nvs=nvs)
    assert (problem.code, problem.where) == ("pin-taken", "esp_at.yml:4:uart_tx_pin")
    assert problem.message == f"GPIO{gpio} is taken by the flash in the chip's package"


# --- PSRAM ---


def test_psram_of_the_board_counts_though_another_module_is_named(tmp_path):
    yml = "module: WROOM-32\nfactory_param: {uart_tx_pin: 16, uart_rx_pin: 17}\n"
    problems = _refusal(tmp_path, yml, board=WROVER)
    assert [(problem.code, problem.where, problem.message) for problem in problems] == [
        ("pin-taken", "esp_at.yml:3:uart_tx_pin", "GPIO16 is taken by the PSRAM"),
        ("pin-taken", "esp_at.yml:3:uart_rx_pin", "GPIO17 is taken by the PSRAM"),
    ]
    named = BoardFacts(**{name: getattr(WROVER, name) for name in ("id", "name", "mcu")}, at={"module": "WROOM-32"})
    assert len(_refusal(tmp_path, yml, board=named)) == 2


@pytest.mark.parametrize(
    "board", [None, NO_PSRAM, BoardFacts("other", mcu="stm32f4")], ids=["none", "esp32dev", "stm32"]
)
def test_a_board_without_psram(tmp_path, board):
    found = _check(tmp_path, "module: WROOM-32\nfactory_param: {uart_tx_pin: 16, uart_rx_pin: 17}\n", board=board)
    assert [notice.code for notice in found] == ["pin-remark", "pin-remark"]


@pytest.mark.parametrize("name", ["ESP32-WROOM-32E-N8R2", "esp32-wroom-32ue-h4r2", "WROOM-32E-N16R2X"])
@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_psram_in_the_package_of_the_modules_chip(tmp_path, name, nvs):
    (problem,) = _refusal(tmp_path, f"module: {name}\n", nvs=nvs)
    assert (problem.code, problem.where) == ("pin-taken", "uart_rx_pin")
    assert problem.message == "GPIO16 is taken by the PSRAM in the chip's package"
    assert problem.hint.endswith("comes with WROOM-32: write another number: factory_param: {uart_rx_pin: N}")
    assert _check(tmp_path, f"module: {name}\nfactory_param: {{uart_rx_pin: 4}}\n", nvs=nvs) == ()
    (problem,) = _refusal(tmp_path, f"module: {name}\nfactory_param:\n  uart_rx_pin: 16\n", nvs=nvs)
    assert problem.where == "esp_at.yml:4:uart_rx_pin"
    # A project that uses PSRAM has that of the module: GPIO17 is free.
    board = BoardFacts("this project", mcu="esp32", sdkconfig="CONFIG_SPIRAM")
    assert _check(tmp_path, f"module: {name}\nfactory_param: {{uart_rx_pin: 4}}\n", nvs=nvs, board=board) == ()
    assert len(_refusal(tmp_path, "module: WROOM-32\n", nvs=nvs, board=board)) == 2


def test_psram_of_the_module(tmp_path):
    (problem,) = _refusal(tmp_path, "module: WROVER-32\nfactory_param: {uart_tx_pin: 16}\n", board=NO_PSRAM)
    assert (problem.code, problem.message) == ("pin-taken", "GPIO16 is taken by the PSRAM")


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_pins_of_the_module_on_the_boards_psram(tmp_path, nvs):
    """They are refused as the same pins are that the project gives."""
    problems = _refusal(tmp_path, "module: WROOM-32\n", board=WROVER, nvs=nvs)
    assert [(problem.code, problem.where, problem.message) for problem in problems] == [
        ("pin-taken", "uart_tx_pin", "GPIO17 is taken by the PSRAM"),
        ("pin-taken", "uart_rx_pin", "GPIO16 is taken by the PSRAM"),
    ]
    assert problems[0].hint == (
        "free on this chip, if your board doesn't use them: GPIO18, GPIO13, GPIO21, GPIO23\n"
        "this value comes with WROOM-32: write another number: factory_param: {uart_tx_pin: N}, or write module: "
        "WROVER-32 for the board's own module"
    )
    for yml in ("module: WROOM-32\nfactory_param: {uart_tx_pin: 18, uart_rx_pin: 13}\n", "module: WROVER-32\n"):
        found = _check(tmp_path, yml, board=WROVER, nvs=nvs)
        assert [notice.code for notice in found] == ["pin-of-board"]


def test_the_module_to_name_is_the_one_that_the_release_has_for_the_board(tmp_path):
    write_sample_package(tmp_path / "package", "esp32", nvs=True)
    package = replace(open_package(tmp_path / "package"), release="v4.1.1.0")
    plan = make_plan(package, select(None, None, package), Request())
    with pytest.raises(EspAtError) as caught:
        check_values(plan, WROVER, Request(), now=NOW)
    assert caught.value.problems[0].hint.endswith("or write module: MINI-1 for the board's own module")


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_pins_of_the_module_on_the_flash_in_the_package_of_the_boards_chip(tmp_path, nvs):
    board = BoardFacts("pico32", name="ESP32 Pico Kit", mcu="esp32")
    problems = _refusal(tmp_path, "module: WROOM-32\n", board=board, nvs=nvs)
    assert [(problem.code, problem.message) for problem in problems] == [
        ("pin-taken", "GPIO17 is taken by the flash in the chip's package"),
        ("pin-taken", "GPIO16 is taken by the flash in the chip's package"),
    ]
    assert problems[0].hint.endswith("or write module: PICO-D4 for the board's own module")
    assert "GPIO10" not in problems[0].hint
    assert _check(tmp_path, "module: PICO-D4\n", board=board, nvs=nvs) == ()


@pytest.mark.parametrize("module", ["MINI-1", "PICO-D4", "WROVER-32"])
@pytest.mark.parametrize("gpio", [6, 9, 10, 16])
def test_flash_outside_of_the_chip_whatever_firmware_the_board_has(tmp_path, module, gpio):
    """A WROVER may have the firmware of a module with the flash in its chip: its own flash is outside all the same."""
    board = BoardFacts("own", name="WROVER of ours", mcu="esp32")
    (problem,) = _refusal(tmp_path, f"module: {module}\nfactory_param:\n  uart_tx_pin: {gpio}\n", board=board)
    assert (problem.code, problem.where) == ("pin-taken", "esp_at.yml:4:uart_tx_pin")


@pytest.mark.parametrize(
    "board",
    [
        BoardFacts("generic", mcu="esp32", variant="esp32", extra_flags="-DARDUINO_ESP32_DEV -DBOARD_HAS_PSRAM"),
        BoardFacts("likely", mcu="esp32", variant="esp32", openocd="esp32-wrover.cfg"),
    ],
    ids=["flag", "debugger"],
)
@pytest.mark.parametrize(
    "pins", ["", "factory_param: {uart_tx_pin: 17, uart_rx_pin: 16}\n"], ids=["default", "by hand"]
)
def test_psram_that_is_a_guess_is_warned_of(tmp_path, board, pins):
    found = _check(tmp_path, f"module: WROOM-32\n{pins}", board=board)
    assert [(notice.code, notice.facts["gpio"], notice.is_warning) for notice in found] == [
        ("pin-taken", 17, True),
        ("pin-taken", 16, True),
    ]


def test_single_core_of_a_board_does_not_show_its_module(tmp_path):
    """A MINI-1 is only likely there: a SOLO-1 has one core, too, and its flash leaves GPIO16 and GPIO17 free."""
    board = BoardFacts("own", mcu="esp32", extra_flags="-DCONFIG_FREERTOS_UNICORE=1")
    assert _check(tmp_path, "module: SOLO-1\n", board=board) == ()


def test_several_pins_that_the_boards_own_wiring_takes(tmp_path):
    found = _warning(tmp_path, "factory_param: {uart_tx_pin: 18, uart_rx_pin: 13}\n", board=WROVER)
    assert str(found) == (
        "the board's own wiring is in the way: "
        "GPIO15 (uart_cts_pin) is its SD card, GPIO14 (uart_rts_pin) is its SD card"
    )


def test_pins_that_the_boards_own_wiring_takes(tmp_path):
    board = BoardFacts("esp32-poe", mcu="esp32")
    found = _warning(tmp_path, "", board=board)
    assert (found.code, found.facts) == ("pin-of-board", {"parameters": ("uart_tx_pin",)})
    assert str(found) == ("the board's own wiring is in the way: GPIO17 (uart_tx_pin) is its Ethernet clock")
    assert _check(tmp_path, "factory_param: {uart_tx_pin: 4}", board=board) == ()


def test_pins_that_the_board_does_not_lead_out(tmp_path):
    found = _warning(tmp_path, "", board=BoardFacts("sonoff_basic", mcu="esp8266"), chip="esp8266")
    assert (found.code, found.facts) == ("pin-of-board", {"parameters": ("uart_tx_pin", "uart_rx_pin")})
    assert "GPIO15 (uart_tx_pin) isn't led out, GPIO13 (uart_rx_pin) is its LED" in found.message
    assert "TX 1 with RX 3" in found.hint


def test_another_crystal_than_the_firmware_is_built_for(tmp_path):
    found = _warning(tmp_path, "", board=BoardFacts("esp32thing", mcu="esp32"))
    assert (found.code, found.facts) == ("crystal-mismatch", {"crystal_mhz": 26})
    assert found.message.startswith("this ESP32 has a crystal of 26 MHz, released firmware is built for 40 MHz: ")
    assert "or build ESP-AT for 26 MHz" in found.hint


# --- certificates and keys ---


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_a_damaged_pem_is_named_with_its_line(tmp_path, nvs):
    files = {"certs.pem": _certificate() + b"\n" + _certificate()[:-30]}
    (problem,) = _refusal(tmp_path, "pki: {mqtt_cert: certs.pem}\n", files=files, nvs=nvs)
    assert (problem.code, problem.where) == ("pem-damaged", f"certs.pem:{_certificate().count(bytes([10])) + 2}")
    assert "has no line -----END CERTIFICATE-----" in problem.message


def test_a_key_and_a_certificate_in_each_others_place(tmp_path):
    files = {"cert.pem": _certificate(), "key.pem": _key_pem("module")}
    problems = _refusal(tmp_path, "pki: {mqtt_cert: key.pem, mqtt_key: cert.pem}\n", files=files)
    assert [(problem.code, problem.where) for problem in problems] == [
        ("key-in-certificate-file", "key.pem:1"),
        ("pki-wrong-kind", "cert.pem"),
    ]


@pytest.mark.parametrize("slot", ["wpa2", "wpa_ent"])
def test_the_key_of_another_certificate(tmp_path, slot):
    files = {"cert.pem": _certificate(), "key.pem": _key_pem("other")}
    (problem,) = _refusal(tmp_path, f"pki: {{{slot}_cert: cert.pem, {slot}_key: key.pem}}\n", files=files, nvs=True)
    assert (problem.code, problem.where) == ("key-not-of-certificate", "key.pem")
    assert "is not that of the certificate CN=module" in problem.message


def test_each_set_is_a_pair(tmp_path):
    files = {
        "a.pem": _certificate("a"),
        "b.pem": _certificate("b"),
        "a.key": _key_pem("a"),
        "b.key": _key_pem("b"),
    }
    yml = "pki: {{client_cert: [a.pem, b.pem], client_key: [{}]}}\n"
    assert _check(tmp_path, yml.format("a.key, b.key"), files=files) == ()
    problems = _refusal(tmp_path, yml.format("b.key, a.key"), files=files)
    assert [(problem.code, problem.where) for problem in problems] == [
        ("key-not-of-certificate", "b.key"),
        ("key-not-of-certificate", "a.key"),
    ]
    (problem,) = _refusal(tmp_path, yml.format("a.key, a.key"), files=files)
    assert (problem.code, problem.where) == ("key-not-of-certificate", "a.key")
    assert "CN=b" in problem.message
    assert _check(tmp_path, yml.format("a.key"), files=files) == ()


@pytest.mark.parametrize(
    ("now", "code", "message"),
    [
        (NOW - 2 * YEAR, "certificate-not-yet-valid", "is not valid before 2025-06-01 00:00 UTC"),
        (NOW + 2 * YEAR, "certificate-expired", "expired on 2027-06-01"),
        (NOW + YEAR - timedelta(days=2), "certificate-expires", "expires on 2027-06-01"),
    ],
    ids=["not-yet", "expired", "soon"],
)
def test_validity_is_warned_of(tmp_path, now, code, message):
    files = {"ca.pem": _certificate("root", ca=True)}
    found = _warning(tmp_path, "pki: {mqtt_ca: ca.pem}\n", files=files, now=now)
    assert (found.code, str(found)) == (code, f"ca.pem: certificate CN=root {message}")


def test_a_valid_certificate(tmp_path):
    assert _check(tmp_path, "pki: {mqtt_ca: ca.pem}\n", files={"ca.pem": _certificate("root", ca=True)}) == ()


def test_certificates_of_the_package_are_not_looked_at(tmp_path):
    """The sample's only stand in for some; upstream's expire."""
    assert _check(tmp_path, "", now=NOW + 50 * YEAR) == ()


# --- GATT rows ---


def test_a_gatt_row_is_named(tmp_path):
    text = GATTS.replace("2,16,0xC300,0x01,16,2", "7,16,0xC300,0x01,16,17")
    problems = _refusal(tmp_path, "gatts: own.csv\n", files={"own.csv": text})
    assert [(problem.code, problem.where) for problem in problems] == [
        ("gatt-index-invalid", "own.csv:row 2"),
        ("gatt-length", "own.csv:row 2"),
    ]
    assert [problem.message for problem in problems] == [
        "its index is 7",
        "val_cur_len 17 is more than val_max_len 16",
    ]


def test_gatt_warnings(tmp_path):
    text = GATTS.replace("2,16,0xC300,0x01,16,2", "2,16,0xC300,0x01,16,1")
    found = _warning(tmp_path, "gatts: own.csv\n", files={"own.csv": text})
    assert (found.code, found.place) == ("gatt-value-length", Place.at(file="own.csv", row=2))
    assert str(found) == "own.csv:row 2: val_cur_len is 1, the value has 2 bytes"


def test_more_rows_than_can_be_edited(tmp_path):
    text = GATTS + "".join(f"{at},16,0x2901,0x01,2,2,ABCD\n" for at in range(3, 32))
    found = _warning(tmp_path, "gatts: own.csv\n", files={"own.csv": text}, nvs=True)
    assert found.code == "gatt-not-editable"
    assert str(found) == "own.csv: the GATT table has 32 rows, at.py can only change the first 31"
    assert _check(tmp_path, "gatts: own.csv\n", files={"own.csv": text}) == ()


# --- all together ---


def test_warnings_of_every_kind(tmp_path):
    yml = "factory_param: {uart_tx_pin: 5}\npki: {mqtt_ca: ca.pem}\ngatts: own.csv\n"
    files = {"ca.pem": _certificate("root", ca=True), "own.csv": GATTS.replace("16,2,ABCD", "16,1,ABCD")}
    found = _check(tmp_path, yml, files=files, now=NOW + 2 * YEAR)
    assert [(notice.code, str(notice.place)) for notice in found] == [
        ("pin-strapping", "esp_at.yml:2:uart_tx_pin"),
        ("certificate-expired", "ca.pem"),
        ("gatt-value-length", "own.csv:row 2"),
    ]
