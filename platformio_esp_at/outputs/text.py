"""Everything that people read, as text: events, errors, warnings, the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from platformio_esp_at import events
from platformio_esp_at.catalog.chips import chip, chips
from platformio_esp_at.errors import IN_PROJECT_FILE, hint_lines, printable, setting, spelled
from platformio_esp_at.formats.esp_image import ChipRevisions, format_revision
from platformio_esp_at.outputs.connections import connections
from platformio_esp_at.outputs.flash_map import FlashMap
from platformio_esp_at.outputs.pictures import MARKS, draw_connections, draw_flash_map
from platformio_esp_at.outputs.tables import table, wrap
from platformio_esp_at.request.values import PROJECT_FILE
from platformio_esp_at.units import SECTOR_SIZE, format_amount, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from platformio_esp_at.errors import EspAtError, Notice, Place, Spelling
    from platformio_esp_at.events import Event
    from platformio_esp_at.outputs.flash_map import MapRow
    from platformio_esp_at.planning.plan import FlashPlan, Wiring


class _View(NamedTuple):
    """How an event is shown."""

    spelling: Spelling
    width: int | None


def event_text(event: Event, spelling: Spelling = IN_PROJECT_FILE, width: int | None = None) -> str:
    """Return an event as text: esptool's output unchanged, all others with a newline at the end.

    ``spelling``: how the host writes options. ``width``: the columns that tables and pictures have, see `tables`.
    Warnings and notes are as long as they are, so that a command in them can be copied whole.
    """
    if isinstance(event, events.EsptoolOutput):
        return event.text
    return f"{_EVENTS[type(event)](event, _View(spelling, width))}\n"


def error_text(error: EspAtError, spelling: Spelling = IN_PROJECT_FILE) -> str:
    """Return an error as text: each problem with its place, its code in brackets, and the next step.

    ``esp-at explain CODE`` has more about a code. ``spelling``: how the host writes options.
    """
    if error.problems:
        return "\n".join([printable(error.message), *(error_text(problem, spelling) for problem in error.problems)])
    first = str(error).partition("\n")[0]
    hint = hint_lines(error.marked_hint, _spelling_at(error.place, spelling))
    return "\n".join([f"{first}  [{error.code}]", *hint])


def notice_text(notice: Notice, spelling: Spelling = IN_PROJECT_FILE) -> str:
    """Return a warning or a note: one line, and the next step if it has one."""
    kind = "Warning" if notice.is_warning else "Note"
    hint = hint_lines(notice.marked_hint, _spelling_at(notice.place, spelling))
    return "\n".join([f"{kind}: {notice}  [{notice.code}]", *hint])


def _spelling_at(place: Place, spelling: Spelling) -> Spelling:
    """Return the host's spelling; for what stands in the project file, that file's."""
    file = spelling.project_file or PROJECT_FILE
    return IN_PROJECT_FILE if place.parts[:1] == (("file", file),) else spelling


def describe_choice(plan: FlashPlan, spelling: Spelling = IN_PROJECT_FILE, width: int | None = None) -> str:
    """Return which module was chosen, and why."""
    module = plan.module
    lines = [
        f"Firmware package: {plan.package.name} ({plan.chip.display_name}, {format_size(plan.flash_size)} flash)",
        f"AT module: {module.name} ({module.reason})",
    ]
    if module.assumed:
        others = f"; it may also be {' or '.join(module.alternatives)}" if module.alternatives else ""
        confirmed = spelled(setting("module", module.name), spelling)
        lines.append(f"  That is a guess{others}. To confirm, write {confirmed}.")
    return "\n".join(part for line in lines for part in wrap(printable(line), width, "  "))


def describe_plan(plan: FlashPlan, spelling: Spelling = IN_PROJECT_FILE, width: int | None = None) -> str:
    """Return all that a plan writes and keeps, and the wiring, in tables and as pictures."""
    settings = f"Flash: {plan.settings.mode}, {plan.settings.freq}, {plan.settings.size}"
    if plan.chip_revisions != ChipRevisions():
        settings += f"; chip revision: {plan.chip_revisions}"
    flash_map = FlashMap.of(plan)
    parts = [describe_choice(plan, spelling, width), *wrap(settings, width, "  "), ""]
    parts += [draw_flash_map(flash_map, width), "", *_flash_rows(plan, flash_map, width), ""]
    parts += [_notes_and_wiring(plan, _View(spelling, width))]
    if plan.wiring:
        parts += wrap(_SAVED_WINS, width)
    if wires := connections(plan):
        parts += ["", draw_connections(wires, width)]
    return "\n".join(parts)


_SAVED_WINS = (
    "A module that has booted once has saved its UART settings: they win over this table. An upload changes the saved "
    "speed where the project sets uart_baudrate."
)


def _flash_rows(plan: FlashPlan, flash_map: FlashMap, width: int | None) -> list[str]:
    """Return all rows of the map, with the size and the origin of each image that is written."""
    regions = {region.offset: region for region in plan.regions}

    def cells(rows: tuple[MapRow, ...], indent: str) -> Iterator[tuple[str, ...]]:
        for row in rows:
            region = None if row.rows else regions.get(row.offset)
            image = (format_size(len(region.data)), region.origin) if region else ("", "")
            mark = " " if row.rows else MARKS[row.state]
            at = f"{mark} {indent}{format_offset(row.offset)}"
            yield at, format_size(row.size), row.name or "free", *image
            yield from cells(row.rows, f"{indent} ")

    return table(("  Offset", "Size", "Name", "Image", "From"), cells(flash_map.rows, ""), width)


def _kept(plan: FlashPlan, width: int | None) -> list[str]:
    kept = [(format_offset(row.offset), format_size(row.size), row.name) for row in plan.kept]
    return [*table(("Offset", "Size", "Kept as the device has it"), kept, width), ""] if kept else []


def _notes_and_wiring(plan: FlashPlan, view: _View) -> str:
    notes = (notice_text(notice, view.spelling) for notice in plan.notes)
    return "\n".join([*notes, describe_wiring(plan.wiring, view.width)])


def describe_factory(plan: FlashPlan, width: int | None = None) -> str:
    """Return what writing the factory image erases."""
    rows = [(format_offset(row.offset), format_size(row.size), row.name) for row in plan.kept]
    lines = wrap(f"The factory image erases the first {format_size(plan.flash_size)} of the flash.", width)
    if rows:
        lines += wrap("Apart from what it writes, these are lost:", width)
        lines += table(("Offset", "Size", "Erased"), rows, width)
    return "\n".join(lines)


def describe_wiring(wiring: Wiring | None, width: int | None = None) -> str:
    """Return how to connect the module, seen from the module."""
    if wiring is None:
        return "\n".join(wrap("AT commands don't come over a UART of this module, or its pins aren't known.", width))

    def pin(number: int) -> str:
        return f"GPIO{number}" if number >= 0 else "unused"

    rows = [
        ("AT commands", pin(wiring.tx), pin(wiring.rx), pin(wiring.cts), pin(wiring.rts), str(wiring.baudrate)),
        ("Download, log", pin(wiring.download_tx), pin(wiring.download_rx), "", "", ""),
    ]
    advice = "The first is for AT commands; its TX goes to the other side's RX."
    return "\n".join([*table(("Module's UART", "TX", "RX", "CTS", "RTS", "Baud"), rows, width), *wrap(advice, width)])


def _packaged(event: events.Packaged, _view: _View) -> str:
    folder = printable(str(event.folder))
    return f"Wrote {len(event.plan.regions)} images and the factory image to {folder}"


def _reported(event: events.Reported, _view: _View) -> str:
    files = "\n".join(f"Wrote {printable(str(path))}" for path in event.files)
    return f"{files}\nThe page has the last run with the device, too: {printable(event.run)}." if event.run else files


def _table_made(event: events.TableMade, _view: _View) -> str:
    """Return a CSV with comments that say what it is, and where a partition could be added."""
    of = printable(" with ".join(event.sources))
    if event.home is None:
        return f"# Primary partition table of {of}\n{event.csv.rstrip()}"
    rooms = ", ".join(f"{format_offset(at)}…{format_offset(end)} ({format_size(end - at)})" for at, end in event.free)
    home = printable(str(event.home))
    head = f"# User partition table of {of}\n# Free inside {home}: {rooms or 'nothing'}"
    return f"{head}\n{event.csv.rstrip()}"


def _connected(event: events.Connected, _view: _View) -> str:
    device = event.device
    facts = [
        chip(device.chip).display_name if device.chip in {known.key for known in chips()} else device.chip,
        f"revision {format_revision(device.revision)}" if device.revision is not None else "",
        f"{format_size(device.flash_size)} flash" if device.flash_size else "",
        f"MAC {device.mac}" if device.mac else "",
        f"{device.baud} baud",
    ]
    return f"Connected at {printable(device.port)}: {', '.join(filter(None, facts))}"


def _image_done(event: events.ImageDone, view: _View) -> str:
    what = "written" if event.written else "unchanged"
    if 0 < event.written < event.size:
        what = f"{-(-event.written // SECTOR_SIZE)} of {-(-event.size // SECTOR_SIZE)} sectors written"
    row = f"  {format_offset(event.offset):>10}  {printable(event.name):<20} {what}"
    return "\n".join(wrap(row, view.width, " " * 14))


def _settings_changed(event: events.SavedSettingsChanged, _view: _View) -> str:
    changes = ", ".join(f"{name} was {event.was[name]} and is {now}" for name, now in event.now.items())
    return f"The UART settings that the module had saved were changed: {changes}."


def _kept_found(event: events.SavedSettingsRead, _view: _View) -> str:
    return "\n".join(["The device keeps:", *(f"  {name}: {printable(fact)}" for name, fact in event.facts.items())])


def _updated(event: events.Updated, view: _View) -> str:
    count = (
        f"{event.written} written, {event.images - event.written} unchanged" if event.written else "none had changed"
    )
    head = f"The device has all {event.images} images of the plan, confirmed by their digests: {count}."
    kept = _kept(event.plan, view.width)
    return "\n".join([head, "", *kept, _notes_and_wiring(event.plan, view), *_untested(event, view.spelling)])


def _factory_written(event: events.FactoryImageWritten, view: _View) -> str:
    head = "The device has the factory image, confirmed by its digest."
    return "\n".join([head, "", _notes_and_wiring(event.plan, view), *_untested(event, view.spelling)])


def _untested(event: events.Updated | events.FactoryImageWritten, spelling: Spelling) -> list[str]:
    """Return what isn't known."""
    asked = spelled(setting("test", "true"), spelling)
    return [] if event.test else [f"Whether it answers AT was not tested; {asked} tests it at the end of each upload."]


