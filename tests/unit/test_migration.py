"""From packages and images to projects: what they hold, and that they give the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import yaml
from plans import FILES

from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, Place
from platformio_esp_at.firmware.factory_image import FactoryImage
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.gatts import COLUMNS, GattTable
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import Encoding
from platformio_esp_at.formats.partition_table import Partition, PartitionTable
from platformio_esp_at.formats.pki import PkiContainer, PkiType
from platformio_esp_at.outputs.folder import write_image_set
from platformio_esp_at.planning.content import AT_PARTITIONS
from platformio_esp_at.planning.filesystems import FileSystem, build_filesystem
from platformio_esp_at.planning.mfg_nvs import GATTS, PARAMETERS, RENAMED
from platformio_esp_at.planning.migration import Origin, make_project, origin_of_bytes, origin_of_package
from platformio_esp_at.planning.own_partitions import user_table
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.layers import make_request
from platformio_esp_at.request.read import read_project
from platformio_esp_at.request.values import InputFile

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

BOTH = ("esp32", "esp32c2", "esp32c3")
"""Chips with packages of both generations."""

SAMPLES = [
    *((chip, False) for chip in (*BOTH, "esp32s2", "esp8266")),
    *((chip, True) for chip in (*BOTH, "esp32c5", "esp32c6", "esp32c61")),
]
IDS = [f"{chip}-{'mfg_nvs' if nvs else 'legacy'}" for chip, nvs in SAMPLES]
PEM = b"-----BEGIN CERTIFICATE-----\nOTHER\n-----END CERTIFICATE-----\n"
OTHER_PEM = PEM.replace(b"OTHER", b"MORE")
DER = b"\x30\x82\x01\x00 stands for DER"
GATTS_CSV = (
    b"index,uuid_len,uuid,perm,val_max_len,val_cur_len,value\n0,16,0x2800,0x01,2,2,A0FF\n1,16,0x2803,0x01,1,1,02\n"
)


def _sample(tmp_path, chip: str = "esp32", *, nvs: bool = False, name: str = "package") -> FirmwarePackage:
    write_sample_package(tmp_path / name, chip, nvs=nvs)
    return open_package(tmp_path / name)


def _build(folder, package: FirmwarePackage, files: dict[str, bytes]) -> FlashPlan:
    """Return the plan of a project with these files for ``package``, whatever it calls that."""
    for path, data in files.items():
        file = folder / "project" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.replace(b"FIRMWARE.zip", b".") if path == "esp_at.yml" else data)
    request = make_request([read_project(folder / "project")])
    return make_plan(package, select(request.module, None, package), request)


def _changed(tmp_path, package: FirmwarePackage) -> FlashPlan:
    """Return the plan of a project that changes something of every kind that the package has."""
    options = {
        "firmware": "FIRMWARE.zip",
        "factory_param": {"uart_baudrate": 9600, "country_code": "NO", "channel_num": 11, "uart_cts_pin": -1},
        "pki": {"mqtt_ca": "own.der", "client_cert": ["own.pem", "other.pem"]},
    }
    if package.secondary.find("ble_data") or package.has_mfg_nvs:
        options["gatts"] = "own.csv"
    files = {"own.pem": PEM, "other.pem": OTHER_PEM, "own.der": DER, "own.csv": GATTS_CSV}
    if row := package.secondary.find("fatfs"):
        options["data"] = {"fatfs": "fat.bin"}
        files["fat.bin"] = build_filesystem({"a.txt": b"a"}, kind=FileSystem.FAT, size=row.size)
    return _build(tmp_path / "changed", package, {"esp_at.yml": yaml.safe_dump(options).encode(), **files})


def _options(files: dict[str, bytes]) -> dict:
    return yaml.safe_load(files["esp_at.yml"])


def _regions(plan: FlashPlan) -> dict[str, bytes]:
    return {region.name: region.data for region in plan.regions}


def _package_with(tmp_path, chip: str = "esp32", *, nvs: bool = False, **contents: bytes) -> FirmwarePackage:
    """Return a sample package with another content of user partitions."""
    package = _sample(tmp_path, chip, nvs=nvs)
    for name, data in contents.items():
        (tmp_path / f"package/customized_partitions/{name}.bin").write_bytes(data)
    return open_package(tmp_path / package.name)


def _mfg_nvs(chip: str = "esp32") -> NvsImage:
    return NvsImage.from_bytes(sample_package(chip, nvs=True)["customized_partitions/mfg_nvs.bin"])


# --- the central property: the project gives the bytes again ---


@pytest.mark.parametrize("source", ["package", "factory image"])
@pytest.mark.parametrize(("chip", "nvs"), SAMPLES, ids=IDS)
def test_the_project_gives_the_package_again(tmp_path, chip, nvs, source):
    package = _sample(tmp_path, chip, nvs=nvs)
    expected = _build(tmp_path / "plain", package, {"esp_at.yml": b"firmware: FIRMWARE.zip"})
    assert _regions(expected) == {package.name_of(image): package.files[image.path] for image in package.args.images}
    origin = origin_of_package(package) if source == "package" else origin_of_bytes(expected.factory_image(), "f.bin")
    rebuilt = _build(tmp_path, package, make_project(origin))
    assert _regions(rebuilt) == _regions(expected)
    assert rebuilt.factory_image() == expected.factory_image()
    assert rebuilt.module.name == package.modules[0]


@pytest.mark.parametrize("source", ["package", "factory image"])
@pytest.mark.parametrize(("chip", "nvs"), SAMPLES, ids=IDS)
def test_the_project_gives_what_was_changed_again(tmp_path, chip, nvs, source):
    package = _sample(tmp_path, chip, nvs=nvs)
    changed = _changed(tmp_path, package)
    assert (
        changed.factory_image() != _build(tmp_path, package, {"esp_at.yml": b"firmware: FIRMWARE.zip"}).factory_image()
    )
    if source == "package":
        write_image_set(changed, tmp_path / "image set")
        origin = origin_of_package(open_package(tmp_path / "image set"))
    else:
        origin = origin_of_bytes(changed.factory_image(), "f.bin")
    files = make_project(origin)
    options = _options(files)
    assert options["factory_param"] == {
        "uart_baudrate": 9600,
        "country_code": "NO",
        "channel_num": 11,
        **({"uart_cts_pin": -1} if changed.module.row.parameters["uart_cts_pin"] != -1 else {}),
    }
    assert files["pki/mqtt_ca.der"] == DER
    assert [files[path] for path in options["pki"]["client_cert"]] == [PEM, OTHER_PEM]
    rebuilt = _build(tmp_path, package, files)
    assert rebuilt.factory_image() == changed.factory_image()
    if source == "package":
        assert _regions(rebuilt) == _regions(changed)


@pytest.mark.parametrize("changed", [False, True], ids=["as-it-is", "changed"])
@pytest.mark.parametrize("chip", BOTH)
def test_from_v2_to_v4(tmp_path, chip, changed):
    old = _sample(tmp_path, chip)
    new = _sample(tmp_path, chip, nvs=True, name="new")
    before = _changed(tmp_path, old) if changed else None
    origin = origin_of_bytes(before.factory_image(), "f.bin") if before else origin_of_package(old)
    after = _build(tmp_path, new, make_project(origin))
    was = {name: data for name, data in origin.contents.items() if data.strip(b"\xff")}
    image = NvsImage.from_bytes(_regions(after)["mfg_nvs"])

    parameters = FactoryParam.from_bytes(was["factory_param"]).values
    common = {name for name in after.parameters if RENAMED.get(name, name) in parameters} - {"version"}
    assert {"max_tx_power", "uart_baudrate", "uart_tx_pin", "country_code", "module_name"} <= common
    assert {name: after.parameters[name] for name in common} == {
        name: parameters[RENAMED.get(name, name)] for name in common
    }

    containers = {name: PkiContainer.from_bytes(data) for name, data in was.items() if data.startswith(b"\xf1\xf1")}
    assert {"server_key", "client_cert", "mqtt_ca"} <= set(containers)
    assert {name: [image.get(name, key).value for key in image.keys(name)] for name in containers} == {
        name: [item.content for item in container.items] for name, container in containers.items()
    }

    rows = [image.get(GATTS, key).value for key in image.keys(GATTS)]
    assert GattTable.from_csv("\n".join(rows)).rows == GattTable.from_bytes(was["ble_data"]).rows


@pytest.mark.parametrize("chip", BOTH)
def test_from_v4_to_v2(tmp_path, chip):
    new, old = _sample(tmp_path, chip, nvs=True), _sample(tmp_path, chip, name="old")
    after = _build(tmp_path, old, make_project(origin_of_package(new)))
    assert after.parameters == FactoryParam.from_bytes(old.content_of("factory_param")).values
    client = [item.content for item in PkiContainer.from_bytes(_regions(after)["client_key"]).items]
    image = _mfg_nvs(chip)
    assert client == [image.get("client_key", key).value for key in ("client_key.0", "client_key.1")]


# --- what is written ---


def test_only_what_differs_is_written(tmp_path):
    usual = make_project(origin_of_package(_sample(tmp_path)))
    assert list(_options(usual)) == ["firmware", "module", "pki", "gatts"]
    assert usual["esp_at.yml"].startswith(
        b"# Made from package: rebuilds its content with a firmware package of the same chip.\n"
        b"firmware: FIRMWARE.zip # name the firmware package\n"
        b"module: WROOM-32\n"
        b"pki:\n"
        b"  server_cert: pki/server_cert.pem\n"
    )
    own = FactoryParam.from_bytes(sample_package("esp32")["customized_partitions/factory_param.bin"])
    package = _package_with(tmp_path, factory_param=own.replace({"uart_tx_pin": 9, "tx_max_power": 40}).to_bytes())
    assert _options(make_project(origin_of_package(package)))["factory_param"] == {
        "uart_tx_pin": 9,
        "tx_max_power": 40,
    }


@pytest.mark.parametrize("version", [1, 2])
def test_a_module_that_is_only_numbered(version):
    values = {**find_module("esp32", "WROVER-32").factory_param(version), "uart_tx_pin": 9}
    assert "module_name" not in values
    data = FactoryParam.from_values(values).to_bytes()
    options = _options(make_project(Origin("x", "esp32", {"factory_param": data})))
    assert (options["module"], options["factory_param"]) == ("WROVER-32", {"uart_tx_pin": 9})
    # On its own it doesn't name the chip, so neither the module nor what is usual for it.
    alone = _options(make_project(origin_of_bytes(data, "factory_param.bin")))
    assert "module" not in alone
    assert alone["factory_param"] == {
        name: value for name, value in values.items() if name not in ("version", "module_id")
    }


def test_mfg_nvs_alone(tmp_path):
    """It doesn't name the chip: every parameter is written, and it can be built with the package all the same."""
    package = _sample(tmp_path, "esp32c3", nvs=True)
    data = package.content_of("mfg_nvs")
    files = make_project(origin_of_bytes(data, "mfg_nvs.bin"))
    options = _options(files)
    own = {entry.key: entry.value for entry in NvsImage.from_bytes(data) if entry.namespace == PARAMETERS}
    assert options["module"] == "MINI-1"
    assert options["factory_param"] == {
        name: value for name, value in own.items() if name not in ("version", "module_name")
    }
    assert _regions(_build(tmp_path, package, files))["mfg_nvs"] == data


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_a_module_that_the_catalog_does_not_know(tmp_path, nvs):
    package = _sample(tmp_path, nvs=nvs)
    own = "firmware: FIRMWARE.zip\nmodule: {name: MY-BOARD, based_on: PICO-D4, uart_tx_pin: 9}\n"
    changed = _build(tmp_path / "changed", package, {"esp_at.yml": own.encode()})
    files = make_project(origin_of_bytes(changed.factory_image(), "f.bin"))
    options = _options(files)
    assert options["module"] == {"name": "MY-BOARD", "based_on": "WROOM-32"}
    assert {"uart_tx_pin": 9, "uart_rx_pin": 19, "uart_cts_pin": 15}.items() <= options["factory_param"].items()
    assert not {"version", "module_name", "platform"} & options["factory_param"].keys()
    rebuilt = _build(tmp_path, package, files)
    assert rebuilt.factory_image() == changed.factory_image()
    assert rebuilt.module.name == "MY-BOARD"


