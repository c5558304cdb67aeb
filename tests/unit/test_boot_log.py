"""What a log says of a module: the formats of all generations, cut lines, noise, a module that doesn't start."""

from __future__ import annotations

import pytest
from boot_logs import BOOTLOADER, GENERATIONS, NOISE, Says
from hypothesis import given
from hypothesis import strategies as st

from platformio_esp_at.formats.boot_log import AtPort, BootLog, Trouble

SAYS = Says()
PORT = AtPort(1, 17, 16, 15, 14, 115200)
ROM = Says().rom()


def _log(text: str) -> BootLog:
    return BootLog.from_bytes(text.encode("latin-1"))


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_every_generation(generation, end):
    log = _log(SAYS.log(generation).replace("\r\n", end))
    number = GENERATIONS.index(generation)
    assert log.firmware_started
    assert log.is_readable
    assert (log.trouble, log.is_download_mode, log.is_empty) == (None, False, False)
    assert log.module_name == ("WROOM-32" if number >= 1 else None)
    assert log.at_port == (PORT if number >= 2 else None)
    assert log.parameter_mode == (1 if number >= 3 else None)
    assert log.version == ("v4.1.0.0-dev" if number >= 3 else None)


def test_the_lines_that_it_is_from():
    assert _log(SAYS.log("v4.1")).lines == (
        "I (1554) at-init: at param mode: 1",
        "I (1555) at-uart: AT cmd port:uart1 tx:17 rx:16 cts:15 rts:14 baudrate:115200",
        "I (1557) at-init: module_name: WROOM-32",
        "I (1559) at-init: v4.1.0.0-dev (gitlab)",
    )


def test_unused_pins():
    assert _log(SAYS._replace(pins=(7, 6, -1, -1)).log("v3.0")).at_port == AtPort(1, 7, 6, -1, -1, 115200)


def test_what_esp_idf_prints_of_an_application():
    assert _log("I (200) app_init: App version:      v4.1.1.0\r\n").version == "v4.1.1.0"


def test_the_speed_of_a_rom_in_front():
    log = BootLog.from_bytes(NOISE + SAYS.log("v4.1").encode())
    assert (log.at_port, log.module_name) == (PORT, "WROOM-32")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_cut_line_says_nothing_wrong(generation):
    """However a log is cut, what it says is what the whole log says."""
    text, whole = SAYS.log(generation), _log(SAYS.log(generation))
    for end in range(len(text)):
        for part in (text[:end], text[end:]):
            log = _log(part)
            assert log.at_port in (None, whole.at_port)
            assert log.parameter_mode in (None, 1)
            assert log.module_name in (None, "WROOM-32")
            assert log.version in (None, whole.version)


@pytest.mark.parametrize(("data", "empty"), [(b"", True), (NOISE, False), (b"\0\0\r\n", False)])
def test_no_text(data, empty):
    log = BootLog.from_bytes(data)
    assert (log.is_empty, log.is_readable, log.firmware_started) == (empty, False, False)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_log(data):
    BootLog.from_bytes(data)


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        ("invalid header: 0xffffffff", Trouble.NO_BOOTLOADER),
        ("flash read err, 1000", Trouble.NO_BOOTLOADER),
        ("E (60) boot: No bootable app partitions in the partition table", Trouble.NO_APPLICATION),
        ("E (60) flash_parts: partition 0 invalid magic number 0xf1f1", Trouble.NO_APPLICATION),
        ("E (60) esp_image: image at 0x100000 has invalid magic byte", Trouble.NO_APPLICATION),
        ("Brownout detector was triggered", Trouble.BROWNOUT),
        ("Guru Meditation Error: Core  0 panic'ed (LoadProhibited)", Trouble.CRASH),
        ("abort() was called at PC 0x400d1234 on core 0", Trouble.CRASH),
        ("assert failed: at_uart_init at_uart_task.c:320", Trouble.CRASH),
    ],
)
def test_trouble(line, trouble):
    for text in (f"{ROM}{line}\r\n", f"{ROM}{line}", f"{ROM}{line}\r\n{ROM}" * 4):
        log = _log(text)
        assert (log.trouble, log.trouble_line) == (trouble, line)


def test_a_module_that_starts_after_all():
    assert _log(f"{ROM}Brownout detector was triggered\r\n{SAYS.log('v4.1')}").trouble is None


def test_a_module_that_starts_again_and_again():
    log = _log(ROM * 5)
    assert (log.trouble, log.trouble_line, log.firmware_started) == (Trouble.RESTARTS, "", False)
    assert _log(SAYS.log("v4.1") * 4).trouble is Trouble.RESTARTS


def test_download_mode():
    waiting = (
        "rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n"
    )
    assert _log(waiting).is_download_mode
    assert _log("boot:0x5 (DOWNLOAD(USB/UART0))\nwaiting for dow").is_download_mode
    assert not _log(waiting + SAYS.log("v4.1")).is_download_mode
    assert _log(SAYS.log("v4.1") + waiting).is_download_mode


def test_a_silent_build():
    log = _log(ROM)
    assert (log.is_readable, log.firmware_started, log.trouble) == (True, False, None)
    assert BOOTLOADER in ROM
