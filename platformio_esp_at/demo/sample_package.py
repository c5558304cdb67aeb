"""A complete firmware package without Espressif's binaries: the demo and the tests flash it.

Tables, parameters and certificates have the formats and offsets of the real ones: as in v2.2 to v3.0, or in v4.1 for
newer chips. Bootloader and application are valid images, but contain only text.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from dataclasses import dataclass, replace
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.demo.sample_pki import sample_pki
from platformio_esp_at.errors import LayoutError
from platformio_esp_at.formats.download_config import FlashArgs, FlashImage, format_download_config
from platformio_esp_at.formats.esp_image import ESP8266, EspImage, FlashSettings
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.flasher_args import format_flasher_args
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import Encoding
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.formats.pki import PKI_SLOTS, PkiContainer, PkiType
from platformio_esp_at.planning.mfg_nvs import ENCODINGS, GATTS, PARAMETERS
from platformio_esp_at.units import align_up, format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.catalog.modules import Module


@dataclass(frozen=True, slots=True)
class _Layout:
    """The flash layout, as in the CSVs of an ESP-AT release."""

    flash_size: int
    """The flash that it needs, in bytes."""
    primary: str
    user: str


_ESP32_USER = """\
ble_data,      0x40, 1,   0x21000, 12K
server_cert,   0x40, 2,   0x24000, 8K
server_key,    0x40, 3,   0x26000, 8K
server_ca,     0x40, 4,   0x28000, 8K
client_cert,   0x40, 5,   0x2a000, 8K
client_key,    0x40, 6,   0x2c000, 8K
client_ca,     0x40, 7,   0x2e000, 8K
factory_param, 0x40, 8,   0x30000, 4K
wpa2_cert,     0x40, 9,   0x31000, 8K
wpa2_key,      0x40, 10,  0x33000, 8K
wpa2_ca,       0x40, 11,  0x35000, 8K
mqtt_cert,     0x40, 12,  0x37000, 8K
mqtt_key,      0x40, 13,  0x39000, 8K
mqtt_ca,       0x40, 14,  0x3b000, 8K
"""

_ESP32_4MB = _Layout(
    flash_size=4 << 20,
    primary="""\
phy_init,      data, phy,   0xf000,   0x1000
otadata,       data, ota,   0x10000,  8K
nvs,           data, nvs,   0x12000,  56K
at_customize,  0x40, 0,     0x20000,  0xe0000
ota_0,         app,  ota_0, 0x100000, 0x180000
ota_1,         app,  ota_1, 0x280000, 0x180000
""",
    user=_ESP32_USER + "fatfs,         data, fat, 0x70000, 576K\n",
)

_ESP32_2MB = _Layout(
    flash_size=2 << 20,
    primary="""\
phy_init,      data, phy,     0xf000,  0x1000
otadata,       data, ota,     0x10000, 8K
nvs,           data, nvs,     0x12000, 56K
at_customize,  0x40, 0,       0x20000, 0x60000
factory,       app,  factory, 0x80000, 0x180000
""",
    user=_ESP32_USER,
)

_ESP32S2 = replace(_ESP32_4MB, user=_ESP32_4MB.user.partition("\n")[2])
"""Without Bluetooth, and so without the first row."""

_ESP32C3 = _Layout(
    flash_size=4 << 20,
    primary="""\
otadata,       data, ota,   0xd000,   0x2000
phy_init,      data, phy,   0xf000,   0x1000
nvs,           data, nvs,   0x10000,  0xe000
at_customize,  0x40, 0,     0x1e000,  0x42000
ota_0,         app,  ota_0, 0x60000,  0x1d0000
ota_1,         app,  ota_1, 0x230000, 0x1d0000
""",
    user="""\