def _erasing(plan: FlashPlan) -> str:
    module = f"{printable(plan.module.name)} ({plan.chip.display_name})"
    return f"Erasing the whole flash of the module {module}: its firmware, and all that it has saved."


def _backed_up(event: events.BackedUp, _view: _View) -> str:
    what = f"the whole flash ({format_size(event.size)})" if event.raw else f"{event.parts} parts of the flash"
    lines = [f"Saved {what}, confirmed by digests, in {printable(str(event.folder))}"]
    if event.version:
        lines.append(f"The module's application is {printable(event.version)}.")
    if event.has_project:
        lines.append(f"A project that rebuilds its user partitions is there, too: {PROJECT_FILE}.")
    return "\n".join([*lines, "It has keys and Wi-Fi passwords in it: only you can open it, and git ignores it."])


def _restoring(event: events.Restoring, _view: _View) -> str:
    what = "the whole flash" if event.raw else f"{event.parts} parts of the flash"
    of = f" of the module {printable(event.mac)}" if event.mac else ""
    return f"Restoring {what}{of} from {printable(str(event.folder))}"


def _tested(event: events.Tested, view: _View) -> str:
    verdict = event.verdict
    rows = [
        (aspect.name, aspect.planned, aspect.seen or aspect.state.value, aspect.state.value, aspect.source)
        for aspect in verdict.aspects
    ]
    lines = table(("Module", "Planned", "Seen", "Verdict", "At"), rows, view.width)
    if verdict.evidence:
        lines += ["Evidence:", *(f"  {printable(line)}" for line in verdict.evidence)]
    lines += [notice_text(notice, view.spelling) for notice in verdict.notices]
    unseen = [aspect.name.lower() for aspect in verdict.aspects if not aspect.seen]
    is_asked = all(notice.code != "at-not-asked" for notice in verdict.notices)
    what = "the module is alive" if is_asked else "the firmware runs"
    if not verdict.holds:
        lines.append(f"Verdict: {printable(event.plan.module.name)} is not shown to be alive and as planned.")
    elif unseen:
        lines.append(f"Verdict: {what}, and is as planned in all that was seen; not seen: {', '.join(unseen)}.")
    elif is_asked:
        lines.append(f"Verdict: {what} and as planned.")
    else:
        lines.append(f"Verdict: {what}, and is as planned; whether it answers AT was not tested.")
    return "\n".join(lines)


