"""The firmware package's own images: whether the firmware can read what is in them.

Only what is written, or edited, is looked at: what the project replaces or skips may be damaged. Programs and tables
have files of their own (`images`, `layout`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, PackageError, Place, raise_all, setting, warning
from platformio_esp_at.formats.esp_image import ESP8266
from platformio_esp_at.formats.nvs import lost_pages
from platformio_esp_at.formats.partition_table import SUBTYPES, PartitionType
from platformio_esp_at.planning.content import BLE_DATA, FACTORY_PARAM, FILE_PARTITIONS, MFG_NVS
from platformio_esp_at.planning.mfg_nvs import ENCODINGS, GATTS, PARAMETERS, pki_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from platformio_esp_at.errors import Notice
    from platformio_esp_at.formats.nvs_pages import Encoding
    from platformio_esp_at.planning.plan import FlashPlan, Region

_OR_SERVICES = f"or set {setting('gatts', 'FILE')}, or leave it out: {setting('skip', BLE_DATA)}"

_NEEDED = ("version", "uart_port", "uart_baudrate", "uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin")
"""What the firmware reads in ``mfg_nvs`` before it answers: ESP-AT's ``main/interface/uart/at_uart_api.c``."""

_READ = ("module_name", "max_tx_power", "country_code", "start_channel", "channel_num")
"""What it reads besides, with values of its own where that fails: ``at_init.c`` in ``components/at/src``."""

_MOST_ROWS = 3
"""How many rows of a GATT table are warned of: in a damaged one, it may be all of them."""


def check_package_content(plan: FlashPlan) -> Iterator[Notice]:
    """Yield the warnings of the package's own images. Raises an `EspAtError` with every problem."""
    problems: list[EspAtError] = []
    for found in _findings(plan):
        if isinstance(found, EspAtError):
            problems.append(found)
        else:
            yield found
    raise_all(problems)


def _findings(plan: FlashPlan) -> Iterator[EspAtError | Notice]:
    for region in plan.regions:
        place = Place.at(file=region.path)
        for found in _findings_of(plan, region):
            if isinstance(found, EspAtError):
                found.locate(place)
                yield found
            else:
                yield found.inside(place)
    yield from _factory_params(plan)
    yield from _needed_in_mfg_nvs(plan)


def _findings_of(plan: FlashPlan, region: Region) -> Iterator[EspAtError | Notice]:
    """Yield what is wrong with one image, if it is the package's own."""
    if region.name == MFG_NVS:
        yield from _own_mfg_nvs(plan, region)
        yield from _made_anew(plan, region)
        yield from _gatts_in_mfg_nvs(plan, region)
    if region.name == MFG_NVS or region.data != plan.package.files.get(region.path):
        return
    again = plan.package.origin_hint
    if region.name == BLE_DATA:
        hint = f"{again}; {_OR_SERVICES}"
        yield from _blank(region.data, hint) or _ble_data(region.data, hint)
    elif region.name in FILE_PARTITIONS:
        hint = f"{again}; or name a folder: {setting(f'data.{region.name}', 'FOLDER/')}"
        yield from _blank(region.data, hint) or _files(plan, region, hint)
    elif _is_phy_data(plan, region):
        yield from _blank(region.data, again) or _phy_data(region.data, again)


def _blank(data: bytes, hint: str) -> list[EspAtError]:
    """Return the problem of an image in which nothing was ever written."""
    kinds = ((b"\xff", "blank: all bytes are FF"), (b"\0", "zeroed: all bytes are 00"))
    found = [what for byte, what in kinds if not data.strip(byte)]
    return [PackageError("image-blank", f"the image is {what}", hint=hint) for what in found]


# --- up to v3.0.0.0 ---


