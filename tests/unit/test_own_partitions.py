"""Partitions of the project's own: which CSV is an addition, where its rows go, and what happens with a new release."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from platformio_esp_at.catalog.layouts import release_layout
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, LayoutError, Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.download_config import FlashImage
from platformio_esp_at.formats.partition_table import MAX_PARTITIONS, PartitionTable
from platformio_esp_at.planning.content import AT_PARTITIONS
from platformio_esp_at.planning.own_partitions import UserTable, free_room, user_table
from platformio_esp_at.request.values import InputFile

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

HERE = Place.at(file="esp_at.yml", line=7)
OLD_AND_NEW = pytest.mark.parametrize("nvs", [False, True], ids=["partitions", "mfg_nvs"])


@pytest.fixture
def sample(tmp_path):
    """Return the sample package of a chip, of one of the generations; more ``images`` are written to these offsets."""

    def make(chip: str = "esp32", *, nvs: bool = False, images: dict[int, bytes] | None = None) -> FirmwarePackage:
        path = tmp_path / f"{chip}-{nvs}.zip"
        write_sample_package(path, chip, nvs=nvs)
        package = open_package(path)
        more = {f"more{offset:x}.bin": (offset, data) for offset, data in (images or {}).items()}
        listed = tuple(FlashImage(offset, name) for name, (offset, _) in more.items())
        return replace(
            package,
            args=package.args._replace(images=(*package.args.images, *listed)),
            files={**package.files, **{name: data for name, (_, data) in more.items()}},
        )

    return make


def _made(package: FirmwarePackage, csv: str, **recorded: int) -> UserTable:
    return user_table(package, InputFile("own.csv", HERE, csv.encode()), recorded)


def _places(made: UserTable) -> dict[str, int]:
    return {own.partition.name: own.partition.offset for own in made.own}


def _refused(package: FirmwarePackage, csv: str, kind: type[EspAtError], **recorded: int) -> EspAtError:
    with pytest.raises(kind) as caught:
        _made(package, csv, **recorded)
    assert type(caught.value) is kind
    return caught.value


# --- what is an addition ---


def test_without_a_csv_the_table_is_the_packages(sample):
    package = sample()
    assert user_table(package, None, {}) == (package.secondary, ())


@OLD_AND_NEW
def test_one_csv_serves_both_generations(sample, nvs):
    package = sample(nvs=nvs)
    made = _made(package, "my_data, 0x40, 0x20, , 16K\nlog, 0x40, 0x21, , 8K\n")
    assert _places(made) == {"my_data": 0x3D000, "log": 0x41000}
    rows = [row.name for row in package.secondary]
    assert [row.name for row in made.table] == [*rows[:-1], "my_data", "log", "fatfs"]
    assert PartitionTable(tuple(row for row in made.table if row.name in rows)) == package.secondary
    assert [(own.is_fixed, own.recorded, own.moves, own.is_unrecorded) for own in made.own] == [
        (False, None, False, True),
        (False, None, False, True),
    ]


@pytest.mark.parametrize("name", ["factory_param", "client_cert", "mfg_nvs", "ble_data", "fatfs", "fs_storage"])
@OLD_AND_NEW
def test_a_name_of_any_release_makes_it_the_whole_table(sample, nvs, name):
    """A table written for one generation must not become an addition to the other by accident."""
    made = _made(sample(nvs=nvs), f"my_data, 0x40, 0x20, , 16K\n{name}, 0x40, 1, , 8K\n")
    assert [(row.name, row.offset) for row in made.table] == [("my_data", 0x21000), (name, 0x25000)]
    assert made.own == ()


def test_so_does_a_name_of_this_package(sample):
    package = sample()
    package = replace(package, secondary=_made(package, "my_data, 0x40, 0x20, , 16K\n").table)
    assert _made(package, "my_data, 0x40, 0x20, , 16K\n").own == ()


def test_the_names_that_esp_at_uses():
    assert {"server_cert", "client_key", "mqtt_ca", "wpa2_ca", "fs_storage"} <= AT_PARTITIONS
    assert not {"my_data", "nvs", "otadata"} & AT_PARTITIONS


# --- where the rows go ---


def test_the_first_place_that_is_large_enough(sample):
    """Behind the ninth sector there is none that large: b goes past fatfs' beginning only if it fits before."""
    made = _made(
        sample("esp32c3"),
        "a, 0x40, 0x20, 0x40000, 4K\nb, 0x40, 0x21, , 12K\nc, 0x40, 0x22, , 4K\nd, 0x40, 0x23, , 4K\n",
    )
    assert _places(made) == {"a": 0x40000, "b": 0x41000, "c": 0x3E000, "d": 0x3F000}
    assert [row.name for row in made.table][-5:] == ["c", "d", "a", "b", "fatfs"]


