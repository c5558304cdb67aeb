"""Any AT artefact, decoded into plain values: what ``esp-at inspect`` shows.

Fields have the names of upstream's tables: ``factory_param_data.csv``, the GATT CSV, the partition CSVs. Private keys
are summarised, never shown. Of what a module has saved in its own ``nvs``, only the UART settings are shown: Wi-Fi
passwords are there.
"""

from __future__ import annotations

import hashlib
import json
import stat
from typing import TYPE_CHECKING, Any, TypeAlias

from platformio_esp_at.commands.inspected_texts import LISTS, text_artifact
from platformio_esp_at.errors import EspAtError, FormatError, Place, located, printable
from platformio_esp_at.files import FileTooLargeError, file_mode, is_regular, read_file, reading_hint
from platformio_esp_at.firmware.factory_image import FactoryImage, is_factory_image
from platformio_esp_at.firmware.package import FirmwarePackage, chip_of_image
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.esp_image import ESP8266, EspImage, app_version, is_esp_image
from platformio_esp_at.formats.factory_param import FactoryParam, is_factory_param
from platformio_esp_at.formats.gatts import COLUMNS, GattTable, is_ble_data
from platformio_esp_at.formats.nvs import NvsImage, is_nvs
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE
from platformio_esp_at.formats.ota_data import OTA_DATA_SIZE, OtaData, is_ota_data
from platformio_esp_at.formats.partition_table import PartitionTable, PartitionType, is_partition_table
from platformio_esp_at.formats.phy_init import PhyInit, is_phy_init
from platformio_esp_at.formats.pki import PkiContainer, PkiType, is_pki
from platformio_esp_at.formats.saved_nvs import SavedNvs, is_nvs_partition
from platformio_esp_at.formats.x509 import summarize
from platformio_esp_at.outputs.tables import table, wrap
from platformio_esp_at.planning.backup import ota_data_of, started_slot
from platformio_esp_at.planning.content import MFG_NVS
from platformio_esp_at.planning.mfg_nvs import is_mfg_nvs
from platformio_esp_at.planning.migration import Origin, make_project, origin_of_bytes, origin_of_package
from platformio_esp_at.planning.uart_settings import ENCODINGS as UART_ENCODINGS
from platformio_esp_at.planning.uart_settings import NAMESPACE as UART
from platformio_esp_at.units import MAX_FLASH_SIZE, SECTOR_SIZE, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Decoded: TypeAlias = "dict[str, Any]"
"""An artefact as plain values for JSON; ``kind`` is its type."""


def inspect_path(path: Path) -> Decoded:
    """Return a decoded file, zip or folder. Raises an `EspAtError` for a damaged or unknown artefact."""
    for listing in (path / name for name in LISTS):
        if is_regular(listing):
            return _listed_folder(inspect_path(listing), path)
    found = read_artifact(path)
    if isinstance(found, FirmwarePackage):
        return _firmware_package(found)
    with located(file=str(path)):
        return inspect_bytes(found, path.parent)


def _listed_folder(listed: Decoded, folder: Path) -> Decoded:
    """Return what the manifest of a folder lists and, of an image set that is whole, what is in its images."""
    if listed["kind"] != "image_set" or any(image["state"] != "as listed" for image in listed["images"]):
        return listed
    package = _firmware_package(open_package(folder))
    return listed | {name: package[name] for name in ("partition_table", "at_customize", "content")}


def nvs_csv(path: Path) -> str:
    """Return the CSV of the NVS image in a file, a factory image or a firmware package, private keys included.

    Raises an `EspAtError` if there is none.
    """
    contents = origin_of(path).contents
    with located(file=str(path)):
        if MFG_NVS not in contents:
            raise FormatError(
                "no-mfg-nvs",
                "there is no mfg_nvs in it",
                hint="name a firmware package or a flash dump of v3.1.0.0 or newer, or mfg_nvs.bin itself",
            )
        return NvsImage.from_bytes(contents[MFG_NVS]).to_csv()


def project_of(path: Path) -> dict[str, bytes]:
    """Return the files of a project that rebuilds what a file or firmware package holds; raises an `EspAtError`."""
    origin = origin_of(path)
    with located(file=str(path)):
        return make_project(origin)


