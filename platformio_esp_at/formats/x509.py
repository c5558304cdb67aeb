"""Certificates and private keys, PEM or DER: what a file holds.

The firmware reads the files with Mbed TLS, so the PEM labels are those of its ``pkparse.c`` and ``x509_crt.c``; what it
minds about the form of a file is in `pem`. Of a private key, results and messages only have the kind, the size and the
fingerprint of its public half.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats import der, pem, pki_der
from platformio_esp_at.formats.der import Kind

if TYPE_CHECKING:
    from datetime import datetime

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

MAX_PRINTED = 80
_CERTIFICATES = {pem.CERTIFICATE, pem.OLD_CERTIFICATE}
PRIVATE_KEYS = set(pem.KEYS)
"""The PEM labels of keys that Mbed TLS reads."""
PARAMETERS = {"EC PARAMETERS", "DH PARAMETERS"}
_DECRYPT = "the module can't ask for a passphrase: decrypt it with openssl pkey -in FILE -out PLAIN"
_PUBLIC = "a public key is neither a certificate nor a private key"
_REQUEST = "give the certificate that the CA made of this request"
_LABEL_HINTS = {
    "ENCRYPTED PRIVATE KEY": _DECRYPT,
    "OPENSSH PRIVATE KEY": "convert a copy: ssh-keygen -p -m pkcs8 -N '' -f COPY",
    "DSA PRIVATE KEY": "Mbed TLS has no DSA: take an RSA or EC key",
    "PUBLIC KEY": _PUBLIC,
    "RSA PUBLIC KEY": _PUBLIC,
    "CERTIFICATE REQUEST": _REQUEST,
    "NEW CERTIFICATE REQUEST": _REQUEST,
    "TRUSTED CERTIFICATE": "convert it: openssl x509 -in FILE -out PLAIN",
    "PKCS7": "convert it: openssl pkcs7 -print_certs -in FILE -out PLAIN",
    "PKCS #7 SIGNED DATA": "convert it: openssl pkcs7 -print_certs -in FILE -out PLAIN",
    "CMS": "convert it: openssl pkcs7 -print_certs -in FILE -out PLAIN",
    "X509 CRL": "the firmware reads no list of revoked certificates: give the CA's certificate",
}
_DER_LABELS = {
    Kind.CERTIFICATE: pem.CERTIFICATE,
    Kind.PKCS1: pem.PKCS8,
    Kind.SEC1: pem.PKCS8,
    Kind.PKCS8: pem.PKCS8,
}
_DER_HINTS = {
    Kind.PKCS12: (
        "take it apart: openssl pkcs12 -in FILE -clcerts -nokeys -out cert.pem, and\n"
        "openssl pkcs12 -in FILE -nocerts -nodes -out key.pem"
    ),
    Kind.PKCS7: "convert it: openssl pkcs7 -inform DER -print_certs -in FILE -out PLAIN",
    Kind.REQUEST: _REQUEST,
    Kind.PUBLIC_KEY: _PUBLIC,
    Kind.REVOCATIONS: _LABEL_HINTS["X509 CRL"],
}
_STARTS = (
    (
        b"PuTTY-User-Key-File",
        "a key of PuTTY",
        "convert it: puttygen FILE -O private-openssh-new -o COPY, then " + _LABEL_HINTS["OPENSSH PRIVATE KEY"],
    ),
    (b"ssh-", "a public key of OpenSSH", _PUBLIC),
    (b"ecdsa-sha2-", "a public key of OpenSSH", _PUBLIC),
    (
        b"\xfe\xed\xfe\xed",
        "a Java key store",
        "convert it: keytool -importkeystore -srckeystore FILE -destkeystore OUT.p12 -deststoretype pkcs12",
    ),
)
"""How other files start, what they are, and what to do."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key, private or public, without its secret."""

    kind: str
    """``RSA``, ``EC secp256r1``, ``Ed25519``…"""
    bits: int
    """Its length; 0 where the kind has only one, or where it isn't known."""
    fingerprint: str
    """SHA-256 of the public half (SubjectPublicKeyInfo), the same for a certificate and its key."""

    def __str__(self) -> str:
        return f"{self.kind}, {self.bits} bits" if self.bits else self.kind


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
    """The CA flag in BasicConstraints; None if that is missing."""
    signature_hash: str | None
    """``sha256``; None where the signature has none, or is of an unknown kind."""
    signs_certificates: bool | None
    """Whether its keyUsage has keyCertSign; None if it has no keyUsage."""
    purposes: frozenset[str] | None
    """Its extendedKeyUsage, object identifiers; None if that is missing."""
    der: bytes = field(repr=False)
    parsed: x509.Certificate = field(repr=False, compare=False)

    @property
    def self_signed(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.subject == self.issuer

    def issued_by(self, issuer: CertificateInfo) -> bool:
        """Return whether name and signature match; if the kind of signature can't be checked, the name decides."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.parsed.verify_directly_issued_by(issuer.parsed)
            except (ValueError, InvalidSignature):
                return False
            except (TypeError, UnsupportedAlgorithm):
                return self.issuer == issuer.subject
        return True


# --- reading ---


@dataclass(frozen=True, slots=True)
class X509File:
    """What a PEM or DER file holds."""

    blocks: tuple[pem.Block, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> X509File:
        """Return the blocks of a file; a DER file is one. Raises `FormatError`, naming the line."""
        return cls(tuple(_read_blocks(data)))

    def certificates(self) -> tuple[CertificateInfo, ...]:
        """Return the certificates, in their order. Raises `FormatError` where there is none, and for a damaged one."""
        blocks = [block for block in self.blocks if block.label in _CERTIFICATES]
        if not blocks:
            raise self._wrong_kind("certificate")
        return tuple(_certificate(block) for block in blocks)

    def private_key(self) -> KeyInfo:
        """Return the one private key, without its secret.

        Raises `FormatError` where there is none or several, for a damaged one and for an encrypted one.
        """
        for block in self.blocks:
            if block.encrypted:
                raise _encrypted(block)
        keys = [block for block in self.blocks if block.label in PRIVATE_KEYS]
        if not keys:
            raise self._wrong_kind("private key")
        if len(keys) > 1:
            problem = f"there are {len(keys)} private keys"
            raise FormatError(
                "several-keys",
                problem,
                where=keys[1].where,
                hint="keep one of them in the file: the firmware reads one",
            )
        return _private_key(keys[0])

    def _wrong_kind(self, wanted: str) -> FormatError:
        labels = list(dict.fromkeys(block.label for block in self.blocks))
        hint = next((_LABEL_HINTS[label] for label in labels if label in _LABEL_HINTS), None)
        if hint is None:
            hint = f"name the file of the {wanted} here"
        message = f"there is no {wanted} in this file, only {', '.join(labels) or 'nothing'}"
        return FormatError("pki-wrong-kind", message, hint=hint)


def _encrypted(block: pem.Block) -> FormatError:
    return FormatError("key-encrypted", "the private key is encrypted", where=block.where, hint=_DECRYPT)


def summarize(data: bytes) -> tuple[dict[str, str | int], ...]:
    """Return what is in a PEM or DER file, one dict each, without secrets; raises `FormatError` for a damaged file.

    ``kind`` is ``certificate``, ``private key`` or the PEM label of something else.
    """
    found: list[dict[str, str | int]] = []
    for block in X509File.from_bytes(data).blocks:
        if block.label in _CERTIFICATES:
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
        elif block.label in PRIVATE_KEYS:
            key = _private_key(block)
            found.append({"kind": "private key", "key": str(key), "public_key_sha256": key.fingerprint})
        else:
            found.append({"kind": block.label.lower()})
    return tuple(found)


def _read_blocks(data: bytes) -> list[pem.Block]:
    """Return the PEM blocks of a file; a DER file is one."""
    if not data.strip():
        raise FormatError(
            "file-empty", "the file is empty", hint="name a PEM or DER file that has the certificate or key"
        )
    if pem.is_pem(data):
        return list(pem.blocks(data))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"-\0-\0-\0" in data:
        raise FormatError(
            "not-pem", "this is UTF-16 text", hint="save it as UTF-8 or ASCII; PowerShell's > writes UTF-16"
        )
    for start, what, hint in _STARTS:
        if data.startswith(start):
            raise FormatError("pki-wrong-kind", f"this is {what}", hint=hint)
    if data[:1] != b"\x30":
        raise FormatError(
            "not-pem", "neither PEM nor DER", hint="export it as PEM: such a file has a line -----BEGIN …"
        )
    return [_der_block(data)]


def _der_block(data: bytes) -> pem.Block:
    """Return a DER file as a block. Raises `FormatError` that names what it is instead."""
    kind = der.kind_of(data)
    if kind is Kind.ENCRYPTED:
        return pem.Block("ENCRYPTED PRIVATE KEY", b"", encrypted=True)
    if kind in _DER_HINTS:
        raise FormatError("pki-wrong-kind", f"this is a {kind.value}", hint=_DER_HINTS[kind])
    if kind is None:
        hint = "check the file with openssl asn1parse -inform DER -in FILE; it may be cut"
        raise FormatError("not-pem", "neither a certificate nor a private key in DER", hint=hint)
    return pem.Block(_DER_LABELS[kind], _without_padding(data))


def _without_padding(data: bytes) -> bytes:
    """Return a DER file without a line end, or blank bytes, after its content: Mbed TLS doesn't look at them."""
    whole = der.read(data).whole
    return data if data[len(whole) :].strip(b"\0\xff\r\n") else whole


def _certificate(block: pem.Block) -> CertificateInfo:
    try:
        return _certificate_info(block.der)
    except Exception as error:  # noqa: BLE001 - cryptography documents no common base for what hostile bytes raise
        reason = _damage_of(block.der) or _reason(error)
        raise FormatError(
            "certificate-unreadable",
            f"the certificate can't be read: {reason}",
            where=block.where,
            hint="export the certificate again, or ask its CA for it: openssl x509 -in FILE -text shows what is wrong",
        ) from None


def _damage_of(data: bytes) -> str | None:
    """Return what is wrong with a certificate in words of ours; None where nothing is found."""
    try:
        pki_der.certificate(data)
    except ValueError as error:
        return "it is cut or damaged" if str(error) == "cut" else str(error)
    return None


def _reason(error: Exception) -> str:
    """Return a library's reason without its own types and places."""
    text = " ".join(str(error).split())
    plain = text and not re.search(r"[{}\[\]<>]|::|Error", text)
    return text[:MAX_PRINTED] if plain else "it is not as RFC 5280 has it"


def _certificate_info(data: bytes) -> CertificateInfo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about unusual but harmless certificates
        found = x509.load_der_x509_certificate(data)
        constraints = _extension(found, x509.BasicConstraints)
        usage, purposes = _extension(found, x509.KeyUsage), _extension(found, x509.ExtendedKeyUsage)
        return CertificateInfo(
            subject=_name(found.subject),
            issuer=_name(found.issuer),
            not_before=found.not_valid_before_utc,
            not_after=found.not_valid_after_utc,
            sha256=hashlib.sha256(data).hexdigest(),
            key=_certificate_key(found),
            is_ca=constraints.ca if constraints else None,
            signature_hash=_signature_hash(found),
            signs_certificates=usage.key_cert_sign if usage else None,
            purposes=frozenset(oid.dotted_string for oid in purposes) if purposes else None,
            der=data,
            parsed=found,
        )


def _extension(found: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _certificate_key(found: x509.Certificate) -> KeyInfo:
    try:
        return _key_info(found.public_key(), found.public_key_algorithm_oid.dotted_string)
    except UnsupportedAlgorithm:
        return KeyInfo(f"unknown ({found.public_key_algorithm_oid.dotted_string})", 0, "")


def _signature_hash(found: x509.Certificate) -> str | None:
    try:
        algorithm = found.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    return algorithm.name if algorithm else None


def _private_key(block: pem.Block) -> KeyInfo:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            public = serialization.load_der_private_key(block.der, password=None).public_key()
        info = _key_info(public, _algorithm_of(block.der))
    except TypeError:
        raise _encrypted(block) from None
    except Exception:  # noqa: BLE001 - as above; its text isn't shown, since it could contain parts of the key
        raise _unreadable_key(block) from None
    if _has_unnamed_curve(block.der):
        raise _unreadable_key(block)
    return info


def _algorithm_of(data: bytes) -> str:
    try:
        return pki_der.private_key(data).algorithm.oid
    except ValueError:
        return ""


def _unreadable_key(block: pem.Block) -> FormatError:
    hint = "the file is damaged: check it with openssl pkey -in FILE -noout"
    if _has_unnamed_curve(block.der):
        hint = "its curve has no name: convert it with openssl ec -in FILE -param_enc named_curve -out PLAIN"
    return FormatError("key-unreadable", "the private key can't be read", where=block.where, hint=hint)


def _has_unnamed_curve(data: bytes) -> bool:
    """Return whether an EC key describes its curve instead of naming it: Mbed TLS doesn't read every such key."""
    try:
        algorithm = pki_der.private_key(data).algorithm
    except ValueError:
        return False
    return algorithm.oid == pki_der.EC and algorithm.parameters[:1] == bytes([der.SEQUENCE])


def _key_info(public: Any, algorithm: str) -> KeyInfo:  # noqa: ANN401 - cryptography's key classes share no base
    if isinstance(public, rsa.RSAPublicKey):
        kind, bits = "RSA-PSS" if algorithm == pki_der.RSA_PSS else "RSA", public.key_size
    elif isinstance(public, ec.EllipticCurvePublicKey):
        kind, bits = f"EC {public.curve.name}", public.key_size
    elif isinstance(public, dsa.DSAPublicKey):
        kind, bits = "DSA", public.key_size
    else:
        kind, bits = type(public).__name__.removesuffix("PublicKey"), 0
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyInfo(kind, bits, hashlib.sha256(spki).hexdigest())


def _name(name: x509.Name) -> str:
    """Return a distinguished name in one printable line: a certificate may contain any characters."""
    text = "".join(char if char.isprintable() else "?" for char in name.rfc4514_string())
    return text or "(no name)"