def test_a_country_that_was_never_given_is_not_written(tmp_path):
    """No project can have a blank value; the firmware package has the same one."""
    own = FactoryParam.from_bytes(sample_package("esp32")["customized_partitions/factory_param.bin"]).replace(
        {"country_code": ""}
    )
    package = _package_with(tmp_path, factory_param=own.to_bytes(), **{"factory_param_WROOM-32": own.to_bytes()})
    files = make_project(origin_of_package(package))
    assert "factory_param" not in _options(files)
    assert _regions(_build(tmp_path, package, files))["factory_param"] == own.to_bytes()


# --- certificates, keys, GATT rows ---


def test_pki_of_one_and_two_sets_in_pem_and_der():
    contents = {
        "client_cert": PkiContainer.of(PkiType.CERT, [PEM, DER]).to_bytes(),
        "server_ca": PkiContainer.of(PkiType.CA, [DER]).to_bytes().ljust(0x2000, b"\xff"),
        "mqtt_key": b"\xff" * 0x2000,
        "mqtt_ca": PkiContainer(()).to_bytes(),
    }
    files = make_project(Origin("x", "esp32", contents))
    assert _options(files) == {
        "firmware": "FIRMWARE.zip",
        "pki": {
            "client_cert": ["pki/client_cert.0.pem", "pki/client_cert.1.der"],
            "server_ca": "pki/server_ca.der",
        },
    }
    assert {path: data for path, data in files.items() if path != "esp_at.yml"} == {
        "pki/client_cert.0.pem": PEM,
        "pki/client_cert.1.der": DER,
        "pki/server_ca.der": DER,
    }


