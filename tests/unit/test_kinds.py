"""What each kind of option takes, and the value that it makes of it: nothing is read from the disk here."""

from __future__ import annotations

from pathlib import Path

import pytest

from platformio_esp_at.errors import FormatError, Place
from platformio_esp_at.request.kinds import Completes, Given, Kind, Named, is_board_file
from platformio_esp_at.request.nodes import parse_yaml
from platformio_esp_at.request.options import OPTIONS
from platformio_esp_at.request.values import CustomModule, Firmware, InputFile, InputFolder, Speed, Text

BASE = Path("base")
LINE = Place.at(file="esp_at.yml", line=1)


class Files:
    """A reader that finds every file: its path is its content. Paths that end with / are folders."""

    def file(self, named: Named) -> InputFile:
        return InputFile(named.text.text, named.text.where, named.path.as_posix().encode())

    def file_or_folder(self, named: Named) -> InputFile | InputFolder:
        if not named.text.text.endswith("/"):
            return self.file(named)
        return InputFolder(named.text.text, named.text.where, {"a": named.path.as_posix().encode()})

    def firmware(self, named: Named) -> Firmware:
        return Firmware(named.text, named.path)


def _given(text: str, base: Path = BASE) -> tuple[str, Given]:
    """Return the name of the one option in a project file, and what is given for it."""
    ((name, node),) = parse_yaml(text, Place.at(file="esp_at.yml"), has_lines=True).items()
    return name, Given(node, base)


def _value(*texts: str) -> object:
    """Return the value of an option that several project files give, the strongest last."""
    ((name, *_), given) = zip(*map(_given, texts), strict=True)
    return OPTIONS[name].value(given, Files())


def _option(name: str, text: str) -> object:
    """Return the value of an option that a host gives as text."""
    node = OPTIONS[name].node(text, Place.at(option=f"custom_at_{name}"))
    return OPTIONS[name].value([Given(node, BASE)], Files())


def _inputs(*texts: str) -> list[str]:
    ((name, *_), given) = zip(*map(_given, texts), strict=True)
    return [path.as_posix() for path in OPTIONS[name].inputs(given)]


# --- single values ---


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("port: COM3", Text("COM3", LINE), id="text"),
        pytest.param("baud: 0x1C200", Speed(115200, LINE), id="speed"),
        pytest.param("test: yes", True, id="switch"),
        pytest.param("test: OFF", False, id="switch-off"),
        pytest.param("board: esp32dev", Text("esp32dev", LINE), id="board"),
        pytest.param("firmware: fw.zip", Firmware(Text("fw.zip", LINE), BASE / "fw.zip"), id="firmware"),
        pytest.param("gatts: in/g.csv", InputFile("in/g.csv", LINE, b"base/in/g.csv"), id="path"),
        pytest.param("module: WROOM-32", Text("WROOM-32", LINE), id="module"),
        pytest.param("no_stub: true", True, id="switch"),
        pytest.param("no_stub: NO", False, id="switch-off"),
        pytest.param("no_stub: 1", True, id="switch-of-platformio"),
        pytest.param("before: no-reset", "no-reset", id="choice"),
        pytest.param("after: hard_reset", "hard-reset", id="choice-of-an-older-esptool"),
    ],
)
def test_single_values(text, value):
    assert _value(text) == value


@pytest.mark.parametrize(
    ("weak", "strong", "value"),
    [
        pytest.param("port: COM1", "port: COM3", Text("COM3", LINE), id="text"),
        pytest.param("baud: 9600", "baud: 115200", Speed(115200, LINE), id="speed"),
        pytest.param("gatts: a", "gatts: b", InputFile("b", LINE, b"base/b"), id="path"),
        pytest.param("skip: [a, b]", "skip: c", (Text("c", LINE),), id="names"),
        pytest.param("module: {name: A, based_on: B}", "module: C", Text("C", LINE), id="module"),
        pytest.param("no_stub: true", "no_stub: false", False, id="switch"),
        pytest.param("before: no-reset", "before: usb-reset", "usb-reset", id="choice"),
    ],
)
def test_the_strongest_value_replaces_the_others(weak, strong, value):
    assert _value(weak, strong) == value


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        pytest.param("gatts: [a]", "gatts: b", id="path"),
        pytest.param("port: {a: b}", "port: COM3", id="text"),
        pytest.param("skip: [[a]]", "skip: b", id="names"),
        pytest.param("firmware: [a]", "firmware: latest", id="firmware"),
        pytest.param("board: [a]", "board: none", id="board"),
        pytest.param("module: [a]", "module: WROOM-32", id="module"),
        pytest.param("no_stub: [a]", "no_stub: true", id="switch"),
        pytest.param("after: [a]", "after: no-reset", id="choice"),
    ],
)
def test_what_is_wrong_in_a_weak_layer_is_refused_too(weak, strong):
    with pytest.raises(FormatError) as caught:
        _value(weak, strong)
    assert caught.value.place == LINE


