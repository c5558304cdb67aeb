"""Certificates and keys, as PEM and DER files: what they hold, and what is damaged or something else."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from x509_files import (
    NOW,
    YEAR,
    certificate,
    der,
    dsa_key,
    ec_key,
    key_bytes,
    leaf,
    middle,
    name_of,
    pem,
    root,
    rsa_key,
)

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.x509 import CertificateInfo, KeyInfo, X509File, summarize


def _certificates(data: bytes) -> tuple[CertificateInfo, ...]:
    return X509File.from_bytes(data).certificates()


def _private_key(data: bytes) -> KeyInfo:
    return X509File.from_bytes(data).private_key()


def _refusal(read, data: bytes) -> FormatError:
    with pytest.raises(FormatError) as caught:
        read(data)
    return caught.value


# --- what they hold ---


def test_what_a_certificate_holds():
    (info,) = _certificates(pem(leaf()))
    assert (info.subject, info.issuer) == ("CN=Module", "CN=Middle")
    assert (info.not_before, info.not_after) == (NOW - YEAR, NOW + YEAR)
    assert info.sha256 == leaf().fingerprint(hashes.SHA256()).hex()
    assert str(info.key) == "EC secp256r1, 256 bits"
    assert info.is_ca is False
    assert not info.self_signed
    assert info.signature_hash == "sha256"
    assert info.der == der(leaf())


def test_what_a_root_holds():
    (info,) = _certificates(pem(root()))
    assert (info.is_ca, info.self_signed) == (True, True)
    assert _certificates(pem(certificate("Module", ec_key("leaf"))))[0].is_ca is None


def test_a_signature_without_a_hash_of_its_own():
    key = ed25519.Ed25519PrivateKey.generate()
    (info,) = _certificates(pem(certificate("Module", key)))
    assert (info.signature_hash, info.key.kind) == (None, "Ed25519")


def test_der_and_pem_are_the_same():
    assert _certificates(der(leaf())) == _certificates(pem(leaf()))
    for key in (ec_key("leaf"), rsa_key()):
        infos = {
            _private_key(key_bytes(key, encoding, form))
            for encoding in (Encoding.PEM, Encoding.DER)
            for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8)
        }
        assert len(infos) == 1


def test_certificates_keep_their_order():
    infos = _certificates(pem(leaf(), middle(), root()))
    assert [info.subject for info in infos] == ["CN=Module", "CN=Middle", "CN=Root"]


def test_a_key_and_its_certificate_have_one_fingerprint():
    (info,) = _certificates(pem(leaf()))
    assert _private_key(key_bytes(ec_key("leaf"))) == info.key
    assert _private_key(key_bytes(ec_key("other"))).fingerprint != info.key.fingerprint


def test_who_issued_whom():
    module, between, top = _certificates(pem(leaf(), middle(), root()))
    (impostor,) = _certificates(pem(certificate("Middle", ec_key("other"), ca=True)))
    assert module.issued_by(between)
    assert between.issued_by(top)
    assert top.issued_by(top)
    assert not module.issued_by(top)
    assert not module.issued_by(impostor)


def test_text_around_a_pem_block():
    data = b"Certificate:\r\n    Data:\r\n" + pem(leaf()).replace(b"\n", b"\r\n") + b"bye"
    assert _certificates(data)[0].subject == "CN=Module"


def test_parameters_before_an_ec_key():
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    file = X509File.from_bytes(parameters + key_bytes(ec_key("leaf")))
    assert [block.label for block in file.blocks] == ["EC PARAMETERS", "EC PRIVATE KEY"]
    assert file.private_key().kind == "EC secp256r1"


@pytest.mark.parametrize(
    ("key", "kind", "bits"),
    [(rsa_key, "RSA", 2048), (dsa_key, "DSA", 1024), (lambda: ec_key("leaf"), "EC secp256r1", 256)],
)
def test_kinds_of_keys(key, kind, bits):
    found = _private_key(key_bytes(key(), form=PrivateFormat.PKCS8))
    assert (found.kind, found.bits) == (kind, bits)


def test_a_key_of_one_length_is_its_kind():
    key = _private_key(key_bytes(ed25519.Ed25519PrivateKey.generate(), form=PrivateFormat.PKCS8))
    assert str(key) == "Ed25519"


def test_a_key_shows_nothing_but_its_kind():
    key = _private_key(key_bytes(rsa_key()))
    assert str(key) == "RSA, 2048 bits"
    secret = format(rsa_key().private_numbers().d, "x")[:16]
    for shown in (repr(key), repr(X509File.from_bytes(key_bytes(rsa_key()))), repr(summarize(key_bytes(rsa_key())))):
        assert secret not in shown
        assert "MII" not in shown


def test_summary():
    found, key = summarize(pem(leaf()) + key_bytes(ec_key("leaf")))
    assert found["kind"] == "certificate"
    assert found["subject"] == "CN=Module"
    assert found["not_after"] == "2027-01-01T00:00:00+00:00"
    assert key == {
        "kind": "private key",
        "key": "EC secp256r1, 256 bits",
        "public_key_sha256": found["public_key_sha256"],
    }
    encrypted = key_bytes(ec_key("leaf"), form=PrivateFormat.PKCS8, password=b"x")
    assert summarize(encrypted) == ({"kind": "private key", "key": "encrypted"},)
    public = leaf().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert summarize(public) == ({"kind": "public key"},)


def test_a_name_is_one_printable_line():
    odd = certificate("two\nlines \x1b[2J", ec_key("leaf"))
    assert _certificates(pem(odd))[0].subject == "CN=two?lines ?[2J"


# --- damaged ---

DAMAGED_BLOCK = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("damage", "code", "message", "line"),
    [
        (lambda _: b"", "file-empty", "the file is empty", None),
        (lambda _: b"  \n", "file-empty", "the file is empty", None),
        (lambda _: b"\x00\x01", "not-pem", "neither PEM nor DER", None),
        (lambda _: b"0\x03abc", "not-pem", "neither a certificate nor a private key in DER", None),
        (lambda data: data.decode().encode("utf-16"), "not-pem", "this is UTF-16 text", None),
        (lambda data: data[:200], "pem-damaged", "the CERTIFICATE has no line -----END CERTIFICATE-----", 1),
        (lambda data: b"\n\n" + data[:-40], "pem-damaged", "the CERTIFICATE has no line -----END CERTIFICATE-----", 3),
        (lambda data: data.replace(b"BEGIN CERT", b"BEGIN cert"), "pem-damaged", "the line -----BEGIN … is damaged", 1),
        (
            lambda data: data.replace(b"-\nM", b"-\n*"),
            "pem-damaged",
            "the base64 text of the CERTIFICATE is damaged",
            1,
        ),
        (
            lambda _: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
            "pem-damaged",
            "the CERTIFICATE is empty",
            1,
        ),
        (lambda _: b"text\n" + DAMAGED_BLOCK, "certificate-unreadable", "the certificate can't be read: ", 2),
    ],
)
def test_damaged_files(damage, code, message, line):
    error = _refusal(_certificates, damage(pem(leaf())))
    assert error.code == code
    assert error.message.startswith(message)
    assert error.facts.get("line") == line
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"\x00\x01", "export it as PEM: such a file has a line -----BEGIN …"),
        (b"0\x03abc", "check the file with openssl asn1parse -inform DER -in FILE; it may be cut"),
        ("-----BEGIN".encode("utf-16-le"), "save it as UTF-8 or ASCII; PowerShell's > writes UTF-16"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA", "export the CERTIFICATE again: the end of the file is missing"),
        (
            b"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----",
            r"write a line end for each of the \n in the file: there they are two characters",
        ),
    ],
)
def test_what_to_do_with_a_damaged_file(data, hint):
    assert _refusal(X509File.from_bytes, data).hint == hint


def test_the_line_of_the_second_certificate():
    error = _refusal(_certificates, pem(leaf()) + DAMAGED_BLOCK)
    assert error.facts == {"line": pem(leaf()).count(b"\n") + 1}
    assert error.code == "certificate-unreadable"


def test_a_damaged_key_is_not_quoted():
    error = _refusal(_private_key, b"\n-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    assert (error.code, error.where) == ("key-unreadable", "2")
    assert error.message == "the private key can't be read"
    assert error.hint == "the file is damaged: check it with openssl pkey -in FILE -noout"


# --- something else ---


def _pkcs12() -> bytes:
    return pkcs12.serialize_key_and_certificates(b"a", ec_key("leaf"), leaf(), None, BestAvailableEncryption(b"x"))


def _revocations() -> x509.CertificateRevocationList:
    builder = x509.CertificateRevocationListBuilder().issuer_name(name_of("Root"))
    return builder.last_update(NOW).next_update(NOW + YEAR).sign(ec_key("root"), hashes.SHA256())


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (_pkcs12, "this is a PKCS#12 file", "openssl pkcs12 -in FILE -nocerts -nodes -out key.pem"),
        (
            lambda: pkcs7.serialize_certificates([leaf(), middle()], Encoding.DER),
            "this is a PKCS#7 file",
            "openssl pkcs7 -inform DER -print_certs -in FILE -out PLAIN",
        ),
        (
            lambda: (
                x509.CertificateSigningRequestBuilder()
                .subject_name(name_of("Module"))
                .sign(ec_key("leaf"), hashes.SHA256())
                .public_bytes(Encoding.DER)
            ),
            "this is a certificate request",
            "give the certificate that the CA made of this request",
        ),
        (
            lambda: leaf().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "this is a public key",
            "a public key is neither a certificate nor a private key",
        ),
        (
            lambda: leaf().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
            "this is a public key of OpenSSH",
            "a public key is neither a certificate nor a private key",
        ),
        (
            lambda: _revocations().public_bytes(Encoding.DER),
            "this is a list of revoked certificates",
            "give the CA's certificate",
        ),
        (lambda: b"PuTTY-User-Key-File-3: ssh-rsa\n", "this is a key of PuTTY", "ssh-keygen -p -m pkcs8 -N '' -f COPY"),
        (lambda: b"\xfe\xed\xfe\xed\0\0\0\2", "this is a Java key store", "keytool -importkeystore"),
    ],
    ids=["pkcs12", "pkcs7", "request", "public", "ssh-public", "crl", "putty", "java"],
)
@pytest.mark.parametrize("read", [_certificates, _private_key])
def test_files_of_another_kind(read, make, message, hint):
    error = _refusal(read, make())
    assert (error.code, error.message) == ("pki-wrong-kind", message)
    assert hint in error.hint


@pytest.mark.parametrize(
    ("read", "make", "hint"),
    [
        (
            _certificates,
            lambda: pkcs7.serialize_certificates([leaf()], Encoding.PEM),
            "openssl pkcs7 -print_certs -in FILE -out PLAIN",
        ),
        (_certificates, lambda: _revocations().public_bytes(Encoding.PEM), "give the CA's certificate"),
        (
            _private_key,
            lambda: leaf().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "a public key is neither a certificate nor a private key",
        ),
    ],
    ids=["pkcs7", "crl", "public"],
)
def test_pem_of_another_kind(read, make, hint):
    error = _refusal(read, make())
    assert error.code == "pki-wrong-kind"
    assert hint in error.hint


def test_a_refusal_has_no_text_of_a_library():
    damaged = der(leaf())
    damaged = damaged.replace(b"260101", b"261301").replace(b"270101", b"271301")
    error = _refusal(_certificates, damaged)
    assert error.message == "the certificate can't be read: it is not as RFC 5280 has it"
    assert "openssl x509 -in FILE -text" in error.hint


def test_a_key_where_a_certificate_is_wanted():
    for encoding, label in ((Encoding.PEM, "RSA PRIVATE KEY"), (Encoding.DER, "PRIVATE KEY")):
        error = _refusal(_certificates, key_bytes(rsa_key(), encoding))
        assert (error.code, error.hint) == ("pki-wrong-kind", "name the file of the certificate here")
        assert error.message == f"there is no certificate in this file, only {label}"


def test_a_certificate_where_a_key_is_wanted():
    for data in (pem(leaf()), der(leaf())):
        error = _refusal(_private_key, data)
        assert (error.code, error.hint) == ("pki-wrong-kind", "name the file of the private key here")
        assert error.message == "there is no private key in this file, only CERTIFICATE"


def test_two_keys():
    error = _refusal(_private_key, key_bytes(rsa_key()) + key_bytes(ec_key("leaf")))
    assert error.code == "several-keys"
    assert error.facts == {"line": key_bytes(rsa_key()).count(b"\n") + 1}
    assert str(error).endswith(": there are 2 private keys\n  keep one of them in the file: the firmware reads one")


def _request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of("Module"))
    return builder.sign(ec_key("leaf"), hashes.SHA256()).public_bytes(Encoding.PEM)


def _public_key() -> bytes:
    return leaf().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("read", "data", "hint"),
    [
        (_certificates, _request, "give the certificate that the CA made of this request"),
        (
            _certificates,
            lambda: pem(leaf()).replace(b"CERTIFICATE-", b"TRUSTED CERTIFICATE-"),
            "convert it: openssl x509 -in FILE -out PLAIN",
        ),
        (_certificates, _public_key, "a public key is neither a certificate nor a private key"),
        (_private_key, _public_key, "a public key is neither a certificate nor a private key"),
        (
            _private_key,
            lambda: key_bytes(ec_key("leaf"), form=PrivateFormat.OpenSSH),
            "convert a copy: ssh-keygen -p -m pkcs8 -N '' -f COPY",
        ),
    ],
    ids=["request", "trusted", "public-key-for-a-certificate", "public-key-for-a-key", "openssh"],
)
def test_labels_that_the_firmware_does_not_read(read, data, hint):
    error = _refusal(read, data())
    assert (error.code, error.hint) == ("pki-wrong-kind", hint)


@pytest.mark.parametrize(
    ("encoding", "form", "where"),
    [
        (Encoding.PEM, PrivateFormat.PKCS8, "1"),
        (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, "1"),
        (Encoding.DER, PrivateFormat.PKCS8, None),
    ],
)
def test_an_encrypted_key(encoding, form, where):
    error = _refusal(_private_key, key_bytes(ec_key("leaf"), encoding, form, b"secret"))
    assert (error.code, error.message, error.where) == ("key-encrypted", "the private key is encrypted", where)
    assert error.hint.startswith("the module can't ask for a passphrase: decrypt it with openssl pkey ")


# --- hostile bytes ---


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b"\x30" + data))
def test_any_bytes_are_understood_or_refused(data):
    _read_all(data)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from(["CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "X"])
)
def test_any_bytes_in_pem_are_understood_or_refused(data, label):
    text = base64.encodebytes(data).decode()
    _read_all(f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode())


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_flipped_byte_is_understood_or_refused(data):
    whole = data.draw(st.sampled_from([der(leaf()), key_bytes(ec_key("leaf"), Encoding.DER)]))
    at = data.draw(st.integers(0, len(whole) - 1))
    _read_all(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])


def _read_all(data: bytes) -> None:
    for read in (_certificates, _private_key, summarize):
        with suppress(FormatError):
            read(data)


@pytest.mark.parametrize("padding", [b"\n", b"\r\n", bytes(8), b"\xff" * 8])
def test_der_with_padding_after_it(padding):
    (certificate,) = X509File.from_bytes(der(leaf()) + padding).certificates()
    assert certificate.der == der(leaf())
    with pytest.raises(FormatError):
        X509File.from_bytes(der(leaf()) + padding + b"more").certificates()
