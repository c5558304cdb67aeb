"""`data: {fs_storage: folder/}`: a folder of the project becomes the file system that the firmware expects."""

from __future__ import annotations

import hashlib
import json
import sys

import pytest
from filesystem_readers import files_in

from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, LayoutError, Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.outputs.image_set import image_set
from platformio_esp_at.planning.filesystems import FileSystem, build_filesystem, kind_of
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.layers import make_request
from platformio_esp_at.request.read import read_project
from platformio_esp_at.request.values import InputFolder

FILES = {"index.html": b"<h1>AT</h1>", "img/logo.png": b"\x89PNG" * 300, "img/small/a.txt": b"", "z.bin": bytes(5000)}
HIDDEN = {".DS_Store": b"x", ".git/config": b"x", "img/.thumbs": b"x", "img/.cache/a": b"x"}
FAT_SIZE, FS_SIZE = 576 << 10, 64 << 10
USER = PartitionTable.from_bytes(sample_package("esp32", nvs=True)["at_customize.bin"]).to_csv()
FAT = build_filesystem(FILES, kind=FileSystem.FAT, size=FAT_SIZE)
WITH_FS_STORAGE = USER + "fs_storage, data, 0xff, 0x60000, 64K\n"


def _write(folder, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _request(tmp_path, yml: str, files: dict[str, bytes] | None = None):
    """Return the request of a project whose ``esp_at.yml`` starts in line 2, with ``web`` and ``own.csv`` in it."""
    _write(tmp_path / "web", FILES | HIDDEN if files is None else files)
    _write(tmp_path, {"esp_at.yml": f"firmware: .\n{yml}".encode(), "own.csv": WITH_FS_STORAGE.encode()})
    return make_request([read_project(tmp_path)])


def _plan(tmp_path, yml: str, files=None, *, nvs=True, contents=None) -> FlashPlan:
    write_sample_package(tmp_path / "package", nvs=nvs)
    if contents:
        config = tmp_path / "package/download.config"
        listed = " ".join(f"{offset} {name}.bin" for name, (offset, _) in contents.items())
        config.write_text(f"{config.read_text().strip()} {listed}\n")
        (tmp_path / "package/flasher_args.json").unlink()
        _write(tmp_path / "package", {f"{name}.bin": data for name, (_, data) in contents.items()})
    package = open_package(tmp_path / "package")
    return make_plan(package, select(None, None, package), _request(tmp_path, yml, files))


def _region(plan: FlashPlan, name: str):
    return next(region for region in plan.regions if region.name == name)


# --- the folder ---


@pytest.mark.parametrize("label", ["web", "web/", "./web", "web/img/.."])
def test_the_folder_is_read(tmp_path, label):
    _write(tmp_path / "web/img", FILES)  # so that web/img exists in any order
    source = _request(tmp_path, f"data:\n  fatfs: {label}\n", FILES).data["fatfs"]
    assert source == InputFolder(label, Place.at(file="esp_at.yml", line=3), source.files)
    expected = FILES | {f"img/{path}": data for path, data in FILES.items()}
    assert source.files == expected


def test_hidden_files_are_left_out(tmp_path):
    source = _request(tmp_path, "data: {fatfs: web}\n", FILES | HIDDEN).data["fatfs"]
    assert set(source.files) == set(FILES)
    assert list(source.files) == list(_request(tmp_path, "data: {fatfs: web/}\n").data["fatfs"].files)


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(EspAtError) as caught:
        _request(tmp_path, "data:\n  fatfs: pages/\n")
    assert (caught.value.where, caught.value.code) == ("esp_at.yml:3", "file-not-found")
    assert "pages/ does not exist" in caught.value.message


@pytest.mark.parametrize("option", ["gatts: web", "partitions: web", "pki: {mqtt_ca: web}"])
def test_a_folder_where_a_file_is_needed(tmp_path, option):
    with pytest.raises(EspAtError, match="folder") as caught:
        _request(tmp_path, option)
    assert (caught.value.where, caught.value.code) == ("esp_at.yml:2", "unreadable")


# --- the file system ---


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_fatfs_is_fat(tmp_path, nvs):
    region = _region(_plan(tmp_path, "data: {fatfs: web/}\n", nvs=nvs), "fatfs")
    assert kind_of(region.data) is FileSystem.FAT
    assert (len(region.data), region.offset, region.path) == (FAT_SIZE, 0x70000, "customized_partitions/fatfs.bin")
    assert region.origin == "FAT with wear levelling of web/"
    assert files_in(region.data, FileSystem.FAT) == FILES


def test_fs_storage_is_littlefs(tmp_path):
    pytest.importorskip("littlefs", reason="need the extra fs")
    region = _region(_plan(tmp_path, "partitions: own.csv\ndata: {fs_storage: web/}\n"), "fs_storage")
    assert kind_of(region.data) is FileSystem.LITTLEFS
    assert (len(region.data), region.offset, region.origin) == (FS_SIZE, 0x60000, "littlefs of web/")
    assert files_in(region.data, FileSystem.LITTLEFS) == FILES


def test_the_file_system_that_the_package_has_there_decides(tmp_path):
    pytest.importorskip("littlefs", reason="need the extra fs")
    own = build_filesystem({"a": b"1"}, kind=FileSystem.LITTLEFS, size=0x4000)
    plan = _plan(tmp_path, "data: {fatfs: web/}\n", contents={"fatfs": ("0x70000", own)})
    region = _region(plan, "fatfs")
    assert kind_of(region.data) is FileSystem.LITTLEFS
    assert (len(region.data), region.path) == (FAT_SIZE, "fatfs.bin")
    assert files_in(region.data, FileSystem.LITTLEFS) == FILES


def test_an_empty_folder_is_an_empty_file_system(tmp_path):
    (tmp_path / "web").mkdir()
    fat = _region(_plan(tmp_path, "data: {fatfs: web}\n", {}), "fatfs").data
    assert files_in(fat, FileSystem.FAT) == {}


def test_the_same_files_give_the_same_bytes(tmp_path):
    first = _region(_plan(tmp_path / "a", "data: {fatfs: web}\n"), "fatfs")
    turned = dict(reversed(FILES.items()))
    assert _region(_plan(tmp_path / "b", "data: {fatfs: web/}\n", turned), "fatfs").data == first.data


def test_a_file_is_taken_as_the_image(tmp_path):
    (tmp_path / "fs.img").write_bytes(FAT)
    assert _region(_plan(tmp_path, "data: {fatfs: fs.img}\n"), "fatfs").data == FAT


def test_fs_storage_takes_either_kind(tmp_path):
    """Its subtype doesn't tell how the firmware was built."""
    fat = build_filesystem(FILES, kind=FileSystem.FAT, size=FS_SIZE)
    (tmp_path / "fs.img").write_bytes(fat)
    plan = _plan(tmp_path, "partitions: own.csv\ndata: {fs_storage: fs.img}\n")
    assert _region(plan, "fs_storage").data == fat


@pytest.mark.parametrize(
    ("image", "code", "message"),
    [
        pytest.param(b"\xff" * FAT_SIZE, "not-a-file-system-image", "no file system: it is blank", id="blank"),
        pytest.param(bytes(FAT_SIZE), "not-a-file-system-image", "no file system: it is all zeros", id="zeros"),
        pytest.param(
            b"hello\n",
            "not-a-file-system-image",
            "no file system: it is text ('hello'), not a binary file",
            id="text",
        ),
        pytest.param(
            b"PK\3\4" * 1024,
            "not-a-file-system-image",
            "no file system: it is neither littlefs nor FAT with wear levelling",
            id="zip",
        ),
        pytest.param(
            FAT[: FAT_SIZE // 2],
            "not-a-file-system-image",
            "no file system: it is neither littlefs nor FAT with wear levelling",
            id="half",
        ),
        pytest.param(
            FAT[:4096] + bytes(512) + FAT[4608:], "fat-damaged", "the FAT volume has no boot sector", id="boot-sector"
        ),
    ],
)
def test_a_file_that_is_no_file_system(tmp_path, image, code, message):
    (tmp_path / "fs.img").write_bytes(image)
    with pytest.raises(FormatError) as caught:
        _plan(tmp_path, "data: {fatfs: fs.img}\n")
    error = caught.value
    assert (error.code, error.where, error.message) == (code, "fs.img", message)
    assert error.hint == "name a folder instead: it becomes the file system that the firmware expects"


def test_a_file_system_of_the_other_kind(tmp_path):
    pytest.importorskip("littlefs", reason="need the extra fs")
    (tmp_path / "fs.img").write_bytes(build_filesystem(FILES, kind=FileSystem.LITTLEFS, size=FAT_SIZE))
    with pytest.raises(FormatError) as caught:
        _plan(tmp_path, "data: {fatfs: fs.img}\n")
    assert (caught.value.code, caught.value.where) == ("other-file-system", "fs.img")
    assert caught.value.message == "it is littlefs, and the firmware keeps FAT with wear levelling in fatfs"


# --- refusals ---


@pytest.mark.parametrize("name", ["mqtt_ca", "factory_param", "no_such_partition"])
def test_a_partition_that_is_no_file_system(tmp_path, name):
    with pytest.raises(EspAtError) as caught:
        _plan(tmp_path, f"data:\n  {name}: web/\n", nvs=False)
    error = caught.value
    assert (error.where, error.hint) == ("esp_at.yml:3", f"give it a file: data: {{{name}: FILE}}")
    assert error.message == f"partition {name} has no file system, so the folder web/ can't be stored there"


@pytest.mark.parametrize(
    ("yml", "size"), [("data: {fatfs: web/}\n", 600_000), ("partitions: own.csv\ndata: {fs_storage: web/}\n", 80_000)]
)
def test_too_large(tmp_path, yml, size):
    if "fs_storage" in yml:
        pytest.importorskip("littlefs", reason="need the extra fs")
    with pytest.raises(LayoutError, match="bytes more than") as caught:
        _plan(tmp_path, yml, {"large.bin": bytes(size)})
    assert caught.value.where == "web/"


def test_a_name_that_the_file_system_can_not_hold(tmp_path):
    pytest.importorskip("littlefs", reason="need the extra fs")
    with pytest.raises(FormatError, match="longer than 64") as caught:
        _plan(tmp_path, "partitions: own.csv\ndata: {fs_storage: web/}\n", {"x" * 65: b""})
    assert caught.value.where == "web/"


def test_littlefs_is_an_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "littlefs", None)
    with pytest.raises(EspAtError) as caught:
        _plan(tmp_path, "partitions: own.csv\ndata: {fs_storage: web/}\n")
    assert caught.value.where == "web/"
    assert caught.value.message == "littlefs needs the library littlefs-python"
    assert caught.value.hint == 'pip install "platformio-esp-at[fs]"'
    fat = _region(_plan(tmp_path, "data: {fatfs: web}\n"), "fatfs").data
    assert files_in(fat, FileSystem.FAT) == FILES


# --- the manifest ---


@pytest.mark.parametrize("label", ["web", "web/"])
def test_the_manifest_names_each_file(tmp_path, label):
    plan = _plan(tmp_path, f"partitions: own.csv\ndata: {{fatfs: {label}}}\n")
    inputs = json.loads(image_set(plan)["esp_at_manifest.json"])["inputs"]
    files = {f"web/{path}": data for path, data in FILES.items()} | {"own.csv": WITH_FS_STORAGE.encode()}
    assert inputs == {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    assert list(inputs) == sorted(inputs)
