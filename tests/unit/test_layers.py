"""Options of several sources become one request: a later layer wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from project_layers import options_layer, project_layer, write_files

from platformio_esp_at.errors import EspAtError, Place, Spelling, UnknownNameError, spelled
from platformio_esp_at.request.layers import (
    input_paths,
    layer_of_board,
    make_request,
    own_options,
    wanted_board,
)
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import CustomModule, Speed, Text

if TYPE_CHECKING:
    from pathlib import Path


PROJECT = """\
firmware: fw.zip
board: esp32dev
module: WROOM-32
factory_param: {uart_tx_pin: 17, country_code: NO}
pki:
  mqtt_ca: certs/ca.pem
  client_cert: [certs/one.pem, certs/two.pem]
gatts: gatts.csv
data: {my_partition: table.bin}
skip: [ble_data, server_ca]
port: /dev/ttyUSB0
baud: 921600
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_files(tmp_path)


def _at(option: str) -> Place:
    return Place.at(option=f"custom_at_{option}")


# --- which value counts ---


def test_a_later_layer_wins(folder):
    weak = project_layer(folder, PROJECT)
    strong = options_layer(folder, module="MINI-1", skip="fatfs", port="COM3", gatts="user.csv")
    request = make_request([weak, strong])
    assert request.module == Text("MINI-1", _at("module"))
    assert [name.text for name in request.skip] == ["fatfs"]
    assert request.port == Text("COM3", _at("port"))
    assert request.baud == Speed(921600, Place.at(file="esp_at.yml", line=12))
    assert request.gatts.label == "user.csv"


def test_mappings_are_merged(folder):
    strong = options_layer(
        folder, factory_param="uart_tx_pin = 1\nuart_rx_pin = 3", pki="mqtt_ca = certs/two.pem", data="other=table.bin"
    )
    request = make_request([project_layer(folder, PROJECT), strong])
    values = {name: text.text for name, text in request.factory_param.items()}
    assert values == {"uart_tx_pin": "1", "country_code": "NO", "uart_rx_pin": "3"}
    assert [file.data for file in request.pki["mqtt_ca"]] == [b"two"]
    assert len(request.pki["client_cert"]) == 2
    assert set(request.data) == {"my_partition", "other"}


def test_an_own_module_is_replaced_and_not_merged(folder):
    weak = project_layer(folder, "module: {name: A, based_on: WROOM-32, uart_tx_pin: 4}")
    strong = options_layer(folder, module="{name: B, based_on: MINI-1}")
    assert make_request([weak, strong]).module == CustomModule(
        Text("B", _at("module")), Text("MINI-1", _at("module")), {}
    )


def test_an_own_module_of_a_later_layer_takes_nothing_from_an_earlier_one(folder):
    weak = project_layer(folder, "module: {name: A, based_on: WROOM-32}")
    with pytest.raises(EspAtError) as caught:
        make_request([weak, options_layer(folder, module="{name: B}")])
    assert (caught.value.code, caught.value.place) == ("module-not-based", _at("module"))


# --- where paths start ---


def test_paths_start_at_the_layers_own_folder(folder):
    inner = folder / "inner"
    inner.mkdir()
    (inner / "user.csv").write_text("inner")
    request = make_request([project_layer(folder, "firmware: fw.zip"), options_layer(inner, partitions="user.csv")])
    assert request.firmware.path == folder / "fw.zip"
    assert request.partitions.data == b"inner"
    assert make_request([options_layer(inner, firmware=str(folder / "fw.zip"))]).firmware.path == folder / "fw.zip"


def test_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert make_request([options_layer(folder / "else", firmware="~/fw.zip")]).firmware.path == folder / "fw.zip"


# --- the board that carries the module ---


def test_wanted_board(folder):
    layers = [
        options_layer(folder, board="one"),
        options_layer(folder, board="two"),
        options_layer(folder, port="COM3"),
    ]
    assert wanted_board(layers) == Text("two", _at("board"))
    assert wanted_board(layers[2:]) is None


def test_the_board_is_known_before_other_options_are_read(folder):
    layers = [options_layer(folder, firmware="none.zip", gatts="none.csv", board="one")]
    assert wanted_board(layers) == Text("one", _at("board"))


def test_the_path_of_a_board_starts_at_the_layers_own_folder(folder):
    layers = [project_layer(folder, "board: own/my.json"), options_layer(folder / "inner", port="COM3")]
    of_project = Text(str(folder / "own/my.json"), Place.at(file="esp_at.yml", line=1))
    assert wanted_board(layers) == make_request(layers).board == of_project
    inner = [*layers, options_layer(folder / "inner", board="my.json")]
    assert wanted_board(inner) == Text(str(folder / "inner/my.json"), _at("board"))
    assert wanted_board([options_layer(folder, board=str(folder / "x.JSON"))]).text == str(folder / "x.JSON")
    assert wanted_board([options_layer(folder, board="none")]).text == "none"


