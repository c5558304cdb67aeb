"""Bootloader and application: whether they are undamaged and built for this chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import PackageError, Place, located

if TYPE_CHECKING:
    from platformio_esp_at.planning.plan import FlashPlan


def check_images(plan: FlashPlan) -> None:
    """Check that bootloader and application are undamaged and built for the plan's chip."""
    for region in plan.programs:
        image = region.program
        if image is None:
            continue
        with located(file=region.path):
            checked = region.name == "bootloader" and plan.package.is_factory_image
            if not image.digest_valid and not checked:
                hint = "the file is damaged: download the firmware package again"
                raise PackageError("image-digest", "the image's SHA-256 doesn't match its bytes", hint=hint)
            if image.chip_id != plan.chip.image_chip_id:
                message = f"not an image for {plan.chip.display_name} (chip id {image.chip_id})"
                raise PackageError("image-other-chip", message, hint="take the firmware package of the module's chip")
    revisions = plan.chip_revisions
    if revisions.first > revisions.last:
        message = "bootloader and application are for different revisions of the chip"
        raise PackageError(
            "revisions-contradict",
            message,
            where=Place.at(package=plan.package.name),
            hint="download the firmware package again",
        )
