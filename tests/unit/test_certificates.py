"""Certificates and keys that the firmware's TLS can use, and others; all of them made here."""

from __future__ import annotations

import base64
import functools
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from platformio_esp_at.checks.certificates import MAX_FILE_SIZE, check_pair, check_pki_file
from platformio_esp_at.errors import EspAtError, FormatError
from platformio_esp_at.formats.pki import PkiType
from platformio_esp_at.formats.x509 import parse_certificates, parse_private_key, summarize

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
YEAR = timedelta(days=365)

# Parameters of 1024 bits, which take long to make.
DSA_P = int(
    "d23bb1b50525d3fd35bad4cd249709e4fe4da7e3975390ee9ef9cde70186b883750f70213b6887ad31ead187e73bd83e06cd"
    "94fafb5c5f031a5dd94c01c21050cea2c784f78656f5308a50669bff883812388ea49de6d5f8a81b946d0fc2b7876c6bc226"
    "3ebb6745f9bf99bb34b19719d4e5623100dfb99745a99b1613cd69db",
    16,
)
DSA_Q = int("be9da2f92b2b7afebf0d6a32c084d9b538fa11c1", 16)
DSA_G = int(
    "9c2ef6eef0ceb476e482d4794c78ba5041d36fd7dc38c0d5dae750482b9c1f975d2826175e3cd0c8bea4bbc491f2d1312ac3"
    "ff2c9b5ef6f534b1c716bcaa9afa2b24f373543220ae9efa4d1290734af64478da69b87bed26e9104aabb47b6ff75a16e040"
    "61f8a71e451e9c4377ee6943023704d894637502e52cac4186c2b7e1",
    16,
)


@functools.cache
def _ec_key(name: str):
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def _rsa_key():
    return rsa.generate_private_key(65537, 2048)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject, key, *, issuer=None, issuer_key=None, start=NOW - YEAR, end=NOW + YEAR, ca=None, algorithm=None
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer or subject))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if algorithm is None and not isinstance(issuer_key or key, ed25519.Ed25519PrivateKey):
        algorithm = hashes.SHA256()
    return builder.sign(issuer_key or key, algorithm)


@functools.cache
def _root():
    return _certificate("Root", _ec_key("root"), ca=True)


@functools.cache
def _middle():
    return _certificate("Middle", _ec_key("middle"), issuer="Root", issuer_key=_ec_key("root"), ca=True)


@functools.cache
def _leaf():
    return _certificate("Module", _ec_key("leaf"), issuer="Middle", issuer_key=_ec_key("middle"), ca=False)


def _pem(*items: x509.Certificate) -> bytes:
    return b"".join(item.public_bytes(Encoding.PEM) for item in items)


def _key_bytes(key, encoding=Encoding.PEM, form=PrivateFormat.TraditionalOpenSSL, password=None) -> bytes:
    return key.private_bytes(encoding, form, BestAvailableEncryption(password) if password else NoEncryption())


def _check(data: bytes, kind: PkiType):
    return check_pki_file(data, kind, now=NOW)


def _refusal(data: bytes, kind: PkiType) -> EspAtError:
    problems, _ = _check(data, kind)
    assert len(problems) == 1
    return problems[0]


# --- reading ---


def test_what_a_certificate_says():
    (info,) = parse_certificates(_pem(_leaf()))
    assert (info.subject, info.issuer) == ("CN=Module", "CN=Middle")
    assert (info.not_before, info.not_after) == (NOW - YEAR, NOW + YEAR)
    assert info.sha256 == _leaf().fingerprint(hashes.SHA256()).hex()
    assert str(info.key) == "EC secp256r1, 256 bits"
    assert info.is_ca is False
    assert not info.self_signed
    assert info.signature_hash == "sha256"


def test_der_and_pem_are_the_same():
    assert parse_certificates(_leaf().public_bytes(Encoding.DER)) == parse_certificates(_pem(_leaf()))
    for key in (_ec_key("leaf"), _rsa_key()):
        infos = {
            parse_private_key(_key_bytes(key, encoding, form))
            for encoding in (Encoding.PEM, Encoding.DER)
            for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8)
        }
        assert len(infos) == 1


