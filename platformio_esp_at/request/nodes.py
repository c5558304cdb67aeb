"""YAML and the text of a host's option become nodes: texts with their places, in tuples and dicts.

Every scalar stays text until an option parses it: ``country_code: NO`` is Norway, not a boolean.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from platformio_esp_at.errors import FormatError, Place
from platformio_esp_at.request.values import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from typing_extensions import Self
    from yaml import Mark, MarkedYAMLError
    from yaml import Node as YamlNode

Node: TypeAlias = "Text | tuple[Node, ...] | dict[str, Node]"


class Key(str):
    """A name in a mapping of YAML, and where it is: in a file, with its column."""

    __slots__ = ("where",)

    def __new__(cls, text: str, where: Place) -> Self:
        """Return the name with its place."""
        made = super().__new__(cls, text)
        made.where = where
        return made

    where: Place


class Layer(NamedTuple):
    """Options from one source; relative paths in it start at ``base``."""

    base: Path
    options: Mapping[str, Node]


_PAIR = re.compile(r"(?P<name>[\w.-]+)\s*=\s*(?P<value>.*)")
_BLANK = ("", "~", "null")


def parse_yaml(text: str, where: Place, *, has_lines: bool = False) -> Node:
    """Return the nodes of a YAML text. Raises `FormatError`.

    ``has_lines``: the text is a file, and places in it name the line; an option of a host has no lines.
    """
    import yaml  # noqa: PLC0415 - 15 ms that only a run with options needs

    def place(mark: Mark | None, *, column: bool = False) -> Place:
        found = on_line(mark.line + 1 if mark else 1)
        return found / Place.at(column=mark.column + 1) if column and mark and has_lines else found

    def on_line(line: int) -> Place:
        return where / Place.at(line=line) if has_lines else where

    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line, problem, hint = _yaml_problem(text, error)
        raise FormatError("not-yaml", f"not YAML: {problem}", where=on_line(line), hint=hint) from None
    except yaml.reader.ReaderError as error:
        problem = f"not YAML: the character U+{error.character:04X} is not allowed"
        line = text.count("\n", 0, error.position) + 1
        hint = f"remove this character, {error.position + 1} characters from the start"
        raise FormatError("not-yaml", problem, where=on_line(line), hint=hint) from None
    except (yaml.YAMLError, RecursionError) as error:
        hint = "write NAME: VALUE, with fewer brackets inside brackets"
        raise FormatError("not-yaml", f"not YAML: {error}", where=where, hint=hint) from None
    return Text("", where) if node is None else _node(node, place, set())


_YAML_HINTS = (
    ("mapping values are not allowed", "put a value with a colon and a space inside in single quotes: 'a: b'"),
    ("could not find expected ':'", "write NAME: VALUE, with a space after the colon"),
    ("expected <block end>", "indent this line as the ones before it, or put the value in single quotes"),
    ("expected ',' or", "close the bracket, and put a comma between its parts: [a.pem, b.pem]"),
    ("unexpected end of stream", "close the quote that is open here, or write the value without quotes"),
)
"""Parts of PyYAML's problems, and what to do; the first that fits counts."""


_NO_SPACE = r"\s*(?P<name>[A-Za-z_][\w.-]*):(?P<value>[^\s:/\\].*)"


def without_space(line: str) -> str | None:
    """Return how to write a line such as ``module:WROOM-32``, which for YAML is one word; None for others."""
    match = re.fullmatch(_NO_SPACE, line.rstrip())
    return match and f"write {match['name']}: {match['value']}, with a space after the colon"


def _yaml_problem(text: str, error: MarkedYAMLError) -> tuple[int, str, str]:
    """Return the line, what is wrong there, and what to do; PyYAML often sees it a line too late."""
    lines = text.splitlines()
    at = error.problem_mark.line if error.problem_mark else 0
    begun = error.context_mark.line if error.context_mark else at
    problem = error.problem or str(error)
    before = max((number for number in range(min(at, len(lines))) if lines[number].strip()), default=at)
    for number in dict.fromkeys((begun, before, at)):
        if number < len(lines) and (hint := without_space(lines[number])):
            return number + 1, "there is no space after the colon", hint
    if "'\\t'" in problem:
        return at + 1, "a tab", "write spaces in place of the tab"
    if "double-quoted" in (error.context or ""):
        return begun + 1, "a backslash in double quotes is an escape", _unescaped(lines[begun])
    if "simple key" in (error.context or "") or "quoted scalar" in (error.context or ""):
        at = begun
    hints = (hint for part, hint in _YAML_HINTS if part in problem)
    return at + 1, problem, next(hints, "put the value here in single quotes: 'VALUE'")


