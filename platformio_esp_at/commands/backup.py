"""The commands that save what a module holds, and put it back. They need no firmware package, and no project.

A backup is a folder: the parts of the flash as bytes, a manifest that lists them, and a project that rebuilds the
user partitions. Keys and Wi-Fi passwords are in it; nothing of them is shown.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at import __version__
from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.checks.device import check_restorable, check_security
from platformio_esp_at.commands.device_run import SessionRun, check_stub
from platformio_esp_at.commands.setup import Setup, reach
from platformio_esp_at.device.difference import Image
from platformio_esp_at.errors import EspAtError, FlashError, FormatError, Place, located, note, setting, warning
from platformio_esp_at.events import BackedUp, Noticed, Restored, Restoring
from platformio_esp_at.files import FileTooLargeError, read_file, reading_hint
from platformio_esp_at.formats.backup import MANIFEST, TABLE, WHOLE, Application, Backup, SavedPart
from platformio_esp_at.formats.esp_image import app_version
from platformio_esp_at.formats.partition_table import TABLE_SPAN, PartitionTable, is_partition_table
from platformio_esp_at.outputs.folder import check_new, write_private_folder
from platformio_esp_at.planning.backup import RAW_INSTEAD, ModuleLayout, Part, ota_data_of, started_slot, table_offsets
from platformio_esp_at.planning.migration import Origin, make_project
from platformio_esp_at.units import MAX_FLASH_SIZE, SECTOR_SIZE, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.device.session import Device
    from platformio_esp_at.errors import Notice

    Read: TypeAlias = Callable[[str, int, int], bytes]
    """Returns a range of the flash: its name for people, offset and size."""

_PLACE = "esp_at_backup_"
"""How the folder of a backup is called, in front of the MAC: in the project's folder, which no clean-up empties."""
_MAX_MANIFEST_SIZE = 1 << 20


class _Holding(NamedTuple):
    """What a module holds."""

    parts: Mapping[Part, bytes]
    application: Application | None
    project: Mapping[str, bytes]
    """The files of a project that rebuilds its user partitions; none where that can't be made."""


def backup(setup: Setup) -> None:
    """Save what the module holds in a new folder. Raises `EspAtError`."""
    asked = reach(setup)
    named, raw = asked.request.backup, asked.request.raw
    if named is not None:
        with located(named.text.where):
            check_new(named.path)
    with SessionRun(setup, asked, "backup", _check_source) as run:
        device = _device(run)
        holding = _read_module(run, device, raw=raw)
        folder = named.path if named else _free_place(setup.project, device.mac)
        saved = tuple(_saved(part, data) for part, data in holding.parts.items())
        manifest = Backup(device.chip, device.mac, device.flash_size, raw, holding.application, saved)
        files = {part.file: data for part, data in zip(saved, holding.parts.values(), strict=True)}
        files |= {MANIFEST: manifest.to_bytes(f"platformio-esp-at {__version__}"), **holding.project}
        write_private_folder(folder, files)
        run.facts["backup"] = {"folder": str(folder), "raw": raw, "parts": [part.name for part in saved]}
        run.restart()
        version = holding.application.version if holding.application else None
        size = device.flash_size if raw and device.flash_size else sum(part.size for part in saved)
        run.report(BackedUp(folder, len(saved), size, raw, bool(holding.project), version))


def restore(setup: Setup) -> None:
    """Put back what a backup has saved, byte for byte. Raises `EspAtError`."""
    asked = reach(setup)
    named = asked.request.backup
    with located(named.text.where if named else Place()):
        folder = named.path if named else _only_backup(setup.project)
        saved, images = _read_backup(folder)
    check = partial(check_restorable, saved, other_module=asked.request.other_module)
    with SessionRun(setup, asked._replace(chip=saved.chip), "restore", check) as run:
        run.facts["backup"] = {"folder": str(folder), "mac": saved.mac, "raw": saved.raw}
        if not saved.raw:
            _check_firmware(run, saved, images, folder)
            images = [image for image in images if image.name != TABLE]
        run.report(Restoring(folder, saved.mac, len(images), saved.raw))
        run.update(images)
        run.report(Restored(folder, len(images), run.written_images))
        run.restart()


