"""The request: what ``esp_at.yml`` and the host's options ask for, as one frozen value.

`OPTIONS` is the one list of options; every front end makes its own from it. Each source of options is a `Layer`; a
layer that comes later wins, and mappings (``factory_param``, ``pki``, ``data``) are merged key by key.
"""

from __future__ import annotations

import enum
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from platformio_esp_at.errors import EspAtError, FormatError, unknown_name
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PROJECT_FILE = "esp_at.yml"

MAX_FILE_SIZE = 16 << 20
"""No file of a project is larger than the largest flash, in bytes."""

_MAX_PROJECT_FILE_SIZE = 1 << 20


class Kind(enum.Enum):
    """What an option takes."""

    TEXT = "text"
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


OPTIONS = (
    Option("firmware", Kind.PATH, "firmware package: a zip or folder as released, or an esp-at build folder"),
    Option("board", Kind.TEXT, "PlatformIO board that carries the AT module, or none (default: the project's board)"),
    Option("module", Kind.MODULE, "AT module, such as WROOM-32 (default: chosen for the board)"),
    Option("partitions", Kind.PATH, "CSV of the user partition table (default: the firmware package's own)"),
    Option("factory_param", Kind.VALUES, "factory parameters, such as uart_tx_pin=17"),
    Option("pki", Kind.FILES, "certificates and keys, PEM or DER, such as mqtt_ca=certs/ca.pem"),
    Option("gatts", Kind.PATH, "CSV of the Bluetooth LE services"),
    Option("data", Kind.FILES, "content of partitions of your own, such as my_partition=table.bin"),
    Option("skip", Kind.NAMES, "partitions that are not written, such as ble_data"),
    Option("port", Kind.TEXT, "serial port of the AT module's download interface"),
    Option("baud", Kind.TEXT, "speed of that port while flashing"),
)

