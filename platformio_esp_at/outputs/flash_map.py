"""The map of a plan's flash: every byte of it in one row, what an update and what the factory image does with each.

The rows of the primary partition table come first; inside ``at_customize`` are those of the user partition table. What
no partition and no image has is a row without a name.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from platformio_esp_at.formats.partition_table import Partition
    from platformio_esp_at.planning.plan import FlashPlan, Region

USER_TABLE = "user partition table"
"""The name of the first row inside ``at_customize``: the image of that name is the table alone."""


class State(enum.Enum):
    """What becomes of the bytes of a row."""

    WRITTEN = "written"
    KEPT = "kept"
    NEW = "new"
    """A partition that the project adds or moves, without content: it holds what the flash has there."""
    ERASED = "erased"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class MapRow:
    """A range of the flash, offsets in bytes."""

    name: str
    """Of its partition or image; empty where nothing is."""
    offset: int
    end: int
    state: State
    """After an update."""
    written: int = 0
    """How many bytes an update erases to write an image there, from the row's offset: whole sectors."""
    rows: tuple[MapRow, ...] = ()
    """What is inside it, for ``at_customize``."""

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.end - self.offset

    @property
    def factory_state(self) -> State:
        """What the factory image makes of it: it writes the same images, and erases all else."""
        return self.state if self.state in (State.WRITTEN, State.FREE) else State.ERASED


@dataclass(frozen=True, slots=True)
class FlashMap:
    """All rows, in the order of their offsets, from 0 to the end of the flash that the firmware is laid out for."""

    rows: tuple[MapRow, ...]

    @classmethod
    def of(cls, plan: FlashPlan) -> FlashMap:
        """Return the map of a plan that has passed `check_plan`: nothing overlaps in it."""
        home, regions = plan.package.home, {region.offset: region for region in plan.regions}
        kept = {row.offset for row in plan.kept}

        def row_of(partition: Partition) -> MapRow:
            state = State.KEPT if partition.offset in kept else State.NEW
            written = 0
            if region := regions.pop(partition.offset, None):
                state, written = State.WRITTEN, min(region.erase_end, partition.end) - partition.offset
            return MapRow(partition.name, partition.offset, partition.end, state, written)

        users = [row_of(row) for row in plan.secondary]
        primary = [row_of(row) for row in plan.primary if row != home]
        others = [_row_of_image(region, home) for region in regions.values()]
        within = [row for row in others if home.offset <= row.offset < home.end]
        inside = tuple(_with_gaps(home.offset, home.end, [*users, *within]))
        parent = MapRow(home.name, home.offset, home.end, State.WRITTEN, rows=inside)
        outside = [row for row in others if row not in within]
        return cls(tuple(_with_gaps(0, plan.flash_size, [*primary, parent, *outside])))

    @property
    def size(self) -> int:
        """The size of the flash, in bytes."""
        return self.rows[-1].end


def _row_of_image(region: Region, home: Partition) -> MapRow:
    """Return the row of an image that is in no partition, or of the user partition table."""
    name = USER_TABLE if region.offset == home.offset else region.name
    return MapRow(name, region.offset, region.erase_end, State.WRITTEN, region.erase_end - region.offset)


def _with_gaps(start: int, end: int, rows: Iterable[MapRow]) -> Iterator[MapRow]:
    """Yield rows sorted by their offsets, and one for each gap from ``start`` to ``end``."""
    at = start
    for row in sorted(rows, key=lambda row: row.offset):
        if at < row.offset:
            yield MapRow("", at, row.offset, State.FREE)
        yield row
        at = row.end
    if at < end:
        yield MapRow("", at, end, State.FREE)
