"""The content of user partitions: what the module and the request give, in the bytes that the release reads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from plans import FILES, sample_plan

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import EspAtError, FormatError, PackageError, Place, UnknownNameError
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.nvs import Dialect, NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import Encoding
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.formats.pki import PKI_SLOTS, PkiContainer, PkiType
from platformio_esp_at.planning.content import Content, make_content
from platformio_esp_at.planning.mfg_nvs import parameters
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import CustomModule, InputFile, Text

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

FOLDER = "customized_partitions"
MFG_NVS_HINT = (
    "data takes a finished image: take mfg_nvs.bin of a module or package, or remove it here and set factory_param"
)
SAMPLE = sample_package("esp32")
PARAM = FactoryParam.from_bytes(SAMPLE[f"{FOLDER}/factory_param.bin"])
HERE = Place.at(file="esp_at.yml", line=7)
PEM = b"-----BEGIN %b-----\nMIIB\n-----END %b-----\n"
CERT = PEM % (b"CERTIFICATE", b"CERTIFICATE")
KEY = PEM % (b"RSA PRIVATE KEY", b"RSA PRIVATE KEY")
DER = b"\x30\x03\x02\x01\x05"
LONG_DER = b"\x30\x82\x01\x00" + bytes(256)


def _package(tmp_path, chip: str = "esp32", **changes: bytes | None) -> FirmwarePackage:
    """Return the sample package; ``changes`` are files of customized_partitions without .bin (None: left out)."""
    files = sample_package(chip)
    for name, data in changes.items():
        files[f"{FOLDER}/{name}.bin"] = data
    for name, data in files.items():
        if data is not None:
            file = tmp_path / "AT_PACK" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
    return open_package(tmp_path / "AT_PACK")


def _file(data: bytes, label: str = "certs/a.pem") -> InputFile:
    return InputFile(label, HERE, data)


def _make(
    tmp_path, package: FirmwarePackage, module: str | CustomModule | None = None, **request
) -> dict[str, Content]:
    wanted = Text(module, HERE) if isinstance(module, str) else module
    return make_content(package, select(wanted, None, package), Request(**request), package.secondary)


def _values(contents: dict[str, Content]) -> dict[str, int | str]:
    return FactoryParam.from_bytes(contents["factory_param"].data).values


def _texts(**values: str) -> dict[str, Text]:
    return {name: Text(value, HERE) for name, value in values.items()}


# --- factory_param ---


def test_the_packages_own_factory_param_is_taken(tmp_path):
    own = PARAM.replace({"uart_tx_pin": 33}).to_bytes()
    contents = _make(tmp_path, _package(tmp_path, **{"factory_param_WROOM-32": own}))
    place = Place.at(file="at_customize.bin")
    assert contents == {
        "factory_param": Content("factory_param", own, "firmware package", place, FactoryParam.from_bytes(own).values)
    }


def test_a_factory_param_is_found_by_the_module_in_it(tmp_path):
    other = PARAM.replace({"module_name": "SOLO-1", "uart_tx_pin": 33}).to_bytes()
    contents = _make(tmp_path, _package(tmp_path, factory_param_misnamed=other), "SOLO-1")
    assert contents["factory_param"].data == other


def test_another_modules_factory_param_is_generated(tmp_path):
    contents = _make(tmp_path, _package(tmp_path), "MINI-1")
    values = _values(contents)
    assert [values[name] for name in ("version", "module_name", "uart_tx_pin", "uart_rx_pin")] == [3, "MINI-1", 22, 19]
    assert contents["factory_param"].origin == "generated for MINI-1"


def test_a_blank_factory_param_is_generated(tmp_path):
    """Upstream's build leaves a blank one for a module whose name it misspells."""
    package = _package(tmp_path, **{"factory_param_SOLO-1": b"\xff" * 4096})
    contents = _make(tmp_path, package, "SOLO-1")
    assert (_values(contents)["module_name"], contents["factory_param"].origin) == ("SOLO-1", "generated for SOLO-1")


