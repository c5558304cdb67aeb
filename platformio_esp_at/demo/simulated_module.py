"""A simulated ESP module on a serial port of this computer, for esptool to talk to.

>>> with SimulatedModule("esp32c3", flash_size=4 << 20) as module:  # doctest: +SKIP
...     subprocess.run(["esptool", "--port", module.port, "write-flash", "0x0", "factory.bin"], check=True)
...     module.flash[:4], module.writes
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from platformio_esp_at.demo.faults import Cable, DamagedByte, FlashFault, LinkFault, SpeedLimit, Unplugged
from platformio_esp_at.demo.links import TICK, PtyLink, Rfc2217Link, SocketLink
from platformio_esp_at.demo.nor_flash import NorFlash
from platformio_esp_at.demo.reset_lines import ChipState
from platformio_esp_at.demo.simulated_rom import FLASH_SIZES, FrameReader, SimulatedRom
from platformio_esp_at.errors import EspAtError, LayoutError
from platformio_esp_at.units import SECTOR_SIZE, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from typing_extensions import Self

    from platformio_esp_at.demo.links import Link
    from platformio_esp_at.demo.security import Security

Transport = Literal["pty", "socket", "rfc2217"]


@dataclass
class _Traffic:
    """How many bytes went over the link."""

    received: int = 0
    sent: int = 0


class SimulatedModule:
    """A context manager: inside it, ``port`` answers as ``chip`` in download mode, for one esptool run after another.

    ``flash``: the content at the start, 0xFF after its end. ``crystal_mhz``: by default, the usual one. With
    ``blank_efuses``, the chip reports revision v0.0. ``security``: how the chip is protected. ``faults``: what is
    wrong from the start; `add_fault` adds others. ``boot_log``: what the firmware prints when it starts, at any speed;
    a function gets what is in the flash.

    Over ``rfc2217``, DTR and RTS reset the chip: at first it runs its firmware, which doesn't answer esptool. A ``pty``
    and a ``socket`` have no such lines: there, opening the port, or syncing with the bootloader, resets the chip into
    download mode, and only `boot` starts the firmware. The flash stays. Several modules can run at once.
    """

    def __init__(
        self,
        chip: str = "esp32",
        flash_size: int = 4 << 20,
        flash: bytes | None = None,
        transport: Transport = "pty",
        crystal_mhz: int | None = None,
        *,
        blank_efuses: bool = False,
        security: Security | None = None,
        faults: Iterable[LinkFault | FlashFault] = (),
        boot_log: bytes | Callable[[bytes], bytes] = b"",
    ) -> None:
        if flash_size not in FLASH_SIZES:
            hint = f"use one of {', '.join(map(format_size, FLASH_SIZES))}"
            raise LayoutError("simulation-failed", f"no simulated flash has {format_size(flash_size)}", hint=hint)
        self.chip = chip
        self._flash = NorFlash(flash_size, flash or b"")
        self._rom = SimulatedRom(
            chip,
            self._flash,
            crystal_mhz,
            blank_efuses=blank_efuses,
            security=security,
            resets_at_sync=transport != "rfc2217",
        )
        self._boot_log = boot_log
        self._state = ChipState.BOOTLOADER
        self._log_is_due = False
        self._transport = transport
        self._link: Link | None = None
        self._traffic = _Traffic()
        self._cable = Cable()
        self._stop = threading.Event()
        self._port_gone = threading.Event()
        self._port_back = threading.Event()
        self._thread: threading.Thread | None = None
        for fault in faults:
            self.add_fault(fault)

    @property
    def port(self) -> str:
        """The value for esptool's ``--port``."""
        if self._link is None:
            raise EspAtError(
                "simulation-failed", "the simulated module isn't running", hint="use it in a with statement"
            )
        return self._link.port

    @property
    def flash(self) -> bytes:
        """A copy of what is in the flash now."""
        return self._flash.read(0, self._flash.size)

    @property
    def writes(self) -> list[tuple[int, int]]:
        """Offset and length of every region written so far, in order; for an interrupted one, the length so far."""
        return list(self._flash.writes)

    @property
    def erases(self) -> list[tuple[int, int]]:
        """Offset and length of every erase so far, in whole sectors; a write begins with one."""
        return list(self._flash.erases)

    @property
    def erased_sectors(self) -> int:
        """How many sectors were erased; one that was erased twice counts twice."""
        return sum(length for _, length in self._flash.erases) // SECTOR_SIZE

    @property
    def flash_data(self) -> int:
        """How many bytes came to be written to the flash, as they came: compressed, filled up, sent again."""
        return self._rom.flash_data

    @property
    def received(self) -> int:
        """How many bytes the module has received over its link."""
        return self._traffic.received

    @property
    def sent(self) -> int:
        """How many bytes the module has sent over its link."""
        return self._traffic.sent

    def reset_counts(self) -> None:
        """Begin anew with ``writes``, ``erases`` and all that is counted; the flash stays."""
        self._traffic = _Traffic()
        self._rom.flash_data = 0
        self._flash.erases.clear()
        self._flash.writes.clear()

    @property
    def state(self) -> ChipState:
        """What the chip does."""
        return self._state

    def boot(self) -> None:
        """Start the firmware, as the reset button of the module does; a client that has the port open gets the log."""
        self._enter(ChipState.FIRMWARE)

    def add_fault(self, fault: LinkFault | FlashFault) -> None:
        """Let this be wrong from now on."""
        if isinstance(fault, Unplugged | DamagedByte | SpeedLimit):
            self._cable.add(fault)
        else:
            self._flash.add_fault(fault)

    @property
    def is_plugged_in(self) -> bool:
        """Whether the port is there."""
        return not self._port_gone.is_set()

    def unplug(self) -> None:
        """Take the port away; back when it is gone."""
        _ = self.port
        self._cable.add(Unplugged())
        self._port_gone.wait()

    def plug_in(self) -> None:
        """Bring the port back that `unplug` or a fault took; the module is just switched on then."""
        _ = self.port
        if self._cable.is_unplugged:
            self._port_gone.wait()
        self._port_back.clear()
        self._cable.plug_in()
        if self._port_gone.is_set():
            self._port_back.wait()

    def __enter__(self) -> Self:
        self._stop.clear()
        self._port_gone.clear()
        self._link = self._open_link()
        self._thread = threading.Thread(target=self._serve, args=(self._link,), name=f"simulated {self.chip}")
        self._thread.daemon = True  # an interrupted demo must not hang on it
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._link:
            self._link.close()
        self._link = None

    def _open_link(self) -> Link:
        if self._transport == "pty":
            return PtyLink()
        if self._transport == "socket":
            return SocketLink()
        self._enter(ChipState.FIRMWARE)
        return Rfc2217Link(self._enter)

    def _enter(self, state: ChipState) -> None:
        if state is ChipState.BOOTLOADER:
            self._rom.reset()
        self._state = state
        self._log_is_due = state is ChipState.FIRMWARE

    def _serve(self, link: Link) -> None:
        while not self._stop.is_set():
            if not link.has_lines:
                self._enter(ChipState.BOOTLOADER)
            # A closed connection is the end of one run, killed or finished.
            with contextlib.suppress(ConnectionError):
                self._converse(link)
            if self._cable.is_unplugged:
                self._stay_away(link)

    def _stay_away(self, link: Link) -> None:
        link.unplug()
        self._port_gone.set()
        while self._cable.is_unplugged:
            if self._stop.wait(TICK):
                return
        self._enter(ChipState.FIRMWARE)
        link.plug_in()
        self._port_gone.clear()
        self._port_back.set()

    def _converse(self, link: Link) -> None:
        frames = FrameReader()
        while not self._stop.is_set() and not self._cable.is_unplugged:
            # Whoever starts the firmware may have opened the port just now: receive first, which finds that client.
            log_is_due = self._log_is_due
            data = link.receive()
            self._traffic.received += len(data)
            # A new speed is for what comes after the answer to the request for it.
            baud = link.baud or self._rom.baud
            if log_is_due and self._log_is_due:
                self._log_is_due = False
                log = self._boot_log(self.flash) if callable(self._boot_log) else self._boot_log
                self._send(link, self._cable.to_client(log, baud))
            for frame in frames.feed(self._cable.to_module(data, baud)):
                if self._state is not ChipState.BOOTLOADER:
                    continue
                self._send(link, self._cable.to_client(self._rom.answer(frame), baud))

    def _send(self, link: Link, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._stop.is_set() and not self._cable.is_unplugged:
            sent = link.send(rest)
            self._traffic.sent += sent
            rest = rest[sent:]
