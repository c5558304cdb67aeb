"""Which firmware package a module and the name of a release mean."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog.modules import module, modules
from platformio_esp_at.catalog.releases import (
    find_release,
    is_release_name,
    near_package_names,
    package_named,
    released_packages,
)
from platformio_esp_at.errors import SelectionError, UnknownNameError


@pytest.mark.parametrize(
    ("chip", "name", "release", "package"),
    [
        ("esp32", "WROOM-32", "v4.1.1.0", "ESP32-WROOM-32-AT-V4.1.1.0"),
        ("esp32", "WROOM-32", "V2.0", "ESP32-WROOM-32-AT-V2.0.0.0"),
        ("esp32", "WROOM-32", "latest", "ESP32-WROOM-32-AT-V4.1.1.0"),
        ("esp32", "WROOM-32", "LATEST", "ESP32-WROOM-32-AT-V4.1.1.0"),
        ("esp32", "SOLO-1", "v2.4.0.0", "ESP32-SOLO-AT-V2.4.0.0"),
        # Espressif makes no more packages of these, and recommends another module's.
        ("esp32", "WROVER-32", "v2.4.0.0", "ESP32-WROVER-32-AT-V2.4.0.0"),
        ("esp32", "WROVER-32", "v4.1.1.0", "ESP32-MINI-1-AT-V4.1.1.0"),
        ("esp32", "WROVER-32", "latest", "ESP32-MINI-1-AT-V4.1.1.0"),
        ("esp32c2", "ESP32C2-2MB-G2", "v3.3.1.0", "ESP32-C2-2MB-G2-AT-V3.3.1.0"),
        ("esp32c2", "ESP32C2-2MB-G2", "latest", "ESP32-C2-2MB-AT-V4.1.1.0"),
        # The same firmware with other factory parameters.
        ("esp8266", "WROOM-02-N", "v2.2.1.0", "ESP-WROOM-02-AT-V2.2.1.0"),
        ("esp8266", "WROOM-5V2L", "v2.0.0.0", "ESP-WROOM-02-AT-V2.0.0.0"),
        ("esp8266", "WROOM-02-N", "latest", "ESP-WROOM-02-AT-V2.3.0.0"),
        # What only the older server has.
        ("esp32s2", "MINI", "v2.1.0.0", "ESP32-S2-MINI_AT_Bin_V2.1.0.0"),
        ("esp32s2", "SOLO", "v2.1.0.0", "ESP32-S2-SOLO_AT_Bin_V2.1.0.0"),
        ("esp8266", "ESP8266_QCLOUD", "latest", "QCloud_AT_ESP8266_v2.2.0"),
    ],
)
def test_package_of_a_release(chip, name, release, package):
    assert find_release(module(chip, name), release).name == package


@pytest.mark.parametrize(
    ("chip", "name", "release", "code", "message", "hint"),
    [
        (
            "esp32",
            "WROOM-32",
            "v4.2",
            "no-release",
            "no firmware package v4.2 for the ESP32 module WROOM-32",
            "v4.1.1.0 (recommended",
        ),
        (
            "esp32",
            "WROOM-32",
            "v4.1",
            "release-ambiguous",
            "v4.1 may be v4.1.1.0 or v4.1.0.0",
            "write all of its numbers",
        ),
        (
            "esp32",
            "WROVER-32",
            "v9.9",
            "no-release",
            "no firmware package v9.9",
            "v0.10.0.0; from v3.0.0.0 on, those of MINI-1",
        ),
        # Not that of WROOM-32, which is the same firmware: this release had no MINI-1, whose pins it would need.
        (
            "esp32",
            "MINI-1",
            "v2.1.0.0",
            "no-release",
            "no firmware package v2.1.0.0",
            "released: v4.1.1.0 (recommended), v4.1.0.0",
        ),
        (
            "esp32s2",
            "WROOM",
            "v4.1.1.0",
            "no-release",
            "no firmware package v4.1.1.0",
            "v4.1.1.0 is for MINI, which runs on it",
        ),
        (
            "esp32s2",
            "WROOM",
            "latest",
            "no-release",
            "no firmware package latest",
            "v4.1.1.0 is for MINI, which runs on it",
        ),
        (
            "esp8266",
            "ESP8266_1MB",
            "latest",
            "no-release",
            "releases no firmware package for the ESP8266 module",
            "build it with",
        ),
        (
            "esp32",
            "ESP32-D2WD",
            "v4.1.1.0",
            "no-release",
            "releases no firmware package for the ESP32 module",
            "firmware: PATH",
        ),
        (
            "esp32c5",
            "ESP32C5-4MB",
            "latest",
            "release-by-request",
            "firmware v5.0.1.0 for ESP32C5-4MB is available only by request form",
            "chip=ESP32-C5",
        ),
        (
            "esp32c61",
            "ESP32C61-4MB",
            "v5.0.0.0",
            "release-by-request",
            "available only by request form",
            "version=v5.0.0.0",
        ),
    ],
)
def test_releases_without_a_package(chip, name, release, code, message, hint):
    with pytest.raises(SelectionError) as caught:
        find_release(module(chip, name), release)
    assert caught.value.code == code
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_every_release_that_is_listed_can_be_found():
    for package in released_packages():
        if not package.by_form:
            found = find_release(module(package.chip, package.module), package.release)
            assert (found.chip, found.module, found.release) == (package.chip, package.module, package.release)
            assert found.url.startswith("https://") or package.module == "ESP8266_QCLOUD"


def test_latest_is_what_espressif_recommends():
    for found in modules():
        if any(package.recommended and not package.by_form for package in released_packages(found.chip, found.name)):
            assert find_release(found, "latest").recommended


def test_releases_of_a_chip_and_of_a_module():
    assert {package.module for package in released_packages("ESP32-C3")} == {"MINI-1"}
    solo = released_packages("esp32", "esp32-solo-1")
    assert [package.release for package in solo[:2]] == ["v4.1.1.0", "v4.1.0.0"]
    assert [package.name for package in solo[-2:]] == ["ESP32-SOLO-AT-V2.0.0.0", "ESP32-SOLO_AT_Bin_V2.0"]
    assert released_packages("esp8266", "ESP8266_1MB") == ()
    with pytest.raises(UnknownNameError) as caught:
        released_packages("esp32", "WROM")
    assert (caught.value.code, caught.value.facts) == ("unknown-module", {"name": "WROM"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[("v4.1.1.0", True), ("V2.0", True), ("latest", True), ("4.1.1.0", True)],
        *[
            ("4.1", False),
            ("4.1.1", False),
            ("v4", False),
            ("v4.1.1.0.zip", False),
            ("./v4.1.1.0", False),
            ("v1.2.3.4.5", False),
        ],
    ],
)
def test_names_of_releases(text, expected):
    assert is_release_name(text) == expected


def test_package_names():
    assert package_named("ESP32-C3-MINI-1-AT-V4.1.1.0.zip").release == "v4.1.1.0"
    assert package_named("esp32-c3-mini-1-at-v4.1.1.0").chip == "esp32c3"
    assert package_named("ESP32-WROOM-32_AT_Bin_V2.0").url.endswith("/ESP32-WROOM-32_AT_Bin_V2.0.zip")
    assert package_named("") is package_named(".zip") is package_named("firmware.zip") is None
    assert near_package_names("ESP32-WROM-32-AT-V4.1.1.0.zip")[0] == "ESP32-WROOM-32-AT-V4.1.1.0"
    assert near_package_names("firmware.zip") == []
