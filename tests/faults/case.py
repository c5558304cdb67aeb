"""A firmware package in memory with the project that flashes it, and copies of it with one thing changed."""

from __future__ import annotations

import functools
import io
import re
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from platformio_esp_at.catalog.chips import Chip, chip
from platformio_esp_at.formats.download_config import (
    FlashArgs,
    FlashImage,
    format_download_config,
    parse_download_config,
)
from platformio_esp_at.formats.partition_table import Partition, PartitionTable, PartitionType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts

CONFIG = "download.config"
TABLES = ("partition-table.bin", "partitions_at.bin")


@dataclass(frozen=True)
class Case:
    """One package, project and board. ``files`` are those of the package, by their paths beside ``download.config``."""

    name: str
    """What the zip is called."""
    chip_name: str
    module: str
    files: Mapping[str, bytes] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    """What ``esp_at.yml`` says besides firmware and module."""
    project: Mapping[str, bytes | Path] = field(default_factory=dict, repr=False)
    """The project's files by their paths, links as what they lead to; esp_at.yml takes the place of ``options``."""
    board: BoardFacts | None = None
    archive: bytes | None = field(default=None, repr=False)
    """The zip itself, where ``files`` can't say it."""

    # --- what is in it ---

    @property
    def chip(self) -> Chip:
        return chip(self.chip_name)

    @functools.cached_property
    def args(self) -> FlashArgs:
        return parse_download_config(self.files[CONFIG].decode(errors="replace"))

    @functools.cached_property
    def primary(self) -> PartitionTable:
        return PartitionTable.from_bytes(self[self.table])

    @functools.cached_property
    def secondary(self) -> PartitionTable:
        return PartitionTable.from_bytes(self["at_customize"])

    @property
    def table(self) -> str:
        """The name of the primary table's image."""
        return next(PurePosixPath(image.path).stem for image in self.args.images if _file(image) in TABLES)

    @property
    def modern(self) -> bool:
        """Whether parameters, certificates and GATT rows are in ``mfg_nvs``."""
        return self.secondary.find("mfg_nvs") is not None

    @property
    def runs(self) -> bool:
        """Whether its programs are Espressif's own; the others are valid images that only hold text or noise."""
        return len(self["esp-at"]) > 1 << 18

    @property
    def of_release(self) -> bool:
        """Whether it is a release's package, or made of what a release's tools made."""
        return re.search(r"V\d", self.name) is not None

    @property
    def parameters(self) -> str:
        """The partition with the UART pins."""
        return "mfg_nvs" if self.modern else "factory_param"

    @property
    def app_row(self) -> Partition:
        return next(row for row in self.primary if row.type == PartitionType.APP)

    def row(self, name: str) -> Partition | None:
        return self.primary.find(name) or self.secondary.find(name)

    def image(self, stem: str) -> FlashImage | None:
        """Return the image whose file is called ``stem``.bin."""
        return next((image for image in self.args.images if PurePosixPath(image.path).stem == stem), None)

    def has(self, *stems: str) -> bool:
        return all(self.image(stem) for stem in stems)

    def path(self, stem: str) -> str:
        found = self.image(stem)
        assert found, stem
        return found.path

    def __getitem__(self, stem: str) -> bytes:
        return self.files[self.path(stem)]

    # --- copies ---

    def with_(self, stem: str, data: bytes) -> Case:
        """Return a copy with other bytes for an image."""
        return self.with_files({self.path(stem): data})

    def with_files(self, files: Mapping[str, bytes]) -> Case:
        return replace(self, files={**self.files, **files})

    def without_files(self, *paths: str) -> Case:
        return replace(self, files={path: data for path, data in self.files.items() if path not in paths})

    def with_images(self, images: Iterable[FlashImage]) -> Case:
        """Return a copy whose ``download.config`` lists these."""
        return self.with_config(format_download_config(self.args._replace(images=tuple(images))))

    def with_config(self, text: str) -> Case:
        return self.with_files({CONFIG: text.encode()})

    def with_settings(self, **settings: str) -> Case:
        return self.with_config(
            format_download_config(self.args._replace(settings=self.args.settings._replace(**settings)))
        )

    def without_line(self, stem: str) -> Case:
        return self.with_images(image for image in self.args.images if image != self.image(stem))

    def moved(self, stem: str, offset: int) -> Case:
        """Return a copy whose ``download.config`` sends an image elsewhere."""
        wanted = self.image(stem)
        assert wanted, stem
        return self.with_images(
            replace(image, offset=offset) if image == wanted else image for image in self.args.images
        )

    def with_primary(self, rows: Iterable[Partition]) -> Case:
        return self.with_(self.table, replace(self.primary, partitions=tuple(rows)).to_bytes())

    def with_secondary(self, rows: Iterable[Partition]) -> Case:
        return self.with_("at_customize", replace(self.secondary, partitions=tuple(rows)).to_bytes())

    def with_row(self, name: str, /, **changes: object) -> Case:
        """Return a copy with another row of that name, in the table that has it."""
        if self.primary.find(name):
            return self.with_primary(_changed(self.primary, name, changes))
        return self.with_secondary(_changed(self.secondary, name, changes))

    def without_row(self, name: str) -> Case:
        if self.primary.find(name):
            return self.with_primary(row for row in self.primary if row.name != name)
        return self.with_secondary(row for row in self.secondary if row.name != name)

    def with_parameters(self, change: Callable[[bytes], bytes]) -> Case:
        """Return a copy with other parameters, in every file that has them (legacy: also those of the module)."""
        if self.modern:
            return self.with_("mfg_nvs", change(self["mfg_nvs"]))
        files = {
            path: change(data)
            for path, data in self.files.items()
            if PurePosixPath(path).stem.startswith("factory_param")
        }
        return self.with_files(files)

    def asking(self, files: Mapping[str, bytes | Path] | None = None, **options: object) -> Case:
        """Return a copy whose project has other options and files."""
        return replace(self, options={**self.options, **options}, project={**self.project, **(files or {})})

    def saying(self, text: str) -> Case:
        """Return a copy whose ``esp_at.yml`` has this text after the lines that every case has."""
        lines = f"firmware: ../{self.name}.zip\nmodule: {self.module}\n"
        return replace(self, project={**self.project, "esp_at.yml": (lines + text).encode()})

    def to_zip(self) -> bytes:
        return zip_of(self.files) if self.archive is None else self.archive


def zip_of(files: Mapping[str, bytes], *, folder: str = "") -> bytes:
    """Return a zip; not compressed, which is faster."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(folder + path), data)
    return stream.getvalue()


def _changed(table: PartitionTable, name: str, changes: Mapping[str, Any]) -> Iterable[Partition]:
    return (replace(row, **changes) if row.name == name else row for row in table)


def _file(image: FlashImage) -> str:
    return PurePosixPath(image.path).name
