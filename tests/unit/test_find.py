"""From the name of a firmware to its package: mirrors, the cache and the lock. Names alone: `test_source`."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
import subprocess
import sys
import textwrap
import time
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from esp_images import with_version
from firmware_server import FirmwareServer, Served

from platformio_esp_at.catalog import modules as modules_module
from platformio_esp_at.catalog import releases as releases_module
from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.catalog.modules import Successor
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.releases import package_named
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, PackageError, Place, SelectionError
from platformio_esp_at.events import Copying, DownloadStarted, Noticed
from platformio_esp_at.firmware import download as download_module
from platformio_esp_at.firmware import source as source_module
from platformio_esp_at.firmware.cache import Cache
from platformio_esp_at.firmware.fetch import places_to_ask
from platformio_esp_at.firmware.find import find_firmware
from platformio_esp_at.firmware.lock import add_to_lock
from platformio_esp_at.formats.lock_file import LockedPackage, parse_lock_file
from platformio_esp_at.outputs.text import event_text
from platformio_esp_at.request.values import Firmware, Text

if TYPE_CHECKING:
    from platformio_esp_at.events import Event

HERE = Place.at(file="esp_at.yml", line=1)
NAME = "ESP32-WROOM-32-AT-V4.1.1.0"
PLACE = f"esp-at/firmwares/esp32/ESP32-WROOM-32/{NAME}.zip"
URL = f"https://dl.espressif.com/{PLACE}"
ESP32DEV = BoardFacts("esp32dev", mcu="esp32", flash_size=4 << 20)
NOWHERE = "http://127.0.0.1:9"


class Project:
    """A project that names its firmware, a mirror that has it, and what was reported."""

    def __init__(self, root, cache, monkeypatch) -> None:
        self.root = root / "project"
        self.root.mkdir()
        self.mirror = root / "mirror"
        self.cache = cache
        self.monkeypatch = monkeypatch
        self.events: list[Event] = []
        write_sample_package(self.file(f"{NAME}.zip"), "esp32", nvs=True)
        monkeypatch.setenv("ESP_AT_MIRROR", str(self.mirror))

    def file(self, name):
        file = self.mirror / name
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def open(self, text="v4.1.1.0", module=None, board=ESP32DEV, *, lock=True):
        wanted = Text(module, Place.at(file="esp_at.yml", line=2)) if module else None
        self.events.clear()
        firmware = Firmware(Text(text, HERE))
        found = find_firmware(firmware, wanted, board, project=self.root, report=self.events.append)
        if lock and found.new_entry:
            add_to_lock(self.root, found.new_entry)
        return found.package

    def go_offline(self):
        self.monkeypatch.delenv("ESP_AT_MIRROR")
        for scheme in ("HTTP", "HTTPS"):
            self.monkeypatch.setenv(f"{scheme}_PROXY", NOWHERE)

    @property
    def notices(self):
        return [event.notice for event in self.events if isinstance(event, Noticed)]

    @property
    def locked(self):
        file = self.root / "esp_at.lock"
        return parse_lock_file(file.read_text()).packages if file.exists() else ()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(download_module, "_PAUSE", 0.001)


@pytest.fixture
def project(tmp_path, own_cache, monkeypatch):
    return Project(tmp_path, own_cache, monkeypatch)


@contextmanager
def refused(code, kind=PackageError):
    with pytest.raises(kind) as caught:
        yield caught
    assert caught.value.code == code


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def other_package(chip: str = "esp32") -> bytes:
    """Return a zip that is as good as the sample, differs, and takes several pieces to download."""
    return sample_zip({**sample_package(chip, nvs=True), "README.txt": random.Random(1).randbytes(60_000)})  # noqa: S311


def sample_zip(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # which has no time of its own
    return stream.getvalue()


# --- names ---


@pytest.mark.parametrize("text", ["v4.1.1.0", "V4.1.1", "latest", NAME, f"{NAME}.zip", NAME.lower()])
def test_ways_to_name_a_release(project, text):
    package = project.open(text)
    assert (package.name, package.chip.key) == (NAME, "esp32")
    assert [entry.url for entry in project.locked] == [URL]


def test_what_the_lock_has(project):
    project.open("v4.1.1.0")
    data = project.file(f"{NAME}.zip").read_bytes()
    (entry,) = project.locked
    assert (entry.firmware, entry.chip, entry.module) == ("v4.1.1.0", "esp32", "WROOM-32")
    assert (entry.url, entry.size, entry.sha256) == (URL, len(data), sha256(data))


def test_the_module_decides_which_package_of_a_release(project):
    write_sample_package(project.file("ESP32-SOLO-AT-V4.1.1.0.zip"), "esp32", nvs=True)
    assert project.open("v4.1.1.0", "solo-1").name == "ESP32-SOLO-AT-V4.1.1.0"
    assert project.open("v4.1.1.0", "WROOM-32", None).name == NAME


def test_what_no_package_is_known_for_leaves_no_trace(project):
    with refused("no-release", SelectionError) as caught:
        project.open("v9.9")
    assert caught.value.place == HERE
    assert project.events == []
    assert project.locked == ()
    assert not project.cache.exists()


# --- mirrors ---


@pytest.mark.parametrize("place", [f"{NAME}.zip", PLACE, f"dl.espressif.com/{PLACE}"])
@pytest.mark.parametrize("kind", ["path", "file URL", "http", "https"])
def test_mirrors(project, tmp_path, place, kind, http_server, https_server, monkeypatch):
    data = other_package()
    root = tmp_path / "another mirror"
    (root / place).parent.mkdir(parents=True)
    (root / place).write_bytes(data)
    for server in (http_server, https_server):
        server.files[f"/at/{place}"] = Served(data)
    mirrors = {
        "path": str(root),
        "file URL": root.as_uri(),
        "http": f"{http_server.url}/at/",
        "https": f"{https_server.url}/at",
    }
    monkeypatch.setenv("ESP_AT_MIRROR", mirrors[kind])
    assert project.open().sha256 == sha256(data)
    assert project.locked[0].url == URL  # where it is from, and not by which way it came


def test_a_mirror_that_lacks_the_package(project):
    project.file(f"{NAME}.zip").unlink()
    with refused("mirror-without-package") as caught:
        project.open()
    assert caught.value.place == HERE
    assert caught.value.message == f"the mirror {project.mirror.as_uri()} has no {NAME}.zip"
    assert caught.value.hint == f"put it there, from {URL}; or unset ESP_AT_MIRROR"


@pytest.mark.parametrize(
    ("mirror", "code", "message"),
    [
        ("/nowhere/at/all", "mirror-not-found", "there is no folder /nowhere/at/all"),
        ("http://example.invalid/at", "url-not-encrypted", "http://example.invalid/at is not encrypted"),
        ("ftp://example.invalid/at", "url-scheme", "ftp://example.invalid/at has an unsupported scheme"),
    ],
)
def test_mirrors_that_are_none(project, monkeypatch, mirror, code, message):
    monkeypatch.setenv("ESP_AT_MIRROR", mirror)
    with refused(code, EspAtError) as caught:
        project.open()
    assert message in caught.value.message
    assert caught.value.where == "ESP_AT_MIRROR"


# --- URLs ---


def test_a_url(project, https_server):
    data = other_package()
    https_server.files["/my/firmware.zip?v=1"] = Served(data)
    url = f"{https_server.url}/my/firmware.zip?v=1"
    package = project.open(url, board=None)
    assert (package.name, package.sha256) == ("firmware", sha256(data))
    (entry,) = project.locked
    assert (entry.firmware, entry.url, entry.chip, entry.module) == (url, url, None, None)
    assert project.open(url, board=None).sha256 == sha256(data)
    assert len(https_server.asked) == 1


def test_a_password_stays_out_of_the_lock_and_the_cache(project, https_server):
    https_server.files["/a.zip"] = Served(other_package())
    project.open(f"{https_server.url.replace('://', '://me:secret@')}/a.zip", board=None)
    texts = [path.read_bytes() for path in (*project.root.rglob("*"), *project.cache.rglob("*")) if path.is_file()]
    assert len(texts) >= 3
    assert not any(b"secret" in text for text in texts)


def test_an_http_url_is_refused_unless_allowed(project, http_server, monkeypatch):
    http_server.files["/a.zip"] = Served(other_package())
    with refused("url-not-encrypted", EspAtError) as caught:
        project.open(f"{http_server.url}/a.zip", board=None)
    assert caught.value.place == HERE
    monkeypatch.setenv("ESP_AT_ALLOW_HTTP", "0")
    with refused("url-not-encrypted", EspAtError):
        project.open(f"{http_server.url}/a.zip", board=None)
    assert http_server.asked == []
    monkeypatch.setenv("ESP_AT_ALLOW_HTTP", "1")
    assert project.open(f"{http_server.url}/a.zip", board=None).name == "a"


def test_a_file_url_is_locked_and_not_cached(project):
    file = project.file(f"{NAME}.zip")
    project.open(file.as_uri(), board=None)
    assert project.locked[0].url == file.as_uri()
    assert not (project.cache / "packages").exists()
    file.write_bytes(other_package())
    with refused("lock-mismatch") as caught:
        project.open(file.as_uri(), board=None)
    assert caught.value.place == HERE


def test_a_file_url_of_a_folder(project):
    write_sample_package(project.root / "AT", "esp32")
    with refused("firmware-not-found") as caught:
        project.open((project.root / "AT").as_uri(), board=None)
    assert caught.value.place == HERE
    assert str(project.root / "AT") in caught.value.message
    assert caught.value.hint == "name a folder by its path, without file://"


# --- the cache ---


def cached_file(project):
    (file,) = project.cache.glob("packages/*/*.zip")
    return file


def test_the_second_time_nothing_is_fetched(project, https_server, monkeypatch):
    https_server.files[f"/{NAME}.zip"] = Served(other_package())
    monkeypatch.setenv("ESP_AT_MIRROR", https_server.url)
    first = project.open()
    assert project.events == [DownloadStarted(f"{https_server.url}/{NAME}.zip", len(other_package()))]
    https_server.asked.clear()
    assert project.open() == first
    assert https_server.asked == []
    assert project.events == []


def test_offline_it_works_from_the_cache(project):
    online = project.open()
    project.go_offline()
    assert project.open() == online
    assert project.open("latest").sha256 == online.sha256


def test_offline_it_names_what_is_missing(project):
    project.go_offline()
    with refused("firmware-not-cached") as caught:
        project.open()
    assert caught.value.place == HERE
    assert caught.value.message.startswith(f"{NAME}.zip is not in the cache ({project.cache}), and ")
    assert "dl.espressif.com can't be reached" in caught.value.message
    assert caught.value.hint.startswith("go online once; or set ESP_AT_MIRROR to a folder that has it; or download ")
    assert URL in caught.value.hint
    assert project.locked == ()


def test_a_damaged_cache_is_mended(project):
    project.open()
    cached_file(project).write_bytes(b"damaged")
    project.open()
    assert cached_file(project).read_bytes() == project.file(f"{NAME}.zip").read_bytes()


BAD_ZIPS = {
    "a login page": "not-a-zip",
    "half a zip": "zip-damaged",
    "nothing": "not-a-zip",
    "no firmware package": "not-a-package",
    "a name that leads out": "path-escapes",
    "a bomb": "package-too-large",
}
"""Each with the code of its refusal."""


def bad_zips() -> dict[str, bytes]:
    files = sample_package("esp32")
    config = files["download.config"]
    outside = config.replace(b"at_customize.bin", b"../at_customize.bin")
    assert outside != config
    return {
        "a login page": b"<html>log in first</html>",
        "half a zip": other_package()[:30_000],
        "nothing": b"",
        "no firmware package": sample_zip({"a.txt": b"a"}),
        "a name that leads out": sample_zip({**files, "download.config": outside, "../at_customize.bin": b"x"}),
        "a bomb": sample_zip({**files, "at_customize.bin": bytes(100 << 20)}),
    }


@pytest.mark.parametrize(("kind", "code"), BAD_ZIPS.items())
def test_what_is_no_good_package_is_neither_cached_nor_locked(project, kind, code):
    good = project.file(f"{NAME}.zip").read_bytes()
    project.file(f"{NAME}.zip").write_bytes(bad_zips()[kind])
    with refused(code) as caught:
        project.open()
    assert caught.value.where.startswith(str(HERE))
    assert project.locked == ()
    assert list(project.cache.rglob("*.zip*")) == []
    project.file(f"{NAME}.zip").write_bytes(good)
    assert project.open().sha256 == sha256(good)


# --- the lock ---


def test_content_that_changed_is_refused(project, monkeypatch):
    project.open()
    before = (project.root / "esp_at.lock").read_bytes()
    project.file(f"{NAME}.zip").write_bytes(other_package())
    monkeypatch.setenv("ESP_AT_CACHE", str(project.root / "empty cache"))
    with refused("lock-mismatch") as caught:
        project.open()
    assert caught.value.place == HERE
    place = (project.mirror / f"{NAME}.zip").as_uri()
    assert f"{place} differs from esp_at.lock: downloaded: {len(other_package())} bytes" in caught.value.message
    assert sha256(other_package()) in caught.value.message
    assert caught.value.message.endswith(f", for {URL}")
    assert "remove its entries (firmware: v4.1.1.0) from esp_at.lock" in caught.value.hint
    assert (project.root / "esp_at.lock").read_bytes() == before
    assert list((project.root / "empty cache").rglob("*.zip*")) == []


def test_a_url_is_locked_whatever_asks_for_it(project, monkeypatch):
    project.open("v4.1.1.0")
    project.file(f"{NAME}.zip").write_bytes(other_package())
    monkeypatch.setenv("ESP_AT_CACHE", str(project.root / "empty cache"))
    with refused("lock-mismatch"):
        project.open(NAME)


def test_a_cache_with_something_else_does_not_hide_the_locked_one(project):
    """Another project has cached what the URL holds by now; the lock wants what it held before."""
    locked = project.open()
    lock = (project.root / "esp_at.lock").read_text()
    for file in (project.root / "esp_at.lock", cached_file(project)):
        file.unlink()
    good = project.file(f"{NAME}.zip").read_bytes()
    project.file(f"{NAME}.zip").write_bytes(other_package())
    assert project.open().sha256 == sha256(other_package())
    (project.root / "esp_at.lock").write_text(lock)
    with refused("lock-mismatch"):
        project.open()
    project.file(f"{NAME}.zip").write_bytes(good)
    assert project.open() == locked


def test_removing_the_entry_takes_the_new_content(project, monkeypatch):
    project.open()
    project.file(f"{NAME}.zip").write_bytes(other_package())
    (project.root / "esp_at.lock").unlink()
    monkeypatch.setenv("ESP_AT_CACHE", str(project.root / "empty cache"))
    assert project.open().sha256 == sha256(other_package())
    assert project.locked[0].sha256 == sha256(other_package())


def test_without_an_entry_the_server_is_asked_again(project, https_server, monkeypatch):
    """So that removing an entry takes what is there by now, and not what another project has cached before."""
    served = https_server.files[f"/{NAME}.zip"] = Served(other_package())
    monkeypatch.setenv("ESP_AT_MIRROR", https_server.url)
    project.open(lock=False)
    assert project.open(lock=False).sha256 == sha256(served.data)
    assert project.events == []  # the server answered that it is the same
    https_server.files[f"/{NAME}.zip"] = Served(project.file(f"{NAME}.zip").read_bytes(), etag='"second"')
    assert project.open().sha256 == sha256(project.file(f"{NAME}.zip").read_bytes())
    assert project.open().sha256 == project.locked[0].sha256


def test_offline_without_an_entry_the_cache_will_do_with_a_warning(project):
    online = project.open(lock=False)
    project.go_offline()
    assert project.open().sha256 == online.sha256
    (notice,) = project.notices
    assert (notice.code, notice.is_warning) == ("firmware-from-cache", True)
    assert event_text(project.events[-1]).startswith(f"Warning: taking {NAME}.zip from the cache: ")
    assert "dl.espressif.com can't be reached" in notice.message
    assert [entry.sha256 for entry in project.locked] == [online.sha256]


def test_a_server_that_fails_leaves_what_is_cached(project, https_server, monkeypatch):
    online = project.open(lock=False)
    https_server.files[f"/{NAME}.zip"] = Served(status=500)
    monkeypatch.setenv("ESP_AT_MIRROR", https_server.url)
    assert project.open(lock=False).sha256 == online.sha256
    (notice,) = project.notices
    assert (notice.code, notice.is_warning) == ("firmware-from-cache", True)
    assert "answers 500" in notice.message


@pytest.mark.parametrize("locked", [True, False])
def test_a_cache_that_was_filled_before_and_cannot_be_written(project, monkeypatch, locked):
    online = project.open(lock=locked)
    for folder in ("downloads", "urls" if locked else "nothing"):
        shutil.rmtree(project.cache / folder, ignore_errors=True)
        (project.cache / folder).write_text("in the way")
    assert project.open().sha256 == online.sha256
    assert [entry.sha256 for entry in project.locked] == [online.sha256]


def test_another_run_has_locked_something_else_meanwhile(project):
    found = find_firmware(Firmware(Text("v4.1.1.0", HERE)), None, ESP32DEV, project=project.root, report=print)
    other = found.new_entry._replace(firmware="latest", sha256="0" * 64)
    add_to_lock(project.root, other)
    with refused("lock-mismatch"):
        add_to_lock(project.root, found.new_entry)
    assert project.locked == (other,)


def test_a_lock_that_cannot_be_written(project):
    found = find_firmware(Firmware(Text("v4.1.1.0", HERE)), None, ESP32DEV, project=project.root, report=print)
    project.root.rename(project.root.with_name("gone"))
    project.root.write_text("a file where the project was")
    with refused("lock-not-writable", EspAtError) as caught:
        add_to_lock(project.root, found.new_entry)
    assert caught.value.message.startswith("esp_at.lock can't be written: ")
    assert "writable" in caught.value.hint


def test_a_zip_for_another_chip_is_not_kept(project):
    good = project.file(f"{NAME}.zip").read_bytes()
    write_sample_package(project.file(f"{NAME}.zip"), "esp32c3", nvs=True)
    with refused("firmware-other-chip") as caught:
        project.open()
    assert caught.value.place == HERE
    assert caught.value.message.endswith(f"is a package for ESP32-C3, but {NAME}.zip must be for ESP32")
    assert caught.value.hint == "it was not kept: put the right zip there"
    assert list(project.cache.rglob("*.zip")) == []
    project.file(f"{NAME}.zip").write_bytes(good)
    assert project.open().sha256 == sha256(good)


# --- names that lie ---


def of_version(version: str, *, nvs: bool = True) -> bytes:
    """Return a zip whose application says this version."""
    files = sample_package("esp32", nvs=nvs)
    return sample_zip({**files, "esp-at.bin": with_version(files["esp-at.bin"], version)})


MISNAMED = {
    "v4.1.0.0": (of_version("v4.1.0.0"), "its application is v4.1.0.0"),
    "v4.1.0.0-dev": (of_version("v4.1.0.0-dev"), "its application is v4.1.0.0-dev"),
    "v5.0.0.0-3-g1f2e3d4": (of_version("v5.0.0.0-3-g1f2e3d4"), "its application is v5.0.0.0-3-g1f2e3d4"),
    "v2.0, by its layout": (of_version("ESP-AT", nvs=False), "its parameters are in factory_param, as up to v3.0.0.0"),
}


@pytest.mark.parametrize("name", MISNAMED)
@pytest.mark.parametrize("asked", ["v4.1.1.0", "latest", NAME, URL])
def test_another_release_under_the_name(project, name, asked):
    zipped, found = MISNAMED[name]
    project.file(f"{NAME}.zip").write_bytes(zipped)
    with refused("firmware-other-release") as caught:
        project.open(asked)
    place = (project.mirror / f"{NAME}.zip").as_uri()
    assert caught.value.place == HERE
    assert caught.value.message == f"{place} is not v4.1.1.0, which {NAME}.zip must be: {found}"
    assert caught.value.hint.startswith("it was not kept: put the right zip there; ")
    assert caught.value.facts["release"] == "v4.1.1.0"
    assert list(project.cache.rglob("*.zip")) == list(project.cache.rglob("*.json")) == []
    assert project.locked == ()
    project.file(f"{NAME}.zip").write_bytes(of_version("v4.1.1.0"))
    assert project.open(asked).release == "v4.1.1.0"


@pytest.mark.parametrize(
    "version",
    ["v4.1.1.0", "V4.1.1", "v4.1.1.0-dev", "esp32_v4.1.1.0", "v4.1.0.0-71-g05ade88d-dirty", "1f2e3d4", "1", "ESP-AT"],
)
def test_versions_that_contradict_nothing(project, version):
    """Also a build some commits after an older release, and what is no release at all."""
    project.file(f"{NAME}.zip").write_bytes(of_version(version))
    assert project.open().sha256 == sha256(of_version(version))


def test_a_package_that_is_too_new_for_its_name(project):
    project.file("ESP32-WROOM-32-AT-V2.4.0.0.zip").write_bytes(of_version("ESP-AT"))
    with refused("firmware-other-release") as caught:
        project.open("v2.4.0.0")
    assert caught.value.message.endswith(": its parameters are in mfg_nvs, as since v3.1.0.0")


def test_another_release_by_its_factory_param(project):
    """Applications of v2.0 don't say their release."""
    files = sample_package("esp32")
    old = {name: data[:2] + b"\1" + data[3:] for name, data in files.items() if "factory_param" in name}
    version = with_version(files["esp-at.bin"], "ESP-AT")
    project.file("ESP32-WROOM-32-AT-V2.4.0.0.zip").write_bytes(sample_zip({**files, **old, "esp-at.bin": version}))
    with refused("firmware-other-release") as caught:
        project.open("v2.4.0.0")
    assert caught.value.message.endswith(": its factory_param has version 1, that of v2.4.0.0 version 3")


