"""The YAML files of this package, each read once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from platformio_esp_at.files import load_yaml


@functools.cache
def load(name: str) -> Any:  # noqa: ANN401 - YAML; each module here gives its own file a type
    """Return the content of the catalog file ``name``. Don't change it: all callers get the same object."""
    # Without importlib.resources (5 ms): the package is always a folder, since PlatformIO uses its files by path.
    return load_yaml(Path(__file__).parent / name)
