"""The five things that every front end offers: package, upload, upload the factory image, verify, info.

A front end gathers a `Setup`, calls one of these, and translates `EspAtError` into its host's way of failing. The data
goes one way: options -> request, firmware package -> plan -> checks -> files -> esptool.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from platformio_esp_at.checks.plan import check_plan, check_values, crystal_warnings
from platformio_esp_at.device import esptool as flash
from platformio_esp_at.errors import EspAtError, FlashError, located
from platformio_esp_at.firmware.find import find_firmware
from platformio_esp_at.firmware.lock import add_to_lock
from platformio_esp_at.formats.esp_image import ESP8266, ChipRevisions, chip_revisions, format_revision
from platformio_esp_at.outputs import text as report
from platformio_esp_at.outputs.folder import factory_image_path, private_folder, write_artifacts
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.project import Layer, firmware_of, layer_of_board, make_request, option_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.project import Request

NO_BOARD = "none"
"""Value of the option ``board`` that says: the AT module is on no board, or beside the project's board."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a front end knows."""

    layers: tuple[Layer, ...]
    """Options, the weakest first."""
    project: Path
    """The project's folder, where `esp_at.lock` lies and the paths of a board's own options start."""
    folder: Path
    """Where the image set is written."""
    find_board: Callable[[str | None], BoardFacts | None]
    """Returns the facts of a board by its id, of the host's own board for None (None where it has none)."""
    find_port: Callable[[], str] | None = None
    """Returns the port of the host's own board; None where it has none: esptool then looks for a module."""
    baud: int | None = None
    """The host's speed where no option names one."""
    say: Callable[[str], None] = print


@dataclass(frozen=True, slots=True)
class _Job:
    plan: FlashPlan
    request: Request
    on_own_board: bool
    """Whether the AT module is on the board that the host knows, and not beside it."""


def info(setup: Setup) -> None:
    """Say what an upload would do. Writes nothing into the project, needs no device."""
    setup.say(report.describe_plan(_prepare(setup, lock=False).plan))


def package(setup: Setup) -> FlashPlan:
    """Write the image set, and return its plan."""
    plan = _prepare(setup).plan
    setup.say(report.describe_choice(plan))
    write_artifacts(plan, setup.folder)
    setup.say(f"Wrote {len(plan.regions)} images and the factory image to {setup.folder}")
    return plan


def upload(setup: Setup) -> None:
    """Write every image of the plan to the device; what the plan doesn't own stays."""
    job = _prepare(setup)
    _write(setup, job, [(region.offset, region.path, region.data) for region in job.plan.regions])
    setup.say(report.describe_update(job.plan))


def upload_factory(setup: Setup) -> None:
    """Write the factory image to the device, which erases as much of its flash as the firmware is laid out for."""
    job = _prepare(setup)
    setup.say(report.describe_factory(job.plan))
    _write(setup, job, [(0, factory_image_path(job.plan), job.plan.factory_image())])
    setup.say(report.describe_wiring(job.plan.wiring))


def verify(setup: Setup) -> None:
    """Compare the device's flash with the plan. Raises `FlashError` where they differ."""
    job = _prepare(setup)
    setup.say(report.describe_choice(job.plan))
    connection = _connection(setup, job)
    write_artifacts(job.plan, setup.folder)
    images = [(region.offset, region.path) for region in job.plan.regions]
    command = flash.verify_command(job.plan.chip.key, images, connection, major=flash.esptool_major())
    files = {region.path: region.data for region in job.plan.regions}
    try:
        with private_folder(files, setup.folder) as folder:
            flash.run_esptool(command, folder=folder)
    except FlashError as error:
        offsets = flash.differing_offsets(error.output)
        names = ", ".join(region.name for region in job.plan.regions if region.offset in offsets)
        if names:
            hint = "upload again; if it differs then, too, the flash or its wiring may be bad"
            raise FlashError(f"the device has other content in {names}", output=error.output, hint=hint) from None
        raise
    setup.say(f"The device has all {len(images)} images of the plan.")