@pytest.mark.parametrize("name", ["wpa2", "wpa_ent"])
def test_enterprise_wifi_under_either_name(tmp_path, name):
    slots = {f"{name}_cert": PEM, f"{name}_key": OTHER_PEM, f"{name}_ca": DER}
    image = _mfg_nvs()
    for namespace, data in slots.items():
        image = image.with_namespace(namespace, [NvsEntry(namespace, namespace, Encoding.BINARY, data)])
    package = _package_with(tmp_path, nvs=True, mfg_nvs=image.to_bytes())
    files = make_project(origin_of_package(package))
    assert {slot: path for slot, path in _options(files)["pki"].items() if slot.startswith("wpa")} == {
        "wpa2_cert": "pki/wpa2_cert.pem",
        "wpa2_key": "pki/wpa2_key.pem",
        "wpa2_ca": "pki/wpa2_ca.der",
    }
    assert [files[f"pki/wpa2_{part}"] for part in ("cert.pem", "key.pem", "ca.der")] == list(slots.values())
    assert _regions(_build(tmp_path, package, files))["mfg_nvs"] == image.to_bytes()


def test_a_namespace_without_entries_is_left_out(tmp_path):
    image = _mfg_nvs().with_namespace("wpa_ent_ca", []).with_namespace(GATTS, [])
    files = make_project(origin_of_bytes(image.to_bytes(), "mfg_nvs.bin"))
    assert "gatts" not in _options(files)
    assert "wpa2_ca" not in _options(files)["pki"]


