"""flasher_args.json: the same as download.config, and the chip."""

from __future__ import annotations

import json

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.download_config import FlashArgs, FlashImage
from platformio_esp_at.formats.esp_image import FlashSettings
from platformio_esp_at.formats.flasher_args import format_flasher_args, parse_flasher_args

TEXT = """\
{
    "write_flash_args": [
        "--flash_mode",
        "dio",
        "--flash_freq",
        "60m",
        "--flash_size",
        "2MB"
    ],
    "flash_settings": {
        "flash_mode": "dio",
        "flash_freq": "60m",
        "flash_size": "2MB"
    },
    "flash_files": {
        "0x0": "bootloader/bootloader.bin",
        "0x60000": "esp-at.bin"
    },
    "extra_esptool_args": {
        "after": "hard_reset",
        "before": "default_reset",
        "stub": true,
        "chip": "esp32c2"
    }
}
"""
ARGS = FlashArgs(
    FlashSettings("dio", "60m", "2MB"),
    (FlashImage(0, "bootloader/bootloader.bin"), FlashImage(0x60000, "esp-at.bin")),
    "esp32c2",
)
FILES = {"0x0": "bootloader/bootloader.bin", "0x60000": "esp-at.bin"}


def test_both_ways():
    assert parse_flasher_args(TEXT) == ARGS
    assert format_flasher_args(ARGS) == TEXT


def test_without_a_chip():
    args = FlashArgs(ARGS.settings, ARGS.images)
    assert json.loads(format_flasher_args(args))["extra_esptool_args"]["chip"] is None
    assert parse_flasher_args(format_flasher_args(args)) == args


def _parse(**root) -> FlashArgs:
    return parse_flasher_args(json.dumps({"flash_files": FILES, **root}))


@pytest.mark.parametrize(
    "root",
    [
        pytest.param(
            {"flash_settings": {"flash_mode": "dio", "flash_freq": "60m", "flash_size": "2MB"}}, id="settings"
        ),
        pytest.param({"flash-settings": {"flash-mode": "dio", "flash-freq": "60m", "flash-size": "2MB"}}, id="dashes"),
        pytest.param(
            {"write_flash_args": ["--flash_mode", "dio", "--flash_freq", "60m", "--flash_size", "2MB"]}, id="arguments"
        ),
        pytest.param(
            {"write_flash_args": ["--flash-mode", "dio", "--flash-freq", "60m", "--flash-size", "2MB"]},
            id="arguments-with-dashes",
        ),
    ],
)
def test_settings(root):
    assert _parse(**root) == FlashArgs(ARGS.settings, ARGS.images)


def test_settings_that_are_not_given_are_kept():
    assert _parse() == FlashArgs(FlashSettings("keep", "keep", "keep"), ARGS.images)


def test_what_idf_writes_besides_is_ignored():
    args = _parse(
        bootloader={"offset": "0x0", "file": "bootloader/bootloader.bin", "encrypted": "false"},
        extra_esptool_args={"after": "hard_reset", "chip": "esp32c2"},
    )
    assert (args.images, args.chip) == (ARGS.images, "esp32c2")


def test_backslashes_and_offsets_with_units():
    assert _parse(flash_files={"64K": "a\\b.bin"}).images == (FlashImage(0x10000, "a/b.bin"),)


SPELLING = "write 4096, 0x1000, 4K or 1M"
KNOWN = "known: --flash_mode, --flash_freq, --flash_size"
NO_OBJECT = "it must be an object"


