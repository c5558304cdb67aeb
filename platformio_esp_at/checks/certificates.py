"""Certificates and private keys of a project: whether the firmware's TLS can use them.

The limits are those of Mbed TLS: the key types of its ``pk.h`` (RSA and elliptic curves; no Ed25519, no DSA), and the
curves of ESP-IDF's ``components/mbedtls/Kconfig``; `mbedtls_limits` has what a version refuses besides. The time is an
argument: this module reads no clock.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog.mbedtls import NEWEST_KNOWN, MbedTls
from platformio_esp_at.checks.mbedtls_limits import RSA_MAX_BITS, refused_by_mbedtls
from platformio_esp_at.errors import EspAtError, FormatError, Notice, Place, note, raise_all, warning
from platformio_esp_at.formats import pki_der
from platformio_esp_at.formats.pki import MAX_CONTENT, PKI_SLOTS, PkiType
from platformio_esp_at.formats.x509 import MAX_PRINTED, PARAMETERS, PRIVATE_KEYS, CertificateInfo, KeyInfo, X509File
from platformio_esp_at.planning.content import pki_by_slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from platformio_esp_at.request.options import Request
    from platformio_esp_at.request.values import InputFile

MAX_FILE_SIZE = MAX_CONTENT
"""The largest file in bytes, also where it is in ``mfg_nvs``."""

# ESP-IDF components/mbedtls/Kconfig, MBEDTLS_ECP_DP_*_ENABLED.
_CURVES = {
    *("secp192r1", "secp224r1", "secp256r1", "secp384r1", "secp521r1"),
    *("secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"),
}
# mbedtls_x509_crt_profile_default of Mbed TLS 3 in x509_crt.c.
_SMALL_CURVES = {"secp192r1", "secp224r1", "secp256k1"}
# Mbed TLS x509_crt.c: mbedtls_x509_crt_profile_default has rsa_min_bitlen 2048. The WPA Enterprise CA that ESP-AT up to
# v5.0.1.0 contains (wpa2_ca.pem) has 1024.
_RSA_MIN, _RSA_DEFAULT_MIN = 1024, 2048
# SOC_RSA_MAX_BIT_LEN of the ESP32; chips with less use software (MBEDTLS_LARGE_KEY_SOFTWARE_MPI), which takes seconds.
_RSA_MAX = 4096
# MBEDTLS_SSL_OUT_CONTENT_LEN, which ESP-AT leaves at ESP-IDF's default (its ESP8266 sdkconfig.defaults has the same). A
# Certificate message is 7 bytes and, for each certificate, 3 bytes and its DER (RFC 5246, 7.4.2).
_TLS_OUT_MAX = 4096
_SOON = timedelta(days=30)
# extendedKeyUsage: RFC 5280, 4.2.1.12.
_ANY_PURPOSE = "2.5.29.37.0"
_PURPOSES = {"server": ("1.3.6.1.5.5.7.3.1", "serverAuth"), "client": ("1.3.6.1.5.5.7.3.2", "clientAuth")}


class CheckedFile(NamedTuple):
    """A checked certificate or key file: problems, warnings, and its content as far as it can be read."""

    problems: list[EspAtError]
    warnings: list[Notice]
    certificates: tuple[CertificateInfo, ...] = ()
    key: KeyInfo | None = None


def check_pki(request: Request, now: datetime, mbedtls: MbedTls = NEWEST_KNOWN) -> Iterator[Notice]:
    """Yield the warnings and notes of the project's certificates and keys.

    ``now``: the time (time-zone-aware) at which certificates must be valid; ``mbedtls``: the version in the firmware.
    Raises an `EspAtError` with every problem.
    """
    problems: list[EspAtError] = []
    files_by_slot = pki_by_slot(request)
    checked = {
        slot: [check_pki_file(file, PKI_SLOTS[slot], now=now, mbedtls=mbedtls) for file in files_by_slot[slot]]
        for slot in files_by_slot
    }
    for slot, found in checked.items():
        sources = files_by_slot[slot]
        for file in found:
            problems += file.problems
            yield from file.warnings
        yield from _check_use(slot, found, sources)
        if slot.endswith("_cert"):
            problems += _check_pairs(slot, checked, files_by_slot)
            yield from _shared_keys(slot, found, sources)
    raise_all(problems)


def _check_pairs(
    slot: str, checked: Mapping[str, Sequence[CheckedFile]], files_by_slot: Mapping[str, Sequence[InputFile]]
) -> Iterator[EspAtError]:
    """Yield a problem for each key that isn't that of its certificate, which is the first in its file."""
    key_slot = slot.replace("_cert", "_key")
    for certificate, key, source in zip(
        checked[slot], checked.get(key_slot, ()), files_by_slot.get(key_slot, ()), strict=False
    ):
        if any(problem.code == "chain-order" for problem in certificate.problems):
            continue
        for problem in check_pair(certificate, key):
            problem.locate(Place.at(file=source.label))
            yield problem