def test_generated_in_the_version_of_the_package(tmp_path):
    old = FactoryParam.from_values({"version": 1, "module_id": 1}).to_bytes()
    package = _package(tmp_path, **{"factory_param": old, "factory_param_WROOM-32": old})
    values = _values(_make(tmp_path, package, "SOLO-1"))
    assert (values["version"], values["module_id"], values["uart_tx_pin"]) == (1, 4, 17)
    assert "module_name" not in values


def test_the_projects_values_go_on_top(tmp_path):
    values = _texts(uart_tx_pin="0x1A", uart_cts_pin="-1", country_code="NO", uart_baudrate="921600")
    contents = _make(tmp_path, _package(tmp_path), factory_param=values)
    expected = {"uart_tx_pin": 26, "uart_cts_pin": -1, "country_code": "NO", "uart_baudrate": 921600}
    assert _values(contents) == PARAM.values | expected
    assert contents["factory_param"].origin == (
        "firmware package, with uart_tx_pin, uart_cts_pin, country_code, uart_baudrate of the project"
    )


def test_own_module_below_the_projects_values(tmp_path):
    own = CustomModule(
        Text("MY-BOARD", HERE), Text("WROOM-32", HERE), _texts(uart_tx_pin="4", uart_rx_pin="5", country_code="DE")
    )
    contents = _make(tmp_path, _package(tmp_path), own, factory_param=_texts(uart_rx_pin="6"))
    values = _values(contents)
    assert [values[name] for name in ("module_name", "uart_tx_pin", "uart_rx_pin", "country_code", "uart_rts_pin")] == [
        "MY-BOARD",
        4,
        6,
        "DE",
        14,
    ]
    assert contents["factory_param"].origin == (
        "firmware package, changed for MY-BOARD, with uart_rx_pin of the project"
    )


WHOLE = "write it in decimal, or in hex as 0x…"


@pytest.mark.parametrize(
    ("name", "value", "code", "message", "hint"),
    [
        ("uart_txd", "1", "unknown-parameter", "unknown factory parameter 'uart_txd'", "did you mean uart_tx_pin"),
        ("version", "2", "unknown-parameter", "unknown factory parameter 'version'", "known: "),
        ("reserved1", "2", "unknown-parameter", "unknown factory parameter 'reserved1'", "known: "),
        ("uart_tx_pin", "GPIO4", "not-a-number", "'GPIO4' is not a whole number", WHOLE),
        ("uart_tx_pin", "128", "parameter-range", "uart_tx_pin must be -128…127, not 128", ""),
        ("uart_baudrate", "9" * 12, "parameter-range", "uart_baudrate must be -2147483648…2147483647, not 99", ""),
        ("country_code", "GERMANY", "parameter-too-long", "country_code 'GERMANY' doesn't fit into 4 bytes", ""),
    ],
)
def test_refuses_a_value(tmp_path, name, value, code, message, hint):
    with pytest.raises(EspAtError) as caught:
        _make(tmp_path, _package(tmp_path), factory_param=_texts(**{name: value}))
    assert (caught.value.code, caught.value.place) == (code, HERE)
    assert caught.value.message.startswith(message)
    assert (caught.value.hint or "").startswith(hint)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        pytest.param(
            {"factory_param": b"\xff" * 4096, "factory_param_WROOM-32": None},
            "package-without-parameters",
            "every factory_param.bin of AT_PACK is blank, so its version isn't known",
            id="none-readable",
        ),
        pytest.param(
            {"factory_param": FactoryParam.from_values({"version": 1}).to_bytes()},
            "package-inconsistent",
            "the factory_param.bin of AT_PACK have the versions 1, 3",
            id="two-versions",
        ),
    ],
)
def test_refuses_to_guess_the_version(tmp_path, changes, code, message):
    with pytest.raises(PackageError) as caught:
        _make(tmp_path, _package(tmp_path, **changes), "SOLO-1")
    assert (caught.value.code, caught.value.message) == (code, message)
    assert caught.value.hint == "download the package again, or unpack all of it"


