"""Which project file a host names, and what of a module is named for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.request.command_line import layer_of_command_line
from platformio_esp_at.request.project_files import (
    find_project_file,
    folder_name_of,
    lock_file_of,
    names_of_modules,
    output_folder,
    project_files,
)
from platformio_esp_at.request.read import read_project


@pytest.fixture
def folder(tmp_path):
    for name in ("esp_at.yml", "esp_at_left.yml", "esp_at_right.yml", "esp_at_old.yaml", "modules/gsm.yml"):
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("partitions: own.csv\n")
    return tmp_path / "project"


def found(folder, text):
    return find_project_file(folder, layer_of_command_line({"project_file": text}))


def test_the_files_that_there_are(folder):
    assert project_files(folder) == ["esp_at.yml", "esp_at_left.yml", "esp_at_right.yml"]
    assert names_of_modules(folder) == ["left", "right"]
    assert project_files(folder / "nowhere") == []


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (None, "esp_at.yml"),
        ("./esp_at.yml", "esp_at.yml"),
        ("left", "esp_at_left.yml"),
        ("esp_at_left", "esp_at_left.yml"),
        ("esp_at_left.yml", "esp_at_left.yml"),
        ("modules/gsm.yml", "modules/gsm.yml"),
        ("{}/modules/../modules/gsm.yml", "modules/gsm.yml"),
        ("../project/esp_at_left.yml", "esp_at_left.yml"),
    ],
)
def test_how_a_file_is_named(folder, text, file):
    assert found(folder, text and text.format(folder)) == file


def test_a_file_outside_of_the_project(folder):
    inner = folder / "modules"
    assert found(inner, "../esp_at_left.yml") == "../esp_at_left.yml"
    assert read_project(inner, "../esp_at_left.yml").base.resolve() == folder.resolve()


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("rigth", "project-file-not-found", "did you mean project_file: esp_at_right.yml?"),
        ("esp_at_lef.yml", "project-file-not-found", "did you mean project_file: esp_at_left.yml?"),
        ("lte", "project-file-not-found", "there are esp_at.yml, esp_at_left.yml, esp_at_right.yml; looked for"),
        ("esp_at_old.yaml", "misnamed-file", "rename it to esp_at_old.yml"),
        ("firmware.zip", "misnamed-file", "there are esp_at.yml, esp_at_left.yml, esp_at_right.yml"),
        ("a\0.yml", "project-file-not-found", "there are esp_at.yml"),
    ],
)
def test_no_such_file(folder, text, code, hint):
    with pytest.raises(EspAtError) as caught:
        found(folder, text)
    assert (caught.value.code, caught.value.where) == (code, "--project-file")
    assert caught.value.hint.startswith(hint)


def test_no_project_file_at_all(tmp_path):
    with pytest.raises(EspAtError) as caught:
        found(tmp_path, "left")
    assert caught.value.hint.startswith("name one that ends with .yml, such as esp_at_left.yml")


def test_what_is_named_for_it():
    names = ["esp_at.yml", "esp_at_left.yml", "modules/esp_at.yml", "../esp_at.yml"]
    assert [output_folder(name) for name in names] == [
        "esp_at",
        "esp_at_left/esp_at",
        "modules+esp_at/esp_at",
        "..+esp_at/esp_at",
    ]
    assert lock_file_of("../esp_at.yml") == "../esp_at.lock"
    assert folder_name_of("C:/left.yml") == "C+left"


def test_a_file_may_be_a_link(folder):
    (folder / "esp_at_both.yml").symlink_to(Path("modules/gsm.yml"))
    assert found(folder, "both") == "esp_at_both.yml"