def check_pki_file(file: InputFile, kind: PkiType, *, now: datetime, mbedtls: MbedTls = NEWEST_KNOWN) -> CheckedFile:
    """Return the check result of a file that is given as this ``kind``; the others as in `check_pki`."""
    checked = _check_content(file.data, kind, now, mbedtls)
    place = Place.at(file=file.label)
    for problem in checked.problems:
        problem.locate(place)
    return checked._replace(warnings=[found.inside(place) for found in checked.warnings])


# --- how files are used ---


def _check_use(slot: str, found: Sequence[CheckedFile], sources: Sequence[InputFile]) -> Iterator[Notice]:
    """Yield a note for a bundle of CAs, and a warning for a certificate that is made for the other side of TLS."""
    role, _, kind = slot.rpartition("_")
    for file, source in zip(found, sources, strict=True):
        place = Place.at(file=source.label)
        if kind == "ca" and len(file.certificates) > 1:
            message = f"{slot} is a bundle of {len(file.certificates)} CA certificates"
            yield note("ca-bundle", message, where=place, certificate_or_key=slot, certificates=len(file.certificates))
        if kind == "cert" and file.certificates:
            yield from (notice.inside(place) for notice in _check_purpose(role, file.certificates[0]))


def _check_purpose(role: str, info: CertificateInfo) -> Iterator[Notice]:
    side = "server" if role == "server" else "client"
    wanted, name = _PURPOSES[side]
    if info.purposes and not info.purposes & {wanted, _ANY_PURPOSE}:
        has = ", ".join(label for oid, label in _PURPOSES.values() if oid in info.purposes) or "other purposes"
        message = (
            f"certificate {_short(info.subject)} is for {has} alone (extendedKeyUsage), and is used as a {side}'s: "
            "peers that check it refuse it"
        )
        hint = f"have the certificate issued with {name}, or with both uses"
        yield warning("certificate-purpose", message, hint=hint)


def _shared_keys(slot: str, found: Sequence[CheckedFile], sources: Sequence[InputFile]) -> Iterator[Notice]:
    """Yield a warning for each key that two certificates have: in one file, or in two sets of a role.

    Issuers may be the same in two sets.
    """
    seen: dict[str, str] = {}
    for file, source in zip(found, sources, strict=True):
        own = [info.key.fingerprint for info in file.certificates if info.key.fingerprint]
        again = next((key for key in own[1:] if own.count(key) > 1), None) or (
            own[0] if own and own[0] in seen else None
        )
        if again:
            name = _short(file.certificates[0].subject)
            other = seen.get(again, "another in the same file")
            message = f"{slot}: certificate {name} has the key of {other}: whoever has one key has both"
            hint = "make a key for each, and have its certificate issued for it"
            yield warning("certificate-key-shared", message, hint=hint, where=Place.at(file=source.label))
        if own:
            seen.setdefault(own[0], f"{_short(file.certificates[0].subject)} in {source.label}")


def check_pair(certificate: CheckedFile, key: CheckedFile) -> list[EspAtError]:
    """Return a problem if the private key doesn't match the first certificate; none if one of them can't be read."""
    if not certificate.certificates or key.key is None:
        return []
    leaf = certificate.certificates[0]
    if leaf.key.fingerprint in ("", key.key.fingerprint):
        return []
    if key.key.fingerprint in (info.key.fingerprint for info in certificate.certificates):
        hint = "put the certificate of this key first"
    else:
        hint = "take the key that the certificate's request was made with"
    message = f"the private key ({key.key}) is not that of the certificate {_short(leaf.subject)} ({leaf.key})"
    return [EspAtError("key-not-of-certificate", message, hint=hint)]