ble_data,      0x40, 1,   0x1f000, 24K
server_cert,   0x40, 2,   0x25000, 8K
server_key,    0x40, 3,   0x27000, 8K
server_ca,     0x40, 4,   0x29000, 8K
client_cert,   0x40, 5,   0x2b000, 8K
client_key,    0x40, 6,   0x2d000, 8K
client_ca,     0x40, 7,   0x2f000, 8K
factory_param, 0x40, 8,   0x31000, 4K
wpa2_cert,     0x40, 9,   0x32000, 8K
wpa2_key,      0x40, 10,  0x34000, 8K
wpa2_ca,       0x40, 11,  0x36000, 8K
mqtt_cert,     0x40, 12,  0x38000, 8K
mqtt_key,      0x40, 13,  0x3a000, 8K
mqtt_ca,       0x40, 14,  0x3c000, 8K
fatfs,         data, fat, 0x47000, 100K
""",
)

_ESP32C2_2MB = _Layout(
    flash_size=2 << 20,
    primary="".join(_ESP32C3.primary.replace("0x1d0000", "0x1a0000").splitlines(keepends=True)[:-1]),
    user=_ESP32C3.user,
)

_ESP32_NVS = _Layout(
    flash_size=4 << 20,
    primary=_ESP32_4MB.primary,
    user="""\
mfg_nvs,       data, nvs, 0x21000, 112K
fatfs,         data, fat, 0x70000, 576K
""",
)

_ESP32C3_NVS = _Layout(
    flash_size=4 << 20,
    primary=_ESP32C3.primary,
    user="""\
mfg_nvs,       data, nvs, 0x1f000, 124K
fatfs,         data, fat, 0x47000, 100K
""",
)

_ESP32C5_NVS = _Layout(
    flash_size=4 << 20,
    primary="""\
otadata,       data, ota,   0xd000,   0x2000
phy_init,      data, phy,   0xf000,   0x1000
nvs,           data, nvs,   0x10000,  0x20000
at_customize,  0x40, 0,     0x30000,  0x70000
ota_0,         app,  ota_0, 0xa0000,  0x220000
ota_1,         app,  ota_1, 0x2c0000, 0x140000
""",
    user="""\
mfg_nvs,       data, nvs, 0x31000, 124K
fatfs,         data, fat, 0x50000, 100K
""",
)

_ESP8266_1MB = _Layout(
    flash_size=1 << 20,
    primary="""\
otadata,       data, ota,     0x9000,  8K
nvs,           data, nvs,     0x10000, 0x8000
at_customize,  0x40, 0,       0x18000, 0x8000
factory,       app,  factory, 0x20000, 0xe0000
""",
    user="""\
factory_param, 0x40, 8,  0x19000, 4K
client_cert,   0x40, 5,  0x1a000, 4K
client_key,    0x40, 6,  0x1b000, 4K
client_ca,     0x40, 7,  0x1c000, 4K
mqtt_cert,     0x40, 11, 0x1d000, 4K
mqtt_key,      0x40, 12, 0x1e000, 4K
mqtt_ca,       0x40, 13, 0x1f000, 4K
""",
)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The properties of a chip's package."""

    module: str
    """The default module."""
    freq: str
    layouts: tuple[_Layout, ...] = ()
    """Layouts up to v3.0, the one with the most flash first."""
    nvs_layout: _Layout | None = _ESP32C3_NVS
    """The layout of v4.1; of v5.0 for ESP32-C5 and ESP32-C61."""
    mode: str = "dio"


_SAMPLES = {
    "esp32": _Sample("WROOM-32", "40m", (_ESP32_4MB, _ESP32_2MB), _ESP32_NVS),
    "esp32s2": _Sample("MINI", "80m", (_ESP32S2,), _ESP32_NVS),
    "esp32c2": _Sample("ESP32C2-4MB", "60m", (_ESP32C3, _ESP32C2_2MB)),
    "esp32c3": _Sample("MINI-1", "40m", (_ESP32C3,)),
    "esp32c5": _Sample("ESP32C5-4MB", "80m", nvs_layout=_ESP32C5_NVS),
    "esp32c6": _Sample("ESP32C6-4MB", "80m"),
    "esp32c61": _Sample("ESP32C61-4MB", "80m", nvs_layout=_ESP32C5_NVS),
    ESP8266: _Sample("ESP8266_1MB", "80m", (_ESP8266_1MB,), None, mode="dout"),
}

