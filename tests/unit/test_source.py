"""From what a project calls its firmware to one URL: names alone, without disk and network. The rest: `test_find`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platformio_esp_at.catalog import modules as modules_module
from platformio_esp_at.catalog import releases as releases_module
from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.catalog.modules import Successor
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.releases import package_named
from platformio_esp_at.errors import EspAtError, Place, SelectionError, UnknownNameError, note
from platformio_esp_at.events import Noticed
from platformio_esp_at.firmware.source import (
    Source,
    local_path,
    module_of_release,
    source_of_name,
    source_of_release,
)
from platformio_esp_at.formats.lock_file import Asked, Lock, LockedPackage
from platformio_esp_at.request.values import CustomModule, Firmware, Text

HERE = Place.at(file="esp_at.yml", line=1)
MODULE = Place.at(file="esp_at.yml", line=2)
NAME = "ESP32-WROOM-32-AT-V4.1.1.0"
URL = f"https://dl.espressif.com/esp-at/firmwares/esp32/ESP32-WROOM-32/{NAME}.zip"
ESP32DEV = BoardFacts("esp32dev", mcu="esp32", flash_size=4 << 20)
LOCKED = LockedPackage("latest", URL, 1, "0" * 64, "esp32", "WROOM-32")


def of_name(text):
    return source_of_name(Text(text, HERE))


def of_release(text="v4.1.1.0", module=None, board=ESP32DEV, locked=(), report=None):
    """Return the source of a release; without ``report``, nothing may be reported."""
    events = []
    wanted = Text(module, MODULE) if isinstance(module, str) else module
    found = source_of_release(Text(text, HERE), wanted, board, Lock(locked), report or events.append)
    assert events == []
    return found


# --- packages by their names, and URLs ---


@pytest.mark.parametrize("text", [NAME, f"{NAME}.zip", NAME.lower()])
def test_the_name_of_a_package(text):
    assert of_name(text) == Source(URL, Asked(NAME), "esp32")
    assert of_name(text).is_espressifs


def test_espressifs_own_url():
    assert of_name(URL) == Source(URL, Asked(URL), "esp32")
    assert of_name(URL).is_espressifs


def test_a_url_of_somebody_else():
    source = of_name("https://me:secret@example.com/a.zip?v=1")
    # What is fetched needs the password, what is kept must not have it.
    assert source == Source("https://me:secret@example.com/a.zip?v=1", Asked("https://example.com/a.zip?v=1"))
    assert not source.is_espressifs


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/a.zip", "url-not-encrypted"),
        ("ftp://example.com/a.zip", "url-scheme"),
        ("https:///a.zip", "url-damaged"),
    ],
)
def test_urls_that_are_refused(url, code):
    with pytest.raises(EspAtError) as caught:
        of_name(url)
    assert (caught.value.code, caught.value.place) == (code, HERE)
    assert caught.value.hint


@pytest.mark.parametrize("word", ["", "0", "no", "False"])
def test_http_needs_a_word_of_consent(monkeypatch, word):
    monkeypatch.setenv("ESP_AT_ALLOW_HTTP", word)
    with pytest.raises(EspAtError) as caught:
        of_name("http://example.com/a.zip")
    assert caught.value.code == "url-not-encrypted"
    monkeypatch.setenv("ESP_AT_ALLOW_HTTP", "1")
    assert of_name("http://example.com/a.zip").url == "http://example.com/a.zip"


def test_the_path_of_a_file_url(tmp_path):
    file = tmp_path / "eine Datei.zip"
    assert local_path(Firmware(Text(file.as_uri(), HERE))) == file
    for text in (URL, "latest", str(file)):
        assert local_path(Firmware(Text(text, HERE))) is None


# --- releases ---


@pytest.mark.parametrize("text", ["v4.1.1.0", "V4.1.1", "latest", "LATEST"])
def test_ways_to_name_a_release(text):
    assert of_release(text) == Source(URL, Asked(text.lower(), "esp32", "WROOM-32"), "esp32")
    assert of_release(text).is_espressifs


@pytest.mark.parametrize(
    ("module", "board", "package", "asked"),
    [
        ("WROOM-32", None, NAME, ("esp32", "WROOM-32")),
        ("ESP32-WROOM-32E", None, NAME, ("esp32", "WROOM-32")),
        ("solo-1", ESP32DEV, "ESP32-SOLO-AT-V4.1.1.0", ("esp32", "SOLO-1")),
        (None, BoardFacts("pico32", mcu="esp32"), "ESP32-PICO-D4-AT-V4.1.1.0", ("esp32", "PICO-D4")),
        ("ESP32-C3-MINI-1", None, "ESP32-C3-MINI-1-AT-V4.1.1.0", ("esp32c3", "MINI-1")),
        (None, BoardFacts("c3", mcu="esp32c3"), "ESP32-C3-MINI-1-AT-V4.1.1.0", ("esp32c3", "MINI-1")),
    ],
)
def test_the_module_decides_which_package_of_a_release(module, board, package, asked):
    source = of_release("v4.1.1.0", module, board)
    assert source == Source(package_named(package).url, Asked("v4.1.1.0", *asked), asked[0])


WROVER = {
    "named by the user": ("WROVER-32", ESP32DEV),
    "named by the user, without a board": ("WROVER-32", None),
    "found by the board's name": (None, BoardFacts("my_wrover", mcu="esp32")),
    "named by the board": (None, BoardFacts("esp32dev", mcu="esp32", at={"module": "WROVER-32"})),
}


@pytest.mark.parametrize(("module", "board"), WROVER.values(), ids=WROVER)
def test_a_module_that_takes_the_firmware_of_another(module, board):
    events = []
    source = of_release("v4.1.1.0", module, board, report=events.append)
    asked = Asked("v4.1.1.0", "esp32", "WROVER-32")
    assert source == Source(package_named("ESP32-MINI-1-AT-V4.1.1.0").url, asked, "esp32")
    message = "v4.1.1.0 for WROVER-32 is the firmware of MINI-1"
    assert events == [Noticed(note("firmware-of-successor", message, module="MINI-1"))]


def test_the_modules_of_a_release():
    """The module that is carried, and the one whose package is looked up: they differ where the board decides both."""
    wrover, mini = find_module("esp32", "WROVER-32"), find_module("esp32", "MINI-1")
    board = BoardFacts("my_wrover", mcu="esp32")
    assert module_of_release(Text("v4.1.1.0", HERE), None, board) == (wrover, mini)
    assert module_of_release(Text("v2.4.0.0", HERE), None, board) == (wrover, wrover)
    assert module_of_release(Text("v4.1.1.0", HERE), Text("WROVER-32", MODULE), board) == (wrover, wrover)
    named = replace(board, at={"module": "WROVER-32"})
    assert module_of_release(Text("v4.1.1.0", HERE), None, named) == (wrover, wrover)


def test_a_module_of_the_users_own_takes_the_package_of_what_it_is_like():
    own = CustomModule(Text("GATEWAY", MODULE), Text("WROOM-32", MODULE), {})
    assert of_release(module=own, board=None) == Source(URL, Asked("v4.1.1.0", "esp32", "WROOM-32"), "esp32")
    unknown = replace(own, based_on=Text("WROM-32", MODULE))
    with pytest.raises(UnknownNameError) as caught:
        of_release(module=unknown, board=None)
    assert (caught.value.code, caught.value.place) == ("unknown-module", MODULE)


@pytest.mark.parametrize(
    ("text", "module", "board", "code", "place", "message", "hint"),
    [
        pytest.param(
            *("latest", None, None, "module-missing", HERE),
            "which AT module is firmware latest for?",
            "name the board that carries it, board: BOARD, or the module itself, such as module: WROOM-32",
            id="no-module",
        ),
        pytest.param(
            *("latest", "MINI-1", None, "module-ambiguous", MODULE),
            "MINI-1 exists on 2 chips",
            "write ESP32-MINI-1 or ESP32-C3-MINI-1",
            id="module-of-two-chips",
        ),
        pytest.param(
            *("latest", "WROM-32", None, "unknown-module", MODULE),
            "unknown AT module 'WROM-32'",
            "did you mean WROOM-32",
            id="unknown-module",
        ),
        pytest.param(
            *("latest", "ESP32-C3-MINY-1", None, "unknown-module", MODULE),
            "unknown AT module 'ESP32-C3-MINY-1'",
            "did you mean ESP32-C3-MINI-1",
            id="unknown-module-with-its-chip",
        ),
        pytest.param(
            *("latest", "ESP32-C3-MINI-1", ESP32DEV, "unknown-module", MODULE),
            "unknown ESP32 AT module 'ESP32-C3-MINI-1'",
            "that is a module of ESP32-C3; if it is next to this project's chip, write board: none; "
            "else name a module of ESP32: ",
            id="module-of-another-chip-than-the-board",
        ),
        pytest.param(
            *("v9.9", None, ESP32DEV, "no-release", HERE),
            "no firmware package v9.9 for the ESP32 module WROOM-32",
            "v4.1.1.0 (recommended)",
            id="no-such-release",
        ),
        pytest.param(
            *("latest", None, BoardFacts("s3", mcu="esp32s3"), "chip-unsupported", Place()),
            "board s3: no ESP-AT release has firmware for the ESP32-S3",
            "next to it",
            id="chip-without-firmware",
        ),
        pytest.param(
            *("latest", None, BoardFacts("c5", mcu="esp32c5"), "release-by-request", HERE),
            "only by request form",
            "request it at https://",
            id="on-application-alone",
        ),
        pytest.param(
            *("latest", None, BoardFacts("esp", mcu="esp8266", flash_size=1 << 20), "no-release", HERE),
            "releases no firmware package",
            "build",
            id="module-without-packages",
        ),
    ],
)
def test_what_no_package_is_known_for(text, module, board, code, place, message, hint):
    """One place each: an option's, or that of the board, which is in the message."""
    with pytest.raises(EspAtError) as caught:
        of_release(text, module, board)
    assert (caught.value.code, caught.value.place) == (code, place)
    assert message in caught.value.message
    assert hint in caught.value.hint


