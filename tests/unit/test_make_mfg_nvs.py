"""What module and project give goes into ``mfg_nvs``, in its place; nothing else in there changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nvs_images import with_value
from nvs_pages import BLANK, begin, flipped, page

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, Place, SelectionError, UnknownNameError
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.nvs import Dialect, NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import Encoding
from platformio_esp_at.formats.pki import PKI_SETS, PKI_SLOTS
from platformio_esp_at.planning.content import gatts_of, make_content
from platformio_esp_at.planning.mfg_nvs import ENCODINGS, GATTS, PARAMETERS, is_mfg_nvs, make_mfg_nvs, parameters
from platformio_esp_at.planning.selection import SelectedModule, select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import CustomModule, InputFile, Text

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

HERE = Place.at(file="esp_at.yml", line=7)
BASE = NvsImage.from_bytes(sample_package("esp32", nvs=True)["customized_partitions/mfg_nvs.bin"])
SIZE = BASE.size
READS = {*PKI_SLOTS, *ENCODINGS, PARAMETERS, GATTS}
OLD_READS = READS - {"sys_store"} - {name for name in PKI_SLOTS if name.startswith(("https", "wss"))}
"""What an application before v4.1 asks for."""

PEM = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LARGE = PEM + bytes(SIZE)
DER = b"\x30\x03\x02\x01\x05"
GATT_CSV = """\
index,uuid_len,uuid,perm,val_max_len,val_cur_len,value
# a comment
0,16,0x2800,0x01,2,2,A002
1,16,0x2803,0x11,1,1,2
"""


def _module(name: str = "WROOM-32", **changes: str) -> SelectedModule:
    row = find_module("esp32", name)
    return SelectedModule(name, find_chip("esp32"), "", row=row, changes=_texts(**changes))


def _texts(**values: str) -> dict[str, Text]:
    return {name: Text(value, HERE) for name, value in values.items()}


def _file(data: bytes | str, label: str = "a.pem") -> InputFile:
    return InputFile(label, HERE, data if isinstance(data, bytes) else data.encode())


def _make(
    base: NvsImage | None = BASE,
    *,
    module: SelectedModule | None = None,
    reads: set[str] = READS,
    factory_param: dict[str, str] | None = None,
    **request,
) -> NvsImage:
    asked = Request(factory_param=_texts(**factory_param or {}), **request)
    return make_mfg_nvs(
        base,
        size=SIZE,
        reads=reads.__contains__,
        module=module or _module(),
        request=asked,
        gatts=gatts_of(asked),
    )


def _changed(image: NvsImage, base: NvsImage = BASE) -> dict[str, int | str | bytes]:
    """Return the values that aren't as in ``base``; order, types, size and dialect must be."""
    assert (image.size, image.dialect) == (base.size, base.dialect)
    assert [(entry.name, entry.encoding) for entry in image.entries] == [
        (entry.name, entry.encoding) for entry in base.entries
    ]
    pairs = zip(image.entries, base.entries, strict=True)
    return {entry.name: entry.value for entry, before in pairs if entry != before}


def _refused(error: type[EspAtError] = EspAtError, **arguments) -> EspAtError:
    with pytest.raises(error) as caught:
        _make(**arguments)
    return caught.value


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> FirmwarePackage:
    folder = tmp_path_factory.mktemp("package")
    write_sample_package(folder, "esp32", nvs=True)
    return open_package(folder)


def _content(package: FirmwarePackage, *, size: int | None = None, **request) -> NvsImage:
    """Return the image in a package's partition, of ``size`` if the project's table has it so."""
    rows = package.secondary.partitions
    if size:
        rows = tuple(replace(row, size=size) if row.name == "mfg_nvs" else row for row in rows)
    table = replace(package.secondary, partitions=rows)
    content = make_content(package, select(None, None, package), Request(**request), table)
    return NvsImage.from_bytes(content["mfg_nvs"].data)


