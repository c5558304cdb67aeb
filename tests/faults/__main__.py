"""`python tests/faults [--list missed] [RULE ...]`: try the corpus, and print what became of it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def main() -> None:
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
    from faults.cases import all_cases  # noqa: PLC0415 - only now is it found
    from faults.corpus import Judge, report, rules, write_misses  # noqa: PLC0415
    from faults.trial import Outcome  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python tests/faults", description=__doc__)
    parser.add_argument(
        "--list", choices=[outcome.value for outcome in Outcome], help="name the faults with this outcome"
    )
    parser.add_argument("--write", action="store_true", help="write the names of the missed faults into missed.txt")
    parser.add_argument("rules", nargs="*", metavar="RULE", help="only these (default: all)")
    arguments = parser.parse_args()
    reference = os.environ.get("ESP_AT_REFERENCE")
    cases, found = all_cases(Path(reference) if reference else None), rules()
    wanted = arguments.rules or list(found)
    judge = Judge()
    judged = [one for name in wanted for one in judge.of_rule(found[name], cases)]
    if arguments.write:
        write_misses(judged)
    sys.stdout.write(report(judged, Outcome(arguments.list) if arguments.list else None))


if __name__ == "__main__":
    main()
