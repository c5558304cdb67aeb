"""FAT12 and FAT16 volumes: the bytes, the names, and volumes that are damaged."""

from __future__ import annotations

import struct

import pytest

from platformio_esp_at.errors import FormatError, LayoutError
from platformio_esp_at.formats.fat import build_fat, read_fat

SIZE = 19 * 4096
ROOT = 3 * 512  # after the boot sector and two FATs of one sector
DATA = ROOT + 512 * 32


def entries(volume):
    return [volume[start : start + 32] for start in range(ROOT, DATA, 32) if volume[start]]


def test_boot_sector():
    boot = build_fat({}, SIZE)[:512]
    assert boot[:39] == struct.pack(
        "<3s8sHBHBHHBHHHLLBBB",
        *(b"\xeb\xfe\x90", b"MSDOS5.0", 512, 1, 1, 2, 512, 152, 0xF8, 1, 63, 255, 0, 0, 0x80, 0, 0x29),
    )
    assert boot[43:62] == b"Espressif  FAT     "
    assert boot[62:] == bytes(448) + b"\x55\xaa"


def test_fat12_chains():
    volume = build_fat({"a": b"x" * 1025, "b": b"y", "c": b""}, SIZE)
    assert volume[512:524] == bytes.fromhex("f8ffff 034000 ffffff 000000")
    assert volume[512:1024] == volume[1024:1536]
    assert volume[DATA:][:2048] == b"x" * 1025 + bytes(511) + b"y" + bytes(511)
    assert not volume[DATA + 2048 :].strip(b"\xff")
    assert [(entry[26], entry[28]) for entry in entries(volume)] == [(2, 1), (5, 1), (0, 0)]


def test_fat16_from_4086_clusters_on():
    fits = (4086 + 1 + 2 * 17 + 32) * 512
    volume = build_fat({"a": b"x" * 513}, fits)
    assert volume[512:520] == bytes.fromhex("f8ff ffff 0300 ffff")
    assert read_fat(volume) == {"a": b"x" * 513}


@pytest.mark.parametrize("clusters", range(4080, 4090))
def test_generator_and_firmware_agree_on_the_type(clusters):
    """Between 4083 and 4085 clusters ESP-IDF's generator writes FAT16 and its firmware reads FAT12."""
    volume = build_fat({"a": b"x" * 513}, (clusters + 1 + 2 * 17 + 32) * 512)
    sectors, fat_sectors = (struct.unpack_from("<H", volume, offset)[0] for offset in (19, 22))
    used = sectors - 33 - 2 * fat_sectors
    assert used == (4082 if 4083 <= clusters <= 4085 else clusters)
    assert volume[512:516] == bytes.fromhex("f8ffff03" if used <= 4082 else "f8ffffff")
    assert read_fat(volume) == {"a": b"x" * 513}


@pytest.mark.parametrize(
    ("name", "short", "case", "long"),
    [
        ("TEST.TXT", b"TEST    TXT", 0, 0),
        ("test.txt", b"TEST    TXT", 0x18, 0),
        ("TEST.txt", b"TEST    TXT", 0x10, 0),
        ("readme", b"README     ", 0x08, 0),
        ("Test.txt", b"TEST    TXT", 0, 1),
        ("index.html", b"INDEX~1 HTM", 0, 1),
        (".htaccess", b"HTACCE~1   ", 0, 1),
        ("a.b.c", b"AB~1    C  ", 0, 1),
        ("two words.js", b"TWOWOR~1JS ", 0, 1),
        ("x+y", b"X_Y~1      ", 0, 1),
        ("füße", b"F__E~1     ", 0, 1),
        ("exactly13.txt", b"EXACTL~1TXT", 0, 1),
        ("n" * 255, b"NNNNNN~1   ", 0, 20),
    ],
)
def test_names(name, short, case, long):
    *long_names, entry = entries(build_fat({name: b"1"}, SIZE))
    assert (entry[:11], entry[11], entry[12]) == (short, 0x20, case)
    assert len(long_names) == long
    assert read_fat(build_fat({name: b"1"}, SIZE)) == {name: b"1"}


def test_long_name_entry():
    assert entries(build_fat({"index.html": b""}, SIZE))[0] == bytes.fromhex(
        "41 69006e00640065007800 0f 00 33 2e00680074006d006c000000 0000 ffffffff"
    )


def test_aliases_are_unique():
    names = [f"long name {number}.txt" for number in range(40)] + ["LONGNA~1.TXT", "longna~2.txt"]
    volume = build_fat({f"folder/{name}": name.encode() for name in names}, SIZE)
    shorts = [volume[start : start + 11] for start in range(DATA, len(volume), 32) if volume[start + 11] == 0x20]
    assert len(set(shorts)) == len(names)
    assert read_fat(volume) == {f"folder/{name}": name.encode() for name in names}


