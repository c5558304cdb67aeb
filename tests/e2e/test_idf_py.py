"""idf.py's actions, put together with click as idf.py does it, down to a simulated module's flash."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys

import idf_py as idf_py_script
import pytest
from processes import children, descendants, is_running, wait_for

from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.idf.actions import action_extensions

YML = "firmware: firmware.zip\nmodule: WROOM-32\n"


@pytest.fixture
def found_ports(monkeypatch):
    """Return the ports that idf.py would find; there are none at first. ``found_ports.asked`` counts its searches."""
    ports = Ports()
    for name, module in idf_py_script.modules(ports.search).items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("IDF_PATH", "ESPPORT", "ESPBAUD"):
        monkeypatch.delenv(name, raising=False)
    return ports


class Ports(list):
    asked = 0

    def search(self):
        self.asked += 1
        return self[0] if self else idf_py_script.no_port()


@pytest.fixture
def idf_py(found_ports, capfd, monkeypatch):
    """Run idf.py with these words in a folder; it must end with this code. Returns what it and its child wrote."""

    def run(*words, cwd, code=0):
        monkeypatch.chdir(cwd)
        ended = idf_py_script.run(words, action_extensions)
        written = capfd.readouterr()
        assert ended == code, written.out + written.err
        assert "Traceback" not in written.out + written.err
        assert not children(os.getpid())
        return written

    return run


@pytest.fixture
def idf_project(project):
    """Write a configured project, as idf.py leaves one behind."""

    def write(yml="", target="esp32", sdkconfig="", chip="esp32", **files):
        folder = project(yml=yml, chip=chip, **files, sdkconfig=f'CONFIG_IDF_TARGET="{target}"\n{sdkconfig}')
        description = {"config_file": str(folder / "sdkconfig"), "target": target}
        (folder / "build").mkdir()
        (folder / "build/project_description.json").write_text(json.dumps(description))
        (folder / "build/CMakeCache.txt").touch()
        return folder

    return write


# --- the actions ---


def test_an_empty_folder_from_info_to_verify(project, idf_py, used_module):
    folder = project(yml=YML)
    assert "0x12000   56KB    nvs" in idf_py("at-info", cwd=folder).out
    assert "\nfatfs, data, fat, 0x70000, 0x90000\n" in idf_py("at-table", cwd=folder).out
    assert sorted(file.name for file in folder.iterdir()) == ["esp_at.yml", "firmware.zip"]

    module = used_module()
    idf_py("-p", module.port, "at-flash", cwd=folder)
    image_set = folder / "build_at_flash"
    assert module.flash == module.after_upload(image_set)
    assert not (folder / "build").exists()
    assert "The device has all 17 images" in idf_py("at-verify", "-p", module.port, "-b", "115200", cwd=folder).out

    said = idf_py("at-flash-factory", "-p", module.port, cwd=folder).out
    assert "The factory image erases the first 4MB of the flash" in said
    assert module.flash == (image_set / "factory/factory_WROOM-32.bin").read_bytes()


def test_what_esptool_says_is_shown_if_idf_py_is_verbose(project, idf_py, used_module):
    folder, module = project(yml=YML), used_module()
    said = idf_py("-p", module.port, "at-flash", cwd=folder).out
    assert "Connected at " in said
    assert "Connecting..." not in said
    said = idf_py("-v", "-p", module.port, "at-flash", cwd=folder).out
    assert said.index("Connecting...") < said.index("Connected at ")
    assert module.flash == module.after_upload(folder / "build_at_flash")


def test_a_typed_port_is_named_as_it_was_typed(project, idf_py, used_module):
    folder, module = project(yml=YML), used_module("esp32c3")
    said = idf_py("-p", module.port, "at-erase", cwd=folder, code=2)
    assert "device-other-chip" in said.err
    assert "write the module's own port, -p PORT; or take the firmware package of this chip" in said.err
    assert "Erasing" not in said.out
    assert module.untouched


def test_several_actions_and_the_build_folder(project, idf_py, used_module):
    folder, module = project(yml=YML), used_module()
    idf_py("-C", folder, "-B", "out", "-p", module.port, "at-package", "at-flash", "at-verify", cwd=folder.parent)
    assert module.flash == module.after_upload(folder.parent / "out_at_flash")


def test_erase_is_the_factory_image(project, idf_py, used_module):
    folder, module = project(yml=YML), used_module()
    idf_py("at-flash", "--erase", "-p", module.port, cwd=folder)
    assert module.flash == (folder / "build_at_flash/factory/factory_WROOM-32.bin").read_bytes()
    for wrong in ("uart_tx_pin=6", "nonsense=1"):
        refused = used_module()
        words = ["at-flash", "--erase", "-p", refused.port, "--factory-param", wrong]
        assert "uart_tx_pin" in idf_py(*words, cwd=folder, code=2).err
        assert refused.untouched


def test_a_configured_project_is_the_board(idf_project, idf_py, used_module):
    folder, module = idf_project("firmware: firmware.zip\n", sdkconfig="CONFIG_SPIRAM=y\n"), used_module()
    assert "AT module: WROVER-32 (board of this project: " in idf_py("at-info", cwd=folder).out
    assert "AT module: PICO-D4 (--module)" in idf_py("at-info", "--module", "PICO-D4", cwd=folder).out
    idf_py("at-flash", "-p", module.port, cwd=folder)
    assert module.flash == module.after_upload(folder / "build/at_flash")


def test_two_modules_of_one_project(idf_project, idf_py, used_module):
    """They are next to the project's chip, and have nothing of its menu."""
    left, right = used_module("esp32"), used_module("esp32c3")
    files = {f"esp_at_{side}.yml": f"firmware: {side}.zip\n" for side in ("left", "right")}
    folder = idf_project(
        target="esp32s3", sdkconfig="CONFIG_ESP_AT_MODULE=PICO-D4\nCONFIG_ESP_AT_UART_TX_PIN=99\n", **files
    )
    for side, module in (("left", left), ("right", right)):
        write_sample_package(folder / f"{side}.zip", module.chip)
        refused = idf_py("at-flash", "--project-file", side, cwd=folder, code=2).err
        assert "the AT module is not on the project's board, and no port is named for it" in refused
        assert f"write port: PORT in esp_at_{side}.yml" in refused
        idf_py("-p", module.port, "at-flash", "--project-file", f"esp_at_{side}.yml", cwd=folder)
        place = folder / f"build/esp_at_{side}"
        assert module.flash == module.after_upload(place / "at_flash")
        assert json.loads((place / "esp_at_report.json").read_text())["device"]["chip"] == module.chip
    refused = idf_py("at-info", "--project-file", "rigth", cwd=folder, code=2).err
    assert "--project-file: there is no project file esp_at_rigth.yml  [project-file-not-found]\n" in refused
    assert "there are esp_at_left.yml, esp_at_right.yml" in refused


