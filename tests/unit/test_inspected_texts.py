"""The text files that name images: what they list, and whether it is there."""

from __future__ import annotations

import hashlib
import json

import pytest
from plans import sample_plan

from platformio_esp_at.commands.inspected_texts import text_artifact
from platformio_esp_at.commands.inspection import describe, inspect_path
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.device.session import Device, Security
from platformio_esp_at.errors import FormatError
from platformio_esp_at.events import ImageDone
from platformio_esp_at.formats.backup import MANIFEST as BACKUP_MANIFEST
from platformio_esp_at.formats.backup import Application, Backup, SavedPart
from platformio_esp_at.outputs.folder import write_image_set
from platformio_esp_at.outputs.image_set import MANIFEST
from platformio_esp_at.outputs.report import REPORT, write_report

CONFIG = "--flash_mode dio --flash_freq 40m --flash_size 4MB 0x1000 boot/loader.bin 0x10000 esp-at.bin"


@pytest.fixture
def image_set(tmp_path):
    folder = tmp_path / "build" / "esp_at"
    write_image_set(sample_plan(tmp_path), folder)
    return folder


# --- download.config and flasher_args.json ---


def test_download_config(tmp_path):
    (tmp_path / "esp-at.bin").write_bytes(bytes(100))
    (tmp_path / "list.txt").write_text(CONFIG.replace(" 0x", "\n0x"))
    assert inspect_path(tmp_path / "list.txt") == {
        "kind": "download_config",
        "flash_mode": "dio",
        "flash_freq": "40m",
        "flash_size": "4MB",
        "images": [
            {"offset": 0x1000, "path": "boot/loader.bin", "exists": False, "size": None},
            {"offset": 0x10000, "path": "esp-at.bin", "exists": True, "size": 100},
        ],
    }
    assert describe(inspect_path(tmp_path / "list.txt")).splitlines()[4:] == [
        "images:",
        "  offset   path             exists  size",
        "  0x1000   boot/loader.bin  False   none",
        "  0x10000  esp-at.bin       True    100",
    ]


def test_without_a_folder_no_file_is_looked_for():
    decoded = text_artifact(CONFIG.encode())
    assert decoded
    assert decoded["images"][0] == {"offset": 0x1000, "path": "boot/loader.bin"}


@pytest.mark.parametrize("name", ["x" * 5000, "\\ud800", "\\u0000", "a/../../b"])
def test_a_path_that_can_not_be(tmp_path, name):
    (tmp_path / "args.json").write_text('{"flash_files": {"0x1000": "%s"}}' % name)  # noqa: UP031
    (image,) = inspect_path(tmp_path / "args.json")["images"]
    assert (image["exists"], image["size"]) == (False, None)


def test_flasher_args_of_an_idf_build(tmp_path):
    args = {
        "write-flash-args": ["--flash-mode", "dio"],
        "flash-settings": {"flash-mode": "dio", "flash-size": "2MB", "flash-freq": "80m"},
        "flash-files": {"0x8000": "partition_table/partition-table.bin"},
        "extra-esptool-args": {"after": "hard-reset", "before": "default-reset", "stub": True, "chip": "esp32c3"},
    }
    (tmp_path / "flasher_args.json").write_text(json.dumps(args))
    decoded = inspect_path(tmp_path / "flasher_args.json")
    assert [decoded[name] for name in ("kind", "chip", "flash_mode", "flash_freq", "flash_size")] == [
        "flasher_args",
        "esp32c3",
        "dio",
        "80m",
        "2MB",
    ]
    assert [image["path"] for image in decoded["images"]] == ["partition_table/partition-table.bin"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--flash_mode dio", "download.config names no image"),
        ("0x1000 a.bin 0x8000", "has no file or no offset"),
        ('{"flash_files": {}}', "it names no image"),
        ('{"flash_files": ', "not JSON"),
    ],
)
def test_a_damaged_list_has_the_error_of_its_reader(tmp_path, text, message):
    (tmp_path / "list").write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        inspect_path(tmp_path / "list")
    assert (caught.value.code, caught.value.facts["file"]) == ("flash-args-invalid", str(tmp_path / "list"))


# --- files and folders of ours ---


def test_an_image_set(image_set):
    decoded = inspect_path(image_set)
    manifest = json.loads((image_set / MANIFEST).read_bytes())
    assert {name: decoded[name] for name in ("kind", "chip", "module")} == {
        "kind": "image_set",
        "chip": "esp32",
        "module": "WROOM-32",
    }
    assert decoded["images"] == [image | {"state": "as listed"} for image in manifest["images"]]
    assert decoded["partition_table"]["kind"] == "partition_table"
    assert decoded["content"]["customized_partitions/factory_param.bin"]["uart_tx_pin"] == 17
    assert decoded["content"]["phy_init_data.bin"] == {
        "kind": "phy_init",
        "size": 128,
        "sha256": hashlib.sha256(bytes(128)).hexdigest(),
        "sets": [],
    }
    listed = inspect_path(image_set / MANIFEST)
    assert listed == {name: decoded[name] for name in decoded if name in listed}
    assert "content" not in listed


