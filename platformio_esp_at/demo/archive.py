"""What is released for PlatformIO, as it is downloaded: archives that bring this package along."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at import __version__
from platformio_esp_at.request.board_manifests import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = Path(__file__).parents[1]


def package_files(without: tuple[str, ...] = ()) -> dict[str, Path]:
    """Return the files of this package by their path in an archive; ``without``: rooms that a host doesn't need."""
    skipped = {"__pycache__", "demo", "documentation", "examples", *without}
    files = (file for file in sorted(PACKAGE.rglob("*")) if file.is_file())
    relative = {file.relative_to(PACKAGE): file for file in files if file.suffix != ".pyc"}
    return {
        f"{PACKAGE.name}/{path.as_posix()}": file for path, file in relative.items() if path.parts[0] not in skipped
    }


def write_platform_archive(folder: Path) -> Path:
    """Write the flash-only platform into a folder, as ``platform =`` in platformio.ini takes it; return its path."""
    own = {file.relative_to(PLATFORM).as_posix(): file for file in sorted(PLATFORM.rglob("*")) if file.is_file()}
    own = {path: file for path, file in own.items() if not path.endswith(".pyc")}
    return write_archive(folder / f"espressif_at-{__version__}.tar.gz", {**own, **package_files(without=("idf",))})


def write_archive(archive: Path, files: Mapping[str, Path]) -> Path:
    """Write a .tar.gz whose bytes depend on the files' names and content alone; return its path."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, file in sorted(files.items()):
            data = file.read_bytes()
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return archive
