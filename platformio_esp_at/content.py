"""The content of user partitions: factory parameters, certificates, GATT services and the user's own data.

What the request says is turned into the bytes that this release's firmware reads; `plan` leaves the rest as the
firmware package has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, PackageError, located, unknown_name
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.pki import PkiContainer, PkiType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from platformio_esp_at.package import FirmwarePackage
    from platformio_esp_at.project import InputFile, Request, Text
    from platformio_esp_at.selection import SelectedModule

FACTORY_PARAM = "factory_param"
BLE_DATA = "ble_data"
MFG_NVS = "mfg_nvs"

PKI_PARTITIONS = {
    f"{role}_{kind.name.lower()}": kind for role in ("server", "client", "mqtt", "wpa2") for kind in PkiType
}
"""The partitions that hold certificates and keys, up to v3.0.0.0, and what each holds."""

_FIXED_FIELDS = {"version", "reserved1"}
"""Fields of factory_param that say which layout it has, not how the module works."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one partition, and who asked for them."""

    partition: str
    data: bytes = field(repr=False)
    origin: str
    """Where the bytes come from, for people."""
    where: str
    """The place of the request that asks for them."""


def make_content(package: FirmwarePackage, module: SelectedModule, request: Request) -> dict[str, Content]:
    """Return the content that the module and the request give, by partition.

    Raises an `EspAtError`, naming the file or the option, for what can't be understood or put into this package.
    """
    contents = [Content(name, file.data, file.label, file.where) for name, file in request.data.items()]
    if package.has_mfg_nvs:
        _refuse_mfg_nvs_edits(package, module, request)
    else:
        contents += _legacy_content(package, module, request)
    by_name: dict[str, Content] = {}
    for content in contents:
        if content.partition in by_name:
            where = by_name[content.partition].where
            raise EspAtError(f"{content.partition} is given content twice", where=where, hint="take it out of data:")
        by_name[content.partition] = content
    return by_name


def _legacy_content(package: FirmwarePackage, module: SelectedModule, request: Request) -> Iterator[Content]:
    """Yield what a package up to v3.0.0.0 keeps in a partition each."""
    param, origin = _factory_param(package, module, request)
    yield Content(FACTORY_PARAM, param.to_bytes(), origin, module.reason)
    for name, files in request.pki.items():
        kind = PKI_PARTITIONS.get(name)
        if kind is None:
            raise unknown_name("certificate or key", name, PKI_PARTITIONS, where=files[0].where)
        contents = [_checked_pki(file, kind) for file in files]
        container = PkiContainer.of(_pki_type(package, kind, param.version), contents)
        yield Content(name, container.to_bytes(), ", ".join(file.label for file in files), files[0].where)
    if request.gatts:
        text = request.gatts.text()
        with located(request.gatts.label):
            data = GattTable.from_csv(text).to_bytes()
        yield Content(BLE_DATA, data, request.gatts.label, request.gatts.where)


def _refuse_mfg_nvs_edits(package: FirmwarePackage, module: SelectedModule, request: Request) -> None:
    if MFG_NVS in request.data:
        return
    asked = {"factory_param": request.factory_param, "pki": request.pki, "gatts": request.gatts}
    for option, value in asked.items():
        if value:
            raise PackageError(
                f"{package.name} keeps its parameters in mfg_nvs.bin (since v3.1.0.0), which {option} can't change yet",
                hint="edit mfg_nvs.bin with at.py and give it as data: {mfg_nvs: FILE}, or take a v2 or v3.0 package",
            )
    if module.changes or module.name not in package.modules:
        known = ", ".join(package.modules) or "a module that it doesn't name"
        raise PackageError(
            f"{package.name} carries the parameters of {known}, not of {module.name} ({module.reason})",
            hint="take that module's firmware package; or name this one as module:, if yours is wired like it",
        )


# --- factory parameters ---


