"""The answers of an ESP's ROM bootloader and of esptool's stub to esptool, frame by frame, without a port.

Registers, eFuses, security info and status bytes come from esp32-mock-bootloader; the downloads, the flash and its
identification are ours. The protocol, upstream:
https://docs.espressif.com/projects/esptool/en/latest/esp32/advanced-topics/serial-protocol.html
"""

from __future__ import annotations

import hashlib
import importlib
import struct
import zlib
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Any

from platformio_esp_at.demo.nor_flash import FlashRefusedError, NorFlash
from platformio_esp_at.demo.security import Security, burned_bits, check_security, security_info
from platformio_esp_at.errors import EspAtError, LayoutError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable

FLASH_SIZES = tuple(1 << bits for bits in range(20, 25))
"""The flash sizes that ESP-AT modules come with: 1 MB to 16 MB."""

_FRAME_END = b"\xc0"
_GREETING = b"OHAI"
_REQUEST, _RESPONSE = 0, 1
_SYNC_ANSWERS = 8
_ROM_READ_LENGTH = 64
_ROM_BAUD = 115200


class Command(IntEnum):
    """The commands that this simulation answers itself."""

    FLASH_BEGIN = 0x02
    FLASH_DATA = 0x03
    FLASH_END = 0x04
    MEM_BEGIN = 0x05
    MEM_END = 0x06
    MEM_DATA = 0x07
    SYNC = 0x08
    WRITE_REG = 0x09
    READ_REG = 0x0A
    SPI_SET_PARAMS = 0x0B
    SPI_ATTACH = 0x0D
    READ_FLASH_SLOW = 0x0E
    CHANGE_BAUDRATE = 0x0F
    FLASH_DEFL_BEGIN = 0x10
    FLASH_DEFL_DATA = 0x11
    FLASH_DEFL_END = 0x12
    SPI_FLASH_MD5 = 0x13
    GET_SECURITY_INFO = 0x14
    ERASE_FLASH = 0xD0
    ERASE_REGION = 0xD1
    READ_FLASH = 0xD2


_SECURE_DOWNLOAD_COMMANDS = {
    Command.FLASH_BEGIN,
    Command.FLASH_DATA,
    Command.FLASH_END,
    Command.SYNC,
    Command.SPI_SET_PARAMS,
    Command.SPI_ATTACH,
    Command.CHANGE_BAUDRATE,
    Command.FLASH_DEFL_BEGIN,
    Command.FLASH_DEFL_DATA,
    Command.FLASH_DEFL_END,
    Command.GET_SECURITY_INFO,
}
"""What is left in Secure Download Mode: the flash can be written and nothing can be read."""
_ANOTHER_COMMAND = 0xFF
"""esptool reads "not supported" in an answer only if the answer names another command than the request."""


class _Refusal(Enum):
    """Why a command fails: the ROM's and the stub's error codes."""

    UNKNOWN_COMMAND = (0x05, 0xFF)
    BAD_LENGTH = (0x05, 0xC0)
    FLASH_FAILED = (0x06, 0xC4)
    NOT_IN_FLASH_MODE = (0x06, 0xC6)
    BAD_CHECKSUM = (0x07, 0xC1)
    INFLATE_FAILED = (0x0B, 0xC7)


class _RefusedError(Exception):
    def __init__(self, refusal: _Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


_REVISIONS: dict[str, dict[str, dict[int, int]]] = {
    # v3.0, v1.2, v0.4, v1.0, v0.1, v1.0, v1.0: the mock's v0.0 is older than what ESP-AT's images ask for
    "esp32": {"EFUSE_RD_REG_BASE": {3: 1 << 15, 5: 1 << 20}, "APB_CTL_DATE_ADDR": {0: 1 << 31}},
    "esp32c2": {"EFUSE_BLOCK2_ADDR": {1: 1 << 20 | 2 << 16}},
    "esp32c3": {"EFUSE_BLOCK1_ADDR": {3: 4 << 18}},
    "esp32c5": {"EFUSE_BLOCK1_ADDR": {2: 1 << 4}},
    "esp32c6": {"EFUSE_BLOCK1_ADDR": {3: 1 << 18}},
    "esp32c61": {"EFUSE_BLOCK1_ADDR": {2: 1 << 4}},
    "esp32s2": {"EFUSE_BLOCK1_ADDR": {3: 1 << 18}},
}
"""The eFuses of a chip's revision (esptool's name of an address, number of the word) and the bits of a current one."""

_CRYSTALS_MHZ = {"esp32": 40, "esp32c2": 26, "esp8266": 26}
"""The crystals of the modules with released firmware; the mock's differ."""


class _IdentifiedSpi:
    """The mock's SPI peripheral, with the identification of our flash, which may have another size."""

    def __init__(self, spi: Any, flash_id: int, mock_flash_id: int) -> None:  # noqa: ANN401 - the mock has no types
        self._spi = spi
        self._flash_id = flash_id
        self._mock_flash_id = mock_flash_id

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._spi, name)

    def read_reg(self, address: int) -> int:
        # The mock answers one global constant; changing that would change every other module in this process.
        value: int = self._spi.read_reg(address)
        is_identification = address == self._spi.spi_base + self._spi.w0_offs and value == self._mock_flash_id
        return self._flash_id if is_identification else value


