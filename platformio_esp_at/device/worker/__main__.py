"""Answer requests until the input ends: ``{"do": "digest", …}`` with ``{"done": …}`` or ``{"failed": …}``."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING

from platformio_esp_at.device.messages import receive, send

if TYPE_CHECKING:
    from platformio_esp_at.device.messages import Message


def main() -> None:
    """Carry out one request after the other; events go out while it lasts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us decides; then our input ends
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what esptool prints by itself is no answer
    requests: SimpleQueue[tuple[Message, bytes]] = SimpleQueue()
    threading.Thread(target=_read, args=(os.fdopen(os.dup(0), "rb"), requests), daemon=True).start()

    def tell(message: Message, data: bytes = b"") -> None:
        with suppress(OSError):  # nobody listens any more: the input ends, too
            send(output, message, data)

    try:
        from platformio_esp_at.device.worker.engine import Engine  # noqa: PLC0415 - esptool: the input is watched first
    except Exception as error:  # noqa: BLE001 - whatever a damaged file of esptool raises
        tell({"failed": "esptool", "text": f"{type(error).__name__}: {error}"})
        return

    engine = Engine(tell)
    while True:
        tell(*engine.carry_out(*requests.get()))


def _read(stream: IO[bytes], requests: SimpleQueue[tuple[Message, bytes]]) -> None:
    """Hand on requests; end this process with the input: the process that wrote it has ended, or wants no more."""
    while request := receive(stream):
        requests.put(request)
    os._exit(0)


if __name__ == "__main__":
    main()
