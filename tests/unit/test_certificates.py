"""Certificates and keys that the firmware's TLS can use, and others. What a file holds: `test_x509`."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import HAS_WHEEL, reads_certificate, reads_key
from x509_files import NOW, YEAR, certificate, der, dsa_key, ec_key, key_bytes, leaf, middle, pem, root, rsa_key

from platformio_esp_at.catalog.mbedtls import MbedTls
from platformio_esp_at.checks.certificates import MAX_FILE_SIZE, CheckedFile, check_pair, check_pki, check_pki_file
from platformio_esp_at.errors import EspAtError, FormatError, Notice, Place
from platformio_esp_at.formats import der as tlv
from platformio_esp_at.formats.pki import PkiType
from platformio_esp_at.formats.x509 import X509File
from platformio_esp_at.planning.pki_files import readable_form
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile

# ECParameters of secp256r1, SEC 1 C.2: version, field, curve, base point, order, cofactor.
_SECP256R1 = bytes.fromhex(
    "3081e0020101302c06072a8648ce3d0101022100ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"
    "30440420ffffffff00000001000000000000000000000000fffffffffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886bc"
    "651d06b0cc53b0f63bce3c3e27d2604b0441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342"
    "e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5022100ffffffff00000000ffffffffffffffffbce6faada717"
    "9e84f3b9cac2fc632551020101"
)
HERE = Place.at(file="esp_at.yml", line=3)


def _checked(data: bytes, kind: PkiType) -> CheckedFile:
    """Return the check result. What it lets through, Mbed TLS reads, where that is at hand."""
    checked = check_pki_file(InputFile("a.pem", HERE, data), kind, now=NOW)
    if HAS_WHEEL and not checked.problems:
        written, _ = readable_form(data, kind)
        if kind is PkiType.KEY:
            assert reads_key(written)
        else:
            assert reads_certificate(written) == checked.certificates[0].der
            assert all(reads_certificate(info.der) == info.der for info in checked.certificates)
    return checked


def _refusal(data: bytes, kind: PkiType) -> EspAtError:
    """Return the one problem of a file; it names the file, and nothing else is found of it."""
    checked = _checked(data, kind)
    (problem,) = checked.problems
    assert checked.warnings == []
    assert problem.facts["file"] == "a.pem"
    return problem


def _warnings(data: bytes, kind: PkiType) -> list[Notice]:
    """Return the warnings of a file without problems; each names the file."""
    checked = _checked(data, kind)
    assert checked.problems == []
    assert all(found.is_warning and found.place == Place.at(file="a.pem") for found in checked.warnings)
    return checked.warnings


def _pair(certificates: bytes, key: bytes) -> list[EspAtError]:
    return check_pair(_checked(certificates, PkiType.CERT), _checked(key, PkiType.KEY))


# --- the file ---


def test_what_a_file_holds_is_handed_on():
    """So that nobody has to read it twice."""
    checked = _checked(pem(leaf(), middle()), PkiType.CERT)
    assert checked.certificates == X509File.from_bytes(pem(leaf(), middle())).certificates()
    assert checked.key is None
    key = _checked(key_bytes(rsa_key()), PkiType.KEY)
    assert (key.key, key.certificates) == (X509File.from_bytes(key_bytes(rsa_key())).private_key(), ())


@pytest.mark.parametrize(
    ("data", "code", "where"),
    [
        (b"", "file-empty", "a.pem"),
        (b"\x00\x01", "not-pem", "a.pem"),
        (b"\n\n-----BEGIN CERTIFICATE-----\nAAAA", "pem-damaged", "a.pem:3"),
    ],
)
@pytest.mark.parametrize("kind", PkiType)
def test_a_file_that_can_not_be_read(data, code, where, kind):
    error = _refusal(data, kind)
    assert (error.code, error.where) == (code, where)
    assert isinstance(error, FormatError)
    assert _checked(data, kind)[2:] == ((), None)


def test_the_line_of_the_second_certificate():
    damaged = pem(leaf()) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    error = _refusal(damaged, PkiType.CERT)
    assert error.code == "certificate-unreadable"
    assert error.where == f"a.pem:{pem(leaf()).count(bytes([10])) + 1}"


def test_too_large():
    error = _refusal(pem(leaf()) + b" " * MAX_FILE_SIZE, PkiType.CERT)
    assert error.code == "pki-too-large"
    assert error.message == f"the file has {len(pem(leaf())) + MAX_FILE_SIZE} bytes"
    assert error.hint == "a certificate or key file ends at 65535: leave out what the peer doesn't need"
    assert _warnings(pem(leaf()).ljust(MAX_FILE_SIZE), PkiType.CERT) == []


# --- the right kind of file ---


@pytest.mark.parametrize("kind", [PkiType.CERT, PkiType.CA])
@pytest.mark.parametrize(("encoding", "where"), [(Encoding.PEM, "a.pem:1"), (Encoding.DER, "a.pem")])
def test_a_key_where_a_certificate_belongs(kind, encoding, where):
    error = _refusal(key_bytes(rsa_key(), encoding), kind)
    assert (error.code, error.where) == ("key-in-certificate-file", where)
    assert error.message == "there is a private key in the file of the certificate"
    assert error.hint == "give it on its own, as the key"


def test_a_key_beside_the_certificate():
    error = _refusal(pem(leaf()) + key_bytes(ec_key("leaf")), PkiType.CERT)
    assert error.code == "key-in-certificate-file"
    assert error.where == f"a.pem:{pem(leaf()).count(bytes([10])) + 1}"


@pytest.mark.parametrize("data", [pem(leaf()), der(leaf())], ids=["pem", "der"])
def test_a_certificate_where_a_key_belongs(data):
    error = _refusal(data, PkiType.KEY)
    assert (error.code, error.where) == ("pki-wrong-kind", "a.pem")
    assert error.hint == "name the file of the private key here"


def test_a_certificate_beside_the_key():
    (found,) = _warnings(key_bytes(ec_key("leaf")) + pem(leaf()), PkiType.KEY)
    assert found.code == "pki-unused-content"
    assert "also holds CERTIFICATE" in found.message


def test_parameters_beside_an_ec_key():
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert _warnings(parameters + key_bytes(ec_key("leaf")), PkiType.KEY) == []


def test_an_encrypted_key():
    error = _refusal(key_bytes(ec_key("leaf"), form=PrivateFormat.PKCS8, password=b"secret"), PkiType.KEY)
    assert (error.code, error.where) == ("key-encrypted", "a.pem:1")
    assert "passphrase" in error.hint


# --- keys ---


@pytest.mark.parametrize("key", [rsa_key, lambda: ec_key("leaf"), lambda: ec.generate_private_key(ec.SECP384R1())])
def test_keys_that_the_firmware_knows(key):
    key = key()
    assert _warnings(key_bytes(key), PkiType.KEY) == []
    assert _warnings(pem(certificate("Module", key)), PkiType.CERT) == []


@pytest.mark.parametrize(
    ("key", "kind"), [(ed25519.Ed25519PrivateKey.generate, "Ed25519"), (dsa_key, "DSA")], ids=["ed25519", "dsa"]
)
def test_keys_that_the_firmware_does_not_know(key, kind):
    key = key()
    for data, type_, what in (
        (key_bytes(key, form=PrivateFormat.PKCS8), PkiType.KEY, "the private key"),
        (pem(certificate("Module", key)), PkiType.CERT, "certificate CN=Module"),
    ):
        error = _refusal(data, type_)
        assert error.code == "key-type"
        assert error.message == f"{what} has a key that the firmware's TLS doesn't know: {kind}"
        assert error.hint == "take an RSA key, or an EC key on secp256r1 (prime256v1)"


def test_small_rsa_keys():
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is what is tested
    (found,) = _warnings(key_bytes(key), PkiType.KEY)
    assert (found.code, found.facts) == ("key-weak", {"bits": 1024})
    assert "refuse less than 2048" in found.message


def test_large_rsa_keys(monkeypatch):
    monkeypatch.setattr("platformio_esp_at.checks.certificates._RSA_MAX", 2048)
    assert _warnings(key_bytes(rsa_key()), PkiType.KEY) == []
    monkeypatch.setattr("platformio_esp_at.checks.certificates._RSA_MAX", 2047)
    (found,) = _warnings(key_bytes(rsa_key()), PkiType.KEY)
    assert (found.code, found.facts) == ("key-slow", {"bits": 2048})
    assert "slow or fails" in found.message


def test_tiny_rsa_keys(monkeypatch):
    monkeypatch.setattr("platformio_esp_at.checks.certificates._RSA_MIN", 4096)
    error = _refusal(key_bytes(rsa_key()), PkiType.KEY)
    assert (error.code, error.facts["bits"]) == ("key-too-weak", 2048)
    assert error.message == "the private key has an RSA key of 2048 bits"
    assert error.hint == "take 2048 bits or more"


def test_rsa_keys_that_mbedtls_can_not_hold():
    """`MBEDTLS_MPI_MAX_SIZE`: 8192 bits. Making such a key takes minutes, so it is a public one, of no use."""
    number = rsa.RSAPublicNumbers(65537, (1 << 8192) + 1).public_key()
    signed = certificate("Module", _PublicAlone(number), issuer="Root", issuer_key=rsa_key(), ca=True)
    error = _refusal(pem(signed), PkiType.CA)
    assert (error.code, error.facts["bits"]) == ("key-too-large", 8193)
    assert error.message == "certificate CN=Module has an RSA key of 8193 bits"
    assert error.hint == "the firmware's TLS takes up to 8192: take 2048 bits, or an EC key on secp256r1"


class _PublicAlone(NamedTuple):
    """A key whose private half nobody has."""

    public: rsa.RSAPublicKey

    def public_key(self) -> rsa.RSAPublicKey:
        return self.public


def test_a_key_for_pss_alone():
    """RFC 4055: Mbed TLS has no such keys."""
    version, _, key = tlv.read(key_bytes(rsa_key(), Encoding.DER, PrivateFormat.PKCS8)).children()
    kind = tlv.write(tlv.SEQUENCE, tlv.write(tlv.OID, bytes.fromhex("2a864886f70d01010a")))
    error = _refusal(tlv.write(tlv.SEQUENCE, version.whole, kind, key.whole), PkiType.KEY)
    assert (error.code, error.message.rpartition(" ")[2]) == ("key-type", "RSA-PSS")


def test_a_curve_without_a_name():
    """`openssl ecparam -param_enc explicit`: the curve's numbers instead of its name."""
    curve = tlv.read(_SECP256R1)
    version, secret, _, public = tlv.read(key_bytes(ec_key("leaf"), Encoding.DER)).children()
    parts = (version.whole, secret.whole, tlv.write(tlv.CONTEXT, curve.whole), public.whole)
    data = tlv.write(tlv.SEQUENCE, *parts)
    error = _refusal(data, PkiType.KEY)
    assert error.code == "key-unreadable"
    assert error.hint == (
        "its curve has no name: convert it with openssl ec -in FILE -param_enc named_curve -out PLAIN"
    )
    assert not (HAS_WHEEL and reads_key(data))


