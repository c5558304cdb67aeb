"""The request: esp_at.yml, options of a host, a board's own, and the files that they name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from platformio_esp_at.errors import EspAtError, FormatError, UnknownNameError
from platformio_esp_at.project import (
    OPTIONS,
    CustomModule,
    Firmware,
    InputFile,
    Kind,
    Layer,
    Request,
    Text,
    firmware_of,
    layer_of_board,
    layer_of_options,
    make_request,
    option_text,
    read_project,
)

FILES = {
    "fw.zip": b"zip",
    "user.csv": b"# csv",
    "gatts.csv": b"index",
    "certs/ca.pem": b"ca",
    "certs/one.pem": b"one",
    "certs/two.pem": b"two",
    "table.bin": b"table",
}

PROJECT = """\
firmware: fw.zip
board: esp32dev
module: WROOM-32
partitions: user.csv
factory_param:
  uart_tx_pin: 17
  country_code: NO
pki:
  mqtt_ca: certs/ca.pem
  client_cert: [certs/one.pem, certs/two.pem]
gatts: gatts.csv
data:
  my_partition: table.bin
skip: [ble_data, server_ca]
port: /dev/ttyUSB0
baud: 921600
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, data in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
    return tmp_path


def _project(folder: Path, text: str | bytes) -> Layer:
    (folder / "esp_at.yml").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_project(folder)


def _options(folder: Path, **options: str) -> Layer:
    return layer_of_options(options, base=folder, spelling="custom_at_{}".format)


def _request(folder: Path, text: str) -> Request:
    return make_request([_project(folder, f"firmware: fw.zip\n{text}")])


# --- every option ---


def test_every_option_in_the_project_file(folder):
    request = make_request([_project(folder, PROJECT)])
    assert request == Request(
        module=Text("WROOM-32", "esp_at.yml:3"),
        partitions=InputFile("user.csv", "esp_at.yml:4", b"# csv"),
        factory_param={"uart_tx_pin": Text("17", "esp_at.yml:6"), "country_code": Text("NO", "esp_at.yml:7")},
        pki={
            "mqtt_ca": (InputFile("certs/ca.pem", "esp_at.yml:9", b"ca"),),
            "client_cert": (
                InputFile("certs/one.pem", "esp_at.yml:10", b"one"),
                InputFile("certs/two.pem", "esp_at.yml:10", b"two"),
            ),
        },
        gatts=InputFile("gatts.csv", "esp_at.yml:11", b"index"),
        data={"my_partition": InputFile("table.bin", "esp_at.yml:13", b"table")},
        skip=(Text("ble_data", "esp_at.yml:14"), Text("server_ca", "esp_at.yml:14")),
        port="/dev/ttyUSB0",
        baud=921600,
    )
    assert {line.partition(":")[0] for line in PROJECT.splitlines() if line[0] != " "} == {
        option.name for option in OPTIONS
    }


def test_every_option_as_text_of_the_host(folder):
    request = make_request(
        [
            _options(
                folder,
                firmware="fw.zip",
                board="esp32dev",
                module="WROOM-32",
                partitions="user.csv",
                factory_param="uart_tx_pin = 17\ncountry_code = NO",
                pki="mqtt_ca = certs/ca.pem\nclient_cert = [certs/one.pem, certs/two.pem]",
                gatts=" gatts.csv ",
                data="my_partition=table.bin",
                skip="ble_data, server_ca",
                port="COM3",
                baud="0x1C200",
            )
        ]
    )
    assert request.module == Text("WROOM-32", "custom_at_module")
    assert request.partitions == InputFile("user.csv", "custom_at_partitions", b"# csv")
    assert {name: text.text for name, text in request.factory_param.items()} == {
        "uart_tx_pin": "17",
        "country_code": "NO",
    }
    assert {name: [file.data for file in files] for name, files in request.pki.items()} == {
        "mqtt_ca": [b"ca"],
        "client_cert": [b"one", b"two"],
    }
    assert request.gatts.data == b"index"
    assert request.data["my_partition"] == InputFile("table.bin", "custom_at_data", b"table")
    assert [name.text for name in request.skip] == ["ble_data", "server_ca"]
    assert (request.port, request.baud) == ("COM3", 115200)


def test_nothing_but_the_firmware(folder):
    assert make_request([_options(folder, firmware="fw.zip", module="  ")]) == Request()