def test_an_image_set_that_was_changed(image_set):
    """Then what is in its images is no longer what was made."""
    (image_set / "esp-at.bin").write_bytes(b"changed")
    (image_set / "at_customize.bin").unlink()
    (image_set / "phy_init_data.bin").unlink()
    (image_set / "phy_init_data.bin").mkdir()
    decoded = inspect_path(image_set)
    states = {image["path"]: image["state"] for image in decoded["images"]}
    assert {path: state for path, state in states.items() if state != "as listed"} == {
        "esp-at.bin": "differs",
        "at_customize.bin": "missing",
        "phy_init_data.bin": "can't be read: it is a folder, a file is needed",
    }
    assert "content" not in decoded


def test_a_run_report(tmp_path):
    facts = {"verified": ["ota_0"], "kept": ["nvs"], "test": {"holds": True, "aspects": [{"name": "Boot"}]}}
    images = [ImageDone("ota_0", 0x100000, 40000, 8192)]
    write_report(
        tmp_path / "esp_at",
        None,
        command="x",
        device=Device("COM3", "esp32", Security()),
        images=images,
        state="whole",
        error=None,
        facts=facts,
    )
    decoded = inspect_path(tmp_path / REPORT)
    assert decoded == {"kind": "run_report", **json.loads((tmp_path / REPORT).read_bytes())}
    text = describe(decoded, 80)
    assert "ended: succeeded" in text.splitlines()
    assert ["ota_0", "0x100000", "40000", "8192", "written"] in [line.split() for line in text.splitlines()]
    assert max(map(len, text.splitlines())) <= 80


def test_a_backup(tmp_path):
    parts = [b"a" * 4096, b"b" * 4096]
    saved = [
        SavedPart(name, f"flash/{name}.bin", number * 4096, 4096, hashlib.sha256(part).hexdigest())
        for number, (name, part) in enumerate(zip(("nvs", "otadata"), parts, strict=True))
    ]
    backup = Backup("esp32", "02:00", None, raw=False, application=None, saved=tuple(saved))
    (tmp_path / BACKUP_MANIFEST).write_bytes(backup.to_bytes("platformio-esp-at 1.0"))
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash/nvs.bin").write_bytes(parts[0])
    decoded = inspect_path(tmp_path)
    assert decoded == inspect_path(tmp_path / BACKUP_MANIFEST)
    assert (decoded["kind"], decoded["chip"], decoded["mac"], decoded["raw"]) == ("backup", "esp32", "02:00", False)
    assert [(row["name"], row["state"]) for row in decoded["saved"]] == [("nvs", "as listed"), ("otadata", "missing")]


def test_a_backup_of_a_module_with_an_application():
    application = Application("ota_0", 0x60000, "v4.1.1.0", "0" * 64)
    saved = (SavedPart("nvs", "flash/nvs.bin", 0x9000, 4096, "1" * 64),)
    data = Backup("esp32", None, 4 << 20, raw=False, application=application, saved=saved).to_bytes("platformio-esp-at")
    decoded = text_artifact(data)
    assert decoded
    assert decoded["application"]["version"] == "v4.1.1.0"
    assert json.loads(json.dumps(decoded)) == decoded


OURS = '"generator": "platformio-esp-at 1.0"'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{%s, 'flash_settings': {}, 'images': 1}", "manifest-damaged"),
        ("{%s, 'flash_settings': {}, 'images': [1]}", "manifest-damaged"),
        ("{%s, 'flash_settings': {}, 'images': [{'path': 'a'}]}", "manifest-damaged"),
        ("{%s, 'ended': [[[[[[[[[[]]]]]]]]]]}", "manifest-damaged"),
        ("{%s, 'saved': []}", "backup-format"),
        ("{%s}", "unknown-artifact"),
        ("{%s, 'ended': NaN}", "unknown-artifact"),
        ("{'generator': 'another tool', 'ended': 1}", "unknown-artifact"),
        ("{'a': 1}", "unknown-artifact"),
        ("[1]", "unknown-artifact"),
        ("dear reader", "unknown-artifact"),
        ("0x12 ", "unknown-artifact"),
        ("{" + " " * (1 << 20), "unknown-artifact"),
    ],
)
def test_refused(tmp_path, text, code):
    file = tmp_path / "text"
    file.write_text(text.replace("'", '"').replace("%s", OURS))
    with pytest.raises(FormatError) as caught:
        inspect_path(file)
    assert caught.value.code == code
    if code == "unknown-artifact":
        assert "download.config, flasher_args.json" in caught.value.hint


def test_a_kind_of_its_own_hides_nothing():
    decoded = text_artifact(b'{"generator": "platformio-esp-at 1.0", "ended": "succeeded", "kind": "blank"}')
    assert decoded
    assert decoded["kind"] == "run_report"


def test_a_package_s_own_lists_are_known():
    for chip in ("esp32", "esp8266", "esp32c3"):
        files = sample_package(chip)
        for name in ("download.config", "flasher_args.json"):
            decoded = text_artifact(files[name])
            assert decoded
            assert {image["path"] for image in decoded["images"]} <= set(files)