# --- what is locked ---


def test_the_lock_pins_the_latest():
    newer = package_named("ESP32-WROOM-32-AT-V4.1.0.0")
    locked = (LOCKED._replace(url=newer.url),)
    events = []
    source = of_release("latest", locked=locked, report=events.append)
    assert source == Source(newer.url, Asked("latest", "esp32", "WROOM-32"), "esp32")
    (event,) = events
    assert (event.notice.code, event.notice.is_warning) == ("lock-keeps-latest", False)
    assert event.notice.facts == {"locked": newer.url, "known": f"{NAME}.zip"}
    assert of_release("latest", locked=(LOCKED,)).url == URL  # the newest one: nothing to report


def test_a_full_name_is_not_pinned():
    """It can't come to mean another release: where the catalog moves its package, that URL counts."""
    locked = (LOCKED._replace(firmware="v4.1.1.0", url="https://example.com/moved.zip"),)
    assert of_release("v4.1.1.0", locked=locked).url == URL


def test_an_entry_of_another_module_pins_nothing():
    locked = (LOCKED._replace(module="SOLO-1", url=package_named("ESP32-SOLO-AT-V4.1.0.0").url),)
    assert of_release("latest", locked=locked).url == URL


def test_a_short_name_stays_what_it_was_locked_for(monkeypatch):
    later = package_named(NAME)._replace(release="v4.1.1.1", url=URL.replace("4.1.1.0", "4.1.1.1"))
    known = releases_module._releases()
    monkeypatch.setattr(releases_module, "_releases", lambda: (later, *known))
    assert of_release("v4.1.1", locked=(LOCKED._replace(firmware="v4.1.1"),)).url == URL
    with pytest.raises(SelectionError) as caught:
        of_release("v4.1.1")
    assert (caught.value.code, caught.value.place) == ("release-ambiguous", HERE)


def test_the_latest_of_a_boards_module_stays_when_that_gets_a_successor(monkeypatch):
    row = replace(find_module("esp32", "WROOM-32"), successor=Successor("v9.0.0.0", "MINI-1"))
    rows = {**modules_module._modules(), ("esp32", "WROOM-32"): row}
    monkeypatch.setattr(modules_module, "_modules", lambda: rows)
    events = []
    assert of_release("latest", locked=(LOCKED,), report=events.append).url == URL
    (event,) = events
    assert event.notice.facts == {"locked": URL, "known": "ESP32-MINI-1-AT-V4.1.1.0.zip"}


def test_a_locked_url_that_nothing_is_fetched_from():
    with pytest.raises(EspAtError) as caught:
        of_release("latest", locked=(LOCKED._replace(url="ftp://example.com/a.zip"),), report=lambda _: None)
    assert (caught.value.code, caught.value.place) == ("url-scheme", Place.at(file="esp_at.lock"))