def test_gatt_rows_are_taken_as_they_are(tmp_path):
    rows = ["0,16,0x2800,0x01,2,2,a002", "1,16,0x2803,0x1,1,1,2", "2,16,0xC300,0x01,,,", "3,16,0xC301,0x11,16,0,"]
    entries = [NvsEntry(GATTS, f"cfg{number}", Encoding.STRING, row) for number, row in enumerate(rows)]
    image = _mfg_nvs().with_namespace(GATTS, entries)
    package = _package_with(tmp_path, nvs=True, mfg_nvs=image.to_bytes())
    files = make_project(origin_of_package(package))
    assert files["gatts_data.csv"].decode().splitlines() == [",".join(COLUMNS), *rows]
    assert _regions(_build(tmp_path, package, files))["mfg_nvs"] == image.to_bytes()


def test_gatt_table_with_its_columns_in_another_order(tmp_path):
    table = replace(GattTable.from_csv(GATTS_CSV.decode()), keys=(*COLUMNS[1:], COLUMNS[0]))
    package = _package_with(tmp_path, ble_data=table.to_bytes())
    files = make_project(origin_of_package(package))
    assert _regions(_build(tmp_path, package, files))["ble_data"] == table.to_bytes()


# --- partitions of one's own ---


def test_own_partitions_and_what_they_hold(tmp_path):
    package = _sample(tmp_path)
    csv = package.secondary.to_csv() + (
        "my-data, data, undefined, 0x3d000, 4K\n"
        "my_data, 0x41, 7,         0x3e000, 4K, readonly\n"
        "blank,   data, nvs,       0x3f000, 4K\n"
    )
    yml = "firmware: FIRMWARE.zip\npartitions: own.csv\ndata: {my-data: one.bin, my_data: two.bin, fatfs: fat.bin}\n"
    own = {"own.csv": csv.encode(), "one.bin": b"\xff\x00one", "two.bin": b"two\xff\xff", "fat.bin": FILES}
    changed = _build(tmp_path / "changed", package, {"esp_at.yml": yml.encode(), **own})
    files = make_project(origin_of_bytes(changed.factory_image(), "f.bin"))
    options = _options(files)
    assert options["partitions"] == "at_customize.csv"
    assert PartitionTable.from_csv(files["at_customize.csv"].decode(), first_offset=0) == changed.secondary
    assert set(options["data"]) == {"my-data", "my_data", "fatfs"}
    # A file system is as large as its partition; of other content, the blank end is left out.
    assert {name: files[path] for name, path in options["data"].items()} == {
        "my-data": b"\xff\x00one",
        "my_data": b"two",
        "fatfs": FILES,
    }
    rebuilt = _build(tmp_path, package, files)
    assert rebuilt.secondary == changed.secondary
    assert rebuilt.factory_image() == changed.factory_image()
    # What the project file says serves the other generation, with the same places.
    assert (
        b"# For releases with another layout, keep only the partitions of your own in at_customize.csv.\n"
        in (files["esp_at.yml"])
    )
    rows = [line for line in csv.splitlines(keepends=True) if line.partition(",")[0] not in AT_PARTITIONS]
    assert len(rows) == 1 + 3
    write_sample_package(tmp_path / "NEW.zip", nvs=True)
    new = open_package(tmp_path / "NEW.zip")
    added = user_table(new, InputFile("at_customize.csv", Place(), "".join(rows).encode()), {})
    assert [own.partition for own in added.own] == [
        changed.secondary.find(name) for name in ("my-data", "my_data", "blank")
    ]