def test_another_release_in_the_cache(project, https_server):
    """The server still has it, so that only forgetting helps; it is asked anew the next time."""
    wrong, right = MISNAMED["v4.1.0.0"][0], of_version("v4.1.1.0")
    https_server.files[f"/{NAME}.zip"] = Served(wrong)
    project.monkeypatch.setenv("ESP_AT_MIRROR", https_server.url)
    cache = Cache(project.cache)
    with cache.exclusive(URL, print) as folder:
        (folder / f"{NAME}.zip").write_bytes(wrong)
        cache.admit(URL, folder / f"{NAME}.zip", source=f"{https_server.url}/{NAME}.zip", validator='"first"')
    with refused("firmware-other-release"):
        project.open()
    assert cache.find(URL) is None
    https_server.files[f"/{NAME}.zip"] = Served(right)
    assert project.open().sha256 == sha256(right)


def test_another_release_in_the_lock(project):
    wrong = MISNAMED["v4.1.0.0"][0]
    project.file(f"{NAME}.zip").write_bytes(wrong)
    add_to_lock(project.root, LockedPackage("v4.1.1.0", URL, len(wrong), sha256(wrong), "esp32", "WROOM-32"))
    with refused("firmware-other-release") as caught:
        project.open()
    assert caught.value.hint.startswith("remove its entries (firmware: v4.1.1.0) from esp_at.lock, and run it again; ")


