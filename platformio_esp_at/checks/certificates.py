"""Certificates and private keys, PEM or DER: what they are, and whether the firmware's TLS can work with them.

The firmware takes the files as they are and reads them with Mbed TLS, so what counts is what that understands: the PEM
labels of its ``pkparse.c`` and ``x509_crt.c``, the key types of its ``pk.h`` (RSA and elliptic curves; no Ed25519, no
DSA), the curves of ESP-IDF's ``components/mbedtls/Kconfig``. A private key is looked at and forgotten: nothing here
keeps or prints more than its kind and the fingerprint of its public half. The time is an argument: there is no clock.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import warnings
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from platformio_esp_at.errors import EspAtError, FormatError, located
from platformio_esp_at.formats.pki import PkiType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

MAX_FILE_SIZE = 0xFFFF
"""The length field of an item in a PKI container (`formats.pki`) counts so many bytes."""

_MAX_PRINTED = 80
_CERTIFICATE = "CERTIFICATE"
_PRIVATE_KEYS = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}
"""The PEM labels of keys that Mbed TLS reads."""
_PARAMETERS = {"EC PARAMETERS", "DH PARAMETERS"}
_LABEL_HINTS = {
    "ENCRYPTED PRIVATE KEY": "the module can't ask for a passphrase: decrypt it with openssl pkey -in FILE -out PLAIN",
    "OPENSSH PRIVATE KEY": "convert a copy: ssh-keygen -p -m pkcs8 -N '' -f COPY",
    "DSA PRIVATE KEY": "Mbed TLS has no DSA: take an RSA or EC key",
    "PUBLIC KEY": "a public key is neither a certificate nor a private key",
    "CERTIFICATE REQUEST": "give the certificate that the CA made of this request",
    "NEW CERTIFICATE REQUEST": "give the certificate that the CA made of this request",
    "TRUSTED CERTIFICATE": "convert it: openssl x509 -in FILE -out PLAIN",
    "X509 CERTIFICATE": "convert it: openssl x509 -in FILE -out PLAIN",
    "PKCS7": "convert it: openssl pkcs7 -print_certs -in FILE -out PLAIN",
}
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #.]{1,40})-----")

# ESP-IDF components/mbedtls/Kconfig, MBEDTLS_ECP_DP_*_ENABLED.
_CURVES = {
    *("secp192r1", "secp224r1", "secp256r1", "secp384r1", "secp521r1"),
    *("secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"),
}
# Mbed TLS x509_crt.c: mbedtls_x509_crt_profile_default has rsa_min_bitlen 2048. The CA of WPA Enterprise that ESP-AT up
# to v5.0.1.0 comes with (wpa2_ca.pem) has 1024.
_RSA_MIN, _RSA_DEFAULT_MIN = 1024, 2048
# SOC_RSA_MAX_BIT_LEN of the ESP32; others fall back to software (MBEDTLS_LARGE_KEY_SOFTWARE_MPI), which takes seconds.
_RSA_MAX = 4096
# MBEDTLS_SSL_OUT_CONTENT_LEN, which ESP-AT leaves at ESP-IDF's default (its ESP8266 sdkconfig.defaults say the same). A
# Certificate message is 7 bytes and, for each certificate, 3 bytes and its DER (RFC 5246, 7.4.2).
_TLS_OUT_MAX = 4096
_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key, private or public, without its secret."""

    kind: str
    """``RSA``, ``EC secp256r1``, ``Ed25519``…"""
    bits: int
    fingerprint: str
    """SHA-256 of the public half (SubjectPublicKeyInfo), the same for a certificate and its key."""

    def __str__(self) -> str:
        return f"{self.kind}, {self.bits} bits"


