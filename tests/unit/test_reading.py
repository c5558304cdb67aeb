"""Reading firmware packages: every shape that they come in, and everything that can be wrong with one."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shlex
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.partition_table import PartitionTable

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

SAMPLE = sample_package("esp32")
MFG_SAMPLE = sample_package("esp32c6")
CONFIG = SAMPLE["download.config"].decode()
ARGS = json.loads(SAMPLE["flasher_args.json"])
PRIMARY = "partition_table/partition-table.bin"
BOOTLOADER = "bootloader/bootloader.bin"
FACTORY_PARAM = "customized_partitions/factory_param.bin"

FILES = {path: SAMPLE[path] for path in ARGS["flash_files"].values()}

AGAIN = "download the package again, or unpack all of it"
NOT_A_PACKAGE = "not a firmware package: there is no download.config and no flasher_args.json"


def _sample(**changes: bytes | str | None) -> dict[str, bytes]:
    """Return the sample's files, some of them changed (None: left out); ``config`` stands for its download.config."""
    files = dict(SAMPLE)
    for name, data in changes.items():
        path = {"config": "download.config", "args": "flasher_args.json", "app": "esp-at.bin"}.get(name, name)
        if data is None:
            del files[path]
        else:
            files[path] = data.encode() if isinstance(data, str) else data
    return files


def _folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return root


def _zip_bytes(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _zip(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(_zip_bytes(files))
    return path


def _refusal(path: Path) -> EspAtError:
    with pytest.raises(EspAtError) as caught:
        open_package(path)
    return caught.value


# --- good ones ---


def _check_is_the_sample(package: FirmwarePackage) -> None:
    assert package.chip.key == "esp32"
    assert package.args.chip == "esp32"
    assert package.modules == ("WROOM-32",)
    assert package.files == FILES
    assert (package.bootloader.offset, package.primary_image.offset) == (0x1000, 0x8000)
    assert package.secondary_image.offset == package.home.offset == 0x20000
    assert package.primary.find("ota_0").offset == 0x100000
    assert package.secondary.find("mqtt_ca").offset == 0x3B000
    assert not package.has_mfg_nvs


def test_folder(tmp_path):
    package = open_package(_folder(tmp_path / "ESP32_AT", SAMPLE))
    _check_is_the_sample(package)
    assert (package.name, package.sha256) == ("ESP32_AT", None)


def test_folder_without_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(_folder(tmp_path / "ESP32_AT", SAMPLE))
    assert open_package(Path()).name == "ESP32_AT"


def test_zip(tmp_path):
    path = _zip(tmp_path / "ESP32_AT_V2.4.zip", SAMPLE)
    package = open_package(path)
    _check_is_the_sample(package)
    assert (package.name, package.sha256) == ("ESP32_AT_V2.4", hashlib.sha256(path.read_bytes()).hexdigest())


MAC = {
    "__MACOSX/._outer": b"mac",
    "__MACOSX/outer/._download.config": b"mac",
    "__MACOSX/download.config": b"mac",
    "outer/.DS_Store": b"mac",
    "outer/inner/._esp-at.bin": b"mac",
    "outer/inner/._download.config": b"mac",
}


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({f"outer/{name}": data for name, data in SAMPLE.items()}, id="nested"),
        pytest.param({f"outer/inner/{name}": data for name, data in SAMPLE.items()} | MAC, id="mac-noise"),
        pytest.param({f"./{name}": data for name, data in SAMPLE.items()}, id="dot-in-front"),
        pytest.param(SAMPLE | {"boot/": b"", "read me.txt": b"hello"}, id="empty-folder-and-a-readme"),
        pytest.param(_sample(args=None), id="no-flasher_args"),
        pytest.param(_sample(config=None), id="no-download.config"),
        pytest.param(_sample(config="\ufeff" + CONFIG), id="byte-order-mark"),
        pytest.param(_sample(config=CONFIG.replace(" 0x", "\r\n0x").replace("/", "\\")), id="written-on-windows"),
        pytest.param(_sample(config=CONFIG.replace("0x1000 ", "0x1000 ./")), id="dot-in-a-path"),
        pytest.param(_sample(args=json.dumps(ARGS | {"extra_esptool_args": {}})), id="chip-not-named"),
    ],
)
def test_shapes(tmp_path, files):
    package = open_package(_zip(tmp_path / "a.zip", files))
    assert package.chip.key == "esp32"
    assert package.modules == ("WROOM-32",)
    assert len(package.files) == len(ARGS["flash_files"])
    assert package.files["esp-at.bin"] == SAMPLE["esp-at.bin"]