def test_which_option_wins(idf_project, idf_py):
    """The command line, then esp_at.yml, then menuconfig, then the package."""
    sdkconfig = """\
CONFIG_ESP_AT_FIRMWARE="firmware.zip"
CONFIG_ESP_AT_MODULE="PICO-D4"
CONFIG_ESP_AT_UART_TX_PIN=4
CONFIG_ESP_AT_UART_RX_PIN=5
CONFIG_ESP_AT_UART_CTS_PIN=-1
CONFIG_ESP_AT_UART_RTS_PIN=-2
CONFIG_ESP_AT_UART_BAUDRATE=57600
"""
    folder = idf_project("factory_param: {uart_rx_pin: 9, uart_tx_pin: 10}\n", sdkconfig=sdkconfig)
    words = ["at-info", "--factory-param", "uart_tx_pin=18", "--factory-param", "uart_baudrate=9600"]
    said = " ".join(idf_py(*words, cwd=folder).out.split())
    assert "AT commands GPIO18 GPIO9 unused GPIO14 9600" in said
    assert "AT module: PICO-D4 (CONFIG_ESP_AT_MODULE)" in said
    (folder / "esp_at.yml").unlink()
    (folder / "sdkconfig").write_text(f'CONFIG_IDF_TARGET="esp32"\n{sdkconfig.replace("TX_PIN=4", "TX_PIN=99")}')
    assert "CONFIG_ESP_AT_UART_TX_PIN" in idf_py("at-info", cwd=folder, code=2).err


