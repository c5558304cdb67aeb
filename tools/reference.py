"""The pages of the reference that are made from the product's own tables: what it has is in them, and nothing else.

`generate` writes them into docs/reference. A page is Markdown, and is read on GitHub, too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import yaml

from platformio_esp_at.catalog.boards import select_module
from platformio_esp_at.catalog.chips import chip, chips
from platformio_esp_at.catalog.modules import Module, data_layout, modules
from platformio_esp_at.catalog.releases import released_packages
from platformio_esp_at.cli import cli
from platformio_esp_at.commands.explain import all_codes
from platformio_esp_at.errors import as_yaml
from platformio_esp_at.files import load_yaml
from platformio_esp_at.idf.actions import ACTIONS
from platformio_esp_at.idf.project import MENU_ENTRIES, MENU_OPTIONS, MENU_PARAMETERS
from platformio_esp_at.pio.run import as_option
from platformio_esp_at.pio.targets import FLASH_ONLY, TARGETS
from platformio_esp_at.request.board_manifests import PLATFORM, manifests, module_board, read_board
from platformio_esp_at.request.command_line import as_arguments
from platformio_esp_at.request.options import HOST_OPTIONS, OPTIONS, Option
from platformio_esp_at.request.schema import project_schema
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "reference"
COMPONENT = ROOT / "idf_component" / "esp_at_flash"
CATALOG = ROOT / "platformio_esp_at" / "catalog"
MADE = "<!-- Made by `python3 bootstrap.py generate`: change what it is made from, not this file. -->"


def pages() -> dict[Path, str]:
    """Return the text of every generated page, by its file."""
    made = {
        "options.md": options_page(),
        "commands.md": commands_page(),
        "codes.md": codes_page(),
        "modules.md": modules_page(),
        "boards.md": boards_page(),
    }
    return {PAGES / name: _page(parts) for name, parts in made.items()}


# --- Markdown ---


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join([MADE, *parts]) + "\n"


def prose(text: str) -> str:
    """Return a text of the product as Markdown: what is in backticks is code, the rest stands there as it is."""
    special = r"(`[^`]*`)|([\\*<\[\]|]|(?<!\w)_|_(?!\w))"
    return re.sub(special, lambda match: match[1] or f"\\{match[2]}", text)


def code(text: object) -> str:
    """Return a text as code, also in a table."""
    return f"`{str(text).replace('|', chr(92) + '|')}`" if text not in ("", None) else ""


def sentence(text: str) -> str:
    """Return a text of the product, which may begin as a word of a list does, as a sentence."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def anchor(name: str) -> str:
    """Return the section of a name in its page, as links on GitHub and in Sphinx write it."""
    return name.lower().replace(" ", "-")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells are Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


# --- options ---


def options_page() -> Iterator[str]:
    """Yield the parts of the page of the options."""
    yield "# Options"
    yield (
        "What a project can set. Each option has the same name everywhere, and its own spelling in each place. Every "
        "option but `firmware` may be left out: what isn't set stays as the firmware package has it."
    )
    yield (
        "Of two places that set one option, the later one of this list wins: the board's JSON, ESP-IDF's menuconfig, "
        "`esp_at.yml`, `platformio.ini` or the command line. Mappings are merged name by name."
    )
    yield table(
        ["option", "takes"],
        ([f"[{code(name)}](#{anchor(name)})", prose(option.kind.expected)] for name, option in HOST_OPTIONS.items()),
    )
    for name, option in HOST_OPTIONS.items():
        yield f"## {name}"
        yield prose(sentence(option.help))
        yield f"Takes {prose(option.kind.expected)}.{_known_names(name)}"
        yield table(["place", "spelling"], _spellings(option))
    yield "## menuconfig"
    yield (
        "The entries that the component `esp_at_flash` adds to `idf.py menuconfig`, under *AT module*. A value of "
        "`esp_at.yml` wins over them."
    )
    yield table(["symbol", "entry", "sets"], _menu())


