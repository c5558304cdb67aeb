"""The plan: which bytes go where, what is kept, how the module is wired."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import pytest
from nvs_images import with_value
from plans import FILES

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import (
    EspAtError,
    FormatError,
    LayoutError,
    PackageError,
    Place,
    UnknownNameError,
    note,
    warning,
)
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.firmware.source import module_of_release
from platformio_esp_at.formats.esp_image import EspImage, FlashSettings
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.formats.pki import PkiContainer
from platformio_esp_at.outputs.image_set import image_set
from platformio_esp_at.planning.plan import FlashPlan, Region, Wiring, make_plan
from platformio_esp_at.planning.selection import SelectedModule, select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile, Text

FOLDER = "customized_partitions"
HERE = Place.at(file="esp_at.yml", line=7)
SAMPLE = sample_package("esp32")
USER_CSV = PartitionTable.from_bytes(SAMPLE["at_customize.bin"]).to_csv()
CERT = b"-----BEGIN CERTIFICATE-----\n"


def _package(tmp_path, chip: str = "esp32", **changes: bytes | str):
    """Return the sample package with some files changed; ``config`` stands for its download.config."""
    root = tmp_path / "AT_PACK"
    for name, data in (sample_package(chip) | changes).items():
        file = root / (name if name != "config" else "download.config")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
    return open_package(root)


def _file(data: bytes | str, label: str = "x.bin") -> InputFile:
    return InputFile(label, HERE, data.encode() if isinstance(data, str) else data)


def _plan(package, module: str | None = None, **request) -> FlashPlan:
    selected = select(Text(module, HERE) if module else None, None, package)
    return make_plan(package, selected, Request(**request))


def _regions(plan: FlashPlan) -> dict[str, Region]:
    return {region.name: region for region in plan.regions}


def _texts(*names: str) -> tuple[Text, ...]:
    return tuple(Text(name, HERE) for name in names)


# --- regions ---


def test_a_plan_without_wishes_is_the_package(tmp_path):
    package = _package(tmp_path)
    plan = _plan(package)
    assert [(region.offset, region.path, region.data) for region in plan.regions] == [
        (image.offset, image.path, package.files[image.path])
        for image in sorted(
            package.args.images, key=lambda image: package.secondary.find(package.name_of(image)) is not None
        )
    ]
    assert {region.origin for region in plan.regions} == {"firmware package"}
    assert (plan.settings, plan.flash_size) == (FlashSettings("dio", "40m", "4MB"), 4 << 20)
    assert (plan.primary, plan.secondary) == (package.primary, package.secondary)
    assert (plan.notes, plan.inputs) == ((), {})


def test_names_of_the_regions(tmp_path):
    assert list(_regions(_plan(_package(tmp_path, "esp8266")))) == [
        "partition_table",
        "bootloader",
        "factory",
        "otadata",
        "at_customize",
        "client_cert",
        "client_key",
        "client_ca",
        "mqtt_cert",
        "mqtt_key",
        "mqtt_ca",
        "factory_param",
    ]


def test_ends_of_a_region():
    region = Region("a", 0x21000, b"x" * 0x1001, "a.bin", "here")
    assert (region.end, region.erase_end) == (0x22001, 0x23000)
    assert Region("a", 0x21000, b"x" * 0x1000, "a.bin", "here").erase_end == 0x22000


def test_the_projects_content_takes_the_place_of_the_packages(tmp_path):
    plan = _plan(_package(tmp_path), pki={"mqtt_ca": (_file(CERT, "ca.pem"),)})
    region = _regions(plan)["mqtt_ca"]
    assert (region.offset, region.path, region.origin) == (0x3B000, f"{FOLDER}/mqtt_ca.bin", "ca.pem")
    assert CERT in region.data
    assert len(plan.regions) == len(_plan(_package(tmp_path)).regions)


def test_content_that_the_package_has_no_image_for(tmp_path):
    plan = _plan(_package(tmp_path), data={"fatfs": _file(FILES, "fs.img")})
    assert plan.regions[-1] == Region("fatfs", 0x70000, FILES, f"{FOLDER}/fatfs.bin", "fs.img")
    assert "fatfs" not in {row.name for row in plan.kept}


def test_a_partition_of_the_users_own(tmp_path):
    csv = _file(USER_CSV + "my data/x, 0x40, 0x20, 0x60000, 0x1000\n", "user.csv")
    plan = _plan(_package(tmp_path), partitions=csv, data={"my data/x": _file(b"own", "own.bin")})
    assert plan.regions[-1] == Region("my data/x", 0x60000, b"own", f"{FOLDER}/my_data_x.bin", "own.bin")
    assert _regions(plan)["at_customize"].origin == "user.csv"
    assert PartitionTable.from_bytes(_regions(plan)["at_customize"].data) == plan.secondary
    assert plan.secondary_source == "user.csv"
    assert plan.inputs == {csv.label: csv.data, "own.bin": b"own"}


def test_images_follow_a_row_that_is_moved(tmp_path):
    csv = USER_CSV.replace("0x3b000, 0x2000", "0x50000, 0x8000")
    plan = _plan(_package(tmp_path), partitions=_file(csv, "user.csv"))
    region = _regions(plan)["mqtt_ca"]
    assert (region.offset, region.data, region.origin) == (
        0x50000,
        SAMPLE[f"{FOLDER}/mqtt_ca.bin"],
        "firmware package",
    )


def test_images_without_a_row_are_left_out(tmp_path):
    csv = "".join(line for line in USER_CSV.splitlines(keepends=True) if not line.startswith(("ble_data", "server_ca")))
    plan = _plan(_package(tmp_path), partitions=_file(csv, "user.csv"))
    assert not {"ble_data", "server_ca"} & set(_regions(plan))
    assert plan.notes == tuple(
        warning(
            "image-not-written",
            f"customized_partitions/{name}.bin is not written, since the partition CSV has no row {name}: "
            "the firmware misses it",
            hint=f"add the row {name} to user.csv",
            partition=name,
        )
        for name in ("ble_data", "server_ca")
    )


def test_blank_offsets_start_after_the_table(tmp_path):
    csv = "factory_param, 0x40, 8, , 4K\nmine, 0x40, 0x20, , 4K\n"
    plan = _plan(_package(tmp_path), partitions=_file(csv, "user.csv"))
    assert [(row.name, row.offset) for row in plan.secondary] == [("factory_param", 0x21000), ("mine", 0x22000)]


def test_another_type_is_noted(tmp_path):
    csv = USER_CSV.replace("fatfs, data, fat", "fatfs, data, littlefs")
    plan = _plan(_package(tmp_path), partitions=_file(csv, "user.csv"))
    message = "fatfs is data, littlefs in the partition CSV, and data, fat in the firmware package"
    assert plan.notes == (note("partition-type-changed", message, partition="fatfs"),)


@pytest.mark.parametrize(
    ("pki", "data", "notes"),
    [
        pytest.param(
            ["client_cert"],
            [],
            ["client_cert is the project's, client_key stays as the firmware package has it"],
            id="cert",
        ),
        pytest.param(
            ["client_key"],
            [],
            ["client_key is the project's, client_cert stays as the firmware package has it"],
            id="key",
        ),
        pytest.param(["client_cert", "client_key"], [], [], id="both"),
        pytest.param(["client_cert"], ["client_key"], [], id="key-as-data"),
        pytest.param(["client_ca"], [], [], id="ca"),
    ],
)
def test_half_a_pair_is_warned_of(tmp_path, pki, data, notes):
    files = {
        name: (_file(CERT if "cert" in name or "ca" in name else CERT.replace(b"CERTIFICATE", b"PRIVATE KEY")),)
        for name in pki
    }
    plan = _plan(
        _package(tmp_path), pki=files, data={name: _file(PkiContainer.of(2, [b"x"]).to_bytes()) for name in data}
    )
    assert [(notice.code, notice.message) for notice in plan.notes] == [
        ("pki-half-changed", f"{text}: they won't match") for text in notes
    ]
    assert all(
        notice.facts == {"certificate_or_key": pki[0], "partner": f"client_{'key' if 'cert' in pki[0] else 'cert'}"}
        for notice in plan.notes
    )


def test_skip_of_what_is_inside_mfg_nvs_is_noted(tmp_path):
    """A project file of the releases before has to serve, too."""
    plan = _plan(_package(tmp_path, "esp32c6"), skip=_texts("server_ca"))
    message = "server_ca is in mfg_nvs: it can't be skipped by itself, and stays as the package has it"
    assert plan.notes == (note("skip-without-effect", message, where=HERE, partition="server_ca"),)


def test_what_a_moved_partition_held_is_not_kept(tmp_path):
    csv = USER_CSV.replace("0x70000", "0x80000").replace("576K", "512K")
    plan = _plan(_package(tmp_path), partitions=_file(csv, "user.csv"))
    assert "fatfs" not in {row.name for row in plan.kept}
    (found,) = plan.notes
    assert (found.code, found.is_warning, found.facts) == ("partition-moved", False, {"partition": "fatfs"})
    assert found.message.startswith("'fatfs' (0x80000…")
    assert "was 'fatfs' (0x70000…0x100000) in the firmware package: what it held is not moved" in found.message


def test_a_new_partition_without_content_is_noted(tmp_path):
    csv = USER_CSV + "mine, 0x40, 0x20, 0x60000, 0x1000\n"
    (found,) = _plan(_package(tmp_path), partitions=_file(csv, "user.csv")).notes
    assert (found.code, found.is_warning, found.facts) == ("partition-moved", False, {"partition": "mine"})
    assert found.message.startswith("'mine' (0x60000…0x61000) is new; ")


@pytest.mark.parametrize("chip", ["esp32", "esp32c6"])
def test_a_csv_of_own_rows_is_added(tmp_path, chip):
    package = _package(tmp_path, chip)
    plan = _plan(package, partitions=_file("mine, 0x40, 0x20, , 0x1000\n", "own.csv"))
    (own,) = plan.own
    assert own.partition in plan.secondary.partitions
    assert own.partition in plan.kept
    assert plan.secondary_source == "own.csv"
    alone = _regions(_plan(package))
    changed = {name: region for name, region in _regions(plan).items() if region != alone[name]}
    assert set(changed) == {"at_customize"}
    assert changed["at_customize"].origin == "firmware package, with own.csv"
    assert PartitionTable.from_bytes(changed["at_customize"].data) == plan.secondary


def test_content_of_an_added_partition(tmp_path):
    csv = _file("mine, 0x40, 0x20, , 0x1000\n", "own.csv")
    plan = _plan(_package(tmp_path), partitions=csv, data={"mine": _file(b"own", "own.bin")})
    assert plan.regions[-1] == Region("mine", 0x3D000, b"own", f"{FOLDER}/mine.bin", "own.bin")
    assert (plan.notes, "mine" in {row.name for row in plan.kept}) == ((), False)


def test_a_whole_table_of_the_other_generation(tmp_path):
    csv = PartitionTable.from_bytes(sample_package("esp32", nvs=True)["at_customize.bin"]).to_csv()
    with pytest.raises(LayoutError) as caught:
        _plan(_package(tmp_path), partitions=_file(csv, "v4.csv"))
    assert (caught.value.code, caught.value.where) == ("parameters-missing", "v4.csv")
    assert caught.value.hint.startswith("add the row factory_param, which esp-at table PACKAGE prints; or name only ")


def test_a_whole_table_adds_nothing(tmp_path):
    assert _plan(_package(tmp_path), partitions=_file(USER_CSV + "mine, 0x40, 0x20, 0x60000, 4K\n")).own == ()


def test_what_takes_the_place_of_another_partition_is_noted(tmp_path):
    """fatfs has no row any more, and mqtt_ca is written over the beginning of what it held."""
    lines = USER_CSV.replace("0x3b000, 0x2000", "0x70000, 0x2000").splitlines(keepends=True)
    csv = "".join(line for line in lines if not line.startswith("fatfs"))
    plan = _plan(_package(tmp_path), partitions=_file(csv, "user.csv"))
    assert _regions(plan)["mqtt_ca"].offset == 0x70000
    message = "mqtt_ca is written where the firmware package had 'fatfs' (0x70000…0x100000)"
    assert plan.notes == (note("partition-replaced", message, partition="fatfs"),)


@pytest.mark.parametrize(
    ("offset", "replaced"),
    [
        pytest.param(0x70000 - 0x1000, ["fatfs"], id="its-last-sector-is-the-first"),
        pytest.param(0x70000 - 0x2000, [], id="it-ends-before"),
        pytest.param(0x100000 - 0x2000, ["fatfs"], id="it-is-the-end"),
    ],
)
def test_only_a_partition_that_is_erased_is_replaced(tmp_path, offset, replaced):
    lines = USER_CSV.replace("0x3b000, 0x2000", f"{offset:#x}, 0x2000").splitlines(keepends=True)
    csv = "".join(line for line in lines if not line.startswith("fatfs"))
    image = PkiContainer.of(1, [b"x" * 0x1100]).to_bytes()
    plan = _plan(_package(tmp_path), partitions=_file(csv, "user.csv"), data={"mqtt_ca": _file(image)})
    assert (_regions(plan)["mqtt_ca"].offset, _regions(plan)["mqtt_ca"].erase_end) == (offset, offset + 0x2000)
    assert [found.facts["partition"] for found in plan.notes if found.code == "partition-replaced"] == replaced


def test_a_partition_that_grows_or_moves_a_little_replaces_nothing(tmp_path):
    """It is written over what it had itself."""
    csv = USER_CSV.replace("0x3b000, 0x2000", "0x3c000, 0x2000")
    plan = _plan(_package(tmp_path), partitions=_file(csv, "user.csv"))
    assert _regions(plan)["mqtt_ca"].offset == 0x3C000
    assert plan.notes == ()


def test_skip(tmp_path):
    plan = _plan(_package(tmp_path), skip=_texts("ble_data", "fatfs"))
    assert "ble_data" not in _regions(plan)
    assert {"ble_data", "fatfs"} <= {row.name for row in plan.kept}


@pytest.mark.parametrize(
    ("request_", "kind", "code", "message", "hint"),
    [
        pytest.param(
            {"skip": _texts("ble_dat")},
            UnknownNameError,
            "unknown-partition",
            "unknown partition 'ble_dat'",
            "did you mean ble_data",
            id="skip",
        ),
        pytest.param(
            {"skip": _texts("nvs")},
            UnknownNameError,
            "unknown-partition",
            "nvs is not a user partition, so it can't be skipped",
            "remove it from skip: an update leaves nvs as the module has it",
            id="skip-what-is-kept",
        ),
        pytest.param(
            {"skip": _texts("ota_0")},
            UnknownNameError,
            "unknown-partition",
            "ota_0 is not a user partition, so it can't be skipped",
            "remove it from skip: each update writes ota_0",
            id="skip-the-application",
        ),
        pytest.param(
            {"skip": _texts("factory_param")},
            EspAtError,
            "skip-essential",
            "factory_param can't be skipped",
            "remove it from skip: without it the module answers on other pins",
            id="skip-factory_param",
        ),
        pytest.param(
            {"skip": _texts("mqtt_ca"), "pki": {"mqtt_ca": (_file(CERT, "ca.pem"),)}},
            EspAtError,
            "skipped-with-content",
            "mqtt_ca is skipped and given content",
            "its content comes from ca.pem: remove one of the two",
            id="skip-what-is-given",
        ),
        pytest.param(
            {"data": {"fatsf": _file(b"x")}},
            UnknownNameError,
            "unknown-partition",
            "unknown partition 'fatsf'",
            "the user partition table has no such row; did you mean fatfs?",
            id="content-without-a-row",
        ),
        pytest.param(
            {"data": {"mfg_nvs": _file(sample_package("esp32", nvs=True)["customized_partitions/mfg_nvs.bin"])}},
            UnknownNameError,
            "unknown-partition",
            "unknown partition 'mfg_nvs'",
            "the user partition table has no such row; ",
            id="mfg_nvs-for-a-release-before-it",
        ),
        pytest.param(
            {"data": {"nvs": _file(b"x")}},
            UnknownNameError,
            "unknown-partition",
            "unknown partition 'nvs'",
            "the user partition table has no such row; ",
            id="content-of-a-system-partition",
        ),
    ],
)
def test_refuses(tmp_path, request_, kind, code, message, hint):
    with pytest.raises(EspAtError) as caught:
        _plan(_package(tmp_path), **request_)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.place, caught.value.message) == (code, HERE, message)
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("csv", "where", "code"),
    [
        pytest.param("factory_param, 0x40, 8, 0x21000\n", "user.csv:1", "table-row-invalid", id="short-row"),
        pytest.param("# only\n", "user.csv", "table-empty", id="no-rows"),
        pytest.param(b"# a\n\xff\n", "user.csv:2", "not-text", id="not-text"),
        pytest.param("a, 0x40, 8, 4T, 4K\n", "user.csv:1", "not-a-size", id="bad-offset"),
    ],
)
def test_refuses_a_csv(tmp_path, csv, where, code):
    with pytest.raises(FormatError) as caught:
        _plan(_package(tmp_path), partitions=_file(csv, "user.csv"))
    assert (caught.value.code, caught.value.where) == (code, where)


# --- the module ---


def test_a_module_that_the_board_names_itself_has_no_successor(tmp_path):
    """Where the board's ``at.module`` names a module, its firmware is looked up and flashed, of whichever release."""
    package = replace(_package(tmp_path), release="v4.1.1.0")
    found = BoardFacts("my_wrover", mcu="esp32")
    named = replace(found, at={"module": "WROVER-32"})
    for board, module in ((found, "MINI-1"), (named, "WROVER-32")):
        selected = select(None, board, package)
        assert (selected.name, selected.row) == (module, find_module("esp32", module))
        assert make_plan(package, selected, Request()).parameters["module_name"] == module
        _, flashed = module_of_release(Text("v4.1.1.0", HERE), None, board)
        assert flashed == selected.row