def test_names_that_are_no_names_do_no_harm(tmp_path):
    _check_is_the_sample(open_package(_zip(tmp_path / "a.zip", SAMPLE | {".": b"", "/": b"", "..": b"", "../x": b""})))


def test_flash_size_detect_is_kept(tmp_path):
    files = _sample(config=CONFIG.replace("--flash_size 4MB", "--flash_size detect"))
    assert open_package(_zip(tmp_path / "a.zip", files)).args.settings.size == "detect"


def test_partition_table_at_the_top(tmp_path):
    files = _sample(config=CONFIG.replace(PRIMARY, "partitions_at.bin"), args=None)
    files["partitions_at.bin"] = files.pop(PRIMARY)
    package = open_package(_zip(tmp_path / "a.zip", files))
    assert package.primary_image.path == "partitions_at.bin"
    assert package.primary == open_package(_zip(tmp_path / "b.zip", SAMPLE)).primary


def test_build_folder(tmp_path):
    build = {
        "flash_project_args": CONFIG.replace(" 0x", "\n0x").encode(),
        "bootloader/flash_project_args": b"0x1000 bootloader.bin",
        "bootloader/flasher_args.json": b"{}",
        "bootloader/CMakeFiles/x/flash_project_args": b"",
    }
    _check_is_the_sample(open_package(_folder(tmp_path / "build", _sample(config=None) | build)))


def test_modules_come_from_the_factory_images_first(tmp_path):
    files = _sample(**{"factory/factory_WROVER-32.bin": b"x", "factory/factory_WROVER-32_unfilled.bin": b"x"})
    assert open_package(_zip(tmp_path / "a.zip", files)).modules == ("WROVER-32",)


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        pytest.param(
            _sample(**{"customized_partitions/factory_param_WROOM-32.bin": None}), ("WROOM-32",), id="content-alone"
        ),
        pytest.param(
            _sample(**{"customized_partitions/factory_param_PICO-D4.bin": b"\xff" * 4096}),
            ("PICO-D4", "WROOM-32"),
            id="blank-with-a-name",
        ),
        pytest.param(
            _sample(**{"customized_partitions/factory_param_a;b.bin": b"\xff"}), ("WROOM-32",), id="no-name-of-a-module"
        ),
        pytest.param(
            _sample(**{"customized_partitions/factory_param_WROOM-32.bin": None, FACTORY_PARAM: b"\xff" * 4096}),
            (),
            id="nothing-names-it",
        ),
    ],
)
def test_modules_come_from_the_factory_params_else(tmp_path, files, modules):
    assert open_package(_zip(tmp_path / "a.zip", files)).modules == modules


def test_package_since_v3_1(tmp_path):
    package = open_package(_zip(tmp_path / "a.zip", MFG_SAMPLE))
    assert package.has_mfg_nvs
    assert (package.chip.key, package.modules, package.factory_params) == ("esp32c6", ("ESP32C6-4MB",), {})


def test_esp8266_is_known_by_its_short_header(tmp_path):
    files = sample_package("esp8266")
    del files["flasher_args.json"]
    package = open_package(_zip(tmp_path / "a.zip", files))
    assert (package.chip.key, package.args.chip) == ("esp8266", "esp8266")


@pytest.mark.skipif(os.name == "nt", reason="need links without a privilege")
def test_link_that_stays_inside(tmp_path):
    root = _folder(tmp_path / "a", _sample(**{"real.bin": SAMPLE["esp-at.bin"]}))
    (root / "esp-at.bin").unlink()
    (root / "esp-at.bin").symlink_to("real.bin")
    _check_is_the_sample(open_package(root))


# --- bad ones ---


def _config(old: str, new: str) -> str:
    assert old in CONFIG
    return CONFIG.replace(old, new)


