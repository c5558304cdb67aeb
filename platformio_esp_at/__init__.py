"""Flash Espressif ESP-AT firmware packages from PlatformIO, ESP-IDF or the command line."""

__version__ = "0.1.0"
