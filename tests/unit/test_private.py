"""Files of a module's user: their owner alone reads them, git ignores them, and they are there only while needed."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.outputs.private import FOLDER, PrivateFile


def _names(folder) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_it_is_read_until_it_is_removed(tmp_path):
    file = PrivateFile(tmp_path / "build", "nvs-1.bin")
    assert file.read() is None
    file.write(b"old")
    file.write(b"new")
    assert (file.read(), PrivateFile(tmp_path / "build", "nvs-1.bin").read()) == (b"new", b"new")
    assert _names(tmp_path / "build" / FOLDER) == {".gitignore", "nvs-1.bin"}
    file.remove()
    assert file.read() is None
    assert _names(tmp_path / "build") == set()
    file.remove()


def test_the_folder_goes_with_the_last_file(tmp_path):
    one, two = PrivateFile(tmp_path, "nvs-1.bin"), PrivateFile(tmp_path, "nvs-2.bin")
    one.write(b"1")
    two.write(b"2")
    one.remove()
    assert two.read() == b"2"
    two.remove()
    assert _names(tmp_path) == set()


def test_the_files_of_others_stay(tmp_path):
    file = PrivateFile(tmp_path, "nvs-1.bin")
    file.write(b"1")
    (tmp_path / FOLDER / "mine").touch()
    file.remove()
    assert _names(tmp_path / FOLDER) == {".gitignore", "mine"}


@pytest.mark.skipif(os.name == "nt", reason="need the file modes of POSIX")
def test_only_the_owner_reads_it(tmp_path):
    file = PrivateFile(tmp_path, "nvs-1.bin")
    file.write(b"1")
    file.write(b"2")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_what_a_killed_run_left_is_no_content_and_goes(tmp_path):
    file = PrivateFile(tmp_path, "nvs-1.bin")
    file.write(b"1")
    file.remove()
    file.path.parent.mkdir()
    (tmp_path / FOLDER / "nvs-1.bin.new").write_bytes(b"half")
    assert file.read() is None
    file.write(b"whole")
    assert file.read() == b"whole"
    (tmp_path / FOLDER / "nvs-1.bin.new").write_bytes(b"half")
    file.remove()
    assert _names(tmp_path) == set()


def test_git_ignores_it(tmp_path):
    PrivateFile(tmp_path, "nvs-1.bin").write(b"1")
    try:
        subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    except FileNotFoundError:
        pytest.skip("need git")
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(status, cwd=tmp_path, capture_output=True, check=True).stdout == b""


def test_it_cant_be_written(tmp_path):
    (tmp_path / FOLDER).touch()
    file = PrivateFile(tmp_path, "nvs-1.bin")
    with pytest.raises(EspAtError) as caught:
        file.write(b"1")
    assert caught.value.code == "not-writable"
    file.remove()
    assert (tmp_path / FOLDER).is_file()
