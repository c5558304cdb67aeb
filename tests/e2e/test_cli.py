"""The command `esp-at`, as a program: what it writes, prints and returns."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at import __version__
from platformio_esp_at.catalog.releases import released_packages
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package

YML = "firmware: firmware.zip\nmodule: WROOM-32\n"
CERTIFICATE = (Path(__file__).parents[2] / "examples/flash-only/certs/ca.pem").read_text()

BOARD = {
    "name": "Someone's board with an ESP32-WROVER",
    "build": {"mcu": "esp32"},
    "upload": {"flash_size": "8MB", "maximum_size": 1310720},
}


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_project_from_package_to_verify(project, esp_at, simulated_module, used_module):
    folder = project(yml=YML)
    output = folder / "build/esp_at"

    assert "0x12000   56KB    nvs" in esp_at("info", cwd=folder).stdout
    assert not output.exists()

    esp_at("package", cwd=folder)
    made = files_in(output)
    sample = sample_package("esp32")
    assert {path: made[path] for path in sample if path in made and path.endswith(".bin")} == {
        path: data for path, data in sample.items() if path.endswith(".bin") and "factory_param_" not in path
    }
    esp_at("package", "-C", folder, "-o", "elsewhere")
    assert files_in(folder.parent / "elsewhere") == made
    images = json.loads(made["esp_at_manifest.json"])["images"]
    assert {image["path"] for image in images} | {
        "download.config",
        "flasher_args.json",
        "esp_at_manifest.json",
        "factory/factory_WROOM-32.bin",
        "factory/factory_WROOM-32_unfilled.bin",
    } == set(made)

    module = used_module()
    esp_at("flash", "-p", module.port, cwd=folder)
    assert module.flash == module.after_upload(output)
    assert "The device has all 17 images of the plan: " in esp_at("verify", "-p", module.port, cwd=folder).stdout

    changed = bytearray(module.flash)
    changed[0x100100] ^= 0x80
    spoiled = simulated_module("esp32", flash=bytes(changed))
    refused = esp_at("verify", "-p", spoiled.port, cwd=folder, code=1)
    told = "Error: the device has other content in ota_0 from 0x100100 on  [content-differs]\n  upload again"
    assert told in refused.stderr
    assert spoiled.writes == []

    said = esp_at("flash", "--factory", "-p", module.port, cwd=folder).stdout
    assert said.index("The factory image erases the first 4MB of the flash.") < said.index("Connected at ")
    assert module.flash == made["factory/factory_WROOM-32.bin"]


@pytest.mark.parametrize("chip", ["esp32", "esp8266", "esp32c6"])
def test_erase(chip, project, esp_at, used_module):
    """All of the flash, also what is beyond the flash size that the firmware uses."""
    folder = project(yml="firmware: firmware.zip\n", chip=chip)
    device = used_module(chip, 8 << 20)
    said = esp_at("erase", "-p", device.port, cwd=folder).stdout
    assert set(device.flash) == {0xFF}
    assert (device.erases, device.writes) == ([(0, 8 << 20)], [])
    marks = ["Connected at ", "Erasing the whole flash of the module ", "is blank now"]
    assert sorted(marks, key=said.index) == marks
    assert {path.name for path in folder.iterdir()} == {"build", "esp_at.yml", "firmware.zip"}
    assert [path.name for path in (folder / "build").iterdir()] == ["esp_at_report.json"]


def test_erase_for_a_project_with_an_error(project, esp_at, used_module):
    folder = project(yml=f"{YML}factory_param: {{uart_tx_pin: 99}}\n")
    device = used_module()
    esp_at("erase", "-p", device.port, cwd=folder, code=1)
    assert device.untouched


def test_options_of_the_command_line_win(project, esp_at):
    folder = project(
        yml=YML + "factory_param: {uart_tx_pin: 4, uart_rx_pin: 5}\nskip: [ble_data]\n",
        **{"ca.pem": CERTIFICATE, "own.csv": "factory_param, 0x40, 8, 0x30000, 4K\nours, 0x40, 15, 0x3d000, 4K\n"},
    )
    said = esp_at("info", "--factory-param", "uart_tx_pin=9", "--module", "PICO-D4", cwd=folder).stdout
    assert "AT commands GPIO9 GPIO5 GPIO15 GPIO14" in " ".join(said.split())
    assert "AT module: PICO-D4 (--module)" in said
    assert "=  0x21000  12KB    ble_data" in said  # kept, since it is skipped
    said = esp_at("info", "--pki", "mqtt_ca=ca.pem", "--skip", "mqtt_cert", "--skip", "mqtt_key", cwd=folder).stdout
    rows = [line.split() for line in said.splitlines()]
    assert [row[3] for row in rows if row[-1:] == ["ca.pem"]] == ["mqtt_ca"]
    assert ["=", "0x37000", "8KB", "mqtt_cert"] in rows
    own = ["--partitions", "own.csv", "--data", "ours=ca.pem", "--skip", "factory_paran"]
    refused = esp_at("info", *own, cwd=folder, code=1).stderr
    assert "--skip: unknown partition 'factory_paran'  [unknown-partition]\n  did you mean factory_param" in refused


def test_report(project, esp_at, used_module):
    folder = project(yml=YML)
    said = esp_at("report", cwd=folder).stdout
    names = ["esp_at_report.html", "esp_at_flash_map.svg", "esp_at_wiring.svg"]
    assert said.splitlines() == [f"Wrote build/{name}" for name in names]
    assert {path.name for path in (folder / "build").iterdir()} == set(names)
    assert {path.stat().st_mode & 0o077 for path in (folder / "build").iterdir()} == {0o644 & ~_umask() & 0o077}
    esp_at("flash", "-p", used_module().port, cwd=folder)
    report = json.loads(esp_at("report", "--html", folder / "a.html", "--json", cwd=folder).stdout)
    assert (report["event"], report["run"]) == ("reported", "upload")
    assert (folder / "a.html").read_text(encoding="utf-8").count("<svg") == 2
    esp_at("report", "--wiring", "w.svg", "--flash-map", "m.svg", cwd=folder)
    assert {path.name for path in folder.iterdir() if path.is_file()} >= {"w.svg", "m.svg", "a.html"}
    assert (
        "not-a-folder" in esp_at("report", "--html", folder / "a.html/not-a-folder/b.html", code=1, cwd=folder).stderr
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_table(project, esp_at, monkeypatch):
    folder = project(yml=YML + "partitions: own.csv\n", **{"own.csv": "ours, 0x40, 15, , 4K\n"})
    printed = esp_at("table", cwd=folder)
    assert printed.stdout.startswith(
        "# User partition table of firmware with own.csv\n"
        "# Free inside 'at_customize' (0x20000…0x100000): 0x3e000…0x70000 (200KB)\n"
        "# Name, Type, SubType, Offset, Size, Flags\nble_data, 0x40, 0x01, 0x21000, 0x3000\n"
    )
    assert "\nours, 0x40, 0x0f, 0x3d000, 0x1000\nfatfs," in printed.stdout
    assert printed.stderr == ""
    of_package = esp_at("table", "firmware.zip", cwd=folder).stdout
    assert "ours" not in of_package
    assert of_package == esp_at("table", folder / "firmware.zip").stdout
    assert "\nota_1, app, ota_1, 0x280000, 0x180000\n" in esp_at("table", "--primary", cwd=folder).stdout
    assert not (folder / "esp_at.lock").exists()

    # What was downloaded on the way is on the error output: the output is a CSV.
    write_sample_package(folder / "ESP32-WROOM-32-AT-V4.1.1.0.zip", nvs=True)
    monkeypatch.setenv("ESP_AT_MIRROR", str(folder))
    released = esp_at("table", "v4.1.1.0", "--module", "WROOM-32", cwd=folder)
    assert released.stdout == esp_at("table", folder / "ESP32-WROOM-32-AT-V4.1.1.0.zip").stdout
    assert "\nmfg_nvs, data, nvs, 0x21000, 0x1c000\nfatfs, " in released.stdout
    assert "Copying" in released.stderr
    assert not (folder / "esp_at.lock").exists()


def test_table_refused(project, esp_at):
    folder = project(yml=YML + "partitions: own.csv\n", **{"own.csv": "ours, 0x40, 15, , 1M\n"})
    refused = esp_at("table", cwd=folder, code=1)
    assert refused.stderr.startswith("Error: own.csv:1: partition 'ours' of 1MB doesn't fit into 'at_customize' ")
    assert refused.stdout == ""
    missing = esp_at("table", "nothere.zip", cwd=folder, code=1).stderr
    assert missing.startswith("Error: PACKAGE: firmware package 'nothere.zip' does not exist  [firmware-not-found]\n")
    assert "not both" in esp_at("table", "firmware.zip", "--firmware", "firmware.zip", cwd=folder, code=2).stderr


def test_a_partition_of_ones_own_through_an_update(project, esp_at, used_module):
    """The new release has another use for its place: nothing is erased until the project says what is to happen."""
    folder = project(
        yml="firmware: firmware.zip\npartitions: own.csv\n", chip="esp32s2", **{"own.csv": "ours, 0x40, 15, , 4K\n"}
    )
    write_sample_package(folder / "new.zip", "esp32s2", nvs=True)
    module = used_module("esp32s2")
    assert "0x21000   4KB     ours" in esp_at("flash", "-p", module.port, cwd=folder).stdout
    held, writes = module.flash[0x21000:0x22000], len(module.writes)
    assert held == module.before[0x21000:0x22000]
    refused = esp_at("flash", "-p", module.port, "--firmware", "new.zip", cwd=folder, code=1).stderr
    assert refused.startswith("Error: own.csv:1: partition 'ours' can't stay at 0x21000 with new: 'mfg_nvs' ")
    assert len(module.writes) == writes
    (folder / "own.csv").write_text("ours, 0x40, 15, 0x3d000, 4K\n")
    said = esp_at("flash", "-p", module.port, "--firmware", "new.zip", cwd=folder).stdout
    assert "Warning: own.csv:1: 'ours' (0x3d000…0x3e000) was at 0x21000: what it held is not moved" in said
    assert module.flash[0x3D000:0x3E000] == module.before[0x3D000:0x3E000]


def test_a_board_by_the_path_of_its_file(project, esp_at):
    board = json.dumps({"name": "Ours", "build": {"mcu": "esp32"}, "at": {"module": "PICO-D4"}})
    folder = project(yml="firmware: firmware.zip\nboard: own/ours.json\n", **{"own/ours.json": board})
    known = "AT module: PICO-D4 (board ours: the board's own at.module names PICO-D4)"
    assert known in esp_at("info", "-C", folder).stdout
    assert known in esp_at("info", "-C", folder, "--board", "ours.json", cwd=folder / "own").stdout


def test_options_that_are_repeated_name_each_thing_once(project, esp_at):
    twice = ["--factory-param", "uart_tx_pin=4", "--factory-param", "uart_tx_pin=5"]
    refused = esp_at("info", *twice, cwd=project(yml=YML), code=1).stderr
    assert refused == (
        "Error: --factory-param: 'uart_tx_pin' is given twice  [option-twice]\n  remove one of the two uart_tx_pin\n"
    )


# --- looking ---


def test_modules(esp_at):
    listed = json.loads(esp_at("modules", "--json").stdout)
    assert {"chip": "esp32", "name": "WROVER-32", "uart_tx_pin": 22, "uart_rx_pin": 19}.items() <= {
        **next(row for row in listed if row["name"] == "WROVER-32")
    }.items()
    of_c3 = esp_at("modules", "--chip", "esp32c3").stdout.splitlines()
    assert of_c3[0].split()[:3] == ["Chip", "Module", "Flash"]
    assert {line.split()[0] for line in of_c3[1:]} == {"esp32c3"}
    assert len(of_c3) - 1 == sum(row["chip"] == "esp32c3" for row in listed)
    assert "'esp32x9'  [unknown-chip]\n  did you mean esp32" in esp_at("modules", "--chip", "esp32x9", code=1).stderr


def test_releases(esp_at):
    listed = json.loads(esp_at("releases", "--json").stdout)
    assert len(listed) == len(released_packages())
    assert {
        "chip": "esp32c3",
        "module": "MINI-1",
        "release": "v4.1.1.0",
        "package": "ESP32-C3-MINI-1-AT-V4.1.1.0",
        "url": "https://dl.espressif.com/esp-at/firmwares/esp32c3/ESP32-C3-MINI-1-AT-V4.1.1.0.zip",
        "by_request": False,
        "recommended": True,
        "chip_revisions": "v0.0 to v1.1",
    } in listed
    of_c5 = esp_at("releases", "--chip", "ESP32-C5").stdout.splitlines()
    assert [line.split() for line in of_c5] == [
        ["Chip", "Module", "Release", "Recommended", "Package", "Chip", "revision"],
        ["esp32c5", "ESP32C5-4MB", "v5.0.1.0", "yes", "request", "form"],
        ["esp32c5", "ESP32C5-4MB", "v5.0.0.0", "request", "form"],
    ]
    both = {line.split()[0] for line in esp_at("releases", "--module", "mini-1").stdout.splitlines()[1:]}
    assert both == {"esp32", "esp32c3"}
    refused = esp_at("releases", "--module", "WROM-32", code=1).stderr
    assert "'WROM-32'  [unknown-module]\n  did you mean WROOM-32" in refused
    assert "ESP32-S3  [chip-unsupported]\n" in esp_at("releases", "--chip", "esp32s3", code=1).stderr


def test_boards(esp_at, tmp_path):
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards/ours.json").write_text(json.dumps(BOARD))
    (tmp_path / "boards/broken.json").write_text("{")
    (tmp_path / "boards/new.json").write_text(json.dumps({"build": {"mcu": "esp32s3"}}))
    (tmp_path / "boards/host.json").write_text(json.dumps({"build": {"mcu": "stm32f411"}}))
    listed = {row["board"]: row for row in json.loads(esp_at("boards", "--json").stdout)}
    assert {"ours", "new", "esp32dev", "esp32c3-at-mini-1"} <= set(listed)
    assert not {"broken", "host"} & set(listed)
    assert listed["ours"] == {
        "board": "ours",
        "name": BOARD["name"],
        "chip": "esp32",
        "flash_size": 8 << 20,
        "module": "WROVER-32",
        "reason": "board name has 'WROVER'",
        "assumed": False,
        "alternatives": ["PICO-D4", "MINI-1"],
    }
    assert listed["new"]["module"] is None
    assert listed["esp32dev"]["assumed"]
    of_s3 = esp_at("boards", "--chip", "esp32s3").stdout.splitlines()
    assert [line.split()[0] for line in of_s3] == ["Board", "new"]
    assert "no ESP-AT release has firmware for the ESP32-S3" in of_s3[1]
    assert "'esp33'  [unknown-chip]\n" in esp_at("boards", "--chip", "esp33", code=1).stderr


def test_module_for_a_release(esp_at):
    found = json.loads(esp_at("module-for", "esp-wrover-kit", "--release", "v4.1.1.0", "--json").stdout)
    assert (found["module"], found["package"]) == ("MINI-1", "ESP32-MINI-1-AT-V4.1.1.0")
    said = esp_at("module-for", "esp-wrover-kit", "--release", "v2.4.0.0").stdout
    assert said.startswith("WROVER-32 (esp32): ")
    assert "Its firmware: ESP32-WROVER-32-AT-V2.4.0.0 (v2.4.0.0)" in said
    said = esp_at("module-for", "esp-wrover-kit").stdout
    assert "Its latest firmware: ESP32-MINI-1-AT-V4.1.1.0 (v4.1.1.0, that of MINI-1)" in said
    refused = esp_at("module-for", "esp-wrover-kit", "--release", "4x", code=1).stderr
    assert refused.startswith("Error: '4x' is not a release of ESP-AT  [not-a-release]\n  write it as v4.1.1.0")
    said = esp_at("module-for", "esp32dev").stdout
    assert "This is a guess" in said
    for place in ("module: WROOM-32 (esp_at.yml)", "custom_at_module = WROOM-32 (platformio.ini)", "--module WROOM-32"):
        assert place in said


def test_module_for(esp_at, tmp_path):
    assert "WROVER-32 (esp32): board id has 'wrover'" in esp_at("module-for", "esp-wrover-kit").stdout
    guess = json.loads(esp_at("module-for", "esp32dev", "--json").stdout)
    assert (guess["chip"], guess["module"], guess["assumed"]) == ("esp32", "WROOM-32", True)
    assert "most ESP32 boards carry this one" in guess["reason"]
    (tmp_path / "mine.json").write_text(json.dumps(BOARD))
    known = json.loads(esp_at("module-for", "mine.json", "--json").stdout)
    assert (known["chip"], known["module"], known["assumed"]) == ("esp32", "WROVER-32", False)
    assert "'WROVER'" in known["reason"]
    (tmp_path / "broken.json").write_text("{")
    broken = esp_at("module-for", "broken.json", code=1).stderr
    assert broken.startswith("Error: broken.json: not a board's JSON file: ")
    assert "  [board-manifest-invalid]\n  see where it breaks: python -m json.tool broken.json" in broken
    assert "'esp32dew'  [unknown-board]\n  did you mean esp32dev?" in esp_at("module-for", "esp32dew", code=1).stderr
    unknown = esp_at("module-for", "nonesuch", code=1).stderr
    assert unknown.endswith("the path of a board's JSON file will do, too\n")


@pytest.fixture(scope="session")
def image_set(sample_zip, tmp_path_factory):
    """Return a folder that has every kind of artefact."""
    from platformio_esp_at.cli import cli  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("image-set") / "made"
    options = ["--firmware", str(sample_zip()), "--module", "WROOM-32", "-o", str(folder)]
    cli(["package", *options], standalone_mode=False)
    return folder


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("partition_table/partition-table.bin", {"kind": "partition_table", "md5": False}),
        ("at_customize.bin", {"kind": "partition_table", "md5": True}),
        (
            "customized_partitions/factory_param.bin",
            {"kind": "factory_param", "uart_tx_pin": 17, "module_name": "WROOM-32"},
        ),
        ("customized_partitions/mqtt_ca.bin", {"kind": "pki"}),
        ("customized_partitions/ble_data.bin", {"kind": "ble_data"}),
        ("bootloader/bootloader.bin", {"kind": "esp_image", "chip": "esp32", "flash_size": "4MB", "hash_valid": True}),
        ("factory/factory_WROOM-32.bin", {"kind": "factory_image", "size": 4 << 20}),
        ("phy_init_data.bin", {"kind": "phy_init", "size": 128, "sets": []}),
        ("ota_data_initial.bin", {"kind": "blank", "size": 8192}),
        ("download.config", {"kind": "download_config", "flash_mode": "dio", "flash_freq": "40m", "flash_size": "4MB"}),
        ("flasher_args.json", {"kind": "flasher_args", "chip": "esp32", "flash_size": "4MB"}),
        ("esp_at_manifest.json", {"kind": "image_set", "chip": "esp32", "module": "WROOM-32"}),
        (".", {"kind": "image_set", "chip": "esp32", "module": "WROOM-32"}),
    ],
)
def test_inspect(path, told, image_set, esp_at):
    decoded = json.loads(esp_at("inspect", image_set / path, "--json").stdout)
    assert told.items() <= decoded.items()
    assert esp_at("inspect", image_set / path).stdout.startswith(f"kind: {told['kind']}\n")


def test_inspect_shows_what_is_inside_a_factory_image_and_no_private_key(image_set, esp_at):
    done = esp_at("inspect", image_set / "factory/factory_WROOM-32.bin", "--json")
    content = json.loads(done.stdout)["content"]
    assert content["factory_param"]["uart_baudrate"] == 115200
    assert [item["type"] for item in content["server_key"]["items"]] == ["cert"]
    assert content["fatfs"] == {"kind": "blank"}
    assert "NOT/A/REAL/server/key" not in done.stdout


def test_inspect_refuses_what_it_does_not_know(esp_at, tmp_path, image_set):
    (tmp_path / "letter.txt").write_text("dear reader")
    refused = esp_at("inspect", "letter.txt", code=1).stderr
    assert refused.startswith("Error: letter.txt: ")
    assert "  [unknown-artifact]\n" in refused
    assert "known: partition tables" in refused
    (tmp_path / "cut.bin").write_bytes((image_set / "bootloader/bootloader.bin").read_bytes()[:100])
    assert "cut.bin:" in esp_at("inspect", "cut.bin", code=1).stderr
    missing = esp_at("inspect", "no-such-file", code=1).stderr
    assert missing.startswith("Error: no-such-file: can't be read: ")
    assert "  [unreadable]\n  looked for " in missing


def test_help_and_usage(esp_at):
    commands = esp_at("--help").stdout
    of_a_project = ("package", "flash", "verify", "erase", "info", "table", "report")
    others = ("init", "doctor", "schema", "inspect", "modules", "module-for", "explain", "pio-platform", "demo")
    for name in (*of_a_project, *others):
        assert f"\n  {name} " in commands
    assert esp_at("--version").stdout == f"esp-at, version {__version__}\n"
    assert esp_at("pio-platform").stdout.startswith("symlink://")
    for wrong in (["flahs"], ["flash", "--no-such-option"], ["inspect"], ["info", "-C", "no-such-folder"]):
        assert "Usage: esp-at" in esp_at(*wrong, code=2).stderr


# --- codes, explained ---


def test_explain_a_code(esp_at):
    head, means, action = esp_at("explain", "pin-taken").stdout.splitlines()
    assert head == "pin-taken"
    assert means.startswith("  The GPIO ")
    assert action.startswith("  Choose another GPIO ")
    assert esp_at("explain", "[PIN-TAKEN]").stdout.splitlines() == [head, means, action]  # as it stands in a message
    (row,) = json.loads(esp_at("explain", "pin-taken", "--json").stdout)
    assert row == {"code": "pin-taken", "means": means.strip(), "action": action.strip()}


def test_explain_all_codes(esp_at):
    lines = esp_at("explain").stdout.splitlines()
    rows = json.loads(esp_at("explain", "--json").stdout)
    codes = [row["code"] for row in rows]
    assert codes == sorted(set(codes))
    assert {"pin-taken", "table-overlap", "crystal-mismatch", "unknown-code"} <= set(codes)
    assert lines == [line for row in rows for line in (row["code"], f"  {row['means']}", f"  {row['action']}")]
    assert all(row["means"] and row["action"] for row in rows)


def test_explain_an_unknown_code(esp_at):
    refused = esp_at("explain", "pin-takem", code=1)
    assert refused.stderr.startswith("Error: unknown code 'pin-takem'  [unknown-code]\n  did you mean pin-taken")
    refused_for_programs = esp_at("explain", "pin-takem", "--json", code=1)
    assert (refused.stdout, refused_for_programs.stdout) == ("", "")
    assert refused_for_programs.stderr == refused.stderr
    assert esp_at("explain", "gibberish", code=1).stderr == (
        "Error: unknown code 'gibberish'  [unknown-code]\n"
        "  a code is in brackets at the end of a message, such as [pin-taken]\n"
    )


def test_the_code_of_a_refusal_can_be_explained(project, esp_at):
    refused = esp_at("info", "--factory-param", "uart_tx_pin=6", cwd=project(yml=YML), code=1).stderr
    assert "uart_tx_pin" in refused
    code = refused.splitlines()[0].rpartition("  ")[2]
    assert code == "[pin-taken]"
    assert esp_at("explain", code).stdout.startswith("pin-taken\n")


# --- what a shell completes ---


@pytest.fixture
def completed(esp_at, monkeypatch, tmp_path):
    """Ask esp-at as bash does what the last of these words may become: the kinds and words that it answers."""
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "no platforms"))
    monkeypatch.setenv("_ESP_AT_COMPLETE", "bash_complete")

    def complete(words: str) -> list[tuple[str, ...]]:
        monkeypatch.setenv("COMP_WORDS", f"esp-at {words}")
        monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
        done = esp_at()
        assert done.stderr == ""
        return [tuple(line.split(",")) for line in done.stdout.splitlines() if line]

    return complete


@pytest.mark.parametrize("command", ["info", "flash", "package", "verify", "erase"])
@pytest.mark.parametrize(
    ("words", "answers"),
    [
        (
            "--module WROO",
            [("plain", f"WROOM{name}") for name in ("", "-02", "-02-N", "-32", "-5V2L", "-S2")],
        ),
        ("--module wroom-3", [("plain", "WROOM-32")]),
        ("--module nonesuch", []),
        ("--firmware la", [("plain", "latest"), ("file", "la")]),
        ("--firmware v4.1.1", [("plain", "v4.1.1.0"), ("file", "v4.1.1")]),
        ("--firmware ./fir", [("file", "./fir")]),
        (
            "--board esp32-c3",
            [("plain", "esp32-c3-devkitc-02"), ("plain", "esp32-c3-devkitm-1"), ("file", "esp32-c3")],
        ),
        ("--board non", [("plain", "none"), ("file", "non")]),
        ("--factory-param uart_t", [("plain", "uart_tx_pin=")]),
        ("--pki mqtt", [("plain", "mqtt_ca="), ("plain", "mqtt_cert="), ("plain", "mqtt_key=")]),
    ],
)
def test_values_are_completed(command, words, answers, completed):
    assert completed(f"{command} {words}") == answers


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        ("explain pin-of-u", [("plain", "pin-of-usb")]),
        ("modules --chip esp32c6", [("plain", "esp32c6"), ("plain", "esp32c61")]),
        ("releases --module wroom-3", [("plain", "WROOM-32")]),
        ("module-for non", [("file", "non")]),
        ("table v4.1.1", [("plain", "v4.1.1.0"), ("file", "v4.1.1")]),
        ("table --module wroom-3", [("plain", "WROOM-32")]),
        ("init --module wroom-3", [("plain", "WROOM-32")]),
        ("init --firmware v4.1.1", [("plain", "v4.1.1.0"), ("file", "v4.1.1")]),
        ("init --host p", [("plain", "pio")]),
        ("module-for esp32-c3-devkitm", [("plain", "esp32-c3-devkitm-1"), ("file", "esp32-c3-devkitm")]),
    ],
)
def test_words_of_look_ups_are_completed(words, answers, completed):
    assert completed(words) == answers


def test_commands_and_options_are_completed(completed):
    assert ("plain", "explain") in completed("expl")
    assert ("plain", "--factory-param") in completed("info --fac")
    assert ("plain", "--factory") in completed("flash --fac")


def test_bash_completes_with_the_script_that_esp_at_gives(esp_at, monkeypatch):
    """The script names the program as people type it, and bash has the words in its own variables."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("need bash")
    monkeypatch.setenv("_ESP_AT_COMPLETE", "bash_source")
    script = esp_at().stdout
    monkeypatch.delenv("_ESP_AT_COMPLETE")
    asked = (
        "COMP_WORDS=(esp-at info --factory-param uart_t); COMP_CWORD=3; "
        "compopt() { :; }; "
        '_esp_at_completion esp-at; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [bash, "--noprofile", "--norc", "-c", f"{script}\n{asked}"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("uart_tx_pin=\n", "")


# --- what is wrong here ---


def test_doctor(esp_at, project, monkeypatch):
    folder = project(yml=YML)
    said = esp_at("doctor", cwd=folder).stdout
    assert "firmware for module WROOM-32: 17 images, checked" in said
    assert said.splitlines()[-1].startswith("Problems: 0, ")
    findings = json.loads(esp_at("doctor", "-C", folder, "--json").stdout)
    assert {finding["subject"] for finding in findings} >= {"Python", "esptool", "PlatformIO", "ESP-IDF", "cache"}
    assert all(set(finding) == {"subject", "state", "code", "words", "fix"} for finding in findings)
    (folder / "esp_at.yml").write_text("firmware: nothere.zip\n")
    assert "  [firmware-not-found]\n" in esp_at("doctor", cwd=folder, code=1).stdout
    monkeypatch.setenv("ESP_AT_MIRROR", str(folder / "nowhere"))
    findings = json.loads(esp_at("doctor", "-C", folder, "--json", code=1).stdout)
    codes = {finding["code"] for finding in findings if finding["state"] == "problem"}
    assert codes == {"firmware-not-found", "mirror-not-found"}


def test_schema(esp_at):
    schema = json.loads(esp_at("schema").stdout)
    assert schema["additionalProperties"] is False
    assert {"firmware", "module", "pki"} <= set(schema["properties"])