@dataclass
class _Download:
    """One region that is being written to the flash."""

    flash: NorFlash
    offset: int
    size: int
    inflate: Callable[[bytes], bytes] | None = None
    written: int = 0

    def feed(self, block: bytes) -> None:
        # The last uncompressed block is padded to its full length; ROM and stub ignore the bytes after the size.
        data = (self.inflate(block) if self.inflate else block)[: self.size - self.written]
        if data:
            self.flash.write(self.offset + self.written, data, continues=self.written > 0)
            self.written += len(data)


@dataclass
class _Reading:
    """One range that is being read: the stub sends packets ahead and waits when too many are unacknowledged."""

    flash: NorFlash
    offset: int
    length: int
    packet_size: int
    max_in_flight: int
    sent: int = 0

    def after_acknowledgement(self, received: int) -> bytes:
        """Return the frames that may be sent now; the last one is the MD5 of the whole range."""
        frames = []
        limit = received + self.max_in_flight * self.packet_size
        while self.sent < min(self.length, limit):
            size = min(self.packet_size, self.length - self.sent)
            frames.append(encode_frame(self.flash.read(self.offset + self.sent, size)))
            self.sent += size
        if received >= self.length:
            frames.append(encode_frame(_md5(self.flash.read(self.offset, self.length)).digest()))
        return b"".join(frames)