def _table_without_apps() -> bytes:
    rows = tuple(row for row in PartitionTable.from_bytes(SAMPLE[PRIMARY]) if row.type_name != "app")
    return PartitionTable(rows, md5=False).to_bytes()


WITHOUT_APP = _config("0x100000 esp-at.bin ", "")

BAD = [
    pytest.param("not-a-package", {}, "", NOT_A_PACKAGE, "take the zip as Espressif releases it", id="empty"),
    pytest.param(
        "not-a-package",
        {"a.bin": b"x", "my.download.config": b""},
        "",
        NOT_A_PACKAGE,
        "esp-at checkout",
        id="another-zip",
    ),
    pytest.param(
        "not-a-package",
        {"vendor/factory_X.bin": b"x", "vendor/factory_param_X.bin": b"x"},
        "",
        NOT_A_PACKAGE,
        "name the factory image inside: firmware: PATH",
        id="only-a-factory-image",
    ),
    pytest.param(
        "firmware-nonos",
        {"bin/boot_v1.7.bin": b"\xe9", "bin/at/512+512/user1.1024.new.2.bin": b"\xea"},
        "",
        "firmware of the ESP8266 NonOS SDK (AT up to v1.7): it has another layout and no partition table",
        "such as firmware: v2.2.1.0",
        id="nonos",
    ),
    pytest.param(
        "several-packages",
        {f"{side}/{name}": data for side in ("b", "a") for name, data in SAMPLE.items()},
        "",
        "2 firmware packages, such as a/, b/",
        "name one of them: firmware: PATH",
        id="two-packages",
    ),
    pytest.param(
        "package-incomplete", _sample(app=None), "", "incomplete: esp-at.bin is missing", AGAIN, id="one-missing"
    ),
    pytest.param(
        "package-incomplete",
        _sample(**{"app": None, BOOTLOADER: None}),
        "",
        "incomplete: bootloader/bootloader.bin, esp-at.bin are missing",
        AGAIN,
        id="two-missing",
    ),
    pytest.param(
        "image-empty",
        _sample(app=b""),
        "esp-at.bin",
        "the file is empty",
        "download the package again",
        id="empty-image",
    ),
    pytest.param(
        "path-escapes",
        _sample(config=_config("esp-at.bin", "../esp-at.bin")),
        "../esp-at.bin",
        "the path leads out of the package",
        "write a path inside the package into download.config",
        id="path-to-the-parent",
    ),
    pytest.param(
        "path-escapes",
        _sample(config=_config("esp-at.bin", "a\\..\\..\\esp-at.bin")),
        "a/../../esp-at.bin",
        "the path leads out of the package",
        "write a path inside the package into download.config",
        id="path-to-the-parent-with-backslashes",
    ),
    pytest.param(
        "path-escapes",
        _sample(config=_config("esp-at.bin", "/etc/hostname")),
        "/etc/hostname",
        "the path leads out of the package",
        "write a path inside the package into download.config",
        id="absolute-path",
    ),
    pytest.param(
        "path-escapes",
        _sample(config=_config("esp-at.bin", "C:esp-at.bin")),
        "C:esp-at.bin",
        "the path leads out of the package",
        "write a path inside the package into download.config",
        id="drive-letter",
    ),
    pytest.param(
        "path-escapes",
        _sample(config=_config("esp-at.bin", "\\\\server\\esp-at.bin")),
        "//server/esp-at.bin",
        "the path leads out of the package",
        "write a path inside the package into download.config",
        id="network-path",
    ),
    pytest.param(
        "path-unsafe",
        _sample(**{"config": _config("esp-at.bin", "--erase-all"), "--erase-all": SAMPLE["esp-at.bin"]}),
        "--erase-all",
        "the path starts with - or @: esptool would read it as an option",
        "rename the file, also in download.config",
        id="path-as-an-option",
    ),
    pytest.param(
        "path-unsafe",
        _sample(**{"config": _config("esp-at.bin", "@options"), "@options": SAMPLE["esp-at.bin"]}),
        "@options",
        "the path starts with - or @: esptool would read it as an option",
        "rename the file, also in download.config",
        id="path-as-a-file-of-options",
    ),
    pytest.param(
        "path-unsafe",
        _sample(config=None, args=json.dumps(ARGS | {"flash_files": {"0x0": "my app.bin"}})),
        "my app.bin",
        "a path with a space can't be written into download.config",
        "rename the file without spaces, also in download.config",
        id="path-with-a-space",
    ),
    pytest.param(
        "path-unsafe",
        _sample(**{"config": _config("esp-at.bin", "esptool.py"), "esptool.py": SAMPLE["esp-at.bin"]}),
        "esptool.py",
        "not an image: its name doesn't end in .bin",
        "rename the image to end in .bin, also in download.config, or remove its line there",
        id="program-that-would-run-as-esptool",
    ),
    pytest.param(
        "path-unsafe",
        _sample(**{"config": f"{CONFIG} 0x6000 esptool.cfg", "esptool.cfg": b"[esptool]"}),
        "esptool.cfg",
        "not an image: its name doesn't end in .bin",
        "rename the image to end in .bin, also in download.config, or remove its line there",
        id="settings-that-esptool-would-read",
    ),
    pytest.param(
        "path-unsafe",
        _sample(config=_config("esp-at.bin", "esp\x1b[2J.bin")),
        "esp\x1b[2J.bin",
        "the path has characters that can't be shown",
        "rename the file with printable characters, also in download.config",
        id="path-that-a-terminal-acts-on",
    ),
    pytest.param(
        "path-unsafe",
        _sample(config=_config("esp-at.bin", "esp\u202enib.bin")),
        "esp\u202enib.bin",
        "the path has characters that can't be shown",
        "rename the file with printable characters, also in download.config",
        id="path-from-right-to-left",
    ),
    pytest.param(
        "not-a-package",
        {"release/AT_V4.zip": b"zip", "readme.txt": b"x"},
        "",
        NOT_A_PACKAGE,
        "name the zip inside: firmware: PATH",
        id="zip-inside",
    ),
    pytest.param(
        "not-text",
        _sample(config=b"\xff\xfe\x00"),
        "download.config",
        "not a text file",
        "save it as UTF-8 text",
        id="config-not-text",
    ),
    pytest.param(
        "package-too-large",
        _sample(config=b"0x0 a.bin " * 10_000),
        "download.config",
        "the file is larger than 64KB",
        "no release has so large a file: name another firmware package, firmware: PATH",
        id="config-too-large",
    ),
    pytest.param(
        "flash-args-invalid",
        _sample(config=f"--encrypt {CONFIG}"),
        "download.config",
        "unknown option --encrypt",
        "known: --flash_mode",
        id="config-with-an-unknown-option",
    ),
    pytest.param(
        "flash-args-invalid",
        _sample(args="{"),
        "flasher_args.json",
        "not JSON: ",
        "see where it breaks: python -m json.tool flasher_args.json",
        id="flasher_args-not-json",
    ),
    pytest.param(
        "package-inconsistent",
        _sample(args=json.dumps(ARGS | {"extra_esptool_args": {"chip": "esp32c3"}})),
        BOOTLOADER,
        "made for ESP32-C3, with a bootloader for ESP32",
        "download the package of the module's chip again, and don't mix files of two packages",
        id="wrong-chip-in-flasher_args",
    ),
    pytest.param(
        "chip-unsupported",
        _sample(args=json.dumps(ARGS | {"extra_esptool_args": {"chip": "esp32s3"}})),
        "",
        "no ESP-AT release has firmware for the ESP32-S3",
        "put an AT module with one of these chips next to it",
        id="chip-without-firmware",
    ),
    pytest.param(
        "package-inconsistent",
        _sample(config=_config("0x1000 bootloader", "0x0 bootloader")),
        BOOTLOADER,
        "the bootloader goes to 0x0, ESP32 starts at 0x1000",
        "write 0x1000 before bootloader/bootloader.bin in download.config",
        id="bootloader-at-a-wrong-offset",
    ),
    pytest.param(
        "not-an-image",
        _sample(**{BOOTLOADER: b"\x00" * 4096}),
        f"{BOOTLOADER}:0x0",
        "no ESP image: it starts with 00 instead of e9",
        "the firmware package",
        id="bootloader-is-no-image",
    ),
    pytest.param(
        "unknown-chip-id",
        _sample(**{BOOTLOADER: SAMPLE[BOOTLOADER][:12] + b"\x63\x00" + SAMPLE[BOOTLOADER][14:]}),
        BOOTLOADER,
        "no known chip has the image chip id 99",
        "known: 0 ESP32",
        id="bootloader-of-an-unknown-chip",
    ),
    pytest.param(
        "package-incomplete",
        _sample(config=_config("0x1000 bootloader/bootloader.bin ", "")),
        "",
        "incomplete: its download.config names no bootloader.bin, the bootloader",
        "write one line OFFSET bootloader.bin into download.config, or take the package as released",
        id="no-bootloader",
    ),
    pytest.param(
        "package-incomplete",
        _sample(config=_config(f"0x8000 {PRIMARY} ", "")),
        "",
        "incomplete: its download.config names no partition-table.bin or partitions_at.bin, the partition table",
        "write one line OFFSET partition-table.bin into download.config, or take the package as released",
        id="no-partition-table",
    ),
    pytest.param(
        "package-incomplete",
        _sample(config=_config("0x20000 at_customize.bin ", "")),
        "",
        "incomplete: its download.config names no at_customize.bin, the user partition table",
        "write one line OFFSET at_customize.bin into download.config, or take the package as released",
        id="no-user-partition-table",
    ),
    pytest.param(
        "image-named-twice",
        _sample(config=f"{CONFIG} 0x32000 at_customize.bin"),
        "",
        "its download.config names the user partition table more than once: "
        "0x20000 at_customize.bin and 0x32000 at_customize.bin",
        "keep the one that belongs to this package in download.config",
        id="two-user-partition-tables",
    ),
    pytest.param(
        "image-named-twice",
        _sample(config=f"{CONFIG} 0x12000 ota_data_initial.bin"),
        "",
        "its download.config names the OTA data more than once: "
        "0x10000 ota_data_initial.bin and 0x12000 ota_data_initial.bin",
        "remove the others",
        id="two-ota-data",
    ),
    pytest.param(
        "image-named-twice",
        _sample(config=f"{CONFIG} 0x10000 other.bin", **{"other.bin": b"x"}),
        "download.config",
        "two files go to 0x10000: ota_data_initial.bin and other.bin",
        "keep the line with the file that belongs to 0x10000",
        id="two-files-at-one-offset",
    ),
    pytest.param(
        "package-incomplete",
        _sample(config=WITHOUT_APP),
        "",
        "incomplete: its download.config names no application "
        "('ota_0' (0x100000…0x280000) or 'ota_1' (0x280000…0x400000))",
        "write OFFSET esp-at.bin into download.config, with the offset of the app partition",
        id="no-app",
    ),
    pytest.param(
        "package-incomplete",
        _sample(**{PRIMARY: _table_without_apps()}),
        "",
        "incomplete: its download.config names no application (the partition table has no place for one)",
        "write OFFSET esp-at.bin into download.config, with the offset of the app partition",
        id="no-place-for-an-app",
    ),
    pytest.param(
        "not-a-table",
        _sample(**{PRIMARY: b"\xff" * 3072}),
        f"{PRIMARY}:0x0",
        "no partition table: there is no entry (AA 50) at its start",
        "the firmware package",
        id="blank-partition-table",
    ),
    pytest.param(
        "table-damaged",
        _sample(**{"at_customize.bin": SAMPLE["at_customize.bin"].replace(b"mqtt_ca", b"mqtt_CA")}),
        "at_customize.bin:0x1e0",
        "the MD5 row doesn't match the rows before it",
        "the firmware package",
        id="damaged-user-partition-table",
    ),
    pytest.param(
        "package-too-large",
        _sample(**{FACTORY_PARAM: b"\xff" * 4097}),
        FACTORY_PARAM,
        "the file is larger than 4KB",
        "no release has so large a file: name another firmware package, firmware: PATH",
        id="factory_param-too-large",
    ),
]


