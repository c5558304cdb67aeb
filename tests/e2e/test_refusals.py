"""Bad input ends with one message that names file, place and next step; the module and the folder stay as they were."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from platformio_esp_at.demo.sample_package import sample_package

BIG_PEM = "-----BEGIN CERTIFICATE-----\n" + "QUJD" * 2500 + "\n-----END CERTIFICATE-----\n"
YML = "firmware: firmware.zip\nmodule: WROOM-32\n"
OVERLAP = """\
# Name, Type, SubType, Offset, Size
factory_param, 0x40, 8, 0x30000, 4K

ours, 0x40, 15, 0x30000, 4K
"""


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def changed(**changes: bytes | None) -> bytes:
    """Return the sample package as a zip, some files of it replaced or (None) left out."""
    files = sample_package("esp32") | changes
    return zipped({name: data for name, data in files.items() if data is not None})


def escaping() -> bytes:
    """Return a zip whose download.config reaches for a file outside."""
    files = sample_package("esp32")
    del files["flasher_args.json"]
    files["download.config"] = files["download.config"].replace(b" esp-at.bin", b" ../../esp-at.bin")
    return zipped(files | {"../../esp-at.bin": files["esp-at.bin"]})


def damaged_app() -> bytes:
    app = bytearray(sample_package("esp32")["esp-at.bin"])
    app[0x100] ^= 1
    return bytes(app)


SAMPLE = zipped(sample_package("esp32"))

# What is wrong: esp_at.yml, the files that it needs, the code of the refusal, and what else its message must have.
PROJECTS = {
    "no such zip": (
        "firmware: nowhere.zip\n",
        {},
        "firmware-not-found",
        ["esp_at.yml:1: ", "'nowhere.zip'", "looked for "],
    ),
    "truncated zip": (
        YML,
        {"firmware.zip": SAMPLE[:30000]},
        "zip-damaged",
        ["esp_at.yml:1:firmware.zip: ", "download the firmware package again"],
    ),
    "damaged zip": (
        YML,
        {"firmware.zip": SAMPLE.replace(b"stand-in", b"stand-by", 1)},
        "zip-damaged",
        ["esp_at.yml:1:firmware.zip:bootloader/bootloader.bin: ", "download the firmware package again"],
    ),
    "zip that reaches out": (
        YML,
        {"firmware.zip": escaping()},
        "path-escapes",
        ["esp_at.yml:1:firmware.zip:../../esp-at.bin: "],
    ),
    "missing image": (
        YML,
        {"firmware.zip": changed(**{"esp-at.bin": None})},
        "package-incomplete",
        ["esp_at.yml:1:firmware.zip: ", "esp-at.bin is missing", "download the package again"],
    ),
    "damaged application": (
        YML,
        {"firmware.zip": changed(**{"esp-at.bin": damaged_app()})},
        "image-checksum",
        ["esp-at.bin:0x402f: ", "download the firmware package again"],
    ),
    "application of another chip": (
        YML,
        {"firmware.zip": changed(**{"esp-at.bin": sample_package("esp32c3")["esp-at.bin"]})},
        "image-other-chip",
        ["esp-at.bin: ", "ESP32", "take the firmware package of the module's chip"],
    ),
    "empty folder": (
        "firmware: data\n",
        {"data/readme.txt": "no firmware"},
        "not-a-package",
        ["esp_at.yml:1:data: ", "take the zip as Espressif releases it"],
    ),
    "board with another chip": (
        "firmware: firmware.zip\nboard: esp32-c3-devkitm-1\n",
        {},
        "board-other-chip",
        [
            "esp32-c3-devkitm-1 has an ESP32-C3",
            "firmware is for ESP32  [board-other-chip]\n",
            "take the firmware package of that chip",
        ],
    ),
    "unknown board": (
        "firmware: firmware.zip\nboard: esp32dew\n",
        {},
        "unknown-board",
        ["esp_at.yml:2: ", "did you mean esp32dev"],
    ),
    "unknown module": (
        "firmware: firmware.zip\nmodule: WROM-32\n",
        {},
        "unknown-module",
        ["esp_at.yml:2: ", "did you mean WROOM-32"],
    ),
    "unknown option": (
        YML + "factory_params: {}\n",
        {},
        "unknown-option",
        ["esp_at.yml:3:1: ", "did you mean factory_param"],
    ),
    "unknown parameter": (
        YML + "factory_param:\n  uart_tx: 5\n",
        {},
        "unknown-parameter",
        ["esp_at.yml:4:3: ", "'uart_tx'", "did you mean uart_tx_pin"],
    ),
    "not YAML": (YML + "skip: [ble_data\n", {}, "not-yaml", ["esp_at.yml:4: "]),
    "overlap in the table": (
        YML + "partitions: ours.csv\n",
        {"ours.csv": OVERLAP},
        "table-overlap",
        ["ours.csv:4: ", "'ours'", "'factory_param'", "move it to 0x31000"],
    ),
    "cut row in the table": (
        YML + "partitions: ours.csv\n",
        {"ours.csv": OVERLAP[: OVERLAP.rindex(" 0x30000")]},
        "table-row-invalid",
        ["ours.csv:4: ", "write name, type, subtype, offset, size, separated by commas"],
    ),
    "certificate too large": (
        YML + "pki: {mqtt_ca: big.pem}\n",
        {"big.pem": BIG_PEM},
        "content-too-large",
        ["'mqtt_ca' has 8192 bytes", "(big.pem) 10068", "make the partition larger"],
    ),
    "key for a certificate": (
        YML + "pki: {mqtt_ca: key.pem}\n",
        {"key.pem": "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n"},
        "key-in-certificate-file",
        ["key.pem:1: ", "give it on its own, as the key"],
    ),
    "GATT table of another kind": (
        YML + "gatts: g.csv\n",
        {"g.csv": "uuid,color\n"},
        "gatt-csv-invalid",
        ["g.csv:1: ", "'color'", "known: index, perm, uuid"],
    ),
    "data that is not there": (
        YML + "data: {fatfs: f.bin}\n",
        {},
        "file-not-found",
        ["esp_at.yml:3: f.bin ", "looked for "],
    ),
}


def one_message(done) -> str:
    """Return the one message on stderr."""
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("Error: ") == 1
    return done.stderr


def code_of(message: str) -> str:
    """Return the code of a message: in brackets, at the end of its first line."""
    found = re.fullmatch(r"Error: .*\S  \[([a-z0-9-]+)\]", message.splitlines()[0])
    assert found, message
    return found[1]


@pytest.mark.parametrize("fault", PROJECTS)
def test_a_faulty_project_is_refused_before_anything_is_written(fault, project, esp_at, used_module):
    yml, files, code, told = PROJECTS[fault]
    module = used_module()
    folder = project(yml=yml, **files)
    before = sorted(folder.rglob("*"))
    message = one_message(esp_at("flash", "-p", module.port, cwd=folder, code=1))
    assert code_of(message) == code
    for part in told:
        assert part in message
    assert module.untouched
    assert sorted(folder.rglob("*")) == before
    assert esp_at("explain", code).stdout.startswith(f"{code}\n")


@pytest.mark.parametrize("fault", PROJECTS)
def test_pio_refuses_it_with_the_same_code_place_and_next_step(fault, project, at_pio, used_module):
    yml, files, code, told = PROJECTS[fault]
    module = used_module()
    folder = project("[env:a]\nplatform = espressif_at\nboard = esp32dev\n", yml, **files)
    message = one_message(at_pio(f"run -t upload_at --upload-port {module.port}", folder, code=1))
    assert code_of(message) == code
    for part in told:
        assert part in message
    assert module.untouched
    assert not (folder / ".pio/build/a/esp_at").exists()


def test_pio_names_the_place_in_platformio_ini(project, at_pio, used_module):
    ini = "[env:a]\nplatform = espressif_at\nboard = esp32dev\ncustom_at_firmware = {}\n"
    module = used_module()
    folder = project(ini.format("cut.zip"), **{"cut.zip": SAMPLE[:30000]})
    message = one_message(at_pio(f"run -t upload_at --upload-port {module.port}", folder, code=1))
    assert message.startswith("Error: platformio.ini [env:a] custom_at_firmware:cut.zip: ")
    assert code_of(message) == "zip-damaged"
    assert "\n  download the firmware package again\n" in message
    assert module.untouched
    assert not (folder / ".pio/build/a/esp_at").exists()

    folder = project(ini.format("firmware.zip") + "custom_at_modul = WROOM-32\n")
    message = one_message(at_pio("run -t info_at", folder, code=1))
    assert message.startswith(
        "Error: platformio.ini [env:a] custom_at_modul: unknown option 'modul'  [unknown-option]\n"
        "  did you mean custom_at_module?"
    )

    folder = project(ini.format("firmware.zip") + "custom_esp_at_module = WROOM-32\n")
    message = one_message(at_pio("run -t info_at", folder, code=1))
    assert message.startswith(
        "Error: platformio.ini [env:a] custom_esp_at_module: unknown option 'custom_esp_at_module'  [unknown-option]\n"
        "  did you mean custom_at_module?"
    )

    folder = project(ini.replace("custom_at_firmware = {}\n", ""))
    message = one_message(at_pio("run -t info_at", folder, code=1))
    assert code_of(message) == "firmware-missing"
    assert "\n  write custom_at_firmware = latest in platformio.ini; esp-at releases" in message


def test_folders_of_others_are_not_replaced(project, esp_at, used_module):
    module = used_module()
    folder = project(yml=YML, **{"mine/letter.txt": "dear reader"})
    message = one_message(esp_at("flash", "-p", module.port, "-o", "mine", cwd=folder, code=1))
    assert message.startswith("Error: mine holds other files: letter.txt  [output-folder-foreign]\n")
    assert "name a new or empty folder" in message
    assert module.untouched
    assert [path.name for path in (folder / "mine").rglob("*")] == ["letter.txt"]


def test_files_that_came_into_an_image_set_are_not_lost(project, esp_at):
    folder = project(yml=YML)
    esp_at("package", cwd=folder)
    esp_at("package", cwd=folder)
    (folder / "build/esp_at/mine.zip").write_bytes(b"mine")
    message = one_message(esp_at("package", cwd=folder, code=1))
    place = Path("build/esp_at")
    assert f"{place} holds other files: mine.zip  [output-folder-foreign]\n  move them away" in message
    assert (folder / "build/esp_at/mine.zip").read_bytes() == b"mine"


def test_the_folder_that_one_is_in_is_not_replaced(project, esp_at):
    folder = project(yml=YML, **{"empty/x": ""})
    (folder / "empty/x").unlink()
    message = one_message(esp_at("package", "-C", "..", "-o", ".", cwd=folder / "empty", code=1))
    assert code_of(message) == "output-is-current-folder"
    assert "it is or contains the current folder" in message
    assert "\n  name a folder of its own" in message
    assert list((folder / "empty").iterdir()) == []


def test_a_port_that_is_not_there(project, esp_at):
    folder = project(yml=YML)
    message = one_message(esp_at("flash", "-p", "/dev/no-such-port", cwd=folder, code=1))
    assert code_of(message) == "port-absent"
    assert "/dev/no-such-port" in message
    assert "write its port" in message
    message = one_message(esp_at("flash", "-p", "--before", cwd=folder, code=1))
    assert code_of(message) == "not-a-port"
    assert "'--before'" in message


@pytest.mark.parametrize(
    ("command", "size"),
    [(["flash"], 1 << 20), (["flash"], 2 << 20), (["flash", "--factory"], 2 << 20)],
    ids=["images-after-the-end", "layout-after-the-end", "factory-image"],
)
def test_a_device_with_too_little_flash(command, size, project, esp_at, used_module):
    module = used_module(size=size)
    message = one_message(esp_at(*command, "-p", module.port, cwd=project(yml=YML), code=1))
    assert code_of(message) == "device-flash-too-small"
    assert f"the device has {size >> 20}MB of flash" in message
    assert module.untouched


@pytest.mark.parametrize("command", [["flash"], ["flash", "--factory"], ["verify"], ["erase"]], ids=" ".join)
def test_a_device_of_another_chip(command, project, esp_at, used_module):
    module = used_module("esp32c3")
    message = one_message(esp_at(*command, "-p", module.port, cwd=project(yml=YML), code=1))
    assert code_of(message) == "device-other-chip"
    assert module.untouched


# --- outputs that take nothing ---


def ended(folder, arguments: str, *, redirected: str) -> str:
    """Return what is on stderr where a shell has redirected the output of esp-at; it must end with 1."""
    command = f'"{sys.executable}" -m platformio_esp_at {arguments} {redirected}'
    # Unbuffered streams lose what they can't write; those of most people keep it until Python ends.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="need /dev/full")
@pytest.mark.parametrize("command", ["info", "package", "flash -p {port}", "modules --json", "--help"])
def test_an_output_that_takes_nothing(command, project, used_module):
    folder = project(yml=YML)
    module = used_module()
    command = command.format(port=module.port)
    full = "Error: the output can't be written: No space left on device\n"
    assert ended(folder, command, redirected=">/dev/full") == full
    assert ended(folder, command, redirected=">&-") == "Error: the output can't be written: Bad file descriptor\n"
    assert not ended(folder, command, redirected=">/dev/full 2>/dev/full")
    assert not ended(folder, command, redirected="| true; exit ${PIPESTATUS[0]}")
    assert module.untouched


@pytest.mark.skipif(sys.platform != "linux", reason="need /dev/full")
@pytest.mark.parametrize("command", ["info --firmware nothing.zip", "info --no-such-option", "modules --chip esp99"])
def test_a_refusal_that_nobody_can_read(command, project):
    folder = project(yml=YML)
    assert not ended(folder, command, redirected="2>/dev/full")
    assert not ended(folder, command, redirected=">/dev/full 2>/dev/full")


@pytest.mark.skipif(sys.platform == "win32", reason="need POSIX: closed pipes are reported in other ways elsewhere")
def test_an_output_that_closes_does_not_end_a_flash(project, used_module):
    folder = project(yml=YML)
    module = used_module()
    run = subprocess.Popen(
        [sys.executable, "-m", "platformio_esp_at", "flash", "-p", module.port],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdout.readline().startswith(b"Firmware package: ")
    run.stdout.close()
    errors = run.stderr.read()
    run.stderr.close()
    assert run.wait(60) == 1
    assert b"Error: " not in errors
    assert module.flash == module.after_upload(folder / "build/esp_at")
    assert {path.name for path in (folder / "build").iterdir()} == {"esp_at", "esp_at_report.json"}
