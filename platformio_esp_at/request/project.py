"""The request: what ``esp_at.yml`` and the host's options ask for, as one frozen value.

`OPTIONS` is the one list of options; every front end makes its own from it. Each source of options is a `Layer`; a
layer that comes later wins, and mappings (``factory_param``, ``pki``, ``data``) are merged key by key.
"""

from __future__ import annotations

import difflib
import enum
import os
import re
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from platformio_esp_at.errors import EspAtError, FormatError, located, printable, unknown_name
from platformio_esp_at.files import file_mode, looked_for, open_regular
from platformio_esp_at.units import format_size, parse_number
from platformio_esp_at.urls import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PROJECT_FILE = "esp_at.yml"
_MISNAMED_FILE = "esp_at.yaml"

MAX_FILE_SIZE = 16 << 20
"""No file of a project is larger than the largest flash, in bytes."""

_MAX_PROJECT_FILE_SIZE = 1 << 20


class Kind(enum.Enum):
    """What an option takes."""

    TEXT = "text"
    FIRMWARE = "a path, an address or the name of a release"
    BOARD = "a board's id, or the path of its JSON file"
    PATH = "a path"
    NAMES = "a list of names"
    VALUES = "a mapping of names to values"
    FILES = "a mapping of names to files"
    MODULE = "a module's name, or a mapping that defines one"


@dataclass(frozen=True, slots=True)
class Option:
    """An option of every front end: a key of ``esp_at.yml``, ``custom_at_<name>``, ``--<name>``."""

    name: str
    kind: Kind
    help: str
    example: str
    """A value as ``esp_at.yml`` has it; a host takes the same text."""


OPTIONS = (
    Option(
        "firmware",
        Kind.FIRMWARE,
        "firmware package: a release (v4.1.1.0, latest), a zip or folder as released, its address, or an esp-at build "
        "folder",
        "v4.1.1.0",
    ),
    Option(
        "board",
        Kind.BOARD,
        "PlatformIO board that carries the AT module, its JSON file, or none (default: the project's board)",
        "esp32dev",
    ),
    Option("module", Kind.MODULE, "AT module, such as WROOM-32 (default: chosen for the board)", "WROOM-32"),
    Option(
        "partitions",
        Kind.PATH,
        "CSV of the user partition table (default: the firmware package's own)",
        "at_customize.csv",
    ),
    Option("factory_param", Kind.VALUES, "factory parameters, such as uart_tx_pin=17", "{uart_tx_pin: 17}"),
    Option(
        "pki",
        Kind.FILES,
        "certificates and keys, PEM or DER, such as mqtt_ca=certs/ca.pem; two of them as client_cert=[a.pem, b.pem]",
        "{mqtt_ca: certs/ca.pem}",
    ),
    Option("gatts", Kind.PATH, "CSV of the Bluetooth LE services", "gatts_data.csv"),
    Option(
        "data",
        Kind.FILES,
        "content of partitions of your own, such as my_partition=table.bin",
        "{my_partition: table.bin}",
    ),
    Option("skip", Kind.NAMES, "partitions that are not written, such as ble_data", "[ble_data, wpa2_ca]"),
    Option("port", Kind.TEXT, "serial port of the AT module's download interface", "/dev/ttyUSB1"),
    Option("baud", Kind.TEXT, "speed of that port while flashing", "460800"),
)