# --- pairs ---


def test_a_pair():
    assert _pair(pem(leaf()), key_bytes(ec_key("leaf"))) == []
    assert _pair(der(leaf()), key_bytes(ec_key("leaf"), Encoding.DER)) == []
    assert _pair(pem(leaf(), middle()), key_bytes(ec_key("leaf"), form=PrivateFormat.PKCS8)) == []


@pytest.mark.parametrize(
    ("key", "kind"), [(rsa_key, "RSA, 2048 bits"), (lambda: ec_key("root"), "EC secp256r1, 256 bits")]
)
def test_a_key_of_another_certificate(key, kind):
    (problem,) = _pair(pem(leaf()), key_bytes(key()))
    assert problem.code == "key-not-of-certificate"
    assert problem.message == (
        f"the private key ({kind}) is not that of the certificate CN=Module (EC secp256r1, 256 bits)"
    )
    assert problem.hint == "take the key that the certificate's request was made with"


def test_the_key_of_the_second_certificate():
    (problem,) = _pair(pem(middle(), leaf()), key_bytes(ec_key("leaf")))
    assert problem.code == "key-not-of-certificate"
    assert problem.hint == "put the certificate of this key first"


def test_a_pair_that_can_not_be_read_is_not_compared():
    """What is wrong with the file by itself is reported already."""
    assert _pair(b"", key_bytes(ec_key("leaf"))) == []
    assert _pair(pem(leaf()), b"no key") == []


