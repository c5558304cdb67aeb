"""What `esp-at inspect` makes of every kind of artefact, of keys, and of hostile bytes."""

from __future__ import annotations

import functools
import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding as Form
from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from nvs_images import generated_from_csv, with_value
from nvs_pages import BLANK, DATA, FULL, STRING, begin, blob_index, entry, flipped, marked, page, with_data
from ota_data import entry as entry_of_ota
from ota_data import sector

from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.commands.inspection import describe, inspect_bytes, inspect_path, nvs_csv, project_of
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, PackageError
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.formats.partition_table import Partition, PartitionTable
from platformio_esp_at.formats.pki import PkiContainer, PkiItem, PkiType
from platformio_esp_at.planning.migration import make_project, origin_of_bytes

LEGACY, NVS = sample_package("esp32"), sample_package("esp32", nvs=True)
USER = "customized_partitions"
UNFILLED = "factory/factory_WROOM-32_unfilled.bin"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
END = datetime(2036, 1, 1, tzinfo=timezone.utc)


@functools.cache
def _key(kind: str):
    return ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else rsa.generate_private_key(65537, 2048)


@functools.cache
def _certificate() -> x509.Certificate:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = x509.CertificateBuilder(name("A root"), name("A module"), _key("EC").public_key(), 7, START, END)
    return builder.sign(_key("RSA"), hashes.SHA256())


def _key_file(kind: str, form: str) -> bytes:
    return _key(kind).private_bytes(getattr(Form, form), PrivateFormat.PKCS8, NoEncryption())


CERTIFICATE = {
    "kind": "certificate",
    "subject": "CN=A module",
    "issuer": "CN=A root",
    "not_before": "2026-01-01T00:00:00+00:00",
    "not_after": "2036-01-01T00:00:00+00:00",
    "key": "EC secp256r1, 256 bits",
}


def _image(files: dict[str, bytes], **contents: bytes) -> bytes:
    """Return a sample package as one image, other bytes in partitions of these names."""
    image = bytearray(b"\xff" * (4 << 20))
    rows = {
        row.name: row.offset
        for path in ("partition_table/partition-table.bin", "at_customize.bin")
        for row in PartitionTable.from_bytes(files[path])
    }
    places = {
        0x1000: "bootloader/bootloader.bin",
        0x8000: "partition_table/partition-table.bin",
        rows["at_customize"]: "at_customize.bin",
        rows["ota_0"]: "esp-at.bin",
    }
    places |= {offset: f"{USER}/{name}.bin" for name, offset in rows.items() if f"{USER}/{name}.bin" in files}
    written = {offset: files[path] for offset, path in places.items()}
    written |= {rows[name]: data for name, data in contents.items()}
    for offset, data in written.items():
        image[offset : offset + len(data)] = data
    return bytes(image)


# --- each kind ---


def test_partition_table():
    decoded = inspect_bytes(LEGACY["at_customize.bin"])
    assert (decoded["kind"], decoded["md5"]) == ("partition_table", True)
    assert decoded["partitions"][0] == {
        "name": "ble_data",
        "type": "0x40",
        "subtype": "0x01",
        "offset": 0x21000,
        "size": 0x3000,
        "flags": 0,
    }
    text = describe(decoded).splitlines()
    assert text[:2] == ["kind: partition_table", "md5: True"]
    assert text[3].split() == ["name", "type", "subtype", "offset", "size", "flags"]
    assert text[-1].split() == ["fatfs", "data", "fat", "0x70000", "589824", "0"]


def test_factory_param():
    decoded = inspect_bytes(LEGACY[f"{USER}/factory_param.bin"])
    assert decoded == {"kind": "factory_param", **find_module("esp32", "WROOM-32").factory_param(3)}
    assert "uart_tx_pin: 17" in describe(decoded).splitlines()


def test_ble_data():
    decoded = inspect_bytes(LEGACY[f"{USER}/ble_data.bin"])
    assert decoded["kind"] == "ble_data"
    assert [row["value"] for row in decoded["rows"]] == ["A002", "02", "53414D504C"]
    assert decoded["rows"][2] == {
        "index": 2,
        "uuid_len": 16,
        "uuid": "C300",
        "perm": 1,
        "val_max_len": 16,
        "val_cur_len": 5,
        "value": "53414D504C",
    }


