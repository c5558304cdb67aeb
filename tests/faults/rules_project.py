"""Faults in a project's other options: partitions, data, what is skipped, and ``esp_at.yml`` itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from faults.rule import rule
from platformio_esp_at.formats.pki import PKI_SLOTS
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from faults.case import Case
    from platformio_esp_at.formats.partition_table import Partition

CSV = "own.csv"
_FILES = ("fatfs", "fs_storage")


# --- the CSV of the user table ---


def _table(case: Case, rows: Iterable[Partition]) -> Case:
    return _csv(case, replace(case.secondary, partitions=tuple(rows)).to_csv())


def _csv(case: Case, text: str) -> Case:
    return case.asking({CSV: text.encode()}, partitions=CSV)


def _changed(case: Case, name: str, /, **changes: object) -> Case:
    return _table(case, (replace(row, **changes) if row.name == name else row for row in case.secondary))


@rule("the firmware looks for the partition by its name, and finds no parameters", codes="parameters-missing")
def own_table_without_parameters(case: Case) -> Iterator[tuple[str, Case]]:
    yield "renamed", _changed(case, case.parameters, name="parameters")
    yield "other case", _changed(case, case.parameters, name=case.parameters.upper())
    rest = [row for row in case.secondary if row.name != case.parameters]
    if rest:
        yield "gone", _table(case, rest)


@rule("the firmware looks for the partition by its type and subtype")
def own_table_other_kind(case: Case) -> Iterator[tuple[str, Case]]:
    yield "type", _changed(case, case.parameters, type=0x41)
    if case.modern:  # before, the chips have different subtypes, and only the name tells
        yield "subtype", _changed(case, case.parameters, subtype=0x63)


@rule("one partition is written over another one", codes="image-overlap")
def own_table_overlap(case: Case) -> Iterator[tuple[str, Case]]:
    row = case.row(case.parameters)
    more = replace(row, name="mine", type=0x40, subtype=0x20, offset=row.offset)
    yield "mine", _table(case, [*case.secondary, more])
    yield "on the table", _changed(case, case.parameters, offset=case.row("at_customize").offset)


@rule("the partition is in the application, or outside the flash")
def own_table_outside(case: Case) -> Iterator[tuple[str, Case]]:
    home, row = case.row("at_customize"), case.row(case.parameters)
    for word, offset in (
        ("after at_customize", home.end),
        ("before it", home.offset - SECTOR_SIZE),
        ("at 64 MB", 64 << 20),
    ):
        yield (
            word,
            _table(
                case,
                [*case.secondary, replace(row, name="mine", type=0x40, subtype=0x20, offset=offset, size=SECTOR_SIZE)],
            ),
        )


@rule("the content doesn't fit, or NVS has fewer than the 3 pages that it needs", codes="nvs-size nvs-full")
def own_table_small(case: Case) -> Iterator[tuple[str, Case]]:
    for size in (0, 0x400, *((2 * SECTOR_SIZE,) if case.modern else ())):
        yield f"{size:#x}", _changed(case, case.parameters, size=size)


@rule("the firmware takes the first of two partitions of one name")
def own_table_twice(case: Case) -> Iterator[tuple[str, Case]]:
    yield case.parameters, _table(case, [*case.secondary, case.row(case.parameters)])


@rule("esptool erases sectors: what starts inside one is erased with its neighbour")
def own_table_misaligned(case: Case) -> Iterator[tuple[str, Case]]:
    row = case.row(case.parameters)
    yield "half a sector", _changed(case, case.parameters, offset=row.offset + 0x800)


@rule("what the CSV means can't be known")
def own_table_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    own = case.row(case.parameters)
    for word, row in (
        ("too few columns", "mine, data"),
        ("size", "mine, 0x40, 32, 0x9000000, much"),
        ("type", "mine, dada, nvs, , 4K"),
        ("subtype", "mine, data, nsv, , 4K"),
        ("long name", "a_name_of_twenty_char, 0x40, 32, , 4K"),
        ("flag", "mine, 0x40, 32, , 4K, encryptd"),
        ("semicolons", "mine; 0x40; 32; ; 4K"),
    ):
        yield word, _csv(case, f"{own.name}, {own.type:#x}, {own.subtype:#x}, {own.offset:#x}, {own.size:#x}\n{row}\n")
    yield "empty", _csv(case, "")
    yield "UTF-16", case.asking({CSV: case.secondary.to_csv().encode("utf-16")}, partitions=CSV)


# --- data ---


def _data(case: Case, name: str, data: bytes, file: str = "mine.bin") -> Case:
    return case.asking({file: data}, data={name: file})


@rule("no partition has this name: the data isn't stored anywhere")
def data_for_unknown_partition(case: Case) -> Iterator[tuple[str, Case]]:
    yield "mine", _data(case, "mine", b"data")
    yield "nvs", _data(case, "nvs", b"\xff" * SECTOR_SIZE)


@rule("it is written over the next partition", codes="image-overlap")
def data_too_large(case: Case) -> Iterator[tuple[str, Case]]:
    for name in (*_FILES, "server_ca", "mfg_nvs"):
        if row := case.secondary.find(name):
            data = case["mfg_nvs"] if name == "mfg_nvs" else b"\xf1\xf1" + bytes(6) if name == "server_ca" else b"FAT"
            yield name, _data(case, name, data.ljust(row.size + 1, b"\xff"))


@rule("an empty file is written as nothing: the old content stays")
def data_empty(case: Case) -> Iterator[tuple[str, Case]]:
    for name in (*_FILES, "mfg_nvs", "server_ca"):
        if case.secondary.find(name):
            yield name, _data(case, name, b"")


@rule("the firmware finds no parameters, certificates or files in it")
def data_of_other_kind(case: Case) -> Iterator[tuple[str, Case]]:
    junk = {
        "text": b"hello\n",
        "FF": b"\xff" * SECTOR_SIZE,
        "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    }
    for name in ("mfg_nvs", *_FILES, "ble_data", "server_ca"):
        if case.secondary.find(name):
            for word, data in junk.items():
                yield f"{name} {word}", _data(case, name, data)


@rule("PEM isn't what the firmware of this release reads there: it needs a container")
def data_pem_for_container(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("server_ca", "client_cert"):
        if case.secondary.find(name) and name in PKI_SLOTS:
            yield name, _data(case, name, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


@rule("the file is cut: what it doesn't have is read from old pages of the module")
def data_nvs_cut(case: Case) -> Iterator[tuple[str, Case]]:
    if case.modern:
        own = case["mfg_nvs"]
        yield "inside a page", _data(case, "mfg_nvs", own[:6000])
        yield "one page", _data(case, "mfg_nvs", own[:SECTOR_SIZE])


@rule("a link leads outside the folder: any file of the machine would be written to the module")
def data_link_leads_outside(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _FILES:
        if case.secondary.find(name):
            yield "file", case.asking({"www/a.txt": b"a", "www/secret": Path("/etc/hostname")}, data={name: "www"})
            yield "folder", case.asking({"www/a.txt": b"a", "www/all": Path("/etc")}, data={name: "www"})


@rule("files that don't fit aren't stored")
def data_folder_too_large(case: Case) -> Iterator[tuple[str, Case]]:
    for name in _FILES:
        if row := case.secondary.find(name):
            yield name, case.asking({"www/a.bin": bytes(row.size + 1)}, data={name: "www"})


@rule("a partition without a file system can't hold files")
def data_folder_for_no_file_system(case: Case) -> Iterator[tuple[str, Case]]:
    name = next((row.name for row in case.secondary if row.name not in _FILES and row.name != case.parameters), None)
    if name:
        yield name, case.asking({"www/a.txt": b"a"}, data={name: "www"})


@rule("two options give one content: which is written can't be known")
def content_twice(case: Case) -> Iterator[tuple[str, Case]]:
    yield "factory_param", _data(case, "factory_param", b"\xfc\xfc" + bytes(86))
    if case.modern:
        yield "mfg_nvs", _data(case, "mfg_nvs", case["mfg_nvs"]).asking(factory_param={"uart_baudrate": "9600"})


# --- what is skipped ---


@rule("without its parameters, the module answers on other pins")
def skip_essential(case: Case) -> Iterator[tuple[str, Case]]:
    yield case.parameters, case.asking(skip=[case.parameters])


@rule("nothing has this name: what should stay is overwritten", codes="unknown-partition")
def skip_unknown(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("ble-data", "fat", "nvs "):
        yield name, case.asking(skip=[name])


# --- esp_at.yml ---


@rule("a misspelt option would be ignored: the module isn't as wanted")
def option_misspelt(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("factory_params", "pkis", "partition", "modul"):
        yield name, case.asking(**{name: "x"})


@rule("what the file means can't be known", codes="not-yaml option-invalid option-twice not-text")
def project_file_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    for word, text in (
        ("tab", "factory_param:\n\tuart_tx_pin: 5\n"),
        ("twice", "skip: [ble_data]\nskip: []\n"),
        ("a list", "factory_param: [1, 2]\n"),
        ("alias", "pki: &a {x: *a}\n"),
        ("cut", "factory_param: {uart_tx_pin: 5"),
        ("a text", "factory_param: hello\n"),
    ):
        yield word, case.saying(text)
    yield "UTF-16", replace(case, project={"esp_at.yml": f"module: {case.module}\n".encode("utf-16")})
    yield "binary", replace(case, project={"esp_at.yml": bytes(range(256))})


@rule("the file that an option names isn't there", codes="file-not-found")
def file_of_option_missing(case: Case) -> Iterator[tuple[str, Case]]:
    yield "pki", case.asking(pki={"server_ca": "nothere.pem"})
    yield "partitions", case.asking(partitions="nothere.csv")
    yield "gatts", case.asking(gatts="nothere.csv")
    yield "data", case.asking(data={"fatfs": "nothere"})