# --- the bootloader and flash settings ---


def _config(old: str, new: str) -> str:
    config = SAMPLE["download.config"].decode()
    assert old in config
    return config.replace(old, new)


def test_the_bootloader_has_the_packages_flash_settings(tmp_path):
    config = _config(
        "--flash_mode dio --flash_freq 40m --flash_size 4MB", "--flash_mode qio --flash_freq 80m --flash_size 8MB"
    )
    plan = _plan(_package(tmp_path, config=config))
    bootloader = EspImage.from_bytes(_regions(plan)["bootloader"].data)
    assert bootloader.flash_settings("esp32") == plan.settings == FlashSettings("qio", "80m", "8MB")
    assert bootloader.digest_valid
    assert plan.flash_size == 8 << 20
    assert _regions(plan)["ota_0"].data == SAMPLE["esp-at.bin"]


@pytest.mark.parametrize("size", ["detect", "keep"])
def test_the_bootloaders_own_flash_size(tmp_path, size):
    plan = _plan(_package(tmp_path, config=_config("--flash_size 4MB", f"--flash_size {size}")))
    assert _regions(plan)["bootloader"].data == SAMPLE["bootloader/bootloader.bin"]
    assert (plan.settings.size, plan.flash_size) == ("4MB", 4 << 20)


