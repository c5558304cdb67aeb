"""The chip's revision and crystal: whether the firmware runs with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.catalog.chips import other_revision
from platformio_esp_at.errors import Notice, warning
from platformio_esp_at.formats.esp_image import ESP8266, ChipRevisions, chip_revisions, format_revision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.planning.plan import FlashPlan


def crystal_warnings(chip: Chip, crystal_mhz: int | None) -> tuple[Notice, ...]:
    """Return a warning if the firmware is built for another crystal; ``crystal_mhz`` is None if unknown."""
    if crystal_mhz is None or chip.crystal_mhz in (None, crystal_mhz):
        return ()
    message = (
        f"this {chip.display_name} has a crystal of {crystal_mhz} MHz, released firmware is built for "
        f"{chip.crystal_mhz} MHz: the AT port runs at another speed then, and the radio doesn't work"
    )
    hint = f"take a module with {chip.crystal_mhz} MHz, or build ESP-AT for {crystal_mhz} MHz"
    return (warning("crystal-mismatch", message, hint=hint, crystal_mhz=crystal_mhz),)


def is_crystal_known(plan: FlashPlan) -> bool:
    """Return whether the device needn't be asked: the chip has one crystal only, or the board's is known."""
    return plan.chip.crystal_mhz is None or any(notice.code == "crystal-mismatch" for notice in plan.notes)


def is_checked_by_esptool(plan: FlashPlan, images: Sequence[tuple[int, str, bytes]]) -> bool:
    """Return whether esptool, before it writes, checks the chip for all revisions that the firmware needs.

    esptool reads only the image at the bootloader offset. A factory image starts at 0x0, which is not the bootloader
    offset on every chip, and the application may need a newer chip than its bootloader.
    """
    esp8266 = plan.chip.key == ESP8266
    checked = next((data for offset, _, data in images if offset == plan.chip.bootloader_offset), None)
    return plan.chip_revisions == (chip_revisions(checked, esp8266=esp8266) if checked else ChipRevisions())


def check_silicon(plan: FlashPlan, revision: int | None) -> tuple[Notice, ...]:
    """Check that the firmware runs on a revision of the chip (None: it isn't known), and return the warnings.

    Raises `FlashError`.
    """
    if revision is None or revision in plan.chip_revisions:
        return ()
    if revision == 0:
        # Blank eFuses also read as v0.0: esptool can't find out whether the chip really is the first revision.
        message = (
            f"the chip's revision is unknown (v0.0, perhaps blank eFuses); the firmware is for {plan.chip_revisions}"
        )
        return (
            warning(
                "chip-revision-unknown",
                message,
                hint=f"see whether the chip is {plan.chip_revisions}: esptool chip-id prints its revision",
            ),
        )
    raise other_revision(format_revision(revision), str(plan.chip_revisions))