def test_a_package_without_parameters_of_either_generation(tmp_path):
    """Such as one of v4.1.0.0 whose at_customize.bin was replaced by a table without mfg_nvs."""
    table = PartitionTable.from_csv("fatfs, data, fat, 0x70000, 0x90000\n", first_offset=0).to_bytes()
    with pytest.raises(PackageError) as caught:
        sample_plan(tmp_path, files={"at_customize.bin": table}, nvs=True)
    assert (caught.value.code, caught.value.message) == (
        "package-without-parameters",
        "AT_PACK has no factory_param.bin, and its user partition table (at_customize.bin) has no mfg_nvs",
    )
    assert "; for a table of your own, leave at_customize.bin as it was, and write partitions: FILE.csv" in (
        caught.value.hint
    )


def test_refuses_a_damaged_factory_param(tmp_path):
    with pytest.raises(FormatError) as caught:
        _make(tmp_path, _package(tmp_path, factory_param=b"\0" * 4096))
    assert caught.value.code == "not-factory-param"
    assert caught.value.where == "customized_partitions/factory_param.bin"
    assert caught.value.message == "no factory_param: its magic FC FC is missing (found 00 00)"


# --- certificates and keys ---


def _items(contents: dict[str, Content], name: str) -> list[tuple[int, int, bytes]]:
    return [(item.type, item.id, item.content) for item in PkiContainer.from_bytes(contents[name].data).items]


def test_certificate_and_key(tmp_path):
    pki = {"client_cert": (_file(CERT, "one.pem"), _file(DER, "two.der")), "client_key": (_file(KEY, "key.pem"),)}
    contents = _make(tmp_path, _package(tmp_path), pki=pki)
    assert _items(contents, "client_cert") == [(PkiType.CERT, 0, CERT), (PkiType.CERT, 1, DER)]
    # The sample's own containers mark a key as a certificate, as upstream's of these releases do.
    assert _items(contents, "client_key") == [(PkiType.CERT, 0, KEY)]
    assert (contents["client_cert"].origin, contents["client_cert"].where) == ("one.pem, two.der", HERE)


def test_the_packages_own_images_tell_the_type_byte(tmp_path):
    own = {name: PkiContainer.of(kind, [b"x"]).to_bytes() for name, kind in PKI_SLOTS.items()}
    contents = _make(tmp_path, _package(tmp_path, **own), pki={"mqtt_ca": (_file(CERT),), "mqtt_key": (_file(KEY),)})
    assert _items(contents, "mqtt_ca") == [(PkiType.CA, 0, CERT)]
    assert _items(contents, "mqtt_key") == [(PkiType.KEY, 0, KEY)]


def test_the_packages_own_images_go_before_the_version(tmp_path):
    old = FactoryParam.from_values({"version": 1, "module_id": 1}).to_bytes()
    package = _package(tmp_path, **{"factory_param": old, "factory_param_WROOM-32": old})
    contents = _make(tmp_path, package, pki={"mqtt_ca": (_file(CERT),)})
    assert _items(contents, "mqtt_ca") == [(PkiType.CERT, 0, CERT)]


@pytest.mark.parametrize(
    ("version", "kind"), [pytest.param(1, PkiType.KEY, id="v2.0"), pytest.param(3, PkiType.CERT, id="v2.2")]
)
def test_factory_param_tells_the_type_byte_where_no_image_does(tmp_path, version, kind):
    param = PARAM if version == 3 else FactoryParam.from_values({"version": version, "module_id": 1})
    package = _package(tmp_path, **{"factory_param": param.to_bytes(), "factory_param_WROOM-32": param.to_bytes()})
    config = (tmp_path / "AT_PACK/download.config").read_text()
    words = config.split()
    kept = [
        pair for pair in zip(words[6::2], words[7::2], strict=True) if not pair[1].endswith(("_ca.bin", "_key.bin"))
    ]
    (tmp_path / "AT_PACK/download.config").write_text(" ".join([*words[:6], *(word for pair in kept for word in pair)]))
    package = open_package(tmp_path / "AT_PACK")
    contents = _make(tmp_path, package, pki={"mqtt_key": (_file(KEY),)})
    assert _items(contents, "mqtt_key") == [(kind, 0, KEY)]


