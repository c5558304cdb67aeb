"""Which version of Mbed TLS reads the certificates and keys, by chip and release of ESP-AT."""

from __future__ import annotations

from typing import NamedTuple

from platformio_esp_at.catalog import _data
from platformio_esp_at.catalog.modules import MFG_NVS_SINCE, release_key


class MbedTls(NamedTuple):
    """A version of Mbed TLS, and what it reads."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"Mbed TLS {self.major}.{self.minor}"

    @property
    def reads_any_policy(self) -> bool:
        """Whether a critical extension certificatePolicies may be anyPolicy: ``x509_get_certificate_policies``."""
        return self >= (2, 17)

    @property
    def reads_key_identifiers(self) -> bool:
        """Whether it reads subjectKeyIdentifier and authorityKeyIdentifier, critical ones too."""
        return self >= (3, 5)

    @property
    def reads_compressed_points(self) -> bool:
        """Whether the public key of a certificate may be a compressed point: ``mbedtls_ecp_sw_derive_y``."""
        return self >= (3, 4)

    @property
    def reads_empty_usage(self) -> bool:
        """Whether keyUsage may be without any use: ``mbedtls_x509_get_key_usage``."""
        return self >= (3, 4)

    @property
    def trusts_small_curves(self) -> bool:
        """Whether ``mbedtls_x509_crt_profile_default`` takes CAs on curves below 256 bits, and on secp256k1."""
        return self < (3,)


NEWEST_KNOWN = MbedTls(3, 6, 5)


def mbedtls_version(chip: str, release: str | None, *, has_mfg_nvs: bool) -> MbedTls:
    """Return the version in a firmware package of a chip.

    Where the ``release`` isn't known, it is that of the oldest release with the same layout, which reads the least:
    what it reads, the real one reads, too.
    """
    rows = sorted((release_key(name), _version(text)) for name, text in _data.load("mbedtls.yml").get(chip, {}).items())
    if not rows:
        return NEWEST_KNOWN
    key = release_key(release or (MFG_NVS_SINCE if has_mfg_nvs else "v0"))
    return next((version for since, version in reversed(rows) if since <= key), rows[0][1])


def _version(text: str) -> MbedTls:
    major, minor, patch = map(int, str(text).split("."))
    return MbedTls(major, minor, patch)
