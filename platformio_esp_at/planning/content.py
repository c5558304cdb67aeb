"""The content of user partitions: parameters, certificates, GATT services and the user's own data.

The values of the request become the bytes that this release's firmware reads: up to v3.0.0.0 each in its own partition
(`legacy_content`), since then all in one NVS image (`mfg_nvs`). The same request works for both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, Place, located, setting, unknown_name
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE
from platformio_esp_at.formats.pki import PKI_SETS, PKI_SLOTS, PkiContainer, pki_names, pki_slot
from platformio_esp_at.formats.text_instead import text_instead
from platformio_esp_at.planning import mfg_nvs
from platformio_esp_at.request.nodes import place_of_key
from platformio_esp_at.request.values import InputFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.formats.gatts import GattTable
    from platformio_esp_at.formats.partition_table import Partition, PartitionTable
    from platformio_esp_at.planning.selection import SelectedModule
    from platformio_esp_at.request.options import Request
    from platformio_esp_at.request.values import InputFolder

FACTORY_PARAM = "factory_param"
BLE_DATA = "ble_data"
MFG_NVS = "mfg_nvs"
FS_STORAGE = "fs_storage"
"""The partition for files after v5.0.1.0; its subtype, 0xff, says nothing."""
FILE_PARTITIONS = ("fatfs", FS_STORAGE)
"""What the partition for files is called, up to v5.0.1.0 and after: a project's folder goes to either."""
FIRMWARE_PACKAGE = "firmware package"
"""The origin of bytes that stay unchanged."""

ESSENTIAL = (FACTORY_PARAM, MFG_NVS)
"""Partitions with the UART pins; a release has one of the two. Without it, the firmware uses its built-in pins."""

AT_PARTITIONS = frozenset(
    {*ESSENTIAL, BLE_DATA, *FILE_PARTITIONS, *(name for slot in PKI_SLOTS for name in pki_names(slot))}
)
"""The names that ESP-AT itself gives to user partitions, in all releases, and to what is inside ``mfg_nvs``.

Source: ESP-AT ``module_config/*/at_customize.csv`` of v1.0.0.0 to v5.0.1.0.
"""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one partition, and which option asks for them."""

    partition: str
    data: bytes = field(repr=False)
    origin: str
    """Where the bytes come from, for people."""
    where: Place
    """The place in the request that asks for them."""
    parameters: Mapping[str, int | str] | None = None
    """The factory parameters in it, by name, if it has any."""
    gatts: GattTable | None = None
    """The project's GATT table that is in it, if there is one."""
    nvs: NvsImage | None = field(default=None, compare=False, repr=False)
    """Its entries, if it is an NVS image."""


def missing_row_hint(name: str) -> str:
    """Return the next step where the whole table of a project has no row that the firmware needs."""
    return (
        f"add the row {name}, which esp-at table PACKAGE prints; or name only partitions of your own: those are added "
        "to the firmware package's table"
    )


def inside_mfg_nvs(package: FirmwarePackage) -> tuple[str, ...]:
    """Return the partitions of releases up to v3.0.0.0 whose content is in ``mfg_nvs`` in this package."""
    return (*PKI_SLOTS, BLE_DATA) if package.has_mfg_nvs else ()


def make_content(
    package: FirmwarePackage, module: SelectedModule, request: Request, secondary: PartitionTable
) -> dict[str, Content]:
    """Return the content that the module and the request give, by partition of the ``secondary`` table.

    Raises an `EspAtError`, naming the file or the option, for what can't be understood or put into this package.
    """
    request = replace(request, pki=pki_by_slot(request))
    gatts = gatts_of(request)
    for new, old in mfg_nvs.RENAMED.items():
        if new in request.factory_param and old in request.factory_param:
            where = request.factory_param[new].where
            raise FormatError(
                "parameter-twice",
                f"{new} and {old} are two names of one parameter",
                where=where,
                hint="keep one of them",
            )
    contents = [_data_content(package, secondary, name, source) for name, source in request.data.items()]
    if package.has_mfg_nvs:
        contents += _mfg_nvs_content(package, module, request, secondary, gatts)
    else:
        contents += _legacy_content(package, module, request, gatts)
    by_name: dict[str, Content] = {}
    for content in contents:
        if content.partition in by_name:
            where = by_name[content.partition].where
            raise EspAtError(
                "content-twice",
                f"{content.partition} has content from two options",
                where=where,
                hint=f"remove it from {setting('data')}",
            )
        by_name[content.partition] = content
    return by_name


