"""The layers of a request: a project file with the files that it names, and the options of a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.request.layers import layer_of_options
from platformio_esp_at.request.read import read_project

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.request.nodes import Layer

FILES = {
    "fw.zip": b"zip",
    "user.csv": b"# csv",
    "gatts.csv": b"index",
    "certs/ca.pem": b"ca",
    "certs/one.pem": b"one",
    "certs/two.pem": b"two",
    "table.bin": b"table",
}


def write_files(folder: Path) -> Path:
    """Write `FILES` into a folder, and return it."""
    for name, data in FILES.items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
    return folder


def project_layer(folder: Path, text: str | bytes) -> Layer:
    """Return the layer of an ``esp_at.yml`` with this text."""
    (folder / "esp_at.yml").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_project(folder)


def options_layer(folder: Path, **options: str) -> Layer:
    """Return the layer of options as PlatformIO gives them."""
    return layer_of_options(options, base=folder, spelling="custom_at_{}".format)
