"""The UART settings that a module has saved: an upload changes those that contradict the project, and nothing else."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import ota_data
import pytest
from nvs_pages import STRING, begin, entry, flipped, page, with_data
from sample_project import SampleProject

from platformio_esp_at.commands.flashing import upload, verify
from platformio_esp_at.commands.saved_settings import uart_settings
from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.demo.faults import RefusedWrite
from platformio_esp_at.errors import FlashError, FormatError
from platformio_esp_at.events import Noticed, Progressed, SavedSettingsChanged, SavedSettingsRead
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.outputs.private import FOLDER
from platformio_esp_at.outputs.report import REPORT

if TYPE_CHECKING:
    from platformio_esp_at.formats.partition_table import Partition

PASSWORD = b"S3CR3T of the Wi-Fi\0"
FASTER = "firmware: AT_PACK.zip\nfactory_param: {uart_baudrate: 921600}\n"


def _number(key: str, value: int, encoding: Encoding = Encoding.I8) -> bytes:
    size = {Encoding.I8: "<b", Encoding.I32: "<l"}[encoding]
    return entry(1, encoding, key, struct.pack(size, value))


def _nvs(rate: int = 115200, flow_ctrl: int = 3) -> bytes:
    """Return what a module has saved that was used for a while: the settings are in its second page."""
    saved = [_number("rate", rate, Encoding.I32), _number("databits", 3), _number("flow_ctrl", flow_ctrl)]
    first = page(begin("UART"), begin("nvs.net80211", 2), with_data(2, STRING, "sta.pswd", PASSWORD), sequence=0)
    return (first + page(*saved, sequence=1)).ljust(14 * PAGE_SIZE, b"\xff")


@pytest.fixture
def project(tmp_path) -> SampleProject:
    return SampleProject(tmp_path)


def _home(project: SampleProject) -> Partition:
    home = prepare(project.setup()).plan.primary.find("nvs")
    assert home
    return home


@pytest.fixture
def used(project, simulated_module):
    """Start a module that has the project's images already, and this in nvs."""

    def start(nvs: bytes, **options):
        plan, home = prepare(project.setup()).plan, _home(project)
        assert home.size == len(nvs)
        flash = bytearray(plan.factory_image())
        flash[home.offset : home.end] = nvs
        return simulated_module(flash=bytes(flash), **options)

    return start


def _saved(project: SampleProject, module) -> bytes:
    home = _home(project)
    return module.flash[home.offset : home.end]


def _upload(project: SampleProject, module) -> dict:
    """Upload, and return the report."""
    project.reported.clear()
    upload(project.setup(port=module.port, baud="115200"))
    return json.loads((project.out.parent / REPORT).read_bytes())


def _codes(project: SampleProject) -> list[str]:
    codes = [event.notice.code for event in project.reported if isinstance(event, Noticed)]
    return [code for code in codes if code != "not-restarted"]


def _changed(project: SampleProject) -> list[SavedSettingsChanged]:
    return [event for event in project.reported if isinstance(event, SavedSettingsChanged)]


def _private(project: SampleProject) -> set[str]:
    return {file.name for file in (project.out.parent / FOLDER).glob("*.bin")}


# --- what is changed ---


def test_settings_of_a_partition():
    assert uart_settings(_nvs()) == {"rate": 115200, "databits": 3, "flow_ctrl": 3}
    assert uart_settings(b"\xff" * 14 * PAGE_SIZE) == {}
    with pytest.raises(FormatError):
        uart_settings(b"\xff" * 100)


def test_only_the_settings_of_this_namespace_and_these_types_count():
    others = page(begin("UART"), begin("OTHER", 2), _number("rate", 8), entry(2, Encoding.I32, "rate", b"\1\0\0\0"))
    assert uart_settings(others) == {}


def test_the_rate_that_the_project_sets(project, used):
    project.write(FASTER)
    before = _nvs()
    module = used(before)
    report = _upload(project, module)
    home, after = _home(project), _saved(project, module)
    assert after == _nvs(rate=921600)
    assert module.erases == [(home.offset + PAGE_SIZE, PAGE_SIZE)]
    assert _codes(project) == ["uart-settings-changing"]
    assert _changed(project) == [SavedSettingsChanged({"rate": 115200}, {"rate": 921600})]
    was = {"rate": 115200, "databits": 3, "flow_ctrl": 3}
    assert report["uart_settings"] == {"was": was, "now": {**was, "rate": 921600}}
    assert report["module_state"] == "whole"
    assert not (project.out.parent / FOLDER).exists()
    assert PASSWORD.decode()[:6] not in project.text + json.dumps(report)


def test_flow_control_without_a_pin(project, used):
    project.write("firmware: AT_PACK.zip\nfactory_param: {uart_rts_pin: -1, uart_cts_pin: -1}\n")
    module = used(_nvs())
    _upload(project, module)
    assert _saved(project, module) == _nvs(flow_ctrl=0)
    assert _changed(project) == [SavedSettingsChanged({"flow_ctrl": 3}, {"flow_ctrl": 0})]


@pytest.mark.parametrize(
    ("yml", "nvs"),
    [
        pytest.param("firmware: AT_PACK.zip\n", _nvs(), id="nothing-is-set"),
        pytest.param(FASTER, _nvs(rate=921600), id="as-it-is-set"),
        pytest.param(FASTER, b"\xff" * 14 * PAGE_SIZE, id="nothing-is-saved"),
    ],
)
def test_what_doesnt_contradict_the_project_stays(project, used, yml, nvs):
    project.write(yml)
    module = used(nvs)
    report = _upload(project, module)
    assert (module.writes, module.erases) == ([], [])
    assert (_codes(project), _changed(project)) == ([], [])
    assert "uart_settings" not in report
    is_read = any(isinstance(event, Progressed) and event.name == "nvs" for event in project.reported)
    assert is_read == (yml == FASTER)