def _data_content(
    package: FirmwarePackage, secondary: PartitionTable, name: str, source: InputFile | InputFolder
) -> Content:
    """Return a file unchanged, and a folder as the file system that the firmware expects in the partition."""
    if isinstance(source, InputFile):
        home = secondary.find(name)
        image = _check_data(package, name, source, home)
        data = source.data
        if name == MFG_NVS and home:
            data = data.ljust(home.size, b"\xff")  # else the firmware would read old pages after it
        values = (mfg_nvs.parameters(image) or None) if image else None
        return Content(name, data, source.label, source.where, values, nvs=image)
    from platformio_esp_at.planning import filesystems  # noqa: PLC0415 - 5 ms that only a folder needs

    if name in FILE_PARTITIONS and secondary.find(name) is None:
        name = next(filter(secondary.find, FILE_PARTITIONS), name)
    home, own = secondary.find(name), package.content_of(name)
    kind = filesystems.kind_for(home, own) if home else None
    if home is None or kind is None:
        hint = f"give it a file: {setting(f'data.{name}', 'FILE')}"
        raise EspAtError(
            "not-a-file-system",
            f"partition {name} has no file system, so the folder {source.label} can't be stored there",
            where=source.where,
            hint=hint,
        )
    with located(file=source.label):
        data = filesystems.build_filesystem(source.files, kind=kind, size=home.size)
    return Content(name, data, f"{kind.value} of {source.label}", source.where)


def _check_data(package: FirmwarePackage, name: str, file: InputFile, home: Partition | None) -> NvsImage | None:
    """Check a file that is written unchanged: it must have the format that the firmware reads in that partition.

    Returns the NVS image for ``mfg_nvs``, else None.
    """
    if not file.data:
        hint = f"to leave {name} as the module has it, remove it from {setting('data')}"
        raise EspAtError("file-empty", f"{file.label} is empty", where=file.where, hint=hint)
    if name == FACTORY_PARAM:
        raise EspAtError(
            "factory-param-as-data",
            "factory_param can't be given under data:",
            where=file.where,
            hint=f"write its values: {setting('factory_param.uart_tx_pin', '17')}",
        )
    with located(file=file.label, origin_hint=_data_hint(name)):
        if name == MFG_NVS:
            return _own_mfg_nvs(file.data, home)
        if name in PKI_SLOTS and not package.has_mfg_nvs:
            PkiContainer.from_bytes(file.data)
        if name == BLE_DATA and not package.has_mfg_nvs:
            from platformio_esp_at.formats.gatts import GattTable  # noqa: PLC0415 - see `gatts_of`

            GattTable.from_bytes(file.data)
        if name in FILE_PARTITIONS and home:
            _check_files(package, home, file.data)
    return None


def _data_hint(name: str) -> str:
    """Return the next step for a file that isn't the image of its partition."""
    if name in FILE_PARTITIONS:
        return "name a folder instead: it becomes the file system that the firmware expects"
    finished = f"{setting('data')} takes a finished image"
    if name in PKI_SLOTS:
        return f"{finished}; for a certificate or key, write {setting(f'pki.{name}', 'FILE')}"
    if name == BLE_DATA:
        return f"{finished}; for a GATT table, write {setting('gatts', 'FILE')}"
    return f"{finished}: take mfg_nvs.bin of a module or package, or remove it here and set {setting('factory_param')}"


def _own_mfg_nvs(data: bytes, home: Partition | None) -> NvsImage:
    """Return the project's own ``mfg_nvs``. Raises `FormatError` for what isn't one, or only its first part."""
    hint = _data_hint(MFG_NVS)
    if text := text_instead(data):
        raise FormatError("not-nvs", f"it is {text.what}", hint=hint)
    image = NvsImage.from_bytes(data)
    # A finished image ends with a blank page, since the firmware needs one to change an entry.
    if home and len(data) < home.size and data[-PAGE_SIZE:].strip(b"\xff"):
        message = f"the NVS image is cut: it has {len(data)} bytes, its partition {home.size}"
        raise FormatError("nvs-cut", f"{message}, and its last page isn't blank", hint=hint)
    return image


def _check_files(package: FirmwarePackage, home: Partition, data: bytes) -> None:
    """Check an image for the partition for files: a firmware formats it where it finds no file system of its kind."""
    from platformio_esp_at.planning import filesystems  # noqa: PLC0415 - see `_data_content`

    kind, own = filesystems.check_image(data, home.size), package.content_of(home.name)
    wanted = filesystems.kind_for(home, own)
    # The subtype of fs_storage doesn't tell how the firmware was built.
    if wanted not in (kind, None) and (own or home.name != FS_STORAGE):
        message = f"it is {kind.value}, and the firmware keeps {wanted.value} in {home.name}"
        raise FormatError("other-file-system", message, hint=_data_hint(home.name))


def gatts_of(request: Request) -> GattTable | None:
    """Return the request's GATT table; None if it has none. Raises `FormatError`, naming the line."""
    if request.gatts is None:
        return None
    from platformio_esp_at.formats.gatts import GattTable  # noqa: PLC0415 - 3 ms that only GATT rows need

    text = request.gatts.text()
    with located(file=request.gatts.label):
        return GattTable.from_csv(text)


