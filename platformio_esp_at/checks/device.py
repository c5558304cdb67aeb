"""The device on the port: whether the firmware runs on it, before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.catalog.chips import other_revision
from platformio_esp_at.errors import FlashError, Notice, setting, warning
from platformio_esp_at.formats.esp_image import format_revision
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.device.session import Device, Security
    from platformio_esp_at.formats.backup import Backup
    from platformio_esp_at.planning.plan import FlashPlan


def check_device(plan: FlashPlan, device: Device) -> tuple[Notice, ...]:
    """Check that a plan can be carried out on a device, and return the warnings. Raises `FlashError`."""
    check_chip(plan.chip, device)
    if device.flash_size is not None and device.flash_size < plan.flash_size:
        has, needs = format_size(device.flash_size), format_size(plan.flash_size)
        hint = "take the firmware package for a module with that flash; esp-at modules lists them"
        raise FlashError(
            "device-flash-too-small",
            f"the device has {has} of flash, less than the {needs} that the firmware is laid out for",
            hint=hint,
            has=device.flash_size,
            needs=plan.flash_size,
        )
    known = any(notice.code == "crystal-mismatch" for notice in plan.notes)
    crystal = () if known else crystal_warnings(plan.chip, device.crystal_mhz)
    return (*_check_revision(plan, device.revision), *crystal)


def check_chip(chip: Chip, device: Device) -> None:
    """Check that a device has the chip, and that its flash can be read and written. Raises `FlashError`."""
    if device.chip != chip.key:
        raise FlashError(
            "device-other-chip",
            f"the device at {device.port} is an {_display_name(device.chip)}, the firmware is for {chip.display_name}",
            hint=f"write the module's own port, {setting('port', 'PORT')}; or take the firmware package of this chip",
            chip=device.chip,
        )
    check_security(device.security)


def check_restorable(backup: Backup, device: Device, *, other_module: bool) -> tuple[Notice, ...]:
    """Check that a backup can be restored to a device, and return no warnings. Raises `FlashError`.

    ``other_module``: whether the device may be another module than the backup is of.
    """
    if device.chip != backup.chip:
        raise FlashError(
            "device-other-chip",
            f"the device at {device.port} is an {_display_name(device.chip)}, the backup is of an "
            f"{_display_name(backup.chip)}",
            hint=f"write the module's own port, {setting('port', 'PORT')}; or name the backup of this one",
            chip=device.chip,
        )
    check_security(device.security)
    if device.flash_size is not None and device.flash_size < (backup.flash_size or 0):
        has, needs = format_size(device.flash_size), format_size(backup.flash_size or 0)
        raise FlashError(
            "device-flash-too-small",
            f"the device has {has} of flash, less than the {needs} of the module that the backup is of",
            hint=f"take a module with {needs}; or flash the project in the backup, with firmware for this one",
            has=device.flash_size,
            needs=backup.flash_size or 0,
        )
    if not other_module and device.mac != backup.mac:
        raise FlashError(
            "backup-other-module",
            f"the backup is of the module {backup.mac}, the device is {device.mac}: it would get the Wi-Fi passwords, "
            "certificates and keys of the other one",
            hint=f"plug in {backup.mac}; or, if this one is to replace it, write {setting('other_module', 'true')}",
            mac=device.mac or "",
        )
    return ()


def _display_name(chip: str) -> str:
    """Return a chip's name as people write it, also of one that has no AT firmware.

    >>> _display_name("esp32s3"), _display_name("esp8266")
    ('ESP32-S3', 'ESP8266')
    """
    rest = chip.removeprefix("esp32")
    return chip.upper() if rest in ("", chip) else f"ESP32-{rest.upper()}"


def check_security(security: Security) -> None:
    """Refuse a chip with a security feature that can't be turned off: it starts nothing of Espressif's releases.

    Source: ESP-IDF's guides "Secure Boot", "Flash Encryption" and "UART Download Mode".
    """
    other = "take another module: its eFuses can't be changed back"
    if security.secure_download:
        message = "the chip is in Secure Download Mode: its flash can't be read, so nothing could be verified"
        raise FlashError("secure-download", message, hint=other)
    if security.secure_boot:
        message = "Secure Boot is on: the chip starts only firmware that is signed with its owner's key"
        raise FlashError(
            "secure-boot", message, hint=f"{other}; or sign ESP-AT, and flash it, with ESP-IDF's own tools"
        )
    if security.encryption:
        message = (
            f"flash encryption is on ({security.encryption} mode): the chip can't read what is written unencrypted"
        )
        raise FlashError(
            "flash-encrypted",
            message,
            hint=f"{other}; or build ESP-AT with flash encryption, and flash it with ESP-IDF's own tools",
            mode=security.encryption,
        )


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


def _check_revision(plan: FlashPlan, revision: int | None) -> tuple[Notice, ...]:
    """Check that the firmware runs on a revision of the chip (None: it has none), and return the warnings."""
    if revision is None or revision in plan.chip_revisions:
        return ()
    if revision == 0:
        # Blank eFuses also read as v0.0: nobody can find out whether the chip really is the first revision.
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
