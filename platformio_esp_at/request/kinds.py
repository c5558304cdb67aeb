"""The kinds of options: what each takes, and how it is read, merged, completed and listed as an input.

Several layers may set an option (a board, ``esp_at.yml``, the host's options); a `Kind` makes one typed value of them.
A `Reader` reads the files, so that this module doesn't access the disk.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from platformio_esp_at.errors import FormatError, Place, setting
from platformio_esp_at.request.nodes import is_mapping, parse_mapping, parse_names, place_of, without_space
from platformio_esp_at.request.values import CustomModule, Firmware, Folder, InputFile, InputFolder, Speed, Text
from platformio_esp_at.units import UPLOAD_BAUD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from platformio_esp_at.request.nodes import Node

    Schema: TypeAlias = dict[str, Any]
    """What a value must be, as JSON Schema."""

ValueT_co = TypeVar("ValueT_co", covariant=True)

MOST_SETS = 2
"""The firmware takes at most this many certificates or keys of one name."""


class Completes(enum.Enum):
    """What a shell can complete for an option, or for a word of a look-up."""

    NOTHING = "nothing"
    FILES = "files"
    FIRMWARE = "releases, and files"
    BOARDS = "boards, and files"
    MODULES = "AT modules"
    PARAMETERS = "names of factory parameters"
    CERTIFICATES = "names of certificates and keys"
    PARTITIONS = "names of partitions"
    CONTENT = "names of partitions for content"
    PORTS = "serial ports"
    KNOWN_BOARDS = "boards that are one, and files"
    CHIPS = "chips"
    CODES = "codes of errors and warnings"
    PROJECT_FILES = "project files"

    @property
    def has_files(self) -> bool:
        """Whether the path of a file can be given instead."""
        return self in _WITH_FILES


_WITH_FILES = (
    Completes.FILES,
    Completes.FIRMWARE,
    Completes.BOARDS,
    Completes.KNOWN_BOARDS,
    Completes.PROJECT_FILES,
)


class WrongKindError(FormatError):
    """An option's value isn't what its kind takes; `Option` puts the option's example into the hint."""


class Given(NamedTuple):
    """What one layer gives for an option."""

    node: Node
    base: Path
    """The folder at which relative paths of the layer start."""


class Named(NamedTuple):
    """A path as the user wrote it, and the path on this machine."""

    text: Text
    path: Path


class Reader(Protocol):
    """Reads the files that options name. Each method raises `EspAtError`, naming the option's place."""

    def file(self, named: Named) -> InputFile:
        """Return a file."""

    def file_or_folder(self, named: Named) -> InputFile | InputFolder:
        """Return a file, or a folder with all of its files."""

    def firmware(self, named: Named) -> Firmware:
        """Return where the firmware package is; a path exists."""


class Kind(ABC, Generic[ValueT_co]):
    """What an option takes, and the value that it becomes."""

    expected: str
    """What the option must be, in error messages."""
    metavar: str | None = None
    """How a command line shows the value; None: the option's name."""
    repeated = False
    """Whether a command line may give it several times."""
    is_switch = False
    """Whether a command line takes its name alone."""
    completes = Completes.NOTHING

    def node(self, text: str, where: Place, example: str) -> Node:  # noqa: ARG002 - mappings use it
        """Return the nodes of an option that a host gives as text. Raises `FormatError`."""
        return Text(text, where)

    @abstractmethod
    def unset(self) -> ValueT_co:
        """Return the value where no layer gives the option."""

    @abstractmethod
    def value(self, name: str, given: Sequence[Given], read: Reader) -> ValueT_co:
        """Return the value from at least one layer; the strongest is the last. Raises `EspAtError`."""

    def inputs(self, name: str, given: Sequence[Given]) -> Iterable[Path]:  # noqa: ARG002 - files use it
        """Return the files and folders that `value` reads. Raises `FormatError`."""
        return ()

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:  # noqa: ARG002 - names use it
        """Return what ``esp_at.yml`` may have for the option; ``known``: the names that there are of a kind."""
        return {"type": "string"}

    def wrong(self, node: Node, name: str) -> FormatError:
        """Return the error for a node that isn't what the kind takes."""
        if isinstance(node, Text) and (hint := without_space(node.text)):
            return FormatError(
                "option-invalid", f"{name} must be {self.expected}", where=node.where, hint=hint, option=name
            )
        return WrongKindError(
            "option-invalid",
            f"{name} must be {self.expected}",
            where=place_of(node),
            hint=f"write {setting(name, self.metavar or 'VALUE')}",
            option=name,
        )


# --- single values ---