def test_a_path_may_have_any_name(project):
    """Who names a path has the file: what it says of itself counts."""
    file = project.file(f"{NAME}.zip")
    file.write_bytes(MISNAMED["v4.1.0.0"][0])
    found = find_firmware(Firmware(Text(str(file), HERE), file), None, None, project=project.root, report=print)
    assert found.package.release == "v4.1.0.0"


# --- factory images ---


def factory_image() -> bytes:
    files = sample_package("esp32", nvs=True)
    return files["factory/factory_WROOM-32_unfilled.bin"]


@pytest.mark.parametrize("name", ["factory_WROOM-32.bin", "download?file=2", "firmware"])
def test_a_factory_image_by_its_url(project, https_server, name):
    https_server.files[f"/{name}"] = Served(factory_image())
    url = f"{https_server.url}/{name}"
    package = project.open(url)
    assert (package.flash_size, package.modules) == (4 << 20, ("WROOM-32",))
    assert package.sha256 == sha256(factory_image())
    assert [(entry.url, entry.sha256) for entry in project.locked] == [(url, sha256(factory_image()))]
    https_server.files.clear()
    assert project.open(url).sha256 == package.sha256


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<html>log in first</html>", "not-a-zip"),
        (b"", "not-a-zip"),
        (sample_package("esp32")["esp-at.bin"], "firmware-part-alone"),
        (b"\xea\x04" + bytes(99), "firmware-nonos"),
        (b"\xff" * 99, "not-a-package"),
    ],
)
def test_what_is_no_factory_image_is_not_kept(project, https_server, data, code):
    https_server.files["/factory_X.bin"] = Served(data)
    with refused(code) as caught:
        project.open(f"{https_server.url}/factory_X.bin")
    assert caught.value.place.facts["file"] == "esp_at.yml"
    assert caught.value.hint
    assert list(project.cache.rglob("*.bin")) == []
    assert project.locked == ()


