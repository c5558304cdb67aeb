"""Files that people name: only regular ones are opened, and every failure has a reason in words."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from platformio_esp_at.files import file_mode, is_regular, looked_for, open_regular


def test_a_regular_file(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with open_regular(tmp_path / "a") as stream:
        assert stream.read() == b"x"
    assert is_regular(tmp_path / "a")


def test_nothing_there(tmp_path):
    for name in ("a", "x" * 300):
        assert file_mode(tmp_path / name) is None
        with pytest.raises(FileNotFoundError):
            open_regular(tmp_path / name)


@pytest.mark.skipif(os.name == "nt", reason="need device files")
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "pipe", "."])
def test_what_is_no_regular_file(tmp_path, path):
    os.mkfifo(tmp_path / "pipe")
    assert not is_regular(tmp_path / path)
    with pytest.raises(OSError) as caught:
        open_regular(tmp_path / path)
    assert caught.value.strerror.startswith("it is ")


def test_a_name_with_a_nul():
    with pytest.raises(OSError) as caught:
        file_mode(Path("a\0b"))
    assert caught.value.strerror == "there is a NUL in its name"
    assert not is_regular(Path("a\0b"))


def test_a_locale_that_cant_spell_the_name(monkeypatch):
    monkeypatch.setenv("LC_ALL", "POSIX")
    with pytest.raises(OSError) as caught:
        file_mode(Path("\ud800"))  # what an umlaut is to a locale without it
    assert caught.value.strerror.startswith("the locale POSIX has no UTF-8 for its name: set LC_ALL=C.UTF-8")


def test_a_locale_that_spells_the_name_in_another_way(monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE")
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-1")
    assert looked_for(Path("für.zip")).startswith("looked for für.zip; the locale de_DE has no UTF-8")
    assert looked_for(Path("a.zip")) == "looked for a.zip"
