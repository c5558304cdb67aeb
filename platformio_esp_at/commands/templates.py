"""The project templates: in the installed package, or next to it in a checkout."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from platformio_esp_at.errors import EspAtError

TEMPLATES = MappingProxyType(
    {
        "arduino-esp32": (".gitignore", "README.md", "platformio.ini", "src/main.cpp"),
        "esp8266": (".gitignore", "README.md", "esp_at.yml", "platformio.ini"),
        "flash-only": (
            *(".gitignore", "README.md", "certs/ca.pem", "data/product.txt", "esp_at.yml"),
            *("own_partitions.csv", "platformio.ini"),
        ),
        "host-mcu": (".gitignore", "README.md", "platformio.ini", "src/main.cpp"),
    }
)
"""The files of each template, by its name: whoever tries one in a checkout has more in its folder."""


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