def test_a_changed_factory_image_is_not_the_locked_one(project, https_server, monkeypatch):
    https_server.files["/factory_X.bin"] = Served(factory_image())
    project.open(f"{https_server.url}/factory_X.bin")
    https_server.files["/factory_X.bin"] = Served(factory_image() + b"\xff", etag='"other"')
    monkeypatch.setenv("ESP_AT_CACHE", str(project.root / "empty cache"))
    with refused("lock-mismatch"):
        project.open(f"{https_server.url}/factory_X.bin")


def test_a_mirror_with_pages_instead_of_errors(project, https_server, monkeypatch):
    """Some servers answer 200 and a page, or 403, for what they don't have: the next place is tried."""
    https_server.files |= {
        f"/dl.espressif.com/{PLACE}": Served(b"<html>not found</html>"),
        f"/{PLACE}": Served(status=403),
        f"/{NAME}.zip": Served(other_package()),
    }
    monkeypatch.setenv("ESP_AT_MIRROR", https_server.url)
    assert project.open().sha256 == sha256(other_package())
    del https_server.files[f"/{NAME}.zip"]
    monkeypatch.setenv("ESP_AT_CACHE", str(project.root / "empty cache"))
    (project.root / "esp_at.lock").unlink()
    with refused("not-a-zip") as caught:
        project.open()
    assert caught.value.place == HERE
    assert f"{https_server.url}/dl.espressif.com/{PLACE}" in caught.value.message
    assert "a login page" in caught.value.hint


