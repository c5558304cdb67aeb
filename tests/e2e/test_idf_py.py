"""idf.py's actions, put together with click as idf.py does it, down to a simulated module's flash."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import click
import pytest

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.idf.actions import action_extensions

YML = "firmware: firmware.zip\nmodule: WROOM-32\n"


class FatalError(RuntimeError):
    """idf.py's: its message goes to stderr, and idf.py ends with 2."""


class NoSerialPortFoundError(FatalError):
    """idf.py's, too."""


# --- the part of tools/idf.py (5.1 to 6.1) that makes commands of dictionaries and runs them ---


class Option(click.Option):
    def __init__(self, *, scope: str | None = None, **kwargs):
        super().__init__(kwargs.pop("names"), **kwargs)
        self.scope = scope or "default"


class Action(click.Command):
    def __init__(self, name, callback, **kwargs):
        def task(**args):
            return SimpleNamespace(name=name, callback=callback, args=args)

        super().__init__(name, callback=task, **kwargs)


class IdfPy(click.Group):
    def __init__(self, all_actions):
        super().__init__(chain=True, invoke_without_command=True, result_callback=self.execute_tasks)
        self.params += [Option(**option) for option in all_actions["global_options"]]
        for name, action in all_actions["actions"].items():
            options = action.pop("options", [])
            self.commands[name] = Action(name, **action)
            for option in (Option(**option) for option in options):
                if option.scope == "global" and option.name not in [known.name for known in self.params]:
                    self.params.append(option)
                self.commands[name].params.append(option)

    def execute_tasks(self, tasks, **kwargs):
        context = click.get_current_context()
        args = SimpleNamespace(**kwargs)
        options = {option.name: option for option in context.command.params}
        for task in tasks:
            for key in set(task.args) & set(options):
                if options[key].scope == "global":
                    local, default = task.args.pop(key), options[key].default
                    if local not in (default, getattr(args, key)) and getattr(args, key) != default:
                        raise FatalError(f'Option "{key}" is already defined to a different value.')
                    if local != default:
                        setattr(args, key, local)
        args.project_dir = os.path.realpath(args.project_dir)
        args.build_dir = os.path.realpath(args.build_dir or Path(args.project_dir, "build"))
        for task in tasks:
            click.echo(f"Executing action: {task.name}")
            task.callback(task.name, context, args, **task.args)


def base_actions():
    return {
        "global_options": [
            {"names": ["-C", "--project-dir"], "type": click.Path(), "default": Path.cwd(), "scope": "shared"},
            {"names": ["-B", "--build-dir"], "type": click.Path(), "default": None},
        ],
        "actions": {
            "flash": {
                "callback": lambda *_args, **_options: pytest.fail("idf.py flash ran"),
                "options": [
                    {"names": ["-b", "--baud"], "scope": "global", "envvar": "ESPBAUD", "default": 460800},
                    {
                        "names": ["-p", "--port"],
                        "scope": "global",
                        "envvar": "ESPPORT",
                        "type": click.Path(),
                        "default": None,
                    },
                ],
            }
        },
    }


@pytest.fixture
def found_ports(monkeypatch):
    """Return the ports that idf.py would find; there are none at first."""
    ports = []

    def get_default_serial_port():
        if not ports:
            raise NoSerialPortFoundError("No serial ports found. Connect a device, or use '-p PORT' option.")
        return ports[0]

    package, errors, tools = (ModuleType(f"idf_py_actions{name}") for name in ("", ".errors", ".tools"))
    errors.FatalError, tools.get_default_serial_port = FatalError, get_default_serial_port
    for module in (package, errors, tools):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("IDF_PATH", "ESPPORT", "ESPBAUD"):
        monkeypatch.delenv(name, raising=False)
    return ports


@pytest.fixture
def idf_py(found_ports, capsys, monkeypatch):
    """Run idf.py with these words in a folder; it must end with this code. Returns what it wrote."""

    def run(*words, cwd, code=0):
        monkeypatch.chdir(cwd)
        everything = base_actions()
        extension = action_extensions(everything, str(cwd))
        everything["actions"] |= extension["actions"]
        ended = 0
        try:
            IdfPy(everything).main([str(word) for word in words], prog_name="idf.py")
        except FatalError as error:
            click.echo(error, err=True)
            ended = 2
        except SystemExit as end:
            ended = end.code
        written = capsys.readouterr()
        assert ended == code, written.out + written.err
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
    assert "AT module: WROVER-32 (board this project: " in idf_py("at-info", cwd=folder).out
    assert "AT module: PICO-D4 (--module)" in idf_py("at-info", "--module", "PICO-D4", cwd=folder).out
    idf_py("at-flash", "-p", module.port, cwd=folder)
    assert module.flash == module.after_upload(folder / "build/at_flash")


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
    "another chip": ("esp32c3", YML, ["board this project has an ESP32-C3", "is for ESP32  [board-other-chip]\n"]),
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


def test_no_port(idf_project, project, idf_py):
    assert "No serial ports found" in idf_py("at-flash", cwd=idf_project(YML), code=2).err
    missing = idf_py("-p", "/dev/no-such-port", "at-flash", cwd=project(yml=YML), code=2).err
    assert "  [port-unavailable]\n" in missing
    assert "write the module's port" in missing


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


def test_a_missing_extra(project, idf_py, used_module, monkeypatch):
    monkeypatch.setitem(sys.modules, "littlefs", None)
    yml = "firmware: firmware.zip\ndata: {littlefs: www}\n"
    partitions = "littlefs, data, littlefs, 0x70000, 64K\n"
    folder = project(yml=yml, chip="esp32c6", **{"www/index.html": "<p>", "own.csv": partitions})
    module = used_module("esp32c6")
    refused = idf_py("at-flash", "-p", module.port, cwd=folder, code=2).err
    assert "littlefs" in refused
    assert module.untouched


def test_wrong_words_are_clicks_to_refuse(project, idf_py):
    assert "No such option" in idf_py("at-flash", "--firmwear", "x", cwd=project(yml=YML), code=2).err