_OPTIONS = {option.name: option for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class Text:
    """A value as the user wrote it, and where: ``esp_at.yml:3``, ``custom_at_module``, ``--module``."""

    text: str
    where: str

    def number(self) -> int:
        """Return it as a whole number, decimal or 0x hex. Raises `FormatError`."""
        with located(self.where):
            return parse_number(self.text)


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the project, read.

    ``label`` is its path as the user wrote it, without the folders of an absolute one: what is made of a project tells
    nothing of the machine. `make_request` gives no label to two different files.
    """

    label: str
    where: str
    data: bytes = field(repr=False)

    def text(self) -> str:
        """Return it as UTF-8 text. Raises `FormatError`."""
        try:
            return self.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.data[: error.start].count(b"\n") + 1
            raise FormatError("not UTF-8 text", where=f"{self.label}:{line}") from None


@dataclass(frozen=True, slots=True)
class InputFolder:
    """A folder of the project, read: its files by their paths in it, with ``/``."""

    label: str
    where: str
    files: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Firmware:
    """Where a project takes its firmware package from."""

    text: Text
    path: Path | None = None
    """The zip or folder, which is there; None where ``text`` is an address, or the name of a release or a package."""


@dataclass(frozen=True, slots=True)
class CustomModule:
    """A module of the user's own: another one's factory parameters (``based_on``), and what differs."""

    name: Text
    based_on: Text | None
    values: Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Request:
    """All that a project asks of its firmware package. What is None or empty stays as that has it."""

    module: Text | CustomModule | None = None
    partitions: InputFile | None = None
    factory_param: Mapping[str, Text] = field(default_factory=dict)
    pki: Mapping[str, tuple[InputFile, ...]] = field(default_factory=dict)
    gatts: InputFile | None = None
    data: Mapping[str, InputFile | InputFolder] = field(default_factory=dict)
    skip: tuple[Text, ...] = ()
    port: str | None = None
    baud: int | None = None


Node: TypeAlias = "Text | tuple[Node, ...] | dict[str, Node]"


@dataclass(frozen=True, slots=True)
class Layer:
    """Options from one source; relative paths in it start at ``base``."""

    base: Path
    options: Mapping[str, Node]


def read_project(folder: Path) -> Layer:
    """Return the options in a project's ``esp_at.yml``: none where it has no such file.

    Raises `FormatError` or `UnknownNameError`, naming the line.
    """
    file = folder / PROJECT_FILE
    if not os.path.lexists(file):
        if os.path.lexists(folder / _MISNAMED_FILE):
            raise EspAtError(f"{_MISNAMED_FILE} is not read", hint=f"rename it to {PROJECT_FILE}")
        if _is_open(folder):
            return Layer(folder, {})
    text = _read(file, PROJECT_FILE, None, _MAX_PROJECT_FILE_SIZE).text()
    root = _parse_yaml(text, PROJECT_FILE)
    if isinstance(root, Text) and not root.text:
        return Layer(folder, {})
    if not isinstance(root, dict):
        raise FormatError("it must be a mapping of options", where=PROJECT_FILE, hint=f"known: {', '.join(_OPTIONS)}")
    for name, node in root.items():
        if name not in _OPTIONS:
            raise unknown_name("option", name, _OPTIONS, where=_where_of(node, PROJECT_FILE))
    return Layer(folder, _given(root))


def _is_open(folder: Path) -> bool:
    """Return whether a folder can be looked into, so that what isn't seen there isn't there."""
    try:
        file_mode(folder / PROJECT_FILE)
    except OSError:
        return False
    return True


def _given(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """Return the options without those that a file names and leaves blank: they count as not given."""
    return {
        name: node
        for name, node in nodes.items()
        if not isinstance(node, Text) or node.text.strip().lower() not in ("", "~", "null")
    }


def layer_of_options(options: Mapping[str, str], *, base: Path, spelling: Callable[[str], str]) -> Layer:
    """Return a host's options, given as text, as a layer; a blank one counts as not given.

    ``spelling`` returns what the host calls an option, for messages. Mappings are written as YAML or as lines of
    ``name = value``; a list of files as ``[a, b]`` in both, and nothing else splits a path. Raises `FormatError` or
    `UnknownNameError`, naming the option.
    """
    nodes = {}
    for name, text in options.items():
        where = spelling(name)
        if name not in _OPTIONS:
            raise unknown_name("option", name, _OPTIONS, where=where)
        if text.strip():
            nodes[name] = _parse_option(text.strip(), _OPTIONS[name], where)
    return Layer(base, nodes)


def layer_of_board(board_id: str, options: Mapping[str, object], *, base: Path) -> Layer:
    """Return the options in the ``at`` block of a board's JSON, but for ``module`` and ``chip``, as a layer.

    Raises `UnknownNameError` or `FormatError`, naming the board.
    """
    where = f"board {board_id}, at"
    nodes: dict[str, Node] = {}
    for name, value in options.items():
        if name in ("module", "chip") or value is None:
            continue  # which module the board carries, `catalog.boards` reads
        if name not in _OPTIONS:
            raise unknown_name("option", name, _OPTIONS, where=where)
        blank = isinstance(value, str) and not value.strip()
        if isinstance(value, str) and not blank:
            nodes[name] = _parse_option(value.strip(), _OPTIONS[name], where)
        elif not blank:
            nodes[name] = _plain(value, where)
    return Layer(base, _given(nodes))


def _plain(value: object, where: str) -> Node:
    """Return nodes for a value out of JSON."""
    if value in ([], {}):
        return Text("", where)
    if isinstance(value, dict):
        return {str(key): _plain(inner, where) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(_plain(inner, where) for inner in value)
    return Text(str(value), where)


def option_text(layers: Iterable[Layer], name: str) -> Text | None:
    """Return the text of one option as the last layer that has it says; None where none has.

    The path of a board's JSON file starts at the folder of its layer.
    """
    read = _READERS[_OPTIONS[name].kind]
    found = [read(layer.options[name], layer.base, name) for layer in layers if name in layer.options]
    return found[-1] if found else None


def make_request(layers: Iterable[Layer]) -> Request:
    """Return what the layers ask for together, with the files that they name. A later layer wins.

    Raises `FormatError` or `EspAtError`, naming the option's place, for what is wrong or can't be read.
    """
    settings = _merged(layers)
    for name in ("partitions", "gatts"):
        if name in settings:
            settings[name] = _read_input(*settings[name])
    if "pki" in settings:
        settings["pki"] = {name: _read_inputs(name, paths, 2) for name, paths in settings["pki"].items()}
    if "data" in settings:
        settings["data"] = {name: _read_data(name, paths) for name, paths in settings["data"].items()}
    port, baud = settings.pop("port", None), settings.pop("baud", None)
    for name in ("firmware", "board"):
        settings.pop(name, None)  # see `firmware_of`; the board's own options are a layer by now
    _tell_apart(settings)
    return Request(
        port=port.text if port else None,
        baud=_speed(baud) if baud else None,
        **settings,
    )


def firmware_of(layers: Iterable[Layer]) -> Firmware:
    """Return where these layers take the firmware package from; a later one wins.

    Raises `EspAtError` where none names it, and for a path where nothing is.
    """
    settings = _merged(layers)
    if "firmware" not in settings:
        raise EspAtError("no firmware package is named", hint=_NAME_FIRMWARE)
    return _firmware(*settings["firmware"])


def input_paths(layers: Iterable[Layer]) -> tuple[Path, ...]:
    """Return the files and folders that `make_request` reads for these layers, without the firmware package."""
    layers = tuple(layers)
    settings = _merged(layers)
    pairs = [settings[name] for name in ("partitions", "gatts") if name in settings]
    pairs += [pair for name in ("pki", "data") for files in settings.get(name, {}).values() for pair in files]
    board = option_text(layers, "board")
    own_board = [Path(board.text)] if board and is_board_file(board.text) else []
    return (*(path for _, path in pairs), *own_board)


def _merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """Return each option's value, its paths not read yet."""
    settings: dict[str, Any] = {}
    for layer in layers:
        for name, node in layer.options.items():
            value: Any = _READERS[_OPTIONS[name].kind](node, layer.base, name)
            merge = _OPTIONS[name].kind in (Kind.VALUES, Kind.FILES)
            settings[name] = {**settings.get(name, {}), **value} if merge else value
    return settings


def _speed(text: Text) -> int:
    if (baud := text.number()) <= 0:
        raise FormatError(f"baud must be above 0, not {baud}", where=text.where)
    return baud


_NAME_FIRMWARE = (
    f"write firmware: latest into {PROJECT_FILE}, or custom_at_firmware = latest into platformio.ini, "
    "or give --firmware latest; esp-at releases lists what else there is, and the path of a zip will do, too"
)


def _firmware(text: Text, path: Path) -> Firmware:
    """Return where the firmware package is, which is there if it is a path. Raises `EspAtError`."""
    from platformio_esp_at.catalog.releases import is_release_name, package_named  # noqa: PLC0415 - see `_meant`

    if is_address(text.text) or is_release_name(text.text):
        return Firmware(text)
    what = f"firmware package {text.text!r}"
    try:
        mode = file_mode(path)
    except OSError as error:
        raise EspAtError(f"{what} can't be read: {error.strerror}", where=text.where) from None
    if mode is None:
        if package_named(text.text):
            return Firmware(text)
        raise EspAtError(f"{what} is not there", where=text.where, hint=f"{looked_for(path)}\n{_meant(text.text)}")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise EspAtError(f"{what} is neither a file nor a folder", where=text.where)
    return Firmware(text, path)


def _meant(firmware: str) -> str:
    """Return what may be meant by a path that isn't there."""
    # Every idf.py loads this module for its list of options, and few of them ask for a release: 11 ms.
    from platformio_esp_at.catalog.modules import LATEST  # noqa: PLC0415
    from platformio_esp_at.catalog.releases import near_package_names  # noqa: PLC0415

    if difflib.get_close_matches(firmware.lower(), [LATEST], cutoff=0.7):
        return f"did you mean {LATEST}?"
    return near_package_names(firmware) or "it is no release either: those are written v4.1.1.0; see esp-at releases"


# --- YAML and option text -> nodes ---


def _parse_yaml(text: str, where: str) -> Node:
    """Return the nodes of a YAML text; every scalar stays text, so that ``country_code: NO`` is not a truth value."""
    import yaml  # noqa: PLC0415 - 15 ms that only a run with options needs

    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FormatError(f"not YAML: {error.problem or error}", where=_at_line(where, line)) from None
    except yaml.reader.ReaderError as error:
        raise FormatError(f"not YAML: the character U+{error.character:04X} can't be in it", where=where) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise FormatError(f"not YAML: {error}", where=where) from None
    return Text("", where) if node is None else _node(node, where, set())


def _node(node: Any, where: str, seen: set[int]) -> Node:  # noqa: ANN401 - PyYAML's nodes have no useful types
    place = _at_line(where, node.start_mark.line + 1)
    if node.id == "scalar":
        return Text(node.value, place)
    if id(node) in seen:
        raise FormatError("YAML aliases are not supported here", where=place)
    seen.add(id(node))
    if not node.value:
        return Text("", place)  # an empty list or mapping is as blank as no word at all
    if node.id == "sequence":
        return tuple(_node(item, where, seen) for item in node.value)
    mapping: dict[str, Node] = {}
    for key, value in node.value:
        line = _at_line(where, key.start_mark.line + 1)
        if key.id != "scalar":
            raise FormatError("a key must be a name", where=line)
        if key.value in mapping:
            raise FormatError(f"{key.value!r} is given twice", where=line)
        mapping[key.value] = _node(value, where, seen)
    return mapping


def _at_line(where: str, line: int) -> str:
    """Return a place in a file; options of a host have no lines."""
    return f"{where}:{line}" if where == PROJECT_FILE else where


_PAIR = re.compile(r"(?P<name>[\w.-]+)\s*=\s*(?P<value>.*)")


def _parse_option(text: str, option: Option, where: str) -> Node:
    kind = option.kind
    if kind is Kind.NAMES:
        return tuple(Text(name, where) for name in re.split(r"[\s,\[\]]+", text) if name)
    if kind in (Kind.TEXT, Kind.FIRMWARE, Kind.BOARD, Kind.PATH) or (
        kind is Kind.MODULE and not re.search(r"[\n{=]", text)
    ):
        return Text(text, where)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if text[0] not in "{[" and any(map(_PAIR.match, lines)):
        return _parse_pairs(lines, kind, where)
    node = _parse_yaml(text, where)
    if isinstance(node, Text) and re.fullmatch(r"[A-Za-z_][\w.-]*", text):
        example = option.example.strip("{}").partition(": ")[2]
        raise FormatError(f"{text} has no value", where=where, hint=f"write {text}={example}")
    return node


def _parse_pairs(lines: Iterable[str], kind: Kind, where: str) -> dict[str, Node]:
    """Return the nodes of lines ``name = value``."""
    pairs: dict[str, Node] = {}
    for line in lines:
        pair = _PAIR.match(line)
        if not pair:
            name, colon, value = line.partition(":")
            hint = f"write {name.strip()} = {value.strip()}" if colon else "write NAME = VALUE"
            raise FormatError(f"{line!r} is not name = value, as other lines are", where=where, hint=hint)
        name, value = pair["name"], pair["value"]
        if name in pairs:
            raise FormatError(f"{name!r} is given twice", where=where, hint=_hint_for_two(kind, name))
        is_list = kind is Kind.FILES and value.startswith("[")
        pairs[name] = _parse_yaml(value, where) if is_list else Text(value, where)
    return pairs


def _hint_for_two(kind: Kind, name: str) -> str | None:
    return f"for two files, write {name}=[a.pem, b.pem]" if kind is Kind.FILES else None


# --- nodes -> typed settings ---


def _where_of(node: Node, default: str) -> str:
    while not isinstance(node, Text):
        inner = list(node.values()) if isinstance(node, dict) else list(node)
        if not inner:
            return default
        node = inner[0]
    return node.where


def _wrong(node: Node, name: str, kind: Kind) -> FormatError:
    option = _OPTIONS.get(name)
    hint = f"write it as {option.example}" if option else None
    return FormatError(f"{name} must be {kind.value}", where=_where_of(node, name), hint=hint)


def _to_text(node: Node, _base: Path, name: str, kind: Kind = Kind.TEXT) -> Text:
    if not isinstance(node, Text):
        raise _wrong(node, name, kind)
    if not node.text:
        raise FormatError(f"{name} has no value", where=node.where, hint="write one, or leave it out")
    return node


def is_board_file(board: str) -> bool:
    """Return whether a board is named by the path of its JSON file, and not by its id."""
    return board.lower().endswith(".json")


def _to_board(node: Node, base: Path, name: str) -> Text:
    text = _to_text(node, base, name, Kind.BOARD)
    return Text(str(_to_path(text, base, name)[1]), text.where) if is_board_file(text.text) else text


def _to_firmware(node: Node, base: Path, name: str) -> tuple[Text, Path]:
    return _to_path(node, base, name, Kind.FIRMWARE)


def _to_path(node: Node, base: Path, name: str, kind: Kind = Kind.PATH) -> tuple[Text, Path]:
    text = _to_text(node, base, name, kind)
    if "\0" in text.text:
        raise _wrong(node, name, kind)
    try:
        return text, base / Path(text.text).expanduser()
    except RuntimeError:
        raise FormatError(f"{name}: there is no user of {text.text}", where=text.where) from None


def _to_names(node: Node, base: Path, name: str) -> tuple[Text, ...]:
    items = node if isinstance(node, tuple) else (node,)
    return tuple(_to_text(item, base, name, Kind.NAMES) for item in items)


def _to_values(node: Node, base: Path, name: str) -> dict[str, Text]:
    if not isinstance(node, dict):
        raise _wrong(node, name, Kind.VALUES)
    return {key: _to_text(value, base, f"{name}.{key}") for key, value in node.items()}


def _to_files(node: Node, base: Path, name: str) -> dict[str, tuple[tuple[Text, Path], ...]]:
    if not isinstance(node, dict):
        raise _wrong(node, name, Kind.FILES)
    return {
        key: tuple(_to_path(item, base, f"{name}.{key}") for item in (value if isinstance(value, tuple) else (value,)))
        for key, value in node.items()
    }


def _to_module(node: Node, base: Path, name: str) -> Text | CustomModule:
    if isinstance(node, Text):
        return _to_text(node, base, name)
    if not isinstance(node, dict) or "name" not in node:
        raise FormatError("a module of your own needs a name", where=_where_of(node, name))
    values = _to_values(node, base, name)
    return CustomModule(values.pop("name"), values.pop("based_on", None), values)


_READERS: Mapping[Kind, Callable[[Node, Path, str], Any]] = {
    Kind.TEXT: _to_text,
    Kind.FIRMWARE: _to_firmware,
    Kind.BOARD: _to_board,
    Kind.PATH: _to_path,
    Kind.NAMES: _to_names,
    Kind.VALUES: _to_values,
    Kind.FILES: _to_files,
    Kind.MODULE: _to_module,
}


# --- files ---


def _read_inputs(name: str, paths: tuple[tuple[Text, Path], ...], most: int) -> tuple[InputFile, ...]:
    if not 0 < len(paths) <= most:
        where = paths[-1][0].where if paths else None
        raise FormatError(f"{name} takes {'one file' if most == 1 else 'one or two files'}", where=where)
    return tuple(_read_input(text, path) for text, path in paths)


def _read_data(name: str, paths: tuple[tuple[Text, Path], ...]) -> InputFile | InputFolder:
    """Return the content of a partition: a file, or a folder for a file system."""
    if len(paths) == 1 and os.path.isdir(paths[0][1]):  # noqa: PTH112 - Path.is_dir raises in a closed folder
        return _read_folder(*paths[0])
    return _read_inputs(name, paths, 1)[0]


def _read_folder(text: Text, path: Path) -> InputFolder:
    def refuse(error: OSError) -> None:
        inside = f"{label}/{Path(error.filename).relative_to(path).as_posix()}".removesuffix("/.")
        raise EspAtError(f"{inside} can't be read: {error.strerror}", where=text.where) from None

    label = _label(text)
    files: dict[str, bytes] = {}
    for folder, folders, names in os.walk(path, onerror=refuse):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            file = Path(folder, name)
            inside = file.relative_to(path).as_posix()
            files[inside] = _read(file, f"{label.rstrip('/')}/{inside}", text.where, MAX_FILE_SIZE).data
            if sum(map(len, files.values())) > MAX_FILE_SIZE:
                raise EspAtError(f"{label} holds more than {format_size(MAX_FILE_SIZE)}", where=text.where)
    return InputFolder(label, text.where, files)


def _read_input(text: Text, path: Path) -> InputFile:
    return _read(path, _label(text), text.where, MAX_FILE_SIZE)


def _label(text: Text) -> str:
    """Return what a file is called in what is made of it: see `InputFile`."""
    path = Path(text.text)
    return printable(path.name if path.is_absolute() and path.name else text.text)


def _read(path: Path, label: str, where: str | None, limit: int) -> InputFile:
    try:
        with open_regular(path) as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError:
        hint = looked_for(path)
        if "," in label:
            hint += "; a list of files is written [a.pem, b.pem]"
        raise EspAtError(f"{label} is not there", where=where, hint=hint) from None
    except OSError as error:
        raise EspAtError(f"{label} can't be read: {error.strerror or error}", where=where) from None
    if len(data) > limit:
        raise EspAtError(f"{label} is larger than {format_size(limit)}", where=where)
    return InputFile(label, where or label, data)


def _tell_apart(settings: dict[str, Any]) -> None:
    """Give no label to two different files, as those of two folders may have the same."""
    seen: dict[str, bytes] = {}

    def told_apart(source: InputFile | InputFolder) -> InputFile | InputFolder:
        number, label = 1, source.label
        while any(seen.get(path, data) != data for path, data in content_of(source, label)):
            number += 1
            label = f"{source.label} ({number})"
        seen.update(content_of(source, label))
        return replace(source, label=label)

    def content_of(source: InputFile | InputFolder, label: str) -> Iterable[tuple[str, bytes]]:
        if isinstance(source, InputFile):
            return [(label, source.data)]
        return [(f"{label.rstrip('/')}/{path}", data) for path, data in source.files.items()]

    for name in ("partitions", "gatts"):
        if name in settings:
            settings[name] = told_apart(settings[name])
    if "pki" in settings:
        settings["pki"] = {name: tuple(map(told_apart, files)) for name, files in settings["pki"].items()}
    if "data" in settings:
        settings["data"] = {name: told_apart(source) for name, source in settings["data"].items()}