@pytest.mark.parametrize(
    ("root", "code", "message", "where", "hint"),
    [
        pytest.param(
            {"flash_files": {}},
            "flash-args-invalid",
            "it names no image",
            "flash_files",
            'write {"0x8000": "partition_table/partition-table.bin", …}',
            id="no-image",
        ),
        pytest.param(
            {"flash_files": None},
            "flash-args-invalid",
            NO_OBJECT,
            "flash_files",
            'write "flash_files": {…}',
            id="files-null",
        ),
        pytest.param(
            {"flash_files": ["0x0", "a.bin"]},
            "flash-args-invalid",
            NO_OBJECT,
            "flash_files",
            'write "flash_files": {…}',
            id="files-list",
        ),
        pytest.param(
            {"flash_files": {"zero": "a"}},
            "not-a-size",
            "'zero' is not a size or offset",
            "flash_files.zero",
            SPELLING,
            id="offset-word",
        ),
        pytest.param(
            {"flash_files": {"0x100000000": "a"}},
            "offset-outside-flash",
            "'a' at offset 0x100000000 is outside any flash",
            "flash_files.0x100000000",
            "write the offset of the image in flash, such as 0x10000",
            id="offset-over-32-bits",
        ),
        pytest.param(
            {"flash_files": {"0x0": 5}},
            "flash-args-invalid",
            "5 must be text",
            "flash_files.0x0",
            'write it in double quotes: "5"',
            id="path-number",
        ),
        pytest.param(
            {"flash_settings": []},
            "flash-args-invalid",
            NO_OBJECT,
            "flash_settings",
            'write "flash_settings": {…}',
            id="settings-list",
        ),
        pytest.param(
            {"flash_settings": {"flash_speed": "40m"}},
            "flash-args-invalid",
            "unknown option flash_speed",
            "flash_settings",
            KNOWN,
            id="unknown-setting",
        ),
        pytest.param(
            {"flash_settings": {"flash_mode": 2}},
            "flash-args-invalid",
            "2 must be text",
            "flash_settings",
            'write it in double quotes: "2"',
            id="setting-number",
        ),
        pytest.param(
            {"write_flash_args": "--flash_mode dio"},
            "flash-args-invalid",
            "it must be a list of options and values",
            "write_flash_args",
            'write ["--flash_mode", "dio", …]',
            id="arguments-text",
        ),
        pytest.param(
            {"write_flash_args": ["--flash_mode"]},
            "flash-args-invalid",
            "it must be a list of options and values",
            "write_flash_args",
            'write ["--flash_mode", "dio", …]',
            id="option-without-value",
        ),
        pytest.param(
            {"write_flash_args": ["--encrypt", "1"]},
            "flash-args-invalid",
            "unknown option --encrypt",
            "flash_settings",
            KNOWN,
            id="unknown-option",
        ),
        pytest.param(
            {"write_flash_args": [1, 2]},
            "flash-args-invalid",
            "1 must be text",
            "flash_settings",
            'write it in double quotes: "1"',
            id="option-number",
        ),
        pytest.param(
            {"extra_esptool_args": "esp32"},
            "flash-args-invalid",
            NO_OBJECT,
            "extra_esptool_args",
            'write "extra_esptool_args": {…}',
            id="extra-text",
        ),
        pytest.param(
            {"extra_esptool_args": {"chip": 32}},
            "flash-args-invalid",
            "32 must be text",
            None,
            'write it in double quotes: "32"',
            id="chip-number",
        ),
    ],
)
def test_parse_refuses(root, code, message, where, hint):
    with pytest.raises(FormatError) as caught:
        _parse(**root)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        pytest.param("[]", NO_OBJECT, "its root", id="list"),
        pytest.param("null", NO_OBJECT, "its root", id="null"),
        pytest.param("{}", NO_OBJECT, "flash_files", id="no-files"),
        pytest.param("", "not JSON: Expecting value: line 1 column 1 (char 0)", None, id="empty"),
        pytest.param(TEXT[:-3], "not JSON: ", None, id="cut"),
        pytest.param("[" * 100000, "not JSON: ", None, id="nested-100000-deep"),
        pytest.param("9" * 5000, "not JSON: ", None, id="5000-digits"),
    ],
)
def test_text_refused(text, message, where):
    with pytest.raises(FormatError) as caught:
        parse_flasher_args(text)
    assert (caught.value.code, caught.value.where) == ("flash-args-invalid", where)
    assert caught.value.message.startswith(message)


def _with_files(files: str) -> str:
    return json.dumps({"flash_files": "HERE"}).replace('"HERE"', files)


@pytest.mark.parametrize(
    "files",
    [
        '{"0x0": "a.bin", "0x0": "a.bin"}',
        '{"0x0": "a.bin", "0": "./a.bin"}',
        '{"0x0": "a.bin", "0x00": "a.bin"}',
    ],
)
def test_an_image_that_is_named_twice_counts_once(files):
    assert parse_flasher_args(_with_files(files)).images == (FlashImage(0, "a.bin"),)


def test_two_files_at_one_offset():
    with pytest.raises(FormatError) as caught:
        parse_flasher_args(_with_files('{"0x1000": "a.bin", "4K": "b.bin"}'))
    assert (caught.value.code, caught.value.where) == ("image-named-twice", "flash_files")
    assert caught.value.message == "two files go to 0x1000: a.bin and b.bin"
    assert "remove the other one" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (_with_files('{"0x1000": "a.bin", "0x1000": "b.bin"}'), "0x1000"),
        (_with_files('{"0x1000": "a.bin"}, "flash-files": {"0x2000": "a.bin"}'), "flash_files"),
        (
            _with_files('{"0x1000": "a.bin"}, "flash_settings": {"flash_mode": "dio", "flash-mode": "qio"}'),
            "flash_mode",
        ),
    ],
)
def test_one_key_with_two_values(text, key):
    with pytest.raises(FormatError) as caught:
        parse_flasher_args(text)
    assert caught.value.code == "flash-args-invalid"
    assert caught.value.message == f"the key {key} is there twice, with different values"
    assert caught.value.hint == f"keep the {key} that is right, and remove the other one"


def test_one_key_twice_with_the_same_value():
    text = _with_files('{"0x0": "a.bin"}, "flash-files": {"0x0": "a.bin"}, "x": NaN, "x": NaN, "y": 1, "y": 1')
    assert parse_flasher_args(text).images == (FlashImage(0, "a.bin"),)
