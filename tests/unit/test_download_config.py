"""download.config: which file goes where."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.download_config import (
    FlashArgs,
    FlashImage,
    flash_setting,
    format_download_config,
    parse_download_config,
)
from platformio_esp_at.formats.esp_image import FlashSettings

TEXT = (
    "--flash_mode dio --flash_freq 40m --flash_size 4MB 0x8000 partition_table/partition-table.bin "
    "0x1000 bootloader/bootloader.bin 0x3b000 customized_partitions/mqtt_ca.bin"
)
ARGS = FlashArgs(
    FlashSettings("dio", "40m", "4MB"),
    (
        FlashImage(0x8000, "partition_table/partition-table.bin"),
        FlashImage(0x1000, "bootloader/bootloader.bin"),
        FlashImage(0x3B000, "customized_partitions/mqtt_ca.bin"),
    ),
)


def test_both_ways():
    assert parse_download_config(TEXT) == ARGS
    assert format_download_config(ARGS) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT.replace(" 0x", "\n0x") + "\n", id="one-image-a-line"),
        pytest.param(TEXT.replace(" 0x", "\r\n0x"), id="windows-line-ends"),
        pytest.param(TEXT.replace("_mode", "-mode").replace("_freq", "-freq").replace("_size", "-size"), id="dashes"),
        pytest.param(TEXT.replace("mode dio", "mode=dio").replace("size 4MB", "size=4MB"), id="equals-signs"),
        pytest.param(TEXT.replace("0x3b000", "0x3B000"), id="capitals-in-an-offset"),
        pytest.param(TEXT.replace("0x3b000", "236K"), id="offset-with-a-unit"),
        pytest.param(TEXT.replace("/", "\\"), id="backslashes"),
        pytest.param(TEXT.removeprefix("--flash_mode dio ") + " --flash_mode dio", id="option-after-the-images"),
        pytest.param("--flash_mode qio " + TEXT, id="option-twice-takes-the-last"),
        pytest.param(TEXT + " 0x1000 bootloader/bootloader.bin 0x8000 partition_table/partition-table.bin", id="twice"),
        pytest.param(TEXT + " 4096 ./bootloader\\bootloader.bin", id="twice-in-another-spelling"),
    ],
)
def test_other_spellings(text):
    assert parse_download_config(text) == ARGS


def test_settings_that_are_not_given_are_kept():
    assert parse_download_config("0x0 a.bin").settings == FlashSettings("keep", "keep", "keep")
    assert parse_download_config("--flash_size detect 0x0 a.bin").settings.size == "detect"
    assert format_download_config(parse_download_config("0x0 a.bin")) == (
        "--flash_mode keep --flash_freq keep --flash_size keep 0x0 a.bin"
    )


SPELLING = "write 4096, 0x1000, 4K or 1M"
KNOWN = "known: --flash_mode, --flash_freq, --flash_size"


@pytest.mark.parametrize(
    ("text", "code", "message", "where", "hint"),
    [
        pytest.param(
            "",
            "flash-args-invalid",
            "download.config names no image",
            None,
            "write OFFSET FILE for each image, such as 0x8000 partition-table.bin",
            id="empty",
        ),
        pytest.param(
            "--flash_mode dio",
            "flash-args-invalid",
            "download.config names no image",
            None,
            "write OFFSET FILE for each image, such as 0x8000 partition-table.bin",
            id="no-image",
        ),
        pytest.param(
            "0x0 a.bin 0x1000",
            "flash-args-invalid",
            "'0x1000' at the end has no file or no offset",
            None,
            "write OFFSET FILE for each image, such as 0x8000 partition-table.bin",
            id="no-file",
        ),
        pytest.param(
            "a.bin",
            "flash-args-invalid",
            "'a.bin' at the end has no file or no offset",
            None,
            "write OFFSET FILE for each image, such as 0x8000 partition-table.bin",
            id="no-offset",
        ),
        pytest.param(
            "a.bin 0x0", "not-a-size", "'a.bin' is not a size or offset", "a.bin", SPELLING, id="file-before-offset"
        ),
        pytest.param(
            "0x0 my file.bin 0x1 b",
            "not-a-size",
            "'file.bin' is not a size or offset",
            "file.bin",
            SPELLING,
            id="space-in-path",
        ),
        pytest.param(
            "-0x1000 a.bin",
            "offset-outside-flash",
            "'a.bin' at offset -0x1000 is outside any flash",
            "-0x1000",
            "write the offset of the image in flash, such as 0x10000",
            id="negative-offset",
        ),
        pytest.param(
            "4096M a.bin",
            "offset-outside-flash",
            "'a.bin' at offset 0x100000000 is outside any flash",
            "4096M",
            "write the offset of the image in flash, such as 0x10000",
            id="over-32-bits",
        ),
        pytest.param(
            "0x0 a.bin --flash_mode",
            "flash-args-invalid",
            "--flash_mode lacks its value",
            None,
            "write a value after it, such as --flash_mode keep",
            id="option-at-the-end",
        ),
        pytest.param(
            "--flash_mode= 0x0 a.bin",
            "flash-args-invalid",
            "--flash_mode= lacks its value",
            None,
            "write a value after it, such as --flash_mode keep",
            id="empty-value",
        ),
        pytest.param(
            "--flash_mode --flash_freq 40m",
            "flash-args-invalid",
            "--flash_mode lacks its value",
            None,
            "write a value after it, such as --flash_mode keep",
            id="option-for-a-value",
        ),
        pytest.param(
            "--flash_mode=--x 0x0 a",
            "flash-args-invalid",
            "--flash_mode=--x lacks its value",
            None,
            "write a value after it, such as --flash_mode keep",
            id="dashes-for-a-value",
        ),
        pytest.param(
            "--encrypt 0x0 a.bin", "flash-args-invalid", "unknown option --encrypt", None, KNOWN, id="unknown-option"
        ),
        pytest.param(
            "--erase-all",
            "flash-args-invalid",
            "unknown option --erase-all",
            None,
            KNOWN,
            id="unknown-option-at-the-end",
        ),
        pytest.param(
            "<html> <body>", "not-a-size", "'<html>' is not a size or offset", "<html>", SPELLING, id="another-file"
        ),
    ],
)
def test_parse_refuses(text, code, message, where, hint):
    with pytest.raises(FormatError) as caught:
        parse_download_config(text)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("offset", ["0x3b000", "236K", "241664"])
def test_two_files_at_one_offset(offset):
    with pytest.raises(FormatError) as caught:
        parse_download_config(f"{TEXT} {offset} other.bin")
    assert caught.value.code == "image-named-twice"
    assert caught.value.message == "two files go to 0x3b000: customized_partitions/mqtt_ca.bin and other.bin"
    assert caught.value.hint == ("keep the line with the file that belongs to 0x3b000, and remove the other one")
    assert caught.value.facts == {"offset": 0x3B000}


@pytest.mark.parametrize("offset", [-1, 1 << 32])
def test_image_outside_any_flash(offset):
    with pytest.raises(FormatError) as caught:
        FlashImage(offset, "a.bin")
    assert caught.value.code == "offset-outside-flash"
    assert caught.value.message == f"'a.bin' at offset {offset:#x} is outside any flash"


@pytest.mark.parametrize(
    ("option", "setting"),
    [("--flash_mode", "mode"), ("--flash-freq", "freq"), ("flash_size", "size"), ("--mode", "mode"), ("-flash", None)],
)
def test_flash_setting(option, setting):
    if setting:
        assert flash_setting(option) == setting
        return
    with pytest.raises(FormatError) as caught:
        flash_setting(option)
    assert caught.value.code == "flash-args-invalid"
    assert (caught.value.message, caught.value.hint) == (f"unknown option {option}", KNOWN)
