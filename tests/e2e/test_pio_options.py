"""Where the options of a project may stand, and which of them wins."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.formats.factory_param import FactoryParam

PARAM_OFFSET = 0x30000
SCRIPT = Path(__file__).parents[2] / "esp_at.py"
HEAD = f"""\
    [env]
    platform = compiling
    framework = arduino
    extra_scripts = pre:{SCRIPT}
    custom_at_firmware = firmware.zip
"""


def param_of(data: bytes) -> dict[str, int | str]:
    return FactoryParam.from_bytes(data).values


@pytest.fixture
def sample_project(project):
    return lambda ini, yml="", **files: project(HEAD + ini, yml, **files)


@pytest.fixture
def param_in(sample_project):
    """Return the factory_param that package_at made for an environment."""
    made = ".pio/build/{}/esp_at/customized_partitions/factory_param.bin"
    return lambda folder, env: param_of((folder / made.format(env)).read_bytes())


# --- the port ---


def test_the_nearest_port_wins(sample_project, compiling_pio, simulated_module):
    names = ("command line", "platformio.ini", "esp_at.yml", "the program's")
    modules = dict(zip(names, (simulated_module("esp32") for _ in names), strict=True))
    ports = {name: module.port for name, module in modules.items()}

    def flashed() -> set[str]:
        """Return which modules were written since the last time, and forget it."""
        found = {name for name, module in modules.items() if module.writes}
        for name in found:
            modules[name] = simulated_module("esp32")
            ports[name] = modules[name].port
        return found

    def ini() -> str:
        return f"""\
    upload_port = {ports["the program's"]}
    [env:own_port]
    board = esp32dev
    custom_at_port = {ports["platformio.ini"]}
    [env:no_port]
    board = esp32dev
"""

    def yml() -> str:
        return f"port: {ports['esp_at.yml']}"

    folder = sample_project(ini(), yml())
    compiling_pio("run -t upload_at", folder)  # both environments, one after the other
    assert flashed() == {"platformio.ini", "esp_at.yml"}

    folder = sample_project(ini(), yml())
    compiling_pio(f"run -e own_port -t upload_at --upload-port {ports['command line']}", folder)
    assert flashed() == {"command line"}

    # Also where the command line happens to name the program's port.
    compiling_pio(f"run -e own_port -t upload_at --upload-port {ports[names[3]]}", folder)
    assert flashed() == {"the program's"}

    folder = sample_project(ini())
    (folder / "esp_at.yml").unlink()
    compiling_pio("run -e no_port -t upload_at", folder)
    assert flashed() == {"the program's"}


# --- the module ---


def test_the_module_may_be_named_in_many_places(sample_project, param_in, compiling_pio):
    own_board = {
        "name": "Ours",
        "vendor": "us",
        "url": "",
        "frameworks": ["arduino"],
        "build": {"mcu": "esp32"},
        "upload": {"flash_size": "4MB"},
        "at": {"module": "WROVER-32", "factory_param": {"uart_baudrate": 921600, "uart_cts_pin": -1}},
    }
    ini = """\
    [env:by_board]
    board = esp32dev
    [env:by_board_option]
    board = esp32dev
    board_at.module = PICO-D4
    [env:by_option]
    board = esp32dev
    board_at.module = PICO-D4
    custom_at_module = SOLO-1
    [env:own_board]
    board = our_board
    custom_at_factory_param =
        uart_baudrate = 230400
    [env:beside_the_host]
    board = host_mcu
    custom_at_board = esp-wrover-kit
    [env:on_no_board]
    board = host_mcu
    custom_at_board = none
"""
    folder = sample_project(ini, **{"boards/our_board.json": json.dumps(own_board)})
    said = compiling_pio("run -t package_at", folder).stdout

    parts = re.split(r"^Processing (\w+) ", said, flags=re.MULTILINE)
    chosen = dict(zip(parts[1::2], (re.search("AT module: (.*)", part)[1] for part in parts[2::2]), strict=True))
    assert chosen == {
        "by_board": "WROOM-32 (board esp32dev: nothing names the module, and most ESP32 boards carry this one)",
        "by_board_option": "PICO-D4 (board esp32dev: the board's own at.module names PICO-D4)",
        "by_option": "SOLO-1 (platformio.ini [env:by_option] custom_at_module)",
        "own_board": "WROVER-32 (board our_board: the board's own at.module names WROVER-32)",
        "beside_the_host": "WROVER-32 (board esp-wrover-kit: board id has 'wrover')",
        "on_no_board": "WROOM-32 (the only module of firmware package firmware)",
    }
    pins = {env: (param_in(folder, env)["module_name"], param_in(folder, env)["uart_tx_pin"]) for env in chosen}
    assert pins == {
        "by_board": ("WROOM-32", 17),
        "by_board_option": ("PICO-D4", 22),
        "by_option": ("SOLO-1", 17),
        "own_board": ("WROVER-32", 22),
        "beside_the_host": ("WROVER-32", 22),
        "on_no_board": ("WROOM-32", 17),
    }
    ours = param_in(folder, "own_board")
    assert (ours["uart_baudrate"], ours["uart_cts_pin"], ours["uart_rts_pin"]) == (230400, -1, 14)


def test_the_flash_of_an_esp8266_board(sample_project, compiling_pio):
    """The manifest has the room for a sketch; its linker script or platformio.ini shows the flash."""
    board = {
        "name": "Generic",
        "vendor": "us",
        "url": "",
        "frameworks": ["arduino"],
        "build": {"mcu": "esp8266", "arduino": {"ldscript": "eagle.flash.1m64.ld"}},
        "upload": {"maximum_size": 995326},
    }
    ini = """\
    board = generic_8266
    [env:by_board]
    [env:by_script]
    board_build.ldscript = eagle.flash.4m2m.ld
    [env:by_script_of_arduino]
    board_build.arduino.ldscript = eagle.flash.2m.ld
    [env:by_size]
    board_upload.flash_size = 2MB
