"""Certificates and private keys of a project: whether the firmware's TLS can work with them.

What counts is what Mbed TLS understands: the key types of its ``pk.h`` (RSA and elliptic curves; no Ed25519, no DSA),
the curves of ESP-IDF's ``components/mbedtls/Kconfig``. The time is an argument: there is no clock here.
"""

from __future__ import annotations

import warnings
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from platformio_esp_at.errors import EspAtError, FormatError, raise_all
from platformio_esp_at.formats.pki import PKI_SLOTS, PkiType
from platformio_esp_at.formats.x509 import (
    MAX_PRINTED,
    PARAMETERS,
    PRIVATE_KEYS,
    CertificateInfo,
    KeyInfo,
    parse_certificates,
    parse_private_key,
    read_blocks,
)
from platformio_esp_at.planning.content import pki_by_slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from platformio_esp_at.request.project import Request


MAX_FILE_SIZE = 0xFFFF
"""The length field of an item in a PKI container (`formats.pki`) counts so many bytes."""

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
    if others := [block.label for block in read_blocks(data) if block.label not in PRIVATE_KEYS | PARAMETERS]:
        cautions.append(f"the file of the private key also holds {', '.join(others)}, which takes room and isn't used")
    return problems, cautions


def _check_certificate_file(data: bytes, kind: PkiType, now: datetime) -> tuple[list[EspAtError], list[str]]:
    for block in read_blocks(data):
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
    return name if len(name) <= MAX_PRINTED else f"{name[: MAX_PRINTED - 1]}…"


def check_pki(request: Request, now: datetime) -> Iterator[str]:
    """Yield warnings of the project's certificates and keys."""
    if not request.pki:
        return

    problems: list[EspAtError] = []
    files_by_slot = pki_by_slot(request)
    for slot, files in files_by_slot.items():
        for file in files:
            found, warnings = check_pki_file(file.data, PKI_SLOTS[slot], now=now)
            for problem in found:
                problem.locate(file.label)
            problems += found
            yield from (f"{file.label}: {warning}" for warning in warnings)
        if slot.endswith("_cert"):
            keys = files_by_slot.get(slot.replace("_cert", "_key"), ())
            for certificate, key in zip(files, keys, strict=False):
                found = check_pair(certificate.data, key.data)
                for problem in found:
                    problem.locate(key.label)
                problems += found
    raise_all(problems)
