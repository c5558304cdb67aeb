"""Faults in any image: it isn't what its name says, as after a bad download, checkout or build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.rule import rule
from platformio_esp_at.formats.pki import PKI_SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from faults.case import Case

_LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"  # noqa: E501
_HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>nginx</body></html>\n"


def _instead(size: int) -> Mapping[str, bytes]:
    return {
        "LFS pointer": _LFS,
        "HTML": _HTML,
        "zeros": bytes(size),
        "FF": b"\xff" * size,
        "noise": bytes((at * at * 7 + 13 * at) % 251 for at in range(min(size, 4096))),
    }


def _contents(case: Case, *stems: str, without: tuple[str, ...] = ()) -> Iterator[tuple[str, Case]]:
    for number, stem in enumerate(stem for stem in stems if case.has(stem)):
        made = [item for item in _instead(len(case[stem])).items() if item[0] not in without]
        # Another content first for each image and case, so that a rule's twenty have all of them.
        turn = (number + len(case.name)) % len(made)
        for word, data in [*made[turn:], *made[:turn]]:
            yield f"{stem}: {word}", case.with_(stem, data)


@rule("without a bootloader, nothing starts")
def bootloader_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    yield from _contents(case, "bootloader")


@rule("without an application, nothing starts")
def application_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    yield from _contents(case, "esp-at")


@rule("without a partition table, the bootloader starts nothing")
def table_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    yield from _contents(case, case.table)


@rule("without the user table, the firmware has no parameters and no certificates")
def user_table_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    yield from _contents(case, "at_customize")


@rule("without parameters, the module answers on its built-in pins, or not at all", codes="package-without-parameters")
def parameters_are_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    made: dict[str, Case] = {}
    for word, data in _instead(len(case[case.parameters])).items():
        made[word] = case.with_parameters(lambda _, data=data: data)
    turn = len(case.name) % len(made)
    yield from [*made.items()][turn:] + [*made.items()][:turn]


@rule("without its certificates and keys, the module has no TLS", codes="pki-blank")
def pki_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    yield from _contents(case, *(row.name for row in case.secondary if row.name in PKI_SLOTS))


@rule(
    "the firmware finds no GATT services: its BLE server doesn't start",
    still_works="boot, AT commands and TLS don't use GATT",
)
def ble_data_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    yield from _contents(case, "ble_data")


@rule("the radio is set up with nonsense, or the firmware aborts")
def phy_data_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    yield from _contents(case, "phy_init_data")