def origin_of(path: Path) -> Origin:
    """Return what a file or firmware package holds in its user partitions; raises an `EspAtError`."""
    found = read_artifact(path)
    if isinstance(found, FirmwarePackage):
        return origin_of_package(found)
    with located(file=str(path)):
        return origin_of_bytes(found, path.name)


def read_artifact(path: Path) -> FirmwarePackage | bytes:
    """Return the firmware package in a folder or zip, or the bytes of any other file. Raises an `EspAtError`."""
    try:
        is_package = stat.S_ISDIR(file_mode(path) or 0) or path.suffix.lower() == ".zip"
    except OSError as error:
        hint = reading_hint(path, error)
        raise EspAtError(
            "unreadable", f"can't be read: {error.strerror}", where=Place.at(file=str(path)), hint=hint
        ) from None
    return open_package(path) if is_package else _read_file(path)


def _read_file(path: Path) -> bytes:
    where = Place.at(file=str(path))
    try:
        return read_file(path, MAX_FLASH_SIZE)
    except FileTooLargeError:
        message = f"larger than {format_size(MAX_FLASH_SIZE)}, the largest flash of a module"
        raise FormatError(
            "file-too-large",
            message,
            where=where,
            hint="name one image of a firmware package, or a dump of one flash: esptool read-flash 0 ALL dump.bin",
        ) from None
    except OSError as error:
        hint = reading_hint(path, error)
        raise EspAtError("unreadable", f"can't be read: {error.strerror}", where=where, hint=hint) from None


def inspect_bytes(data: bytes, folder: Path | None = None) -> Decoded:
    """Return a decoded artefact. Raises `FormatError` for an unknown or damaged one.

    ``folder``: where it is; the files that it names are looked for there.
    """
    if is_factory_image(data):
        return _factory_image(FactoryImage.from_bytes(data))
    return text_artifact(data, folder) or _single(data)


def _single(data: bytes) -> Decoded:
    """Decode an artefact, but no factory image: a hostile one could have itself as content."""
    if is_partition_table(data):
        return _partition_table(PartitionTable.from_bytes(data))
    if is_factory_param(data):
        return {"kind": "factory_param", **FactoryParam.from_bytes(data).values}
    if is_pki(data):
        return _pki(PkiContainer.from_bytes(data))
    if is_ble_data(data):
        return _ble_data(GattTable.from_bytes(data))
    if is_nvs(data) or is_nvs_partition(data):
        return _nvs(NvsImage.from_bytes(data)) if is_mfg_nvs(data) else _saved_nvs(SavedNvs.from_bytes(data))
    if is_esp_image(data):
        return _esp_image(data)
    if is_phy_init(data):
        return _phy_init(PhyInit.from_bytes(data))
    if is_ota_data(data):
        return _ota_data(OtaData.from_bytes(data))
    if data and not data.strip(b"\xff"):
        return _blank(len(data))
    start = data[:4].hex(" ") or "nothing"
    raise FormatError("unknown-artifact", f"no AT artefact that is known here: it starts with {start}", hint=_KNOWN)


_KNOWN = (
    "known: partition tables, factory_param, PKI containers, ble_data, mfg_nvs, the nvs of modules, ota_data,\n"
    "PHY data, ESP images, factory images, firmware packages, download.config, flasher_args.json;\n"
    "of platformio-esp-at: image sets, backups, their manifests, esp_at_report.json"
)


def describe(decoded: Decoded, width: int | None = None) -> str:
    """Return a decoded artefact as text for people, in the columns of a terminal."""
    return "\n".join(_lines(decoded, "", width))


# --- one function per kind ---


def _partition_table(rows: PartitionTable) -> Decoded:
    return {
        "kind": "partition_table",
        "md5": rows.md5,
        "partitions": [
            {
                "name": row.name,
                "type": row.type_name,
                "subtype": row.subtype_name,
                "offset": row.offset,
                "size": row.size,
                "flags": row.flags,
            }
            for row in rows
        ],
    }


def _pki(container: PkiContainer) -> Decoded:
    kinds = {kind.value: kind.name.lower() for kind in PkiType}
    return {
        "kind": "pki",
        "items": [
            {
                "type": kinds.get(item.type, f"{item.type:#04x}"),
                "id": item.id,
                "size": len(item.content),
                "content": _pki_content(item.content),
                "sha256": hashlib.sha256(item.content).hexdigest(),
            }
            for item in container.items
        ],
    }


