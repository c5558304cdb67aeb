"""A factory image as a firmware package: the same bytes again, and what else a file of that name may be."""

from __future__ import annotations

import hashlib
import struct

import pytest
from plans import HERE

from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, PackageError, Place, SelectionError
from platformio_esp_at.firmware.factory_package import package_of_image
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.esp_image import ESP8266, EspImage, FlashSettings, flash_sizes
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.partition_table import Partition, PartitionTable
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import Text

SAMPLES = [
    *((chip, False) for chip in ("esp32", "esp32s2", "esp32c2", "esp32c3", "esp8266")),
    *((chip, True) for chip in ("esp32", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61")),
]
IDS = [f"{chip}-{'mfg_nvs' if nvs else 'legacy'}" for chip, nvs in SAMPLES]
SAMPLE = sample_package("esp32")
PRIMARY = "partition_table/partition-table.bin"
BOOTLOADER = "bootloader/bootloader.bin"
OTA_DATA, NVS, PHY, HOME, PARAM, APP, OTA_1 = 0x10000, 0x12000, 0xF000, 0x20000, 0x30000, 0x100000, 0x280000
APP_DESC_MAGIC = 0xABCD5432


def _image(chip="esp32", *, nvs=False, size=None, changes=None) -> bytes:
    """Return the factory image of a chip's sample: of ``size`` bytes, or up to its last image; ``changes`` by offset.

    None for a change leaves the sample's image out.
    """
    files = sample_package(chip, nvs=nvs)
    args = parse_download_config(files["download.config"].decode())
    parts = {image.offset: files[image.path] for image in args.images} | (changes or {})
    parts = {offset: data for offset, data in parts.items() if data is not None}
    image = bytearray(b"\xff" * (size or max(offset + len(data) for offset, data in parts.items())))
    for offset, data in parts.items():
        image[offset : offset + len(data)] = data
    return bytes(image)


def _with(image: bytes, offset: int, data: bytes) -> bytes:
    return image[:offset] + data + image[offset + len(data) :]


def _plan(data: bytes, name="factory_X", module=None, **request) -> FlashPlan:
    package = package_of_image(data, name)
    wanted = Text(module, HERE) if module else None
    plan = make_plan(package, select(wanted, None, package), Request(**request))
    check_plan(plan, None)
    return plan


def _regions(plan) -> dict[str, bytes]:
    return {region.name: region.data for region in plan.regions}


def _refusal(data: bytes, name="factory_X") -> EspAtError:
    with pytest.raises(EspAtError) as caught:
        package_of_image(data, name)
    assert caught.value.hint
    return caught.value


# --- the same bytes again ---


@pytest.mark.parametrize("unfilled", [False, True], ids=["whole", "unfilled"])
@pytest.mark.parametrize(("chip", "nvs"), SAMPLES, ids=IDS)
def test_a_factory_image_gives_itself_again(chip, nvs, unfilled, tmp_path):
    config = parse_download_config(sample_package(chip, nvs=nvs)["download.config"].decode())
    flash_size = {"1MB": 1 << 20, "2MB": 2 << 20, "4MB": 4 << 20}[config.settings.size]
    file = tmp_path / "any name.bin"
    file.write_bytes(_image(chip, nvs=nvs, size=None if unfilled else flash_size))
    package = open_package(file)
    plan = make_plan(package, select(None, None, package), Request())
    check_plan(plan, None)
    assert (plan.unfilled_image() if unfilled else plan.factory_image()) == file.read_bytes()
    assert plan.notes == ()
    assert (package.name, package.chip.key, package.has_mfg_nvs) == ("any name", chip, nvs)
    assert package.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    # The header of ESP32-C6 has one number for 40 and 80 MHz.
    settings = config.settings._replace(freq="40m") if chip == "esp32c6" else config.settings
    assert package.args.settings == plan.settings == settings
    assert plan.flash_size == flash_size
    assert package.flash_size == flash_size


@pytest.mark.parametrize(("chip", "nvs"), SAMPLES, ids=IDS)
def test_what_is_written_is_what_the_package_writes(chip, nvs):
    """Only the partitions that it has; a program up to its end, everything else up to the end of its partition."""
    files = sample_package(chip, nvs=nvs)
    listed = {
        image.offset: files[image.path] for image in parse_download_config(files["download.config"].decode()).images
    }
    plan = _plan(_image(chip, nvs=nvs))
    assert {region.offset for region in plan.regions} == set(listed)
    for region in plan.regions:
        assert region.data.startswith(listed[region.offset])
        assert not region.data[len(listed[region.offset]) :].strip(b"\xff")
    for region in plan.programs:
        assert region.data == listed[region.offset]
    rows = {row.offset: row for row in (*plan.primary, *plan.secondary)}
    for region in plan.regions:
        row = rows.get(region.offset)
        if row and row != plan.package.home and region not in plan.programs:
            assert len(region.data) == row.size, region.name


def test_a_dump_of_a_larger_flash():
    plan = _plan(_image(size=16 << 20))
    assert plan.flash_size == 4 << 20
    assert plan.factory_image() == _image(size=4 << 20)


def test_ota_data_is_written_though_it_is_blank():
    """It decides which application starts: what another firmware left there must go."""
    plan = _plan(_image())
    assert _regions(plan)["otadata"] == b"\xff" * 0x2000
    assert "nvs" not in _regions(plan)
    assert {row.name for row in plan.kept} >= {"nvs", "ota_1", "fatfs"}


def test_a_signature_after_the_application():
    """An application that is signed ends after its image, with FF in between."""
    app = SAMPLE["esp-at.bin"] + b"\xff" * 100 + b"\xe7signature"
    plan = _plan(_image(changes={APP: app}, size=4 << 20))
    assert _regions(plan)["ota_0"] == app
    unfilled = _image(changes={APP: app + b"\xff" * 50})
    assert _plan(unfilled).unfilled_image() == unfilled


def test_two_applications():
    data = _image(changes={OTA_1: SAMPLE["esp-at.bin"]}, size=4 << 20)
    plan = _plan(data)
    assert [region.path for region in plan.programs] == [BOOTLOADER, "esp-at.bin", "partitions/ota_1.bin"]
    assert plan.factory_image() == data


def test_partitions_with_strange_names():
    """Two names that would be the same file name, in any case."""
    rows = [*PartitionTable.from_bytes(SAMPLE["at_customize.bin"])]
    rows += [
        Partition(name, 0x41, 0, 0x40000 + number * 0x1000, 0x1000) for number, name in enumerate(("a b", "a/b", "A_B"))
    ]
    contents = {0x40000 + number * 0x1000: bytes([number]) * 10 for number in range(3)}
    data = _image(changes={HOME: PartitionTable(tuple(rows)).to_bytes(), **contents}, size=4 << 20)
    plan = _plan(data)
    assert plan.factory_image() == data
    paths = [region.path for region in plan.regions]
    assert [path for path in paths if "a_b" in path.lower()] == [
        f"customized_partitions/{name}.bin" for name in ("a_b_40000", "a_b_41000", "A_B_42000")
    ]


# --- the flash settings ---


def _header(data: bytes, offset: int, mode: int, size_freq: int) -> bytes:
    return _with(data, offset + 2, bytes([mode, size_freq]))


@pytest.mark.parametrize(("mode", "size_freq"), [(0, 0x2F), (3, 0x20), (2, 0x22)])
def test_a_digest_of_before_the_settings(mode, size_freq):
    """Upstream's tool, up to v4.0, writes the settings into the header, and leaves the digest."""
    data = _header(_image(size=4 << 20), 0x1000, mode, size_freq)
    plan = _plan(data)
    assert not EspImage.from_bytes(data[0x1000:]).digest_valid
    assert plan.factory_image() == data


@pytest.mark.parametrize("at", [0x1004, 0x1FFF, 0x1000 + len(SAMPLE[BOOTLOADER]) - 1])
def test_a_damaged_bootloader(at):
    """The checksum finds most damage; what it can't, the digest does, with whatever settings."""
    data = bytearray(_header(_image(), 0x1000, 3, 0x2F))
    data[at] ^= 1
    if at == 0x1FFF:
        data[at - 64] ^= 1
    error = _refusal(bytes(data))
    assert error.code == "image-digest"
    assert error.facts["offset"] == 0x1000
    assert "download it again" in error.hint


def test_settings_without_a_name_are_kept():
    data = _header(_image("esp32", size=4 << 20), 0x1000, 7, 0x29)
    plan = _plan(data)
    assert plan.package.args.settings == FlashSettings("keep", "keep", "4MB")
    assert plan.factory_image() == data


def test_an_unknown_flash_size():
    error = _refusal(_header(_image(), 0x1000, 2, 0xA0))
    assert error.code == "unknown-flash-setting"
    assert error.message == "the flash size 0xa in the bootloader's header is unknown"


@pytest.mark.parametrize("whole", [True, False])
def test_the_size_number_of_the_esp32_on_esp8266(whole):
    """Before v2.2.2.0, upstream's tool has no other one: 1 MB is written as 512 KB, and nothing reads it."""
    sample = _image(ESP8266, size=1 << 20 if whole else None)
    data = _with(sample, 3, bytes([flash_sizes("esp32")["1MB"] << 4 | sample[3] & 0xF]))
    plan = _plan(data)
    assert (plan.flash_size, plan.settings.size) == (1 << 20, "1MB")
    assert plan.package.args.settings.size == "keep"
    assert (plan.factory_image() if whole else plan.unfilled_image()) == data


def test_a_layout_larger_than_the_flash():
    """The settings say 2 MB, the partition table needs 4."""
    data = _header(_image(), 0x1000, 2, 0x10)
    with pytest.raises(EspAtError) as caught:
        _plan(data)
    assert caught.value.code == "partition-outside"


# --- its module ---


def _param(module: str, version: int) -> bytes:
    return FactoryParam.from_values(find_module("esp32", module).factory_param(version)).to_bytes()


@pytest.mark.parametrize("name", ["factory_WROVER-32", "factory_WROVER-32_unfilled", "anything", "factory_"])
@pytest.mark.parametrize("nvs", [False, True])
def test_the_parameters_name_the_module(name, nvs):
    """Not the name of the file: it would change the pins."""
    assert package_of_image(_image(nvs=nvs), name).modules == ("WROOM-32",)


@pytest.mark.parametrize(
    ("param", "name", "module"),
    [
        ("WROVER-32", "anything", "WROVER-32"),
        ("WROVER-32", "factory_WROVER-32", "WROVER-32"),
        ("WROVER-32", "factory_WROOM-32", "WROVER-32"),
        ("PICO-D4", "Factory_pico-d4_unfilled", "PICO-D4"),
    ],
)
def test_up_to_v2_1_they_number_it(param, name, module):
    data = _image(changes={PARAM: _param(param, 1)}, size=4 << 20)
    plan = _plan(data, name)
    assert plan.module.name == module
    assert plan.factory_image() == data
    assert list(plan.package.factory_params) == [f"customized_partitions/factory_param_{module}.bin"]


def test_a_module_that_cannot_be_told():
    data = _image(changes={PARAM: None})
    with pytest.raises(SelectionError) as caught:
        _plan(data, "dump")
    assert caught.value.code == "module-missing"
    assert package_of_image(data, "factory_WROOM-32").modules == ("WROOM-32",)


@pytest.mark.parametrize("content", [b"\x00" * 0x1000, b"\xfc\xfc\x09"])
def test_parameters_that_cannot_be_read(content):
    """Reading goes on: planning refuses them, with their place."""
    package = package_of_image(_image(changes={PARAM: content}), "factory_WROOM-32")
    assert package.modules == ("WROOM-32",)
    with pytest.raises(EspAtError) as caught:
        make_plan(package, select(None, None, package), Request())
    assert "factory_param_WROOM-32.bin" in caught.value.where


def test_a_mfg_nvs_that_cannot_be_read():
    package = package_of_image(_image(nvs=True, changes={0x21000: b"\xfe" + bytes(0x1000)}), "factory_WROOM-32")
    assert package.modules == ("WROOM-32",)


def test_another_module_gets_its_own_parameters():
    plan = _plan(_image(), module="WROVER-32")
    assert plan.parameters["module_name"] == "WROVER-32"
    assert plan.parameters["uart_tx_pin"] == 22


# --- dumps ---


def test_what_a_used_module_has_saved_is_not_written():
    secret = b"\xfe\xff\xff\xffmy Wi-Fi password"
    data = _image(changes={NVS: secret}, size=4 << 20)
    plan = _plan(data)
    (notice,) = plan.notes
    assert (notice.code, notice.is_warning) == ("dump-of-used-module", True)
    assert (notice.facts["partition"], notice.facts["offset"]) == ("nvs", NVS)
    assert "Wi-Fi passwords" in notice.message
    assert b"password" not in plan.factory_image()
    assert plan.factory_image() == _image(size=4 << 20)


def test_bytes_outside_of_every_partition():
    data = _with(_image(size=4 << 20), 0xE000, b"mine")
    plan = _plan(data)
    (notice,) = plan.notes
    assert (notice.code, notice.is_warning) == ("image-bytes-outside", True)
    assert notice.facts["offset"] == 0xE000
    assert plan.factory_image() == _image(size=4 << 20)


def test_zeros_between_partitions_are_nothing():
    assert _plan(_with(_image(), 0xE000, bytes(0x800))).notes == ()


# --- what it is instead ---

APPLICATION = SAMPLE["esp-at.bin"]
TAKE = "take the zip of the release, or its factory image (factory_MODULE.bin)"


def _described(version: str) -> bytes:
    segment = struct.pack("<L12x32s", APP_DESC_MAGIC, version.encode()).ljust(256, b"\0")
    image = (
        b"\xe9\x01\x02\x20" + bytes(4) + b"\xee" + bytes(15) + struct.pack("<LL", 0x3F400020, len(segment)) + segment
    )
    checksum = 0xEF
    for byte in segment:
        checksum ^= byte
    return image.ljust(len(image) // 16 * 16 + 15, b"\0") + bytes([checksum])


NEEDS = ": a module needs bootloader, partition tables and parameters, too"


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        pytest.param(b"", "image-empty", "the file is empty", id="empty"),
        pytest.param(
            _described("v4.1.1.0"), "firmware-part-alone", f"an application alone for ESP32 (v4.1.1.0){NEEDS}", id="app"
        ),
        pytest.param(
            SAMPLE[BOOTLOADER],
            "firmware-part-alone",
            f"a program alone for ESP32, such as a bootloader{NEEDS}",
            id="boot",
        ),
        pytest.param(
            sample_package(ESP8266)["esp-at.bin"],
            "firmware-part-alone",
            f"a program alone for ESP8266, such as a bootloader, or firmware of the NonOS SDK{NEEDS}",
            id="esp8266",
        ),
        pytest.param(
            APPLICATION[:1000], "firmware-part-alone", f"an ESP image alone, and it is damaged or cut{NEEDS}", id="cut"
        ),
        pytest.param(SAMPLE[PRIMARY], "firmware-part-alone", f"a partition table alone{NEEDS}", id="table"),
        pytest.param(
            SAMPLE["customized_partitions/factory_param.bin"],
            "firmware-part-alone",
            f"the factory parameters (factory_param) alone{NEEDS}",
            id="factory_param",
        ),
        pytest.param(
            sample_package("esp32", nvs=True)["customized_partitions/mfg_nvs.bin"],
            "firmware-part-alone",
            f"parameters and certificates (mfg_nvs) alone{NEEDS}",
            id="mfg_nvs",
        ),
        pytest.param(
            SAMPLE["customized_partitions/mqtt_ca.bin"],
            "firmware-part-alone",
            f"certificates or keys alone{NEEDS}",
            id="pki",
        ),
        pytest.param(b"\xea\x04" + bytes(0x1000), "firmware-nonos", None, id="nonos-application"),
        pytest.param(
            b"\xe9\x03".ljust(0x1000, b"\xff") + b"\xea\x04" + bytes(99),
            "firmware-nonos",
            None,
            id="nonos-factory-image",
        ),
        pytest.param(
            b"GIF89a" * 99,
            "not-a-package",
            "neither a zip nor a factory image: there is no partition table at any of its places",
            id="something-else",
        ),
        pytest.param(b"\xff" * 0x400000, "not-a-package", None, id="blank"),
    ],
)
def test_files_that_are_something_else(data, code, message):
    error = _refusal(data)
    assert type(error) is PackageError
    assert (error.code, error.where) == (code, None)
    assert message in (None, error.message)
    assert "take" in error.hint


def test_an_application_for_a_chip_without_at():
    app = bytearray(_described("v1"))
    app[12] = 9
    with pytest.raises(SelectionError) as caught:
        package_of_image(bytes(app), "app")
    assert caught.value.code == "chip-unsupported"


def _without_home() -> bytes:
    rows = tuple(row for row in PartitionTable.from_bytes(SAMPLE[PRIMARY]) if row.name != "at_customize")
    return PartitionTable(rows, md5=False).to_bytes()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        pytest.param(
            {0x8000: _without_home()},
            "firmware-not-at",
            "the partition table has no at_customize: this is the image of another firmware",
            id="another-firmware",
        ),
        pytest.param(
            {HOME: None},
            "firmware-not-at",
            "there is no user partition table at 0x20000, in at_customize",
            id="no-user-table",
        ),
        pytest.param(
            {APP: None},
            "package-incomplete",
            "the factory image has no application: its partitions are blank",
            id="no-app",
        ),
        pytest.param(
            {0x1000: None},
            "package-incomplete",
            "the factory image has no bootloader at 0x0, 0x1000, 0x2000",
            id="no-boot",
        ),
        pytest.param(
            {0x1000: None, 0: SAMPLE[BOOTLOADER]},
            "package-inconsistent",
            "the bootloader at 0x0 is for ESP32, which starts at 0x1000",
            id="bootloader-elsewhere",
        ),
        pytest.param({0x1000: SAMPLE[BOOTLOADER][:1000] + bytes(99)}, "image-checksum", None, id="bootloader-cut"),
    ],
)
def test_images_that_lack_something(changes, code, message):
    error = _refusal(_image(changes=changes, size=4 << 20))
    assert error.code == code
    assert message in (None, error.message)