def _values(request: Request) -> dict[str, str]:
    return {name: text.text for name, text in request.factory_param.items()}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("uart_tx_pin = 1\nuart_rx_pin = 3", id="lines-with-equals"),
        pytest.param("\n  uart_tx_pin = 1\n\n  uart_rx_pin=3\n", id="indented-lines-with-equals"),
        pytest.param("uart_tx_pin: 1\nuart_rx_pin: 3", id="yaml-lines"),
        pytest.param("{uart_tx_pin: 1, uart_rx_pin: 3}", id="yaml-in-one-line"),
        pytest.param('{"uart_tx_pin": "1", "uart_rx_pin": 3}', id="json"),
    ],
)
def test_spellings_of_values(folder, text):
    request = make_request([_options(folder, firmware="fw.zip", factory_param=text)])
    assert _values(request) == {"uart_tx_pin": "1", "uart_rx_pin": "3"}
    assert request.factory_param["uart_rx_pin"].where == "custom_at_factory_param"


@pytest.mark.parametrize("text", ["a b", "a, b", "a,b", "[a, b]", "a\nb", " a ,\n b "], ids=repr)
def test_spellings_of_names(folder, text):
    request = make_request([_options(folder, firmware="fw.zip", skip=text)])
    assert request.skip == (Text("a", "custom_at_skip"), Text("b", "custom_at_skip"))


@pytest.mark.parametrize("text", ["skip: a", "skip:\n- a"], ids=["one-name", "list"])
def test_spellings_of_names_in_the_project_file(folder, text):
    assert [name.text for name in _request(folder, text).skip] == ["a"]


CUSTOM = CustomModule(
    Text("MY-BOARD", "custom_at_module"),
    Text("WROOM-32", "custom_at_module"),
    {"uart_tx_pin": Text("4", "custom_at_module")},
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{name: MY-BOARD, based_on: WROOM-32, uart_tx_pin: 4}", id="one-line"),
        pytest.param("name = MY-BOARD\nbased_on = WROOM-32\nuart_tx_pin = 4", id="lines-with-equals"),
        pytest.param("name: MY-BOARD\nbased_on: WROOM-32\nuart_tx_pin: 4", id="yaml-lines"),
    ],
)
def test_spellings_of_an_own_module(folder, text):
    assert make_request([_options(folder, firmware="fw.zip", module=text)]).module == CUSTOM


def test_own_module_in_the_project_file(folder):
    module = _request(folder, "module:\n  name: MY-BOARD\n").module
    assert module == CustomModule(Text("MY-BOARD", "esp_at.yml:3"), None, {})


@pytest.mark.parametrize("word", ["NO", "yes", "null", "~", "0x10", "1e3", "2024-01-01", "010", "1_000"])
def test_a_value_stays_the_text_that_was_written(folder, word):
    assert _values(_request(folder, f"factory_param: {{country_code: {word}}}")) == {"country_code": word}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"], ids=repr)
def test_empty_project_file(folder, text):
    assert _project(folder, text) == Layer(folder, {})


def test_no_project_file(tmp_path):
    assert read_project(tmp_path) == Layer(tmp_path, {})


def test_project_file_with_a_byte_order_mark(folder):
    assert firmware_of([_project(folder, "\ufefffirmware: fw.zip")]).path == folder / "fw.zip"


# --- layers ---


def test_a_later_layer_wins(folder):
    weak = _project(folder, PROJECT)
    strong = _options(folder, module="MINI-1", skip="fatfs", port="COM3", gatts="user.csv")
    request = make_request([weak, strong])
    assert request.module == Text("MINI-1", "custom_at_module")
    assert [name.text for name in request.skip] == ["fatfs"]
    assert (request.port, request.baud) == ("COM3", 921600)
    assert request.gatts.label == "user.csv"


def test_mappings_are_merged(folder):
    strong = _options(
        folder, factory_param="uart_tx_pin = 1\nuart_rx_pin = 3", pki="mqtt_ca = certs/two.pem", data="other=table.bin"
    )
    request = make_request([_project(folder, PROJECT), strong])
    assert _values(request) == {"uart_tx_pin": "1", "country_code": "NO", "uart_rx_pin": "3"}
    assert [file.data for file in request.pki["mqtt_ca"]] == [b"two"]
    assert len(request.pki["client_cert"]) == 2
    assert set(request.data) == {"my_partition", "other"}


