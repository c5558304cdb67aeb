"""The actions of idf.py, for a project's idf_ext.py: from the package in this folder, or in the checkout around it."""

import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = HERE if os.path.isdir(os.path.join(HERE, "platformio_esp_at")) else os.path.dirname(os.path.dirname(HERE))
if not os.path.isdir(os.path.join(ROOT, "platformio_esp_at")):
    raise ImportError(HERE + " has no folder platformio_esp_at: it is a copy from a checkout, where a link has to be")

sys.path.insert(0, ROOT)
try:
    from platformio_esp_at.idf.actions import action_extensions  # noqa: F401 - idf_ext.py takes it
finally:
    sys.path.remove(ROOT)
