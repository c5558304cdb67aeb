"""What may be burned into a simulated chip to protect it, as the registers and the answer that esptool reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

from platformio_esp_at.errors import EspAtError

_SECURE_BOOT, _SECURE_DOWNLOAD = 1 << 0, 1 << 2
"""Flags of the security info."""
_ENCRYPTION_KEY, _SECURE_BOOT_DIGEST = 4, 9
"""What a key is for: XTS_AES_128_KEY and SECURE_BOOT_DIGEST0."""
_KEY_SLOTS = 7


@dataclass(frozen=True, slots=True)
class Security:
    """The eFuses of a protected chip, which can't be unburned; nothing here is burned on a new one.

    ``secure_boot``: v1 is of the ESP32 alone. ``flash_encryption``: in ``development``, the chip still encrypts what is
    downloaded; in ``release``, it doesn't. ``secure_download``: the ROM only writes to the flash.
    """

    secure_boot: Literal["v1", "v2"] | None = None
    flash_encryption: Literal["development", "release"] | None = None
    secure_download: bool = False


def check_security(security: Security, chip: str) -> None:
    """Raise an EspAtError if ``chip`` can't be protected like this."""
    if chip == "esp8266" and security != Security():
        problem, hint = "an ESP8266 can't be protected", "leave security out"
    elif chip == "esp32" and security.secure_download:
        problem, hint = "an ESP32 has no Secure Download Mode", "choose another chip, such as esp32c3"
    elif chip != "esp32" and security.secure_boot == "v1":
        problem, hint = f"{chip} has no Secure Boot v1", 'give secure_boot="v2"'
    else:
        return
    raise EspAtError("simulation-failed", problem, hint=hint)


def burned_bits(security: Security, rom: Any) -> list[tuple[int, int]]:  # noqa: ANN401 - a class of esptool
    """Return (address of a register, bits that are burned there); ``rom`` is esptool's class of the chip."""
    is_esp32 = rom.CHIP_NAME == "ESP32"
    bits: list[tuple[int, int]] = []
    if security.secure_boot and is_esp32:
        done = rom.EFUSE_RD_ABS_DONE_0_MASK if security.secure_boot == "v1" else rom.EFUSE_RD_ABS_DONE_1_MASK
        bits.append((rom.EFUSE_RD_ABS_DONE_REG, done))
    elif security.secure_boot:
        bits.append((rom.EFUSE_SECURE_BOOT_EN_REG, rom.EFUSE_SECURE_BOOT_EN_MASK))
    if security.flash_encryption:
        mask = rom.EFUSE_SPI_BOOT_CRYPT_CNT_MASK
        count = mask if security.flash_encryption == "release" else mask & -mask
        bits.append((rom.EFUSE_SPI_BOOT_CRYPT_CNT_REG, count))
        if is_esp32:
            # FLASH_CRYPT_CONFIG, and the key, which nobody can read any more.
            bits += [(rom.EFUSE_RD_REG_BASE + 4 * 5, 0xF << 28), (rom.EFUSE_RD_REG_BASE, 1 << 16)]
        elif hasattr(rom, "EFUSE_RD_DIS_REG"):
            bits.append((rom.EFUSE_RD_DIS_REG, 1))
    if security.flash_encryption == "release":
        bits.append((rom.EFUSE_DIS_DOWNLOAD_MANUAL_ENCRYPT_REG, rom.EFUSE_DIS_DOWNLOAD_MANUAL_ENCRYPT))
    for slot, purpose in enumerate(_key_purposes(security, rom)):
        if purpose:
            address = getattr(rom, f"EFUSE_PURPOSE_KEY{slot}_REG")
            bits.append((address, purpose << getattr(rom, f"EFUSE_PURPOSE_KEY{slot}_SHIFT")))
    return bits


def security_info(security: Security, rom: Any) -> bytes | None:  # noqa: ANN401 - a class of esptool
    """Return what the chip answers to GET_SECURITY_INFO, or None if it doesn't know that command.

    Flags (4 bytes), FLASH_CRYPT_CNT (1), purposes of the keys (7), then, but for the ESP32-S2, chip ID and version of
    the interface (4 each).
    """
    if not rom.SECURITY_INFO_SUPPORTED:
        return None
    flags = _SECURE_BOOT * (security.secure_boot is not None) | _SECURE_DOWNLOAD * security.secure_download
    count = {None: 0, "development": 1, "release": 7}[security.flash_encryption]
    info = struct.pack("<IB7s", flags, count, bytes(_key_purposes(security, rom)).ljust(_KEY_SLOTS, b"\0"))
    return info if rom.USES_MAGIC_VALUE else info + struct.pack("<II", rom.IMAGE_CHIP_ID, 0)


def _key_purposes(security: Security, rom: Any) -> list[int]:  # noqa: ANN401
    if not hasattr(rom, "EFUSE_PURPOSE_KEY0_REG") or not rom.KEY_PURPOSES:
        return []  # the ESP32 and the ESP32-C2 have a fixed place for each key
    return [_ENCRYPTION_KEY * bool(security.flash_encryption), _SECURE_BOOT_DIGEST * bool(security.secure_boot)]
