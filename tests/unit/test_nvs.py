"""NVS images: a small one by hand, what each type holds, where blobs are cut, and what damage is called."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from nvs_images import generated_from_csv, with_value
from nvs_pages import BLANK, DATA, INDEX, NAMESPACE
from nvs_pages import begin as _begin
from nvs_pages import blob_index as _index
from nvs_pages import entry as _entry
from nvs_pages import flipped as _flipped
from nvs_pages import marked as _marked
from nvs_pages import page as _page
from nvs_pages import with_data as _with_data

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.nvs import Dialect, NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import MIN_SIZE, PAGE_SIZE, Encoding

HEADER = bytes.fromhex("feffffff 00000000 fe" + "ff" * 19 + "842dbab9")
FULL_HEADERS = (
    bytes.fromhex("fcffffff 00000000 fe" + "ff" * 19 + "842dbab9"),
    bytes.fromhex("fcffffff 01000000 fe" + "ff" * 19 + "a3489f38"),
)
STATES = bytes.fromhex("aa" + "ff" * 31)  # four entries written, two bits each: 10
ENTRIES = bytes.fromhex(
    # index, type, span, chunk, CRC; key; value
    "00 01 01 ff 3b280e0e 6e73000000000000 0000000000000000 01ffffffffffffff"
    "01 01 01 ff d92e650b 70696e0000000000 0000000000000000 11ffffffffffffff"
    "01 21 02 ff 9c2b0ca1 6e616d6500000000 0000000000000000 0900ffff717ee48b"
    "57524f4f4d2d333200" + "ff" * 23
)
DAMAGED = "the file is damaged: copy it again from where it was made"
IN_USE = "the image was read from a module that has written to it: take the firmware package's own"


def _namespace(name: str) -> NvsEntry:
    return NvsEntry(name, "", Encoding.NAMESPACE, b"")


def _image(*entries: NvsEntry, size: int = MIN_SIZE, dialect: Dialect = Dialect.BLANK_TAIL) -> NvsImage:
    """Return an image of the namespace ``ns``."""
    return NvsImage((_namespace("ns"), *entries), size, dialect)


def _blob(length: int, key: str = "blob") -> NvsEntry:
    return NvsEntry("ns", key, Encoding.BINARY, bytes(number % 251 for number in range(length)))


def _numbers(count: int) -> list[NvsEntry]:
    return [NvsEntry("ns", f"n{number}", Encoding.U8, 0) for number in range(count)]


SMALL = _image(NvsEntry("ns", "pin", Encoding.U8, 17), NvsEntry("ns", "name", Encoding.STRING, "WROOM-32"))


# --- the bytes ---


def test_a_small_image():
    assert SMALL.to_bytes() == (HEADER + STATES + ENTRIES).ljust(PAGE_SIZE, b"\xff") + BLANK * 2


def test_a_small_image_of_full_pages():
    """Every page but the last says that it is full, also one without entries."""
    first, second = (head.ljust(64, b"\xff") for head in FULL_HEADERS)
    expected = (first[:32] + STATES + ENTRIES).ljust(PAGE_SIZE, b"\xff") + second.ljust(PAGE_SIZE, b"\xff") + BLANK
    assert replace(SMALL, dialect=Dialect.FULL_PAGES).to_bytes() == expected


@pytest.mark.parametrize("dialect", Dialect)
def test_what_was_written_is_read(dialect):
    image = replace(SMALL, dialect=dialect)
    assert NvsImage.from_bytes(image.to_bytes()) == image


def test_a_blank_image_has_no_entries():
    image = NvsImage.from_bytes(BLANK * 3)
    assert (image.entries, image.size) == ((), MIN_SIZE)


def test_pages_are_read_in_the_order_of_their_sequence_numbers():
    image = _image(*_numbers(200), size=4 * PAGE_SIZE)
    data = image.to_bytes()
    swapped = data[PAGE_SIZE : 2 * PAGE_SIZE] + data[:PAGE_SIZE] + data[2 * PAGE_SIZE :]
    assert NvsImage.from_bytes(swapped) == image


def test_the_states_of_a_full_page():
    """Its 126 entries take 252 bits; those of two more that don't exist stay 11."""
    image = _image(*_numbers(126), size=4 * PAGE_SIZE).to_bytes()
    assert image[32:64] == b"\xaa" * 31 + b"\xfa"
    assert (image[0], image[PAGE_SIZE]) == (0xFC, 0xFE)
    assert image[PAGE_SIZE + 32 : PAGE_SIZE + 34] == b"\xfe\xff"


# --- numbers ---

