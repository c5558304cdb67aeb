"""Reading a project from the disk: ``esp_at.yml``, and the files that its options name."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, Place, near_names, printable, setting
from platformio_esp_at.files import FileTooLargeError, file_mode, looked_for, read_file, reading_hint
from platformio_esp_at.formats.text_instead import lfs_pointer
from platformio_esp_at.request.nodes import Layer, parse_yaml, place_of_key, without_blanks, without_space
from platformio_esp_at.request.options import OPTIONS, unknown_option
from platformio_esp_at.request.values import PROJECT_FILE, Firmware, InputFile, InputFolder, Text
from platformio_esp_at.units import MAX_FLASH_SIZE, format_size
from platformio_esp_at.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from platformio_esp_at.request.kinds import Named

_MISNAMED_FILE = "esp_at.yaml"

_MAX_PROJECT_FILE_SIZE = 1 << 20
_MAX_ENTRIES = 10_000
"""Files and folders in a folder of the project: more than a flash of 16 MB can hold in blocks of 4 KB."""


def read_project(folder: Path, name: str = PROJECT_FILE) -> Layer:
    """Return the options in a project file, whose path from the project's folder is ``name``: none without such a file.

    Relative paths in it start at its own folder. Raises `FormatError` or `UnknownNameError`, naming the line.
    """
    file = folder / name
    if not os.path.lexists(file):
        if name == PROJECT_FILE and os.path.lexists(folder / _MISNAMED_FILE):
            raise EspAtError("misnamed-file", f"{_MISNAMED_FILE} is not read", hint=f"rename it to {PROJECT_FILE}")
        if _is_open(folder):
            return Layer(folder, {})
    text = InputFile(name, Place.at(file=name), _read(file, name, Place(), _MAX_PROJECT_FILE_SIZE)).text()
    return layer_of_text(text, file.parent, name)


def layer_of_text(text: str, folder: Path, name: str = PROJECT_FILE) -> Layer:
    """Return the options in the text of a project file, which is in this folder. Raises as `read_project`."""
    where = Place.at(file=name)
    root = parse_yaml(text, where, has_lines=True)
    if isinstance(root, Text) and not root.text:
        return Layer(folder, {})
    if not isinstance(root, dict):
        first = root.text.splitlines()[0] if isinstance(root, Text) else ""
        hint = without_space(first) or f"write NAME: VALUE in each line; known: {', '.join(OPTIONS)}"
        raise FormatError("options-file-invalid", "it must be a mapping of options", where=where, hint=hint)
    for key in root:
        if key not in OPTIONS:
            raise unknown_option(key, place_of_key(key, where))
    return Layer(folder, without_blanks(root))


def _is_open(folder: Path) -> bool:
    """Return whether we can search a folder: only then, a file that isn't found doesn't exist."""
    try:
        file_mode(folder / PROJECT_FILE)
    except OSError:
        return False
    return True


class Disk:
    """Reads the files that options name; the `Reader` of one request. Two different files never get the same label."""

    def __init__(self) -> None:
        self._seen: dict[str, bytes] = {}

    def file(self, named: Named) -> InputFile:
        """Return a file."""
        text, path = named
        data = _read(path, _label(text), text.where, MAX_FLASH_SIZE)
        return InputFile(self._distinct_label(_label(text), {"": data}), text.where, data)

    def file_or_folder(self, named: Named) -> InputFile | InputFolder:
        """Return a file, or a folder with all of its files."""
        if not os.path.isdir(named.path):  # noqa: PTH112 - Path.is_dir raises in a closed folder
            return self.file(named)
        text, path = named
        files = _Folder(text, path).read()
        inside = {f"/{name}": data for name, data in files.items()}
        return InputFolder(self._distinct_label(_label(text), inside), text.where, files)

    def firmware(self, named: Named) -> Firmware:
        """Return where the firmware package is; a path exists."""
        return _firmware(*named)

    def _distinct_label(self, label: str, files: Mapping[str, bytes]) -> str:
        """Return the label, with a number if another file has it already: names may be the same in two folders."""
        number, distinct = 1, label
        while any(self._seen.get(path, data) != data for path, data in _labelled(distinct, files)):
            number += 1
            distinct = f"{label} ({number})"
        self._seen.update(_labelled(distinct, files))
        return distinct


def _labelled(label: str, files: Mapping[str, bytes]) -> Iterable[tuple[str, bytes]]:
    return [((label.rstrip("/") if inside else label) + inside, data) for inside, data in files.items()]


def _label(text: Text) -> str:
    """Return the name of a file in the output; see `InputFile`."""
    path = Path(text.text)
    return printable(path.name if path.is_absolute() and path.name else text.text)


class _Folder:
    """A folder of the project with all that is in it; links must stay inside."""

    def __init__(self, text: Text, path: Path) -> None:
        self._label, self._where, self._path = _label(text), text.where, path
        self._root = Path(os.path.realpath(path))
        self._files: dict[str, bytes] = {}
        self._size = self._entries = 0

    def read(self) -> dict[str, bytes]:
        """Return the files by their relative paths. Raises `EspAtError`, naming the file, folder or link."""
        self._add("", (self._root,))
        return self._files

    def _add(self, inside: str, outer: tuple[Path, ...]) -> None:
        """Add what is in a folder; ``outer`` has the real paths of it and of all folders around it."""
        names: list[tuple[str, Path]] = []
        folders: list[tuple[str, Path]] = []
        for name in sorted(self._names(inside)):
            target = self._target(f"{inside}{name}", outer)
            (folders if os.path.isdir(target) else names).append((name, target))  # noqa: PTH112 - see `file_or_folder`
        for name, _ in names:
            self._add_file(f"{inside}{name}")
        for name, target in folders:
            self._add(f"{inside}{name}/", (*outer, target))

    def _names(self, inside: str) -> list[str]:
        """Return what is in a folder, without hidden files and folders."""
        try:
            with os.scandir(self._path / inside) as entries:
                names = [entry.name for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            hint = reading_hint(self._path / inside, error)
            raise self._problem("unreadable", inside.rstrip("/"), f"can't be read: {error.strerror}", hint) from None
        self._entries += len(names)
        if self._entries > _MAX_ENTRIES:
            problem = f"{self._label} has more than {_MAX_ENTRIES} files"
            hint = f"move what the module doesn't need out of {self._path}"
            raise EspAtError("file-too-large", problem, where=self._where, hint=hint)
        return names

    def _target(self, inside: str, outer: tuple[Path, ...]) -> Path:
        """Return the real path of a file or folder. Raises `EspAtError` for a link that leads out, or in a circle."""
        try:
            target = (self._path / inside).resolve(strict=True)
        except FileNotFoundError:
            hint = "put the file there, or remove the link"
            raise self._problem("link-damaged", inside, "is a link to a file that doesn't exist", hint) from None
        except (OSError, RuntimeError):  # RuntimeError: up to Python 3.12
            raise self._problem("link-damaged", inside, "is a link to itself", "remove the link") from None
        if not target.is_relative_to(self._root):
            hint = f"copy what it leads to into {self._label}, or remove the link"
            raise self._problem("path-escapes", inside, "is a link that leads out of the folder", hint)
        if target in outer:
            raise self._problem("link-damaged", inside, "is a link to a folder that it is in", "remove the link")
        return target

    def _add_file(self, inside: str) -> None:
        data = _read(self._path / inside, f"{self._label.rstrip('/')}/{inside}", self._where, MAX_FLASH_SIZE)
        self._files[inside] = data
        self._size += len(data)
        if self._size > MAX_FLASH_SIZE:
            problem = f"{self._label} holds more than {format_size(MAX_FLASH_SIZE)}"
            hint = f"move what the module doesn't need out of {self._path}; {inside} is the first too many"
            raise EspAtError("file-too-large", problem, where=self._where, hint=hint)

    def _problem(self, code: str, inside: str, problem: str, hint: str) -> EspAtError:
        name = f"{self._label.rstrip('/')}/{inside}" if inside else self._label
        return EspAtError(code, f"{name} {problem}", where=self._where, hint=hint)


def _read(path: Path, label: str, where: Place, limit: int) -> bytes:
    """Return the content of a file of at most ``limit`` bytes. Raises `EspAtError`."""
    try:
        data = read_file(path, limit)
    except FileNotFoundError:
        hint = looked_for(path)
        if "," in label:
            hint += "; a list of files is written [a.pem, b.pem]"
        raise EspAtError("file-not-found", f"{label} does not exist", where=where, hint=hint) from None
    except FileTooLargeError:
        hint = f"see whether it is the right file: ls -l {path}"
        raise EspAtError(
            "file-too-large", f"{label} is larger than {format_size(limit)}", where=where, hint=hint
        ) from None
    except OSError as error:
        problem = f"{label} can't be read: {error.strerror or error}"
        raise EspAtError("unreadable", problem, where=where, hint=reading_hint(path, error)) from None
    if pointer := lfs_pointer(data):
        raise EspAtError("git-lfs-pointer", f"{label} is {pointer.what}", where=where, hint=pointer.next_step)
    return data


def _firmware(text: Text, path: Path) -> Firmware:
    """Return where the firmware package is; a path exists. Raises `EspAtError`."""
    from platformio_esp_at.catalog.releases import is_release_name, package_named  # noqa: PLC0415 - see `_hint_for`

    if is_url(text.text) or is_release_name(text.text):
        return Firmware(text)
    what = f"firmware package {text.text!r}"
    try:
        mode = file_mode(path)
    except OSError as error:
        hint = reading_hint(path, error)
        raise EspAtError("unreadable", f"{what} can't be read: {error.strerror}", where=text.where, hint=hint) from None
    if mode is None:
        if package_named(text.text):
            return Firmware(text)
        hint = f"{looked_for(path)}\n{_hint_for(text.text)}"
        raise EspAtError("firmware-not-found", f"{what} does not exist", where=text.where, hint=hint)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        hint = f"name a zip, a folder or a release: {setting('firmware', OPTIONS['firmware'].example)}"
        raise EspAtError("not-a-file", f"{what} is neither a file nor a folder", where=text.where, hint=hint)
    return Firmware(text, path)


def _hint_for(firmware: str) -> str:
    """Return a hint for a path that doesn't exist."""
    # Every idf.py run imports this module for its list of options, and few runs need the releases: 11 ms.
    from platformio_esp_at.catalog.modules import LATEST  # noqa: PLC0415
    from platformio_esp_at.catalog.releases import near_package_names  # noqa: PLC0415

    if near_names(firmware, [LATEST]):
        return f"did you mean {LATEST}?"
    if near := near_package_names(firmware):
        return f"did you mean {' or '.join(near)}?"
    return "it is no release either: those are written v4.1.1.0; see esp-at releases"
