"""The nvs of a module: what the firmware would read in it, and what changing a number changes."""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import replace
from itertools import count

import pytest
from module_nvs import ModuleNvs
from nvs_images import generated_from_csv, with_value
from nvs_pages import (
    ACTIVE,
    BLANK,
    DATA,
    FREEING,
    FULL,
    OLD_BLOB,
    STRING,
    begin,
    blob_index,
    crc,
    entry,
    flipped,
    marked,
    page,
    with_data,
)

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.formats.saved_nvs import (
    PageState,
    SavedNvs,
    SavedPage,
    changed_sectors,
    is_nvs_partition,
)

UART = begin("UART")
ERASED, UNDEFINED, EMPTY = 0, 1, 3


def _number(key: str, value: int, type_: int = Encoding.U8, index: int = 1) -> bytes:
    encoding = Encoding(type_)
    return entry(index, type_, key, value.to_bytes(encoding.number_size, "little", signed=encoding.signed))


def _read(*pages: bytes) -> dict[str, object]:
    """Return the values by their keys; each is there once."""
    entries = SavedNvs.from_bytes(b"".join(pages)).entries
    values = {entry.key: entry.value for entry in entries}
    assert len(values) == len(entries)
    return values


A, B = _number("a", 1), _number("b", 2)


# --- what is read ---

CSV = """\
key,type,encoding,value
one,namespace,,
u8,data,u8,255
i8,data,i8,-128
u16,data,u16,65535
i16,data,i16,-32768
u32,data,u32,4294967295
i32,data,i32,-2147483648
u64,data,u64,18446744073709551615
i64,data,i64,-9223372036854775808
text,data,string,some text
none,data,string,
two,namespace,,
u8,data,u8,1
blob,data,base64,{blob}
"""


def test_an_image_of_the_generator():
    """A module that has saved nothing since has what was flashed; its blob is in two pages."""
    data = generated_from_csv(CSV.format(blob="QUJD" * 1500), 6 * PAGE_SIZE)
    saved, image = SavedNvs.from_bytes(data), NvsImage.from_bytes(data)
    assert [(entry.namespace, entry.key, entry.encoding, entry.value) for entry in saved.entries] == [
        (entry.namespace, entry.key, entry.encoding, entry.value) for entry in image
    ]
    assert (saved.namespaces, saved.size, saved.encrypted) == (("one", "two"), 6 * PAGE_SIZE, False)
    assert [entry.size for entry in saved.entries] == [1, 1, 2, 2, 4, 4, 8, 8, 9, 0, 1, 4500]
    assert [(entry.page, entry.index) for entry in saved.entries][:3] == [(0, 1), (0, 2), (0, 3)]
    assert [page.state for page in saved.pages] == [PageState.FULL, PageState.ACTIVE, *[PageState.BLANK] * 4]


def test_a_place_is_that_of_the_entry():
    first = page(UART, with_data(1, STRING, "text", b"x\0"), A, state=FULL)
    second = page(with_data(1, DATA, "blob", b"abc", chunk=0), blob_index("blob", 3, 1), sequence=1)
    entries = SavedNvs.from_bytes(second + first + BLANK).entries
    assert {entry.key: (entry.page, entry.index) for entry in entries} == {"text": (1, 1), "a": (1, 3), "blob": (0, 2)}


def test_a_value_is_not_in_the_repr():
    """It may be a password."""
    saved = SavedNvs.from_bytes(page(UART, with_data(1, STRING, "text", b"SECRET\0")) + BLANK)
    assert saved.entries[0].value == "SECRET"
    assert "SECRET" not in repr(saved)


@pytest.mark.parametrize("version", [0xFE, 0xFF])
def test_a_page_in_use(version):
    data = marked(marked(page(UART, A, B, sequence=7, state=FULL, version=version), 1, ERASED), 125, UNDEFINED)
    (info,) = SavedNvs.from_bytes(data).pages
    assert info == SavedPage(PageState.FULL, sequence=7, version=version, written=2, erased=1)