@pytest.mark.parametrize("data", [CERT, CERT + CERT, b"text before\n" + CERT, DER, LONG_DER, b"\x30\x81\x02ab"])
def test_certificates_are_taken_as_they_are(tmp_path, data):
    contents = _make(tmp_path, _package(tmp_path), pki={"mqtt_ca": (_file(data),)})
    assert [content for _, _, content in _items(contents, "mqtt_ca")] == [data]


def test_refuses_an_unknown_certificate(tmp_path):
    with pytest.raises(UnknownNameError) as caught:
        _make(tmp_path, _package(tmp_path), pki={"mqtt_crt": (_file(CERT),)})
    assert (caught.value.code, caught.value.place) == ("unknown-pki", HERE)
    assert caught.value.message == "unknown certificate or key 'mqtt_crt'"
    assert "mqtt_cert" in caught.value.hint


def test_names_of_certificates():
    assert set(PKI_SLOTS) == {
        f"{role}_{kind}"
        for role in ("server", "client", "mqtt", "wpa2", "https", "wss")
        for kind in ("ca", "cert", "key")
    }


# --- services and data ---

GATTS = b"index,uuid_len,uuid,perm,val_max_len,val_cur_len,value\n0,16,0x2800,0x01,2,2,A002\n"


def test_gatts(tmp_path):
    contents = _make(tmp_path, _package(tmp_path), gatts=_file(GATTS, "gatts.csv"))
    assert contents["ble_data"].data == GattTable.from_csv(GATTS.decode()).to_bytes()
    assert (contents["ble_data"].origin, contents["ble_data"].where) == ("gatts.csv", HERE)


@pytest.mark.parametrize(
    ("data", "where", "code", "message"),
    [
        pytest.param(
            b"index,uuid\n",
            "gatts.csv:1",
            "gatt-csv-invalid",
            "the GATT CSV has no column 'uuid_len'",
            id="column-missing",
        ),
        pytest.param(GATTS + b"1,16,zz,1\n", "gatts.csv:3", "gatt-hex", "'zz' isn't hex", id="bad-row"),
        pytest.param(
            b"index\n\xff",
            "gatts.csv:2",
            "not-text",
            "not UTF-8 text: the byte 0xff, perhaps of Latin-1",
            id="not-text",
        ),
    ],
)
def test_refuses_gatts(tmp_path, data, where, code, message):
    with pytest.raises(FormatError) as caught:
        _make(tmp_path, _package(tmp_path), gatts=_file(data, "gatts.csv"))
    assert (caught.value.code, caught.value.where, caught.value.message) == (code, where, message)


def test_data(tmp_path):
    contents = _make(tmp_path, _package(tmp_path), data={"fatfs": _file(FILES, "fs.img")})
    assert contents["fatfs"] == Content("fatfs", FILES, "fs.img", HERE)


@pytest.mark.parametrize(
    ("request_", "name", "image"),
    [
        pytest.param({"gatts": _file(GATTS)}, "ble_data", GattTable.from_csv(GATTS.decode()).to_bytes(), id="gatts"),
        pytest.param(
            {"pki": {"mqtt_ca": (_file(CERT),)}}, "mqtt_ca", PkiContainer.of(PkiType.CA, [CERT]).to_bytes(), id="pki"
        ),
    ],
)
def test_refuses_content_twice(tmp_path, request_, name, image):
    data = {name: InputFile("x.bin", Place.at(file="esp_at.yml", line=9), image)}
    with pytest.raises(EspAtError) as caught:
        _make(tmp_path, _package(tmp_path), data=data, **request_)
    assert caught.value.code == "content-twice"
    assert str(caught.value) == f"esp_at.yml:9: {name} has content from two options\n  remove it from data"


