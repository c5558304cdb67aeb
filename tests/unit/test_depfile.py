"""What an image set was made from, as make and ninja read it."""

from __future__ import annotations

import re

import pytest

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands import Setup
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.depfile import format_depfile, write_depfile
from platformio_esp_at.project import read_project


@pytest.fixture
def listed(tmp_path):
    """Return what the depfile of a project lists, by the paths in it."""

    def write(yml, board=None):
        (tmp_path / "esp_at.yml").write_text(yml)
        setup = Setup(
            layers=(read_project(tmp_path),),
            project=tmp_path,
            folder=tmp_path / "out",
            find_board=lambda _: board,
        )
        write_depfile(tmp_path / "d.d", setup)
        _, _, listed = (tmp_path / "d.d").read_text().replace("\\\n", "").partition(": ")
        words = (word.replace("\\ ", " ") for word in re.split(r"(?<!\\)\s+", listed.strip()))
        return {word.removeprefix(f"{tmp_path.as_posix()}/") for word in words}

    return write


def test_a_zip_and_what_the_project_names(listed, tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    (tmp_path / "own.csv").write_text("")
    assert listed("firmware: fw.zip\npartitions: own.csv\n") == {"esp_at.yml", "fw.zip", "own.csv"}
    assert listed(f"firmware: {(tmp_path / 'fw.zip').as_uri()}\n") == {"esp_at.yml", "esp_at.lock", "fw.zip"}


def test_of_a_release_the_lock_says_what_it_is(listed):
    assert listed("firmware: v4.1.1.0\nmodule: WROOM-32\n") == {"esp_at.yml", "esp_at.lock"}


def test_what_the_board_names(listed, tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    (tmp_path / "gatts.csv").write_text("")
    board = BoardFacts("own", mcu="esp32", at={"firmware": "fw.zip", "gatts": "gatts.csv"})
    assert listed("", board) == {"esp_at.yml", "fw.zip", "gatts.csv"}


def test_paths_with_what_make_takes_for_its_own(tmp_path):
    assert format_depfile(tmp_path / "a b", [tmp_path / "c$d#e"]).endswith("c$$d\\#e\n")
    assert "a\\ b:" in format_depfile(tmp_path / "a b", [])
