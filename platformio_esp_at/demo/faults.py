"""What can be wrong with a simulated module and its link; a fault begins when it is given, also while a client runs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

_NO_FRAME_END = bytes(set(range(256)) - {0xC0})


@dataclass(frozen=True, slots=True)
class Unplugged:
    """After ``after`` more bytes for the module, the port is gone until `SimulatedModule.plug_in`."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class DamagedByte:
    """One bit of the ``nth`` byte flips, or the byte is ``lost``; with ``repeats``, of each ``nth``.

    It is a byte for the module, or, with ``to_client``, one for the client.
    """

    nth: int
    lost: bool = False
    repeats: bool = False
    to_client: bool = False


@dataclass(frozen=True, slots=True)
class SpeedLimit:
    """At more than ``baud``, either end receives noise, until the client is slower again.

    The speed is the client's. At a ``socket://``, where none is known, it is what CHANGE_BAUDRATE asked for, up to the
    next connection.
    """

    baud: int


@dataclass(frozen=True, slots=True)
class StuckBits:
    """In the byte of the flash at ``offset``, these bits stay 1 or 0, whatever is erased or written."""

    offset: int
    ones: int = 0
    zeros: int = 0


@dataclass(frozen=True, slots=True)
class RefusedErase:
    """The module reports that it can't erase the sector of ``offset``, and erases nothing."""

    offset: int


@dataclass(frozen=True, slots=True)
class RefusedWrite:
    """The module reports that it can't write the byte at ``offset``, and writes nothing of that block."""

    offset: int


LinkFault = Unplugged | DamagedByte | SpeedLimit
FlashFault = StuckBits | RefusedErase | RefusedWrite


class Cable:
    """What becomes of the bytes between the client and the module."""

    def __init__(self) -> None:
        self._bytes_left: int | None = None
        self._speed_limit: int | None = None
        self._damages: list[_Damage] = []
        self._noise = random.Random(0)  # noqa: S311 - the same noise each time

    @property
    def is_unplugged(self) -> bool:
        """Whether the module can't be reached."""
        return self._bytes_left == 0

    def plug_in(self) -> None:
        """Forget that it is unplugged, or will be."""
        self._bytes_left = None

    def add(self, fault: LinkFault) -> None:
        """Let this happen from now on."""
        if isinstance(fault, Unplugged):
            self._bytes_left = fault.after
        elif isinstance(fault, SpeedLimit):
            self._speed_limit = fault.baud
        else:
            self._damages.append(_Damage(fault))

    def to_module(self, data: bytes, baud: int) -> bytes:
        """Return what the module receives of ``data``; nothing of what comes after the cable was unplugged."""
        if self._bytes_left is not None:
            data = data[: self._bytes_left]
            self._bytes_left -= len(data)
        return self._damaged(data, baud, to_client=False)

    def to_client(self, data: bytes, baud: int) -> bytes:
        """Return what the client receives of ``data``."""
        return self._damaged(data, baud, to_client=True)

    def _damaged(self, data: bytes, baud: int, *, to_client: bool) -> bytes:
        if self._speed_limit is not None and baud > self._speed_limit:
            return bytes(self._noise.choices(_NO_FRAME_END, k=len(data)))
        for damage in self._damages:
            if damage.fault.to_client == to_client:
                data = damage.apply(data)
        return data


@dataclass
class _Damage:
    fault: DamagedByte
    passed: int = field(default=0, init=False)

    def apply(self, data: bytes) -> bytes:
        nth = self.fault.nth
        if self.fault.repeats:
            hit = range(-(self.passed + 1) % nth, len(data), nth)
        else:
            hit = range(nth - self.passed - 1, len(data), len(data) + 1) if nth > self.passed else range(0)
        self.passed += len(data)
        damaged = bytearray(data)
        for index in reversed(hit):
            if self.fault.lost:
                del damaged[index]
            else:
                damaged[index] ^= 0x20
        return bytes(damaged)