def _without(image: NvsImage, *namespaces: str) -> NvsImage:
    return replace(image, entries=tuple(entry for entry in image.entries if entry.namespace not in namespaces))


def test_nothing_asked_changes_nothing():
    assert _make() == BASE


# --- parameters ---

GIVEN = {
    "module_name": ("MY-MODULE", "MY-MODULE"),
    "max_tx_power": ("0x28", 40),
    "country_code": ("NO", "NO"),
    "start_channel": ("3", 3),
    "channel_num": ("11", 11),
    "uart_port": ("0", 0),
    "uart_baudrate": ("921600", 921600),
    "uart_tx_pin": ("20", 20),
    "uart_rx_pin": ("21", 21),
    "uart_cts_pin": ("-1", -1),
    "uart_rts_pin": ("-1", -1),
    "sys_store": ("0", 0),
}


def test_every_parameter_but_the_version_is_tested():
    assert GIVEN.keys() == ENCODINGS.keys() - {"version"}


@pytest.mark.parametrize("name", GIVEN)
def test_a_parameter(name):
    text, value = GIVEN[name]
    image = _make(factory_param={name: text})
    assert _changed(image) == {f"factory_param.{name}": value}
    assert NvsImage.from_bytes(image.to_bytes()) == image


def test_every_parameter_at_once():
    image = _make(factory_param={name: text for name, (text, _) in GIVEN.items()})
    assert parameters(image) == {"version": 4} | {name: value for name, (_, value) in GIVEN.items()}


def test_the_name_of_earlier_releases():
    assert _changed(_make(factory_param={"tx_max_power": "40"})) == {"factory_param.max_tx_power": 40}


def test_a_parameter_that_only_the_package_knows():
    """A later release's own image has the type."""
    later = BASE.with_namespace(
        PARAMETERS,
        [
            *(entry for entry in BASE if entry.namespace == PARAMETERS),
            NvsEntry(PARAMETERS, "new_number", Encoding.U16, 1),
            NvsEntry(PARAMETERS, "new_text", Encoding.STRING, ""),
        ],
    )
    image = _make(later, factory_param={"new_number": "500", "new_text": "on"})
    assert _changed(image, later) == {"factory_param.new_number": 500, "factory_param.new_text": "on"}
    refused = _refused(FormatError, base=later, factory_param={"new_number": "70000"})
    assert (refused.code, refused.place) == ("nvs-value", HERE)


def test_a_parameter_that_the_image_lacks_and_the_firmware_reads_is_added():
    entries = [entry for entry in BASE if entry.namespace == PARAMETERS and entry.key != "sys_store"]
    without = BASE.with_namespace(PARAMETERS, entries)
    image = _make(without, factory_param={"sys_store": "0"})
    assert image.keys(PARAMETERS) == (*without.keys(PARAMETERS), "sys_store")
    assert image.get(PARAMETERS, "sys_store") == NvsEntry(PARAMETERS, "sys_store", Encoding.U8, 0)
    assert _without(image, PARAMETERS) == _without(BASE, PARAMETERS)
    refused = _refused(base=without, reads=OLD_READS, factory_param={"sys_store": "0"})
    assert refused.code == "not-read-by-release"
    assert str(refused) == (
        f"{HERE}: the firmware of this release doesn't read sys_store\n"
        "  remove it; the firmware reads module_name, max_tx_power, "
        "country_code, start_channel, channel_num, uart_port, uart_baudrate, uart_tx_pin, uart_rx_pin, uart_cts_pin, "
        "uart_rts_pin"
    )


