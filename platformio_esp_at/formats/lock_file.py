"""``esp_at.lock``: the firmware packages that a project downloaded, and where its own partitions were placed.

Our own format, YAML for people to read and commit::

    version: 1
    packages:
    - firmware: v4.1.1.0          what the project asked for
      chip: esp32                 chip and module only if ``firmware`` is a release, which has several packages
      module: WROOM-32
      url: https://…              where it was downloaded from
      size: 2336705               in bytes
      sha256: …
    partitions:                   only if the project's CSV leaves the offset of one open
    - chip: esp32
      module: WROOM-32
      name: my_data
      offset: 0x3d000
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from platformio_esp_at.errors import FormatError, Place
from platformio_esp_at.units import format_offset

LOCK_FILE = "esp_at.lock"
"""Next to ``esp_at.yml``; that of another project file has the name of that."""

_VERSION = "1"
_HEAD = """\
# The firmware packages of this project as they were when first used: one that differs is refused. Commit this file.
# To accept a package that has changed, or to let `latest` move on, remove its entries; the server is asked again then.
"""
_HEAD_OF_PARTITIONS = """\
# Where partitions of the project are whose offset its CSV leaves blank: they stay there. To place one anew, remove it.
"""
START_ANEW = "take it from version control again, or remove the file to make a new one"
"""The next step for a damaged one."""

_OF_A_MODULE = ("chip", "module")
_KEYS = ("firmware", *_OF_A_MODULE, "url", "size", "sha256")
_PARTITION_KEYS = (*_OF_A_MODULE, "name", "offset")


class Asked(NamedTuple):
    """What a project asked for: the key of an entry."""

    firmware: str
    chip: str | None = None
    module: str | None = None


class LockedPackage(NamedTuple):
    """A firmware package and what asked for it."""

    firmware: str
    url: str
    size: int
    sha256: str
    chip: str | None = None
    module: str | None = None
    """With ``chip``: the AT module that a release was looked up for; None where ``firmware`` names the package."""

    @property
    def asked(self) -> Asked:
        """What asked for it."""
        return Asked(self.firmware, self.chip, self.module)


class LockedPartition(NamedTuple):
    """Where a partition of the project's own was placed."""

    chip: str
    module: str
    name: str
    offset: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is: two entries for the same contradict each other."""
        return self[:3]


class Lock(NamedTuple):
    """The content of the file."""

    packages: tuple[LockedPackage, ...] = ()
    partitions: tuple[LockedPartition, ...] = ()
    file: str = LOCK_FILE
    """Its name, for messages."""

    def offsets(self, chip: str, module: str) -> dict[str, int]:
        """Return where the project's own partitions are on an AT module, by name."""
        return {row.name: row.offset for row in self.partitions if (row.chip, row.module) == (chip, module)}


