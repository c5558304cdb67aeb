"""The pages of the reference have all that the product has, each where links expect it."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

import platformio_esp_at
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.catalog.releases import released_packages
from platformio_esp_at.cli import cli
from platformio_esp_at.commands.documentation import PAGES
from platformio_esp_at.commands.explain import all_codes
from platformio_esp_at.errors import Place
from platformio_esp_at.idf.actions import ACTIONS
from platformio_esp_at.idf.project import layer_of_sdkconfig, parse_sdkconfig
from platformio_esp_at.pio.targets import FLASH_ONLY, TARGETS
from platformio_esp_at.request.board_manifests import PLATFORM
from platformio_esp_at.request.command_line import layer_of_command_line
from platformio_esp_at.request.layers import layer_of_board, layer_of_options
from platformio_esp_at.request.nodes import Layer, parse_yaml
from platformio_esp_at.request.options import HOST_OPTIONS, OPTIONS, PROJECT_FILE_OPTION
from platformio_esp_at.request.values import Text

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
HOSTS = ("platformio.ini", "esp-at", "idf.py")
BASE = Path("project")


def _page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def _sections(page: str) -> dict[str, str]:
    """Return what is below each heading of a page, until the next one."""
    parts = re.split(r"(?m)^#{2,} (.+)$", _page(page))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _rows(text: str) -> list[list[str]]:
    """Return the cells of the tables in a text, without the headings."""
    bodies = re.findall(r"(?m)^\| --- .*\n((?:\| .*\n)+)", text)
    return [re.split(r" (?<!\\)\| ", line[2:-2]) for body in bodies for line in body.splitlines()]


def _code(text: str) -> list[str]:
    return [found.replace("\\|", "|") for found in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)]


def _first(page: str) -> set[str]:
    """Return the names in the first column of the tables of a page."""
    return {cells[0] for cells in _rows(_page(page))}


def test_pages():
    assert set(PAGES) == {file.stem for file in REFERENCE.glob("*.md")}


# --- options ---


def _examples(name: str) -> dict[str, str]:
    """Return how an option is written with its example: by place."""
    return {cells[0].strip("`"): _code(cells[1])[0] for cells in _rows(_sections("options")[name])}


def test_options():
    assert [name for name in _sections("options") if name != "menuconfig"] == list(HOST_OPTIONS)
    assert {f"[`{name}`](#{name})" for name in HOST_OPTIONS} <= _first("options")


@pytest.mark.parametrize("name", HOST_OPTIONS)
def test_an_option_has_what_it_takes_and_its_spellings(name):
    section, option = _sections("options")[name], HOST_OPTIONS[name]
    assert f"Takes {option.kind.expected}." in section
    places = {"esp_at.yml", "platformio.ini", "esp-at", "idf.py"} if name in OPTIONS else set(HOSTS)
    assert places <= _examples(name).keys()


def test_the_project_file_is_named_by_a_host_alone():
    name = PROJECT_FILE_OPTION.name
    assert _examples(name).keys() == set(HOSTS)
    assert _examples(name)["platformio.ini"] == f"custom_at_{name} = {PROJECT_FILE_OPTION.example}"
    for place in ("esp-at", "idf.py"):
        words = _examples(name)[place].split()
        assert words == [f"--{name.replace('_', '-')}", PROJECT_FILE_OPTION.example]


def _plain(node: object) -> object:
    if isinstance(node, Text):
        return node.text
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(item) for item in node] if isinstance(node, tuple) else node


def _of_command(text: str, command: click.Command) -> Layer:
    parsed = command.make_context("esp-at", shlex.split(text), resilient_parsing=True).params
    return layer_of_command_line({name: value for name, value in parsed.items() if name in OPTIONS})


def _read(place: str, text: str) -> Layer:
    """Return what a host reads of an option that is written so."""
    where = Place.at()
    if place == "esp_at.yml":
        return Layer(BASE, parse_yaml(text, where))
    if place == "platformio.ini":
        name, _, value = text.partition(" = ")
        return layer_of_options({name.removeprefix("custom_at_"): value}, base=BASE, spelling=str)
    if place == "sdkconfig":
        return layer_of_sdkconfig(parse_sdkconfig(text), base=BASE)
    if place == "board's JSON":
        return layer_of_board("mine", yaml.safe_load(f"{{{text}}}")["at"], base=BASE)
    assert place in ("esp-at", "idf.py")
    return _of_command(text, cli.commands["flash"])


@pytest.mark.parametrize("name", OPTIONS)
def test_all_spellings_of_an_option_mean_the_same(name):
    examples = _examples(name)
    if name == "factory_param":
        assert examples.pop("sdkconfig") == "CONFIG_ESP_AT_UART_BAUDRATE"  # one entry a parameter: no example
    if name == "module":
        assert examples.pop("board's JSON") == '"at": {"module": "WROOM-32"}'  # the catalog reads that
    read = {place: _plain(_read(place, text).options[name]) for place, text in examples.items()}
    if OPTIONS[name].kind.is_switch:
        read = {place: str(value).lower() for place, value in read.items()}
    assert len({repr(value) for value in read.values()}) == 1, read


def test_menuconfig():
    kconfig = (ROOT / "idf_component/esp_at_flash/Kconfig").read_text(encoding="utf-8")
    symbols = {f"`CONFIG_{name}`" for name in re.findall(r"config (\w+)", kconfig)}
    assert symbols == {cells[0] for cells in _rows(_sections("options")["menuconfig"])}


# --- commands ---


def test_commands():
    sections = _sections("commands")
    commands = {f"esp-at {name}" for name in cli.commands}
    assert commands == {name for name in sections if name.startswith("esp-at ")}
    for name, command in cli.commands.items():
        usage = re.search(r"```text\n(.+)\n```", sections[f"esp-at {name}"])[1]
        arguments = [param for param in command.params if isinstance(param, click.Argument)]
        assert usage.startswith(f"esp-at {name}")
        assert all((param.metavar or str(param.name)).upper() in usage for param in arguments)


@pytest.mark.parametrize("name", cli.commands)
def test_every_option_of_a_command(name):
    sections = _sections("commands")
    text = sections[f"esp-at {name}"]
    if "PROJECT OPTIONS" in text:
        text += sections["Options of a project"] + _page("options")
    words = {word for found in _code(text) for word in re.split(r"[, ]+", found)}
    parameters = cli.commands[name].get_params(click.Context(cli.commands[name]))
    taken = {opt for param in parameters if isinstance(param, click.Option) for opt in param.opts}
    assert taken - {"-h", "--help"} <= words


def test_what_corresponds_to_what():
    rows = _rows(_sections("commands")["What corresponds to what"])
    assert [_code(cells[1])[0] for cells in rows] == [target.name for target in TARGETS]
    commands = {action.name: action.command for action in ACTIONS}
    assert [commands[_code(cells[2])[0]] for cells in rows] == [target.command for target in TARGETS]
    assert len(rows) == len(ACTIONS)
    assert {_code(cells[0])[0].split()[1] for cells in rows} <= cli.commands.keys()
    cmake = (ROOT / "idf_component/esp_at_flash/project_include.cmake").read_text(encoding="utf-8")
    suffixes = set(re.findall(r"add_custom_target\(\$\{target\}(\S*)\n", cmake)) | {""}
    made = {f"at_image{suffix}" for suffix in suffixes}
    assert {name for cells in rows for name in _code(cells[3])} == made
    assert len(made) == 2
    for name, of_platform in FLASH_ONLY.items():
        assert f"`{of_platform}` is `{name}`" in _page("commands")


# --- codes ---


def test_codes():
    assert list(_sections("codes")) == [entry.code for entry in all_codes()]
    for entry, text in zip(all_codes(), _sections("codes").values(), strict=True):
        assert re.sub(r"\\(.)", r"\1", text).strip() == f"{entry.means}\n\n**What to do:** {entry.action}"


# --- modules and boards ---


def test_modules():
    sections = _sections("modules")
    assert {module.full_name for module in modules()} <= sections.keys()
    for module in modules():
        section = sections[module.full_name]
        assert module.description.removesuffix(".")[1:] in section
        assert all(f"[{found.release}](" in section for found in released_packages(module.chip, module.name))
        assert all(name in section for name in (*module.covers, module.name))
    assert len(_first("modules")) == len(modules())


def test_boards():
    names = {name for cell in _first("boards") for name in _code(cell)}
    assert {file.stem for file in (PLATFORM / "boards").glob("*.json")} <= names
    catalog = yaml.safe_load((ROOT / "platformio_esp_at/catalog/boards.yml").read_text(encoding="utf-8"))
    for rows in (*catalog["exceptions"].values(), *catalog["used_gpios"].values(), catalog["crystal_mhz"]):
        assert set(rows) <= names
    assert all(f"`{board}`" in _page("boards") for board in catalog["ethernet"])


# --- environment ---


def _variables() -> set[str]:
    """Return the environment variables of ours that the code names."""
    package = Path(platformio_esp_at.__file__).parent
    nodes = (node for file in package.rglob("*.py") for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {text for text in texts if re.fullmatch(r"ESP_AT_[A-Z_]+", text)}


def test_environment_variables():
    assert "ESP_AT_MIRROR" in _variables()
    assert _variables() <= set(_code(_page("environment")))