def test_folders():
    files = {"a/b/c.txt": b"c", "a/d.txt": b"d", **{f"many/{number:03}": b"n" for number in range(60)}}
    volume = build_fat(files, SIZE)
    assert read_fat(volume) == files
    own, parent = volume[DATA : DATA + 32], volume[DATA + 32 : DATA + 64]
    assert (own[:12], own[26:28]) == (b".          \x10", b"\x02\0")
    assert (parent[:12], parent[26:28]) == (b"..         \x10", b"\0\0")  # 0 stands for the root


@pytest.mark.parametrize("name", ['a"', "a*", "a:", "a<", "a>", "a?", "a\\", "a|", "a\x01", "a\x7f", "a.", "a ", " a"])
def test_name_that_fat_cannot_hold(name):
    with pytest.raises(FormatError, match="a name in FAT") as caught:
        build_fat({name: b""}, SIZE)
    assert caught.value.code == "file-name"


@pytest.mark.parametrize(
    ("files", "code", "message"),
    [
        ({"x" * 256: b""}, "file-name", "256 characters"),
        ({"A.txt": b"", "a.TXT": b""}, "file-name-conflict", "one name for FAT"),
        ({"a": b"", "a/b": b""}, "file-name-conflict", "'a' is a file and"),
        ({"a/b": b"", "a": b""}, "file-name-conflict", "'a' is a file and"),
    ],
)
def test_refused(files, code, message):
    with pytest.raises(FormatError, match=message) as caught:
        build_fat(files, SIZE)
    assert caught.value.code == code


def test_too_many_bytes():
    free = 152 - 35
    assert read_fat(build_fat({"a": bytes(free * 512)}, SIZE)) == {"a": bytes(free * 512)}
    with pytest.raises(LayoutError, match="need 1024 bytes more than") as caught:
        build_fat({"a": bytes(free * 512 + 1), "b": b"1"}, SIZE)
    assert caught.value.code == "files-too-large"


def test_full_root_directory():
    build_fat({str(number): b"" for number in range(512)}, SIZE)
    with pytest.raises(LayoutError, match="take 1 entries more than the 512") as caught:
        build_fat({str(number): b"" for number in range(513)}, SIZE)
    assert caught.value.code == "files-too-large"


@pytest.mark.parametrize("size", [0, 512, 35 * 512, 0x10000 * 512])
def test_volume_of_a_wrong_size(size):
    with pytest.raises(LayoutError) as caught:
        build_fat({}, size)
    assert caught.value.code == "fs-size"


def test_sectors_of_4096_bytes():
    files = {"index.html": b"x" * 5000, "sub/a": b""}
    volume = build_fat(files, 21 * 4096, sector_size=4096)
    assert volume[510:512] == b"\x55\xaa"
    assert read_fat(volume) == files


def test_foreign_entries_are_left_out():
    volume = bytearray(build_fat({"a": b"1", "b": b"2", "c": b"3"}, SIZE))
    volume[ROOT] = 0xE5  # deleted
    volume[ROOT + 32 + 11] = 0x08  # the volume's label
    assert read_fat(bytes(volume)) == {"c": b"3"}


def test_long_name_of_another_file_is_left_out():
    volume = bytearray(build_fat({"long name.txt": b"1"}, SIZE))
    volume[ROOT + 13] ^= 1
    assert read_fat(bytes(volume)) == {"LONGNA~1.TXT": b"1"}


def damaged(offset, data, files):
    volume = bytearray(build_fat(files, SIZE))
    volume[offset : offset + len(data)] = data
    return bytes(volume)


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        pytest.param(b"", "55 AA", id="empty"),
        pytest.param(build_fat({}, SIZE)[:-1], "cut short", id="cut-short"),
        pytest.param(damaged(11, b"\0\1", {}), "makes no sense", id="sector-size"),
        pytest.param(damaged(13, b"\3", {}), "makes no sense", id="cluster-size"),
        pytest.param(damaged(19, b"\x23\0", {}), "0 clusters", id="no-clusters"),
        pytest.param(damaged(22, b"\0\0", {}), "makes no sense", id="fat32"),
        pytest.param(damaged(19, b"\0\2", {}), "too short for its clusters", id="short-fat"),
        pytest.param(damaged(ROOT + 26, b"\1", {"a": b"1"}), "cluster 1", id="no-cluster"),
        pytest.param(damaged(ROOT + 29, b"\2", {"a": b"1"}), "fewer clusters", id="short-chain"),
        pytest.param(damaged(515, b"\2\0", {"a": b"1"}), "in use twice", id="loop"),
        pytest.param(damaged(ROOT + 32 + 26, b"\2", {"a": b"1", "b": b"2"}), "in use twice", id="shared"),
        pytest.param(damaged(ROOT, b"/", {"a": b"1"}), "is no name", id="name"),
    ],
)
def test_damaged(volume, message):
    with pytest.raises(FormatError, match=message) as caught:
        read_fat(volume)
    assert caught.value.code == "fat-damaged"