"""
    folder = sample_project(ini, **{"boards/generic_8266.json": json.dumps(board)})
    write_sample_package(folder / "firmware.zip", "esp8266")
    said = compiling_pio("run -t info_at", folder).stdout
    assert re.findall("AT module: (.*)", said) == [
        "ESP8266_1MB (board generic_8266: it has 1MB of flash)",
        "WROOM-02 (board generic_8266: it has 4MB of flash)",
        "WROOM-02 (board generic_8266: it has 2MB of flash)",
        "WROOM-02 (board generic_8266: it has 2MB of flash)",
    ]


@pytest.mark.parametrize("place", ["esp_at.yml", "platformio.ini"])
def test_a_board_by_the_path_of_its_file(place, sample_project, compiling_pio):
    board = {"name": "Ours", "build": {"mcu": "esp32"}, "at": {"module": "PICO-D4"}}
    ini, yml = "    [env:it]\n    board = host_mcu\n", ""
    if place == "esp_at.yml":
        yml = "board: own/ours.json\n"
    else:
        ini += "    custom_at_board = own/ours.json\n"
    folder = sample_project(ini, yml, **{"own/ours.json": json.dumps(board)})
    said = compiling_pio("run -t info_at", folder).stdout
    assert "AT module: PICO-D4 (board ours: the board's own at.module names PICO-D4)" in said


def test_lines_of_an_option_name_each_thing_once(sample_project, compiling_pio):
    lines = "".join(f"        uart_tx_pin = {pin}\n" for pin in (4, 5))
    folder = sample_project(f"    [env:it]\n    board = esp32dev\n    custom_at_factory_param =\n{lines}")
    said = compiling_pio("run -t info_at", folder, code=1).stderr
    assert "platformio.ini [env:it] custom_at_factory_param: 'uart_tx_pin' is given twice  [option-twice]\n" in said


def test_a_host_mcu_has_its_program_and_its_module_flashed(sample_project, compiling_pio, used_module):
    module = used_module()
    ini = f"""\
    [env:host]
    board = host_mcu
    upload_port = /dev/no-such-program-port
    custom_at_port = {module.port}
    custom_at_baud = 230400
"""
    folder = sample_project(ini, **{"src/main.cpp": "int main() {}"})
    said = compiling_pio("run -t upload -t upload_at", folder).stdout
    assert ", 230400 baud\n" in said
    assert said.index("Uploading the program") < said.index("AT module: WROOM-32")
    assert module.flash == module.after_upload(folder / ".pio/build/host/esp_at")


def test_a_board_without_a_speed_leaves_the_usual_one(sample_project, compiling_pio, used_module):
    folder = sample_project(f"""\
    [env:host]
    board = host_mcu
    custom_at_port = {used_module().port}
""")
    assert ", 460800 baud\n" in compiling_pio("run -t upload_at", folder).stdout


@pytest.mark.parametrize("place", ["esp_at.yml", "platformio.ini"])
def test_a_module_of_ones_own_is_flashed(place, sample_project, compiling_pio, used_module):
    definition = {"name": "ACME-7", "based_on": "WROVER-32", "uart_tx_pin": 5, "uart_rx_pin": 18}
    ini, yml = "    [env:it]\n    board = esp32dev\n", ""
    if place == "esp_at.yml":
        yml = "module: {" + ", ".join(f"{key}: {value}" for key, value in definition.items()) + "}\n"
    else:
        lines = "".join(f"        {key} = {value}\n" for key, value in definition.items())
        ini += f"    custom_at_module =\n{lines}"
    module = used_module()
    folder = sample_project(ini, yml)
    said = compiling_pio(f"run -t upload_at --upload-port {module.port}", folder).stdout
    assert re.search(r"AT module: ACME-7 \(.*, based on WROVER-32\)", said)
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")
    values = param_of(module.flash[PARAM_OFFSET:][:4096])
    names = ("module_name", "uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin")
    assert [values[name] for name in names] == ["ACME-7", 5, 18, 15, 14]
