"""Which version of Mbed TLS a firmware package has."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog import _data
from platformio_esp_at.catalog.chips import chip, chips
from platformio_esp_at.catalog.mbedtls import MbedTls, mbedtls_version
from platformio_esp_at.catalog.modules import release_key
from platformio_esp_at.catalog.releases import released_packages


@pytest.mark.parametrize(
    ("name", "release", "version"),
    [
        ("esp32", "v1.1.2.0", (2, 6, 0)),
        ("esp32", "v2.2.0.0", (2, 16, 9)),
        ("esp32", "v3.0.0.0", (2, 28, 0)),
        ("esp32c2", "v3.0.0.0", (3, 2, 1)),
        ("esp32", "v4.0.0.0", (3, 4, 1)),
        ("esp32c6", "v4.0.0.0", (3, 5, 0)),
        ("esp32", "v4.1.1.0", (3, 6, 3)),
        ("esp32", "v9.0.0.0", (3, 6, 3)),
        ("esp8266", "v2.2.1.0", (2, 16, 5)),
        ("esp8266", "v2.3.0.0", (3, 6, 3)),
        ("esp32c3", "v0.1.0.0", (2, 16, 9)),
    ],
)
def test_releases(name, release, version):
    assert mbedtls_version(name, release, has_mfg_nvs=True) == version


@pytest.mark.parametrize(
    ("name", "nvs", "version"),
    [
        ("esp32", False, (2, 3, 0)),
        ("esp32", True, (3, 2, 1)),
        ("esp32c3", False, (2, 16, 9)),
        ("esp32c61", True, (3, 6, 5)),
        ("esp8266", False, (2, 8, 0)),
    ],
)
def test_an_unknown_release_is_the_oldest_of_its_layout(name, nvs, version):
    assert mbedtls_version(name, None, has_mfg_nvs=nvs) == version


def test_every_chip_and_every_release_has_a_version():
    rows = _data.load("mbedtls.yml")
    assert set(rows) == {each.key for each in chips()}
    for found in released_packages():
        if found.file_name.lower().startswith("qcloud"):
            continue  # numbered on its own
        assert release_key(min(rows[found.chip], key=release_key)) <= release_key(found.release)


def test_the_rows_are_in_their_order():
    for rows in _data.load("mbedtls.yml").values():
        assert list(rows) == sorted(rows, key=release_key)


def test_what_a_version_reads():
    versions = [MbedTls(2, 16, 9), MbedTls(2, 28), MbedTls(3, 2, 1), MbedTls(3, 4), MbedTls(3, 5), MbedTls(3, 6, 5)]
    assert [version.reads_any_policy for version in versions] == [False, True, True, True, True, True]
    assert [version.reads_key_identifiers for version in versions] == [False, False, False, False, True, True]
    assert [version.reads_compressed_points for version in versions] == [False, False, False, True, True, True]
    assert [version.reads_empty_usage for version in versions] == [False, False, False, True, True, True]
    assert [version.trusts_small_curves for version in versions] == [True, True, False, False, False, False]
    assert str(versions[-1]) == "Mbed TLS 3.6"


def test_a_chip_without_rows():
    assert chip("esp32").key == "esp32"
    assert mbedtls_version("esp99", None, has_mfg_nvs=True) == (3, 6, 5)