def test_a_pair_is_compared_though_the_file_has_another_problem():
    chain = pem(leaf(), root())
    assert [problem.code for problem in _checked(chain, PkiType.CERT).problems] == ["chain-broken"]
    assert [problem.code for problem in _pair(chain, key_bytes(rsa_key()))] == ["key-not-of-certificate"]


# --- dates ---


@pytest.mark.parametrize(
    ("start", "end", "code", "text"),
    [
        (NOW - 2 * YEAR, NOW - YEAR, "certificate-expired", "expired on 2025-01-01"),
        (NOW + YEAR, NOW + 2 * YEAR, "certificate-not-yet-valid", "is not valid before 2027-01-01 00:00 UTC"),
        (NOW - YEAR, NOW + timedelta(days=10), "certificate-expires", "expires on 2026-01-11"),
        (NOW - YEAR, NOW, "certificate-expires", "expires on 2026-01-01"),
    ],
)
@pytest.mark.parametrize("kind", [PkiType.CA, PkiType.CERT])
def test_dates_are_warned_of(start, end, code, text, kind):
    data = pem(certificate("Module", ec_key("leaf"), start=start, end=end, ca=True))
    (found,) = _warnings(data, kind)
    assert found.code == code
    assert str(found) == f"a.pem: certificate CN=Module {text}"


