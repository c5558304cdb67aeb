"""For all NVS content, our bytes are those of esp-idf-nvs-partition-gen; any bytes are read or refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import pytest
from esp_idf_nvs_partition_gen import nvs_partition_gen as upstream
from hostile import nvs_entry, nvs_page
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nvs_images import generated_from_csv

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.nvs import Dialect, NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.formats.saved_nvs import SavedNvs

few = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = [encoding for encoding in Encoding if encoding.is_number]

# -- values --

names = st.from_regex(r"[a-z][a-z0-9_.]{0,14}", fullmatch=True).filter(
    lambda name: not name.startswith(("sta.", "ap."))  # upstream adds its own entries to these
)
# Upstream reads its CSV line by line: in a text, a line that starts with # is a comment to it, and CR is LF.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r#"), max_size=40)
near_the_end = [size + change for size in (3936, 3968, 4000, 7968, 8000) for change in (-33, -32, -1, 0, 1, 32)]


def _long_text(draw) -> str:
    return "x" * draw(st.integers(0, 3967))


def _blob(draw) -> bytes:
    length = draw(st.one_of(st.integers(0, 100), st.sampled_from(near_the_end), st.integers(0, 12_000)))
    return bytes([draw(st.integers(0, 255))]) * length


@st.composite
def values(draw) -> tuple[Encoding, int | str | bytes]:
    encoding = draw(st.sampled_from([*NUMBERS, Encoding.STRING, Encoding.STRING, Encoding.BINARY, Encoding.BINARY]))
    if encoding.is_number:
        bits = encoding.number_size * 8
        low = -(1 << bits - 1) if encoding.signed else 0
        return encoding, draw(st.integers(low, low + (1 << bits) - 1))
    if encoding is Encoding.STRING:
        return encoding, draw(texts) if draw(st.booleans()) else _long_text(draw)
    return encoding, _blob(draw)


@st.composite
def images(draw, dialects=tuple(Dialect)) -> NvsImage:
    """Draw an image that may be too small for its entries; many small entries make pages end anywhere."""
    entries: list[NvsEntry] = []
    for namespace in draw(st.lists(names, max_size=5, unique=True)):
        entries.append(NvsEntry(namespace, "", Encoding.NAMESPACE, b""))
        entries += [
            NvsEntry(namespace, f"fill.{number}", Encoding.U8, number)
            for number in range(draw(st.sampled_from([0, 0, 0, 1, 60, 120, 121, 122, 123, 124, 125, 126])))
        ]
        entries += [
            NvsEntry(namespace, key, *value)
            for key, value in draw(st.dictionaries(names, values(), max_size=5)).items()
            if not key.startswith("fill.")
        ]
    return NvsImage(tuple(entries), draw(st.integers(3, 9)) * PAGE_SIZE, draw(st.sampled_from(dialects)))


def _generated(image: NvsImage) -> bytes:
    """Return the generator's image of the same entries; the size that it gets doesn't count the blank page."""
    stream = io.BytesIO()
    nvs = upstream.nvs_open(stream, image.size - PAGE_SIZE, upstream.Page.VERSION2)
    for entry in image.entries:
        if entry.encoding is Encoding.NAMESPACE:
            upstream.write_entry(nvs, entry.namespace, "namespace", "", "")
        else:
            upstream.write_entry(nvs, entry.key, "data", entry.encoding.name.lower(), entry.value)
    upstream.nvs_close(nvs)
    return stream.getvalue()


def _written(image: NvsImage) -> bytes | None:
    """Return our bytes, or None where the entries don't fit."""
    try:
        return image.to_bytes()
    except FormatError as error:
        assert error.message == f"it doesn't fit into an image of {image.size} bytes any more"  # noqa: PT017
        return None


# -- the same bytes as upstream --


@few
@given(images([Dialect.BLANK_TAIL]))
def test_our_bytes_are_upstreams(image):
    try:
        expected = _generated(image)
    except upstream.InsufficientSizeError:
        expected = None
    assert _written(image) == expected


