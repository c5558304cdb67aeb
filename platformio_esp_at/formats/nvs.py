"""NVS images: ``mfg_nvs.bin`` keeps parameters, certificates and GATT services since v3.1.0.0.

An image is pages of 4096 bytes, little endian::

    offset  size  field
    0       32    header
                    0   4  state: FFFFFFFE active, FFFFFFFC full, FFFFFFFF unused
                    4   4  sequence number, from 0
                    8   1  version: FE
                    9   19 FF
                    28  4  CRC-32 of bytes 4 to 27
    32      32    entry states, two bits each: 11 empty, 10 written, 00 erased
    64      4032  126 entries of 32 bytes
                    0   1  namespace index, 0 for the entry of a namespace
                    1   1  type, see `Encoding`
                    2   1  span: how many entries it takes with its data
                    3   1  chunk index of blob data, else FF
                    4   4  CRC-32 of bytes 0 to 3 and 8 to 31
                    8   16 key, NUL padded
                    24  8  a number; or length u16, FFFF, CRC-32 of the data that follows in the next entries;
                           or, of a blob's index, length u32, number of chunks, first chunk, FFFF

A string ends with NUL and stays in one page. A blob is cut where a page ends; its chunks are followed by its index. The
last page stays blank, for the firmware to move entries into. Two dialects of the generator differ in the pages between:
see `Dialect`.

Source: ESP-IDF ``components/nvs_flash``, and esp-idf-nvs-partition-gen, whose placement of entries is followed exactly,
oddities included.
"""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from platformio_esp_at.errors import FormatError, located

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE_SIZE = 4096
MIN_SIZE = 3 * PAGE_SIZE
"""The smallest image that a firmware can write to, in bytes."""

_ENTRY_SIZE = 32
_ENTRIES = 126
_FIRST_ENTRY = 64
_STATE_ACTIVE, _STATE_FULL, _STATE_UNUSED = 0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFFF
_PAGE_VERSION = 0xFE
_NO_CHUNK = 0xFF
_EMPTY, _WRITTEN = 0b11, 0b10
_BLOB_DATA, _BLOB_INDEX = 0x42, 0x48
_MAX_NAMESPACES = 254
_MAX_KEY = 15
_MAX_STRING_ENTRIES = _ENTRIES - 2
_HEAD = struct.Struct("<BBBBL16s")

Value: TypeAlias = "int | str | bytes"


class Encoding(enum.IntEnum):
    """The type byte of an entry, named as in the generator's CSV. `NAMESPACE` is our own marker, not a type."""

    NAMESPACE = 0x00
    U8 = 0x01
    U16 = 0x02
    U32 = 0x04
    U64 = 0x08
    I8 = 0x11
    I16 = 0x12
    I32 = 0x14
    I64 = 0x18
    STRING = 0x21
    BINARY = 0x41

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self not in (Encoding.NAMESPACE, Encoding.STRING, Encoding.BINARY)

    @property
    def number_size(self) -> int:
        """The size of a number, in bytes."""
        return self & 0x0F

    @property
    def signed(self) -> bool:
        """Whether a number may be negative."""
        return bool(self & 0x10)


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
            if not 0 < len(name.encode("utf-8", "replace")) <= _MAX_KEY or not name.isprintable():
                raise FormatError(
                    "nvs-key", f"{name!r} can't be a key or namespace", hint=f"write 1 to {_MAX_KEY} characters"
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
        return _Writer(self.size, self.dialect).write(self)

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
    return data[8:9] == bytes([_PAGE_VERSION]) and data[28:32] == struct.pack("<L", _crc(data[4:28]))


def lost_pages(data: bytes) -> tuple[int, ...]:
    """Return the sequence numbers of pages that a generator's image lacks: it counts them from 0, page by page.

    A page becomes full when the next one begins; the page after the last one that is used stays blank. In the image of
    a module that has freed pages, numbers are missing, too.
    """
    pages = [struct.unpack_from("<LL", data, at) for at in range(0, len(data) - PAGE_SIZE + 1, PAGE_SIZE)]
    used = {number: state for state, number in pages if state != _STATE_UNUSED}
    end = min(max(used, default=0), len(pages))
    if used.get(end) == _STATE_FULL and end + 2 < len(pages):
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
        if length > _MAX_STRING_ENTRIES * _ENTRY_SIZE:
            raise FormatError(
                "nvs-value",
                f"{entry.name} is {length} bytes",
                hint=f"write {_MAX_STRING_ENTRIES * _ENTRY_SIZE} bytes at most",
            )


def _crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFFFFFF)