_OPTIONS = {option.name: option for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class Text:
    """A value as the user wrote it, and where: ``esp_at.yml:3``, ``custom_at_module``, ``--module``."""

    text: str
    where: str

    def number(self) -> int:
        """Return it as a whole number, decimal or 0x hex. Raises `FormatError`."""
        try:
            return int(self.text, 0)
        except ValueError:
            raise FormatError(f"{self.text!r} is not a whole number", where=self.where) from None


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of the project, read: ``label`` is its path as the user wrote it."""

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
class CustomModule:
    """A module of the user's own: another one's factory parameters (``based_on``), and what differs."""

    name: Text
    based_on: Text | None
    values: Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class Request:
    """All that a project asks for. What is None or empty stays as the firmware package has it."""

    firmware: Path
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
    if not file.is_file():
        return Layer(folder, {})
    text = _read(file, PROJECT_FILE, PROJECT_FILE, _MAX_PROJECT_FILE_SIZE).text()
    root = _parse_yaml(text, PROJECT_FILE)
    if isinstance(root, Text) and not root.text:
        return Layer(folder, {})
    if not isinstance(root, dict):
        raise FormatError("it must be a mapping of options", where=PROJECT_FILE, hint=f"known: {', '.join(_OPTIONS)}")
    for name, node in root.items():
        if name not in _OPTIONS:
            raise unknown_name("option", name, _OPTIONS, where=_where_of(node, PROJECT_FILE))
    return Layer(folder, root)


def layer_of_options(options: Mapping[str, str], *, base: Path, spelling: Callable[[str], str]) -> Layer:
    """Return a host's options, given as text, as a layer; a blank one counts as not given.

    ``spelling`` returns what the host calls an option, for messages. Mappings are written as YAML or as lines of
    ``name = value``. Raises `FormatError` or `UnknownNameError`, naming the option.
    """
    nodes = {}
    for name, text in options.items():
        where = spelling(name)
        if name not in _OPTIONS:
            raise unknown_name("option", name, _OPTIONS, where=where)
        if text.strip():
            nodes[name] = _parse_option(text.strip(), _OPTIONS[name].kind, where)
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
        nodes[name] = (
            _parse_option(value, _OPTIONS[name].kind, where) if isinstance(value, str) else _plain(value, where)
        )
    return Layer(base, nodes)


def _plain(value: object, where: str) -> Node:
    """Return nodes for a value out of JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(inner, where) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(_plain(inner, where) for inner in value)
    return Text(str(value), where)


def option_text(layers: Iterable[Layer], name: str) -> Text | None:
    """Return the text of one option as the last layer that has it says; None where none has."""
    found = [_to_text(layer.options[name], layer.base, name) for layer in layers if name in layer.options]
    return found[-1] if found else None


def make_request(layers: Iterable[Layer]) -> Request:
    """Return what the layers ask for together, with the files that they name. A later layer wins.

    Raises `FormatError` or `EspAtError`, naming the option's place, for what is wrong or can't be read.
    """
    settings: dict[str, Any] = {}
    for layer in layers:
        for name, node in layer.options.items():
            value: Any = _READERS[_OPTIONS[name].kind](node, layer.base, name)
            merge = _OPTIONS[name].kind in (Kind.VALUES, Kind.FILES)
            settings[name] = {**settings.get(name, {}), **value} if merge else value
    if "firmware" not in settings:
        raise EspAtError("no firmware package is named", hint=_NAME_FIRMWARE)
    firmware: tuple[Text, Path] = settings.pop("firmware")
    for name in ("partitions", "gatts"):
        if name in settings:
            settings[name] = _read_input(*settings[name])
    if "pki" in settings:
        settings["pki"] = {name: _read_inputs(name, paths, 2) for name, paths in settings["pki"].items()}
    if "data" in settings:
        settings["data"] = {name: _read_data(name, paths) for name, paths in settings["data"].items()}
    port, baud = settings.pop("port", None), settings.pop("baud", None)
    settings.pop("board", None)  # decided before: the board's own options are a layer
    return Request(
        firmware=_existing(*firmware),
        port=port.text if port else None,
        baud=_speed(baud) if baud else None,
        **settings,
    )


def _speed(text: Text) -> int:
    if (baud := text.number()) <= 0:
        raise FormatError(f"baud must be above 0, not {baud}", where=text.where)
    return baud


_NAME_FIRMWARE = (
    f"write firmware: PATH into {PROJECT_FILE}, or custom_at_firmware = PATH into platformio.ini, "
    'or give --firmware PATH; the zips are listed in Espressif\'s ESP-AT guide under "Released Firmware"'
)


def _existing(text: Text, path: Path) -> Path:
    if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for a name that is too long, up to Python 3.11
        kind = "a URL or a release" if re.match(r"\w+://|v\d|latest$", text.text) else "a file or folder"
        hint = f"looked for {path}"
        if kind != "a file or folder":
            hint = "download the zip, and name its path"
        raise EspAtError(f"firmware package {text.text!r} is not there", where=text.where, hint=hint)
    return path


# --- YAML and option text -> nodes ---


def _parse_yaml(text: str, where: str) -> Node:
    """Return the nodes of a YAML text; every scalar stays text, so that ``country_code: NO`` is not a truth value."""
    import yaml  # noqa: PLC0415 - 15 ms that only a run with options needs

    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FormatError(f"not YAML: {error.problem or error}", where=_at_line(where, line)) from None
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


def _parse_option(text: str, kind: Kind, where: str) -> Node:
    if kind is Kind.NAMES:
        return tuple(Text(name, where) for name in re.split(r"[\s,\[\]]+", text) if name)
    if kind in (Kind.TEXT, Kind.PATH) or (kind is Kind.MODULE and not re.search(r"[\n{=]", text)):
        return Text(text, where)
    lines = text.splitlines()
    if all(re.match(r"[\w.-]+\s*=", line.strip()) for line in lines if line.strip()):
        pairs = (line.partition("=") for line in lines if line.strip())
        return {name.strip(): _listed(value.strip(), where) for name, _, value in pairs}
    return _parse_yaml(text, where)


def _listed(text: str, where: str) -> Node:
    """Return ``a, b`` as a list, anything else as text."""
    parts = [part.strip() for part in text.split(",")]
    return tuple(Text(part, where) for part in parts) if len(parts) > 1 else Text(text, where)


# --- nodes -> typed settings ---


def _where_of(node: Node, default: str) -> str:
    while not isinstance(node, Text):
        inner = list(node.values()) if isinstance(node, dict) else list(node)
        if not inner:
            return default
        node = inner[0]
    return node.where


def _wrong(node: Node, name: str, kind: Kind) -> FormatError:
    return FormatError(f"{name} must be {kind.value}", where=_where_of(node, name))


def _to_text(node: Node, _base: Path, name: str) -> Text:
    if not isinstance(node, Text) or not node.text:
        raise _wrong(node, name, Kind.TEXT)
    return node


def _to_path(node: Node, base: Path, name: str) -> tuple[Text, Path]:
    text = _to_text(node, base, name)
    if "\0" in text.text:
        raise _wrong(node, name, Kind.PATH)
    try:
        return text, base / Path(text.text).expanduser()
    except RuntimeError:
        raise FormatError(f"{name}: there is no user of {text.text}", where=text.where) from None


def _to_names(node: Node, base: Path, name: str) -> tuple[Text, ...]:
    items = node if isinstance(node, tuple) else (node,)
    return tuple(_to_text(item, base, name) for item in items)


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


_READERS = {
    Kind.TEXT: _to_text,
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
    if len(paths) == 1 and paths[0][1].is_dir():
        return _read_folder(*paths[0])
    return _read_inputs(name, paths, 1)[0]


def _read_folder(text: Text, path: Path) -> InputFolder:
    files: dict[str, bytes] = {}
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            file = Path(folder, name)
            inside = file.relative_to(path).as_posix()
            files[inside] = _read(file, f"{text.text.rstrip('/')}/{inside}", text.where, MAX_FILE_SIZE).data
            if sum(map(len, files.values())) > MAX_FILE_SIZE:
                raise EspAtError(f"{text.text} holds more than {format_size(MAX_FILE_SIZE)}", where=text.where)
    return InputFolder(text.text, text.where, files)


def _read_input(text: Text, path: Path) -> InputFile:
    return _read(path, text.text, text.where, MAX_FILE_SIZE)


def _read(path: Path, label: str, where: str, limit: int) -> InputFile:
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError:
        raise EspAtError(f"{label} is not there", where=where, hint=f"looked for {path}") from None
    except IsADirectoryError:
        raise EspAtError(f"{label} is a folder, a file is needed", where=where) from None
    except (OSError, ValueError) as error:
        raise EspAtError(f"{label} can't be read: {error}", where=where) from None
    if len(data) > limit:
        raise EspAtError(f"{label} is larger than {format_size(limit)}", where=where)
    return InputFile(label, where, data)
