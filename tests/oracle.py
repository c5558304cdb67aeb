"""Mbed TLS 2.28 itself, as python-mbedtls has it: what it reads is what a module reads."""

from __future__ import annotations

import platform
import sys

import pytest

HAS_WHEEL = sys.version_info < (3, 13) and sys.platform == "linux" and platform.machine() == "x86_64"
"""Whether there is one for this Python: elsewhere, what needs it is not compared. `pyproject.toml` has the same."""

if HAS_WHEEL:
    from mbedtls import pk
    from mbedtls.exceptions import TLSError
    from mbedtls.x509 import CRT

needs_mbedtls = pytest.mark.skipif(not HAS_WHEEL, reason="python-mbedtls has no wheel for this Python")


def _as_firmware_passes_it(data: bytes) -> bytes:
    """Mbed TLS wants a NUL after PEM text."""
    return data + b"\0" if b"-----BEGIN" in data else data


def reads_certificate(data: bytes) -> bytes | None:
    """Return the first certificate that Mbed TLS reads in a file, as DER; None where it refuses the file."""
    try:
        return CRT.from_buffer(_as_firmware_passes_it(data)).to_DER()
    except (TLSError, ValueError):
        return None


def reads_key(data: bytes) -> bool:
    """Return whether Mbed TLS reads the private key in a file."""
    # Each of them reads any key; how they show one differs, and isn't of interest.
    try:
        pk.RSA.from_buffer(_as_firmware_passes_it(data))
    except (TLSError, ValueError):
        return False
    return True