def test_nvs():
    decoded = inspect_bytes(NVS[f"{USER}/mfg_nvs.bin"])
    assert {name: decoded[name] for name in ("kind", "size", "dialect")} == {
        "kind": "nvs",
        "size": 112 << 10,
        "dialect": "blank_tail",
    }
    entries = {(entry["namespace"], entry["key"]): entry for entry in decoded["entries"]}
    assert entries["factory_param", "uart_baudrate"] == {
        "namespace": "factory_param",
        "key": "uart_baudrate",
        "encoding": "i32",
        "value": 115200,
    }
    assert entries["factory_param", "module_name"]["value"] == "WROOM-32"
    assert entries["ble_data", "cfg1"]["value"] == "1,16,0x2803,0x01,1,1,02"
    pem = NvsImage.from_bytes(NVS[f"{USER}/mfg_nvs.bin"]).get("client_key", "client_key.1").value
    key = entries["client_key", "client_key.1"]
    assert (key["encoding"], key["value"]["size"]) == ("binary", len(pem))
    assert key["value"]["sha256"] == hashlib.sha256(pem).hexdigest()


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp8266"])
def test_esp_image(chip):
    data = sample_package(chip)["esp-at.bin"]
    decoded = inspect_bytes(data)
    assert {name: decoded[name] for name in ("kind", "chip", "size", "version")} == {
        "kind": "esp_image",
        "chip": chip,
        "size": len(data),
        "version": None,
    }
    settings = {"esp32": ("dio", "40m", "4MB"), "esp32c3": ("dio", "40m", "4MB"), "esp8266": ("dout", "80m", "1MB")}
    assert tuple(decoded[f"flash_{name}"] for name in ("mode", "freq", "size")) == settings[chip]
    assert ("hash_valid" in decoded) == (chip != "esp8266")
    assert "version: none" in describe(decoded).splitlines()


def test_esp_image_whose_hash_is_wrong():
    data = LEGACY["esp-at.bin"]
    decoded = inspect_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert (decoded["hash_appended"], decoded["hash_valid"]) == (True, False)


@pytest.mark.parametrize("files", [LEGACY, NVS], ids=["legacy", "mfg_nvs"])
def test_factory_image(files):
    decoded = inspect_bytes(_image(files))
    assert (decoded["kind"], decoded["chip"], decoded["size"]) == ("factory_image", "esp32", 4 << 20)
    assert decoded["bootloader"]["kind"] == "esp_image"
    assert decoded["at_customize"] == inspect_bytes(files["at_customize.bin"])
    content = decoded["content"]
    assert content["ota_0"] == inspect_bytes(files["esp-at.bin"])
    assert content["nvs"] == content["ota_1"] == content["fatfs"] == {"kind": "blank"}
    own = {path.split("/")[1][:-4]: inspect_bytes(data) for path, data in files.items() if path.startswith(f"{USER}/")}
    own.pop("factory_param_WROOM-32", None)
    assert {name: content[name] for name in own} == own


def test_factory_image_with_what_is_not_known():
    data = _image(LEGACY, fatfs=b"files", mqtt_ca=b"\xf1\xf1\x01", ota_1=b"no image")
    content = inspect_bytes(data)["content"]
    size = 576 << 10
    assert content["fatfs"] == {
        "kind": "data",
        "size": 5,
        "sha256": hashlib.sha256(b"files".ljust(size, b"\xff")).hexdigest(),
    }
    assert content["mqtt_ca"]["kind"] == content["ota_1"]["kind"] == "damaged"
    assert "PKI container is cut" in content["mqtt_ca"]["problem"]
    assert "no ESP image" in content["ota_1"]["problem"]
    assert inspect_bytes(_image(LEGACY, at_customize=bytes(32)))["at_customize"] is None


