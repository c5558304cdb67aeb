"""The YAML files of this package, each read once."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any


@functools.cache
def load(name: str) -> Any:  # noqa: ANN401 - YAML; each module here gives its own file a type
    """Return the content of the catalog file ``name``; the result is shared, so nobody may change it."""
    import yaml  # noqa: PLC0415 - importing the catalog costs nothing until something is looked up

    # The package is always a folder, since PlatformIO takes files of it by their paths: importlib.resources would cost
    # 5 ms for nothing.
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    # libyaml takes a tenth of the time, where PyYAML was built with it.
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
