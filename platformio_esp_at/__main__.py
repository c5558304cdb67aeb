"""``esp-at``, and the same as ``python -m platformio_esp_at``: a Ctrl-C while it starts ends it in one line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Load the command line and run it.

    Until a command has begun its work (`cli` ends this then), there is nothing to clean up after a Ctrl-C.
    """
    try:
        import signal

        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # nohup and shells may let it be ignored
            signal.signal(signal.SIGINT, _end)
        from platformio_esp_at.cli import main as run

        run()
    except KeyboardInterrupt:
        _end(0, None)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """End at once: an exception could be reported by whatever is being loaded."""
    try:
        if sys.stderr is not None:
            os.write(sys.stderr.fileno(), b"Aborted!\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    main()
