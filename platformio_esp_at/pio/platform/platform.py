"""The flash-only dev-platform: boards of its own, AT modules as boards, and the boards of installed platforms.

PlatformIO loads this file in its own Python: it imports PlatformIO and the standard library alone.
"""

import os
from typing import Any, Iterator, Optional

from platformio.platform.board import PlatformBoardConfig
from platformio.platform.exception import UnknownBoard
from platformio.public import PlatformBase


class Espressif_atPlatform(PlatformBase):  # type: ignore[misc] # noqa: N801 - PlatformIO derives the name from platform.json
    """The boards here, and those of other installed platforms: they can be flashed as well."""

    def get_boards(self, id_: Optional[str] = None) -> Any:  # noqa: ANN401 - one board or a dict of them, as PlatformIO has it
        """Return the board ``id_``, or every board by its id."""
        if id_ is None:
            found = super().get_boards()
            for file in self._of_installed_platforms():
                if os.path.basename(file)[: -len(".json")] not in found:
                    self._add(file)
            return found
        try:
            return super().get_boards(id_)
        except UnknownBoard:
            for file in self._of_installed_platforms():
                if os.path.basename(file) == id_ + ".json":
                    return self._add(file)
            raise

    def _of_installed_platforms(self) -> Iterator[str]:
        root = self.config.get("platformio", "platforms_dir")
        for platform in sorted(_listed(root)):
            folder = os.path.join(root, platform, "boards")
            for name in sorted(_listed(folder)):
                file = os.path.join(folder, name)
                if name.endswith(".json") and os.path.isfile(file):
                    yield file

    def _add(self, file: str) -> PlatformBoardConfig:
        """Store a board by its id, as one of this platform; PlatformIO writes overrides of platformio.ini into it."""
        board = PlatformBoardConfig(file)
        board.manifest["platform"] = self.name
        return self._BOARDS_CACHE.setdefault(board.id, board)


def _listed(folder: str) -> Iterator[str]:
    try:
        return iter(os.listdir(folder))
    except OSError:
        return iter(())