def test_an_own_module_is_replaced_and_not_merged(folder):
    weak = _project(folder, "firmware: fw.zip\nmodule: {name: A, based_on: WROOM-32}")
    assert make_request([weak, _options(folder, module="{name: B}")]).module == CustomModule(
        Text("B", "custom_at_module"), None, {}
    )


def test_paths_start_at_the_layers_own_folder(folder):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "user.csv").write_bytes(b"inner")
    layers = [_project(folder, "firmware: fw.zip"), _options(inner, partitions="user.csv")]
    request = make_request(layers)
    assert firmware_of(layers).path == folder / "fw.zip"
    assert request.partitions.data == b"inner"
    assert firmware_of([_options(inner, firmware=str(folder / "fw.zip"))]).path == folder / "fw.zip"


def test_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert firmware_of([_options(folder / "else", firmware="~/fw.zip")]).path == folder / "fw.zip"


def test_option_text(folder):
    layers = [_options(folder, board="one"), _options(folder, board="two"), _options(folder, port="COM3")]
    assert option_text(layers, "board") == Text("two", "custom_at_board")
    assert option_text(layers, "baud") is None


def test_board(folder):
    own = {
        "module": "WROOM-32",
        "chip": "esp32",
        "firmware": "fw.zip",
        "baud": 460800,
        "skip": ["ble_data"],
        "factory_param": {"uart_tx_pin": 4},
        "pki": "mqtt_ca = certs/ca.pem",
    }
    request = make_request([layer_of_board("my_board", own, base=folder)])
    assert (request.module, request.baud) == (None, 460800)
    assert request.skip == (Text("ble_data", "board my_board, at"),)
    assert request.factory_param == {"uart_tx_pin": Text("4", "board my_board, at")}
    assert request.pki["mqtt_ca"][0].data == b"ca"


def test_unknown_option_of_a_board(folder):
    with pytest.raises(UnknownNameError) as caught:
        layer_of_board("my_board", {"firmwares": "x"}, base=folder)
    assert str(caught.value) == "board my_board, at: unknown option 'firmwares'\n  did you mean firmware?"


# --- what is wrong in the project file ---


