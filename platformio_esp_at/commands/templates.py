"""The project templates: in the installed package, or next to it in a checkout."""

from __future__ import annotations

from pathlib import Path

from platformio_esp_at.errors import EspAtError


def template(name: str) -> Path:
    """Return the folder of a template, such as ``flash-only``. Raises `EspAtError` where it isn't installed."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package, package.parent):
        if (found := folder / "examples" / name).is_dir():
            return found
    raise EspAtError(
        "template-missing",
        f"the template {name} isn't installed: there is no examples/{name} in {package}",
        hint="install platformio-esp-at with pip or pipx: a library or a platform of PlatformIO has no templates",
    )
