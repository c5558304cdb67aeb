"""``python -m platformio_esp_at``: the same as ``esp-at``."""

from platformio_esp_at.cli import main

main()
