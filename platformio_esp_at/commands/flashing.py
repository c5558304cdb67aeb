"""The five things that every front end offers: package, upload, upload the factory image, verify, info.

A front end gathers a `Setup`, calls one of these, and translates `EspAtError` into its host's way of failing. The data
goes one way: options -> request, firmware package -> plan -> checks -> files -> esptool.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from platformio_esp_at.checks.silicon import check_silicon, crystal_warnings, is_checked_by_esptool
from platformio_esp_at.commands.setup import Job, Setup, prepare
from platformio_esp_at.device import esptool
from platformio_esp_at.errors import EspAtError, FlashError, located
from platformio_esp_at.outputs import text as report
from platformio_esp_at.outputs.folder import private_folder, write_artifacts
from platformio_esp_at.outputs.image_set import factory_image_path
from platformio_esp_at.request.project import option_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from platformio_esp_at.planning.plan import FlashPlan


def info(setup: Setup) -> None:
    """Say what an upload would do. Writes nothing into the project, needs no device."""
    setup.say(report.describe_plan(prepare(setup, lock=False).plan))


def package(setup: Setup) -> FlashPlan:
    """Write the image set, and return its plan."""
    plan = prepare(setup).plan
    setup.say(report.describe_choice(plan))
    write_artifacts(plan, setup.folder)
    setup.say(f"Wrote {len(plan.regions)} images and the factory image to {setup.folder}")
    return plan


def upload(setup: Setup) -> None:
    """Write every image of the plan to the device; what the plan doesn't own stays."""
    job = prepare(setup)
    _write(setup, job, [(region.offset, region.path, region.data) for region in job.plan.regions])
    setup.say(report.describe_update(job.plan))


def upload_factory(setup: Setup) -> None:
    """Write the factory image to the device, which erases as much of its flash as the firmware is laid out for."""
    job = prepare(setup)
    setup.say(report.describe_factory(job.plan))
    _write(setup, job, [(0, factory_image_path(job.plan), job.plan.factory_image())])
    setup.say(report.describe_wiring(job.plan.wiring))


def verify(setup: Setup) -> None:
    """Compare the device's flash with the plan. Raises `FlashError` where they differ."""
    job = prepare(setup)
    setup.say(report.describe_choice(job.plan))
    connection = _connection(setup, job)
    write_artifacts(job.plan, setup.folder)
    images = [(region.offset, region.path) for region in job.plan.regions]
    command = esptool.verify_command(job.plan.chip.key, images, connection, major=esptool.esptool_major())
    files = {region.path: region.data for region in job.plan.regions}
    try:
        with private_folder(files, setup.folder) as folder:
            esptool.run_esptool(command, folder=folder)
    except FlashError as error:
        offsets = esptool.differing_offsets(error.output)
        names = ", ".join(region.name for region in job.plan.regions if region.offset in offsets)
        if names:
            hint = "upload again; if it differs then, too, the flash or its wiring may be bad"
            raise FlashError(f"the device has other content in {names}", output=error.output, hint=hint) from None
        raise
    setup.say(f"The device has all {len(images)} images of the plan.")


def _write(setup: Setup, job: Job, images: Sequence[tuple[int, str, bytes]]) -> None:
    """Publish the image set, then write ``images`` (offset, path, content) to the device.

    Published first: where that is refused, the device is untouched, and after a failed run it says what was tried.
    """
    setup.say(report.describe_choice(job.plan))
    connection = _connection(setup, job)
    write_artifacts(job.plan, setup.folder)
    command = esptool.write_command(
        job.plan.chip.key,
        [(offset, path) for offset, path, _ in images],
        connection,
        flash_size=job.plan.flash_size,
        major=esptool.esptool_major(),
    )
    files = {path: data for _, path, data in images} | {esptool.END_OF_FLASH: b""}
    with private_folder(files, setup.folder) as folder:
        if not is_checked_by_esptool(job.plan, images):
            probe = esptool.probe_command(job.plan.chip.key, connection, major=esptool.esptool_major())
            check_silicon(job.plan, esptool.run_esptool(probe, folder=folder).revision, setup.say)
        try:
            device = esptool.run_esptool(command, folder=folder)
        except KeyboardInterrupt:
            raise FlashError("interrupted: the module may be half written", hint="run the command again") from None
    for warning in crystal_warnings(job.plan.chip, device.crystal_mhz):
        setup.say(f"Warning: {warning}")


def _connection(setup: Setup, job: Job) -> esptool.Connection:
    port = job.request.port
    if port is None and setup.find_port and not job.on_own_board:
        hint = "write port: PORT into esp_at.yml or custom_at_port = PORT into platformio.ini, or give it as option"
        raise EspAtError("the AT module is not on the project's board, and no port is named for it", hint=hint)
    if port is None and setup.find_port:
        port = setup.find_port()
    esptool.check_port(port)
    option = option_text(setup.layers, "baud")
    with located(option.where) if option else nullcontext():
        baud = job.request.baud or setup.baud
        esptool.check_baud(baud)
    return esptool.Connection(port, baud)
