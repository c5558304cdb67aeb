"""Addresses: which are allowed, and how they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.urls import (
    check_address,
    file_name_of,
    followed,
    is_address,
    is_loopback,
    path_of_file_address,
    shown,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[(text, True) for text in ("https://h/a.zip", "HTTP://h", "file:///a", "ftp://h")],
        *[(text, False) for text in ("a.zip", "./https:/a", "C:/a.zip", "c:\\a.zip", "v4.1.1.0", "//h/a")],
    ],
)
def test_what_is_an_address(text, expected):
    assert is_address(text) == expected


@pytest.mark.parametrize("address", ["https://h/a.zip", "https://h:8443/", "file:///a", "file://localhost/a"])
def test_what_is_allowed(address):
    check_address(address)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://h/a.zip", "http://h/a.zip is not encrypted"),
        ("ftp://h/a.zip", "nothing is fetched from ftp://h/a.zip"),
        ("https:///a.zip", "names no host"),
        ("file://h/a.zip", "a file of another host"),
        ("https://h:port/a", "…https://h:port/a is not an address"),
        ("https://h/\udcff.zip", "is not an address"),
    ],
)
def test_what_is_not_allowed(address, message):
    with pytest.raises(EspAtError) as caught:
        check_address(address)
    assert message in caught.value.message
    assert caught.value.hint


def test_http_where_it_is_allowed():
    check_address("http://h/a.zip", allow_http=True)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *[(host, True) for host in ("localhost", "127.0.0.1", "127.1.2.3", "[::1]")],
        *[(host, False) for host in ("127.example.com", "localhost.example.com", "10.0.0.1", "[::2]")],
    ],
)
def test_this_machine(host, expected):
    assert is_loopback(f"http://me@{host}:80/a") == expected


def test_names_and_passwords_are_not_told():
    assert shown("https://me:p@ss@h:1/a?b#c") == "https://h:1/a?b#c"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://h/a/b%20c.zip?d=/e.zip", "b_c.zip"),
        ("https://h/..%2f..%2fetc", ".._.._etc".lstrip(".")),
        ("https://h/", "package.zip"),
        ("https://h/...", "package.zip"),
        (f"https://h/{'a' * 300}.zip", f"{'a' * 96}.zip"),
    ],
)
def test_names_of_files(address, name):
    assert file_name_of(address) == name


def test_paths_of_files(tmp_path):
    file = tmp_path / "eine Datei ü.zip"
    assert path_of_file_address(file.as_uri()) == file
    assert path_of_file_address("file:///a%20b") == Path("/a b")


def test_redirects():
    assert followed("https://h/a/b", "../c") == "https://h/c"
    assert followed("https://h/a", "https://i/") == "https://i/"
    with pytest.raises(EspAtError, match="what is no address"):
        followed("https://h/a", "https://[::1/")