class TextKind(Kind["Text | None"]):
    """A text."""

    expected = "text"

    def __init__(self, completes: Completes = Completes.NOTHING, metavar: str | None = None) -> None:
        self.completes = completes
        self.metavar = metavar

    def unset(self) -> None:
        """Return None."""

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Text:  # noqa: ARG002 - there is no file
        """Return the last text."""
        return [_text(self, node, name) for node, _ in given][-1]


class SpeedKind(Kind["Speed | None"]):
    """A speed in baud."""

    expected = "a number"

    def unset(self) -> None:
        """Return None."""

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Speed:  # noqa: ARG002 - there is no file
        """Return the last number, which is above 0."""
        text = [_text(self, node, name) for node, _ in given][-1]
        if (baud := text.number()) <= 0:
            raise FormatError(
                "upload-speed-invalid",
                f"{name} must be above 0, not {baud}",
                where=text.where,
                hint=f"write {setting(name, str(UPLOAD_BAUD))}",
                baud=baud,
            )
        return Speed(baud, text.where)

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:  # noqa: ARG002 - there is no name
        """Return a number above 0."""
        return {"anyOf": [{"type": "integer", "minimum": 1}, _NUMBER_AS_TEXT]}


_NUMBER_AS_TEXT = {"type": "string", "pattern": r"^\s*(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)\s*$"}
"""What `Text.number` reads, in quotes; without, a number is one of YAML."""


class SwitchKind(Kind[bool]):
    """Yes or no; on a command line, the name alone means yes."""

    expected = "true or false"
    metavar = "true"
    is_switch = True

    def unset(self) -> bool:
        """Return no."""
        return False

    def value(self, name: str, given: Sequence[Given], read: Reader) -> bool:  # noqa: ARG002 - there is no file
        """Return the last one."""
        text = [_text(self, node, name) for node, _ in given][-1]
        if text.text.lower() not in _SWITCHES:
            raise self.wrong(text, name)
        return _SWITCHES[text.text.lower()]

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:  # noqa: ARG002 - there is no name
        """Return true or false, or the words for it; those of YAML 1.1 are texts in YAML 1.2."""
        words = (word for word in _SWITCHES if word.isalpha())
        any_case = "|".join("".join(f"[{letter.upper()}{letter}]" for letter in word) for word in words)
        return {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": f"^({any_case}|0|1)$"}]}


_SWITCHES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
"""The words of YAML, and those that PlatformIO takes."""


class ChoiceKind(Kind["str | None"]):
    """One of a few words; an underscore does for a hyphen, as in older versions of esptool."""

    def __init__(self, *choices: str) -> None:
        self._choices = choices
        self.expected = " or ".join(choices)
        self.metavar = "|".join(choices)

    def unset(self) -> None:
        """Return None."""

    def value(self, name: str, given: Sequence[Given], read: Reader) -> str:  # noqa: ARG002 - there is no file
        """Return the last one."""
        text = [_text(self, node, name) for node, _ in given][-1]
        word = text.text.replace("_", "-")
        if word not in self._choices:
            raise self.wrong(text, name)
        return word

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:  # noqa: ARG002 - they are known here
        """Return the words, and those with underscores."""
        underscores = "|".join(word.replace("-", "[-_]") for word in self._choices)
        return {"anyOf": [{"enum": list(self._choices)}, {"type": "string", "pattern": f"^({underscores})$"}]}


class BoardKind(Kind["Text | None"]):
    """A board's id, or the path of its JSON file."""

    expected = "a board's id, or the path of its JSON file"
    completes = Completes.BOARDS

    def unset(self) -> None:
        """Return None."""

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Text:  # noqa: ARG002 - boards are read later
        """Return the last id, or the path of the JSON file, resolved from the folder of its layer."""
        boards = [_text(self, node, name) for node, _ in given]
        return _resolved(self, boards[-1], given[-1].base, name)

    def inputs(self, name: str, given: Sequence[Given]) -> Iterable[Path]:
        """Return the board's JSON file."""
        text = _text(self, given[-1].node, name)
        return [_named(self, text, given[-1].base, name).path] if is_board_file(text.text) else []


class FirmwareKind(Kind["Firmware | None"]):
    """A firmware package."""

    expected = "a path, a URL or the name of a release"
    metavar = "RELEASE|PATH|URL"
    completes = Completes.FIRMWARE

    def unset(self) -> None:
        """Return None."""

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Firmware:
        """Return the last one; a path must exist."""
        return read.firmware([_named(self, node, base, name) for node, base in given][-1])

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:
        """Return a text; releases are examples of it."""
        return {"type": "string", "examples": list(known(self.completes))}


class PathKind(Kind["InputFile | None"]):
    """A file."""

    expected = "a path"
    metavar = "PATH"
    completes = Completes.FILES

    def unset(self) -> None:
        """Return None."""

    def value(self, name: str, given: Sequence[Given], read: Reader) -> InputFile:
        """Return the last file."""
        return read.file([_named(self, node, base, name) for node, base in given][-1])

    def inputs(self, name: str, given: Sequence[Given]) -> Iterable[Path]:
        """Return the last file."""
        return [_named(self, given[-1].node, given[-1].base, name).path]


class FolderKind(Kind["Folder | None"]):
    """A folder, which may not exist."""

    expected = "a path"
    metavar = "FOLDER"
    completes = Completes.FILES

    def unset(self) -> None:
        """Return None."""

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Folder:  # noqa: ARG002 - a command looks at it
        """Return the last folder."""
        return Folder(*[_named(self, node, base, name) for node, base in given][-1])


class ModuleKind(Kind["Text | CustomModule | None"]):
    """An AT module's name, or a mapping that defines one."""

    expected = "a module's name, or a mapping that defines one"
    completes = Completes.MODULES

    def node(self, text: str, where: Place, example: str) -> Node:
        """Return a name, or the nodes of a mapping."""
        return parse_mapping(text, where, lists=False, example=example) if is_mapping(text) else Text(text, where)

    def unset(self) -> None:
        """Return None."""

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Text | CustomModule:  # noqa: ARG002
        """Return the last one."""
        return [self._module(node, name) for node, _ in given][-1]

    def _module(self, node: Node, name: str) -> Text | CustomModule:
        if isinstance(node, Text):
            return _text(self, node, name)
        if not isinstance(node, dict) or "name" not in node:
            raise FormatError(
                "module-not-named",
                "a module of your own needs a name",
                where=place_of(node),
                hint="write name: GATEWAY-7",
            )
        values = {key: _text(_TEXT, value, f"{name}.{key}") for key, value in node.items()}
        own_name = values.pop("name")
        if "based_on" not in values:
            raise FormatError(
                "module-not-based",
                f"module {own_name.text} doesn't name the module that it is based on",
                where=own_name.where,
                hint="add based_on: WROOM-32, or whichever is nearest; esp-at modules lists them",
            )
        return CustomModule(own_name, values.pop("based_on"), values)

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:
        """Return a name, or what defines a module; hardware and builds of one's own have other names than the known."""
        name = {"anyOf": [{"enum": list(known(Completes.MODULES))}, {"type": "string"}]}
        parameters = dict.fromkeys(known(Completes.PARAMETERS), _SCALAR)
        own = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "based_on": name, **parameters},
            "required": ["name", "based_on"],
            "additionalProperties": False,
        }
        return {"anyOf": [*name["anyOf"], own]}


