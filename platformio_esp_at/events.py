"""What happens during a run, as values. Front ends decide how they show it; `outputs.text` has it in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from platformio_esp_at.checks.alive import Verdict
    from platformio_esp_at.device.session import Device
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


class Reported(NamedTuple):
    """The report of a plan is written."""

    files: tuple[Path, ...]
    """The page, and the pictures."""
    run: str | None
    """The command of the last run with a device, if the page has it."""


class ErasingAll(NamedTuple):
    """What the module has saved is going to be erased, with all else."""

    plan: FlashPlan
    blanks: bool = False
    """Whether the whole flash becomes blank; else the factory image is written over what the firmware uses of it."""


class Connected(NamedTuple):
    """The device has told what it is."""

    device: Device


class Progressed(NamedTuple):
    """An image is being written, or a part of the flash read."""

    name: str
    done: int
    """Of ``total``: what is sent over the link."""
    total: int


class ImageDone(NamedTuple):
    """The device has an image: it had it before, or all or some of its sectors were written."""

    name: str
    offset: int
    size: int
    """In bytes."""
    written: int
    """How much of it was written, in bytes; 0 where the device had it."""


class SavedSettingsChanged(NamedTuple):
    """UART settings that the module had saved itself were changed where they stand."""

    was: Mapping[str, int]
    now: Mapping[str, int]


class SavedSettingsRead(NamedTuple):
    """What the device has in partitions that an update keeps."""

    facts: Mapping[str, str]
    """What is there, by the name of the partition; no value but those of the UART."""


class Updated(NamedTuple):
    """The device has every image of the plan: each was confirmed by a digest of its flash."""

    plan: FlashPlan
    images: int
    written: int
    """How many of them, or parts of them, were written."""
    test: bool = False
    """Whether a test of the module follows; else nobody asks it anything."""


class FactoryImageWritten(NamedTuple):
    """The device has the factory image: confirmed by a digest of its flash."""

    plan: FlashPlan
    test: bool = False
    """Whether a test of the module follows; else nobody asks it anything."""


class BackedUp(NamedTuple):
    """What the device holds is in a folder: each part was compared with the digest that the device computes of it."""

    folder: Path
    parts: int
    """How many parts of the flash."""
    size: int
    """In bytes, of all of them."""
    raw: bool
    """Whether the whole flash is one of them."""
    has_project: bool
    """Whether a project was made of them."""
    version: str | None
    """What the application says that it is; None where it doesn't tell."""


class Restoring(NamedTuple):
    """A backup is whole, and is about to be written."""

    folder: Path
    mac: str | None
    """Of the module that it is of."""
    parts: int
    raw: bool
    """Whether the whole flash is written, the firmware with it."""


class Restored(NamedTuple):
    """The device has what a backup saved: confirmed by digests of its flash."""

    folder: Path
    parts: int
    written: int
    """How many of the parts were written; the device had the others."""


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
    "Planned | Described | TableMade | Packaged | Reported | ErasingAll | Connected | Progressed | ImageDone"
    " | SavedSettingsChanged | SavedSettingsRead | Updated | FactoryImageWritten | BackedUp | Restoring | Restored"
    " | Erased | Verified | Tested | Noticed | EsptoolOutput | DownloadStarted | DownloadProgressed | Copying"
    " | WaitingForDownload"
)
Report: TypeAlias = "Callable[[Event], None]"
"""Takes an event as it happens."""