def spellings(option: Option) -> dict[str, str]:
    """Return how an option with its example is written, by place: each of them means the same."""
    value = yaml.safe_load(option.example)
    parts = _parts(option)
    arguments = " ".join(as_arguments(*part) for part in parts)
    in_ini = parts[0] if isinstance(value, dict) else (option.name, option.example)
    in_file = {"`esp_at.yml`": as_yaml(option.name, option.example)} if option.name in OPTIONS else {}
    found = {
        **in_file,
        "`platformio.ini`": as_option(*in_ini),
        "`esp-at`": arguments,
        # Port and speed are options of idf.py itself.
        "`idf.py`": {"port": f"-p {option.example}", "baud": f"-b {option.example}"}.get(option.name, arguments),
    }
    if menu := [symbol for symbol, name in MENU_OPTIONS.items() if name == option.name]:
        found["sdkconfig"] = f'{menu[0]}="{option.example}"'
    if option.name in OPTIONS and option.name != "board":
        found["board's JSON"] = f'"at": {json.dumps({option.name: value})}'
    return found


def _parts(option: Option) -> list[tuple[str, str]]:
    """Return the example as options with one value each: that of a mapping or a list has several."""
    value = yaml.safe_load(option.example)
    if isinstance(value, dict):
        return [(f"{option.name}.{key}", str(inner)) for key, inner in value.items()]
    return [(option.name, item) for item in value] if isinstance(value, list) else [(option.name, option.example)]


def _spellings(option: Option) -> Iterator[list[str]]:
    for place, text in spellings(option).items():
        shorter = _others(option) if place == "`esp-at`" else []
        yield [place, ", or ".join(map(code, [text, *shorter]))]
    for symbol, parameter in MENU_PARAMETERS.items() if option.name == "factory_param" else ():
        yield ["sdkconfig", f"{code(symbol)}: {code(parameter)}"]


def _others(option: Option) -> list[str]:
    """Return the other names that an option has on the command line, such as ``-p``."""
    taken = cli.commands["flash"].get_params(_context("flash", cli.commands["flash"]))
    return [name for param in taken if param.name == option.name for name in param.opts[1:]]


def _known_names(name: str) -> str:
    names = project_schema()["properties"].get(name, {}).get("properties", {})
    return f" The names: {', '.join(map(code, names))}." if names else ""


def _menu() -> Iterator[list[str]]:
    """Yield the symbols of the component's Kconfig, the entries, and the options that they set."""
    sets = MENU_OPTIONS | {symbol: f"factory_param.{parameter}" for symbol, parameter in MENU_PARAMETERS.items()}
    kconfig = (COMPONENT / "Kconfig").read_text(encoding="utf-8")
    for name, entry in re.findall(r'config (\w+)\n\s+\w+ "(.+)"', kconfig):
        option = sets.get(f"CONFIG_{name}", "")
        what = f"[{code(option)}](#{anchor(option.partition('.')[0])})" if option else "`idf.py flash`"
        yield [code(f"CONFIG_{name}"), prose(MENU_ENTRIES.get(option, entry)), what]


# --- commands ---

_ESP_AT = {"upload": "flash", "upload_factory": "flash --factory"}
"""The functions of `commands` that the command line calls by another name."""


class Command(NamedTuple):
    """One job, and its name in every front end; "" where that doesn't have it."""

    esp_at: str
    target: str
    action: str
    cmake: str


def commands() -> tuple[Command, ...]:
    """Return the jobs of a project, in the order of the PlatformIO targets."""
    actions = {action.command: action.name for action in ACTIONS}
    made = cmake_targets()
    return tuple(
        Command(
            esp_at=f"esp-at {_ESP_AT.get(target.command, target.command)}",
            target=target.name,
            action=actions.get(target.command, ""),
            cmake=made.get(_ESP_AT.get(target.command, target.command), ""),
        )
        for target in TARGETS
    )


def cmake_targets() -> dict[str, str]:
    """Return the CMake targets of the component by the command of ``esp-at`` that each runs."""
    text = (COMPONENT / "project_include.cmake").read_text(encoding="utf-8")
    (target,) = set(re.findall(r"__esp_at_flash_add_image\((\w+) ", text))  # another module's is a variable
    added = re.findall(r"add_custom_target\(\$\{target\}(\S*)\n\s+COMMAND \$\{cmake\} -D ESP_AT_COMMAND=(\w+)", text)
    return {command: target + suffix for suffix, command in added}


