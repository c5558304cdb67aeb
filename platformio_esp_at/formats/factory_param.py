"""``factory_param.bin``: pins and baud rate of the AT command port, country and module name, up to v3.0.0.0.

`PARTITION_SIZE` bytes, FF where nothing is set, little endian::

    offset  size  field             in version
    0       2     magic FC FC
    2       1     version           1: up to v2.0, 2: v2.1, 3: v2.2 to v3.0
    3       1     module_id         1, 2 (in 3: reserved1)
    4       1     tx_max_power      in 0.25 dBm
    5       1     uart_port         2, 3
    6       1     start_channel
    7       1     channel_num
    8       4     country_code      NUL padded
    12      4     uart_baudrate     -1: no UART
    16      1     uart_tx_pin       this and the pins below: -1 where unused
    17      1     uart_rx_pin
    18      1     uart_cts_pin
    19      1     uart_rts_pin
    20      1     tx_control_pin
    21      1     rx_control_pin
    22      2     reserved2
    24      32    platform          3, NUL padded, such as PLATFORM_ESP32
    56      32    module_name       3, NUL padded

Source: ESP-AT ``components/customized_partitions/raw_data/factory_param/factory_param_type.csv`` of each release. In
v2.1.0.0_esp32s2 it misspells one column, so the files of that release have FF for ``uart_cts_pin``; nothing needs that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError, Place, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTITION_SIZE = 4096
"""Size of a factory_param image, in bytes."""

VERSIONS = (1, 2, 3)
_MAGIC = b"\xfc\xfc"
_VERSION_OFFSET = 2


class _Field(NamedTuple):
    name: str
    offset: int
    size: int
    kind: type[int | str] = int
    signed: bool = False
    versions: tuple[int, ...] = VERSIONS

    def read(self, data: bytes) -> int | str:
        raw = data[self.offset : self.offset + self.size]
        if self.kind is int:
            return int.from_bytes(raw, "little", signed=self.signed)
        text = raw.partition(b"\0")[0]
        # A field that was never written is all FF.
        return "" if text == b"\xff" * self.size else text.decode("utf-8", "backslashreplace")

    def write(self, value: int | str) -> bytes:
        if isinstance(value, bool) or not isinstance(value, self.kind):
            kind = "a number" if self.kind is int else "text"
            raise FormatError(
                "parameter-type",
                f"{self.name} must be {kind}, not {value!r}",
                hint="write a whole number" if self.kind is int else "write text in quotes",
            )
        if isinstance(value, str):
            try:
                raw = value.encode()
            except UnicodeEncodeError:
                raise FormatError(
                    "parameter-type",
                    f"{self.name} {value!r} isn't text",
                    hint="write it with characters that UTF-8 has",
                ) from None
            if len(raw) > self.size or b"\0" in raw:
                raise FormatError(
                    "parameter-too-long",
                    f"{self.name} {value!r} doesn't fit into {self.size} bytes",
                    hint=f"write {self.size} bytes at most, without NUL",
                )
            return raw.ljust(self.size, b"\0")
        try:
            return value.to_bytes(self.size, "little", signed=self.signed)
        except OverflowError:
            low, high = (
                (-(1 << 8 * self.size - 1), (1 << 8 * self.size - 1)) if self.signed else (0, 1 << 8 * self.size)
            )
            raise FormatError(
                "parameter-range",
                f"{self.name} must be {low}…{high - 1}, not {value}",
                hint=f"write {low} to {high - 1}",
            ) from None


_FIELDS = (
    _Field("version", 2, 1),
    _Field("module_id", 3, 1, versions=(1, 2)),
    _Field("reserved1", 3, 1, versions=(3,)),
    _Field("tx_max_power", 4, 1),
    _Field("uart_port", 5, 1, signed=True, versions=(2, 3)),
    _Field("start_channel", 6, 1),
    _Field("channel_num", 7, 1),
    _Field("country_code", 8, 4, str),
    _Field("uart_baudrate", 12, 4, signed=True),
    _Field("uart_tx_pin", 16, 1, signed=True),
    _Field("uart_rx_pin", 17, 1, signed=True),
    _Field("uart_cts_pin", 18, 1, signed=True),
    _Field("uart_rts_pin", 19, 1, signed=True),
    _Field("tx_control_pin", 20, 1, signed=True),
    _Field("rx_control_pin", 21, 1, signed=True),
    _Field("platform", 24, 32, str, versions=(3,)),
    _Field("module_name", 56, 32, str, versions=(3,)),
)


def is_factory_param(data: bytes) -> bool:
    """Return whether ``data`` starts as a factory_param image does."""
    return data.startswith(_MAGIC)


def field_names(version: int) -> tuple[str, ...]:
    """Return the fields of a version, in the order of their offsets. Raises `FormatError` for an unknown one."""
    return tuple(field.name for field in _fields(version))


@dataclass(frozen=True, slots=True)
class FactoryParam:
    """A factory_param image. ``data`` keeps the bytes that no field covers as they were."""

    data: bytes

    def __post_init__(self) -> None:
        if not self.data.startswith(_MAGIC):
            hint = "name the factory_param.bin of a firmware package"
            if not self.data[:2].strip(b"\xff"):
                hint = f"this partition was never written; {hint}"
            raise FormatError(
                "not-factory-param",
                f"no factory_param: its magic FC FC is missing (found {self.data[:2].hex(' ')})",
                hint=hint,
            )
        last = _fields(self.version)[-1]
        if not last.offset + last.size <= len(self.data) <= PARTITION_SIZE:
            raise FormatError(
                "factory-param-damaged",
                f"the factory_param has {len(self.data)} bytes instead of {PARTITION_SIZE}",
                hint=f"take all {PARTITION_SIZE} bytes, as a factory_param.bin of a firmware package has them",
            )

    @classmethod
    def from_bytes(cls, data: bytes) -> FactoryParam:
        """Return the image. Raises `FormatError` for a wrong magic, version or length."""
        return cls(data)

    @classmethod
    def from_values(cls, values: Mapping[str, int | str]) -> FactoryParam:
        """Return a new image with these fields; ``version`` must be among them, missing ones stay FF.

        Raises `FormatError` for a value that its field can't hold, `UnknownNameError` for a field that the version
        doesn't have.
        """
        blank = bytearray(b"\xff" * PARTITION_SIZE)
        blank[:2] = _MAGIC
        version = values.get("version")
        if not isinstance(version, int) or version not in VERSIONS:
            raise FormatError(
                "factory-param-version", f"factory_param version {version!r} is unknown", hint=_KNOWN_VERSIONS
            )
        blank[_VERSION_OFFSET] = version
        return cls(bytes(blank)).replace(values)

    def to_bytes(self) -> bytes:
        """Return the image as it is in flash."""
        return self.data

    @property
    def version(self) -> int:
        """Which layout it has: 1, 2 or 3."""
        return self.data[_VERSION_OFFSET] if len(self.data) > _VERSION_OFFSET else 0

    @property
    def values(self) -> dict[str, int | str]:
        """Every field of its version by name."""
        return {field.name: field.read(self.data) for field in _fields(self.version)}

    def replace(self, values: Mapping[str, int | str]) -> FactoryParam:
        """Return a copy with these fields changed. Raises as `from_values` does."""
        known = {field.name: field for field in _fields(self.version)}
        data = bytearray(self.data)
        for name, value in values.items():
            if name not in known:
                raise unknown_name("unknown-parameter", f"field of factory_param version {self.version}", name, known)
            field = known[name]
            data[field.offset : field.offset + field.size] = field.write(value)
        return FactoryParam(bytes(data))


_KNOWN_VERSIONS = f"known versions: {', '.join(map(str, VERSIONS))}; 4 is kept in mfg_nvs, from v3.1.0.0 on"


def _fields(version: int) -> tuple[_Field, ...]:
    fields = tuple(field for field in _FIELDS if version in field.versions)
    if not fields:
        raise FormatError(
            "factory-param-version",
            f"factory_param version {version} is unknown",
            where=Place.at(offset=_VERSION_OFFSET),
            hint=_KNOWN_VERSIONS,
        )
    return fields
