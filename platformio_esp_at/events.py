"""What happens during a run, as values. Front ends decide how they show it; `outputs.text` has it in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from platformio_esp_at.checks.alive import Verdict
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.formats.partition_table import Partition
    from platformio_esp_at.planning.plan import FlashPlan


class Planned(NamedTuple):
    """The plan is made and has passed every check; it is about to be carried out."""

    plan: FlashPlan


class Described(NamedTuple):
    """The plan is all that was asked for: nothing is carried out."""

    plan: FlashPlan


class TableMade(NamedTuple):
    """A partition table was asked for."""

    sources: tuple[str, ...]
    """The firmware package, the CSV of the project, or both."""
    csv: str
    home: Partition | None = None
    """``at_customize``, for a user partition table; None for the primary one."""
    free: tuple[tuple[int, int], ...] = ()
    """What is free inside ``home``: first offset, and the end."""


class Packaged(NamedTuple):
    """The image set is in its folder."""

    plan: FlashPlan
    folder: Path


class ErasingAll(NamedTuple):
    """What the module has saved is going to be erased, with all else."""

    plan: FlashPlan
    blanks: bool = False
    """Whether the whole flash becomes blank; else the factory image is written over what the firmware uses of it."""


class Updated(NamedTuple):
    """Every image of the plan was written."""

    plan: FlashPlan


class FactoryImageWritten(NamedTuple):
    """The factory image was written."""

    plan: FlashPlan


class Erased(NamedTuple):
    """The whole flash was erased: the module has no firmware."""

    plan: FlashPlan


class Verified(NamedTuple):
    """The flash of the device was compared with the images, and has them all."""

    images: int


class Tested(NamedTuple):
    """The device was listened to and asked, as far as it could be."""

    plan: FlashPlan
    verdict: Verdict


class Noticed(NamedTuple):
    """There is a warning or a note."""

    notice: Notice


class EsptoolOutput(NamedTuple):
    """esptool printed something: a part of a line, or several."""

    text: str


class DownloadStarted(NamedTuple):
    """A download begins, or resumes."""

    url: str
    total: int | None
    """In bytes; None where the server doesn't tell."""
    resumed_at: int = 0
    """How much of it was there already, in bytes."""


class DownloadProgressed(NamedTuple):
    """A download has got this far; at most about once a second."""

    done: int
    """In bytes."""
    total: int | None


class Copying(NamedTuple):
    """A file is copied into the cache."""

    path: Path


class WaitingForDownload(NamedTuple):
    """Another process is downloading the same file."""


Event: TypeAlias = (
    "Planned | Described | TableMade | Packaged | ErasingAll | Updated | FactoryImageWritten | Erased | Verified"
    " | Tested | Noticed | EsptoolOutput | DownloadStarted | DownloadProgressed | Copying | WaitingForDownload"
)
Report: TypeAlias = "Callable[[Event], None]"
"""Takes an event as it happens."""