def _write(setup: Setup, job: _Job, images: Sequence[tuple[int, str, bytes]]) -> None:
    """Publish the image set, then write ``images`` (offset, path, content) to the device.

    Published first: where that is refused, the device is untouched, and after a failed run it says what was tried.
    """
    setup.say(report.describe_choice(job.plan))
    connection = _connection(setup, job)
    write_artifacts(job.plan, setup.folder)
    command = flash.write_command(
        job.plan.chip.key,
        [(offset, path) for offset, path, _ in images],
        connection,
        flash_size=job.plan.flash_size,
        major=flash.esptool_major(),
    )
    files = {path: data for _, path, data in images} | {flash.END_OF_FLASH: b""}
    with private_folder(files, setup.folder) as folder:
        if not _is_checked_by_esptool(job.plan, images):
            probe = flash.probe_command(job.plan.chip.key, connection, major=flash.esptool_major())
            _check_silicon(job.plan, flash.run_esptool(probe, folder=folder).revision, setup.say)
        try:
            device = flash.run_esptool(command, folder=folder)
        except KeyboardInterrupt:
            raise FlashError("interrupted: the module may be half written", hint="run the command again") from None
    for warning in crystal_warnings(job.plan.chip, device.crystal_mhz):
        setup.say(f"Warning: {warning}")


def _is_checked_by_esptool(plan: FlashPlan, images: Sequence[tuple[int, str, bytes]]) -> bool:
    """Return whether esptool holds all that the firmware says of silicon against the chip, before it writes.

    It looks at what goes to where the chip looks for its bootloader: in a factory image, that is not what every chip
    has at the start, and an application may ask for more.
    """
    esp8266 = plan.chip.key == ESP8266
    checked = next((data for offset, _, data in images if offset == plan.chip.bootloader_offset), None)
    return plan.chip_revisions == (chip_revisions(checked, esp8266=esp8266) if checked else ChipRevisions())


def _check_silicon(plan: FlashPlan, revision: int | None, say: Callable[[str], None]) -> None:
    """Check that the firmware runs on a revision of the chip (None: it isn't known). Raises `FlashError`."""
    if revision is None or revision in plan.chip_revisions:
        return
    if revision == 0:
        # Blank eFuses read so, too: that the silicon is really the first, esptool can't tell.
        say(f"Warning: the chip doesn't tell its revision (v0.0), the firmware is for {plan.chip_revisions}")
        return
    raise flash.other_revision(format_revision(revision), str(plan.chip_revisions))


def _connection(setup: Setup, job: _Job) -> flash.Connection:
    port = job.request.port
    if port is None and setup.find_port and not job.on_own_board:
        hint = "write port: PORT into esp_at.yml or custom_at_port = PORT into platformio.ini, or give it as option"
        raise EspAtError("the AT module is not on the project's board, and no port is named for it", hint=hint)
    if port is None and setup.find_port:
        port = setup.find_port()
    flash.check_port(port)
    option = option_text(setup.layers, "baud")
    with located(option.where) if option else nullcontext():
        baud = job.request.baud or setup.baud
        flash.check_baud(baud)
    return flash.Connection(port, baud)


def _prepare(setup: Setup, *, lock: bool = True) -> _Job:
    """Return the checked plan: after this, writing files and flash is all that is left to do."""
    board, on_own_board = _board(setup)
    layers = _with_board(setup, board)
    request = make_request(layers)
    found = find_firmware(firmware_of(layers), request.module, board, project=setup.project, say=setup.say)
    firmware = found.package
    module = select(request.module, board, firmware)
    plan = make_plan(firmware, module, request)
    check_plan(plan, board)
    warnings = check_values(plan, board, request, now=datetime.now(timezone.utc))
    if lock and found.new_entry:
        add_to_lock(setup.project, found.new_entry)
    return _Job(replace(plan, notes=(*plan.notes, *warnings)), request, on_own_board)


def layers_of(setup: Setup) -> tuple[Layer, ...]:
    """Return all options that count for a setup: those of the board first, which every other wins over."""
    return _with_board(setup, _board(setup)[0])


def _with_board(setup: Setup, board: BoardFacts | None) -> tuple[Layer, ...]:
    own = (layer_of_board(board.id, board.at, base=setup.project),) if board else ()
    return (*own, *setup.layers)


def _board(setup: Setup) -> tuple[BoardFacts | None, bool]:
    """Return the board that carries the AT module (None: none that says something), and if it is the host's own."""
    wanted = option_text(setup.layers, "board")
    if wanted is None:
        board = setup.find_board(None)
        is_host = board is not None and not board.is_espressifs
        return (None, False) if is_host else (board, True)
    if wanted.text == NO_BOARD:
        return None, False
    with located(wanted.where):
        return setup.find_board(wanted.text), False
