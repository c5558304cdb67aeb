"""The firmware package's own images: what the firmware couldn't read is refused, unless the project replaces it."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace

import pytest
from nvs_images import with_value
from plans import FILES, HERE, plan_of_files, refusal, sample_plan

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import EspAtError, FormatError, PackageError, Place
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.nvs import Dialect, NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.request.values import InputFile, Text

FOLDER = "customized_partitions"
BLE_DATA, MFG_NVS, PHY = f"{FOLDER}/ble_data.bin", f"{FOLDER}/mfg_nvs.bin", "phy_init_data.bin"
OLD, NEW = sample_package("esp32"), sample_package("esp32", nvs=True)
NVS = NvsImage.from_bytes(NEW[MFG_NVS])
GATTS = InputFile("g.csv", HERE, b"0,16,0x2800,0x01,2,2,A002\n1,16,0x2803,0x01,1,1,02\n2,16,0xC300,0x01,16,1,00\n")
AGAIN = "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again"
OF_BLE_DATA = f"{AGAIN}; or set gatts: FILE, or leave it out: skip: ble_data"


def _plan(tmp_path, name: str, image: bytes, **request):
    """Return the plan for the package with another image: of this generation that has it."""
    return sample_plan(tmp_path, files={name: image}, nvs=name == MFG_NVS, **request)


def _refused(tmp_path, name: str, data: bytes, kind: type[EspAtError] = PackageError) -> EspAtError:
    error = refusal(_plan(tmp_path, name, data), kind)
    assert error.where == name
    return error


@pytest.mark.parametrize("nvs", [False, True], ids=["partitions", "mfg_nvs"])
def test_the_sample_package_has_no_finding(tmp_path, nvs):
    assert check_plan(sample_plan(tmp_path, nvs=nvs), None) == ()


@pytest.mark.parametrize(("byte", "what"), [(b"\xff", "blank: all bytes are FF"), (b"\0", "zeroed: all bytes are 00")])
@pytest.mark.parametrize(("name", "hint"), [(BLE_DATA, OF_BLE_DATA), (PHY, AGAIN)])
def test_blank(tmp_path, byte, what, name, hint):
    error = _refused(tmp_path, name, byte * 256)
    assert (error.code, error.message, error.hint) == ("image-blank", f"the image is {what}", hint)


def test_blank_mfg_nvs(tmp_path):
    error = _refused(tmp_path, MFG_NVS, b"\xff" * NVS.size)
    assert (error.code, error.message, error.hint) == ("image-blank", "the image is blank: all bytes are FF", AGAIN)


# --- ble_data ---


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (OLD[BLE_DATA][:-1], "ble-data-damaged", "ble_data is cut: its header has"),
        (b"\1" + OLD[BLE_DATA], "not-ble-data", "no ble_data: its magic 27 95 is missing"),
        (OLD[BLE_DATA].replace(b'"uuid"', b'"uu\0d"'), "ble-data-damaged", "the JSON of ble_data can't be read"),
        (OLD[BLE_DATA].replace(b'"perm"', b'"pern"'), "ble-data-damaged", "a row of ble_data has the fields"),
    ],
    ids=["cut", "shifted", "json", "field"],
)
def test_damaged_ble_data(tmp_path, data, code, message):
    error = _refused_anywhere(tmp_path, data)
    assert (error.code, error.hint) == (code, OF_BLE_DATA)
    assert error.message.startswith(message)
    assert error.facts["file"] == BLE_DATA


def _refused_anywhere(tmp_path, data: bytes) -> EspAtError:
    return refusal(_plan(tmp_path, BLE_DATA, data), FormatError)


@pytest.mark.parametrize("request_", [{"gatts": GATTS}, {"skip": (Text("ble_data", HERE),)}], ids=["gatts", "skip"])
def test_damaged_ble_data_that_is_not_written(tmp_path, request_):
    assert check_plan(_plan(tmp_path, BLE_DATA, b"\0\0\0\0", **request_), None) == ()


def test_rows_that_a_client_can_not_use_are_warned_of(tmp_path):
    rows = GattTable.from_bytes(OLD[BLE_DATA]).rows
    damaged = tuple(replace(row, index=9 + row.index) for row in (*rows, *rows))
    found = check_plan(_plan(tmp_path, BLE_DATA, GattTable(damaged).to_bytes()), None)
    assert [notice.code for notice in found] == ["gatt-index-invalid"] * 3
    assert all(notice.is_warning for notice in found)
    assert [notice.place for notice in found] == [Place.at(file=BLE_DATA, row=row) for row in range(3)]


def test_ble_data_as_python_3_once_wrote_it(tmp_path):
    data = OLD[BLE_DATA].decode("latin-1").encode()
    assert data[2:5] == b"\x27\xc2\x95"
    (found,) = check_plan(_plan(tmp_path, BLE_DATA, data), None)
    assert (found.code, found.is_warning, found.place) == ("ble-data-misencoded", True, Place.at(file=BLE_DATA))
    error = _refused_anywhere(tmp_path, data[:-1])
    assert error.code == "ble-data-damaged"


# --- factory_param ---


@pytest.mark.parametrize("size", [88, 2048, 4095])
def test_cut_factory_param(tmp_path, size):
    name = f"{FOLDER}/factory_param.bin"
    error = _refused(tmp_path, name, OLD[name][:size])
    assert (error.code, error.hint) == ("factory-param-damaged", AGAIN)
    assert error.message == f"the factory_param is cut: it has {size} of 4096 bytes"


def test_factory_param_of_another_chip(tmp_path):
    name = "customized_partitions/factory_param.bin"
    plan = _plan(tmp_path, name, sample_package("esp32c3")[name], module="WROOM-32")
    error = refusal(plan, PackageError)
    assert error.where == name
    assert error.code == "factory-param-other-chip"
    assert error.message == "the factory_param is for PLATFORM_ESP32C3, the firmware package for ESP32"


def test_a_cut_factory_param_of_another_module_is_not_looked_at(tmp_path):
    files = {f"{FOLDER}/factory_param_SOLO-1.bin": OLD[f"{FOLDER}/factory_param.bin"][:100]}
    assert check_plan(sample_plan(tmp_path, module="WROOM-32", files=files), None) == ()
    with pytest.raises(PackageError) as caught:
        check_plan(sample_plan(tmp_path, module="SOLO-1", files=files), None)
    assert (caught.value.code, caught.value.where) == ("factory-param-damaged", f"{FOLDER}/factory_param_SOLO-1.bin")


# --- mfg_nvs ---


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("pages", [1, 2, 14])
def test_cut_mfg_nvs(tmp_path, dialect, pages):
    data = replace(NVS, dialect=dialect).to_bytes()
    kept = NVS.size - pages * PAGE_SIZE
    error = _refused(tmp_path, MFG_NVS, data[:kept])
    assert (error.code, error.hint) == ("nvs-cut", AGAIN)
    assert error.message == f"the NVS image is cut: it has {kept} bytes, its partition {NVS.size}"


def _entries(*names: str) -> list[NvsEntry]:
    return [NvsEntry("own", name, Encoding.STRING, "x" * 3900) for name in names]


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_page_of_mfg_nvs(tmp_path, lost):
    """Each of these strings fills a page, so that nothing else is missed."""
    image = NVS.with_namespace("own", _entries("a", "b", "c"))
    data = image.to_bytes()
    at = (
        next(at for at in range(0, len(data), PAGE_SIZE) if data[at:].startswith(b"\xfe\xff\xff\xff"))
        - lost * PAGE_SIZE
    )
    blank = data[:at] + b"\xff" * PAGE_SIZE + data[at + PAGE_SIZE :]
    error = _refused(tmp_path, MFG_NVS, blank)
    assert (error.code, error.hint) == ("nvs-damaged", AGAIN)
    number = at // PAGE_SIZE
    assert error.message == (f"the NVS image has no page with the sequence number {number}, so what was in it is lost")


def test_the_last_page_of_mfg_nvs_is_lost(tmp_path):
    """The page before it is full, so that there was one after it."""
    data = NVS.with_namespace("own", _entries("a", "b", "c")).to_bytes()
    at = next(at for at in range(0, len(data), PAGE_SIZE) if data[at:].startswith(b"\xfe\xff\xff\xff"))
    error = _refused(tmp_path, MFG_NVS, data[:at] + b"\xff" * PAGE_SIZE + data[at + PAGE_SIZE :])
    assert (error.code, error.hint) == ("nvs-damaged", AGAIN)
    assert f"sequence number {at // PAGE_SIZE}," in error.message


def test_a_package_without_mfg_nvs(tmp_path):
    """What can be made of nothing has the parameters alone: the firmware answers, without TLS and Bluetooth LE."""
    files = {name: data for name, data in NEW.items() if name != MFG_NVS}
    config = files["download.config"].decode().split()
    at = config.index(MFG_NVS)
    files["download.config"] = " ".join(config[: at - 1] + config[at + 1 :])
    plan = plan_of_files(tmp_path, files, module="WROOM-32")
    (found,) = check_plan(plan, None)
    assert (found.code, found.is_warning) == ("nvs-made-anew", True)
    assert found.message == (
        "the firmware package has no mfg_nvs: the one made here has no certificates and no Bluetooth LE services"
    )
    assert found.hint == f"{AGAIN}; or set pki and gatts"


def _without(*names: str) -> bytes:
    entries = [entry for entry in NVS if entry.namespace == "factory_param" and entry.key not in names]
    return NVS.with_namespace("factory_param", entries).to_bytes()


def _retyped(name: str, encoding: Encoding) -> bytes:
    entries = (
        replace(entry, encoding=encoding, value="no" if encoding is Encoding.STRING else entry.value)
        if (entry.namespace, entry.key) == ("factory_param", name)
        else entry
        for entry in NVS.entries
    )
    return replace(NVS, entries=tuple(entries)).to_bytes()


NO_NAMESPACE = replace(
    NVS, entries=tuple(entry for entry in NVS.entries if entry.namespace != "factory_param")
).to_bytes()


@pytest.mark.parametrize(
    ("data", "message", "missing"),
    [
        pytest.param(
            NO_NAMESPACE,
            "the NVS image has no namespace factory_param, which has the UART and its pins",
            ("version", "uart_port", "uart_baudrate", *(f"uart_{pin}_pin" for pin in ("tx", "rx", "cts", "rts"))),
            id="namespace",
        ),
        pytest.param(
            _without("uart_tx_pin", "version"),
            "the firmware doesn't find version (i8), uart_tx_pin (i32) in the namespace factory_param",
            ("version", "uart_tx_pin"),
            id="missing",
        ),
        pytest.param(
            _retyped("uart_baudrate", Encoding.STRING),
            "the firmware doesn't find uart_baudrate (i32, it is string) in the namespace factory_param",
            ("uart_baudrate",),
            id="text",
        ),
        pytest.param(
            _retyped("uart_tx_pin", Encoding.U8),
            "the firmware doesn't find uart_tx_pin (i32, it is u8) in the namespace factory_param",
            ("uart_tx_pin",),
            id="type",
        ),
    ],
)
def test_parameters_that_the_firmware_needs(tmp_path, data, message, missing):
    """In the project's own image; in the package's, the selection adds a module's row where there is none."""
    own = InputFile("own.bin", HERE, data)
    error = refusal(_plan(tmp_path / "data", MFG_NVS, NEW[MFG_NVS], data={"mfg_nvs": own}), EspAtError)
    assert (error.code, error.where, error.message, error.facts["missing"]) == (
        *("nvs-parameters", "own.bin", message),
        missing,
    )
    assert error.hint == "remove mfg_nvs from data, and set factory_param"


