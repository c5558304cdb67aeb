"""The user partition table: whether the firmware finds its partitions in it.

The firmware looks for a partition by type and name. The subtype of its own type, 0x40, differs between releases, and
the firmware accepts any. Source: ESP-AT ``components/at/src/at_init.c``, ``esp_at_custom_partition_find``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, LayoutError
from platformio_esp_at.formats.nvs_pages import MIN_SIZE as NVS_MIN_SIZE
from platformio_esp_at.formats.partition_table import AT_TYPE, SUBTYPES, PartitionType
from platformio_esp_at.formats.pki import PKI_SLOTS, pki_slot
from platformio_esp_at.planning.content import BLE_DATA, FACTORY_PARAM, MFG_NVS
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.errors import Place
    from platformio_esp_at.formats.partition_table import Partition
    from platformio_esp_at.planning.plan import FlashPlan

_DATA = PartitionType.DATA
_NVS = SUBTYPES[_DATA]["nvs"]
_NVS_PARTITIONS = (MFG_NVS, "rmaker_mfg")
"""The NVS images among the user partitions; ``rmaker_mfg`` is of the firmware for ESP RainMaker."""


def unusable_secondary(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for each partition that the firmware wouldn't find, or couldn't read."""
    for row in plan.secondary:
        where = plan.place_of(row)
        if row.name in _NVS_PARTITIONS:
            if (row.type, row.subtype) != (_DATA, _NVS):
                yield _other_type(row, "data, nvs", where)
            elif row.size < NVS_MIN_SIZE:
                message = f"{row} has {format_size(row.size)}, an NVS image needs {format_size(NVS_MIN_SIZE)}"
                hint = f"write {format_size(NVS_MIN_SIZE)} or more as its size"
                yield LayoutError("partition-too-small", message, where=where, hint=hint, partition=row.name)
        elif _is_own(plan, row.name) and row.type != AT_TYPE:
            yield _other_type(row, f"{AT_TYPE:#x}", where)


def _is_own(plan: FlashPlan, name: str) -> bool:
    """Return whether the firmware looks for a partition of that name and of ESP-AT's type: up to v3.0.0.0."""
    return not plan.package.has_mfg_nvs and (name in (FACTORY_PARAM, BLE_DATA) or pki_slot(name) in PKI_SLOTS)


def _other_type(row: Partition, expected: str, where: Place) -> EspAtError:
    message = f"{row} is {row.type_name}, {row.subtype_name}: the firmware looks for {expected}"
    hint = f"write {expected} as its type" + (" and subtype" if "," in expected else "")
    return LayoutError("partition-type", message, where=where, hint=hint, partition=row.name)