# --- the options of a board ---


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
    where = Place.at(board="my_board", option="at")
    assert (request.module, request.baud) == (None, Speed(460800, where))
    assert request.skip == (Text("ble_data", where),)
    assert request.factory_param == {"uart_tx_pin": Text("4", where)}
    assert request.pki["mqtt_ca"][0].data == b"ca"
    assert request.firmware.path == folder / "fw.zip"


def test_a_blank_option_of_a_board_is_not_set(folder):
    own = {"gatts": "", "skip": [], "pki": {}, "port": None, "partitions": " ", "module": "WROOM-32"}
    assert make_request([layer_of_board("b", own, base=folder)]) == Request()


def test_unknown_option_of_a_board(folder):
    with pytest.raises(UnknownNameError) as caught:
        layer_of_board("my_board", {"firmwares": "x"}, base=folder)
    assert str(caught.value) == "board my_board:at: unknown option 'firmwares'\n  did you mean firmware?"
    assert (caught.value.code, caught.value.facts["board"]) == ("unknown-option", "my_board")


def test_unknown_option_of_the_host(folder):
    with pytest.raises(UnknownNameError) as caught:
        options_layer(folder, firmwar="x")
    assert str(caught.value) == "custom_at_firmwar: unknown option 'firmwar'\n  did you mean firmware?"
    assert (caught.value.code, caught.value.facts["name"]) == ("unknown-option", "firmwar")


def test_an_unknown_option_is_refused_though_it_is_blank(folder):
    with pytest.raises(UnknownNameError):
        options_layer(folder, firmwar=" ")
    with pytest.raises(UnknownNameError):
        layer_of_board("my_board", {"firmwares": ""}, base=folder)


# --- what a request is made from ---


def test_input_paths_are_what_the_request_reads(folder):
    layers = [
        project_layer(folder, f"{PROJECT}partitions: user.csv\n"),
        options_layer(folder, board="my.json", pki="mqtt_ca = certs/two.pem"),
    ]
    paths = [path.relative_to(folder).as_posix() for path in input_paths(iter(layers))]
    assert paths == [
        "my.json",
        "user.csv",
        "certs/two.pem",
        "certs/one.pem",
        "certs/two.pem",
        "gatts.csv",
        "table.bin",
    ]


def test_layers_may_be_an_iterator(folder):
    layers = [project_layer(folder, PROJECT), options_layer(folder, port="COM3")]
    assert make_request(iter(layers)) == make_request(layers)
    assert wanted_board(iter(layers)) == wanted_board(layers)


# --- the options of a host among those of others ---

INI = "platformio.ini [env:a]"


def test_own_options_are_told_from_those_of_others():
    options = {"custom_at_module": "WROOM-32", "board": "esp32dev", "custom_at_baud": 9600}
    assert own_options(options, "custom_at_", place=INI) == {"module": "WROOM-32", "baud": "9600"}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("custom_esp_at_module", "module"),
        ("custom_esp_at_modul", "module"),
        ("custom_espat_firmware", "firmware"),
        ("custom_esp32_at_port", "port"),
        ("custom_at-factory-param", "factory_param"),
        ("custom_atmodule", "module"),
        ("CUSTOM_AT_MODULE", "module"),
    ],
)
def test_a_misspelt_prefix_is_refused(name, near):
    with pytest.raises(UnknownNameError) as caught:
        own_options({name: "x"}, "custom_at_", place=INI)
    error = caught.value
    assert (error.code, error.where, error.facts["name"]) == ("unknown-option", f"{INI} {name}", name)
    assert spelled(error.marked_hint, Spelling("custom_at_{}{}".format)) == f"did you mean custom_at_{near}?"


def test_a_prefix_of_ours_with_a_name_that_is_none():
    with pytest.raises(UnknownNameError) as caught:
        own_options({"custom_esp_at_zzz": "x"}, "custom_at_", place=INI)
    assert caught.value.hint.startswith("known: after, backup, baud, before, ")


@pytest.mark.parametrize(
    "name",
    [
        "custom_data",
        "custom_attempts",
        "custom_at",
        "custom_atmel_port",
        "custom_esp_port",
        "at_module",
        "custom_firmware",
    ],
)
def test_options_of_others_are_left_to_them(name):
    assert own_options({name: "x"}, "custom_at_", place=INI) == {}