@pytest.mark.parametrize("data", [_without("uart_tx_pin"), _retyped("uart_tx_pin", Encoding.U8)], ids=["none", "type"])
def test_parameters_that_the_packages_image_lacks(tmp_path, data):
    error = _refused(tmp_path, MFG_NVS, data, EspAtError)
    assert (error.code, error.hint) == ("nvs-parameters", AGAIN)


def test_parameters_that_the_firmware_does_without(tmp_path):
    own = InputFile("own.bin", HERE, _without("country_code", "max_tx_power"))
    (found,) = check_plan(_plan(tmp_path, MFG_NVS, NEW[MFG_NVS], data={"mfg_nvs": own}), None)
    assert (found.code, found.is_warning, found.place) == ("nvs-parameters-unread", True, Place.at(file="own.bin"))
    assert found.facts == {"missing": ("max_tx_power", "country_code")}
    assert found.message == (
        "the firmware doesn't find max_tx_power (i8), country_code (string) in factory_param and takes its own values"
    )


@pytest.mark.parametrize("row", ["not a row", "1,16", "1,16,,0x01,1,1,02"])
def test_a_gatt_row_that_can_not_be_read(tmp_path, row):
    image = with_value(NVS, "ble_data", "cfg1", row).to_bytes()
    error = _refused(tmp_path, MFG_NVS, image)
    assert (error.code, error.facts["entry"]) == ("gatt-row-damaged", "cfg1")
    assert error.message.startswith("the GATT row cfg1 can't be read: ")
    assert error.hint == f"{AGAIN}; or set gatts: FILE"