@pytest.mark.parametrize(("code", "files", "where", "message", "hint"), BAD)
def test_refuses(tmp_path, code, files, where, message, hint):
    folder = tmp_path / "pack"
    folder.mkdir()
    for path in (_folder(folder, files), _zip(tmp_path / "pack.zip", files)):
        error = _refusal(path)
        assert error.code == code
        assert error.where == f"{path.name}:{where}".rstrip(":")
        assert error.facts["package"] == path.name
        assert error.message.startswith(message) if message.endswith(": ") else error.message == message
        assert hint in error.hint


def test_only_a_zip_has_to_be_unpacked(tmp_path):
    files = {"release/AT_V4.zip": b"zip"}
    assert _refusal(_zip(tmp_path / "a.zip", files)).hint == (
        "it holds release/AT_V4.zip: unpack it, and name the zip inside: firmware: PATH"
    )
    assert _refusal(_folder(tmp_path / "a", files)).hint == (
        "it holds release/AT_V4.zip: name the zip inside: firmware: PATH"
    )


def test_images_that_are_named_twice_count_once(tmp_path):
    """As in the released package for the WROOM-02: ESP-AT's build joins two lists."""
    again = f"32768 ./{PRIMARY} 0x10000 ota_data_initial.bin"
    once = open_package(_folder(tmp_path / "once", _sample()))
    twice = open_package(_zip(tmp_path / "twice.zip", _sample(config=f"{CONFIG} {again}")))
    assert (twice.args, twice.files) == (once.args, once.files)