# --- what a module holds ---


def _check_source(device: Device) -> tuple[Notice, ...]:
    find_chip(device.chip)
    check_security(device.security)
    check_stub(device.chip, has_stub=device.has_stub)
    return ()


def _device(run: SessionRun) -> Device:
    assert run.device is not None  # noqa: S101 - it is connected
    return run.device


def _read_module(run: SessionRun, device: Device, *, raw: bool) -> _Holding:
    """Return what the module holds; where only its tables can't be read, the whole flash if it is wanted."""
    if not raw:
        return _read_partitions(run, device, functools.cache(run.read_confirmed), device.flash_size or MAX_FLASH_SIZE)
    if device.flash_size is None:
        message = "how large the flash of the module is, esptool can't find out"
        raise FlashError("flash-size-unknown", message, hint="back it up without raw: its partitions have their sizes")
    whole = run.read_confirmed(WHOLE, 0, device.flash_size)
    parts = {Part(WHOLE, 0, len(whole)): whole}
    try:
        holding = _read_partitions(run, device, lambda _, offset, size: whole[offset : offset + size], len(whole))
    except EspAtError as error:
        run.report(Noticed(_without_project(error)))
        return _Holding(parts, None, {})
    return holding._replace(parts={**parts, **holding.parts})


def _read_partitions(run: SessionRun, device: Device, read: Read, limit: int) -> _Holding:
    """Return the tables of the module, its partitions but for applications, and a project of them."""
    chip = find_chip(device.chip)
    layout = _layout(chip, read, limit)
    parts = {part: read(*part) for part in layout.parts(limit)}
    application = _application(layout.primary, read, limit)
    contents = {row.name: read(row.name, row.offset, row.size) for row in layout.secondary or ()}
    version = application.version if application else None
    origin = Origin(f"module {device.mac}", chip.key, contents, layout.secondary, is_image=True, version=version)
    try:
        project = make_project(origin)
    except EspAtError as error:
        run.report(Noticed(_without_project(error)))
        project = {}
    return _Holding(parts, application, project)


def _layout(chip: Chip, read: Read, limit: int) -> ModuleLayout:
    """Return the partition tables of a module. Raises `EspAtError` where there is none, or a damaged one."""
    tables = ((offset, read(TABLE, offset, TABLE_SPAN)) for offset in table_offsets(chip))
    offset, data = next((found for found in tables if is_partition_table(found[1])), (None, b""))
    if offset is None:
        places = " and ".join(map(format_offset, table_offsets(chip)))
        message = f"the module has no partition table at {places}: its flash is blank, or has other firmware"
        raise FlashError("module-without-table", message, hint=RAW_INSTEAD)
    with located(Place.at(partition=TABLE), origin_hint=RAW_INSTEAD):
        layout = ModuleLayout(offset, PartitionTable.from_bytes(data))
    layout.parts(limit)
    if (home := layout.home) is None:
        return layout
    data = read(home.name, home.offset, TABLE_SPAN)
    if not is_partition_table(data):
        return layout
    with located(Place.at(partition=home.name), origin_hint=RAW_INSTEAD):
        return ModuleLayout(offset, layout.primary, PartitionTable.from_bytes(data))


def _application(primary: PartitionTable, read: Read, limit: int) -> Application | None:
    """Return the application that starts; its version is looked for where the flash was read."""
    home = ota_data_of(primary)
    slot = started_slot(primary, read(home.name, home.offset, home.size) if home else b"")
    if slot is None or slot.offset + SECTOR_SIZE > limit:
        return None
    first = read(slot.name, slot.offset, SECTOR_SIZE)
    return Application(slot.name, slot.offset, app_version(first), hashlib.sha256(first).hexdigest())


def _without_project(error: EspAtError) -> Notice:
    """Return the note for what is saved as bytes alone."""
    message = f"no project could be made of what the module has: {error.message}"
    hint = "what is saved can be restored all the same"
    return note("backup-without-project", message, where=error.place, hint=hint)


def _saved(part: Part, data: bytes) -> SavedPart:
    safe = re.sub(r"[^\w.-]", "_", part.name, flags=re.ASCII)
    file = "flash/whole.bin" if part.name == WHOLE else f"flash/{part.offset:06x}-{safe}.bin"
    return SavedPart(part.name, file, part.offset, part.size, hashlib.sha256(data).hexdigest())