def _factory_param(package: FirmwarePackage, module: SelectedModule, request: Request) -> tuple[FactoryParam, str]:
    """Return the module's parameters, the request's values on top, and where they come from."""
    own = _own_factory_param(package, module)
    param, origin = (own, "firmware package") if own else _generated_factory_param(package, module)
    param = _with_values(param, module.changes)
    if request.factory_param:
        param = _with_values(param, request.factory_param)
        origin = f"{origin}, with {', '.join(request.factory_param)} of the project"
    return param, origin


def _own_factory_param(package: FirmwarePackage, module: SelectedModule) -> FactoryParam | None:
    """Return the package's factory_param for the module: by file name, else by the module that the file names."""
    readable = _readable_factory_params(package)
    wanted = f"{FACTORY_PARAM}_{module.name}.bin".casefold()
    for path, param in readable.items():
        if PurePosixPath(path).name.casefold() == wanted:
            return param
    for param in readable.values():
        if str(param.values.get("module_name", "")).casefold() == module.name.casefold():
            return param
    return None


def _readable_factory_params(package: FirmwarePackage) -> dict[str, FactoryParam]:
    """Return those that hold something: upstream's build leaves one all FF for a module that it misspells."""
    found = {}
    for path, data in package.factory_params.items():
        if data.strip(b"\xff"):
            with located(path):
                found[path] = FactoryParam.from_bytes(data)
    return found


def _generated_factory_param(package: FirmwarePackage, module: SelectedModule) -> tuple[FactoryParam, str]:
    versions = {param.version for param in _readable_factory_params(package).values()}
    if len(versions) != 1:
        raise PackageError(
            f"{package.name} has no factory_param.bin that says something, so its version isn't known",
            hint="download the package again, or unpack all of it",
        )
    values = module.factory_param_values(versions.pop())
    return FactoryParam.from_values(values), f"generated for {module.name}"


def _with_values(param: FactoryParam, changes: Mapping[str, Text]) -> FactoryParam:
    values = {name: value for name, value in param.values.items() if name not in _FIXED_FIELDS}
    for name, text in changes.items():
        if name not in values:
            raise unknown_name("factory parameter", name, values, where=text.where)
        value = text.number() if isinstance(values[name], int) else text.text
        with located(text.where):
            param = param.replace({name: value})
    return param


# --- certificates and keys ---


def _pki_type(package: FirmwarePackage, kind: PkiType, version: int) -> PkiType:
    """Return the type byte that this release's firmware is given for ``kind``.

    Upstream's build of v2.2.0.0 to v3.0.0.0 marks CAs and keys as certificates. Which way a package does it, its own
    images tell, else its factory_param: that of these releases has version 3.
    """
    seen = set()
    for image in package.args.images:
        if PKI_PARTITIONS.get(package.name_of(image)) in (PkiType.CA, PkiType.KEY):
            with located(image.path):
                seen |= {item.type for item in PkiContainer.from_bytes(package.files[image.path]).items}
    marks_all_as_certificates = seen == {PkiType.CERT} if seen else version == 3
    return PkiType.CERT if marks_all_as_certificates else kind


def _checked_pki(file: InputFile, kind: PkiType) -> bytes:
    """Return the file's bytes, which the firmware takes as they are. Raises `FormatError` for another kind of file."""
    with located(file.label):
        if b"-----BEGIN" not in file.data:
            if not _is_der(file.data):
                raise FormatError("neither PEM nor DER", hint="a PEM file has a line -----BEGIN …")
            return file.data
        if b"ENCRYPTED" in file.data:
            raise FormatError("the key is encrypted", hint="the module can't ask for a passphrase: decrypt it first")
        what = "private key" if kind is PkiType.KEY else "certificate"
        if f"{what.upper()}-----".encode() not in file.data:
            raise FormatError(f"there is no {what} in this PEM file")
        return file.data


def _is_der(data: bytes) -> bool:
    """Return whether ``data`` is one ASN.1 SEQUENCE from end to end."""
    if len(data) < 2 or data[0] != 0x30:
        return False
    if data[1] < 0x80:
        return len(data) == 2 + data[1]
    count = data[1] & 0x7F
    return len(data) == 2 + count + int.from_bytes(data[2 : 2 + count], "big")
