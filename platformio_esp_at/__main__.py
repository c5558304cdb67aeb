"""``esp-at``, and the same as ``python -m platformio_esp_at``: a Ctrl-C while it starts ends it in one line."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line and run it."""
    try:
        from platformio_esp_at.cli import main as run

        run()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            print("Aborted!", file=sys.stderr)  # noqa: T201 - as click says it, which may not be loaded yet
        sys.exit(130)


if __name__ == "__main__":
    main()
