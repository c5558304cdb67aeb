"""The commands that need a device, against a simulated module: what they write, what they report, how they end."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from ota_data import entry, sector
from sample_project import SampleProject

from platformio_esp_at.commands import flashing
from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.errors import EspAtError, FlashError
from platformio_esp_at.events import (
    Connected,
    Erased,
    ErasingAll,
    FactoryImageWritten,
    ImageDone,
    Noticed,
    Planned,
    Progressed,
    Updated,
    Verified,
)
from platformio_esp_at.formats.ota_data import OtaData
from platformio_esp_at.outputs.image_set import MANIFEST
from platformio_esp_at.outputs.report import REPORT
from platformio_esp_at.outputs.text import event_text
from platformio_esp_at.units import SECTOR_SIZE, align_up

if TYPE_CHECKING:
    from collections.abc import Iterable

    from platformio_esp_at.planning.plan import FlashPlan

NOWHERE = "/dev/no-such-port" if sys.platform != "win32" else "COM255"
WITH_IMAGES = [flashing.upload, flashing.upload_factory, flashing.verify]
WITH_DEVICE = [*WITH_IMAGES, flashing.erase]
WRITING = [flashing.upload, flashing.upload_factory]
USED = b"".join(b"%08x in use, " % offset for offset in range(0, 4 << 20, 16))[: 4 << 20]
"""A flash that is full of what somebody saved: no two sectors alike, none blank."""


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


def _ids(command) -> str:
    return getattr(command, "__name__", "")


def _plan(project: SampleProject) -> FlashPlan:
    return prepare(project.setup()).plan


def _report(project: SampleProject) -> dict:
    return json.loads((project.out.parent / REPORT).read_bytes())


def _written(before: bytes, images: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a flash with these images: the rest of each sector that they touch is FF."""
    flash = bytearray(before)
    for offset, data in images:
        end = offset + align_up(len(data), SECTOR_SIZE)
        flash[offset:end] = data.ljust(end - offset, b"\xff")
    return bytes(flash)


# --- what is written, and what is reported ---


def _steps(project: SampleProject) -> list[type]:
    """Return the kinds of the events but progress, each once where several follow each other."""
    kinds = [type(event) for event in project.reported if type(event).__name__ != "EsptoolOutput"]
    kinds = [kind for kind in kinds if kind is not Progressed]
    return [kind for index, kind in enumerate(kinds) if not index or kind is not kinds[index - 1]]


def test_upload(project, simulated_module):
    module = simulated_module(flash=USED)
    flashing.upload(project.setup(port=module.port))
    plan = _plan(project)
    images = [(region.offset, region.data) for region in plan.regions]
    assert module.flash == _written(USED, images)
    assert _steps(project) == [Planned, Connected, ImageDone, Updated, Noticed]
    assert project.reported[0] == Planned(plan)
    assert Updated(plan, len(images), len(images)) in project.reported
    done = {event.name: event for event in project.reported if isinstance(event, ImageDone)}
    assert done == {
        region.name: ImageDone(region.name, region.offset, len(region.data), len(region.data))
        for region in plan.regions
    }
    report = _report(project)
    assert (report["command"], report["ended"], report["module_state"]) == ("upload", "succeeded", "whole")
    assert report["kept"] == [row.name for row in plan.kept]
    assert len(report["images"]) == len(images)


def test_uploads_after_that_write_nothing_or_what_is_asked_for(project, simulated_module):
    plan = _plan(project)
    images = [(region.offset, region.data) for region in plan.regions]
    module = simulated_module(flash=_written(USED, images))
    flashing.upload(project.setup(port=module.port))
    assert (module.writes, module.erases) == ([], [])
    assert Updated(plan, len(images), 0) in project.reported
    assert {image["result"] for image in _report(project)["images"]} == {"unchanged"}
    flashing.upload(project.setup(port=module.port, write_all="true"))
    assert sorted(module.erases) == sorted((at, align_up(len(data), SECTOR_SIZE)) for at, data in images)
    assert module.flash == _written(USED, images)


def test_upload_factory(project, simulated_module):
    module = simulated_module(flash=USED)
    flashing.upload_factory(project.setup(port=module.port))
    plan = _plan(project)
    assert module.flash == plan.factory_image()
    assert _steps(project) == [ErasingAll, Planned, Connected, ImageDone, FactoryImageWritten, Noticed]
    assert project.reported[:2] == [ErasingAll(plan), Planned(plan)]
    assert FactoryImageWritten(plan) in project.reported
    report = _report(project)
    assert (report["command"], report["module_state"]) == ("upload_factory", "whole")
    assert "kept" not in report


def test_what_is_lost_is_reported_before_the_factory_image_is_written(project):
    with pytest.raises(FlashError):
        flashing.upload_factory(project.setup(port=NOWHERE))
    text = event_text(project.reported[0])
    assert text.startswith("The factory image erases the first 4MB of the flash.")
    assert "nvs" in text


