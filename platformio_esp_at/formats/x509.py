"""Certificates and private keys, PEM or DER: what a file holds.

The firmware gets the files unchanged and reads them with Mbed TLS, so the PEM labels are those of its ``pkparse.c`` and
``x509_crt.c``. Of a private key, results and messages only have the kind, the size and the fingerprint of its public
half.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from platformio_esp_at.errors import FormatError, Place, located

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


MAX_PRINTED = 80
_CERTIFICATE = "CERTIFICATE"
PRIVATE_KEYS = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}
"""The PEM labels of keys that Mbed TLS reads."""
PARAMETERS = {"EC PARAMETERS", "DH PARAMETERS"}
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
    """The CA flag in BasicConstraints; None if that is missing."""
    signature_hash: str | None
    """``sha256``; None where the signature has none, or is of an unknown kind."""
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


@dataclass(frozen=True, slots=True)
class Block:
    """A PEM block, or a whole DER file."""

    label: str
    """``CERTIFICATE``, ``PRIVATE KEY``…"""
    der: bytes = field(repr=False)
    line: int | None = None
    encrypted: bool = False
    content: CertificateInfo | KeyInfo | None = None
    """The parsed content of a DER file."""

    @property
    def where(self) -> Place:
        """Its line, if it has one."""
        return Place.at(line=self.line)


# --- reading ---


@dataclass(frozen=True, slots=True)
class X509File:
    """What a PEM or DER file holds."""

    blocks: tuple[Block, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> X509File:
        """Return the blocks of a file; a DER file is one. Raises `FormatError`, naming the line."""
        return cls(tuple(_read_blocks(data)))

    def certificates(self) -> tuple[CertificateInfo, ...]:
        """Return the certificates, in their order. Raises `FormatError` where there is none, and for a damaged one."""
        blocks = [block for block in self.blocks if block.label == _CERTIFICATE]
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


def _encrypted(block: Block) -> FormatError:
    hint = _LABEL_HINTS["ENCRYPTED PRIVATE KEY"]
    return FormatError("key-encrypted", "the private key is encrypted", where=block.where, hint=hint)


def summarize(data: bytes) -> tuple[dict[str, str | int], ...]:
    """Return what is in a PEM or DER file, one dict each, without secrets; raises `FormatError` for a damaged file.

    ``kind`` is ``certificate``, ``private key`` or the PEM label of something else.
    """
    found: list[dict[str, str | int]] = []
    for block in X509File.from_bytes(data).blocks:
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
        elif block.label in PRIVATE_KEYS:
            key = _private_key(block)
            found.append({"kind": "private key", "key": str(key), "public_key_sha256": key.fingerprint})
        else:
            found.append({"kind": block.label.lower()})
    return tuple(found)


def _read_blocks(data: bytes) -> list[Block]:
    """Return the PEM blocks of a file; a DER file is one."""
    if not data.strip():
        raise FormatError(
            "file-empty", "the file is empty", hint="name a PEM or DER file that has the certificate or key"
        )
    if b"-----BEGIN" in data:
        return list(_pem_blocks(data))
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"-\0-\0-\0" in data:
        raise FormatError(
            "not-pem", "this is UTF-16 text", hint="save it as UTF-8 or ASCII; PowerShell's > writes UTF-16"
        )
    if data[:1] != b"\x30":
        raise FormatError(
            "not-pem", "neither PEM nor DER", hint="export it as PEM: such a file has a line -----BEGIN …"
        )
    return [_der_block(data)]


def _pem_blocks(data: bytes) -> Iterator[Block]:
    at, line = 0, 1
    while (start := data.find(b"-----BEGIN", at)) >= 0:
        line += data.count(b"\n", at, start)
        with located(line=line):
            begin = _BEGIN.match(data, start)
            if begin is None:
                raise FormatError(
                    "pem-damaged",
                    "the line -----BEGIN … is damaged",
                    hint="write the line as -----BEGIN CERTIFICATE-----, or export the file again",
                )
            label = begin[1].decode("ascii")
            end_line = f"-----END {label}-----".encode("ascii")
            end = data.find(end_line, begin.end())
            if end < 0:
                raise FormatError(
                    "pem-damaged",
                    f"the {label} has no line {end_line.decode()}",
                    hint=f"export the {label} again: the end of the file is missing",
                )
            yield _pem_block(label, data[begin.end() : end], line)
        line += data.count(b"\n", start, end)
        at = end


def _pem_block(label: str, body: bytes, line: int) -> Block:
    # RFC 1421 headers are before a blank line; only old encrypted keys have them.
    if b"Proc-Type:" in body or label == "ENCRYPTED PRIVATE KEY":
        return Block(label, b"", line, encrypted=True)
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise FormatError(
            "pem-damaged",
            f"the base64 text of the {label} is damaged",
            hint=f"export the {label} again: between its BEGIN and END lines are only letters, digits, + / and =",
        ) from None
    if not der:
        raise FormatError(
            "pem-damaged",
            f"the {label} is empty",
            hint=f"export the {label} again: nothing is between its BEGIN and END lines",
        )
    return Block(label, der, line)


def _der_block(data: bytes) -> Block:
    """Return a DER file as a block, by trying what it can be."""
    try:
        return Block(_CERTIFICATE, data, content=_certificate(Block(_CERTIFICATE, data)))
    except FormatError as error:
        try:
            return Block("PRIVATE KEY", data, content=_private_key(Block("PRIVATE KEY", data)))
        except FormatError as key_error:
            if key_error.code == "key-encrypted":
                return Block("ENCRYPTED PRIVATE KEY", b"", encrypted=True)
            message = f"neither a certificate nor a private key in DER ({error.message})"
            hint = "PKCS#12 files (.p12, .pfx): take them apart with openssl pkcs12"
            raise FormatError("not-pem", message, hint=hint) from None


def _certificate(block: Block) -> CertificateInfo:
    if isinstance(block.content, CertificateInfo):
        return block.content
    try:
        return _certificate_info(block.der)
    except Exception as error:  # noqa: BLE001 - cryptography documents no common base for what hostile bytes raise
        reason = " ".join(str(error).split())[:MAX_PRINTED] or type(error).__name__
        raise FormatError(
            "certificate-unreadable",
            f"the certificate can't be read: {reason}",
            where=block.where,
            hint="export the certificate again, or ask its CA for it: openssl x509 -in FILE -text shows what is wrong",
        ) from None


def _certificate_info(der: bytes) -> CertificateInfo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about unusual but harmless certificates
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
            parsed=found,
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


def _private_key(block: Block) -> KeyInfo:
    if isinstance(block.content, KeyInfo):
        return block.content
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _key_info(serialization.load_der_private_key(block.der, password=None).public_key())
    except TypeError:
        raise _encrypted(block) from None
    except Exception:  # noqa: BLE001 - as above; its text isn't shown, since it could contain parts of the key
        raise FormatError(
            "key-unreadable",
            "the private key can't be read",
            where=block.where,
            hint="export the private key again: the file is damaged",
        ) from None


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
    """Return a distinguished name in one printable line: a certificate may contain any characters."""
    text = "".join(char if char.isprintable() else "?" for char in name.rfc4514_string())
    return text or "(no name)"
