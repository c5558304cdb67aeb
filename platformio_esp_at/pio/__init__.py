"""The PlatformIO side: targets that an extra script or the flash-only dev-platform registers, and its boards."""

from platformio_esp_at.pio.targets import register

__all__ = ["register"]
