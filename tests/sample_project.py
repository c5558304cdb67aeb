"""A project folder with our sample firmware package, and the events that its commands report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.commands.setup import Setup
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.errors import UnknownNameError
from platformio_esp_at.events import EsptoolOutput
from platformio_esp_at.outputs.text import event_text
from platformio_esp_at.request.layers import layer_of_options
from platformio_esp_at.request.read import read_project

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.events import Event


class SampleProject:
    """A project in ``root`` whose firmware is ``AT_PACK.zip``."""

    def __init__(self, root: Path, chip: str = "esp32") -> None:
        self.root = root
        self.out = root / "build/at"
        self.reported: list[Event] = []
        self.asked: list[str | None] = []
        """The boards that were requested; None for the host's own."""
        self.board: BoardFacts | None = None
        write_sample_package(root / "AT_PACK.zip", chip)
        self.write("firmware: AT_PACK.zip\n")

    def write(self, text: str) -> None:
        """Write ``esp_at.yml``."""
        (self.root / "esp_at.yml").write_text(text)

    def setup(self, *, port: str | None = None, **options: str) -> Setup:
        """Return the setup of a host with these options."""

        def find_board(name: str | None) -> BoardFacts | None:
            self.asked.append(name)
            if name == "misspelt":
                raise UnknownNameError("unknown-board", "unknown board 'misspelt'", hint="write esp32dev")
            return self.board

        return Setup(
            layers=(read_project(self.root), layer_of_options(options, base=self.root, spelling="--{}".format)),
            project=self.root,
            folder=self.out,
            find_board=find_board,
            find_port=lambda: port,
            report=self.reported.append,
        )

    @property
    def events(self) -> list[str]:
        """The names of the reported events in their order, without what esptool printed."""
        return [type(event).__name__ for event in self.reported if not isinstance(event, EsptoolOutput)]

    @property
    def esptool_output(self) -> str:
        """What esptool printed."""
        return "".join(event.text for event in self.reported if isinstance(event, EsptoolOutput))

    @property
    def text(self) -> str:
        """The reported events as people read them."""
        return "".join(map(event_text, self.reported))

    def files(self) -> set[str]:
        """Return the paths of all files and folders."""
        return {file.relative_to(self.root).as_posix() for file in self.root.rglob("*")}
