"""Whether EC certificates and keys are whole: what needs the mathematics of `cryptography`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats import pem
from platformio_esp_at.formats.x509 import X509File

if TYPE_CHECKING:
    from collections.abc import Sequence


def ec_damage(contents: Sequence[bytes], *, is_key: bool, is_ca: bool) -> str | None:
    """Return why EC certificates or a key in DER are damaged; None where nothing shows it."""
    label = pem.PKCS8 if is_key else pem.CERTIFICATE
    file = X509File(tuple(pem.Block(label, content) for content in contents))
    try:
        if is_key:
            file.private_key()
            return None
        certificates = file.certificates()
    except FormatError as error:
        return error.message
    if is_ca and any(info.self_signed and not info.issued_by(info) for info in certificates):
        return "its signature doesn't match"
    return None
