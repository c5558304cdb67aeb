"""Files that people name: only regular ones are opened, and every failure has a reason in words."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from pathlib import Path

import pytest

from platformio_esp_at.files import file_mode, is_regular, looked_for, open_regular, reading_hint, writing_hint


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
    assert looked_for(Path("für.zip")).startswith(
        "looked for für.zip: put it there, or write another path; the locale de_DE has no UTF-8"
    )
    assert looked_for(Path("a.zip")) == "looked for a.zip: put it there, or write another path"


# --- what to do about a file that can't be opened ---


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners and modes")
def test_a_file_without_permission_is_opened_by_its_owner(tmp_path, monkeypatch):
    file = tmp_path / "a b"
    file.touch()
    refused = PermissionError(errno.EACCES, "Permission denied")
    assert reading_hint(file, refused) == f"chmod u+r '{file}'"
    assert writing_hint(file, refused) == f"chmod u+w '{file}'"
    assert reading_hint(tmp_path, refused) == f"chmod u+rx {shlex.quote(str(tmp_path))}"
    assert writing_hint(tmp_path / "new", refused) == f"chmod u+wx {shlex.quote(str(tmp_path))}"
    monkeypatch.setattr(os, "getuid", lambda: 4294967294)
    assert reading_hint(file, refused) == f"it is {file.owner()}'s: sudo chown $USER {shlex.quote(str(file))}"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners and modes")
def test_the_folder_that_is_closed_is_named(tmp_path, monkeypatch):
    access = os.access
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed and access(path, mode))
    assert reading_hint(closed / "in/a", PermissionError(errno.EACCES, "x")) == f"chmod u+rx {shlex.quote(str(closed))}"


def test_an_owner_without_a_name(tmp_path, monkeypatch):
    pwd = pytest.importorskip("pwd")

    def nobody(_uid):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(os, "getuid", lambda: 4294967294)
    hint = reading_hint(tmp_path, PermissionError(errno.EPERM, "x"))
    assert hint == f"it is user {tmp_path.stat().st_uid}'s: sudo chown $USER {shlex.quote(str(tmp_path))}"


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOENT, f"looked for {Path('a').absolute()}: put it there, or write another path"),
        (errno.EISDIR, "name a file inside {}, or rename that folder"),
        (errno.ELOOP, "the link {} leads to itself: remove it, and make it again"),
        (errno.EILSEQ, "set LC_ALL=C.UTF-8, or PYTHONUTF8=1"),
        (errno.EINVAL, "name a regular file: no device, no pipe, no socket"),
        (errno.EIO, "see its state: ls -l {}; if the disk fails, copy the file from another one"),
    ],
)
def test_what_keeps_a_file_from_being_read(number, hint):
    assert reading_hint(Path("a"), OSError(number, "x")) == hint.format("a")


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some room on the disk of {0}"),
        (errno.EROFS, "{0} is on a read-only disk: name a folder on another one"),
        (errno.ENOTDIR, "name a file in a folder that you can write, instead of {0}/a"),
    ],
)
def test_what_keeps_a_file_from_being_written(tmp_path, number, hint):
    assert writing_hint(tmp_path / "a", OSError(number, "x")) == hint.format(tmp_path)


def test_a_permission_that_nothing_is_known_of(tmp_path):
    file = tmp_path / "gone"
    assert reading_hint(file, PermissionError(errno.EACCES, "x")) == f"see who owns it: ls -ld {shlex.quote(str(file))}"