@pytest.mark.parametrize(
    ("second", "state"),
    [
        (page(B, sequence=1, state=ACTIVE), PageState.ACTIVE),
        (page(B, sequence=1, state=FULL), PageState.FULL),
        (page(B, sequence=1, state=FREEING), PageState.FREEING),
        (page(B, sequence=1, state=0xFFFFFFF0), PageState.CORRUPT),
        (page(B, sequence=1, state=0), PageState.CORRUPT),
        (page(B, sequence=1, state=0xFFFFFFFF), PageState.CORRUPT),
        (flipped(page(B, sequence=1), 4), PageState.CORRUPT),
        (flipped(page(B, sequence=1), 28), PageState.CORRUPT),
        (b"\xfe" + BLANK[1:], PageState.CORRUPT),
        (BLANK[:-1] + b"\0", PageState.CORRUPT),
        (bytes(PAGE_SIZE), PageState.CORRUPT),
        (BLANK, PageState.BLANK),
    ],
)
def test_only_pages_in_use_count(second, state):
    data = page(UART, A, state=FULL) + second + BLANK
    saved = SavedNvs.from_bytes(data)
    assert saved.pages[1].state is state
    counts = state in (PageState.ACTIVE, PageState.FULL, PageState.FREEING)
    assert _read(data) == ({"a": 1, "b": 2} if counts else {"a": 1})
    if not counts:
        assert saved.pages[1] == SavedPage(state)
    assert [*changed_sectors(data, [_change("b", 3)])] == ([PAGE_SIZE] if counts else [])


def test_a_blank_partition():
    saved = SavedNvs.from_bytes(BLANK * 4)
    assert (saved.entries, saved.namespaces, saved.encrypted) == ((), (), False)
    assert saved.pages == (SavedPage(PageState.BLANK),) * 4


@pytest.mark.parametrize("length", [0, 1, PAGE_SIZE - 1, PAGE_SIZE + 1])
def test_refuses_a_length(length):
    for read in (SavedNvs.from_bytes, lambda data: changed_sectors(data, [])):
        with pytest.raises(FormatError, match=f"an nvs partition of {length} bytes") as caught:
            read(b"\xff" * length)
        assert caught.value.code == "nvs-size"


@pytest.mark.parametrize("version", [0xFD, 0x00])
def test_refuses_a_version(version):
    with pytest.raises(FormatError, match=f"the page's version is {version:#x}") as caught:
        SavedNvs.from_bytes(BLANK + page(UART, version=version))
    assert (caught.value.code, caught.value.where) == ("nvs-version", "page 1")


# --- entries ---


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(flipped(A, 4), id="crc"),
        pytest.param(flipped(A, 9), id="key"),
        pytest.param(flipped(A, 24), id="value"),
        pytest.param(bytes(32), id="purged"),
        pytest.param(entry(1, 0x03, "a", b""), id="unknown-type"),
        pytest.param(entry(1, Encoding.U8, "a", b"\1", span=2), id="number-of-two-entries"),
        pytest.param(entry(1, Encoding.U8, "a", b"\1", span=0), id="number-of-no-entry"),
        pytest.param(with_data(1, STRING, "a", b"x" * 40)[:32], id="string-without-its-data"),
        pytest.param(with_data(1, STRING, "a", b"x" * 40, span=2), id="string-spans-too-little"),
        pytest.param(with_data(1, STRING, "a", b"x" * 40, span=4), id="string-spans-too-much"),
        pytest.param(with_data(1, STRING, "a", b"x" * 40, length=4100, span=130), id="string-leaves-the-page"),
        pytest.param(flipped(with_data(1, STRING, "a", b"x" * 40), 32), id="string-changed"),
        pytest.param(flipped(with_data(1, OLD_BLOB, "a", b"x" * 40), 32), id="old-blob-changed"),
    ],
)
@pytest.mark.parametrize("state", [ACTIVE, FULL])
def test_a_damaged_entry_is_not_read_and_others_are(other, state):
    at_the_end = page(UART, B, other, state=state)
    assert _read(at_the_end) == {"b": 2}
    if other != with_data(1, STRING, "a", b"x" * 40)[:32]:  # it takes what follows for its data
        assert _read(page(UART, other, B, state=state)) == {"b": 2}


@pytest.mark.parametrize("state", [ERASED, UNDEFINED])
def test_an_erased_entry_is_not_read(state):
    assert _read(marked(page(UART, A, B), 1, state)) == {"b": 2}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_string_of_which_a_part_is_erased(number):
    data = page(UART, with_data(1, STRING, "a", b"x" * 40), B)
    assert _read(marked(data, number, ERASED)) == {"b": 2}


def test_bytes_in_an_empty_entry_are_not_read():
    """Power was cut before its state was written."""
    assert _read(marked(page(UART, A, B), 2, EMPTY)) == {"a": 1}


