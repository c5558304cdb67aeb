# Adds upload_at and the other AT targets to a PlatformIO project. In its platformio.ini:
#
#     lib_deps = …/esp-at @ 0.2.0
#     extra_scripts = pre:$PROJECT_LIBDEPS_DIR/$PIOENV/esp-at/esp_at.py
import os
import sys

Import("env")  # noqa: F821 - SCons has it

# SCons gives a script no __file__. Nothing but this package is found by the path, and only for this one import.
sys.path.insert(0, os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename)))  # noqa: SLF001
try:
    from platformio_esp_at.pio.targets import register
finally:
    del sys.path[0]
register(env)  # noqa: F821
