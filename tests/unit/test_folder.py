"""The image set on the disk: complete or not at all, private where it must be."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from plans import FILES, KEY, changed_plan, plan_of_zip

from platformio_esp_at.errors import EspAtError, PackageError, Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.outputs import folder as folders
from platformio_esp_at.outputs.folder import write_beside, write_image_set, write_new_files, write_secret
from platformio_esp_at.outputs.image_set import MANIFEST, image_set
from platformio_esp_at.planning.plan import FlashPlan, Region, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "customized_partitions"


def _files(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _refusal(plan: FlashPlan, folder: Path) -> EspAtError:
    with pytest.raises(EspAtError) as caught:
        write_image_set(plan, folder)
    return caught.value


# --- what is written ---


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp32c6", "esp8266"])
def test_the_image_set_is_written(tmp_path, chip):
    plan = plan_of_zip(tmp_path, chip)
    write_image_set(plan, tmp_path / "out")
    assert _files(tmp_path / "out") == image_set(plan)


def test_what_is_written_is_a_firmware_package_again(tmp_path):
    plan = changed_plan(tmp_path)
    write_image_set(plan, tmp_path / "out")
    package = open_package(tmp_path / "out")
    again = make_plan(package, select(None, None, package), Request())
    assert again.factory_image() == plan.factory_image()
    assert (again.module.name, again.wiring, again.kept) == (plan.module.name, plan.wiring, plan.kept)


# --- modes ---


@pytest.mark.skipif(os.name == "nt", reason="need the file modes of POSIX")
def test_what_may_hold_keys_is_its_owners_alone(tmp_path):
    plan = changed_plan(tmp_path)
    write_image_set(plan, tmp_path / "out")
    modes = {path: stat.S_IMODE((tmp_path / "out" / path).stat().st_mode) & 0o077 for path in _files(tmp_path / "out")}
    private = {path for path, mode in modes.items() if not mode}
    assert private == {
        *(region.path for region in plan.regions if region.path.startswith(FOLDER)),
        "factory/factory_WROOM-32.bin",
        "factory/factory_WROOM-32_unfilled.bin",
    }
    assert f"{FOLDER}/mqtt_key.bin" in private


@pytest.mark.skipif(os.name == "nt", reason="need the file modes of POSIX")
def test_content_without_an_image_in_the_package_is_private_too(tmp_path):
    plan = plan_of_zip(tmp_path, data={"fatfs": InputFile("fs.img", Place.at(file="esp_at.yml", line=3), FILES)})
    write_image_set(plan, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out" / FOLDER / "fatfs.bin").stat().st_mode) == 0o600


# --- where it is written ---


@pytest.mark.parametrize("folder", ["out", "a/b/out", ".pio/build/at"])
def test_new_folder(tmp_path, folder):
    write_image_set(plan_of_zip(tmp_path), tmp_path / folder)
    assert (tmp_path / folder / MANIFEST).is_file()
    assert [
        path.name for path in (tmp_path / folder).parent.iterdir() if path.name.startswith(f".{Path(folder).name}-")
    ] == []


def test_empty_folder(tmp_path):
    (tmp_path / "out").mkdir()
    write_image_set(plan_of_zip(tmp_path), tmp_path / "out")
    assert (tmp_path / "out/download.config").is_file()


def test_an_earlier_run_is_replaced_whole(tmp_path):
    write_image_set(plan_of_zip(tmp_path, "esp32c6"), tmp_path / "out")
    plan = plan_of_zip(tmp_path)
    write_image_set(plan, tmp_path / "out")
    assert _files(tmp_path / "out") == image_set(plan)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["AT_PACK.zip", "out"]


@pytest.mark.parametrize("name", ["notes.txt", "download.config", "inner/esp_at_manifest.json"])
def test_refuses_a_folder_with_other_files(tmp_path, name):
    other = tmp_path / "out" / name
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    error = _refusal(plan_of_zip(tmp_path), tmp_path / "out")
    assert error.code == "output-folder-foreign"
    assert error.message == f"{tmp_path / 'out'} holds other files: {name}"
    assert error.hint == "move them away, or name a new or empty folder: its content is replaced"
    assert _files(tmp_path / "out") == {name: b"mine"}


@pytest.mark.parametrize("name", ["mine.zip", "factory/mine.bin", "mine/esp_at_manifest.json"])
def test_refuses_to_replace_other_files_of_an_earlier_run(tmp_path, name):
    plan = plan_of_zip(tmp_path)
    write_image_set(plan, tmp_path / "out")
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_bytes(b"mine")
    assert _refusal(plan, tmp_path / "out").message == f"{tmp_path / 'out'} holds other files: {name}"
    assert (tmp_path / "out" / name).read_bytes() == b"mine"


def test_a_link_among_an_earlier_runs_files_is_another_file(tmp_path):
    plan = plan_of_zip(tmp_path)
    write_image_set(plan, tmp_path / "out")
    (tmp_path / "out/link").symlink_to(tmp_path, target_is_directory=True)
    assert _refusal(plan, tmp_path / "out").message.endswith(" holds other files: link")


def test_many_other_files_are_counted(tmp_path):
    (tmp_path / "out").mkdir()
    for number in range(7):
        (tmp_path / "out" / f"{number}.txt").touch()
    message = _refusal(plan_of_zip(tmp_path), tmp_path / "out").message
    assert message.endswith(" holds other files: 0.txt, 1.txt, 2.txt and 4 more")


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"\xff", b"{}", b'{"files": 7}', b'{"files": {}}', b'{"files": [["mine.zip"]]}', b"[" * 100000],
)
def test_a_manifest_that_lists_nothing_is_somebody_elses(tmp_path, text):
    plan = plan_of_zip(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_bytes(text)
    assert _refusal(plan, tmp_path / "out").message.endswith(f" holds other files: {MANIFEST}")
    assert _files(tmp_path / "out") == {MANIFEST: text}


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "link").symlink_to("elsewhere/out", target_is_directory=True)
    for plan in (plan_of_zip(tmp_path, "esp32c6"), plan_of_zip(tmp_path)):
        write_image_set(plan, tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert _files(tmp_path / "elsewhere/out") == image_set(plan)


@pytest.mark.parametrize("inside", [".", "factory"])
def test_refuses_to_replace_where_somebody_is(tmp_path, monkeypatch, inside):
    (tmp_path / "out" / inside).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "out" / inside)
    error = _refusal(plan_of_zip(tmp_path), Path(os.path.relpath(tmp_path / "out")))
    assert error.message == f"the image set can't replace {tmp_path / 'out'}: it is or contains the current folder"
    assert error.code == "output-is-current-folder"
    assert error.hint == "name a folder of its own, such as esp_at: the whole folder is replaced"
    assert _files(tmp_path / "out") == {}


def test_refuses_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "out").write_bytes(b"mine")
    error = _refusal(plan_of_zip(tmp_path), tmp_path / "out")
    assert error.message == f"{tmp_path / 'out'} can't be written: Not a directory"
    assert error.code == "not-writable"
    assert error.hint == "make room there, or name a folder that you can write"
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_file_in_place_of_the_parent(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    error = _refusal(plan_of_zip(tmp_path), tmp_path / "file/out")
    assert error.message.startswith(f"{tmp_path / 'file/out'} can't be written: ")
    assert error.code == "not-writable"
    assert (tmp_path / "file").read_bytes() == b"mine"


@contextmanager
def _closed_folder(folder: Path, mode: int) -> Iterator[Path]:
    """Make a folder with these rights, and be somebody whom they hold for: root may write everywhere."""
    folder.mkdir()
    folder.chmod(mode)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="need the file modes of POSIX")
@pytest.mark.parametrize("mode", [0o500, 0], ids=["not-to-write", "not-to-look-into"])
@pytest.mark.parametrize("name", ["out", "a/b/out"])
def test_parent_that_cant_be_written(tmp_path, mode, name):
    plan = plan_of_zip(tmp_path)
    with _closed_folder(tmp_path / "parent", mode) as parent:
        error = _refusal(plan, parent / name)
    assert error.message == f"{parent / name} can't be written: Permission denied"
    assert error.code == "not-writable"


# --- several runs at once ---


PUBLISH = """
import sys
from pathlib import Path
from platformio_esp_at.outputs import folder as folders, image_set as image_set_module
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.request.options import Request
from platformio_esp_at.planning.selection import select