def test_a_mirror_with_a_query(project, https_server, monkeypatch):
    https_server.files[f"/at/{NAME}.zip?token=1"] = Served(other_package())
    monkeypatch.setenv("ESP_AT_MIRROR", f"{https_server.url}/at/?token=1")
    assert project.open().sha256 == sha256(other_package())


def test_a_module_that_takes_the_firmware_of_another(project):
    write_sample_package(project.file("ESP32-MINI-1-AT-V4.1.1.0.zip"), "esp32", nvs=True)
    project.open("latest", "WROVER-32")
    noticed, *others = project.events
    assert others == [Copying(project.mirror / "ESP32-MINI-1-AT-V4.1.1.0.zip")]
    assert (noticed.notice.code, noticed.notice.is_warning) == ("firmware-of-successor", False)
    assert str(noticed.notice) == "v4.1.1.0 for WROVER-32 is the firmware of MINI-1"


def test_the_same_content_under_two_names_keeps_each_its_own(project):
    project.file("AAA.zip").write_bytes(project.file(f"{NAME}.zip").read_bytes())
    with FirmwareServer() as server:
        server.files["/AAA.zip"] = Served(project.file("AAA.zip").read_bytes())
        project.monkeypatch.setenv("ESP_AT_ALLOW_HTTP", "1")
        project.open(f"{server.url}/AAA.zip", board=None, lock=False)
    assert [project.open().name, project.open().name] == [NAME, NAME]


