"""The partition ``nvs`` as a module leaves it: its Wi-Fi credentials, the UART settings, whatever else it has saved.

It is read as the firmware reads it when it boots, and nothing is repaired. `nvs_pages` has the layout. What differs
from a new image:

- Pages are in the order of their sequence numbers, not of their places. A page whose header has a wrong CRC or a state
  other than active, full and freeing counts as blank: power was cut while it was written or erased.
- An entry counts if its state is "written" and its CRC is right; in the active page, only up to the first empty one.
- A new value is a new entry, and the old one is marked erased after that. If power was cut in between, both are there:
  `_left_after_boot` has the rules.
- The chunks of a blob count from 0 and from 128 in turn, each time that it is saved. Pages of version FF hold a blob in
  one piece.
- With encryption, entries are encrypted, and their CRCs in them; headers and states are not.

Source: ESP-IDF ``components/nvs_flash/src``: ``nvs_page.cpp``, ``nvs_pagemanager.cpp``, ``nvs_storage.cpp``.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError, located
from platformio_esp_at.formats.nvs_pages import (
    ACTIVE,
    BLOB_DATA,
    BLOB_INDEX,
    EMPTY,
    ENTRIES,
    ENTRY_SIZE,
    ERASED,
    FIRST_ENTRY,
    FREEING,
    FULL,
    OLD_PAGE_VERSION,
    PAGE_SIZE,
    PAGE_VERSION,
    WITH_DATA,
    WRITTEN,
    Encoding,
    crc32,
    entry_crc,
    entry_is_sound,
    header_is_sound,
    number_of,
    spans,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from platformio_esp_at.formats.nvs import NvsEntry
    from platformio_esp_at.formats.nvs_pages import Value


class PageState(enum.Enum):
    """What the firmware takes a page for."""

    ACTIVE = "active"
    """It gets new entries."""
    FULL = "full"
    FREEING = "freeing"
    """Its entries are moved to another page, and it is erased then; power was cut before that."""
    BLANK = "blank"
    CORRUPT = "corrupt"
    """Anything else: the firmware erases it before it writes there."""


@dataclass(frozen=True, slots=True)
class SavedPage:
    """A page: its state, and how many of its 126 entries are written and erased."""

    state: PageState
    sequence: int | None = None
    """None for a page that isn't in use, as is `version`."""
    version: int | None = None
    written: int = 0
    erased: int = 0


@dataclass(frozen=True, slots=True)
class SavedEntry:
    """A key and its value, which may be a password.

    ``page`` and ``index`` are the place of its entry, counted from 0; of a blob, the place of its index.
    """

    namespace: str | None
    """None if the entry of its namespace is lost, so that the firmware can't find the key."""
    key: str
    encoding: Encoding
    value: Value = field(repr=False)
    page: int
    index: int

    @property
    def size(self) -> int:
        """The size of its value, in bytes; that of a string without its NUL."""
        if isinstance(self.value, str):
            return len(self.value.encode())
        return len(self.value) if isinstance(self.value, bytes) else self.encoding.number_size


@dataclass(frozen=True, slots=True)
class SavedNvs:
    """The pages of a partition, in their place, and the entries that the firmware finds in them."""

    pages: tuple[SavedPage, ...]
    namespaces: tuple[str, ...]
    """Also those without an entry, in the order in which the firmware finds them."""
    entries: tuple[SavedEntry, ...]
    encrypted: bool
    """Whether there are entries, and none can be read: the partition is encrypted, or damaged from end to end."""

    @property
    def size(self) -> int:
        """The size of the partition, in bytes."""
        return len(self.pages) * PAGE_SIZE

    @classmethod
    def from_bytes(cls, data: bytes) -> SavedNvs:
        """Return what a partition holds. Raises `FormatError` if it isn't whole, or of a format not known here."""
        pages = _read_pages(data)
        items = _left_after_boot(pages)
        names = _names(items)
        return cls(
            pages=tuple(page.info for page in pages),
            namespaces=tuple(dict.fromkeys(names.values())),
            entries=tuple(_entries(items, names)),
            encrypted=any(page.info.written for page in pages) and not any(page.items for page in pages),
        )


def is_nvs_partition(data: bytes) -> bool:
    """Return whether ``data`` is pages of NVS, be it a module's or an image of a firmware package.

    Power cuts damage a page now and then. So a page that is in use is enough, unless more pages than those are none.
    """
    if len(data) % PAGE_SIZE:
        return False
    states = [_state_of(data[at : at + PAGE_SIZE]) for at in range(0, len(data), PAGE_SIZE)]
    return sum(state in _IN_USE.values() for state in states) >= max(1, states.count(PageState.CORRUPT))