class SimulatedRom:
    """One chip in download mode; `answer` takes a request frame and returns the bytes to send back.

    ``flash_data`` is how many bytes came to be written to the flash, as they came; ``baud`` the speed that the client
    has chosen for what follows its last request. esptool resets the chip before it syncs: where it has no line for
    that, the chip ``resets_at_sync``.
    """

    def __init__(
        self,
        chip: str,
        flash: NorFlash,
        crystal_mhz: int | None = None,
        *,
        blank_efuses: bool = False,
        security: Security | None = None,
        resets_at_sync: bool = True,
    ) -> None:
        self._mock = _import_mock("server")
        known = _import_mock("chips").SUPPORTED
        if chip not in known:
            raise unknown_name("unknown-chip", "chip", chip, known)
        self.chip = chip
        self.flash = flash
        self.flash_data = 0
        self._resets_at_sync = resets_at_sync
        self._security = security or Security()
        check_security(self._security, chip)
        self._rom_class = _import_mock("registers").CHIP_DEFS[chip]
        self._efuses = _efuse_registers(chip, {} if blank_efuses else _REVISIONS.get(chip, {}), self._security)
        self._crystal_mhz = crystal_mhz or _CRYSTALS_MHZ.get(chip)
        self.reset()

    def reset(self) -> None:
        """Leave the stub and forget everything but the flash."""
        self._session = self._mock.ChipSession(self.chip)
        self._session.registers.update(self._efuses)
        self._session.registers.update(_crystal_registers(self.chip, self._crystal_mhz))
        flash_id = (self.flash.size.bit_length() - 1) << 16 | 0x4020  # JEDEC: capacity, type, maker
        mock_flash_id = _import_mock("protocol").MOCK_FLASH_ID
        self._session.spi = _IdentifiedSpi(self._session.spi, flash_id, mock_flash_id)
        self.baud = _ROM_BAUD
        self._download: _Download | None = None
        self._reading: _Reading | None = None

    def answer(self, frame: bytes) -> bytes:
        """Return the encoded frames that answer one request, or b"" if it isn't a request."""
        if self._reading and len(frame) == 4:
            return self._continue_reading(int.from_bytes(frame, "little"))
        if len(frame) < 8 or frame[0] != _REQUEST:
            return b""
        self._reading = None
        code, size, checksum = struct.unpack_from("<xBHI", frame)
        data = frame[8:]
        try:
            command = Command(code)
            if command in {Command.FLASH_DATA, Command.FLASH_DEFL_DATA}:
                self.flash_data += len(data[16:])
            if len(data) != size:
                return self._status(code, _Refusal.BAD_LENGTH)
            if not self._mock.checksum_valid(command, checksum, data):
                return self._status(code, _Refusal.BAD_CHECKSUM)
            return self._answer(command, data)
        except (LayoutError, FlashRefusedError):
            return self._status(code, _Refusal.FLASH_FAILED)
        except zlib.error:
            return self._status(code, _Refusal.INFLATE_FAILED)
        except (ValueError, struct.error):
            return self._status(code, _Refusal.UNKNOWN_COMMAND)
        except _RefusedError as error:
            return self._status(code, error.refusal)

    def _answer(self, command: Command, data: bytes) -> bytes:
        if self._security.secure_download and command not in _SECURE_DOWNLOAD_COMMANDS:
            return self._status(_ANOTHER_COMMAND, _Refusal.UNKNOWN_COMMAND)
        if command is Command.SYNC:
            if self._resets_at_sync:
                self.reset()
            return bytes(self._mock.make_sync_response(stub=self._session.stub_active)) * _SYNC_ANSWERS
        if command is Command.READ_REG:
            return bytes(self._mock.handle_read_reg(data, self._session))
        if command is Command.WRITE_REG:
            return bytes(self._mock.handle_write_reg(data, self._session))
        if command is Command.GET_SECURITY_INFO:
            info = security_info(self._security, self._rom_class)
            if info is None:
                raise _RefusedError(_Refusal.UNKNOWN_COMMAND)
            return self._result(command, info)
        if command is Command.MEM_END:
            return self._end_memory(data)
        if command in {Command.FLASH_BEGIN, Command.FLASH_DEFL_BEGIN}:
            self._begin(data, compressed=command is Command.FLASH_DEFL_BEGIN)
        elif command in {Command.FLASH_DATA, Command.FLASH_DEFL_DATA}:
            self._feed(data)
        elif command in {Command.FLASH_END, Command.FLASH_DEFL_END}:
            self._download = None
        elif command is Command.CHANGE_BAUDRATE:
            (self.baud,) = struct.unpack_from("<I", data)
        elif command is Command.SPI_FLASH_MD5:
            return self._md5(data)
        elif command is Command.READ_FLASH_SLOW:
            return self._read_slowly(data)
        elif command in {Command.ERASE_FLASH, Command.ERASE_REGION, Command.READ_FLASH}:
            return self._answer_as_stub(command, data)
        return self._status(command)

    def _answer_as_stub(self, command: Command, data: bytes) -> bytes:
        if not self._session.stub_active:
            raise _RefusedError(_Refusal.UNKNOWN_COMMAND)
        if command is Command.READ_FLASH:
            offset, length, packet_size, max_in_flight = struct.unpack_from("<IIII", data)
            if not packet_size:
                raise _RefusedError(_Refusal.UNKNOWN_COMMAND)
            self._reading = _Reading(self.flash, offset, length, packet_size, max_in_flight)
            return self._status(command) + self._continue_reading(0)
        offset, size = struct.unpack_from("<II", data) if command is Command.ERASE_REGION else (0, self.flash.size)
        self.flash.erase(offset, size)
        return self._status(command)

    def _begin(self, data: bytes, *, compressed: bool) -> None:
        size, blocks, block_size, offset = struct.unpack_from("<IIII", data)
        if any(data[16:20]):
            # Encrypted; what the flash would hold then can't be simulated without the key.
            raise _RefusedError(_Refusal.UNKNOWN_COMMAND)
        if self.chip == "esp8266" and not self._session.stub_active:
            # This ROM erases more than requested, so esptool requests less: only the blocks give the real size.
            size = blocks * block_size
        inflate = zlib.decompressobj().decompress if compressed else None
        self._download = _Download(self.flash, offset, size, inflate)
        self.flash.erase(offset, size)

    def _feed(self, data: bytes) -> None:
        if self._download is None:
            raise _RefusedError(_Refusal.NOT_IN_FLASH_MODE)
        self._download.feed(data[16:])

    def _end_memory(self, data: bytes) -> bytes:
        stays, entry = struct.unpack_from("<II", data)
        answer = self._status(Command.MEM_END)
        if stays or not entry:
            return answer
        self._session.stub_active = True
        return answer + encode_frame(_GREETING)

    def _continue_reading(self, received: int) -> bytes:
        reading = self._reading
        if reading is None:
            return b""
        frames = reading.after_acknowledgement(received)
        if received >= reading.length:
            self._reading = None
        return frames

    def _read_slowly(self, data: bytes) -> bytes:
        if self._session.stub_active:
            raise _RefusedError(_Refusal.UNKNOWN_COMMAND)
        offset, length = struct.unpack_from("<II", data)
        return self._result(Command.READ_FLASH_SLOW, self.flash.read(offset, length).ljust(_ROM_READ_LENGTH, b"\xff"))

    def _md5(self, data: bytes) -> bytes:
        digest = _md5(self.flash.read(*struct.unpack_from("<II", data)))
        # The stub answers 16 bytes, the ROM the same as 32 hex digits.
        found = digest.digest() if self._session.stub_active else digest.hexdigest().encode("ascii")
        return self._result(Command.SPI_FLASH_MD5, found)

    def _result(self, command: Command, result: bytes) -> bytes:
        status = bytes(2 if self._session.stub_active else 4)
        body = result + status
        return encode_frame(struct.pack("<BBHI", _RESPONSE, command, len(body), 0) + body)

    def _status(self, code: int, refusal: _Refusal | None = None) -> bytes:
        stub = self._session.stub_active
        # The ROM answers 1 and its error, the stub its error and 0 (esptool/util.py, `FatalError.WithResult`).
        failed, error = 0, 0
        if refusal:
            failed, error = (refusal.value[1], 0) if stub else (1, refusal.value[0])
        return bytes(self._mock.make_response(code, status=failed, error=error, stub=stub))


