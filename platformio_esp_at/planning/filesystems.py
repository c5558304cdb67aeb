"""File systems: files in, the image of a partition out.

Which one a firmware expects follows from the partition: ``fatfs`` (data, fat) up to v5.0.1.0 holds FAT with wear
levelling; ``fs_storage`` (data, 0xff) after that holds littlefs, unless the firmware was built with FAT. `kind_of`
tells that from the firmware package's own image.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Any

from platformio_esp_at.errors import EspAtError, FormatError, LayoutError
from platformio_esp_at.formats.fat import build_fat
from platformio_esp_at.formats.partition_table import SUBTYPES, PartitionType
from platformio_esp_at.formats.text_instead import text_instead
from platformio_esp_at.formats.wear_levelling import unwrap, volume_size, wrap
from platformio_esp_at.planning.content import FS_STORAGE
from platformio_esp_at.units import SECTOR_SIZE, align_up

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platformio_esp_at.formats.partition_table import Partition


class FileSystem(enum.Enum):
    """What a partition for files holds; the value is its name for people."""

    LITTLEFS = "littlefs"
    FAT = "FAT with wear levelling"


_LITTLEFS_NAME_SIZE = 64
"""CONFIG_LITTLEFS_OBJ_NAME_LEN of ESP-AT's builds: a name's UTF-8 bytes, as the superblock and the firmware have it."""

_LITTLEFS_MAGIC = b"littlefs"
_LITTLEFS_MAGIC_OFFSET = 8
_LITTLEFS_GEOMETRY = struct.Struct("<LL")
"""Block size and number of blocks, in the superblock's entry after its magic, its tag and its version."""
_LITTLEFS_GEOMETRY_OFFSET = 24
_BOOT_SIGNATURE = slice(510, 512)
_MIN_BLOCKS = 2

_MAX_PATH_SIZE = 255
"""UTF-8 bytes: above what a firmware can name, and it bounds how deep folders go."""

_MAKE_AGAIN = "make the image again, for the size of its partition"

_MISSING_LIBRARY = 'pip install "platformio-esp-at[fs]"'


def kind_for(home: Partition, own: bytes | None) -> FileSystem | None:
    """Return the file system that the firmware expects in a partition; None if it isn't one for files.

    The firmware package's ``own`` image decides, if there is one: a firmware may be built with either.
    """
    return (kind_of(own) if own else None) or filesystem_for(home)


def filesystem_for(partition: Partition) -> FileSystem | None:
    """Return what a firmware keeps in that partition by default, None where it isn't one for files."""
    if partition.type != PartitionType.DATA:
        return None
    subtypes = SUBTYPES[PartitionType.DATA]
    if partition.subtype == subtypes["fat"]:
        return FileSystem.FAT
    if partition.subtype == subtypes["littlefs"] or partition.name == FS_STORAGE:
        return FileSystem.LITTLEFS
    return None


def kind_of(image: bytes) -> FileSystem | None:
    """Return what kind of file system an image holds, None where it is none of these."""
    # Either block of the first pair may be the current one; it starts with its revision and an entry of 8 bytes.
    magics = (image[block + _LITTLEFS_MAGIC_OFFSET :][: len(_LITTLEFS_MAGIC)] for block in (0, SECTOR_SIZE))
    if _LITTLEFS_MAGIC in magics:
        return FileSystem.LITTLEFS
    try:
        unwrap(image)
    except FormatError:
        return None
    return FileSystem.FAT


def check_image(image: bytes, size: int) -> FileSystem:
    """Return what kind of file system an image holds that goes into a partition of ``size`` bytes.

    Raises `FormatError` for one that a firmware can't mount: it would format the partition.
    """
    kind = kind_of(image)
    if kind is None:
        raise FormatError("not-a-file-system-image", f"no file system: it is {_what_else(image)}", hint=_MAKE_AGAIN)
    if kind is FileSystem.FAT and unwrap(image)[_BOOT_SIGNATURE] != b"\x55\xaa":
        raise FormatError("fat-damaged", "the FAT volume has no boot sector", hint=_MAKE_AGAIN)
    if kind is FileSystem.LITTLEFS and (made_for := _littlefs_size(image)):
        message = f"the littlefs is made for {made_for} bytes, the partition has {size}"
        if len(image) < made_for <= size:
            message = f"the littlefs is cut: it has {len(image)} of {made_for} bytes"
        if made_for > min(size, len(image)):
            raise FormatError("littlefs-damaged", message, hint=_MAKE_AGAIN)
    return kind


def _what_else(image: bytes) -> str:
    """Return what an image is that is no file system."""
    if text := text_instead(image):
        return text.what
    for byte, what in ((b"\xff", "blank"), (b"\0", "all zeros")):
        if not image.strip(byte):
            return what
    return "neither littlefs nor FAT with wear levelling"