@pytest.mark.parametrize(
    ("start", "end"), [(NOW, NOW + YEAR), (NOW - YEAR, NOW + timedelta(days=30))], ids=["first-second", "last-month"]
)
def test_dates_that_are_in_time(start, end):
    assert _warnings(pem(certificate("Module", ec_key("leaf"), start=start, end=end)), PkiType.CERT) == []


# --- chains ---


def test_a_chain():
    assert _warnings(pem(leaf(), middle(), root()), PkiType.CERT) == []
    assert _warnings(pem(leaf(), middle()), PkiType.CERT) == []


def test_a_chain_in_reverse():
    error = _refusal(pem(root(), middle(), leaf()), PkiType.CERT)
    assert (error.code, error.where) == ("chain-order", "a.pem")
    assert error.message == "the certificates are in the wrong order"
    assert error.hint == "put CN=Module first and each one's issuer after it"


def test_a_chain_with_a_hole():
    error = _refusal(pem(leaf(), root()), PkiType.CERT)
    assert (error.code, error.where) == ("chain-broken", "a.pem")
    assert error.message == "certificate CN=Module is issued by CN=Middle, and CN=Root is after it"
    assert error.hint == "put the module's own certificate first and each one's issuer after it"


def test_a_chain_with_an_issuer_of_the_same_name():
    impostor = certificate("Middle", ec_key("other"), ca=True)
    error = _refusal(pem(leaf(), impostor), PkiType.CERT)
    assert error.code == "chain-broken"
    assert error.message == "certificate CN=Module isn't signed by the CN=Middle after it"


def test_cas_need_no_order():
    assert _warnings(pem(root(), certificate("Other", ec_key("other"), ca=True)), PkiType.CA) == []


@pytest.mark.parametrize(
    ("ca", "why"), [(False, "is marked as not a CA"), (None, "isn't marked as a CA (BasicConstraints)")]
)
def test_a_ca_that_is_none(ca, why):
    data = pem(certificate("Module", ec_key("leaf"), ca=ca))
    (found,) = _warnings(data, PkiType.CA)
    assert found.code == "certificate-no-ca"
    assert f"certificate CN=Module is used as a CA and {why}: " in found.message
    assert _warnings(data, PkiType.CERT) == []