@dataclass(frozen=True, slots=True)
class CertificateInfo:
    """A certificate."""

    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    sha256: str
    """Fingerprint of the whole certificate."""
    key: KeyInfo
    is_ca: bool | None
    """What BasicConstraints says; None where it is missing."""
    signature_hash: str | None
    """``sha256``; None where the signature has none, or is of an unknown kind."""
    der: bytes = field(repr=False)

    @property
    def self_signed(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.subject == self.issuer


@dataclass(frozen=True, slots=True)
class _Block:
    label: str
    der: bytes = field(repr=False)
    line: int | None = None
    encrypted: bool = False

    @property
    def where(self) -> str | None:
        return str(self.line) if self.line else None


# --- reading ---


def parse_certificates(data: bytes) -> tuple[CertificateInfo, ...]:
    """Return the certificates of a PEM or DER file, in their order.

    Raises `FormatError`, naming the line, for a file without certificates and for a damaged one.
    """
    blocks = [block for block in _blocks(data) if block.label == _CERTIFICATE]
    if not blocks:
        raise _wrong_kind(data, "certificate")
    return tuple(_certificate(block) for block in blocks)


def parse_private_key(data: bytes) -> KeyInfo:
    """Return what there is to say about the one private key of a PEM or DER file.

    Raises `FormatError` for a file without a key or with several, for a damaged one and for an encrypted one.
    """
    blocks = _blocks(data)
    for block in blocks:
        if block.encrypted:
            hint = _LABEL_HINTS["ENCRYPTED PRIVATE KEY"]
            raise FormatError("the private key is encrypted", where=block.where, hint=hint)
    keys = [block for block in blocks if block.label in _PRIVATE_KEYS]
    if not keys:
        raise _wrong_kind(data, "private key")
    if len(keys) > 1:
        raise FormatError(f"there are {len(keys)} private keys", where=keys[1].where, hint="the firmware reads one")
    return _private_key(keys[0])


def summarize(data: bytes) -> tuple[dict[str, str | int], ...]:
    """Return what is in a PEM or DER file, one dict each, without secrets; raises `FormatError` for a damaged file.

    ``kind`` is ``certificate``, ``private key`` or the PEM label of something else.
    """
    found: list[dict[str, str | int]] = []
    for block in _blocks(data):
        if block.label == _CERTIFICATE:
            info = _certificate(block)
            found.append(
                {
                    "kind": "certificate",
                    "subject": info.subject,
                    "issuer": info.issuer,
                    "not_before": info.not_before.isoformat(),
                    "not_after": info.not_after.isoformat(),
                    "key": str(info.key),
                    "sha256": info.sha256,
                    "public_key_sha256": info.key.fingerprint,
                }
            )
        elif block.encrypted:
            found.append({"kind": "private key", "key": "encrypted"})
        elif block.label in _PRIVATE_KEYS:
            key = _private_key(block)
            found.append({"kind": "private key", "key": str(key), "public_key_sha256": key.fingerprint})
        else:
            found.append({"kind": block.label.lower()})
    return tuple(found)


def _blocks(data: bytes) -> list[_Block]:
    """Return the PEM blocks of a file; a DER file is one."""
    if not data.strip():
        raise FormatError("the file is empty")
    if b"-----BEGIN" in data:
        return list(_pem_blocks(data))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"-\0-\0-\0" in data:
        raise FormatError("this is UTF-16 text", hint="save it as UTF-8 or ASCII; PowerShell's > writes UTF-16")
    if data[:1] != b"\x30":
        raise FormatError("neither PEM nor DER", hint="a PEM file has a line -----BEGIN …")
    return [_der_block(data)]


def _pem_blocks(data: bytes) -> Iterator[_Block]:
    at, line = 0, 1
    while (start := data.find(b"-----BEGIN", at)) >= 0:
        line += data.count(b"\n", at, start)
        with located(str(line)):
            begin = _BEGIN.match(data, start)
            if begin is None:
                raise FormatError("the line -----BEGIN … is damaged")
            label = begin[1].decode("ascii")
            end_line = f"-----END {label}-----".encode("ascii")
            end = data.find(end_line, begin.end())
            if end < 0:
                raise FormatError(f"the {label} has no line {end_line.decode()}", hint="the file is cut or damaged")
            yield _pem_block(label, data[begin.end() : end], line)
        line += data.count(b"\n", start, end)
        at = end


def _pem_block(label: str, body: bytes, line: int) -> _Block:
    # Headers as in RFC 1421 stand before a blank line; only old encrypted keys have them.
    if b"Proc-Type:" in body or label == "ENCRYPTED PRIVATE KEY":
        return _Block(label, b"", line, encrypted=True)
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise FormatError(f"the base64 text of the {label} is damaged") from None
    if not der:
        raise FormatError(f"the {label} is empty")
    return _Block(label, der, line)


def _der_block(data: bytes) -> _Block:
    """Return a DER file as a block, by trying what it can be."""
    try:
        _certificate(_Block(_CERTIFICATE, data))
    except FormatError as error:
        block = _Block("PRIVATE KEY", data)
        try:
            _private_key(block)
        except FormatError as key_error:
            if key_error.hint == _LABEL_HINTS["ENCRYPTED PRIVATE KEY"]:
                return _Block("ENCRYPTED PRIVATE KEY", b"", encrypted=True)
            message = f"neither a certificate nor a private key in DER ({error.message})"
            raise FormatError(message, hint="PKCS#12 files (.p12, .pfx): take them apart with openssl pkcs12") from None
        return block
    return _Block(_CERTIFICATE, data)


def _wrong_kind(data: bytes, wanted: str) -> FormatError:
    labels = list(dict.fromkeys(block.label for block in _blocks(data)))
    hint = next((_LABEL_HINTS[label] for label in labels if label in _LABEL_HINTS), None)
    if hint is None and labels:
        hint = f"this is the {wanted}'s place"
    return FormatError(f"there is no {wanted} in this file, only {', '.join(labels) or 'nothing'}", hint=hint)


def _certificate(block: _Block) -> CertificateInfo:
    try:
        return _certificate_info(block.der)
    except Exception as error:  # noqa: BLE001 - cryptography documents no common base for what hostile bytes raise
        reason = " ".join(str(error).split())[:_MAX_PRINTED] or type(error).__name__
        raise FormatError(f"the certificate can't be read: {reason}", where=block.where) from None


def _certificate_info(der: bytes) -> CertificateInfo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is odd in a certificate and does no harm
        found = x509.load_der_x509_certificate(der)
        try:
            is_ca = found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            is_ca = None
        return CertificateInfo(
            subject=_name(found.subject),
            issuer=_name(found.issuer),
            not_before=found.not_valid_before_utc,
            not_after=found.not_valid_after_utc,
            sha256=hashlib.sha256(der).hexdigest(),
            key=_certificate_key(found),
            is_ca=is_ca,
            signature_hash=_signature_hash(found),
            der=der,
        )


def _certificate_key(found: x509.Certificate) -> KeyInfo:
    try:
        return _key_info(found.public_key())
    except UnsupportedAlgorithm:
        return KeyInfo(f"unknown ({found.public_key_algorithm_oid.dotted_string})", 0, "")


def _signature_hash(found: x509.Certificate) -> str | None:
    try:
        algorithm = found.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    return algorithm.name if algorithm else None


def _private_key(block: _Block) -> KeyInfo:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _key_info(serialization.load_der_private_key(block.der, password=None).public_key())
    except TypeError:
        hint = _LABEL_HINTS["ENCRYPTED PRIVATE KEY"]
        raise FormatError("the private key is encrypted", where=block.where, hint=hint) from None
    except Exception:  # noqa: BLE001 - as above; what it says isn't repeated, since it could quote from the key
        raise FormatError("the private key can't be read", where=block.where, hint="the file is damaged") from None


def _key_info(public: Any) -> KeyInfo:  # noqa: ANN401 - cryptography's key classes share no base with a size
    if isinstance(public, rsa.RSAPublicKey):
        kind, bits = "RSA", public.key_size
    elif isinstance(public, ec.EllipticCurvePublicKey):
        kind, bits = f"EC {public.curve.name}", public.key_size
    elif isinstance(public, dsa.DSAPublicKey):
        kind, bits = "DSA", public.key_size
    else:
        kind, bits = type(public).__name__.removesuffix("PublicKey"), 0
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyInfo(kind, bits, hashlib.sha256(spki).hexdigest())


def _name(name: x509.Name) -> str:
    """Return a distinguished name in one printable line; what a certificate says may hold anything."""
    text = "".join(char if char.isprintable() else "?" for char in name.rfc4514_string())
    return text or "(no name)"


# --- checks ---


def check_pki_file(data: bytes, kind: PkiType, *, now: datetime) -> tuple[list[EspAtError], list[str]]:
    """Return the problems and the warnings of a file that goes where ``kind`` belongs.

    ``where`` of a problem is the line, if there is one. ``now`` knows its time zone.
    """
    if len(data) > MAX_FILE_SIZE:
        message = f"the file has {len(data)} bytes"
        hint = f"a certificate or key file ends at {MAX_FILE_SIZE}: leave out what the peer doesn't need"
        return [FormatError(message, hint=hint)], []
    try:
        if kind is PkiType.KEY:
            return _check_key_file(data)
        return _check_certificate_file(data, kind, now)
    except EspAtError as error:
        return [error], []


def check_pair(certificate: bytes, key: bytes) -> list[EspAtError]:
    """Return a problem where the private key isn't that of the first certificate; none where a file can't be read.

    What can't be read, `check_pki_file` tells.
    """
    try:
        certificates, key_info = parse_certificates(certificate), parse_private_key(key)
    except EspAtError:
        return []
    leaf = certificates[0]
    if leaf.key.fingerprint in ("", key_info.fingerprint):
        return []
    if key_info.fingerprint in (info.key.fingerprint for info in certificates):
        hint = "put the certificate of this key first"
    else:
        hint = "take the key that the certificate's request was made with"
    message = f"the private key ({key_info}) is not that of the certificate {_short(leaf.subject)} ({leaf.key})"
    return [EspAtError(message, hint=hint)]


def _check_key_file(data: bytes) -> tuple[list[EspAtError], list[str]]:
    key = parse_private_key(data)
    problems, cautions = _check_key(key, "the private key")
    if others := [block.label for block in _blocks(data) if block.label not in _PRIVATE_KEYS | _PARAMETERS]:
        cautions.append(f"the file of the private key also holds {', '.join(others)}, which takes room and isn't used")
    return problems, cautions


def _check_certificate_file(data: bytes, kind: PkiType, now: datetime) -> tuple[list[EspAtError], list[str]]:
    for block in _blocks(data):
        if block.label.endswith("PRIVATE KEY"):
            message = "there is a private key in the file of the certificate"
            raise FormatError(message, where=block.where, hint="give it on its own, as the key")
    certificates = parse_certificates(data)
    problems: list[EspAtError] = []
    cautions: list[str] = []
    for info in certificates:
        what = f"certificate {_short(info.subject)}"
        key_problems, key_cautions = _check_key(info.key, what)
        problems += key_problems
        cautions += [*key_cautions, *_dates(info, what, now)]
        if info.signature_hash in ("md5", "sha1") and not info.self_signed:
            cautions.append(f"{what} is signed with {info.signature_hash.upper()}, which most peers refuse")
        if kind is PkiType.CA and not info.is_ca:
            says = "says that it is none" if info.is_ca is False else "doesn't say that it is one (BasicConstraints)"
            cautions.append(f"{what} is used as a CA and {says}: peers with certificates of it may be refused")
    if kind is PkiType.CERT:
        problems += _chain_problems(certificates)
        size = 7 + sum(3 + len(info.der) for info in certificates)
        if size > _TLS_OUT_MAX:
            cautions.append(
                f"the chain takes {size} bytes in TLS and the firmware sends {_TLS_OUT_MAX} in one message: leave out "
                "the root, or take EC keys"
            )
    return problems, cautions


def _check_key(key: KeyInfo, what: str) -> tuple[list[EspAtError], list[str]]:
    if key.kind == "RSA":
        if key.bits < _RSA_MIN:
            return [EspAtError(f"{what} has an RSA key of {key.bits} bits", hint="take 2048 bits or more")], []
        if key.bits < _RSA_DEFAULT_MIN:
            return [], [f"{what} has an RSA key of {key.bits} bits: TLS peers refuse less than {_RSA_DEFAULT_MIN}"]
        if key.bits > _RSA_MAX:
            return [], [
                f"{what} has an RSA key of {key.bits} bits: more than {_RSA_MAX} is slow or fails on the module"
            ]
        return [], []
    if key.kind.startswith("EC ") and key.kind.removeprefix("EC ") in _CURVES:
        return [], []
    hint = "take an RSA key, or an EC key on secp256r1 (prime256v1)"
    return [EspAtError(f"{what} has a key that the firmware's TLS doesn't know: {key.kind}", hint=hint)], []


def _dates(info: CertificateInfo, what: str, now: datetime) -> Iterator[str]:
    if now < info.not_before:
        yield f"{what} is not valid before {info.not_before:%Y-%m-%d %H:%M} UTC"
    if now > info.not_after:
        yield f"{what} expired on {info.not_after:%Y-%m-%d}"
    elif now + _SOON > info.not_after:
        yield f"{what} expires on {info.not_after:%Y-%m-%d}"


def _chain_problems(certificates: Sequence[CertificateInfo]) -> Iterator[EspAtError]:
    """Yield a problem where a certificate isn't issued by the next one, as TLS wants them (RFC 5246, 7.4.2)."""
    broken = [(info, issuer) for info, issuer in pairwise(certificates) if not _issued_by(info, issuer)]
    if not broken:
        return
    if all(_issued_by(info, issuer) for info, issuer in pairwise(reversed(certificates))):
        yield EspAtError(
            "the certificates are in the wrong order",
            hint=f"put {_short(certificates[-1].subject)} first and each one's issuer behind it",
        )
        return
    for info, issuer in broken:
        if info.issuer == issuer.subject:
            message = f"certificate {_short(info.subject)} isn't signed by the {_short(issuer.subject)} behind it"
        else:
            message = (
                f"certificate {_short(info.subject)} is issued by {_short(info.issuer)}, "
                f"and {_short(issuer.subject)} is behind it"
            )
        yield EspAtError(message, hint="put the module's own certificate first and each one's issuer behind it")


def _issued_by(info: CertificateInfo, issuer: CertificateInfo) -> bool:
    """Return whether name and signature say so; a signature of a kind that can't be checked is believed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            x509.load_der_x509_certificate(info.der).verify_directly_issued_by(
                x509.load_der_x509_certificate(issuer.der)
            )
        except (ValueError, InvalidSignature):
            return False
        except (TypeError, UnsupportedAlgorithm):
            return info.issuer == issuer.subject
    return True


def _short(name: str) -> str:
    return name if len(name) <= _MAX_PRINTED else f"{name[: _MAX_PRINTED - 1]}…"
