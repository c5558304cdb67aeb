"""From a firmware package or an image to a project that rebuilds its content: ``esp-at inspect --as-project``.

The project gets everything that a project can set: module, factory parameters, certificates and keys, GATT services,
the user's own partitions and their content. It then works for packages of both generations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.catalog.releases import find_release
from platformio_esp_at.errors import EspAtError, FormatError, located, printable
from platformio_esp_at.firmware.factory_image import FactoryImage, is_factory_image
from platformio_esp_at.firmware.package import release_in
from platformio_esp_at.formats.factory_param import FactoryParam, is_factory_param
from platformio_esp_at.formats.gatts import COLUMNS, GattTable
from platformio_esp_at.formats.nvs import NvsImage, is_nvs
from platformio_esp_at.formats.pki import PKI_SLOTS, PkiContainer, pki_slot
from platformio_esp_at.formats.saved_nvs import is_nvs_partition
from platformio_esp_at.planning import mfg_nvs
from platformio_esp_at.planning.content import AT_PARTITIONS, BLE_DATA, FACTORY_PARAM, FILE_PARTITIONS, MFG_NVS
from platformio_esp_at.request.values import PROJECT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.formats.partition_table import PartitionTable

_OWN_TABLE = "at_customize.csv"

_NOT_PARAMETERS = {"version", "module_id", "reserved1", "platform", "module_name"}
"""Fields that name the module and the layout: the option ``module`` sets them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a project is made from."""

    name: str
    """The package or file, as the user named it."""
    chip: str | None
    """None if the file doesn't contain it."""
    contents: Mapping[str, bytes] = field(repr=False)
    """The content of user partitions, by name; it may end with FF."""
    secondary: PartitionTable | None = None
    modules: tuple[str, ...] = ()
    """Modules that a firmware package names."""
    is_image: bool = False
    """Whether it is an image: its user table may differ from that of its firmware package."""
    version: str | None = None
    """What the application of a module says that it is: which firmware package to name."""


def origin_of_package(package: FirmwarePackage) -> Origin:
    """Return the content of a firmware package's user partitions."""
    contents = {row.name: content for row in package.secondary if (content := package.content_of(row.name)) is not None}
    return Origin(package.name, package.chip.key, contents, package.secondary, package.modules)


def origin_of_bytes(data: bytes, name: str) -> Origin:
    """Return the content of a factory image, an ``mfg_nvs.bin`` or another file of a user partition.

    Raises `FormatError` for anything else, a module's own ``nvs`` among it.
    """
    if is_factory_image(data):
        image = FactoryImage.from_bytes(data)
        rows = image.secondary.partitions if image.secondary else ()
        contents = {row.name: image.content_of(row) for row in rows}
        return Origin(name, image.chip, contents, image.secondary, is_image=True)
    if is_nvs(data) or is_nvs_partition(data):
        if not mfg_nvs.is_mfg_nvs(data):
            raise FormatError(
                "nvs-of-module",
                "the partition nvs of a module: it holds what the module has saved, such as Wi-Fi passwords",
                hint="give mfg_nvs.bin, a firmware package or a dump of the whole flash; esp-at inspect shows its keys",
            )
        return Origin(name, None, {MFG_NVS: data})
    if is_factory_param(data):
        return Origin(name, None, {FACTORY_PARAM: data})
    hint = "give a firmware package, a factory image, mfg_nvs.bin or factory_param.bin"
    raise FormatError("nothing-to-migrate", "no project can be made from this", hint=hint)


def make_project(origin: Origin) -> dict[str, bytes]:
    """Return the files of a project that rebuilds the content of ``origin``, by their paths; ``esp_at.yml`` is one.

    Raises an `EspAtError` if there is nothing that a project needs to set, or if it is damaged.
    """
    files: dict[str, bytes] = {}
    known = {name: data for name, data in origin.contents.items() if data.strip(b"\xff")}
    image = _nvs(known)
    values = _parameters(known, image)
    module = _module_name(origin, values) if values else None
    usual = _usual(origin, module, values)
    options: dict[str, Any] = {"module": _module_option(origin, module, usual)}
    options["factory_param"] = {
        name: value
        for name, value in values.items()
        # A blank country, as in a factory_param where none was set, can't be written as an option.
        if name not in _NOT_PARAMETERS and value != "" and (name not in usual or usual[name] != value)
    }
    options["pki"] = {}
    for slot, contents in _pki(known, image).items():
        numbers = [f".{number}" for number in range(len(contents))] if len(contents) > 1 else [""]
        paths = [f"pki/{slot}{number}.{_suffix(data)}" for number, data in zip(numbers, contents, strict=True)]
        files |= zip(paths, contents, strict=True)
        options["pki"][slot] = paths if len(paths) > 1 else paths[0]
    if (gatts := _gatts(known, image)) is not None:
        options["gatts"] = "gatts_data.csv"
        files["gatts_data.csv"] = gatts.encode()
    options |= _own_partitions(origin, known, files)
    options = {name: value for name, value in options.items() if value}
    if not options:
        raise EspAtError(
            "nothing-to-migrate",
            "it has nothing that a project needs to set",
            hint="flash the firmware package itself: it gives the same module; esp-at inspect shows what it has",
        )
    return {PROJECT_FILE: _project_file(origin, module, options, files).encode(), **files}


def _nvs(contents: Mapping[str, bytes]) -> NvsImage | None:
    if MFG_NVS not in contents:
        return None
    with located(partition=MFG_NVS):
        return NvsImage.from_bytes(contents[MFG_NVS])


