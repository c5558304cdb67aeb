"""Files with what a module has saved, in a project: only their owner can read them, and git ignores them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from platformio_esp_at.outputs.folder import os_errors, write_secret

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "esp_at_private"


class PrivateFile:
    """A file in the private folder; it and the folder are there only while something is kept."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / FOLDER / name

    @property
    def _new(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")

    def read(self) -> bytes | None:
        """Return its content; None if there is none."""
        try:
            return self.path.read_bytes()
        except OSError:
            return None

    def write(self, data: bytes) -> None:
        """Write it, whole or not at all. Raises `EspAtError`."""
        folder = self.path.parent
        with os_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / ".gitignore").write_text("*\n")
            self._new.unlink(missing_ok=True)  # of a run that was killed
            write_secret(self._new, data)
            self._new.replace(self.path)

    def remove(self) -> None:
        """Remove it, and the folder with the last one."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._new.unlink(missing_ok=True)
            if {file.name for file in self.path.parent.iterdir()} <= {".gitignore"}:
                (self.path.parent / ".gitignore").unlink(missing_ok=True)
                self.path.parent.rmdir()
