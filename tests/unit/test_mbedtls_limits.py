"""What Mbed TLS refuses in certificates and keys: compared with Mbed TLS 2.28 itself, certificate by certificate."""

from __future__ import annotations

import functools

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from oracle import needs_mbedtls, reads_certificate, reads_key
from x509_files import NOW, certificate, der, dsa_key, ec_key, key_bytes, leaf, middle, name_of, pem, root, rsa_key

from platformio_esp_at.catalog.mbedtls import MbedTls
from platformio_esp_at.checks.certificates import check_pki_file
from platformio_esp_at.errors import Place
from platformio_esp_at.formats.pki import PkiType
from platformio_esp_at.request.values import InputFile

ORACLE = MbedTls(2, 28, 8)
OLD, NEW = MbedTls(2, 16, 9), MbedTls(3, 6, 5)
SKI = x509.SubjectKeyIdentifier(b"12345678901234567890")
AKI = x509.AuthorityKeyIdentifier(b"12345678901234567890", None, None)
ANY_POLICY = x509.PolicyInformation(ObjectIdentifier("2.5.29.32.0"), None)
SOME_POLICY = x509.PolicyInformation(ObjectIdentifier("1.2.3.4"), ["https://example.com/policy"])
NO_USAGE = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)
CONSTRAINTS = x509.NameConstraints([x509.DNSName("example.com")], None)
UNKNOWN = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\0")


def _codes(data: bytes, kind: PkiType = PkiType.CERT, version: MbedTls = ORACLE) -> list[str]:
    checked = check_pki_file(
        InputFile("a.pem", Place.at(file="esp_at.yml", line=3), data), kind, now=NOW, mbedtls=version
    )
    return [problem.code for problem in checked.problems]


def _with(*extensions, critical=True, **more) -> x509.Certificate:
    return certificate("Module", ec_key("leaf"), extensions=[(each, critical) for each in extensions], **more)


# --- extensions ---