def test_offsets_of_the_csv_come_first(sample):
    made = _made(sample(), "a, 0x40, 0x20, , 4K\nb, 0x40, 0x21, 0x3d000, 8K\n")
    assert _places(made) == {"a": 0x3F000, "b": 0x3D000}
    assert [(own.is_fixed, own.is_unrecorded) for own in made.own] == [(False, True), (True, False)]


def test_a_size_that_is_no_whole_sector(sample):
    made = _made(sample(), "a, 0x40, 0x20, , 100\nb, 0x40, 0x21, , 1\nc, 0x40, 0x22, , 0x1001\nd, 0x40, 5, , 4K\n")
    assert _places(made) == {"a": 0x3D000, "b": 0x3E000, "c": 0x3F000, "d": 0x41000}


def test_an_application_has_its_own_alignment(sample):
    assert _places(_made(sample(), "a, app, test, , 64K\nb, data, nvs, , 12K\n")) == {"a": 0x40000, "b": 0x3D000}


def test_an_end_instead_of_a_size(sample):
    (own,) = _made(sample(), "a, 0x40, 0x20, 0x3d000, -0x40000\n").own
    assert (own.partition.offset, own.partition.size) == (0x3D000, 0x3000)


def test_an_image_that_no_row_has_is_no_room(sample):
    assert _places(_made(sample(images={0x3D000: bytes(0x1001)}), "a, 0x40, 0x20, , 4K\n")) == {"a": 0x3F000}


def test_free_room(sample):
    package = sample()
    assert free_room(package, package.secondary) == ((0x3D000, 0x70000),)
    made = _made(package, "a, 0x40, 0x20, 0x50000, 4K\nb, 0x40, 0x20, 0x3d000, 1\n")
    assert free_room(package, made.table) == ((0x3E000, 0x50000), (0x51000, 0x70000))
    whole = _made(package, "factory_param, 0x40, 8, 0x50000, 4K\n")
    assert free_room(package, whole.table) == ((0x21000, 0x50000), (0x51000, 0x100000))
    esp8266 = sample("esp8266")
    assert free_room(esp8266, esp8266.secondary) == ()


# --- refused ---


def test_no_room(sample):
    error = _refused(sample("esp32c3"), "a, 0x40, 0x20, , 20K\nb, 0x40, 0x21, , 20K\n", LayoutError)
    assert (error.code, error.where) == ("partition-no-room", "own.csv:2")
    assert error.message == (
        "partition 'b' of 20KB doesn't fit into 'at_customize' (0x1e000…0x60000); free there: 0x43000…0x47000 (16KB)"
    )
    assert error.hint.startswith("make it 16KB or smaller; or print the whole table with esp-at table")
    assert {"partition": "b", "size": 0x5000, "largest": 0x4000}.items() <= error.facts.items()


def test_no_room_at_all(sample):
    error = _refused(sample("esp8266"), "a, 0x40, 0x20, , 4K\nb, 0x40, 0x20, , 4K\n", LayoutError)
    assert [problem.where for problem in error.problems] == ["own.csv:1", "own.csv:2"]
    assert error.problems[0].message.endswith("; free there: nothing")
    assert error.problems[0].hint.startswith("print the whole table with esp-at table")