class FrameReader:
    """Cuts a byte stream, which comes in any pieces, into SLIP frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the decoded frames that ``data`` completes."""
        *frames, self._rest = (self._rest + data).split(_FRAME_END)
        return [_unescape(frame) for frame in frames if frame]


def encode_frame(data: bytes) -> bytes:
    """Return ``data`` as one SLIP frame.

    >>> encode_frame(bytes.fromhex("01c002db")).hex()
    'c001dbdc02dbddc0'
    """
    return _FRAME_END + data.replace(b"\xdb", b"\xdb\xdd").replace(_FRAME_END, b"\xdb\xdc") + _FRAME_END


def _unescape(frame: bytes) -> bytes:
    return frame.replace(b"\xdb\xdc", _FRAME_END).replace(b"\xdb\xdd", b"\xdb")


def _efuse_registers(chip: str, revision: dict[str, dict[int, int]], security: Security) -> dict[int, int]:
    registers = _import_mock("registers")
    rom = registers.CHIP_DEFS[chip]
    bits = [(getattr(rom, name) + 4 * word, value) for name, words in revision.items() for word, value in words.items()]
    found: dict[int, int] = {}
    for address, value in bits + burned_bits(security, rom):
        found[address] = found.get(address, registers.read_reg_value(chip, address)) | value
    return found


def _crystal_registers(chip: str, crystal_mhz: int | None) -> dict[int, int]:
    """Return the registers that give esptool the crystal: the UART's divider; on ESP32, also the ROM's calibration."""
    if crystal_mhz is None:
        return {}
    registers = _import_mock("registers")
    rom = registers.CHIP_DEFS[chip]
    found: dict[int, int] = {rom.UART_CLKDIV_REG: registers.uart_clkdiv_for_chip(chip, crystal_mhz=crystal_mhz)}
    if chip == "esp32":
        # esptool targets/esp32.py, get_rom_cal_crystal_freq: MHz = calibration * 15625 * clock / 40
        clock = registers.read_reg_value(chip, rom.EFUSE_RD_REG_BASE + 16)
        calibration = round(crystal_mhz * 1_000_000 * 40 / (15_625 * clock))
        found[rom.RTCCALICFG1] = calibration << rom.TIMERS_RTC_CALI_VALUE_S
    return found


def _md5(data: bytes) -> hashlib._Hash:
    return hashlib.md5(data, usedforsecurity=False)


def _import_mock(name: str) -> Any:  # noqa: ANN401 - an optional package without types
    try:
        return importlib.import_module(f"esp32_mock_bootloader.{name}")
    except ImportError as error:
        hint = 'pip install "platformio-esp-at[demo]"'
        raise EspAtError(
            "demo-part-missing", f"a simulated module needs esp32-mock-bootloader: {error}", hint=hint
        ) from error
