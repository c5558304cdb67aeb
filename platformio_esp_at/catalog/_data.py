"""The YAML files of this package, each read once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any


@functools.cache
def load(name: str) -> Any:  # noqa: ANN401 - YAML; each module here gives its own file a type
    """Return the content of the catalog file ``name``. Don't change it: all callers get the same object."""
    import yaml  # noqa: PLC0415 - importing the catalog costs nothing until something is looked up

    # Without importlib.resources (5 ms): the package is always a folder, since PlatformIO uses its files by path.
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    # libyaml, if PyYAML was built with it, needs a tenth of the time.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