def test_nothing_there(tmp_path):
    error = _refusal(tmp_path / "ESP32.zip")
    assert error.code == "firmware-not-found"
    hint = f"looked for {tmp_path / 'ESP32.zip'}: put it there, or write another path"
    assert str(error) == f"ESP32.zip: no such firmware package\n  {hint}"


# --- hostile or damaged zips ---


def _with_bytes(data: bytes, path: Path) -> Path:
    path.write_bytes(data)
    return path


def _entry(data: bytes, name: str) -> tuple[int, int]:
    """Return where a file's local header and its entry in the central directory start."""
    return data.index(name.encode()) - 30, data.rindex(name.encode()) - 46


def _patched(data: bytes, *patches: tuple[int, bytes]) -> bytes:
    changed = bytearray(data)
    for at, new in patches:
        changed[at : at + len(new)] = new
    return bytes(changed)


@pytest.mark.parametrize("declared", [True, False], ids=["declared-size", "real-size"])
def test_zip_bomb(tmp_path, declared):
    """17 MB of zeros, which a zip of 17 KB holds; its directory may name a smaller size."""
    data = _zip_bytes(_sample(app=bytes(17 << 20)))
    if not declared:
        local, central = _entry(data, "esp-at.bin")
        size = (4096).to_bytes(4, "little")
        data = _patched(data, (local + 22, size), (central + 24, size))
    error = _refusal(_with_bytes(data, tmp_path / "a.zip"))
    assert error.where == "a.zip:esp-at.bin"
    assert error.code == ("package-too-large" if declared else "zip-damaged")
    assert error.message.startswith("the file is larger than 16MB" if declared else "the zip can't be read: Bad CRC-32")


