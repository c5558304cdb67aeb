"""The images of a firmware package: whether each goes to its own partition, and none is left out."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, PackageError, Place
from platformio_esp_at.formats.partition_table import SUBTYPES, PartitionType
from platformio_esp_at.formats.pki import PKI_SETS, PkiType
from platformio_esp_at.planning.content import AT_PARTITIONS, FACTORY_PARAM
from platformio_esp_at.units import format_offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.formats.partition_table import Partition
    from platformio_esp_at.planning.plan import FlashPlan

_DATA = PartitionType.DATA
_OTA, _PHY = SUBTYPES[_DATA]["ota"], SUBTYPES[_DATA]["phy"]
_FIXED_KINDS = {
    "ota_data_initial": (_DATA, _OTA),
    "phy_init_data": (_DATA, _PHY),
    "phy_multiple_init_data": (_DATA, _PHY),
}
"""Files of ESP-IDF's build whose partition is found by type: its name is the table's choice."""

_READS_PHY_DATA = b"failed to validate PHY data partition"
"""ESP-IDF, ``components/esp_phy/src/phy_init.c``: compiled in with CONFIG_ESP_PHY_INIT_DATA_IN_PARTITION alone."""


def misplaced_images(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for each image of the package that is at a wrong place, or else that is missing."""
    misplaced = [*_misdirected(plan.package), *_unlisted(plan.package)]
    yield from misplaced or _incomplete(plan)


def _misdirected(package: FirmwarePackage) -> Iterator[EspAtError]:
    """Yield a problem for an image that doesn't go to its own partition, by the name of its file."""
    rows = _places(package)
    for image in package.args.images:
        if image.offset in (package.bootloader.offset, package.primary_image.offset):
            continue
        row = next((row for row in rows if row.offset == image.offset), None)
        if not _may_go_to(image.path, row, rows):
            to = f"into {row}" if row else "where no partition starts"
            message = f"it goes to {format_offset(image.offset)}, {to}"
            where = Place.at(package=package.name, file=image.path)
            yield PackageError("image-misdirected", message, where=where, hint=_place_of(image.path, package))


def _unlisted(package: FirmwarePackage) -> Iterator[EspAtError]:
    """Yield a problem for a file of the package that has a partition, and that isn't written."""
    written = {image.offset for image in package.args.images}
    for path in package.unlisted:
        home = next((row for row in _places(package) if _belongs_to(path, row)), None)
        if home and home.offset not in written:
            where = Place.at(package=package.name, file=path)
            message = f"download.config doesn't name this file, so {home} would stay as the flash has it"
            yield PackageError("image-unlisted", message, where=where, hint=_place_of(path, package))


def _incomplete(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for certificates without all of their set, and for an application without its PHY data."""
    package, where = plan.package, Place.at(package=plan.package.name)
    names = {package.name_of(image) for image in package.args.images}
    for role in PKI_SETS:
        of_role = [f"{role}_{kind.name.lower()}" for kind in PkiType]
        missing = [name for name in of_role if name not in names]
        if 0 < len(missing) < len(of_role):
            message = f"it writes no {' and no '.join(missing)}: TLS needs all of {', '.join(of_role)}"
            yield PackageError("package-incomplete", message, where=where, hint=package.origin_hint)
    phy = next((row for row in plan.primary if (row.type, row.subtype) == (_DATA, _PHY)), None)
    written = {region.offset for region in plan.regions}
    if _READS_PHY_DATA in package.application and (phy is None or phy.offset not in written):
        message = f"the application reads its PHY data from {phy or 'a partition phy_init'}, and none is written"
        yield PackageError("package-incomplete", message, where=where, hint=package.origin_hint)


def _places(package: FirmwarePackage) -> tuple[Partition, ...]:
    """Return the partitions that an image may go to; ``at_customize`` is that of the user table."""
    return (*package.secondary, *package.primary)


def _may_go_to(path: str, row: Partition | None, rows: Iterable[Partition]) -> bool:
    """Return whether a file of that name may go to a partition, or to None; one of an unknown name may go anywhere."""
    stem = PurePosixPath(path).stem
    if any(stem.startswith(prefix) for prefix in _FIXED_KINDS) or _partition_name(stem) in AT_PARTITIONS.union(
        other.name for other in rows
    ):
        return row is not None and _belongs_to(path, row)
    return True


def _belongs_to(path: str, row: Partition) -> bool:
    """Return whether a file is the content of a partition, by its name."""
    stem = PurePosixPath(path).stem
    for prefix, kind in _FIXED_KINDS.items():
        if stem.startswith(prefix):
            return (row.type, row.subtype) == kind
    return row.name == _partition_name(stem)


def _partition_name(stem: str) -> str:
    return FACTORY_PARAM if stem.startswith(FACTORY_PARAM) else stem


def _place_of(path: str, package: FirmwarePackage) -> str:
    """Return the next step for an image at a wrong place."""
    home = next((row for row in _places(package) if _belongs_to(path, row)), None)
    if home is None:
        return package.origin_hint
    return f"{package.origin_hint}; or, if you built it, write {format_offset(home.offset)} {path} into download.config"
