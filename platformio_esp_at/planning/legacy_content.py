"""The content of user partitions up to v3.0.0.0: ``factory_param`` and the PKI partitions."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, PackageError, located, setting, unknown_name
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.pki import PKI_SLOTS, PkiContainer, PkiType, first_type
from platformio_esp_at.planning import mfg_nvs
from platformio_esp_at.request.nodes import place_of_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.planning.selection import SelectedModule
    from platformio_esp_at.request.options import Request
    from platformio_esp_at.request.values import Text

_FIXED_FIELDS = {"version", "reserved1"}
"""Fields of factory_param that describe its layout, not how the module works."""


def make_factory_param(package: FirmwarePackage, module: SelectedModule, request: Request) -> tuple[FactoryParam, str]:
    """Return the module's parameters with the request's changes, and a text for people about their origin.

    Raises an `EspAtError`, naming the option's place, for an unknown parameter or a value that doesn't fit.
    """
    own = _own_factory_param(package, module.based_on or module.name)
    param, origin = (own, "firmware package") if own else _generated_factory_param(package, module)
    if module.based_on:
        name = {"module_name": module.name} if "module_name" in param.values else {}
        param = _with_values(param.replace(name), module.changes)
        origin = f"{origin}, changed for {module.name}"
    if request.factory_param:
        param = _with_values(param, request.factory_param)
        origin = f"{origin}, with {', '.join(request.factory_param)} of the project"
    return param, origin


def _own_factory_param(package: FirmwarePackage, module: str) -> FactoryParam | None:
    """Return the package's factory_param for a module: by file name, else by the module name in the file."""
    readable = _readable_factory_params(package)
    wanted = f"factory_param_{module}.bin".casefold()
    for path, param in readable.items():
        if PurePosixPath(path).name.casefold() == wanted:
            return param
    for param in readable.values():
        if str(param.values.get("module_name", "")).casefold() == module.casefold():
            return param
    return None


def _readable_factory_params(package: FirmwarePackage) -> dict[str, FactoryParam]:
    """Return those that aren't blank: for a module with a misspelt name, upstream's build writes a file of FF."""
    found = {}
    for path, data in package.factory_params.items():
        if data.strip(b"\xff"):
            with located(file=path, origin_hint=package.origin_hint):
                found[path] = FactoryParam.from_bytes(data)
    return found


def _generated_factory_param(package: FirmwarePackage, module: SelectedModule) -> tuple[FactoryParam, str]:
    versions = {param.version for param in _readable_factory_params(package).values()}
    if len(versions) > 1:
        raise PackageError(
            "package-inconsistent",
            f"the factory_param.bin of {package.name} have the versions {', '.join(map(str, sorted(versions)))}",
            hint="download the package again, or unpack all of it",
        )
    if not package.factory_params:
        table = package.secondary_image.path
        raise PackageError(
            "package-without-parameters",
            f"{package.name} has no factory_param.bin, and its user partition table ({table}) has no mfg_nvs",
            hint=f"{package.origin_hint}; for a table of your own, leave {table} as it was, and write "
            f"{setting('partitions', 'FILE.csv')}",
        )
    if not versions:
        raise PackageError(
            "package-without-parameters",
            f"every factory_param.bin of {package.name} is blank, so its version isn't known",
            hint="download the package again, or unpack all of it",
        )
    values = module.factory_param_values(versions.pop())
    return FactoryParam.from_values(values), f"generated for {module.based_on or module.name}"


def _with_values(param: FactoryParam, changes: Mapping[str, Text]) -> FactoryParam:
    values = {name: value for name, value in param.values.items() if name not in _FIXED_FIELDS}
    for given, text in changes.items():
        name = mfg_nvs.RENAMED.get(given, given)
        if name not in values and name in mfg_nvs.ENCODINGS.keys() - _FIXED_FIELDS:
            raise EspAtError(
                "not-read-by-release",
                f"the firmware of this release doesn't read {given}",
                where=text.where,
                hint=f"remove it; the firmware reads {', '.join(values)}",
            )
        if name not in values:
            where = place_of_key(given, text.where)
            raise unknown_name("unknown-parameter", "factory parameter", given, values, where=where)
        value = text.number() if isinstance(values[name], int) else text.text
        with located(text.where):
            param = param.replace({name: value})
    return param


def make_pki(name: str, contents: Sequence[bytes], *, all_as_certificates: bool) -> PkiContainer:
    """Return the container of certificates or keys for a slot, as the firmware of this release reads it.

    ``all_as_certificates``: the result of `marks_all_as_certificates`. Raises `EspAtError` for a slot that this release
    doesn't have.
    """
    role = name.rpartition("_")[0]
    if role in ("https", "wss"):
        hint = f"remove {name}, or take a newer release: {setting('firmware', 'v4.1.0.0')}"
        raise EspAtError("not-read-by-release", f"the firmware of this release doesn't read {name}", hint=hint)
    return PkiContainer.of(PkiType.CERT if all_as_certificates else PKI_SLOTS[name], contents)


def marks_all_as_certificates(package: FirmwarePackage, version: int) -> bool:
    """Return whether CAs and keys, too, have the type byte of a certificate in this release.

    Upstream's build of v2.2.0.0 to v3.0.0.0 does that. The package's own images decide; if it has none, the ``version``
    of its factory_param: in these releases, it is 3.
    """
    seen = set()
    for image in package.args.images:
        if PKI_SLOTS.get(package.name_of(image)) in (PkiType.CA, PkiType.KEY):
            seen |= {first_type(package.files[image.path])} - {None}
    return seen == {PkiType.CERT} if seen else version == 3
