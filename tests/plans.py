"""Plans of the sample package, with the changes of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.planning.filesystems import FileSystem, build_filesystem
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile, Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts

HERE = Place.at(file="esp_at.yml", line=7)
FILES = build_filesystem({"a.txt": b"a"}, kind=FileSystem.FAT, size=576 << 10)
"""An image for the partition fatfs of the sample package."""
KEY = b"-----BEGIN %b-----\nS3CR3T\n" % b"PRIVATE KEY"


def sample_plan(
    folder: Path,
    chip: str = "esp32",
    module: str | None = None,
    files: Mapping[str, bytes | str] | None = None,
    recorded: Mapping[str, int] | None = None,
    *,
    nvs: bool = False,
    **request: object,
) -> FlashPlan:
    """Return the plan for the sample package, called AT_PACK, with some of its files changed or added.

    ``recorded``: where the project's own partitions were placed before. ``nvs``: the package as since v3.1.0.0.
    """
    return plan_of_files(folder, sample_package(chip, nvs=nvs) | dict(files or {}), module, recorded, **request)


def plan_of_files(
    folder: Path,
    files: Mapping[str, bytes | str],
    module: str | None = None,
    recorded: Mapping[str, int] | None = None,
    **request: object,
) -> FlashPlan:
    """Return the plan for a package of these files alone, called AT_PACK."""
    root = folder / "AT_PACK"
    for name, data in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
    package = open_package(root)
    wanted = Text(module, HERE) if module else None
    return make_plan(package, select(wanted, None, package), Request(**request), recorded)


def plan_of_zip(folder: Path, chip: str = "esp32", **request: object) -> FlashPlan:
    """Return the plan for the sample package as it is released, a zip called AT_PACK.zip."""
    path = folder / "AT_PACK.zip"
    write_sample_package(path, chip)
    package = open_package(path)
    return make_plan(package, select(None, None, package), Request(**request))


def changed_plan(folder: Path) -> FlashPlan:
    """Return the plan for that zip with another pin, and with `KEY`, which nobody else may read."""
    return plan_of_zip(
        folder,
        pki={"mqtt_key": (InputFile("certs/key.pem", Place.at(file="esp_at.yml", line=3), KEY),)},
        factory_param={"uart_tx_pin": Text("4", Place.at(file="esp_at.yml", line=5))},
    )


def refusal(plan: FlashPlan, kind: type[EspAtError], board: BoardFacts | None = None) -> EspAtError:
    """Return the error with which the checks refuse a plan; it must be exactly of that class."""
    with pytest.raises(EspAtError) as caught:
        check_plan(plan, board)
    assert type(caught.value) is kind
    return caught.value