def test_a_mirror_that_is_not_mounted_stops_nothing_that_is_locked(project, https_server, monkeypatch):
    online = project.open()
    https_server.files["/a.zip"] = Served(other_package())
    monkeypatch.setenv("ESP_AT_MIRROR", "/not/mounted")
    assert project.open() == online
    assert project.open(f"{https_server.url}/a.zip", board=None).name == "a"


def test_espressifs_own_url_comes_from_the_mirror(project):
    assert project.open(URL, board=None).name == NAME
    assert [(entry.firmware, entry.url) for entry in project.locked] == [(URL, URL)]


def test_a_package_that_espressif_offers_by_http_alone(project, http_server, monkeypatch):
    write_sample_package(project.file("QCloud_AT_ESP8266_v2.2.0.zip"), "esp8266")
    assert project.open("QCloud_AT_ESP8266_v2.2.0", board=None).chip.key == "esp8266"
    monkeypatch.delenv("ESP_AT_MIRROR")
    monkeypatch.setenv("ESP_AT_CACHE", str(project.root / "empty cache"))
    (project.root / "esp_at.lock").unlink()
    with refused("url-not-encrypted", EspAtError) as caught:
        project.open("QCloud_AT_ESP8266_v2.2.0", board=None)
    assert caught.value.place == HERE
    assert caught.value.message.startswith("http://download.espressif.com/")