def _parameters(contents: Mapping[str, bytes], image: NvsImage | None) -> dict[str, int | str]:
    if FACTORY_PARAM in contents:
        with located(partition=FACTORY_PARAM):
            return FactoryParam.from_bytes(contents[FACTORY_PARAM]).values
    return mfg_nvs.parameters(image) if image else {}


def _module_name(origin: Origin, values: Mapping[str, int | str]) -> str | None:
    """Return the module that the parameters name; old ones only have its number."""
    if name := values.get("module_name"):
        return str(name)
    if origin.chip is None:
        return None
    numbered = [row.name for row in modules(origin.chip) if row.parameters.get("module_id") == values.get("module_id")]
    return next((name for name in (*origin.modules, *numbered) if name in numbered), None)


def _module_option(origin: Origin, module: str | None, usual: Mapping[str, object]) -> str | dict[str, str] | None:
    """Return the option ``module``: one that the catalog doesn't know becomes a module of the user's own."""
    if module is None or origin.chip is None or usual:
        return module
    return {"name": module, "based_on": modules(origin.chip)[0].name}


def _usual(origin: Origin, module: str | None, values: Mapping[str, int | str]) -> Mapping[str, int | str]:
    """Return the module's usual parameters: a project only has to set those that differ."""
    try:
        if origin.chip is None or module is None:
            return {}
        return find_module(origin.chip, module).factory_param(int(values["version"]))
    except EspAtError:
        return {}


def _pki(contents: Mapping[str, bytes], image: NvsImage | None) -> dict[str, list[bytes]]:
    """Return certificates and keys by slot, of either generation."""
    slots: dict[str, list[bytes]] = {}
    if image is not None:
        found = {pki_slot(name): name for name in image.namespaces if image.keys(name)}
        for slot, namespace in found.items():
            entries = [entry for entry in image if entry.namespace == namespace]
            slots[slot] = [entry.value for entry in entries if isinstance(entry.value, bytes)]
    else:
        for name in filter(PKI_SLOTS.__contains__, contents):
            with located(partition=name):
                slots[name] = [item.content for item in PkiContainer.from_bytes(contents[name]).items]
    return {slot: items for slot, items in slots.items() if items and slot in PKI_SLOTS}


def _suffix(data: bytes) -> str:
    return "pem" if b"-----BEGIN" in data else "der"


def _gatts(contents: Mapping[str, bytes], image: NvsImage | None) -> str | None:
    if image is not None:
        rows = [str(entry.value) for entry in image if entry.namespace == mfg_nvs.GATTS]
        return "\n".join([",".join(COLUMNS), *rows, ""]) if rows else None
    if BLE_DATA in contents:
        with located(partition=BLE_DATA):
            return GattTable.from_bytes(contents[BLE_DATA]).to_csv()
    return None


def _own_partitions(origin: Origin, contents: Mapping[str, bytes], files: dict[str, bytes]) -> dict[str, Any]:
    """Return the options for partitions that aren't ESP-AT's, and for file systems; their content goes to ``files``."""
    options: dict[str, Any] = {"data": {}}
    rows = origin.secondary.partitions if origin.secondary else ()
    has_own = any(row.name not in AT_PARTITIONS for row in rows)
    if origin.secondary and (has_own or origin.is_image):
        files[_OWN_TABLE] = origin.secondary.to_csv().encode()
    if has_own:
        options["partitions"] = _OWN_TABLE
    for row in rows:
        if row.name in contents and (row.name not in AT_PARTITIONS or row.name in FILE_PARTITIONS):
            path = _data_path(row.name, files)
            files[path] = contents[row.name].rstrip(b"\xff") if row.name not in FILE_PARTITIONS else contents[row.name]
            options["data"][row.name] = path
    return options


def _data_path(partition: str, taken: Iterable[str]) -> str:
    """Return a path for a partition's content that is still free, even if the file system ignores case."""
    stem = "".join(char if char.isalnum() else "_" for char in partition)
    folded = {path.casefold() for path in taken}
    paths = (f"data/{stem}{number}.bin" for number in ("", *range(2, len(folded) + 3)))
    return next(path for path in paths if path.casefold() not in folded)


def _firmware(origin: Origin, module: str | None) -> str:
    """Return the option ``firmware``: the release of a module's application, if its module has a package of that."""
    if origin.version is None:
        return "FIRMWARE.zip # name the firmware package"
    release = release_in(origin.version)
    try:
        if release and origin.chip and module:
            find_release(find_module(origin.chip, module), release)
            return f"{release} # by the application's version"
    except EspAtError:
        pass
    return f"FIRMWARE.zip # name the firmware package; the application is {printable(origin.version)}"


def _project_file(origin: Origin, module: str | None, options: Mapping[str, Any], files: Iterable[str]) -> str:
    import yaml  # noqa: PLC0415 - only where a project is written

    text: str = yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True, width=1000)
    if _OWN_TABLE in files and "partitions" not in options:
        text += f"# partitions: {_OWN_TABLE} # the image's own table: for its offsets instead of the package's\n"
    elif _OWN_TABLE in files:
        text += f"# For releases with another layout, keep only the partitions of your own in {_OWN_TABLE}.\n"
    return (
        f"# Made from {origin.name}: rebuilds its content with a firmware package of the same chip.\n"
        f"firmware: {_firmware(origin, module)}\n"
        f"{text}"
    )
