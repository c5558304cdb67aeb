"""Certificates and private keys in DER, as far as every run looks into them: without `cryptography`, which takes 40 ms.

RFC 5280, simplified::

    Certificate   SEQUENCE: TBSCertificate, signatureAlgorithm, signature BIT STRING
    TBSCertificate SEQUENCE: [0] version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo,
                   [1] and [2] unique ids, [3] extensions
    Extension     SEQUENCE: OID, critical BOOLEAN (default false), OCTET STRING

Whatever can't be read is a `ValueError` that says what it is about.
"""

from __future__ import annotations

import enum
import hashlib
from typing import NamedTuple

from platformio_esp_at.formats import der
from platformio_esp_at.formats.der import BIT_STRING, CONTEXT, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, Kind

RSA, RSA_PSS, EC = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1"
"""Types of keys; `RSA_PSS` is a type of signature, too."""

_BOOLEAN, _UTC_TIME, _GENERALIZED_TIME = 0x01, 0x17, 0x18
_UNIQUE_IDS = {0x81, 0x82, 0xA1, 0xA2}
_EXTENSIONS = CONTEXT + 3
_UNCOMPRESSED = 4


class Algorithm(NamedTuple):
    """An AlgorithmIdentifier."""

    oid: str
    parameters: bytes
    """All of the parameters' bytes; empty where there are none."""


class Extension(NamedTuple):
    """An extension of a certificate."""

    oid: str
    critical: bool
    value: bytes


class PublicKey(NamedTuple):
    """A public key: what a private key is compared with."""

    algorithm: Algorithm
    key: bytes
    """Of RSA, the modulus and the exponent in DER; of EC, the point."""

    @property
    def numbers(self) -> tuple[int, int]:
        """Modulus and exponent of an RSA key."""
        modulus, exponent = (_number(part) for part in der.read(self.key).children())
        return modulus, exponent

    @property
    def is_compressed(self) -> bool:
        """Whether it is an EC key whose point is compressed."""
        return self.algorithm.oid == EC and self.key[:1] in (b"\x02", b"\x03")


class Certificate(NamedTuple):
    """A certificate, taken apart."""

    version: int
    """1 to 3."""
    signed: bytes
    signed_algorithm: Algorithm
    """The algorithm of its signature as the signed part has it."""
    algorithm: Algorithm
    """The same, next to the signature."""
    issuer: bytes
    subject: bytes
    name_tags: frozenset[int]
    """The tags of the texts in both names."""
    public_key: PublicKey
    extensions: tuple[Extension, ...]
    signature: bytes


class PrivateKey(NamedTuple):
    """A private key, without what is secret in it."""

    kind: Kind
    version: int
    algorithm: Algorithm
    public: bytes | None
    """Of RSA, the modulus and the exponent in DER; of EC, the point. None where the file has no public half."""
    is_consistent: bool = True
    """Whether the numbers of an RSA key belong together."""


# --- certificates ---


def certificate(data: bytes) -> Certificate:
    """Return a certificate, taken apart. Raises `ValueError`."""
    if der.kind_of(data) is not Kind.CERTIFICATE:
        raise ValueError("its content is no certificate")
    signed, algorithm, signature = der.read(data).children()
    fields = list(signed.children())
    version = 1
    if fields[0].tag == CONTEXT:
        version = _number(der.read(fields.pop(0).content)) + 1
    if [field.tag for field in fields[:6]] != [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]:
        raise ValueError("its fields are not those of a certificate")
    _, signed_algorithm, issuer, validity, subject, key = fields[:6]
    if not all(time.tag in (_UTC_TIME, _GENERALIZED_TIME) for time in validity.children()):
        raise ValueError("its dates can't be read")
    extensions = [field for field in fields[6:] if field.tag not in _UNIQUE_IDS]
    if [field.tag for field in extensions] not in ([], [_EXTENSIONS]):
        raise ValueError("there are fields after its public key that no certificate has")
    return Certificate(
        version,
        signed.whole,
        _algorithm(signed_algorithm),
        _algorithm(algorithm),
        issuer.whole,
        subject.whole,
        frozenset(tag for name in (issuer, subject) for tag in _name_tags(name)),
        _public_key(key),
        tuple(_extension(each) for field in extensions for each in der.read(field.content).children()),
        signature.content[1:],
    )


def _algorithm(element: der.Element) -> Algorithm:
    parts = element.children()
    if not parts or parts[0].tag != OID or len(parts) > 2:
        raise ValueError("an algorithm in it can't be read")
    return Algorithm(oid_text(parts[0].content), parts[1].whole if len(parts) > 1 else b"")


def _public_key(element: der.Element) -> PublicKey:
    algorithm, bits = element.children()
    if bits.tag != BIT_STRING or bits.content[:1] != b"\0":
        raise ValueError("its public key can't be read")
    return PublicKey(_algorithm(algorithm), bits.content[1:])


def _extension(element: der.Element) -> Extension:
    parts = element.children()
    tags = [part.tag for part in parts]
    if tags == [OID, _BOOLEAN, OCTET_STRING]:
        return Extension(oid_text(parts[0].content), any(parts[1].content), parts[2].content)
    if tags == [OID, OCTET_STRING]:
        return Extension(oid_text(parts[0].content), critical=False, value=parts[1].content)
    raise ValueError("an extension can't be read")