plans = []
for name in sys.argv[2:]:
    package = open_package(Path(name))
    plans.append(make_plan(package, select(None, None, package), Request()))
sets = [image_set_module.image_set(plan) for plan in plans]
# Images without their bytes: what counts is how often one set takes the place of the other.
sets = [{path: data if path == image_set_module.MANIFEST else b"" for path, data in files.items()} for files in sets]
folders.image_set = lambda plan: sets[plans.index(plan)]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    for plan in plans:
        folders.write_image_set(plan, Path(sys.argv[1]))
"""


def test_several_runs_publish_at_once(tmp_path):
    """Two chips have other files: whoever looks while one is exchanged for the other must not find them foreign."""
    plans = {}
    for chip in ("esp32", "esp32c6"):
        (tmp_path / chip).mkdir()
        plans[chip] = plan_of_zip(tmp_path / chip, chip)
    command = [sys.executable, "-c", PUBLISH, tmp_path / "out", *(tmp_path / chip / "AT_PACK.zip" for chip in plans)]
    runs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]
    for run in runs:
        run.stdout.readline()
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    assert [run.communicate(timeout=120)[0] for run in runs] == [""] * len(runs)
    files = image_set(plans["esp32c6"])
    assert set(_files(tmp_path / "out")) == set(files)
    assert (tmp_path / "out" / MANIFEST).read_bytes() == files[MANIFEST]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["esp32", "esp32c6", "out"]


@pytest.mark.parametrize("same_number", [False, True], ids=["new-inode", "inode-used-again"])
def test_looking_while_another_run_publishes(tmp_path, monkeypatch, same_number):
    """The files of one set, the manifest of the next: nothing in there is somebody else's."""
    plan = plan_of_zip(tmp_path)
    write_image_set(plan_of_zip(tmp_path, "esp32c6"), tmp_path / "out")
    write_image_set(plan, tmp_path / "next")
    listed, identity = folders._listed, folders._identity

    def slowly(manifest: Path) -> list[str]:
        if (tmp_path / "next").exists():
            (tmp_path / "out").replace(tmp_path / "gone")
            (tmp_path / "next").replace(tmp_path / "out")
        return listed(manifest)

    def numbered(place: Path) -> tuple[int, int, int] | None:
        found = identity(place)
        return found and (found[0], 1 if same_number else found[1], found[2])

    monkeypatch.setattr(folders, "_listed", slowly)
    monkeypatch.setattr(folders, "_identity", numbered)
    write_image_set(plan, tmp_path / "out")
    assert _files(tmp_path / "out") == image_set(plan)


