"""A simulated module, and a PlatformIO that downloads nothing, for ``esp-at demo`` and the end-to-end tests."""