def test_both_outcomes_are_tried():
    """With the sizes and contents above, many images fit, and many don't."""
    outcomes = []

    @settings(few, max_examples=60, derandomize=True, database=None)
    @given(images([Dialect.BLANK_TAIL]))
    def collect(image):
        outcomes.append((_written(image) is not None, len(image.entries) > 126))

    collect()
    assert sum(fits for fits, _ in outcomes) > len(outcomes) / 5
    assert any(not fits for fits, _ in outcomes)
    assert any(fits and several_pages for fits, several_pages in outcomes)


@pytest.mark.parametrize("free", range(8))
@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 64, 3967, 3968, 3969, 4000, 4001, 8000])
def test_our_bytes_are_upstreams_at_the_end_of_a_page(free, length):
    """A blob or a string in a page with ``free`` entries left."""
    fill = [NvsEntry("ns", f"n{number}", Encoding.U8, 1) for number in range(125 - free)]
    kinds = [NvsEntry("ns", "blob", Encoding.BINARY, b"\xa5" * length)]
    if length <= 3967:
        kinds.append(NvsEntry("ns", "text", Encoding.STRING, "x" * length))
    for entry in kinds:
        after = NvsEntry("ns", "after", Encoding.U8, 1)
        namespace = NvsEntry("ns", "", Encoding.NAMESPACE, b"")
        image = NvsImage((namespace, *fill, entry, after), 6 * PAGE_SIZE)
        data = image.to_bytes()
        assert data == _generated(image)
        assert NvsImage.from_bytes(data) == image


# -- there and back --


@few
@given(images())
def test_what_was_written_is_read(image):
    data = _written(image)
    if data is None:
        return
    assert len(data) == image.size
    again = NvsImage.from_bytes(data)
    assert again == image
    assert again.to_bytes() == data
    saved = [(entry.namespace, entry.key, entry.encoding, entry.value) for entry in SavedNvs.from_bytes(data).entries]
    assert saved == [(entry.namespace, entry.key, entry.encoding, entry.value) for entry in image]


