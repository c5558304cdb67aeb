"""Progress bars in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import printable
from platformio_esp_at.events import Progressed

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from platformio_esp_at.events import Event, Report


class Bars:
    """Shows events: a bar for progress, which goes when something else is shown."""

    def __init__(self, show: Report) -> None:
        self._show = show
        self._bar: tuple[str, Progress, TaskID] | None = None

    def show(self, event: Event) -> None:
        """Show an event."""
        if not isinstance(event, Progressed):
            self.clear()
            self._show(event)
            return
        if self._bar is None or self._bar[0] != event.name:
            self.clear()
            self._bar = self._start(event)
        _, bar, task = self._bar
        bar.update(task, completed=event.done, total=event.total)

    def clear(self) -> None:
        """Remove the bar, if there is one."""
        if self._bar is not None:
            self._bar[1].stop()
        self._bar = None

    @staticmethod
    def _start(event: Progressed) -> tuple[str, Progress, TaskID]:
        from rich.markup import escape  # noqa: PLC0415 - 60 ms that only a bar needs
        from rich.progress import Progress  # noqa: PLC0415

        bar = Progress(transient=True)
        bar.start()
        return event.name, bar, bar.add_task(escape(printable(event.name)), total=event.total)