def _name_tags(name: der.Element) -> list[int]:
    tags = []
    for attributes in name.children():
        for attribute in attributes.children() if attributes.tag == SET else ():
            oid, text = attribute.children()
            if oid.tag == OID:
                tags.append(text.tag)
    return tags


def oid_text(content: bytes) -> str:
    """Return an object identifier in the usual form, such as ``2.5.29.15``."""
    numbers, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        raise ValueError("an object identifier in it is empty")
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))


def _number(element: der.Element) -> int:
    if element.tag != INTEGER or not element.content:
        raise ValueError("a number in it can't be read")
    return int.from_bytes(element.content, "big", signed=True)


# --- private keys ---


def private_key(data: bytes) -> PrivateKey:
    """Return a private key without its secret. Raises `ValueError`."""
    kind = der.kind_of(data)
    parts = der.read(data).children() if kind else ()
    if kind is Kind.PKCS1:
        return _rsa_key(parts)
    if kind is Kind.SEC1:
        return _ec_key(parts, None)
    if kind is Kind.PKCS8 and len(parts) >= 3 and parts[2].tag == OCTET_STRING:
        algorithm, inner = _algorithm(parts[1]), parts[2].content
        if algorithm.oid == RSA:
            found = _rsa_key(der.read(inner).children())
        elif algorithm.oid == EC:
            found = _ec_key(der.read(inner).children(), algorithm)
        else:
            found = PrivateKey(Kind.PKCS8, 0, algorithm, None)
        return found._replace(kind=Kind.PKCS8, version=_number(parts[0]))
    raise ValueError("its content is no private key")


def _rsa_key(parts: tuple[der.Element, ...]) -> PrivateKey:
    if len(parts) < 9:
        raise ValueError("numbers of the RSA key are missing")
    version, n, e, d, p, q, dp, dq, qp = (_number(part) for part in parts[:9])
    fits = p > 1 and q > 1 and n == p * q and (dp, dq) == (d % (p - 1), d % (q - 1)) and qp * q % p == 1
    fits = fits and e * dp % (p - 1) == 1 and e * dq % (q - 1) == 1
    public = der.write(SEQUENCE, parts[1].whole, parts[2].whole)
    return PrivateKey(Kind.PKCS1, version, Algorithm(RSA, b"\x05\0"), public, is_consistent=fits)


def _ec_key(parts: tuple[der.Element, ...], algorithm: Algorithm | None) -> PrivateKey:
    if len(parts) < 2 or parts[1].tag != OCTET_STRING:
        raise ValueError("the EC key can't be read")
    by_tag = {part.tag: part.content for part in parts[2:]}
    curve = by_tag.get(CONTEXT, b"")
    point = der.read(by_tag[CONTEXT + 1]).content[1:] if CONTEXT + 1 in by_tag else None
    return PrivateKey(Kind.SEC1, _number(parts[0]), algorithm or Algorithm(EC, curve), point)


def pkcs8_version_1(data: bytes) -> bytes:
    """Return a PKCS#8 key of version 2 (RFC 5958, with the public key) as version 1, which Mbed TLS reads."""
    _, algorithm, key, *_ = der.read(data).children()
    return der.write(SEQUENCE, der.write(INTEGER, b"\0"), algorithm.whole, key.whole)


# --- signatures ---

# Beyond them, a damaged number would take minutes.
_MAX_RSA_BITS, _MAX_EXPONENT_BITS = 0x4000, 64

_RSA_HASHES = {
    "1.2.840.113549.1.1.4": "md5",
    "1.2.840.113549.1.1.5": "sha1",
    "1.2.840.113549.1.1.14": "sha224",
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
}


class Signature(enum.Enum):
    """What a signature says about a certificate and a key."""

    VALID = enum.auto()
    DAMAGED = enum.auto()
    """The key signed other content: the certificate is not what it was."""
    OTHER = enum.auto()
    """Another key made it, or it is damaged itself."""
    UNKNOWN = enum.auto()
    """It is not one of RSA with PKCS#1 v1.5."""


def signed_by(item: Certificate, key: PublicKey) -> Signature:
    """Return what the signature of a certificate says about ``key``. Source: RFC 8017, 8.2.2."""
    name = _RSA_HASHES.get(item.algorithm.oid)
    if name is None or key.algorithm.oid != RSA:
        return Signature.UNKNOWN
    try:
        modulus, exponent = key.numbers
    except ValueError:
        return Signature.OTHER
    if not (0 < modulus.bit_length() <= _MAX_RSA_BITS and 0 < exponent.bit_length() <= _MAX_EXPONENT_BITS):
        return Signature.OTHER
    size = (modulus.bit_length() + 7) // 8
    block = pow(int.from_bytes(item.signature, "big"), exponent, modulus).to_bytes(size, "big")
    padding, _, digest = block[2:].partition(b"\0")
    if block[:2] != b"\0\1" or len(padding) < 8 or padding.strip(b"\xff"):
        return Signature.OTHER
    fits = digest.endswith(hashlib.new(name, item.signed, usedforsecurity=False).digest())
    return Signature.VALID if fits else Signature.DAMAGED
