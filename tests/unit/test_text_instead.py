"""Text in the place of a binary file: what it is, and what isn't taken for text."""

from __future__ import annotations

import pytest

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.formats.text_instead import fetched_text, is_text, lfs_pointer, text_instead

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PULL = "run git lfs pull in the repository of the file"
PAGE = "download it again: a server answered with a page instead"
MOVED = "download it again, from the address that the file has now"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (POINTER, "a git-lfs pointer to a file of 12345 bytes, not the file itself"),
        (POINTER.replace(b"\n", b"\r\n"), "a git-lfs pointer to a file of 12345 bytes, not the file itself"),
        (POINTER[:60], "a git-lfs pointer, not the file itself"),
        (b"version https://hawser.github.com/spec/v1\n", "a git-lfs pointer, not the file itself"),
    ],
    ids=["whole", "crlf", "cut", "old"],
)
def test_a_pointer_of_git_lfs(data, what):
    assert lfs_pointer(data) == fetched_text(data) == text_instead(data) == (what, PULL)


@pytest.mark.parametrize(
    ("data", "what", "next_step"),
    [
        (b"<!DOCTYPE html>\n<html>", "a web page, not a binary file", PAGE),
        (b"\xef\xbb\xbf \n<HTML lang=en>", "a web page, not a binary file", PAGE),
        (b'<?xml version="1.0"?>\n<Error>', "a web page, not a binary file", PAGE),
        (b"404: Not Found", "a server's message ('404: Not Found'), not a binary file", MOVED),
        (b"Not Found\n", "a server's message ('Not Found'), not a binary file", MOVED),
        (b"error code: 502 x", "text ('error code: 502 x'), not a binary file", None),
        (
            b'{"message":"Bad credentials"}',
            'a server\'s message (\'{"message":"Bad credentials"}\'), not a binary file',
            MOVED,
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "a server's message ('HTTP/1.1 403 Forbidden'), not a binary file", MOVED),
    ],
)
def test_what_a_download_leaves(data, what, next_step):
    assert fetched_text(data) == ((what, next_step) if next_step else None)
    assert text_instead(data).what == what


def test_any_text():
    found = text_instead("größer als vierzig Zeichen, und darum gekürzt\nzweite Zeile".encode())
    assert found.what == "text ('größer als vierzig Zeichen, und darum g…'), not a binary file"
    assert found.next_step == "take the file again from where it came from"


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\xff" * 16, b"text\0", b"\x1b[2J", b"gr\xfc\xdf", b"version 404\0"], ids=repr
)
def test_what_is_no_text(data):
    assert not is_text(data)
    assert text_instead(data) is None


@pytest.mark.parametrize("nvs", [False, True])
def test_no_image_of_a_package_is_text(nvs):
    images = {path: data for path, data in sample_package("esp32", nvs=nvs).items() if path.endswith(".bin")}
    assert len(images) >= 6
    assert {path: text_instead(data) for path, data in images.items()} == dict.fromkeys(images)


def test_a_long_message_is_just_text():
    assert fetched_text(b"404: Not Found" + b" " * 1024) is None