def _left_behind(folder: Path, *, hours: float) -> Path:
    """Make what a killed run leaves, some hours ago."""
    (folder / "new").mkdir(parents=True)
    (folder / "new/key.bin").write_bytes(KEY)
    os.utime(folder, (time.time() - hours * 3600,) * 2)
    return folder


@pytest.mark.parametrize(
    "locks",
    [
        pytest.param(True, id="alone", marks=pytest.mark.skipif(os.name == "nt", reason="need locks of folders")),
        pytest.param(False, id="without-locks"),
    ],
)
def test_what_killed_runs_left_goes_with_the_next_one(tmp_path, monkeypatch, locks):
    """A run that knows that it is alone removes all of them, any other those that can't be of a running one."""
    if not locks:
        monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    (tmp_path / "ou[t]").mkdir()
    stale = _left_behind(tmp_path / ".ou[t]-abcd_123.unfinished", hours=2)
    young = _left_behind(tmp_path / ".ou[t]-a1b2c3d4.unfinished", hours=0.5)
    others = [
        _left_behind(tmp_path / ".out-abcd_123.unfinished", hours=2),
        _left_behind(tmp_path / ".ou[t]-mine.unfinished", hours=2),
        _left_behind(tmp_path / ".ou[t]-abcd_123", hours=2),
        _left_behind(tmp_path / "mine", hours=2),
    ]
    (tmp_path / ".ou[t]-linklink.unfinished").symlink_to(tmp_path / "mine", target_is_directory=True)
    write_image_set(plan_of_zip(tmp_path), tmp_path / "ou[t]")
    assert not stale.exists()
    assert young.exists() is not locks
    assert all((folder / "new/key.bin").is_file() for folder in others)
    assert (tmp_path / ".ou[t]-linklink.unfinished").is_symlink()


