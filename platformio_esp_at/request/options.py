"""The one list of options: the fields of `Request`. Every front end makes its own options from it.

Each field is one option: its kind defines what the option takes and the type of the value, which the type checker
compares with the field. So a new option is one field here: in ``esp_at.yml``, ``custom_at_<name>``, ``--<name>``.

One more is of hosts alone: which project file it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from platformio_esp_at.errors import UnknownNameError, near_names, setting
from platformio_esp_at.request.kinds import (
    BoardKind,
    CertificatesKind,
    ChoiceKind,
    Completes,
    ContentKind,
    FirmwareKind,
    FolderKind,
    Kind,
    ModuleKind,
    NamesKind,
    PathKind,
    SpeedKind,
    SwitchKind,
    TextKind,
    ValuesKind,
    WrongKindError,
)
from platformio_esp_at.request.values import InputFile, InputFolder
from platformio_esp_at.units import UPLOAD_BAUD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from platformio_esp_at.errors import Place
    from platformio_esp_at.request.kinds import Given, Reader
    from platformio_esp_at.request.nodes import Node
    from platformio_esp_at.request.values import CustomModule, Firmware, Folder, Speed, Text

ValueT = TypeVar("ValueT")


class Option(NamedTuple):
    """An option of every front end: a key of ``esp_at.yml``, ``custom_at_<name>``, ``--<name>``."""

    kind: Kind[object]
    help: str
    example: str
    """A value as in ``esp_at.yml``; a host takes the same text."""
    name: str = ""

    def node(self, text: str, where: Place) -> Node:
        """Return the nodes of the option from a host's text. Raises `FormatError`."""
        return self.kind.node(text, where, self.example)

    def value(self, given: Sequence[Given], read: Reader) -> object:
        """Return the value from the layers, the strongest last; see `Kind.value`. Raises `EspAtError`."""
        if not given:
            return self.kind.unset()
        with self._example_in_hint():
            return self.kind.value(self.name, given, read)

    def inputs(self, given: Sequence[Given]) -> Iterable[Path]:
        """Return the files and folders that `value` reads, except the firmware package. Raises `FormatError`."""
        with self._example_in_hint():
            return self.kind.inputs(self.name, given) if given else ()

    @contextmanager
    def _example_in_hint(self) -> Iterator[None]:
        try:
            yield
        except WrongKindError as error:
            if error.facts["option"] == self.name:
                error.hint = f"write {setting(self.name, self.example)}"
            raise


def option(kind: Kind[ValueT], help_: str, example: str) -> ValueT:
    """Return a field of `Request` for an option of this kind; its default is the kind's value for "not set"."""
    made: ValueT = field(default_factory=kind.unset, metadata={"option": Option(kind, help_, example)})
    return made