@pytest.mark.parametrize(
    ("csv", "message", "hint"),
    [
        pytest.param(
            "a, 0x40, 0x20, 0x3c000, 8K\n",
            "partition 'a' (0x3c000…0x3e000) overlaps 'mqtt_ca' (0x3b000…0x3d000)",
            "leave its offset blank, or write one that is free: 0x3d000…0x70000 (204KB)",
            id="the-packages",
        ),
        pytest.param(
            "mqtt_caa, 0x40, 0x20, 0x3b000, 8K\n",
            "partition 'mqtt_caa' (0x3b000…0x3d000) overlaps 'mqtt_ca' (0x3b000…0x3d000)",
            "did you mean mqtt_ca or ",
            id="a-misspelt-name",
        ),
        pytest.param(
            "b, 0x40, 0x20, 0x40000, 8K\na, 0x40, 0x20, 0x41000, 4K\n",
            "partition 'a' (0x41000…0x42000) overlaps 'b' (0x40000…0x42000)",
            "leave its offset blank, or write one that is free: 0x3d000…0x40000 (12KB), 0x42000…0x70000 (184KB)",
            id="another-of-the-csv",
        ),
    ],
)
def test_overlaps(sample, csv, message, hint):
    error = _refused(sample(), csv, LayoutError)
    assert (error.code, error.where, error.message) == ("table-overlap", f"own.csv:{csv.count(chr(10))}", message)
    assert error.hint.startswith(hint)


def test_more_than_a_table_holds(sample):
    package = sample(nvs=True)
    rows = "".join(f"a{number}, 0x40, 0x20, {number * 0x1000 + 0x3D000:#x}, 1\n" for number in range(92))
    with pytest.raises(LayoutError):
        _made(package, rows)  # what is free ends before
    assert 92 + len(package.secondary.partitions) == MAX_PARTITIONS
    error = _refused(package, f"{rows}b, 0x40, 1, , 1\nc, 0x40, 1, , 1\n", FormatError)
    assert (error.code, error.where) == ("table-full", "own.csv")
    assert error.message == "94 partitions and those of the firmware package are 96: more than a table holds"
    assert error.hint == "leave out 2 of them: a table has room for 94"


@pytest.mark.parametrize(
    ("size", "code", "message"),
    [
        ("", "not-a-size", "partition 'a' has no size"),
        ("-0x40000", "table-row-invalid", "partition 'a' has neither an offset nor a size: -262144 is an end"),
    ],
)
def test_a_blank_offset_needs_a_size(sample, size, code, message):
    error = _refused(sample(), f"# mine\na, 0x40, 0x20, , {size}\n", FormatError)
    assert (error.code, error.where, error.message) == (code, "own.csv:2", message)
    assert "4K" in error.hint


# --- what esp_at.lock has ---


def test_a_partition_stays_where_it_was(sample):
    """Without the record, it would go to the front."""
    made = _made(
        sample(nvs=True), "new, 0x40, 0x22, , 4K\nmy_data, 0x40, 0x20, , 16K\n", my_data=0x3E000, other=0x40000
    )
    assert _places(made) == {"new": 0x3D000, "my_data": 0x3E000}
    new, own = made.own
    assert (own.recorded, own.moves, own.is_unrecorded) == (0x3E000, False, False)
    assert (new.recorded, new.moves, new.is_unrecorded) == (None, False, True)


def test_it_is_told_where_the_record_decides(sample):
    csv = "new, 0x40, 0x22, , 4K\nmy_data, 0x40, 0x20, , 16K\n"
    assert [own.is_first_free for own in _made(sample(), csv, my_data=0x3E000).own] == [True, True]
    assert [own.is_first_free for own in _made(sample(), csv, my_data=0x3D000).own] == [False, False]


