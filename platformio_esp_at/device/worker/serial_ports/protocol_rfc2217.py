"""pyserial's ``rfc2217://`` without its waits.

esptool sets a timeout twice for each command. pyserial negotiates the whole line anew then, though the other end has
nothing to do with a timeout, and looks only each 50 ms whether an answer is there. `serial.serial_for_url` finds this
`Serial` once this package is in front of ``serial.protocol_handler_packages``. It uses the inside of pyserial 3.5.
"""

from __future__ import annotations

import struct
import threading
import time
from typing import TYPE_CHECKING, Any

from serial import SerialException, rfc2217

if TYPE_CHECKING:
    import socket


class Serial(rfc2217.Serial):
    """The same port; it negotiates what has changed, and goes on as soon as the other end has answered."""

    # What pyserial has and its types leave out.
    _socket: socket.socket | None
    _baudrate: int
    _bytesize: int
    _parity: str
    _stopbits: float
    _rtscts: bool
    _xonxoff: bool
    _write_timeout: float | None
    _network_timeout: float
    _ignore_set_control_answer: bool
    _rfc2217_options: dict[str, rfc2217.TelnetSubnegotiation]
    _rfc2217_port_settings: dict[str, rfc2217.TelnetSubnegotiation]

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - pyserial's
        self._agreed: tuple[object, ...] | None = None
        self._answered = threading.Event()
        super().__init__(*args, **options)  # this may open the port

    def open(self) -> None:
        """Open the port, and negotiate all of its settings."""
        self._agreed = None
        super().open()

    def _reconfigure_port(self) -> None:
        if self._socket is None:
            raise SerialException("Can only operate on open ports")
        if self._write_timeout is not None:
            # Before all else: esptool tries one, and goes without where it isn't known.
            raise NotImplementedError("write_timeout is currently not supported")
        line = (self._baudrate, self._bytesize, self._parity, self._stopbits)
        flow = _flow_control(hardware=self._rtscts, software=self._xonxoff)
        if (line, flow) == self._agreed:
            return
        if not 0 < self._baudrate < 2**32:
            raise ValueError(f"invalid baudrate: {self._baudrate!r}")
        flow_is_set, self._agreed = self._agreed is not None and self._agreed[1] == flow, None
        settings = self._rfc2217_port_settings
        settings["baudrate"].set(struct.pack("!I", self._baudrate))
        settings["datasize"].set(struct.pack("!B", self._bytesize))
        settings["parity"].set(struct.pack("!B", rfc2217.RFC2217_PARITY_MAP[self._parity]))
        settings["stopsize"].set(struct.pack("!B", rfc2217.RFC2217_STOPBIT_MAP[self._stopbits]))
        for setting in settings.values():
            self._wait_for(setting)
        if not flow_is_set:
            self.rfc2217_set_control(flow)
        self._agreed = (line, flow)

    def rfc2217_send_purge(self, value: bytes) -> None:
        """Have the other end drop what it holds back."""
        self._ask("purge", value)

    def rfc2217_set_control(self, value: bytes) -> None:
        """Set a control line or the flow control.

        With ``ign_set_control``, nothing waits for the answer: who times a reset has pauses of its own.
        """
        self._ask("control", value, answer_counts=not self._ignore_set_control_answer)

    def _ask(self, name: str, value: bytes, *, answer_counts: bool = True) -> None:
        option = self._rfc2217_options[name]
        option.set(value)
        if answer_counts:
            self._wait_for(option)

    def _wait_for(self, option: rfc2217.TelnetSubnegotiation) -> None:
        """Wait for an answer; ValueError if it is a refusal."""
        end = time.monotonic() + self._network_timeout
        while True:
            self._answered.clear()
            if option.is_ready():
                return
            if not self._answered.wait(end - time.monotonic()):
                raise SerialException(f"timeout while waiting for option {option.name!r}")

    def _telnet_process_subnegotiation(self, suboption: bytes) -> None:
        # The thread that reads calls this.
        super()._telnet_process_subnegotiation(suboption)  # type: ignore[misc]
        self._answered.set()


def _flow_control(*, hardware: bool, software: bool) -> bytes:
    if hardware and software:
        raise ValueError("xonxoff and rtscts together are not supported")
    if hardware:
        return rfc2217.SET_CONTROL_USE_HW_FLOW_CONTROL
    return rfc2217.SET_CONTROL_USE_SW_FLOW_CONTROL if software else rfc2217.SET_CONTROL_USE_NO_FLOW_CONTROL
