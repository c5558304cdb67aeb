"""Folders of what is private: new, whole or not at all, their owner's alone, and ignored by git."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.outputs.folder import check_new, write_private_folder

FILES = {"a.json": b"{}", "flash/one.bin": b"key" * 1000, "flash/two.bin": b"", "pki/key.pem": b"KEY"}


def _files(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["new", "some/where/new", "größe [1]"])
def test_a_new_folder(tmp_path, name):
    write_private_folder(tmp_path / name, FILES)
    assert _files(tmp_path / name) == {".gitignore": b"*\n", **FILES}
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]
    if os.name != "nt":
        for path in [tmp_path / name, *(tmp_path / name).rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_nothing_is_replaced(tmp_path, what):
    place = tmp_path / "there"
    if what == "folder":
        place.mkdir()
    elif what == "file":
        place.write_bytes(b"mine")
    else:
        place.symlink_to(tmp_path / "nowhere")
    for write in (check_new, lambda folder: write_private_folder(folder, FILES)):
        with pytest.raises(EspAtError) as caught:
            write(place)
        assert (caught.value.code, caught.value.hint) == ("already-exists", "name another place: nothing is replaced")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


RUN = """\
import os, resource, signal, sys
from pathlib import Path
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.outputs.folder import write_private_folder

how, left = sys.argv[2], int(sys.argv[3])

def count(event, args):
    global left
    if event in ("open", "os.rename") and "new" in str(args[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

if how == "killed":
    sys.addaudithook(count)
else:
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, most))
files = {"a.json": b"{}", "flash/one.bin": b"key" * 1000, "pki/key.pem": b"KEY"}
try:
    write_private_folder(Path(sys.argv[1]), files)
except EspAtError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))  # what measures coverage writes at the end
    sys.exit(error.code)
"""


def _run(place, how: str, left: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, str(place), how, str(left)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.name == "nt", reason="need signals")
def test_a_kill_at_any_file_leaves_nothing_in_the_open(tmp_path):
    """Wherever it strikes, the folder is not there, and git takes nothing of what is left."""
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    kills = 0
    while (done := _run(tmp_path / "backup", "killed", kills + 1)).returncode == -signal.SIGKILL:
        kills += 1
        assert not (tmp_path / "backup").exists()
        for left in tmp_path.glob(".backup-*"):
            assert stat.S_IMODE(left.stat().st_mode) == 0o700
        subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
        listed = subprocess.run(["git", "ls-files"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        assert listed == ""
    assert done.returncode == 0, done.stderr
    assert kills >= len(FILES)
    assert set(_files(tmp_path / "backup")) == {".gitignore", "a.json", "flash/one.bin", "pki/key.pem"}
    assert not list(tmp_path.glob(".backup-*"))


@pytest.mark.skipif(os.name == "nt", reason="need limits of processes")
def test_a_full_disk_leaves_nothing(tmp_path):
    done = _run(tmp_path / "backup", "full", 1000)
    assert done.stderr == "not-writable\n"
    assert list(tmp_path.iterdir()) == []
