"""How DTR and RTS of a serial port reset a chip: the circuit of usual boards.

Two transistors make EN low while RTS is asserted and DTR isn't, and IO0 low while DTR is asserted and RTS isn't. A
capacitor delays EN: with both asserted, it stays as it is.
"""

from __future__ import annotations

from enum import Enum


class ChipState(Enum):
    """What a chip does."""

    HELD = "held in reset"
    BOOTLOADER = "waits for a download"
    FIRMWARE = "runs the firmware"


class ResetLines:
    """The lines as they are; released at the start."""

    def __init__(self) -> None:
        self._dtr = self._rts = False
        self._is_held = False

    def set(self, *, dtr: bool | None = None, rts: bool | None = None) -> ChipState | None:
        """Assert or release lines, and return what becomes of the chip, or None if it goes on as before."""
        self._dtr = self._dtr if dtr is None else dtr
        self._rts = self._rts if rts is None else rts
        if self._rts and not self._dtr:
            self._is_held = True
            return ChipState.HELD
        if self._rts or not self._is_held:
            return None
        self._is_held = False
        return ChipState.BOOTLOADER if self._dtr else ChipState.FIRMWARE
