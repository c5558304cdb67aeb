"""Board manifests: where they are looked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.errors import EspAtError, FormatError, UnknownNameError
from platformio_esp_at.request.board_manifests import PLATFORM, find_board

BOARD = '{"name": "Mine", "build": {"mcu": "esp32"}, "upload": {"flash_size": "4MB"}}'


def test_they_load_no_front_end():
    """The command line and the demo look for boards, too."""
    code = (
        "import sys, platformio_esp_at.request.board_manifests; "
        "print([name for name in sys.modules if '_at.pio' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_registering_loads_nothing_else():
    code = (
        "import sys; from platformio_esp_at.pio import register; "
        "print(sorted(name for name in sys.modules if name.startswith('platformio_esp_at.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['platformio_esp_at.pio', 'platformio_esp_at.pio.targets']\n"


def test_the_platform_is_installed():
    assert (PLATFORM / "platform.json").is_file()
    assert find_board("esp32dev").mcu == "esp32"


def test_the_projects_own_board_is_the_first(tmp_path):
    (tmp_path / "esp32dev.json").write_text(BOARD)
    assert find_board("esp32dev", own_boards=tmp_path).name == "Mine"


def test_a_board_by_its_file(tmp_path):
    (tmp_path / "my.json").write_text(BOARD)
    assert find_board(str(tmp_path / "my.json")).id == "my"
    with pytest.raises(EspAtError) as caught:
        find_board(str(tmp_path / "none.json"))
    assert (caught.value.code, caught.value.message) == ("file-not-found", "there is no such board file")
    assert caught.value.where == str(tmp_path / "none.json")
    assert caught.value.hint == f"looked for {tmp_path / 'none.json'}: put it there, or write another path"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="need named pipes")
def test_a_board_that_would_never_end(tmp_path):
    os.mkfifo(tmp_path / "my.json")
    with pytest.raises(EspAtError) as caught:
        find_board(str(tmp_path / "my.json"))
    assert caught.value.message == "can't be read: it is neither a file nor a folder"
    assert (caught.value.code, caught.value.where) == ("unreadable", str(tmp_path / "my.json"))


@pytest.mark.parametrize("text", ["{", "\xff", "[" * 100000])
def test_a_board_file_that_is_no_json(tmp_path, text):
    (tmp_path / "my.json").write_text(text, encoding="latin-1")
    with pytest.raises(FormatError) as caught:
        find_board(str(tmp_path / "my.json"))
    assert caught.value.message.startswith("not a board's JSON file: ")
    assert (caught.value.code, caught.value.where) == ("board-manifest-invalid", str(tmp_path / "my.json"))


def test_installed_platforms(tmp_path, monkeypatch):
    boards = tmp_path / "platforms/espressif32/boards"
    boards.mkdir(parents=True)
    (boards / "theirs.json").write_text(BOARD)
    (tmp_path / "platforms/a-file").write_text("")
    monkeypatch.delenv("PLATFORMIO_PLATFORMS_DIR", raising=False)
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    assert find_board("theirs").name == "Mine"
    with pytest.raises(UnknownNameError) as caught:
        find_board("theirz")
    assert caught.value.code == "unknown-board"
    assert caught.value.hint.startswith("did you mean theirs?\n")


def test_closed_folders_have_no_boards(tmp_path, monkeypatch):
    def closed(*_args: object, **_options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "iterdir", closed)
    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(UnknownNameError):
        find_board("esp32dev", own_boards=tmp_path)


def test_a_core_folder_that_cant_be(monkeypatch):
    monkeypatch.delenv("PLATFORMIO_PLATFORMS_DIR", raising=False)
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", "x" * 300)
    assert find_board("esp32dev").mcu == "esp32"


def test_an_unknown_board_doesnt_list_them_all():
    with pytest.raises(UnknownNameError) as caught:
        find_board("nonesuch")
    assert caught.value.hint.startswith("known are those of installed platforms (pio pkg install")


@pytest.mark.parametrize(
    ("slip", "near"),
    [("esp32dve", "did you mean esp32dev?"), ("esp32-c3-devkitm-2", "known are"), ("esp32-s3-devkitc-1", "known are")],
)
def test_a_slip_of_the_keys_and_not_another_chips_board(tmp_path, slip, near):
    with pytest.raises(UnknownNameError) as caught:
        find_board(slip, platforms=tmp_path)
    assert caught.value.hint.startswith(near)