def changed_sectors(data: bytes, changes: Iterable[NvsEntry]) -> dict[int, bytes]:
    """Return the sectors of 4096 bytes, by their offsets, that differ when numbers are changed where they stand.

    Of each entry with the namespace, key and type of a change, the value and the CRC are replaced, wherever there is a
    valid copy: so the firmware finds the new value, whichever copy it takes. What isn't there is not added.

    Sectors have to be erased before they are written: a change sets bits.

    Raises `FormatError` for a partition that is encrypted, not whole, or of a format not known here.
    """
    pages = _read_pages(data)
    for page in pages:
        if page.info.written and not page.items:
            with located(page=page.number):
                raise FormatError(
                    "nvs-encrypted",
                    "none of its entries can be read: the partition is encrypted, or the page is damaged",
                    hint="change the setting over the AT port, such as with AT+UART_DEF, or erase the partition",
                )
    items = [item for page in pages for item in page.items]
    sectors: dict[int, bytearray] = {}
    for change in changes:
        namespaces = {item.raw[24] for item in items if item.is_namespace and item.key == change.namespace.encode()}
        wanted = (change.encoding, change.key.encode())
        for item in items:
            if item.namespace in namespaces and (item.type, item.key) == wanted:
                offset = item.page * PAGE_SIZE
                sector = sectors.setdefault(offset, bytearray(data[offset : offset + PAGE_SIZE]))
                _put_number(sector, FIRST_ENTRY + item.place * ENTRY_SIZE, change)
    written = {offset: bytes(sectors[offset]) for offset in sorted(sectors)}
    return {offset: sector for offset, sector in written.items() if sector != data[offset : offset + PAGE_SIZE]}


def _put_number(page: bytearray, at: int, change: NvsEntry) -> None:
    if not isinstance(change.value, int):
        raise TypeError(f"{change.name} is no number")
    size = change.encoding.number_size
    page[at + 24 : at + 24 + size] = change.value.to_bytes(size, "little", signed=change.encoding.signed)
    page[at + 4 : at + 8] = entry_crc(bytes(page[at : at + ENTRY_SIZE]))


# --- pages and what is in them ---

_IN_USE = {ACTIVE: PageState.ACTIVE, FULL: PageState.FULL, FREEING: PageState.FREEING}
_IN_ONE_ENTRY = {BLOB_INDEX, *(encoding for encoding in Encoding if encoding.is_number)}


class _Item(NamedTuple):
    """A written entry with the data that follows it: a value, a namespace, or a part of a blob."""

    page: int
    place: int
    raw: bytes

    @property
    def namespace(self) -> int:
        return self.raw[0]

    @property
    def type(self) -> int:
        return self.raw[1]

    @property
    def chunk(self) -> int:
        return self.raw[3]

    @property
    def key(self) -> bytes:
        return self.raw[8:24].partition(b"\0")[0]

    @property
    def is_namespace(self) -> bool:
        return self.namespace == 0 and self.type == Encoding.U8

    @property
    def data(self) -> bytes | None:
        """The data after the entry; None if their CRC is wrong."""
        length, crc = struct.unpack_from("<H2xL", self.raw, 24)
        data = self.raw[ENTRY_SIZE : ENTRY_SIZE + length]
        return data if crc32(data) == crc else None

    @property
    def hash(self) -> int:
        """What the firmware compares in the active page: types don't count, and two keys may have the same."""
        return crc32(self.raw[:1] + self.raw[8:24] + self.raw[3:4]) & 0xFFFFFF


class _Page(NamedTuple):
    number: int
    info: SavedPage
    items: tuple[_Item, ...]


def _state_of(page: bytes) -> PageState:
    if not page.strip(b"\xff"):
        return PageState.BLANK
    known = _IN_USE.get(int.from_bytes(page[:4], "little"))
    return known if known and header_is_sound(page) else PageState.CORRUPT