@pytest.mark.parametrize("bad", ["half a zip", "another chip's"])
def test_a_bad_zip_at_one_place_of_a_mirror_does_not_hide_a_good_one(project, bad):
    data = {"half a zip": other_package()[:30_000], "another chip's": other_package("esp32c3")}[bad]
    project.file(PLACE).write_bytes(data)
    assert project.open().sha256 == sha256(project.file(f"{NAME}.zip").read_bytes())


def test_a_short_name_stays_what_it_was_locked_for(project, monkeypatch):
    project.open("v4.1.1")
    later = package_named(NAME)._replace(release="v4.1.1.1", url=URL.replace("4.1.1.0", "4.1.1.1"))
    known = releases_module._releases()
    monkeypatch.setattr(releases_module, "_releases", lambda: (later, *known))
    assert project.open("v4.1.1").name == NAME
    (project.root / "esp_at.lock").unlink()
    with refused("release-ambiguous", SelectionError) as caught:
        project.open("v4.1.1")
    assert caught.value.place == HERE
    assert caught.value.message == "v4.1.1 may be v4.1.1.1 or v4.1.1.0"


def test_the_latest_of_a_boards_module_stays_when_that_gets_a_successor(project, monkeypatch):
    project.open("latest")
    row = replace(find_module("esp32", "WROOM-32"), successor=Successor("v9.0.0.0", "MINI-1"))
    rows = {**modules_module._modules(), ("esp32", "WROOM-32"): row}
    monkeypatch.setattr(modules_module, "_modules", lambda: rows)
    assert project.open("latest").name == NAME
    (notice,) = project.notices
    assert notice.code == "lock-keeps-latest"
    assert notice.facts["known"] == "ESP32-MINI-1-AT-V4.1.1.0.zip"
    assert len(project.locked) == 1


def test_each_module_has_an_entry(project):
    write_sample_package(project.file("ESP32-C3-MINI-1-AT-V4.1.1.0.zip"), "esp32c3", nvs=True)
    project.open()
    project.open(board=BoardFacts("c3", mcu="esp32c3"))
    project.open(NAME)
    asked = {(entry.firmware, entry.chip, entry.module) for entry in project.locked}
    assert asked == {("v4.1.1.0", "esp32", "WROOM-32"), ("v4.1.1.0", "esp32c3", "MINI-1"), (NAME, None, None)}


def test_the_lock_pins_the_latest(project, monkeypatch):
    project.open("latest")
    newer = NAME.replace("4.1.1", "4.2.0")
    write_sample_package(project.file(f"{newer}.zip"), "esp32", nvs=True)
    released = package_named(NAME)
    later = released._replace(release="v4.2.0.0", url=released.url.replace("4.1.1", "4.2.0"))
    monkeypatch.setattr(source_module, "find_release", lambda *_: later)
    assert project.open("latest").name == NAME
    (notice,) = project.notices
    assert (notice.code, notice.is_warning) == ("lock-keeps-latest", False)
    assert notice.facts == {"locked": URL, "known": f"{newer}.zip"}
    assert str(notice) == (
        f"esp_at.lock keeps latest at {NAME}.zip, and {newer}.zip is known: "
        "to move on, remove the entry firmware: latest"
    )
    (project.root / "esp_at.lock").unlink()
    assert project.open("latest").name == newer


def test_a_release_that_moved_to_another_url_has_to_be_the_same(project, monkeypatch):
    project.open()
    moved = package_named(NAME)._replace(url=f"https://example.invalid/{NAME}.zip")
    monkeypatch.setattr(source_module, "find_release", lambda *_: moved)
    good = project.file(f"{NAME}.zip").read_bytes()
    project.file(f"{NAME}.zip").write_bytes(other_package())
    monkeypatch.setenv("ESP_AT_CACHE", str(project.root / "empty cache"))
    with refused("lock-mismatch"):
        project.open()
    project.file(f"{NAME}.zip").write_bytes(good)
    project.open()
    assert [(entry.url, entry.sha256) for entry in project.locked] == [(moved.url, sha256(good))]


def test_a_lock_is_not_written_where_nothing_may_be(project):
    assert project.open(lock=False).name == NAME
    assert list(project.root.iterdir()) == []
    project.open()
    before = project.locked
    project.open("latest", lock=False)
    assert project.locked == before


