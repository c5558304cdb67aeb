"""The corpus: all rules, the faults that they make, and what becomes of each."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import faults
from faults.cases import all_cases
from faults.rule import RULES, Fault, Rule
from faults.trial import Outcome, Trial, Verdict, judge, try_case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faults.case import Case

MISSED = Path(__file__).parent / "missed.txt"
"""The names of the faults that nothing catches."""
_MISSED_HEAD = (
    "# Faults that nothing catches, by name, sorted: python tests/faults --write (CONTRIBUTING.md, Add a fault)."
)


def rules() -> dict[str, Rule]:
    """Return every rule by its name."""
    for module in pkgutil.iter_modules(faults.__path__, "faults."):
        if module.name.startswith("faults.rules_"):
            importlib.import_module(module.name)
    return RULES


@functools.cache
def every_case() -> tuple[Case, ...]:
    """Return every clean case: with ESP_AT_REFERENCE, also those of the reference data."""
    reference = os.environ.get("ESP_AT_REFERENCE")
    return all_cases(Path(reference) if reference else None)


def known_misses() -> set[str]:
    """Return the names in `MISSED`."""
    lines = MISSED.read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def write_misses(judged: Sequence[Judged]) -> None:
    """Write the names of the missed faults into `MISSED`, and keep there those of faults that weren't tried."""
    tried = {one.fault.name for one in judged}
    missed = {one.fault.name for one in judged if one.verdict.outcome is Outcome.MISSED}
    names = sorted(missed | (known_misses() - tried))
    MISSED.write_text("\n".join([_MISSED_HEAD, *names, ""]), encoding="utf-8")


class Judged(NamedTuple):
    fault: Fault
    verdict: Verdict


class Judge:
    """Tries faults; each clean case is tried once."""

    def __init__(self) -> None:
        self._clean: dict[str, Trial] = {}

    def clean(self, case: Case) -> Trial:
        if case.name not in self._clean:
            self._clean[case.name] = try_case(case)
        return self._clean[case.name]

    def of_rule(self, rule: Rule, cases: Sequence[Case]) -> list[Judged]:
        """Return the verdict on each fault of a rule."""
        return [
            Judged(fault, judge(fault, try_case(fault.case), self.clean(fault.clean))) for fault in rule.faults(cases)
        ]


def report(judged: Sequence[Judged], listed: Outcome | None) -> str:
    """Return the table of the rules, and the faults with an outcome, by name."""
    lines = [f"{'rule':38} {'made':>5} {'refused':>8} {'warned':>7} {'missed':>7}"]
    by_rule: dict[str, Counter[Outcome]] = {}
    for fault, verdict in judged:
        by_rule.setdefault(fault.rule.name, Counter())[verdict.outcome] += 1
    counts = [*by_rule.items(), (f"{len(by_rule)} rules", sum(by_rule.values(), Counter()))]
    for name, count in counts:
        numbers = (count[Outcome.REFUSED], count[Outcome.WARNED], count[Outcome.MISSED])
        lines.append(f"{name:38} {count.total():5} {numbers[0]:8} {numbers[1]:7} {numbers[2]:7}")
    lines += [
        f"{fault.name}\n    {verdict.said}\n    harm: {fault.rule.harm}"
        for fault, verdict in judged
        if verdict.outcome is listed
    ]
    return "\n".join(lines) + "\n"