# --- complete or not at all ---


CLASHES = [
    pytest.param(Region("x", 0x60000, b"x", "esp-at.bin", "me"), "image-path-twice", id="same-path"),
    pytest.param(Region("x", 0x60000, b"x", "download.config", "me"), "image-path-twice", id="download.config"),
    pytest.param(Region("x", 0x60000, b"x", MANIFEST, "me"), "image-path-twice", id="manifest"),
    pytest.param(Region("x", 0x60000, b"x", "factory", "me"), "not-writable", id="file-and-folder"),
    pytest.param(Region("x", 0x60000, b"x", "x" * 300, "me"), "not-writable", id="name-too-long"),
]


@pytest.mark.parametrize("earlier", [False, True], ids=["first-run", "second-run"])
@pytest.mark.parametrize(("region", "code"), CLASHES)
def test_nothing_is_half_written(tmp_path, earlier, region, code):
    plan = plan_of_zip(tmp_path)
    if earlier:
        write_image_set(plan, tmp_path / "out")
    before = _files(tmp_path)
    error = _refusal(replace(plan, regions=(*plan.regions, region)), tmp_path / "out")
    assert error.code == code
    assert isinstance(error, PackageError) == (code == "image-path-twice")
    assert _files(tmp_path) == before
    assert (tmp_path / "out").exists() == earlier


# --- files that are never replaced ---


def test_new_files_are_their_owners_alone(tmp_path):
    files = {"esp_at.yml": b"a", "certs/key.pem": KEY}
    write_new_files(tmp_path / "new", files)
    assert _files(tmp_path / "new") == files
    if os.name != "nt":
        assert {stat.S_IMODE((tmp_path / "new" / path).stat().st_mode) for path in files} == {0o600}


def test_nothing_is_written_where_a_file_exists(tmp_path):
    (tmp_path / "b").write_bytes(b"mine")
    with pytest.raises(EspAtError) as caught:
        write_new_files(tmp_path, {"a": b"a", "b": b"b"})
    assert caught.value.code == "already-exists"
    assert caught.value.message.startswith(str(tmp_path / "b"))
    assert caught.value.hint == "name another place: nothing is replaced"
    assert _files(tmp_path) == {"b": b"mine"}


def test_new_files_that_cant_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EspAtError) as caught:
        write_new_files(tmp_path / "file", {"a": b"a"})
    assert caught.value.code == "not-writable"


def test_a_secret_file_is_its_owners_alone_and_replaces_none(tmp_path):
    file = tmp_path / "inner/nvs.bin"
    write_secret(file, b"a")
    assert file.read_bytes() == b"a"
    if os.name != "nt":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_secret(file, b"b")
    assert file.read_bytes() == b"a"


# --- beside the image set ---


def test_a_file_beside_the_image_set_replaces_the_last_one(tmp_path):
    for data in (b"a", b"b"):
        write_beside(tmp_path / "build/out", "report.json", data)
        assert _files(tmp_path) == {"build/report.json": data}


def test_a_file_beside_the_image_set_is_written_whole_or_not_at_all(tmp_path):
    (tmp_path / "report.json").mkdir()
    (tmp_path / "report.json/mine").touch()
    with pytest.raises(EspAtError) as caught:
        write_beside(tmp_path / "out", "report.json", b"a")
    assert caught.value.code == "not-writable"
    assert caught.value.message.startswith(f"{tmp_path} can't be written: ")
    assert (tmp_path / "report.json/mine").is_file()
