"""Every reader of ours, with what it reads as it should be: what the property tests change, a little or a lot.

A reader gets bytes, and goes as far as a run would: a firmware package becomes a checked plan, too.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import struct
import tempfile
import zipfile
import zlib
from functools import reduce
from operator import xor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import x509_files
from boot_logs import GENERATIONS, NOISE, Says
from cryptography.hazmat.primitives.serialization import Encoding
from module_nvs import ModuleNvs
from nvs_pages import FREEING
from plans import sample_plan

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.commands.inspected_texts import text_artifact
from platformio_esp_at.commands.inspection import describe, inspect_bytes
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import Place
from platformio_esp_at.firmware.cache import Cache
from platformio_esp_at.firmware.factory_image import FactoryImage
from platformio_esp_at.firmware.factory_package import package_of_image
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.at_replies import AtVersion, Reply
from platformio_esp_at.formats.backup import Application, Backup, SavedPart
from platformio_esp_at.formats.boot_log import BootLog
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.esp_image import EspImage, app_version, chip_revisions
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.flasher_args import parse_flasher_args
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.idf_manifest import with_dependency
from platformio_esp_at.formats.lock_file import Lock, LockedPackage, LockedPartition, format_lock_file, parse_lock_file
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE
from platformio_esp_at.formats.nvs_pages import Encoding as NvsEncoding
from platformio_esp_at.formats.ota_data import OtaData
from platformio_esp_at.formats.partition_table import TABLE_SIZE, PartitionTable
from platformio_esp_at.formats.phy_init import PhyInit
from platformio_esp_at.formats.pki import PkiContainer
from platformio_esp_at.formats.platformio_ini import PlatformioIni
from platformio_esp_at.formats.saved_nvs import SavedNvs, changed_sectors
from platformio_esp_at.formats.wear_levelling import unwrap, wrap
from platformio_esp_at.formats.x509 import X509File, summarize
from platformio_esp_at.idf.project import layer_of_sdkconfig, parse_sdkconfig
from platformio_esp_at.outputs.image_set import MANIFEST, image_set
from platformio_esp_at.planning.migration import make_project, origin_of_bytes, origin_of_package
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.board_manifests import read_board
from platformio_esp_at.request.layers import make_request
from platformio_esp_at.request.nodes import parse_mapping
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.read import read_project
from platformio_esp_at.request.values import Text
from platformio_esp_at.units import parse_number, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from platformio_esp_at.firmware.package import FirmwarePackage

HERE = Place.at(option="module")
URL = "https://example.com/firmware.zip"
LEGACY, NVS = sample_package("esp32c3"), sample_package("esp32c3", nvs=True)
CUSTOM = "customized_partitions"


class Reader(NamedTuple):
    """A reader, whole inputs for it, and pieces that mean something in them."""

    read: Callable[[bytes], object]
    valid: tuple[bytes, ...]
    pieces: tuple[bytes, ...] = ()
    hot: tuple[int, ...] = ()
    """Offsets where most of the meaning is; none: anywhere."""


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def _lenient(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "replace"))


def _planned(package: FirmwarePackage) -> None:
    module = None if package.modules else Text("MINI-1", HERE)
    plan = make_plan(package, select(module, None, package), Request())
    check_plan(plan, None)
    plan.unfilled_image()


def _factory_package(data: bytes) -> None:
    _planned(package_of_image(data, "factory_MINI-1"))


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="readers-"))


def _zip(data: bytes) -> None:
    file = _folder() / "firmware.zip"
    file.write_bytes(data)
    package = open_package(file)
    _planned(package)
    make_project(origin_of_package(package))


def _zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def _inside_zip(name: str, files: dict[str, bytes]) -> Callable[[bytes], object]:
    """Return the reader of a zip in which one file is the given one."""
    return lambda data: _zip(_zipped(files | {name: data}))


def _cache_entry(data: bytes) -> None:
    cache = Cache(_folder() / "cache")
    entry = cache._entry(URL)
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_bytes(data)
    cache.find(URL)


def _project(data: bytes) -> None:
    folder = _folder() / "project"
    folder.mkdir(exist_ok=True)
    (folder / "esp_at.yml").write_bytes(data)
    make_request([read_project(folder)])


def _board(data: bytes) -> None:
    file = _folder() / "board.json"
    file.write_bytes(data)
    read_board(file)


def _inspect(data: bytes) -> None:
    describe(inspect_bytes(data))
    make_project(origin_of_bytes(data, "file.bin"))


def _inspected_text(data: bytes) -> None:
    if decoded := text_artifact(data, Path("nowhere")):
        describe(decoded, 40)
        json.dumps(decoded)


def _phy_sets() -> bytes:
    """Return the PHY data of a package that has more sets than one."""
    sets = bytes(125) + b"\1\2\0"
    control = struct.pack(">LBBBH19x", zlib.crc32(sets), 1, 1, 1, len(sets))
    return b"PHYINIT\0" + sets + b"PHYINIT\0" + struct.pack(">L", zlib.crc32(control)) + control + sets


def _manifest() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return image_set(sample_plan(Path(folder)))[MANIFEST]


def _esp_image(data: bytes, *, esp8266: bool) -> None:
    image = EspImage.from_bytes(data, esp8266=esp8266)
    image.flash_settings("esp8266" if esp8266 else "esp32c3")
    chip_revisions(data, esp8266=esp8266)
    app_version(data)
    assert image.digest_valid in (True, False)


def _x509(data: bytes) -> None:
    summarize(data)
    file = X509File.from_bytes(data)
    file.certificates  # noqa: B018 - parsed when it is asked for
    file.private_key  # noqa: B018


def _nvs(data: bytes) -> None:
    image = NvsImage.from_bytes(data)
    image.to_csv()
    image.to_bytes()


def _saved_nvs(data: bytes) -> None:
    describe(inspect_bytes(data))
    SavedNvs.from_bytes(data)
    rate = NvsEntry("UART", "rate", NvsEncoding.I32, 921600)
    for offset, sector in changed_sectors(data, [rate]).items():
        assert len(data[offset : offset + PAGE_SIZE]) == len(sector)


@functools.cache
def _modules() -> tuple[bytes, ...]:
    """Return what modules have saved: little, much, and so much that power was cut while a page was being freed."""
    little, much = ModuleNvs(3), ModuleNvs(3, 0xFF)
    for number in range(700):
        for module in (little, much) if number < 3 else (much,):
            module.set(f"key{number % 9}" if number % 30 else "rate", number)
    freed = 1 + next(at for at, (_, data) in enumerate(much.writes) if data == struct.pack("<L", FREEING))
    return little.image(), much.image(), much.image(freed)


def _gatts(data: bytes) -> None:
    GattTable.from_bytes(data).to_csv()


def _with_table_md5(data: bytes) -> bytes:
    at = data[:TABLE_SIZE].find(b"\xeb\xeb" + b"\xff" * 14)
    return (
        data if at < 0 else data[: at + 16] + hashlib.md5(data[:at], usedforsecurity=False).digest() + data[at + 32 :]
    )


def _with_image_sums(data: bytes, header: int = 24) -> bytes:
    """Follow the segments of an ESP image, as they are now, and write its checksum, and its digest if it has one."""
    at, checksum = header, 0xEF
    for _ in range(data[1] if len(data) > header else 0):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        checksum = reduce(xor, data[at + 8 : at + 8 + size], checksum)
        at += 8 + size
        if at > len(data):
            return data
    end = at // 16 * 16 + 16
    image = data[: end - 1] + bytes([checksum])
    has_digest = header == 24 and len(data) > 24 and data[23]
    return image + (hashlib.sha256(image).digest() if has_digest else b"") + data[end + (32 if has_digest else 0) :]


def _with_nvs_crcs(data: bytes) -> bytes:
    """Make the CRC of each page's header right, and that of each entry, and of the text or the bytes in it."""
    fixed = bytearray(data)
    for page in range(0, len(data) - PAGE_SIZE + 1, PAGE_SIZE):
        if data[page : page + PAGE_SIZE].strip(b"\xff"):
            struct.pack_into("<L", fixed, page + 28, zlib.crc32(fixed[page + 4 : page + 28], 0xFFFFFFFF))
        at = page + 64
        while at + 32 <= page + PAGE_SIZE and fixed[at : at + 32].strip(b"\xff"):
            span = max(1, fixed[at + 2])
            if fixed[at + 1] in (0x21, 0x42):
                size = int.from_bytes(fixed[at + 24 : at + 26], "little")
                struct.pack_into("<L", fixed, at + 28, zlib.crc32(fixed[at + 32 : at + 32 + size], 0xFFFFFFFF))
            struct.pack_into("<L", fixed, at + 4, zlib.crc32(fixed[at : at + 4] + fixed[at + 8 : at + 32], 0xFFFFFFFF))
            at += 32 * span
    return bytes(fixed)