@pytest.mark.parametrize("place", ["zip", "folder"])
@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_firmware_package(tmp_path, nvs, place):
    path = tmp_path / ("sample.zip" if place == "zip" else "sample")
    write_sample_package(path, nvs=nvs)
    decoded = inspect_path(path)
    files = NVS if nvs else LEGACY
    assert {name: decoded[name] for name in ("kind", "name", "chip", "modules", "flash_mode", "flash_size")} == {
        "kind": "firmware_package",
        "name": "sample",
        "chip": "esp32",
        "modules": ["WROOM-32"],
        "flash_mode": "dio",
        "flash_size": "4MB",
    }
    offsets = [image["offset"] for image in decoded["images"]]
    assert offsets == sorted(offsets)
    assert decoded["images"][0] == {
        "name": "bootloader",
        "offset": 0x1000,
        "size": len(files["bootloader/bootloader.bin"]),
        "path": "bootloader/bootloader.bin",
        "sha256": hashlib.sha256(files["bootloader/bootloader.bin"]).hexdigest(),
    }
    name = "mfg_nvs" if nvs else "factory_param_WROOM-32"
    assert decoded["content"][f"{USER}/{name}.bin"] == inspect_bytes(files[f"{USER}/{name}.bin"])
    assert decoded["at_customize"] == inspect_bytes(files["at_customize.bin"])
    assert "modules: WROOM-32" in describe(decoded).splitlines()


# --- certificates and keys ---


def _assert_summarised(found: list[dict]) -> None:
    (content,) = found
    fingerprint = _certificate().fingerprint(hashes.SHA256()).hex()
    assert content | CERTIFICATE == content
    assert content["sha256"] == fingerprint


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_a_certificate_is_summarised(form):
    data = _certificate().public_bytes(getattr(Form, form))
    decoded = inspect_bytes(PkiContainer.of(PkiType.CERT, [data]).to_bytes())
    (item,) = decoded["items"]
    _assert_summarised(item["content"])
    assert (item["type"], item["id"], item["size"]) == ("cert", 0, len(data))
    assert item["sha256"] == hashlib.sha256(data).hexdigest()
    entry = NvsEntry("mqtt_cert", "mqtt_cert", Encoding.BINARY, data)
    in_nvs = inspect_bytes(NvsImage((), 0x4000).with_namespace("mqtt_cert", [entry]).to_bytes())
    _assert_summarised(in_nvs["entries"][0]["value"]["content"])
    fingerprint = f"SHA-256 {_certificate().fingerprint(hashes.SHA256()).hex()[:16]}…"
    line = f"certificate CN=A module by CN=A root, 2026-01-01 to 2036-01-01, EC secp256r1, 256 bits, {fingerprint}"
    for text in (describe(decoded), describe(in_nvs)):
        assert line in text


def test_pki_items():
    items = (PkiItem(PkiType.CA, 0, b"no CA"), PkiItem(9, 1, _key_file("EC", "DER")), PkiItem(PkiType.KEY, 2, b""))
    decoded = inspect_bytes(PkiContainer(items).to_bytes())
    assert [(item["type"], item["id"], item["size"]) for item in decoded["items"]] == [
        ("ca", 0, 5),
        ("0x09", 1, len(items[1].content)),
        ("key", 2, 0),
    ]
    assert [item["content"][0]["kind"] for item in decoded["items"]] == ["unknown", "private key", "unknown"]
    assert decoded["items"][1]["content"][0]["key"] == "EC secp256r1, 256 bits"
    assert describe(inspect_bytes(PkiContainer(()).to_bytes())) == "kind: pki\nitems: none"


