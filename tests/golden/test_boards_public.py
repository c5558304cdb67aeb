"""`select_module` against PlatformIO boards whose module was looked up one by one."""

import csv

import pytest

from platformio_esp_at.catalog.boards import BoardFacts, select_module
from platformio_esp_at.errors import SelectionError


@pytest.fixture(scope="module")
def boards(reference):
    with (reference / "reference" / "boards_public.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def facts_of(row):
    """Return the facts of the board's manifest, made from the table's columns."""
    flash_size = row["flash_size"].split("|")[-1]  # the two platforms have different sizes for one board
    upload = {"flash_size": flash_size}
    if row["mcu"] == "esp8266":
        number, unit = int(flash_size[:-2]), flash_size[-2:]
        upload = {"maximum_size": number << {"KB": 10, "MB": 20}[unit]}
    manifest = {
        "name": row["board_name"],
        "build": {"mcu": row["mcu"], "variant": row["variant"], "extra_flags": row["extra_flags"]},
        "upload": upload,
        "debug": {"openocd_board": row["openocd_board"]} if row["openocd_board"] else {},
    }
    return BoardFacts.from_manifest(row["board_id"], manifest)


def pick(row):
    try:
        return select_module(facts_of(row)).module
    except SelectionError:
        return "UNSUPPORTED"


def test_unsupported_boards_are_refused(boards):
    refused = [row for row in boards if row["at_module"] == "UNSUPPORTED"]
    assert len(refused) >= 50
    accepted = {row["board_id"]: pick(row) for row in refused if pick(row) != "UNSUPPORTED"}
    assert accepted == {}


def test_supported_boards_get_their_module(boards):
    supported = [row for row in boards if row["at_module"] not in {"UNSUPPORTED", "AMBIGUOUS"}]
    misses = {row["board_id"]: (pick(row), row["at_module"]) for row in supported if pick(row) != row["at_module"]}
    print(f"{len(supported) - len(misses)} of {len(supported)} exact; missed (picked, is): {misses}")  # noqa: T201
    assert len(misses) <= 0.02 * len(supported)


def test_no_pick_is_harmful(boards):
    """A module that isn't the board's own still has firmware that runs on the board, with the same AT pins."""
    supported = [row for row in boards if row["at_module"] != "UNSUPPORTED"]
    harmful = {row["board_id"]: pick(row) for row in supported if pick(row) not in row["acceptable_modules"].split("|")}
    assert harmful == {}


def test_alternatives_are_acceptable_too(boards):
    for row in boards:
        if row["at_module"] not in {"UNSUPPORTED", "AMBIGUOUS"} and row["mcu"] in {"esp32", "esp32s2"}:
            choice = select_module(facts_of(row))
            assert set(choice.alternatives) <= set(row["acceptable_modules"].split("|")), row["board_id"]
