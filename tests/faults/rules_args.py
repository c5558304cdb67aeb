"""Faults in ``download.config``, which says what goes where, and how the chip drives its flash."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from faults.case import CONFIG
from faults.rule import rule
from platformio_esp_at.formats.pki import PKI_SLOTS
from platformio_esp_at.units import SECTOR_SIZE, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case


@rule("without this image, nothing starts", codes="package-incomplete")
def line_of_system_gone(case: Case) -> Iterator[tuple[str, Case]]:
    for stem in ("bootloader", "esp-at", case.table, "at_customize"):
        yield stem, case.without_line(stem)


@rule("the PHY data isn't written: the firmware aborts (CONFIG_ESP_PHY_INIT_DATA_IN_PARTITION), or isn't calibrated")
def line_of_phy_gone(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has("phy_init_data"):
        yield "line", case.without_line("phy_init_data")


@rule(
    "a new module has no certificate or key here, a used one its old one: no TLS",
    still_works="TLS without a certificate of the module's own works, and so do boot and AT commands",
)
def line_of_pki_gone(case: Case) -> Iterator[tuple[str, Case]]:
    for row in case.secondary:
        if row.name in PKI_SLOTS and case.has(row.name):
            yield row.name, case.without_line(row.name)


@rule(
    "a new module has no GATT services",
    still_works="boot, AT commands and TLS don't use GATT",
)
def line_of_ble_gone(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has("ble_data"):
        yield "line", case.without_line("ble_data")


def _swapped(case: Case, one: str, other: str) -> Case:
    a, b = case.image(one), case.image(other)
    places = {one: b.offset, other: a.offset}
    return case.with_images(
        replace(image, offset=places[stem]) if (stem := image.path.rpartition("/")[2].removesuffix(".bin")) in places
        else image
        for image in case.args.images
    )  # fmt: skip


@rule("two images lie where the other one belongs: nothing starts", codes="package-inconsistent package-incomplete")
def offsets_of_system_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    for one, other in (
        ("bootloader", "esp-at"),
        ("bootloader", case.table),
        ("esp-at", "at_customize"),
        (case.table, "at_customize"),
        (case.table, "ota_data_initial"),
        ("esp-at", "ota_data_initial"),
    ):
        if case.has(one, other):
            yield f"{one}, {other}", _swapped(case, one, other)


@rule("parameters, certificates or services lie where others belong: the firmware finds nonsense there",
      codes="parameters-missing package-inconsistent")  # fmt: skip
def offsets_of_user_images_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    pairs = (("factory_param", "client_cert"), ("at_customize", case.parameters), ("ble_data", "server_cert"),
             ("client_cert", "client_key"), ("mqtt_key", "mqtt_ca"), ("ota_data_initial", case.parameters))  # fmt: skip
    for one, other in pairs:
        if case.has(one, other):
            yield f"{one}, {other}", _swapped(case, one, other)


@rule(
    "the image starts a sector from where it is looked for",
    codes="package-inconsistent package-incomplete image-overlap",
)
def offset_off_by_a_sector(case: Case) -> Iterator[tuple[str, Case]]:
    for stem in (
        "esp-at",
        case.parameters,
        "at_customize",
        "bootloader",
        "ota_data_initial",
        "client_cert",
        "phy_init_data",
    ):
        if image := case.image(stem):
            yield stem, case.moved(stem, image.offset + SECTOR_SIZE)


@rule(
    "the image starts inside a sector, where no partition starts",
    codes="package-inconsistent package-incomplete image-overlap",
)
def offset_inside_a_sector(case: Case) -> Iterator[tuple[str, Case]]:
    for stem in ("esp-at", case.parameters, case.table, "ota_data_initial"):
        if image := case.image(stem):
            yield stem, case.moved(stem, image.offset + 0x400)


@rule("the image is written outside the flash, or wraps over the bootloader", codes="image-outside-flash")
def offset_outside_flash(case: Case) -> Iterator[tuple[str, Case]]:
    for stem, offset in (
        ("client_cert", 16 << 20),
        (case.parameters, 32 << 20),
        ("ota_data_initial", (4 << 30) - 0x2000),
    ):
        if case.has(stem):
            yield stem, case.moved(stem, offset)


@rule("two different images for one place: which is written last decides", codes="image-overlap")
def two_images_at_one_offset(case: Case) -> Iterator[tuple[str, Case]]:
    other = case.with_files({"other.bin": b"\xff" * 0x1000 + b"other"})
    for stem in ("esp-at", case.parameters, case.table):
        more = replace(case.image(stem), path="other.bin")
        yield stem, other.with_images([*case.args.images, more])


@rule("an image of nobody's is written over what the module keeps", codes="image-over-partition image-overlap")
def image_over_what_is_kept(case: Case) -> Iterator[tuple[str, Case]]:
    for word, offset in (
        ("nvs + 1 sector", case.row("nvs").offset + SECTOR_SIZE),
        ("the table", case.image(case.table).offset),
    ):
        more = replace(case.image("esp-at"), path="more.bin", offset=offset)
        yield word, case.with_files({"more.bin": b"\xff" * 0x3000}).with_images([*case.args.images, more])


def _bytes(size: str) -> int:
    return parse_size(size.removesuffix("-c1"))


@rule("the bootloader can't reach what lies above: the application isn't started, or wraps",
      codes="partition-outside image-outside-flash")  # fmt: skip
def flash_size_too_small(case: Case) -> Iterator[tuple[str, Case]]:
    last = max(row.end for row in case.primary)
    for size in ("1MB", "512KB") if case.chip_name == "esp8266" else ("1MB", "2MB"):
        if _bytes(size) < last:
            yield size, case.with_settings(size=size)


@rule("ESP-IDF aborts where the flash is smaller than the header says (Detected size smaller)", codes="flash-too-small")
def flash_size_too_large(case: Case) -> Iterator[tuple[str, Case]]:
    for size in ("8MB", "16MB"):
        yield size, case.with_settings(size=size)


@rule("esptool knows no such setting, and stops after the first erase, or the flash can't be read",
      codes="unknown-flash-setting flash-args-invalid")  # fmt: skip
def flash_setting_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    yield "mode", case.with_settings(mode="quad")
    yield "freq", case.with_settings(freq="33m")
    yield "size", case.with_settings(size="3MB")
    yield "freq of other chip", case.with_settings(freq="60m" if case.chip_name != "esp32c2" else "80m")
    yield "no value", case.with_config("--flash_mode " + case.files[CONFIG].decode())


@rule("which image goes where can't be known", codes="flash-args-invalid not-a-size not-text")
def config_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    text = case.files[CONFIG].decode().strip()
    yield "HTML", case.with_files({CONFIG: b"<!DOCTYPE html><html><body>404</body></html>"})
    yield "empty", case.with_files({CONFIG: b""})
    yield "binary", case.with_files({CONFIG: bytes(range(256))})
    yield "cut", case.with_config(text.rpartition(" ")[0])
    yield "offset", case.with_config(text.replace("0x", "x", 1))
    yield "option", case.with_config(f"--erase_all yes {text}")
    yield "negative", case.with_config(text.replace("0x8000 ", "-0x8000 ").replace("0xc000 ", "-0xc000 "))


@rule("two lists contradict each other: one of them is for another chip", codes="package-inconsistent")
def chip_contradicts(case: Case) -> Iterator[tuple[str, Case]]:
    if "flasher_args.json" in case.files:
        text = case.files["flasher_args.json"].decode()
        other = "esp32c3" if case.chip_name != "esp32c3" else "esp32"
        yield other, case.with_files({"flasher_args.json": text.replace(f'"{case.chip_name}"', f'"{other}"').encode()})