def test_a_chain_that_is_too_long_for_the_firmware():
    keys = [ec_key(str(number)) for number in range(17)]
    chain = [
        certificate(f"{n:02}" * 30, keys[n], issuer=f"{n + 1:02}" * 30, issuer_key=keys[n + 1], ca=True)
        for n in range(16)
    ]
    size = 7 + sum(3 + len(der(item)) for item in chain)
    (found,) = _warnings(pem(*chain), PkiType.CERT)
    assert (found.code, found.facts) == ("chain-too-long", {"size": size})
    assert f"the chain takes {size} bytes in TLS and the firmware sends 4096 in one message" in found.message
    assert found.hint == "leave out the root, or take EC keys"


@pytest.mark.parametrize(("number", "name"), [(0x04, "MD5"), (0x05, "SHA1")])
def test_a_signature_that_peers_refuse(number, name):
    """Nothing signs so any more: the kind of the signature is changed afterwards, from SHA-256."""
    signed = der(certificate("Module", ec_key("leaf"), issuer="Root", issuer_key=rsa_key()))
    old = signed.replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d0101") + bytes([number]))
    (found,) = _warnings(old, PkiType.CERT)
    assert found.code == "certificate-signature"
    assert found.message == f"certificate CN=Module is signed with {name}, which most peers refuse"
    assert _warnings(signed, PkiType.CERT) == []


# --- what they are for ---


def _usage(*names: str) -> tuple[x509.KeyUsage, bool]:
    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: name in names for name in every}), True


def _purposes(*purposes: x509.ObjectIdentifier) -> tuple[x509.ExtendedKeyUsage, bool]:
    return x509.ExtendedKeyUsage(purposes), False


def test_a_ca_that_must_not_sign():
    data = pem(certificate("Root", ec_key("root"), ca=True, extensions=[_usage("digital_signature", "crl_sign")]))
    (found,) = _warnings(data, PkiType.CA)
    assert found.code == "ca-key-usage"
    assert "certificate CN=Root is used as a CA, and its keyUsage has no keyCertSign: " in found.message
    right = pem(certificate("Root", ec_key("root"), ca=True, extensions=[_usage("key_cert_sign")]))
    assert _warnings(right, PkiType.CA) == []


@pytest.mark.parametrize("curve", [ec.SECP192R1, ec.SECP224R1, ec.SECP256K1])
def test_a_ca_on_a_small_curve(curve):
    data = pem(certificate("Root", ec.generate_private_key(curve()), ca=True))
    (found,) = _warnings(data, PkiType.CA)
    assert (found.code, found.facts) == ("key-weak", {"bits": curve.key_size})
    assert found.message.endswith(f"on {curve.name}: Mbed TLS 3.6 trusts none on it")
    file = InputFile("a.pem", HERE, data)
    assert check_pki_file(file, PkiType.CA, now=NOW, mbedtls=MbedTls(2, 28)).warnings == []
    assert _warnings(data, PkiType.CERT) == []


def _found(**files: bytes | tuple[bytes, ...]) -> list[Notice]:
    """Return what is said of the files of a project, each called after its option and its number."""
    pki = {
        name: tuple(
            InputFile(f"{name}{number}.pem", HERE, content)
            for number, content in enumerate(contents if isinstance(contents, tuple) else (contents,))
        )
        for name, contents in files.items()
    }
    return list(check_pki(Request(pki=pki), NOW))


@pytest.mark.parametrize(
    ("slot", "purposes", "has"),
    [
        ("client_cert", (ExtendedKeyUsageOID.SERVER_AUTH,), "serverAuth alone"),
        ("mqtt_cert", (ExtendedKeyUsageOID.SERVER_AUTH,), "serverAuth alone"),
        ("wpa2_cert", (ExtendedKeyUsageOID.CODE_SIGNING,), "other purposes alone"),
        ("server_cert", (ExtendedKeyUsageOID.CLIENT_AUTH,), "clientAuth alone"),
    ],
)
def test_a_certificate_for_the_other_side(slot, purposes, has):
    (found,) = _found(**{slot: pem(certificate("Module", ec_key("leaf"), extensions=[_purposes(*purposes)]))})
    assert (found.code, found.is_warning, str(found.place)) == ("certificate-purpose", True, f"{slot}0.pem")
    assert f"is for {has} (extendedKeyUsage), and is used as a " in found.message


