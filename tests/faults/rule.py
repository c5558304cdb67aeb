"""A rule of the corpus: one kind of fault, why it is harmful, and what counts as caught."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from faults.case import Case

T = TypeVar("T")

MOST = 20
"""Faults of one kind."""

RULES: dict[str, Rule] = {}


class Fault(NamedTuple):
    """A case with one fault in it."""

    rule: Rule
    clean: Case
    variant: str
    case: Case

    @property
    def name(self) -> str:
        return f"{self.rule.name} / {self.clean.name} / {self.variant}"


@dataclass(frozen=True)
class Rule:
    """``makes`` yields variants of one kind of fault in a case, each with a word that tells it from the others."""

    name: str
    makes: Callable[[Case], Iterator[tuple[str, Case]]] = field(repr=False)
    harm: str
    still_works: str | None
    """Why the module boots, answers and has TLS all the same: then a warning is enough. None: it must be refused."""
    a_note_will_do: bool
    """The bytes that are written are right: it is enough that the user is told."""
    codes: frozenset[str]
    """Codes that count although they don't name what the fault changed."""

    def faults(self, cases: Sequence[Case]) -> list[Fault]:
        """Return `MOST` faults at most, of as many cases and variants as possible.

        The rule's name decides which case is first, and each case begins with another variant.
        """
        start = zlib.crc32(self.name.encode())
        of_each = []
        for number, case in enumerate(_turned(cases, start)):
            made = [Fault(self, case, *variant) for variant in self.makes(case)]
            of_each.append(_turned(made, number))
        rounds = zip_longest(*of_each)
        return [fault for faults in rounds for fault in faults if fault][:MOST]


def _turned(items: Sequence[T], start: int) -> list[T]:
    """Return the items from the ``start``-th on, those before it last."""
    start = start % len(items) if items else 0
    return [*items[start:], *items[:start]]


def rule(
    harm: str, *, still_works: str | None = None, a_note_will_do: bool = False, codes: str = ""
) -> Callable[[Callable[[Case], Iterator[tuple[str, Case]]]], Rule]:
    """Register the decorated generator as a rule, under its name."""

    def register(makes: Callable[[Case], Iterator[tuple[str, Case]]]) -> Rule:
        name = makes.__name__.strip("_").replace("_", "-")
        assert name not in RULES, name
        RULES[name] = Rule(name, makes, harm, still_works, a_note_will_do, frozenset(codes.split()))
        return RULES[name]

    return register
