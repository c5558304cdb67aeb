"""PEM files: their blocks, as people's tools write them, and as Mbed TLS reads them.

Mbed TLS is stricter than other readers. `blocks` takes what any reader would; `mbedtls_blocks` finds what the firmware
finds; `write` makes a block that every reader takes (RFC 7468). Source: Mbed TLS ``pem.c`` and ``base64.c``, the same
in 2.16, 2.28 and 3.6.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError, Place, located

if TYPE_CHECKING:
    from collections.abc import Iterator

CERTIFICATE = "CERTIFICATE"
OLD_CERTIFICATE = "X509 CERTIFICATE"
"""What old versions of openssl write, and Mbed TLS doesn't read."""
PKCS1, SEC1, PKCS8 = "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"
KEYS = (PKCS1, SEC1, PKCS8)
"""The labels of private keys in the order in which Mbed TLS looks for them; it takes the first one that it finds."""

_LINE_LENGTH = 64
# A label on a line of its own: one space may follow.
_END_OF_LINE = re.compile(rb" ?\r?\n")
# Spaces may end a line of base64, and nothing else may be in it; the last line has no end.
_BODY = re.compile(rb"(?:[A-Za-z0-9+/=]* *\r?\n)*[A-Za-z0-9+/=]* *")
# The next two, and `_FAULTS`, are compiled when they are used: most runs need none of them.
_BEGIN = rb"-----BEGIN ([A-Z0-9 #.]{1,40})-----"
# RFC 1421: lines "Name: value" in front of a blank line.
_HEADERS = rb"(?:\s*[A-Za-z][A-Za-z0-9-]*:[^\n]*\n)+\s*?\n"


class Block(NamedTuple):
    """A block of a PEM file, or a whole DER file."""

    label: str
    """``CERTIFICATE``, ``PRIVATE KEY``…"""
    der: bytes
    """Its content; empty where it is encrypted."""
    line: int | None = None
    encrypted: bool = False

    def __repr__(self) -> str:
        return f"<{self.label}>"  # its content may be a secret

    @property
    def where(self) -> Place:
        """Its line, if it has one."""
        return Place.at(line=self.line)


def is_pem(data: bytes) -> bool:
    """Return whether a file has a PEM block, or the begin of one."""
    return b"-----BEGIN" in data


def blocks(data: bytes) -> Iterator[Block]:
    """Yield the blocks of a file. White space anywhere in them is ignored. Raises `FormatError`, naming the line."""
    begin_line = re.compile(_BEGIN)
    at, line = 0, 1
    while (start := data.find(b"-----BEGIN", at)) >= 0:
        line += _count_lines(data, at, start)
        with located(line=line):
            begin = begin_line.match(data, start)
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
            yield _block(label, data[begin.end() : end], line)
        line += _count_lines(data, start, end)
        at = end


def _count_lines(data: bytes, start: int, end: int) -> int:
    return data.count(b"\n", start, end) or data.count(b"\r", start, end)


def _block(label: str, body: bytes, line: int) -> Block:
    if b"Proc-Type:" in body or label == "ENCRYPTED PRIVATE KEY":
        return Block(label, b"", line, encrypted=True)
    if headers := re.match(_HEADERS, body):
        body = body[headers.end() :]
    try:
        der = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        hint = f"export the {label} again: between its BEGIN and END lines are only letters, digits, + / and ="
        if rb"\n" in body:
            hint = r"write a line end for each of the \n in the file: there they are two characters"
        raise FormatError("pem-damaged", f"the base64 text of the {label} is damaged", hint=hint) from None
    if not der:
        raise FormatError(
            "pem-damaged",
            f"the {label} is empty",
            hint=f"export the {label} again: nothing is between its BEGIN and END lines",
        )
    return Block(label, der, line)


def write(label: str, der: bytes) -> bytes:
    """Return a block: lines of 64 characters, each ended by LF."""
    text = base64.b64encode(der).decode("ascii")
    lines = (text[at : at + _LINE_LENGTH] for at in range(0, len(text), _LINE_LENGTH))
    return "".join(f"{line}\n" for line in (f"-----BEGIN {label}-----", *lines, f"-----END {label}-----")).encode(
        "ascii"
    )


# --- as Mbed TLS reads ---


def mbedtls_blocks(data: bytes, label: str) -> Iterator[bytes | None]:
    """Yield what Mbed TLS finds under a label, in its order: the content of a block, or None where it can't be read."""
    text = data.partition(b"\0")[0]
    begin, end = f"-----BEGIN {label}-----".encode("ascii"), f"-----END {label}-----".encode("ascii")
    at = 0
    while True:
        start, stop = text.find(begin, at), text.find(end, at)
        body = _END_OF_LINE.match(text, start + len(begin))
        if start < 0 or stop <= start or body is None:
            return
        yield _decoded(text[body.end() : stop])
        at = stop + len(end)


def mbedtls_key(data: bytes) -> tuple[str, bytes | None] | None:
    """Return label and content of the private key that Mbed TLS takes from a PEM file; None where it finds none."""
    for label in KEYS:
        for der in mbedtls_blocks(data, label):
            return label, der
    return None


def _decoded(body: bytes) -> bytes | None:
    if not _BODY.fullmatch(body):
        return None
    try:
        return base64.b64decode(b"".join(body.split()), validate=True) or None
    except binascii.Error:
        return None


def faults(data: bytes) -> tuple[str, ...]:
    """Return what Mbed TLS minds about the form of a PEM file that it doesn't read, in words."""
    return tuple(text for pattern, text in _FAULTS if re.search(pattern, data)) or ("its lines are not those of PEM",)


_FAULTS = (
    (rb"\0", "it has NUL bytes"),
    (rb"\r(?!\n)", "its lines end in CR"),
    (rb"\A(?:(?!-----BEGIN)[\s\S])*-----END", "it begins with a line -----END"),
    (rb"-----BEGIN [A-Z0-9 ]+-----(?! ?\r?\n)(?=[ \t]*\S)", "there is text on the line -----BEGIN"),
    (rb"-----BEGIN [A-Z0-9 ]+-----(?:  |\t| \t)\s*?\n", "there are spaces after the line -----BEGIN"),
    (rb"\t", "it has tabs"),
    (rb"(?m)^ +[A-Za-z0-9+/=]{4,}[ \r]*$", "its lines are indented"),
    (rb"(?m)^[A-Za-z0-9+/=]{4,} +[A-Za-z0-9+/=]+[ \r]*$", "it has spaces inside its lines"),
    (rb"-----BEGIN [^-\n]*-----[ \t\r]*\n\s*[A-Za-z][A-Za-z0-9-]*:", "it has header lines"),
    (rb"[\v\f]", "it has vertical tabs or form feeds"),
    (rb"-----END [^-]*-----(?:(?!-----BEGIN)[^-])*-----END", "a line -----END has no -----BEGIN"),
)
