"""Each project template does what its README says: a copy of it, and every command, in order."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from consoles import follow, write_program

pytest.importorskip("pty", reason="need pseudo-terminals")
from reader_machine import reader_machine

from platformio_esp_at.commands.templates import TEMPLATES
from platformio_esp_at.demo.stand_in import StandIn

ROOT = Path(__file__).parents[2]
IDF_EXAMPLES = ROOT / "idf_component/esp_at_flash/examples"
NOT_RUN = {
    "pio device monitor": "is for somebody at a terminal",
    "idf.py -p /dev/ttyUSB1 flash monitor": "compiles the program, and is for somebody at a terminal",
}
"""Words that a command begins with that is left out, and why."""


class Reader(NamedTuple):
    """The AT module that the reader of a README has, and the firmware that runs on it."""

    module: str
    runs: StandIn


WROOM_32 = Reader("esp32/WROOM-32", StandIn())
MINI_1 = Reader("esp32c3/MINI-1", StandIn("esp32c3"))
WROOM_02 = Reader("esp8266/WROOM-02", StandIn("esp8266", "v2.3.0.0"))
READERS = {"arduino-esp32": WROOM_32, "esp8266": WROOM_02, "flash-only": WROOM_32, "host-mcu": MINI_1}
IDF_READERS = {"flash_only": WROOM_32, "host_with_module": MINI_1}


@pytest.fixture
def followed(tmp_path, reader_pio_env, released):
    """Follow a page as its reader, in an empty folder; his checkout of this project is in his home."""

    def run(page, reader, *, idf_py=None, **env):
        machine = tmp_path / "machine"
        with reader_machine(
            machine,
            pio_env=env | reader_pio_env,
            released=released,
            firmware={reader.module: reader.runs.release},
            runs=reader.runs,
        ) as shell:
            (machine / "home/platformio-esp-at").symlink_to(ROOT, target_is_directory=True)
            if idf_py:
                write_program(machine / "bin/idf.py", f'#!/bin/sh\nexec {shlex.join(map(str, idf_py))} "$@"\n')
            assert follow(page, shell, not_run=tuple(NOT_RUN))

    return run


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template(name, followed):
    followed(ROOT / "examples" / name / "README.md", READERS[name])


EXAMPLES = sorted(path.parent.name for path in IDF_EXAMPLES.glob("*/CMakeLists.txt"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_component(name, followed):
    followed(IDF_EXAMPLES / name / "README.md", IDF_READERS[name])


@pytest.mark.skipif("IDF_PATH" not in os.environ, reason="need ESP-IDF (IDF_PATH)")
@pytest.mark.skipif(shutil.which("xtensa-esp32-elf-gcc") is None, reason="need a compiler for the ESP32 on PATH")
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_the_component_with_the_real_idf_py(name, followed):
    idf_py = Path(os.environ["IDF_PYTHON_ENV_PATH"], "bin/python"), Path(os.environ["IDF_PATH"], "tools/idf.py")
    page = IDF_EXAMPLES / name / "README.md"
    followed(page, IDF_READERS[name], idf_py=idf_py, IDF_PYTHON_CHECK_CONSTRAINTS="no")


def test_a_copy_has_every_file_of_the_template(esp_at, tmp_path):
    for name, files in TEMPLATES.items():
        said = esp_at("init", "--template", name, name).stdout
        assert f"    cd {name}\n    pio run -t info_at\n" in said
        copy = tmp_path / name
        assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()) == sorted(files)
        for file in files:
            assert (copy / file).read_bytes() == (ROOT / "examples" / name / file).read_bytes()


# --- the programs ---

STUBS = {
    "Arduino.h": """\
        #pragma once
        #include <cstdint>
        enum { PA9, PA10 };
        struct HardwareSerial {
          HardwareSerial(uint32_t rx, uint32_t tx);
          void begin(unsigned long baud);
          int available();
          int read();
          void write(uint8_t byte);
          void print(const char *text);
          void println(const char *text);
        };
        extern HardwareSerial Serial;
        uint32_t millis();
        void delay(uint32_t milliseconds);
    """,
    "driver/uart.h": """\
        #pragma once
        #include <stdbool.h>
        #include <stddef.h>
        #include <stdint.h>
        typedef int uart_port_t;
        typedef int esp_err_t;
        enum { UART_NUM_1, UART_DATA_8_BITS, UART_PARITY_DISABLE, UART_STOP_BITS_1, UART_HW_FLOWCTRL_DISABLE };
        enum { UART_SCLK_DEFAULT, UART_PIN_NO_CHANGE = -1 };
        typedef struct { int baud_rate, data_bits, parity, stop_bits, flow_ctrl, source_clk; } uart_config_t;
        esp_err_t uart_driver_install(uart_port_t port, int rx, int tx, int queue_size, void *queue, int flags);
        esp_err_t uart_param_config(uart_port_t port, const uart_config_t *config);
        esp_err_t uart_set_pin(uart_port_t port, int tx, int rx, int rts, int cts);
        int uart_write_bytes(uart_port_t port, const void *data, size_t size);
        int uart_read_bytes(uart_port_t port, void *data, uint32_t size, uint32_t ticks);
        #define ESP_ERROR_CHECK(x) ((void)(x))
    """,
    "freertos/FreeRTOS.h": "#pragma once\n#define pdMS_TO_TICKS(x) (x)\n",
    "freertos/task.h": "#pragma once\nvoid vTaskDelay(unsigned ticks);\n",
}
"""What the programs use of Arduino and ESP-IDF, declared alone."""


@pytest.mark.skipif(shutil.which("g++") is None, reason="need a C++ compiler")
@pytest.mark.parametrize(
    "program",
    sorted(
        path.relative_to(ROOT).as_posix()
        for path in (*ROOT.glob("examples/*/src/main.cpp"), *IDF_EXAMPLES.glob("*/main/main.c"))
    ),
)
def test_the_compiler_takes_the_program(program, tmp_path):
    for name, text in STUBS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    language = ["g++", "-std=gnu++17"] if program.endswith(".cpp") else ["gcc", "-std=gnu17"]
    command = [*language, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{tmp_path}", ROOT / program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