@pytest.mark.parametrize("freq", ["80m", "40m", "keep"])
def test_a_frequency_that_the_header_cannot_tell_stays_as_the_package_has_it(tmp_path, freq):
    config = sample_package("esp32c6")["download.config"].decode()
    stated = re.search(r"--flash_freq (\w+)", config)[1]
    plan = _plan(_package(tmp_path, "esp32c6", config=config.replace(f"--flash_freq {stated}", f"--flash_freq {freq}")))
    assert plan.settings.freq == freq
    files = image_set(plan)
    assert f"--flash_freq {freq}" in files["download.config"].decode()
    assert json.loads(files["flasher_args.json"])["flash_settings"]["flash_freq"] == freq
    bootloader = _regions(plan)["bootloader"].data
    assert bootloader[3] & 0xF == 0
    assert bootloader == sample_package("esp32c6")["bootloader/bootloader.bin"]


def test_another_memory_map_of_esp8266(tmp_path):
    config = sample_package("esp8266")["download.config"].decode().replace("1MB", "2MB-c1")
    plan = _plan(_package(tmp_path, "esp8266", config=config))
    assert (plan.settings.size, plan.flash_size) == ("2MB-c1", 2 << 20)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(_config("size 4MB", "size 4GB"), "unknown flash size of esp32 '4GB'", id="size"),
        pytest.param(_config("freq 40m", "freq 60m"), "unknown flash frequency of esp32 '60m'", id="frequency"),
        pytest.param(_config("mode dio", "mode sio"), "unknown flash mode of esp32 'sio'", id="mode"),
    ],
)
def test_refuses_flash_settings(tmp_path, config, message):
    with pytest.raises(UnknownNameError) as caught:
        _plan(_package(tmp_path, config=config))
    assert (caught.value.code, caught.value.where) == ("unknown-flash-setting", "bootloader/bootloader.bin")
    assert caught.value.message == message