LIMITS = {
    Encoding.U8: (0, 0xFF),
    Encoding.U16: (0, 0xFFFF),
    Encoding.U32: (0, 0xFFFFFFFF),
    Encoding.U64: (0, 0xFFFFFFFFFFFFFFFF),
    Encoding.I8: (-0x80, 0x7F),
    Encoding.I16: (-0x8000, 0x7FFF),
    Encoding.I32: (-0x80000000, 0x7FFFFFFF),
    Encoding.I64: (-0x8000000000000000, 0x7FFFFFFFFFFFFFFF),
}


def test_limits_of_every_number_are_tested():
    assert set(LIMITS) == {encoding for encoding in Encoding if encoding.is_number}


@pytest.mark.parametrize(
    ("encoding", "value", "written"),
    [
        (Encoding.U8, 0xFE, "01 feffffffffffffff"),
        (Encoding.I8, -2, "11 feffffffffffffff"),
        (Encoding.U16, 0x1234, "02 3412ffffffffffff"),
        (Encoding.I16, -2, "12 feffffffffffffff"),
        (Encoding.U32, 0x12345678, "04 78563412ffffffff"),
        (Encoding.I32, -2, "14 feffffffffffffff"),
        (Encoding.U64, 0x123456789ABCDEF0, "08 f0debc9a78563412"),
        (Encoding.I64, -2, "18 feffffffffffffff"),
    ],
)
def test_a_number_in_bytes(encoding, value, written):
    second = _image(NvsEntry("ns", "n", encoding, value)).to_bytes()[96:128]
    assert bytes([second[1]]) + second[24:] == bytes.fromhex(written)


@pytest.mark.parametrize("encoding", LIMITS)
def test_a_number_at_its_limits(encoding):
    low, high = LIMITS[encoding]
    image = _image(NvsEntry("ns", "low", encoding, low), NvsEntry("ns", "high", encoding, high))
    assert [entry.value for entry in NvsImage.from_bytes(image.to_bytes())] == [low, high]


@pytest.mark.parametrize("encoding", LIMITS)
@pytest.mark.parametrize("side", [0, 1], ids=["below", "above"])
def test_refuses_a_number_beyond_its_limits(encoding, side):
    low, high = LIMITS[encoding]
    beyond = (low - 1, high + 1)[side]
    with pytest.raises(FormatError) as caught:
        NvsEntry("ns", "pin", encoding, beyond)
    assert caught.value.code == "nvs-value"
    assert caught.value.message == f"ns.pin must be {low}…{high}, not {beyond}"


@pytest.mark.parametrize(
    ("encoding", "value", "kind"),
    [
        (Encoding.U8, "1", "int"),
        (Encoding.U8, True, "int"),
        (Encoding.STRING, 1, "str"),
        (Encoding.STRING, b"text", "str"),
        (Encoding.BINARY, "text", "bytes"),
    ],
)
def test_refuses_a_value_of_another_kind(encoding, value, kind):
    with pytest.raises(FormatError) as caught:
        NvsEntry("ns", "pin", encoding, value)
    assert caught.value.code == "nvs-value"
    assert caught.value.message == f"ns.pin must be {kind}, not {value!r}"


# --- strings ---


@pytest.mark.parametrize(("length", "span"), [(0, 2), (30, 2), (31, 2), (32, 3), (33, 3), (63, 3), (64, 4)])
def test_a_string_and_its_nul(length, span):
    image = _image(NvsEntry("ns", "text", Encoding.STRING, "x" * length))
    data = image.to_bytes()
    assert data[96 + 2] == span
    assert struct.unpack_from("<H", data, 96 + 24) == (length + 1,)
    assert data[128 : 128 + length + 1] == b"x" * length + b"\0"
    assert NvsImage.from_bytes(data) == image


def test_the_longest_string_needs_a_page_of_its_own():
    image = _image(NvsEntry("ns", "text", Encoding.STRING, "x" * 3967), NvsEntry("ns", "pin", Encoding.U8, 1))
    data = image.to_bytes()
    assert _heads(data) == [[(NAMESPACE, 1, 255)], [(0x21, 125, 255), (0x01, 1, 255)], []]
    assert NvsImage.from_bytes(data) == image


def test_a_string_counts_in_bytes():
    image = _image(NvsEntry("ns", "text", Encoding.STRING, "ä" * 16))
    assert image.to_bytes()[96 + 2] == 3
    assert NvsImage.from_bytes(image.to_bytes()) == image