@pytest.mark.parametrize(
    ("recorded", "row", "obstacle"),
    [
        pytest.param(0x38000, "0x40, 0x20, , 8K", "'mfg_nvs' (0x21000…0x3d000) is there", id="taken"),
        pytest.param(0x6F000, "0x40, 0x20, , 8K", "'fatfs' (0x70000…0x100000) is there", id="it-has-grown"),
        pytest.param(0x40000, "0x40, 0x20, , 8K", "'fixed' (0x41000…0x42000) is there", id="taken-by-the-csv"),
        pytest.param(
            0x20000, "0x40, 0x20, , 4K", "it would be outside 'at_customize' (0x20000…0x100000)", id="the-table"
        ),
        pytest.param(
            0x100000, "0x40, 0x20, , 4K", "it would be outside 'at_customize' (0x20000…0x100000)", id="outside"
        ),
        pytest.param(0x43000, "app, test, , 4K", "no partition of its type can start there", id="another-type"),
    ],
)
def test_a_place_that_is_not_free(sample, recorded, row, obstacle):
    made = _made(sample(nvs=True), f"fixed, 0x40, 1, 0x41000, 4K\nmy_data, {row}\n", my_data=recorded)
    own = made.own[1]
    assert own.partition.offset != recorded
    assert (own.recorded, own.moves, own.is_unrecorded, own.obstacle) == (recorded, True, True, obstacle)


def test_two_at_one_place(sample):
    """As a merge of two branches may leave it: the first one stays."""
    first, second = _made(sample(), "a, 0x40, 1, , 8K\nb, 0x40, 1, , 8K\n", a=0x50000, b=0x51000).own
    assert (first.partition.offset, first.moves) == (0x50000, False)
    assert (second.partition.offset, second.moves) == (0x3D000, True)
    assert second.obstacle == "'a' (0x50000…0x52000) is there"


def test_an_offset_of_the_csv_wins(sample):
    (own,) = _made(sample(), "my_data, 0x40, 0x20, 0x50000, 16K\n", my_data=0x3D000).own
    assert (own.partition.offset, own.is_fixed, own.moves, own.is_unrecorded) == (0x50000, True, True, True)
    (own,) = _made(sample(), "my_data, 0x40, 0x20, 0x3d000, 16K\n", my_data=0x3D000).own
    assert (own.is_fixed, own.moves, own.is_unrecorded) == (True, False, False)


# --- the layouts of the releases ---


def _with_layout(package: FirmwarePackage, chip: str, module_config: str, release: str) -> FirmwarePackage:
    """Return a package with the tables of a release, of whose images only the user table is in the way."""
    layout = release_layout(chip, module_config, release)
    primary = PartitionTable.from_csv(layout.primary, first_offset=0)
    home = primary.find("at_customize")
    table = FlashImage(home.offset, package.secondary_image.path)
    return replace(
        package,
        primary=primary,
        secondary=PartitionTable.from_csv(layout.secondary, first_offset=home.offset + 0x1000),
        secondary_image=table,
        args=package.args._replace(images=(table,)),
    )


@pytest.mark.parametrize(
    ("module", "old", "new", "place", "obstacle"),
    [
        ("esp32 module_esp32_default", "v2.0.0.0", "v4.1.1.0", 0x3D000, ""),
        ("esp32 module_wrover-32", "v3.0.0.0", "v3.1.0.0", 0x3D000, ""),
        ("esp32c2 module_esp32c2_default", "v3.0.0.0", "v4.1.1.0", 0x3E000, ""),
        ("esp32c3 module_esp32c3_default", "v2.2.0.0", "v5.0.1.0", 0x3E000, ""),
        (
            "esp32s2 module_esp32s2_default",
            "v2.1.0.0",
            "v3.4.0.0",
            0x3A000,
            "'mfg_nvs' (0x21000…0x3d000) is there",
        ),
        (
            "esp32c5 module_esp32c5_default",
            "v4.1.1.0",
            "v5.0.1.0",
            0x3E000,
            "'mfg_nvs' (0x31000…0x50000) is there",
        ),
    ],
)
def test_from_one_release_to_another(sample, module, old, new, place, obstacle):
    """Most layouts leave the same room; where one doesn't, the partition can't stay."""
    csv = "my_data, 0x40, 0x20, , 8K\n"
    (own,) = _made(_with_layout(sample(), *module.split(), old), csv).own
    assert own.partition.offset == place
    (own,) = _made(_with_layout(sample(), *module.split(), new), csv, my_data=place).own
    assert (own.moves, own.obstacle) == (bool(obstacle), obstacle)