def _factory_params(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for a factory_param that isn't whole, or of another chip, if it is written or listed."""
    if not plan.package.factory_params:
        return
    from platformio_esp_at.formats.factory_param import PARTITION_SIZE, FactoryParam  # noqa: PLC0415 - up to v3.0.0.0

    written = next((region.data for region in plan.regions if region.name == FACTORY_PARAM), None)
    listed = {image.path for image in plan.package.args.images}
    for path, data in plan.package.factory_params.items():
        if path not in listed and data != written:
            continue
        where, again = Place.at(file=path), plan.package.origin_hint
        if len(data) != PARTITION_SIZE:
            message = f"the factory_param is cut: it has {len(data)} of {PARTITION_SIZE} bytes"
            yield PackageError("factory-param-damaged", message, where=where, hint=again)
        elif data.strip(b"\xff"):
            platform = FactoryParam.from_bytes(data).values.get("platform", plan.chip.platform)
            if platform != plan.chip.platform:
                message = f"the factory_param is for {platform}, the firmware package for {plan.chip.display_name}"
                yield PackageError("factory-param-other-chip", message, where=where, hint=again)


def _ble_data(data: bytes, hint: str) -> Iterator[EspAtError | Notice]:
    from platformio_esp_at.checks.gatts import lint_gatts  # noqa: PLC0415 - 3 ms, up to v3.0.0.0
    from platformio_esp_at.formats.gatts import GattTable, misencoded  # noqa: PLC0415

    if repaired := misencoded(data):
        message = "its header has C2 95 instead of 95, so the firmware may not find the services"
        anew = f"to have the image made anew, set {setting('gatts', 'FILE')}"
        yield warning("ble-data-misencoded", message, hint=anew)
    try:
        table = GattTable.from_bytes(repaired or data)
    except FormatError as error:
        error.marked_hint = hint
        yield error
        return
    problems, _ = lint_gatts(table.rows)
    yield from (problem.as_warning() for problem in problems[:_MOST_ROWS])


# --- since v3.1.0.0 ---


def _own_mfg_nvs(plan: FlashPlan, region: Region) -> Iterator[EspAtError]:
    """Yield what is wrong with the package's NVS image, which is written or edited; its entries can be read."""
    own, row = plan.package.content_of(MFG_NVS), plan.package.secondary.find(MFG_NVS)
    if own is None or row is None or region.origin in plan.inputs:
        return
    again = plan.package.origin_hint
    if blank := _blank(own, again):
        yield from blank
    elif len(own) < row.size:
        # Its generators fill the partition; a shorter image leaves pages in the flash, which the firmware reads.
        message = f"the NVS image is cut: it has {len(own)} bytes, its partition {row.size}"
        yield PackageError("nvs-cut", message, hint=again)
    elif lost := lost_pages(own):
        pages = ", ".join(map(str, lost))
        message = f"the NVS image has no page with the sequence number {pages}, so what was in it is lost"
        yield PackageError("nvs-damaged", message, hint=again)


def _made_anew(plan: FlashPlan, region: Region) -> Iterator[Notice]:
    """Yield what an NVS image lacks that the firmware package should have brought, and that has parameters alone."""
    if plan.nvs is None or region.origin in plan.inputs or plan.package.content_of(MFG_NVS) is not None:
        return
    found = {"certificates": any(pki_entries(plan.nvs)), "Bluetooth LE services": GATTS in plan.nvs.namespaces}
    if missing := tuple(what for what, is_there in found.items() if not is_there):
        message = f"the firmware package has no {MFG_NVS}: the one made here has no {' and no '.join(missing)}"
        hint = f"{plan.package.origin_hint}; or set {setting('pki')} and {setting('gatts')}"
        yield warning("nvs-made-anew", message, hint=hint, missing=missing)


def _gatts_in_mfg_nvs(plan: FlashPlan, region: Region) -> Iterator[EspAtError | Notice]:
    """Yield what is wrong with the rows of the image's own GATT table; the project's is checked for itself."""
    rows = {entry.key: str(entry.value) for entry in plan.nvs or () if entry.namespace == GATTS}
    if plan.gatts is not None or not rows:
        return
    if gap := next((key for number in range(len(rows)) if (key := f"cfg{number}") not in rows), None):
        hint = f"{plan.package.origin_hint}; or set {setting('gatts', 'FILE')}"
        message = f"the NVS image has {len(rows)} GATT rows, and no {gap} among them"
        yield PackageError("gatt-row-missing", message, hint=hint, entry=gap)
        return
    from platformio_esp_at.checks.gatts import lint_gatts  # noqa: PLC0415 - 3 ms that only GATT rows need
    from platformio_esp_at.formats.gatts import COLUMNS, GattTable  # noqa: PLC0415

    own = region.origin in plan.inputs
    hint = f"{f'make {region.origin} again' if own else plan.package.origin_hint}; or set {setting('gatts', 'FILE')}"
    text = "\n".join([",".join(COLUMNS), *rows.values(), ""])
    try:
        problems, _ = lint_gatts(GattTable.from_csv(text).rows)
    except FormatError as error:
        key = list(rows)[int(str(error.facts.get("line", 2))) - 2]  # the header is line 1
        message = f"the GATT row {key} can't be read: {error.message}"
        yield PackageError("gatt-row-damaged", message, hint=hint, entry=key)
        return
    yield from (problem.as_warning() for problem in problems[:_MOST_ROWS])


def _needed_in_mfg_nvs(plan: FlashPlan) -> Iterator[EspAtError | Notice]:
    """Yield what is wrong with the parameters that the firmware reads: it finds them by name and type."""
    region = next((region for region in plan.regions if region.name == MFG_NVS), None)
    if plan.nvs is None or region is None:
        return
    given = region.origin in plan.inputs
    place = Place.at(file=region.origin if given else region.path)
    instead = f"remove {MFG_NVS} from {setting('data')}, and set {setting(PARAMETERS)}"
    hint = instead if given else plan.package.origin_hint
    if PARAMETERS not in plan.nvs.namespaces:
        message = f"the NVS image has no namespace {PARAMETERS}, which has the UART and its pins"
        yield EspAtError("nvs-parameters", message, where=place, hint=hint, missing=_NEEDED)
        return
    types = {entry.key: entry.encoding for entry in plan.nvs if entry.namespace == PARAMETERS}
    if missing := tuple(name for name in _NEEDED if types.get(name) is not ENCODINGS[name]):
        message = f"the firmware doesn't find {_as_it_is(missing, types)} in the namespace {PARAMETERS}"
        yield EspAtError("nvs-parameters", message, where=place, hint=hint, missing=missing)
    if missing := tuple(name for name in _READ if types.get(name) is not ENCODINGS[name]):
        message = f"the firmware doesn't find {_as_it_is(missing, types)} in {PARAMETERS} and takes its own values"
        yield warning("nvs-parameters-unread", message, where=place, hint=hint, missing=missing)


def _as_it_is(names: Iterable[str], types: Mapping[str, Encoding]) -> str:
    """Return names with the types that the firmware reads, and those that they have instead."""
    return ", ".join(
        f"{name} ({ENCODINGS[name].name.lower()}{f', it is {types[name].name.lower()}' if name in types else ''})"
        for name in names
    )


# --- file systems, PHY data ---


def _files(plan: FlashPlan, region: Region, hint: str) -> Iterator[EspAtError]:
    from platformio_esp_at.planning import filesystems  # noqa: PLC0415 - 5 ms that only a package with files needs

    home = plan.secondary.find(region.name)
    try:
        filesystems.check_image(region.data, home.size if home else len(region.data))
    except FormatError as error:
        error.marked_hint = hint
        yield error


def _is_phy_data(plan: FlashPlan, region: Region) -> bool:
    phy = SUBTYPES[PartitionType.DATA]["phy"]
    return plan.chip.key != ESP8266 and any(
        (row.type, row.subtype, row.offset) == (PartitionType.DATA, phy, region.offset) for row in plan.primary
    )


def _phy_data(data: bytes, hint: str) -> Iterator[EspAtError]:
    from platformio_esp_at.formats.phy_init import PhyInit  # noqa: PLC0415 - only some firmware has it in a partition

    try:
        PhyInit.from_bytes(data)
    except FormatError as error:
        error.marked_hint = hint
        yield error
