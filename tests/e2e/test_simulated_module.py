"""Real esptool runs against the simulated module; what counts is what is in its flash afterwards."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
import serial

from platformio_esp_at.demo.faults import (
    Cable,
    DamagedByte,
    RefusedErase,
    RefusedWrite,
    SpeedLimit,
    StuckBits,
    Unplugged,
)
from platformio_esp_at.demo.nor_flash import NorFlash
from platformio_esp_at.demo.reset_lines import ChipState, ResetLines
from platformio_esp_at.demo.security import Security
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.demo.simulated_rom import FLASH_SIZES, FrameReader, encode_frame
from platformio_esp_at.device.worker.serial_ports.protocol_rfc2217 import Serial as Rfc2217Port
from platformio_esp_at.errors import EspAtError, LayoutError, UnknownNameError
from platformio_esp_at.units import format_size

CHIPS = ["esp8266", "esp32", "esp32s2", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61"]
PROTECTED = [chip for chip in CHIPS if chip != "esp8266"]
MEGABYTE = 1 << 20
PATTERN = bytes(range(256))[1:128]


def patterned(size: int) -> bytes:
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


QUICK_ESPTOOL = """
import runpy, sys, serial
serial.protocol_handler_packages.insert(0, "platformio_esp_at.device.worker.serial_ports")
sys.argv[0] = "esptool"
runpy.run_module("esptool", run_name="__main__", alter_sys=True)
"""
"""esptool with our client for rfc2217://, which has everything done ten times as fast."""


def esptool(module: SimulatedModule, *args: object, ok: bool = True, quick: bool = True) -> str:
    program = ["-c", QUICK_ESPTOOL] if quick and module.port.startswith("rfc2217:") else ["-m", "esptool"]
    command = [sys.executable, *program, "--port", module.port, *map(str, args)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode == 0) == ok, run.stdout + run.stderr
    return run.stdout if ok else run.stdout + " ".join(run.stderr.split())


def read_forever(port: serial.SerialBase) -> None:
    while True:
        port.read(1)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.bin"
    path.write_bytes(noise(5000))
    return path


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(b"compresses well " * 4096 + noise(30001))
    return path


@pytest.mark.parametrize("chip", CHIPS)
def test_a_run_writes_verifies_and_touches_nothing_else(simulated_module, small, large, chip):
    before = patterned(2 * MEGABYTE)
    module = simulated_module(chip, 2 * MEGABYTE, before)
    keep = ["--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep"]
    esptool(module, "--chip", chip, "--baud", 921600, "write-flash", *keep, "0x1000", small, "0x20000", large)

    after = module.flash
    assert after[0x1000:].startswith(small.read_bytes())
    assert after[0x20000:].startswith(large.read_bytes())
    # esptool fills up to 4 bytes; the rest of the last sector was erased and not written.
    assert module.writes == [(0x1000, 5000), (0x20000, 95540)]
    assert module.erases == [(0x1000, 0x2000), (0x20000, 0x18000)]
    assert set(after[0x1000 + 5000 : 0x3000]) == {0xFF}
    assert set(after[0x20000 + 95540 : 0x38000]) == {0xFF}
    assert after[:0x1000] == before[:0x1000]
    assert after[0x3000:0x20000] == before[0x3000:0x20000]
    assert after[0x38000:] == before[0x38000:]


@pytest.mark.parametrize("chip", ["esp8266", "esp32", "esp32c3"])
def test_without_the_stub_the_rom_writes_the_same(simulated_module, small, large, chip):
    before = patterned(MEGABYTE)
    module = simulated_module(chip, MEGABYTE, before)
    esptool(module, "--chip", chip, "--no-stub", "write-flash", "0x3000", small, "0x1f000", large)
    after = module.flash
    assert after[0x3000:].startswith(small.read_bytes())
    assert after[0x1F000:].startswith(large.read_bytes())
    assert after[0x5000:0x1F000] == before[0x5000:0x1F000]
    assert after[0x37000:] == before[0x37000:]