@pytest.mark.parametrize(
    ("text", "where", "message", "hint"),
    [
        pytest.param("modul: x\n", "esp_at.yml:1", "unknown option 'modul'", "did you mean module?", id="misspelt"),
        pytest.param("zzz: x\n", "esp_at.yml:1", "unknown option 'zzz'", "known: baud, board,", id="unknown"),
        pytest.param("\n\nport: 1\nport: 2\n", "esp_at.yml:4", "'port' is given twice", None, id="twice"),
        pytest.param(
            "data:\n  a: 1\n  a: 2\n", "esp_at.yml:3", "'a' is given twice", None, id="twice-inside-a-mapping"
        ),
        pytest.param(
            "pki: &a {x: y}\ndata: *a\n", "esp_at.yml:1", "YAML aliases are not supported here", None, id="alias"
        ),
        pytest.param("data: &a {x: *a}\n", "esp_at.yml:1", "YAML aliases are not supported here", None, id="loop"),
        pytest.param("data: *a\n", "esp_at.yml:1", "not YAML: found undefined alias 'a'", None, id="unknown-alias"),
        pytest.param("[a]: b\n", "esp_at.yml:1", "a key must be a name", None, id="list-as-a-key"),
        pytest.param(
            "port: x\n\tbaud: 1\n",
            "esp_at.yml:2",
            "not YAML: found character '\\t' that cannot start any token",
            None,
            id="tab",
        ),
        pytest.param(
            "port: [1\nbaud: 2\n", "esp_at.yml:2", "not YAML: expected ',' or ']', but got ':'", None, id="open-bracket"
        ),
        pytest.param("- port\n", "esp_at.yml", "it must be a mapping of options", "known: firmware, ", id="list"),
        pytest.param("port\n", "esp_at.yml", "it must be a mapping of options", "known: firmware, ", id="text"),
        pytest.param(
            "a: 1\n---\nb: 2\n", "esp_at.yml:2", "not YAML: but found another document", None, id="two-documents"
        ),
        pytest.param(b"port: x\nbaud: \xff\n", "esp_at.yml:2", "not UTF-8 text", None, id="not-text"),
        pytest.param("port: \x01\n", "esp_at.yml", "not YAML: the character U+0001 can't be in it", None, id="control"),
        pytest.param("[" * 5000, "esp_at.yml", "not YAML: maximum recursion depth exceeded", None, id="nested"),
        pytest.param(
            b"#" * ((1 << 20) + 1), None, "esp_at.yml is larger than 1MB", None, id="larger-than-anybody-writes"
        ),
    ],
)
def test_project_file_refuses(tmp_path, text, where, message, hint):
    with pytest.raises(EspAtError) as caught:
        _project(tmp_path, text)
    assert caught.value.where == where
    assert caught.value.message.startswith(message)
    assert caught.value.hint is None if hint is None else caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        pytest.param("port: [a]", "esp_at.yml:2", "port must be text", id="list-for-text"),
        pytest.param("partitions: {a: b}", "esp_at.yml:2", "partitions must be a path", id="mapping-for-a-path"),
        pytest.param('partitions: "a\\0b"', "esp_at.yml:2", "partitions must be a path", id="nul-in-a-path"),
        pytest.param("skip: {a: b}", "esp_at.yml:2", "skip must be a list of names", id="mapping-for-names"),
        pytest.param("skip: [[a]]", "esp_at.yml:2", "skip must be a list of names", id="list-in-names"),
        pytest.param(
            "factory_param: x",
            "esp_at.yml:2",
            "factory_param must be a mapping of names to values",
            id="text-for-values",
        ),
        pytest.param("factory_param: {a: }", "esp_at.yml:2", "factory_param.a has no value", id="blank-value"),
        pytest.param("module: {name: }", "esp_at.yml:2", "module.name has no value", id="blank-name-of-a-module"),
        pytest.param("pki:\n  a:", "esp_at.yml:3", "pki.a has no value", id="blank-file"),
        pytest.param("skip: [{}]", "esp_at.yml:2", "skip has no value", id="blank-name"),
        pytest.param("factory_param: {a: [1]}", "esp_at.yml:2", "factory_param.a must be text", id="list-for-a-value"),
        pytest.param("pki: x", "esp_at.yml:2", "pki must be a mapping of names to files", id="text-for-files"),
        pytest.param("pki:\n  a: {b: c}", "esp_at.yml:3", "pki.a must be a path", id="mapping-for-a-file"),
        pytest.param("pki:\n  a: []", "esp_at.yml:3", "pki.a has no value", id="no-file"),
        pytest.param("pki: {a: [x, y, z]}", "esp_at.yml:2", "a takes one or two files", id="three-certificates"),
        pytest.param("data: {a: [x, y]}", "esp_at.yml:2", "a takes one file", id="two-files-of-data"),
        pytest.param("module: [a]", "esp_at.yml:2", "a module of your own needs a name", id="list-for-a-module"),
        pytest.param(
            "module: {based_on: b}", "esp_at.yml:2", "a module of your own needs a name", id="module-without-a-name"
        ),
        pytest.param("baud: fast", "esp_at.yml:2", "'fast' is not a whole number", id="word-for-a-speed"),
        pytest.param("baud: 0", "esp_at.yml:2", "baud must be above 0, not 0", id="no-speed"),
        pytest.param("baud: -9600", "esp_at.yml:2", "baud must be above 0, not -9600", id="negative-speed"),
        pytest.param(
            "gatts: ~nosuchuserhere/x",
            "esp_at.yml:2",
            "gatts: there is no user of ~nosuchuserhere/x",
            id="home-of-nobody",
        ),
    ],
)
def test_request_refuses(folder, text, where, message):
    with pytest.raises(FormatError) as caught:
        _request(folder, text)
    assert (caught.value.where, caught.value.message) == (where, message)


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        pytest.param(
            "factory_param", "17", "factory_param must be a mapping of names to values", id="number-for-values"
        ),
        pytest.param("factory_param", "a =", "factory_param.a has no value", id="name-without-a-value"),
        pytest.param("factory_param", "a", "a has no value", id="name-alone"),
        pytest.param("factory_param", "a = 1\na=2", "'a' is given twice", id="twice"),
        pytest.param("factory_param", "{a: 1, a: 2}", "'a' is given twice", id="twice-in-yaml"),
        pytest.param("pki", "a = x.pem\na = y.pem", "'a' is given twice", id="file-twice"),
        pytest.param("factory_param", "a = 1\nb: 2", "'b: 2' is not name = value, as other lines are", id="mixed"),
        pytest.param("factory_param", "a: 1\nb = 2", "'a: 1' is not name = value, as other lines are", id="mixed-too"),
        pytest.param("module", "a = b", "a module of your own needs a name", id="module-without-a-name"),
    ],
)
def test_option_refuses(folder, option, text, message):
    with pytest.raises(FormatError) as caught:
        make_request([_options(folder, firmware="fw.zip", **{option: text})])
    assert (caught.value.where, caught.value.message) == (f"custom_at_{option}", message)


