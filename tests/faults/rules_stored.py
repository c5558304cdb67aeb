"""Faults in what a package brings for TLS and Bluetooth: PKI containers, ``ble_data.bin``, the rest of ``mfg_nvs``."""

from __future__ import annotations

import base64
import functools
import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from faults.rule import rule
from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE
from platformio_esp_at.formats.pki import PKI_SLOTS, PkiContainer
from platformio_esp_at.formats.x509 import X509File, summarize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case


def _pki(case: Case) -> list[str]:
    return [row.name for row in case.secondary if row.name in PKI_SLOTS and case.has(row.name)]


@functools.cache
def _real(data: bytes) -> bool:
    """Return whether this is a certificate or a key, and not a stand-in."""
    try:
        return bool(summarize(data))
    except FormatError:
        return False


@rule("the firmware finds no container (its magic is F1 F1): no TLS")
def pki_magic(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _pki(case)[:2]:
        yield name, case.with_(name, b"\xf1\xf0" + case[name][2:])


@rule("the firmware reads past the container, or not all of it: no TLS")
def pki_header(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _pki(case)[:1]:
        data = case[name]
        yield f"{name} count 9", case.with_(name, data[:2] + struct.pack("<H", 9) + data[4:])
        yield f"{name} count 0", case.with_(name, data[:2] + bytes(2) + data[4:])
        yield f"{name} length", case.with_(name, data[:4] + struct.pack("<L", 0x10000) + data[8:])
        yield f"{name} item length", case.with_(name, data[:10] + struct.pack("<H", 0xFFF0) + data[12:])


@rule("the certificate or key is cut: no TLS")
def pki_cut(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _pki(case)[:3]:
        yield name, case.with_(name, case[name][: len(case[name].rstrip(b"\xff")) // 2])


@rule("the module shows its private key as its certificate: no TLS, and the key is known")
def pki_files_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    for cert in [name for name in _pki(case) if name.endswith("_cert")]:
        key = cert.replace("_cert", "_key")
        if case.has(key) and all(map(_real, _contents(case, cert, key))):
            yield cert, case.with_(cert, case[key]).with_(key, case[cert])


def _contents(case: Case, *names: str) -> Iterator[bytes]:
    for name in names:
        yield from (item.content for item in PkiContainer.from_bytes(case[name]).items)


@rule("the private key isn't that of the certificate: every TLS handshake fails")
def pki_key_of_other_certificate(case: Case) -> Iterator[tuple[str, Case]]:
    keys = [name for name in _pki(case) if name.endswith("_key")]
    for name, other in zip(keys, keys[1:] + keys[:1], strict=True):
        items = PkiContainer.from_bytes(case[name]).items
        strange = next(_contents(case, other))
        if _are_two_keys(items[0].content, strange):
            changed = PkiContainer((replace(items[0], content=strange), *items[1:]))
            yield name, case.with_(name, changed.to_bytes())


def _are_two_keys(one: bytes, other: bytes) -> bool:
    return "" != _fingerprint(one) != _fingerprint(other) != ""


@functools.cache
def _fingerprint(data: bytes) -> str:
    """Return that of a private key; none of a stand-in."""
    try:
        return X509File.from_bytes(data).private_key().fingerprint
    except FormatError:
        return ""


@rule("the certificate or key can't be parsed: no TLS")
def pki_content_damaged(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _pki(case)[:4]:
        content = next(_contents(case, name))
        if _real(content):
            middle = len(content) // 2
            damaged = content[:middle] + b"!*" + content[middle + 2 :]
            yield name, case.with_(name, case[name].replace(content, damaged))


@rule(
    "the firmware finds no GATT services: its BLE server doesn't start",
    still_works="boot, AT commands and TLS don't use GATT",
)
def ble_data_damaged(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has("ble_data"):
        data = case["ble_data"]
        yield "magic", case.with_("ble_data", data[:2] + b"\x27\x96" + data[4:])
        yield "length", case.with_("ble_data", struct.pack("<H", len(data)) + data[2:])
        yield "cut", case.with_("ble_data", data[: len(data) // 2])
        yield "JSON", case.with_("ble_data", data.replace(b'"uuid"', b'"uuid', 1))


@rule(
    "the services can't be built from these rows: no GATT server",
    still_works="boot, AT commands and TLS don't use GATT",
)
def ble_data_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has("ble_data"):
        for word, rows in (("no rows", []), ("a number", [7]), ("no uuid", [{"index": 0}])):
            text = json.dumps({"Service": rows}).encode()
            yield word, case.with_("ble_data", struct.pack("<H", len(text)) + b"\x27\x95" + text)


def _nvs(case: Case) -> NvsImage | None:
    return NvsImage.from_bytes(case["mfg_nvs"]) if case.modern and case.has("mfg_nvs") else None


def _with_value(case: Case, namespace: str, key: str, value: str | bytes) -> Case:
    image = NvsImage.from_bytes(case["mfg_nvs"])
    at = lambda entry: (entry.namespace, entry.key) == (namespace, key)  # noqa: E731
    entries = tuple(replace(entry, value=value) if at(entry) else entry for entry in image.entries)
    return case.with_("mfg_nvs", replace(image, entries=entries).to_bytes())


def _stored(case: Case) -> list[tuple[str, str, bytes]]:
    """Return namespace, key and content of each certificate and key in ``mfg_nvs``."""
    image = _nvs(case)
    return [
        (entry.namespace, entry.key, entry.value)
        for entry in image or ()
        if isinstance(entry.value, bytes) and entry.namespace.rpartition("_")[2] in ("cert", "key", "ca")
    ]


@rule("the module shows its private key as its certificate: no TLS, and the key is known")
def nvs_certificate_and_key_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    stored = {(namespace, key): value for namespace, key, value in _stored(case) if _real(value)}
    for (namespace, key), value in stored.items():
        other = (namespace.replace("_cert", "_key"), key.replace("_cert", "_key"))
        if namespace.endswith("_cert") and other in stored:
            swapped = _with_value(case, namespace, key, stored[other])
            yield key, _with_value(swapped, *other, value)


@rule("the private key isn't that of the certificate: every TLS handshake fails")
def nvs_key_of_other_certificate(case: Case) -> Iterator[tuple[str, Case]]:
    keys = [one for one in _stored(case) if one[0].endswith("_key")]
    for (namespace, key, own), (*_, strange) in zip(keys, keys[1:] + keys[:1], strict=True):
        if _are_two_keys(own, strange):
            yield key, _with_value(case, namespace, key, strange)


@rule("the certificate or key can't be parsed: no TLS")
def nvs_certificate_damaged(case: Case) -> Iterator[tuple[str, Case]]:
    for namespace, key, value in _stored(case)[:4]:
        if _real(value):
            middle = len(value) // 2
            yield f"{key} cut", _with_value(case, namespace, key, value[:middle])
            yield f"{key} bytes", _with_value(case, namespace, key, value[:middle] + b"!*" + value[middle + 2 :])
            yield f"{key} text", _with_value(case, namespace, key, b"version https://git-lfs.github.com/spec/v1\n")
            yield f"{key} blank", _with_value(case, namespace, key, b"\xff" * 64)


@rule(
    "the firmware can't build its GATT services from the row",
    still_works="boot, AT commands and TLS don't use GATT",
)
def nvs_gatt_row_damaged(case: Case) -> Iterator[tuple[str, Case]]:
    image = _nvs(case)
    if image and image.get("ble_data", "cfg1"):
        for word, row in (("not a row", "hello"), ("no uuid", "1,16,,0x01,1,1,02"), ("cut", "1,16,0x28")):
            yield word, _with_value(case, "ble_data", "cfg1", row)


@rule("NVS takes a page whose header has a wrong CRC for damaged, and erases it")
def nvs_page_crc(case: Case) -> Iterator[tuple[str, Case]]:
    if _nvs(case):
        data = case["mfg_nvs"]
        yield "CRC", case.with_("mfg_nvs", data[:28] + bytes([data[28] ^ 1]) + data[29:])
        yield "number", case.with_("mfg_nvs", data[:4] + b"\x55" + data[5:])
        yield "state", case.with_("mfg_nvs", b"\x12\x34\x56\x78" + data[4:])


@rule("NVS erases an entry with a wrong CRC: a parameter or certificate is gone")
def nvs_entry_damaged(case: Case) -> Iterator[tuple[str, Case]]:
    if _nvs(case):
        data = case["mfg_nvs"]
        for entry in (0, 1, 5):
            at = 64 + 32 * entry + 26
            yield f"entry {entry}", case.with_("mfg_nvs", data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        yield "bitmap", case.with_("mfg_nvs", data[:32] + bytes(4) + data[36:])


@rule("NVS needs whole pages: what is cut off isn't there, and old pages of the module are read instead")
def nvs_cut(case: Case) -> Iterator[tuple[str, Case]]:
    if _nvs(case):
        data = case["mfg_nvs"]
        for word, cut in (("inside page 1", data[:6000]), ("one page", data[:PAGE_SIZE]), ("shifted", data[16:])):
            yield word, case.with_("mfg_nvs", cut)


@rule("it is longer than its partition, and written over the next one")
def nvs_long(case: Case) -> Iterator[tuple[str, Case]]:
    if _nvs(case):
        more = case.row("mfg_nvs").size - len(case["mfg_nvs"]) + PAGE_SIZE
        yield "a page more", case.with_("mfg_nvs", case["mfg_nvs"] + b"\xff" * more)


@rule("certificate and key come from different sets: every TLS handshake of one of them fails")
def pki_sets_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    for name in [name for name in _pki(case) if name.endswith("_key")]:
        items = PkiContainer.from_bytes(case[name]).items
        if len(items) == 2 and _are_two_keys(items[0].content, items[1].content):
            swapped = [replace(items[0], content=items[1].content), replace(items[1], content=items[0].content)]
            yield name, case.with_(name, PkiContainer(tuple(swapped)).to_bytes())


@rule(
    "the services can't be built from these rows: no GATT server",
    still_works="boot, AT commands and TLS don't use GATT",
)
def ble_data_out_of_order(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has("ble_data"):
        rows = json.loads(case["ble_data"][4:].rstrip(b"\xff\0"))["Service"]
        for word, other in (("reversed", rows[::-1]), ("no service", rows[1:]), ("no values", rows[:2])):
            text = json.dumps({"Service": other}).encode()
            yield word, case.with_("ble_data", struct.pack("<H", len(text)) + b"\x27\x95" + text)


@rule(
    "the firmware finds a certificate and no key for it: a server that asks for it refuses the module",
    still_works="TLS without a certificate of the module's own works, and so do boot and AT commands",
)
def nvs_key_gone(case: Case) -> Iterator[tuple[str, Case]]:
    image = _nvs(case)
    for name, key, _ in _stored(case):
        if name.endswith("_key"):
            left = tuple(entry for entry in image.entries if (entry.namespace, entry.key) != (name, key))
            yield key, case.with_("mfg_nvs", replace(image, entries=left).to_bytes())


@rule("a blob that isn't whole can't be read: NVS needs its index and each of its chunks")
def nvs_blob_in_parts(case: Case) -> Iterator[tuple[str, Case]]:
    if _nvs(case):
        data = case["mfg_nvs"]
        at = next(at for at in range(64, PAGE_SIZE, 32) if data[at + 1] == 0x48)  # the first index of a blob
        number = (at - 64) // 32
        bits = int.from_bytes(data[32:64], "little") & ~(3 << 2 * number)
        yield "index erased", case.with_("mfg_nvs", data[:32] + bits.to_bytes(32, "little") + data[64:])
        yield "index blank", case.with_("mfg_nvs", data[:at] + b"\xff" * 32 + data[at + 32 :])


@rule("pages of one number, or of another format: NVS erases them")
def nvs_pages_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    if _nvs(case):
        data = case["mfg_nvs"]
        yield "page twice", case.with_("mfg_nvs", data[:PAGE_SIZE] + data[: len(data) - PAGE_SIZE])
        yield "page lost", case.with_("mfg_nvs", b"\xff" * PAGE_SIZE + data[PAGE_SIZE:])
        yield "noise after", case.with_("mfg_nvs", data[:-PAGE_SIZE] + b"noise" * 819 + b"!")


@rule("the number of the public key isn't one that a key can have: no TLS")
def pki_modulus_negative(case: Case) -> Iterator[tuple[str, Case]]:
    for name in [name for name in _pki(case) if name.endswith(("_cert", "_ca"))]:
        content = next(_contents(case, name))
        if damaged := _with_negative_modulus(content):
            yield name, case.with_(name, case[name].replace(content, damaged))
    for namespace, key, value in _stored(case):
        if damaged := _with_negative_modulus(value):
            yield key, _with_value(case, namespace, key, damaged)


@functools.cache
def _with_negative_modulus(pem: bytes) -> bytes:
    """Return a file of the same length whose RSA modulus has a sign; nothing of what has no such key."""
    if b"BEGIN CERTIFICATE" not in pem or not _real(pem):
        return b""
    at, end = pem.index(b"\n", pem.index(b"-----BEGIN")) + 1, pem.index(b"-----END")
    der = base64.b64decode(pem[at:end])
    key = x509.load_der_x509_certificate(der).public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size % 8:
        return b""
    sign = der.index(key.public_numbers().n.to_bytes(key.key_size // 8, "big")) - 1
    text = iter(base64.b64encode(der[:sign] + b"\x80" + der[sign + 1 :]))
    return pem[:at] + bytes(byte if byte in b"\r\n" else next(text) for byte in pem[at:end]) + pem[end:]