def _free_place(project: Path, mac: str | None) -> Path:
    """Return a folder that isn't there yet."""
    name = f"{_PLACE}{(mac or 'unknown').replace(':', '').upper()}"
    number = 1
    while (place := project / (name if number == 1 else f"{name}_{number}")).exists():
        number += 1
    return place


# --- what a backup has ---


def _only_backup(project: Path) -> Path:
    """Return the only backup in a project's folder. Raises `EspAtError`."""
    folders = sorted(file.parent for file in project.glob(f"{_PLACE}*/{MANIFEST}"))
    if not folders:
        message = f"there is no backup in {project}: no folder {_PLACE}MAC"
        raise EspAtError("backup-missing", message, hint=f"name the folder of one: {setting('backup', 'FOLDER')}")
    if len(folders) > 1:
        message = f"{len(folders)} backups are in {project}, and none is named"
        hint = f"name one: {' or '.join(setting('backup', folder.name) for folder in folders)}"
        raise EspAtError("several-backups", message, hint=hint)
    return folders[0]


def _read_backup(folder: Path) -> tuple[Backup, list[Image]]:
    """Return what a backup says, and the parts to write: the whole flash, or all others with the primary table.

    Raises `EspAtError` for one that is damaged, naming the file.
    """
    manifest = folder / MANIFEST
    with located(Place.at(file=str(manifest))):
        saved = Backup.from_bytes(_read(manifest, _MAX_MANIFEST_SIZE))
        find_chip(saved.chip)
    wanted = [part for part in saved.saved if (part.name == WHOLE) is saved.raw]
    named = Counter(part.name for part in wanted)
    images = []
    for part in wanted:
        file = folder / part.file
        with located(Place.at(file=str(file))):
            data = _read(file, MAX_FLASH_SIZE)
            if len(data) != part.size or hashlib.sha256(data).hexdigest() != part.sha256:
                message = f"the backup is damaged: this is not what was saved of {part.name}"
                raise FormatError("backup-damaged", message, hint="take the backup from another copy, whole")
        name = part.name if named[part.name] == 1 else f"{part.name} at {format_offset(part.offset)}"
        images.append(Image(name, part.offset, data))
    return saved, images


def _read(file: Path, limit: int) -> bytes:
    try:
        return read_file(file, limit)
    except FileNotFoundError:
        what = "there is no backup here" if file.name == MANIFEST else "the backup is damaged: this file is missing"
        hint = f"name a folder that esp-at backup has made, whole: {MANIFEST} is in it"
        raise EspAtError("backup-missing", what, hint=hint) from None
    except FileTooLargeError:
        message = f"the backup is damaged: this file is larger than {format_size(limit)}"
        raise FormatError("backup-damaged", message, hint="take the backup from another copy, whole") from None
    except OSError as error:
        hint = reading_hint(file, error)
        raise EspAtError("unreadable", f"can't be read: {error.strerror}", hint=hint) from None


def _check_firmware(run: SessionRun, saved: Backup, images: list[Image], folder: Path) -> None:
    """Raise `FlashError` if the module has another primary table; warn if it doesn't have the application."""
    table = next((image for image in images if image.name == TABLE), None)
    if table and run.differing([table]):
        project = f"flash the firmware of the backup first, whose project is in {folder}"
        raise FlashError(
            "backup-other-table",
            f"the module has another partition table at {format_offset(table.offset)} than when it was backed up",
            hint=f"{project}; a backup made with {setting('raw', 'true')} brings its own table",
            offset=table.offset,
        )
    if (application := saved.application) is None:
        return
    first = run.read(application.slot, application.offset, SECTOR_SIZE)
    if hashlib.sha256(first).hexdigest() != application.sha256:
        was, now = application.version or "another one", app_version(first) or "none whose version is known"
        message = f"the backup is of a module that starts {was} in {application.slot}; this one has {now} there"
        hint = "see whether it works; else flash the firmware of the backup, then restore it again"
        run.report(Noticed(warning("backup-other-firmware", message, hint=hint, partition=application.slot)))
