"""The PlatformIO side: targets that an extra script or the flash-only dev-platform registers."""

from platformio_esp_at.pio.targets import register

__all__ = ["register"]
