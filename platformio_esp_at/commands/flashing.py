"""The commands of a project that need a device: upload, upload the factory image, verify, erase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.commands.device_run import DeviceRun
from platformio_esp_at.commands.saved_settings import adapt_saved_settings, describe_kept
from platformio_esp_at.commands.setup import Setup, prepare
from platformio_esp_at.commands.testing import start_and_test
from platformio_esp_at.device.difference import Image
from platformio_esp_at.errors import FlashError
from platformio_esp_at.events import (
    Erased,
    ErasingAll,
    FactoryImageWritten,
    Planned,
    SavedSettingsRead,
    Updated,
    Verified,
)
from platformio_esp_at.outputs.folder import write_image_set
from platformio_esp_at.outputs.image_set import factory_image_path

if TYPE_CHECKING:
    from platformio_esp_at.planning.plan import FlashPlan


def upload(setup: Setup) -> None:
    """Write what the device doesn't have of the plan's images, or all that the project wants; the rest stays."""
    job = prepare(setup)
    setup.report(Planned(job.plan))
    run = DeviceRun(setup, job, "upload")
    write_image_set(job.plan, setup.folder)
    with run:
        images = _images(job.plan)
        run.facts["kept"] = [row.name for row in job.plan.kept]
        run.update(images, everything=job.request.write_all)
        adapt_saved_settings(run)
        run.report(Updated(job.plan, len(images), run.written_images, test=job.request.test))
        start_and_test(run)


def upload_factory(setup: Setup) -> None:
    """Write the factory image to the device; it replaces all data in the flash size that the firmware uses."""
    job = prepare(setup)
    setup.report(ErasingAll(job.plan))
    setup.report(Planned(job.plan))
    run = DeviceRun(setup, job, "upload_factory")
    write_image_set(job.plan, setup.folder)
    with run:
        name = factory_image_path(job.plan).rpartition("/")[2]
        run.update([Image(name, 0, job.plan.factory_image())], everything=job.request.write_all)
        run.report(FactoryImageWritten(job.plan, test=job.request.test))
        start_and_test(run)


def verify(setup: Setup) -> None:
    """Compare the device's flash with the plan, and if the project wants it, tell what the device has saved.

    Raises `FlashError` where it differs: the partitions, and the first offset of each.
    """
    job = prepare(setup)
    setup.report(Planned(job.plan))
    run = DeviceRun(setup, job, "verify")
    write_image_set(job.plan, setup.folder)
    with run:
        images = _images(job.plan)
        differing = run.differing(images)
        run.facts["verified"] = [image.name for image in images if image not in differing]
        run.facts["differing"] = {image.name: offset for image, offset in differing.items()}
        if job.request.show_kept:
            run.report(SavedSettingsRead(describe_kept(run)))
        run.restart()
        if differing:
            places = ", ".join(f"{image.name} from {offset:#x} on" for image, offset in differing.items())
            first, offset = next(iter(differing.items()))
            raise FlashError(
                "content-differs",
                f"the device has other content in {places}",
                hint="upload again; if it differs then, too, the flash or its wiring may be bad",
                partitions=tuple(image.name for image in differing),
                partition=first.name,
                offset=offset,
            )
        run.report(Verified(len(images)))


def erase(setup: Setup) -> None:
    """Erase the whole flash of the module. A project with an error, or a device with another chip, is refused first."""
    job = prepare(setup, lock=False)
    with DeviceRun(setup, job, "erase") as run:
        run.report(ErasingAll(job.plan, blanks=True))
        run.erase()
        run.restart()
        run.report(Erased(job.plan))


def _images(plan: FlashPlan) -> list[Image]:
    return [Image(region.name, region.offset, region.data) for region in plan.regions]