@pytest.mark.parametrize(
    ("text", "expected", "example"),
    [
        ("no_stub: perhaps", "no_stub must be true or false", "no_stub: true"),
        (
            "before: default",
            "before must be default-reset or usb-reset or no-reset or no-reset-no-sync",
            "before: no-reset",
        ),
    ],
)
def test_a_word_that_is_none_of_them(text, expected, example):
    with pytest.raises(FormatError) as caught:
        _value(text)
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "option-invalid",
        expected,
        f"write {example}",
    )


@pytest.mark.parametrize(
    ("board", "is_file"), [("esp32dev", False), ("none", False), ("my.json", True), ("/x/MY.JSON", True)]
)
def test_a_boards_file_is_known_by_its_ending(board, is_file):
    assert is_board_file(board) is is_file


def test_the_path_of_a_board_starts_at_the_layers_folder():
    assert _value("board: own/my.json") == Text(str(BASE / "own/my.json"), LINE)


# --- modules of one's own ---

CUSTOM = CustomModule(
    Text("MY-BOARD", Place.at(option="custom_at_module")),
    Text("WROOM-32", Place.at(option="custom_at_module")),
    {"uart_tx_pin": Text("4", Place.at(option="custom_at_module"))},
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{name: MY-BOARD, based_on: WROOM-32, uart_tx_pin: 4}", id="one-line"),
        pytest.param("name = MY-BOARD\nbased_on = WROOM-32\nuart_tx_pin = 4", id="lines-with-equals"),
        pytest.param("name: MY-BOARD\nbased_on: WROOM-32\nuart_tx_pin: 4", id="yaml-lines"),
    ],
)
def test_spellings_of_an_own_module(text):
    assert _option("module", text) == CUSTOM


def test_own_module_in_the_project_file():
    assert _value("module:\n  name: MY-BOARD\n  based_on: WROOM-32\n  uart_tx_pin: 4\n") == CustomModule(
        Text("MY-BOARD", Place.at(file="esp_at.yml", line=2)),
        Text("WROOM-32", Place.at(file="esp_at.yml", line=3)),
        {"uart_tx_pin": Text("4", Place.at(file="esp_at.yml", line=4))},
    )


def test_an_own_module_is_replaced_and_not_merged():
    weak, strong = "module: {name: A, based_on: WROOM-32, uart_tx_pin: 4}", "module: {name: B, based_on: MINI-1}"
    assert _value(weak, strong) == CustomModule(Text("B", LINE), Text("MINI-1", LINE), {})


@pytest.mark.parametrize("text", ["{name: MY-BOARD}", "name = MY-BOARD\nuart_tx_pin = 4"])
def test_an_own_module_names_another_one(text):
    with pytest.raises(FormatError) as caught:
        _option("module", text)
    assert caught.value.code == "module-not-based"
    assert str(caught.value) == (
        "custom_at_module: module MY-BOARD doesn't name the module that it is based on\n"
        "  add based_on: WROOM-32, or whichever is nearest; esp-at modules lists them"
    )


# --- lists and mappings ---


@pytest.mark.parametrize("text", ["skip: a", "skip:\n- a", "skip: [a]"], ids=["one-name", "list", "brackets"])
def test_spellings_of_names_in_the_project_file(text):
    assert [name.text for name in _value(text)] == ["a"]


@pytest.mark.parametrize("text", ["a b", "[a, b]", "a\nb"], ids=repr)
def test_spellings_of_names(text):
    where = Place.at(option="custom_at_skip")
    assert _option("skip", text) == (Text("a", where), Text("b", where))


def test_values_are_merged():
    values = _value("factory_param: {a: 1, b: 2}", "factory_param: {b: 3, c: 4}")
    assert {name: text.text for name, text in values.items()} == {"a": "1", "b": "3", "c": "4"}


def test_certificates_are_merged_name_by_name():
    files = _value("pki: {a: [x, y], b: z}", "pki: {a: w}")
    assert {name: [file.label for file in found] for name, found in files.items()} == {"a": ["w"], "b": ["z"]}


def test_content_is_a_file_or_a_folder():
    content = _value("data: {a: x.bin, b: old.bin}", "data: {b: web/}")
    assert content == {"a": InputFile("x.bin", LINE, b"base/x.bin"), "b": InputFolder("web/", LINE, {"a": b"base/web"})}