def test_text_around_a_pem_block():
    data = b"Certificate:\r\n    Data:\r\n" + _pem(_leaf()).replace(b"\n", b"\r\n") + b"bye"
    assert parse_certificates(data)[0].subject == "CN=Module"


def test_parameters_before_an_ec_key():
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    data = parameters + _key_bytes(_ec_key("leaf"))
    assert parse_private_key(data).kind == "EC secp256r1"
    assert _check(data, PkiType.KEY) == ([], [])


def test_a_key_shows_nothing_but_its_kind():
    key = parse_private_key(_key_bytes(_rsa_key()))
    assert (key.kind, key.bits) == ("RSA", 2048)
    secret = format(_rsa_key().private_numbers().d, "x")[:16]
    assert secret not in repr(key)
    assert secret not in repr(summarize(_key_bytes(_rsa_key())))


def test_summary():
    certificate, key = summarize(_pem(_leaf()) + _key_bytes(_ec_key("leaf")))
    assert certificate["kind"] == "certificate"
    assert certificate["subject"] == "CN=Module"
    assert certificate["not_after"] == "2027-01-01T00:00:00+00:00"
    assert key == {
        "kind": "private key",
        "key": "EC secp256r1, 256 bits",
        "public_key_sha256": certificate["public_key_sha256"],
    }
    encrypted = _key_bytes(_ec_key("leaf"), form=PrivateFormat.PKCS8, password=b"x")
    assert summarize(encrypted) == ({"kind": "private key", "key": "encrypted"},)
    public = _leaf().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert summarize(public) == ({"kind": "public key"},)


def test_a_name_is_one_printable_line():
    certificate = _certificate("two\nlines \x1b[2J", _ec_key("leaf"))
    assert parse_certificates(_pem(certificate))[0].subject == "CN=two?lines ?[2J"


@pytest.mark.parametrize(
    ("damage", "message", "where"),
    [
        (lambda _: b"", "is empty", None),
        (lambda _: b"  \n", "is empty", None),
        (lambda _: b"\x00\x01", "neither PEM nor DER", None),
        (lambda _: b"0\x03abc", "neither a certificate nor a private key in DER", None),
        (lambda pem: pem.decode().encode("utf-16"), "UTF-16", None),
        (lambda pem: pem[:200], "has no line -----END CERTIFICATE-----", "1"),
        (lambda pem: b"\n\n" + pem[:-40], "has no line -----END CERTIFICATE-----", "3"),
        (lambda pem: pem.replace(b"-----BEGIN CERT", b"-----BEGIN cert"), "is damaged", "1"),
        (
            lambda pem: pem.replace(b"\nMII", b"\n*II").replace(b"\nMIH", b"\n*IH").replace(b"\nMIB", b"\n*IB"),
            "base64",
            "1",
        ),
        (lambda _: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "is empty", "1"),
        (lambda pem: pem + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "can't be read", None),
    ],
)
def test_damaged_files(damage, message, where):
    with pytest.raises(FormatError) as caught:
        parse_certificates(damage(_pem(_leaf())))
    assert message in caught.value.message
    if where:
        assert caught.value.where == where
    assert caught.value.__cause__ is None
    assert _refusal(damage(_pem(_leaf())), PkiType.CERT).message == caught.value.message


def test_the_line_of_the_second_certificate():
    damaged = _pem(_leaf()) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert _refusal(damaged, PkiType.CERT).where == str(_pem(_leaf()).count(b"\n") + 1)