def test_uncompressed_writes_end_where_the_data_ends(simulated_module, small):
    before = patterned(MEGABYTE)
    module = simulated_module("esp32", MEGABYTE, before)
    esptool(module, "write-flash", "--no-compress", "0x3000", small)
    assert module.writes == [(0x3000, 5000)]
    assert module.flash == before[:0x3000] + small.read_bytes() + b"\xff" * (0x2000 - 5000) + before[0x5000:]


def test_many_runs_share_one_port(simulated_module, small, tmp_path):
    module = simulated_module("esp32c3", 4 * MEGABYTE, noise(4 * MEGABYTE, seed=2))
    copy = tmp_path / "copy.bin"
    esptool(module, "write-flash", "0x8000", small)
    esptool(module, "verify-flash", "0x8000", small)
    esptool(module, "--no-stub", "verify-flash", "0x8000", small)
    esptool(module, "--baud", 2000000, "read-flash", "0x1234", "0x40321", copy)
    assert copy.read_bytes() == module.flash[0x1234:][:0x40321]
    esptool(module, "--no-stub", "read-flash", "0x8000", 5000, copy)
    assert copy.read_bytes() == small.read_bytes()
    module_says = esptool(module, "verify-flash", "0x9000", small, ok=False)
    assert "fail" in module_says.lower()
    assert module.writes == [(0x8000, 5000)]


def test_erasing(simulated_module):
    before = patterned(MEGABYTE)
    module = simulated_module("esp8266", MEGABYTE, before)
    esptool(module, "erase-region", "0x4000", "0x3000")
    assert module.flash == before[:0x4000] + b"\xff" * 0x3000 + before[0x7000:]
    esptool(module, "erase-flash")
    assert set(module.flash) == {0xFF}
    assert module.erases == [(0x4000, 0x3000), (0, MEGABYTE)]
    assert module.writes == []


def test_what_goes_over_the_link_is_counted(simulated_module, small):
    module = simulated_module("esp32c3", MEGABYTE)
    assert (module.received, module.sent, module.flash_data, module.erased_sectors) == (0, 0, 0, 0)
    esptool(module, "write-flash", "--no-compress", "0x1000", small)
    # It is one block, which esptool fills up.
    assert module.flash_data == 0x4000
    assert module.received > 0x4000
    assert 0 < module.sent < module.received
    assert module.erased_sectors == 2
    module.reset_counts()
    esptool(module, "write-flash", "--skip-flashed", "0x1000", small)
    assert (module.flash_data, module.erased_sectors, module.writes, module.erases) == (0, 0, [], [])
    assert module.received
    assert module.flash[0x1000:].startswith(small.read_bytes())


def test_looking_changes_nothing(simulated_module):
    before = patterned(MEGABYTE)
    module = simulated_module("esp32s2", MEGABYTE, before)
    esptool(module, "flash-id")
    esptool(module, "chip-id")
    assert (module.writes, module.erases, module.flash) == ([], [], before)