def test_a_string_never_takes_the_last_entry_of_a_page():
    """The generator counts one too many, and modules get what it makes."""
    text = NvsEntry("ns", "text", Encoding.STRING, "x" * 31)  # takes two entries
    for before, page in ((122, 0), (123, 1)):
        data = _image(*_numbers(before), text, size=4 * PAGE_SIZE).to_bytes()
        assert [number for number in range(2) if b"x" * 31 in data[number * PAGE_SIZE : (number + 1) * PAGE_SIZE]] == [
            page
        ]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("x" * 3968, "ns.text is 3969 bytes", "write 3968 bytes at most", id="too-long"),
        pytest.param("ä" * 1984, "ns.text is 3969 bytes", "write 3968 bytes at most", id="too-long-in-bytes"),
        pytest.param("\ud800", "ns.text isn't text", "write it with characters that UTF-8 has", id="surrogate"),
    ],
)
def test_refuses_a_string(text, message, hint):
    with pytest.raises(FormatError) as caught:
        NvsEntry("ns", "text", Encoding.STRING, text)
    assert caught.value.code == "nvs-value"
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_refuses_a_string_with_nul():
    with pytest.raises(FormatError, match=r"^ns\.text has a NUL inside") as caught:
        NvsEntry("ns", "text", Encoding.STRING, "a\0b")
    assert caught.value.code == "nvs-value"


# --- blobs ---


def _heads(data: bytes) -> list[list[tuple[int, int, int]]]:
    """Return type, span and chunk of every written entry, by page; the marks of the pages are believed."""
    pages = []
    for start in range(0, len(data), PAGE_SIZE):
        states = int.from_bytes(data[start + 32 : start + 64], "little")
        number, heads = 0, []
        while number < 126 and states >> number * 2 & 3 == 2:
            _, type_, span, chunk = data[start + 64 + number * 32 :][:4]
            heads.append((type_, span, chunk))
            number += span
        pages.append(heads)
    return pages


FIRST = (NAMESPACE, 1, 255)
LAST = (INDEX, 1, 255)


@pytest.mark.parametrize(
    ("length", "pages"),
    [
        pytest.param(0, [[FIRST, (DATA, 1, 0), LAST], []], id="empty"),
        pytest.param(32, [[FIRST, (DATA, 2, 0), LAST], []], id="one-entry"),
        pytest.param(33, [[FIRST, (DATA, 3, 0), LAST], []], id="two-entries"),
        pytest.param(3936, [[FIRST, (DATA, 124, 0), LAST], []], id="index-in-the-last-entry"),
        pytest.param(3937, [[FIRST, (DATA, 125, 0)], [LAST]], id="index-on-the-next-page"),
        pytest.param(3968, [[FIRST, (DATA, 125, 0)], [LAST]], id="fills-the-page"),
        pytest.param(3969, [[FIRST, (DATA, 125, 0)], [(DATA, 2, 1), LAST]], id="one-byte-on-the-next-page"),
        pytest.param(3968 + 4000, [[FIRST, (DATA, 125, 0)], [(DATA, 126, 1)], [LAST]], id="fills-two-pages"),
        pytest.param(
            3968 + 4000 + 1, [[FIRST, (DATA, 125, 0)], [(DATA, 126, 1)], [(DATA, 2, 2), LAST]], id="three-pages"
        ),
    ],
)
def test_a_blob_is_cut_where_a_page_ends(length, pages):
    image = _image(_blob(length), size=5 * PAGE_SIZE)
    data = image.to_bytes()
    assert _heads(data) == pages + [[]] * (5 - len(pages))
    assert NvsImage.from_bytes(data) == image


def test_a_blob_with_one_entry_left_has_a_chunk_of_no_bytes():
    """The generator writes it: it holds nothing, and modules get it so."""
    image = _image(*_numbers(124), _blob(40), size=4 * PAGE_SIZE)
    data = image.to_bytes()
    assert _heads(data)[0][-1] == (DATA, 1, 0)
    assert _heads(data)[1] == [(DATA, 3, 1), LAST]
    assert NvsImage.from_bytes(data) == image


