"""One PEM file in the many forms that tools and editors make of it."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _lines(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda data: b"".join(change(line) + b"\n" for line in data.splitlines())


def _base64(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change the text of each block, between its lines BEGIN and END."""
    return lambda data: re.sub(
        rb"(-----BEGIN [^-]*-----\n)([^-]*)(\n-----END)", lambda found: found[1] + change(found[2]) + found[3], data
    )


def _wrapped(width: int) -> Callable[[bytes], bytes]:
    return _base64(lambda text: b"\n".join(re.findall(rb".{1,%d}" % width, base64.b64encode(base64.b64decode(text)))))


AS_IT_IS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "CR LF": lambda data: data.replace(b"\n", b"\r\n"),
    "76 columns": _wrapped(76),
    "48 columns": _wrapped(48),
    "one long line": _wrapped(100_000),
    "a space after each line": _lines(lambda line: line + b" "),
    "a space and CR LF": lambda data: data.replace(b"\n", b" \r\n"),
    "no last line end": bytes.rstrip,
    "NUL at the end": lambda data: data + b"\0",
    "text in front": lambda data: b"Subject: CN=Example\nIssuer: someone\n" + data,
    "text behind": lambda data: data + b"that is all\n",
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "Latin-1 in front": lambda data: b"Pr\xe9nom\n" + data,
    "blank lines": lambda data: data.replace(b"\n", b"\n\n"),
    "indented lines of the labels": lambda data: data.replace(b"-----BEGIN", b"   -----BEGIN"),
    "spaces in front of END": lambda data: data.replace(b"-----END", b"    -----END"),
    "six dashes": lambda data: data.replace(b"-----BEGIN", b"------BEGIN"),
}
"""Forms that Mbed TLS reads."""

WRITTEN_ANEW: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "CR": (lambda data: data.replace(b"\n", b"\r"), "its lines end in CR"),
    "CR in the first lines": (lambda data: data.replace(b"\n", b"\r", 3), "its lines end in CR"),
    "CR CR LF": (lambda data: data.replace(b"\n", b"\r\r\n"), "its lines end in CR"),
    "tabs at the ends": (_lines(lambda line: line + b"\t"), "it has tabs"),
    "tabs in front": (_lines(lambda line: b"\t" + line), "it has tabs"),
    "a tab inside": (_base64(lambda text: text[:10] + b"\t" + text[10:]), "it has tabs"),
    "indented": (_lines(lambda line: b"  " + line), "its lines are indented"),
    "base64 indented by one": (_base64(lambda text: text.replace(b"\n", b"\n ")), "its lines are indented"),
    "all in one line": (lambda data: data.replace(b"\n", b""), "there is text on the line -----BEGIN"),
    "in one line, with spaces": (lambda data: data.replace(b"\n", b" "), "there is text on the line -----BEGIN"),
    "base64 after BEGIN": (
        lambda data: re.sub(rb"(-----BEGIN [^-]*-----)\n", rb"\1", data),
        "there is text on the line -----BEGIN",
    ),
    "two spaces after the lines": (_lines(lambda line: line + b"  "), "there are spaces after the line -----BEGIN"),
    "a space inside": (_base64(lambda text: text[:10] + b" " + text[10:]), "it has spaces inside its lines"),
    "NUL in front": (lambda data: b"\0" + data, "it has NUL bytes"),
    "four NULs in front": (lambda data: bytes(4) + data, "it has NUL bytes"),
    "vertical tabs": (_base64(lambda text: text.replace(b"\n", b"\v\n")), "it has vertical tabs or form feeds"),
    "form feeds": (_base64(lambda text: text.replace(b"\n", b"\f\n")), "it has vertical tabs or form feeds"),
    "a header": (
        lambda data: re.sub(rb"(-----BEGIN [^-]*-----\n)", rb"\1Comment: mine\n\n", data),
        "it has header lines",
    ),
    "END first": (
        lambda data: b"".join(b"%b\n" % line for line in re.findall(rb"-----END [^-]*-----", data)) + data,
        "it begins with a line -----END",
    ),
}
"""Forms that other readers take and Mbed TLS doesn't, and what is said about them."""