READ = {
    "no extensions": lambda: certificate("Module", ec_key("leaf")),
    "basicConstraints": lambda: certificate("Root", ec_key("root"), ca=True),
    "path length": lambda: _with(x509.BasicConstraints(ca=True, path_length=3)),
    "keyUsage": lambda: _with(x509.KeyUsage(**{**NO_USAGE, "digital_signature": True})),
    "two bytes of keyUsage": lambda: _with(x509.KeyUsage(**{**NO_USAGE, "key_agreement": True, "decipher_only": True})),
    "extendedKeyUsage": lambda: _with(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
    "subjectAltName": lambda: _with(
        x509.SubjectAlternativeName([x509.DNSName("example.com"), x509.UniformResourceIdentifier("urn:example:1")])
    ),
    "name of Microsoft": lambda: _with(
        x509.SubjectAlternativeName([x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a")])
    ),
    "e-mail and directory name": lambda: _with(
        x509.SubjectAlternativeName([x509.RFC822Name("a@example.com"), x509.DirectoryName(name_of("Other"))]),
        critical=False,
    ),
    "any policy": lambda: _with(x509.CertificatePolicies([ANY_POLICY])),
    "some policy": lambda: _with(x509.CertificatePolicies([SOME_POLICY]), critical=False),
    "key identifiers": lambda: _with(SKI, AKI, critical=False),
    "issuer and number": lambda: _with(
        x509.AuthorityKeyIdentifier(b"1234", [x509.DirectoryName(name_of("Other"))], 7), critical=False
    ),
    "name constraints": lambda: _with(CONSTRAINTS, critical=False),
    "policy constraints": lambda: _with(x509.PolicyConstraints(0, None), critical=False),
    "unknown": lambda: _with(UNKNOWN, critical=False),
    "access": lambda: _with(
        x509.AuthorityInformationAccess(
            [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://a"))]
        ),
        critical=False,
    ),
    "must-staple": lambda: _with(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False),
    "poison": lambda: _with(x509.PrecertPoison(), critical=False),
}
REFUSED = {
    "name constraints": (lambda: _with(CONSTRAINTS), "nameConstraints (2.5.29.30)"),
    "policy constraints": (lambda: _with(x509.PolicyConstraints(0, None)), "policyConstraints (2.5.29.36)"),
    "inhibit any policy": (lambda: _with(x509.InhibitAnyPolicy(0)), "inhibitAnyPolicy (2.5.29.54)"),
    "some policy": (lambda: _with(x509.CertificatePolicies([SOME_POLICY])), "certificatePolicies (2.5.29.32)"),
    "any and some policy": (
        lambda: _with(x509.CertificatePolicies([ANY_POLICY, SOME_POLICY])),
        "certificatePolicies (2.5.29.32)",
    ),
    "subject key": (lambda: _with(SKI), "subjectKeyIdentifier (2.5.29.14)"),
    "authority key": (lambda: _with(AKI), "authorityKeyIdentifier (2.5.29.35)"),
    "must-staple": (
        lambda: _with(x509.TLSFeature([x509.TLSFeatureType.status_request])),
        "TLS feature (must-staple) (1.3.6.1.5.5.7.1.24)",
    ),
    "poison": (lambda: _with(x509.PrecertPoison()), "precertificate poison (1.3.6.1.4.1.11129.2.4.3)"),
    "other name": (
        lambda: _with(x509.IssuerAlternativeName([x509.DNSName("a")])),
        "issuerAltName (2.5.29.18)",
    ),
    "unknown": (lambda: _with(UNKNOWN), "1.2.3.4.5"),
}


@pytest.mark.parametrize("make", READ.values(), ids=READ)
def test_extensions_that_mbedtls_reads(make):
    assert _codes(pem(make())) == []


@pytest.mark.parametrize(("make", "name"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("kind", [PkiType.CERT, PkiType.CA])
def test_critical_extensions_that_mbedtls_does_not_know(make, name, kind):
    file = InputFile("a.pem", Place.at(file="esp_at.yml", line=3), pem(make()))
    (problem,) = check_pki_file(file, kind, now=NOW, mbedtls=ORACLE).problems
    assert (problem.code, problem.where) == ("certificate-extension", "a.pem")
    assert problem.message == (
        f"certificate CN=Module has the critical extension {name}, which Mbed TLS 2.28 in the firmware doesn't know"
    )
    assert problem.hint.startswith("let the CA issue the certificate without this extension")


@pytest.mark.parametrize(
    ("extension", "old", "oracle", "new"),
    [
        (x509.CertificatePolicies([ANY_POLICY]), False, True, True),
        (x509.CertificatePolicies([SOME_POLICY]), False, False, False),
        (SKI, False, False, True),
        (AKI, False, False, True),
        (CONSTRAINTS, False, False, False),
    ],
    ids=["any-policy", "some-policy", "subject-key", "authority-key", "constraints"],
)
def test_what_differs_by_version(extension, old, oracle, new):
    data = pem(_with(extension))
    assert [_codes(data, version=version) == [] for version in (OLD, ORACLE, NEW)] == [old, oracle, new]


DAMAGED = {
    "no policies": ("2.5.29.32", "3000"),
    "a path length above INT_MAX": ("2.5.29.19", "30090101ff02047fffffff"),
    "a longer path length": ("2.5.29.19", "300a0101ff02057fffffffff"),
    "two bytes of certificate type": ("2.16.840.1.113730.1.1", "0303058080"),
    "no certificate type": ("2.16.840.1.113730.1.1", "030100"),
    "another certificate type": ("2.16.840.1.113730.1.1", "0500"),
    "an empty use": ("2.5.29.37", "3000"),
    "no use": ("2.5.29.15", "030100"),
    "a use that is no bits": ("2.5.29.15", "04020700"),
    "constraints that are cut": ("2.5.29.19", "30030101"),
    "a name of no type": ("2.5.29.17", "3003020101"),
}
SOUND = {
    "certificate type": ("2.16.840.1.113730.1.1", "03020580"),
    "a long path": ("2.5.29.19", "30090101ff02047ffffffe"),
    "no CA": ("2.5.29.19", "3000"),
}


def _raw(oid: str, value: str) -> x509.Certificate:
    return _with(x509.UnrecognizedExtension(ObjectIdentifier(oid), bytes.fromhex(value)), critical=False)


@pytest.mark.parametrize(("oid", "value"), DAMAGED.values(), ids=DAMAGED)
def test_extensions_with_a_content_that_mbedtls_minds(oid, value):
    assert _codes(pem(_raw(oid, value))) == ["certificate-unreadable"]


def test_what_other_versions_do_not_mind():
    assert _codes(pem(_raw(*DAMAGED["no policies"])), version=OLD) == []
    assert _codes(pem(_raw(*DAMAGED["no use"])), version=NEW) == []


# --- signatures, names, keys ---


def _pss(hash_, mask=None, salt=20):
    return certificate("Module", rsa_key(), algorithm=hash_, padding=padding.PSS(padding.MGF1(mask or hash_), salt))


def _signed_with(oid: str) -> x509.Certificate:
    """Return a certificate whose signature claims another algorithm, in both places."""
    old = bytes.fromhex("06082a8648ce3d040302")
    new = x509.load_der_x509_certificate(der(leaf()).replace(old, old[:-1] + bytes.fromhex(oid)))
    assert der(new) != der(leaf())
    return new


SIGNATURES = {
    "SHA-224": (lambda: certificate("M", rsa_key(), algorithm=hashes.SHA224()), True),
    "SHA-384": (lambda: certificate("M", rsa_key(), algorithm=hashes.SHA384()), True),
    "SHA-512": (lambda: certificate("M", ec_key("leaf"), algorithm=hashes.SHA512()), True),
    "PSS with SHA-256": (lambda: _pss(hashes.SHA256(), salt=32), True),
    "PSS with two hashes": (lambda: _pss(hashes.SHA256(), hashes.SHA512()), True),
    "PSS with SHA-512": (lambda: _pss(hashes.SHA512(), salt=64), True),
    "PSS with SHA3": (lambda: _pss(hashes.SHA3_256(), salt=32), False),
    "SHA3-224": (lambda: certificate("M", rsa_key(), algorithm=hashes.SHA3_224()), False),
    "SHA3-256": (lambda: certificate("M", rsa_key(), algorithm=hashes.SHA3_256()), False),
    "SHA3-384": (lambda: certificate("M", ec_key("leaf"), algorithm=hashes.SHA3_384()), False),
    "SHA3-512": (lambda: certificate("M", ec_key("leaf"), algorithm=hashes.SHA3_512()), False),
    "Ed25519": (
        lambda: certificate("M", ec_key("leaf"), issuer="Root", issuer_key=ed25519.Ed25519PrivateKey.generate()),
        False,
    ),
    "DSA": (
        lambda: certificate("M", ec_key("leaf"), issuer="R", issuer_key=dsa_key(), algorithm=hashes.SHA256()),
        False,
    ),
    "ECDSA with SHA-1": (lambda: _signed_with("01"), None),
}


@pytest.mark.parametrize(("make", "reads"), SIGNATURES.values(), ids=SIGNATURES)
def test_signatures(make, reads):
    expected = [] if reads is not False else ["certificate-signature-type"]
    assert _codes(pem(make())) == expected


def test_the_signature_is_named():
    checked = check_pki_file(
        InputFile("a.pem", Place(), pem(SIGNATURES["SHA3-256"][0]())), PkiType.CA, now=NOW, mbedtls=ORACLE
    )
    assert checked.problems[0].message == (
        "certificate CN=M is signed with RSA with SHA3-256, which the firmware's TLS doesn't know"
    )
    assert checked.problems[0].hint == "let the CA sign it with RSA or ECDSA and SHA-256"


def _numeric_name() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "123", x509.name._ASN1Type.NumericString)])
    return certificate(name, ec_key("leaf"))


def _compressed() -> x509.Certificate:
    """Return a certificate whose point is compressed: its signature no longer fits, which reading doesn't mind."""
    from platformio_esp_at.formats import der as tlv  # noqa: PLC0415 - `der` is that of x509_files here

    signed, algorithm, signature = tlv.read(der(leaf())).children()
    fields = list(signed.children())
    kind, point = fields[6].children()
    short = bytes([0, 2 + point.content[-1] % 2]) + point.content[2:34]
    fields[6] = tlv.read(tlv.write(tlv.SEQUENCE, kind.whole, tlv.write(tlv.BIT_STRING, short)))
    tbs = tlv.write(tlv.SEQUENCE, *(field.whole for field in fields))
    return x509.load_der_x509_certificate(tlv.write(tlv.SEQUENCE, tbs, algorithm.whole, signature.whole))


def test_a_name_in_a_text_type_that_mbedtls_does_not_know():
    assert _codes(pem(_numeric_name())) == ["certificate-unreadable"]


def test_a_compressed_point():
    data = pem(_compressed())
    assert [_codes(data, version=version) for version in (OLD, ORACLE, NEW)] == [
        ["certificate-unreadable"],
        ["certificate-unreadable"],
        [],
    ]


KEYS = {
    "secp192r1": lambda: ec.generate_private_key(ec.SECP192R1()),
    "secp224r1": lambda: ec.generate_private_key(ec.SECP224R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "secp384r1": lambda: ec.generate_private_key(ec.SECP384R1()),
    "secp521r1": lambda: ec.generate_private_key(ec.SECP521R1()),
    "brainpoolP256r1": lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
    "brainpoolP384r1": lambda: ec.generate_private_key(ec.BrainpoolP384R1()),
    "brainpoolP512r1": lambda: ec.generate_private_key(ec.BrainpoolP512R1()),
    "rsa 1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - that is what is tested
    "rsa 2048, exponent 3": lambda: rsa.generate_private_key(3, 2048),
    "rsa 3072": lambda: rsa.generate_private_key(65537, 3072),
}
OTHER_KEYS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "x25519": x25519.X25519PrivateKey.generate,
    "dsa": dsa_key,
}


@needs_mbedtls
@pytest.mark.parametrize("make", KEYS.values(), ids=KEYS)
def test_keys_that_mbedtls_reads(make):
    key = make()
    for data in (pem(certificate("Module", key)), der(certificate("Module", key))):
        assert _codes(data) == []
        assert reads_certificate(data) == der(x509.load_pem_x509_certificate(data)) if data[:1] == b"-" else data
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        for encoding in (Encoding.PEM, Encoding.DER):
            data = key_bytes(key, encoding, form)
            assert _codes(data, PkiType.KEY) == []
            assert reads_key(data)


@needs_mbedtls
@pytest.mark.parametrize("make", OTHER_KEYS.values(), ids=OTHER_KEYS)
def test_keys_that_mbedtls_does_not_read(make):
    data = key_bytes(make(), form=PrivateFormat.PKCS8)
    assert _codes(data, PkiType.KEY) == ["key-type"]
    assert not reads_key(data)


# --- the oracle ---

ALL = {
    **{f"read: {name}": make for name, make in READ.items()},
    **{f"refused: {name}": make for name, (make, _) in REFUSED.items()},
    **{f"signature: {name}": make for name, (make, _) in SIGNATURES.items()},
    **{f"damaged: {name}": functools.partial(_raw, *row) for name, row in DAMAGED.items()},
    **{f"sound: {name}": functools.partial(_raw, *row) for name, row in SOUND.items()},
    "leaf": leaf,
    "middle": middle,
    "root": root,
    "numeric name": _numeric_name,
    "compressed": _compressed,
}


@needs_mbedtls
@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_mbedtls_agrees(make):
    """What is let through it reads, and what is refused here it refuses, too."""
    whole = make()
    for data in (pem(whole), der(whole)):
        read = reads_certificate(data)
        assert (read == der(whole)) == (_codes(data) == [])