def _littlefs_size(image: bytes) -> int | None:
    """Return how large a littlefs is by its superblock, in bytes; None where that has no other block size than ours."""
    for block in (0, SECTOR_SIZE):
        superblock = image[block : block + SECTOR_SIZE].ljust(SECTOR_SIZE, b"\xff")
        if superblock[_LITTLEFS_MAGIC_OFFSET:].startswith(_LITTLEFS_MAGIC):
            block_size, blocks = _LITTLEFS_GEOMETRY.unpack_from(superblock, _LITTLEFS_GEOMETRY_OFFSET)
            return blocks * SECTOR_SIZE if block_size == SECTOR_SIZE else None
    return None


def build_filesystem(files: Mapping[str, bytes], *, kind: FileSystem, size: int) -> bytes:
    """Return an image that fills a partition of ``size`` bytes, with ``files`` by their paths with ``/``.

    Same files, same bytes. Raises `FormatError` for a path or name that the file system can't hold, `LayoutError`
    where the files don't fit, and `EspAtError` where littlefs's library is missing.
    """
    _check_paths(files)
    if kind is FileSystem.LITTLEFS:
        return _build_littlefs(dict(sorted(files.items())), size)
    return wrap(build_fat(files, volume_size(size)), size)


def _check_paths(files: Mapping[str, bytes]) -> None:
    for path in files:
        _check_path(path)
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if (folder := "/".join(parts[:depth])) in files:
                raise FormatError(
                    "file-name-conflict",
                    f"{folder!r} is a file and, for {path!r}, a folder",
                    hint=f"rename the file {folder}, or the folder",
                )


def _check_path(path: str) -> None:
    if any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path or "\\" in path:
        raise FormatError(
            "file-name", f"{path!r} can't be the path of a file in a file system", hint="write folder/file"
        )
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        raise FormatError(
            "file-name", f"{path!r} isn't text", hint="rename the file with characters that UTF-8 has"
        ) from None
    if size > _MAX_PATH_SIZE:
        raise FormatError(
            "file-name",
            f"{path!r}: a path of {size} bytes",
            hint=f"shorten it to {_MAX_PATH_SIZE} bytes: fewer folders, or shorter names",
        )


# --- littlefs ---


def _littlefs() -> tuple[Any, Any]:
    """Return the library's module and its error."""
    try:
        import littlefs  # noqa: PLC0415  # an extra: most projects have no files
    except ImportError:
        raise EspAtError(
            "littlefs-missing", "littlefs needs the library littlefs-python", hint=_MISSING_LIBRARY
        ) from None
    return littlefs, littlefs.LittleFSError


def _build_littlefs(files: Mapping[str, bytes], size: int) -> bytes:
    if size % SECTOR_SIZE or size < _MIN_BLOCKS * SECTOR_SIZE:
        raise LayoutError(
            "fs-size",
            f"a partition of {size} bytes can't hold littlefs",
            hint=f"in the partition CSV, write a size of {_MIN_BLOCKS} sectors of {SECTOR_SIZE:#x} or more",
        )
    for path in files:
        for name in path.split("/"):
            if (length := len(name.encode())) > _LITTLEFS_NAME_SIZE:
                raise FormatError(
                    "file-name",
                    f"{path!r}: a name of {length} bytes is longer than {_LITTLEFS_NAME_SIZE}",
                    hint=f"rename it to one of {_LITTLEFS_NAME_SIZE} bytes at most",
                )
    blocks = size // SECTOR_SIZE
    volume = _write_littlefs(files, blocks)
    if volume is None:
        excess = (_littlefs_blocks(files, blocks) - blocks) * SECTOR_SIZE
        raise LayoutError(
            "files-too-large",
            f"the files need about {excess} bytes more than the {size} bytes of the littlefs have",
            hint="remove files from the folder, or write a larger size for the partition in the partition CSV",
        )
    return bytes(volume.context.buffer)


def _littlefs_blocks(files: Mapping[str, bytes], blocks: int) -> int:
    """Return how many blocks the files take, which are more than ``blocks``."""
    plenty = blocks + 8 * len(files) + sum(align_up(len(data), SECTOR_SIZE) for data in files.values()) // SECTOR_SIZE
    volume = _write_littlefs(files, 2 * plenty)
    used = 2 * plenty if volume is None else volume.used_block_count
    return max(used, blocks + 1)


def _write_littlefs(files: Mapping[str, bytes], blocks: int) -> Any:  # noqa: ANN401  # an extra, and so are its types
    """Return the library's volume with the files in it, None where they don't fit."""
    littlefs, failure = _littlefs()
    volume = littlefs.LittleFS(block_size=SECTOR_SIZE, block_count=blocks, name_max=_LITTLEFS_NAME_SIZE, mount=False)
    try:
        volume.format()
        volume.mount()
        for path, data in files.items():
            volume.makedirs(path.rpartition("/")[0] or "/", exist_ok=True)
            file = littlefs.lfs.file_open(volume.fs, path, "wb")
            try:
                littlefs.lfs.file_write(volume.fs, file, data)
            finally:
                littlefs.lfs.file_close(volume.fs, file)
    except failure as error:
        if error.code == failure.Error.LFS_ERR_NOSPC:
            return None
        raise
    return volume
