"""A release's name and a board are enough: real `pio`, esp-at and idf.py's way, from a mirror and from the cache."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import zipfile

import pytest
from firmware_server import Served

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.formats.lock_file import parse_lock_file

INI = """\
    [env:at]
    platform = espressif_at
    board = {board}
    custom_at_firmware = v4.1.1.0
"""
OUTPUT = ".pio/build/at/esp_at"
NAMES = {"esp32dev": "ESP32-WROOM-32", "esp32c3-at-mini-1": "ESP32-C3-MINI-1", "pico32": "ESP32-PICO-D4"}
CHIPS = {"esp32c3-at-mini-1": "esp32c3"}


def released(chip="esp32", module=None, **files) -> bytes:
    """Return a zip of the sample package, in a folder as released ones are, that takes several pieces to download."""
    files = {"README.txt": random.Random(1).randbytes(60_000), **files}  # noqa: S311
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in {**sample_package(chip, module=module, nvs=True), **files}.items():
            archive.writestr(zipfile.ZipInfo(f"AT/{name}"), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


@pytest.fixture
def mirror(http_server, monkeypatch):
    """Return a server that has a sample for each of `NAMES`, and is the mirror."""
    for board, name in NAMES.items():
        module = "PICO-D4" if board == "pico32" else None
        http_server.files[f"/{name}-AT-V4.1.1.0.zip"] = Served(released(CHIPS.get(board, "esp32"), module))
    monkeypatch.setenv("ESP_AT_MIRROR", http_server.url)
    return http_server


def go_offline(monkeypatch) -> None:
    monkeypatch.delenv("ESP_AT_MIRROR")
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.mark.parametrize("board", NAMES)
def test_upload_at_from_a_mirror_and_then_from_the_cache(board, project, at_pio, used_module, mirror, monkeypatch):
    folder = project(INI.format(board=board))
    first, second = used_module(CHIPS.get(board, "esp32")), used_module(CHIPS.get(board, "esp32"))

    said = at_pio(f"run -t upload_at --upload-port {first.port}", folder).stdout
    assert f"Downloading {mirror.url}/{NAMES[board]}-AT-V4.1.1.0.zip" in said
    assert first.flash == first.after_upload(folder / OUTPUT)
    (entry,) = parse_lock_file((folder / "esp_at.lock").read_text()).packages
    assert entry.url.startswith("https://dl.espressif.com/")
    assert entry.url.endswith(f"/{NAMES[board]}-AT-V4.1.1.0.zip")

    mirror.asked.clear()
    go_offline(monkeypatch)
    said = at_pio(f"run -t upload_at --upload-port {second.port}", folder).stdout
    assert "Downloading" not in said
    assert second.flash == first.flash
    assert mirror.asked == []


def test_offline_without_a_cache(project, at_pio, used_module, monkeypatch):
    folder = project(INI.format(board="esp32dev"))
    module = used_module()
    said = at_pio(f"run -t upload_at --upload-port {module.port}", folder, code=1).stderr
    assert said.startswith("Error: platformio.ini [env:at] custom_at_firmware: ESP32-WROOM-32-AT-V4.1.1.0.zip ")
    assert said.splitlines()[0].endswith("  [firmware-not-cached]")
    assert "the proxy for dl.espressif.com can't be used" in said
    assert "set ESP_AT_MIRROR to a folder that has it" in said
    assert module.untouched
    assert not (folder / "esp_at.lock").exists()


def test_content_that_changed_is_not_flashed(project, at_pio, used_module, mirror, tmp_path, monkeypatch):
    folder = project(INI.format(board="esp32dev"))
    at_pio("run -t package_at", folder)
    made = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    mirror.files["/ESP32-WROOM-32-AT-V4.1.1.0.zip"].data = released(**{"README.txt": b"changed"})
    monkeypatch.setenv("ESP_AT_CACHE", str(tmp_path / "another machine"))
    module = used_module()
    said = at_pio(f"run -t upload_at --upload-port {module.port}", folder, code=1).stderr
    assert f"{mirror.url}/ESP32-WROOM-32-AT-V4.1.1.0.zip differs from esp_at.lock: " in said
    assert "  [lock-mismatch]\n  if it was changed for a good reason, remove its entries" in said
    assert module.untouched
    assert {path: path.read_bytes() for path in made} == made


def test_several_environments_of_a_project(project, at_pio, mirror):
    folder = project("".join(INI.replace("env:at", f"env:{board}").format(board=board) + "\n" for board in NAMES))
    at_pio("run -t package_at", folder)
    locked = parse_lock_file((folder / "esp_at.lock").read_text()).packages
    assert [(entry.firmware, entry.chip, entry.module) for entry in locked] == [
        ("v4.1.1.0", "esp32", "PICO-D4"),
        ("v4.1.1.0", "esp32", "WROOM-32"),
        ("v4.1.1.0", "esp32c3", "MINI-1"),
    ]


def test_info_writes_no_lock(project, at_pio, esp_at, mirror):
    folder = project(INI.format(board="esp32dev"))
    assert "Firmware package: ESP32-WROOM-32-AT-V4.1.1.0" in at_pio("run -t info_at", folder).stdout
    said = esp_at("info", "--firmware", "latest", "--board", "esp32dev", cwd=folder).stdout
    assert "Firmware package: ESP32-WROOM-32-AT-V4.1.1.0" in said
    assert not (folder / "esp_at.lock").exists()


def test_what_is_refused_is_not_locked(project, esp_at, mirror):
    folder = project()
    words = ["package", "--firmware", "ESP32-C3-MINI-1-AT-V4.1.1.0", "--board", "esp32dev"]
    said = esp_at(*words, cwd=folder, code=1).stderr
    assert "board esp32dev has an ESP32, " in said
    assert " ESP32-C3-MINI-1-AT-V4.1.1.0 is for ESP32-C3  [board-other-chip]\n" in said
    assert not (folder / "esp_at.lock").exists()


def test_an_unsupported_board_downloads_nothing(project, at_pio, mirror):
    folder = project(
        INI.format(board="esp32s3"),
        **{"boards/esp32s3.json": '{"build": {"mcu": "esp32s3"}, "name": "S3", "url": "", "vendor": ""}'},
    )
    said = at_pio("run -t upload_at", folder, code=1).stderr
    assert "ESP32-S3  [chip-unsupported]\n" in said
    assert mirror.asked == []


def test_a_release_that_the_module_does_not_have(esp_at, tmp_path):
    said = esp_at("info", "--firmware", "v4.1.10", "--module", "WROOM-32", code=1).stderr
    assert "--firmware: there is no firmware package v4.1.10 for the ESP32 module WROOM-32  [no-release]\n" in said
    assert "v4.1.1.0 (recommended)" in said


def test_processes_at_once_in_one_project(project, mirror, own_cache):
    """Four of esp-at for two environments' packages: one download of each, a lock with both, the same image sets."""
    folder = project()
    for served in mirror.files.values():
        served.cut_after = [20_000]
    runs = []
    for number in range(4):
        board = list(NAMES)[number % 2]
        words = ["package", "--firmware", "v4.1.1.0", "--board", board, "-o", f"out{number}"]
        command = [sys.executable, "-m", "platformio_esp_at", *words]
        runs.append(subprocess.Popen(command, cwd=folder, env=os.environ, stderr=subprocess.PIPE, text=True))
    errors = [run.communicate(timeout=60)[1] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, errors
    images = [
        {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*.bin")}
        for out in sorted(folder.glob("out?"))
    ]
    assert images[0] == images[2] != images[1] == images[3]
    assert len(parse_lock_file((folder / "esp_at.lock").read_text()).packages) == 2
    begun = [asked.path for asked in mirror.asked if asked.begin == 0 and asked.path in mirror.files]
    assert len(begun) == len(set(begun)) == 2
    assert len(list(own_cache.glob("packages/*/*.zip"))) == 2
