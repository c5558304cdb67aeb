"""Everything that must be true before the first erase.

Understanding a request is `plan`'s; here a finished plan is held against the flash, the board and itself. Every problem
is told, not only the first.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.boards import carries_psram, known_crystal_mhz, used_gpios
from platformio_esp_at.catalog.gpios import has_in_package_flash
from platformio_esp_at.checks.gatts import EDITABLE_ROWS, lint_gatts
from platformio_esp_at.checks.parameters import check_parameters
from platformio_esp_at.errors import EspAtError, LayoutError, PackageError, located, raise_all
from platformio_esp_at.formats.esp_image import ESP8266, EspImage
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.partition_table import (
    APP_ALIGNMENT,
    ESP8266_APP_ALIGNMENT,
    check_primary,
    check_secondary,
)
from platformio_esp_at.formats.pki import PKI_SLOTS
from platformio_esp_at.planning.content import ESSENTIAL, FACTORY_PARAM, MFG_NVS, pki_by_slot
from platformio_esp_at.planning.mfg_nvs import RENAMED
from platformio_esp_at.planning.selection import check_family, check_flash_size
from platformio_esp_at.units import SECTOR_SIZE, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.formats.partition_table import Partition
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.project import Request


def check_plan(plan: FlashPlan, board: BoardFacts | None) -> None:
    """Check that ``plan`` can be flashed without harm. Raises an `EspAtError` with every problem of the first kind."""
    check_flash_size(plan.module, board, plan.flash_size, plan.package)
    check_family(plan.module, board, plan.package)
    esp8266 = plan.chip.key == ESP8266
    with located(plan.package.primary_image.path):
        check_primary(
            plan.primary,
            table_offset=plan.package.primary_image.offset,
            flash_size=plan.flash_size,
            app_alignment=ESP8266_APP_ALIGNMENT if esp8266 else APP_ALIGNMENT,
        )
    with located(plan.secondary_source):
        check_secondary(plan.secondary, home=plan.package.home)
    raise_all(
        [
            *_missing_parameters(plan),
            *_misplaced_regions(plan),
            *_overlapping_regions(plan),
            *_overwritten_partitions(plan),
        ]
    )
    _check_apps(plan, esp8266=esp8266)


def check_values(plan: FlashPlan, board: BoardFacts | None, request: Request, *, now: datetime) -> tuple[str, ...]:
    """Check that the module can work with the values that ``request`` gave, and return what to mind all the same.

    ``now`` is when certificates should be valid; it knows its time zone. Raises an `EspAtError` with every problem of
    the first kind: parameters, certificates and keys, GATT rows.
    """
    return (
        *crystal_warnings(plan.chip, known_crystal_mhz(board) if board else None),
        *_check_parameters(plan, board, request),
        *_check_pki(request, now),
        *_check_gatts(plan, request),
    )


def _missing_parameters(plan: FlashPlan) -> Iterator[EspAtError]:
    if not any(region.name in ESSENTIAL for region in plan.regions):
        wanted = MFG_NVS if plan.package.has_mfg_nvs else FACTORY_PARAM
        hint = "without it the module answers on other pins"
        yield LayoutError(f"the partition table has no {wanted}", where=plan.secondary_source, hint=hint)


def _misplaced_regions(plan: FlashPlan) -> Iterator[EspAtError]:
    homes: dict[int, tuple[Partition, str]] = {}
    for table, source in ((plan.primary, plan.package.primary_image.path), (plan.secondary, plan.secondary_source)):
        homes |= {row.offset: (row, source) for row in table}
    for region in plan.regions:
        if region.offset % SECTOR_SIZE:
            message = f"{region.name} goes to {format_offset(region.offset)}, inside a sector of the flash"
            yield LayoutError(message, where=region.path, hint=f"sectors start at multiples of {SECTOR_SIZE:#x}")
        if region.end > plan.flash_size:
            message = f"{region.name} ends at {format_offset(region.end)}, the flash has {format_size(plan.flash_size)}"
            yield LayoutError(message, where=region.path, hint="place it lower, or take a module with more flash")
        row, source = homes.get(region.offset, (None, ""))
        if row and len(region.data) > row.size:
            where = f"{source}:{row.line}" if row.line else source
            yield LayoutError(
                f"partition {row.name!r} has {row.size} bytes, its content ({region.origin}) {len(region.data)}",
                where=where,
                hint="make the partition larger, or its content smaller",
            )


def _overlapping_regions(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for two images in one sector: erasing it for the second would take the end of the first."""
    for before, region in pairwise(sorted(plan.regions, key=lambda region: region.offset)):
        if before.erase_end > region.offset:
            yield LayoutError(
                f"{region.path} at {format_offset(region.offset)} would be written over {before.path}, "
                f"which takes {format_offset(before.offset)}…{format_offset(before.erase_end)}",
                hint=f"move one of the two: no two images can share a sector ({SECTOR_SIZE:#x} bytes)",
            )