@pytest.mark.parametrize(
    ("slot", "purposes"),
    [
        ("client_cert", (ExtendedKeyUsageOID.CLIENT_AUTH,)),
        ("client_cert", (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)),
        ("mqtt_cert", (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
        ("server_cert", (ExtendedKeyUsageOID.SERVER_AUTH,)),
        ("mqtt_ca", (ExtendedKeyUsageOID.SERVER_AUTH,)),
    ],
)
def test_a_certificate_for_its_side(slot, purposes):
    ca = slot.endswith("_ca")
    assert _found(**{slot: pem(certificate("Module", ec_key("leaf"), ca=ca, extensions=[_purposes(*purposes)]))}) == []


def test_one_key_in_two_sets():
    second = certificate("Second", ec_key("leaf"), issuer="Middle", issuer_key=ec_key("middle"))
    (found,) = _found(client_cert=(pem(leaf()), pem(second)))
    assert (found.code, found.is_warning, str(found.place)) == ("certificate-key-shared", True, "client_cert1.pem")
    assert "certificate CN=Second has the key of CN=Module in client_cert0.pem: " in found.message
    other = certificate("Second", ec_key("other"), issuer="Middle", issuer_key=ec_key("middle"))
    assert _found(client_cert=(pem(leaf()), pem(other))) == []


def test_one_certificate_in_two_sets():
    assert [found.code for found in _found(client_cert=(pem(leaf()), pem(leaf())))] == ["certificate-key-shared"]


def test_one_key_in_a_chain():
    shared = certificate("Module", ec_key("root"), issuer="Root", issuer_key=ec_key("root"))
    (found,) = _found(mqtt_cert=pem(shared, root()))
    assert found.code == "certificate-key-shared"


def test_one_intermediate_in_two_sets():
    """Two sets may have the same issuer: its key is its own."""
    second = certificate("Second", ec_key("other"), issuer="Middle", issuer_key=ec_key("middle"))
    assert _found(client_cert=(pem(leaf(), middle()), pem(second, middle()))) == []


def test_a_bundle():
    other = certificate("Other", ec_key("other"), ca=True)
    (found,) = _found(mqtt_ca=pem(root(), other))
    assert (found.code, found.is_warning, str(found.place)) == ("ca-bundle", False, "mqtt_ca0.pem")
    assert found.message == "mqtt_ca is a bundle of 2 CA certificates"
    assert found.facts["certificates"] == 2
    assert _found(mqtt_ca=pem(root())) == []
    assert _found(mqtt_cert=pem(leaf(), middle())) == []


# --- hostile bytes ---

_IN_PEM = st.builds(
    lambda data, label: f"-----BEGIN {label}-----\n{base64.encodebytes(data).decode()}-----END {label}-----\n".encode(),
    st.binary(max_size=200),
    st.sampled_from(["CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "X"]),
)


@st.composite
def _flipped(draw) -> bytes:
    whole = draw(st.sampled_from([der(leaf()), key_bytes(ec_key("leaf"), Encoding.DER)]))
    at = draw(st.integers(0, len(whole) - 1))
    return whole[:at] + bytes([draw(st.integers(0, 255))]) + whole[at + 1 :]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b"\x30" + data) | _IN_PEM | _flipped())
def test_any_bytes_are_understood_or_refused(data):
    for kind in PkiType:
        for problem in _checked(data, kind).problems:
            assert problem.facts["file"] == "a.pem"
    for problem in check_pair(_checked(data, PkiType.CERT), _checked(data, PkiType.KEY)):
        assert problem.code == "key-not-of-certificate"