def test_a_gatt_row_that_clients_can_not_use(tmp_path):
    image = with_value(NVS, "ble_data", "cfg1", "9,16,0x2803,0x01,1,1,02").to_bytes()
    found = check_plan(_plan(tmp_path, MFG_NVS, image), None)
    assert [(notice.is_warning, notice.place) for notice in found] == [(True, Place.at(file=MFG_NVS, row=1))]


def test_a_gatt_row_that_is_missing(tmp_path):
    rows = [entry for entry in NVS if entry.namespace == "ble_data" and entry.key != "cfg1"]
    error = _refused(tmp_path, MFG_NVS, NVS.with_namespace("ble_data", rows).to_bytes())
    assert (error.code, error.facts["entry"]) == ("gatt-row-missing", "cfg1")
    assert error.message == f"the NVS image has {len(rows)} GATT rows, and no cfg1 among them"
    assert error.hint == f"{AGAIN}; or set gatts: FILE"


def test_gatt_rows_of_the_project_are_checked_for_themselves(tmp_path):
    image = with_value(NVS, "ble_data", "cfg1", "not a row").to_bytes()
    gatts = InputFile("gatts.csv", HERE, b"index,uuid_len,uuid,perm\n0,16,0x2800,0x01\n")
    assert check_plan(_plan(tmp_path, MFG_NVS, image, gatts=gatts), None) == ()