def _assert_no_key(text: str, kind: str) -> None:
    """Assert that no run of 8 bytes of the key is shown, in hex, as text, or as base64."""
    numbers = _key(kind).private_numbers()
    secrets = [numbers.private_value] if kind == "EC" else [numbers.d, numbers.p, numbers.q]
    folded = text.casefold()
    for secret in secrets:
        data = secret.to_bytes(-(-secret.bit_length() // 8), "big")
        runs = {data[at : at + 8] for at in range(len(data) - 7)}
        assert not [run for run in runs if run.hex() in folded or run.decode("latin-1") in text]
        assert str(secret) not in text
    body = "".join(_key_file(kind, "PEM").decode().splitlines()[1:-1])
    assert not [body[at : at + 8] for at in range(len(body) - 7) if body[at : at + 8] in text]
    assert "-----BEGIN" not in text


@pytest.mark.parametrize("form", ["PEM", "DER"])
@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_private_key_is_never_shown(tmp_path, kind, form):
    key = _key_file(kind, form)
    container = PkiContainer.of(PkiType.CERT, [key]).to_bytes()
    nvs = NvsImage.from_bytes(NVS[f"{USER}/mfg_nvs.bin"])
    nvs = with_value(with_value(nvs, "mqtt_key", "mqtt_key", key), "server_cert", "server_cert", key)
    images = {
        "pki.bin": container,
        "nvs.bin": nvs.to_bytes(),
        "legacy.bin": _image(LEGACY, server_key=container, fatfs=key),
        "new.bin": _image(NVS, mfg_nvs=nvs.to_bytes(), ota_1=key),
    }
    for name, data in images.items():
        (tmp_path / name).write_bytes(data)
    for name, nvs_package, content in (("legacy", False, container), ("new", True, nvs.to_bytes())):
        write_sample_package(tmp_path / name, nvs=nvs_package)
        (tmp_path / name / USER / f"{'mfg_nvs' if nvs_package else 'server_key'}.bin").write_bytes(content)
    bits = "EC secp256r1, 256 bits" if kind == "EC" else "RSA, 2048 bits"
    for name in (*images, "legacy", "new"):
        decoded = inspect_path(tmp_path / name)
        for text in (describe(decoded), json.dumps(decoded), json.dumps(decoded, ensure_ascii=False)):
            assert f"private key {bits}" in text or f'"key": "{bits}"' in text
            _assert_no_key(text, kind)


def test_a_private_key_that_is_kept_as_text_is_not_shown():
    entry = NvsEntry("mqtt_key", "mqtt_key", Encoding.STRING, _key_file("EC", "PEM").decode())
    decoded = inspect_bytes(NvsImage((), 0x4000).with_namespace("mqtt_key", [entry]).to_bytes())
    assert decoded["entries"][0]["encoding"] == "string"
    assert decoded["entries"][0]["value"]["content"][0]["key"] == "EC secp256r1, 256 bits"
    for text in (describe(decoded), json.dumps(decoded)):
        _assert_no_key(text, "EC")


def test_a_damaged_private_key_is_not_quoted():
    pem = _key_file("EC", "PEM")
    for damaged in (
        pem[:-20],
        pem.replace(b"MI", b"M*", 1),
        b"x" + _key_file("EC", "DER"),
        _key_file("EC", "DER")[:-1],
    ):
        decoded = inspect_bytes(PkiContainer.of(PkiType.KEY, [damaged]).to_bytes())
        assert decoded["items"][0]["content"][0]["kind"] == "unknown"
        for text in (describe(decoded), json.dumps(decoded)):
            _assert_no_key(text, "EC")


def test_the_csv_has_the_keys(tmp_path):
    """It's for making the image again, and so it is kept apart from what is shown."""
    write_sample_package(tmp_path / "new", nvs=True)
    (tmp_path / "new.bin").write_bytes(_image(NVS))
    image = NvsImage.from_bytes(NVS[f"{USER}/mfg_nvs.bin"])
    for name in ("new", "new.bin", f"new/{USER}/mfg_nvs.bin"):
        assert generated_from_csv(nvs_csv(tmp_path / name), image.size) == image.to_bytes()
    (tmp_path / "param.bin").write_bytes(LEGACY[f"{USER}/factory_param.bin"])
    with pytest.raises(FormatError, match="there is no mfg_nvs in it") as caught:
        nvs_csv(tmp_path / "param.bin")
    assert (caught.value.code, caught.value.where) == ("no-mfg-nvs", str(tmp_path / "param.bin"))


# --- the nvs of a module ---

SECRETS = ("example-net", "passw0rd", "pin.code", 4321)


def _saved_nvs() -> bytes:
    """Return a partition with UART settings, Wi-Fi's and an application's, a damaged page and an erased entry."""
    ssid, password, code, number = SECRETS
    numbers = {"rate": 115200, "databits": 3, "stopbits": 1, "parity": 0, "flow_ctrl": 1}
    uart = [
        entry(2, 0x14 if key == "rate" else 0x11, key, value.to_bytes(4 if key == "rate" else 1, "little"))
        for key, value in numbers.items()
    ]
    wifi = [
        with_data(1, DATA, "sta.ssid", ssid.encode(), chunk=0),
        blob_index("sta.ssid", len(ssid), 1),
        with_data(1, STRING, "sta.pswd", f"{password}\0".encode()),
        entry(1, 0x02, "number", number.to_bytes(2, "little")),
    ]
    own = [with_data(2, STRING, "rate", f"{code}\0".encode()), entry(2, 0x02, "own", number.to_bytes(2, "little"))]
    other = [begin("other", 3), entry(3, 0x02, "rate", number.to_bytes(2, "little"))]
    first = page(begin("nvs.net80211"), *wifi, begin("UART", 2), *uart, *other, state=FULL)
    return bytes(PAGE_SIZE) + marked(page(*own, *uart[:1], sequence=1), 3, 0) + first + BLANK


SAVED_NVS = _saved_nvs()
_DAMAGED_MFG_NVS = flipped(NVS[f"{USER}/mfg_nvs.bin"], 64 + 32 + 24)


def test_the_nvs_of_a_module():
    decoded = inspect_bytes(SAVED_NVS)
    assert {name: decoded[name] for name in ("kind", "size", "encrypted")} == {
        "kind": "saved_nvs",
        "size": 4 * PAGE_SIZE,
        "encrypted": False,
    }
    assert decoded["pages"] == [
        {"offset": 0, "state": "corrupt", "sequence": None, "version": None, "written": 0, "erased": 0},
        {"offset": 0x1000, "state": "active", "sequence": 1, "version": "0xfe", "written": 3, "erased": 1},
        {"offset": 0x2000, "state": "full", "sequence": 0, "version": "0xfe", "written": 15, "erased": 0},
        {"offset": 0x3000, "state": "blank", "sequence": None, "version": None, "written": 0, "erased": 0},
    ]
    assert decoded["uart"] == [
        {"key": "rate", "encoding": "i32", "value": 115200},
        {"key": "databits", "encoding": "i8", "value": 3},
        {"key": "stopbits", "encoding": "i8", "value": 1},
        {"key": "parity", "encoding": "i8", "value": 0},
        {"key": "flow_ctrl", "encoding": "i8", "value": 1},
    ]
    assert [tuple(row.values()) for row in decoded["entries"]] == [
        ("nvs.net80211", "sta.ssid", "binary", 11),
        ("nvs.net80211", "sta.pswd", "string", 8),
        ("nvs.net80211", "number", "u16", 2),
        ("UART", "rate", "i32", 4),
        ("UART", "databits", "i8", 1),
        ("UART", "stopbits", "i8", 1),
        ("UART", "parity", "i8", 1),
        ("UART", "flow_ctrl", "i8", 1),
        ("other", "rate", "u16", 2),
        ("UART", "rate", "string", 8),
        ("UART", "own", "u16", 2),
    ]
    text = describe(decoded).splitlines()
    assert text[4].split() == ["offset", "state", "sequence", "version", "written", "erased"]
    assert text[6].split() == ["0x1000", "active", "1", "0xfe", "3", "1"]
    assert ["rate", "i32", "115200"] in [line.split() for line in text]


def _assert_no_secret(decoded) -> None:
    for text in (describe(decoded), json.dumps(decoded)):
        assert not [secret for secret in SECRETS if str(secret) in text]
        assert not [secret for secret in SECRETS[:3] if hashlib.sha256(secret.encode()).hexdigest() in text]
        assert "nvs.net80211" in text


@pytest.mark.parametrize("files", [LEGACY, NVS], ids=["legacy", "mfg_nvs"])
def test_the_nvs_in_a_dump_of_a_module(files):
    decoded = inspect_bytes(_image(files, nvs=SAVED_NVS))
    content = decoded["content"]["nvs"]
    assert content["entries"] == inspect_bytes(SAVED_NVS)["entries"]
    assert (content["kind"], content["size"]) == ("saved_nvs", 14 * PAGE_SIZE)
    if files is NVS:
        assert decoded["content"]["mfg_nvs"] == inspect_bytes(NVS[f"{USER}/mfg_nvs.bin"])
    _assert_no_secret(decoded)


def test_no_other_value_of_a_module_is_shown(tmp_path):
    """Nor is one of an image that nothing has been changed in since it was made, and that a strict reader takes."""
    entries = [NvsEntry("nvs.net80211", "pswd", Encoding.STRING, SECRETS[1]), NvsEntry("a", "b", Encoding.I32, 4321)]
    image = NvsImage((), 0x4000).with_namespace("nvs.net80211", entries[:1]).with_namespace("a", entries[1:])
    for data in (SAVED_NVS, image.to_bytes()):
        (tmp_path / "nvs.bin").write_bytes(data)
        _assert_no_secret(inspect_path(tmp_path / "nvs.bin"))


def test_an_encrypted_nvs():
    """Its entries have no right CRC, and its headers do."""
    decoded = inspect_bytes(page(flipped(begin("UART"), 4)) + BLANK * 2)
    assert (decoded["kind"], decoded["encrypted"]) == ("saved_nvs", True)
    assert (decoded["pages"][0]["written"], decoded["uart"], decoded["entries"]) == (1, [], [])
    assert "encrypted: True" in describe(decoded).splitlines()


@pytest.mark.parametrize("size", [1, 0x1000, 0x9000, 0x9001])
def test_what_is_blank(size):
    assert inspect_bytes(b"\xff" * size) == {"kind": "blank", "size": size}


# --- ota_data, PHY data ---


def test_blank_ota_data():
    decoded = inspect_bytes(b"\xff" * 0x2000)
    assert (decoded["kind"], decoded["size"]) == ("blank", 0x2000)
    assert decoded["ota_data"].startswith("both entries are blank: the bootloader starts the factory application")


@pytest.mark.parametrize(
    ("entries", "sequences", "starts"),
    [
        ((entry_of_ota(1), b""), [1, None], "ota_0, if there are two slots"),
        ((entry_of_ota(1), entry_of_ota(2)), [1, 2], "ota_1, if there are two slots"),
        ((b"", entry_of_ota(2)), [None, 2], "ota_1, if there are two slots"),
    ],
)
def test_ota_data(entries, sequences, starts):
    decoded = inspect_bytes(b"".join(map(sector, entries)))
    assert decoded == {
        "kind": "ota_data",
        "entries": [{"offset": 0, "sequence": sequences[0]}, {"offset": 0x1000, "sequence": sequences[1]}],
        "starts": starts,
    }


def test_which_application_a_dump_starts():
    assert inspect_bytes(_image(LEGACY))["starts"] == "ota_0"
    updated = sector(entry_of_ota(1)) + sector(entry_of_ota(2))
    decoded = inspect_bytes(_image(LEGACY, otadata=updated))
    assert (decoded["starts"], decoded["content"]["otadata"]["kind"]) == ("ota_1", "ota_data")
    refused = inspect_bytes(_image(LEGACY, otadata=sector(entry_of_ota(2, state=4)) + sector()))
    assert (refused["starts"], refused["content"]["otadata"]["kind"]) == (None, "damaged")


def test_phy_data():
    decoded = inspect_bytes(LEGACY["phy_init_data.bin"])
    assert decoded == {
        "kind": "phy_init",
        "size": 128,
        "sha256": hashlib.sha256(bytes(128)).hexdigest(),
        "sets": [],
    }
    assert describe(decoded).splitlines()[-1] == "sets: none"
    content = inspect_bytes(_image(LEGACY, phy_init=LEGACY["phy_init_data.bin"]))["content"]
    assert content["phy_init"] == decoded
    assert inspect_bytes(_image(LEGACY, phy_init=b"PHYINIT\0"))["content"]["phy_init"]["kind"] == "damaged"


def test_a_damaged_mfg_nvs_is_never_taken_for_the_nvs_of_a_module(tmp_path):
    """Even where no namespace is left in it, its name shows what it is."""
    lost = marked(page(begin("a"), state=FULL), 0, 0) + NVS[f"{USER}/mfg_nvs.bin"][PAGE_SIZE : 2 * PAGE_SIZE]
    decoded = inspect_bytes(_image(NVS, mfg_nvs=lost))["content"]
    assert decoded["mfg_nvs"]["kind"] == "damaged"
    write_sample_package(tmp_path, nvs=True)
    (tmp_path / USER / "mfg_nvs.bin").write_bytes(lost)
    assert inspect_path(tmp_path)["content"][f"{USER}/mfg_nvs.bin"]["kind"] == "damaged"


@pytest.mark.parametrize("data", [SAVED_NVS, page(begin("UART"), version=0xFF) + BLANK])
def test_neither_csv_nor_project_of_the_nvs_of_a_module(tmp_path, data):
    (tmp_path / "nvs.bin").write_bytes(data)
    for make in (nvs_csv, project_of):
        with pytest.raises(FormatError, match="the partition nvs of a module") as caught:
            make(tmp_path / "nvs.bin")
        assert (caught.value.code, caught.value.where) == ("nvs-of-module", str(tmp_path / "nvs.bin"))


# --- what is no artefact, damaged or hostile ---


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (b"", "unknown-artifact", "it starts with nothing"),
        (b"%PDF-1.7", "unknown-artifact", "it starts with 25 50 44 46"),
        (b"\xaa\x50", "table-damaged", "not a partition entry"),
        (b"\xfc\xfc\x03", "factory-param-damaged", "the factory_param has 3 bytes instead of 4096"),
        (b"\xf1\xf1", "not-pki", "no PKI container"),
        (b"\x10\x00\x27\x95{}", "ble-data-damaged", "ble_data is cut"),
        (NVS[f"{USER}/mfg_nvs.bin"][:-1], "nvs-size", "an NVS image of"),
        (NVS[f"{USER}/mfg_nvs.bin"][:100], "nvs-size", "an nvs partition of 100 bytes"),
        (_DAMAGED_MFG_NVS, "nvs-damaged", "the entry's CRC is wrong"),
        ((page(begin("UART")) + BLANK)[:-1], "nvs-size", "an nvs partition of 8191 bytes"),
        (page(version=0xFD) + BLANK, "nvs-version", "the page's version is 0xfd"),
        (b"\xe9", "image-cut", "the ESP image is cut"),
        (b"PHYINIT\0", "not-phy-data", "PHYINIT is missing after its 128 bytes"),
        (sector(entry_of_ota(2, state=3)) + sector(), "ota-data-damaged", "neither blank nor valid"),
        (sector(entry_of_ota(2)), "unknown-artifact", "it starts with 02 00 00 00"),
    ],
)
def test_refused(tmp_path, data, code, message):
    with pytest.raises(FormatError, match=message) as caught:
        inspect_bytes(data)
    assert caught.value.code == code
    file = tmp_path / "some file"
    file.write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        inspect_path(file)
    assert (caught.value.code, caught.value.facts["file"]) == (code, str(file))
    assert caught.value.where.startswith(str(file))


