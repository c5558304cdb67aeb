"""The build script of the flash-only platform: the AT targets, and two of them under PlatformIO's own names."""

import os
import sys

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()

# In a released platform the package lies in its folder, in a checkout and in a wheel around it.
folder = os.path.realpath(env.PioPlatform().get_dir())
if not os.path.isdir(os.path.join(folder, "platformio_esp_at")):
    folder = os.path.abspath(os.path.join(folder, "..", "..", ".."))
sys.path.insert(0, folder)
try:
    from platformio_esp_at.pio.targets import register_platform
finally:
    del sys.path[0]
register_platform(env)
