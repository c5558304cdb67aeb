"""What idf.py is given, what an ESP-IDF project holds, and how idf.py is set up."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from platformio_esp_at.catalog.boards import select_module
from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.errors import EspAtError, FormatError, Place, SelectionError, UnknownNameError, setting, spelled
from platformio_esp_at.idf import actions, install
from platformio_esp_at.idf.project import (
    MENU,
    MENU_ENTRIES,
    MENU_OPTIONS,
    MENU_PARAMETERS,
    check_idf_version,
    find_board_of,
    image_set_folder,
    parse_sdkconfig,
    read_idf_project,
    read_sdkconfig,
    spelling_of,
)
from platformio_esp_at.request.options import HOST_OPTIONS
from platformio_esp_at.request.values import Text

BASE = {
    "actions": {
        "flash": {
            "callback": print,
            "options": [
                {"names": ["-b", "--baud"], "scope": "global", "envvar": "ESPBAUD", "default": 460800},
                {"names": ["-p", "--port"], "scope": "global", "envvar": "ESPPORT", "default": None},
                {"names": ["--force"], "is_flag": True},
            ],
        }
    }
}
NAMES = [
    "at-backup",
    "at-erase",
    "at-flash",
    "at-flash-factory",
    "at-info",
    "at-package",
    "at-report",
    "at-restore",
    "at-table",
    "at-test",
    "at-verify",
]

COMPONENT = Path(__file__).parents[2] / "idf_component/esp_at_flash"
NOTHING = {"version": "1", "global_options": [], "actions": {}}


def spellings(action):
    return [name for option in action["options"] for name in option["names"] if name.startswith("-")]


# --- what idf.py loads ---


def test_the_actions():
    made = actions.action_extensions(BASE, "project")
    assert made["version"] == "1"
    assert sorted(made["actions"]) == NAMES
    assert all(action["help"] == action["short_help"] for action in made["actions"].values())
    own = [f"--{name.replace('_', '-')}" for name in HOST_OPTIONS if name not in ("port", "baud")]
    connection = ["-b", "--baud", "-p", "--port"]
    assert spellings(made["actions"]["at-verify"]) == spellings(made["actions"]["at-erase"]) == connection + own
    assert spellings(made["actions"]["at-flash"]) == [*connection, *own, "--erase"]
    assert spellings(made["actions"]["at-info"]) == spellings(made["actions"]["at-package"]) == own
    port = made["actions"]["at-flash"]["options"][1]
    assert {"scope": "global", "envvar": "ESPPORT"}.items() <= port.items()
    assert "callback" not in BASE["actions"]["flash"]["options"][1]


def test_one_way_is_enough():
    assert actions.action_extensions({"actions": {"at-flash": {}}}, "project")["actions"] == {}


@pytest.mark.parametrize("base", [{}, {"actions": {}}, {"actions": {"flash": {}}}])
def test_an_idf_py_without_flash(base):
    assert sorted(actions.action_extensions(base, "project")["actions"]) == NAMES


@pytest.mark.parametrize("text", [None, "[{"], ids=["no file", "damaged"])
def test_without_its_options_it_offers_nothing(text, monkeypatch, capsys, tmp_path):
    if text:
        (tmp_path / "options.json").write_text(text)
    monkeypatch.setattr(actions, "OPTIONS", str(tmp_path / "options.json"))
    assert actions.action_extensions(BASE, "project") == NOTHING
    assert re.fullmatch(r"WARNING: idf\.py at-flash can't be offered: .*\n", capsys.readouterr().err)


def test_each_action_has_options_of_its_own():
    """idf.py changes what it is given."""
    made = actions.action_extensions(BASE, "project")["actions"].values()
    options = [id(option) for action in made for option in action["options"]]
    assert len(set(options)) == len(options)


def load(script):
    """Run lines in a new Python, which end with the action_extensions of a project; return what was imported."""
    script = f"""if True:
        import sys
        before = set(sys.modules)
        {script}
        made = action_extensions({BASE | {"actions": {}}!r}, ".")
        assert sorted(made["actions"]) == {NAMES}
        names = set(sys.modules) - before
        ours = [name for name in names if name.startswith("platformio_esp_at")]
        others = {{name.partition(".")[0] for name in names - set(ours)}} - sys.stdlib_module_names
        print(*sorted(ours), *sorted(others))
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


LOADED = ["platformio_esp_at", "platformio_esp_at.idf", "platformio_esp_at.idf.actions"]