def test_places_that_hold_no_artefact(tmp_path):
    with (tmp_path / "large.bin").open("wb") as stream:
        stream.truncate((16 << 20) + 1)
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4")
    for name, kind, code, message in (
        ("large.bin", FormatError, "file-too-large", "larger than 16MB"),
        ("missing.bin", EspAtError, "unreadable", "can't be read"),
        ("x" * 5000, EspAtError, "unreadable", "can't be read"),
        ("folder", PackageError, "not-a-package", "not a firmware package"),
        ("broken.zip", PackageError, "zip-damaged", "the zip can't be read"),
    ):
        with pytest.raises(kind, match=message) as caught:
            inspect_path(tmp_path / name)
        assert caught.value.code == code


def test_an_image_that_names_itself_as_its_content():
    row = Partition("all", 1, 6, 0, 0x9000)
    for start in (b"\xfc\xfc\x03", b"\xf1\xf1", b"xx\x27\x95"):
        data = start.ljust(0x8000, b"\xff") + PartitionTable((row,)).to_bytes()
        assert inspect_bytes(data)["content"]["all"]["kind"] in ("factory_param", "damaged")


def test_text_is_printable():
    values = find_module("esp32", "WROOM-32").factory_param(3) | {"module_name": "a\x1b[2J\nb"}
    row = Partition("a\u202eb", 1, 6, 0x9000, 0x1000)
    text = NvsEntry("factory_param", "b", Encoding.STRING, "a\x1b[2J\nb")
    for data in (
        FactoryParam.from_values(values).to_bytes(),
        b"\xff" * 0x8000 + PartitionTable((row,)).to_bytes(),
        NvsImage((), 0x3000).with_namespace("factory_param", [text]).to_bytes(),
        page(begin("n\x1b[2J\n"), entry(1, 1, "k\x1b\n", b"\1"), entry(2, 1, b"\xff\x80", b"\1")),
        _image(LEGACY, ota_1=b"no image"),
    ):
        assert all(line.isprintable() for line in describe(inspect_bytes(data)).split("\n"))
        json.dumps(inspect_bytes(data))