def _at(offset: int, size: int, repair: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return a repair of a part of a factory image."""

    def repaired(data: bytes) -> bytes:
        part = data[offset : offset + size]
        return (
            data
            if len(part) < size
            else data[:offset] + repair(part)[:size].ljust(size, b"\xff") + data[offset + size :]
        )

    return repaired


def _repaired_factory_image(data: bytes) -> bytes:
    for repair in (
        _at(0, 0x8000, _with_image_sums),
        _at(0x1E000, TABLE_SIZE, _with_table_md5),
        _at(0x1F000, 0x1F000, lambda part: _with_nvs_crcs(part) if part[8:9] == b"\xfe" else part),
        _at(0x60000, 0x4400, _with_image_sums),
    ):
        data = repair(data)
    return data


def _factory_image(*, nvs: bool) -> bytes:
    files = NVS if nvs else LEGACY
    images = parse_download_config(files["download.config"].decode()).images
    flash = bytearray(b"\xff" * max(image.offset + len(files[image.path]) for image in images))
    for image in images:
        flash[image.offset : image.offset + len(files[image.path])] = files[image.path]
    return bytes(flash)


@functools.cache
def _pems() -> tuple[bytes, ...]:
    key = x509_files.ec_key("reader")
    certificate = x509_files.certificate("reader", key)
    return (
        certificate.public_bytes(Encoding.PEM),
        certificate.public_bytes(Encoding.DER),
        x509_files.key_bytes(key),
    )


_BACKUP = Backup(
    chip="esp32c3",
    mac="24:0a:c4:00:00:01",
    flash_size=4 << 20,
    raw=True,
    application=Application("ota_0", 0x60000, "v4.1.1.0", "0" * 64),
    saved=(
        SavedPart("the flash as a whole", "flash/whole.bin", 0, 4 << 20, "1" * 64),
        SavedPart("nvs", "flash/010000-nvs.bin", 0x10000, 0xE000, "2" * 64),
    ),
).to_bytes("platformio-esp-at 1.0")

_RUN_REPORT = json.dumps(
    {
        "generator": "platformio-esp-at 1.0",
        "ended": "succeeded",
        "device": {"chip": "esp32", "security": {"secure_boot": False}},
        "images": [{"name": "ota_0", "offset": 0x100000, "size": 40000, "result": "written"}],
        "kept": ["nvs"],
    }
).encode()
_LOCK = format_lock_file(
    Lock(
        packages=(
            LockedPackage("v4.1.1.0", URL, 2336705, "0" * 64, "esp32", "WROOM-32"),
            LockedPackage(f"{URL}?v=2", f"{URL}?v=2", 1, "1" * 64),
        ),
        partitions=(LockedPartition("esp32", "WROOM-32", "mine", 0x40000),),
    )
).encode()
_YML = b"""\
firmware: v4.1.1.0
board: esp32dev
module: {name: OURS, based_on: WROOM-32, uart_tx_pin: 4}
factory_param: {uart_tx_pin: 17, country_code: NO}
skip: [mqtt_ca, fatfs]
port: /dev/ttyUSB0
baud: 921600
"""
_BOARD = json.dumps(
    {
        "name": "Ours",
        "build": {"mcu": "esp32", "core": "esp32", "extra_flags": ["-DBOARD_HAS_PSRAM"], "f_flash": "40000000L"},
        "upload": {"flash_size": "4MB", "maximum_size": 4194304},
        "at": {"module": "WROOM-32", "used_gpios": [1, 2]},
    }
).encode()
_CACHE = json.dumps(
    {"url": URL, "name": "firmware.zip", "size": 1, "sha256": "0" * 64, "source": URL, "validator": '"x"'}
).encode()
_SDKCONFIG = b"""\
CONFIG_IDF_TARGET="esp32c3"
CONFIG_ESPTOOLPY_FLASHSIZE="4MB"
CONFIG_ESP_AT_FIRMWARE="v4.1.1.0"
CONFIG_ESP_AT_UART_BAUDRATE=115200
CONFIG_ESP_AT_MODULE="MINI-1"
"""

_NESTED = (
    b"[" * 2000,
    b'{"a":' * 2000,
    b"{a: " * 2000,
    b"- " * 2000,
    b"9" * 5000,
    b"\\ud800",
    b"1e999",
    b"-1",
    b"\xed\xa0\x80",
)
_JSON = (*_NESTED, b"null", b"true", b"{}", b"[]", b'""', b"NaN", b"0x0", b'"0x0"', b":", b",")
_ROW = b"\xaa\x50\x01\x02\x00\xf0\xff\xff\x00\x00\x01\x00nvs" + bytes(17)
_BYTES = (
    b"\xff" * 32,
    bytes(32),
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    _ROW,
    b"\xe9\x01",
    b"\xfc\xfc\x03",
    b"\xf1\xf1\x01",
)
_CSV = (
    b",",
    b"\n",
    b'"',
    b"0x",
    b"-1",
    b"4K",
    b"#",
    b"data",
    b"app",
    b"\xe2\x80\xa8",
    b"\0",
    b"9" * 5000,
    b"\xed\xa0\x80",
)
_TABLES = (0x0, 0x8000, 0xD000, 0x1E000, 0x1F000, 0x60000)

_PRIMARY = LEGACY["partition_table/partition-table.bin"]

_REPLY = (
    b"AT+GMR\r\r\nAT version:4.1.0.0(b1dca01 - ESP32 - Jul 10 2025 11:41:05)\r\nSDK version:v5.0.6\r\n"
    b"compile time(4b00c3d4):Jul 30 2025 17:17:20\r\nBin version:v4.1.0.0(WROOM-32)\r\n\r\nOK\r\n"
)


def _reply(data: bytes) -> None:
    Reply.from_bytes(data, "AT+GMR")
    AtVersion.from_bytes(data)


_INI = b"""\
[platformio]
default_envs = it
[env]
lib_deps = a, b ; both
[base]
extends = env
[env:it]
extends = base
extra_scripts =
  pre:a.py
"""


def _ini_with_items(text: str) -> None:
    ini = PlatformioIni.from_text(text)
    for environment in ini.environments[:4]:
        ini.options(environment)
        for option in ("lib_deps", "extra_scripts"):
            ini.with_item(environment, option, "one more")


READERS: dict[str, Reader] = {
    "boot log": Reader(BootLog.from_bytes, (*(Says().log(form).encode() for form in GENERATIONS), NOISE), _BYTES),
    "reply of the AT port": Reader(_reply, (_REPLY, b"\r\nready\r\n\r\n>"), (b"\r\n", b"(", b")", b"OK", b"ERROR")),
    "partition table": Reader(PartitionTable.from_bytes, (_PRIMARY, LEGACY["at_customize.bin"]), _BYTES),
    "partition CSV": Reader(
        _text(functools.partial(PartitionTable.from_csv, first_offset=0x9000)),
        (PartitionTable.from_bytes(_PRIMARY).to_csv().encode(),),
        _CSV,
    ),
    "PKI container": Reader(PkiContainer.from_bytes, (LEGACY[f"{CUSTOM}/mqtt_ca.bin"],), _BYTES),
    "ble_data": Reader(_gatts, (LEGACY[f"{CUSTOM}/ble_data.bin"],), _JSON),
    "GATT CSV": Reader(
        _text(GattTable.from_csv), (GattTable.from_bytes(LEGACY[f"{CUSTOM}/ble_data.bin"]).to_csv().encode(),), _CSV
    ),
    "factory_param": Reader(
        FactoryParam.from_bytes, (LEGACY[f"{CUSTOM}/factory_param.bin"],), _BYTES, (0, 4, 8, 16, 24)
    ),
    "ota_data": Reader(OtaData.from_bytes, (b"\xff" * 0x2000,), _BYTES),
    "ESP image": Reader(
        functools.partial(_esp_image, esp8266=False),
        (LEGACY["bootloader/bootloader.bin"],),
        _BYTES,
        (0, 8, 16, 24),
    ),
    "ESP8266 image": Reader(
        functools.partial(_esp_image, esp8266=True),
        (sample_package("esp8266")["bootloader/bootloader.bin"],),
        _BYTES,
        (0, 8, 16),
    ),
    "NVS image": Reader(_nvs, (NVS[f"{CUSTOM}/mfg_nvs.bin"],), _BYTES, (0, 32, 64, 96, 4096, 4160)),
    "nvs of a module": Reader(_saved_nvs, _modules(), _BYTES, (0, 32, 64, 96, 4096, 4160, 8192, 8256)),
    "wear levelling": Reader(unwrap, (wrap(bytes(24 * 4096), 40 * 4096),), _BYTES, (36 * 4096, 37 * 4096, 39 * 4096)),
    "certificates and keys": Reader(
        _x509, _pems(), (b"-----BEGIN CERTIFICATE-----\n", b"-----END", b"\n", b"=", *_BYTES)
    ),
    "download.config": Reader(
        _text(parse_download_config), (LEGACY["download.config"],), (b" ", b"--flash_mode", b"=", *_CSV)
    ),
    "flasher_args.json": Reader(_text(parse_flasher_args), (LEGACY["flasher_args.json"],), _JSON),
    "esp_at_backup.json": Reader(
        Backup.from_bytes, (_BACKUP,), (b"null", b"-1", b'"../x"', b'"raw": true', b"4096", *_JSON)
    ),
    "esp_at.lock": Reader(
        _text(parse_lock_file), (_LOCK,), (b"- ", b": ", b"\n", b"&a", b"*a", b"<<: ", b"!!x", *_NESTED)
    ),
    "PHY data": Reader(PhyInit.from_bytes, (LEGACY["phy_init_data.bin"], _phy_sets()), _BYTES, (8, 144, 176)),
    "text that esp-at inspect reads": Reader(
        _inspected_text,
        (LEGACY["download.config"], LEGACY["flasher_args.json"], _BACKUP, _manifest(), _RUN_REPORT),
        (b'"kind": 1', b'"images": [{}]', b'"ended": []', b'"saved": []', b"null", b"NaN", b'"\\u0000"', *_JSON),
    ),
    "sizes": Reader(_text(parse_size), (b"0x1000", b"4096", b"576K"), _CSV),
    "numbers": Reader(_text(parse_number), (b"0x1000", b"-4096"), _CSV),
    "factory image": Reader(
        FactoryImage.from_bytes,
        (_factory_image(nvs=False), _factory_image(nvs=True)),
        _BYTES,
        _TABLES,
    ),
    "factory image as firmware": Reader(
        _factory_package,
        (_factory_image(nvs=False), _factory_image(nvs=True)),
        _BYTES,
        _TABLES,
    ),
    "zip": Reader(_zip, (_zipped(LEGACY), _zipped(NVS)), (b"PK\1\2", b"PK\3\4", b"PK\5\6", *_BYTES)),
    "zip: download.config": Reader(
        _inside_zip("download.config", LEGACY), (LEGACY["download.config"],), (b" ", b"../", b"0x8000", *_CSV)
    ),
    "zip: flasher_args.json": Reader(
        _inside_zip("flasher_args.json", {name: data for name, data in NVS.items() if name != "download.config"}),
        (NVS["flasher_args.json"],),
        _JSON,
    ),
    "zip: partition table": Reader(
        _inside_zip("partition_table/partition-table.bin", LEGACY), (_PRIMARY,), _BYTES, (0, 32, 64, 96, 128, 160)
    ),
    "zip: user partition table": Reader(
        _inside_zip("at_customize.bin", NVS),
        (NVS["at_customize.bin"],),
        _BYTES,
        (0, 32, 64, 96),
    ),
    "zip: bootloader": Reader(
        _inside_zip("bootloader/bootloader.bin", LEGACY),
        (LEGACY["bootloader/bootloader.bin"],),
        _BYTES,
        (0, 8, 16, 24),
    ),
    "zip: application": Reader(_inside_zip("esp-at.bin", NVS), (NVS["esp-at.bin"],), _BYTES, (0, 8, 16, 24)),
    "zip: mfg_nvs": Reader(
        _inside_zip(f"{CUSTOM}/mfg_nvs.bin", NVS),
        (NVS[f"{CUSTOM}/mfg_nvs.bin"],),
        _BYTES,
        (0, 32, 64, 96, 4096),
    ),
    "zip: factory_param": Reader(
        _inside_zip(f"{CUSTOM}/factory_param_MINI-1.bin", LEGACY),
        (LEGACY[f"{CUSTOM}/factory_param.bin"],),
        _BYTES,
        (0, 4, 8),
    ),
    "inspect": Reader(
        _inspect,
        (_factory_image(nvs=True), NVS[f"{CUSTOM}/mfg_nvs.bin"], LEGACY[f"{CUSTOM}/factory_param.bin"]),
        _BYTES,
        _TABLES,
    ),
    "cache entry": Reader(_cache_entry, (_CACHE,), _JSON),
    "esp_at.yml": Reader(_project, (_YML,), (b"- ", b": ", b"\n", b"&a", b"*a", b"{", b"[", b"!!x", b"\t", *_NESTED)),
    "lines of an option": Reader(
        _text(lambda text: text and parse_mapping(text, HERE, lists=True, example="{uart_tx_pin: 17}")),
        (b"uart_tx_pin = 17\nuart_rx_pin = 16", b"{a: [b, c]}"),
        (b"=", b"\n", b"[", b"{", b",", *_NESTED),
    ),
    "platformio.ini": Reader(
        _lenient(_ini_with_items),
        (_INI,),
        (b"[env:it]", b"[", b"]\n", b"=", b"\n  ", b"\r", b";", b"${", b"extends = env:it\n"),
    ),
    "idf_component.yml": Reader(
        _lenient(lambda text: with_dependency(text, "acme/esp_at_flash", "^1")),
        (b'dependencies: # all\n  idf: ">=5"\n  a/b:\n    version: "*"\nfiles: {}\n',),
        (b"dependencies:", b"- ", b": ", b"\n", b"{", b"[", b"&a", b"*a", *_NESTED),
    ),
    "board manifest": Reader(_board, (_BOARD,), _JSON),
    "sdkconfig": Reader(
        _lenient(lambda text: layer_of_sdkconfig(parse_sdkconfig(text), base=Path())),
        (_SDKCONFIG,),
        (b"CONFIG_", b"=", b'"'),
    ),
}

REPAIRS: dict[str, Callable[[bytes], bytes]] = {
    "partition table": _with_table_md5,
    "ESP image": _with_image_sums,
    "ESP8266 image": functools.partial(_with_image_sums, header=8),
    "NVS image": _with_nvs_crcs,
    "nvs of a module": _with_nvs_crcs,
    "factory image": _repaired_factory_image,
    "factory image as firmware": _repaired_factory_image,
    "zip: user partition table": _with_table_md5,
    "zip: bootloader": _with_image_sums,
    "zip: application": _with_image_sums,
    "zip: mfg_nvs": _with_nvs_crcs,
    "inspect": _repaired_factory_image,
}
"""What makes the checksums of a changed input right again, so that the change itself is looked at."""
