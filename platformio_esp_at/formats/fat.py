"""FAT12 and FAT16 volumes with long names, as ESP-IDF's firmware reads them.

A volume is made of sectors of 512 bytes, as in every ESP-AT firmware, and a cluster is one sector::

    sectors   content
    1         boot sector
    …         FAT: one entry of 12 or 16 bits for each cluster, 0 and 1 taken; the next cluster, or all ones at the end
    …         a copy of it
    32        root directory: 512 entries
    …         data: cluster 2, 3, …; folders and files

Little endian::

    boot sector                                    entry of a directory
    0   3  jump EB FE 90                           0   11  short name, blanks after name and extension
    3   8  "MSDOS5.0"                              11  1   10 folder, 20 file, 08 label, 0F long name
    11  2  bytes of a sector                       12  1   lower case: bit 3 name, bit 4 extension
    13  1  sectors of a cluster                    13  1   0
    14  2  sectors before the first FAT            14  4   time and date of creation
    16  1  number of FATs                          18  2   date of the last access
    17  2  entries of the root directory           20  2   0
    19  2  sectors of the volume                   22  4   time and date of the last change
    21  1  medium: F8                              26  2   first cluster, 0 for an empty file
    22  2  sectors of a FAT                        28  4   size in bytes, 0 for a folder
    24  2  sectors of a track: 63
    26  2  heads: 255                              13 UTF-16 units of a long name, the last ones first,
    28  8  0                                       before the entry that it belongs to
    36  3  80 00 29                                0   1   number, from 1; bit 6 in the last one
    39  4  serial number                           1   10  five units
    43  11 label: "Espressif"                      11  2   0F 00
    54  8  "FAT"                                   13  1   checksum of the short name
    510 2  55 AA                                   14  12  six units
                                                   26  2   0
                                                   28  4   two units; 0 ends the name, FFFF fills up

The number of clusters alone says whether it is FAT12 or FAT16. Every date here is 1980-01-01: same files, same bytes.

Sources: Microsoft's "FAT: General Overview of On-Disk Format"; ESP-IDF ``components/fatfs/fatfs_utils`` (what its
generator writes) and ``components/fatfs/src/ff.c`` (what the firmware reads).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from platformio_esp_at.errors import FormatError, LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BOOT = struct.Struct("<3s8sHBHBHHBHHHLLBBBL11s8s")
_SIGNATURE = b"\x55\xaa"
_ENTRY = struct.Struct("<11sBBBHHHHHHHL")
_MEDIUM = 0xF8
_SECTOR_SIZE = 512
_FATS = 2
_ROOT_ENTRIES = 512
_ROOT_SECTORS = _ROOT_ENTRIES * _ENTRY.size // _SECTOR_SIZE
_MAX_SECTORS = 0xFFFF

_FAT12_CLUSTERS = 4082
"""The most that ESP-IDF's generator takes for FAT12."""
_FAT12_CLUSTERS_READ = 4085
"""The most that the firmware takes for FAT12 (ff.c: MAX_FAT12)."""

_FOLDER = 0x10
_FILE = 0x20
_LONG_NAME = 0x0F
_LOWER_NAME = 0x08
_LOWER_EXTENSION = 0x10
_LAST = 0x40
_EPOCH = 0x0021  # 1980-01-01

_UNITS = 13
"""UTF-16 units of a long name in one entry."""
_MAX_UNITS = 255

_SHORT_CHARACTERS = "A-Z0-9!#$%&'()@^_`{}~-"
_SHORT_NAME = re.compile(rf"([{_SHORT_CHARACTERS}]{{1,8}})(?:\.([{_SHORT_CHARACTERS}]{{1,3}}))?")
_NOT_SHORT = re.compile(rf"[^{_SHORT_CHARACTERS}]")
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|\ud800-\udfff]')

_Folder: TypeAlias = "dict[str, bytes | _Folder]"


