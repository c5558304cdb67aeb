"""DER, and which kind of certificate or key a DER file is, without a library for it.

An element is a tag, a length and its content (ITU-T X.690). What is read here is what every run can afford to look at;
`x509` reads certificates and keys whole.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

INTEGER, BIT_STRING, OCTET_STRING, OID = 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET = 0x30, 0x31
CONTEXT = 0xA0
"""The tag of the constructed element [0]; [1] is one more, and so on."""

_RSA = bytes.fromhex("2a864886f70d010101")
_EC = bytes.fromhex("2a8648ce3d0201")
_PKCS7 = bytes.fromhex("2a864886f70d0107")


class Element(NamedTuple):
    """One element: its tag, its content, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    def children(self) -> tuple[Element, ...]:
        """Return the elements in its content. Raises `ValueError` where these aren't elements."""
        found, at = [], 0
        while at < len(self.content):
            element = read(self.content, at)
            found.append(element)
            at += len(element.whole)
        return tuple(found)


def read(data: bytes, at: int = 0) -> Element:
    """Return the element at an offset; other bytes may follow it. Raises `ValueError` where it is cut."""
    header = data[at : at + 2]
    if len(header) < 2:
        raise ValueError("cut")
    begin, length = at + 2, header[1]
    if length & 0x80:
        size = length & 0x7F
        if not 0 < size <= 4:
            raise ValueError("a length of no certificate")
        begin, length = begin + size, int.from_bytes(data[begin : begin + size], "big")
    if begin + length > len(data):
        raise ValueError("cut")
    return Element(header[0], data[begin : begin + length], data[at : begin + length])


def write(tag: int, *parts: bytes) -> bytes:
    """Return the element of these parts."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


class Kind(enum.Enum):
    """What a DER file is, by its outermost elements."""

    CERTIFICATE = "certificate"
    PKCS1 = "private key of PKCS#1"
    SEC1 = "private key of SEC 1"
    PKCS8 = "private key of PKCS#8"
    ENCRYPTED = "encrypted private key"
    PKCS12 = "PKCS#12 file"
    PKCS7 = "PKCS#7 file"
    REQUEST = "certificate request"
    PUBLIC_KEY = "public key"
    REVOCATIONS = "list of revoked certificates"


def kind_of(data: bytes) -> Kind | None:
    """Return what a DER file is; None for anything else.

    Sources: RFC 5280 (certificate, list of revoked ones), RFC 8017 (PKCS#1), RFC 5915 (SEC 1), RFC 5958 (PKCS#8), RFC
    7292 (PKCS#12), RFC 2315 (PKCS#7), RFC 2986 (request). Each is a sequence, and its first elements tell it.
    """
    try:
        outer = read(data)
        parts = outer.children()
        if outer.tag != SEQUENCE or not parts:
            return None
        decide = _KINDS_BY_TAGS.get(bytes(part.tag for part in parts[:2]))
        return decide(parts) if decide else None
    except ValueError:
        return None


def _two_sequences(parts: tuple[Element, ...]) -> Kind | None:
    """Return which kind of signed content it is: a certificate, a request or a list of revoked certificates."""
    if len(parts) != 3 or parts[2].tag != BIT_STRING:
        return None
    inner = parts[0].children()
    tags = bytes(part.tag for part in inner)
    if tags[:1] == bytes([CONTEXT]) or tags.startswith(bytes([INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE])):
        return Kind.CERTIFICATE
    if tags[:3] == bytes([INTEGER, SEQUENCE, SEQUENCE]) and tags[3:4] == bytes([CONTEXT]):
        return Kind.REQUEST
    return Kind.REVOCATIONS


def _sequence_and_octets(parts: tuple[Element, ...]) -> Kind | None:
    return Kind.ENCRYPTED if parts[0].children()[:1] and parts[0].children()[0].tag == OID else None


def _number_and_sequence(parts: tuple[Element, ...]) -> Kind | None:
    first = parts[1].children()[:1]
    if first and first[0].tag == OID:
        return Kind.PKCS12 if first[0].content.startswith(_PKCS7) else Kind.PKCS8
    return None


_KINDS_BY_TAGS: dict[bytes, Callable[[tuple[Element, ...]], Kind | None]] = {
    bytes([SEQUENCE, SEQUENCE]): _two_sequences,
    bytes([SEQUENCE, BIT_STRING]): lambda _: Kind.PUBLIC_KEY,
    bytes([SEQUENCE, OCTET_STRING]): _sequence_and_octets,
    bytes([INTEGER, SEQUENCE]): _number_and_sequence,
    bytes([INTEGER, OCTET_STRING]): lambda _: Kind.SEC1,
    bytes([INTEGER, INTEGER]): lambda parts: Kind.PKCS1 if len(parts) >= 9 else Kind.PUBLIC_KEY,
    bytes([OID, CONTEXT]): lambda parts: Kind.PKCS7 if parts[0].content.startswith(_PKCS7) else None,
}
