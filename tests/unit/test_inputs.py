"""What an image set was made from: all that a build tool watches."""

from __future__ import annotations

import re

import pytest

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands.inputs import inputs_of
from platformio_esp_at.commands.packaging import package
from platformio_esp_at.commands.setup import Setup
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, Place
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.outputs.image_set import MANIFEST
from platformio_esp_at.request.layers import layer_of_board, make_request
from platformio_esp_at.request.read import read_project
from platformio_esp_at.request.values import Firmware, Text

GATTS = b"index,uuid_len,uuid,perm,val_max_len,val_cur_len,value\n0,16,0x2800,0x01,2,2,A002\n"


@pytest.fixture
def setup(tmp_path):
    """Return the setup of a project with this project file (None: without one) and board."""

    def make(yml: str | None, board: BoardFacts | None = None) -> Setup:
        if yml is not None:
            (tmp_path / "esp_at.yml").write_text(yml)
        return Setup(
            layers=(read_project(tmp_path),),
            project=tmp_path,
            folder=tmp_path / "out",
            find_board=lambda _: board,
            report=lambda _: None,
        )

    return make


@pytest.fixture
def listed(tmp_path, setup):
    """Return what the depfile of a project lists, by the paths in it."""

    def write(yml: str | None, board: BoardFacts | None = None) -> set[str]:
        package(setup(yml, board), depfile=tmp_path / "deep/d.d")
        rule, _, inputs = (tmp_path / "deep/d.d").read_text().replace("\\\n", "").partition(": ")
        made, *words = (word.replace("\\ ", " ") for word in re.split(r"(?<!\\)\s+", f"{rule} {inputs.strip()}"))
        assert made == (tmp_path / "out" / MANIFEST).as_posix()
        return {word.removeprefix(f"{tmp_path.as_posix()}/") for word in words}

    return write


# --- the depfile that `package` writes ---


def test_a_zip_and_what_the_project_names(listed, tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    table = PartitionTable.from_bytes(sample_package()["at_customize.bin"]).to_csv()
    (tmp_path / "own.csv").write_text(table)
    assert listed("firmware: fw.zip\npartitions: own.csv\n") == {"esp_at.yml", "fw.zip", "own.csv"}
    url = (tmp_path / "fw.zip").as_uri()
    assert listed(f"firmware: {url}\n") == {"esp_at.yml", "esp_at.lock", "fw.zip"}


def test_where_partitions_are_is_in_the_lock(listed, tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    yml, inputs = "firmware: fw.zip\npartitions: own.csv\n", {"esp_at.yml", "fw.zip", "own.csv"}
    (tmp_path / "own.csv").write_text("my_data, 0x40, 0x20, 0x3d000, 4K\n")
    assert listed(yml) == inputs
    (tmp_path / "own.csv").write_text("my_data, 0x40, 0x20, , 4K\n")
    assert listed(yml) == {*inputs, "esp_at.lock"}


def test_of_a_release_the_lock_has_what_it_is(listed, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    write_sample_package(tmp_path / "mirror/ESP32-WROOM-32-AT-V4.1.1.0.zip", nvs=True)
    monkeypatch.setenv("ESP_AT_MIRROR", str(tmp_path / "mirror"))
    assert listed("firmware: v4.1.1.0\nmodule: WROOM-32\n") == {"esp_at.yml", "esp_at.lock"}


def test_what_the_board_names(listed, tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    (tmp_path / "gatts.csv").write_bytes(GATTS)
    board = BoardFacts("own", mcu="esp32", at={"firmware": "fw.zip", "gatts": "gatts.csv"})
    assert listed("", board) == {"esp_at.yml", "fw.zip", "gatts.csv"}


def test_a_project_without_a_project_file_is_a_folder_to_watch(listed, tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    board = BoardFacts("own", mcu="esp32", at={"firmware": "fw.zip"})
    assert listed(None, board) == {tmp_path.as_posix(), "fw.zip"}


def test_a_folder_of_content_comes_with_all_that_is_in_it(listed, tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    (tmp_path / "web/img").mkdir(parents=True)
    (tmp_path / "web/img/a.png").write_bytes(b"a")
    assert listed("firmware: fw.zip\ndata: {fatfs: web}\n") == {
        "esp_at.yml",
        "fw.zip",
        "web",
        "web/img",
        "web/img/a.png",
    }


def test_a_depfile_that_cant_be_written(tmp_path, setup):
    write_sample_package(tmp_path / "fw.zip")
    (tmp_path / "file").touch()
    with pytest.raises(EspAtError) as caught:
        package(setup("firmware: fw.zip\n"), depfile=tmp_path / "file/d.d")
    assert caught.value.code == "not-writable"
    assert caught.value.message.startswith(f"{tmp_path / 'file/d.d'} can't be written: ")


def test_without_a_depfile_none_is_written(tmp_path, setup):
    write_sample_package(tmp_path / "fw.zip")
    package(setup("firmware: fw.zip\n"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["esp_at.yml", "fw.zip", "out"]


# --- the inputs ---


def _inputs(tmp_path, firmware: Firmware, layers=()) -> list[str]:
    found = inputs_of(firmware, layers, tmp_path, but=tmp_path / "out")
    assert all(path.is_absolute() for path in found)
    return [path.relative_to(tmp_path).as_posix() for path in found]


def test_of_a_firmware_folder_only_the_files_that_may_be_a_part_of_it(tmp_path):
    write_sample_package(tmp_path / "build")
    for name in ("esp-at.elf", "notes.txt", "CMakeFiles/a.o"):
        (tmp_path / "build" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "build" / name).touch()
    (tmp_path / "esp_at.yml").touch()
    firmware = Firmware(Text("build", Place.at(option="here")), tmp_path / "build")
    expected = {
        path
        for path in sample_package()
        if path.endswith((".bin", ".img")) or path in ("download.config", "flasher_args.json", "flash_project_args")
    }
    assert expected
    assert set(_inputs(tmp_path, firmware)) == {"esp_at.yml", *(f"build/{path}" for path in expected)}


def test_the_image_set_is_not_made_from_itself(tmp_path):
    (tmp_path / "esp_at.yml").touch()
    (tmp_path / "fw.zip").touch()
    for name in ("web/index.html", "out/a.bin"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    firmware = Firmware(Text("fw.zip", Place.at(option="here")), tmp_path / "fw.zip")
    layer = layer_of_board("b", {"data": {"a": "."}}, base=tmp_path)
    assert set(_inputs(tmp_path, firmware, [layer])) == {"esp_at.yml", "fw.zip", ".", "web", "web/index.html"}


def test_each_input_once(tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    (tmp_path / "esp_at.yml").write_text("firmware: fw.zip\npki: {mqtt_ca: a.pem, client_ca: ./a.pem}\n")
    (tmp_path / "a.pem").touch()
    layers = (read_project(tmp_path),)
    assert _inputs(tmp_path, make_request(layers).firmware, layers) == ["esp_at.yml", "fw.zip", "a.pem"]