@dataclass(frozen=True, slots=True)
class _Geometry:
    """How many sectors a volume has, and each of its FATs."""

    sectors: int
    fat_sectors: int

    @property
    def clusters(self) -> int:
        return self.sectors - 1 - _FATS * self.fat_sectors - _ROOT_SECTORS

    @property
    def bits(self) -> int:
        return 12 if self.clusters <= _FAT12_CLUSTERS else 16

    @property
    def end(self) -> int:
        """The FAT entry of a chain's last cluster."""
        return (1 << self.bits) - 1

    @classmethod
    def of_size(cls, size: int) -> _Geometry:
        """Return the layout that ESP-IDF's generator gives a volume of so many bytes."""
        sectors = size // _SECTOR_SIZE
        fat_size = sectors * 2 + 4 if sectors >= _FAT12_CLUSTERS_READ else (sectors * 3 + 1) // 2 + 3
        geometry = cls(sectors, -(-fat_size // _SECTOR_SIZE))
        if geometry.clusters < 1:
            raise LayoutError(
                "fs-size",
                f"a volume of {size} bytes is too small for FAT",
                hint="write a larger size for the partition in the partition CSV",
            )
        if sectors > _MAX_SECTORS:
            raise LayoutError(
                "fs-size",
                f"a volume of {size} bytes is too large: {_MAX_SECTORS} sectors are the most",
                hint=f"write {_MAX_SECTORS * _SECTOR_SIZE:#x} or less as the partition's size in the partition CSV",
            )
        # Between the two limits the generator writes FAT16 and the firmware reads FAT12: leave these sectors unused.
        surplus = geometry.clusters - _FAT12_CLUSTERS
        unused = surplus if 0 < surplus <= _FAT12_CLUSTERS_READ - _FAT12_CLUSTERS else 0
        return replace(geometry, sectors=sectors - unused)

    def boot_sector(self, serial: int) -> bytes:
        boot = _BOOT.pack(
            b"\xeb\xfe\x90",
            b"MSDOS5.0",
            _SECTOR_SIZE,
            1,
            1,
            _FATS,
            _ROOT_ENTRIES,
            self.sectors,
            _MEDIUM,
            self.fat_sectors,
            63,
            255,
            0,
            0,
            0x80,
            0,
            0x29,
            serial,
            b"Espressif".ljust(11),
            b"FAT".ljust(8),
        )
        return boot.ljust(_SECTOR_SIZE - len(_SIGNATURE), b"\0") + _SIGNATURE


def build_fat(files: Mapping[str, bytes], size: int) -> bytes:
    """Return a volume of ``size`` bytes with ``files``, by their paths with ``/``; unused clusters are FF.

    The serial number is the CRC-32 of the rest. Raises `FormatError` for a name that FAT can't hold and `LayoutError`
    where the files don't fit.
    """
    geometry = _Geometry.of_size(size)
    volume = _Clusters(geometry)
    root = volume.add_entries(_tree(files), own=0, parent=None)
    if (excess := len(root) // _ENTRY.size - _ROOT_ENTRIES) > 0:
        raise LayoutError(
            "files-too-large",
            f"the names of the uppermost folder take {excess} entries more than the {_ROOT_ENTRIES} it has",
            hint="put files into a folder, or give them short names",
        )
    if (excess := volume.used - geometry.clusters) > 0:
        raise LayoutError(
            "files-too-large",
            f"the files need {excess * _SECTOR_SIZE} bytes more than the {size} bytes of the FAT volume have",
            hint="remove files from the folder, or write a larger size for the partition in the partition CSV",
        )
    fat = volume.fat().ljust(geometry.fat_sectors * _SECTOR_SIZE, b"\0")
    root = root.ljust(_ROOT_SECTORS * _SECTOR_SIZE, b"\0")
    rest = b"".join([fat * _FATS, root, *volume.data]).ljust(size - _SECTOR_SIZE, b"\xff")
    return geometry.boot_sector(zlib.crc32(rest, zlib.crc32(geometry.boot_sector(0)))) + rest


class _Clusters:
    """The clusters in use, in the order in which ESP-IDF's generator takes them."""

    def __init__(self, geometry: _Geometry) -> None:
        self.geometry = geometry
        self.data: list[bytes] = []
        self._fat = [geometry.end & ~0xFF | _MEDIUM, geometry.end]

    @property
    def used(self) -> int:
        return len(self._fat) - 2

    def add(self, content: bytes) -> int:
        """Store ``content`` in a chain of clusters and return the first: 0 where there is none."""
        if not content:
            return 0
        first, number = len(self._fat), -(-len(content) // _SECTOR_SIZE)
        self._fat += [*range(first + 1, first + number), self.geometry.end]
        self.data.append(content.ljust(number * _SECTOR_SIZE, b"\0"))
        return first

    def add_entries(self, folder: _Folder, own: int, parent: int | None) -> bytes:
        """Store what is in a folder and return its entries; ``own`` is its first cluster, 0 for the root."""
        entries = [] if parent is None else [_entry(b".", _FOLDER, own), _entry(b"..", _FOLDER, parent)]
        shorts = _short_names(folder)
        for name, node in sorted(folder.items()):
            if isinstance(node, bytes):
                cluster, attribute, size = self.add(node), _FILE, len(node)
            else:
                cluster, attribute, size = self.add_folder(node, own), _FOLDER, 0
            short = shorts[name]
            entries += [*_long_entries(name, short), _entry(short.name, attribute, cluster, size, short.lower)]
        return b"".join(entries)

    def add_folder(self, folder: _Folder, parent: int) -> int:
        """Store a folder: its own clusters come before those of what is in it."""
        shorts = _short_names(folder)
        number = 2 + sum(1 + len(_long_entries(name, short)) for name, short in shorts.items())
        own, place = self.add(bytes(number * _ENTRY.size)), len(self.data) - 1
        entries = self.add_entries(folder, own, parent)
        self.data[place] = entries.ljust(len(self.data[place]), b"\0")
        return own

    def fat(self) -> bytes:
        if self.geometry.bits == 16:
            return struct.pack(f"<{len(self._fat)}H", *self._fat)
        pairs = zip(self._fat[::2], [*self._fat[1::2], 0], strict=False)
        packed = b"".join((low | high << 12).to_bytes(3, "little") for low, high in pairs)
        return packed[: (len(self._fat) * 3 + 1) // 2]


@dataclass(frozen=True, slots=True)
class _Short:
    """A name of eight characters and three; ``alias`` says that it only stands in for a long one."""

    name: bytes
    lower: int = 0
    alias: bool = False


def _tree(files: Mapping[str, bytes]) -> _Folder:
    root: _Folder = {}
    for path, content in files.items():
        *folders, name = path.split("/")
        folder = root
        for part in folders:
            inner = folder.setdefault(part, {})
            if isinstance(inner, bytes):
                raise FormatError(
                    "file-name-conflict",
                    f"{part!r} is a file and, for {path!r}, a folder",
                    hint=f"rename the file {part}, or the folder",
                )
            folder = inner
        if folder.setdefault(name, content) is not content:
            raise FormatError(
                "file-name-conflict", f"{path!r} is a file and a folder", hint=f"rename the file {path}, or the folder"
            )
    return root


def _short_names(folder: _Folder) -> dict[str, _Short]:
    """Return the short name of everything in a folder; what is short by itself comes first."""
    found: dict[str, _Short] = {}
    folded: dict[str, str] = {}
    for name in sorted(folder):
        _check_name(name)
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise FormatError(
                "file-name-conflict",
                f"{other!r} and {name!r} are one name for FAT, which has no upper and lower case",
                hint=f"rename {name}, or {other}",
            )
        if short := _short_by_itself(name):
            found[name] = short
    taken = {short.name for short in found.values()}
    for name in sorted(folder.keys() - found.keys()):
        found[name] = next(alias for alias in _aliases(name) if alias.name not in taken)
        taken.add(found[name].name)
    return found


def _check_name(name: str) -> None:
    if bad := _FORBIDDEN.search(name):
        raise FormatError(
            "file-name",
            f"{name!r}: a name in FAT can't have {bad[0]!r}",
            hint=f"rename it to {_FORBIDDEN.sub('_', name)}",
        )
    if not name or name != name.rstrip(". ") or name != name.lstrip(" "):
        raise FormatError(
            "file-name",
            f"{name!r}: a name in FAT doesn't start with a blank, nor end with a blank or a dot",
            hint=f"rename it to {name.strip('. ') or 'another name'}",
        )
    if (units := len(name.encode("utf-16-le")) // 2) > _MAX_UNITS:
        raise FormatError(
            "file-name",
            f"{name!r}: {units} characters are more than the {_MAX_UNITS} that FAT holds",
            hint=f"rename it to one of {_MAX_UNITS} characters at most",
        )


def _short_by_itself(name: str) -> _Short | None:
    """Return the short name that ``name`` is, None where it is none; in mixed case it needs a long one besides."""
    match = _SHORT_NAME.fullmatch(name.upper()) if name.isascii() else None
    if not match:
        return None
    short = match[1].ljust(8).encode() + (match[2] or "").ljust(3).encode()
    stem, _, extension = name.partition(".")
    if any(part not in (part.upper(), part.lower()) for part in (stem, extension)):
        return _Short(short, alias=True)
    lower = (_LOWER_NAME if stem != stem.upper() else 0) | (_LOWER_EXTENSION if extension != extension.upper() else 0)
    return _Short(short, lower)


def _aliases(name: str) -> Iterator[_Short]:
    stem, dot, extension = name.lstrip(".").rpartition(".")
    if not dot:
        stem, extension = extension, ""
    stem, extension = (
        _NOT_SHORT.sub("_", re.sub(r"[. ]", "", re.sub(r"[^\x00-\x7f]", "_", part)).upper())
        for part in (stem, extension)
    )
    for number in count(1):
        tail = f"~{number}"
        yield _Short(f"{stem[: 8 - len(tail)]}{tail}".ljust(8).encode() + extension[:3].ljust(3).encode(), alias=True)


def _long_entries(name: str, short: _Short) -> list[bytes]:
    """Return the entries of a long name, none where the short one says all."""
    if not short.alias:
        return []
    units = name.encode("utf-16-le")
    if len(units) % (2 * _UNITS):
        units = (units + b"\0\0").ljust(-(-len(units) // (2 * _UNITS)) * 2 * _UNITS, b"\xff")
    parts = [units[start : start + 2 * _UNITS] for start in range(0, len(units), 2 * _UNITS)]
    checksum = _checksum(short.name)
    entries = [
        bytes([number | (_LAST if number == len(parts) else 0)])
        + part[:10]
        + bytes([_LONG_NAME, 0, checksum])
        + part[10:22]
        + bytes(2)
        + part[22:]
        for number, part in enumerate(parts, start=1)
    ]
    return entries[::-1]


def _entry(name: bytes, attribute: int, cluster: int, size: int = 0, lower: int = 0) -> bytes:
    return _ENTRY.pack(name.ljust(11), attribute, lower, 0, 0, _EPOCH, _EPOCH, 0, 0, _EPOCH, cluster, size)


def _checksum(short: bytes) -> int:
    total = 0
    for byte in short:
        total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
    return total
