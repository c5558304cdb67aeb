"""URLs: which are allowed, and how they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.urls import (
    check_url,
    file_name_of,
    followed,
    is_loopback,
    is_url,
    path_of_file_url,
    shown,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[(text, True) for text in ("https://h/a.zip", "HTTP://h", "file:///a", "ftp://h")],
        *[(text, False) for text in ("a.zip", "./https:/a", "C:/a.zip", "c:\\a.zip", "v4.1.1.0", "//h/a")],
    ],
)
def test_what_is_a_url(text, expected):
    assert is_url(text) == expected


@pytest.mark.parametrize("url", ["https://h/a.zip", "https://h:8443/", "file:///a", "file://localhost/a"])
def test_what_is_allowed(url):
    check_url(url)


@pytest.mark.parametrize(
    ("url", "code", "message", "hint"),
    [
        ("http://h/a.zip", "url-not-encrypted", "http://h/a.zip is not encrypted", "set ESP_AT_ALLOW_HTTP=1"),
        ("ftp://h/a.zip", "url-scheme", "ftp://h/a.zip has an unsupported scheme", "take an https URL, or a path"),
        ("https:///a.zip", "url-damaged", "names no host", "write https://HOST/PATH"),
        ("file://h/a.zip", "url-scheme", "file URLs with a host are not supported", "write file:///PATH"),
        ("https://h:port/a", "url-damaged", "…https://h:port/a is not a URL", "write https://HOST/PATH"),
        ("https://h/\udcff.zip", "url-damaged", "is not a URL", "write https://HOST/PATH"),
    ],
)
def test_what_is_not_allowed(url, code, message, hint):
    with pytest.raises(EspAtError) as caught:
        check_url(url)
    assert caught.value.code == code
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_http_where_it_is_allowed():
    check_url("http://h/a.zip", allow_http=True)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *[(host, True) for host in ("localhost", "127.0.0.1", "127.1.2.3", "[::1]")],
        *[(host, False) for host in ("127.example.com", "localhost.example.com", "10.0.0.1", "[::2]")],
    ],
)
def test_this_machine(host, expected):
    assert is_loopback(f"http://me@{host}:80/a") == expected


def test_names_and_passwords_are_not_shown():
    assert shown("https://me:p@ss@h:1/a?b#c") == "https://h:1/a?b#c"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/a/b%20c.zip?d=/e.zip", "b_c.zip"),
        ("https://h/..%2f..%2fetc", ".._.._etc".lstrip(".")),
        ("https://h/", "package.zip"),
        ("https://h/...", "package.zip"),
        (f"https://h/{'a' * 300}.zip", f"{'a' * 96}.zip"),
    ],
)
def test_names_of_files(url, name):
    assert file_name_of(url) == name


def test_paths_of_files(tmp_path):
    file = tmp_path / "eine Datei ü.zip"
    assert path_of_file_url(file.as_uri()) == file
    assert path_of_file_url("file:///a%20b") == Path("/a b")


def test_redirects():
    assert followed("https://h/a/b", "../c") == "https://h/c"
    assert followed("https://h/a", "https://i/") == "https://i/"
    with pytest.raises(EspAtError) as caught:
        followed("https://h/a", "https://[::1/")
    assert caught.value.code == "url-damaged"
    assert caught.value.message == "https://h/a redirects to an invalid URL"
