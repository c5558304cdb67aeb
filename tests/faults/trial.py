"""A trial: a case goes through the real pipeline, up to where esptool would be started, and is judged."""

from __future__ import annotations

import atexit
import functools
import re
import traceback
from enum import Enum
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import yaml

from platformio_esp_at.commands.setup import Setup, prepare
from platformio_esp_at.errors import EspAtError, Notice
from platformio_esp_at.request.read import read_project

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case
    from faults.rule import Fault


class Outcome(Enum):
    REFUSED = "refused"
    WARNED = "warned"
    MISSED = "missed"


class Trial(NamedTuple):
    """What the pipeline says of a case."""

    refusals: tuple[EspAtError, ...] = ()
    notices: tuple[Notice, ...] = ()
    crash: str | None = None


class Verdict(NamedTuple):
    """Whether a fault is caught, and what was said."""

    outcome: Outcome
    said: str


@functools.cache
def _folder() -> Path:
    """Return a folder of this process, which goes with it: to make and remove one for each trial takes long."""
    folder = TemporaryDirectory(prefix="faults-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def try_case(case: Case) -> Trial:
    """Return what `prepare` says of a case."""
    package, root = _folder() / f"{case.name}.zip", _folder() / "project"
    options = {"firmware": f"../{package.name}", "module": case.module, **case.options}
    text = yaml.safe_dump({name: value for name, value in options.items() if value is not None}, allow_unicode=True)
    files = {"esp_at.yml": text.encode(), **case.project}
    package.write_bytes(case.to_zip())
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            (root / name).symlink_to(content)
        else:
            (root / name).write_bytes(content)
    try:
        layers = (read_project(root),)
        job = prepare(Setup(layers, root, root / "out", lambda _: case.board, lambda _: None), lock=False)
    except EspAtError as error:
        return Trial(refusals=error.problems or (error,))
    except Exception:  # noqa: BLE001 - a traceback is a miss, not the end of the corpus
        return Trial(crash=traceback.format_exc().splitlines()[-1])
    finally:
        package.unlink()
        for name in files:
            (root / name).unlink()
    return Trial(notices=job.plan.notes)


def judge(fault: Fault, trial: Trial, clean: Trial) -> Verdict:
    """Return whether what was said is about the fault: it names what the fault changed, or has a code of the rule."""
    rule, touched = fault.rule, set(_touched(fault))
    if trial.crash:
        return Verdict(Outcome.MISSED, f"crashed: {trial.crash}")
    refused = [error for error in trial.refusals if str(error) not in {str(known) for known in clean.refusals}]
    said = refused or new_notices(trial, clean)
    about = [found for found in said if found.code in rule.codes or _names(found, touched)]
    words = "; ".join(f"{found.code}: {found}".partition("\n")[0] for found in about or said) or "nothing"
    if refused:
        return Verdict(Outcome.REFUSED if about else Outcome.MISSED, words)
    enough = [found for found in about if found.is_warning or rule.a_note_will_do]
    return Verdict(Outcome.WARNED if rule.still_works and enough else Outcome.MISSED, words)


def new_notices(trial: Trial, clean: Trial) -> list[Notice]:
    """Return what is said of a case and not of the clean one."""
    known = {str(notice) for notice in clean.notices}
    return [notice for notice in trial.notices if str(notice) not in known]


def _names(found: EspAtError | Notice, touched: set[str]) -> bool:
    facts = found.facts if isinstance(found, EspAtError) else {**found.place.facts, **found.facts}
    texts = [found.message, *(str(value) for _, value in found.place.parts), *map(str, facts.values())]
    words = {word.strip(".:'\"(),") for text in texts for word in re.split(r"[\s'\"(),…]+", text)}
    words |= {PurePosixPath(word).name for word in words} | {word.partition(":")[0] for word in words}
    words |= {part for word in words for part in word.split(".")}
    return bool(words & touched)


def _touched(fault: Fault) -> Iterator[str]:
    """Yield what the fault changed: paths, their last parts, partitions, options, module."""
    was, now = fault.clean, fault.case
    for path in was.files.keys() | now.files.keys():
        if was.files.get(path) != now.files.get(path):
            yield from (path, PurePosixPath(path).name, PurePosixPath(path).stem)
            yield from _homes(was, path)
    for path in now.project:
        yield from (path, PurePosixPath(path).name)
    for name, value in now.options.items():
        yield name
        if isinstance(value, dict):
            yield from map(str, (*value, *value.values()))
        if isinstance(value, (list, str)):
            yield from (str(item) for item in ([value] if isinstance(value, str) else value))
    if now.module != was.module:
        yield now.module
    if now.board != was.board and now.board:
        yield now.board.id
    if now.archive:
        yield f"{now.name}.zip"
    yield from _changed_lines(was, now)
    yield from _changed_rows(was, now)


def _homes(case: Case, path: str) -> Iterator[str]:
    """Yield the partitions that an image is written to."""
    offsets = {image.offset for image in case.args.images if image.path == path}
    yield from (row.name for table in (case.primary, case.secondary) for row in table if row.offset in offsets)


def _changed_lines(was: Case, now: Case) -> Iterator[str]:
    try:
        before, after = set(was.args.images), set(now.args.images)
    except EspAtError:
        return
    for image in before ^ after:
        yield from (image.path, PurePosixPath(image.path).name)
        for table in (was.primary, was.secondary):
            yield from (row.name for row in table if row.offset == image.offset)


def _changed_rows(was: Case, now: Case) -> Iterator[str]:
    try:
        for before, after in ((was.primary, now.primary), (was.secondary, now.secondary)):
            yield from (row.name for row in set(before) ^ set(after))
    except (EspAtError, StopIteration, AssertionError, KeyError):
        return
