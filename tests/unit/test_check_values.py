"""What a project asks for, compared with the module: the place of each problem, and what is only warned of."""

from __future__ import annotations

import functools
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
    (found,) = _check(*args, **options)
    assert found.is_warning
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


def test_what_the_package_has_is_warned_of_where_something_else_is_asked_for(tmp_path):
    """PSRAM of the board takes the package's own pins: that is a warning, and the project's country isn't to blame."""
    board = BoardFacts("kit", name="WROVER kit", mcu="esp32")
    found = _check(tmp_path, "factory_param: {country_code: DE}\n", board=board)
    assert [(notice.code, notice.place, notice.is_warning) for notice in found] == [
        ("pin-taken", Place.at(parameter="uart_tx_pin"), True),
        ("pin-taken", Place.at(parameter="uart_rx_pin"), True),
    ]


def test_a_risky_parameter_is_warned_of(tmp_path):
    found = _warning(tmp_path, "factory_param: {uart_tx_pin: 5}\n")
    assert found.code == "pin-strapping"
    assert str(found).startswith("uart_tx_pin: GPIO5 is a strapping pin")


def _with_parameter(name: str, value: int | str, *, nvs: bool) -> dict[str, bytes]:
    """Return the images of the sample package with another value of one of its parameters."""
    if nvs:
        image = NvsImage.from_bytes(sample_package(nvs=True)["customized_partitions/mfg_nvs.bin"])
        return {"mfg_nvs": with_value(image, "factory_param", name, value).to_bytes()}
    param = FactoryParam.from_bytes(sample_package()["customized_partitions/factory_param.bin"])
    changed = param.replace({name: value}).to_bytes()
    return {"factory_param": changed, "factory_param_WROOM-32": changed}


NVS = pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])


@NVS
@pytest.mark.parametrize(("value", "usual"), [("D1", "CN"), ("DE", "CN")])
def test_what_the_package_has_by_itself(tmp_path, nvs, value, usual):
    """What only a radio setting is about is warned of, and any change is noted."""
    found = _check(tmp_path, "", nvs=nvs, contents=_with_parameter("country_code", value, nvs=nvs))
    image = f"customized_partitions/{'mfg_nvs' if nvs else 'factory_param'}.bin"
    *warned, changed = found
    assert [notice.code for notice in warned] == (["country-invalid"] if value == "D1" else [])
    assert (changed.code, changed.is_warning, changed.place) == ("parameters-changed", False, Place.at(file=image))
    assert changed.facts == {"parameters": ("country_code",)}
    message = "the firmware package's parameters differ from Espressif's for WROOM-32: country_code"
    assert changed.message == f"{message} {value} instead of {usual}"


@NVS
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("uart_tx_pin", 6, "pin-taken"),
        ("uart_tx_pin", 77, "pin-nonexistent"),
        ("uart_rx_pin", 17, "pin-twice"),
        ("uart_tx_pin", 34, "pin-input-only"),
        ("uart_port", 9, "uart-port-invalid"),
        ("uart_baudrate", 7, "baudrate-invalid"),
    ],
)
def test_a_parameter_of_the_package_with_which_the_module_would_not_answer(tmp_path, nvs, name, value, code):
    with pytest.raises(EspAtError) as caught:
        _check(tmp_path, "", nvs=nvs, contents=_with_parameter(name, value, nvs=nvs))
    error = caught.value
    image = f"customized_partitions/{'mfg_nvs' if nvs else 'factory_param'}.bin"
    assert (error.code, error.facts["file"], error.facts["parameter"]) == (code, image, name)
    again = "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again"
    assert error.hint.startswith(f"{again}, or set another value: factory_param: {{{name}: …}}; ")


@NVS
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("uart_tx_pin", 10, "pin-taken"), ("uart_rts_pin", 15, "pin-twice"), ("country_code", "D1", "country-invalid")],
)
def test_a_parameter_of_the_package_with_which_it_may_answer(tmp_path, nvs, name, value, code):
    """In the mode dio, GPIO10 is no line of the flash; without flow control, RTS isn't used."""
    found = _check(tmp_path, "", nvs=nvs, contents=_with_parameter(name, value, nvs=nvs))
    assert [notice.code for notice in found if notice.is_warning] == [code]


@pytest.mark.parametrize(("name", "code"), [("uart_tx_pin", "pin-missing"), ("uart_baudrate", "uart-missing")])
def test_minus_one_is_a_default_up_to_v3(tmp_path, name, code):
    """Up to v3.0.0.0, the firmware has its own pins and speed for it."""
    found = _check(tmp_path / "old", "", contents=_with_parameter(name, -1, nvs=False))
    assert [notice.code for notice in found] == [code, "parameters-changed"]
    with pytest.raises(EspAtError) as caught:
        _check(tmp_path / "new", "", nvs=True, contents=_with_parameter(name, -1, nvs=True))
    assert caught.value.code == code


def test_a_value_of_the_projects_own_image(tmp_path):
    files = {"own.bin": _with_parameter("uart_tx_pin", 77, nvs=True)["mfg_nvs"]}
    with pytest.raises(EspAtError) as caught:
        _check(tmp_path, "data: {mfg_nvs: own.bin}\n", nvs=True, files=files)
    assert (caught.value.code, caught.value.where) == ("pin-nonexistent", "own.bin:uart_tx_pin")


def test_pins_that_the_esp8266_has_not(tmp_path):
    param = FactoryParam.from_bytes(sample_package("esp8266")["customized_partitions/factory_param.bin"])
    changed = param.replace({"uart_rx_pin": 60}).to_bytes()
    contents = {"factory_param": changed, "factory_param_ESP8266_1MB": changed}
    with pytest.raises(EspAtError) as caught:
        _check(tmp_path, "", chip="esp8266", contents=contents)
    assert caught.value.code == "pin-not-routable"


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


def test_psram_of_the_module(tmp_path):
    (problem,) = _refusal(tmp_path, "module: WROVER-32\nfactory_param: {uart_tx_pin: 16}\n", board=NO_PSRAM)
    assert (problem.code, problem.message) == ("pin-taken", "GPIO16 is taken by the PSRAM")


def test_pins_of_the_package_on_the_boards_psram_are_warned_of(tmp_path):
    found = _check(tmp_path, "", board=WROVER)
    assert [(notice.code, notice.facts.get("gpio")) for notice in found] == [
        ("pin-taken", 17),
        ("pin-taken", 16),
        ("pin-of-board", None),
    ]
    assert [str(notice) for notice in found[:2]] == [
        "uart_tx_pin: GPIO17 is taken by the PSRAM",
        "uart_rx_pin: GPIO16 is taken by the PSRAM",
    ]
    assert str(found[2]) == (
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
        ("pin-strapping", "uart_tx_pin"),
        ("certificate-expired", "ca.pem"),
        ("gatt-value-length", "own.csv:row 2"),
    ]
