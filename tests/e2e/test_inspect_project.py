"""`esp-at inspect --as-project` and `--csv`: files that only their owner reads, made where none is replaced."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys

import pytest

from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.partition_table import PartitionTable

GENERATIONS = pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
MFG_NVS = "customized_partitions/mfg_nvs.bin"


@pytest.fixture
def package(tmp_path):
    def write(name: str = "firmware.zip", *, nvs: bool = False):
        write_sample_package(tmp_path / name, nvs=nvs)
        return tmp_path / name

    return write


def _files(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _assert_secret(folder) -> None:
    if os.name == "posix":
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
        assert modes
        assert modes == dict.fromkeys(modes, 0o600)


@GENERATIONS
def test_a_project_from_a_package_and_back(esp_at, package, tmp_path, nvs):
    zip_file, project = package(nvs=nvs), tmp_path / "made" / "project"
    said = esp_at("inspect", zip_file, "--as-project", project).stdout
    made = _files(project)
    told, _, rest = said.removeprefix("Wrote ").partition(" to ")
    assert set(told.split(", ")) == set(made)
    assert rest == f"{project}; name the firmware package in esp_at.yml\n"
    assert {"esp_at.yml", "pki/mqtt_key.pem", "gatts_data.csv"} <= set(made)
    _assert_secret(project)

    refused = esp_at("info", "-C", project, code=1).stderr
    assert refused.startswith(
        "Error: esp_at.yml:2: firmware package 'FIRMWARE.zip' does not exist  [firmware-not-found]\n"
    )
    shutil.copy(zip_file, project / "FIRMWARE.zip")
    esp_at("package", "-C", project)
    packaged, own = open_package(project / "build/esp_at"), open_package(zip_file)
    assert {row.name: packaged.content_of(row.name) for row in own.secondary} == {
        row.name: own.content_of(row.name) for row in own.secondary
    }


@GENERATIONS
def test_a_project_from_a_factory_image(esp_at, package, tmp_path, nvs):
    zip_file = package(nvs=nvs)
    esp_at("package", "--firmware", zip_file, "-o", "out")
    esp_at("inspect", "out/factory/factory_WROOM-32.bin", "--as-project", "from image")
    esp_at("inspect", zip_file, "--as-project", "from package")
    image, of_package = _files(tmp_path / "from image"), _files(tmp_path / "from package")
    *said, own_table = image.pop("esp_at.yml").splitlines()[1:]
    assert said == of_package.pop("esp_at.yml").splitlines()[1:]
    assert own_table.startswith(b"# partitions: at_customize.csv # the image's own table")
    table = PartitionTable.from_csv(image.pop("at_customize.csv").decode(), first_offset=0)
    assert table.to_bytes() == (tmp_path / "out/at_customize.bin").read_bytes()
    assert image == of_package

    yml = tmp_path / "from image/esp_at.yml"
    options = yml.read_text().replace("FIRMWARE.zip", str(zip_file))
    yml.write_text(options.partition("pki:")[0] + "gatts: gatts_data.csv\n")
    esp_at("package", "-C", "from image", "-o", "again")
    made, again = _files(tmp_path / "out"), _files(tmp_path / "again")
    assert made.pop("esp_at_manifest.json") != again.pop("esp_at_manifest.json")
    assert made == again


def test_a_project_replaces_nothing(esp_at, package, tmp_path):
    file = package()
    project = tmp_path / "project"
    (project / "pki").mkdir(parents=True)
    (project / "notes.txt").write_text("mine")
    (project / "pki/mqtt_key.pem").write_text("my key")
    before = _files(project)
    refused = esp_at("inspect", file, "--as-project", project, code=1).stderr
    assert refused.startswith(f"Error: {project / 'pki/mqtt_key.pem'} is there already  [already-exists]\n")
    assert _files(project) == before

    (project / "pki/mqtt_key.pem").unlink()
    esp_at("inspect", file, "--as-project", project)
    made = _files(project)
    assert made["notes.txt"] == b"mine"
    esp_at("inspect", file, "--as-project", project, code=1)
    assert _files(project) == made


@pytest.mark.parametrize("source", ["firmware.zip", "firmware", "factory_image.bin", "mfg_nvs.bin"])
def test_the_csv_gives_the_image_again(esp_at, package, tmp_path, source):
    image = sample_package(nvs=True)[MFG_NVS]
    file = package(source if source.startswith("firmware") else "firmware.zip", nvs=True)
    if source == "factory_image.bin":
        esp_at("package", "--firmware", file, "-o", "out")
        file = tmp_path / "out/factory/factory_WROOM-32.bin"
    elif source == "mfg_nvs.bin":
        file = tmp_path / source
        file.write_bytes(image)
    (tmp_path / "csv").mkdir()
    assert "nvs.csv" in esp_at("inspect", file, "--csv", "csv/nvs.csv").stdout
    _assert_secret(tmp_path / "csv")

    command = [sys.executable, "-m", "esp_idf_nvs_partition_gen", "generate", "nvs.csv", "nvs.bin", f"{len(image):#x}"]
    done = subprocess.run(command, cwd=tmp_path / "csv", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "csv/nvs.bin").read_bytes() == image


def test_a_csv_replaces_nothing(esp_at, package, tmp_path):
    file = package(nvs=True)
    (tmp_path / "nvs.csv").write_text("mine")
    refused = esp_at("inspect", file, "--csv", "nvs.csv", code=1).stderr
    assert "nvs.csv is there already  [already-exists]\n" in refused
    assert (tmp_path / "nvs.csv").read_text() == "mine"


def test_project_and_csv_at_once(esp_at, package, tmp_path):
    said = esp_at("inspect", package(nvs=True), "--csv", "nvs.csv", "--as-project", "project").stdout
    assert [line.partition(" ")[0] for line in said.splitlines()] == ["Wrote", "Wrote"]
    assert (tmp_path / "nvs.csv").read_text().startswith("key,type,encoding,value")
    assert (tmp_path / "project/esp_at.yml").is_file()


def test_nothing_is_written_where_there_is_nothing_to_take(esp_at, package, tmp_path):
    file = package()
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear customer")
    before = _files(tmp_path)
    assert "  [no-mfg-nvs]\n" in esp_at("inspect", file, "--csv", "nvs.csv", code=1).stderr
    for option in ("--csv", "--as-project"):
        refused = esp_at("inspect", letter, option, "new", code=1).stderr
        assert "  [nothing-to-migrate]\n" in refused
        assert refused.count("letter.txt: ") == refused.count("letter.txt") == 1
        assert esp_at("inspect", "missing.bin", option, "new", code=1).stderr.startswith(
            "Error: missing.bin: can't be read: "
        )
    assert _files(tmp_path) == before
    esp_at("inspect", file, "--as-project", letter, code=2)
    esp_at("inspect", file, "--csv", tmp_path, code=2)