# --- what a value is made from ---


@pytest.mark.parametrize(
    ("texts", "paths"),
    [
        pytest.param(["gatts: a", "gatts: b"], ["base/b"], id="path"),
        pytest.param(["board: my.json"], ["base/my.json"], id="board-file"),
        pytest.param(["board: my.json", "board: esp32dev"], [], id="board-id"),
        pytest.param(["pki: {a: [x, y], b: z}", "pki: {b: w}"], ["base/x", "base/y", "base/w"], id="certificates"),
        pytest.param(["data: {a: x, b: web/}"], ["base/x", "base/web"], id="content"),
        pytest.param(["firmware: fw.zip"], [], id="firmware"),
        pytest.param(["factory_param: {a: b}"], [], id="values"),
        pytest.param(["skip: a"], [], id="names"),
    ],
)
def test_inputs(texts, paths):
    assert _inputs(*texts) == paths


@pytest.mark.parametrize("text", ["gatts: [a]", "pki: x", "pki: {a: {b: c}}", "board: {a: b}"])
def test_inputs_refuse_what_values_refuse(text):
    with pytest.raises(FormatError) as of_value:
        _value(text)
    with pytest.raises(FormatError) as of_inputs:
        _inputs(text)
    assert str(of_inputs.value) == str(of_value.value)


# --- refusals ---


@pytest.mark.parametrize(
    ("text", "line", "code", "message", "hint"),
    [
        pytest.param(
            "port: [a]", 1, "option-invalid", "port must be text", "write port: /dev/ttyUSB1", id="list-for-text"
        ),
        pytest.param(
            "partitions: {a: b}",
            1,
            "option-invalid",
            "partitions must be a path",
            "write partitions: at_customize.csv",
            id="mapping-for-a-path",
        ),
        pytest.param(
            'partitions: "a\\0b"',
            1,
            "option-invalid",
            "partitions must be a path",
            "write partitions: at_customize.csv",
            id="nul-in-a-path",
        ),
        pytest.param(
            "skip: {a: b}",
            1,
            "option-invalid",
            "skip must be a list of names",
            "write skip: [ble_data, wpa2_ca]",
            id="mapping-for-names",
        ),
        pytest.param(
            "skip: [[a]]",
            1,
            "option-invalid",
            "skip must be a list of names",
            "write skip: [ble_data, wpa2_ca]",
            id="list-in-names",
        ),
        pytest.param(
            "factory_param: x",
            1,
            "option-invalid",
            "factory_param must be a mapping of names to values",
            "write factory_param: {uart_tx_pin: 17}",
            id="text-for-values",
        ),
        pytest.param(
            "factory_param: {a: }",
            1,
            "option-invalid",
            "factory_param.a has no value",
            "write one, or leave it out",
            id="blank-value",
        ),
        pytest.param(
            "module: {name: }",
            1,
            "option-invalid",
            "module.name has no value",
            "write one, or leave it out",
            id="blank-name-of-a-module",
        ),
        pytest.param(
            "pki:\n  a:", 2, "option-invalid", "pki.a has no value", "write one, or leave it out", id="blank-file"
        ),
        pytest.param(
            "skip: [{}]", 1, "option-invalid", "skip has no value", "write one, or leave it out", id="blank-name"
        ),
        pytest.param(
            "pki: x",
            1,
            "option-invalid",
            "pki must be a mapping of names to files",
            "write pki: {mqtt_ca: certs/ca.pem}",
            id="text-for-files",
        ),
        pytest.param(
            "pki:\n  a: []", 2, "option-invalid", "pki.a has no value", "write one, or leave it out", id="no-file"
        ),
        pytest.param(
            "module: {based_on: b}",
            1,
            "module-not-named",
            "a module of your own needs a name",
            "write name: GATEWAY-7",
            id="module-without-a-name",
        ),
        pytest.param(
            "module: [a]",
            1,
            "module-not-named",
            "a module of your own needs a name",
            "write name: GATEWAY-7",
            id="list-for-a-module",
        ),
        pytest.param(
            "pki: {a: [x, y, z]}", 1, "too-many-files", "a takes one or two files", "remove z", id="three-files"
        ),
        pytest.param("data: {a: [x, y]}", 1, "too-many-files", "a takes one file", "remove y", id="two-files-of-data"),
        pytest.param(
            "baud: 0", 1, "upload-speed-invalid", "baud must be above 0, not 0", "write baud: 460800", id="no-speed"
        ),
        pytest.param(
            "baud: -9600",
            1,
            "upload-speed-invalid",
            "baud must be above 0, not -9600",
            "write baud: 460800",
            id="negative-speed",
        ),
    ],
)
def test_refuses(text, line, code, message, hint):
    with pytest.raises(FormatError) as caught:
        _value(text)
    error = caught.value
    assert (error.place, error.code) == (Place.at(file="esp_at.yml", line=line), code)
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize(
    ("text", "line", "code", "message"),
    [
        pytest.param(
            "factory_param: {a: [1]}", 1, "option-invalid", "factory_param.a must be text", id="list-for-value"
        ),
        pytest.param("module: {name: [a]}", 1, "option-invalid", "module.name must be text", id="list-for-a-name"),
        pytest.param("pki:\n  a: {b: c}", 2, "option-invalid", "pki.a must be a path", id="mapping-for-a-file"),
        pytest.param("data:\n  a: {b: c}", 2, "option-invalid", "data.a must be a path", id="mapping-for-content"),
        pytest.param("baud: fast", 1, "not-a-number", "'fast' is not a whole number", id="word-for-a-speed"),
        pytest.param(
            "gatts: ~nosuchuserhere/x",
            1,
            "option-invalid",
            "gatts: there is no user of ~nosuchuserhere/x",
            id="home-of-nobody",
        ),
    ],
)
def test_refuses_the_value(text, line, code, message):
    with pytest.raises(FormatError) as caught:
        _value(text)
    assert (caught.value.place, caught.value.code) == (Place.at(file="esp_at.yml", line=line), code)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("option", "text", "code", "message", "hint"),
    [
        pytest.param(
            "factory_param",
            "17",
            "option-invalid",
            "factory_param must be a mapping of names to values",
            "write factory_param: {uart_tx_pin: 17}",
            id="number-for-values",
        ),
        pytest.param(
            "factory_param",
            "a =",
            "option-invalid",
            "factory_param.a has no value",
            "write one, or leave it out",
            id="name-without-a-value",
        ),
        pytest.param(
            "factory_param",
            "uart_tx_pin",
            "option-invalid",
            "uart_tx_pin has no value",
            "write uart_tx_pin=17",
            id="name-alone",
        ),
        pytest.param(
            "pki", "mqtt_ca", "option-invalid", "mqtt_ca has no value", "write mqtt_ca=certs/ca.pem", id="file-alone"
        ),
        pytest.param(
            "pki",
            "a = x.pem\na = y.pem",
            "option-twice",
            "'a' is given twice",
            "for two files, write a=[a.pem, b.pem]",
            id="file-twice",
        ),
        pytest.param(
            "module",
            "a = b",
            "module-not-named",
            "a module of your own needs a name",
            "write name: GATEWAY-7",
            id="module-without-a-name",
        ),
    ],
)
def test_option_refuses(option, text, code, message, hint):
    with pytest.raises(FormatError) as caught:
        _option(option, text)
    error = caught.value
    assert (error.code, error.where) == (code, f"custom_at_{option}")
    assert (error.message, error.hint) == (message, hint)