def test_refuses_a_bootloader_of_an_unknown_flash_size(tmp_path):
    bootloader = bytearray(SAMPLE["bootloader/bootloader.bin"])
    bootloader[3] |= 0xF0
    bootloader[-32:] = hashlib.sha256(bootloader[:-32]).digest()
    package = _package(
        tmp_path, **{"config": _config("size 4MB", "size keep"), "bootloader/bootloader.bin": bytes(bootloader)}
    )
    with pytest.raises(PackageError) as caught:
        _plan(package)
    assert caught.value.code == "unknown-flash-setting"
    assert (
        str(caught.value) == "bootloader/bootloader.bin: the flash size 0xf is unknown\n"
        "  unpack the firmware package's zip again; in an esp-at build folder, run build.py build again"
    )


# --- what is kept, the factory image, the wiring ---


def test_kept(tmp_path):
    assert [row.name for row in _plan(_package(tmp_path)).kept] == [
        "nvs",
        "wpa2_cert",
        "wpa2_key",
        "wpa2_ca",
        "fatfs",
        "ota_1",
    ]


def test_factory_image(tmp_path):
    plan = _plan(_package(tmp_path, "esp8266"))
    image = plan.factory_image()
    assert len(image) == 1 << 20
    for region in plan.regions:
        assert image[region.offset : region.end] == region.data
    covered = sum(len(region.data) for region in plan.regions)
    assert image[0x10000:0x18000] == b"\xff" * 0x8000  # nvs
    assert image.count(0xFF) == (1 << 20) - covered + sum(region.data.count(0xFF) for region in plan.regions)


