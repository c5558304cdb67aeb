"""The flash-only dev-platform: boards of its own, AT modules as boards, and the boards of installed platforms."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from platformio.platform.board import PlatformBoardConfig
from platformio.platform.exception import UnknownBoard
from platformio.public import PlatformBase

# PlatformIO loads this file by its path: so the package is found from there, installed or not.
sys.path.append(str(Path(__file__).resolve().parents[3]))

from platformio_esp_at.files import is_regular
from platformio_esp_at.request import board_manifests


class ModuleBoard(PlatformBoardConfig):  # type: ignore[misc] # platformio has no types
    """A board without a file: an AT module by itself."""

    def __init__(self, board_id: str, manifest: dict[str, Any]) -> None:
        self._id = board_id
        self._manifest = manifest
        self.manifest_path = __file__


class Espressif_atPlatform(PlatformBase):  # type: ignore[misc] # noqa: N801 - PlatformIO derives the name from platform.json
    """The boards here, and those of other installed platforms: they can be flashed as well."""

    def get_boards(self, id_: str | None = None) -> Any:  # noqa: ANN401 - one board or a dict of them, as PlatformIO has it
        """Return the board ``id_``, or every board by its id."""
        modules = board_manifests.module_boards()
        if id_ is None:
            for board_id, manifest in modules.items():
                self._add(ModuleBoard(board_id, dict(manifest)))
            found = super().get_boards()
            for folder in self._installed():
                for file in board_manifests.manifests(folder):
                    if file.stem not in found:
                        self._add(PlatformBoardConfig(str(file)))
            return found
        if id_ in modules:
            return self._add(ModuleBoard(id_, dict(modules[id_])))
        try:
            return super().get_boards(id_)
        except UnknownBoard:
            for folder in self._installed():
                if is_regular(folder / f"{id_}.json"):
                    return self._add(PlatformBoardConfig(str(folder / f"{id_}.json")))
            raise

    def _installed(self) -> list[Path]:
        return list(board_manifests.board_folders(None, Path(self.config.get("platformio", "platforms_dir"))))

    def _add(self, board: PlatformBoardConfig) -> PlatformBoardConfig:
        """Store a board by its id, as one of this platform; PlatformIO writes overrides of platformio.ini into it."""
        board.manifest["platform"] = self.name
        return self._BOARDS_CACHE.setdefault(board.id, board)