def test_the_active_page_ends_with_its_first_empty_entry():
    entries = (UART, A, _number("c", 3), B)
    assert _read(marked(page(*entries), 2, EMPTY)) == {"a": 1}
    assert _read(marked(page(*entries, state=FULL), 2, EMPTY)) == {"a": 1, "b": 2}


def test_data_that_look_like_an_entry_are_none():
    inside = _number("rate", 9)
    assert _read(page(UART, with_data(1, STRING, "text", inside + b"\0"), A)).keys() == {"text", "a"}


def test_what_is_no_text():
    saved = SavedNvs.from_bytes(page(begin("n"), entry(1, 1, b"k\xff", b"\1"), with_data(1, STRING, "s", b"\xfe\0")))
    assert [(entry.key, entry.value) for entry in saved.entries] == [("k\\xff", 1), ("s", "\\xfe")]


def test_data_whose_entry_is_erased_are_looked_at_for_themselves():
    data = page(UART, with_data(1, STRING, "text", B), A)
    assert _read(marked(data, 1, ERASED)) == {"a": 1, "b": 2}


# --- namespaces ---


def test_a_namespace_may_stand_in_another_page():
    data = page(A, state=FULL) + page(UART, sequence=1) + BLANK
    assert SavedNvs.from_bytes(data).entries[0].namespace == "UART"


def test_a_key_whose_namespace_is_lost():
    saved = SavedNvs.from_bytes(page(begin("other", 2), A))
    assert [(entry.namespace, entry.key) for entry in saved.entries] == [(None, "a")]
    assert saved.namespaces == ("other",)
    assert changed_sectors(page(begin("other", 2), A), [_change("a", 9)]) == {}


def test_an_index_that_two_namespaces_have():
    data = page(begin("one"), begin("two"), A, state=FULL)
    assert SavedNvs.from_bytes(data).entries[0].namespace == "one"


def test_only_a_number_of_one_byte_begins_a_namespace():
    data = page(entry(0, Encoding.U16, "one", b"\1\0"), begin("two"), A)
    assert SavedNvs.from_bytes(data).namespaces == ("two",)


def test_the_same_key_in_two_namespaces():
    saved = SavedNvs.from_bytes(page(begin("one", 1), begin("two", 2), A, _number("a", 2, index=2)))
    assert [(entry.namespace, entry.value) for entry in saved.entries] == [("one", 1), ("two", 2)]


# --- what is there twice ---

OLD, NEW = _number("a", 1), _number("a", 2)


@pytest.mark.parametrize(
    ("pages", "value"),
    [
        pytest.param([page(UART, OLD, B, NEW)], 2, id="the-later-in-the-active-page"),
        pytest.param([page(UART, OLD, NEW, B)], 2, id="the-later-in-the-active-page-not-the-last"),
        pytest.param([page(UART, _number("a", 1, Encoding.I32), B, NEW)], 2, id="of-any-type-in-the-active-page"),
        pytest.param([page(UART, OLD, B, NEW, state=FULL), page(sequence=1)], 1, id="the-first-in-a-full-page"),
        pytest.param([page(UART, OLD, B, state=FULL), page(NEW, sequence=1)], 2, id="the-newest-pages-last"),
        pytest.param([page(NEW, sequence=1), page(UART, OLD, B, state=FULL)], 2, id="whatever-the-places"),
        pytest.param([page(UART, OLD, state=FULL), page(NEW, B, sequence=1)], 1, id="else-the-oldest-page"),
        pytest.param(
            [page(UART, OLD, state=FULL), page(NEW, sequence=1, state=FULL), page(B, sequence=2)],
            1,
            id="the-oldest-of-full-pages",
        ),
        pytest.param(
            [page(UART, B, OLD, OLD, state=FULL), page(NEW, sequence=1)], 1, id="only-one-of-two-old-ones-is-replaced"
        ),
    ],
)
def test_a_number_that_is_there_twice(pages, value):
    data = b"".join([*pages, BLANK])
    assert _read(data) == {"a": value, "b": 2}
    assert _read(_changed(data, _change("a", 7))) == {"a": 7, "b": 2}


def test_two_types_in_two_pages_are_two_entries():
    data = page(UART, _number("a", 1, Encoding.I32), state=FULL) + page(NEW, sequence=1)
    assert {entry.encoding: entry.value for entry in SavedNvs.from_bytes(data).entries} == {
        Encoding.I32: 1,
        Encoding.U8: 2,
    }