@pytest.mark.parametrize("name", ["platform", "tx_control_pin", "rx_control_pin", "module_id"])
def test_refuses_a_parameter_of_earlier_releases(name):
    refused = _refused(factory_param={name: "1"})
    assert (type(refused), refused.code) == (EspAtError, "not-read-by-release")
    assert str(refused) == (
        f"{HERE}: the firmware of this release doesn't read {name}\n"
        "  remove it; the firmware reads module_name, max_tx_power, "
        "country_code, start_channel, channel_num, uart_port, uart_baudrate, uart_tx_pin, uart_rx_pin, uart_cts_pin, "
        "uart_rts_pin, sys_store"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("uart_txd_pin", "did you mean uart_tx_pin", id="near"),
        pytest.param("baudrate", "did you mean uart_baudrate?", id="part"),
        pytest.param(
            "colour", "known: channel_num, country_code, max_tx_power, module_name, start_channel, ", id="far"
        ),
        pytest.param("version", "known: channel_num, country_code, max_tx_power, module_name, start_channel, ", id="v"),
        pytest.param("reserved1", "known: channel_num, ", id="reserved"),
    ],
)
def test_refuses_an_unknown_parameter(name, hint):
    refused = _refused(UnknownNameError, factory_param={name: "1"})
    assert (refused.code, refused.place) == ("unknown-parameter", HERE)
    assert (refused.message, refused.facts["name"]) == (f"unknown factory parameter {name!r}", name)
    assert refused.hint.startswith(hint)


@pytest.mark.parametrize(
    ("name", "text", "code", "message"),
    [
        pytest.param(
            "max_tx_power", "128", "nvs-value", "factory_param.max_tx_power must be -128…127, not 128", id="i8"
        ),
        pytest.param(
            "uart_port", "-129", "nvs-value", "factory_param.uart_port must be -128…127, not -129", id="i8-negative"
        ),
        pytest.param(
            "start_channel", "256", "nvs-value", "factory_param.start_channel must be 0…255, not 256", id="u8"
        ),
        pytest.param("sys_store", "-1", "nvs-value", "factory_param.sys_store must be 0…255, not -1", id="u8-negative"),
        pytest.param(
            "uart_baudrate",
            "2147483648",
            "nvs-value",
            "factory_param.uart_baudrate must be -2147483648…2147483647, not 2147483648",
            id="i32",
        ),
        pytest.param(
            "tx_max_power", "128", "nvs-value", "factory_param.max_tx_power must be -128…127, not 128", id="old-name"
        ),
        pytest.param("uart_tx_pin", "GPIO4", "not-a-number", "'GPIO4' is not a whole number", id="no-number"),
        pytest.param("uart_tx_pin", "", "not-a-number", "'' is not a whole number", id="empty"),
        pytest.param(
            "module_name", "x" * 3968, "nvs-value", "factory_param.module_name is 3969 bytes", id="text-too-long"
        ),
        pytest.param("country_code", "\ud800", "nvs-value", "factory_param.country_code isn't text", id="surrogate"),
    ],
)
def test_refuses_a_value_and_names_the_options_place(name, text, code, message):
    refused = _refused(FormatError, factory_param={name: text})
    assert (refused.code, refused.place) == (code, HERE)
    assert refused.message == message


# --- modules ---


def test_another_modules_parameters():
    """The image keeps everything else: certificates don't depend on the module."""
    changed = _changed(_make(module=_module("WROVER-32")))
    row = find_module("esp32", "WROVER-32").factory_param(4)
    assert changed == {
        "factory_param.module_name": "WROVER-32",
        "factory_param.uart_tx_pin": 22,
        "factory_param.uart_rx_pin": 19,
    }
    assert parameters(_make(module=_module("WROVER-32"))) == row


def test_another_modules_parameters_lose_what_a_release_does_not_read():
    entries = [entry for entry in BASE if entry.namespace == PARAMETERS and entry.key != "sys_store"]
    old = BASE.with_namespace(PARAMETERS, entries)
    image = _make(old, module=_module("WROVER-32"), reads=OLD_READS)
    assert image.keys(PARAMETERS) == old.keys(PARAMETERS)
    assert parameters(image)["uart_tx_pin"] == 22


def test_the_project_goes_before_the_module():
    image = _make(module=_module("WROVER-32"), factory_param={"uart_tx_pin": "5"})
    assert [parameters(image)[name] for name in ("uart_tx_pin", "uart_rx_pin")] == [5, 19]