def _legacy_content(
    package: FirmwarePackage, module: SelectedModule, request: Request, gatts: GattTable | None
) -> Iterator[Content]:
    """Yield the content of a package up to v3.0.0.0: each part in its own partition."""
    from platformio_esp_at.planning import legacy_content  # noqa: PLC0415 - 2 ms, for old releases

    param, origin = legacy_content.make_factory_param(package, module, request)
    yield Content(FACTORY_PARAM, param.to_bytes(), origin, _table_of(request), param.values)
    as_certificates = bool(request.pki) and legacy_content.marks_all_as_certificates(package, param.version)
    for name, files in request.pki.items():
        with located(files[0].where), located(file=files[-1].label):
            contents = [file.data for file in files]
            data = legacy_content.make_pki(name, contents, all_as_certificates=as_certificates).to_bytes()
        yield Content(name, data, ", ".join(file.label for file in files), files[0].where)
    if request.gatts and gatts:
        with located(file=request.gatts.label):
            data = gatts.to_bytes()
        yield Content(BLE_DATA, data, request.gatts.label, request.gatts.where, gatts=gatts)


def _mfg_nvs_content(
    package: FirmwarePackage,
    module: SelectedModule,
    request: Request,
    secondary: PartitionTable,
    gatts: GattTable | None,
) -> Iterator[Content]:
    """Yield the NVS image: the package's own, or a new one as the request asks for."""
    row = secondary.find(MFG_NVS)
    if row is None:
        return  # a table that `checks` refuses
    asked = [*request.factory_param, *request.pki, *(["gatts"] if request.gatts else [])]
    if MFG_NVS in request.data:
        if asked:
            where = request.data[MFG_NVS].where
            hint = f"remove {setting(f'data.{MFG_NVS}')}, or {asked[0]}"
            raise EspAtError(
                "content-twice",
                f"data: gives all of {MFG_NVS}, so {asked[0]} can't be given, too",
                where=where,
                hint=hint,
            )
        return
    own = package.content_of(MFG_NVS)
    with located(partition=MFG_NVS, origin_hint=package.origin_hint):
        base = NvsImage.from_bytes(own) if own else None
    image = mfg_nvs.make_mfg_nvs(base, size=row.size, reads=package.reads, module=module, request=request, gatts=gatts)
    values = mfg_nvs.parameters(image) or None
    # In a larger partition, the flash would keep old pages after the package's image, and the firmware would read them.
    own_row = package.secondary.find(MFG_NVS)
    if own and image == base and own_row and own_row.size == row.size:
        yield Content(MFG_NVS, own, FIRMWARE_PACKAGE, _table_of(request), values, nvs=image)
        return
    origin = FIRMWARE_PACKAGE if base else f"generated for {module.name}"
    if base and mfg_nvs.parameters(base).get("module_name") != mfg_nvs.parameters(image).get("module_name"):
        origin = f"firmware package, with the parameters of {module.name}"
    if asked:
        origin = f"{origin}, with {', '.join(asked)} of the project"
    with located(partition=MFG_NVS):
        data = replace(image, size=row.size).to_bytes()
    yield Content(MFG_NVS, data, origin, _table_of(request), values, gatts, image)


def _table_of(request: Request) -> Place:
    """Return the file whose table must have a row for the factory parameters, which every module needs."""
    return Place.at(file=request.partitions.label if request.partitions else "at_customize.bin")


# --- certificates and keys ---


def pki_by_slot(request: Request) -> dict[str, tuple[InputFile, ...]]:
    """Return the certificates and keys of a request by their names in `PKI_SLOTS`. Raises for other names.

    Those of enterprise Wi-Fi are named wpa2 or wpa_ent, depending on the release: both names work.
    """
    by_slot: dict[str, tuple[InputFile, ...]] = {}
    for name, files in request.pki.items():
        slot = pki_slot(name)
        if slot not in PKI_SLOTS:
            where = place_of_key(name, files[0].where)
            raise unknown_name("unknown-pki", "certificate or key", name, PKI_SLOTS, where=where)
        sets = PKI_SETS[slot.rpartition("_")[0]]
        if len(files) > sets:
            raise FormatError(
                "too-many-files",
                f"{name} takes {sets} {'file' if sets == 1 else 'files'}",
                where=files[0].where,
                hint=f"remove {', '.join(file.label for file in files[sets:])}",
            )
        if slot in by_slot:
            hint = f"keep one of {' and '.join(pki_names(slot))}"
            raise FormatError("pki-twice", f"{name} is given under two names", where=files[0].where, hint=hint)
        by_slot[slot] = files
    return by_slot
