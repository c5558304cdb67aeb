"""Write what is released beside wheel and sdist: `python3 bootstrap.py build` does, or this with a folder as argument.

The library and the flash-only platform for PlatformIO, and the component for ESP-IDF; each brings the Python package.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from platformio_esp_at import __version__
from platformio_esp_at.demo.archive import package_files, write_archive, write_platform_archive

ROOT = Path(__file__).parents[1]
COMPONENT = ROOT / "idf_component" / "esp_at_flash"


def write_library_archive(folder: Path) -> Path:
    """Write the PlatformIO library into a folder, as `lib_deps` takes it; return its path."""
    exported = json.loads((ROOT / "library.json").read_text(encoding="utf-8"))["export"]
    own = {name: ROOT / name for name in exported["include"] if (ROOT / name).is_file()}
    rooms = [path.removeprefix("platformio_esp_at/") for path in exported["exclude"]]
    return write_archive(folder / f"esp-at-{__version__}.tar.gz", {**own, **package_files(without=tuple(rooms))})


def copy_component(folder: Path) -> Path:
    """Copy the ESP-IDF component into a folder, with the package in it, as the registry gets it; return its path."""
    copy = folder / COMPONENT.name
    shutil.copytree(COMPONENT, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "sdkconfig", "*.lock"))
    for name, file in package_files().items():
        target = copy / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return copy


def main() -> None:
    """Write all of it into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    print(write_library_archive(folder), write_platform_archive(folder), copy_component(folder), sep="\n")


if __name__ == "__main__":
    main()