_FACTORY_PARAM_VERSION = 3
_NAMES_READ = (*PKI_SLOTS, PARAMETERS, GATTS)
_NAMES_READ_SINCE_V3_1 = (*_NAMES_READ, "mfg_nvs", *ENCODINGS)
"""The partitions, and the entries of ``mfg_nvs``, that the application reads: firmware contains the names of them."""

_GATTS = """\
index,uuid_len,uuid,perm,val_max_len,val_cur_len,value
0,16,0x2800,0x01,2,2,A002
1,16,0x2803,0x01,1,1,02
2,16,0xC300,0x01,16,5,53414D504C
"""
_STANDS_IN = "This {what} of {chip} is a stand-in: it has the form of an ESP image, and it doesn't run. "


def sample_package(
    chip: str = "esp32",
    *,
    module: str | None = None,
    flash_size: str | None = None,
    nvs: bool = False,
    prints: Sequence[str] = (),
) -> dict[str, bytes]:
    """Return the files of a firmware package for ``chip``, by their paths.

    ``nvs``: a package as since v3.1, with ``mfg_nvs``; newer chips have no other. ``flash_size`` (``4MB``): the flash
    that the package needs, by default the module's. ``prints``: what the application would print, such as its version.
    The same arguments give the same bytes. Raises an `EspAtError` for a chip, module or size without such a package.
    """
    found = find_chip(chip)
    sample = _SAMPLES[found.key]
    row = find_module(found.key, module or sample.module)
    settings = FlashSettings(sample.mode, sample.freq, flash_size or format_size(row.flash_size))
    layout = _layout(found, sample, settings.size, nvs=nvs)
    primary = PartitionTable.from_csv(layout.primary, first_offset=0, md5=False)
    user = PartitionTable.from_csv(layout.user, first_offset=0)

    places = {
        "partition_table": found.partition_table_offset,
        "bootloader": found.bootloader_offset,
        **{partition.name: partition.offset for partition in (*primary, *user)},
    }
    names = _NAMES_READ_SINCE_V3_1 if layout is sample.nvs_layout else _NAMES_READ
    contents = {
        "partition_table": ("partition_table/partition-table.bin", primary.to_bytes()),
        "bootloader": ("bootloader/bootloader.bin", _esp_image(found, "bootloader", 4 << 10, settings)),
        "ota_0" if "ota_0" in places else "factory": (
            "esp-at.bin",
            _esp_image(found, "application", 16 << 10, settings, texts=(*names, *prints)),
        ),
        "otadata": ("ota_data_initial.bin", b"\xff" * 0x2000),
        "at_customize": ("at_customize.bin", user.to_bytes()),
        **_user_contents(row, user),
    }
    if layout is not sample.nvs_layout:
        contents["phy_init"] = ("phy_init_data.bin", b"PHYINIT\0" + bytes(128) + b"PHYINIT\0")
    images = {places[name]: content for name, content in contents.items() if name in places}

    args = FlashArgs(settings, tuple(FlashImage(offset, path) for offset, (path, _) in images.items()), found.key)
    return {
        "download.config": format_download_config(args).encode(),
        "flasher_args.json": format_flasher_args(args).encode(),
        **dict(images.values()),
        **_unlisted_file(row, user, images),
    }


def write_sample_package(
    path: Path,
    chip: str = "esp32",
    *,
    module: str | None = None,
    flash_size: str | None = None,
    nvs: bool = False,
    prints: Sequence[str] = (),
) -> None:
    """Write `sample_package` as a zip where ``path`` ends in ``.zip``, else as a folder."""
    files = sample_package(chip, module=module, flash_size=flash_size, nvs=nvs, prints=prints)
    if path.suffix.lower() == ".zip":
        path.write_bytes(_zip(files))
        return
    for name, data in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _layout(chip: Chip, sample: _Sample, flash_size: str, *, nvs: bool) -> _Layout:
    available = parse_size(flash_size.removesuffix("-c1"))
    layouts = (sample.nvs_layout,) if sample.nvs_layout and (nvs or not sample.layouts) else sample.layouts
    for layout in layouts:
        if layout.flash_size <= available:
            return layout
    least = format_size(layouts[-1].flash_size)
    raise LayoutError(
        "simulation-failed",
        f"the sample package for {chip.display_name} needs {least} of flash, not {flash_size}",
        hint=f"take a flash_size of {least} or more",
    )


