"""The commands of a project that need a device: upload, upload the factory image, verify, erase."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from platformio_esp_at.checks.silicon import check_silicon, crystal_warnings, is_checked_by_esptool, is_crystal_known
from platformio_esp_at.commands.setup import Job, Setup, prepare
from platformio_esp_at.device import esptool
from platformio_esp_at.errors import EspAtError, FlashError, located, setting
from platformio_esp_at.events import (
    Erased,
    ErasingAll,
    FactoryImageWritten,
    Noticed,
    Planned,
    Updated,
    Verified,
)
from platformio_esp_at.outputs.folder import private_folder, write_image_set
from platformio_esp_at.outputs.image_set import factory_image_path

if TYPE_CHECKING:
    from collections.abc import Sequence


def upload(setup: Setup) -> None:
    """Write every image of the plan to the device; the rest of its flash stays."""
    job = prepare(setup)
    setup.report(Planned(job.plan))
    _write(setup, job, [(region.offset, region.path, region.data) for region in job.plan.regions])
    setup.report(Updated(job.plan))


def upload_factory(setup: Setup) -> None:
    """Write the factory image to the device; it replaces all data in the flash size that the firmware uses."""
    job = prepare(setup)
    setup.report(ErasingAll(job.plan))
    setup.report(Planned(job.plan))
    _write(setup, job, [(0, factory_image_path(job.plan), job.plan.factory_image())])
    setup.report(FactoryImageWritten(job.plan))


def verify(setup: Setup) -> None:
    """Compare the device's flash with the plan. Raises `FlashError` where they differ."""
    job = prepare(setup)
    setup.report(Planned(job.plan))
    connection = _connection(setup, job)
    write_image_set(job.plan, setup.folder)
    images = [(region.offset, region.path) for region in job.plan.regions]
    command = esptool.verify_command(job.plan.chip.key, images, connection)
    files = {region.path: region.data for region in job.plan.regions}
    try:
        with private_folder(files, setup.folder) as folder:
            esptool.run_esptool(command, folder=folder, report=setup.report)
    except FlashError as error:
        offsets = esptool.differing_offsets(error.output)
        names = ", ".join(region.name for region in job.plan.regions if region.offset in offsets)
        if names:
            hint = "upload again; if it differs then, too, the flash or its wiring may be bad"
            message = f"the device has other content in {names}"
            raise FlashError("content-differs", message, output=error.output, hint=hint) from None
        raise
    setup.report(Verified(len(images)))


def erase(setup: Setup) -> None:
    """Erase the whole flash of the module. A project with an error, or a device with another chip, is refused first."""
    job = prepare(setup, lock=False)
    command = esptool.erase_command(job.plan.chip.key, _connection(setup, job))
    setup.report(ErasingAll(job.plan, blanks=True))
    with TemporaryDirectory() as folder:  # empty: it reads no esptool.cfg of the project
        try:
            esptool.run_esptool(command, folder=Path(folder), report=setup.report)
        except KeyboardInterrupt:
            hint = "run the command again"
            raise FlashError("interrupted", "interrupted: the flash may be half erased", hint=hint) from None
    setup.report(Erased(job.plan))


def _write(setup: Setup, job: Job, images: Sequence[tuple[int, str, bytes]]) -> None:
    """Publish the image set, then write ``images`` (offset, path, content) to the device.

    The image set comes first: if that fails, the device is unchanged; if flashing fails, it shows what was tried.
    """
    connection = _connection(setup, job)
    write_image_set(job.plan, setup.folder)
    command = esptool.write_command(
        job.plan.chip.key,
        [(offset, path) for offset, path, _ in images],
        connection,
        flash_size=job.plan.flash_size,
    )
    files = {path: data for _, path, data in images} | {esptool.END_OF_FLASH: b""}
    with private_folder(files, setup.folder) as folder:
        _check_device(setup, job, images, connection, folder)
        try:
            esptool.run_esptool(command, folder=folder, report=setup.report)
        except KeyboardInterrupt:
            hint = "run the command again"
            raise FlashError("interrupted", "interrupted: the module may be half written", hint=hint) from None


def _check_device(
    setup: Setup, job: Job, images: Sequence[tuple[int, str, bytes]], connection: esptool.Connection, folder: Path
) -> None:
    """Check the chip and report another crystal, before anything is erased.

    That takes a connection of its own, which is made only for what esptool doesn't check itself when it writes.
    """
    checked = is_checked_by_esptool(job.plan, images)
    crystal_known = is_crystal_known(job.plan)
    if checked and crystal_known:
        return
    probe = esptool.probe_command(job.plan.chip.key, connection)
    try:
        device = esptool.run_esptool(probe, folder=folder, report=setup.report)
    except KeyboardInterrupt:
        hint = "run the command again"
        raise FlashError("interrupted", "interrupted: nothing is written yet", hint=hint) from None
    warnings = () if checked else check_silicon(job.plan, device.revision)
    crystal = () if crystal_known else crystal_warnings(job.plan.chip, device.crystal_mhz)
    for warning in (*warnings, *crystal):
        setup.report(Noticed(warning))


def _connection(setup: Setup, job: Job) -> esptool.Connection:
    port, speed = job.request.port, job.request.baud
    if port is None and setup.find_port and not job.on_own_board:
        message = "the AT module is not on the project's board, and no port is named for it"
        hint = f"write {setting('port', 'PORT')}"
        raise EspAtError("port-missing", message, hint=hint)
    name = port.text if port else setup.find_port() if setup.find_port else None
    esptool.check_port(name)
    baud = speed.baud if speed else setup.baud
    with located(speed.where) if speed else nullcontext():
        esptool.check_baud(baud)
    return esptool.Connection(name, baud)