@pytest.mark.parametrize(
    "nvs",
    [
        pytest.param(_nvs()[: 2 * PAGE_SIZE] + page(sequence=2, version=0xFD) + _nvs()[3 * PAGE_SIZE :], id="version"),
        pytest.param(page(b"\x5a" * 32).ljust(14 * PAGE_SIZE, b"\xff"), id="encrypted"),
    ],
)
def test_a_partition_that_cant_be_read_stays(project, used, nvs):
    project.write(FASTER)
    module = used(nvs)
    report = _upload(project, module)
    assert _saved(project, module) == nvs
    assert _codes(project) == ["uart-settings-unread"]
    assert (report["uart_settings"], report["ended"]) == ("unread", "succeeded")


# --- a run that is cut off ---


@pytest.fixture
def cut(project, used, simulated_module):
    """Return a module whose second page is lost: a run was cut off after it had erased it."""
    project.write(FASTER)
    broken = used(_nvs(), faults=[RefusedWrite(_home(project).offset + PAGE_SIZE)])
    with pytest.raises(FlashError) as caught:
        _upload(project, broken)
    assert caught.value.code == "flash-bad"
    assert caught.value.message.endswith("; the module is half written")
    assert _saved(project, broken)[PAGE_SIZE : 2 * PAGE_SIZE] == b"\xff" * PAGE_SIZE
    assert len(_private(project)) == 1

    def start(change=lambda nvs: nvs):
        home, flash = _home(project), bytearray(broken.flash)
        flash[home.offset : home.end] = change(bytes(flash[home.offset : home.end]))
        return simulated_module(flash=bytes(flash))

    return start


@pytest.mark.parametrize("yml", [FASTER, "firmware: AT_PACK.zip\n"], ids=["same-project", "nothing-is-set-any-more"])
def test_the_next_run_puts_back_what_was_there(project, cut, yml):
    module = cut()
    project.write(yml)
    _upload(project, module)
    assert _codes(project) == ["nvs-put-back", *(["uart-settings-changing"] if yml == FASTER else [])]
    assert _saved(project, module) == _nvs(rate=921600 if yml == FASTER else 115200)
    assert not (project.out.parent / FOLDER).exists()


def test_what_was_kept_is_not_put_back_over_what_the_module_has_saved_since(project, cut):
    module = cut(lambda nvs: page(begin("UART"), sequence=7) + nvs[PAGE_SIZE:])
    before = _saved(project, module)
    _upload(project, module)
    assert _codes(project) == []
    assert _saved(project, module) == before
    assert not (project.out.parent / FOLDER).exists()


def test_a_run_that_was_killed_after_it_had_written(project, cut):
    """The new sector is whole: nothing is put back."""
    new = _nvs(rate=921600)
    module = cut(lambda nvs: nvs[:PAGE_SIZE] + new[PAGE_SIZE : 2 * PAGE_SIZE] + nvs[2 * PAGE_SIZE :])
    _upload(project, module)
    assert (_codes(project), _saved(project, module)) == ([], new)
    assert not (project.out.parent / FOLDER).exists()


def test_what_was_kept_of_another_module_stays(project, cut):
    cut()
    (name,) = _private(project)
    kept = project.out.parent / FOLDER / name
    kept.rename(kept.with_name("nvs-020000000001.bin"))
    _upload(project, cut())
    assert _private(project) == {"nvs-020000000001.bin"}


# --- what is told of it ---


def _kept(project: SampleProject, module) -> dict[str, str]:
    project.reported.clear()
    verify(project.setup(port=module.port, baud="115200", show_kept="true"))
    (event,) = [event for event in project.reported if isinstance(event, SavedSettingsRead)]
    assert "S3CR3T" not in project.text
    return dict(event.facts)


def test_what_a_module_keeps(project, used):
    assert _kept(project, used(_nvs())) == {
        "nvs": "4 entries; UART: rate 115200, databits 3, flow_ctrl 3",
        "otadata": "blank: the first application is started",
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (ota_data.sector(ota_data.entry(2)) + ota_data.sector(), "starts ota_1"),
        (ota_data.sector(ota_data.entry(1, state=3)) + ota_data.sector(), "can't be read: "),
    ],
    ids=["second-slot", "invalid"],
)
def test_which_slot_is_started(project, simulated_module, data, words):
    plan = prepare(project.setup()).plan
    row = plan.primary.find("otadata")
    flash = bytearray(plan.factory_image())
    flash[row.offset : row.offset + len(data)] = data
    module = simulated_module(flash=bytes(flash))
    with pytest.raises(FlashError) as caught:
        _kept(project, module)
    assert caught.value.code == "content-differs"
    (event,) = [event for event in project.reported if isinstance(event, SavedSettingsRead)]
    assert event.facts["otadata"].startswith(words)


@pytest.mark.parametrize(
    ("nvs", "words"),
    [
        (b"\xff" * 14 * PAGE_SIZE, "0 entries; UART: nothing saved, so the factory parameters count"),
        (page(b"\x5a" * 32).ljust(14 * PAGE_SIZE, b"\xff"), "encrypted, or damaged"),
        (page(sequence=2, version=0xFD).ljust(14 * PAGE_SIZE, b"\xff"), "can't be read: "),
        (flipped(_nvs(), PAGE_SIZE + 64 + 24), "3 entries; UART: databits 3, flow_ctrl 3"),
    ],
    ids=["blank", "encrypted", "version", "damaged-entry"],
)
def test_what_is_told_of_other_partitions(project, used, nvs, words):
    assert _kept(project, used(nvs))["nvs"].startswith(words)