def parse_lock_file(text: str) -> Lock:
    """Return the content of an ``esp_at.lock``, in its order. Raises `FormatError` for what can't be understood."""
    import yaml  # noqa: PLC0415 - 15 ms that only a project with a lock file needs

    class UniqueKeys(yaml.BaseLoader):
        """Keeps scalars as text, and refuses a mapping with duplicate keys, which a merge can leave."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401, FBT001, FBT002
            keys = [key.value for key, _ in node.value]
            if len(keys) != len(set(map(str, keys))):
                raise yaml.MarkedYAMLError(problem_mark=node.start_mark)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep)
            return mapping

    try:
        root = yaml.load(text, UniqueKeys)  # noqa: S506 - derived from BaseLoader
    except (yaml.YAMLError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = None if line is None else Place.at(line=line + 1)
        raise FormatError("lock-damaged", "not YAML, or a key twice", where=where, hint=START_ANEW) from None
    if not isinstance(root, dict) or "version" not in root:
        raise FormatError("lock-damaged", "it has no version and packages", hint=START_ANEW)
    if root["version"] != _VERSION:
        hint = "update platformio-esp-at, or remove the file to make a new one"
        raise FormatError(
            "lock-version", f"its version is {root['version']}, {_VERSION} is the only one known here", hint=hint
        )
    packages = tuple(_parse_row(row, number) for number, row in enumerate(_rows(root, "packages"), 1))
    for number, package in enumerate(packages, 1):
        for other in packages[: number - 1]:
            same_url = package.url == other.url and (package.size, package.sha256) != (other.size, other.sha256)
            if same_url or package.asked == other.asked:
                raise _contradiction(number)
    partitions = tuple(_parse_partition(row, number) for number, row in enumerate(_rows(root, "partitions"), 1))
    for number, partition in enumerate(partitions, 1):
        if any(partition.key == other.key for other in partitions[: number - 1]):
            raise _contradiction(number)
    return Lock(packages, partitions)


def _rows(root: dict[str, Any], name: str) -> list[Any]:
    rows = root.get(name) or []
    if not isinstance(rows, list):
        raise FormatError("lock-damaged", f"{name} is not a list", hint=START_ANEW)
    return rows


def _contradiction(number: int) -> FormatError:
    message = "it contradicts an entry before it"
    return FormatError("lock-damaged", message, where=Place.at(entry=number), hint="keep the one that is right")


def format_lock_file(lock: Lock) -> str:
    """Return the text of an ``esp_at.lock``; the same content gives the same text."""
    lines = [_HEAD, f"version: {_VERSION}\n", "packages:\n" if lock.packages else "packages: []\n"]
    for package in sorted(lock.packages, key=lambda p: (p.firmware, p.chip or "", p.module or "")):
        lines += _entry({name: getattr(package, name) for name in _KEYS})
    if lock.partitions:
        lines += [_HEAD_OF_PARTITIONS, "partitions:\n"]
        for partition in sorted(lock.partitions):
            lines += _entry({**partition._asdict(), "offset": format_offset(partition.offset)})
    return "".join(lines)


def _entry(values: dict[str, Any]) -> list[str]:
    rows = [f"{name}: {_scalar(value)}\n" for name, value in values.items() if value is not None]
    return ["- ", rows[0], *(f"  {row}" for row in rows[1:])]


def _scalar(value: str | int) -> str:
    """Return a value as YAML, quoted unless it is certainly plain text."""
    import yaml  # noqa: PLC0415 - see `parse_lock_file`

    text = str(value)
    if re.fullmatch(r"[A-Za-z0-9](?:[\w./+-]|:(?=[/\w]))*", text, re.ASCII):
        return text
    return str(yaml.safe_dump(text, default_style='"', width=1 << 20)).strip()


def _parse_row(row: Any, number: int) -> LockedPackage:  # noqa: ANN401 - YAML
    where = Place.at(entry=number)
    if not isinstance(row, dict) or not set(_KEYS).issuperset(row):
        raise FormatError("lock-damaged", "not an entry of this file", where=where, hint=START_ANEW)
    missing = set(_KEYS).difference(row, () if "module" in row or "chip" in row else _OF_A_MODULE)
    if missing:
        raise FormatError("lock-damaged", f"it has no {' and no '.join(sorted(missing))}", where=where, hint=START_ANEW)
    if not all(isinstance(value, str) for value in row.values()):
        raise FormatError("lock-damaged", "a value isn't text", where=where, hint=START_ANEW)
    if not re.fullmatch(r"[0-9]{1,12}", row["size"], re.ASCII):
        raise FormatError(
            "lock-damaged", f"size is {row['size']!r}, not a number of bytes", where=where, hint=START_ANEW
        )
    if not re.fullmatch(r"[0-9a-f]{64}", row["sha256"]):
        raise FormatError(
            "lock-damaged", f"sha256 is {row['sha256']!r}, not 64 hex digits", where=where, hint=START_ANEW
        )
    return LockedPackage(**{**row, "size": int(row["size"])})


def _parse_partition(row: Any, number: int) -> LockedPartition:  # noqa: ANN401 - YAML
    where = Place.at(entry=number)
    if not isinstance(row, dict) or set(row) != set(_PARTITION_KEYS):
        message = f"an entry of partitions has {', '.join(_PARTITION_KEYS)}"
        raise FormatError("lock-damaged", message, where=where, hint=START_ANEW)
    if not all(isinstance(value, str) for value in row.values()):
        raise FormatError("lock-damaged", "a value isn't text", where=where, hint=START_ANEW)
    if not re.fullmatch(r"0x[0-9a-f]{1,8}", row["offset"], re.ASCII):
        message = f"offset is {row['offset']!r}, not an offset in hex"
        raise FormatError("lock-damaged", message, where=where, hint=START_ANEW)
    return LockedPartition(**{**row, "offset": int(row["offset"], 16)})
