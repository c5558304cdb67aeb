"""The project's certificates and keys in a form that the firmware's TLS reads.

A file that Mbed TLS reads stays as it is, byte for byte. One that other tools read, and Mbed TLS doesn't, is written
anew: the same certificates and keys, in their order, in the form of RFC 7468.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError, Notice, Place, note
from platformio_esp_at.formats import der, pem, pki_der
from platformio_esp_at.formats.der import Kind
from platformio_esp_at.formats.pki import MAX_CONTENT, PKI_SLOTS, PkiType, pki_slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from platformio_esp_at.request.options import Request

_LABELS = {Kind.PKCS1: pem.PKCS1, Kind.SEC1: pem.SEC1, Kind.PKCS8: pem.PKCS8}
_PKCS8_VERSION_2 = "it is a PKCS#8 key of version 2"


class Readable(NamedTuple):
    """A request whose certificates and keys the firmware's TLS reads, and a note for each that was written anew."""

    request: Request
    notes: tuple[Notice, ...]


def with_readable_pki(request: Request) -> Readable:
    """Return the request with every certificate and key in a form that Mbed TLS reads.

    Files in which no certificate or key can be found, and too large ones, stay as they are: `checks` refuses them.
    """
    notes: list[Notice] = []
    changed = {}
    for name, files in request.pki.items():
        kind = PKI_SLOTS.get(pki_slot(name))
        kept = []
        for file in files:
            data, faults = readable_form(file.data, kind) if kind else (file.data, ())
            if faults:
                message = (
                    f"{name} is written anew, as the firmware's TLS doesn't read the file's form: {', '.join(faults)}"
                )
                notes.append(note("pki-rewritten", message, where=Place.at(file=file.label), certificate_or_key=name))
            kept.append(replace(file, data=data) if faults else file)
        changed[name] = tuple(kept)
    return Readable(replace(request, pki=changed), tuple(notes)) if notes else Readable(request, ())


def readable_form(data: bytes, kind: PkiType) -> tuple[bytes, tuple[str, ...]]:
    """Return a certificate or key file as Mbed TLS reads it, and what was wrong with it; nothing if it stays.

    ``kind``: what the file is given as.
    """
    if len(data) > MAX_CONTENT:
        return data, ()
    if not pem.is_pem(data):
        return _readable_der(data)
    try:
        blocks = tuple(pem.blocks(data))
    except FormatError:
        return data, ()
    if any(block.encrypted for block in blocks):
        return data, ()
    return _readable_key(data, blocks) if kind is PkiType.KEY else _readable_certificates(data, blocks)


def _readable_der(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    changed = _version_1(data)
    return (changed, (_PKCS8_VERSION_2,)) if changed != data else (data, ())


def _readable_certificates(data: bytes, blocks: Sequence[pem.Block]) -> tuple[bytes, tuple[str, ...]]:
    labels = {block.label for block in blocks}
    wanted = [block.der for block in blocks if block.label in (pem.CERTIFICATE, pem.OLD_CERTIFICATE)]
    if not wanted or list(pem.mbedtls_blocks(data, pem.CERTIFICATE)) == wanted:
        return data, ()
    faults = [f"its label is {pem.OLD_CERTIFICATE}"] if pem.OLD_CERTIFICATE in labels else list(pem.faults(data))
    text = b"".join(
        pem.write(pem.CERTIFICATE if block.label == pem.OLD_CERTIFICATE else block.label, block.der) for block in blocks
    )
    return text, tuple(faults)


def _readable_key(data: bytes, blocks: Sequence[pem.Block]) -> tuple[bytes, tuple[str, ...]]:
    keys = [block for block in blocks if block.label in pem.KEYS]
    if len(keys) != 1:
        return data, ()
    (key,) = keys
    label = _LABELS.get(der.kind_of(key.der) or Kind.CERTIFICATE)
    content = _version_1(key.der)
    if label is None or pem.mbedtls_key(data) == (label, content):
        return data, ()
    faults = []
    if label != key.label:
        faults.append(f"its label is {key.label}, and its content is that of {label}")
    if content != key.der:
        faults.append(_PKCS8_VERSION_2)
    text = b"".join(
        pem.write(label, content) if block is key else pem.write(block.label, block.der) for block in blocks
    )
    return text, tuple(faults) or pem.faults(data)


def _version_1(data: bytes) -> bytes:
    """Return a PKCS#8 key as version 1, and anything else as it is."""
    try:
        if der.kind_of(data) is Kind.PKCS8 and pki_der.private_key(data).version == 1:
            return pki_der.pkcs8_version_1(data)
    except ValueError:
        pass
    return data