def test_loading_imports_nothing_but_the_standard_library():
    """Every idf.py command pays for it: what is imported on the way is one module of ours."""
    assert load("from platformio_esp_at.idf.actions import action_extensions") == LOADED


def test_the_entry_point():
    (own,) = [point for point in entry_points(group="idf_extension") if "esp_at" in point.value]
    assert own.load() is actions.action_extensions
    assert own.value != "idf_ext:action_extensions"


# --- the idf_ext.py of a project ---


def in_component(folder):
    """Copy what the idf_ext.py of a project loads into a folder: the component as it is packed."""
    package = Path(actions.__file__).parents[1]
    for file in ("__init__.py", "idf/__init__.py", "idf/actions.py", "idf/options.json"):
        (folder / "platformio_esp_at" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(package / file, folder / "platformio_esp_at" / file)
    return shutil.copy(COMPONENT / "esp_at_idf.py", folder)


def extension(project):
    """Return what the idf_ext.py of a project offers, which is run as idf.py does it."""
    spaces = {}
    exec(install.PROJECT_EXTENSION, spaces)  # noqa: S102
    return spaces["action_extensions"](BASE, str(project))


@pytest.fixture
def unloaded(monkeypatch):
    """Forget this package for a test, as in ESP-IDF's Python, which doesn't have it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "platformio_esp_at"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.parametrize("place", ["components/esp_at_flash", "managed_components/example__esp_at_flash"])
@pytest.mark.usefixtures("unloaded")
def test_the_component_of_a_project(place, tmp_path):
    project = tmp_path / "a project [1] für AT"
    in_component(project / place)
    path = list(sys.path)
    made = extension(project)
    assert sorted(made["actions"]) == NAMES
    assert Path(sys.modules["platformio_esp_at"].__file__).is_relative_to(project)
    assert sys.path == path


@pytest.mark.skipif(sys.platform == "win32", reason="need symbolic links")
def test_the_component_of_a_checkout(tmp_path):
    """Its package isn't in it; a link leads to the checkout."""
    project = tmp_path / "project"
    (project / "components").mkdir(parents=True)
    (project / "components/esp_at_flash").symlink_to(COMPONENT, target_is_directory=True)
    (project / "idf_ext.py").write_text(install.PROJECT_EXTENSION)
    lines = f"import runpy; spaces = runpy.run_path({str(project / 'idf_ext.py')!r}); "
    lines += "action_extensions = lambda base, _: "
    assert load(f"{lines}spaces['action_extensions'](base, {str(project)!r})") == LOADED


@pytest.mark.parametrize(("words", "says"), [(["-p", "PORT", "at-flash"], True), (["flash"], False), ([], False)])
def test_a_project_without_the_component(words, says, tmp_path, monkeypatch, capsys):
    """ninja would only say that it doesn't know at-flash, and suggest app-flash."""
    monkeypatch.setattr(sys, "argv", ["idf.py", *words])
    assert extension(tmp_path)["actions"] == {}
    line = "The component esp_at_flash isn't here yet: run idf.py reconfigure first\n"
    assert capsys.readouterr().err == (line if says else "")


@pytest.mark.parametrize(
    "text", ["def action_extensions(", "raise RuntimeError('broken')", "", "def action_extensions(*_): raise OSError"]
)
def test_a_broken_component_stops_no_command(text, tmp_path, capsys):
    file = Path(in_component(tmp_path / "components/esp_at_flash"))
    file.write_text(text)
    assert extension(tmp_path) == {"version": "1", "actions": {}}
    assert re.fullmatch(r"WARNING: idf\.py at-flash can't be offered: .*\n", capsys.readouterr().err)


def test_a_copy_from_a_checkout(tmp_path, capsys):
    file = Path(in_component(tmp_path / "components/esp_at_flash"))
    shutil.rmtree(file.parent / "platformio_esp_at")
    assert extension(tmp_path) == {"version": "1", "actions": {}}
    assert f"can't be offered: {file.parent} has no folder platformio_esp_at: " in capsys.readouterr().err


def test_the_examples_have_the_extension():
    examples = sorted(COMPONENT.glob("examples/*/idf_ext.py"))
    assert [file.parent.name for file in examples] == ["flash_only", "host_with_module"]
    assert {file.read_text() for file in examples} == {install.PROJECT_EXTENSION}
    readme = (COMPONENT / "README.md").read_text(encoding="utf-8")
    assert textwrap.indent(install.PROJECT_EXTENSION, "   ") in readme


# --- what a project holds ---


@pytest.fixture
def configured(tmp_path):
    """Write a configured project and return what is read of it."""

    def write(sdkconfig, **description):
        (tmp_path / "build").mkdir(exist_ok=True)
        (tmp_path / "sdkconfig").write_text(sdkconfig)
        description = {"config_file": str(tmp_path / "sdkconfig")} | description
        (tmp_path / "build/project_description.json").write_text(json.dumps(description))
        return read_idf_project(tmp_path, tmp_path / "build")

    return write


def test_sdkconfig():
    text = '#\n# Title\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="say \\"hi\\" \\\\ a=b"\nCONFIG_D=-2\n\nX=1\n'
    assert parse_sdkconfig(text) == {"CONFIG_A": "y", "CONFIG_C": 'say "hi" \\ a=b', "CONFIG_D": "-2"}
    assert parse_sdkconfig('CONFIG_A="\r\nCONFIG_B=""\r\n') == {"CONFIG_A": '"', "CONFIG_B": ""}


def test_an_sdkconfig_that_is_named(tmp_path):
    (tmp_path / "sdkconfig").write_bytes(b"CONFIG_A=y\nCONFIG_B=\xff\n")
    assert read_sdkconfig(tmp_path / "sdkconfig") == "CONFIG_A=y\nCONFIG_B=\ufffd\n"
    with pytest.raises(EspAtError) as caught:
        read_sdkconfig(tmp_path / "other")
    assert (caught.value.code, caught.value.where) == ("file-not-found", str(tmp_path / "other"))
    assert "idf.py reconfigure" in caught.value.hint


@pytest.mark.skipif(sys.platform == "win32", reason="need device files")
def test_an_sdkconfig_without_an_end(tmp_path):
    (tmp_path / "sdkconfig").symlink_to("/dev/zero")
    with pytest.raises(EspAtError) as caught:
        read_sdkconfig(tmp_path / "sdkconfig")
    assert caught.value.code == "unreadable"


def test_psram_is_named_as_the_project_has_it(configured):
    choice = select_module(configured('CONFIG_IDF_TARGET="esp32"\nCONFIG_SPIRAM=y\n').board())
    assert choice.reason == "sdkconfig has 'CONFIG_SPIRAM'"


@pytest.mark.parametrize(
    ("sdkconfig", "module", "assumed"),
    [
        ('CONFIG_IDF_TARGET="esp32"\n', "WROOM-32", True),
        ('CONFIG_IDF_TARGET="esp32"\nCONFIG_ESPTOOLPY_FLASHSIZE="2MB"\n', "WROOM-32", True),  # ESP-IDF's default
        ('CONFIG_IDF_TARGET="esp32"\nCONFIG_ESPTOOLPY_FLASHSIZE="1MB"\n', None, False),
        ('CONFIG_IDF_TARGET="esp32"\nCONFIG_SPIRAM=y\n', "WROVER-32", False),
        ('CONFIG_IDF_TARGET="esp32"\n# CONFIG_SPIRAM is not set\n', "WROOM-32", True),
        ('CONFIG_IDF_TARGET="esp32c3"\nCONFIG_ESPTOOLPY_FLASHSIZE="8MB"\n', "MINI-1", False),
        ('CONFIG_IDF_TARGET="esp32c2"\nCONFIG_ESPTOOLPY_FLASHSIZE="4MB"\n', "ESP32C2-4MB", False),
        ('CONFIG_IDF_TARGET="esp32c2"\n', "ESP32C2-2MB", True),
    ],
)
def test_chip_flash_and_psram_choose_the_module(configured, sdkconfig, module, assumed):
    board = configured(sdkconfig).board()
    if module is None:
        with pytest.raises(SelectionError, match="board of this project has 1MB of flash"):
            select_module(board)
    else:
        choice = select_module(board)
        assert (choice.module, choice.assumed) == (module, assumed)


@pytest.mark.parametrize("target", ["esp32s3", "esp32p4", "esp32h2", "esp32x99"])
def test_a_chip_without_at_firmware(configured, target):
    with pytest.raises(SelectionError) as caught:
        configured(f'CONFIG_IDF_TARGET="{target}"\n').board()
    assert f"the chip of this project is {target}, for which there is no ESP-AT firmware" in str(caught.value)
    assert caught.value.code == "chip-unsupported"
    assert all(chip.display_name in caught.value.hint for chip in chips())
    assert "board: none" in caught.value.hint


def test_the_linux_target_carries_no_module(configured):
    assert configured('CONFIG_IDF_TARGET="linux"\n').board().mcu == "linux"


def test_menuconfig_sets_options(configured, tmp_path):
    project = configured(
        """\
CONFIG_IDF_TARGET="esp32"
CONFIG_ESP_AT_FIRMWARE="at/firmware.zip"
CONFIG_ESP_AT_MODULE="WROOM-32"
CONFIG_ESP_AT_PARTITIONS=""
CONFIG_ESP_AT_UART_TX_PIN=0
CONFIG_ESP_AT_UART_RX_PIN=-2
CONFIG_ESP_AT_UART_CTS_PIN=-1
CONFIG_ESP_AT_UART_BAUDRATE=921600
"""
    )
    assert project.options.base == tmp_path
    assert project.options.options == {
        "firmware": Text("at/firmware.zip", Place.at(option="CONFIG_ESP_AT_FIRMWARE")),
        "module": Text("WROOM-32", Place.at(option="CONFIG_ESP_AT_MODULE")),
        "factory_param": {
            "uart_tx_pin": Text("0", Place.at(option="CONFIG_ESP_AT_UART_TX_PIN")),
            "uart_cts_pin": Text("-1", Place.at(option="CONFIG_ESP_AT_UART_CTS_PIN")),
            "uart_baudrate": Text("921600", Place.at(option="CONFIG_ESP_AT_UART_BAUDRATE")),
        },
    }


def test_menuconfig_left_alone_sets_none(configured):
    pins = "".join(f"CONFIG_ESP_AT_UART_{pin}_PIN=-2\n" for pin in ("TX", "RX", "CTS", "RTS"))
    texts = "".join(f'CONFIG_ESP_AT_{name}=""\n' for name in ("FIRMWARE", "MODULE", "PARTITIONS"))
    project = configured(f'CONFIG_IDF_TARGET="esp32"\nCONFIG_ESP_AT_UART_BAUDRATE=0\n{pins}{texts}')
    assert project.options.options == {}


def test_an_unknown_board_is_mostly_a_module_next_to_the_chip(tmp_path):
    with pytest.raises(UnknownNameError) as caught:
        find_board_of(None, tmp_path, "non")
    assert caught.value.code == "unknown-board"
    assert caught.value.hint.startswith("for a module next to this project's chip, write board: none\n")
    assert find_board_of(None, tmp_path, "esp32dev").mcu == "esp32"


# --- options in hints ---


MODULE = f"write {setting('module', 'NAME')} and {setting('port', 'PORT')}"


def test_a_project_writes_options_into_its_project_file(configured, tmp_path):
    for project in (None, configured('CONFIG_IDF_TARGET="esp32"\n')):
        spelling = spelling_of(project, tmp_path)
        assert spelled(MODULE, spelling) == "write module: NAME in esp_at.yml and port: PORT in esp_at.yml"


WITH_MENU = 'CONFIG_IDF_TARGET="esp32"\nCONFIG_ESP_AT_MODULE=""\n'


def test_a_project_with_the_component_has_a_menu(configured, tmp_path):
    spelling = spelling_of(configured(WITH_MENU), tmp_path)
    assert spelled(MODULE, spelling) == (
        "write 'AT module > AT module' = NAME in idf.py menuconfig and port: PORT in esp_at.yml"
    )
    pin = setting("factory_param.uart_tx_pin", "17")
    assert spelled(pin, spelling) == "'AT module > TX pin of the AT port' = 17 in idf.py menuconfig"
    assert spelled(f"remove {setting('module')} or {setting('skip')}", spelling) == (
        "remove 'AT module > AT module' in idf.py menuconfig or skip"
    )


@pytest.mark.parametrize("file", ["esp_at.yml", "esp_at_left.yml"])
def test_a_project_file_that_is_there_has_all_options(file, configured, tmp_path):
    (tmp_path / file).touch()
    spelling = spelling_of(configured(WITH_MENU), tmp_path, file)
    assert spelled(setting("module", "NAME"), spelling) == f"module: NAME in {file}"


def test_the_menu_has_the_entries_that_hints_name():
    kconfig = (Path(__file__).parents[2] / "idf_component/esp_at_flash/Kconfig").read_text(encoding="utf-8")
    prompts = dict(re.findall(r'config (\w+)\n\s+(?:string|int) "(.+)"', kconfig))
    options = {f"CONFIG_{name}": prompt for name, prompt in prompts.items()}
    named = {name: MENU_ENTRIES[option] for name, option in MENU_OPTIONS.items()}
    named |= {name: MENU_ENTRIES[f"factory_param.{parameter}"] for name, parameter in MENU_PARAMETERS.items()}
    assert named == options
    assert f'menu "{MENU} (esp_at_flash)"' in kconfig


def test_no_project(tmp_path):
    assert read_idf_project(tmp_path, tmp_path / "build") is None


def test_a_project_after_fullclean_has_its_sdkconfig(tmp_path):
    (tmp_path / "sdkconfig").write_text('CONFIG_IDF_TARGET="esp32c3"\n')
    assert read_idf_project(tmp_path, tmp_path / "build").target == "esp32c3"


def test_an_sdkconfig_elsewhere(configured, tmp_path):
    (tmp_path / "sdkconfig.c6").write_text('CONFIG_IDF_TARGET="esp32c6"\n')
    assert configured('CONFIG_IDF_TARGET="esp32"\n', config_file=str(tmp_path / "sdkconfig.c6")).target == "esp32c6"
    assert configured("", config_file=str(tmp_path / "gone"), target="esp32c2").target == "esp32c2"


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_spoiled_description(tmp_path, text):
    (tmp_path / "project_description.json").write_text(text, encoding="latin-1")
    with pytest.raises(FormatError) as caught:
        read_idf_project(tmp_path, tmp_path)
    file = str(tmp_path / "project_description.json")
    assert (caught.value.code, caught.value.where) == ("idf-project-damaged", file)


def test_a_folder_instead_of_an_sdkconfig(tmp_path):
    (tmp_path / "sdkconfig").mkdir()
    with pytest.raises(EspAtError) as caught:
        read_idf_project(tmp_path, tmp_path / "build")
    assert (caught.value.code, caught.value.where) == ("unreadable", str(tmp_path / "sdkconfig"))
    assert caught.value.message.startswith("can't be read: ")


def test_the_image_set_makes_no_build_folder(tmp_path):
    """idf.py refuses to set a target where there is a build folder that cmake didn't make."""
    assert image_set_folder(tmp_path / "build") == tmp_path / "build_at_flash"
    (tmp_path / "build").mkdir()
    assert image_set_folder(tmp_path / "build") == tmp_path / "build_at_flash"
    (tmp_path / "build/CMakeCache.txt").touch()
    assert image_set_folder(tmp_path / "build") == tmp_path / "build/at_flash"


# --- setting up ---


def test_the_explanation():
    text = install.explanation()
    lines = iter(text.splitlines())
    assert all(
        any(line.strip() == wanted.strip() for line in lines) for wanted in install.PROJECT_EXTENSION.splitlines()
    )
    assert "pip install" not in text


def test_the_extension_of_a_project(tmp_path):
    file = tmp_path / "idf_ext.py"
    assert install.write_project_extension(tmp_path).startswith(f"Wrote {file}")
    assert file.read_text() == install.PROJECT_EXTENSION
    assert install.write_project_extension(tmp_path) == f"{file} is there already"


@pytest.mark.parametrize("own", [b"def action_extensions(base, path):\n    return {}\n", b"\xff"])
def test_another_extension_stays(tmp_path, own):
    (tmp_path / "idf_ext.py").write_bytes(own)
    with pytest.raises(EspAtError, match=r"idf_ext\.py exists with other content\n  it isn't replaced") as caught:
        install.write_project_extension(tmp_path)
    assert caught.value.code == "idf-ext-differs"
    assert (tmp_path / "idf_ext.py").read_bytes() == own


def test_an_extension_that_cant_be_written(tmp_path):
    with pytest.raises(EspAtError, match="can't be written: No such file") as caught:
        install.write_project_extension(tmp_path / "nowhere")
    assert caught.value.code == "not-writable"


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        ("set(IDF_VERSION_MAJOR 4)\nset(IDF_VERSION_MINOR 4)\n", False),
        ("set(IDF_VERSION_MAJOR 5)\nset(IDF_VERSION_MINOR 0)\n", False),
        ("set(IDF_VERSION_MAJOR 5)\nset(IDF_VERSION_MINOR 1)\n", True),
        ("set(IDF_VERSION_MAJOR 6)\nset(IDF_VERSION_MINOR 0)\n", True),
        ("something else\n", True),
        (None, True),
    ],
)
def test_an_idf_too_old(tmp_path, monkeypatch, text, accepted):
    monkeypatch.setenv("IDF_PATH", str(tmp_path))
    if text:
        (tmp_path / "tools/cmake").mkdir(parents=True)
        Path(tmp_path, "tools/cmake/version.cmake").write_text(text)
    if accepted:
        check_idf_version()
    else:
        with pytest.raises(EspAtError, match=r"ESP-IDF \d\.\d is not supported\n  take 5\.1 or newer") as caught:
            check_idf_version()
        assert caught.value.code == "idf-too-old"
