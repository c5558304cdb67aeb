"""``esp_at.lock``: the firmware packages that a project downloaded, as they were at the first use.

Our own format, YAML for people to read and commit::

    version: 1
    packages:
    - firmware: v4.1.1.0          what the project asked for
      chip: esp32                 chip and module only if ``firmware`` is a release, which has several packages
      module: WROOM-32
      url: https://…              where it was downloaded from
      size: 2336705               in bytes
      sha256: …
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from platformio_esp_at.errors import FormatError, Place

_VERSION = "1"
_HEAD = """\
# The firmware packages of this project as they were when first used: one that differs is refused. Commit this file.
# To accept a package that has changed, or to let `latest` move on, remove its entries; the server is asked again then.
"""
_START_ANEW = "take it from version control again, or remove the file to make a new one"
_OF_A_MODULE = ("chip", "module")
_KEYS = ("firmware", *_OF_A_MODULE, "url", "size", "sha256")


class Asked(NamedTuple):
    """What a project asked for: the key of an entry."""

    firmware: str
    chip: str | None = None
    module: str | None = None


@dataclass(frozen=True, slots=True)
class LockedPackage:
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


def parse_lock_file(text: str) -> tuple[LockedPackage, ...]:
    """Return the packages of an ``esp_at.lock``, in its order. Raises `FormatError` for what can't be understood."""
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
        raise FormatError("lock-damaged", "not YAML, or a key twice", where=where, hint=_START_ANEW) from None
    if not isinstance(root, dict) or "version" not in root:
        raise FormatError("lock-damaged", "it has no version and packages", hint=_START_ANEW)
    if root["version"] != _VERSION:
        hint = "update platformio-esp-at, or remove the file to make a new one"
        raise FormatError(
            "lock-version", f"its version is {root['version']}, {_VERSION} is the only one known here", hint=hint
        )
    rows = root.get("packages") or []
    if not isinstance(rows, list):
        raise FormatError("lock-damaged", "packages is not a list", hint=_START_ANEW)
    packages = tuple(_parse_row(row, number) for number, row in enumerate(rows, 1))
    for number, package in enumerate(packages, 1):
        for other in packages[: number - 1]:
            same_url = package.url == other.url and (package.size, package.sha256) != (other.size, other.sha256)
            if same_url or package.asked == other.asked:
                message = "it contradicts an entry before it"
                raise FormatError(
                    "lock-damaged", message, where=Place.at(entry=number), hint="keep the one that is right"
                )
    return packages


def format_lock_file(packages: tuple[LockedPackage, ...]) -> str:
    """Return the text of an ``esp_at.lock``; the same packages give the same text."""
    lines = [_HEAD, f"version: {_VERSION}\n", "packages:\n" if packages else "packages: []\n"]
    for package in sorted(packages, key=lambda p: (p.firmware, p.chip or "", p.module or "")):
        values = {name: getattr(package, name) for name in _KEYS}
        given = {name: value for name, value in values.items() if value is not None}
        rows = [f"{name}: {_scalar(value)}\n" for name, value in given.items()]
        lines += ["- ", rows[0], *(f"  {row}" for row in rows[1:])]
    return "".join(lines)


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
        raise FormatError("lock-damaged", "not an entry of this file", where=where, hint=_START_ANEW)
    missing = set(_KEYS).difference(row, () if "module" in row or "chip" in row else _OF_A_MODULE)
    if missing:
        raise FormatError(
            "lock-damaged", f"it has no {' and no '.join(sorted(missing))}", where=where, hint=_START_ANEW
        )
    if not all(isinstance(value, str) for value in row.values()):
        raise FormatError("lock-damaged", "a value isn't text", where=where, hint=_START_ANEW)
    if not re.fullmatch(r"[0-9]{1,12}", row["size"], re.ASCII):
        raise FormatError(
            "lock-damaged", f"size is {row['size']!r}, not a number of bytes", where=where, hint=_START_ANEW
        )
    if not re.fullmatch(r"[0-9a-f]{64}", row["sha256"]):
        raise FormatError(
            "lock-damaged", f"sha256 is {row['sha256']!r}, not 64 hex digits", where=where, hint=_START_ANEW
        )
    return LockedPackage(**{**row, "size": int(row["size"])})