def test_a_path_has_no_entry(project):
    file = project.file(f"{NAME}.zip")
    found = find_firmware(Firmware(Text(str(file), HERE), file), None, None, project=project.root, report=print)
    assert found.new_entry is None


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("version: 9", "lock-version", "its version is 9"),
        ("<<<<<<<", "lock-damaged", "it has no version"),
        ("\xff", "lock-damaged", "not UTF-8 text"),
    ],
)
def test_a_lock_that_cannot_be_understood(project, text, code, message):
    (project.root / "esp_at.lock").write_bytes(text.encode("latin-1"))
    with refused(code, FormatError) as caught:
        project.open()
    assert message in caught.value.message
    assert caught.value.where == "esp_at.lock"


# --- several at once ---

RUN = textwrap.dedent("""
    import sys
    from pathlib import Path
    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.errors import Place
    from platformio_esp_at.firmware.find import find_firmware
    from platformio_esp_at.firmware.lock import add_to_lock
    from platformio_esp_at.request.values import Firmware, Text
    board = BoardFacts("board", mcu=sys.argv[2])
    firmware = Firmware(Text("v4.1.1.0", Place.at(option="here")))
    project = Path(sys.argv[1])
    found = find_firmware(firmware, None, board, project=project, report=lambda _: None)
    if found.new_entry:
        add_to_lock(project, found.new_entry)
    print(found.package.sha256)
""")


def test_runs_at_once_share_one_download(project, https_server, monkeypatch):
    """Six processes, two packages, one project: every package comes once, and the lock has both."""
    monkeypatch.setenv("ESP_AT_MIRROR", https_server.url)
    c3 = "ESP32-C3-MINI-1-AT-V4.1.1.0"
    packages = {NAME: other_package(), c3: other_package("esp32c3")}
    for name, data in packages.items():
        # Each is cut once, so that the others have to wait for a download that is resumed.
        https_server.files[f"/{name}.zip"] = Served(data, cut_after=[20_000])
    commands = [[sys.executable, "-c", RUN, str(project.root), chip] for chip in ("esp32", "esp32c3") * 3]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    printed = [run.communicate(timeout=60)[0].strip() for run in runs]
    assert [run.returncode for run in runs] == [0] * 6
    assert set(printed) == {entry.sha256 for entry in project.locked} == set(map(sha256, packages.values()))
    assert len(project.locked) == 2
    begun = [asked.path for asked in https_server.asked if asked.begin == 0 and asked.path in https_server.files]
    assert sorted(begun) == [f"/{c3}.zip", f"/{NAME}.zip"]


STALL = 20 << 10


def test_a_killed_run_leaves_nothing_wrong(project, https_server, monkeypatch):
    data = other_package()
    assert len(data) > STALL
    https_server.files[f"/{NAME}.zip"] = Served(data, stall_after=[STALL])
    monkeypatch.setenv("ESP_AT_MIRROR", https_server.url)
    run = subprocess.Popen([sys.executable, "-c", RUN, str(project.root), "esp32"], stdout=subprocess.PIPE)
    while sum(part.stat().st_size for part in project.cache.rglob("*.part")) < STALL - 8192:
        assert run.poll() is None
        time.sleep(0.01)
    run.kill()
    run.communicate()
    assert project.locked == ()
    assert not (project.cache / "packages").exists()
    assert project.open().sha256 == sha256(data)
    assert https_server.asked[-1].begin >= STALL - 8192 > 0


# --- without a server ---


def test_without_a_server_it_is_taken_from_a_folder_or_from_the_cache(project, http_server, monkeypatch):
    def found():
        firmware = Firmware(Text("v4.1.1.0", HERE))
        return find_firmware(firmware, None, ESP32DEV, project=project.root, report=lambda _: None, offline=True)

    assert found().package.release == "v4.1.1.0"
    assert not project.cache.exists()
    http_server.files[f"/{NAME}.zip"] = Served((project.mirror / f"{NAME}.zip").read_bytes())
    monkeypatch.setenv("ESP_AT_MIRROR", http_server.url)
    with refused("firmware-not-here"):
        found()
    assert http_server.asked == []
    wanted = Firmware(Text("v4.1.1.0", HERE)), None, ESP32DEV
    assert [url.rpartition("/")[2] for url in places_to_ask(*wanted, project=project.root)] == [f"{NAME}.zip"] * 3
    assert http_server.asked == []
    project.open(lock=False)
    assert found().package.release == "v4.1.1.0"
    assert places_to_ask(*wanted, project=project.root)  # a run asks whether it has changed
    project.open()
    asked = len(http_server.asked)
    assert places_to_ask(*wanted, project=project.root) == ()  # locked, and in the cache
    assert found().package.release == "v4.1.1.0"
    assert len(http_server.asked) == asked


def test_what_is_here_must_be_what_the_project_has_locked(project):
    project.open()
    shutil.rmtree(project.cache)
    write_sample_package(project.mirror / f"{NAME}.zip", "esp32")
    with refused("lock-mismatch"):
        find_firmware(
            Firmware(Text("v4.1.1.0", HERE)), None, ESP32DEV, project=project.root, report=lambda _: None, offline=True
        )
