"""Certificates and keys for tests, all made here; in a run, one name always gives the same key."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
YEAR = timedelta(days=365)

# Parameters of 1024 bits, which take long to make.
_DSA_P = int(
    "d23bb1b50525d3fd35bad4cd249709e4fe4da7e3975390ee9ef9cde70186b883750f70213b6887ad31ead187e73bd83e06cd"
    "94fafb5c5f031a5dd94c01c21050cea2c784f78656f5308a50669bff883812388ea49de6d5f8a81b946d0fc2b7876c6bc226"
    "3ebb6745f9bf99bb34b19719d4e5623100dfb99745a99b1613cd69db",
    16,
)
_DSA_Q = int("be9da2f92b2b7afebf0d6a32c084d9b538fa11c1", 16)
_DSA_G = int(
    "9c2ef6eef0ceb476e482d4794c78ba5041d36fd7dc38c0d5dae750482b9c1f975d2826175e3cd0c8bea4bbc491f2d1312ac3"
    "ff2c9b5ef6f534b1c716bcaa9afa2b24f373543220ae9efa4d1290734af64478da69b87bed26e9104aabb47b6ff75a16e040"
    "61f8a71e451e9c4377ee6943023704d894637502e52cac4186c2b7e1",
    16,
)


@functools.cache
def ec_key(name: str):
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


def dsa_key():
    return dsa.DSAParameterNumbers(p=_DSA_P, q=_DSA_Q, g=_DSA_G).parameters().generate_private_key()


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(
    subject,
    key,
    *,
    issuer=None,
    issuer_key=None,
    start=NOW - YEAR,
    end=NOW + YEAR,
    ca=None,
    algorithm=None,
    extensions=(),
    padding=None,
) -> x509.Certificate:
    """Return a certificate; ``extensions`` are pairs of an extension and whether it is critical."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject if isinstance(subject, x509.Name) else name_of(subject))
        .issuer_name(name_of(issuer) if issuer else subject if isinstance(subject, x509.Name) else name_of(subject))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    if algorithm is None and not isinstance(issuer_key or key, ed25519.Ed25519PrivateKey):
        algorithm = hashes.SHA256()
    return builder.sign(issuer_key or key, algorithm, rsa_padding=padding)


@functools.cache
def root() -> x509.Certificate:
    return certificate("Root", ec_key("root"), ca=True)


@functools.cache
def middle() -> x509.Certificate:
    return certificate("Middle", ec_key("middle"), issuer="Root", issuer_key=ec_key("root"), ca=True)


@functools.cache
def leaf() -> x509.Certificate:
    return certificate("Module", ec_key("leaf"), issuer="Middle", issuer_key=ec_key("middle"), ca=False)


def pem(*items: x509.Certificate) -> bytes:
    return b"".join(item.public_bytes(Encoding.PEM) for item in items)


def der(item: x509.Certificate) -> bytes:
    return item.public_bytes(Encoding.DER)


def key_bytes(key, encoding=Encoding.PEM, form=PrivateFormat.TraditionalOpenSSL, password=None) -> bytes:
    return key.private_bytes(encoding, form, BestAvailableEncryption(password) if password else NoEncryption())
