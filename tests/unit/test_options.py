"""The one list of options: each of them in the project file and as text of a host."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import pytest
from project_layers import options_layer, project_layer, write_files

from platformio_esp_at.errors import FormatError, Place
from platformio_esp_at.request.kinds import Kind, ModuleKind, PathKind
from platformio_esp_at.request.layers import make_request
from platformio_esp_at.request.options import OPTIONS, Request
from platformio_esp_at.request.values import Firmware, Folder, InputFile, InputFolder, Speed, Text

if TYPE_CHECKING:
    from pathlib import Path


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
before: no-reset
after: soft_reset
no_stub: true
command_port: /dev/ttyUSB2
write_all: on
show_kept: true
test: yes
backup: backups/one
raw: yes
other_module: true
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_files(tmp_path)


def _line(number: int) -> Place:
    return Place.at(file="esp_at.yml", line=number)


# --- every option ---


def test_every_option_in_the_project_file(folder):
    request = make_request([project_layer(folder, PROJECT)])
    assert request == Request(
        firmware=Firmware(Text("fw.zip", _line(1)), folder / "fw.zip"),
        board=Text("esp32dev", _line(2)),
        module=Text("WROOM-32", _line(3)),
        partitions=InputFile("user.csv", _line(4), b"# csv"),
        factory_param={"uart_tx_pin": Text("17", _line(6)), "country_code": Text("NO", _line(7))},
        pki={
            "mqtt_ca": (InputFile("certs/ca.pem", _line(9), b"ca"),),
            "client_cert": (
                InputFile("certs/one.pem", _line(10), b"one"),
                InputFile("certs/two.pem", _line(10), b"two"),
            ),
        },
        gatts=InputFile("gatts.csv", _line(11), b"index"),
        data={"my_partition": InputFile("table.bin", _line(13), b"table")},
        skip=(Text("ble_data", _line(14)), Text("server_ca", _line(14))),
        port=Text("/dev/ttyUSB0", _line(15)),
        baud=Speed(921600, _line(16)),
        before="no-reset",
        after="soft-reset",
        no_stub=True,
        command_port=Text("/dev/ttyUSB2", _line(20)),
        write_all=True,
        show_kept=True,
        test=True,
        backup=Folder(Text("backups/one", _line(24)), folder / "backups/one"),
        raw=True,
        other_module=True,
    )
    assert [line.partition(":")[0] for line in PROJECT.splitlines() if line[0] != " "] == list(OPTIONS)


def test_every_option_as_text_of_the_host(folder):
    options = {
        "firmware": "fw.zip",
        "board": "esp32dev",
        "module": "WROOM-32",
        "partitions": "user.csv",
        "factory_param": "uart_tx_pin = 17\ncountry_code = NO",
        "pki": "mqtt_ca = certs/ca.pem\nclient_cert = [certs/one.pem, certs/two.pem]",
        "gatts": " gatts.csv ",
        "data": "my_partition=table.bin",
        "skip": "ble_data, server_ca",
        "port": "COM3",
        "baud": "0x1C200",
        "before": "usb_reset",
        "after": " watchdog-reset",
        "no_stub": "Yes",
        "command_port": "COM4",
        "write_all": "1",
        "show_kept": "on",
        "test": "yes",
        "backup": "backups/one",
        "raw": "1",
        "other_module": "yes",
    }
    at = {name: Place.at(option=f"custom_at_{name}") for name in OPTIONS}
    assert make_request([options_layer(folder, **options)]) == Request(
        firmware=Firmware(Text("fw.zip", at["firmware"]), folder / "fw.zip"),
        board=Text("esp32dev", at["board"]),
        module=Text("WROOM-32", at["module"]),
        partitions=InputFile("user.csv", at["partitions"], b"# csv"),
        factory_param={
            "uart_tx_pin": Text("17", at["factory_param"]),
            "country_code": Text("NO", at["factory_param"]),
        },
        pki={
            "mqtt_ca": (InputFile("certs/ca.pem", at["pki"], b"ca"),),
            "client_cert": (
                InputFile("certs/one.pem", at["pki"], b"one"),
                InputFile("certs/two.pem", at["pki"], b"two"),
            ),
        },
        gatts=InputFile("gatts.csv", at["gatts"], b"index"),
        data={"my_partition": InputFile("table.bin", at["data"], b"table")},
        skip=(Text("ble_data", at["skip"]), Text("server_ca", at["skip"])),
        port=Text("COM3", at["port"]),
        baud=Speed(115200, at["baud"]),
        before="usb-reset",
        after="watchdog-reset",
        no_stub=True,
        command_port=Text("COM4", at["command_port"]),
        write_all=True,
        show_kept=True,
        test=True,
        backup=Folder(Text("backups/one", at["backup"]), folder / "backups/one"),
        raw=True,
        other_module=True,
    )
    assert list(options) == list(OPTIONS)


def test_nothing_is_asked_for(folder):
    request = make_request([options_layer(folder, module="  ")])
    assert request == Request()
    assert {name: getattr(request, name) for name in OPTIONS} == {
        **dict.fromkeys(("firmware", "board", "module", "partitions", "gatts", "port", "baud")),
        **dict.fromkeys(("before", "after", "command_port", "backup")),
        "factory_param": {},
        "pki": {},
        "data": {},
        "skip": (),
        **dict.fromkeys(("no_stub", "write_all", "show_kept", "test", "raw", "other_module"), False),
    }


@pytest.mark.parametrize("value", ["", "~", "null", '""', "[]", "{}", "  # nothing"], ids=repr)
def test_a_blank_option_of_the_project_file_is_not_set(folder, value):
    text = "".join(f"{name}: {value}\n" for name in OPTIONS)
    assert make_request([project_layer(folder, text)]) == Request()


# --- the list ---


def test_every_field_of_a_request_is_an_option():
    assert list(OPTIONS) == [row.name for row in fields(Request)]
    assert [option.name for option in OPTIONS.values()] == list(OPTIONS)
    assert all(isinstance(option.kind, Kind) for option in OPTIONS.values())
    for option in OPTIONS.values():
        assert option.help
        assert not option.help.endswith(".")


@pytest.mark.parametrize("name", OPTIONS)
def test_an_example_reads_the_same_in_the_project_file_and_from_the_host(folder, name):
    example = OPTIONS[name].example
    (folder / "table.bin").touch()
    if isinstance(OPTIONS[name].kind, PathKind):
        (folder / example).touch()
    of_file = make_request([project_layer(folder, f"{name}: {example}")])
    of_host = make_request([options_layer(folder, **{name: example})])
    assert getattr(of_file, name) != getattr(Request(), name)
    assert _without_places(getattr(of_file, name)) == _without_places(getattr(of_host, name))


def _without_places(value: object) -> object:
    if isinstance(value, tuple):
        return [_without_places(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_places(item) for key, item in value.items()}
    if not is_dataclass(value):
        return value
    return {row.name: getattr(value, row.name) for row in fields(value) if row.name not in ("where", "text")} | (
        {"text": value.text if isinstance(value, Text) else None}
    )


WRONG = dict.fromkeys(OPTIONS, "[[a]]") | {"skip": "{a: b}"}


@pytest.mark.parametrize("name", [name for name in OPTIONS if not isinstance(OPTIONS[name].kind, ModuleKind)])
def test_what_an_option_must_be_comes_with_its_example(folder, name):
    with pytest.raises(FormatError) as caught:
        make_request([project_layer(folder, f"{name}: {WRONG[name]}")])
    error = caught.value
    assert (error.where, error.code, error.facts["option"]) == ("esp_at.yml:1", "option-invalid", name)
    assert (error.message, error.hint) == (
        f"{name} must be {OPTIONS[name].kind.expected}",
        f"write {name}: {OPTIONS[name].example}",
    )


# --- the files of a request ---


def test_inputs_are_all_files_in_the_order_of_the_options(folder):
    (folder / "web").mkdir()
    (folder / "web/index.html").write_bytes(b"<p>")
    request = make_request([project_layer(folder, PROJECT.replace("table.bin", "table.bin\n  fatfs: web"))])
    assert [(type(source), source.label) for source in request.inputs()] == [
        (InputFile, "user.csv"),
        (InputFile, "certs/ca.pem"),
        (InputFile, "certs/one.pem"),
        (InputFile, "certs/two.pem"),
        (InputFile, "gatts.csv"),
        (InputFile, "table.bin"),
        (InputFolder, "web"),
    ]
    assert list(Request().inputs()) == []
