"""Bootloader and application: whether they are undamaged, built for this chip, and linked for their place in flash."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, PackageError, Place, located, raise_all
from platformio_esp_at.units import format_offset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.catalog.chips import Chip, Memory
    from platformio_esp_at.formats.esp_image import EspImage
    from platformio_esp_at.planning.plan import FlashPlan

_ALIGNMENT = 4
_MAPPED = 1 << 20
"""The ESP8266 maps its flash by the megabyte: an application runs at the same offset in each."""


def check_images(plan: FlashPlan) -> None:
    """Check bootloader and applications. Raises `PackageError` with all problems of the first one that has some."""
    bootloader, again = plan.package.bootloader.offset, plan.package.origin_hint
    for region in plan.programs:
        image = region.program
        if image is None:
            continue
        with located(file=region.path):
            problems = [*_problems(image, plan.chip, region.offset, again)]
            if region.offset == bootloader and plan.package.is_factory_image:
                # Its digest may be that of other flash settings: see `factory_package`, which has checked it.
                problems = [problem for problem in problems if problem.code != "image-digest"]
            if region.offset == bootloader:
                problems += _application_as_bootloader(image, plan.chip.memory, again)
            elif image.data == plan.package.bootloader_program.data:
                message = "the application is the same program as the bootloader"
                problems.append(PackageError("programs-mixed-up", message, hint=again))
            raise_all(problems)
    revisions = plan.chip_revisions
    if revisions.first > revisions.last:
        message = "bootloader and application are for different revisions of the chip"
        raise PackageError(
            "revisions-contradict",
            message,
            where=Place.at(package=plan.package.name),
            hint=plan.package.origin_hint,
        )


def _problems(image: EspImage, chip: Chip, offset: int, again: str) -> Iterator[EspAtError]:
    """Yield the problems of an image that is written to ``offset``; ``again``: where to get it undamaged."""
    if not image.digest_valid:
        yield PackageError("image-digest", "the image's SHA-256 doesn't match its bytes", hint=again)
    if image.chip_id != chip.image_chip_id:
        message = f"not an image for {chip.display_name} (chip id {image.chip_id})"
        yield PackageError("image-other-chip", message, hint="take the firmware package of the module's chip")
    if image.describes_application or not image.hash_appended:
        yield from _bad_addresses(image, again)
    if chip.memory:
        yield from _outside_memory(image, chip.memory, chip.display_name, again)
        yield from _linked_elsewhere(image, chip.memory, offset)


def _application_as_bootloader(image: EspImage, memory: Memory | None, again: str) -> Iterator[EspAtError]:
    """Yield a problem for an application where the bootloader should be: the ROM can't start code in flash."""
    in_flash = memory and any(part.address in memory.flash for part in image.segments)
    if image.describes_application or in_flash:
        message = "this is an application, where the bootloader should be"
        yield PackageError("programs-mixed-up", message, hint=again)


def _bad_addresses(image: EspImage, again: str) -> Iterator[EspAtError]:
    """Yield the problems of addresses that no program has; where there is a digest, it is of a wrong program."""
    if image.entry % _ALIGNMENT or not any(part.address <= image.entry < part.end for part in image.segments):
        message = f"the image starts at address {image.entry:#x}, where it has no code"
        yield PackageError("image-address", message, where=Place.at(offset=4), hint=again)
    for part in image.segments:
        if part.address % _ALIGNMENT:
            message = f"the segment's address {part.address:#x} isn't a multiple of {_ALIGNMENT}"
            yield PackageError("image-address", message, where=Place.at(offset=part.offset - 8), hint=again)
    for before, part in pairwise(sorted(image.segments)):
        if before.end > part.address:
            message = f"two segments have the address {part.address:#x}"
            yield PackageError("image-address", message, where=Place.at(offset=part.offset - 8), hint=again)


def _outside_memory(image: EspImage, memory: Memory, chip: str, again: str) -> Iterator[EspAtError]:
    for part in image.segments:
        if not any(part.address in area and part.end - 1 in area for area in memory):
            message = f"a segment goes to address {part.address:#x}, where the {chip} has no memory for it"
            yield PackageError("image-address", message, where=Place.at(offset=part.offset - 8), hint=again)


def _linked_elsewhere(image: EspImage, memory: Memory, offset: int) -> Iterator[EspAtError]:
    """Yield a problem if the code in flash is linked for another offset than the image is written to.

    Only the first of such segments shows it: a next one has the address after it, without its own header in between.
    """
    part = next((part for part in image.segments if part.address in memory.flash), None)
    if part is None:
        return
    linked = (part.address - memory.flash.start - part.offset) % _MAPPED
    if linked != offset % _MAPPED:
        message = f"the application is linked for offset {format_offset(linked)} of each megabyte of flash"
        hint = f"it is written to {format_offset(offset)}: take the application of this flash layout"
        yield PackageError("image-other-layout", message, hint=hint)
