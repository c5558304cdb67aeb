"""The page: what it says, what it may load, and that names in it are text."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hostile_names import LONG, SCRIPT, TAGS, TURNED
from plans import HERE, KEY, sample_plan

from platformio_esp_at.errors import Spelling, setting, warning
from platformio_esp_at.outputs.html import report_page
from platformio_esp_at.request.values import InputFile

RUN = {
    "command": "upload",
    "ended": "succeeded",
    "module_state": "whole",
    "device": {"chip": "esp32", "revision": 300, "flash_size": 4 << 20, "mac": "02:00", "port": "COM3", "baud": 9600},
    "images": [{"name": "ota_0", "result": "unchanged"}, {"name": "bootloader", "result": "written"}],
    "uart_settings": {"was": {"rate": 9600, "parity": 0}, "now": {"rate": 115200, "parity": 0}},
    "verdict": {
        "holds": True,
        "aspects": [{"name": "Speed", "planned": "1", "seen": "2", "state": "as planned", "source": "log"}],
        "evidence": ["log: +CWJAP:my network"],
    },
}


class Page(HTMLParser):
    """A page as a parser sees it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.sections: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.sections += [value for name, value in attrs if tag == "section" and name == "id"]

    def handle_data(self, data):
        self.text += f"{data} "


def _page(plan, run=None, **options) -> Page:
    return Page(report_page(plan, dict.fromkeys(plan.parameters or {}, "a file"), run, **options))


@pytest.fixture
def plan(tmp_path):
    return sample_plan(tmp_path)


def test_the_sections(plan):
    assert _page(plan).sections == ["plan", "map", "wiring", "parameters", "images", "kept", "certificates"]
    page = _page(replace(plan, wiring=None, parameters=None, kept=(), regions=plan.regions[:2]))
    assert page.sections == ["plan", "map", "images"]


def test_what_it_says(plan):
    page = _page(plan)
    for region in plan.regions:
        assert f" {hashlib.sha256(region.data).hexdigest()} " in page.text
    assert re.search(r"uart_baudrate\s+115200\s+a file", page.text)
    assert re.search(r"CN=Sample server CA\s+2020-01-01 to 2049-01-01\s+firmware package\s+[0-9a-f]{64}", page.text)


def test_its_policy_allows_its_style_sheet_and_nothing_else(plan):
    text = report_page(plan, dict.fromkeys(plan.parameters, ""))
    css = re.search("<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert text.count("<style>") == 1
    assert "//" not in css
    assert not {name for name, _ in Page(text).attributes} & {"src", "href", "style", "onload", "action"}


def test_same_input_same_bytes(plan):
    assert report_page(plan, dict.fromkeys(plan.parameters, "")) == report_page(
        plan, dict.fromkeys(plan.parameters, "")
    )


def test_findings_are_spelled_as_the_host_does(plan):
    plan = replace(plan, notes=(warning("odd", "mind this", hint=f"write {setting('module', 'X')}\nor none"),))
    page = _page(plan, spelling=Spelling("<{}={}>".format, "host.ini"))
    assert page.sections[1] == "findings"
    assert re.search(r"Warning:\s+mind this\s+odd\s+write <module=X> in host.ini\s+or none", page.text)


def test_the_last_run(plan):
    page = _page(plan, RUN)
    assert page.sections[:2] == ["run", "test"]
    for fact in ("succeeded", "has all images", "v3.0", "02:00", "rate 115200 (was 9600)", "as planned in all"):
        assert fact in page.text
    assert re.search(r"ota_0\s+firmware package\s+[0-9a-f]{64}\s+unchanged", page.text)
    assert "my network" not in page.text
    failed = _page(plan, {**RUN, "ended": "content-differs", "differing": {"ota_0": 5}, "verdict": {"holds": False}})
    assert "not shown to be alive" in failed.text
    assert re.search(r"Differs\s+ota_0", failed.text)


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}, [7], {"was": 1, "now": []}, [{}]])
def test_a_run_that_somebody_changed(wrong, plan):
    """Whatever is in it, there is a page."""
    plan = replace(plan, regions=plan.regions[:2])
    for name in ("device", "images", "verdict", "uart_settings", "differing", "ended", "module_state"):
        page = _page(plan, {**RUN, name: wrong})
        assert "run" in page.sections


def test_names_are_text(plan):
    name = f"{SCRIPT}{TURNED}\"'&{LONG}"
    regions = tuple(replace(region, name=f"{region.name}{name}", origin=name) for region in plan.regions)
    hostile = replace(
        plan,
        package=replace(plan.package, name=name),
        module=replace(plan.module, name=name, reason=name),
        regions=regions,
        kept=tuple(replace(row, name=name[:16]) for row in plan.kept),
        parameters={**plan.parameters, "module_name": name},
        notes=(warning(name, name, hint=name),),
        inputs={name: b""},
    )
    page = _page(hostile, dict.fromkeys(RUN, name))
    assert set(page.tags) <= TAGS
    assert page.text.count(SCRIPT) > 20
    assert "\u202e" not in page.text
    assert "\\u202e" in page.text


def test_no_secret(tmp_path):
    plan = sample_plan(tmp_path, pki={"mqtt_key": (InputFile("key.pem", HERE, KEY),)})
    assert "S3CR3T" not in report_page(plan, dict.fromkeys(plan.parameters, ""))
    assert re.search(r"mqtt_key\s+not readable: ", _page(plan).text)