def _check_content(data: bytes, kind: PkiType, now: datetime, mbedtls: MbedTls) -> CheckedFile:
    if len(data) > MAX_FILE_SIZE:
        message = f"the file has {len(data)} bytes"
        hint = f"a certificate or key file ends at {MAX_FILE_SIZE}: leave out what the peer doesn't need"
        return CheckedFile([FormatError("pki-too-large", message, hint=hint)], [])
    try:
        content = X509File.from_bytes(data)
        if kind is PkiType.KEY:
            return _check_key_file(content)
        return _check_certificate_file(content, kind, now, mbedtls)
    except EspAtError as error:
        return CheckedFile([error], [])


def _check_key_file(content: X509File) -> CheckedFile:
    key = content.private_key()
    found = list(_check_key(key, "the private key"))
    if others := [block.label for block in content.blocks if block.label not in PRIVATE_KEYS | PARAMETERS]:
        message = f"the file of the private key also holds {', '.join(others)}, which takes room and isn't used"
        found.append(warning("pki-unused-content", message, hint=f"remove {', '.join(others)} from the file"))
    return CheckedFile(*_sorted(found), key=key)


def _check_certificate_file(content: X509File, kind: PkiType, now: datetime, mbedtls: MbedTls) -> CheckedFile:
    for block in content.blocks:
        if block.label.endswith("PRIVATE KEY"):
            message = "there is a private key in the file of the certificate"
            hint = "give it on its own, as the key"
            raise FormatError("key-in-certificate-file", message, where=block.where, hint=hint)
    certificates = content.certificates()
    found = [finding for info in certificates for finding in _check_certificate(info, kind, now, mbedtls)]
    if kind is PkiType.CERT:
        found += _check_chain(certificates)
    return CheckedFile(*_sorted(found), certificates=certificates)


def _sorted(findings: Iterable[EspAtError | Notice]) -> tuple[list[EspAtError], list[Notice]]:
    """Return the problems, and the warnings."""
    findings = list(findings)
    problems = [finding for finding in findings if isinstance(finding, EspAtError)]
    return problems, [finding for finding in findings if isinstance(finding, Notice)]


def _check_certificate(
    info: CertificateInfo, kind: PkiType, now: datetime, mbedtls: MbedTls
) -> Iterator[EspAtError | Notice]:
    what = f"certificate {_short(info.subject)}"
    found = list(_check_key(info.key, what))
    if not any(isinstance(finding, EspAtError) for finding in found):
        found += refused_by_mbedtls(pki_der.certificate(info.der), what, mbedtls)
    yield from found
    yield from _check_dates(info, what, now)
    if info.signature_hash in ("md5", "sha1") and not info.self_signed:
        message = f"{what} is signed with {info.signature_hash.upper()}, which most peers refuse"
        yield warning("certificate-signature", message, hint="have the certificate issued again, with SHA-256")
    if kind is PkiType.CA:
        yield from _check_ca(info, what, mbedtls)


def _check_ca(info: CertificateInfo, what: str, mbedtls: MbedTls) -> Iterator[Notice]:
    if not info.is_ca:
        mark = "is marked as not a CA" if info.is_ca is False else "isn't marked as a CA (BasicConstraints)"
        message = f"{what} is used as a CA and {mark}: peers whose certificates it signed may be refused"
        yield warning(
            "certificate-no-ca",
            message,
            hint="give the CA's certificate here, or have it issued again with BasicConstraints CA:TRUE",
        )
    elif info.signs_certificates is False:
        message = (
            f"{what} is used as a CA, and its keyUsage has no keyCertSign: the module refuses peers whose certificates "
            "it signed"
        )
        hint = "give the CA's certificate here, or have it issued again with keyCertSign"
        yield warning("ca-key-usage", message, hint=hint)
    curve = info.key.kind.removeprefix("EC ")
    if curve in _SMALL_CURVES and not mbedtls.trusts_small_curves:
        message = f"{what} is used as a CA and has a key on {curve}: {mbedtls} trusts none on it"
        hint = "take a CA with a key on secp256r1, or with an RSA key of 2048 bits"
        yield warning("key-weak", message, hint=hint, bits=info.key.bits)


