"""Every failure that a user can cause or meet, as one small tree.

A message names the thing, ``where`` the place (``file:line``, a partition, an offset) and ``hint`` the next step.
Front ends catch `EspAtError` once and end in their host's own way; anything else is a defect of ours and keeps its
traceback.
"""

from __future__ import annotations

import difflib
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def printable(text: str) -> str:
    r"""Return one line to be told to people: what a terminal would act on, or can't show, is escaped.

    >>> print(printable("grün\x1b[2J"))
    grün\x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class EspAtError(Exception):
    """A refusal or a failure that is told in one message, without a traceback."""

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.problems: tuple[EspAtError, ...] = ()
        """The single problems where one error tells several."""

    def __str__(self) -> str:
        if self.problems:
            return "\n".join([printable(self.message), *map(str, self.problems)])
        text = printable(f"{self.where}: {self.message}" if self.where else self.message)
        hint = [f"  {printable(line)}" for line in (self.hint or "").splitlines()]
        return "\n".join([text, *hint])

    def locate(self, place: str) -> None:
        """Put ``place`` in front of the place that the error names already."""
        for error in self.problems or (self,):
            error.where = f"{place}:{error.where}" if error.where else place


class FormatError(EspAtError, ValueError):
    """A file or a value can't be understood."""


class LayoutError(EspAtError):
    """Partitions or images overlap, are misaligned, or don't fit."""


class UnknownNameError(EspAtError):
    """A chip, module, partition or option that doesn't exist here."""


class SelectionError(EspAtError):
    """No AT module can be chosen for this board, or the chosen one can't work."""


class PackageError(EspAtError):
    """A firmware package is missing, incomplete, damaged or hostile."""


class FlashError(EspAtError):
    """esptool couldn't do its work; ``output`` holds the last lines that it said."""

    def __init__(self, message: str, *, output: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.output = output


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str | None = None) -> UnknownNameError:
    """Return the error for a name that isn't among ``known``, with the nearest of them in its hint."""
    choices = sorted(set(known))
    by_folded = {choice.casefold(): choice for choice in choices}
    near = [by_folded[hit] for hit in difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(choices) or 'none'}"
    return UnknownNameError(f"unknown {kind} {name!r}", where=where, hint=hint)


@contextmanager
def located(place: str) -> Iterator[None]:
    """Put ``place`` (a file, an option) in front of the place that an error raised inside already names."""
    try:
        yield
    except EspAtError as error:
        error.locate(place)
        raise


def raise_all(problems: Sequence[EspAtError]) -> None:
    """Raise nothing, the one problem, or one error of the first one's kind that tells them all."""
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0]
    error = type(problems[0])(f"{len(problems)} problems:")
    error.problems = tuple(problems)
    raise error
