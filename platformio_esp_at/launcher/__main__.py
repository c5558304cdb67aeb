"""Run ``esp-at`` with packages of its own: ``python platformio_esp_at/launcher package …``, as CMake does."""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from platformio_esp_at.launcher.child import main  # noqa: E402 - found by the line above

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