@pytest.mark.parametrize(
    ("option", "text", "hint"),
    [
        ("factory_param", "uart_tx_pin", "write uart_tx_pin=17"),
        ("pki", "mqtt_ca", "write mqtt_ca=certs/ca.pem"),
        ("factory_param", "17", "write it as {uart_tx_pin: 17}"),
        ("factory_param", "a = 1\nb: 2", "write b = 2"),
        ("factory_param", "a = 1\nb", "write NAME = VALUE"),
        ("pki", "a = x.pem\na = y.pem", "for two files, write a=[a.pem, b.pem]"),
    ],
)
def test_option_says_how_to_write_it(folder, option, text, hint):
    with pytest.raises(FormatError) as caught:
        make_request([_options(folder, firmware="fw.zip", **{option: text})])
    assert caught.value.hint == hint


def test_a_comma_is_part_of_a_path(folder):
    (folder / "a,b.pem").write_bytes(b"comma")
    request = make_request([_options(folder, firmware="fw.zip", pki="mqtt_ca=a,b.pem\nother=['a,b.pem', fw.zip]")])
    assert [file.data for file in request.pki["mqtt_ca"]] == [b"comma"]
    assert [file.data for file in request.pki["other"]] == [b"comma", b"zip"]
    with pytest.raises(EspAtError) as caught:
        make_request([_options(folder, firmware="fw.zip", pki="mqtt_ca=certs/one.pem, certs/two.pem")])
    assert caught.value.hint.endswith("; a list of files is written [a.pem, b.pem]")


@pytest.mark.parametrize("value", ["", "~", "null", '""', "[]", "{}", "  # nothing"], ids=repr)
def test_a_blank_option_of_the_project_file_is_not_given(folder, value):
    text = "".join(f"{option.name}: {value}\n" for option in OPTIONS if option.name != "firmware")
    assert _request(folder, text) == Request()


def test_a_blank_option_of_a_board_is_not_given(folder):
    own = {"firmware": "fw.zip", "gatts": "", "skip": [], "pki": {}, "port": None}
    assert make_request([layer_of_board("b", own, base=folder)]) == Request()


def test_unknown_option_of_the_host(folder):
    with pytest.raises(UnknownNameError) as caught:
        _options(folder, firmwar="x")
    assert str(caught.value) == "custom_at_firmwar: unknown option 'firmwar'\n  did you mean firmware?"


# --- the project file itself ---


def _refused_project(folder: Path) -> str:
    with pytest.raises(EspAtError) as caught:
        read_project(folder)
    return str(caught.value)


def test_project_file_of_another_name(tmp_path):
    (tmp_path / "esp_at.yaml").write_text("module: WROOM-32")
    assert _refused_project(tmp_path) == "esp_at.yaml is not read\n  rename it to esp_at.yml"
    (tmp_path / "esp_at.yml").write_text("module: WROOM-32")
    assert read_project(tmp_path).options


def test_project_file_that_is_a_folder(tmp_path):
    (tmp_path / "esp_at.yml").mkdir()
    assert _refused_project(tmp_path) == "esp_at.yml can't be read: it is a folder, a file is needed"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="need named pipes")
def test_project_file_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "esp_at.yml")
    assert _refused_project(tmp_path) == "esp_at.yml can't be read: it is neither a file nor a folder"


def test_project_folder_that_is_closed(tmp_path, monkeypatch):
    def closed(*_args: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "esp_at.yml"))

    monkeypatch.setattr(os, "stat", closed)
    monkeypatch.setattr(os, "lstat", closed)
    assert _refused_project(tmp_path) == "esp_at.yml can't be read: Permission denied"