def test_no_table_is_written_where_there_is_no_own_partition(tmp_path):
    options = _options(make_project(origin_of_package(_sample(tmp_path, nvs=True))))
    assert not {"partitions", "data"} & options.keys()


def test_names_of_partitions_become_names_of_files():
    names = ["a b", "a.b", "A_B", "../up", "größe"]
    rows = tuple(Partition(name, 1, 6, 0x21000 + 0x1000 * at, 0x1000) for at, name in enumerate(names))
    contents = {name: name.encode() for name in names}
    files = make_project(Origin("x", "esp32", contents, PartitionTable(rows)))
    data = _options(files)["data"]
    assert {name: files[path].decode() for name, path in data.items()} == {name: name for name in names}
    assert all(path.startswith("data/") and "/" not in path[5:] and ".." not in path for path in data.values())
    assert len({path.casefold() for path in data.values()}) == len(names)


# --- what can't be taken ---


def test_nothing_to_take(tmp_path):
    empty = FactoryImage.from_bytes(b"\xff" * 0x8000 + sample_package("esp32")["partition_table/partition-table.bin"])
    assert empty.secondary is None
    for origin in (
        Origin("x.bin", None, {}),
        Origin("x.bin", "esp32", {"server_cert": b"\xff" * 0x2000, "factory_param": b""}),
        origin_of_bytes(empty.data, "x.bin"),
    ):
        with pytest.raises(EspAtError) as caught:
            make_project(origin)
        assert caught.value.code == "nothing-to-migrate"
        assert (
            str(caught.value) == "it has nothing that a project needs to set\n"
            "  flash the firmware package itself: it gives the same module; esp-at inspect shows what it has"
        )


@pytest.mark.parametrize("data", [b"", b"a letter", PEM, PkiContainer.of(PkiType.CA, [PEM]).to_bytes()])
def test_not_what_a_project_is_made_from(data):
    with pytest.raises(FormatError) as caught:
        origin_of_bytes(data, "letter.txt")
    assert (caught.value.code, caught.value.where) == ("nothing-to-migrate", None)
    assert caught.value.message == "no project can be made from this"
    assert "mfg_nvs.bin" in caught.value.hint


@pytest.mark.parametrize(
    ("contents", "place", "code"),
    [
        pytest.param({"server_cert": b"\xf1\xf1\x01"}, Place.at(partition="server_cert"), "not-pki", id="pki"),
        pytest.param(
            {"mqtt_ca": PkiContainer.of(PkiType.CA, [PEM]).to_bytes()[:-9]},
            Place.at(partition="mqtt_ca", offset=4),
            "pki-damaged",
            id="pki-cut",
        ),
        pytest.param(
            {"ble_data": b"\x02\x00\x27\x95{]"},
            Place.at(partition="ble_data", offset=4),
            "ble-data-damaged",
            id="ble_data",
        ),
        pytest.param(
            {"factory_param": b"\xfc\xfc\x09"},
            Place.at(partition="factory_param", offset=2),
            "factory-param-version",
            id="factory_param",
        ),
        pytest.param({"mfg_nvs": _mfg_nvs().to_bytes()[:-1]}, Place.at(partition="mfg_nvs"), "nvs-size", id="nvs-cut"),
        pytest.param(
            {"mfg_nvs": _mfg_nvs().to_bytes().replace(b"mqtt_ca", b"mqtt_cb", 1)},
            Place.at(partition="mfg_nvs", page=3, entry=100),
            "nvs-damaged",
            id="mfg_nvs",
        ),
    ],
)
def test_damaged_content_is_named(contents, place, code):
    with pytest.raises(FormatError) as caught:
        make_project(Origin("x", "esp32", contents))
    assert (caught.value.code, caught.value.place) == (code, place)