def commands_page() -> Iterator[str]:
    """Yield the parts of the page of the commands."""
    yield "# Commands"
    yield "## What corresponds to what"
    yield (
        "The same job on the command line, in PlatformIO (`pio run -t TARGET`), in ESP-IDF (`idf.py ACTION`) and in an "
        "ESP-IDF build (`idf.py TARGET`, of CMake)."
    )
    yield table(
        ["esp-at", "PlatformIO", "idf.py", "CMake"],
        ([_command_link(row.esp_at), *map(code, (row.target, row.action, row.cmake))] for row in commands()),
    )
    yield (
        "Of a further module of a build, the targets are `at_image_NAME` and `at_image_NAME-flash`: see "
        "[two modules in one project](../how-to/two-modules.md)."
    )
    own = " and ".join(f"{code(short)} is {code(name)}" for name, short in FLASH_ONLY.items())
    yield f"On the flash-only platform `espressif_at`, {own}, too. `idf.py at-flash --erase` is `at-flash-factory`."
    yield "The actions of idf.py take all [options](options.md), with the same spelling as on the command line."
    yield "## Commands of esp-at"
    yield "Exit code 0: done; 1: refused or failed, with a [code](codes.md); 2: wrong usage."
    yield table(
        ["command", "does"],
        ([_command_link(f"esp-at {name}"), prose(_help(command)[0])] for name, command in cli.commands.items()),
    )
    shared = _shared()
    yield "### Options of a project"
    yield (
        "Each command whose usage has `PROJECT OPTIONS` takes these, and all [options](options.md) of a project: "
        "`--module WROOM-32`."
    )
    yield _option_table(shared.values())
    for name, command in cli.commands.items():
        yield from _command(name, command, shared)


def _command_link(name: str) -> str:
    return f"[{code(name)}](#{anchor(name.partition(' --')[0])})"


def _context(name: str, command: click.Command) -> click.Context:
    return click.Context(command, info_name=f"esp-at {name}", max_content_width=120)


def _parameters(name: str, command: click.Command) -> dict[str, click.Parameter]:
    """Return what a command takes besides the options of a project, and help."""
    return {
        str(param.name): param
        for param in command.get_params(_context(name, command))
        if isinstance(param, click.Option) and "--help" not in param.opts and not _is_of_project(param)
    }


def _is_of_project(param: click.Parameter) -> bool:
    return param.name in OPTIONS and param.opts[0] == as_arguments(str(param.name), "").split(" ")[0]


def _takes_project(name: str, command: click.Command) -> bool:
    return any(param.name == "sdkconfig" for param in command.get_params(_context(name, command)))


def _shared() -> Mapping[str, click.Parameter]:
    """Return the parameters that all commands of a project have, besides the options of `OPTIONS`."""
    of_each = [_parameters(name, command) for name, command in cli.commands.items() if _takes_project(name, command)]
    return {name: param for name, param in of_each[0].items() if all(name in others for others in of_each)}


def _help(command: click.Command) -> list[str]:
    """Return the paragraphs of a command's help."""
    return [" ".join(part.split()) for part in (command.help or "").replace("\f", "").split("\n\n")]


def _command(name: str, command: click.Command, shared: Mapping[str, click.Parameter]) -> Iterator[str]:
    """Yield the parts of the section of one command."""
    of_project = _takes_project(name, command)
    own = [param for key, param in _parameters(name, command).items() if not (of_project and key in shared)]
    options_of = ["[PROJECT OPTIONS]"] if of_project else []
    options_of += ["[OPTIONS]"] if own else []
    yield f"### esp-at {name}"
    yield from map(prose, _help(command))
    usage = ["esp-at", name, *options_of, *command.collect_usage_pieces(_context(name, command))[1:]]
    yield f"```text\n{' '.join(usage)}\n```"
    if own:
        yield _option_table(own)
    if some := [] if of_project else _options_taken(name, command):
        yield f"And of the [options](options.md) of a project: {', '.join(some)}."


