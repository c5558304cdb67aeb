"""Damage of EC certificates and keys, which only their mathematics shows."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from x509_files import certificate, der, ec_key, key_bytes, leaf, root

from platformio_esp_at.checks.ec_keys import ec_damage


def _flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_what_is_whole():
    for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8):
        assert ec_damage([key_bytes(ec_key("leaf"), Encoding.DER, form)], is_key=True, is_ca=False) is None
    assert ec_damage([der(leaf())], is_key=False, is_ca=False) is None
    assert ec_damage([der(root()), der(certificate("Other", ec_key("other")))], is_key=False, is_ca=True) is None


def test_what_is_not():
    key = _flipped(key_bytes(ec_key("leaf"), Encoding.DER), 12)
    assert ec_damage([key], is_key=True, is_ca=False) == "the private key can't be read"
    ca = _flipped(der(root()), -1)
    assert ec_damage([ca], is_key=False, is_ca=True) == "its signature doesn't match"
    assert ec_damage([ca], is_key=False, is_ca=False) is None
    text = ec_damage([_flipped(der(root()), 5)], is_key=False, is_ca=True)
    assert text.startswith("the certificate can't be read: ")