def test_chips_and_sizes_beside_each_other(simulated_module):
    modules = [simulated_module(chip, size) for chip, size in zip(CHIPS, FLASH_SIZES, strict=False)]
    said: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda module=module: said.update({module.chip: esptool(module, "flash-id")}))
        for module in modules
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {
        chip: [line.split()[-1] for line in text.splitlines() if "flash size" in line] for chip, text in said.items()
    }
    assert found == {module.chip: [format_size(len(module.flash))] for module in modules}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_a_usable_module(simulated_module, tmp_path, small, end):
    image = tmp_path / "image.bin"
    image.write_bytes(noise(2 * MEGABYTE))
    module = simulated_module("esp32", 4 * MEGABYTE)
    for command in (["write-flash", "0x0", image], ["read-flash", "0x0", "0x400000", tmp_path / "copy.bin"]):
        known = len(module.writes)
        run = subprocess.Popen(
            [sys.executable, "-m", "esptool", "--port", module.port, *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if command[0] == "write-flash":
            while len(module.writes) == known and run.poll() is None:
                time.sleep(0.005)
        else:
            assert any(b"Configuring flash size" in line for line in run.stdout)
        run.send_signal(end)
        run.communicate()
        assert run.returncode
    assert 0 < module.writes[0][1] < 2 * MEGABYTE
    esptool(module, "write-flash", "0x0", small)
    assert module.flash.startswith(small.read_bytes())


def test_a_socket_serves_too(simulated_module, small):
    module = simulated_module("esp32c6", transport="socket")
    assert module.port.startswith("socket://127.0.0.1:")
    esptool(module, "write-flash", "0x1000", small)
    esptool(module, "--no-stub", "verify-flash", "0x1000", small)
    assert module.flash[0x1000:].startswith(small.read_bytes())


@pytest.mark.parametrize("chip", ["esp8266", "esp32", "esp32c3"])
def test_over_rfc2217_the_chip_is_reset_into_its_bootloader_and_out_of_it(simulated_module, small, large, chip):
    module = simulated_module(chip, 2 * MEGABYTE, patterned(2 * MEGABYTE), transport="rfc2217")
    direct = simulated_module(chip, 2 * MEGABYTE, patterned(2 * MEGABYTE))
    for each in (module, direct):
        esptool(each, "--baud", 921600, "write-flash", "0x1000", small, "0x20000", large)
    assert (module.flash, module.writes, module.erases) == (direct.flash, direct.writes, direct.erases)
    assert module.state is ChipState.FIRMWARE
    esptool(module, "--after", "no-reset", "chip-id")
    # The lines are released when the port is closed, which is no reset.
    assert module.state is ChipState.BOOTLOADER
    assert "Staying in flasher stub" in esptool(module, "--after", "no-reset-stub", "chip-id")
    assert "Stub flasher is already running" in esptool(module, "--before", "no-reset", "flash-id")


def test_pyserial_reaches_it_too(simulated_module):
    module = simulated_module("esp32c3", transport="rfc2217")
    assert "Chip type:          ESP32-C3" in esptool(module, "--no-stub", "chip-id", quick=False)
    assert module.state is ChipState.FIRMWARE


@pytest.mark.filterwarnings("ignore:set(Daemon|Name)")
@pytest.mark.parametrize("baud", [115200, 74880])
def test_firmware_prints_its_log_once_and_answers_no_esptool(simulated_module, baud):
    log = bytes(range(256)) * 50
    module = simulated_module("esp32c3", transport="rfc2217", boot_log=log)
    esptool(module, "--before", "no-reset", "--connect-attempts", 1, "chip-id", ok=False)
    with Rfc2217Port(module.port, baud, timeout=10) as port:
        for _ in range(2):
            port.dtr = False
            port.rts = True
            assert module.state is ChipState.HELD
            port.rts = False
            assert port.read(len(log)) == log
            assert module.state is ChipState.FIRMWARE
        port.timeout = 0.1
        assert port.read(1) == b""
    esptool(module, "chip-id")


def test_a_pty_plays_the_log_when_somebody_presses_reset(simulated_module):
    module = simulated_module("esp32c3", boot_log=b"ready\r\n")
    with serial.Serial(module.port, 115200, timeout=10) as port:
        module.boot()
        assert port.read(7) == b"ready\r\n"
    esptool(module, "chip-id")


@pytest.mark.filterwarnings("ignore:set(Daemon|Name)")
def test_a_server_of_serial_ports_goes_away(simulated_module, small):
    module = simulated_module("esp32c3", transport="rfc2217")
    with Rfc2217Port(module.port, 115200, timeout=10) as port:
        module.unplug()
        with pytest.raises(serial.SerialException):
            read_forever(port)
    module.plug_in()
    esptool(module, "write-flash", "0x0", small)
    assert module.flash.startswith(small.read_bytes())


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([(0, 0), (1, 1), (1, 0), (0, 0)], None),
        ([(0, 1)], ChipState.HELD),
        ([(0, 1), (0, 0)], ChipState.FIRMWARE),
        ([(0, 1), (1, 1)], ChipState.HELD),
        ([(0, 1), (1, 1), (1, 0), (0, 0)], ChipState.BOOTLOADER),
        ([(0, 0), (1, 1), (0, 1), (1, 0), (0, 0)], ChipState.BOOTLOADER),
    ],
)
def test_lines_reset_a_chip(steps, state):
    lines = ResetLines()
    became = [lines.set(dtr=bool(dtr), rts=bool(rts)) for dtr, rts in steps]
    assert next((found for found in reversed(became) if found), None) is state