# --- completion and help ---


@pytest.mark.parametrize(
    ("name", "completes", "repeated", "metavar"),
    [
        ("firmware", Completes.FIRMWARE, False, "RELEASE|PATH|URL"),
        ("board", Completes.BOARDS, False, None),
        ("module", Completes.MODULES, False, None),
        ("partitions", Completes.FILES, False, "PATH"),
        ("factory_param", Completes.PARAMETERS, True, "NAME=VALUE"),
        ("pki", Completes.CERTIFICATES, True, "NAME=FILE"),
        ("gatts", Completes.FILES, False, "PATH"),
        ("data", Completes.CONTENT, True, "NAME=FILE"),
        ("skip", Completes.PARTITIONS, True, "NAME"),
        ("port", Completes.PORTS, False, None),
        ("baud", Completes.NOTHING, False, None),
    ],
)
def test_how_a_command_line_offers_it(name, completes, repeated, metavar):
    kind = OPTIONS[name].kind
    assert (kind.completes, kind.repeated, kind.metavar) == (completes, repeated, metavar)


def test_the_base_makes_no_value():
    with pytest.raises(TypeError, match="abstract"):
        Kind()


@pytest.mark.parametrize("name", ["factory_param", "pki", "data"])
def test_a_mapping_without_a_space_after_the_colon(name):
    node = parse_yaml("uart_tx_pin:17\n", Place.at(file="esp_at.yml"), has_lines=True)
    with pytest.raises(FormatError) as caught:
        OPTIONS[name].value([Given(node, BASE)], Files())
    assert (caught.value.code, caught.value.facts["option"]) == ("option-invalid", name)
    assert caught.value.hint == "write uart_tx_pin: 17, with a space after the colon"