# --- boards ---


def test_the_path_of_a_board_starts_at_the_layers_own_folder(folder):
    layers = [_project(folder, "board: own/my.json"), _options(folder / "inner", port="COM3")]
    assert option_text(layers, "board") == Text(str(folder / "own/my.json"), "esp_at.yml:1")
    assert option_text([*layers, _options(folder / "inner", board="my.json")], "board") == Text(
        str(folder / "inner/my.json"), "custom_at_board"
    )
    assert option_text([_options(folder, board=str(folder / "x.JSON"))], "board").text == str(folder / "x.JSON")
    assert option_text([_options(folder, board="none")], "board").text == "none"


# --- files ---


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="need named pipes")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("firmware: pipe", "firmware package 'pipe' is neither a file nor a folder"),
        ("firmware: /dev/zero", "firmware package '/dev/zero' is neither a file nor a folder"),
        ("firmware: fw.zip\npki: {a: pipe}", "pipe can't be read: it is neither a file nor a folder"),
        ("firmware: fw.zip\ndata: {a: pipe}", "pipe can't be read: it is neither a file nor a folder"),
        ("firmware: fw.zip\ndata: {a: in}", "in/pipe can't be read: it is neither a file nor a folder"),
    ],
)
def test_what_would_never_end_is_not_opened(folder, text, message):
    (folder / "in").mkdir()
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "in/pipe")
    layers = [_project(folder, text)]
    read = make_request if "fw.zip" in text else firmware_of
    with pytest.raises(EspAtError) as caught:
        read(layers)
    assert caught.value.message == message


def test_a_closed_folder_inside_data(folder, monkeypatch):
    scandir = os.scandir

    def closed(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    (folder / "in/closed").mkdir(parents=True)
    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(EspAtError) as caught:
        _request(folder, "data: {a: in}")
    assert str(caught.value) == "esp_at.yml:2: in/closed can't be read: Permission denied"


def test_labels_tell_nothing_of_the_machine(folder):
    request = _request(folder, f"gatts: {folder}/gatts.csv\ndata: {{a: {folder}/certs, b: certs, c: ./table.bin}}")
    assert request.gatts.label == "gatts.csv"
    assert [source.label for source in request.data.values()] == ["certs", "certs", "./table.bin"]


def test_different_files_have_different_labels(folder):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "ca.pem").write_bytes(b"inner")
    (inner / "table.bin").write_bytes(b"inner")
    paths = [folder / "certs/ca.pem", inner / "ca.pem", inner / "../certs/ca.pem", "certs/ca.pem"]
    pki = "\n".join(f"key{number} = {path}" for number, path in enumerate(paths))
    layers = [_project(folder, "firmware: fw.zip\ndata: {a: table.bin}"), _options(inner, data="b = table.bin")]
    request = make_request([*layers, _options(folder, pki=pki)])
    assert [file.label for files in request.pki.values() for file in files] == [
        "ca.pem",
        "ca.pem (2)",
        "ca.pem",
        "certs/ca.pem",
    ]
    assert [file.label for file in request.data.values()] == ["table.bin", "table.bin (2)"]


def test_a_label_can_be_shown(folder):
    (folder / "a\x1b.csv").write_bytes(b"x")
    assert _request(folder, 'gatts: "a\\e.csv"').gatts.label == "a\\x1b.csv"


# --- files that are missing ---


def test_no_firmware(folder):
    with pytest.raises(EspAtError) as caught:
        firmware_of([_project(folder, "module: WROOM-32")])
    assert caught.value.message == "no firmware package is named"
    for way in (
        "firmware: latest into esp_at.yml",
        "custom_at_firmware = latest",
        "--firmware latest",
        "path of a zip",
    ):
        assert way in caught.value.hint


LOOKED_FOR = "looked for {path}"
NO_RELEASE = "it is no release either: those are written v4.1.1.0; see esp-at releases"


