"""FAT12 and FAT16 volumes with long names, as ESP-IDF's firmware reads them.

A volume is made of sectors of 512 or 4096 bytes, and a cluster is one sector::

    sectors   content
    1         boot sector
    …         FAT: one entry of 12 or 16 bits for each cluster, 0 and 1 taken; the next cluster, or all ones at the end
    …         a copy of it
    512 x 32  root directory
              bytes
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
_SIGNATURE_OFFSET = 510
_SERIAL_OFFSET = 39
_ENTRY = struct.Struct("<11sBBBHHHHHHHL")
_MEDIUM = 0xF8
_ROOT_ENTRIES = 512
_MAX_SECTORS = 0xFFFF
_SECTOR_SIZES = (512, 1024, 2048, 4096)

_FAT12_CLUSTERS = 4082
"""The most that ESP-IDF's generator takes for FAT12."""
_FAT12_CLUSTERS_READ = 4085
"""The most that the firmware takes for FAT12 (ff.c: MAX_FAT12)."""

_FOLDER = 0x10
_FILE = 0x20
_LABEL = 0x08
_LONG_NAME = 0x0F
_LOWER_NAME = 0x08
_LOWER_EXTENSION = 0x10
_DELETED = 0xE5
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
    """Where everything is in a volume, in sectors."""

    sector_size: int
    sectors: int
    reserved: int
    fats: int
    fat_sectors: int
    root_entries: int
    cluster_sectors: int = 1

    @property
    def root(self) -> int:
        return self.reserved + self.fats * self.fat_sectors

    @property
    def data(self) -> int:
        return self.root + -(-self.root_entries * _ENTRY.size // self.sector_size)

    @property
    def clusters(self) -> int:
        return (self.sectors - self.data) // self.cluster_sectors

    @property
    def cluster_size(self) -> int:
        return self.cluster_sectors * self.sector_size

    @property
    def bits(self) -> int:
        return 12 if self.clusters <= _FAT12_CLUSTERS_READ else 16

    @property
    def end(self) -> int:
        """The FAT entry of a chain's last cluster."""
        return (1 << self.bits) - 1

    @classmethod
    def of_size(cls, size: int, sector_size: int, fats: int) -> _Geometry:
        """Return the layout that ESP-IDF's generator gives a volume of so many bytes."""
        sectors = size // sector_size
        entries = sectors * 2 + 4 if sectors > _FAT12_CLUSTERS_READ - 1 else (sectors * 3 + 1) // 2 + 3
        geometry = cls(sector_size, sectors, 1, fats, -(-entries // sector_size), _ROOT_ENTRIES)
        if geometry.clusters < 1:
            raise LayoutError("fs-size", f"a volume of {size} bytes is too small for FAT")
        if sectors > _MAX_SECTORS:
            raise LayoutError("fs-size", f"a volume of {size} bytes is too large: {_MAX_SECTORS} sectors are the most")
        # Between the two limits the generator writes FAT16 and the firmware reads FAT12: leave these sectors unused.
        surplus = geometry.clusters - _FAT12_CLUSTERS
        return replace(geometry, sectors=sectors - surplus) if 0 < surplus <= 3 else geometry

    @classmethod
    def from_bytes(cls, volume: bytes) -> _Geometry:
        """Return the layout that a boot sector describes. Raises `FormatError`."""
        if volume[_SIGNATURE_OFFSET:][:2] != _SIGNATURE:
            raise FormatError("fat-damaged", "no FAT volume: its boot sector doesn't end with 55 AA")
        fields = _BOOT.unpack_from(volume)
        size, cluster_sectors, reserved, fats, entries, sectors, _, fat_sectors, _, _, _, sectors32 = fields[2:14]
        geometry = cls(size, sectors or sectors32, reserved, fats, fat_sectors, entries, cluster_sectors)
        sound = size in _SECTOR_SIZES and reserved and fats in (1, 2) and cluster_sectors.bit_count() == 1
        if not (sound and fat_sectors and entries):
            raise FormatError("fat-damaged", "not a FAT12 or FAT16 volume: its boot sector makes no sense")
        if geometry.clusters < 1 or geometry.clusters >= 0xFFF6:
            raise FormatError("fat-damaged", f"not a FAT12 or FAT16 volume: it has {geometry.clusters} clusters")
        if (geometry.clusters + 2) * geometry.bits > 8 * fat_sectors * size:
            raise FormatError("fat-damaged", "a damaged FAT volume: its FAT is too short for its clusters")
        if len(volume) < geometry.sectors * size:
            raise FormatError(
                "fat-damaged", f"a FAT volume cut short: {len(volume)} of {geometry.sectors * size} bytes"
            )
        return geometry

    def boot_sector(self, serial: int) -> bytes:
        boot = _BOOT.pack(
            b"\xeb\xfe\x90",
            b"MSDOS5.0",
            self.sector_size,
            self.cluster_sectors,
            self.reserved,
            self.fats,
            self.root_entries,
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
        return (boot.ljust(_SIGNATURE_OFFSET, b"\0") + _SIGNATURE).ljust(self.sector_size, b"\0")


def build_fat(files: Mapping[str, bytes], size: int, *, sector_size: int = 512, fats: int = 2) -> bytes:
    """Return a volume of ``size`` bytes with ``files``, by their paths with ``/``; unused clusters are FF.

    The serial number is the CRC-32 of the rest. Raises `FormatError` for a name that FAT can't hold and `LayoutError`
    where the files don't fit.
    """
    geometry = _Geometry.of_size(size, sector_size, fats)
    volume = _Clusters(geometry)
    root = volume.add_entries(_tree(files), own=0, parent=None)
    if len(root) > geometry.root_entries * _ENTRY.size:
        excess = len(root) // _ENTRY.size - geometry.root_entries
        raise LayoutError(
            "files-too-large",
            f"the names of the uppermost folder take {excess} entries more than the {geometry.root_entries} it has",
            hint="put files into a folder, or give them short names",
        )
    if (excess := volume.used - geometry.clusters) > 0:
        raise LayoutError(
            "files-too-large",
            f"the files need {excess * geometry.cluster_size} bytes more than the {size} bytes of the FAT volume have",
        )
    fat = volume.fat().ljust(geometry.fat_sectors * sector_size, b"\0")
    root = root.ljust((geometry.data - geometry.root) * sector_size, b"\0")
    rest = b"".join([fat * fats, root, *volume.data]).ljust(size - sector_size, b"\xff")
    return geometry.boot_sector(zlib.crc32(rest, zlib.crc32(geometry.boot_sector(0)))) + rest


def read_fat(volume: bytes) -> dict[str, bytes]:
    """Return the files of a volume, by their paths with ``/``. What follows the volume is left alone.

    Raises `FormatError` where it is no FAT12 or FAT16 volume, or a damaged one.
    """
    geometry = _Geometry.from_bytes(volume)
    chains = _Chains(volume, geometry)
    root = volume[geometry.root * geometry.sector_size : geometry.data * geometry.sector_size]
    files: dict[str, bytes] = {}
    folders = [("", root)]
    while folders:
        place, entries = folders.pop()
        for entry in _parse_entries(entries):
            path = f"{place}{entry.name}"
            if entry.is_folder:
                folders.append((f"{path}/", b"".join(chains.read(entry.cluster, path))))
                continue
            content = b"".join(chains.read(entry.cluster, path)) if entry.size else b""
            if len(content) < entry.size:
                raise FormatError(
                    "fat-damaged", f"a damaged FAT volume: {path!r} has fewer clusters than its size needs"
                )
            files[path] = content[: entry.size]
    return dict(sorted(files.items()))


# --- writing ---


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
        first, number = len(self._fat), -(-len(content) // self.geometry.cluster_size)
        self._fat += [*range(first + 1, first + number), self.geometry.end]
        self.data.append(content.ljust(number * self.geometry.cluster_size, b"\0"))
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
                raise FormatError("file-name-conflict", f"{part!r} is a file and, for {path!r}, a folder")
            folder = inner
        if folder.setdefault(name, content) is not content:
            raise FormatError("file-name-conflict", f"{path!r} is a file and a folder")
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
                "file-name-conflict", f"{other!r} and {name!r} are one name for FAT, which has no upper and lower case"
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
        raise FormatError("file-name", f"{name!r}: a name in FAT can't have {bad[0]!r}")
    if not name or name != name.rstrip(". ") or name != name.lstrip(" "):
        raise FormatError(
            "file-name", f"{name!r}: a name in FAT doesn't start with a blank, nor end with a blank or a dot"
        )
    if (units := len(name.encode("utf-16-le")) // 2) > _MAX_UNITS:
        raise FormatError("file-name", f"{name!r}: {units} characters are more than the {_MAX_UNITS} that FAT holds")


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


# --- reading ---


class _Chains:
    """The chains of clusters of a volume; no cluster is read twice, so that a damaged volume comes to an end."""

    def __init__(self, volume: bytes, geometry: _Geometry) -> None:
        self.volume = volume
        self.geometry = geometry
        self._read: set[int] = set()

    def read(self, cluster: int, path: str) -> Iterator[bytes]:
        geometry, start = self.geometry, self.geometry.data * self.geometry.sector_size
        while True:
            if not 2 <= cluster < geometry.clusters + 2:
                raise FormatError(
                    "fat-damaged", f"a damaged FAT volume: {path!r} leads to cluster {cluster}, which isn't there"
                )
            if cluster in self._read:
                raise FormatError(
                    "fat-damaged", f"a damaged FAT volume: {path!r} leads to cluster {cluster}, which is in use twice"
                )
            self._read.add(cluster)
            offset = start + (cluster - 2) * geometry.cluster_size
            yield self.volume[offset : offset + geometry.cluster_size]
            cluster = self._next(cluster)
            if cluster >= geometry.end - 7:
                return

    def _next(self, cluster: int) -> int:
        start = self.geometry.reserved * self.geometry.sector_size
        if self.geometry.bits == 16:
            return int.from_bytes(self.volume[start + 2 * cluster :][:2], "little")
        offset = start + cluster * 3 // 2
        pair = int.from_bytes(self.volume[offset : offset + 2], "little")
        return pair >> 4 if cluster % 2 else pair & 0xFFF


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    is_folder: bool
    cluster: int
    size: int


def _parse_entries(data: bytes) -> Iterator[_Entry]:
    long_parts: list[bytes] = []
    for start in range(0, len(data), _ENTRY.size):
        entry = data[start : start + _ENTRY.size]
        if len(entry) < _ENTRY.size or not entry[0]:
            return
        short, attribute, lower, _, _, _, _, _, _, _, cluster, size = _ENTRY.unpack(entry)
        if attribute & 0x3F == _LONG_NAME and entry[0] != _DELETED:
            if entry[0] & _LAST:
                long_parts = []
            long_parts.append(entry)
            continue
        if entry[0] != _DELETED and not attribute & _LABEL and entry[:2] != b". " and entry[:3] != b".. ":
            name = _long_name(long_parts, short) or _short_name(short, lower)
            if _FORBIDDEN.search(name) or name in ("", ".", ".."):
                raise FormatError("fat-damaged", f"a damaged FAT volume: {name!r} is no name")
            yield _Entry(name, bool(attribute & _FOLDER), cluster, size)
        long_parts = []


def _long_name(parts: list[bytes], short: bytes) -> str | None:
    """Return the long name that belongs to a short one, None where there is none or it belongs to another."""
    numbers = [part[0] & ~_LAST for part in reversed(parts)]
    if not parts or numbers != [*range(1, len(parts) + 1)] or any(part[13] != _checksum(short) for part in parts):
        return None
    units = b"".join(part[1:11] + part[14:26] + part[28:32] for part in reversed(parts))
    text = units.decode("utf-16-le", errors="surrogatepass")
    return text.partition("\0")[0]


def _short_name(short: bytes, lower: int) -> str:
    # 05 stands for E5, which says "deleted" as the first byte; the firmware's code page is 437 unless it is changed.
    name = short.replace(b"\x05", b"\xe5", 1) if short.startswith(b"\x05") else short
    stem, extension = name[:8].decode("cp437").rstrip(" "), name[8:].decode("cp437").rstrip(" ")
    stem = stem.lower() if lower & _LOWER_NAME else stem
    extension = extension.lower() if lower & _LOWER_EXTENSION else extension
    return f"{stem}.{extension}" if extension else stem
