"""Printing events for people, as far as the terminal can show them."""

from __future__ import annotations

import dataclasses
import errno
import io
import sys
from pathlib import Path

import pytest
from plans import sample_plan

from platformio_esp_at.errors import note, warning
from platformio_esp_at.events import (
    Copying,
    Described,
    EsptoolOutput,
    Noticed,
    Progressed,
    TableMade,
    Updated,
    Verified,
)
from platformio_esp_at.outputs.terminal import goes_to_error_output, is_shown, show, show_table_alone, shown_parts


@pytest.fixture
def terminal(monkeypatch):
    """Replace the standard output by one of this encoding, and return what gets there."""

    def replace(encoding: str | None) -> io.BytesIO:
        stream = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding=encoding, newline=""))
        return stream

    return replace


def test_a_terminal_without_umlauts(terminal):
    stream = terminal("ascii")
    show(Copying(Path("fürm…")))
    assert stream.getvalue() == b"Copying f\\xfcrm\\u2026\n"


def test_a_terminal_with_umlauts(terminal):
    stream = terminal("utf-8")
    show(Copying(Path("fürm…")))
    assert stream.getvalue() == "Copying fürm…\n".encode()


def test_every_event_is_shown_at_once(terminal):
    stream = terminal("utf-8")
    show(EsptoolOutput("Connecting.."))
    assert stream.getvalue() == b"Connecting.."
    show(EsptoolOutput(".\n"))
    assert stream.getvalue() == b"Connecting...\n"
    show(Verified(3))
    assert stream.getvalue().endswith(b"\nThe device has all 3 images of the plan: compared by digest.\n")


def test_a_notice(capsys):
    """A quiet build hides the output, and shows the error output."""
    show(Noticed(note("kept", "it stays")))
    assert capsys.readouterr() == ("", "Note: it stays  [kept]\n")


def test_no_output_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    show(Verified(3))


def test_a_disk_that_is_full(monkeypatch):
    class FullDisk(io.TextIOWrapper):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", FullDisk(io.BytesIO()))
    with pytest.raises(OSError, match="No space left"):
        show(Verified(3))


def test_a_table_alone_is_on_the_output(capsys):
    show_table_alone(Copying(Path("a.zip")))
    show_table_alone(TableMade(("PACK",), "a, 0x40\n"))
    show_table_alone(Noticed(note("seen", "look")))
    assert capsys.readouterr() == (
        "# Primary partition table of PACK\na, 0x40\n",
        "Copying a.zip\nNote: look  [seen]\n",
    )


TABLE = TableMade(("PACK",), "a, 0x40\n")
NOTICED = Noticed(note("kept", "it stays"))


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [
        pytest.param(-1, [NOTICED, TABLE], id="quiet"),
        pytest.param(0, [Verified(3), NOTICED, TABLE], id="usual"),
        pytest.param(1, [Verified(3), NOTICED, TABLE, EsptoolOutput("Stub running\n")], id="verbose"),
    ],
)
def test_which_events_a_text_without_bars_has(verbosity, shown):
    every = [Verified(3), NOTICED, TABLE, EsptoolOutput("Stub running\n"), Progressed("ota_0", 1, 2)]
    assert [event for event in every if is_shown(event, verbosity)] == shown


@pytest.mark.parametrize("event", [Described, lambda plan: Updated(plan, 6, 6)], ids=["info", "flash"])
def test_a_quiet_run_has_the_warnings_of_a_plan(event, tmp_path):
    warned = dataclasses.replace(
        sample_plan(tmp_path), notes=(warning("certificate-expired", "it expired", hint="renew it"),)
    )
    assert shown_parts(event(warned), -1) == (Noticed(warned.notes[0]),)
    assert shown_parts(event(warned), 0) == (event(warned),)
    assert shown_parts(Verified(3), -1) == ()


def test_warnings_alone_go_to_the_error_output():
    assert goes_to_error_output(NOTICED)
    assert not goes_to_error_output(TABLE)
    assert not goes_to_error_output(EsptoolOutput("Warning: x\n"))
