"""Partitions of one's own in any package's table: its rows stay, the own ones get what is free, always the same."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import event, given, settings
from hypothesis import strategies as st

from platformio_esp_at.checks.layout import check_secondary
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.errors import LayoutError, Place, located
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.download_config import FlashImage
from platformio_esp_at.formats.partition_table import Partition, PartitionTable
from platformio_esp_at.planning.content import AT_PARTITIONS
from platformio_esp_at.planning.own_partitions import UserTable, free_room, user_table
from platformio_esp_at.request.values import InputFile
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

HERE = Place.at(file="esp_at.yml", line=1)
PACKAGES_NAMES = sorted(AT_PARTITIONS)
OWN_NAMES = ["mine", "a b", "data/1", "_", "otadata", "ü", "log", "my_data"]


def _sample() -> FirmwarePackage:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.zip")
        write_sample_package(path)
        return open_package(path)


SAMPLE = _sample()


class Layout(NamedTuple):
    """A package's user table, and the partition that it divides."""

    home: Partition
    table: PartitionTable

    @property
    def package(self) -> FirmwarePackage:
        """A package with this layout, of whose images only the table's is in the way."""
        table = FlashImage(self.home.offset, SAMPLE.secondary_image.path)
        return replace(
            SAMPLE,
            primary=PartitionTable((self.home,), md5=False),
            secondary=self.table,
            secondary_image=table,
            args=SAMPLE.args._replace(images=(table,)),
        )


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    """Draw a user table with any rows, in any order, with any gaps, in an at_customize of any size."""
    home = Partition("at_customize", 0x40, 0, draw(st.integers(0x10, 0x40)) * SECTOR_SIZE, 0)
    names = draw(st.lists(st.sampled_from(PACKAGES_NAMES), min_size=1, max_size=8, unique=True))
    at, rows = home.offset + SECTOR_SIZE, []
    for name in names:
        at += draw(st.integers(0, 6)) * SECTOR_SIZE
        size = draw(st.integers(1, 4)) * SECTOR_SIZE - draw(st.sampled_from([0, 0, 1, 0x800]))
        rows.append(Partition(name, 0x40, draw(st.integers(0, 254)), at, size))
        at = -(-(at + size) // SECTOR_SIZE) * SECTOR_SIZE
    home = replace(home, size=at + draw(st.integers(0, 6)) * SECTOR_SIZE - home.offset)
    return Layout(home, PartitionTable(tuple(draw(st.permutations(rows))), md5=draw(st.booleans())))


@st.composite
def own_rows(draw: st.DrawFn, home: Partition) -> list[list[str]]:
    """Draw the cells of rows; some have an offset, which may be anywhere inside."""
    sectors = (home.offset // SECTOR_SIZE + 1, home.end // SECTOR_SIZE - 1)
    offset = st.integers(*sectors).map(lambda sector: f"{sector * SECTOR_SIZE:#x}")
    offsets = st.one_of(st.just(""), st.just(""), offset)
    sizes = st.one_of(st.integers(1, 4).map(lambda size: f"{size * 4}K"), st.integers(1, 0x3000).map(str))
    names = draw(st.lists(st.sampled_from(OWN_NAMES), min_size=1, max_size=5, unique=True))
    return [[name, "0x40", str(draw(st.integers(0, 254))), draw(offsets), draw(sizes)] for name in names]


def _made(package: FirmwarePackage, rows: list[list[str]], recorded: dict[str, int] | None = None) -> UserTable:
    text = "# mine\n" + "\n".join(map(", ".join, rows))
    return user_table(package, InputFile("own.csv", HERE, text.encode()), recorded or {})


def _made_or_refused(
    package: FirmwarePackage, rows: list[list[str]], recorded: dict[str, int] | None = None
) -> UserTable | LayoutError:
    """Return a table that passes the check, or the error."""
    try:
        made = _made(package, rows, recorded)
        with located(file="own.csv"):
            check_secondary(made.table, home=package.home)
    except LayoutError as error:
        return error
    return made


def _with_offsets(rows: list[list[str]], made: UserTable) -> list[list[str]]:
    """Return the rows of a CSV with the offsets that the whole printed table has."""
    printed = {cells[0]: cells for cells in (line.split(", ") for line in made.table.to_csv().splitlines()[1:])}
    return [[*row[:3], printed[row[0]][3], row[4]] for row in rows]


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_rows_are_added_or_refused(data):
    layout = data.draw(layouts())
    package, rows = layout.package, data.draw(own_rows(layout.home))
    made = _made_or_refused(package, rows)
    if isinstance(made, LayoutError):
        event("refused")
        for problem in made.problems or (made,):
            assert problem.code in ("table-overlap", "partition-no-room", "partition-outside")
            assert problem.hint
            assert problem.where.startswith("own.csv:")
        return
    event("added")
    names = {row[0] for row in rows}
    assert tuple(row for row in made.table if row.name not in names) == layout.table.partitions
    assert made.table.md5 == layout.table.md5
    assert [own.partition.name for own in made.own] == [row[0] for row in rows]
    assert {row.name: row for row in made.table if row.name in names} == {
        own.partition.name: own.partition for own in made.own
    }
    for row, own in zip(rows, made.own, strict=True):
        assert own.is_fixed == bool(row[3])
        assert not row[3] or int(row[3], 16) == own.partition.offset
    by_offset = sorted(made.table, key=lambda row: row.offset)
    assert all(before.end <= after.offset for before, after in pairwise(by_offset))
    # The same again, and with what was printed or recorded.
    assert _made(package, rows) == made
    assert _made(package, _with_offsets(rows, made)).table == made.table
    whole = user_table(package, InputFile("whole.csv", HERE, made.table.to_csv().encode()), {})
    assert whole.table.partitions == made.table.partitions
    recorded = {own.partition.name: own.partition.offset for own in made.own}
    again = _made(package, rows, recorded)
    assert again.table == made.table
    assert not any(own.moves or own.is_unrecorded for own in again.own)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_partition_stays_in_another_package_wherever_it_can(data):
    """From any package to any other one: its place is kept, or what is in the way is named."""
    old, new = data.draw(layouts()), data.draw(layouts())
    row = data.draw(own_rows(old.home))[0]
    row[3] = ""
    placed = _made_or_refused(old.package, [row])
    if isinstance(placed, LayoutError):
        assert placed.code == "partition-no-room"
        return
    before = placed.own[0].partition
    kept = _made_or_refused(new.package, [row], {row[0]: before.offset})
    size = -(-before.size // SECTOR_SIZE) * SECTOR_SIZE
    free = free_room(new.package, new.table)
    is_free = any(at <= before.offset and before.offset + size <= end for at, end in free)
    if isinstance(kept, LayoutError):
        assert (kept.code, is_free) == ("partition-no-room", False)
        return
    event("stays" if is_free else "moves")
    (own,) = kept.own
    assert (own.moves, bool(own.obstacle)) == (not is_free, not is_free)
    assert (own.partition.offset == before.offset) == is_free


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_only_what_has_no_room_is_refused(data):
    """Sector by sector: a row is placed at the first run of free sectors that is long enough, if there is one."""
    layout = data.draw(layouts())
    size = data.draw(st.integers(1, 12))
    home = range(layout.home.offset // SECTOR_SIZE + 1, layout.home.end // SECTOR_SIZE)
    taken = {
        sector
        for partition in layout.table
        for sector in range(partition.offset // SECTOR_SIZE, -(-partition.end // SECTOR_SIZE))
    }
    places = [at for at in home if at + size <= home.stop and taken.isdisjoint(range(at, at + size))]
    made = _made_or_refused(layout.package, [["mine", "0x40", "5", "", str(size * SECTOR_SIZE)]])
    if isinstance(made, LayoutError):
        assert (made.code, places) == ("partition-no-room", [])
    else:
        assert made.own[0].partition.offset == places[0] * SECTOR_SIZE