def test_a_damaged_mfg_nvs_that_is_replaced(tmp_path):
    own = InputFile("own.bin", HERE, NEW[MFG_NVS])
    assert check_plan(_plan(tmp_path, MFG_NVS, b"\xff" * PAGE_SIZE, data={"mfg_nvs": own}), None) == ()


def test_each_flipped_byte_is_caught_or_padding(tmp_path):
    """Every 97th byte of the image: what passes is behind the end of a string or blob, where nothing is read."""
    data = with_value(NVS, "factory_param", "country_code", "DE").to_bytes()
    used = data.rindex(b"cfg2") + 64
    passed = []
    for at in range(0, used, 97):
        damaged = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            NvsImage.from_bytes(damaged)
        except FormatError:
            continue
        passed.append(at)
    assert {data[at] for at in passed} <= {0xFF}
    assert len(passed) < used / 97 / 4


# --- file systems, PHY data ---


def _with_files(tmp_path, image: bytes, **request):
    """Return the plan for the package with an image for its partition fatfs."""
    config = OLD["download.config"].decode()
    args = json.loads(OLD["flasher_args.json"])
    args["flash_files"]["0x70000"] = "fatfs.bin"
    files = {
        "fatfs.bin": image,
        "download.config": f"{config} 0x70000 fatfs.bin",
        "flasher_args.json": json.dumps(args),
    }
    return sample_plan(tmp_path, files=files, **request)