def _options_taken(name: str, command: click.Command) -> list[str]:
    taken = (param for param in command.get_params(_context(name, command)) if _is_of_project(param))
    return [f"[{code(', '.join(param.opts))}](options.md#{anchor(str(param.name))})" for param in taken]


def _option_table(params: Iterable[click.Parameter]) -> str:
    records = (param.get_help_record(click.Context(cli)) for param in params)
    return table(["option", "does"], ([code(record[0]), prose(record[1])] for record in records if record))


# --- codes ---


def codes_page() -> Iterator[str]:
    """Yield the parts of the page of the codes."""
    yield "# Codes of errors and warnings"
    yield (
        "The first line of a message ends with its code in brackets, such as `[pin-taken]`. A code keeps its name; the "
        "words of a message may change. `esp-at explain CODE` prints what is here."
    )
    for entry in all_codes():
        yield f"## {entry.code}"
        yield prose(entry.means)
        yield f"**What to do:** {prose(entry.action)}"


# --- modules ---


def modules_page() -> Iterator[str]:
    """Yield the parts of the page of the modules."""
    yield "# AT modules"
    yield (
        "The modules that ESP-AT has firmware for, with the pins and the speed that it starts with at the AT port. "
        "`esp-at modules` prints this table, and `esp-at modules --json` all of this page but the packages, which "
        "`esp-at releases` has."
    )
    for found in chips():
        yield f"## {found.display_name}"
        yield table(
            ["module", "flash", "AT over", "TX", "RX", "CTS", "RTS", "baud", "latest"],
            map(_module_row, modules(found.key)),
        )
        for module in modules(found.key):
            yield f"### {module.full_name}"
            yield prose(sentence(module.description))
            yield "\n".join(f"- {line}" for line in _module_facts(module))


def _module_row(module: Module) -> list[str]:
    return [_module_link(module), format_size(module.flash_size), module.bus, *_port(module), _latest(module)]


def _module_link(module: Module, page: str = "") -> str:
    return f"[{code(module.name)}]({page}#{anchor(module.full_name)})"


def _port(module: Module) -> list[str]:
    """Return pins and speed of the AT port; a blank cell for what it doesn't have."""
    if module.bus != "UART":
        return [""] * 5
    pins = (module.uart_tx_pin, module.uart_rx_pin, module.uart_cts_pin, module.uart_rts_pin)
    return [*("" if pin < 0 else str(pin) for pin in pins), str(module.uart_baudrate)]


def _latest(module: Module) -> str:
    recommended = [package for package in released_packages(module.chip, module.name) if package.recommended]
    return ", ".join(package.release for package in recommended)


def _module_facts(module: Module) -> Iterator[str]:
    yield f"Name: {' or '.join(map(code, dict.fromkeys((module.name, module.full_name))))}"
    yield f"Board by itself: `{module_board(module)}`"
    if module.psram:
        yield "Has PSRAM"
    if module.covers:
        yield f"Hardware: {', '.join(module.covers)}"
    if module.alternatives:
        yield f"Runs firmware of {', '.join(map(code, module.alternatives))}, too"
    if module.successor:
        yield f"From {module.successor.since} on, it gets the firmware of `{module.successor.module}`"
    yield f"Built from `module_config/{module.module_config}` of ESP-AT"
    yield f"Parameters: {'; '.join(_parameters_of(module))}"
    if releases := list(_releases(module)):
        yield f"Releases: {', '.join(releases)}"


def _parameters_of(module: Module) -> Iterator[str]:
    """Yield where the firmware of a module has its parameters, by releases."""
    for version, when in module.versions.items():
        where = f"in `{data_layout(version)}` (version {version})" if version else data_layout(version)
        yield f"{when} {where}"