def test_the_modules_name_is_compared_without_case():
    """An image for wroom-32 is WROOM-32's: what it has stays."""
    own = with_value(with_value(BASE, PARAMETERS, "module_name", "wroom-32"), PARAMETERS, "uart_tx_pin", 33)
    assert _make(own) == own


@pytest.mark.parametrize("base", [BASE, None], ids=["edited", "from-nothing"])
def test_own_module(package, base):
    package_module = select(
        CustomModule(Text("MY-BOARD", HERE), Text("WROVER-32", HERE), _texts(uart_tx_pin="4", tx_max_power="60")),
        None,
        package,
    )
    image = _make(base, module=package_module, factory_param={"uart_rx_pin": "6"})
    row = find_module("esp32", "WROVER-32").factory_param(4)
    assert parameters(image) == row | {
        "module_name": "MY-BOARD",
        "uart_tx_pin": 4,
        "max_tx_power": 60,
        "uart_rx_pin": 6,
    }


def test_own_module_like_the_packages_starts_from_what_the_package_has(package):
    """A build of one's own may have changed its module: the catalog's row doesn't replace that."""
    own = CustomModule(Text("MY-BOARD", HERE), Text("WROOM-32", HERE), _texts(uart_tx_pin="4"))
    base = with_value(BASE, PARAMETERS, "uart_rx_pin", 33)
    image = _make(base, module=select(own, None, package))
    assert _changed(image, base) == {"factory_param.module_name": "MY-BOARD", "factory_param.uart_tx_pin": 4}


def test_own_modules_mistake_has_its_place():
    refused = _refused(FormatError, module=_module(uart_tx_pin="x"))
    assert (refused.code, refused.place) == ("not-a-number", HERE)
    assert refused.message == "'x' is not a whole number"


def test_a_module_that_only_the_package_knows_stays_as_it_is():
    unknown = SelectedModule("THEIRS", find_chip("esp32"), "")
    assert _make(module=unknown) == BASE


def test_a_module_that_nobody_knows_is_refused_from_nothing():
    refused = _refused(SelectionError, base=None, module=SelectedModule("THEIRS", find_chip("esp32"), ""))
    assert refused.code == "module-not-in-package"
    assert "the catalog has no module THEIRS" in refused.message


# --- certificates and keys ---


@pytest.mark.parametrize("data", [PEM, DER, b"\0\xff" * 500], ids=["pem", "der", "any-bytes"])
def test_a_certificate_is_taken_as_it_is(data):
    assert _changed(_make(pki={"mqtt_ca": (_file(data),)})) == {"mqtt_ca.mqtt_ca": data}


def test_keys_are_numbered_as_the_package_has_them():
    """The sample has two sets of client certificates, and one of the others."""
    image = _make(pki={"client_cert": (_file(PEM),), "server_cert": (_file(DER),)})
    assert image.keys("client_cert") == ("client_cert.0",)
    assert image.keys("server_cert") == ("server_cert",)
    assert image.keys("client_key") == ("client_key.0", "client_key.1")
    assert image.namespaces == BASE.namespaces


def test_two_sets():
    image = _make(pki={"client_key": (_file(PEM), _file(DER))})
    assert _changed(image) == {"client_key.client_key.0": PEM, "client_key.client_key.1": DER}


def test_two_sets_where_the_package_has_none():
    image = _make(pki={"https_ca": (_file(PEM), _file(DER)), "wss_ca": (_file(DER),)})
    assert _without(image, "https_ca", "wss_ca") == BASE
    assert image.namespaces == (*BASE.namespaces, "https_ca", "wss_ca")
    assert [image.get("https_ca", f"https_ca.{number}").value for number in range(2)] == [PEM, DER]
    assert image.keys("wss_ca") == ("wss_ca",)