def _old_headers(data: bytes) -> bytes:
    """Return an image with the page headers of older generators: all pages but the last are marked full."""
    pages = []
    for number in range(len(data) // PAGE_SIZE - 1):
        head = struct.pack("<LB", number, 0xFE).ljust(24, b"\xff")
        head = struct.pack("<L", 0xFFFFFFFC) + head + struct.pack("<L", zlib.crc32(head, 0xFFFFFFFF))
        pages.append(head + data[number * PAGE_SIZE + 32 : (number + 1) * PAGE_SIZE])
    return b"".join(pages) + data[-PAGE_SIZE:]


@few
@given(images())
def test_the_dialects_differ_in_page_headers_only(image):
    blank_tail, full_pages = (
        _written(replace(image, dialect=dialect)) for dialect in (Dialect.BLANK_TAIL, Dialect.FULL_PAGES)
    )
    assert (blank_tail is None) == (full_pages is None)
    if blank_tail is not None:
        assert full_pages == _old_headers(blank_tail)


# -- CSV --


@few
@given(images([Dialect.BLANK_TAIL]))
def test_upstreams_image_of_our_csv_is_ours(image):
    try:
        expected = generated_from_csv(image.to_csv(), image.size)
    except upstream.InsufficientSizeError:
        expected = None
    assert _written(image) == expected


def test_csv_through_upstreams_command_line(tmp_path):
    entries = [
        NvsEntry("ns", "", Encoding.NAMESPACE, b""),
        *(NvsEntry("ns", encoding.name.lower(), encoding, 100) for encoding in NUMBERS),
        NvsEntry("ns", "text", Encoding.STRING, 'a "quoted", text\nof two lines; ÄÖ '),
        NvsEntry("ns", "empty", Encoding.STRING, ""),
        NvsEntry("other", "", Encoding.NAMESPACE, b""),
        NvsEntry("other", "blob", Encoding.BINARY, bytes(range(256)) * 20),
        NvsEntry("other", "none", Encoding.BINARY, b""),
    ]
    image = NvsImage(tuple(entries), 5 * PAGE_SIZE)
    (tmp_path / "in.csv").write_text(image.to_csv(), encoding="utf-8")
    command = [sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate", "in.csv", "out.bin", hex(image.size)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "out.bin").read_bytes() == image.to_bytes()


# -- hostile bytes --


def _read(data: bytes) -> NvsImage | None:
    """Return the image, or None if it is refused; every other exception fails the test."""
    try:
        return NvsImage.from_bytes(data)
    except FormatError as error:
        assert error.message  # noqa: PT017
        return None


SOUND = NvsImage(
    (
        NvsEntry("a", "", Encoding.NAMESPACE, b""),
        NvsEntry("a", "n", Encoding.I32, -5),
        NvsEntry("a", "text", Encoding.STRING, "some text " * 10),
        NvsEntry("b", "", Encoding.NAMESPACE, b""),
        NvsEntry("b", "blob", Encoding.BINARY, b"\x5a" * 6000),
        NvsEntry("b", "last", Encoding.U64, 1),
    ),
    4 * PAGE_SIZE,
)
SOUND_BYTES = {dialect: replace(SOUND, dialect=dialect).to_bytes() for dialect in Dialect}


@few
@given(st.binary(max_size=3 * PAGE_SIZE))
def test_arbitrary_bytes(data):
    assert _read(data) is None or len(data) % PAGE_SIZE == 0
    _read(data.ljust(3 * PAGE_SIZE, b"\xff"))


@few
@given(st.sampled_from(Dialect), st.integers(0, 4 * PAGE_SIZE))
def test_truncations(dialect, length):
    """An image can only be cut at the end of a page; then the entries after that are missing."""
    read = _read(SOUND_BYTES[dialect][:length])
    if length % PAGE_SIZE or not length:
        assert read is None
    elif read is not None:
        assert read.entries == SOUND.entries[: len(read.entries)]


@settings(few, max_examples=600)
@given(st.sampled_from(Dialect), st.integers(0, 4 * PAGE_SIZE - 1), st.integers(1, 255))
def test_a_changed_byte(dialect, at, bits):
    """A change is refused, or it has no meaning: then the entries are the same."""
    data = bytearray(SOUND_BYTES[dialect])
    data[at] ^= bits
    read = _read(bytes(data))
    if read is not None:
        assert read.entries == SOUND.entries


@pytest.mark.parametrize("bit", range(8))
def test_a_changed_bit_in_every_byte_in_use(bit):
    """Every byte in use is protected, except for the state of pages, which has two valid values."""
    small = NvsImage(SOUND.entries[:3], 3 * PAGE_SIZE).to_bytes()
    for at in range(64 + 32 * 7):
        changed = bytearray(small)
        changed[at] ^= 1 << bit
        if (read := _read(bytes(changed))) is not None:
            assert read.entries == SOUND.entries[:3]
            padding = 64 + 32 * 3 + len("some text " * 10) + 1
            assert (at == 0 and bit == 1) or at >= padding, f"{at} isn't guarded"


types = st.one_of(st.sampled_from([*map(int, Encoding), 0x42, 0x48]), st.integers(0, 255))
crafted_entries = st.builds(
    nvs_entry,
    st.tuples(st.integers(0, 3), types, st.integers(0, 4), st.sampled_from([0, 1, 2, 0x80, 0xFF])),
    st.one_of(st.sampled_from([b"a", b"b", b"k" * 16]), st.binary(max_size=16)),
    st.one_of(st.binary(min_size=8, max_size=8), st.sampled_from([struct.pack("<HHL", 0, 0xFFFF, 0xFFFFFFFF)])),
)


@settings(few, max_examples=300)
@given(st.lists(crafted_entries, max_size=12))
def test_crafted_entries_with_right_crcs(entries):
    """Entries that are read without an error can be written again."""
    begin = nvs_entry((0, 0x01, 1, 0xFF), b"ns", b"\1" + b"\xff" * 7)
    read = _read(nvs_page(0, begin + b"".join(entries)) + b"\xff" * 2 * PAGE_SIZE)
    if read is not None:
        assert NvsImage.from_bytes(read.to_bytes()).entries == read.entries
