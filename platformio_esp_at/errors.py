"""Every failure that a user can cause or meet, and every warning: a stable code, facts as fields, a place, a next step.

A code names what is wrong and never changes; ``errors.yml`` has what each one means, and `explain` of the command line
prints it. A program decides by codes and facts: messages are for people, and may be reworded at any time.

Front ends catch `EspAtError` once and end in their host's own way; anything else is a defect of ours and keeps its
traceback.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Fact: TypeAlias = "str | int | tuple[str, ...]"


def printable(text: str) -> str:
    r"""Return one line for people: what a terminal would act on, or can't show, is escaped.

    >>> print(printable("grün\x1b[2J"))
    grün\x1b[2J
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def setting(option: str, value: str = "") -> str:
    """Return a mark for an option and its value, for a hint: `spelled` writes it as the user's host does.

    An option that is a mapping may have the name in it after a dot: ``factory_param.uart_tx_pin``.
    """
    return f"\x0e{option}\x1f{value}\x0f"


class Spelling(NamedTuple):
    """How a host writes the options that hints name."""

    write: Callable[[str, str], str]
    """Returns an option with its value; an empty value means the option alone."""
    file: str = ""
    """Where the host's options are, such as ``platformio.ini``; empty if `write` names it, or if it needs no name."""
    project_file: str = ""
    """The project file that the host reads, if it isn't ``esp_at.yml``."""


def as_yaml(option: str, value: str) -> str:
    """Return an option as ``esp_at.yml`` has it.

    >>> as_yaml("module", "WROOM-32"), as_yaml("factory_param.uart_tx_pin", "17"), as_yaml("skip", "")
    ('module: WROOM-32', 'factory_param: {uart_tx_pin: 17}', 'skip')
    """
    name, _, inner = option.partition(".")
    if inner:
        return f"{name}: {{{inner}: {value or '…'}}}"
    return f"{name}: {value}" if value else name


IN_PROJECT_FILE = Spelling(as_yaml)
"""The spelling without a host."""


def spelled(text: str, spelling: Spelling = IN_PROJECT_FILE) -> str:
    """Return a hint with each mark of `setting` in a host's spelling; the file is named after the last value.

    >>> spelled(f"write {setting('port', 'PORT')}", Spelling(as_yaml, "esp_at.yml"))
    'write port: PORT in esp_at.yml'
    """
    import re  # noqa: PLC0415 - only what has a mark needs it

    if "\x0e" not in text:
        return text
    marks = list(re.finditer("\x0e([^\x0f\x1f]*)\x1f([^\x0f]*)\x0f", text))
    last = next((mark.start() for mark in reversed(marks) if mark[2]), None)
    parts, at = [], 0
    for mark in marks:
        file = f" in {spelling.file}" if spelling.file and mark.start() == last else ""
        parts += [text[at : mark.start()], spelling.write(mark[1], mark[2]), file]
        at = mark.end()
    return "".join([*parts, text[at:]])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a problem is, from the outermost part to the innermost: file and line, or package, file and offset.

    >>> str(Place.at(package="firmware.zip", file="esp-at.bin", offset=0x20))
    'firmware.zip:esp-at.bin:0x20'
    """

    parts: tuple[tuple[str, str | int], ...] = ()
    """Kind and value: ``("file", "a.csv")``, ``("line", 3)``."""

    @classmethod
    def at(cls, **parts: str | int | None) -> Place:
        """Return the place with these parts, the outermost first; None for one that isn't known."""
        return cls(tuple((kind, value) for kind, value in parts.items() if value is not None))

    def __str__(self) -> str:
        return ":".join(_SPELLINGS.get(kind, "{}").format(value) for kind, value in self.parts)

    @property
    def facts(self) -> dict[str, str | int]:
        """Its parts by kind; a line or an offset is that of the innermost file."""
        facts: dict[str, str | int] = {}
        for kind, value in self.parts:
            if kind == "file":
                facts = {name: fact for name, fact in facts.items() if name not in _INSIDE_A_FILE}
            facts[kind] = value
        return facts

    def __truediv__(self, inner: Place) -> Place:
        """Return the place ``inner`` inside this one."""
        return Place(self.parts + inner.parts)


_INSIDE_A_FILE = ("line", "column", "offset", "row", "page", "entry")
_SPELLINGS = {
    "offset": "{:#x}",
    "page": "page {}",
    "entry": "entry {}",
    "row": "row {}",
    "board": "board {}",
}
"""How a part of a `Place` is written, where not as its value alone."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a user should know, and what stops nothing."""

    code: str
    message: str
    is_warning: bool
    """Whether the module may not work as wanted; else a note on what is done."""
    place: Place = field(default_factory=Place)
    facts: Mapping[str, Fact] = field(default_factory=dict)
    marked_hint: str | None = None
    """The next step, with marks of `setting`; each warning has one."""

    @property
    def hint(self) -> str | None:
        """The next step, its options as ``esp_at.yml`` has them."""
        return self.marked_hint and spelled(self.marked_hint)

    def __str__(self) -> str:
        """Return it in one line, without its hint."""
        return printable(f"{self.place}: {self.message}" if self.place.parts else self.message)

    def inside(self, place: Place) -> Notice:
        """Return it with ``place`` in front of its own."""
        return replace(self, place=place / self.place)


def warning(code: str, message: str, *, hint: str, where: Place | None = None, **facts: Fact) -> Notice:
    """Return what may keep the module from working as wanted, with what to do about it."""
    return Notice(code, message, is_warning=True, place=where or Place(), facts=facts, marked_hint=hint)


def note(code: str, message: str, *, where: Place | None = None, hint: str | None = None, **facts: Fact) -> Notice:
    """Return what is worth knowing of what is done."""
    return Notice(code, message, is_warning=False, place=where or Place(), facts=facts, marked_hint=hint)


class EspAtError(Exception):
    """A refusal or a failure that is printed as one message, without a traceback."""

    def __init__(self, code: str, message: str, *, hint: str, where: Place | None = None, **facts: Fact) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = where or Place()
        self.marked_hint = hint
        """The next step: what to type, edit or do for this problem; with marks of `setting`."""
        self.problems: tuple[EspAtError, ...] = ()
        """The single problems of an error that has several; its code is that of the first."""
        self._facts = facts

    def as_warning(self) -> Notice:
        """Return it as a warning: what a project hasn't asked for is not refused."""
        return Notice(
            self.code,
            self.message,
            is_warning=True,
            place=self.place,
            facts=self._facts,
            marked_hint=self.marked_hint,
        )

    @property
    def hint(self) -> str:
        """The next step, its options as ``esp_at.yml`` has them."""
        return spelled(self.marked_hint)

    @hint.setter
    def hint(self, hint: str) -> None:
        self.marked_hint = hint

    @property
    def where(self) -> str | None:
        """Its place in words, such as ``esp_at.yml:3``."""
        return str(self.place) or None

    @property
    def facts(self) -> dict[str, Fact]:
        """What a program may want to know: parameter, partition, offset, file, line… by name."""
        return {**self.place.facts, **self._facts}

    def __str__(self) -> str:
        if self.problems:
            return "\n".join([printable(self.message), *map(str, self.problems)])
        text = printable(f"{self.place}: {self.message}" if self.place.parts else self.message)
        return "\n".join([text, *hint_lines(self.marked_hint)])

    def locate(self, place: Place, origin_hint: str | None = None) -> None:
        """Put ``place`` in front of the place that the error names already; see `FormatError` for ``origin_hint``."""
        for error in self.problems or (self,):
            error.place = place / error.place
            if origin_hint is not None and isinstance(error, FormatError) and not error.knows_origin:
                error.marked_hint = origin_hint or error.marked_hint
                error.knows_origin = True


class FormatError(EspAtError, ValueError):
    """A file or a value can't be understood.

    A reader doesn't know where the bytes come from: its hint holds for any file. A caller that does know, such as the
    one that opens a firmware package, gives a better one to `located`; the innermost of them counts.
    """

    knows_origin = False
    """Whether a caller has given the hint."""


class LayoutError(EspAtError):
    """Partitions or images overlap, are misaligned, or don't fit."""


class UnknownNameError(EspAtError):
    """A chip, module, partition or option that doesn't exist here."""


class SelectionError(EspAtError):
    """No AT module can be chosen for this board, or the chosen one can't work."""


class PackageError(EspAtError):
    """A firmware package is missing, incomplete, damaged or hostile."""


class FlashError(EspAtError):
    """esptool couldn't do its work; ``output`` holds the last lines that it printed."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str,
        output: str = "",
        where: Place | None = None,
        **facts: Fact,
    ) -> None:
        super().__init__(code, message, where=where, hint=hint, **facts)
        self.output = output


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the nearest of ``known``, the best first: none where nothing is near; one that differs in case alone."""
    import difflib  # noqa: PLC0415 - 1 ms that only a refusal needs

    by_folded = {choice.casefold(): choice for choice in sorted(known)}
    if name.casefold() in by_folded:
        return [by_folded[name.casefold()]]
    return [by_folded[hit] for hit in difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)]