def test_keys_that_the_firmware_takes_for_one():
    """It compares 24 bits of a CRC, and in the active page it erases the earlier of two entries that have the same."""
    seen: dict[int, str] = {}
    for key in map(str, count()):
        twin = seen.setdefault(crc(b"\1" + key.encode().ljust(16, b"\0") + b"\xff") & 0xFFFFFF, key)
        if twin != key:
            break
    entries = (UART, _number(twin, 1), _number(key, 2))
    assert _read(page(*entries)) == {key: 2}
    assert _read(page(*entries, state=FULL)) == {twin: 1, key: 2}


# --- a page that was being freed ---


def test_a_page_that_was_being_freed_counts():
    data = page(A, state=FREEING) + page(UART, B, sequence=1, state=FULL) + BLANK
    assert _read(data) == {"a": 1, "b": 2}


def test_what_was_being_moved_is_moved_again():
    """The page that it was moved to is erased first, so that what stands there alone is lost."""
    freed, full = page(UART, A, OLD, state=FREEING), page(B, sequence=1, state=FULL)
    assert _read(freed, full, page(UART, A, _number("c", 3), sequence=2)) == {"a": 1, "b": 2}


def test_a_page_that_was_freed_comes_last():
    """So the other old copy counts, where both were left."""
    freed, full = page(UART, OLD, B, state=FREEING), page(NEW, _number("c", 3), sequence=1, state=FULL)
    assert _read(freed, full, BLANK) == {"a": 2, "b": 2, "c": 3}


def test_the_newest_entry_replaces_none_in_a_page_that_was_being_freed():
    freed, full = page(UART, OLD, B, state=FREEING), page(NEW, sequence=1, state=FULL)
    saved = SavedNvs.from_bytes(freed + full + BLANK)
    assert [(entry.key, entry.value, entry.page) for entry in saved.entries] == [("a", 2, 1), ("b", 2, 0)]


# --- blobs ---


def _chunk(data: bytes, chunk: int, key: str = "blob") -> bytes:
    return with_data(1, DATA, key, data, chunk=chunk)


OLD_ONE = with_data(1, OLD_BLOB, "blob", b"old")


@pytest.mark.parametrize(
    ("entries", "blob"),
    [
        pytest.param([_chunk(b"abc", 0), blob_index("blob", 3, 1)], b"abc", id="first-version"),
        pytest.param([_chunk(b"abc", 128), blob_index("blob", 3, 1, 128)], b"abc", id="second-version"),
        pytest.param([_chunk(b"c", 1), _chunk(b"ab", 0), blob_index("blob", 3, 2)], b"abc", id="any-order"),
        pytest.param([blob_index("blob", 0, 0)], b"", id="empty"),
        pytest.param([OLD_ONE], b"old", id="in-one-piece"),
        pytest.param([_chunk(b"abc", 0), blob_index("blob", 3, 1), _chunk(b"x", 128)], b"abc", id="new-one-begun"),
        pytest.param(
            [_chunk(b"abc", 0), blob_index("blob", 3, 1), _chunk(b"x", 128), blob_index("blob", 1, 1, 128)],
            b"x",
            id="old-one-not-erased",
        ),
        pytest.param([OLD_ONE, _chunk(b"abc", 0), blob_index("blob", 3, 1)], b"abc", id="was-in-one-piece"),
        pytest.param([OLD_ONE, _chunk(b"x", 0)], b"old", id="in-one-piece-and-new-one-begun"),
        pytest.param([_chunk(b"abc", 0)], None, id="no-index"),
        pytest.param([_chunk(b"abc", 0), blob_index("blob", 4, 1)], None, id="another-size"),
        pytest.param([_chunk(b"abc", 0), blob_index("blob", 3, 2)], None, id="a-chunk-is-missing"),
        pytest.param([_chunk(b"abc", 128), blob_index("blob", 3, 1)], None, id="of-another-version"),
        pytest.param([_chunk(b"abc", 0, "other"), blob_index("blob", 3, 1)], None, id="of-another-key"),
        pytest.param([flipped(_chunk(b"abc", 0), 32), blob_index("blob", 3, 1)], None, id="a-chunk-is-damaged"),
    ],
)
def test_a_blob(entries, blob):
    assert _read(page(UART, *entries), BLANK) == ({} if blob is None else {"blob": blob})


def test_a_blob_over_pages():
    first, second = page(UART, _chunk(b"ab", 0), state=FULL), page(_chunk(b"c", 1), sequence=1, state=FULL)
    assert _read(BLANK, page(blob_index("blob", 3, 2), sequence=2), second, first) == {"blob": b"abc"}


