"""What Mbed TLS refuses in a certificate, by its version, though other libraries read it.

Sources: Mbed TLS ``x509_crt.c``, ``x509.c``, ``oid.c`` and ``pkparse.c`` of 2.16, 2.28, 3.2, 3.4, 3.5 and 3.6, with the
configuration of ESP-IDF (``components/mbedtls/port/include/mbedtls/esp_config.h``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.formats import der, pki_der

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.catalog.mbedtls import MbedTls
    from platformio_esp_at.formats.pki_der import Algorithm, Certificate, Extension

RSA_MAX_BITS = 8192
"""``MBEDTLS_MPI_MAX_SIZE`` of ``bignum.h``, 1024 bytes."""

_BASIC_CONSTRAINTS, _KEY_USAGE, _EXT_KEY_USAGE = "2.5.29.19", "2.5.29.15", "2.5.29.37"
_SUBJECT_ALT_NAME, _NS_CERT_TYPE = "2.5.29.17", "2.16.840.1.113730.1.1"
_SUBJECT_KEY_ID, _AUTHORITY_KEY_ID = "2.5.29.14", "2.5.29.35"
_POLICIES, _ANY_POLICY = "2.5.29.32", "2.5.29.32.0"

_EXTENSIONS = {_BASIC_CONSTRAINTS, _KEY_USAGE, _EXT_KEY_USAGE, _SUBJECT_ALT_NAME, _NS_CERT_TYPE}
"""Extensions that every version reads: ``oid_x509_ext`` of ``oid.c``."""

_EXTENSION_NAMES = {
    _POLICIES: "certificatePolicies",
    _SUBJECT_KEY_ID: "subjectKeyIdentifier",
    _AUTHORITY_KEY_ID: "authorityKeyIdentifier",
    "2.5.29.18": "issuerAltName",
    "2.5.29.30": "nameConstraints",
    "2.5.29.31": "cRLDistributionPoints",
    "2.5.29.33": "policyMappings",
    "2.5.29.36": "policyConstraints",
    "2.5.29.54": "inhibitAnyPolicy",
    "1.3.6.1.5.5.7.1.24": "TLS feature (must-staple)",
    "1.3.6.1.4.1.11129.2.4.3": "precertificate poison",
}

# oid_sig_alg of oid.c; MD2 and MD4 are switched off in ESP-IDF.
_RSA_SIGNATURES = {f"1.2.840.113549.1.1.{number}" for number in (4, 5, 11, 12, 13, 14)} | {"1.3.14.3.2.29"}
_ECDSA_SIGNATURES = {"1.2.840.10045.4.1", *(f"1.2.840.10045.4.3.{number}" for number in (1, 2, 3, 4))}
_SIGNATURE_NAMES = {
    "2.16.840.1.101.3.4.3.13": "RSA with SHA3-224",
    "2.16.840.1.101.3.4.3.14": "RSA with SHA3-256",
    "2.16.840.1.101.3.4.3.15": "RSA with SHA3-384",
    "2.16.840.1.101.3.4.3.16": "RSA with SHA3-512",
    "2.16.840.1.101.3.4.3.9": "ECDSA with SHA3-224",
    "2.16.840.1.101.3.4.3.10": "ECDSA with SHA3-256",
    "2.16.840.1.101.3.4.3.11": "ECDSA with SHA3-384",
    "2.16.840.1.101.3.4.3.12": "ECDSA with SHA3-512",
    "2.16.840.1.101.3.4.3.1": "DSA with SHA-224",
    "2.16.840.1.101.3.4.3.2": "DSA with SHA-256",
    "1.2.840.10040.4.3": "DSA with SHA-1",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
# oid_md_alg of oid.c, for RSA-PSS.
_HASHES = {
    "1.2.840.113549.2.5",
    "1.3.14.3.2.26",
    *(f"2.16.840.1.101.3.4.2.{number}" for number in (1, 2, 3, 4)),
}
_INT_MAX = 0x7FFFFFFF
_MGF1 = "1.2.840.113549.1.1.8"
# x509_get_attr_type_value of x509.c: UTF8, T61, Printable, IA5, Universal and BMP strings, bit strings.
_NAME_TAGS = {0x03, 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E}


def refused_by_mbedtls(item: Certificate, what: str, version: MbedTls) -> Iterator[EspAtError]:
    """Yield a problem for each reason why this version of Mbed TLS doesn't read a certificate.

    ``what``: the certificate in words.
    """
    for extension in item.extensions:
        if extension.critical and not _reads_critical(extension, version):
            name = _EXTENSION_NAMES.get(extension.oid)
            named = f"{name} ({extension.oid})" if name else extension.oid
            yield EspAtError(
                "certificate-extension",
                f"{what} has the critical extension {named}, which {version} in the firmware doesn't know",
                hint="let the CA issue the certificate without this extension, or not critical, or take another one",
                extension=extension.oid,
            )
    if not _reads_signature(item.algorithm):
        yield EspAtError(
            "certificate-signature-type",
            f"{what} is signed with {_signature_name(item.algorithm)}, which the firmware's TLS doesn't know",
            hint="let the CA sign it with RSA or ECDSA and SHA-256",
        )
    elif reason := _unreadable(item, version):
        yield EspAtError(
            "certificate-unreadable",
            f"{what} can't be read by {version} in the firmware: {reason}",
            hint="let the CA issue it again, with openssl or another usual tool",
        )


def _reads_critical(extension: Extension, version: MbedTls) -> bool:
    if extension.oid == _POLICIES:
        return version.reads_any_policy and set(_policies(extension.value)) == {_ANY_POLICY}
    if extension.oid in (_SUBJECT_KEY_ID, _AUTHORITY_KEY_ID):
        return version.reads_key_identifiers
    return extension.oid in _EXTENSIONS


def _policies(value: bytes) -> Iterator[str]:
    try:
        for policy in der.read(value).children():
            yield pki_der.oid_text(policy.children()[0].content)
    except (ValueError, IndexError):
        yield ""


def _reads_signature(algorithm: Algorithm) -> bool:
    if algorithm.oid == pki_der.RSA_PSS:
        return _reads_pss(algorithm.parameters)
    return algorithm.oid in _RSA_SIGNATURES | _ECDSA_SIGNATURES and algorithm.parameters in (b"", b"\x05\0")


def _reads_pss(parameters: bytes) -> bool:
    """Return whether Mbed TLS reads parameters of RSA-PSS: ``mbedtls_x509_get_rsassa_pss_params``."""
    try:
        by_tag = {part.tag: part.children()[0] for part in der.read(parameters).children()}
        hashes = [pki_der.oid_text(by_tag[0xA0].children()[0].content)] if 0xA0 in by_tag else []
        if 0xA1 in by_tag:
            mask, of_mask = by_tag[0xA1].children()
            if pki_der.oid_text(mask.content) != _MGF1:
                return False
            hashes.append(pki_der.oid_text(of_mask.children()[0].content))
        trailer = by_tag[0xA3].content if 0xA3 in by_tag else b"\x01"
    except (ValueError, IndexError):
        return False
    return set(hashes) <= _HASHES and trailer == b"\x01" and set(by_tag) <= {0xA0, 0xA1, 0xA2, 0xA3}


def _signature_name(algorithm: Algorithm) -> str:
    if algorithm.oid == pki_der.RSA_PSS:
        return "RSA-PSS and another hash or mask than SHA-1 and SHA-2 with MGF1"
    return _SIGNATURE_NAMES.get(algorithm.oid, f"the algorithm {algorithm.oid}")


def _unreadable(item: Certificate, version: MbedTls) -> str | None:
    if item.algorithm != item.signed_algorithm:
        return "its two names of the signature's algorithm differ"
    if item.version < 3 and item.extensions:
        return f"it has extensions, and is of version {item.version}"
    if item.name_tags - _NAME_TAGS:
        return f"its names have a text of type {min(item.name_tags - _NAME_TAGS):#x}"
    if item.public_key.is_compressed and not version.reads_compressed_points:
        return "the point of its EC key is compressed"
    if item.public_key.algorithm.parameters[:1] == bytes([der.SEQUENCE]):
        return "the curve of its key has no name"
    return next((text for extension in item.extensions if (text := _damaged(extension, version))), None)


def _damaged(extension: Extension, version: MbedTls) -> str | None:
    """Return what Mbed TLS minds in an extension that it reads, critical or not, and `cryptography` doesn't."""
    value = extension.value
    if extension.oid == _POLICIES and version.reads_any_policy and not list(_policies(value)):
        return "its certificatePolicies are empty"
    if extension.oid == _KEY_USAGE and value[2:] == b"\0" and not version.reads_empty_usage:
        return "its keyUsage is empty"
    if extension.oid == _BASIC_CONSTRAINTS and _path_length(value) >= _INT_MAX:
        return "the path length in its basicConstraints is too large"
    if extension.oid == _NS_CERT_TYPE and (value[:2] != b"\x03\x02" or len(value) != 4):
        return "its Netscape certificate type is damaged"
    return None


def _path_length(value: bytes) -> int:
    numbers = [part.content for part in der.read(value).children() if part.tag == der.INTEGER]
    return max((int.from_bytes(number, "big") for number in numbers), default=0)
