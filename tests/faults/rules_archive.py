"""Faults in the archive: damage, hostile paths and sizes, and what isn't a package."""

from __future__ import annotations

import functools
import io
import zipfile
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from faults.case import CONFIG, zip_of
from faults.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

_DAMAGED = "zip-damaged not-a-package"


def _renamed(case: Case, stem: str, path: str) -> Case:
    """Return a copy in which an image has another path, in ``download.config`` and in the archive."""
    own = case.path(stem)
    files = {path if name == own else name: data for name, data in case.files.items()}
    files[CONFIG] = files[CONFIG].decode().replace(own, path).encode()
    return replace(case, files=files)


@rule("a path outside the package would have any file of the machine written to the module", codes="path-escapes")
def path_leads_outside(case: Case) -> Iterator[tuple[str, Case]]:
    for path in ("../esp-at.bin", "/etc/esp-at.bin", "a/../../esp-at.bin", "C:/esp-at.bin"):
        yield path, _renamed(case, "esp-at", path)


@rule("esptool takes such a path for an option, or for code that it loads", codes="path-unsafe flash-args-invalid")
def path_for_esptool(case: Case) -> Iterator[tuple[str, Case]]:
    for path in ("-erase.bin", "@arguments.bin", "esptool.py", "esptool.cfg", "a\x1b[2J.bin"):
        yield ascii(path), _renamed(case, "esp-at", path)


@rule("an image isn't in the archive", codes="package-incomplete")
def file_missing(case: Case) -> Iterator[tuple[str, Case]]:
    for stem in ("esp-at", "bootloader", case.table, "at_customize", case.parameters, "ota_data_initial"):
        if case.has(stem):
            yield stem, case.without_files(case.path(stem))


@rule("an image has no content", codes="image-empty")
def file_empty(case: Case) -> Iterator[tuple[str, Case]]:
    for stem in ("esp-at", "bootloader", case.table, "at_customize", "ota_data_initial"):
        if case.has(stem):
            yield stem, case.with_(stem, b"")


@rule("the archive is cut, as after a broken download", codes=_DAMAGED)
def archive_cut(case: Case) -> Iterator[tuple[str, Case]]:
    whole = zip_of(case.files)
    for word, end in (("half", len(whole) // 2), ("last bytes", len(whole) - 12), ("empty", 0)):
        yield word, replace(case, archive=whole[:end])


@rule("the archive is something else", codes=_DAMAGED)
def archive_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    yield "HTML", replace(case, archive=b"<!DOCTYPE html><html><body>404</body></html>")
    yield "gzip", replace(case, archive=b"\x1f\x8b\x08\x00" + bytes(100))
    yield "application", replace(case, archive=case["esp-at"])
    yield "no package", replace(case, archive=zip_of({"README.md": b"hello"}))
    yield "zip in a zip", replace(case, archive=zip_of({"firmware.zip": zip_of(case.files)}))


@rule("a bit of a stored file is wrong, and its CRC says so", codes=_DAMAGED)
def archive_bit_flipped(case: Case) -> Iterator[tuple[str, Case]]:
    whole = zip_of(case.files)
    for stem in ("esp-at", case.parameters):
        at = whole.index(case[stem]) + len(case[stem]) // 2
        yield stem, replace(case, archive=whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


@rule("which of the packages is meant can't be known", codes="several-packages")
def two_packages(case: Case) -> Iterator[tuple[str, Case]]:
    both = {f"{folder}/{path}": data for folder in ("a", "b") for path, data in case.files.items()}
    yield "two folders", replace(case, archive=zip_of(both))


@rule("which of two files of one name is meant can't be known", codes="zip-damaged")
def file_twice(case: Case) -> Iterator[tuple[str, Case]]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in case.files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
        # zipfile warns of a name that it has already.
        archive.NameToInfo.pop(case.path("esp-at"))
        archive.writestr(zipfile.ZipInfo(case.path("esp-at")), b"another")
    yield "esp-at", replace(case, archive=stream.getvalue())


@rule("a few bytes unpack to more than any flash, until the machine has no memory", codes="package-too-large")
def zip_bomb(case: Case) -> Iterator[tuple[str, Case]]:
    if case.name in ("SAMPLE-esp32-WROOM-32", "SAMPLE-esp32c6-ESP32C6-4MB-NVS"):
        for stem in ("esp-at", case.parameters):
            yield stem, replace(case, archive=_bomb(case, stem))


@functools.cache
def _deflated() -> bytes:
    return zlib.compress(bytes(136 << 20), 1, -15)


def _bomb(case: Case, stem: str) -> bytes:
    """Return the archive with an image of zeros; zipfile would compress them again for each case."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, data in case.files.items():
            archive.writestr(zipfile.ZipInfo(path), data if path != case.path(stem) else _deflated())
        for info in archive.infolist():
            if info.filename == case.path(stem):
                info.compress_type, info.file_size = zipfile.ZIP_DEFLATED, 136 << 20
    return stream.getvalue()


@rule("with these methods, zipfile unpacks without a limit", codes="zip-compression")
def zip_method(case: Case) -> Iterator[tuple[str, Case]]:
    for method, word in ((zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for path, data in case.files.items():
                archive.writestr(path, data, method if path == case.path("at_customize") else zipfile.ZIP_STORED)
        yield word, replace(case, archive=stream.getvalue())
