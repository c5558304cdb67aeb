"""The report of a project: which files it writes, and when it has the last run."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest
from hostile_names import SCRIPT, TAGS, hostile_run, write_hostile_project
from sample_project import SampleProject
from test_html import RUN, Page

from platformio_esp_at.commands import reporting
from platformio_esp_at.commands.reporting import FLASH_MAP, PAGE, WIRING, ReportFiles
from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.events import Noticed, Reported
from platformio_esp_at.outputs.report import REPORT, write_report
from platformio_esp_at.request.read import read_project


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


def _run(project: SampleProject, **facts) -> None:
    """Leave the report of an upload of the project's plan, with these facts."""
    plan = prepare(project.setup(), lock=False).plan
    rest = {"command": "upload", "device": None, "images": (), "state": "whole", "error": None}
    write_report(project.out, plan, **rest, facts={**RUN, **facts})


def _page(project: SampleProject) -> Page:
    return Page((project.out.parent / PAGE).read_text(encoding="utf-8"))


def test_the_page_and_its_pictures(project):
    reporting.report(project.setup())
    assert project.files() == {
        "AT_PACK.zip",
        "esp_at.yml",
        "build",
        *(f"build/{it}" for it in (PAGE, FLASH_MAP, WIRING)),
    }
    files = tuple(project.out.parent / name for name in (PAGE, FLASH_MAP, WIRING))
    assert project.reported == [Reported(files, None)]
    assert "run" not in _page(project).sections
    for picture in files[1:]:
        assert ET.fromstring(picture.read_bytes()).tag.endswith("}svg")  # noqa: S314 - our own
    first = [file.read_bytes() for file in files]
    reporting.report(project.setup())
    assert [file.read_bytes() for file in files] == first


def test_what_is_named_alone(project):
    named = project.root / "elsewhere" / "map.svg"
    reporting.report(project.setup(), ReportFiles(flash_map=named))
    assert project.files() == {"AT_PACK.zip", "esp_at.yml", "elsewhere", "elsewhere/map.svg"}
    reporting.report(project.setup(), ReportFiles(page=named.with_name("a.html"), wiring=named.with_name("b.svg")))
    assert {file.name for file in named.parent.iterdir()} == {"map.svg", "a.html", "b.svg"}


def test_a_module_without_a_uart(tmp_path):
    """There is no wiring to draw; asked for it, the report is refused, and writes nothing."""
    project = SampleProject(tmp_path)
    write_sample_package(tmp_path / "AT_PACK.zip", module="ESP32-SDIO")
    setup = project.setup()
    with pytest.raises(EspAtError) as caught:
        reporting.report(setup, ReportFiles(tmp_path / "a.html", wiring=tmp_path / "b.svg"))
    assert caught.value.code == "wiring-unknown"
    assert project.files() == {"AT_PACK.zip", "esp_at.yml"}
    reporting.report(setup)
    assert not (tmp_path / "build" / WIRING).exists()
    assert "wiring" not in _page(project).sections


def test_the_last_run(project):
    _run(project)
    reporting.report(project.setup())
    assert project.reported[-1].run == "upload"
    page = _page(project)
    assert page.sections[:2] == ["run", "test"]
    assert "my network" not in page.text


@pytest.mark.parametrize(
    "options",
    [{"factory_param": "uart_tx_pin = 4"}, {"module": "{name: OURS, based_on: WROOM-32}"}],
    ids=["pin", "module"],
)
def test_a_run_of_another_plan(options, project):
    _run(project)
    reporting.report(project.setup(**options))
    noticed, reported = project.reported
    assert isinstance(noticed, Noticed)
    assert (noticed.notice.code, reported.run) == ("run-of-other-plan", None)
    assert "run" not in _page(project).sections


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "\xff", '{"module": []}', "[" * 100_000, " " * (2 << 20)])
def test_a_run_that_cannot_be_read(text, project):
    _run(project)
    (project.out.parent / REPORT).write_text(text, encoding="latin-1")
    reporting.report(project.setup())
    assert [type(event) for event in project.reported] == [Noticed, Reported]
    assert "run" not in _page(project).sections


def test_a_project_that_is_refused_has_no_report(project):
    project.write("firmware: AT_PACK.zip\nfactory_param: {uart_tx_pin: 99}\n")
    with pytest.raises(EspAtError):
        reporting.report(project.setup())
    assert project.files() == {"AT_PACK.zip", "esp_at.yml"}


def test_hostile_names_are_text(project):
    """From the files to the page: package, partition, image, project file, certificate, and the last run."""
    hostile = project.root / "hostile"
    hostile.mkdir()
    project.root = write_hostile_project(hostile)
    project.out = hostile / "out/at"
    _run(project)
    written = project.out.parent / REPORT
    written.write_text(json.dumps(hostile_run(json.loads(written.read_bytes()))))
    reporting.report(project.setup())
    page = _page(project)
    assert set(page.tags) <= TAGS
    assert page.sections[:2] == ["run", "test"]
    assert {"parameters", "certificates", "files"} <= set(page.sections)
    for name in (SCRIPT, "<svg onload=alert(1)>", "<b>\"'&\\u202e</b>", "<style>*{display:none}", "CN=\\<script\\>"):
        assert name in page.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page.text)
    for name in (FLASH_MAP, WIRING):
        tags = {node.tag.rpartition("}")[2] for node in ET.parse(project.out.parent / name).iter()}  # noqa: S314
        assert tags <= TAGS


def test_the_project_of_that_test_is_read_as_any_other(tmp_path):
    assert {"firmware", "module", "pki"} == set(read_project(write_hostile_project(tmp_path)).options)