def test_wiring_is_what_is_flashed(tmp_path):
    values = {"uart_tx_pin": Text("4", HERE), "uart_cts_pin": Text("-1", HERE), "uart_baudrate": Text("9600", HERE)}
    plan = _plan(_package(tmp_path), factory_param=values)
    assert plan.wiring == Wiring(tx=4, rx=16, cts=-1, rts=14, baudrate=9600, download_tx=1, download_rx=3)
    flashed = FactoryParam.from_bytes(_regions(plan)["factory_param"].data).values
    assert flashed["uart_tx_pin"] == 4


def test_wiring_is_read_from_mfg_nvs(tmp_path):
    plan = _plan(_package(tmp_path, "esp32c6"))
    assert plan.wiring == Wiring(tx=7, rx=6, cts=5, rts=4, baudrate=115200, download_tx=16, download_rx=17)


def test_wiring_of_an_mfg_nvs_of_the_users_own(tmp_path):
    package = _package(tmp_path, "esp32c6")
    own = with_value(NvsImage.from_bytes(package.content_of("mfg_nvs")), "factory_param", "uart_tx_pin", 10)
    assert _plan(package, data={"mfg_nvs": _file(own.to_bytes())}).wiring.tx == 10


def test_wiring_of_a_module_that_only_the_package_knows(tmp_path):
    files = sample_package("esp32c6")
    package = _package(
        tmp_path, "esp32c6", **{"factory/factory_OWN.bin": files["factory/factory_ESP32C6-4MB_unfilled.bin"]}
    )
    plan = make_plan(package, SelectedModule("OWN", package.chip, "said so"), Request())
    assert (plan.wiring.tx, plan.wiring.rx) == (7, 6)


def test_no_wiring_without_a_uart(tmp_path):
    assert _plan(_package(tmp_path), "ESP32-SDIO").wiring is None


def test_images_are_not_in_the_repr(tmp_path):
    plan = _plan(_package(tmp_path), pki={"mqtt_ca": (_file(CERT),)})
    assert "CERTIFICATE" not in repr(plan.regions)
    assert "CERTIFICATE" not in repr(plan)


def test_a_table_with_too_many_rows_is_refused_with_its_file(tmp_path):
    others = (f"p{number}, 0x40, 0x20, {0x31000 + number * 0x1000:#x}, 0x1000\n" for number in range(100))
    rows = "".join(["factory_param, 0x40, 8, 0x30000, 4K\n", *others])
    with pytest.raises(FormatError) as caught:
        _plan(_package(tmp_path), partitions=InputFile("own.csv", HERE, rows.encode()))
    assert (caught.value.code, caught.value.where) == ("table-full", "own.csv:95")
    assert caught.value.message == "101 partitions are more than a table holds"
    assert caught.value.hint == "remove 7 rows: a table holds 94"