def test_of_a_chunk_that_is_there_twice_the_oldest_pages_counts():
    first, second = page(UART, _chunk(b"abc", 0), state=FULL), page(_chunk(b"xyz", 0), sequence=1, state=FULL)
    assert _read(first, second, page(blob_index("blob", 3, 1), sequence=2)) == {"blob": b"abc"}


@pytest.mark.parametrize(
    "old",
    [
        pytest.param([OLD_ONE], id="in-one-piece"),
        pytest.param([_chunk(b"old", 0), blob_index("blob", 3, 1)], id="in-chunks"),
    ],
)
def test_the_index_that_the_newest_page_ends_with_replaces_the_old_blob(old):
    newest = page(_chunk(b"abc", 128), blob_index("blob", 3, 1, 128), sequence=1)
    assert _read(page(UART, *old, state=FULL), newest) == {"blob": b"abc"}
    damaged = page(_chunk(b"abc", 128), blob_index("blob", 4, 1, 128), sequence=1)
    assert _read(page(UART, *old, state=FULL), damaged) == {}


def test_a_blob_in_chunks_counts_before_one_in_one_piece():
    data = page(UART, OLD_ONE, _chunk(b"abc", 0), blob_index("blob", 3, 1), state=FULL)
    assert _read(data + page(B, sequence=1)) == {"blob": b"abc", "b": 2}


def test_a_blob_in_one_piece_counts_if_the_new_version_is_damaged():
    data = page(UART, OLD_ONE, state=FULL) + page(_chunk(b"abc", 0), blob_index("blob", 4, 1), B, sequence=1)
    assert _read(data) == {"blob": b"old", "b": 2}


# --- encrypted ---


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("encrypted")
    (folder / "in.csv").write_text("key,type,encoding,value\nUART,namespace,,\nrate,data,i32,115200\n")
    command = [sys.executable, "-m", "esp_idf_nvs_partition_gen", "encrypt", "in.csv", "out.bin", "0x4000", "--keygen"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "out.bin").read_bytes()


def test_an_encrypted_partition_is_recognised(encrypted):
    saved = SavedNvs.from_bytes(encrypted)
    assert (saved.encrypted, saved.entries, saved.namespaces) == (True, (), ())
    assert saved.pages[0] == SavedPage(PageState.ACTIVE, sequence=0, version=0xFE, written=2, erased=0)


def test_an_encrypted_partition_is_not_changed(encrypted):
    with pytest.raises(FormatError, match="none of its entries can be read") as caught:
        changed_sectors(encrypted, [_change("rate", 9, Encoding.I32)])
    assert (caught.value.code, caught.value.where) == ("nvs-encrypted", "page 0")


def test_a_page_without_a_sound_entry_is_not_changed():
    data = page(UART, A, state=FULL) + page(flipped(B, 24), sequence=1)
    assert not SavedNvs.from_bytes(data).encrypted
    with pytest.raises(FormatError) as caught:
        changed_sectors(data, [_change("a", 9)])
    assert (caught.value.code, caught.value.where) == ("nvs-encrypted", "page 1")


# --- changing a number ---


def _change(key: str, value: int, encoding: Encoding = Encoding.U8, namespace: str = "UART") -> NvsEntry:
    return NvsEntry(namespace, key, encoding, value)


def _changed(data: bytes, *changes: NvsEntry) -> bytes:
    new = bytearray(data)
    for offset, sector in changed_sectors(data, changes).items():
        assert (offset % PAGE_SIZE, len(sector)) == (0, PAGE_SIZE)
        new[offset : offset + PAGE_SIZE] = sector
    return bytes(new)


def _limits(encoding: Encoding) -> list[int]:
    bits = encoding.number_size * 8
    low = -(1 << bits - 1) if encoding.signed else 0
    return [low, low + (1 << bits) - 1]


@pytest.mark.parametrize("encoding", [encoding for encoding in Encoding if encoding.is_number])
def test_the_changed_entry_is_as_if_the_value_had_been_written_so(encoding):
    image = NvsImage((), 4 * PAGE_SIZE)
    entries = [NvsEntry("UART", key, encoding, 5) for key in ("before", "n", "after")]
    image = image.with_namespace("UART", entries)
    for value in _limits(encoding):
        expected = with_value(image, "UART", "n", value).to_bytes()
        assert _changed(image.to_bytes(), _change("n", value, encoding)) == expected