def _releases(module: Module) -> Iterator[str]:
    """Yield the releases for a module, each a link to its package; where a release has two, to the preferred one."""
    packages = reversed(released_packages(module.chip, module.name))
    preferred = {package.release: package for package in packages}
    for package in reversed(preferred.values()):
        marks = [
            *(["recommended"] if package.recommended else []),
            *(["by request form"] if package.by_form else []),
            *([f"chip revision {package.chip_revisions}"] if package.chip_revisions else []),
        ]
        yield f"[{package.release}]({package.url}){_in_brackets(marks)}"


def _in_brackets(words: Sequence[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


# --- boards ---


def boards_page() -> Iterator[str]:
    """Yield the parts of the page of the boards."""
    rules = load_yaml(CATALOG / "boards.yml")
    yield "# Boards"
    yield (
        "A board of any installed PlatformIO platform is known by its manifest. `esp-at module-for BOARD` prints which "
        "AT module it carries, and why; `esp-at boards` lists all boards of your machine. Where the choice is a guess, "
        "or wrong, [`module`](options.md#module) names the right one."
    )
    yield "## Boards that need no platform"
    yield "These come with platformio-esp-at."
    yield table(["board", "chip", "flash", "module", "why"], _own_boards())
    yield "## AT modules as boards"
    yield "An AT module alone is a board, too, for a project that only flashes: `board = esp32-at-wroom-32`."
    yield table(["board", "chip", "module"], map(_module_as_board, modules()))
    yield "## Modules by flash size"
    yield (
        "Where nothing but the flash size tells the modules of a chip apart, the first of these that fits. The modules "
        "of the ESP32 differ in pins and PSRAM: names, variant and flags of its board's manifest decide."
    )
    by_flash: Mapping[str, list[str]] = rules["by_flash"]
    yield table(
        ["chip", "modules"],
        ([chip(key).display_name, ", ".join(map(code, names))] for key, names in by_flash.items()),
    )
    yield "## Boards whose manifest doesn't show the module"
    yield table(["board", "chip", "module", "why"], _exceptions(rules["exceptions"]))
    yield "## Pins that a board uses itself"
    yield (
        "The default AT port of its module is on GPIOs that these boards connect with something else, or don't lead "
        "out. Set other pins in [`factory_param`](options.md#factory_param), or wire to the module itself."
    )
    yield table(["board", "chip", "GPIO"], _used(rules["used_gpios"]))
    yield "## Boards with Ethernet"
    yield f"Their Ethernet uses pins of the RMII interface: {', '.join(map(code, rules['ethernet']))}."
    yield "## Boards with another crystal"
    yield "Released firmware expects the usual crystal of its chip."
    yield table(["board", "MHz"], ([code(board), str(mhz)] for board, mhz in rules["crystal_mhz"].items()))


def _own_boards() -> Iterator[list[str]]:
    of_modules = {module_board(module) for module in modules()}
    for file in manifests(PLATFORM / "boards"):
        facts = read_board(file)
        if facts.id in of_modules:
            continue
        choice = select_module(facts)
        chosen = _module(choice.chip, choice.module)
        size = format_size(facts.flash_size) if facts.flash_size else ""
        guess = "a guess: " if choice.assumed else ""
        yield [
            code(facts.id),
            chip(choice.chip).display_name,
            size,
            _module_link(chosen, "modules.md"),
            prose(f"{guess}{choice.reason}"),
        ]


def _module(chip_key: str, name: str) -> Module:
    return next(module for module in modules(chip_key) if module.name == name)


def _module_as_board(module: Module) -> list[str]:
    return [code(module_board(module)), chip(module.chip).display_name, _module_link(module, "modules.md")]


def _exceptions(by_chip: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    for key, boards in by_chip.items():
        for board, row in boards.items():
            link = _module_link(_module(key, row["module"]), "modules.md")
            yield [code(board), chip(key).display_name, link, prose(row["why"])]


def _used(by_chip: Mapping[str, Mapping[str, Mapping[int, str]]]) -> Iterator[list[str]]:
    for key, boards in by_chip.items():
        for board, pins in boards.items():
            used = "; ".join(f"{pin}: {use}" for pin, use in pins.items())
            yield [code(board), chip(key).display_name, prose(used)]
