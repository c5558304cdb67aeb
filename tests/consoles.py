"""The commands in our Markdown pages: what a reader types, what he sees, and which files he writes between.

In a block of ``console``, a line that begins with ``$ `` is a command, which may go on after a backslash, and the
lines up to the next one are what it prints; without any, that isn't compared. ``…`` stands for anything in a line, and
alone in a line for any lines. A block that begins with ```` ```ini platformio.ini ```` is that file.
"""

from __future__ import annotations

import difflib
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ANY = "…"
_FENCE = re.compile(r"(?P<indent> *)```(?P<language>[\w-]*)(?: +(?P<file>\S+))?\s*")


class Command(NamedTuple):
    """A command and what it prints, maybe nothing; ``line`` is its place in the page."""

    line: int
    text: str
    output: tuple[str, ...]


class Written(NamedTuple):
    """A file that the reader writes at this place of the page; an earlier one of that name is replaced."""

    line: int
    path: str
    text: str


def steps(page: str, section: str | None = None) -> Iterator[Command | Written]:
    """Return what a page tells its reader to do, in its order; only what is below the heading ``section``, if given.

    A section has a heading with ``##``; what is before the first one is the section ``""``.
    """
    lines, heading = iter(enumerate(page.splitlines(), 1)), ""
    for number, line in lines:
        fence = _FENCE.fullmatch(line)
        if not fence:
            heading = line[3:].strip() if line.startswith("## ") else heading
            continue
        indent = len(fence["indent"])
        block = []
        for _, inner in lines:
            if inner.strip() == "```":
                break
            block.append(inner[indent:])
        if section not in (None, heading):
            continue
        if fence["language"] == "console":
            yield from _commands(block, number + 1)
        elif fence["file"]:
            yield Written(number, fence["file"], "".join(f"{inner}\n" for inner in block))


def _commands(block: list[str], first: int) -> Iterator[Command]:
    starts = [index for index, line in enumerate(block) if line.startswith("$ ")]
    for index, end in zip(starts, [*starts[1:], len(block)], strict=True):
        text, *output = block[index:end]
        while text.endswith("\\"):
            text = f"{text[:-1]}{output.pop(0).strip()}"
        while output and not output[-1].strip():
            output.pop()
        yield Command(first + index, text[2:], tuple(output))


def differs(expected: tuple[str, ...], printed: str) -> str | None:
    """Return the first line of ``expected`` that isn't printed in its place, or what is printed after the last one."""
    lines = _lines(printed)
    skips = False
    for line in expected:
        if line.strip() == ANY:
            skips = True
            continue
        form = _form(line)
        place = next((index for index, found in enumerate(lines) if form.fullmatch(found)), None)
        if place is None or (place and not skips):
            return line
        lines, skips = lines[place + 1 :], False
    return lines[0] if lines and not skips else None


def difference(expected: tuple[str, ...], printed: str) -> str:
    """Return all lines: ``-`` before one that only the page has, ``+`` before one that was printed alone."""
    wanted = [line.rstrip() for line in expected if line.strip() != ANY]
    forms = [(line, _form(line)) for line in wanted]
    found = [next((line for line, form in forms if form.fullmatch(shown)), shown) for shown in _lines(printed)]
    return "\n".join(line for line in difflib.ndiff(wanted, found) if not line.startswith("?"))


def _lines(printed: str) -> list[str]:
    return [line.rstrip() for line in printed.strip("\n").splitlines()]


def _form(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, line.rstrip().split(ANY))))


class Shell:
    """A shell in a folder: what a command changes of folder and environment holds for the next ones.

    ``replaced``: what stands for what in commands and files; what is printed is turned back. ``files``: the names of
    files that commands read, in which the same holds, whoever has written them.
    """

    def __init__(
        self, folder: Path, env: Mapping[str, str], replaced: Mapping[str, str], files: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        self._files = files
        self._env = dict(env)
        self._replaced = dict(replaced)

    def write(self, file: Written) -> None:
        """Write a file as the page has it."""
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._meant(file.text), encoding="utf-8")

    def run(self, command: str) -> tuple[int, str]:
        """Run a command, and return its exit code and what it prints on both outputs."""
        for file in filter(Path.is_file, (self.folder / name for name in self._files)):
            written = file.read_text(encoding="utf-8")
            if written != (meant := self._meant(written)):
                file.write_text(meant, encoding="utf-8")
        after = Path(self._env["TMPDIR"], "after")
        script = f'{self._meant(command)}\ncode=$?\n{{ pwd; env -0; }} >"{after}"\nexit $code\n'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=300,
            check=False,
        )
        if after.exists():
            folder, _, variables = after.read_text(encoding="utf-8").partition("\n")
            self.folder = Path(folder)
            self._env = dict(pair.split("=", 1) for pair in variables.split("\0") if pair)
            after.unlink()
        printed = done.stdout
        for written, meant in self._replaced.items():
            printed = printed.replace(meant, written)
        return done.returncode, printed

    def _meant(self, text: str) -> str:
        for written, meant in self._replaced.items():
            text = text.replace(written, meant)
        return text


def follow(page: Path, shell: Shell, *, section: str | None = None, not_run: tuple[str, ...] = ()) -> int:
    """Do all that a page or a section says, compare what is printed, and return how many commands ran.

    A command must end with 0, unless its output in the page has a line that begins with ``Error: ``. One that begins
    with words of ``not_run`` is left out.
    """
    ran = 0
    for step in steps(page.read_text(encoding="utf-8"), section):
        if isinstance(step, Written):
            shell.write(step)
            continue
        if any(re.match(rf"{re.escape(words)}(\s|$)", step.text) for words in not_run):
            continue
        code, printed = shell.run(step.text)
        where = f"{page}:{step.line}: {step.text}"
        fails = any(line.startswith("Error: ") for line in step.output)
        if bool(code) is not fails or "Traceback" in printed:
            raise AssertionError(f"{where}\nended with {code}, and printed:\n{printed}")
        line = differs(step.output, printed) if step.output else None
        if line is not None:
            shown = difference(step.output, printed)
            raise AssertionError(f"{where}\nnot as in the page (-) is what was printed (+), first at: {line}\n{shown}")
        ran += 1
    return ran


def write_program(path: Path, text: str) -> None:
    """Write a program of a shell's ``PATH``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