def test_bits_are_set_and_the_rest_of_the_sector_stays():
    data = marked(page(UART, A, B), 2, ERASED) + BLANK
    (sector,) = changed_sectors(data, [_change("a", 0xFE)]).values()
    differ = [at for at in range(PAGE_SIZE) if sector[at] != data[at]]
    assert set(differ) <= {*range(96 + 4, 96 + 8), 96 + 24}
    assert any(sector[at] & ~data[at] for at in differ)


def test_only_the_type_and_the_namespace_that_are_named():
    entries = (_number("a", 1, Encoding.I32), _number("a", 3, index=2))
    data = page(UART, begin("other", 2), OLD, state=FULL) + page(*entries, sequence=1) + BLANK
    saved = SavedNvs.from_bytes(_changed(data, _change("a", 9)))
    assert [(entry.namespace, entry.encoding, entry.value) for entry in saved.entries] == [
        ("UART", Encoding.U8, 9),
        ("UART", Encoding.I32, 1),
        ("other", Encoding.U8, 3),
    ]


def test_every_valid_copy_is_changed_and_no_other():
    """In pages that are full, freed and active; not what is erased, has no state yet, or a wrong CRC."""
    full = marked(page(UART, OLD, OLD, flipped(OLD, 4), B, state=FULL), 2, ERASED)
    active = marked(page(NEW, B, NEW, sequence=3), 2, EMPTY)
    data = full + page(OLD, sequence=1, state=FREEING) + active + flipped(page(OLD, sequence=2), 28)
    changed = _changed(data, _change("a", 9))
    nine = _number("a", 9)
    expected = marked(page(UART, nine, OLD, flipped(OLD, 4), B, state=FULL), 2, ERASED)
    expected += page(nine, sequence=1, state=FREEING) + marked(page(nine, B, NEW, sequence=3), 2, EMPTY)
    assert changed == expected + data[3 * PAGE_SIZE :]


def test_data_of_a_string_are_not_changed():
    data = page(UART, with_data(1, STRING, "text", OLD + b"\0"))
    assert changed_sectors(data, [_change("a", 9)]) == {}


def test_several_changes():
    data = page(B, sequence=1) + page(UART, A, _number("c", 3), state=FULL) + BLANK
    changes = [_change("a", 7), _change("b", 8), _change("c", 9)]
    assert [*changed_sectors(data, changes)] == [0, PAGE_SIZE]
    assert _read(_changed(data, *changes)) == {"a": 7, "b": 8, "c": 9}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_change("a", 1), id="the-same-value"),
        pytest.param(_change("c", 1), id="no-such-key"),
        pytest.param(_change("a", 2, namespace="UART2"), id="no-such-namespace"),
        pytest.param(_change("a", 2, Encoding.I8), id="no-such-type"),
    ],
)
def test_nothing_to_change(change):
    assert changed_sectors(page(UART, A) + BLANK, [change]) == {}


def test_a_blank_partition_is_not_filled():
    assert changed_sectors(BLANK * 3, [_change("a", 1)]) == {}


def test_only_numbers_are_changed():
    data = page(UART, with_data(1, STRING, "text", b"x\0"))
    with pytest.raises(TypeError, match=r"UART\.text is no number"):
        changed_sectors(data, [NvsEntry("UART", "text", Encoding.STRING, "y")])


# --- is it NVS? ---


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (page(), True),
        (page(version=0xFF), True),
        (page(state=FREEING), True),
        (BLANK * 3 + page(sequence=9), True),
        (bytes(PAGE_SIZE) + page(), True),
        (bytes(2 * PAGE_SIZE) + page() + BLANK, False),
        (BLANK * 3, False),
        (page() + b"\xff", False),
        (page()[:-1], False),
        (b"", False),
        (flipped(page(), 28) + BLANK, False),
        (page(state=0) + BLANK, False),
    ],
)
def test_is_nvs_partition(data, expected):
    assert is_nvs_partition(data) is expected


def test_a_module_that_has_saved_much():
    """The library that the tests on power cuts use is understood, also when pages have been freed."""
    module = ModuleNvs(3)
    for number in range(600):
        module.set(f"k{number % 7}", number)
    assert _read(module.image()) == module.values
    assert max(page.sequence or 0 for page in SavedNvs.from_bytes(module.image()).pages) > 3
    assert replace(SavedNvs.from_bytes(module.image()), pages=()).namespaces == ("UART",)


def test_numbers_are_little_endian():
    assert _read(page(UART, entry(1, Encoding.I32, "a", struct.pack("<l", -115200)))) == {"a": -115200}