@pytest.mark.parametrize("name", [name for name in PKI_SLOTS if name.startswith(("https", "wss"))])
def test_refuses_what_the_firmware_does_not_read(name):
    refused = _refused(reads=OLD_READS, pki={name: (_file(PEM),)})
    assert refused.code == "not-read-by-release"
    assert str(refused) == (
        f"{HERE}: the firmware of this release doesn't read {name}\n"
        f"  remove {name}: the firmware package has server_cert, "
        "server_key, server_ca, client_cert, client_key, client_ca, mqtt_cert, mqtt_key, mqtt_ca"
    )


@pytest.mark.parametrize("kind", ["cert", "key", "ca"])
def test_enterprise_wifi_by_the_name_that_the_firmware_reads(kind):
    old, new = f"wpa2_{kind}", f"wpa_ent_{kind}"
    pki = {old: (_file(PEM),)}
    assert _make(pki=pki).get(old, old).value == PEM
    renamed = _make(reads=READS - {old} | {new}, pki=pki)
    assert (renamed.get(new, new).value, renamed.keys(old)) == (PEM, ())


@pytest.mark.parametrize("name", ["wpa2_ca", "wpa_ent_ca"])
def test_enterprise_wifi_by_the_name_that_the_package_has(name):
    """Where the firmware reads both names, its own image decides."""
    base = _without(BASE, PARAMETERS).with_namespace(name, [NvsEntry(name, name, Encoding.BINARY, DER)])
    image = _make(base, reads={"wpa2_ca", "wpa_ent_ca", *READS}, pki={"wpa2_ca": (_file(PEM),)})
    assert image.get(name, name).value == PEM
    assert [namespace for namespace in image.namespaces if namespace.startswith("wpa")] == [name]


def test_refuses_enterprise_wifi_that_no_firmware_reads():
    refused = _refused(reads=READS - {"wpa2_ca"}, pki={"wpa2_ca": (_file(PEM),)})
    assert (refused.code, refused.place) == ("not-read-by-release", HERE)
    assert refused.message == "the firmware of this release doesn't read wpa2_ca"
    assert refused.hint.startswith("remove wpa2_ca: the firmware package has server_cert, ")


@pytest.mark.parametrize(("name", "sets"), [(f"{role}_ca", sets) for role, sets in PKI_SETS.items()], ids=str)
def test_every_slot_takes_its_sets_and_no_more(package, name, sets):
    assert len(_content(package, pki={name: (_file(PEM),) * sets}).keys(name)) == sets
    with pytest.raises(FormatError) as caught:
        _content(package, pki={name: (_file(PEM),) * (sets + 1)})
    assert caught.value.code == "too-many-files"
    assert str(caught.value) == f"{HERE}: {name} takes {sets} {'file' if sets == 1 else 'files'}\n  remove a.pem"


@pytest.mark.parametrize("names", [("wpa2_ca", "wpa_ent_ca"), ("wpa_ent_ca", "wpa2_ca")])
def test_refuses_enterprise_wifi_by_both_names(package, names):
    with pytest.raises(FormatError) as caught:
        _content(package, pki={name: (_file(PEM),) for name in names})
    assert caught.value.code == "pki-twice"
    assert str(caught.value) == f"{HERE}: {names[1]} is given under two names\n  keep one of wpa2_ca and wpa_ent_ca"


# --- services ---


def test_gatt_rows_are_taken_as_they_are_written():
    image = _make(gatts=_file(GATT_CSV, "gatts.csv"))
    assert _without(image, GATTS) == _without(BASE, GATTS)
    assert [(entry.key, entry.encoding, entry.value) for entry in image if entry.namespace == GATTS] == [
        ("cfg0", Encoding.STRING, "0,16,0x2800,0x01,2,2,A002"),
        ("cfg1", Encoding.STRING, "1,16,0x2803,0x11,1,1,2"),
    ]