def test_verify(project, simulated_module):
    plan = _plan(project)
    module = simulated_module(flash=_written(USED, [(region.offset, region.data) for region in plan.regions]))
    flashing.verify(project.setup(port=module.port))
    assert _steps(project) == [Planned, Connected, Noticed, Verified]
    assert project.reported[-1] == Verified(len(plan.regions))
    assert (module.writes, module.erases) == ([], [])
    report = _report(project)
    assert report["verified"] == [region.name for region in plan.regions]
    assert (report["differing"], report["ended"], report["module_state"]) == ({}, "succeeded", "as_before")


def test_verify_names_the_partitions_that_differ_and_where(project, simulated_module):
    plan = _plan(project)
    flash = bytearray(_written(USED, [(region.offset, region.data) for region in plan.regions]))
    application = max(plan.regions, key=lambda region: len(region.data))
    table = next(region for region in plan.regions if region.name == "at_customize")
    flash[application.offset + 5000] ^= 1
    flash[table.offset] ^= 1
    module = simulated_module(flash=bytes(flash))
    with pytest.raises(FlashError) as caught:
        flashing.verify(project.setup(port=module.port))
    error = caught.value
    differing = {table.name: table.offset, application.name: application.offset + 5000}
    assert error.code == "content-differs"
    assert set(error.facts["partitions"]) == set(differing)
    assert differing[error.facts["partition"]] == error.facts["offset"]
    for name, offset in differing.items():
        assert f"{name} from {offset:#x} on" in error.message
    assert error.hint == "upload again; if it differs then, too, the flash or its wiring may be bad"
    report = _report(project)
    assert (report["ended"], report["module_state"], report["differing"]) == ("content-differs", "as_before", differing)
    assert set(report["verified"]) == {region.name for region in plan.regions} - set(differing)


def test_erase(project, simulated_module):
    module = simulated_module(flash=USED)
    flashing.erase(project.setup(port=module.port))
    plan = _plan(project)
    assert set(module.flash) == {0xFF}
    assert _steps(project) == [Connected, ErasingAll, Noticed, Erased]
    assert ErasingAll(plan, blanks=True) in project.reported
    assert project.reported[-1] == Erased(plan)
    assert project.files() == {"AT_PACK.zip", "esp_at.yml", "build", f"build/{REPORT}"}
    assert _report(project)["module_state"] == "blank"


@pytest.mark.parametrize("command", WRITING, ids=_ids)
def test_another_crystal_is_reported_before_anything_is_written(project, simulated_module, command):
    module = simulated_module(crystal_mhz=26)
    writes = []

    def report(event) -> None:
        project.reported.append(event)
        if isinstance(event, Noticed):
            writes.append((event.notice.code, list(module.writes)))

    command(project.setup(port=module.port)._replace(report=report))
    assert writes[0] == ("crystal-mismatch", [])
    (notice,) = [event.notice for event in project.reported if isinstance(event, Noticed)][:-1]
    assert (notice.is_warning, notice.facts) == (True, {"crystal_mhz": 26})


# --- what is refused before a port is opened ---


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
def test_what_is_no_port(project, command):
    with pytest.raises(EspAtError) as caught:
        command(project.setup(port="--before"))
    assert (caught.value.code, caught.value.message) == ("not-a-port", "'--before' is not a serial port")


@pytest.mark.parametrize("command", WITH_DEVICE, ids=_ids)
def test_a_port_that_is_not_there(project, command):
    """The image set is there by then; nothing claims success."""
    project.write(f"firmware: AT_PACK.zip\nport: {NOWHERE}\n")
    with pytest.raises(FlashError) as caught:
        command(project.setup(port="/dev/another-port"))
    assert (caught.value.code, caught.value.message) == (
        "port-absent",
        f"there is no port {NOWHERE}; nothing was written",
    )
    assert str(caught.value.place) == "esp_at.yml:2"
    assert (project.out / MANIFEST).is_file() == (command is not flashing.erase)
    first = {flashing.upload_factory: ["ErasingAll", "Planned"], flashing.erase: []}
    assert project.events == first.get(command, ["Planned"])
    assert _report(project)["ended"] == "port-absent"


def test_an_update_starts_what_it_wrote_whatever_was_selected(project, simulated_module):
    plan = _plan(project)
    (home,) = [row for row in plan.primary if (row.type_name, row.subtype_name) == ("data", "ota")]
    selected = sector(entry(2)) + sector()
    assert OtaData.from_bytes(selected).slot(2) == 1
    module = simulated_module("esp32", flash=b"\xff" * home.offset + selected)
    flashing.upload(project.setup(port=module.port))
    assert OtaData.from_bytes(module.flash[home.offset : home.end]).slot(2) is None  # the first one is started
    (first,) = [row for row in plan.primary if row.subtype_name == "ota_0"]
    assert [region.name for region in plan.programs if region.offset == first.offset] == ["ota_0"]
