"""The files that a plan becomes: the image set, ``download.config``, ``flasher_args.json``, factory image, manifest.

The same plan gives the same bytes on every machine. A folder is written beside its final name and then put in place, so
that there is never half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformio_esp_at import __version__
from platformio_esp_at.errors import EspAtError, PackageError
from platformio_esp_at.formats.download_config import FlashArgs, FlashImage, format_download_config
from platformio_esp_at.formats.flasher_args import format_flasher_args
from platformio_esp_at.units import format_offset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from platformio_esp_at.plan import FlashPlan

MANIFEST = "esp_at_manifest.json"
"""Says what a folder was made from, and which files are in it: a folder with no others may be replaced."""

_PUBLIC_MODE = 0o644
_SECRET_MODE = 0o600
_NAMED = 3
"""So many files of others are told by their names."""


def factory_image_path(plan: FlashPlan) -> str:
    """Return the factory image's path in the image set."""
    return f"factory/factory_{plan.module.name}.bin"


def image_set(plan: FlashPlan) -> dict[str, bytes]:
    """Return every file of the image set by its path."""
    files: dict[str, bytes] = {}
    args = FlashArgs(
        settings=plan.settings,
        images=tuple(FlashImage(region.offset, region.path) for region in plan.regions),
        chip=plan.chip.key,
    )
    factory_image = plan.factory_image()
    made = {
        "download.config": format_download_config(args).encode(),
        "flasher_args.json": format_flasher_args(args).encode(),
        factory_image_path(plan): factory_image,
        f"factory/factory_{plan.module.name}_unfilled.bin": factory_image[: max(region.end for region in plan.regions)],
    }
    manifest = _manifest(plan, factory_image)
    for path, data in [*((region.path, region.data) for region in plan.regions), *made.items()]:
        if path == MANIFEST or files.setdefault(path, data) != data:
            raise PackageError("two different images have this path", where=path)
    manifest["files"] = [*files, MANIFEST]
    return {**files, MANIFEST: (json.dumps(manifest, indent=2) + "\n").encode()}


def write_artifacts(plan: FlashPlan, folder: Path) -> None:
    """Write the image set as ``folder``, in place of what an earlier run wrote there.

    Images of user partitions and the factory image may hold private keys: only their owner can read them. Raises
    `EspAtError` where the folder is somebody else's or can't be written.
    """
    secret = {region.path for region in plan.regions if plan.secondary.find(region.name)}
    with _told(folder):
        place = Path(os.path.realpath(folder))  # what a link leads to is replaced, not the link
        _check_not_inside(place)
        _check_replaceable(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
            new, old = Path(scratch, "new"), Path(scratch, "old")
            for path, data in image_set(plan).items():
                mode = _SECRET_MODE if path in secret or path.startswith("factory/") else _PUBLIC_MODE
                _write(new / path, data, mode)
            if place.exists():
                place.replace(old)
            try:
                new.replace(place)
            except OSError:
                if old.exists():
                    old.replace(place)
                raise


def _check_not_inside(place: Path) -> None:
    """Raise `EspAtError` where a process is in the folder that is to be replaced: it would be nowhere afterwards."""
    current = Path(os.path.realpath(Path.cwd()))
    if place in (current, *current.parents):
        hint = "name a folder of its own, such as esp_at: the whole folder is replaced"
        raise EspAtError(f"the image set can't take the place of {place}: that is where you are", hint=hint)


def _check_replaceable(folder: Path) -> None:
    """Raise `EspAtError` where ``folder`` holds a file that no earlier run has listed in its manifest."""
    others = _others(folder) if folder.exists() else []
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        hint = "move them away, or name a new or empty folder: its content is replaced"
        raise EspAtError(f"{folder} holds other files: {', '.join(others[:_NAMED])}{more}", hint=hint)


def _others(folder: Path) -> list[str]:
    found = set[str]()
    for place, folders, files in os.walk(folder, onerror=_raise):
        links = [name for name in folders if Path(place, name).is_symlink()]
        found.update(Path(place, name).relative_to(folder).as_posix() for name in (*files, *links))
    return sorted(found.difference(_listed(folder / MANIFEST)))


def _raise(error: OSError) -> None:
    raise error


def _listed(manifest: Path) -> list[str]:
    """Return the files that a manifest says are ours: none where it isn't one, whoever wrote that."""
    try:
        files = json.loads(manifest.read_bytes())["files"] if manifest.is_file() else []
    except (ValueError, TypeError, KeyError, RecursionError):
        return []
    return [name for name in files if isinstance(name, str)] if isinstance(files, list) else []


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Tell what the system refuses as one `EspAtError`; looking is refused as well as writing."""
    try:
        yield
    except OSError as error:
        raise EspAtError(f"{folder} can't be written: {error.strerror or error}") from None


def _write(file: Path, data: bytes, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)


def write_new_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files that only their owner can read. Raises `EspAtError` where one is there already, and writes none."""
    try:
        for path in files:
            if (folder / path).exists():
                raise EspAtError(f"{folder / path} is there already", hint="name another place: nothing is replaced")
        for path, data in files.items():
            _write(folder / path, data, _SECRET_MODE)
    except OSError as error:
        raise EspAtError(f"{folder} can't be written: {error.strerror or error}") from None


def _manifest(plan: FlashPlan, factory_image: bytes) -> dict[str, Any]:
    return {
        "generator": f"platformio-esp-at {__version__}",
        "firmware_package": {
            "name": plan.package.name,
            "sha256": plan.package.sha256,
            "files": {path: _sha256(data) for path, data in plan.package.files.items()},
        },
        "chip": plan.chip.key,
        "module": plan.module.name,
        "flash_settings": {"mode": plan.settings.mode, "freq": plan.settings.freq, "size": plan.settings.size},
        "factory_param": dict(plan.parameters) if plan.parameters else None,
        "inputs": {label: _sha256(data) for label, data in plan.inputs.items()},
        "images": [
            {
                "name": region.name,
                "offset": format_offset(region.offset),
                "size": len(region.data),
                "path": region.path,
                "sha256": _sha256(region.data),
                "origin": region.origin,
            }
            for region in plan.regions
        ],
        "kept": [row.name for row in plan.kept],
        "factory_image": {"path": factory_image_path(plan), "sha256": _sha256(factory_image)},
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
