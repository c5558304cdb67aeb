"""NVS images: ``mfg_nvs.bin`` keeps parameters, certificates and GATT services since v3.1.0.0.

`nvs_pages` has the layout. Only what the generator makes is read: a damaged image, or one that a module has written to,
is refused.

The last page of an image stays blank, for the firmware to move entries into. Two dialects of the generator differ in
the pages between: see `Dialect`.

Source: ESP-IDF ``components/nvs_flash``, and esp-idf-nvs-partition-gen.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError, located
from platformio_esp_at.formats.nvs_pages import (
    ACTIVE,
    BLOB_DATA,
    BLOB_INDEX,
    EMPTY,
    ENTRIES,
    ENTRY_SIZE,
    FIRST_ENTRY,
    FULL,
    HEAD,
    MAX_KEY,
    PAGE_SIZE,
    PAGE_VERSION,
    UNUSED,
    WITH_DATA,
    WRITTEN,
    Encoding,
    crc32,
    entry_is_sound,
    header_is_sound,
    number_of,
    spans,
)
from platformio_esp_at.formats.nvs_writer import write_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from platformio_esp_at.formats.nvs_pages import Value


_MAX_STRING_ENTRIES = ENTRIES - 2


class Dialect(enum.Enum):
    """What the generator leaves in pages that hold no entry."""

    FULL_PAGES = "full_pages"
    """Headers in state "full", also on the last page with entries: at.py, and the generator up to 0.1.6."""
    BLANK_TAIL = "blank_tail"
    """FF, and the last page with entries stays active: the generator from 0.1.7 on."""


@dataclass(frozen=True, slots=True)
class NvsEntry:
    """A key and its value, or, with `Encoding.NAMESPACE`, the place where a namespace begins (its key is blank)."""

    namespace: str
    key: str
    encoding: Encoding
    value: Value = field(repr=False)

    def __post_init__(self) -> None:
        names = [self.namespace] if self.encoding is Encoding.NAMESPACE else [self.namespace, self.key]
        for name in names:
            if not 0 < len(name.encode("utf-8", "replace")) <= MAX_KEY or not name.isprintable():
                raise FormatError(
                    "nvs-key", f"{name!r} can't be a key or namespace", hint=f"write 1 to {MAX_KEY} characters"
                )
        _check_value(self)

    @property
    def name(self) -> str:
        """Namespace and key, for messages."""
        return f"{self.namespace}.{self.key}" if self.key else self.namespace


@dataclass(frozen=True, slots=True)
class NvsImage:
    """The entries of an image in their order, with those that begin namespaces; ``size`` is in bytes."""

    entries: tuple[NvsEntry, ...]
    size: int
    dialect: Dialect = Dialect.BLANK_TAIL

    def __iter__(self) -> Iterator[NvsEntry]:
        return (entry for entry in self.entries if entry.encoding is not Encoding.NAMESPACE)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces, in the order of their indexes."""
        return tuple(entry.namespace for entry in self.entries if entry.encoding is Encoding.NAMESPACE)

    def get(self, namespace: str, key: str) -> NvsEntry | None:
        """Return an entry, or None."""
        return next((entry for entry in self if (entry.namespace, entry.key) == (namespace, key)), None)

    def keys(self, namespace: str) -> tuple[str, ...]:
        """Return the keys of a namespace, in their order."""
        return tuple(entry.key for entry in self if entry.namespace == namespace)

    def with_namespace(self, namespace: str, entries: Sequence[NvsEntry]) -> NvsImage:
        """Return a copy whose ``namespace`` holds just these entries: at its old place, or at the end if it is new."""
        marker = NvsEntry(namespace, "", Encoding.NAMESPACE, b"")
        kept: list[NvsEntry] = []
        for entry in self.entries:
            if entry == marker:
                kept += [marker, *entries]
            elif entry.namespace != namespace:
                kept.append(entry)
        if marker not in kept:
            kept += [marker, *entries]
        return replace(self, entries=tuple(kept))

    @classmethod
    def from_bytes(cls, data: bytes) -> NvsImage:
        """Return the image. Raises `FormatError`, naming page and entry, for a damaged one or one that was in use."""
        if not data or len(data) % PAGE_SIZE:
            raise FormatError(
                "nvs-size",
                f"an NVS image of {len(data)} bytes",
                hint=f"take the whole image: pages of {PAGE_SIZE} bytes",
            )
        pages = [_Page.parse(data, number) for number in range(len(data) // PAGE_SIZE)]
        _check_sequence(pages)
        return cls(tuple(_parse_entries(pages)), len(data), _dialect_of(pages))

    def to_bytes(self) -> bytes:
        """Return the image as the generator would write it. Raises `FormatError` where the entries don't fit."""
        return write_image(self.entries, self.size, full_pages=self.dialect is Dialect.FULL_PAGES)

    def to_csv(self) -> str:
        """Return a CSV from which the upstream generator makes the same entries; blobs are in base64.

        The entries of a namespace are together, even if a module has added one to an earlier namespace.
        """
        import base64  # noqa: PLC0415 - 2 ms that only a CSV needs
        import csv  # noqa: PLC0415
        import io  # noqa: PLC0415

        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(("key", "type", "encoding", "value"))
        place = {namespace: number for number, namespace in enumerate(self.namespaces)}
        for entry in sorted(self.entries, key=lambda entry: place[entry.namespace]):
            if entry.encoding is Encoding.NAMESPACE:
                writer.writerow((entry.namespace, "namespace", "", ""))
            elif isinstance(entry.value, bytes):
                writer.writerow((entry.key, "data", "base64", base64.b64encode(entry.value).decode()))
            else:
                writer.writerow((entry.key, "data", entry.encoding.name.lower(), entry.value))
        return lines.getvalue()


def is_nvs(data: bytes) -> bool:
    """Return whether ``data`` starts with a page of an NVS image, by its version and its header's CRC."""
    return data[8:9] == bytes([PAGE_VERSION]) and header_is_sound(data)


def lost_pages(data: bytes) -> tuple[int, ...]:
    """Return the sequence numbers of pages that a generator's image lacks: it counts them from 0, page by page.

    A page becomes full when the next one begins; the page after the last one that is used stays blank. In the image of
    a module that has freed pages, numbers are missing, too.
    """
    pages = [struct.unpack_from("<LL", data, at) for at in range(0, len(data) - PAGE_SIZE + 1, PAGE_SIZE)]
    used = {number: state for state, number in pages if state != UNUSED}
    end = min(max(used, default=0), len(pages))
    if used.get(end) == FULL and end + 2 < len(pages):
        end += 2
    return tuple(number for number in range(end) if number not in used)


def _check_value(entry: NvsEntry) -> None:
    value, encoding = entry.value, entry.encoding
    kind = int if encoding.is_number else str if encoding is Encoding.STRING else bytes
    if not isinstance(value, kind) or isinstance(value, bool):
        raise FormatError(
            "nvs-value",
            f"{entry.name} must be {kind.__name__}, not {value!r}",
            hint=f"write {'a whole number' if kind is int else 'text'} for it",
        )
    if isinstance(value, int):
        bits = encoding.number_size * 8
        low = -(1 << bits - 1) if encoding.signed else 0
        if not low <= value < low + (1 << bits):
            raise FormatError(
                "nvs-value",
                f"{entry.name} must be {low}…{low + (1 << bits) - 1}, not {value}",
                hint=f"write {low} to {low + (1 << bits) - 1}",
            )
    elif isinstance(value, str):
        try:
            length = len(value.encode()) + 1
        except UnicodeEncodeError:
            raise FormatError(
                "nvs-value", f"{entry.name} isn't text", hint="write it with characters that UTF-8 has"
            ) from None
        if "\0" in value:
            raise FormatError(
                "nvs-value",
                f"{entry.name} has a NUL inside: the module would stop reading there",
                hint="remove the NUL (byte 00) from the value",
            )
        if length > _MAX_STRING_ENTRIES * ENTRY_SIZE:
            raise FormatError(
                "nvs-value",
                f"{entry.name} is {length} bytes",
                hint=f"write {_MAX_STRING_ENTRIES * ENTRY_SIZE} bytes at most",
            )


# --- reading ---

_TYPES = frozenset(Encoding) - {Encoding.NAMESPACE}


class _Page(NamedTuple):
    number: int
    state: int
    sequence: int
    raw_entries: tuple[tuple[int, bytes], ...]
    """Its written entries, each with its place in the page and the data that follows it."""

    @classmethod
    def parse(cls, data: bytes, number: int) -> _Page:
        page = data[number * PAGE_SIZE : (number + 1) * PAGE_SIZE]
        with located(page=number):
            state, sequence, version = struct.unpack_from("<LLB", page)
            if state == UNUSED:
                if page.strip(b"\xff"):
                    raise FormatError("nvs-damaged", "the page is marked unused, but isn't blank", hint=_DAMAGED)
                return cls(number, state, number, ())
            if not header_is_sound(page):
                raise FormatError("nvs-damaged", "the CRC of the page's header is wrong", hint=_DAMAGED)
            if state not in (ACTIVE, FULL):
                raise FormatError("nvs-in-use", f"the page's state is {state:#x}", hint=_IN_USE)
            if version != PAGE_VERSION:
                raise FormatError(
                    "nvs-damaged", f"the page's version is {version:#x}, {PAGE_VERSION:#x} is known", hint=_DAMAGED
                )
            return cls(number, state, sequence, tuple(_raw_entries(page)))


_DAMAGED = "the file is damaged: copy it again from where it was made"
_IN_USE = "the image was read from a module that has written to it: take the firmware package's own"


def _check_sequence(pages: Sequence[_Page]) -> None:
    """Raise `FormatError` for a page that is there twice, and for two pages that take new entries."""
    seen: dict[int, int] = {}
    active = None
    for page in pages:
        if page.state == UNUSED:
            continue
        with located(page=page.number):
            if page.sequence in seen:
                raise FormatError(
                    "nvs-damaged",
                    f"the page has the sequence number {page.sequence} of page {seen[page.sequence]}",
                    hint=_DAMAGED,
                )
            seen[page.sequence] = page.number
            if page.state == ACTIVE and active is not None:
                raise FormatError("nvs-damaged", f"the page is active, and so is page {active}", hint=_DAMAGED)
            active = page.number if page.state == ACTIVE else active


def _raw_entries(page: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each entry's place, and the entry with its data, after checking states and CRCs."""
    states = int.from_bytes(page[32:64], "little")
    number = 0
    while number < ENTRIES:
        with located(entry=number):
            at = FIRST_ENTRY + number * ENTRY_SIZE
            span = max(1, page[at + 2]) if states >> number * 2 & 0b11 == WRITTEN else 1
            if number + span > ENTRIES:
                raise FormatError("nvs-damaged", f"the entry spans {span}, beyond the page's end", hint=_DAMAGED)
            marks = {states >> each * 2 & 0b11 for each in range(number, number + span)}
            if marks == {EMPTY}:
                if page[at:].strip(b"\xff") or states >> number * 2 != (1 << 256 - number * 2) - 1:
                    raise FormatError("nvs-damaged", "there are bytes where the page says it is empty", hint=_DAMAGED)
                return
            if marks != {WRITTEN}:
                raise FormatError("nvs-in-use", "the entry is erased", hint=_IN_USE)
            raw = page[at : at + span * ENTRY_SIZE]
            if not entry_is_sound(raw):
                raise FormatError("nvs-damaged", "the entry's CRC is wrong", hint=_DAMAGED)
            if raw[2] == 0:
                raise FormatError("nvs-damaged", "the entry spans 0", hint=_DAMAGED)
            yield number, raw
        number += span


def _parse_entries(pages: Sequence[_Page]) -> Iterator[NvsEntry]:
    namespaces: dict[int, str] = {}
    seen: set[tuple[str, str]] = set()
    chunks: list[bytes] = []
    owner = (0, "")  # namespace and key of the chunks
    for page in sorted(pages, key=lambda page: page.sequence):
        for number, raw in page.raw_entries:
            with located(page=page.number, entry=number):
                index, type_, span, chunk, _, key_field = HEAD.unpack_from(raw)
                key = _text(key_field.partition(b"\0")[0])
                if span != 1 and type_ not in WITH_DATA:
                    raise FormatError("nvs-damaged", f"{key!r} spans {span} entries, its type takes one", hint=_DAMAGED)
                if chunks and ((index, key) != owner or type_ not in (BLOB_DATA, BLOB_INDEX)):
                    raise FormatError("nvs-damaged", f"the blob {owner[1]!r} before it has no index", hint=_DAMAGED)
                if index == 0:
                    if type_ != Encoding.U8 or raw[24] in namespaces or key in namespaces.values():
                        raise FormatError(
                            "nvs-damaged", f"{key!r} can't begin a namespace, or begins it again", hint=_DAMAGED
                        )
                    namespaces[raw[24]] = key
                    yield NvsEntry(key, "", Encoding.NAMESPACE, b"")
                    continue
                if index not in namespaces:
                    raise FormatError(
                        "nvs-damaged", f"{key!r} belongs to namespace {index}, which doesn't exist", hint=_DAMAGED
                    )
                if type_ == BLOB_DATA:
                    if chunk != len(chunks):
                        raise FormatError("nvs-in-use", f"chunk {chunk} of {key!r} is out of order", hint=_IN_USE)
                    chunks.append(_data(raw, key))
                    owner = (index, key)
                    continue
                entry = _parse_entry(namespaces[index], key, type_, raw, chunks)
                chunks = []
                if (entry.namespace, entry.key) in seen:
                    raise FormatError("nvs-in-use", f"duplicate entry {entry.name}", hint=_IN_USE)
                seen.add((entry.namespace, entry.key))
                yield entry
    if chunks:
        raise FormatError("nvs-damaged", f"the last blob, {owner[1]!r}, has no index", hint=_DAMAGED)


def _parse_entry(namespace: str, key: str, type_: int, raw: bytes, chunks: Sequence[bytes]) -> NvsEntry:
    if type_ == BLOB_INDEX:
        size, count, first = struct.unpack_from("<LBB", raw, 24)
        blob = b"".join(chunks)
        if (size, count, first) != (len(blob), len(chunks), 0):
            raise FormatError(
                "nvs-damaged", f"the chunks of {key!r} are not those that its index counts", hint=_DAMAGED
            )
        return NvsEntry(namespace, key, Encoding.BINARY, blob)
    if type_ not in _TYPES:
        raise FormatError("nvs-damaged", f"{key!r} has the unknown type {type_:#x}", hint=_DAMAGED)
    encoding = Encoding(type_)
    if encoding is Encoding.BINARY:
        return NvsEntry(namespace, key, encoding, _data(raw, key))
    if encoding is Encoding.STRING:
        data = _data(raw, key)
        if not data.endswith(b"\0"):
            raise FormatError("nvs-damaged", f"the string {key!r} doesn't end", hint=_DAMAGED)
        return NvsEntry(namespace, key, encoding, _text(data[:-1]))
    return NvsEntry(namespace, key, encoding, number_of(raw, encoding))


def _data(raw: bytes, key: str) -> bytes:
    length, crc = struct.unpack_from("<H2xL", raw, 24)
    data = raw[ENTRY_SIZE : ENTRY_SIZE + length]
    if len(data) != length or len(raw) != (1 + spans(length)) * ENTRY_SIZE:
        raise FormatError("nvs-damaged", f"{key!r} has {length} bytes, its entry spans others", hint=_DAMAGED)
    if crc32(data) != crc:
        raise FormatError("nvs-damaged", f"the CRC of {key!r} is wrong", hint=_DAMAGED)
    return data


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise FormatError("nvs-damaged", f"{raw!r} isn't text", hint=_DAMAGED) from None


def _dialect_of(pages: Sequence[_Page]) -> Dialect:
    """Return the dialect: only `BLANK_TAIL` leaves the last page with entries active."""
    if any(page.state == ACTIVE for page in pages):
        return Dialect.BLANK_TAIL
    return Dialect.FULL_PAGES if any(page.state == FULL for page in pages) else Dialect.BLANK_TAIL
