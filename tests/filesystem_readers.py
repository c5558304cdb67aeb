"""Readers of file systems for tests, which share no code with what writes them.

FAT is read by FatFs, the code that firmware has, and littlefs by littlefs-python. `long_names` alone is made here, for
the characters that fatfs-ng can't give.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from fatfs import FA_READ, FR_OK, RamDisk, create_extended_partition
from fatfs.wrapper import FIL_Handle, pyf_close, pyf_open, pyf_read

from platformio_esp_at.planning.filesystems import FileSystem
from platformio_esp_at.units import SECTOR_SIZE


@contextmanager
def mounted_fat(volume):
    """Mount a FAT volume with sectors of 512 bytes; FatFs takes 128 of them at least.

    Its code page is 437: fatfs-ng doesn't list names beyond ASCII, and those beyond the code page by their aliases.
    """
    partition = create_extended_partition(RamDisk(bytearray(volume)))
    try:
        partition.mount()
        yield partition
    finally:
        partition.unmount()


def fat_files(volume):
    """Return the files of a FAT volume, by their paths with ``/``."""
    with mounted_fat(volume) as fat:
        return {
            f"{folder}/{name}".lstrip("/"): fat.read_file(f"{folder}/{name}")
            for folder, _, names in fat.walk("/")
            for name in names
        }


def read_by_bytes(fat, path):
    """Return what is in a file of a mounted volume, by its path in code page 437; fatfs-ng itself takes ASCII alone."""
    file = FIL_Handle()
    assert pyf_open(file, fat.pname + path, FA_READ) == FR_OK
    code, data = pyf_read(file, 1 << 20)
    assert (code, pyf_close(file)) == (FR_OK, FR_OK)
    return data


def long_names(volume):
    """Return the long names in the root folder of a FAT volume with two FATs, and the alias of each."""
    root = 512 * (1 + 2 * int.from_bytes(volume[22:24], "little"))
    found, units = {}, b""
    for start in range(root, root + 512 * 32, 32):
        entry = volume[start : start + 32]
        if entry[11] == 0x0F:
            units = entry[1:11] + entry[14:26] + entry[28:32] + units
        elif entry[0] and units:
            name = units.decode("utf-16-le").partition("\0")[0]
            found[name], units = entry[:8].rstrip() + b"." + entry[8:11].rstrip(), b""
    return found


def littlefs_files(image):
    """Return the files of a littlefs, by their paths with ``/``; its size is that of its superblock."""
    littlefs = pytest.importorskip("littlefs", reason="need the extra fs")
    context = littlefs.UserContext(0)
    context.buffer = bytearray(image)
    volume = littlefs.LittleFS(context=context, block_size=SECTOR_SIZE, block_count=0, mount=False)
    volume.mount()
    files = {}
    for folder, _, names in volume.walk("/"):
        for name in names:
            with volume.open(f"{folder}/{name}", "rb") as file:
                files[f"{folder}/{name}".strip("/")] = file.read()
    return files


def files_in(image, kind):
    """Return the files in a partition's image as it was generated: the volume comes after one sector."""
    return littlefs_files(image) if kind is FileSystem.LITTLEFS else fat_files(image[SECTOR_SIZE:])