def _spans(length: int) -> int:
    """Return how many entries ``length`` bytes of data take."""
    return -(-length // _ENTRY_SIZE)


# --- reading ---

_TYPES = frozenset(Encoding) - {Encoding.NAMESPACE}
_WITH_DATA = (Encoding.STRING, Encoding.BINARY, _BLOB_DATA)


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
            if state == _STATE_UNUSED:
                if page.strip(b"\xff"):
                    raise FormatError("nvs-damaged", "the page is marked unused, but isn't blank", hint=_DAMAGED)
                return cls(number, state, number, ())
            if struct.unpack_from("<L", page, 28)[0] != _crc(page[4:28]):
                raise FormatError("nvs-damaged", "the CRC of the page's header is wrong", hint=_DAMAGED)
            if state not in (_STATE_ACTIVE, _STATE_FULL):
                raise FormatError("nvs-in-use", f"the page's state is {state:#x}", hint=_IN_USE)
            if version != _PAGE_VERSION:
                raise FormatError(
                    "nvs-damaged", f"the page's version is {version:#x}, {_PAGE_VERSION:#x} is known", hint=_DAMAGED
                )
            return cls(number, state, sequence, tuple(_raw_entries(page)))


_DAMAGED = "the file is damaged: copy it again from where it was made"
_IN_USE = "the image was read from a module that has written to it: take the firmware package's own"


def _check_sequence(pages: Sequence[_Page]) -> None:
    """Raise `FormatError` for a page that is there twice, and for two pages that take new entries."""
    seen: dict[int, int] = {}
    active = None
    for page in pages:
        if page.state == _STATE_UNUSED:
            continue
        with located(page=page.number):
            if page.sequence in seen:
                raise FormatError(
                    "nvs-damaged",
                    f"the page has the sequence number {page.sequence} of page {seen[page.sequence]}",
                    hint=_DAMAGED,
                )
            seen[page.sequence] = page.number
            if page.state == _STATE_ACTIVE and active is not None:
                raise FormatError("nvs-damaged", f"the page is active, and so is page {active}", hint=_DAMAGED)
            active = page.number if page.state == _STATE_ACTIVE else active


def _raw_entries(page: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each entry's place, and the entry with its data, after checking states and CRCs."""
    states = int.from_bytes(page[32:64], "little")
    number = 0
    while number < _ENTRIES:
        with located(entry=number):
            at = _FIRST_ENTRY + number * _ENTRY_SIZE
            span = max(1, page[at + 2]) if states >> number * 2 & 0b11 == _WRITTEN else 1
            if number + span > _ENTRIES:
                raise FormatError("nvs-damaged", f"the entry spans {span}, beyond the page's end", hint=_DAMAGED)
            marks = {states >> each * 2 & 0b11 for each in range(number, number + span)}
            if marks == {_EMPTY}:
                if page[at:].strip(b"\xff") or states >> number * 2 != (1 << 256 - number * 2) - 1:
                    raise FormatError("nvs-damaged", "there are bytes where the page says it is empty", hint=_DAMAGED)
                return
            if marks != {_WRITTEN}:
                raise FormatError("nvs-in-use", "the entry is erased", hint=_IN_USE)
            raw = page[at : at + span * _ENTRY_SIZE]
            if struct.unpack_from("<L", raw, 4)[0] != _crc(raw[:4] + raw[8:_ENTRY_SIZE]):
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
                index, type_, span, chunk, _, key_field = _HEAD.unpack_from(raw)
                key = _text(key_field.partition(b"\0")[0])
                if span != 1 and type_ not in _WITH_DATA:
                    raise FormatError("nvs-damaged", f"{key!r} spans {span} entries, its type takes one", hint=_DAMAGED)
                if chunks and ((index, key) != owner or type_ not in (_BLOB_DATA, _BLOB_INDEX)):
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
                if type_ == _BLOB_DATA:
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
    if type_ == _BLOB_INDEX:
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
    value = int.from_bytes(raw[24 : 24 + encoding.number_size], "little", signed=encoding.signed)
    return NvsEntry(namespace, key, encoding, value)


def _data(raw: bytes, key: str) -> bytes:
    length, crc = struct.unpack_from("<H2xL", raw, 24)
    data = raw[_ENTRY_SIZE : _ENTRY_SIZE + length]
    if len(data) != length or len(raw) != (1 + _spans(length)) * _ENTRY_SIZE:
        raise FormatError("nvs-damaged", f"{key!r} has {length} bytes, its entry spans others", hint=_DAMAGED)
    if _crc(data) != crc:
        raise FormatError("nvs-damaged", f"the CRC of {key!r} is wrong", hint=_DAMAGED)
    return data


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise FormatError("nvs-damaged", f"{raw!r} isn't text", hint=_DAMAGED) from None


def _dialect_of(pages: Sequence[_Page]) -> Dialect:
    """Return the dialect: only `BLANK_TAIL` leaves the last page with entries active."""
    if any(page.state == _STATE_ACTIVE for page in pages):
        return Dialect.BLANK_TAIL
    return Dialect.FULL_PAGES if any(page.state == _STATE_FULL for page in pages) else Dialect.BLANK_TAIL


# --- writing ---


class _Writer:
    """Places entries as the generator does."""

    def __init__(self, size: int, dialect: Dialect) -> None:
        if size < MIN_SIZE or size % PAGE_SIZE:
            raise FormatError(
                "nvs-size",
                f"an NVS image of {size} bytes",
                hint=f"give it at least 3 pages of {PAGE_SIZE} bytes, all of them whole",
            )
        self._limit = size // PAGE_SIZE - 1  # one page stays blank
        self._size = size
        self._dialect = dialect
        self._pages: list[bytearray] = [bytearray()]

    def write(self, image: NvsImage) -> bytes:
        indexes: dict[str, int] = {}
        for entry in image.entries:
            with located(key=entry.name):
                if entry.encoding is Encoding.NAMESPACE:
                    if entry.namespace in indexes or len(indexes) == _MAX_NAMESPACES:
                        raise FormatError(
                            "nvs-key",
                            "the namespace row is a duplicate, or there are too many",
                            hint=f"write each namespace once, and {_MAX_NAMESPACES} at most",
                        )
                    indexes[entry.namespace] = len(indexes) + 1
                    self._put_number(0, Encoding.U8, entry.namespace, indexes[entry.namespace])
                elif entry.namespace not in indexes:
                    raise FormatError(
                        "nvs-key",
                        "the row of its namespace is missing before this key",
                        hint=f"put the row {entry.namespace},namespace,, before it",
                    )
                else:
                    self._put(indexes[entry.namespace], entry)
        return self._finish()

    def _put(self, index: int, entry: NvsEntry) -> None:
        if isinstance(entry.value, int):
            self._put_number(index, entry.encoding, entry.key, entry.value)
        elif isinstance(entry.value, str):
            data = entry.value.encode() + b"\0"
            # The generator counts one entry too many: a string never takes the last one of a page.
            if self._free < _spans(len(data)) + 2:
                self._new_page()
            self._append(_entry(index, Encoding.STRING, 1 + _spans(len(data)), entry.key, _data_field(data)), data)
        else:
            self._put_blob(index, entry.key, entry.value)

    def _put_number(self, index: int, encoding: Encoding, key: str, value: int) -> None:
        if not self._free:
            self._new_page()
        number = value.to_bytes(encoding.number_size, "little", signed=encoding.signed)
        self._append(_entry(index, encoding, 1, key, number))

    def _put_blob(self, index: int, key: str, blob: bytes) -> None:
        if not self._free:
            self._new_page()
        at, count = 0, 0
        while True:
            if count == _NO_CHUNK:
                raise FormatError(
                    "nvs-value",
                    f"{len(blob)} bytes are more chunks than an index counts",
                    hint="give a file of some KB: the partition holds no more",
                )
            room = (self._free - 1) * _ENTRY_SIZE
            # With only one entry left, the generator writes a chunk of no bytes.
            chunk = blob[at : at + room]
            span = 1 + _spans(len(chunk))
            self._append(_entry(index, _BLOB_DATA, span, key, _data_field(chunk), chunk=count), chunk)
            at, count = at + len(chunk), count + 1
            if at < len(blob) or room - len(chunk) < _ENTRY_SIZE:
                self._new_page()
            if at == len(blob):
                break
        self._append(_entry(index, _BLOB_INDEX, 1, key, struct.pack("<LBB", len(blob), count, 0)))

    @property
    def _free(self) -> int:
        return _ENTRIES - len(self._pages[-1]) // _ENTRY_SIZE

    def _new_page(self) -> None:
        if len(self._pages) == self._limit:
            hint = f"{self._limit} pages are full, and one more must stay blank: enlarge the partition"
            raise FormatError("nvs-full", f"it doesn't fit into an image of {self._size} bytes any more", hint=hint)
        self._pages.append(bytearray())

    def _append(self, entry: bytes, data: bytes = b"") -> None:
        self._pages[-1] += entry + data.ljust(_spans(len(data)) * _ENTRY_SIZE, b"\xff")

    def _finish(self) -> bytes:
        last = len(self._pages) - 1
        if self._dialect is Dialect.FULL_PAGES:
            self._pages += [bytearray() for _ in range(self._limit - len(self._pages))]
            last = self._limit
        pages = (
            _page(number, _STATE_FULL if number < last else _STATE_ACTIVE, bytes(entries))
            for number, entries in enumerate(self._pages)
        )
        return b"".join(pages).ljust(self._size, b"\xff")


def _entry(index: int, type_: int, span: int, key: str, content: bytes, *, chunk: int = _NO_CHUNK) -> bytes:
    head = bytes([index, type_, span, chunk])
    rest = key.encode().ljust(16, b"\0") + content.ljust(8, b"\xff")
    return head + struct.pack("<L", _crc(head + rest)) + rest


def _data_field(data: bytes) -> bytes:
    return struct.pack("<HHL", len(data), 0xFFFF, _crc(data))


def _page(number: int, state: int, entries: bytes) -> bytes:
    header = struct.pack("<LB", number, _PAGE_VERSION).ljust(24, b"\xff")
    count = len(entries) // _ENTRY_SIZE
    # A written entry clears the lower of its two bits.
    states = (1 << 256) - 1
    for each in range(count):
        states &= ~(1 << each * 2)
    head = struct.pack("<L", state) + header + struct.pack("<L", _crc(header))
    return (head + states.to_bytes(32, "little") + entries).ljust(PAGE_SIZE, b"\xff")
