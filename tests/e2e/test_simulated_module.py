"""Real esptool runs against the simulated module; what counts is what is in its flash afterwards."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from platformio_esp_at.demo.nor_flash import NorFlash
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.demo.simulated_rom import FLASH_SIZES, FrameReader, encode_frame
from platformio_esp_at.errors import EspAtError, LayoutError, UnknownNameError
from platformio_esp_at.units import format_size

CHIPS = ["esp8266", "esp32", "esp32s2", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61"]
MEGABYTE = 1 << 20
PATTERN = bytes(range(256))[1:128]


def patterned(size: int) -> bytes:
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def esptool(module: SimulatedModule, *args: object, ok: bool = True) -> str:
    command = [sys.executable, "-m", "esptool", "--port", module.port, *map(str, args)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode == 0) == ok, run.stdout + run.stderr
    return run.stdout


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


def test_data_beyond_the_flash_is_refused(simulated_module, large):
    module = simulated_module("esp32", MEGABYTE)
    esptool(module, "write-flash", "--force", hex(MEGABYTE - 0x1000), large, ok=False)
    assert module.writes == []


def test_its_chips_are_new_enough_for_images_of_today(simulated_module):
    assert "(revision v0.4)" in esptool(simulated_module("esp32c3"), "chip-id")
    assert "(revision v1.2)" in esptool(simulated_module("esp32c2"), "chip-id")


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
