"""The text files that name images, decoded for ``esp-at inspect``: what they list, and whether it is there.

``download.config`` and ``flasher_args.json``, of a firmware package or an ESP-IDF build; the manifests of an image set
and of a backup, and the report of a run. Each is known by its content, whatever it is called.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from platformio_esp_at.errors import FormatError
from platformio_esp_at.files import file_mode, open_regular, sha256_of
from platformio_esp_at.formats.backup import MANIFEST as BACKUP_MANIFEST
from platformio_esp_at.formats.backup import Backup
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.flasher_args import parse_flasher_args
from platformio_esp_at.formats.text_instead import is_text
from platformio_esp_at.outputs.image_set import MANIFEST
from platformio_esp_at.units import MAX_FLASH_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from platformio_esp_at.formats.download_config import FlashArgs

Decoded: TypeAlias = "dict[str, Any]"

LISTS = (MANIFEST, BACKUP_MANIFEST)
"""Files that say what the folder is in which they are."""

_MAX_TEXT = 1 << 20
"""The largest of them, in bytes; those of real packages have some thousand."""
_FLASH_ARGS = re.compile(r"\s*(?:--flash[-_]|0[xX][0-9a-fA-F]+\s+\S)")
_FLASH_FILES = re.compile(r'"flash[-_]files"')
_GENERATOR = "platformio-esp-at"
_DEPTH = 8
"""More objects in each other than any of our files has."""


def text_artifact(data: bytes, folder: Path | None = None) -> Decoded | None:
    """Return a decoded text file; None where it is none of them. Raises `FormatError` for a damaged one.

    ``folder``: where it is, to look for the files that it lists; None where that isn't known.
    """
    if len(data) > _MAX_TEXT or not is_text(data):
        return None
    text = data.decode()
    if _FLASH_ARGS.match(text):
        return _flash_args("download_config", parse_download_config(text), folder)
    if not text.lstrip().startswith("{"):
        return None
    root = _json_object(text)
    if str(root.get("generator", "")).startswith(_GENERATOR):
        if "saved" in root:
            return _backup(data, folder)
        if "flash_settings" in root:
            return _image_set(root, folder)
        return {"kind": "run_report", **_plain(root)} if "ended" in root else None
    return _flash_args("flasher_args", parse_flasher_args(text), folder) if _FLASH_FILES.search(text) else None


def _json_object(text: str) -> dict[str, Any]:
    """Return a JSON object; an empty one for any other text."""
    try:
        root = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return {}
    return root if isinstance(root, dict) else {}


def _no_number(word: str) -> None:
    raise ValueError(word)


def _flash_args(kind: str, args: FlashArgs, folder: Path | None) -> Decoded:
    images = [{"offset": image.offset, "path": image.path} for image in args.images]
    return {
        "kind": kind,
        **({"chip": args.chip} if kind == "flasher_args" else {}),
        **{f"flash_{name}": value for name, value in args.settings._asdict().items()},
        "images": [row | _existence(str(row["path"]), folder) for row in images],
    }


def _existence(path: str, folder: Path | None) -> Decoded:
    if folder is None:
        return {}
    file = folder / path
    try:
        exists = file_mode(file) is not None
        return {"exists": exists, "size": file.stat().st_size if exists else None}
    except OSError:
        return {"exists": False, "size": None}


def _image_set(root: Decoded, folder: Path | None) -> Decoded:
    images = root.get("images")
    if not isinstance(images, list) or not all(
        isinstance(image, dict) and isinstance(image.get("path"), str) and isinstance(image.get("sha256"), str)
        for image in images
    ):
        raise _damaged("images is no list of objects with path and sha256")
    plain = _plain(root)
    plain["images"] = [row | _state(row["path"], row["sha256"], folder) for row in plain["images"]]
    return {"kind": "image_set", **plain}


def _backup(data: bytes, folder: Path | None) -> Decoded:
    manifest = asdict(Backup.from_bytes(data))
    saved: Iterable[Decoded] = manifest.pop("saved")
    rows = [row | _state(row["file"], row["sha256"], folder) for row in saved]
    return {"kind": "backup", **manifest, "saved": rows}


def _state(path: str, sha256: str, folder: Path | None) -> Decoded:
    """Return whether a listed file is as it was listed."""
    if folder is None:
        return {}
    try:
        with open_regular(folder / path) as stream:
            return {"state": "as listed" if sha256_of(stream, MAX_FLASH_SIZE) == sha256 else "differs"}
    except FileNotFoundError:
        return {"state": "missing"}
    except OSError as error:
        return {"state": f"can't be read: {error.strerror or error}"}


def _plain(root: Decoded) -> Decoded:
    """Return an object of a file without a ``kind`` of its own. Raises `FormatError` for one with too deep values."""
    if _depth_exceeds(root, _DEPTH):
        raise _damaged(f"more than {_DEPTH} objects are in each other")
    return {name: value for name, value in root.items() if name != "kind"}


def _depth_exceeds(value: object, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < 0 or any(_depth_exceeds(part, depth - 1) for part in inner)


def _damaged(what: str) -> FormatError:
    return FormatError(
        "manifest-damaged", f"the file is damaged: {what}", hint="make the image set again: esp-at package"
    )
