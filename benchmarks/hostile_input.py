"""Measure whether the time of a reader grows faster than its input, for input that is made to be slow.

    python benchmarks/hostile_input.py [ROUNDS]

Each reader gets an input, and one of the same kind that is twice as long. Reading the longer one takes twice as long
where time grows with size, and four times as long where it grows with the square of it. Prints the times, which take
turns, and ends with exit code 1 where a ratio exceeds the limit. Times below a millisecond always pass: they are too
short to compare.
"""

from __future__ import annotations

import gc
import sys
import time
from contextlib import suppress
from pathlib import Path

from platformio_esp_at.errors import EspAtError

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hostile import HOSTILE, Hostile

LIMIT = 3
"""How many times as long twice the input may take: 2 is linear, 4 is quadratic."""

ROUNDS = 5
SHORTEST_TIME = 0.001
"""In seconds; shorter times are mostly overhead."""


def main() -> int:
    """Measure every kind and return the exit code."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    passed = [measure(kind, hostile, rounds) for kind, hostile in HOSTILE.items()]
    return 0 if all(passed) else 1


def measure(kind: str, hostile: Hostile, rounds: int) -> bool:
    """Return whether twice the input of a kind takes about twice the time."""
    inputs = [hostile.make(hostile.largest // 2), hostile.make(hostile.largest)]
    # The fastest of several: whatever else the machine does makes a run slower, and none faster.
    turns = [[seconds(hostile, data) for data in inputs] for _ in range(rounds)]
    half, whole = (min(times) for times in zip(*turns, strict=True))
    ratio = whole / half
    passed = ratio <= LIMIT or whole < SHORTEST_TIME
    print(f"{'PASS' if passed else 'FAIL'}  {kind:32} {half * 1000:8.2f} ms {whole * 1000:8.2f} ms  x {ratio:.1f}")
    return passed


def seconds(hostile: Hostile, data: bytes | str) -> float:
    """Return how long a reader takes for an input, or to refuse it."""
    gc.collect()
    gc.disable()  # as timeit does: how often it runs depends on all live objects
    try:
        start = time.perf_counter()
        with suppress(EspAtError):
            hostile.read(data)
        return time.perf_counter() - start
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
