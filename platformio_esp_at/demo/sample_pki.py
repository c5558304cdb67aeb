"""Certificates and keys of the sample package: of the right form, the same in every run, and good for nothing.

One RSA key serves all, and its primes are known to everybody.
"""

from __future__ import annotations

import functools
import hashlib

from platformio_esp_at.formats import der, pem
from platformio_esp_at.formats.der import BIT_STRING, CONTEXT, INTEGER, OID, SEQUENCE, SET
from platformio_esp_at.formats.pki import PkiType

_P, _Q = 2**1024 - 105, 2**1024 - 179
_E = 65537
_D = pow(_E, -1, (_P - 1) * (_Q - 1))
_NULL, _BOOLEAN, _OCTETS, _UTF8, _UTC_TIME = 0x05, 0x01, 0x04, 0x0C, 0x17
_RSA, _SHA256_WITH_RSA = (bytes.fromhex("2a864886f70d0101" + last) for last in ("01", "0b"))
_COMMON_NAME, _BASIC_CONSTRAINTS = bytes.fromhex("550403"), bytes.fromhex("551d13")
# DigestInfo of SHA-256: RFC 8017, 9.2.
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


@functools.cache
def sample_pki(role: str, kind: PkiType) -> bytes:
    """Return the PEM file of a role (``client``) and kind, with its name in front."""
    content = _key() if kind is PkiType.KEY else _certificate(f"Sample {role}", is_ca=kind is PkiType.CA)
    label = pem.PKCS1 if kind is PkiType.KEY else pem.CERTIFICATE
    return f"NOT/A/REAL/{role}/{kind.name.lower()}\n".encode() + pem.write(label, content)


def _key() -> bytes:
    numbers = (0, _P * _Q, _E, _D, _P, _Q, _D % (_P - 1), _D % (_Q - 1), pow(_Q, -1, _P))
    return der.write(SEQUENCE, *map(_number, numbers))


def _certificate(subject: str, *, is_ca: bool) -> bytes:
    """Return a certificate that the CA of its role signed; the CA is self-signed."""
    algorithm = _algorithm(_SHA256_WITH_RSA)
    name, issuer = (
        der.write(SEQUENCE, der.write(SET, der.write(SEQUENCE, der.write(OID, _COMMON_NAME), der.write(_UTF8, text))))
        for text in (f"{subject}{' CA' * is_ca}".encode(), f"{subject} CA".encode())
    )
    validity = der.write(SEQUENCE, *(der.write(_UTC_TIME, year + b"0101000000Z") for year in (b"20", b"49")))
    public = der.write(SEQUENCE, _number(_P * _Q), _number(_E))
    key = der.write(SEQUENCE, _algorithm(_RSA), der.write(BIT_STRING, b"\0", public))
    constraints = der.write(SEQUENCE, der.write(_BOOLEAN, b"\xff") if is_ca else b"")
    extension = der.write(SEQUENCE, der.write(OID, _BASIC_CONSTRAINTS), der.write(_OCTETS, constraints))
    signed = der.write(
        SEQUENCE,
        der.write(CONTEXT, _number(2)),
        _number(1 + is_ca),
        algorithm,
        issuer,
        validity,
        name,
        key,
        der.write(CONTEXT + 3, der.write(SEQUENCE, extension)),
    )
    return der.write(SEQUENCE, signed, algorithm, der.write(BIT_STRING, b"\0", _signature(signed)))


def _signature(signed: bytes) -> bytes:
    size = ((_P * _Q).bit_length() + 7) // 8
    digest = _DIGEST_INFO + hashlib.sha256(signed).digest()
    block = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    return pow(int.from_bytes(block, "big"), _D, _P * _Q).to_bytes(size, "big")


def _algorithm(oid: bytes) -> bytes:
    return der.write(SEQUENCE, der.write(OID, oid), der.write(_NULL))


def _number(value: int) -> bytes:
    return der.write(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