@pytest.mark.parametrize(
    ("name", "data", "code", "where", "hint"),
    [
        ("fatfs", b"", "file-empty", str(HERE), "to leave fatfs as the module has it, remove it from data"),
        (
            "factory_param",
            b"x",
            "factory-param-as-data",
            str(HERE),
            "write its values: factory_param: {uart_tx_pin: 17}",
        ),
        (
            *("mqtt_ca", CERT, "not-pki", "x.bin"),
            "data takes a finished image; for a certificate or key, write pki: {mqtt_ca: FILE}",
        ),
        (
            "ble_data",
            GATTS,
            "not-ble-data",
            "x.bin",
            "data takes a finished image; for a GATT table, write gatts: FILE",
        ),
    ],
)
def test_refuses_data_that_the_firmware_could_not_read(tmp_path, name, data, code, where, hint):
    with pytest.raises(EspAtError) as caught:
        _make(tmp_path, _package(tmp_path), data={name: _file(data, "x.bin")})
    assert (caught.value.code, caught.value.where, caught.value.hint) == (code, where, hint)


def test_an_own_module_starts_with_the_packages_values(tmp_path):
    own = PARAM.replace({"uart_baudrate": 57600}).to_bytes()
    module = CustomModule(Text("GATEWAY", HERE), Text("WROOM-32", HERE), _texts(uart_tx_pin="4"))
    values = _values(_make(tmp_path, _package(tmp_path, **{"factory_param_WROOM-32": own}), module))
    assert (values["module_name"], values["uart_baudrate"], values["uart_tx_pin"]) == ("GATEWAY", 57600, 4)


def test_an_own_module_is_what_it_is_based_on_even_with_a_known_name(tmp_path):
    module = CustomModule(Text("WROOM-32", HERE), Text("WROVER-32", HERE), {})
    values = _values(_make(tmp_path, _package(tmp_path), module))
    assert (values["module_name"], values["uart_tx_pin"], values["uart_rx_pin"]) == ("WROOM-32", 22, 19)


# --- packages from v3.1.0.0 on ---


def test_mfg_nvs_is_left_alone(tmp_path):
    package = _package(tmp_path, "esp32c6")
    own = package.content_of("mfg_nvs")
    content = _make(tmp_path, package)["mfg_nvs"]
    assert (content.data, content.origin) == (own, "firmware package")
    assert content.parameters == parameters(NvsImage.from_bytes(own))


def test_mfg_nvs_of_the_users_own(tmp_path):
    package = _package(tmp_path, "esp32c6")
    own = replace(NvsImage.from_bytes(package.content_of("mfg_nvs")), dialect=Dialect.FULL_PAGES).to_bytes()
    contents = _make(tmp_path, package, "ESP32C6-4MB", data={"mfg_nvs": _file(own, "mfg_nvs.bin")})
    values = parameters(NvsImage.from_bytes(own))
    assert contents == {"mfg_nvs": Content("mfg_nvs", own, "mfg_nvs.bin", HERE, values)}


def test_a_smaller_mfg_nvs_of_the_users_own_leaves_no_old_page_after_it(tmp_path):
    package = _package(tmp_path, "esp32c6")
    size = package.secondary.find("mfg_nvs").size
    own = replace(NvsImage.from_bytes(package.content_of("mfg_nvs")), size=size - 4096).to_bytes()
    data = _make(tmp_path, package, data={"mfg_nvs": _file(own, "mfg_nvs.bin")})["mfg_nvs"].data
    assert data == own + b"\xff" * 4096


