"""The commands that need no device: info and package."""

from __future__ import annotations

import pytest
from sample_project import SampleProject

from platformio_esp_at.commands import packaging
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.events import Described, Packaged, Planned
from platformio_esp_at.outputs.image_set import MANIFEST, image_set


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


def test_info_writes_nothing(project):
    packaging.info(project.setup())
    assert project.files() == {"AT_PACK.zip", "esp_at.yml"}
    (event,) = project.reported
    assert isinstance(event, Described)
    assert event.plan.module.name == "WROOM-32"
    assert "AT module: WROOM-32 (the only module of firmware package AT_PACK)" in project.text
    assert "0x100000  16464  ota_0            firmware package" in project.text
    assert "Kept as the device has it" in project.text
    assert "AT commands    GPIO17  GPIO16  GPIO15  GPIO14  115200" in project.text


def test_package_writes_the_image_set(project):
    plan = packaging.package(project.setup())
    assert {path.relative_to(project.out).as_posix() for path in project.out.rglob("*") if path.is_file()} == set(
        image_set(plan)
    )
    assert project.reported == [Planned(plan), Packaged(plan, project.out)]
    assert "AT module: WROOM-32" in project.text
    assert project.text.endswith(f"Wrote {len(plan.regions)} images and the factory image to {project.out}\n")


def test_an_earlier_image_set_survives_a_refusal(project):
    packaging.package(project.setup())
    before = (project.out / MANIFEST).read_bytes()
    project.write("firmware: AT_PACK.zip\nskip: [factory_param]\n")
    with pytest.raises(EspAtError, match="factory_param can't be skipped") as caught:
        packaging.package(project.setup())
    assert caught.value.where == "esp_at.yml:2"
    assert (project.out / MANIFEST).read_bytes() == before


def test_a_folder_package_gives_the_same_images(project):
    for name, data in sample_package("esp32").items():
        file = project.root / "AT_PACK" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    zipped = packaging.package(project.setup())
    unpacked = packaging.package(project.setup(firmware="AT_PACK"))
    assert unpacked.factory_image() == zipped.factory_image()