def test_data_beyond_the_flash_is_refused(simulated_module, large):
    module = simulated_module("esp32", MEGABYTE)
    esptool(module, "write-flash", "--force", hex(MEGABYTE - 0x1000), large, ok=False)
    assert module.writes == []


def test_its_chips_are_new_enough_for_images_of_today(simulated_module):
    assert "(revision v0.4)" in esptool(simulated_module("esp32c3"), "chip-id")
    assert "(revision v1.2)" in esptool(simulated_module("esp32c2"), "chip-id")


SAY_SECURITY = """
import sys
from esptool.cmds import detect_chip
with detect_chip(sys.argv[1]) as esp:
    print(f"boot={bool(esp.get_secure_boot_enabled())} v1={esp.get_secure_boot_v1_enabled()} "
          f"encryption={esp.get_flash_encryption_enabled()} locked={bool(esp.get_encrypted_download_disabled())}")
    print("key:", esp.is_flash_encryption_key_valid(), "config:", esp.get_flash_crypt_config())
"""
"""What esptool's Python API reads from the eFuses."""


@pytest.mark.parametrize(
    ("chip", "security", "read"),
    [
        ("esp32", Security("v1"), "boot=True v1=True encryption=False locked=False\nkey: False"),
        *((chip, Security(), "boot=False v1=False encryption=False locked=False\nkey: False") for chip in PROTECTED),
        *(
            (chip, Security("v2", "development"), "boot=True v1=False encryption=True locked=False\nkey: True")
            for chip in PROTECTED
        ),
        *(
            (chip, Security(None, "release"), "boot=False v1=False encryption=True locked=True\nkey: True")
            for chip in PROTECTED
        ),
    ],
)
def test_esptool_reads_what_is_burned(simulated_module, chip, security, read):
    module = simulated_module(chip, security=security)
    run = subprocess.run([sys.executable, "-c", SAY_SECURITY, module.port], capture_output=True, text=True, check=True)
    assert read in run.stdout
    if security.flash_encryption and chip == "esp32":
        assert "config: 15" in run.stdout


@pytest.mark.parametrize("chip", ["esp32s2", "esp32c2", "esp32c3", "esp32c6"])
def test_the_security_info_says_so_too(simulated_module, chip):
    plain = esptool(simulated_module(chip), "get-security-info")
    assert "Secure Boot: Disabled" in plain
    assert "Flash Encryption: Disabled" in plain
    security = Security("v2", "release")
    burned = esptool(simulated_module(chip, security=security), "--no-stub", "get-security-info")
    assert "Secure Boot: Enabled" in burned
    assert "Flash Encryption: Enabled" in burned
    assert "(SPI_BOOT_CRYPT_CNT): 0x7" in burned


@pytest.mark.parametrize("chip", ["esp32s2", "esp32c3", "esp32c6"])
def test_in_secure_download_mode_the_flash_can_be_written_and_not_read(simulated_module, small, chip, tmp_path):
    module = simulated_module(chip, 2 * MEGABYTE, security=Security("v2", secure_download=True))
    written = esptool(module, "write-flash", "--flash-size", "2MB", "0x10000", small)
    assert "in Secure Download Mode" in written
    assert module.flash[0x10000:].startswith(small.read_bytes())
    assert "Secure Boot: Enabled" in esptool(module, "get-security-info")
    for command in (["read-flash", 0, 4096, tmp_path / "copy.bin"], ["read-mac"], ["flash-id"], ["erase-flash"]):
        assert "not available in Secure Download Mode" in esptool(module, *command, ok=False)


def test_esptool_refuses_to_spoil_a_protected_chip(simulated_module, small):
    first = simulated_module("esp32", security=Security("v1"))
    assert "Secure Boot V1 detected" in esptool(first, "write-flash", "0x1000", small, ok=False)
    for chip in ("esp32", "esp32c3"):
        module = simulated_module(chip, security=Security(flash_encryption="release"))
        assert "download manual encrypt disabled" in esptool(module, "write-flash", "0x10000", small, ok=False)
        assert "encrypt functionality" in esptool(module, "write-flash", "--encrypt", "0x10000", small, ok=False)
        assert "force" in esptool(module, "erase-flash", ok=False)
        assert module.writes == module.erases == []
    locked = simulated_module("esp32c6", security=Security("v2", "release", secure_download=True))
    assert "secure download mode enabled" in esptool(locked, "write-flash", "0x10000", small, ok=False)
    assert locked.writes == []