def test_a_blobs_index():
    data = _image(_blob(5000), size=4 * PAGE_SIZE).to_bytes()
    index = data[PAGE_SIZE + 64 + 32 * (1 + -(-(5000 - 3968) // 32)) :][:32]
    assert index[1] == INDEX
    assert index[24:] == struct.pack("<LBBH", 5000, 2, 0, 0xFFFF)


def test_an_old_blob_is_read():
    """A blob in one piece, with type 41, is what the generator's version 1 writes."""
    data = _page(_begin("ns"), _with_data(1, 0x41, "blob", b"content"))
    assert NvsImage.from_bytes(data + BLANK * 2).get("ns", "blob").value == b"content"


def test_a_blob_of_more_chunks_than_an_index_counts():
    image = _image(_blob(3968 + 254 * 4000), size=260 * PAGE_SIZE)
    assert NvsImage.from_bytes(image.to_bytes()) == image
    longer = with_value(image, "ns", "blob", bytes(3968 + 254 * 4000 + 1))
    with pytest.raises(FormatError) as caught:
        longer.to_bytes()
    assert (caught.value.where, caught.value.message) == (
        "ns.blob",
        "1019969 bytes are more chunks than an index counts",
    )


# --- names ---


@pytest.mark.parametrize("name", ["k", "k" * 15, "ä" * 7, "with space", "dots.0"])
def test_names(name):
    image = NvsImage((_namespace(name), NvsEntry(name, name, Encoding.U8, 1)), MIN_SIZE)
    assert NvsImage.from_bytes(image.to_bytes()) == image


@pytest.mark.parametrize("name", ["", "k" * 16, "ä" * 8, "tab\t", "nul\0", "line\n", "\ud800"], ids=ascii)
def test_refuses_a_name(name):
    for make in (lambda: NvsEntry("ns", name, Encoding.U8, 1), lambda: _namespace(name)):
        with pytest.raises(FormatError) as caught:
            make()
        assert caught.value.code == "nvs-key"
        assert caught.value.message == f"{name!r} can't be a key or namespace"
        assert caught.value.hint == "write 1 to 15 characters"


def test_values_are_not_in_the_repr():
    assert "SECRET" not in repr(NvsEntry("ns", "key", Encoding.STRING, "SECRET"))


# --- the size ---


@pytest.mark.parametrize("size", [0, PAGE_SIZE, 2 * PAGE_SIZE, 3 * PAGE_SIZE + 1, -PAGE_SIZE])
def test_refuses_a_size(size):
    with pytest.raises(FormatError) as caught:
        replace(SMALL, size=size).to_bytes()
    assert (caught.value.code, caught.value.message) == ("nvs-size", f"an NVS image of {size} bytes")


def _full(dialect: Dialect, entry: NvsEntry) -> NvsImage:
    """Return an image of two pages of entries, one of them left."""
    return _image(*_numbers(2 * 126 - 2), entry, dialect=dialect)


@pytest.mark.parametrize("dialect", Dialect)
def test_an_image_can_be_full_to_the_last_entry(dialect):
    image = _full(dialect, NvsEntry("ns", "last", Encoding.U8, 1))
    data = image.to_bytes()
    assert NvsImage.from_bytes(data) == image
    assert data[2 * PAGE_SIZE :] == BLANK


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(NvsEntry("ns", "last", Encoding.STRING, ""), id="string"),
        pytest.param(_blob(0, "last"), id="blob"),
    ],
)
def test_refuses_what_does_not_fit(dialect, entry):
    with pytest.raises(FormatError) as caught:
        _full(dialect, entry).to_bytes()
    assert caught.value.code == "nvs-full"
    assert str(caught.value) == (
        "ns.last: it doesn't fit into an image of 12288 bytes any more\n"
        "  2 pages are full, and one more must stay blank: enlarge the partition"
    )


def test_refuses_one_number_too_many():
    with pytest.raises(FormatError) as caught:
        _image(*_numbers(2 * 126)).to_bytes()
    assert (caught.value.code, caught.value.where) == ("nvs-full", "ns.n251")


def test_refuses_an_entry_without_a_namespace():
    with pytest.raises(FormatError) as caught:
        NvsImage((NvsEntry("ns", "key", Encoding.U8, 1),), MIN_SIZE).to_bytes()
    assert caught.value.code == "nvs-key"
    assert (
        str(caught.value)
        == "ns.key: the row of its namespace is missing before this key\n  put the row ns,namespace,, before it"
    )


def test_namespaces_are_numbered_and_limited():
    names = [f"ns{number}" for number in range(255)]
    most = NvsImage(tuple(map(_namespace, names[:254])), 5 * PAGE_SIZE)
    assert NvsImage.from_bytes(most.to_bytes()).namespaces == tuple(names[:254])
    for refused in (names, ["ns0", "ns0"]):
        with pytest.raises(FormatError) as caught:
            NvsImage(tuple(map(_namespace, refused)), 5 * PAGE_SIZE).to_bytes()
        assert (caught.value.code, caught.value.where) == ("nvs-key", refused[-1])
        assert caught.value.message == "the namespace row is a duplicate, or there are too many"


# --- editing ---

TWO = NvsImage(
    (
        _namespace("a"),
        NvsEntry("a", "x", Encoding.U8, 1),
        NvsEntry("a", "y", Encoding.U8, 2),
        _namespace("b"),
        NvsEntry("b", "x", Encoding.STRING, "text"),
    ),
    MIN_SIZE,
    Dialect.FULL_PAGES,
)


def test_looking_into_an_image():
    assert TWO.namespaces == ("a", "b")
    assert TWO.keys("a") == ("x", "y")
    assert TWO.keys("c") == ()
    assert TWO.get("b", "x").value == "text"
    assert TWO.get("b", "y") is None
    assert [entry.name for entry in TWO] == ["a.x", "a.y", "b.x"]


def test_with_namespace_replaces_in_its_place():
    new = NvsEntry("a", "z", Encoding.U8, 9)
    changed = TWO.with_namespace("a", [new])
    assert changed.entries == (_namespace("a"), new, *TWO.entries[3:])
    assert TWO.with_namespace("b", []).entries == TWO.entries[:4]


def test_with_namespace_adds_at_the_end():
    new = NvsEntry("c", "z", Encoding.U8, 9)
    changed = TWO.with_namespace("c", [new])
    assert changed.entries == (*TWO.entries, _namespace("c"), new)
    assert (changed.size, changed.dialect) == (TWO.size, TWO.dialect)


# --- CSV ---


def test_to_csv():
    image = _image(
        NvsEntry("ns", "pin", Encoding.I32, -1),
        NvsEntry("ns", "text", Encoding.STRING, 'a "quoted", text'),
        NvsEntry("ns", "none", Encoding.STRING, ""),
        NvsEntry("ns", "blob", Encoding.BINARY, b"\0\xff\x7f"),
    )
    assert image.to_csv().splitlines() == [
        "key,type,encoding,value",
        "ns,namespace,,",
        "pin,data,i32,-1",
        'text,data,string,"a ""quoted"", text"',
        "none,data,string,",
        "blob,data,base64,AP9/",
    ]
    assert generated_from_csv(image.to_csv(), MIN_SIZE) == image.to_bytes()


def test_to_csv_keeps_an_entry_in_its_namespace():
    """A module appends a new entry of an old namespace after the others; a CSV has no other way to give its place."""
    late = NvsEntry("a", "late", Encoding.U8, 3)
    image = replace(TWO, entries=(*TWO.entries, late))
    assert NvsImage.from_bytes(image.to_bytes()) == image
    again = NvsImage.from_bytes(generated_from_csv(image.to_csv(), MIN_SIZE))
    assert again.entries == (*TWO.entries[:3], late, *TWO.entries[3:])


# --- damage ---


NUMBER = _entry(1, 0x01, "pin", b"\x11")
CHUNK = _with_data(1, DATA, "blob", b"01234567", chunk=0)


SMALL_PAGE = SMALL.to_bytes()[:PAGE_SIZE]
FULL_PAGE = _image(*_numbers(125)).to_bytes()[:PAGE_SIZE]


def test_the_crafted_pages_are_sound_but_for_their_damage():
    assert _page(_begin("ns"), NUMBER, _with_data(1, 0x21, "name", b"WROOM-32\0")) == SMALL_PAGE
    image = NvsImage.from_bytes(_page(_begin("ns"), CHUNK, _index("blob", 8, 1)) + BLANK * 2)
    assert image == _image(NvsEntry("ns", "blob", Encoding.BINARY, b"01234567"))


@pytest.mark.parametrize(
    ("page", "where", "code", "message", "hint"),
    [
        # the page
        pytest.param(
            _flipped(SMALL_PAGE, 28),
            "",
            "nvs-damaged",
            "the CRC of the page's header is wrong",
            DAMAGED,
            id="header-crc",
        ),
        pytest.param(
            _flipped(SMALL_PAGE, 4), "", "nvs-damaged", "the CRC of the page's header is wrong", DAMAGED, id="sequence"
        ),
        pytest.param(
            _flipped(SMALL_PAGE, 20), "", "nvs-damaged", "the CRC of the page's header is wrong", DAMAGED, id="reserved"
        ),
        pytest.param(
            bytes(PAGE_SIZE), "", "nvs-damaged", "the CRC of the page's header is wrong", DAMAGED, id="all-00"
        ),
        pytest.param(_page(state=0xFFFFFFF8), "", "nvs-in-use", "the page's state is 0xfffffff8", IN_USE, id="freeing"),
        pytest.param(_page(state=0xFFFFFFF0), "", "nvs-in-use", "the page's state is 0xfffffff0", IN_USE, id="corrupt"),
        pytest.param(_page(state=0), "", "nvs-in-use", "the page's state is 0x0", IN_USE, id="invalid-state"),
        pytest.param(
            _page(version=0xFF), "", "nvs-damaged", "the page's version is 0xff, 0xfe is known", DAMAGED, id="version-1"
        ),
        pytest.param(
            BLANK[:-1] + b"\0",
            "",
            "nvs-damaged",
            "the page is marked unused, but isn't blank",
            DAMAGED,
            id="unused-not-blank",
        ),
        pytest.param(
            b"\xff" * 4 + SMALL_PAGE[4:],
            "",
            "nvs-damaged",
            "the page is marked unused, but isn't blank",
            DAMAGED,
            id="unused-written",
        ),
        # the marks of entries
        pytest.param(_marked(SMALL_PAGE, 1, 0), 1, "nvs-in-use", "the entry is erased", IN_USE, id="erased"),
        pytest.param(_marked(SMALL_PAGE, 1, 1), 1, "nvs-in-use", "the entry is erased", IN_USE, id="undefined-state"),
        pytest.param(_marked(SMALL_PAGE, 3, 0), 2, "nvs-in-use", "the entry is erased", IN_USE, id="data-erased"),
        pytest.param(_marked(SMALL_PAGE, 3, 3), 2, "nvs-in-use", "the entry is erased", IN_USE, id="data-not-marked"),
        pytest.param(
            _marked(SMALL_PAGE, 1, 3),
            1,
            "nvs-damaged",
            "there are bytes where the page says it is empty",
            DAMAGED,
            id="gap",
        ),
        pytest.param(
            _flipped(SMALL_PAGE, PAGE_SIZE - 1),
            4,
            "nvs-damaged",
            "there are bytes where the page says it is empty",
            DAMAGED,
            id="bytes-after",
        ),
        pytest.param(
            _marked(SMALL_PAGE, 60, 0),
            4,
            "nvs-damaged",
            "there are bytes where the page says it is empty",
            DAMAGED,
            id="erased-after-the-last",
        ),
        # an entry
        pytest.param(
            _flipped(SMALL_PAGE, 64 + 24), 0, "nvs-damaged", "the entry's CRC is wrong", DAMAGED, id="namespace-crc"
        ),
        pytest.param(_flipped(SMALL_PAGE, 96 + 24), 1, "nvs-damaged", "the entry's CRC is wrong", DAMAGED, id="value"),
        pytest.param(
            _flipped(SMALL_PAGE, 96 + 4), 1, "nvs-damaged", "the entry's CRC is wrong", DAMAGED, id="entry-crc"
        ),
        pytest.param(_flipped(SMALL_PAGE, 96 + 8), 1, "nvs-damaged", "the entry's CRC is wrong", DAMAGED, id="key"),
        pytest.param(_flipped(SMALL_PAGE, 160), 2, "nvs-damaged", "the CRC of 'name' is wrong", DAMAGED, id="data-crc"),
        pytest.param(
            _flipped(FULL_PAGE, 64 + 125 * 32 + 2, 0x03),
            125,
            "nvs-damaged",
            "the entry spans 2, beyond the page's end",
            DAMAGED,
            id="span-beyond-the-page",
        ),
        pytest.param(
            _page(_begin("ns"), _entry(1, 0x01, "pin", b"\x11", span=0)),
            1,
            "nvs-damaged",
            "the entry spans 0",
            DAMAGED,
            id="span-0",
        ),
        pytest.param(
            _page(_begin("ns"), _with_data(1, 0x21, "name", b"", span=0)),
            1,
            "nvs-damaged",
            "the entry spans 0",
            DAMAGED,
            id="span-0-of-a-string",
        ),
        pytest.param(
            _page(_begin("ns"), _entry(1, 0x01, "pin", b"\x11", span=2), b"\0" * 32),
            1,
            "nvs-damaged",
            "'pin' spans 2 entries, its type takes one",
            DAMAGED,
            id="number-spans-2",
        ),
        pytest.param(
            _page(_begin("ns"), _with_data(1, 0x21, "name", b"x" * 31 + b"\0", span=3), b"\xff" * 32),
            1,
            "nvs-damaged",
            "'name' has 32 bytes, its entry spans others",
            DAMAGED,
            id="span-of-more-than-the-data",
        ),
        pytest.param(
            _page(_begin("ns"), _with_data(1, 0x21, "name", b"x\0", length=0xFFFF)),
            1,
            "nvs-damaged",
            "'name' has 65535 bytes, its entry spans others",
            DAMAGED,
            id="length-beyond-the-span",
        ),
        pytest.param(
            _page(_begin("ns"), _with_data(1, 0x21, "name", b"")),
            1,
            "nvs-damaged",
            "the string 'name' doesn't end",
            DAMAGED,
            id="none",
        ),
        pytest.param(
            _page(_begin("ns"), _with_data(1, 0x21, "name", b"WROOM")),
            1,
            "nvs-damaged",
            "the string 'name' doesn't end",
            DAMAGED,
            id="string-without-nul",
        ),
        pytest.param(
            _page(_begin("ns"), _with_data(1, 0x21, "name", b"\xff\xfe\0")),
            1,
            "nvs-damaged",
            "b'\\xff\\xfe' isn't text",
            DAMAGED,
            id="string-not-utf-8",
        ),
        pytest.param(
            _page(_begin("ns"), _entry(1, 0x01, b"\xff\xfe", b"")),
            1,
            "nvs-damaged",
            "b'\\xff\\xfe' isn't text",
            DAMAGED,
            id="key-not-utf-8",
        ),
        pytest.param(
            _page(_begin("ns"), _entry(1, 0x01, "k" * 16, b"\x01")),
            1,
            "nvs-key",
            f"'{'k' * 16}' can't be a key or namespace",
            "write 1 to 15 characters",
            id="key-without-nul",
        ),
        pytest.param(
            _page(_begin("ns"), _entry(1, 0x01, "", b"\x01")),
            1,
            "nvs-key",
            "'' can't be a key or namespace",
            "write 1 to 15 characters",
            id="key-empty",
        ),
        pytest.param(
            _page(_begin("ns"), _entry(1, 0x99, "pin", b"\x11")),
            1,
            "nvs-damaged",
            "'pin' has the unknown type 0x99",
            DAMAGED,
            id="unknown-type",
        ),
        pytest.param(
            _page(_begin("ns"), _entry(1, 0x00, "pin", b"\x11")),
            1,
            "nvs-damaged",
            "'pin' has the unknown type 0x0",
            DAMAGED,
            id="type-0",
        ),
        # namespaces
        pytest.param(
            _page(_begin("ns"), _entry(2, 0x01, "pin", b"\x11")),
            1,
            "nvs-damaged",
            "'pin' belongs to namespace 2, which doesn't exist",
            DAMAGED,
            id="no-such-namespace",
        ),
        pytest.param(
            _page(NUMBER),
            0,
            "nvs-damaged",
            "'pin' belongs to namespace 1, which doesn't exist",
            DAMAGED,
            id="before-its-namespace",
        ),
        pytest.param(
            _page(_begin("ns"), _begin("other")),
            1,
            "nvs-damaged",
            "'other' can't begin a namespace, or begins it again",
            DAMAGED,
            id="namespace-index-twice",
        ),
        pytest.param(
            _page(_begin("ns"), _begin("ns", 2)),
            1,
            "nvs-damaged",
            "'ns' can't begin a namespace, or begins it again",
            DAMAGED,
            id="namespace-twice",
        ),
        pytest.param(
            _page(_entry(0, 0x04, "ns", b"\1\0\0\0")),
            0,
            "nvs-damaged",
            "'ns' can't begin a namespace, or begins it again",
            DAMAGED,
            id="namespace-of-another-type",
        ),
        pytest.param(
            _page(_begin("ns"), NUMBER, NUMBER), 2, "nvs-in-use", "duplicate entry ns.pin", IN_USE, id="key-twice"
        ),
        # blobs
        pytest.param(
            _page(_begin("ns"), _with_data(1, DATA, "blob", b"01", chunk=1)),
            1,
            "nvs-in-use",
            "chunk 1 of 'blob' is out of order",
            IN_USE,
            id="chunk-out-of-order",
        ),
        pytest.param(
            _page(_begin("ns"), CHUNK, CHUNK),
            3,
            "nvs-in-use",
            "chunk 0 of 'blob' is out of order",
            IN_USE,
            id="chunk-twice",
        ),
        pytest.param(
            _page(_begin("ns"), _with_data(1, DATA, "blob", b"01", chunk=0x80), _index("blob", 2, 1, 0x80)),
            1,
            "nvs-in-use",
            "chunk 128 of 'blob' is out of order",
            IN_USE,
            id="chunks-that-a-module-rewrote",
        ),
        pytest.param(
            _page(_begin("ns"), CHUNK, _index("blob", 8, 2)),
            3,
            "nvs-damaged",
            "the chunks of 'blob' are not those that its index counts",
            DAMAGED,
            id="chunk-missing",
        ),
        pytest.param(
            _page(_begin("ns"), _index("blob", 8, 1)),
            1,
            "nvs-damaged",
            "the chunks of 'blob' are not those that its index counts",
            DAMAGED,
            id="all-chunks-missing",
        ),
        pytest.param(
            _page(_begin("ns"), CHUNK, _index("blob", 9, 1)),
            3,
            "nvs-damaged",
            "the chunks of 'blob' are not those that its index counts",
            DAMAGED,
            id="index-with-another-length",
        ),
        pytest.param(
            _page(_begin("ns"), CHUNK, _index("blob", 8, 1, 1)),
            3,
            "nvs-damaged",
            "the chunks of 'blob' are not those that its index counts",
            DAMAGED,
            id="index-with-another-start",
        ),
        pytest.param(
            _page(_begin("ns"), CHUNK, NUMBER),
            3,
            "nvs-damaged",
            "the blob 'blob' before it has no index",
            DAMAGED,
            id="no-index",
        ),
        pytest.param(
            _page(_begin("ns"), CHUNK, _begin("other", 2)),
            3,
            "nvs-damaged",
            "the blob 'blob' before it has no index",
            DAMAGED,
            id="no-index-before-a-namespace",
        ),
        pytest.param(
            _page(_begin("ns"), CHUNK, _index("other", 8, 1)),
            3,
            "nvs-damaged",
            "the blob 'blob' before it has no index",
            DAMAGED,
            id="index-of-another-key",
        ),
        pytest.param(
            _page(_begin("ns"), _begin("ns2", 2), CHUNK, _index("blob", 8, 1, index=2)),
            4,
            "nvs-damaged",
            "the blob 'blob' before it has no index",
            DAMAGED,
            id="index-in-another-namespace",
        ),
        pytest.param(
            _page(_begin("ns"), CHUNK, _with_data(1, DATA, "other", b"8", chunk=1)),
            3,
            "nvs-damaged",
            "the blob 'blob' before it has no index",
            DAMAGED,
            id="chunk-of-another-key",
        ),
        pytest.param(
            _page(_begin("ns"), _flipped(CHUNK, 32)),
            1,
            "nvs-damaged",
            "the CRC of 'blob' is wrong",
            DAMAGED,
            id="chunk-data-crc",
        ),
    ],
)
@pytest.mark.parametrize("number", [0, 1], ids=["first-page", "second-page"])
def test_damage_has_its_name_and_place(page, where, code, message, hint, number):
    data = b"".join([BLANK] * number + [page] + [BLANK] * (2 - number))
    with pytest.raises(FormatError) as caught:
        NvsImage.from_bytes(data)
    place = f"page {number}" if where == "" else f"page {number}:entry {where}"
    assert (caught.value.code, caught.value.where) == (code, place)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_last_blob_without_index():
    with pytest.raises(FormatError) as caught:
        NvsImage.from_bytes(_page(_begin("ns"), CHUNK) + BLANK * 2)
    assert caught.value.code == "nvs-damaged"
    assert str(caught.value) == f"the last blob, 'blob', has no index\n  {DAMAGED}"


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (_page(_begin("other", 2), state=0xFFFFFFFC), "the page has the sequence number 0 of page 0"),
        (_page(_begin("other", 2), sequence=1), "the page is active, and so is page 0"),
    ],
    ids=["sequence-number", "active"],
)
def test_a_page_that_is_there_twice(second, message):
    with pytest.raises(FormatError) as caught:
        NvsImage.from_bytes(_page(_begin("ns"), NUMBER) + BLANK + second)
    assert (caught.value.code, caught.value.where, caught.value.message) == ("nvs-damaged", "page 2", message)
    assert caught.value.hint == DAMAGED


def test_a_blob_is_not_continued_on_a_lost_page():
    image = _image(_blob(9000), size=5 * PAGE_SIZE).to_bytes()
    lost = image[:PAGE_SIZE] + BLANK + image[2 * PAGE_SIZE :]
    with pytest.raises(FormatError) as caught:
        NvsImage.from_bytes(lost)
    assert caught.value.code == "nvs-in-use"
    assert caught.value.message == "chunk 2 of 'blob' is out of order"


@pytest.mark.parametrize("length", [0, 1, 32, PAGE_SIZE - 1, PAGE_SIZE + 1, 3 * PAGE_SIZE - 32])
def test_refuses_a_length(length):
    with pytest.raises(FormatError) as caught:
        NvsImage.from_bytes(bytes(length))
    assert caught.value.code == "nvs-size"
    assert str(caught.value) == f"an NVS image of {length} bytes\n  take the whole image: pages of 4096 bytes"