def test_many_large_images(tmp_path):
    """Each may be as large as a flash; all together may not be larger."""
    extra = {f"{number}.bin": bytes(9 << 20) for number in range(2)}
    config = f"{CONFIG} 0x400000 0.bin 0x800000 1.bin"
    error = _refusal(_zip(tmp_path / "a.zip", _sample(config=config, **extra)))
    assert error.code == "package-too-large"
    hint = "remove images from download.config: no module has more flash"
    assert str(error) == f"a.zip: its images are larger together than 16MB\n  {hint}"


def test_same_name_twice(tmp_path):
    path = _zip(tmp_path / "a.zip", SAMPLE)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("esp-at.bin", b"another")
    error = _refusal(tmp_path / "a.zip")
    assert error.code == "zip-damaged"
    assert (
        str(error)
        == "a.zip:esp-at.bin: the zip has this file twice\n  zip the folder of the package anew: each file once"
    )


def test_encrypted(tmp_path):
    data = _zip_bytes(SAMPLE)
    local, central = _entry(data, "download.config")
    error = _refusal(_with_bytes(_patched(data, (local + 6, b"\1"), (central + 8, b"\1")), tmp_path / "a.zip"))
    assert error.code == "zip-damaged"
    assert error.where == "a.zip:download.config"
    assert "is encrypted, password required for extraction" in error.message
    assert error.hint == "download the firmware package again"


