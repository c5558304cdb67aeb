"""Certificates and keys without a library: the same as `cryptography` reads, and nothing secret."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from x509_files import certificate, der, ec_key, key_bytes, leaf, middle, root, rsa_key

from platformio_esp_at.formats.der import Kind
from platformio_esp_at.formats.pki_der import (
    EC,
    RSA,
    Signature,
    oid_text,
    private_key,
    signed_by,
)
from platformio_esp_at.formats.pki_der import (
    certificate as read_certificate,
)


def test_a_certificate_has_what_cryptography_finds():
    for whole in (leaf(), middle(), root(), certificate("RSA", rsa_key())):
        found = read_certificate(der(whole))
        assert found.version == 3
        assert found.signed == whole.tbs_certificate_bytes
        assert (found.issuer, found.subject) == (whole.issuer.public_bytes(), whole.subject.public_bytes())
        assert found.algorithm.oid == found.signed_algorithm.oid == whole.signature_algorithm_oid.dotted_string
        assert found.signature == whole.signature
        assert found.name_tags == {0x0C}
        assert [(each.oid, each.critical) for each in found.extensions] == [
            (each.oid.dotted_string, each.critical) for each in whole.extensions
        ]


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_keys(form):
    for key, oid in ((rsa_key(), RSA), (ec_key("leaf"), EC)):
        found = private_key(key_bytes(key, Encoding.DER, form))
        assert (found.algorithm.oid, found.is_consistent) == (oid, True)
        assert found.public == read_certificate(der(certificate("M", key))).public_key.key
        assert found.kind is (Kind.PKCS8 if form is PrivateFormat.PKCS8 else Kind.PKCS1 if oid == RSA else Kind.SEC1)


def test_a_key_shows_nothing_secret():
    secret = rsa_key().private_numbers().d
    assert str(secret)[:20] not in repr(private_key(key_bytes(rsa_key(), Encoding.DER)))


def test_a_compressed_point():
    key = read_certificate(der(leaf())).public_key
    assert not key.is_compressed
    short = ec_key("leaf").public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    assert key._replace(key=short).is_compressed


@pytest.mark.parametrize("algorithm", [hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_rsa_signatures(algorithm):
    signed = read_certificate(der(certificate("M", rsa_key(), algorithm=algorithm)))
    assert signed_by(signed, signed.public_key) is Signature.VALID
    assert signed_by(signed._replace(signed=signed.signed + b"x"), signed.public_key) is Signature.DAMAGED
    assert signed_by(signed._replace(signature=bytes(256)), signed.public_key) is Signature.OTHER


def test_signatures_that_are_not_looked_into():
    module = read_certificate(der(leaf()))
    assert signed_by(module, module.public_key) is Signature.UNKNOWN
    of_rsa = read_certificate(der(certificate("M", rsa_key())))
    assert signed_by(of_rsa, module.public_key) is Signature.UNKNOWN
    assert signed_by(of_rsa, of_rsa.public_key._replace(key=b"\x30\x06\x02\x01\x00\x02\x01\x03")) is Signature.OTHER
    assert signed_by(of_rsa, of_rsa.public_key._replace(key=b"\x30\x03\x04\x01\x00")) is Signature.OTHER


@pytest.mark.parametrize(("content", "text"), [("551d0f", "2.5.29.15"), ("2a864886f70d010101", RSA), ("8837", "2.999")])
def test_object_identifiers(content, text):
    assert oid_text(bytes.fromhex(content)) == text


@pytest.mark.parametrize("read", [read_certificate, private_key])
@pytest.mark.parametrize("data", [b"", b"\x30\0", b"\x30\x03\x02\x01\x00"])
def test_something_else(read, data):
    with pytest.raises(ValueError, match="is no"):
        read(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_are_read_or_refused(data):
    keys = [key_bytes(ec_key("leaf"), Encoding.DER), key_bytes(rsa_key(), Encoding.DER, PrivateFormat.PKCS8)]
    whole = bytearray(data.draw(st.sampled_from([der(leaf()), der(certificate("M", rsa_key())), *keys])))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        found = read_certificate(bytes(whole))
        assert signed_by(found, found.public_key) in Signature
    with suppress(ValueError):
        private_key(bytes(whole))
