"""Flash Espressif ESP-AT firmware packages from PlatformIO or the command line."""

__version__ = "0.2.0"