def _download_started(event: events.DownloadStarted, _view: _View) -> str:
    begun = f"Resuming at {format_amount(event.resumed_at)}:" if event.resumed_at else "Downloading"
    of = f" ({format_amount(event.total)})" if event.total else ""
    return f"{begun} {printable(event.url)}{of}"


def _download_progressed(event: events.DownloadProgressed, _view: _View) -> str:
    share = f" of {format_amount(event.total)}, {event.done * 100 // event.total} %" if event.total else ""
    return f"  {format_amount(event.done)}{share}"


_ERASED = "The module's flash is blank now: it answers no AT command until the firmware is written to it again."

_EVENTS: Mapping[type, Callable[[Any, _View], str]] = {
    events.Planned: lambda event, view: describe_choice(event.plan, *view),
    events.Described: lambda event, view: describe_plan(event.plan, *view),
    events.TableMade: _table_made,
    events.Packaged: _packaged,
    events.Reported: _reported,
    events.ErasingAll: lambda event, view: (
        _erasing(event.plan) if event.blanks else describe_factory(event.plan, view.width)
    ),
    events.Connected: _connected,
    events.Progressed: lambda event, _: f"  {printable(event.name)} {event.done * 100 // max(event.total, 1)} %",
    events.ImageDone: _image_done,
    events.SavedSettingsChanged: _settings_changed,
    events.SavedSettingsRead: _kept_found,
    events.Updated: _updated,
    events.FactoryImageWritten: _factory_written,
    events.BackedUp: _backed_up,
    events.Restoring: _restoring,
    events.Restored: lambda event, _: (
        f"The device has what the backup saved, confirmed by digests: {event.written} of {event.parts} parts written, "
        f"{event.parts - event.written} unchanged."
    ),
    events.Erased: lambda _event, _view: _ERASED,
    events.Verified: lambda event, _: f"The device has all {event.images} images of the plan: compared by digest.",
    events.Tested: _tested,
    events.Noticed: lambda event, view: notice_text(event.notice, view.spelling),
    events.DownloadStarted: _download_started,
    events.DownloadProgressed: _download_progressed,
    events.Copying: lambda event, _: f"Copying {printable(str(event.path))}",
    events.WaitingForDownload: lambda _event, _view: "Waiting: another process is downloading this file",
}
"""The text of each event, from it and how it is shown; except `EsptoolOutput`, which has its own."""
