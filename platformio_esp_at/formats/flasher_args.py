"""``flasher_args.json``: the same as `download.config`, and the chip, as ESP-IDF's build writes it.

Source: ESP-IDF ``components/esptool_py/flasher_args.json.in``. Keys and options are read with underscores or dashes.
"""

from __future__ import annotations

import json
from typing import Any

from platformio_esp_at.errors import FormatError, Place, located
from platformio_esp_at.formats.download_config import (
    SETTINGS,
    FlashArgs,
    FlashImage,
    distinct_images,
    flash_setting,
)
from platformio_esp_at.formats.esp_image import FlashSettings
from platformio_esp_at.units import format_offset, parse_size


def parse_flasher_args(text: str) -> FlashArgs:
    """Return the settings, images and chip of a ``flasher_args.json``. Raises `FormatError`, naming the key."""
    try:
        root = _object(json.loads(text, object_pairs_hook=_unique), "its root")
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(
            "flash-args-invalid",
            f"not JSON: {error}",
            hint="see where it breaks: python -m json.tool flasher_args.json",
        ) from None
    files = _object(root.get("flash_files"), "flash_files")
    images = []
    for offset, path in files.items():
        with located(key=f"flash_files.{offset}"):
            images.append(FlashImage(parse_size(offset), _text(path).replace("\\", "/")))
    if not images:
        raise FormatError(
            "flash-args-invalid",
            "it names no image",
            where=Place.at(key="flash_files"),
            hint='write {"0x8000": "partition_table/partition-table.bin", …}',
        )
    chip = _object(root.get("extra_esptool_args", {}), "extra_esptool_args").get("chip")
    with located(key="flash_files"):
        distinct = distinct_images(images)
    return FlashArgs(_settings(root), distinct, None if chip is None else _text(chip))


def format_flasher_args(args: FlashArgs) -> str:
    """Return ``args`` as JSON, in ESP-IDF's order of keys."""
    settings = {name: getattr(args.settings, name) for name in SETTINGS}
    root = {
        "write_flash_args": [word for name in SETTINGS for word in (f"--flash_{name}", settings[name])],
        "flash_settings": {f"flash_{name}": settings[name] for name in SETTINGS},
        "flash_files": {format_offset(image.offset): image.path for image in args.images},
        "extra_esptool_args": {"after": "hard_reset", "before": "default_reset", "stub": True, "chip": args.chip},
    }
    return json.dumps(root, indent=4) + "\n"


def _settings(root: dict[str, Any]) -> FlashSettings:
    if "flash_settings" in root:
        pairs = list(_object(root["flash_settings"], "flash_settings").items())
    else:
        words = root.get("write_flash_args", [])
        if not isinstance(words, list) or len(words) % 2:
            raise FormatError(
                "flash-args-invalid",
                "it must be a list of options and values",
                where=Place.at(key="write_flash_args"),
                hint='write ["--flash_mode", "dio", …]',
            )
        pairs = list(zip(words[::2], words[1::2], strict=True))
    with located(key="flash_settings"):
        return FlashSettings(**{flash_setting(_text(option)): _text(value) for option, value in pairs})


def _object(value: Any, key: str) -> dict[str, Any]:  # noqa: ANN401 - what json.loads gave
    """Return a JSON object with the dashes of its keys as underscores."""
    if not isinstance(value, dict):
        raise FormatError(
            "flash-args-invalid", "it must be an object", where=Place.at(key=key), hint=f'write "{key}": {{…}}'
        )
    return _unique([(name.replace("-", "_"), inner) for name, inner in value.items()])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; a key may be there twice with the same value. Raises `FormatError` for two values."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        first = found.setdefault(name, value)
        if first is not value and first != value:
            raise FormatError(
                "flash-args-invalid",
                f"the key {name} is there twice, with different values",
                hint=f"keep the {name} that is right, and remove the other one",
            )
    return found


def _text(value: Any) -> str:  # noqa: ANN401 - what json.loads gave
    if not isinstance(value, str):
        raise FormatError("flash-args-invalid", f"{value!r} must be text", hint=f'write it in double quotes: "{value}"')
    return value