@pytest.mark.parametrize("kept", [0, 3, 200, -1], ids=["nothing", "three-bytes", "first-bytes", "all-but-one"])
def test_truncated(tmp_path, kept):
    error = _refusal(_with_bytes(_zip_bytes(SAMPLE)[:kept], tmp_path / "a.zip"))
    assert error.code == "zip-damaged"
    assert str(error) == "a.zip: the zip can't be read: File is not a zip file\n  download the firmware package again"


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 2336705\n",
            "this is a git-lfs pointer to a file of 2336705 bytes, not the file itself",
            "run git lfs pull in the repository of the file",
        ),
        (
            b"<!doctype html>\n<title>Not found</title>\n",
            "this is a web page, not a binary file",
            "download it again: a server answered with a page instead",
        ),
    ],
    ids=["git-lfs", "web-page"],
)
def test_text_in_place_of_a_zip(tmp_path, data, message, hint):
    error = _refusal(_with_bytes(data, tmp_path / "a.zip"))
    assert (error.code, error.where, error.message, error.hint) == ("text-instead-of-zip", "a.zip", message, hint)


@pytest.mark.parametrize("name", ["factory_param.bin", "factory_param_SOLO-1.bin"])
def test_text_in_place_of_a_factory_param(tmp_path, name):
    """Listed or not: each of them may be the one of the chosen module."""
    error = _refusal(
        _with_bytes(_zip_bytes(SAMPLE | {f"customized_partitions/{name}": b"hello\n"}), tmp_path / "a.zip")
    )
    assert (error.code, error.where) == ("text-instead-of-image", f"a.zip:customized_partitions/{name}")
    assert error.message == "this is text ('hello'), not a binary file"


def test_damaged_inside(tmp_path):
    data = _zip_bytes(SAMPLE, zipfile.ZIP_STORED)
    at = data.index(SAMPLE["esp-at.bin"]) + 100
    error = _refusal(_with_bytes(_patched(data, (at, b"!")), tmp_path / "a.zip"))
    assert error.code == "zip-damaged"
    assert str(error) == (
        "a.zip:esp-at.bin: the zip can't be read: Bad CRC-32 for file 'esp-at.bin'\n"
        "  download the firmware package again"
    )


def test_name_that_is_not_utf8(tmp_path):
    files = {"\u00fc.txt": b"x", **SAMPLE}
    data = _zip_bytes(files).replace("\u00fc.txt".encode(), b"\xc3\xff.txt")
    error = _refusal(_with_bytes(data, tmp_path / "a.zip"))
    assert error.code == "zip-damaged"
    assert error.message.startswith("the zip can't be read: ")
    assert error.hint == "download the firmware package again"


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=["bzip2", "lzma"])
def test_other_compressions(tmp_path, compression):
    error = _refusal(_with_bytes(_zip_bytes(SAMPLE, compression), tmp_path / "a.zip"))
    assert error.code == "zip-compression"
    assert str(error) == "a.zip:download.config: the file isn't compressed with deflate\n  zip it again"


def test_larger_than_any_release(tmp_path):
    data = _zip_bytes(SAMPLE)
    path = tmp_path / "a.zip"
    with path.open("wb") as stream:
        stream.seek(2 << 30)
        stream.write(data)
    error = _refusal(path)
    assert error.code == "package-too-large"
    assert str(error) == "a.zip: larger than 64MB\n  take the zip as Espressif releases it"


@pytest.mark.skipif(os.name == "nt", reason="need device files")
@pytest.mark.parametrize("path", ["/dev/zero", "pipe.zip"])
def test_what_would_never_end(tmp_path, path):
    os.mkfifo(tmp_path / "pipe.zip")
    error = _refusal(tmp_path / path)
    assert error.code == "unreadable"
    assert error.message == "can't be read: it is neither a file nor a folder"


