"""The files that a plan becomes: its images, ``download.config``, ``flasher_args.json``, factory image, manifest.

The same plan gives the same bytes on every machine.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from platformio_esp_at import __version__
from platformio_esp_at.errors import PackageError, Place
from platformio_esp_at.formats.download_config import FlashArgs, FlashImage, format_download_config
from platformio_esp_at.formats.flasher_args import format_flasher_args
from platformio_esp_at.units import format_offset

if TYPE_CHECKING:
    from platformio_esp_at.planning.plan import FlashPlan


MANIFEST = "esp_at_manifest.json"
"""Lists the inputs and the files of an image set: a folder without other files may be replaced."""


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
        f"factory/factory_{plan.module.name}_unfilled.bin": plan.unfilled_image(),
    }
    manifest = _manifest(plan, factory_image)
    for path, data in [*((region.path, region.data) for region in plan.regions), *made.items()]:
        if path == MANIFEST or files.setdefault(path, data) != data:
            hint = "rename the partition, or the image in the firmware package's download.config"
            raise PackageError(
                "image-path-twice", "two different images have this path", where=Place.at(file=path), hint=hint
            )
    manifest["files"] = [*files, MANIFEST]
    return {**files, MANIFEST: (json.dumps(manifest, indent=2) + "\n").encode()}


def _manifest(plan: FlashPlan, factory_image: bytes) -> dict[str, Any]:
    hashes: dict[int, str] = {}

    def sha256(data: bytes) -> str:
        """Return the hash, computed once for data that the plan takes unchanged from the firmware package."""
        if id(data) not in hashes:
            hashes[id(data)] = hashlib.sha256(data).hexdigest()
        return hashes[id(data)]

    return {
        "generator": f"platformio-esp-at {__version__}",
        "firmware_package": {
            "name": plan.package.name,
            "sha256": plan.package.sha256,
            "files": {path: sha256(data) for path, data in plan.package.files.items()},
        },
        "chip": plan.chip.key,
        "module": plan.module.name,
        "flash_settings": {"mode": plan.settings.mode, "freq": plan.settings.freq, "size": plan.settings.size},
        "factory_param": dict(plan.parameters) if plan.parameters else None,
        "inputs": {label: sha256(data) for label, data in plan.inputs.items()},
        "images": [
            {
                "name": region.name,
                "offset": format_offset(region.offset),
                "size": len(region.data),
                "path": region.path,
                "sha256": sha256(region.data),
                "origin": region.origin,
            }
            for region in plan.regions
        ],
        "kept": [row.name for row in plan.kept],
        "factory_image": {"path": factory_image_path(plan), "sha256": sha256(factory_image)},
    }
