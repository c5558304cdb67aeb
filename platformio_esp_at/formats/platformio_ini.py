"""``platformio.ini``: what an environment has, and lines added to it that leave every other line as it is.

PlatformIO reads the file with `configparser`, and then looks for an option in the environment's own section, in those
that it ``extends``, and in ``[env]``; the first that has it counts (its project/config.py).
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError, Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = "platformio.ini"
_COMMON = "env"
"""The section that all environments share."""
_INDENT = "    "


class Value(NamedTuple):
    """The text of an option, and the section that has it."""

    text: str
    section: str


@dataclass(frozen=True, slots=True)
class PlatformioIni:
    """The text of a ``platformio.ini``, line ends included, and what it says by section."""

    text: str
    sections: Mapping[str, Mapping[str, str]]

    @classmethod
    def from_text(cls, text: str) -> PlatformioIni:
        """Return the file. Raises `FormatError` for one that PlatformIO can't read."""
        parser = configparser.ConfigParser(inline_comment_prefixes=("#", ";"), interpolation=None)
        try:
            parser.read_string(text)
        except configparser.Error as error:
            line = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", ())), None)
            raise FormatError(
                "platformio-ini-invalid",
                f"PlatformIO can't read it: {error.message.splitlines()[0]}",
                where=Place.at(file=FILE, line=line),
                hint="pio project config shows what PlatformIO says of it",
            ) from None
        return cls(text, {name: dict(parser[name]) for name in parser.sections()})

    @property
    def environments(self) -> tuple[str, ...]:
        """The names of the environments, in their order."""
        return tuple(name.removeprefix("env:") for name in self.sections if name.startswith("env:"))

    @property
    def default_environments(self) -> tuple[str, ...]:
        """The environments that PlatformIO takes if none is named."""
        text = self.sections.get("platformio", {}).get("default_envs", "")
        return tuple(name for name in re.split(r"[,\s]+", text) if name in self.environments)

    @property
    def reads_others(self) -> bool:
        """Whether it names other files, which may have more of each section."""
        return "extra_configs" in self.sections.get("platformio", {})

    def find(self, environment: str, option: str) -> Value | None:
        """Return what an environment has for an option; None where it has nothing. Variables stay as they are."""
        for section in self._line_of(f"env:{environment}"):
            if option in self.sections.get(section, {}):
                return Value(self.sections[section][option], section)
        return None

    def options(self, environment: str) -> dict[str, str]:
        """Return all that an environment has."""
        found: dict[str, str] = {}
        for section in self._line_of(f"env:{environment}"):
            found = {**self.sections.get(section, {}), **found}
        return found

    def _line_of(self, section: str) -> Iterator[str]:
        """Yield the sections in which PlatformIO looks for an option of an environment, in its order."""
        waiting, done = [_COMMON, section], set()
        while waiting:
            name = waiting.pop()
            if name in done:
                continue
            done.add(name)
            yield name
            waiting += items(self.sections.get(name, {}).get("extends", ""))

    def with_item(self, environment: str, option: str, item: str) -> PlatformioIni | None:
        """Return the file with one item more in a list of an environment; None where that can't be done safely.

        What the environment has from another section stays: the new line names it.
        """
        own = f"env:{environment}"
        before = self.find(environment, option)
        if own not in self.sections or (self.reads_others and (before is None or before.section != own)):
            return None
        try:
            added = _added(self.text, own, option, before, item)
        except _UnclearError:
            return None
        if added is None:
            return None
        try:
            made = PlatformioIni.from_text("".join(added))
        except FormatError:
            return None
        return made if _differ_by(self, made, own, option, item) else None


def _differ_by(before: PlatformioIni, after: PlatformioIni, section: str, option: str, item: str) -> bool:
    """Return whether one item more in an option, and what it inherits, is all that is new."""
    was = {name: dict(options) for name, options in before.sections.items()}
    now = {name: dict(options) for name, options in after.sections.items()}
    old, new = items(was[section].pop(option, "")), items(now[section].pop(option, ""))
    inherited = [] if old else [text for text in new[:-1] if text.startswith("${")]
    return was == now and new == [*old, *inherited, item]


def items(text: str) -> list[str]:
    """Return the items of a list as PlatformIO reads it: a line each, or in one line, divided by ``, ``."""
    found = (part.strip() for part in text.split("\n" if "\n" in text else ", "))
    return [part for part in found if part and not part.startswith((";", "#"))]


class _UnclearError(Exception):
    """Where something stands in the text can't be told."""


def _added(text: str, section: str, option: str, before: Value | None, item: str) -> list[str] | None:
    """Return the lines with the item. Raises `_UnclearError`."""
    if re.search(r"\r(?!\n)", text):
        raise _UnclearError  # an end of a line for some
    lines = re.split(r"(?<=\n)(?!$)", text)
    if before is None:
        return _insert(lines, _end_of_section(lines, section), f"{option} = {item}")
    if before.section != section:
        head = f"{option} =", f"{_INDENT}${{{before.section}.{option}}}", f"{_INDENT}{item}"
        return _insert(lines, _end_of_section(lines, section), *head)
    return _with_item_in(lines, section, option, before.text, item)


def _with_item_in(lines: list[str], section: str, option: str, text: str, item: str) -> list[str] | None:
    first, last = _lines_of_option(lines, section, option)
    if first < last or not text.strip():
        indent = re.match(r"\s*", lines[last])[0] if first < last else _INDENT  # type: ignore[index]
        return _insert(lines, last + 1, f"{indent}{item}")
    if ", " not in text:
        return _insert(lines, last + 1, f"{_INDENT}{item}")
    if re.search(r"\s[;#]", lines[first]):
        return None  # a comment at the end of the list
    line = lines[first].rstrip()
    return [*lines[:first], f"{line}, {item}{lines[first][len(line) :]}", *lines[first + 1 :]]


def _lines_of_option(lines: list[str], section: str, option: str) -> tuple[int, int]:
    """Return the first and the last line of an option."""
    begin, end = _section(lines, section)
    name = re.compile(rf"{re.escape(option)}\s*[=:]", re.IGNORECASE)
    first = next((number for number in range(begin, end) if name.match(lines[number])), None)
    if first is None:
        raise _UnclearError
    last = first
    for number in range(first + 1, end):
        if not lines[number].strip() or _is_comment(lines[number]):
            continue
        if not lines[number][0].isspace():
            break
        last = number
    return first, last


def _end_of_section(lines: list[str], section: str) -> int:
    """Return the line after the last one that says something in a section: what follows may belong to the next one."""
    begin, end = _section(lines, section)
    saying = (number for number in range(begin, end) if lines[number].strip() and not _is_comment(lines[number]))
    return max(saying, default=begin - 1) + 1


def _section(lines: list[str], section: str) -> tuple[int, int]:
    """Return the first line of a section's content, and the one after it."""
    heads = [number for number, line in enumerate(lines) if line.startswith("[")]
    head = next((number for number in heads if lines[number].partition("]")[0] == f"[{section}"), None)
    if head is None:
        raise _UnclearError
    return head + 1, next((number for number in heads if number > head), len(lines))


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith((";", "#"))


def _insert(lines: list[str], at: int, *new: str) -> list[str]:
    """Return the lines with new ones, whose ends are like those of the others."""
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    before = lines[:at]
    if before and not before[-1].endswith(("\n", "\r")):
        before[-1] += end
    return [*before, *(f"{line}{end}" for line in new), *lines[at:]]