_ARTEFACTS = [
    LEGACY[f"{USER}/factory_param.bin"][:128],
    PkiContainer((PkiItem(1, 0, b"x" * 9), PkiItem(2, 1, b"\x30\x03abc"))).to_bytes(),
    LEGACY[f"{USER}/ble_data.bin"],
    replace(NvsImage.from_bytes(NVS[f"{USER}/mfg_nvs.bin"]), size=0x8000).to_bytes(),
    LEGACY["at_customize.bin"],
    LEGACY["bootloader/bootloader.bin"],
    sample_package("esp8266")["bootloader/bootloader.bin"],
    _image(LEGACY)[:0x80000],
    SAVED_NVS,
    LEGACY["phy_init_data.bin"],
    LEGACY["download.config"],
    LEGACY["flasher_args.json"],
]
_KNOWN_STARTS = [b"\xaa\x50", b"\xfc\xfc", b"\xfc\xfc\x03", b"\xf1\xf1", b"\xe9", b"\xe9\x01", b"ab\x27\x95", b""]


@st.composite
def _damaged_artefacts(draw) -> bytes:
    data = bytearray(draw(st.sampled_from(_ARTEFACTS)))
    places = st.integers(0, len(data) - 1) | st.integers(0, 200) | st.integers(0x8000, 0x8100)
    for place, value in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=6)):
        data[min(place, len(data) - 1)] = value
    return bytes(data[: draw(st.integers(0, len(data)) | st.just(len(data)))])


