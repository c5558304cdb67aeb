"""What is listed of modules, releases and boards."""

from __future__ import annotations

import json

import pytest

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands.lookups import list_boards, list_modules, list_releases, module_of_board
from platformio_esp_at.errors import FormatError, SelectionError, UnknownNameError

WROVER = BoardFacts("my_wrover", mcu="esp32")


def test_programs_get_modules_whole():
    rows = {(row["chip"], row["name"]): row for row in json.loads(json.dumps(list_modules().rows))}
    wrover = rows["esp32", "WROVER-32"]
    assert (wrover["flash_size"], wrover["psram"], wrover["module_config"]) == (4 << 20, True, "module_wrover-32")
    assert wrover["versions"][-1] == {
        "factory_param": 4,
        "releases": "v3.1.0.0 and later",
        "data_layout": "mfg_nvs",
    }
    assert wrover["versions"][0] == {"factory_param": None, "releases": "v0.10.0.0", "data_layout": "compiled in"}
    assert "4MB" in list_modules("esp32c3").as_text().splitlines()[1].split()


@pytest.mark.parametrize(
    ("module", "last"),
    [
        ("WROVER-32", "From v3.0.0.0 on, see MINI-1."),
        ("WROOM-02-N", "WROOM-02-N takes the firmware of WROOM-02"),
        ("ESP8266_1MB", "and name its path: firmware: PATH"),
        ("WROOM-32", "ESP32-WROOM-32_AT_Bin_V0.10.0.0"),
    ],
)
def test_a_modules_releases_and_what_takes_their_place(module, last):
    assert list_releases(module=module).as_text().splitlines()[-1].endswith(last)


def test_a_module_without_packages_is_an_empty_list_to_programs():
    listing = list_releases("esp8266", "ESP8266_1MB")
    assert listing.rows == ()
    assert listing.as_text().startswith(
        "none\nEspressif releases no firmware package for the ESP8266 module ESP8266_1MB"
    )


def test_packages_by_request_form():
    rows = list_releases("esp32c61").rows
    assert [(row["package"], row["by_request"]) for row in rows] == [(None, True), (None, True)]
    assert "request form" in list_releases("esp32c61").as_text()


def test_a_boards_module_and_its_firmware():
    found = module_of_board(WROVER)
    assert (found["module"], found["package"], found["package_module"]) == (
        "WROVER-32",
        "ESP32-MINI-1-AT-V4.1.1.0",
        "MINI-1",
    )
    found = module_of_board(WROVER, "v2.4.0.0")
    assert (found["module"], found["package"]) == ("WROVER-32", "ESP32-WROVER-32-AT-V2.4.0.0")
    found = module_of_board(WROVER, "v4.1.1.0")
    assert (found["module"], found["package"]) == ("MINI-1", "ESP32-MINI-1-AT-V4.1.1.0")
    s2 = module_of_board(BoardFacts("nodemcu-32s2", mcu="esp32s2"))
    assert (s2["module"], s2["package"]) == ("WROOM", "ESP32-S2-MINI-AT-V4.1.1.0")


def test_a_board_whose_firmware_cannot_be_downloaded():
    found = module_of_board(BoardFacts("c5", mcu="esp32c5"))
    assert (found["package"], found["release"]) == (None, None)
    assert "\n  request it at https://" in found["no_package"]


@pytest.mark.parametrize(
    ("release", "kind", "code"),
    [
        ("v9.9.9.9", SelectionError, "no-release"),
        ("foo", FormatError, "not-a-release"),
        ("v4.1", SelectionError, "release-ambiguous"),
    ],
)
@pytest.mark.parametrize("facts", [WROVER, BoardFacts("esp32dev", mcu="esp32")])
def test_releases_that_are_none(facts, release, kind, code):
    with pytest.raises(kind) as caught:
        module_of_board(facts, release)
    assert caught.value.code == code


def test_boards_of_a_folder_go_before_others(tmp_path):
    (tmp_path / "esp32dev.json").write_text('{"name": "mine", "build": {"mcu": "esp32"}, "at": {"module": "SOLO-1"}}')
    rows = {row["board"]: row for row in list_boards("ESP32", own_boards=tmp_path).rows}
    assert (rows["esp32dev"]["name"], rows["esp32dev"]["module"]) == ("mine", "SOLO-1")
    assert rows["pico32"]["module"] == "PICO-D4"
    with pytest.raises(UnknownNameError) as caught:
        list_boards("esp33")
    assert caught.value.code == "unknown-chip"