@pytest.mark.parametrize("count", [1, 31, 35])
def test_as_many_gatt_rows_as_the_csv_has(count):
    """at.py knows cfg0 to cfg30, ESP-AT's own documentation goes on to cfg34."""
    head, *_ = GATT_CSV.splitlines()
    text = "\n".join([head, *(f"{number},16,0x2800,0x01,2,2,A002" for number in range(count))])
    image = _make(gatts=_file(text))
    assert image.keys(GATTS) == tuple(f"cfg{number}" for number in range(count))
    assert [entry.value.partition(",")[0] for entry in image if entry.namespace == GATTS] == [
        str(number) for number in range(count)
    ]


def test_a_mistake_in_a_gatt_row_has_its_line():
    refused = _refused(FormatError, gatts=_file(GATT_CSV + "2,16,zz,1,1,1,0\n", "gatts.csv"))
    assert (refused.code, refused.where, refused.message) == ("gatt-hex", "gatts.csv:5", "'zz' isn't hex")


def test_gatt_rows_need_a_firmware_with_bluetooth():
    without = _without(BASE, GATTS)
    assert _make(without, gatts=_file(GATT_CSV)).keys(GATTS) == ("cfg0", "cfg1")
    no_ble = "remove gatts, or take a firmware package with Bluetooth LE"
    refused = _refused(base=without, reads=READS - {GATTS}, gatts=_file(GATT_CSV))
    assert refused.code == "not-read-by-release"
    assert str(refused) == f"{HERE}: the firmware of this release has no Bluetooth LE services\n  {no_ble}"


# --- what isn't asked for stays ---

numbers = st.one_of(
    *(st.tuples(st.just(name), st.integers(0, 127)) for name in GIVEN if not isinstance(GIVEN[name][1], str))
)
strings = st.tuples(st.sampled_from(["module_name", "country_code"]), st.text("ABCxyz-1", max_size=40))


@settings(max_examples=60, deadline=None)
@given(st.one_of(numbers, strings), st.sampled_from(Dialect))
def test_changing_a_value_changes_no_other_entry(change, dialect):
    name, value = change
    base = replace(BASE, dialect=dialect)
    image = _make(base, factory_param={name: str(value)})
    assert _changed(image, base) in ({f"factory_param.{name}": value}, {})
    assert parameters(image)[name] == value
    assert NvsImage.from_bytes(image.to_bytes()) == image


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([name for name in PKI_SLOTS if name.startswith(("server", "mqtt"))]), st.binary(max_size=9000))
def test_changing_a_certificate_changes_no_other_entry(name, data):
    assert _changed(_make(pki={name: (_file(data),)})) in ({f"{name}.{name}": data}, {})


# --- from nothing ---

ORDER = [
    *("server_cert", "server_key", "server_ca", "client_cert", "client_key", "client_ca"),
    *("wpa2_cert", "wpa2_key", "wpa2_ca", "mqtt_cert", "mqtt_key", "mqtt_ca"),
    *("https_cert", "https_key", "https_ca", "wss_cert", "wss_key", "wss_ca"),
    *("factory_param", "ble_data"),
]


def test_from_nothing_in_upstreams_order():
    """Whatever the order is in which the project gives it."""
    pki = {name: (_file(PEM),) * PKI_SETS[name.rpartition("_")[0]] for name in reversed(PKI_SLOTS)}
    image = _make(None, pki=pki, gatts=_file(GATT_CSV))
    assert list(image.namespaces) == ORDER
    assert image.keys(PARAMETERS) == tuple(ENCODINGS)
    assert {entry.key: entry.encoding for entry in image if entry.namespace == PARAMETERS} == ENCODINGS
    assert image.keys("client_ca") == ("client_ca.0", "client_ca.1")
    assert (image.size, image.dialect) == (SIZE, Dialect.BLANK_TAIL)
    assert NvsImage.from_bytes(image.to_bytes()) == image


def test_from_nothing_with_the_newer_name_of_enterprise_wifi():
    reads = READS - {"wpa2_ca"} | {"wpa_ent_ca"}
    image = _make(None, reads=reads, pki={name: (_file(PEM),) for name in ("mqtt_ca", "wpa2_ca", "client_ca")})
    assert image.namespaces == ("client_ca", "wpa_ent_ca", "mqtt_ca", PARAMETERS)