@pytest.mark.parametrize(
    ("firmware", "hint"),
    [
        pytest.param("other.zip", f"{LOOKED_FOR}\n{NO_RELEASE}", id="file"),
        pytest.param("x" * 300, f"{LOOKED_FOR}\n{NO_RELEASE}", id="name-too-long"),
        pytest.param("v2.zip", f"{LOOKED_FOR}\n{NO_RELEASE}", id="file-like-a-release"),
        pytest.param("lastest", "looked for {path}\ndid you mean latest?", id="nearly-latest"),
        pytest.param(
            "ESP32-SOLO-1-AT-V4.1.1.0.zip",
            "looked for {path}\ndid you mean ESP32-SOLO-AT-V4.1.1.0 or ESP32-SOLO-AT-V4.1.0.0 or "
            "ESP32-SOLO-AT-V3.2.1.0?",
            id="near-a-released-package",
        ),
    ],
)
def test_firmware_that_is_not_there(folder, firmware, hint):
    with pytest.raises(EspAtError) as caught:
        firmware_of([_project(folder, f"firmware: {firmware}")])
    assert caught.value.where == "esp_at.yml:1"
    assert caught.value.message == f"firmware package {firmware!r} is not there"
    assert caught.value.hint == hint.format(path=folder / firmware)


@pytest.mark.parametrize(
    "text",
    ["v4.1.1.0", "4.1.1.0", "V2.0", "latest", "https://example.com/a.zip", "ESP32-SOLO-AT-V4.1.1.0", "FILE:///a.zip"],
)
def test_firmware_by_name(folder, text):
    assert firmware_of([_project(folder, f"firmware: {text}")]) == Firmware(Text(text, "esp_at.yml:1"))


def test_a_file_goes_before_a_released_package_of_its_name(folder):
    file = folder / "ESP32-SOLO-AT-V4.1.1.0.zip"
    file.write_bytes(b"")
    assert firmware_of([_project(folder, f"firmware: {file.name}")]).path == file


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("partitions: none.csv", "none.csv is not there", "looked for ", id="partitions"),
        pytest.param("gatts: none.csv", "none.csv is not there", "looked for ", id="gatts"),
        pytest.param("pki: {mqtt_ca: [certs/one.pem, none.pem]}", "none.pem is not there", "looked for ", id="pki"),
        pytest.param("data: {a: none.bin}", "none.bin is not there", "looked for ", id="data"),
        pytest.param("data: {a: table.bin/x}", "table.bin/x is not there", "looked for ", id="file-as-a-folder"),
        pytest.param("gatts: certs", "certs ", None, id="folder-for-a-file"),
    ],
)
def test_file_that_cant_be_read(folder, text, message, hint):
    with pytest.raises(EspAtError) as caught:
        _request(folder, text)
    assert caught.value.where == "esp_at.yml:2"
    assert caught.value.message.startswith(message)
    assert hint is None or caught.value.hint.startswith(hint + str(folder))


def test_file_larger_than_any_flash(folder):
    with (folder / "table.bin").open("wb") as stream:
        stream.truncate((16 << 20) + 1)
    with pytest.raises(EspAtError) as caught:
        _request(folder, "data: {a: table.bin}")
    assert str(caught.value) == "esp_at.yml:2: table.bin is larger than 16MB"


# --- values ---


@pytest.mark.parametrize(
    ("text", "number"), [("17", 17), ("-1", -1), ("0x11", 17), ("0", 0), ("115200", 115200), (" 5 ", 5)]
)
def test_number(text, number):
    assert Text(text, "here").number() == number


@pytest.mark.parametrize(
    "text", ["", "x", "1.5", "010", "17 # tx", "0x", "9" * 5000, "1_7", "0o20", "0b1", "4K", "\uff17"]
)
def test_no_number(text):
    with pytest.raises(FormatError) as caught:
        Text(text, "esp_at.yml:3").number()
    assert str(caught.value).startswith(f"esp_at.yml:3: {text!r} ")
    assert caught.value.hint.endswith("in hex as 0x…")


def test_text_of_a_file():
    assert InputFile("a.csv", "here", "\ufeffü".encode()).text() == "ü"
    with pytest.raises(FormatError) as caught:
        InputFile("a.csv", "here", b"a\nb\n\xff").text()
    assert str(caught.value) == "a.csv:3: not UTF-8 text"


def test_secrets_are_not_in_the_repr():
    assert "one" not in repr(InputFile("key.pem", "here", b"one"))


def test_every_option_has_a_sentence():
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)
    assert {option.kind for option in OPTIONS} == set(Kind)
    assert all(option.help and not option.help.endswith(".") for option in OPTIONS)
