"""A module and a PlatformIO without hardware and without downloads, for ``esp-at demo`` and the end-to-end tests."""
