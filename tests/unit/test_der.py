"""DER by hand: what a file is, and elements that are cut."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given
from hypothesis import strategies as st
from x509_files import NOW, YEAR, certificate, der, dsa_key, ec_key, key_bytes, leaf, middle, name_of, rsa_key

from platformio_esp_at.formats.der import INTEGER, OCTET_STRING, SEQUENCE, Kind, kind_of, read, write


def _request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of("Module"))
    return builder.sign(ec_key("leaf"), hashes.SHA256()).public_bytes(Encoding.DER)


def _revocations() -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(name_of("Root"))
    builder = builder.last_update(NOW).next_update(NOW + YEAR)
    return builder.sign(ec_key("root"), hashes.SHA256()).public_bytes(Encoding.DER)


def _public(key, form=PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, form)


def _pkcs12() -> bytes:
    return pkcs12.serialize_key_and_certificates(b"a", ec_key("leaf"), leaf(), None, BestAvailableEncryption(b"x"))


KINDS = {
    "certificate": (lambda: der(leaf()), Kind.CERTIFICATE),
    "PKCS#1": (lambda: key_bytes(rsa_key(), Encoding.DER), Kind.PKCS1),
    "SEC 1": (lambda: key_bytes(ec_key("leaf"), Encoding.DER), Kind.SEC1),
    "PKCS#8": (lambda: key_bytes(dsa_key(), Encoding.DER, PrivateFormat.PKCS8), Kind.PKCS8),
    "encrypted": (lambda: key_bytes(ec_key("leaf"), Encoding.DER, PrivateFormat.PKCS8, b"x"), Kind.ENCRYPTED),
    "PKCS#12": (_pkcs12, Kind.PKCS12),
    "PKCS#7": (lambda: pkcs7.serialize_certificates([leaf(), middle()], Encoding.DER), Kind.PKCS7),
    "request": (_request, Kind.REQUEST),
    "public EC key": (lambda: _public(ec_key("leaf")), Kind.PUBLIC_KEY),
    "public RSA key": (lambda: _public(rsa_key(), PublicFormat.PKCS1), Kind.PUBLIC_KEY),
    "revocations": (_revocations, Kind.REVOCATIONS),
    "a number": (lambda: write(INTEGER, b"\1"), None),
    "an empty sequence": (lambda: write(SEQUENCE), None),
    "another sequence": (lambda: write(SEQUENCE, write(OCTET_STRING, b"a")), None),
    "cut": (lambda: der(leaf())[:-1], None),
    "nothing": (lambda: b"", None),
}


@pytest.mark.parametrize(("make", "kind"), KINDS.values(), ids=KINDS)
def test_what_a_file_is(make, kind):
    assert kind_of(make()) is kind


def test_a_certificate_of_version_1():
    signed, *others = read(der(certificate("Old", ec_key("leaf")))).children()
    old = write(SEQUENCE, *(field.whole for field in signed.children()[1:]))
    assert kind_of(write(SEQUENCE, old, *(part.whole for part in others))) is Kind.CERTIFICATE


@given(st.integers(0, 255), st.binary(max_size=70_000) | st.just(bytes(0x80)) | st.just(bytes(0x10000)))
def test_what_is_written_is_read(tag, content):
    element = read(write(tag, content) + b"more")
    assert (element.tag, element.content, element.whole) == (tag, content, write(tag, content))


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x01", b"\x30\x80\0\0", b"\x30\x85\0\0\0\0\0", b"\x30\x82\x01", b"\x30\x81\x05abcd"]
)
def test_elements_that_are_cut(data):
    with pytest.raises(ValueError, match=r"cut|length"):
        read(data)
    with pytest.raises(ValueError, match=r"cut|length"):
        read(write(SEQUENCE, b"\2\1\1", data)).children() if data else read(data)


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda data: write(SEQUENCE, data)))
def test_any_bytes(data):
    assert kind_of(data) in (*Kind, None)