def _pki_content(content: bytes) -> list[dict[str, str | int]]:
    """Summarise certificates and keys; other content is of the kind ``unknown``."""
    try:
        return list(summarize(content))
    except FormatError as error:
        return [{"kind": "unknown", "problem": error.message}]


def _nvs(image: NvsImage) -> Decoded:
    entries = []
    for entry in image:
        value: Any = entry.value
        if isinstance(value, str) and "-----BEGIN" in value:
            value = value.encode()  # whatever its type, a key isn't shown
        if isinstance(value, bytes):
            value = {"size": len(value), "sha256": hashlib.sha256(value).hexdigest(), "content": _pki_content(value)}
        encoding = entry.encoding.name.lower()
        entries.append({"namespace": entry.namespace, "key": entry.key, "encoding": encoding, "value": value})
    return {"kind": "nvs", "size": image.size, "dialect": image.dialect.value, "entries": entries}


def _saved_nvs(saved: SavedNvs) -> Decoded:
    pages = [
        {
            "offset": number * PAGE_SIZE,
            "state": page.state.value,
            "sequence": page.sequence,
            "version": None if page.version is None else f"{page.version:#x}",
            "written": page.written,
            "erased": page.erased,
        }
        for number, page in enumerate(saved.pages)
    ]
    uart = [
        {"key": entry.key, "encoding": entry.encoding.name.lower(), "value": entry.value}
        for entry in saved.entries
        if entry.namespace == UART and entry.key in UART_ENCODINGS and isinstance(entry.value, int)
    ]
    # Without values: any of them may be a secret.
    entries = [
        {
            "namespace": entry.namespace,
            "key": entry.key,
            "encoding": entry.encoding.name.lower(),
            "size": entry.size,
        }
        for entry in saved.entries
    ]
    return {
        "kind": "saved_nvs",
        "size": saved.size,
        "encrypted": saved.encrypted,
        "pages": pages,
        "uart": uart,
        "entries": entries,
    }


def _ble_data(rows: GattTable) -> Decoded:
    return {"kind": "ble_data", "rows": [{name: getattr(row, name) for name in COLUMNS} for row in rows.rows]}


def _phy_init(found: PhyInit) -> Decoded:
    return {
        "kind": "phy_init",
        "size": len(found.parameters),
        "sha256": hashlib.sha256(found.parameters).hexdigest(),
        "sets": list(found.types),
    }


def _ota_data(found: OtaData) -> Decoded:
    entries = [{"offset": at * SECTOR_SIZE, "sequence": sequence} for at, sequence in enumerate(found.sequences)]
    return {"kind": "ota_data", "entries": entries, "starts": f"ota_{found.slot(2)}, if there are two slots"}


def _blank(size: int) -> Decoded:
    """Return what is all FF; of that size, it is what a firmware package has as ``ota_data_initial.bin``."""
    as_ota_data = "both entries are blank: the bootloader starts the factory application, or else ota_0"
    return {"kind": "blank", "size": size, **({"ota_data": as_ota_data} if size == OTA_DATA_SIZE else {})}


def _esp_image(data: bytes) -> Decoded:
    key = chip_of_image(data)
    image = EspImage.from_bytes(data, esp8266=key == ESP8266)
    settings = image.flash_settings(key)
    decoded = {
        "kind": "esp_image",
        "chip": key,
        "version": app_version(data),
        "size": image.size,
        "flash_mode": settings.mode,
        "flash_freq": settings.freq,
        "flash_size": settings.size,
    }
    if key != ESP8266:
        decoded |= {
            "min_chip_rev": image.chip_revisions.first,
            "max_chip_rev": image.chip_revisions.last,
            "hash_appended": image.hash_appended,
            "hash_valid": image.digest_valid,
        }
    return decoded


def _factory_image(image: FactoryImage) -> Decoded:
    return {
        "kind": "factory_image",
        "chip": image.chip,
        "size": len(image.data),
        "bootloader": _content(image.bootloader, esp_image=True),
        "partition_table": _partition_table(image.primary),
        "at_customize": _partition_table(image.secondary) if image.secondary else None,
        "starts": _started(image),
        "content": {
            row.name: _content(
                image.content_of(row), esp_image=row.type == PartitionType.APP, new_nvs=row.name == MFG_NVS
            )
            for row in image.partitions
        },
    }