def test_too_many_files(tmp_path):
    files = {f"{number}": b"" for number in range(10_001)}
    error = _refusal(_zip(tmp_path / "a.zip", files))
    assert error.code == "package-too-large"
    assert str(error) == "a.zip: more than 10000 files\n  name the firmware package itself: firmware: PATH"


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes(tmp_path, seed):
    """Whichever byte of the directory at the end is wrong: the same package, or one message."""
    data = bytearray(_zip_bytes(SAMPLE))
    for number in range(3):
        digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
        data[-1 - int.from_bytes(digest[:4], "little") % 2500] = digest[4]
    path = _with_bytes(bytes(data), tmp_path / "a.zip")
    try:
        package = open_package(path)
    except EspAtError as error:
        message = str(error)
    else:
        assert package.files == FILES
        return
    assert message.startswith("a.zip:")
    assert not re.search(r"\bNone\b", message)


# --- hostile folders ---


@pytest.mark.skipif(os.name == "nt", reason="need links without a privilege")
@pytest.mark.parametrize(
    ("target", "code", "message", "hint"),
    [
        pytest.param(
            "../secret",
            "path-escapes",
            "the file is a link that leads out of the package",
            "put the file itself in place of the link esp-at.bin",
            id="out",
        ),
        pytest.param(
            "nowhere",
            "not-a-file",
            "neither a file nor a link to one",
            "put a regular file in place of esp-at.bin",
            id="broken",
        ),
    ],
)
def test_link(tmp_path, target, code, message, hint):
    (tmp_path / "secret").write_bytes(b"secret")
    root = _folder(tmp_path / "a", _sample(app=None))
    (root / "esp-at.bin").symlink_to(target)
    error = _refusal(root)
    assert error.code == code
    assert str(error) == f"a:esp-at.bin: {message}\n  {hint}"


@pytest.mark.skipif(os.name == "nt", reason="need links without a privilege")
def test_link_to_a_folder(tmp_path):
    """It isn't listed as a file."""
    root = _folder(tmp_path / "a", _sample(app=None))
    (root / "esp-at.bin").symlink_to(".")
    error = _refusal(root)
    assert error.code == "package-incomplete"
    assert str(error) == f"a: incomplete: esp-at.bin is missing\n  {AGAIN}"


@pytest.mark.skipif(os.name == "nt", reason="need links without a privilege")
def test_link_to_itself(tmp_path):
    root = _folder(tmp_path / "a", _sample(app=None))
    (root / "esp-at.bin").symlink_to("esp-at.bin")
    error = _refusal(root)
    assert error.where == "a:esp-at.bin"
    assert (error.code, error.message) in (
        ("unreadable", "can't be read: it is a link to itself"),
        ("not-a-file", "neither a file nor a link to one"),
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="need named pipes")
def test_named_pipe(tmp_path):
    root = _folder(tmp_path / "a", _sample(app=None))
    os.mkfifo(root / "esp-at.bin")
    error = _refusal(root)
    assert error.code == "not-a-file"
    assert str(error) == "a:esp-at.bin: neither a file nor a link to one\n  put a regular file in place of esp-at.bin"


def test_closed_folder(tmp_path, monkeypatch):
    scandir = os.scandir

    def closed(path: str) -> object:
        if Path(path).name == "bootloader":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    root = _folder(tmp_path / "a", SAMPLE)
    monkeypatch.setattr(os, "scandir", closed)
    error = _refusal(root)
    assert error.code == "unreadable"
    hint = f"chmod u+rx {shlex.quote(str(root / 'bootloader'))}"
    assert str(error) == f"a:bootloader: can't be read: Permission denied\n  {hint}"


def test_too_deep(tmp_path):
    root = _folder(tmp_path / "a", {f"1/2/3/4/5/6/7/{name}": data for name, data in SAMPLE.items()})
    error = _refusal(root)
    assert (error.code, error.message) == ("not-a-package", NOT_A_PACKAGE)


def test_factory_params_by_path(tmp_path):
    package = open_package(_zip(tmp_path / "a.zip", SAMPLE))
    assert set(package.factory_params) == {FACTORY_PARAM, "customized_partitions/factory_param_WROOM-32.bin"}
    assert FactoryParam.from_bytes(package.factory_params[FACTORY_PARAM]).values["module_name"] == "WROOM-32"
