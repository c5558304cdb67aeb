"""The file systems that upstream's tools made from ``fs_image`` in each release."""

from __future__ import annotations

import gzip
import struct

import pytest
from filesystem_readers import fat_files, littlefs_files

from platformio_esp_at.formats.fat import build_fat
from platformio_esp_at.formats.wear_levelling import unwrap, wrap
from platformio_esp_at.planning.filesystems import FileSystem, build_filesystem, kind_of

SECTOR = 4096
IMAGES = {
    "v2.2.0.0_esp32": "ESP32-WROOM-32__eap_fs/fatfs.bin.gz",
    "v3.1.0.0": "ESP32-WROOM-32__eap_fs/fatfs.bin.gz",
    "v4.1.1.0": "ESP32C3-MINI-1__allon/fatfs.bin",
    "HEAD": "ESP32C3-MINI-1__eaplegacy_fatfs/fs_storage.bin",
    "HEAD-littlefs": "ESP32C3-MINI-1__allon_littlefs/fs_storage.bin",
}


@pytest.fixture
def upstream(reference):
    """Return upstream's image of a case, and the files that it was made from."""

    def read(case):
        release = reference / "golden" / case.removesuffix("-littlefs")
        data = (release / "_variants" / IMAGES[case]).read_bytes()
        files = {path.name: path.read_bytes() for path in (release / "_inputs" / "fs_image").iterdir()}
        return gzip.decompress(data) if IMAGES[case].endswith(".gz") else data, files

    return read


def differences(ours, theirs):
    assert len(ours) == len(theirs)
    return {offset for offset, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other}


def with_one_fat(volume):
    """Return one of our volumes without the copy of its FAT."""
    size = 512 * struct.unpack_from("<H", volume, 22)[0]
    assert volume[512:][:size] == volume[512 + size :][:size]
    return volume[:16] + b"\1" + volume[17:512] + volume[512 + size :] + b"\xff" * size


def may_differ_in_fat(root, aliases):
    """Return the offsets in a volume that depend on the clock or on chance in upstream's tool.

    The two files have three entries: the long name of index.html, its short one, and test.txt.
    """
    serial = set(range(39, 43))
    times = {root + number * 32 + offset for number in (1, 2) for offset in (*range(14, 20), *range(22, 26))}
    # The generator of ESP-IDF 5.4 writes the alias's number as a byte 01 instead of "1", for its checksum too.
    alias = {root + 13, root + 32 + 6} if aliases else set()
    return serial | times | alias


def may_differ_in_state(states):
    return {state + offset for state in states for offset in (*range(28, 32), *range(60, 64))}


@pytest.mark.parametrize("case", IMAGES)
def test_files_of_upstreams_image(upstream, case):
    image, files = upstream(case)
    assert sorted(files) == ["index.html", "test.txt"]
    if case.endswith("littlefs"):
        assert littlefs_files(image) == files
        assert kind_of(image) is FileSystem.LITTLEFS
    else:
        assert fat_files(unwrap(image)) == files
        assert kind_of(image) is FileSystem.FAT


def test_littlefs_is_upstreams(upstream):
    pytest.importorskip("littlefs", reason="need the extra fs")
    image, files = upstream("HEAD-littlefs")
    assert build_filesystem(files, kind=FileSystem.LITTLEFS, size=len(image)) == image


def test_fat_is_upstreams_but_for_chance_and_clock(upstream):
    image, files = upstream("HEAD")
    ours = build_filesystem(files, kind=FileSystem.FAT, size=len(image))
    volume = {SECTOR + offset for offset in may_differ_in_fat(3 * 512, aliases=True)}
    assert differences(ours, image) <= volume | may_differ_in_state([22 * SECTOR, 23 * SECTOR])


def test_v4_1_lacks_the_sectors_of_safe_mode(upstream):
    image, files = upstream("v4.1.1.0")
    ours = build_filesystem(files, kind=FileSystem.FAT, size=25 * SECTOR)
    spare = ours[20 * SECTOR : 22 * SECTOR]
    assert spare == b"\xff" * len(spare)
    volume = {SECTOR + offset for offset in may_differ_in_fat(3 * 512, aliases=True)}
    states = [20 * SECTOR, 21 * SECTOR]
    places = {state + 4 for state in states}  # 20 there: two too few
    assert differences(ours[: 20 * SECTOR] + ours[22 * SECTOR :], image) <= (
        volume | may_differ_in_state(states) | places
    )
    in_its_partition = image.ljust(25 * SECTOR, b"\xff")
    assert kind_of(in_its_partition) is FileSystem.FAT
    assert fat_files(unwrap(in_its_partition)) == files


def test_v3_1_has_one_fat_and_no_safe_mode(upstream):
    image, files = upstream("v3.1.0.0")
    volume = with_one_fat(build_fat(files, 140 * SECTOR))
    ours = b"\xff" * SECTOR + volume + wrap(b"", len(image))[141 * SECTOR :]
    volume = {SECTOR + offset for offset in may_differ_in_fat(5 * 512, aliases=False)}
    assert differences(ours, image) <= volume | may_differ_in_state([141 * SECTOR, 142 * SECTOR])


def test_v2_2_is_a_flash_in_use(upstream):
    """mkfatfs runs the firmware's own code: the dummy has moved, the state has version 1, label and slack differ."""
    image, files = upstream("v2.2.0.0_esp32")
    assert struct.unpack_from("<L", image, 141 * SECTOR + 24) == (1,)
    theirs = unwrap(image)[: 138 * SECTOR]
    ours = with_one_fat(build_fat(files, len(theirs)))
    root, data = 5 * 512, (5 + 32) * 512
    label = set(range(43, 54))
    accessed = {root + number * 32 + offset for number in (1, 2) for offset in (18, 19)}
    assert differences(ours[:data], theirs[:data]) <= may_differ_in_fat(root, aliases=False) | label | accessed
