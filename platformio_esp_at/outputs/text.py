"""Everything that people read, as text: events, errors, warnings, the plan, tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from platformio_esp_at import events
from platformio_esp_at.errors import printable
from platformio_esp_at.formats.esp_image import ChipRevisions
from platformio_esp_at.units import format_amount, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from platformio_esp_at.errors import EspAtError, Notice
    from platformio_esp_at.events import Event
    from platformio_esp_at.planning.plan import FlashPlan, Wiring


def event_text(event: Event) -> str:
    """Return an event as text: esptool's output unchanged, all others with a newline at the end."""
    return event.text if isinstance(event, events.EsptoolOutput) else f"{_EVENTS[type(event)](event)}\n"


def error_text(error: EspAtError) -> str:
    """Return an error as text: each problem with its place, its code in brackets, and the next step.

    ``esp-at explain CODE`` has more about a code.
    """
    if error.problems:
        return "\n".join([printable(error.message), *map(error_text, error.problems)])
    first, *hint = str(error).split("\n")
    return "\n".join([f"{first}  [{error.code}]", *hint])


def notice_text(notice: Notice) -> str:
    """Return a warning or a note: one line, and the next step if it has one."""
    hint = [f"  {printable(line)}" for line in (notice.hint or "").splitlines()]
    return "\n".join([f"{'Warning' if notice.is_warning else 'Note'}: {notice}  [{notice.code}]", *hint])


def describe_choice(plan: FlashPlan) -> str:
    """Return which module was chosen, and why."""
    module = plan.module
    lines = [
        f"Firmware package: {plan.package.name} ({plan.chip.display_name}, {format_size(plan.flash_size)} flash)",
        f"AT module: {module.name} ({module.reason})",
    ]
    if module.assumed:
        others = f"; it may also be {' or '.join(module.alternatives)}" if module.alternatives else ""
        lines.append(f"  That is a guess{others}. To confirm, write module: {module.name} into esp_at.yml.")
    return "\n".join(map(printable, lines))


def describe_plan(plan: FlashPlan) -> str:
    """Return all that a plan writes and keeps, and the wiring."""
    settings = f"Flash: {plan.settings.mode}, {plan.settings.freq}, {plan.settings.size}"
    if plan.chip_revisions != ChipRevisions():
        settings += f"; chip revision: {plan.chip_revisions}"
    return "\n".join([describe_choice(plan), settings, "", describe_update(plan)])


def describe_update(plan: FlashPlan) -> str:
    """Return what an update writes where, what it keeps, how the module is wired, and the notes."""
    rows = [
        (format_offset(region.offset), format_size(len(region.data)), region.name, region.origin)
        for region in sorted(plan.regions, key=lambda region: region.offset)
    ]
    lines = [*table(("Offset", "Size", "Written", "From"), rows), ""]
    if plan.kept:
        kept = [(format_offset(row.offset), format_size(row.size), row.name) for row in plan.kept]
        lines += [*table(("Offset", "Size", "Kept as the device has it"), kept), ""]
    lines += [notice_text(notice) for notice in plan.notes]
    lines.append(describe_wiring(plan.wiring))
    return "\n".join(lines)


def describe_factory(plan: FlashPlan) -> str:
    """Return what writing the factory image erases."""
    rows = [(format_offset(row.offset), format_size(row.size), row.name) for row in plan.kept]
    lines = [f"The factory image erases the first {format_size(plan.flash_size)} of the flash."]
    if rows:
        lines += ["Apart from what it writes, these are lost:", *table(("Offset", "Size", "Erased"), rows)]
    return "\n".join(lines)


def describe_wiring(wiring: Wiring | None) -> str:
    """Return how to connect the module, seen from the module."""
    if wiring is None:
        return "AT commands don't come over a UART of this module, or its pins aren't known."

    def pin(number: int) -> str:
        return f"GPIO{number}" if number >= 0 else "unused"

    rows = [
        ("AT commands", pin(wiring.tx), pin(wiring.rx), pin(wiring.cts), pin(wiring.rts), str(wiring.baudrate)),
        ("Download, log", pin(wiring.download_tx), pin(wiring.download_rx), "", "", ""),
    ]
    advice = "The module answers AT on the first of them; TX goes to the other side's RX."
    return "\n".join([*table(("Module's UART", "TX", "RX", "CTS", "RTS", "Baud"), rows), advice])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its columns two spaces apart; cells are escaped by `printable`."""
    lines = [[printable(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _packaged(event: events.Packaged) -> str:
    folder = printable(str(event.folder))
    return f"Wrote {len(event.plan.regions)} images and the factory image to {folder}"


def _table_made(event: events.TableMade) -> str:
    """Return a CSV with comments that say what it is, and where a partition could be added."""
    of = printable(" with ".join(event.sources))
    if event.home is None:
        return f"# Primary partition table of {of}\n{event.csv.rstrip()}"
    rooms = ", ".join(f"{format_offset(at)}…{format_offset(end)} ({format_size(end - at)})" for at, end in event.free)
    home = printable(str(event.home))
    head = f"# User partition table of {of}\n# Free inside {home}: {rooms or 'nothing'}"
    return f"{head}\n{event.csv.rstrip()}"


def _download_started(event: events.DownloadStarted) -> str:
    begun = f"Resuming at {format_amount(event.resumed_at)}:" if event.resumed_at else "Downloading"
    of = f" ({format_amount(event.total)})" if event.total else ""
    return f"{begun} {printable(event.url)}{of}"


def _download_progressed(event: events.DownloadProgressed) -> str:
    share = f" of {format_amount(event.total)}, {event.done * 100 // event.total} %" if event.total else ""
    return f"  {format_amount(event.done)}{share}"


_EVENTS: Mapping[type, Callable[[Any], str]] = {
    events.Planned: lambda event: describe_choice(event.plan),
    events.Described: lambda event: describe_plan(event.plan),
    events.TableMade: _table_made,
    events.Packaged: _packaged,
    events.ErasingAll: lambda event: describe_factory(event.plan),
    events.Updated: lambda event: describe_update(event.plan),
    events.FactoryImageWritten: lambda event: describe_wiring(event.plan.wiring),
    events.Verified: lambda event: f"The device has all {event.images} images of the plan.",
    events.Noticed: lambda event: notice_text(event.notice),
    events.DownloadStarted: _download_started,
    events.DownloadProgressed: _download_progressed,
    events.Copying: lambda event: f"Copying {printable(str(event.path))}",
    events.WaitingForDownload: lambda _: "Waiting: another process is downloading this file",
}
"""The text of each event, except `EsptoolOutput`, which has its own."""
