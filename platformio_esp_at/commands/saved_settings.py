"""The UART settings that a module has saved itself: they win over the project's, so an upload changes them in place.

The sectors of ``nvs`` that change have to be erased first. What was read is kept in a file until what was written is
read back, so that a cut of the cable in between loses no Wi-Fi password: the next run puts the sectors back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, note, warning
from platformio_esp_at.events import Noticed, SavedSettingsChanged
from platformio_esp_at.formats.nvs import NvsEntry
from platformio_esp_at.formats.ota_data import OTA_DATA_SIZE, OtaData
from platformio_esp_at.formats.partition_table import PartitionType
from platformio_esp_at.formats.saved_nvs import SavedNvs, changed_sectors
from platformio_esp_at.outputs.private import PrivateFile
from platformio_esp_at.planning.uart_settings import ENCODINGS, NAMESPACE, wanted_settings
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platformio_esp_at.commands.device_run import DeviceRun
    from platformio_esp_at.formats.partition_table import Partition
    from platformio_esp_at.planning.plan import FlashPlan

NVS = "nvs"
"""The partition, in the primary table of every release."""


def adapt_saved_settings(run: DeviceRun) -> None:
    """Change the UART settings that the module has saved to those that the project sets, and tell which.

    What doesn't contradict the project stays, and so does every other entry, byte for byte. An ``nvs`` that can't be
    read stays as it is, with a warning.
    """
    home = run.job.plan.primary.find(NVS)
    if home is None:
        return
    kept = _kept_file(run)
    if kept.read() is None and not _wanted(run, {}):
        return
    data = _put_back(run, home, run.read(NVS, home.offset, home.size), kept)
    try:
        was = uart_settings(data)
        wanted = _wanted(run, was)
        sectors = changed_sectors(data, [NvsEntry(NAMESPACE, key, ENCODINGS[key], wanted[key]) for key in wanted])
    except FormatError as error:
        message = f"{NVS} stays as the module has it: {error.message}; the UART settings in it win over the project's"
        run.report(Noticed(warning("uart-settings-unread", message, hint=error.marked_hint)))
        run.facts["uart_settings"] = "unread"
        return
    if sectors:
        _write(run, home, data, sectors, kept)
        changed = {key: value for key, value in wanted.items() if was.get(key, value) != value}
        if changed:  # else only a copy that doesn't count any more
            run.report(SavedSettingsChanged({key: was[key] for key in changed}, changed))
        run.facts["uart_settings"] = {"was": was, "now": {**was, **changed}}


def _wanted(run: DeviceRun, saved: Mapping[str, int]) -> dict[str, int]:
    return wanted_settings(run.job.request.factory_param, run.job.plan, saved)


def uart_settings(nvs: bytes) -> dict[str, int]:
    """Return the UART settings in an ``nvs`` partition by their keys; none where it has none. Raises `FormatError`."""
    return {
        entry.key: entry.value
        for entry in SavedNvs.from_bytes(nvs).entries
        if entry.namespace == NAMESPACE and ENCODINGS.get(entry.key) is entry.encoding and isinstance(entry.value, int)
    }


def describe_kept(run: DeviceRun) -> dict[str, str]:
    """Return what the device has in ``nvs`` and ``ota_data``, for people; no value but those of the UART."""
    plan, found = run.job.plan, {}
    if home := plan.primary.find(NVS):
        found[NVS] = _nvs_in_words(run.read(NVS, home.offset, home.size))
    if row := next((row for row in plan.primary if (row.type_name, row.subtype_name) == ("data", "ota")), None):
        found[row.name] = _ota_data_in_words(run.read(row.name, row.offset, OTA_DATA_SIZE), plan)
    return found


def _write(run: DeviceRun, home: Partition, data: bytes, sectors: Mapping[int, bytes], kept: PrivateFile) -> None:
    """Write sectors of ``nvs``; what was there is in ``kept``, with what it becomes, until that is read back."""
    new = bytearray(data)
    for at, sector in sectors.items():
        new[at : at + SECTOR_SIZE] = sector
    run.report(Noticed(note("uart-settings-changing", _RISK)))
    kept.write(data + new)
    try:
        run.rewrite({home.offset + at: sector for at, sector in sectors.items()})
    except EspAtError:
        run.rewrite({home.offset + at: data[at : at + SECTOR_SIZE] for at in sectors})
        raise
    kept.remove()


_RISK = (
    "the UART settings in nvs are changed: if power is cut right now, a page of nvs can be lost, such as Wi-Fi "
    "settings; what was there is kept in a file until it is written"
)


def _put_back(run: DeviceRun, home: Partition, data: bytes, kept: PrivateFile) -> bytes:
    """Return what ``nvs`` has; the sectors that a run left half written are put back first.

    Only where the module has changed nothing since: the others are as they were.
    """
    both = kept.read() or b""
    old, new = both[: len(both) // 2], both[len(both) // 2 :]
    if len(old) == len(data):
        sectors = {at: slice(at, at + SECTOR_SIZE) for at in range(0, len(data), SECTOR_SIZE)}
        lost = [at for at, part in sectors.items() if data[part] not in (old[part], new[part])]
        if lost and all(old[sectors[at]] != new[sectors[at]] for at in lost):
            run.rewrite({home.offset + at: old[sectors[at]] for at in lost})
            message = "the last run was cut off while it changed nvs: what was there before is back"
            run.report(Noticed(note("nvs-put-back", message)))
            data = run.read(NVS, home.offset, home.size)
    kept.remove()
    return data


def _kept_file(run: DeviceRun) -> PrivateFile:
    assert run.device is not None  # noqa: S101 - it is connected
    # In the project, not beside the image set: PlatformIO empties its build folder when platformio.ini changes.
    return PrivateFile(run.setup.project, f"nvs-{(run.device.mac or 'unknown').replace(':', '')}.bin")


def _nvs_in_words(data: bytes) -> str:
    try:
        saved = SavedNvs.from_bytes(data)
    except FormatError as error:
        return f"can't be read: {error.message}"
    if saved.encrypted:
        return "encrypted, or damaged"
    settings = uart_settings(data)
    uart = ", ".join(f"{key} {value}" for key, value in settings.items())
    return f"{len(saved.entries)} entries; UART: {uart or 'nothing saved, so the factory parameters count'}"


def _ota_data_in_words(data: bytes, plan: FlashPlan) -> str:
    slots = [row for row in plan.primary if row.type == PartitionType.APP and row.subtype_name.startswith("ota_")]
    try:
        slot = OtaData.from_bytes(data).slot(len(slots)) if slots else None
    except FormatError as error:
        return f"can't be read: {error.message}"
    return f"starts {slots[slot].name}" if slot is not None else "blank: the first application is started"