def _read_pages(data: bytes) -> list[_Page]:
    if not data or len(data) % PAGE_SIZE:
        raise FormatError(
            "nvs-size",
            f"an nvs partition of {len(data)} bytes",
            hint=f"read the whole partition: pages of {PAGE_SIZE} bytes",
        )
    return [_read_page(data[number * PAGE_SIZE :][:PAGE_SIZE], number) for number in range(len(data) // PAGE_SIZE)]


def _read_page(page: bytes, number: int) -> _Page:
    state = _state_of(page)
    if state not in _IN_USE.values():
        return _Page(number, SavedPage(state), ())
    sequence, version = struct.unpack_from("<LB", page, 4)
    if version not in (PAGE_VERSION, OLD_PAGE_VERSION):
        with located(page=number):
            raise FormatError(
                "nvs-version",
                f"the page's version is {version:#x}, {PAGE_VERSION:#x} and {OLD_PAGE_VERSION:#x} are known",
                hint="update platformio-esp-at: the module's firmware may be newer",
            )
    states = int.from_bytes(page[32:64], "little")
    marks = [states >> each * 2 & 0b11 for each in range(ENTRIES)]
    info = SavedPage(state, sequence, version, marks.count(WRITTEN), marks.count(ERASED))
    if state is PageState.ACTIVE and EMPTY in marks:
        marks = marks[: marks.index(EMPTY)]
    return _Page(number, info, tuple(_items(page, number, marks)))


def _items(page: bytes, number: int, marks: Sequence[int]) -> Iterator[_Item]:
    """Yield what the entries with these states hold. A damaged entry is left out; what follows it may be sound."""
    place = 0
    while place < len(marks):
        at = FIRST_ENTRY + place * ENTRY_SIZE
        entry = page[at : at + ENTRY_SIZE]
        span = _span_of(entry, ENTRIES - place) if marks[place] == WRITTEN and entry_is_sound(entry) else 0
        if span and marks[place : place + span] == [WRITTEN] * span:
            yield _Item(number, place, page[at : at + span * ENTRY_SIZE])
        place += span or 1


def _span_of(entry: bytes, room: int) -> int:
    """Return how many entries it takes with its data; 0 if its type and length need others, or more than there are."""
    span = 0
    if entry[1] in WITH_DATA:
        span = 1 + spans(int.from_bytes(entry[24:26], "little"))
    elif entry[1] in _IN_ONE_ENTRY:
        span = 1
    return span if entry[2] == span <= room else 0


# --- what the firmware finds ---


def _left_after_boot(pages: Iterable[_Page]) -> list[_Item]:
    """Return what remains when the firmware has booted, in the order in which it looks for a key.

    Of what a power cut left twice, the later counts: within the active page, and for the last entry of the newest page.
    A page that was being freed is moved once more, to the end; the page that it was being moved to is erased before.
    """
    used = [
        page._replace(items=_last_of_each(page.items)) if page.info.state is PageState.ACTIVE else page
        for page in sorted(pages, key=lambda page: page.info.sequence or 0)
        if page.info.sequence is not None
    ]
    if not used:
        return []
    newest = used[-1]
    if newest.items and (older := _older_copy(used[:-1], newest.items[-1])):
        used = [page._replace(items=tuple(item for item in page.items if item is not older)) for page in used]
    if freeing := next((page for page in used if page.info.state is PageState.FREEING), None):
        if newest.info.state is PageState.ACTIVE:
            del used[-1]
        used = [*(page for page in used if page is not freeing), freeing]
    return [item for page in used for item in page.items]


def _last_of_each(items: Sequence[_Item]) -> tuple[_Item, ...]:
    last = {item.hash: item for item in items}
    return tuple(item for item in items if last[item.hash] is item)


def _older_copy(pages: Sequence[_Page], newest: _Item) -> _Item | None:
    """Return the entry that ``newest`` replaces: the first with its name and type, or the same blob in one piece."""
    items = [item for page in pages if page.info.state is not PageState.FREEING for item in page.items]
    types = [newest.type, Encoding.BINARY] if newest.type == BLOB_INDEX else [newest.type]
    for type_ in types:
        name = (newest.namespace, type_, newest.key, newest.chunk)
        for item in items:
            if (item.namespace, item.type, item.key, item.chunk) == name:
                return item
    return None


def _names(items: Iterable[_Item]) -> dict[int, str]:
    """Return the namespaces by their indexes."""
    names: dict[int, str] = {}
    for item in items:
        if item.is_namespace:
            names.setdefault(item.raw[24], _text(item.key))
    return names


def _entries(items: Iterable[_Item], names: Mapping[int, str]) -> Iterator[SavedEntry]:
    """Yield the entries that can be read; of entries with the same name and type, the firmware takes the first."""
    first: dict[tuple[int, bytes, int], _Item] = {}
    chunks: dict[tuple[int, bytes, int], _Item] = {}
    for item in items:
        if item.type == BLOB_DATA:
            chunks.setdefault((item.namespace, item.key, item.chunk), item)
        elif item.namespace:
            first.setdefault((item.namespace, item.key, item.type), item)
    blobs = {name[:2]: _blob(item, chunks) for name, item in first.items() if name[2] == BLOB_INDEX}
    for item in first.values():
        blob = blobs.get((item.namespace, item.key))
        if item.type == Encoding.BINARY and blob is not None:
            continue  # the new version of the same blob counts
        value = blob if item.type == BLOB_INDEX else _value(item)
        if value is not None:
            encoding = Encoding.BINARY if item.type == BLOB_INDEX else Encoding(item.type)
            yield SavedEntry(names.get(item.namespace), _text(item.key), encoding, value, item.page, item.place)


def _blob(index: _Item, chunks: Mapping[tuple[int, bytes, int], _Item]) -> bytes | None:
    """Return the blob of an index; None if a chunk is missing or damaged."""
    size, count, start = struct.unpack_from("<LBB", index.raw, 24)
    parts: list[bytes] = []
    for number in range(start, start + count):
        chunk = chunks.get((index.namespace, index.key, number))
        if chunk is None or (data := chunk.data) is None:
            return None
        parts.append(data)
    blob = b"".join(parts)
    return blob if len(blob) == size else None


def _value(item: _Item) -> Value | None:
    encoding = Encoding(item.type)
    if encoding.is_number:
        return number_of(item.raw, encoding)
    if encoding is Encoding.BINARY or item.data is None:
        return item.data
    return _text(item.data.removesuffix(b"\0"))


def _text(raw: bytes) -> str:
    r"""Return text; a byte that isn't UTF-8 becomes ``\xff``."""
    return raw.decode("utf-8", "backslashreplace")
