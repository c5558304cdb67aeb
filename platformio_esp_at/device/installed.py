"""Whether this Python has an esptool that the worker can drive."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import PackageNotFoundError, version

from platformio_esp_at.errors import FlashError

OLDEST = (5, 6)
"""The first esptool that is used. `worker.undocumented` was read for it, and for those that follow it."""
BEFORE = (6, 0)
"""The first one for which it wasn't: pyproject.toml asks for one between."""
_OWN_ENVIRONMENT = (
    "install platformio-esp-at in an environment of its own, which brings esptool: pipx install platformio-esp-at, "
    "or with pip in a new venv"
)
"""The next step without a usable esptool. Never its upgrade: with esptool 5 in ESP-IDF 5's Python, idf.py fails."""


def check_esptool() -> None:
    """Raise `FlashError` if there is no esptool in this Python, or one that is too old."""
    wanted = ".".join(map(str, OLDEST))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and 3.13, for metadata without a version
            found = str(version("esptool"))
    except PackageNotFoundError:
        message = f"esptool is not installed in this Python, {wanted} or newer is needed"
        raise FlashError("esptool-missing", message, hint=_OWN_ENVIRONMENT) from None
    except (KeyError, OSError, ValueError):  # its metadata is damaged
        found = "unknown"
    numbers = re.match(r"(\d{1,9})\.(\d{1,9})", found, re.ASCII)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        message = f"the version of esptool in this Python is {found}, {wanted} or newer is needed"
        raise FlashError("esptool-too-old", message, hint=_OWN_ENVIRONMENT, version=found)
