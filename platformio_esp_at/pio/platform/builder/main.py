"""The build script of the flash-only platform: the AT targets, and ``upload`` as another name of ``upload_at``."""

from SCons.Script import DefaultEnvironment

from platformio_esp_at.pio.targets import TARGETS, add_target
from platformio_esp_at.units import UPLOAD_BAUD

env = DefaultEnvironment()
env["UPLOAD_SPEED"] = env.get("UPLOAD_SPEED") or env.BoardConfig().get("upload.speed", UPLOAD_BAUD)

for target in TARGETS:
    add_target(env.AddPlatformTarget, env, target)
    if target.name == "upload_at":
        add_target(env.AddPlatformTarget, env, target, "upload")

env.Default("package_at")
