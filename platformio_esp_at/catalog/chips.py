"""Chips: their names, their ids in images, and the offsets that their ROM uses."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog import _data
from platformio_esp_at.errors import FlashError, SelectionError, UnknownNameError, setting, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping


class Memory(NamedTuple):
    """Ranges of addresses that an image may fill."""

    dram: range
    iram: range
    flash: range
    """Where the chip maps the megabyte of flash that has the application."""


class Chip(NamedTuple):
    """A chip that ESP-AT has firmware for."""

    key: str
    """``esp32c3``: ESP-IDF's target, PlatformIO's ``build.mcu``, esptool's ``--chip``."""
    platform: str
    """``PLATFORM_ESP32C3``: the chip in ESP-AT's factory parameters."""
    display_name: str
    """``ESP32-C3``: the chip as people write it."""
    image_chip_id: int | None
    """``chip_id`` in the header of its images; None for the ESP8266, whose images don't name the chip."""
    bootloader_offset: int
    partition_table_offset: int
    """Offset of the primary partition table in the newest firmware; a firmware package may have another one."""
    download_tx_pin: int
    download_rx_pin: int
    download_levels: tuple[tuple[int, str], ...]
    """The GPIOs that start the download mode, each with its level at reset, ``low`` or ``high``; BOOT is the first."""
    crystal_mhz: int | None
    """The crystal that released firmware is built for, in MHz; None if the chip allows one only, or detects it."""
    memory: Memory | None = None
    """The addresses that an image may fill; None if a digest in each image holds its addresses."""


def chips() -> tuple[Chip, ...]:
    """Return every chip that ESP-AT has firmware for."""
    return tuple(_chips().values())


def chip(name: str) -> Chip:
    """Return the chip that ``name`` means: ``esp32c3``, ``ESP32-C3``, ``PLATFORM_ESP32C3``, ``ESP8685``.

    Raises `SelectionError` for a chip without AT firmware, `UnknownNameError` for anything else.

    >>> chip("ESP32-C3").key
    'esp32c3'
    """
    key = key_of(name)
    if key in _chips():
        return _chips()[key]
    raise _unsupported(key)


def key_of(name: str) -> str:
    """Return the key of the chip that ``name`` means, with or without AT firmware. Raises `UnknownNameError`.

    >>> key_of("ESP32-S3")
    'esp32s3'
    """
    if key := _spellings().get(_folded(name)):
        return key
    raise unknown_name("unknown-chip", "chip", name, _chips())


def chip_by_image_id(image_chip_id: int) -> Chip:
    """Return the chip that an image's header names; raises as `chip` does."""
    for candidate in chips():
        if candidate.image_chip_id == image_chip_id:
            return candidate
    for key, row in _unsupported_rows().items():
        if row["image_chip_id"] == image_chip_id:
            raise _unsupported(key)
    known = ", ".join(f"{c.image_chip_id} {c.display_name}" for c in chips() if c.image_chip_id is not None)
    raise UnknownNameError(
        "unknown-chip-id", f"no known chip has the image chip id {image_chip_id}", hint=f"known: {known}"
    )


def other_revision(has: str, needs: str, *, output: str = "") -> FlashError:
    """Return the error for a chip revision that the firmware doesn't run on."""
    return FlashError(
        "chip-revision",
        f"the device's chip is revision {has}, the firmware is for {needs}",
        output=output,
        has=has,
        needs=needs,
        hint="take another release: esp-at releases lists the revisions of a release where Espressif names them, "
        "esp-at info for any",
    )


@functools.cache
def _chips() -> dict[str, Chip]:
    return {
        key: Chip(
            key=key,
            platform=f"PLATFORM_{key.upper()}",
            display_name=row["display_name"],
            image_chip_id=row["image_chip_id"],
            bootloader_offset=row["bootloader_offset"],
            partition_table_offset=row["partition_table_offset"],
            download_tx_pin=row["download_pins"]["tx"],
            download_rx_pin=row["download_pins"]["rx"],
            download_levels=tuple(row["download_levels"].items()),
            crystal_mhz=row.get("crystal_mhz"),
            memory=Memory(**{part: range(*ends) for part, ends in row["memory"].items()}) if "memory" in row else None,
        )
        for key, row in _data.load("chips.yml")["chips"].items()
    }


def _unsupported_rows() -> Mapping[str, Mapping[str, int | str]]:
    rows: Mapping[str, Mapping[str, int | str]] = _data.load("chips.yml")["unsupported"]
    return rows


def _unsupported(key: str) -> SelectionError:
    row = _unsupported_rows()[key]
    why = f": {row['why']}" if "why" in row else ""
    supported = ", ".join(c.display_name for c in chips())
    return SelectionError(
        "chip-unsupported",
        f"no ESP-AT release has firmware for the {row['display_name']}{why}",
        hint=f"put an AT module with one of these chips next to it: {supported}\n"
        f"if there is one, write {setting('board', 'none')}, {setting('module', 'NAME')} (such as ESP32-C3-MINI-1) "
        f"and {setting('port', 'PORT')}",
    )


@functools.cache
def _spellings() -> dict[str, str]:
    """Return every folded spelling of every chip that we know of, with the chip's key."""
    spellings = {key: key for key in (*_chips(), *_unsupported_rows())}
    for key, row in _data.load("chips.yml")["chips"].items():
        spellings |= {_folded(alias): key for alias in row.get("aliases", ())}
    return spellings


def _folded(name: str) -> str:
    return re.sub(r"[-_\s]", "", name.strip().casefold().removeprefix("platform_"))
