"""Adds upload_at and the other AT targets to a PlatformIO project, by two lines of its platformio.ini:

lib_deps = https://github.com/platformio-esp-at/platformio-esp-at/releases/download/v0.2.0/esp-at-0.2.0.tar.gz
extra_scripts = pre:$PROJECT_LIBDEPS_DIR/$PIOENV/esp-at/esp_at.py
"""

import os
import sys

Import("env")  # noqa: F821 - SCons has it

# SCons gives a script no __file__. The path has our package for this one import only.
sys.path.insert(0, os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename)))  # noqa: SLF001
try:
    from platformio_esp_at.pio.targets import register
finally:
    del sys.path[0]
register(env)  # noqa: F821