def test_a_damaged_key_is_not_quoted():
    error = _refusal(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", PkiType.KEY)
    assert error.message == "the private key can't be read"


# --- the right kind of file ---


def test_a_key_where_a_certificate_belongs():
    for encoding in (Encoding.PEM, Encoding.DER):
        message = _refusal(_key_bytes(_rsa_key(), encoding), PkiType.CERT).message
        assert message == "there is a private key in the file of the certificate"


def test_a_key_beside_the_certificate():
    assert "private key" in _refusal(_pem(_leaf()) + _key_bytes(_ec_key("leaf")), PkiType.CERT).message


def test_a_certificate_where_a_key_belongs():
    assert _refusal(_pem(_leaf()), PkiType.KEY).message == "there is no private key in this file, only CERTIFICATE"
    assert _refusal(_leaf().public_bytes(Encoding.DER), PkiType.KEY)


def test_a_certificate_beside_the_key():
    problems, warnings = _check(_key_bytes(_ec_key("leaf")) + _pem(_leaf()), PkiType.KEY)
    assert not problems
    assert "also holds CERTIFICATE" in warnings[0]


def test_two_keys():
    assert "2 private keys" in _refusal(_key_bytes(_rsa_key()) + _key_bytes(_ec_key("leaf")), PkiType.KEY).message


def test_a_request():
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name("Module"))
    data = builder.sign(_ec_key("leaf"), hashes.SHA256()).public_bytes(Encoding.PEM)
    assert "request" in _refusal(data, PkiType.CERT).hint


def test_labels_that_the_firmware_does_not_read():
    data = _pem(_leaf()).replace(b"CERTIFICATE-", b"TRUSTED CERTIFICATE-")
    assert "openssl x509" in _refusal(data, PkiType.CA).hint
    data = _key_bytes(_ec_key("leaf"), form=PrivateFormat.OpenSSH)
    assert "ssh-keygen" in _refusal(data, PkiType.KEY).hint


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key(form):
    error = _refusal(_key_bytes(_ec_key("leaf"), form=form, password=b"secret"), PkiType.KEY)
    assert error.message == "the private key is encrypted"
    assert error.where == "1"
    assert "passphrase" in error.hint


def test_an_encrypted_key_in_der():
    data = _key_bytes(_ec_key("leaf"), Encoding.DER, PrivateFormat.PKCS8, b"secret")
    assert _refusal(data, PkiType.KEY).message == "the private key is encrypted"


def test_too_large():
    assert str(MAX_FILE_SIZE) in _refusal(_pem(_leaf()) + b" " * MAX_FILE_SIZE, PkiType.CERT).hint


# --- keys ---


@pytest.mark.parametrize("key", [_rsa_key, lambda: _ec_key("leaf"), lambda: ec.generate_private_key(ec.SECP384R1())])
def test_keys_that_the_firmware_knows(key):
    key = key()
    assert _check(_key_bytes(key), PkiType.KEY) == ([], [])
    assert _check(_pem(_certificate("Module", key)), PkiType.CERT) == ([], [])


def test_ed25519():
    key = ed25519.Ed25519PrivateKey.generate()
    assert "doesn't know: Ed25519" in _refusal(_key_bytes(key, form=PrivateFormat.PKCS8), PkiType.KEY).message
    assert "doesn't know: Ed25519" in _refusal(_pem(_certificate("Module", key)), PkiType.CERT).message


def test_dsa():
    numbers = dsa.DSAParameterNumbers(p=DSA_P, q=DSA_Q, g=DSA_G)
    key = numbers.parameters().generate_private_key()
    assert "doesn't know: DSA" in _refusal(_key_bytes(key, form=PrivateFormat.PKCS8), PkiType.KEY).message


def test_small_rsa_keys():
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is what is tested
    problems, warnings = _check(_key_bytes(key), PkiType.KEY)
    assert not problems
    assert "refuse less than 2048" in warnings[0]


def test_large_and_tiny_rsa_keys(monkeypatch):
    monkeypatch.setattr("platformio_esp_at.checks.certificates._RSA_MAX", 1024)
    assert "slow or fails" in _check(_key_bytes(_rsa_key()), PkiType.KEY)[1][0]
    monkeypatch.setattr("platformio_esp_at.checks.certificates._RSA_MIN", 4096)
    assert "RSA key of 2048 bits" in _refusal(_key_bytes(_rsa_key()), PkiType.KEY).message


# --- pairs ---


def test_a_pair():
    assert not check_pair(_pem(_leaf()), _key_bytes(_ec_key("leaf")))
    assert not check_pair(_leaf().public_bytes(Encoding.DER), _key_bytes(_ec_key("leaf"), Encoding.DER))
    assert not check_pair(_pem(_leaf(), _middle()), _key_bytes(_ec_key("leaf"), form=PrivateFormat.PKCS8))