def _check_key(key: KeyInfo, what: str) -> Iterator[EspAtError | Notice]:
    rsa = f"{what} has an RSA key of {key.bits} bits"
    if key.kind == "RSA":
        if key.bits < _RSA_MIN:
            yield EspAtError("key-too-weak", rsa, hint="take 2048 bits or more", bits=key.bits)
        elif key.bits < _RSA_DEFAULT_MIN:
            yield warning(
                "key-weak",
                f"{rsa}: TLS peers refuse less than {_RSA_DEFAULT_MIN}",
                bits=key.bits,
                hint="make a new key of 2048 bits, and have the certificate issued for it",
            )
        elif key.bits > RSA_MAX_BITS:
            hint = f"the firmware's TLS takes up to {RSA_MAX_BITS}: take 2048 bits, or an EC key on secp256r1"
            yield EspAtError("key-too-large", rsa, hint=hint, bits=key.bits)
        elif key.bits > _RSA_MAX:
            yield warning(
                "key-slow",
                f"{rsa}: more than {_RSA_MAX} is slow or fails on the module",
                bits=key.bits,
                hint=f"take a key of {_RSA_MAX} bits at most, or an EC key",
            )
    elif not (key.kind.startswith("EC ") and key.kind.removeprefix("EC ") in _CURVES):
        hint = "take an RSA key, or an EC key on secp256r1 (prime256v1)"
        yield EspAtError("key-type", f"{what} has a key that the firmware's TLS doesn't know: {key.kind}", hint=hint)


def _check_dates(info: CertificateInfo, what: str, now: datetime) -> Iterator[Notice]:
    if now < info.not_before:
        message = f"{what} is not valid before {info.not_before:%Y-%m-%d %H:%M} UTC"
        yield warning(
            "certificate-not-yet-valid", message, hint="set this machine's clock, or wait until then with the module"
        )
    if now > info.not_after:
        yield warning(
            "certificate-expired",
            f"{what} expired on {info.not_after:%Y-%m-%d}",
            hint="have it issued again, and name the new file",
        )
    elif now + _SOON > info.not_after:
        yield warning(
            "certificate-expires",
            f"{what} expires on {info.not_after:%Y-%m-%d}",
            hint="have it issued again before then, and flash the new file",
        )


def _check_chain(certificates: Sequence[CertificateInfo]) -> Iterator[EspAtError | Notice]:
    """Yield a problem for each certificate that the next one didn't issue: TLS needs this order (RFC 5246, 7.4.2)."""
    broken = [(info, issuer) for info, issuer in pairwise(certificates) if not info.issued_by(issuer)]
    if broken and all(info.issued_by(issuer) for info, issuer in pairwise(reversed(certificates))):
        hint = f"put {_short(certificates[-1].subject)} first and each one's issuer after it"
        yield EspAtError("chain-order", "the certificates are in the wrong order", hint=hint)
        broken = []
    for info, issuer in broken:
        if info.issuer == issuer.subject:
            message = f"certificate {_short(info.subject)} isn't signed by the {_short(issuer.subject)} after it"
        else:
            message = (
                f"certificate {_short(info.subject)} is issued by {_short(info.issuer)}, "
                f"and {_short(issuer.subject)} is after it"
            )
        hint = "put the module's own certificate first and each one's issuer after it"
        yield EspAtError("chain-broken", message, hint=hint)
    size = 7 + sum(3 + len(info.der) for info in certificates)
    if size > _TLS_OUT_MAX:
        message = f"the chain takes {size} bytes in TLS and the firmware sends {_TLS_OUT_MAX} in one message"
        yield warning("chain-too-long", message, size=size, hint="leave out the root, or take EC keys")


def _short(name: str) -> str:
    return name if len(name) <= MAX_PRINTED else f"{name[: MAX_PRINTED - 1]}…"
