"""File systems: which a partition holds, what they refuse, and their library."""

from __future__ import annotations

import struct
import sys

import pytest
from filesystem_readers import files_in

from platformio_esp_at.errors import EspAtError, FormatError, LayoutError
from platformio_esp_at.formats.partition_table import Partition
from platformio_esp_at.planning.filesystems import FileSystem, build_filesystem, check_image, filesystem_for, kind_of

SIZE = 100 << 10
FILES = {"index.html": b"<html>" * 1000, "img/logo.svg": b"<svg/>", "img/empty": b"", "A b.TXT": b"1"}
KINDS = pytest.mark.parametrize("kind", FileSystem, ids=lambda kind: kind.name)


@pytest.fixture(autouse=True)
def littlefs():
    return pytest.importorskip("littlefs", reason="need the extra fs")


@pytest.mark.parametrize(
    ("name", "type_", "subtype", "kind"),
    [
        ("fatfs", 1, 0x81, FileSystem.FAT),
        ("own", 1, 0x81, FileSystem.FAT),
        ("fs_storage", 1, 0xFF, FileSystem.LITTLEFS),
        ("fs_storage", 1, 0x81, FileSystem.FAT),
        ("own", 1, 0x83, FileSystem.LITTLEFS),
        ("own", 1, 0xFF, None),
        ("fatfs", 0x40, 0x81, None),
        ("mfg_nvs", 1, 0x02, None),
    ],
)
def test_filesystem_for(name, type_, subtype, kind):
    assert filesystem_for(Partition(name, type_, subtype, 0x70000, SIZE)) is kind


@KINDS
@pytest.mark.parametrize("size", [SIZE, 576 << 10])
@pytest.mark.parametrize("files", [FILES, {}], ids=["files", "empty"])
def test_round_trip(kind, size, files):
    image = build_filesystem(files, kind=kind, size=size)
    assert len(image) == size
    assert kind_of(image) is kind
    assert files_in(image, kind) == files


@KINDS
def test_order_of_the_files_does_not_matter(kind):
    images = {build_filesystem(dict(items), kind=kind, size=SIZE) for items in (FILES.items(), [*FILES.items()][::-1])}
    assert len(images) == 1


def test_littlefs_superblock():
    image = build_filesystem({}, kind=FileSystem.LITTLEFS, size=SIZE)
    assert image[8:16] == b"littlefs"
    assert struct.unpack_from("<4L", image, 20) == (0x00020001, 4096, 25, 64)


def test_littlefs_in_its_other_block():
    image = build_filesystem(FILES, kind=FileSystem.LITTLEFS, size=SIZE)
    assert image[4096 + 8 :][:8] == b"littlefs"
    assert kind_of(b"\xff" * 4096 + image[4096:]) is FileSystem.LITTLEFS


@KINDS
def test_too_many_bytes(kind):
    with pytest.raises(LayoutError, match=r"the files need (about )?\d+ bytes more than") as caught:
        build_filesystem({"a": b"x" * SIZE}, kind=kind, size=SIZE)
    assert caught.value.code == "files-too-large"


def test_littlefs_reports_how_much_is_over():
    with pytest.raises(LayoutError, match="about 8192 bytes more than the 102400 bytes") as caught:
        build_filesystem({"a": b"x" * (24 * 4096)}, kind=FileSystem.LITTLEFS, size=SIZE)
    assert caught.value.code == "files-too-large"


@KINDS
@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "a/..", "a\\b", "a\0", "\udc80", "a/" * 127 + "ab"])
def test_path_that_is_none(kind, path):
    with pytest.raises(FormatError) as caught:
        build_filesystem({path: b""}, kind=kind, size=SIZE)
    assert caught.value.code == "file-name"


@KINDS
def test_file_and_folder_of_one_name(kind):
    with pytest.raises(FormatError, match="'a/b' is a file and, for 'a/b/c', a folder") as caught:
        build_filesystem({"a/b": b"", "a/b/c": b""}, kind=kind, size=SIZE)
    assert caught.value.code == "file-name-conflict"


@pytest.mark.parametrize(("name", "fits"), [("n" * 64, True), ("n" * 65, False), ("ü" * 32, True), ("ü" * 33, False)])
def test_littlefs_names_end_at_64_bytes(name, fits):
    files = {f"folder/{name}": b""}
    if fits:
        image = build_filesystem(files, kind=FileSystem.LITTLEFS, size=SIZE)
        assert files_in(image, FileSystem.LITTLEFS) == files
    else:
        with pytest.raises(FormatError, match="longer than 64") as caught:
            build_filesystem(files, kind=FileSystem.LITTLEFS, size=SIZE)
        assert caught.value.code == "file-name"


@KINDS
@pytest.mark.parametrize("size", [0, 4096, SIZE + 1])
def test_partition_of_a_wrong_size(kind, size):
    with pytest.raises(LayoutError) as caught:
        build_filesystem({}, kind=kind, size=size)
    assert caught.value.code == "fs-size"


@pytest.mark.parametrize("image", [b"", b"\xff" * SIZE, b"PK\3\4" * 4096], ids=["empty", "blank", "zip"])
def test_neither(image):
    assert kind_of(image) is None


@pytest.mark.parametrize(
    ("size", "partition", "message"),
    [
        (SIZE - 4096, SIZE, f"the littlefs is cut: it has {SIZE - 4096} of {SIZE} bytes"),
        (SIZE, SIZE - 4096, f"the littlefs is made for {SIZE} bytes, the partition has {SIZE - 4096}"),
    ],
    ids=["cut", "larger"],
)
@pytest.mark.parametrize("block", [0, 1])
def test_a_littlefs_of_another_size(size, partition, message, block):
    image = build_filesystem(FILES, kind=FileSystem.LITTLEFS, size=SIZE)[:size]
    with pytest.raises(FormatError) as caught:
        check_image(b"\xff" * 4096 * block + image[4096 * block :], partition)
    assert (caught.value.code, caught.value.message) == ("littlefs-damaged", message)


@KINDS
def test_check_image(kind):
    assert check_image(build_filesystem(FILES, kind=kind, size=SIZE), SIZE) is kind


def test_only_the_magic_of_littlefs():
    assert check_image(b"\xff" * 8 + b"littlefs", SIZE) is FileSystem.LITTLEFS


def test_missing_library(monkeypatch):
    image = build_filesystem(FILES, kind=FileSystem.LITTLEFS, size=SIZE)
    monkeypatch.setitem(sys.modules, "littlefs", None)
    with pytest.raises(EspAtError, match="littlefs-python") as caught:
        build_filesystem(FILES, kind=FileSystem.LITTLEFS, size=SIZE)
    assert caught.value.code == "littlefs-missing"
    assert caught.value.hint == 'pip install "platformio-esp-at[fs]"'
    assert kind_of(image) is FileSystem.LITTLEFS
    fat = build_filesystem(FILES, kind=FileSystem.FAT, size=SIZE)
    assert files_in(fat, FileSystem.FAT) == FILES