_SCALAR = {"type": ["integer", "string"]}
"""A number, or a text."""


# --- lists and mappings ---


class NamesKind(Kind["tuple[Text, ...]"]):
    """A list of names; a stronger layer replaces the list."""

    expected = "a list of names"
    metavar = "NAME"
    repeated = True
    completes = Completes.PARTITIONS

    def node(self, text: str, where: Place, example: str) -> Node:  # noqa: ARG002
        """Return the names of a list."""
        return parse_names(text, where)

    def unset(self) -> tuple[Text, ...]:
        """Return no names."""
        return ()

    def value(self, name: str, given: Sequence[Given], read: Reader) -> tuple[Text, ...]:  # noqa: ARG002
        """Return the last list."""
        lists = [node if isinstance(node, tuple) else (node,) for node, _ in given]
        return [tuple(_text(self, item, name) for item in items) for items in lists][-1]

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:  # noqa: ARG002 - each project has its own
        """Return a list of names, or one of them."""
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}


class ValuesKind(Kind["Mapping[str, Text]"]):
    """A mapping of names to values; layers are merged, name by name."""

    expected = "a mapping of names to values"
    metavar = "NAME=VALUE"
    repeated = True
    completes = Completes.PARAMETERS

    def node(self, text: str, where: Place, example: str) -> Node:
        """Return the nodes of a mapping."""
        return parse_mapping(text, where, lists=False, example=example)

    def unset(self) -> Mapping[str, Text]:
        """Return no values."""
        return {}

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Mapping[str, Text]:  # noqa: ARG002
        """Return all values; a stronger layer's replaces a weaker one's."""
        values: dict[str, Text] = {}
        for node, _ in given:
            if not isinstance(node, dict):
                raise self.wrong(node, name)
            values |= {key: _text(_TEXT, value, f"{name}.{key}") for key, value in node.items()}
        return values

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:
        """Return a mapping with the known names."""
        properties = dict.fromkeys(known(self.completes), _SCALAR)
        return {"type": "object", "properties": properties, "additionalProperties": False}