@pytest.mark.parametrize("transport", ["pty", "socket"])
def test_a_module_is_unplugged_and_comes_back(simulated_module, large, transport):
    module = simulated_module("esp32c3", 2 * MEGABYTE, transport=transport, faults=[Unplugged(after=30000)])
    port = module.port
    command = [sys.executable, "-m", "esptool", "--port", port, "write-flash", "0x10000", str(large)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        while module.is_plugged_in:
            assert run.poll() is None
            time.sleep(0.005)
        assert 0 < module.flash_data < large.stat().st_size
        esptool(module, "flash-id", ok=False)
        module.plug_in()
        assert (module.port, module.is_plugged_in) == (port, True)
        # esptool waits for some seconds for a module that it has lost.
        assert "retrying" in run.communicate()[0]
    assert run.returncode == 0
    assert module.flash[0x10000:].startswith(large.read_bytes())
    module.unplug()
    assert not module.is_plugged_in
    module.plug_in()
    esptool(module, "verify-flash", "0x10000", large)


@pytest.mark.parametrize("fault", [DamagedByte(30000), DamagedByte(30000, lost=True)])
@pytest.mark.parametrize("compression", ["--compress", "--no-compress"])
def test_esptool_repeats_a_damaged_block(simulated_module, large, fault, compression):
    module = simulated_module("esp32c3", 2 * MEGABYTE, faults=[fault])
    esptool(module, "write-flash", compression, "0x10000", large)
    assert module.flash[0x10000:].startswith(large.read_bytes())
    damaged = module.flash_data
    module.reset_counts()
    esptool(module, "write-flash", compression, "0x10000", large)
    assert module.flash_data < damaged


def test_esptool_gives_up_where_every_block_is_damaged(simulated_module, large):
    module = simulated_module("esp32c3", 2 * MEGABYTE)
    module.add_fault(DamagedByte(900, repeats=True))
    esptool(module, "--no-stub", "write-flash", "--no-compress", "0x10000", large, ok=False)


def test_above_a_speed_the_link_gives_noise(simulated_module, small):
    module = simulated_module("esp32", 2 * MEGABYTE, faults=[SpeedLimit(460800)])
    esptool(module, "--baud", 921600, "write-flash", "0x10000", small, ok=False)
    assert module.writes == []
    esptool(module, "--baud", 460800, "write-flash", "0x10000", small)
    assert module.flash[0x10000:].startswith(small.read_bytes())


GO_BACK = """
import sys, serial
serial.protocol_handler_packages.insert(0, "platformio_esp_at.device.worker.serial_ports")
from esptool.cmds import detect_chip
from esptool.targets import CHIP_DEFS
from esptool.util import FatalError
esp = detect_chip(sys.argv[1]).run_stub()
esp.change_baud(921600)
try:
    esp.read_reg(0x60000000, timeout=0.3)
except FatalError as error:
    print("noise:", error)
esp._port.baudrate = 115200
esp = CHIP_DEFS["esp32c3"](esp._port)
esp.connect()
esp = esp.run_stub()
esp.change_baud(460800)
print("digest:", esp.flash_md5sum(0, 4096))
"""
"""A client that raises the speed and, when nothing comes, goes back on the same open port."""


@pytest.mark.parametrize("transport", ["pty", "rfc2217"])
def test_a_client_goes_back_to_a_speed_that_the_link_carries(simulated_module, transport):
    module = simulated_module("esp32c3", transport=transport, faults=[SpeedLimit(460800)])
    run = subprocess.run([sys.executable, "-c", GO_BACK, module.port], capture_output=True, text=True, check=False)
    assert "noise:" in run.stdout, run.stdout + run.stderr
    assert f"digest: {hashlib.md5(module.flash[:4096], usedforsecurity=False).hexdigest()}" in run.stdout


def test_a_bad_cell_is_found_by_the_digest(simulated_module, small):
    stuck = small.read_bytes()[100]
    module = simulated_module("esp32", 2 * MEGABYTE, faults=[StuckBits(0x10000 + 100, ones=~stuck & 0xFF)])
    assert "MD5" in esptool(module, "write-flash", "0x10000", small, ok=False)
    assert module.flash[0x10000 + 100] == 0xFF
    esptool(module, "write-flash", "0x20000", small)


@pytest.mark.parametrize("fault", [RefusedErase(0x11000), RefusedWrite(0x11000)])
def test_a_broken_flash_refuses(simulated_module, small, fault):
    module = simulated_module("esp32c3", 2 * MEGABYTE, faults=[fault])
    esptool(module, "write-flash", "0x10000", small, ok=False)
    assert (0x10000, 0x2000) in module.erases or fault == RefusedErase(0x11000)
    assert not module.flash[0x10000:].startswith(small.read_bytes())
    esptool(module, "write-flash", "0x20000", small)


@pytest.mark.parametrize("size", [1, 3, 5, 100])
def test_bytes_are_damaged_wherever_the_link_cuts_them(size):
    sent = bytes(range(64, 164))
    received = {}
    for fault in (
        DamagedByte(7),
        DamagedByte(7, repeats=True),
        DamagedByte(7, lost=True),
        DamagedByte(7, lost=True, repeats=True),
        DamagedByte(7, to_client=True),
    ):
        cable = Cable()
        cable.add(fault)
        pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
        received[fault] = b"".join(cable.to_module(piece, 115200) for piece in pieces)
    flipped = bytes(byte ^ 0x20 if number % 7 == 0 else byte for number, byte in enumerate(sent, 1))
    kept = bytes(byte for number, byte in enumerate(sent, 1) if number % 7)
    assert list(received.values()) == [flipped[:7] + sent[7:], flipped, sent[:6] + sent[7:], kept, sent]


def test_it_can_be_started_again(small):
    module = SimulatedModule("esp32")
    with module:
        esptool(module, "write-flash", "0x0", small)
    with pytest.raises(EspAtError, match="isn't running") as stopped:
        _ = module.port
    assert stopped.value.code == "simulation-failed"
    with module:
        esptool(module, "verify-flash", "0x0", small)


@pytest.mark.parametrize(
    ("options", "error", "code", "message"),
    [
        ({"chip": "esp33"}, UnknownNameError, "unknown-chip", "did you mean"),
        ({"flash_size": 3 * MEGABYTE}, LayoutError, "simulation-failed", "3MB"),
        ({"chip": "esp8266", "security": Security("v2")}, EspAtError, "simulation-failed", "can't be protected"),
        ({"chip": "esp32c3", "security": Security("v1")}, EspAtError, "simulation-failed", "no Secure Boot v1"),
        ({"security": Security(secure_download=True)}, EspAtError, "simulation-failed", "no Secure Download Mode"),
        ({"flash_size": MEGABYTE, "flash": bytes(MEGABYTE + 1)}, LayoutError, "simulation-failed", "don't fit"),
    ],
)
def test_what_cannot_be_simulated(options, error, code, message):
    with pytest.raises(error, match=message) as refused:
        SimulatedModule(**options)
    assert refused.value.code == code


def test_without_the_mock_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "esp32_mock_bootloader.server", None)
    with pytest.raises(EspAtError, match=r"platformio-esp-at\[demo\]") as refused:
        SimulatedModule()
    assert refused.value.code == "demo-part-missing"


def test_writes_only_clear_bits():
    flash = NorFlash(MEGABYTE)
    flash.write(0x10, b"\xf0\x0f")
    flash.write(0x10, b"\x3c\x3c")
    assert flash.read(0x0F, 4) == b"\xff\x30\x0c\xff"
    flash.erase(0x11, 1)
    assert flash.read(0x0F, 4) == b"\xff" * 4


def test_frames_survive_any_cut():
    payloads = [b"\xc0\xdb\xdc\xdd", b"\xdb\xdd\xdc", bytes(range(256)), b"x"]
    stream = b"".join(map(encode_frame, payloads))
    for size in (1, 2, 3, 7, len(stream)):
        reader = FrameReader()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [frame for piece in pieces for frame in reader.feed(piece)] == payloads