def _overwritten_partitions(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for an image outside the tables that reaches into a partition that an update keeps."""
    homes = {row.offset for table in (plan.primary, plan.secondary) for row in table}
    outside = [region for region in plan.regions if region.offset not in homes]
    for region in outside:
        for row in plan.kept:
            if region.offset < row.end and row.offset < region.erase_end:
                message = f"it takes {format_offset(region.offset)}…{format_offset(region.erase_end)}, inside {row}"
                hint = "move it to where no partition is"
                yield LayoutError(f"{message}, which an update keeps", where=region.path, hint=hint)


def _check_apps(plan: FlashPlan, *, esp8266: bool) -> None:
    """Check that bootloader and application are whole, and built for the same chip."""
    for region in plan.programs:
        with located(region.path):
            image = EspImage.from_bytes(region.data, esp8266=esp8266)
            if not image.digest_valid:
                hint = "the file is damaged: download the firmware package again"
                raise PackageError("the image's SHA-256 doesn't match its bytes", hint=hint)
            if image.chip_id != plan.chip.image_chip_id:
                message = f"not an image for {plan.chip.display_name} (chip id {image.chip_id})"
                raise PackageError(message, hint="take the firmware package of the module's chip")
    revisions = plan.chip_revisions
    if revisions.first > revisions.last:
        message = "bootloader and application are for different revisions of the chip"
        raise PackageError(message, where=plan.package.name, hint="download the firmware package again")


def crystal_warnings(chip: Chip, crystal_mhz: int | None) -> tuple[str, ...]:
    """Return the warning for a crystal that isn't the one that the firmware is built for; None: nothing is known."""
    if crystal_mhz is None or chip.crystal_mhz in (None, crystal_mhz):
        return ()
    warning = (
        f"this {chip.display_name} has a crystal of {crystal_mhz} MHz, released firmware is built for "
        f"{chip.crystal_mhz} MHz: the AT port runs at another speed then, and the radio doesn't work; take a module "
        f"with {chip.crystal_mhz} MHz, or build ESP-AT for {crystal_mhz} MHz"
    )
    return (warning,)


def _check_parameters(plan: FlashPlan, board: BoardFacts | None, request: Request) -> Iterator[str]:
    """Yield warnings of the factory parameters; what the firmware package has by itself is never refused."""
    if plan.parameters is None:
        return
    row, chip = plan.module.row, plan.chip.key
    problems, warnings = check_parameters(
        plan.parameters,
        chip=chip,
        psram=(row is not None and row.psram) or carries_psram(board),
        in_package_flash=row is not None and has_in_package_flash(chip, row.name),
        usual=_usual_parameters(plan),
        used_by_board=used_gpios(board) if board else None,
    )
    said = {**plan.module.changes, **request.factory_param}
    refused = []
    for problem in problems:
        name = next((name for name in said if _is_about(problem, name)), None)
        if name is None:
            yield str(problem)
        else:
            problem.locate(said[name].where)
            refused.append(problem)
    raise_all(refused)
    yield from warnings


def _is_about(problem: EspAtError, name: str) -> bool:
    """Return whether a problem is that of a parameter, or of another one that it gets in the way of."""
    return _parameter(name) == _parameter(problem.where or "") or _parameter(name) in problem.message


def _parameter(name: str) -> str:
    """Return what a parameter was called before v3.1.0.0: a project may use either name."""
    return RENAMED.get(name, name)


def _usual_parameters(plan: FlashPlan) -> Mapping[str, int | str] | None:
    """Return what upstream gives the module, None where the catalog doesn't know it in this version."""
    try:
        return plan.module.factory_param_values(int((plan.parameters or {}).get("version", 0)))
    except EspAtError:
        return None


def _check_pki(request: Request, now: datetime) -> Iterator[str]:
    """Yield warnings of the project's certificates and keys."""
    if not request.pki:
        return
    from platformio_esp_at.checks.certificates import check_pair, check_pki_file  # noqa: PLC0415 - 40 ms, for cryptography

    problems: list[EspAtError] = []
    files_by_slot = pki_by_slot(request)
    for slot, files in files_by_slot.items():
        for file in files:
            found, warnings = check_pki_file(file.data, PKI_SLOTS[slot], now=now)
            for problem in found:
                problem.locate(file.label)
            problems += found
            yield from (f"{file.label}: {warning}" for warning in warnings)
        if slot.endswith("_cert"):
            keys = files_by_slot.get(slot.replace("_cert", "_key"), ())
            for certificate, key in zip(files, keys, strict=False):
                found = check_pair(certificate.data, key.data)
                for problem in found:
                    problem.locate(key.label)
                problems += found
    raise_all(problems)


def _check_gatts(plan: FlashPlan, request: Request) -> Iterator[str]:
    """Yield warnings of the project's GATT table."""
    if request.gatts is None:
        return
    rows = GattTable.from_csv(request.gatts.text()).rows
    problems, warnings = lint_gatts(rows, editable_rows=EDITABLE_ROWS if plan.package.has_mfg_nvs else None)
    for problem in problems:
        problem.locate(request.gatts.label)
    raise_all(problems)
    yield from (f"{request.gatts.label}: {warning}" for warning in warnings)