def _unescaped(line: str) -> str:
    """Return what to write instead of the double quotes in a line."""
    value = line.partition('"')[2].rpartition('"')[0] or "VALUE"
    return f"write it in single quotes, '{value}', or with / in place of \\"


class _Place(Protocol):
    def __call__(self, mark: Mark | None, *, column: bool = False) -> Place: ...


def _node(node: YamlNode, place: _Place, seen: set[int]) -> Node:
    import yaml  # noqa: PLC0415 - see above

    where = place(node.start_mark)
    if isinstance(node, yaml.ScalarNode):
        if node.style == '"' and re.search(r"[\a\b\t\n\v\f\r]", node.value):
            line = (node.start_mark.buffer or "")[node.start_mark.pointer :].partition("\n")[0]
            raise FormatError(
                "not-yaml", "not YAML: a backslash in double quotes is an escape", where=where, hint=_unescaped(line)
            )
        return Text(node.value, where)
    if id(node) in seen:
        raise FormatError(
            "not-yaml",
            "YAML aliases are not supported here",
            where=where,
            hint="write the value itself in place of the *alias",
        )
    seen.add(id(node))
    if not node.value:
        return Text("", where)  # an empty list or mapping is as blank as an empty text
    if isinstance(node, yaml.SequenceNode):
        return tuple(_node(item, place, seen) for item in node.value)
    mapping: dict[str, Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise FormatError(
                "option-invalid", "a key must be a name", where=place(key.start_mark), hint="write NAME: VALUE"
            )
        if key.value in mapping:
            hint = f"remove one of the two; the first is {place_of(mapping[key.value])}"
            raise FormatError("option-twice", f"{key.value!r} is given twice", where=place(key.start_mark), hint=hint)
        mapping[Key(key.value, place(key.start_mark, column=True))] = _node(value, place, seen)
    return mapping


def parse_mapping(text: str, where: Place, *, lists: bool, example: str) -> Node:
    """Return the nodes of an option that is YAML, or lines of ``name = value``. Raises `FormatError`.

    ``lists``: a value may be a list in brackets.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if text[0] not in "{[" and any(map(_PAIR.match, lines)):
        return _parse_pairs(lines, where, lists=lists)
    node = parse_yaml(text, where)
    if isinstance(node, Text) and re.fullmatch(r"[A-Za-z_][\w.-]*", text):
        value = example.strip("{}").partition(": ")[2]
        raise FormatError("option-invalid", f"{text} has no value", where=where, hint=f"write {text}={value}")
    return node


def _parse_pairs(lines: Iterable[str], where: Place, *, lists: bool) -> dict[str, Node]:
    """Return the nodes of lines ``name = value``."""
    pairs: dict[str, Node] = {}
    for line in lines:
        pair = _PAIR.match(line)
        if not pair:
            name, colon, value = line.partition(":")
            hint = f"write {name.strip()} = {value.strip()}" if colon else "write NAME = VALUE"
            problem = f"{line!r} is not name = value, as other lines are"
            raise FormatError("option-invalid", problem, where=where, hint=hint)
        name, value = pair["name"], pair["value"]
        if name in pairs:
            two_files = f"for two files, write {name}=[a.pem, b.pem]" if lists else f"remove one of the two {name}"
            raise FormatError("option-twice", f"{name!r} is given twice", where=where, hint=two_files)
        pairs[name] = parse_yaml(value, where) if lists and value.startswith("[") else Text(value, where)
    return pairs


def parse_names(text: str, where: Place) -> tuple[Text, ...]:
    """Return the names of a list: separated by blanks or commas, in brackets or not."""
    return tuple(Text(name, where) for name in re.split(r"[\s,\[\]]+", text) if name)


def is_mapping(text: str) -> bool:
    """Return whether the text of an option is more than a single value."""
    return re.search(r"[\n{=]", text) is not None


def nodes_of_json(value: object, where: Place) -> Node:
    """Return the nodes of a value from a JSON file."""
    if value in ([], {}):
        return Text("", where)
    if isinstance(value, dict):
        return {str(key): nodes_of_json(inner, where) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(nodes_of_json(inner, where) for inner in value)
    return Text(str(value), where)


def without_blanks(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Return the options without empty ones (``module:``): they count as not set."""
    return {
        name: node
        for name, node in nodes.items()
        if not isinstance(node, Text) or node.text.strip().lower() not in _BLANK
    }


def place_of_key(name: str, otherwise: Place) -> Place:
    """Return where a name in a mapping is; a host's names have no place of their own."""
    return name.where if isinstance(name, Key) else otherwise


def place_of(node: Node) -> Place:
    """Return where a node is, or its first part; an empty `Place` for an empty one."""
    while not isinstance(node, Text):
        inner = list(node.values()) if isinstance(node, dict) else list(node)
        if not inner:
            return Place()
        node = inner[0]
    return node.where