def test_a_bootloader_for_a_chip_without_at():
    boot = bytearray(SAMPLE[BOOTLOADER])
    boot[12] = 9
    error = _refusal(_image(changes={0x1000: None, 0: bytes(boot)}))
    assert (type(error), error.code) == (SelectionError, "chip-unsupported")


def test_partitions_that_hold_more_than_any_flash():
    """A table whose rows all cover the whole file: it isn't copied for each of them."""
    rows = [*PartitionTable.from_bytes(SAMPLE[PRIMARY])]
    rows += [Partition(f"p{number}", 0x41, number, 0, 0xFFFFFFFF) for number in range(60)]
    error = _refusal(_image(changes={0x8000: PartitionTable(tuple(rows), md5=False).to_bytes()}, size=4 << 20))
    assert error.code == "package-too-large"
    assert error.message == "its partitions hold more than 16MB together"


def test_partitions_over_bootloader_and_tables():
    """The parts themselves count, and the checks refuse the table."""
    rows = [*PartitionTable.from_bytes(SAMPLE[PRIMARY])]
    rows += [Partition("a", 0x41, 0, 0x1000, 0x1000), Partition("b", 0x41, 0, 0x8000, 0x1000)]
    data = _image(changes={0x8000: PartitionTable(tuple(rows), md5=False).to_bytes()}, size=4 << 20)
    package = package_of_image(data, "factory_WROOM-32")
    assert package.files[package.bootloader.path] == SAMPLE[BOOTLOADER]
    assert package.primary_image.offset == 0x8000
    with pytest.raises(EspAtError) as caught:
        _plan(data)
    assert caught.value.problems[0].code == "partition-outside"


# --- files ---


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\xff" * ((16 << 20) + 1), "package-too-large"), (b"", "image-empty"), (b"GIF", "not-a-package")],
)
def test_the_file_is_named(tmp_path, data, code):
    file = tmp_path / "factory_X.bin"
    file.write_bytes(data)
    with pytest.raises(PackageError) as caught:
        open_package(file)
    assert (caught.value.code, caught.value.place) == (code, Place.at(package="factory_X.bin"))


def test_a_zip_by_its_content(tmp_path):
    write_sample_package(tmp_path / "a.zip")
    (tmp_path / "a.zip").rename(tmp_path / "a.bin")
    assert open_package(tmp_path / "a.bin").flash_size is None
