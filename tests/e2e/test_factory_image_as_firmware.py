"""A factory image as the firmware of a project: by path and URL, from the command line and with `pio run`."""

from __future__ import annotations

import json
import os

import pytest
from firmware_server import Served

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.formats.download_config import parse_download_config

FILE = "factory_WROOM-32.bin"
INI = f"""\
    [env:at]
    platform = espressif_at
    board = esp32dev
    custom_at_firmware = {FILE}
"""


def parts(*, nvs: bool) -> dict[int, bytes]:
    files = sample_package("esp32", nvs=nvs)
    return {
        image.offset: files[image.path] for image in parse_download_config(files["download.config"].decode()).images
    }


def factory_image(*, nvs: bool, **changes: bytes) -> bytes:
    flash = bytearray(b"\xff" * (4 << 20))
    for offset, data in {**parts(nvs=nvs), **{int(at, 16): data for at, data in changes.items()}}.items():
        flash[offset : offset + len(data)] = data
    return bytes(flash)


def whole_partitions(written: dict[int, bytes], *, nvs: bool) -> dict[int, bytes]:
    """Return the images as they are written: a partition with content is written whole."""
    sizes = (
        {0x21000: 112 << 10} if nvs else {at: 8 << 10 for at in written if 0x24000 <= at < 0x3D000 and at != 0x30000}
    )
    sizes |= {} if nvs else {0x21000: 12 << 10, 0xF000: 4 << 10}
    return {at: data.ljust(sizes.get(at, 0), b"\xff") for at, data in written.items()}


@pytest.mark.parametrize("nvs", [False, True], ids=["legacy", "mfg_nvs"])
def test_from_the_command_line(nvs, project, esp_at, used_module):
    folder = project(yml=f"firmware: {FILE}\n")
    image = factory_image(nvs=nvs)
    (folder / FILE).write_bytes(image)
    said = esp_at("info", cwd=folder).stdout
    assert "Firmware package: factory_WROOM-32 (ESP32, 4MB flash)" in said
    esp_at("package", cwd=folder)
    output = folder / "build/esp_at"
    assert (output / "factory" / FILE).read_bytes() == image
    assert json.loads((output / "esp_at_manifest.json").read_text())["firmware_package"]["name"] == "factory_WROOM-32"
    device = used_module()
    esp_at("flash", "-p", device.port, cwd=folder)
    assert device.flash == device.after_writing(whole_partitions(parts(nvs=nvs), nvs=nvs))
    assert device.flash[0x10000:0x12000] == b"\xff" * 0x2000
    assert device.flash[0x12000:0x20000] == device.before[0x12000:0x20000]
    esp_at("verify", "-p", device.port, cwd=folder)


def test_with_pio_run(project, at_pio, used_module):
    folder = project(INI)
    (folder / FILE).write_bytes(factory_image(nvs=True))
    device = used_module()
    said = at_pio(f"run -t upload_at -t verify_at --upload-port {device.port}", folder).stdout
    assert device.flash == device.after_writing(whole_partitions(parts(nvs=True), nvs=True))
    assert "AT module: WROOM-32 (board esp32dev: " in said


def test_values_of_the_project(project, esp_at):
    folder = project(yml=f"firmware: {FILE}\nfactory_param: {{uart_baudrate: 9600}}\n")
    (folder / FILE).write_bytes(factory_image(nvs=True))
    assert " 9600" in esp_at("info", cwd=folder).stdout
    esp_at("package", "--depfile", "depfile", cwd=folder)
    assert FILE in (folder / "depfile").read_text()


def test_by_its_url(project, esp_at, https_server, monkeypatch):
    folder = project(yml=f"firmware: {https_server.url}/vendor/{FILE}\n")
    https_server.files[f"/vendor/{FILE}"] = Served(factory_image(nvs=True))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.environ.get("SSL_CERT_FILE", ""))
    esp_at("package", cwd=folder)
    assert "factory_WROOM-32.bin" in (folder / "esp_at.lock").read_text()
    https_server.files[f"/vendor/{FILE}"] = Served(factory_image(nvs=False), etag='"other"')
    monkeypatch.setenv("ESP_AT_CACHE", str(folder / "empty"))
    refused = esp_at("package", cwd=folder, code=1).stderr
    assert "[lock-mismatch]" in refused


def test_a_dump_of_a_used_module(project, esp_at):
    folder = project(yml="firmware: dump.bin\n")
    (folder / "dump.bin").write_bytes(factory_image(nvs=True, **{"0x12000": b"\xfemy password"}))
    said = esp_at("info", cwd=folder).stdout
    assert "Warning: nvs in it holds what a used module has saved, such as Wi-Fi passwords: it is not written" in said
    esp_at("package", cwd=folder)
    for file in (folder / "build/esp_at").rglob("*.bin"):
        assert b"password" not in file.read_bytes()


@pytest.mark.parametrize("path", ["esp-at.bin", "partition_table/partition-table.bin"])
def test_a_part_alone(path, project, esp_at, used_module):
    folder = project(yml="firmware: part.bin\n")
    (folder / "part.bin").write_bytes(sample_package("esp32")[path])
    device = used_module()
    refused = esp_at("flash", "-p", device.port, cwd=folder, code=1).stderr
    assert "  [firmware-part-alone]\n  take the zip of the release" in refused
    assert device.untouched