class _FilesKind(Kind[ValueT_co]):
    """A mapping of names to files; layers are merged, name by name."""

    expected = "a mapping of names to files"
    metavar = "NAME=FILE"
    repeated = True

    def node(self, text: str, where: Place, example: str) -> Node:
        """Return the nodes of a mapping."""
        return parse_mapping(text, where, lists=True, example=example)

    def inputs(self, name: str, given: Sequence[Given]) -> Iterable[Path]:
        """Return all files."""
        return [named.path for files in self._paths(name, given).values() for named in files]

    def _paths(self, name: str, given: Sequence[Given]) -> dict[str, tuple[Named, ...]]:
        paths: dict[str, tuple[Named, ...]] = {}
        for node, base in given:
            if not isinstance(node, dict):
                raise self.wrong(node, name)
            for key, value in node.items():
                items = value if isinstance(value, tuple) else (value,)
                paths[key] = tuple(_named(_PATH, item, base, f"{name}.{key}") for item in items)
        return paths


class CertificatesKind(_FilesKind["Mapping[str, tuple[InputFile, ...]]"]):
    """A mapping of names to certificates and keys, at most two of one name."""

    completes = Completes.CERTIFICATES

    def unset(self) -> Mapping[str, tuple[InputFile, ...]]:
        """Return no files."""
        return {}

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Mapping[str, tuple[InputFile, ...]]:
        """Return all files."""
        return {key: tuple(self._files(key, paths, read)) for key, paths in self._paths(name, given).items()}

    @staticmethod
    def _files(key: str, paths: tuple[Named, ...], read: Reader) -> Iterator[InputFile]:
        if len(paths) > MOST_SETS:
            raise _too_many(key, paths, MOST_SETS, "one or two files")
        yield from map(read.file, paths)

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:
        """Return a mapping with the known names."""
        properties = dict.fromkeys(known(self.completes), _one_or(MOST_SETS))
        return {"type": "object", "properties": properties, "additionalProperties": False}


class ContentKind(_FilesKind["Mapping[str, InputFile | InputFolder]"]):
    """A mapping of partitions to a file or a folder each."""

    completes = Completes.CONTENT

    def unset(self) -> Mapping[str, InputFile | InputFolder]:
        """Return no content."""
        return {}

    def value(self, name: str, given: Sequence[Given], read: Reader) -> Mapping[str, InputFile | InputFolder]:
        """Return all files and folders."""
        content = {}
        for key, paths in self._paths(name, given).items():
            if len(paths) > 1:
                raise _too_many(key, paths, 1, "one file")
            content[key] = read.file_or_folder(paths[0])
        return content

    def schema(self, known: Callable[[Completes], Sequence[str]]) -> Schema:  # noqa: ARG002 - each project has its own
        """Return a mapping with any names."""
        return {"type": "object", "additionalProperties": _one_or(1)}


def _one_or(most: int) -> Schema:
    """Return a path, or a list of paths."""
    several = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most}
    return {"anyOf": [{"type": "string"}, several]}


_TEXT, _PATH = TextKind(), PathKind()
"""The kinds of the values in mappings."""


def _too_many(key: str, paths: Sequence[Named], most: int, takes: str) -> FormatError:
    surplus = ", ".join(path.text.text for path in paths[most:])
    return FormatError("too-many-files", f"{key} takes {takes}", where=paths[-1].text.where, hint=f"remove {surplus}")


# --- nodes to texts and paths ---


def _text(kind: Kind[object], node: Node, name: str) -> Text:
    if not isinstance(node, Text):
        raise kind.wrong(node, name)
    if not node.text:
        hint = "write one, or leave it out"
        raise FormatError("option-invalid", f"{name} has no value", where=node.where, hint=hint, option=name)
    return node


def _named(kind: Kind[object], node: Node, base: Path, name: str) -> Named:
    text = _text(kind, node, name)
    if "\0" in text.text:
        raise kind.wrong(node, name)
    try:
        path = base / Path(text.text).expanduser()
    except RuntimeError:
        problem = f"{name}: there is no user of {text.text}"
        hint = "write the whole path, such as /home/NAME/FILE, in place of the one with ~"
        raise FormatError("option-invalid", problem, where=text.where, hint=hint) from None
    return Named(text, path)


def _resolved(kind: Kind[object], text: Text, base: Path, name: str) -> Text:
    return Text(str(_named(kind, text, base, name).path), text.where) if is_board_file(text.text) else text


def is_board_file(board: str) -> bool:
    """Return whether a board is named by the path of its JSON file, and not by its id."""
    return board.lower().endswith(".json")