@dataclass(frozen=True, slots=True)
class Request:
    """All that a project asks for. What is None or empty stays as in the firmware package."""

    firmware: Firmware | None = option(
        FirmwareKind(),
        "firmware package: a release (v4.1.1.0, latest), a zip or folder as released, a factory image, its URL, or an "
        "esp-at build folder",
        "v4.1.1.0",
    )
    board: Text | None = option(
        BoardKind(),
        "PlatformIO board that carries the AT module, its JSON file, or none (default: the project's board)",
        "esp32dev",
    )
    module: Text | CustomModule | None = option(
        ModuleKind(), "AT module, such as WROOM-32 (default: chosen for the board)", "WROOM-32"
    )
    partitions: InputFile | None = option(
        PathKind(),
        "CSV of partitions of your own, or of the whole user partition table (default: the firmware package's)",
        "at_customize.csv",
    )
    factory_param: Mapping[str, Text] = option(
        ValuesKind(), "factory parameters, such as uart_tx_pin=17", "{uart_tx_pin: 17}"
    )
    pki: Mapping[str, tuple[InputFile, ...]] = option(
        CertificatesKind(),
        "certificates and keys, PEM or DER, such as mqtt_ca=certs/ca.pem; two of them as client_cert=[a.pem, b.pem]",
        "{mqtt_ca: certs/ca.pem}",
    )
    gatts: InputFile | None = option(PathKind(), "CSV of the Bluetooth LE services", "gatts_data.csv")
    data: Mapping[str, InputFile | InputFolder] = option(
        ContentKind(), "content of partitions of your own, such as my_partition=table.bin", "{my_partition: table.bin}"
    )
    skip: tuple[Text, ...] = option(
        NamesKind(), "partitions that are not written, such as ble_data", "[ble_data, wpa2_ca]"
    )
    port: Text | None = option(
        TextKind(Completes.PORTS), "serial port of the AT module's download interface", "/dev/ttyUSB1"
    )
    baud: Speed | None = option(SpeedKind(), "speed of that port while flashing", str(UPLOAD_BAUD))
    before: str | None = option(
        ChoiceKind("default-reset", "usb-reset", "no-reset", "no-reset-no-sync"),
        "how the module comes into its bootloader, as esptool's --before",
        "no-reset",
    )
    after: str | None = option(
        ChoiceKind("hard-reset", "soft-reset", "no-reset", "no-reset-stub", "watchdog-reset"),
        "how the module leaves its bootloader, as esptool's --after",
        "no-reset",
    )
    no_stub: bool = option(SwitchKind(), "talk to the chip's ROM alone, without esptool's stub: slower", "true")
    command_port: Text | None = option(
        TextKind(Completes.PORTS), "serial port at which the module answers AT: a test asks it there", "/dev/ttyUSB2"
    )
    write_all: bool = option(
        SwitchKind(), "write all images in each upload, also those that the module has already", "true"
    )
    show_kept: bool = option(
        SwitchKind(), "verify tells, too, what the module has saved of its UART, and which slot it starts", "true"
    )
    test: bool = option(SwitchKind(), "test the module at the end of each upload", "true")
    backup: Folder | None = option(
        FolderKind(),
        "folder of a backup: a new one, or that to restore (default: esp_at_backup_MAC in the project)",
        "backups/gateway",
    )
    raw: bool = option(SwitchKind(), "back up the whole flash, too", "true")
    other_module: bool = option(
        SwitchKind(), "restore the backup of another module: what is unique to that one is on two modules then", "true"
    )

    def inputs(self) -> Iterator[InputFile | InputFolder]:
        """Yield the files and folders of the project that it holds, in the order of the options."""
        for row in fields(self):
            yield from _inputs_in(getattr(self, row.name))


def _inputs_in(value: object) -> Iterator[InputFile | InputFolder]:
    if isinstance(value, (InputFile, InputFolder)):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _inputs_in(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _inputs_in(inner)


def unknown_option(name: str, place: Place, *, like: str = "") -> UnknownNameError:
    """Return the error for a name that isn't one of `OPTIONS`; its hint has those that are near it, or ``like``."""
    if name == PROJECT_FILE_OPTION.name:
        hint = "remove it: only a host names the project file, and a project file names no other"
        return UnknownNameError("unknown-option", f"{name} is no option here", where=place, hint=hint, name=name)
    near = " or ".join(map(setting, near_names(like or name, OPTIONS)))
    hint = f"did you mean {near}?" if near else f"known: {', '.join(sorted(OPTIONS))}"
    return UnknownNameError("unknown-option", f"unknown option {name!r}", where=place, hint=hint, name=name)


OPTIONS: Mapping[str, Option] = {row.name: row.metadata["option"]._replace(name=row.name) for row in fields(Request)}
"""The options by their names, in the order of the fields."""

PROJECT_FILE_OPTION = Option(
    TextKind(Completes.PROJECT_FILES, metavar="FILE|NAME"),
    "project file of the module, or NAME of esp_at_NAME.yml (default: esp_at.yml)",
    "esp_at_left.yml",
    "project_file",
)
HOST_OPTIONS: Mapping[str, Option] = {PROJECT_FILE_OPTION.name: PROJECT_FILE_OPTION, **OPTIONS}
"""The options of a host: which project file, and `OPTIONS`, which win over that."""
