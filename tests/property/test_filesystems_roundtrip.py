"""All files that are put into a file system are read back; any other input raises `FormatError`."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platformio_esp_at.errors import FormatError, LayoutError
from platformio_esp_at.formats.fat import build_fat, read_fat
from platformio_esp_at.formats.wear_levelling import WearLevellingMode, unwrap, volume_size, wrap
from platformio_esp_at.planning.filesystems import FileSystem, build_filesystem, read_filesystem

SIZE = 100 << 10
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.text(st.sampled_from("abcXYZ019.-_~ +äßж漢🙂"), min_size=1, max_size=16).filter(
    lambda name: name == name.strip(" ").rstrip(".")
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=2000), max_size=12)


def fits(files, build):
    """Return the image; None if FAT takes two names for one, a file is also a folder, or there are too many bytes."""
    try:
        return build(files)
    except (FormatError, LayoutError):
        return None


@pytest.mark.parametrize("kind", FileSystem, ids=lambda kind: kind.name)
@QUICK
@given(files=FILES)
def test_files_are_read_back(kind, files):
    if kind is FileSystem.LITTLEFS:
        pytest.importorskip("littlefs", reason="need the extra fs")
    image = fits(files, lambda files: build_filesystem(files, kind=kind, size=SIZE))
    if image is not None:
        assert len(image) == SIZE
        assert read_filesystem(image) == files


@QUICK
@given(
    files=FILES,
    size=st.integers(64 << 10, 3 << 20),
    sector_size=st.sampled_from([512, 1024, 2048, 4096]),
    fats=st.sampled_from([1, 2]),
)
def test_fat_of_any_size(files, size, sector_size, fats):
    volume = fits(files, lambda files: build_fat(files, size, sector_size=sector_size, fats=fats))
    if volume is not None:
        assert len(volume) == size
        assert read_fat(volume) == files


@QUICK
@given(sectors=st.integers(7, 600), mode=st.sampled_from(WearLevellingMode), seed=st.binary(min_size=1, max_size=64))
def test_wear_levelling_round_trip(sectors, mode, seed):
    size = sectors * 4096
    try:
        capacity = volume_size(size, mode)
    except LayoutError:
        return
    volume = (seed * (capacity // len(seed) + 1))[:capacity]
    image = wrap(volume, size, mode)
    assert len(image) == size
    assert unwrap(image, mode) == volume
    assert unwrap(image).startswith(volume)


SOUND = build_filesystem({"a long name.txt": b"x" * 3000, "b/c": b"1", "b/d": b""}, kind=FileSystem.FAT, size=SIZE)


@QUICK
@given(damage=st.dictionaries(st.integers(4096, 11 * 4096), st.integers(0, 255), max_size=8))
def test_damaged_fat(damage):
    image = bytearray(SOUND)
    for offset, value in damage.items():
        image[offset] = value
    try:
        files = read_filesystem(bytes(image))
    except FormatError:
        return
    assert sum(map(len, files.values())) <= len(image)


@QUICK
@given(image=st.binary(max_size=600))
def test_anything_else(image):
    for read in (read_filesystem, read_fat):
        with pytest.raises(FormatError):
            read(image)
