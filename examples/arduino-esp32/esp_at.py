# Adds upload_at and the other AT targets to this project. pioarduino hides pip's packages: hence the path.
import sys, sysconfig; sys.path.append(sysconfig.get_paths()["purelib"])
from platformio_esp_at.pio import register  # not found? Install platformio-esp-at into PlatformIO's own Python
Import("env"); register(env)
