"""FAT12 and FAT16 volumes: the bytes, the names, and what FatFs reads of them."""

from __future__ import annotations

import struct

import pytest
from filesystem_readers import fat_files, long_names, mounted_fat, read_by_bytes

from platformio_esp_at.errors import FormatError, LayoutError
from platformio_esp_at.formats.fat import build_fat

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
    assert fat_files(volume) == {"a": b"x" * 513}


@pytest.mark.parametrize("clusters", range(4080, 4090))
def test_generator_and_firmware_agree_on_the_type(clusters):
    """Between 4083 and 4085 clusters ESP-IDF's generator writes FAT16 and its firmware reads FAT12."""
    volume = build_fat({"a": b"x" * 513}, (clusters + 1 + 2 * 17 + 32) * 512)
    sectors, fat_sectors = (struct.unpack_from("<H", volume, offset)[0] for offset in (19, 22))
    used = sectors - 33 - 2 * fat_sectors
    assert used == (4082 if 4083 <= clusters <= 4085 else clusters)
    assert volume[512:516] == bytes.fromhex("f8ffff03" if used <= 4082 else "f8ffffff")
    assert fat_files(volume) == {"a": b"x" * 513}


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
        ("ж漢🙂.txt", b"___~1   TXT", 0, 1),
        ("n" * 255, b"NNNNNN~1   ", 0, 20),
        ("🙂" * 127, b"______~1   ", 0, 20),
    ],
)
def test_names(name, short, case, long):
    volume = build_fat({name: b"1"}, SIZE)
    *before, entry = entries(volume)
    assert (entry[:11], entry[11], entry[12]) == (short, 0x20, case)
    assert len(before) == long
    assert list(long_names(volume)) == ([name] if long else [])


@pytest.mark.parametrize("name", ["TEST.TXT", "test.txt", "TEST.txt", "Test.txt", ".htaccess", "a.b.c", "n" * 255])
def test_firmware_finds_the_name(name):
    assert fat_files(build_fat({name: b"1"}, SIZE)) == {name: b"1"}


@pytest.mark.parametrize("name", ["füße", "FÜSSE.txt", "é" * 255])
def test_firmware_finds_a_name_of_its_code_page(name):
    with mounted_fat(build_fat({"other": b"0", name: b"1"}, SIZE)) as fat:
        assert read_by_bytes(fat, b"/" + name.encode("cp437")) == b"1"


def test_long_name_entry():
    assert entries(build_fat({"index.html": b""}, SIZE))[0] == bytes.fromhex(
        "41 69006e00640065007800 0f 00 33 2e00680074006d006c000000 0000 ffffffff"
    )


def test_aliases_are_unique():
    names = [f"long name {number}.txt" for number in range(40)] + ["LONGNA~1.TXT", "longna~2.txt"]
    volume = build_fat({f"folder/{name}": name.encode() for name in names}, SIZE)
    shorts = [volume[start : start + 11] for start in range(DATA, len(volume), 32) if volume[start + 11] == 0x20]
    assert len(set(shorts)) == len(names)
    assert fat_files(volume) == {f"folder/{name}": name.encode() for name in names}


def test_folders():
    files = {"a/b/c.txt": b"c", "a/d.txt": b"d", **{f"many/{number:03}": b"n" for number in range(60)}}
    volume = build_fat(files, SIZE)
    assert fat_files(volume) == files
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
    assert fat_files(build_fat({"a": bytes(free * 512)}, SIZE)) == {"a": bytes(free * 512)}
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


def test_firmware_adds_files():
    files = {f"sub/{number}.txt": b"x" * 700 * number for number in range(9)}
    more = {"own.bin": b"y" * 1500, "sub/a long name.txt": b"z" * 5000}
    with mounted_fat(build_fat(files, SIZE)) as fat:
        for path, data in more.items():
            fat.write_file(f"/{path}", data)
        assert {path: fat.read_file(f"/{path}") for path in files | more} == files | more