def unknown_name(
    code: str, kind: str, name: str, known: Iterable[str], *, where: Place | None = None
) -> UnknownNameError:
    """Return the error for a name that isn't among ``known``, with the nearest of them in its hint."""
    choices = sorted(set(known))
    near = near_names(name, choices)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(choices) or 'none'}"
    return UnknownNameError(code, f"unknown {kind} {name!r}", where=where, hint=hint, name=name)


def hint_lines(hint: str | None, spelling: Spelling = IN_PROJECT_FILE) -> list[str]:
    """Return the lines below a message that have its hint; none where there is none."""
    return [f"  {printable(line)}" for line in spelled(hint or "", spelling).splitlines()]


@contextmanager
def located(place: Place | None = None, *, origin_hint: str | None = None, **parts: str | int) -> Iterator[None]:
    """Put a place in front of the place that an error raised inside already names.

    ``origin_hint``: the next step for a `FormatError`, where the caller knows where the bytes come from; "" for a file
    that people edit, where the reader's hint is right.
    """
    try:
        yield
    except EspAtError as error:
        error.locate(place or Place.at(**parts), origin_hint)
        raise


def raise_all(problems: Sequence[EspAtError]) -> None:
    """Raise nothing, the one problem, or one error of the first one's kind that has them all."""
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0]
    error = type(problems[0])(problems[0].code, f"{len(problems)} problems:", hint=problems[0].marked_hint)
    error.problems = tuple(problems)
    raise error
