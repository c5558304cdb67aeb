"""A mirror: what names one, and where it may have a zip."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.firmware.mirror import Mirror

URL = "https://dl.espressif.com/esp-at/firmwares/esp32/A%20B.zip"


def named(monkeypatch, text):
    monkeypatch.setenv("ESP_AT_MIRROR", text)
    return Mirror.of_environment()


@pytest.mark.parametrize("text", ["", "  "])
def test_none(monkeypatch, text):
    assert named(monkeypatch, text) is None


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_server(monkeypatch, slash):
    mirror = named(monkeypatch, f"https://m/at{slash}?token=1")
    assert mirror.places(URL) == (
        "https://m/at/dl.espressif.com/esp-at/firmwares/esp32/A%20B.zip?token=1",
        "https://m/at/esp-at/firmwares/esp32/A%20B.zip?token=1",
        "https://m/at/A_B.zip?token=1",
    )
    assert not mirror.allows_http


def test_a_folder(monkeypatch, tmp_path):
    folder = tmp_path / "ein Spiegel"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for text in (str(folder), "ein Spiegel", "~/ein Spiegel/", folder.as_uri()):
        assert named(monkeypatch, text).url == folder.as_uri()


@pytest.mark.parametrize(("text", "allowed"), [("http://127.0.0.1:1/", True), ("http://localhost", True)])
def test_http_on_this_machine(monkeypatch, text, allowed):
    assert named(monkeypatch, text).allows_http == allowed


def test_http_elsewhere_has_to_be_allowed(monkeypatch):
    with pytest.raises(EspAtError) as caught:
        named(monkeypatch, "http://m/at")
    assert (caught.value.code, caught.value.where) == ("url-not-encrypted", "ESP_AT_MIRROR")
    monkeypatch.setenv("ESP_AT_ALLOW_HTTP", "1")
    assert named(monkeypatch, "http://m/at").allows_http


@pytest.mark.parametrize("text", ["/nowhere", "m.example.com/at", "~nobody-of-that-name/at", "a file"])
def test_folders_that_do_not_exist(monkeypatch, tmp_path, text):
    (tmp_path / "a file").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EspAtError) as caught:
        named(monkeypatch, text)
    assert (caught.value.code, caught.value.where) == ("mirror-not-found", "ESP_AT_MIRROR")
    assert caught.value.message == f"there is no folder {tmp_path / text}"
    assert "a URL (https://…)" in caught.value.hint
