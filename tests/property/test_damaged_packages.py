"""Any damage of the images of a package is refused with an error of ours, or the plan is checked to its end."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from platformio_esp_at.checks.plan import check_plan, check_values
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.errors import EspAtError, Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.planning.filesystems import check_image
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
HERE = Place.at(file="esp_at.yml", line=1)


def _sample(name: str) -> FirmwarePackage:
    chip, _, nvs = name.partition(" ")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{chip}.zip")
        write_sample_package(path, chip, nvs=bool(nvs))
        return open_package(path)


PACKAGES = {name: _sample(name) for name in ("esp32", "esp32 mfg_nvs", "esp8266", "esp32c6")}


@st.composite
def _damaged(draw, data: bytes) -> bytes:
    """Return the data with some of its bytes changed, or taken out and others put in."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.sampled_from([0, 1, 2, 4, 32, 4096, len(data)]))
        other = draw(
            st.sampled_from([b"", b"\0", b"\xff", b"\xff" * 4096, data[:64], b"9" * 400]) | st.binary(max_size=8)
        )
        # As many bytes as before, or another length.
        size = draw(st.sampled_from([len(other), size]))
        data = data[:at] + other + data[at + size :]
    return data


@pytest.mark.parametrize("name", PACKAGES)
@given(source=st.data())
def test_damage_of_a_packages_image(name, source):
    package = PACKAGES[name]
    own = [
        image.path for image in package.args.images if package.name_of(image) not in ("bootloader", "ota_0", "factory")
    ]
    path = source.draw(st.sampled_from(own))
    damaged = source.draw(_damaged(package.files[path]))
    params = {each: damaged if package.files[path] == data else data for each, data in package.factory_params.items()}
    changed = replace(package, files={**package.files, path: damaged}, factory_params=params)
    _check(changed, Request())


@given(source=st.data())
def test_damage_of_a_projects_mfg_nvs(source):
    package = PACKAGES["esp32 mfg_nvs"]
    damaged = source.draw(_damaged(package.content_of("mfg_nvs")))
    _check(package, Request(data={"mfg_nvs": InputFile("own.bin", HERE, damaged)}))


def _check(package: FirmwarePackage, request: Request) -> None:
    """Plan and check; every other exception than an `EspAtError` fails the test, and one without a next step."""
    hints = []
    try:
        plan = make_plan(package, select(None, None, package), request)
        check_plan(plan, None)
        check_values(plan, None, request, now=NOW)
    except EspAtError as error:
        hints = [each.hint for each in error.problems or (error,)]
        event(error.code)
    else:
        event("passes")
    assert None not in hints


@given(st.binary(max_size=64), st.integers(0, 8192))
def test_any_bytes_as_a_file_system(data, size):
    image = data.ljust(size, b"\xff")
    try:
        check_image(image, 8192)
    except EspAtError as error:
        event(error.code)
    else:
        event("passes")