def _started(image: FactoryImage) -> str | None:
    """Return the name of the partition whose application the bootloader starts; None where nothing tells."""
    row = ota_data_of(image.primary)
    started = started_slot(image.primary, image.content_of(row) if row else b"")
    return started.name if started else None


def _content(data: bytes, *, esp_image: bool, new_nvs: bool = False) -> Decoded:
    """Decode the content of a partition; unknown content is shown by size and hash, not refused.

    ``new_nvs``: NVS must be as a firmware package brings it, not as a module leaves its own.
    """
    filled = data.rstrip(b"\xff")
    if not filled:
        return {"kind": "blank"}
    if esp_image or any(is_known(data) for is_known in _IN_PARTITIONS):
        try:
            if new_nvs and is_nvs(data):
                return _nvs(NvsImage.from_bytes(data))
            return _esp_image(data) if esp_image else _single(data)
        except EspAtError as error:
            return {"kind": "damaged", "problem": "; ".join(line.strip() for line in str(error).splitlines())}
    return {"kind": "data", "size": len(filled), "sha256": hashlib.sha256(data).hexdigest()}


_IN_PARTITIONS = (is_factory_param, is_pki, is_ble_data, is_nvs, is_nvs_partition, is_phy_init, is_ota_data)


def _firmware_package(package: FirmwarePackage) -> Decoded:
    settings = package.args.settings
    images = []
    for image in sorted(package.args.images, key=lambda image: image.offset):
        data = package.files[image.path]
        images.append(
            {
                "name": package.name_of(image),
                "offset": image.offset,
                "size": len(data),
                "path": image.path,
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    return {
        "kind": "firmware_package",
        "name": package.name,
        "chip": package.chip.key,
        "modules": list(package.modules),
        "flash_mode": settings.mode,
        "flash_freq": settings.freq,
        "flash_size": settings.size,
        "images": images,
        "partition_table": _partition_table(package.primary),
        "at_customize": _partition_table(package.secondary),
        "content": {
            path: _content(data, esp_image=is_esp_image(data), new_nvs=True)
            for path, data in {**package.files, **package.factory_params}.items()
        },
    }


# --- text ---


def _lines(decoded: Decoded, indent: str, width: int | None) -> Iterator[str]:
    for name, value in decoded.items():
        if isinstance(value, dict):
            yield from wrap(f"{indent}{printable(name)}:", width, f"{indent}  ")
            yield from _lines(value, f"{indent}  ", width)
        elif _is_table(value):
            columns = list(dict.fromkeys(column for row in value for column in row))
            rows = [[_word(column, row[column]) if column in row else "" for column in columns] for row in value]
            yield from wrap(f"{indent}{printable(name)}:", width, f"{indent}  ")
            room = None if width is None else width - len(indent) - 2
            yield from (f"{indent}  {line}" for line in table(columns, rows, room))
        else:
            words = ", ".join(map(str, value)) or "none" if isinstance(value, list) else _word(name, value)
            yield from wrap(f"{indent}{printable(name)}: {printable(words)}", width, f"{indent}  ")


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) and row for row in value)


def _word(name: str, value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict) and isinstance(value.get("content"), list):
        return f"{value['size']} bytes: {_summary(value['content'])}"
    if name == "content" and isinstance(value, list):
        return _summary(value)
    if isinstance(value, dict | list):
        return json.dumps(value)
    return format_offset(value) if name == "offset" and isinstance(value, int) else str(value)


def _summary(contents: list[dict[str, Any]]) -> str:
    """Return certificates and keys in one line."""
    lines = []
    for content in contents:
        if content["kind"] == "certificate":
            dates = f"{content['not_before'][:10]} to {content['not_after'][:10]}"
            fingerprint = f"SHA-256 {content['sha256'][:16]}…"
            lines.append(
                f"certificate {content['subject']} by {content['issuer']}, {dates}, {content['key']}, {fingerprint}"
            )
        else:
            lines.append(" ".join(str(content[name]) for name in ("kind", "key", "problem") if name in content))
    return "; ".join(lines)