@pytest.mark.parametrize("dialect", Dialect)
def test_a_cut_mfg_nvs_of_the_users_own(tmp_path, dialect):
    """Its last page would be blank: entries may be missing, which nothing else shows."""
    package = _package(tmp_path, "esp32c6")
    image = NvsImage.from_bytes(package.content_of("mfg_nvs"))
    entries = [NvsEntry("own", f"key{number}", Encoding.STRING, "x" * 3900) for number in range(6)]
    whole = replace(image.with_namespace("own", entries), dialect=dialect).to_bytes()
    with pytest.raises(FormatError) as caught:
        _make(tmp_path, package, data={"mfg_nvs": _file(whole[: 5 * 4096], "mfg_nvs.bin")})
    assert (caught.value.code, caught.value.where) == ("nvs-cut", "mfg_nvs.bin")
    assert caught.value.message == (
        f"the NVS image is cut: it has 20480 bytes, its partition {image.size}, and its last page isn't blank"
    )
    assert caught.value.hint == MFG_NVS_HINT


def test_two_names_of_one_parameter(tmp_path):
    with pytest.raises(FormatError) as caught:
        _make(tmp_path, _package(tmp_path), factory_param=_texts(tx_max_power="60", max_tx_power="70"))
    assert (caught.value.code, caught.value.place) == ("parameter-twice", HERE)
    assert caught.value.message == "max_tx_power and tx_max_power are two names of one parameter"
    assert caught.value.hint == "keep one of them"


def test_mfg_nvs_of_the_users_own_must_be_one(tmp_path):
    with pytest.raises(FormatError) as caught:
        _make(tmp_path, _package(tmp_path, "esp32c6"), data={"mfg_nvs": _file(b"nvs", "mfg_nvs.bin")})
    assert (caught.value.code, caught.value.where) == ("not-nvs", "mfg_nvs.bin")
    assert caught.value.message == "it is text ('nvs'), not a binary file"
    assert caught.value.hint == MFG_NVS_HINT


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        pytest.param("factory_param", _texts(uart_tx_pin="1"), "uart_tx_pin", id="factory_param"),
        pytest.param("pki", {"mqtt_ca": (_file(CERT),)}, "mqtt_ca", id="pki"),
        pytest.param("gatts", _file(GATTS), "gatts", id="gatts"),
    ],
)
def test_mfg_nvs_is_edited_or_given_not_both(tmp_path, option, value, name):
    package = _package(tmp_path, "esp32c6")
    own = _file(package.content_of("mfg_nvs"), "mfg_nvs.bin")
    with pytest.raises(EspAtError) as caught:
        _make(tmp_path, package, data={"mfg_nvs": own}, **{option: value})
    assert caught.value.code == "content-twice"
    assert str(caught.value) == (
        f"{HERE}: data: gives all of mfg_nvs, so {name} can't be given, too\n  remove data: {{mfg_nvs: …}}, or {name}"
    )


def test_mfg_nvs_takes_what_the_project_gives(tmp_path):
    package = _package(tmp_path, "esp32c6")
    content = _make(tmp_path, package, factory_param=_texts(uart_tx_pin="1"), pki={"mqtt_ca": (_file(CERT),)})[
        "mfg_nvs"
    ]
    own, image = NvsImage.from_bytes(package.content_of("mfg_nvs")), NvsImage.from_bytes(content.data)
    changed = {(entry.namespace, entry.key): entry.value for entry in image if entry not in own.entries}
    assert changed == {("factory_param", "uart_tx_pin"): 1, ("mqtt_ca", "mqtt_ca"): CERT}
    assert content.origin == "firmware package, with uart_tx_pin, mqtt_ca of the project"


def test_mfg_nvs_gets_the_parameters_of_another_module(tmp_path):
    content = _make(tmp_path, _package(tmp_path, "esp32c5"), "ESP32C5-SPI")["mfg_nvs"]
    values = {
        entry.key: entry.value for entry in NvsImage.from_bytes(content.data) if entry.namespace == "factory_param"
    }
    assert (values["module_name"], values["uart_tx_pin"]) == ("ESP32C5-SPI", -1)
    assert content.origin == "firmware package, with the parameters of ESP32C5-SPI"


def test_keys_are_not_in_the_repr(tmp_path):
    contents = _make(tmp_path, _package(tmp_path), pki={"mqtt_key": (_file(KEY),)})
    assert "PRIVATE" not in repr(contents)