def _look(data: bytes) -> None:
    """Inspect, describe and migrate: only `EspAtError` may come out."""
    with suppress(EspAtError):
        decoded = inspect_bytes(data)
        assert describe(decoded).startswith(f"kind: {decoded['kind']}")
        assert json.loads(json.dumps(decoded)) == decoded
    with suppress(EspAtError):
        assert make_project(origin_of_bytes(data, "x"))["esp_at.yml"]


@settings(max_examples=150, deadline=None)
@given(st.builds(bytes.__add__, st.sampled_from(_KNOWN_STARTS), st.binary(max_size=300)))
def test_random_bytes(data):
    _look(data)


@settings(max_examples=150, deadline=None)
@given(_damaged_artefacts())
def test_damaged_artefacts(data):
    _look(data)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), *[st.integers(0, 0x20000)] * 2), max_size=4))
def test_images_with_any_partitions(rows):
    table = PartitionTable(
        tuple(Partition(f"p{at}", *row) for at, row in enumerate([*rows, (0x40, 0, 0x10000, 0x8000)]))
    ).to_bytes()
    data = b"\xfc\xfc\x03".ljust(0x8000, b"\xff") + table.ljust(0x8000, b"\xff")
    _look(data)
    _look(data + table.ljust(0x8000, b"\x27"))


@pytest.mark.parametrize("data", _ARTEFACTS[:3] + _ARTEFACTS[4:], ids=range(len(_ARTEFACTS) - 1))
def test_whole_artefacts_are_read(data):
    """Those that are damaged above would be read, so that more than their first bytes is looked at."""
    assert describe(inspect_bytes(data))


def test_gatt_rows_of_one_column_order():
    table = GattTable.from_csv("uuid,index,uuid_len,perm,value\n0x2800,0,16,0x11,a0\n")
    assert inspect_bytes(table.to_bytes())["rows"] == [
        {"index": 0, "uuid_len": 16, "uuid": "2800", "perm": 17, "val_max_len": 512, "val_cur_len": 0, "value": "A0"}
    ]
