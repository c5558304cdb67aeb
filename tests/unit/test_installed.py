"""Whether this Python has an esptool that can be driven."""

from __future__ import annotations

import importlib.metadata

import pytest

from platformio_esp_at.device.installed import check_esptool
from platformio_esp_at.errors import FlashError

OWN_ENVIRONMENT = (
    "install platformio-esp-at in an environment of its own, which brings esptool: pipx install platformio-esp-at, "
    "or with pip in a new venv"
)


def _refusal() -> FlashError:
    with pytest.raises(FlashError) as caught:
        check_esptool()
    return caught.value


def test_no_esptool(monkeypatch):
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("platformio_esp_at.device.installed.version", version)
    error = _refusal()
    assert error.code == "esptool-missing"
    assert error.message == "esptool is not installed in this Python, 5.6 or newer is needed"
    assert error.hint == OWN_ENVIRONMENT


@pytest.mark.parametrize("found", ["4.12.0", "5.5.9", "5.5", "unknown", "", None, "5", "\u0665.6", "9" * 5000])
def test_an_esptool_that_is_too_old(monkeypatch, found):
    """Also one without a version: broken metadata gives None."""
    monkeypatch.setattr("platformio_esp_at.device.installed.version", lambda _name: found)
    error = _refusal()
    assert error.code == "esptool-too-old"
    assert error.message == f"the version of esptool in this Python is {found}, 5.6 or newer is needed"
    assert error.hint == OWN_ENVIRONMENT


@pytest.mark.parametrize("found", ["5.6", "5.6.0", "5.6.dev1", "5.10.0", "10.0"])
def test_an_esptool_that_is_new_enough(monkeypatch, found):
    monkeypatch.setattr("platformio_esp_at.device.installed.version", lambda _name: found)
    check_esptool()


def test_the_esptool_of_this_python():
    check_esptool()


def test_esptool_without_metadata(tmp_path, monkeypatch):
    """What `importlib.metadata` finds first counts, damaged or not."""
    (tmp_path / "esptool-5.9.dist-info").mkdir()
    (tmp_path / "esptool-5.9.dist-info/METADATA").write_text("Name: esptool\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert _refusal().code == "esptool-too-old"
