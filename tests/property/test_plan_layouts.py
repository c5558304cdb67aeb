"""For any user partition CSV, a plan that passes the checks is safe to flash; all others are refused."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.errors import EspAtError, Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.planning.content import AT_PARTITIONS
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile, Text
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

HERE = Place.at(file="esp_at.yml", line=1)


def _sample(chip: str) -> FirmwarePackage:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{chip}.zip")
        write_sample_package(path, chip)
        return open_package(path)


PACKAGES = {chip: _sample(chip) for chip in ("esp32", "esp32c6", "esp8266")}
PARAMETERS = {"esp32": "factory_param", "esp32c6": "mfg_nvs", "esp8266": "factory_param"}
OWN_NAMES = ["mine", "a b", "data/1", "_", "otadata", "bootloader", "partition_table", "ü", ".."]


def _plan(chip: str, csv: str, **request) -> FlashPlan:
    package = PACKAGES[chip]
    wishes = Request(partitions=InputFile("user.csv", HERE, csv.encode()), **request)
    return make_plan(package, select(None, None, package), wishes)


def _check_is_safe(plan: FlashPlan) -> None:
    by_offset = sorted(plan.regions, key=lambda region: region.offset)
    assert all(before.erase_end <= after.offset for before, after in pairwise(by_offset))
    assert by_offset[-1].end <= plan.flash_size
    home = plan.package.home
    rows = sorted(plan.secondary, key=lambda row: row.offset)
    assert rows[0].offset >= home.offset + SECTOR_SIZE
    assert rows[-1].end <= home.end
    assert all(before.end <= after.offset for before, after in pairwise(rows))
    for region in by_offset:
        assert not any(region.offset < row.end and row.offset < region.erase_end for row in plan.kept)
    pieces, at = [], 0
    for region in by_offset:
        pieces += [b"\xff" * (region.offset - at), region.data]
        at = region.end
    assert plan.factory_image() == b"".join(pieces).ljust(plan.flash_size, b"\xff")
    table = next(region for region in plan.regions if region.path == plan.package.secondary_image.path)
    assert PartitionTable.from_bytes(table.data) == plan.secondary


# --- tables that are right ---


@st.composite
def sound_tables(draw: st.DrawFn) -> tuple[str, str, dict[str, InputFile]]:
    """Draw a chip, a CSV whose rows don't overlap, and content that fits."""
    chip = draw(st.sampled_from(list(PACKAGES)))
    package = PACKAGES[chip]
    needed = {
        package.name_of(image): -(-len(package.files[image.path]) // SECTOR_SIZE) for image in package.args.images
    }
    names = draw(st.lists(st.sampled_from([*(row.name for row in package.secondary), *OWN_NAMES]), unique=True))
    names = draw(st.permutations([PARAMETERS[chip], *(name for name in names if name != PARAMETERS[chip])]))
    at = package.home.offset + SECTOR_SIZE
    lines, data = ["# a comment", ""], {}
    for name in names:
        at += draw(st.integers(0, 3)) * SECTOR_SIZE
        sectors = needed.get(name, 1) + draw(st.integers(0, 2))
        if at + sectors * SECTOR_SIZE > package.home.end:
            break
        kind = "data, nvs" if name == "mfg_nvs" else f"0x40, {draw(st.integers(0, 254))}"
        lines.append(f"{name}, {kind}, {at:#x}, {sectors * 4}K")
        at += sectors * SECTOR_SIZE
        if name in OWN_NAMES and draw(st.booleans()):
            data[name] = InputFile("own.bin", HERE, bytes(draw(st.integers(1, sectors * SECTOR_SIZE))))
    lines = [lines[0], lines[1], *draw(st.permutations(lines[2:]))]
    return chip, "\n".join(lines), data


@given(sound_tables())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_sound_table_passes(table):
    chip, csv, data = table
    names = {line.partition(",")[0] for line in csv.splitlines()[2:]}
    if names and names.isdisjoint(AT_PARTITIONS):
        return  # it is added to the package's table: see `test_added_partitions`
    if f"\n{PARAMETERS[chip]}," not in csv:
        with pytest.raises(EspAtError) as caught:
            check_plan(_plan(chip, csv, data=data), None)
        assert caught.value.code == ("parameters-missing" if "," in csv else "table-empty")
        return
    plan = _plan(chip, csv, data=data)
    check_plan(plan, None)
    _check_is_safe(plan)
    for name, file in data.items():
        row = plan.secondary.find(name)
        assert plan.factory_image()[row.offset : row.offset + len(file.data)] == file.data


# --- tables that may be wrong anywhere ---


@st.composite
def wild_tables(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a chip, and its own CSV with some cells replaced, and rows duplicated or left out."""
    chip = draw(st.sampled_from(list(PACKAGES)))
    rows = [line.split(", ") for line in PACKAGES[chip].secondary.to_csv().splitlines()[1:]]
    numbers = st.one_of(
        st.integers(0, 0x120).map(lambda sector: f"{sector * SECTOR_SIZE:#x}"),
        st.integers(-1, 1 << 33).map(hex),
        st.integers(-64, 2048).map(lambda size: f"{size}K"),
        st.sampled_from(["", "-0x40000", "0", "010", "x", "4T"]),
    )
    names = st.one_of(st.sampled_from([row[0] for row in rows] + OWN_NAMES), st.text(max_size=18))
    types = st.one_of(st.sampled_from(["app", "data", "0x40", "64", "", "dat"]), st.integers(-1, 300).map(str))
    cells = [names, types, types, numbers, numbers]
    for _ in range(draw(st.integers(0, 4))):
        number = draw(st.integers(0, len(rows) - 1))
        change = draw(st.sampled_from(["cell", "cell", "cell", "drop", "double", "flags"]))
        if change == "cell":
            column = draw(st.integers(0, 4))
            rows[number] = [*rows[number][:column], draw(cells[column]), *rows[number][column + 1 :]]
        elif change == "double":
            rows.append(rows[number])
        elif change == "flags":
            rows[number] = [
                *rows[number],
                draw(st.sampled_from(["encrypted", "readonly", "secret", "encrypted:readonly"])),
            ]
        elif len(rows) > 1:
            rows.pop(number)
    return chip, "\n".join(", ".join(row) for row in rows)


@st.composite
def wishes(draw: st.DrawFn, chip: str) -> dict[str, object]:
    names = [*(row.name for row in PACKAGES[chip].secondary), "mine"]
    given_ = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    skipped = draw(st.lists(st.sampled_from(names), max_size=1))
    return {
        "data": {name: InputFile("own.bin", HERE, bytes(draw(st.integers(0, 0x3000)))) for name in given_},
        "skip": tuple(Text(name, HERE) for name in skipped),
    }


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_table_is_safe_or_refused(data):
    chip, csv = data.draw(wild_tables())
    request = data.draw(wishes(chip))
    try:
        plan = _plan(chip, csv, **request)
        check_plan(plan, None)
    except EspAtError as error:
        event("refused")
        refused = error
    else:
        event("passed")
        _check_is_safe(plan)
        return
    for problem in refused.problems or (refused,):
        assert problem.code
        assert problem.message.strip()
        # Two images that overlap are both in the message; every other problem has one place.
        assert bool(problem.place.parts) == (problem.code != "image-overlap")