def test_files_of_the_package(tmp_path):
    assert check_plan(_with_files(tmp_path, FILES), None) == ()


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        pytest.param(b"\xff" * 4096, PackageError, "image-blank", id="blank"),
        pytest.param(b"PK\3\4" * 1024, FormatError, "not-a-file-system-image", id="zip"),
        pytest.param(FILES[: len(FILES) // 2], FormatError, "not-a-file-system-image", id="half"),
        pytest.param(FILES[:4096] + bytes(512) + FILES[4608:], FormatError, "fat-damaged", id="boot-sector"),
    ],
)
def test_files_that_can_not_be_mounted(tmp_path, data, kind, code):
    error = refusal(_with_files(tmp_path, data), kind)
    assert (error.code, error.where) == (code, "fatfs.bin")
    assert error.hint == f"{AGAIN}; or name a folder: data: {{fatfs: FOLDER/}}"
    own = {"fatfs": InputFile("fs.img", HERE, FILES)}
    assert check_plan(_with_files(tmp_path, data, data=own), None) == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\1" + OLD[PHY], "no PHY data: it starts with 01 50 48 59 49 4e 49 54, not with PHYINIT"),
        (OLD[PHY][:-1], "the PHY data is damaged: PHYINIT is missing after its 128 bytes (256 on ESP32-C5)"),
        (
            OLD[PHY][:9] + OLD[PHY][8:],
            "the PHY data is damaged: PHYINIT is missing after its 128 bytes (256 on ESP32-C5)",
        ),
    ],
    ids=["shifted", "cut", "longer"],
)
def test_damaged_phy_data(tmp_path, data, message):
    error = _refused(tmp_path, PHY, data, FormatError)
    assert (error.code, error.message, error.hint) == ("not-phy-data", message, AGAIN)


def test_several_sets_of_phy_data(tmp_path):
    """What follows the first set is read only where the firmware asks for another one."""
    data = OLD[PHY] + struct.pack("<L", zlib.crc32(OLD[PHY])) + bytes(512)
    assert check_plan(_plan(tmp_path, PHY, data), None) == ()


# --- text ---


@pytest.mark.parametrize("name", [name for name in OLD if name.endswith(".bin") and "_ca" not in name])
def test_a_pointer_of_git_lfs_in_place_of_any_image(tmp_path, name):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    with pytest.raises(PackageError) as caught:
        _plan(tmp_path, name, pointer)
    assert (caught.value.code, caught.value.facts["file"]) == ("text-instead-of-image", name)
    assert caught.value.message == "this is a git-lfs pointer to a file of 12345 bytes, not the file itself"
    assert caught.value.hint == "run git lfs pull in the repository of the file"


def test_the_image_of_an_own_partition_may_be_text(tmp_path):
    config = OLD["download.config"].decode()
    files = {"own.bin": b"hello\n", "download.config": f"{config} 0x6f000 own.bin"}
    args = json.loads(OLD["flasher_args.json"])
    args["flash_files"]["0x6f000"] = "own.bin"
    files["flasher_args.json"] = json.dumps(args)
    assert check_plan(sample_plan(tmp_path, files=files), None) == ()
