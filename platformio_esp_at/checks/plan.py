"""All checks of a plan, in their order: what must be true before the first erase.

Planning interprets a request; the checks compare the finished plan with the flash and the board, and its parts with
each other. A check reports all of its problems, not only the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.catalog.boards import known_crystal_mhz
from platformio_esp_at.checks.device import crystal_warnings
from platformio_esp_at.checks.images import check_images
from platformio_esp_at.checks.layout import (
    check_primary,
    check_secondary,
    misplaced_regions,
    missing_parameters,
    moved_partitions,
    overlapping_regions,
    overwritten_partitions,
)
from platformio_esp_at.checks.module import (
    check_family,
    check_flash_size,
    check_limits,
    flash_warnings,
    pin_limit_warnings,
)
from platformio_esp_at.checks.package_content import check_package_content
from platformio_esp_at.checks.package_pki import package_pki_problems
from platformio_esp_at.checks.placement import misplaced_images
from platformio_esp_at.checks.primary import unstartable_application, unusable_primary
from platformio_esp_at.checks.release import differences_from_release, layout_of_release, other_generation
from platformio_esp_at.checks.secondary import unusable_secondary
from platformio_esp_at.checks.written_parameters import check_written_parameters
from platformio_esp_at.errors import located, raise_all
from platformio_esp_at.formats.esp_image import ESP8266
from platformio_esp_at.formats.partition_table import APP_ALIGNMENT, ESP8266_APP_ALIGNMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.options import Request


def check_plan(plan: FlashPlan, board: BoardFacts | None) -> tuple[Notice, ...]:
    """Check that ``plan`` is safe to flash, and return what is worth knowing of the firmware package.

    Raises an `EspAtError` with all problems of the first check that fails.
    """
    check_flash_size(plan.module, board, plan.flash_size, plan.package)
    check_family(plan.module, board, plan.package)
    check_limits(plan.module, plan.package)
    esp8266 = plan.chip.key == ESP8266
    with located(file=plan.package.primary_image.path):
        check_primary(
            plan.primary,
            table_offset=plan.package.primary_image.offset,
            flash_size=plan.flash_size,
            app_alignment=ESP8266_APP_ALIGNMENT if esp8266 else APP_ALIGNMENT,
        )
    release = layout_of_release(plan)
    raise_all([*unusable_primary(plan, release)])
    if plan.own:
        with located(file=plan.package.secondary_image.path):
            check_secondary(plan.package.secondary, home=plan.package.home)
    with located(file=plan.secondary_source):
        check_secondary(plan.secondary, home=plan.package.home)
    raise_all([*unusable_secondary(plan), *other_generation(plan), *unstartable_application(plan)])
    # Step by step: an image at a wrong place is too large there, and overlaps others, which is no news.
    raise_all([*missing_parameters(plan), *misplaced_images(plan)])
    raise_all([*misplaced_regions(plan)])
    raise_all([*overlapping_regions(plan), *overwritten_partitions(plan), *moved_partitions(plan)])
    check_images(plan)
    raise_all([*package_pki_problems(plan)])
    return (*check_package_content(plan), *differences_from_release(plan, release))


def check_values(plan: FlashPlan, board: BoardFacts | None, request: Request, *, now: datetime) -> tuple[Notice, ...]:
    """Check that the module can work with the values of ``request``, and return the warnings.

    ``now``: the time (time-zone-aware) at which certificates must be valid. Raises an `EspAtError` with all problems of
    the first check that fails: parameters, certificates and keys, GATT rows.
    """
    return (
        *crystal_warnings(plan.chip, known_crystal_mhz(board) if board else None),
        *flash_warnings(plan, board),
        *pin_limit_warnings(plan, request),
        *check_written_parameters(plan, board, request),
        *_check_pki(plan, request, now),
        *_check_gatts(plan, request),
    )


def _check_pki(plan: FlashPlan, request: Request, now: datetime) -> Iterator[Notice]:
    if request.pki:
        from platformio_esp_at.catalog.mbedtls import mbedtls_version  # noqa: PLC0415 - as the next one
        from platformio_esp_at.checks.certificates import check_pki  # noqa: PLC0415 - 40 ms, for cryptography

        package = plan.package
        mbedtls = mbedtls_version(package.chip.key, package.release, has_mfg_nvs=package.has_mfg_nvs)
        yield from check_pki(request, now, mbedtls)


def _check_gatts(plan: FlashPlan, request: Request) -> Iterator[Notice]:
    if request.gatts:
        from platformio_esp_at.checks.gatts import check_gatts  # noqa: PLC0415 - 3 ms that only GATT rows need

        yield from check_gatts(plan, request)
