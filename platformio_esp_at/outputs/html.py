"""The report as one page for a browser: what a plan writes and keeps, and how the last run with a device ended.

It needs no network and runs no script: its Content Security Policy allows its own style sheet, by its digest, and
nothing else. No private key, no value of the module's ``nvs`` and no Wi-Fi setting is in it.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from platformio_esp_at import __version__
from platformio_esp_at.errors import IN_PROJECT_FILE, spelled
from platformio_esp_at.formats.esp_image import ChipRevisions, format_revision
from platformio_esp_at.outputs.connections import connections
from platformio_esp_at.outputs.credentials import credentials
from platformio_esp_at.outputs.flash_map import FlashMap
from platformio_esp_at.outputs.markup import as_html, element, style
from platformio_esp_at.outputs.svg import STYLE as PICTURE_STYLE
from platformio_esp_at.outputs.svg import flash_map_svg, wiring_svg
from platformio_esp_at.units import format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from platformio_esp_at.errors import Notice, Spelling
    from platformio_esp_at.outputs.credentials import Credential
    from platformio_esp_at.planning.plan import FlashPlan

_STYLE = """
:root { color-scheme: light dark; --text: #1a1f26; --quiet: #545d68; --page: #f2f4f7; --card: #ffffff;
  --line: #d5dae1; --accent: #1d5a9e; --good: #1a6b33; --bad: #a8261b; --warn: #7a4f00; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8ebef; --quiet: #a9b2bd; --page: #0e1115; --card: #14181d; --line: #2e363f; --accent: #6aa9f0;
    --good: #6fcf8a; --bad: #ff8f80; --warn: #e0b050; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); overflow-wrap: anywhere;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
p { margin: 0 0 .5rem; }
.quiet, footer { color: var(--quiet); }
footer { padding-bottom: 2rem; font-size: .85rem; }
main { display: grid; gap: 1.25rem; padding-top: 1.25rem; padding-bottom: 1.25rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem;
  min-width: 0; }
.pictures, .pictures > div { display: grid; gap: 1.25rem; min-width: 0; }
section > svg { display: block; width: 100%; height: auto; margin: 0 auto; }
#map > svg { max-width: 29rem; }
#wiring > svg { max-width: 27rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem 1.5rem; margin: 0; }
.wide { grid-column: 1 / -1; }
dt { color: var(--quiet); font-size: .85rem; }
dd { margin: 0; font-weight: 600; }
table { border-collapse: collapse; width: 100%; }
th { color: var(--quiet); font-size: .85rem; font-weight: 600; white-space: nowrap; }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); }
tbody tr:last-child td { border-bottom: 0; }
code { font: .85em ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace; }
.hash { font-size: .75em; }
.short { white-space: nowrap; overflow-wrap: normal; }
.state { display: inline-block; font-weight: 600; padding: 0 .5rem; border: 1.5px solid; border-radius: 1rem; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.warn { color: var(--warn); }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem; }
li { border-left: .25rem solid var(--line); padding-left: .75rem; }
li.warn { border-color: currentColor; }
li > * { color: var(--text); }
li > .quiet { color: var(--quiet); }
@media (min-width: 62rem) {
  .pictures { grid-template-columns: 1fr 1fr; align-items: start; }
  #images .hash { white-space: nowrap; }
}
@media (max-width: 46rem) {
  header, main, footer { padding-left: .75rem; padding-right: .75rem; }
  section { padding: 1rem .75rem; border-radius: .5rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, td { display: block; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  tbody tr:last-child { border-bottom: 0; }
  td { display: grid; grid-template-columns: 6.5rem 1fr; align-items: baseline; gap: .5rem;
    border: 0; padding: .1rem 0; }
  td:empty { display: none; }
  td::before { content: attr(data-label); color: var(--quiet); font-size: .85rem; }
}
@media print {
  body { background: none; }
  section { border-color: #999; break-inside: avoid-page; }
}
"""


def report_page(
    plan: FlashPlan,
    sources: Mapping[str, str],
    run: Mapping[str, Any] | None = None,
    spelling: Spelling = IN_PROJECT_FILE,
) -> str:
    """Return the page.

    ``sources``: where each factory parameter comes from, by its name. ``run``: the report of the last run with a
    device, as `outputs.report` writes it, if that was of this plan. ``spelling``: how the host writes options.
    """
    css = _STYLE + PICTURE_STYLE
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"{plan.module.name}: AT firmware"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        style(css),
    )
    about = f"{plan.package.name}, {plan.chip.display_name}, {format_size(plan.flash_size)} flash"
    body = element(
        "body",
        element("header", element("h1", plan.module.name), element("p", _isolated(about), class_="quiet")),
        element("main", *_sections(plan, sources, run, spelling)),
        element("footer", element("p", f"platformio-esp-at {__version__}")),
    )
    return as_html(element("html", head, body, lang="en"))


def _sections(
    plan: FlashPlan, sources: Mapping[str, str], run: Mapping[str, Any] | None, spelling: Spelling
) -> Iterator[Element]:
    results: Mapping[str, str] = {}
    if run is not None:
        yield _run(run)
        names = {region.name for region in plan.regions}
        results = {
            image["name"]: str(image.get("result"))
            for image in _dicts(run.get("images"))
            if str(image.get("name")) in names
        }
        if isinstance(run.get("verdict"), dict):
            yield _verdict(run["verdict"])
    yield _section("Plan", "plan", _facts(_plan_facts(plan)))
    if plan.notes:
        yield _section("Findings", "findings", element("ul", *(_finding(notice, spelling) for notice in plan.notes)))
    wires = connections(plan)
    beside = [_section("Wiring", "wiring", wiring_svg(wires))] if wires else []
    if plan.parameters:
        values = [(name, _code(str(value)), sources[name]) for name, value in plan.parameters.items()]
        beside.append(_section("Parameters", "parameters", _table(("Parameter", "Value", "From"), values)))
    flash_map = _section("Flash map", "map", flash_map_svg(FlashMap.of(plan), plan.module.name))
    yield element("div", flash_map, element("div", *beside), class_="pictures")
    yield _section("Images", "images", _images(plan, results))
    if plan.kept:
        rows = [(_number(row.offset), format_size(row.size), row.name) for row in plan.kept]
        about = "An update leaves these as the module has them. The factory image erases them."
        yield _section("Kept", "kept", element("p", about), _table(("Offset", "Size", "Partition"), rows))
    if found := list(credentials(plan)):
        yield _section("Certificates and keys", "certificates", _credentials(found))
    if plan.inputs:
        files = [(label, format_size(len(data)), _hash(data)) for label, data in plan.inputs.items()]
        yield _section("Files of the project", "files", _table(("File", "Size", "SHA-256"), files))


def _section(title: str, name: str, *content: Element) -> Element:
    heading = element("h2", title, id=f"{name}-heading")
    return element("section", heading, *content, id=name, aria_labelledby=f"{name}-heading")


# --- the plan ---


_PACKAGE_HASH = "SHA-256 of the firmware package"


def _plan_facts(plan: FlashPlan) -> Iterator[tuple[str, str]]:
    yield "AT module", plan.module.name
    yield "Chosen by", plan.module.reason + (" (a guess)" if plan.module.assumed else "")
    yield "Firmware package", plan.package.name
    if plan.package.release:
        yield "Release", plan.package.release
    if plan.chip_revisions != ChipRevisions():
        yield "Chip revision", str(plan.chip_revisions)
    yield "Flash settings", f"{plan.settings.mode}, {plan.settings.freq}, {plan.settings.size}"
    if plan.package.sha256:
        yield _PACKAGE_HASH, plan.package.sha256


def _images(plan: FlashPlan, results: Mapping[str, str]) -> Element:
    rows = [
        (
            _number(region.offset),
            format_size(len(region.data)),
            region.name,
            region.origin,
            _hash(region.data),
            *((results.get(region.name, ""),) if results else ()),
        )
        for region in sorted(plan.regions, key=lambda region: region.offset)
    ]
    head = ("Offset", "Size", "Image", "From", "SHA-256", *(("Last run",) if results else ()))
    return _table(head, rows)


def _finding(notice: Notice, spelling: Spelling) -> Element:
    kind = "Warning" if notice.is_warning else "Note"
    hint = spelled(notice.marked_hint or "", spelling)
    return element(
        "li",
        element("p", element("strong", f"{kind}: "), str(notice), " ", _code(notice.code)),
        *(element("p", line, class_="quiet") for line in hint.splitlines()),
        class_="warn" if notice.is_warning else "note",
    )


def _credentials(found: Sequence[Credential]) -> Element:
    rows = [
        (
            one.name,
            f"{one.kind}, {one.key}" if one.key else one.kind,
            one.subject,
            one.issuer,
            one.valid,
            one.origin,
            _digits(one.sha256) if one.sha256 else "",
        )
        for one in found
    ]
    return _table(("Name", "Is", "Subject", "Issuer", "Valid", "From", "SHA-256"), rows)


# --- the last run ---


def _run(run: Mapping[str, Any]) -> Element:
    ended = str(run.get("ended"))
    good = ended == "succeeded"
    facts = [
        ("Command", str(run.get("command"))),
        ("Flash of the module", _STATES.get(str(run.get("module_state")), "")),
    ]
    device = run.get("device")
    if isinstance(device, dict):
        facts += _device_facts(device)
    if isinstance(differing := run.get("differing"), dict):
        facts.append(("Differs", ", ".join(map(str, differing))))
    settings = run.get("uart_settings")
    if isinstance(settings, dict):
        was, now = (settings.get(when) for when in ("was", "now"))
        if isinstance(was, dict) and isinstance(now, dict):
            changed = [f"{name} {value} (was {was.get(name)})" for name, value in now.items() if was.get(name) != value]
            facts.append(("Saved UART settings changed", ", ".join(changed)))
    state = element("p", element("span", ended, class_=f"state {'good' if good else 'bad'}"))
    return _section("Last run", "run", state, _facts(facts))


_STATES = {
    "as_before": "nothing was written",
    "half": "half written",
    "whole": "has all images",
    "half_erased": "may be half erased",
    "blank": "blank",
}


def _device_facts(device: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Device", str(device.get("chip"))
    if isinstance(revision := device.get("revision"), int):
        yield "Revision", format_revision(revision)
    if isinstance(size := device.get("flash_size"), int):
        yield "Flash", format_size(size)
    for name, fact in (("MAC", "mac"), ("Port", "port"), ("Speed of the link, in baud", "baud")):
        if device.get(fact):
            yield name, str(device[fact])


def _verdict(verdict: Mapping[str, Any]) -> Element:
    good = bool(verdict.get("holds"))
    words = "alive, and as planned in all that was seen" if good else "not shown to be alive and as planned"
    names = ("name", "planned", "seen", "state", "source")
    rows = [tuple(str(aspect.get(name, "")) for name in names) for aspect in _dicts(verdict.get("aspects"))]
    return _section(
        "Test of the module",
        "test",
        element("p", element("span", words, class_=f"state {'good' if good else 'bad'}")),
        _table(("Module", "Planned", "Seen", "Verdict", "At"), rows),
    )


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


# --- elements ---

_SHORT = 18
"""In characters: the narrowest window has room for them beside the name of their column."""


def _facts(facts: Iterable[tuple[str, str]]) -> Element:
    pairs = (
        element("div", element("dt", name), element("dd", _digits(fact)), class_="wide")
        if name == _PACKAGE_HASH
        else element("div", element("dt", name), element("dd", _isolated(fact)))
        for name, fact in facts
        if fact
    )
    return element("dl", *pairs)


def _table(head: Sequence[str], rows: Iterable[Sequence[Element | str]]) -> Element:
    cells = [
        element(
            "tr",
            *(element("td", *_cell(cell), data_label=name) for name, cell in zip(head, row, strict=True)),
        )
        for row in rows
    ]
    columns = element("tr", *(element("th", name, scope="col") for name in head))
    return element("table", element("thead", columns), element("tbody", *cells))


def _cell(cell: Element | str) -> Iterator[Element]:
    if isinstance(cell, str):
        if cell:
            yield _isolated(cell)
    else:
        yield cell


def _isolated(text: str) -> Element:
    """Return text whose direction changes nothing around it; a short one stays in one line."""
    return element("bdi", text, class_="short") if len(text) <= _SHORT else element("bdi", text)


def _code(text: str) -> Element:
    return element("code", text)


def _number(offset: int) -> Element:
    return element("code", format_offset(offset), class_="short")


def _hash(data: bytes) -> Element:
    return _digits(hashlib.sha256(data).hexdigest())


def _digits(sha256: str) -> Element:
    return element("code", sha256, class_="hash")