def test_from_nothing_with_parameters_only():
    image = _make(None, factory_param={"uart_tx_pin": "5", "tx_max_power": "40"})
    row = find_module("esp32", "WROOM-32").factory_param(4)
    assert parameters(image) == row | {"uart_tx_pin": 5, "max_tx_power": 40}
    assert image.namespaces == (PARAMETERS,)


def test_from_nothing_without_a_parameter_that_the_firmware_does_not_read():
    image = _make(None, reads=OLD_READS)
    assert image.keys(PARAMETERS) == tuple(name for name in ENCODINGS if name != "sys_store")


# --- the partition ---


def test_an_image_too_full_for_its_partition(package):
    with pytest.raises(FormatError) as caught:
        _content(package, pki={"mqtt_ca": (_file(LARGE),)})
    assert caught.value.code == "nvs-full"
    assert str(caught.value) == (
        f"mfg_nvs:mqtt_ca.mqtt_ca: it doesn't fit into an image of {SIZE} bytes any more\n"
        f"  {SIZE // 4096 - 1} pages are full, and one more must stay blank: enlarge the partition"
    )


def test_a_larger_partition_takes_more(package):
    """As the message above advises."""
    image = _content(package, size=2 * SIZE, pki={"mqtt_ca": (_file(LARGE),)})
    assert _changed(replace(image, size=SIZE)) == {"mqtt_ca.mqtt_ca": LARGE}
    assert image.size == 2 * SIZE


@pytest.mark.parametrize("size", [SIZE // 2, 2 * SIZE], ids=["smaller", "larger"])
def test_another_size_of_the_partition_is_the_images_size(package, size):
    """What lies after the image in flash isn't read as its pages."""
    image = _content(package, size=size)
    assert image == replace(BASE, size=size)
    assert _content(package) == BASE  # nothing to change


def test_a_smaller_partition_gets_a_smaller_image(package):
    image = _content(package, size=SIZE // 2, factory_param=_texts(uart_tx_pin="5"))
    assert _changed(replace(image, size=SIZE)) == {"factory_param.uart_tx_pin": 5}
    assert image.size == SIZE // 2


def test_a_damaged_image_of_the_package_is_named(tmp_path):
    write_sample_package(tmp_path, "esp32", nvs=True)
    file = tmp_path / "customized_partitions/mfg_nvs.bin"
    data = bytearray(file.read_bytes())
    data[64 + 24] ^= 1
    file.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        _content(open_package(tmp_path))
    assert (caught.value.code, caught.value.where) == ("nvs-damaged", "mfg_nvs:page 0:entry 0")
    assert caught.value.message == "the entry's CRC is wrong"


def test_keys_are_not_in_the_repr():
    assert "MIIB" not in repr(_make(pki={"mqtt_key": (_file(PEM),)}))


# --- mfg_nvs, or the nvs of a module? ---


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(BASE.to_bytes(), True, id="of-a-package"),
        pytest.param(BASE.to_bytes()[:-1], True, id="cut"),
        pytest.param(flipped(BASE.to_bytes(), 64 + 32 + 24), True, id="damaged"),
        *(pytest.param(page(begin(name)) + BLANK, True, id=name) for name in (PARAMETERS, GATTS, *PKI_SLOTS)),
        pytest.param(page(begin("wpa_ent_ca")) + BLANK, True, id="by-its-name-in-some-releases"),
        pytest.param(page(begin("own"), begin("mqtt_ca", 2)) + BLANK, True, id="with-namespaces-of-ones-own"),
        pytest.param(page(begin("UART"), begin("nvs.net80211", 2), begin("phy", 3)) + BLANK, False, id="of-a-module"),
        pytest.param(page() + BLANK, False, id="empty"),
        pytest.param(BLANK, False, id="blank"),
        pytest.param(BASE.to_bytes()[:100], False, id="less-than-a-page"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_is_mfg_nvs(data, expected):
    assert is_mfg_nvs(data) is expected
