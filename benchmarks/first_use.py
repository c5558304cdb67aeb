"""Measure what the first target of a user costs, and what every later one does.

    python benchmarks/first_use.py [ROUNDS]

1. The folder of packages: how long it takes to make it, with real pip and its index, and how large it is.
2. ``pio run -t info_at`` with that folder, compared with the same in an interpreter that has the packages.

Ends with exit code 1 where a limit is exceeded. The runs that are compared take turns.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from overhead import Bench, milliseconds, take_turns, verdict

FIRST_LIMIT_S = 8
SIZE_LIMIT_MB = 60
INFO_LIMIT = 1.1
"""``info_at`` with a folder of packages, in times of that with an interpreter that has them."""


def main() -> int:
    """Run both measurements and return the exit code."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory(prefix="esp-at-bench-") as scratch:
        bench, packages = Bench(Path(scratch)), Path(scratch, "packages")
        with_packages = {name: value for name, value in bench.env.items() if name != "ESP_AT_PYTHON"}
        with_packages = {name: value for name, value in with_packages.items() if "proxy" not in name.lower()}
        with_packages["ESP_AT_ENV"] = str(packages)
        bench.pio("run", bench.at)
        run = partial(bench.pio, "run -t info_at", bench.at)
        start = time.perf_counter()
        run(with_packages)
        first = time.perf_counter() - start
        later, ready = take_turns([partial(run, with_packages), run], rounds)
        size = sum(file.stat().st_size for file in packages.rglob("*") if file.is_file()) / 1e6
    print("1. The first use")
    print(f"   pio run -t info_at, first      {milliseconds(first)}")
    print(f"   later, median of {rounds:2}            {milliseconds(median(later))}")
    passed = [
        verdict("the first one more", first - median(later), FIRST_LIMIT_S, "s"),
        verdict("the folder with what Python compiled", size, SIZE_LIMIT_MB, "MB"),
    ]
    ratio = median(ours / theirs for ours, theirs in zip(later, ready, strict=True))
    print("\n2. Every later use")
    print(f"   with an interpreter that has the packages  {milliseconds(median(ready))}")
    passed.append(verdict("info_at with the folder", ratio, INFO_LIMIT, "times that"))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    os.environ.pop("ESP_AT_PYTHON", None)
    sys.exit(main())
