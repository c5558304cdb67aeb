"""Whatever is put into a file system is found there by the readers of others, and any bytes are told apart."""

from __future__ import annotations

from hashlib import shake_128

import pytest
from filesystem_readers import fat_files, files_in, long_names, mounted_fat, read_by_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platformio_esp_at.errors import FormatError, LayoutError
from platformio_esp_at.formats.fat import build_fat
from platformio_esp_at.formats.wear_levelling import unwrap, volume_size, wrap
from platformio_esp_at.planning.filesystems import FileSystem, build_filesystem, kind_of

SIZE = 100 << 10
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ASCII = "abcXYZ019.-_~ +"
UNICODE = ASCII + "äßж漢🙂"
CONTENT = st.builds(lambda seed, size: shake_128(bytes([seed])).digest(size), st.integers(0, 255), st.integers(0, 6000))
"""No two sectors are alike."""


def names(characters):
    return st.text(st.sampled_from(characters), min_size=1, max_size=16).filter(
        lambda name: name == name.strip(" ").rstrip(".")
    )


def files(characters):
    paths = st.lists(names(characters), min_size=1, max_size=3).map("/".join)
    return st.dictionaries(paths, CONTENT, max_size=12)


def fits(files, build):
    """Return the image, None for names that are one for FAT, a file that is a folder, or too many bytes."""
    try:
        return build(files)
    except (FormatError, LayoutError):
        return None


@QUICK
@given(files=files(UNICODE))
def test_littlefs_is_read(files):
    pytest.importorskip("littlefs", reason="need the extra fs")
    image = fits(files, lambda files: build_filesystem(files, kind=FileSystem.LITTLEFS, size=SIZE))
    if image is not None:
        assert len(image) == SIZE
        assert files_in(image, FileSystem.LITTLEFS) == files


@QUICK
@given(files=files(ASCII), size=st.integers(16, 768).map(lambda sectors: sectors * 4096))
def test_fat_of_any_size_is_read(files, size):
    volume = fits(files, lambda files: build_fat(files, size))
    if volume is not None:
        assert len(volume) == size
        assert fat_files(volume) == files


@QUICK
@given(files=st.dictionaries(names(UNICODE), CONTENT, max_size=12))
def test_fat_with_names_beyond_ascii_is_read(files):
    volume = fits(files, lambda files: build_fat(files, SIZE))
    if volume is not None:
        aliases = long_names(volume)
        assert all(name in aliases for name in files if not name.isascii())
        with mounted_fat(volume) as fat:
            for name, data in files.items():
                assert read_by_bytes(fat, b"/" + (aliases.get(name) or name.encode())) == data


@QUICK
@given(sectors=st.integers(7, 600), seed=st.binary(min_size=1, max_size=64))
def test_wear_levelling_round_trip(sectors, seed):
    size = sectors * 4096
    try:
        capacity = volume_size(size)
    except LayoutError:
        return
    volume = (seed * (capacity // len(seed) + 1))[:capacity]
    image = wrap(volume, size)
    assert len(image) == size
    assert unwrap(image) == volume + b"\xff" * 2 * 4096


SOUND = build_filesystem({"a long name.txt": b"x" * 3000, "b/c": b"1", "b/d": b""}, kind=FileSystem.FAT, size=SIZE)
STATES = range(22 * 4096, 24 * 4096)


@QUICK
@given(damage=st.dictionaries(st.sampled_from(STATES), st.integers(0, 255), max_size=8))
def test_damaged_states(damage):
    image = bytearray(SOUND)
    for offset, value in damage.items():
        image[offset] = value
    try:
        volume = unwrap(bytes(image))
    except FormatError:
        assert kind_of(bytes(image)) is None
        return
    assert kind_of(bytes(image)) is FileSystem.FAT
    assert len(volume) == 21 * 4096


@QUICK
@given(image=st.binary(max_size=600))
def test_anything_else(image):
    assert kind_of(image) is None
    with pytest.raises(FormatError):
        unwrap(image)