@pytest.mark.parametrize("key", [_rsa_key, lambda: _ec_key("root")])
def test_a_key_of_another_certificate(key):
    (problem,) = check_pair(_pem(_leaf()), _key_bytes(key()))
    assert "is not that of the certificate CN=Module" in problem.message


def test_the_key_of_the_second_certificate():
    (problem,) = check_pair(_pem(_middle(), _leaf()), _key_bytes(_ec_key("leaf")))
    assert problem.hint == "put the certificate of this key first"


def test_a_pair_that_can_not_be_read_is_told_elsewhere():
    assert not check_pair(b"", _key_bytes(_ec_key("leaf")))
    assert not check_pair(_pem(_leaf()), b"no key")


# --- dates ---


@pytest.mark.parametrize(
    ("start", "end", "warning"),
    [
        (NOW - 2 * YEAR, NOW - YEAR, "expired on 2025-01-01"),
        (NOW + YEAR, NOW + 2 * YEAR, "is not valid before 2027-01-01 00:00 UTC"),
        (NOW - YEAR, NOW + timedelta(days=10), "expires on 2026-01-11"),
    ],
)
@pytest.mark.parametrize("kind", [PkiType.CA, PkiType.CERT])
def test_dates_are_warned_of(start, end, warning, kind):
    certificate = _certificate("Module", _ec_key("leaf"), start=start, end=end, ca=True)
    problems, warnings = _check(_pem(certificate), kind)
    assert not problems
    assert warnings == [f"certificate CN=Module {warning}"]


# --- chains ---


def test_a_chain():
    assert _check(_pem(_leaf(), _middle(), _root()), PkiType.CERT) == ([], [])
    assert _check(_pem(_leaf(), _middle()), PkiType.CERT) == ([], [])


def test_a_chain_in_reverse():
    error = _refusal(_pem(_root(), _middle(), _leaf()), PkiType.CERT)
    assert error.message == "the certificates are in the wrong order"
    assert error.hint.startswith("put CN=Module first")


def test_a_chain_with_a_hole():
    assert _refusal(_pem(_leaf(), _root()), PkiType.CERT).message == (
        "certificate CN=Module is issued by CN=Middle, and CN=Root is behind it"
    )


def test_a_chain_with_an_issuer_of_the_same_name():
    impostor = _certificate("Middle", _ec_key("other"), ca=True)
    assert "isn't signed by the CN=Middle behind it" in _refusal(_pem(_leaf(), impostor), PkiType.CERT).message


def test_cas_need_no_order():
    assert _check(_pem(_root(), _certificate("Other", _ec_key("other"), ca=True)), PkiType.CA) == ([], [])


@pytest.mark.parametrize(("ca", "says"), [(False, "says that it is none"), (None, "BasicConstraints")])
def test_a_ca_that_is_none(ca, says):
    problems, warnings = _check(_pem(_certificate("Module", _ec_key("leaf"), ca=ca)), PkiType.CA)
    assert not problems
    assert says in warnings[0]


def test_a_chain_that_is_too_long_for_the_firmware():
    keys = [_ec_key(str(number)) for number in range(17)]
    chain = [
        _certificate(f"{n:02}" * 30, keys[n], issuer=f"{n + 1:02}" * 30, issuer_key=keys[n + 1], ca=True)
        for n in range(16)
    ]
    problems, warnings = _check(_pem(*chain), PkiType.CERT)
    assert not problems
    assert "the firmware sends 4096" in warnings[0]


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
    whole = data.draw(st.sampled_from([_leaf().public_bytes(Encoding.DER), _key_bytes(_ec_key("leaf"), Encoding.DER)]))
    at = data.draw(st.integers(0, len(whole) - 1))
    _read_all(whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :])


def _read_all(data: bytes) -> None:
    for read in (parse_certificates, parse_private_key, summarize):
        with suppress(FormatError):
            read(data)
    for kind in PkiType:
        check_pki_file(data, kind, now=NOW)
    check_pair(data, data)