def test_the_nearest_port_wins(idf_project, idf_py, found_ports, simulated_module, monkeypatch):
    names = ("command line", "esp_at.yml", "ESPPORT", "found")
    modules = {name: simulated_module("esp32") for name in names}

    def flashed(*words):
        idf_py(*words, cwd=folder)
        (name,) = [name for name, module in modules.items() if module.writes]
        modules[name] = simulated_module("esp32")
        return name

    folder = idf_project(YML)
    found_ports.append(modules["found"].port)
    assert flashed("at-flash") == "found"
    monkeypatch.setenv("ESPPORT", modules["ESPPORT"].port)
    assert flashed("at-flash") == "ESPPORT"
    (folder / "esp_at.yml").write_text(f"{YML}port: {modules['esp_at.yml'].port}\n")
    assert flashed("at-flash") == "esp_at.yml"
    monkeypatch.delenv("ESPPORT")
    assert flashed("-p", modules["command line"].port, "at-flash") == "command line"
    assert flashed("at-flash", "-p", modules["command line"].port) == "command line"
    # Named with the same words as ESPPORT, which alone would give way to esp_at.yml
    monkeypatch.setenv("ESPPORT", modules["command line"].port)
    assert flashed("at-flash", "-p", modules["command line"].port) == "command line"


def test_espport_in_an_empty_folder(project, idf_py, used_module, monkeypatch):
    folder, module = project(yml=f"{YML}board: esp32dev\n"), used_module()
    monkeypatch.setenv("ESPPORT", module.port)
    idf_py("at-flash", cwd=folder)
    assert module.flash == module.after_upload(folder / "build_at_flash")


# --- one input, one result ---


def test_every_front_end_warns_when_it_packages(idf_project, idf_py, at_pio, esp_at):
    """On the error output, which a quiet build shows, too."""
    yml = "firmware: firmware.zip\nboard: esp32dev\nmodule: WROOM-32\nfactory_param: {uart_tx_pin: 0}\n"
    ini = "[env:at]\nplatform = espressif_at\nboard = esp32dev\n"
    folder = idf_project(yml, **{"platformio.ini": ini})
    of_idf = idf_py("at-package", cwd=folder)
    of_pio = at_pio("run -s -t package_at", folder)
    of_cli = esp_at("package", cwd=folder)
    for errors in (of_idf.err, of_pio.stderr, of_cli.stderr):
        assert errors.count("Warning: esp_at.yml:4:uart_tx_pin: GPIO0 ") == 1
        assert errors.count("  [pin-strapping]\n") == 1
    for output in (of_idf.out, of_pio.stdout, of_cli.stdout):
        assert "[pin-strapping]" not in output


