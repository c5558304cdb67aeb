"""Board manifests: where they are looked for."""

from __future__ import annotations

import subprocess
import sys

from platformio_esp_at.board_manifests import PLATFORM, find_board

BOARD = '{"name": "Mine", "build": {"mcu": "esp32"}, "upload": {"flash_size": "4MB"}}'


def test_they_load_no_front_end():
    """The command line and the demo look for boards, too."""
    code = "import sys, platformio_esp_at.board_manifests; print([name for name in sys.modules if '_at.pio' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_registering_loads_nothing_else():
    code = (
        "import sys; from platformio_esp_at.pio import register; "
        "print(sorted(name for name in sys.modules if name.startswith('platformio_esp_at.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['platformio_esp_at.pio', 'platformio_esp_at.pio.targets']\n"


def test_the_platform_is_there():
    assert (PLATFORM / "platform.json").is_file()
    assert find_board("esp32dev").mcu == "esp32"


def test_the_projects_own_board_is_the_first(tmp_path):
    (tmp_path / "esp32dev.json").write_text(BOARD)
    assert find_board("esp32dev", own_boards=tmp_path).name == "Mine"