def _user_contents(module: Module, user: PartitionTable) -> dict[str, tuple[str, bytes]]:
    """Return path and bytes by user partition; fatfs and wpa2_… stay as the device has them."""
    pems = {
        f"{role}_{kind.name.lower()}": sample_pki(role, kind)
        for role in ("server", "client", "mqtt")
        for kind in (PkiType.CERT, PkiType.KEY, PkiType.CA)
    }
    if home := user.find("mfg_nvs"):
        contents = {"mfg_nvs": _mfg_nvs(module, pems, home.size).to_bytes()}
    else:
        # All have the type of certificates, as upstream's build makes them in releases with this factory_param.
        contents = {"ble_data": GattTable.from_csv(_GATTS).to_bytes()}
        contents |= {name: PkiContainer.of(PkiType.CERT, [pem]).to_bytes() for name, pem in pems.items()}
        contents["factory_param"] = _factory_param(module)
    return {name: (f"customized_partitions/{name}.bin", data) for name, data in contents.items()}


def _mfg_nvs(module: Module, pems: Mapping[str, bytes], size: int) -> NvsImage:
    image = NvsImage((), size)
    for name, pem in pems.items():
        keys = [f"{name}.0", f"{name}.1"] if name.startswith("client") else [name]
        image = image.with_namespace(name, [NvsEntry(name, key, Encoding.BINARY, pem) for key in keys])
    values = module.factory_param(4)
    entries = [NvsEntry(PARAMETERS, name, ENCODINGS[name], value) for name, value in values.items()]
    image = image.with_namespace(PARAMETERS, entries)
    rows = enumerate(GattTable.from_csv(_GATTS).to_cfg())
    return image.with_namespace(GATTS, [NvsEntry(GATTS, f"cfg{number}", Encoding.STRING, row) for number, row in rows])


def _factory_param(module: Module) -> bytes:
    return FactoryParam.from_values(module.factory_param(_FACTORY_PARAM_VERSION)).to_bytes()


def _unlisted_file(module: Module, user: PartitionTable, images: Mapping[int, tuple[str, bytes]]) -> dict[str, bytes]:
    """Return the file that ``download.config`` doesn't list; its name contains the module of the package."""
    if user.find("factory_param"):
        return {f"customized_partitions/factory_param_{module.name}.bin": _factory_param(module)}
    factory_image = bytearray(b"\xff" * max(offset + len(data) for offset, (_, data) in images.items()))
    for offset, (_, data) in images.items():
        factory_image[offset : offset + len(data)] = data
    return {f"factory/factory_{module.name}_unfilled.bin": bytes(factory_image)}


def _esp_image(chip: Chip, what: str, size: int, settings: FlashSettings, *, texts: Sequence[str] = ()) -> bytes:
    """Return an image with one segment of ``size`` bytes of text, ``texts`` first; see `esp_image` for the layout."""
    text = _STANDS_IN.format(what=what, chip=chip.display_name).encode()
    start = "\0".join([*texts, ""]).encode()
    segment = (start + text * (size // len(text) + 1))[:size]
    address = chip.memory.iram.start if chip.memory else 0x3FFB0000
    header = struct.pack("<BBBBL", 0xE9, 1, 0, 0, address)
    if chip.image_chip_id is not None:
        header += struct.pack("<B3xHBHH4xB", 0xEE, chip.image_chip_id, 0, 0, 0, 1)
    image = header + struct.pack("<LL", address, size) + segment
    image = image.ljust(align_up(len(image) + 1, 16) - 1, b"\0") + bytes([reduce(xor, segment, 0xEF)])
    if chip.image_chip_id is not None:
        image += hashlib.sha256(image).digest()
    parsed = EspImage.from_bytes(image, esp8266=chip.image_chip_id is None)
    return parsed.with_flash_settings(settings, chip.key).to_bytes()


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Return a zip; not compressed, since zlib's output for the same bytes depends on its version."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # Unix, also on Windows
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    return stream.getvalue()