def test_every_front_end_makes_the_same_manifest(idf_project, idf_py, at_pio, esp_at):
    yml = "firmware: firmware.zip\nboard: esp32dev\nfactory_param: {uart_tx_pin: 4}\nskip: [ble_data]\n"
    ini = "[env:at]\nplatform = espressif_at\nboard = esp32dev\n"
    folder = idf_project(yml, **{"platformio.ini": ini})
    idf_py("at-package", cwd=folder)
    at_pio("run -t package_at", folder)
    esp_at("package", cwd=folder)
    sets = [folder / place for place in ("build/at_flash", ".pio/build/at/esp_at", "build/esp_at")]
    first, *others = [
        {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*") if path.is_file()}
        for made in sets
    ]
    assert "esp_at_manifest.json" in first
    assert others == [first, first]


# --- bad input: idf.py's form of failure, nothing flashed ---


def with_two_modules():
    second = "customized_partitions/factory_param_PICO-D4.bin"
    return sample_package("esp32") | {second: sample_package("esp32", module="PICO-D4")[second]}


REFUSALS = {
    "no firmware": (None, "module: WROOM-32\n", ["  [firmware-missing]\n", "write firmware: latest in esp_at.yml"]),
    "firmware that isn't there": (
        None,
        "firmware: gone.zip\n",
        ["esp_at.yml:1: ", "'gone.zip'", "  [firmware-not-found]\n", "looked for "],
    ),
    "two modules to choose from": (
        None,
        "firmware: two\n",
        ["PICO-D4, WROOM-32  [module-missing]\n", "write module: NAME in esp_at.yml"],
    ),
    "unknown module": (
        None,
        "firmware: firmware.zip\nmodule: WROM-32\n",
        ["esp_at.yml:2: ", "  [unknown-module]\n", "did you mean WROOM-32"],
    ),
    "another chip": ("esp32c3", YML, ["board of this project has an ESP32-C3", "is for ESP32  [board-other-chip]\n"]),
    "a chip without AT firmware": ("esp32s3", YML, ["esp32s3", "  [chip-unsupported]\n", "ESP32-C3", "board: none"]),
    "a port for the module beside": ("esp32", f"{YML}board: none\n", ["  [port-missing]\n", "port: PORT"]),
    "broken project file": ("esp32", "firmware: [\n", ["esp_at.yml:", "  [not-yaml]\n"]),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("action", ["at-flash", "at-flash-factory", "at-verify"])
def test_refusals(*, name, action, project, idf_project, idf_py, used_module, found_ports):
    target, yml, told = REFUSALS[name]
    module = used_module()
    found_ports.append(module.port)
    folder = project(yml=yml) if target is None else idf_project(yml, target)
    for path, data in with_two_modules().items():
        (folder / "two" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "two" / path).write_bytes(data)
    port = [] if "port" in name else ["-p", module.port]
    written = idf_py(action, *port, cwd=folder, code=2)
    assert all(word in written.err for word in told), written.err
    assert "esptool" not in written.out
    assert module.untouched
    assert not list(folder.rglob("*at_flash*"))


def test_no_port(idf_project, project, idf_py, found_ports):
    folder = idf_project(YML)
    assert "No serial ports found" in idf_py("at-flash", cwd=folder, code=2).err
    assert found_ports.asked == 1
    missing = idf_py("-p", "/dev/no-such-port", "at-flash", cwd=project(yml=YML), code=2).err
    assert "  [port-absent]\n" in missing
    assert "write its port" in missing


def test_a_port_is_searched_only_when_one_is_needed(idf_project, idf_py, found_ports, used_module):
    folder, module = idf_project(YML), used_module()
    for action in ("at-info", "at-table", "at-package", "at-report"):
        idf_py(action, cwd=folder)
    idf_py("at-flash", "-p", module.port, cwd=folder)
    idf_py("at-flash", "--module", "WROM-32", cwd=folder, code=2)
    assert not found_ports.asked
    found_ports.append(module.port)
    idf_py("at-verify", cwd=folder)
    assert found_ports.asked == 1
    (folder / "esp_at.yml").write_text(f"{YML}port: {module.port}\n")
    idf_py("at-verify", cwd=folder)
    assert found_ports.asked == 1


def test_an_idf_too_old(project, idf_py, used_module, monkeypatch, tmp_path):
    (tmp_path / "idf/tools/cmake").mkdir(parents=True)
    (tmp_path / "idf/tools/cmake/version.cmake").write_text("set(IDF_VERSION_MAJOR 4)\nset(IDF_VERSION_MINOR 4)\n")
    monkeypatch.setenv("IDF_PATH", str(tmp_path / "idf"))
    module = used_module()
    refused = idf_py("at-flash", "-p", module.port, cwd=project(yml=YML), code=2).err
    assert refused == (
        "ESP-IDF 4.4 is not supported  [idf-too-old]\n  take 5.1 or newer, or esp-at flash, which needs no ESP-IDF\n"
    )
    assert module.untouched


def test_a_missing_extra(project, idf_py, used_module, monkeypatch, tmp_path):
    python = tmp_path / "python without littlefs"
    start = "import runpy, sys; sys.modules['littlefs'] = None; del sys.argv[0]; "
    start += "runpy.run_path(sys.argv[0], run_name='__main__')"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(start)} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("ESP_AT_PYTHON", str(python))
    yml = "firmware: firmware.zip\npartitions: own.csv\ndata: {files: www}\n"
    partitions = "files, data, littlefs, , 32K\n"
    folder = project(yml=yml, chip="esp32c6", **{"www/index.html": "<p>", "own.csv": partitions})
    module = used_module("esp32c6")
    refused = idf_py("at-flash", "-p", module.port, cwd=folder, code=2).err
    assert "littlefs" in refused
    assert module.untouched


def test_wrong_words_are_clicks_to_refuse(project, idf_py):
    assert "No such option" in idf_py("at-flash", "--firmwear", "x", cwd=project(yml=YML), code=2).err


# --- a run that is ended ---


@pytest.fixture
def interrupted(project, found_ports, used_module):
    """Start idf.py at-flash, end it by a function in the middle of the write, and wait for its end.

    Returns its status and what it wrote. Checks that of all processes none is left, and of the files only the image
    set.
    """
    if not hasattr(os, "killpg"):
        pytest.skip("need process groups")

    def end(kill):
        noise = os.urandom(400 << 10)
        folder, module = project(yml=f"{YML}data: {{fatfs: www}}\n", **{"www/noise.bin": noise}), used_module()
        run = subprocess.Popen(
            [sys.executable, idf_py_script.__file__, "-p", module.port, "at-flash"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        wait_for(lambda: module.writes or run.poll() is not None, "the first image")
        assert run.poll() is None, run.stdout.read()
        running = descendants(run.pid)
        assert len(running) == 2
        kill(run.pid)
        said = run.communicate()[0].decode()
        for pid in running:
            wait_for(lambda pid=pid: not is_running(pid), "the end of the child and of esptool")
        assert module.flash != module.after_upload(folder / "build_at_flash")
        assert [path.name for path in folder.iterdir() if "build" in path.name] == ["build_at_flash"]
        return run.returncode, said

    return end


INTERRUPTS = {
    "Ctrl-C in a terminal": lambda pid: os.killpg(pid, signal.SIGINT),
    "SIGINT to idf.py alone": lambda pid: os.kill(pid, signal.SIGINT),
    "twice": lambda pid: [os.killpg(pid, signal.SIGINT) for _ in range(2)],
}


@pytest.mark.parametrize("name", INTERRUPTS)
def test_an_interrupt_ends_all(name, interrupted):
    status, said = interrupted(INTERRUPTS[name])
    assert status == 1
    assert said.endswith(
        "interrupted: the module is half written  [interrupted]\n"
        "  run the same command again: it writes what is missing\n\nAborted!\n"
    )
    assert "Traceback" not in said


INTERRUPTED_BY = {
    "the shell that starts it": 'kill -INT $$; exec {python} {start} "$@"',
    "what it loads": 'exec {python} {start} "$@"',
}
START = """\
import runpy, signal, sys

class Interrupter:
    def find_spec(name, *_):
        if name == "platformio_esp_at.commands.setup":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupter)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(os.name == "nt", reason="need a shell")
@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("name", INTERRUPTED_BY)
def test_an_interrupt_while_the_child_starts(name, project, idf_py, monkeypatch, tmp_path):
    """Before it could tell of an event."""
    python = tmp_path / "python"
    line = INTERRUPTED_BY[name].format(python=shlex.quote(sys.executable), start=f"-c {shlex.quote(START)}")
    asked = f'[ "$1" = -c ] && exec {shlex.quote(sys.executable)} "$@"'  # for its version
    python.write_text(f"#!/bin/sh\n{asked}\n{line}\n")
    python.chmod(0o755)
    monkeypatch.setenv("ESP_AT_PYTHON", str(python))
    said = idf_py("at-info", cwd=project(yml=YML), code=1)
    assert said.err == "interrupted  [interrupted]\n  run the command again\n\nAborted!\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_idf_py_that_is_killed_takes_its_child_along(number, interrupted):
    status, said = interrupted(lambda pid: os.kill(pid, number))
    assert status == -number
    assert "Traceback" not in said
