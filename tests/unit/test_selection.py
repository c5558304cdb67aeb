"""Which module a package is flashed for: what the user names, what the board has, or the package itself."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.checks.module import check_flash_size
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError, FormatError, Place, SelectionError, UnknownNameError
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.planning.selection import SelectedModule, select
from platformio_esp_at.request.values import CustomModule, Text

HERE = Place.at(file="esp_at.yml", line=2)
ESP32_BOARD = BoardFacts("my_board", mcu="esp32", extra_flags="-DBOARD_HAS_PSRAM", flash_size=4 << 20)
FOLDER = "customized_partitions"


def _package(tmp_path, chip="esp32", **changes):
    """Return the sample package; ``changes`` are files of customized_partitions without .bin (None: left out)."""
    root = tmp_path / "AT_PACK"
    write_sample_package(root, chip)
    for name, data in changes.items():
        file = root / FOLDER / f"{name}.bin"
        file.unlink() if data is None else file.write_bytes(data)
    return open_package(root)


def _param(name: str) -> bytes:
    param = FactoryParam.from_bytes(sample_package("esp32")[f"{FOLDER}/factory_param.bin"])
    return param.replace({"module_name": name}).to_bytes()


def _own(**values: str) -> CustomModule:
    texts = {name: Text(value, HERE) for name, value in values.items()}
    return CustomModule(texts.pop("name"), texts.pop("based_on"), texts)


# --- who decides ---


def test_the_user_decides_before_the_board(tmp_path):
    chosen = select(Text("solo-1", HERE), ESP32_BOARD, _package(tmp_path))
    assert (chosen.name, chosen.reason, chosen.assumed) == ("SOLO-1", "esp_at.yml:2", False)
    assert chosen.row == find_module("esp32", "SOLO-1")
    assert chosen.alternatives == ("WROOM-32",)


def test_the_board_decides_before_the_package(tmp_path):
    chosen = select(None, ESP32_BOARD, _package(tmp_path))
    assert (chosen.name, chosen.assumed) == ("WROVER-32", False)
    assert chosen.reason == "board my_board: build.extra_flags has 'BOARD_HAS_PSRAM'"
    assert chosen.row == find_module("esp32", "WROVER-32")


def test_a_guess_is_marked_as_one(tmp_path):
    chosen = select(None, BoardFacts("my_board", mcu="esp32"), _package(tmp_path))
    assert (chosen.name, chosen.assumed, chosen.alternatives) == ("WROOM-32", True, ("SOLO-1",))
    assert "nothing names the module" in chosen.reason


def test_the_package_decides_at_last(tmp_path):
    chosen = select(None, None, _package(tmp_path))
    assert (chosen.name, chosen.reason) == ("WROOM-32", "the only module of firmware package AT_PACK")


@pytest.mark.parametrize("name", ["WROOM-32", "ESP32-WROOM-32E", "esp_wroom_32", "ESP32-WROOM-32E-N8R2"])
def test_spellings_of_a_module(tmp_path, name):
    assert select(Text(name, HERE), None, _package(tmp_path)).name == "WROOM-32"


def test_module_that_only_the_package_knows(tmp_path):
    package = _package(tmp_path, **{"factory_param_MY-MODULE": _param("MY-MODULE")})
    chosen = select(Text("my-module", HERE), None, package)
    assert (chosen.name, chosen.row) == ("MY-MODULE", None)
    with pytest.raises(SelectionError) as caught:
        chosen.factory_param_values(3)
    assert caught.value.message == (
        "the firmware package has no factory_param_MY-MODULE.bin, and the catalog has no module MY-MODULE"
    )
    assert caught.value.hint == "name the module that it is like: module: {name: MY-MODULE, based_on: WROOM-32, …}"
    assert caught.value.code == "module-not-in-package"


def test_hardware_on_which_no_released_firmware_runs_has_that_of_its_own(tmp_path):
    name = "ESP32-PICO-V3-ZERO"
    with pytest.raises(UnknownNameError) as caught:
        select(Text(name, HERE), None, _package(tmp_path))
    assert (caught.value.code, caught.value.place) == ("module-unsupported", HERE)
    package = _package(tmp_path, **{f"factory_param_{name}": _param(name)})
    chosen = select(Text(name, HERE), None, package)
    assert (chosen.name, chosen.row) == (name, None)


def test_the_name_that_the_user_gave_is_kept(tmp_path):
    package = _package(tmp_path)
    assert select(Text("ESP32-WROOM-32E-N8R2", HERE), None, package).hardware == "ESP32-WROOM-32E-N8R2"
    assert select(_own(name="MINE", based_on="ESP32-SOLO-1C"), None, package).hardware == "ESP32-SOLO-1C"
    board = BoardFacts("own", mcu="esp32", at={"module": "ESP32-WROOM-32UE-N4R2"})
    assert select(None, board, package).hardware == "ESP32-WROOM-32UE-N4R2"
    assert select(None, ESP32_BOARD, package).hardware == ""


def test_own_module(tmp_path):
    wanted = _own(name="MY-BOARD", based_on="mini-1", uart_tx_pin="4")
    chosen = select(wanted, ESP32_BOARD, _package(tmp_path))
    assert (chosen.name, chosen.reason) == ("MY-BOARD", "esp_at.yml:2, based on MINI-1")
    assert chosen.changes == {"uart_tx_pin": Text("4", HERE)}
    assert chosen.row == find_module("esp32", "MINI-1")


@pytest.mark.parametrize(
    ("version", "name"), [pytest.param(3, "MY-BOARD", id="has-a-name"), pytest.param(1, None, id="has-none")]
)
def test_factory_param_values_of_an_own_module(tmp_path, version, name):
    chosen = select(_own(name="MY-BOARD", based_on="WROOM-32"), None, _package(tmp_path))
    values = chosen.factory_param_values(version)
    assert (values["version"], values["uart_tx_pin"], values.get("module_name")) == (version, 17, name)


def test_factory_param_values_of_a_version_that_the_module_lacks(tmp_path):
    chosen = select(Text("MINI-1", HERE), None, _package(tmp_path))
    with pytest.raises(SelectionError, match="the ESP32 module MINI-1 has no factory parameters version 1"):
        chosen.factory_param_values(1)


# --- what doesn't fit together ---


@pytest.mark.parametrize(
    ("chip", "wanted", "board", "kind", "code", "message", "hint"),
    [
        pytest.param(
            "esp32",
            None,
            BoardFacts("c3_board", mcu="esp32c3"),
            SelectionError,
            "board-other-chip",
            "board c3_board has an ESP32-C3, the firmware package AT_PACK is for ESP32",
            "take the firmware package of that chip",
            id="board-of-another-chip",
        ),
        pytest.param(
            "esp32c3",
            Text("MINI-1", HERE),
            ESP32_BOARD,
            SelectionError,
            "board-other-chip",
            "board my_board has an ESP32, the firmware package AT_PACK is for ESP32-C3",
            "take the firmware package of that chip",
            id="board-of-another-chip-though-the-module-is-named",
        ),
        pytest.param(
            "esp32",
            None,
            BoardFacts("s3_board", mcu="esp32s3"),
            SelectionError,
            "chip-unsupported",
            "no ESP-AT release has firmware for the ESP32-S3",
            "put an AT module with one of these chips next to it",
            id="board-without-at-firmware",
        ),
        pytest.param(
            "esp32",
            Text("WROOM-23", HERE),
            None,
            UnknownNameError,
            "unknown-module",
            "unknown ESP32 AT module 'WROOM-23'",
            "did you mean WROOM-32",
            id="misspelt-module",
        ),
        pytest.param(
            "esp32",
            Text("WROOM-02", HERE),
            None,
            UnknownNameError,
            "unknown-module",
            "unknown ESP32 AT module 'WROOM-02'",
            "that is a module of ESP8266",
            id="module-of-another-chip",
        ),
        pytest.param(
            "esp32",
            _own(name="MY-BOARD", based_on="WROOM-99X"),
            None,
            UnknownNameError,
            "unknown-module",
            "unknown ESP32 AT module 'WROOM-99X'",
            "did you mean WROOM-32?",
            id="own-module-based-on-an-unknown-one",
        ),
        *(
            pytest.param(
                "esp32",
                _own(name=name, based_on="WROOM-32"),
                None,
                FormatError,
                "module-name",
                f"{name!r} can't be a module's name",
                "write letters, digits, - and _, 31 at most",
                id=f"own-module-named-{number}",
            )
            for number, name in enumerate(["../x", "a/b", "", ".hidden", "a b", "x" * 32, "-x", "a\n"])
        ),
    ],
)
def test_refuses(tmp_path, chip, wanted, board, kind, code, message, hint):
    package = _package(tmp_path, chip)
    with pytest.raises(kind) as caught:
        select(wanted, board, package)
    assert caught.value.message == message
    assert (caught.value.hint or "").startswith(hint)
    assert caught.value.where == (None if kind is SelectionError else "esp_at.yml:2")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        pytest.param({"factory_param_SOLO-1": _param("SOLO-1")}, "SOLO-1, WROOM-32", id="several"),
        pytest.param({"factory_param_WROOM-32": None, "factory_param": b"\xff" * 4096}, "no name of one", id="none"),
    ],
)
def test_nobody_decides(tmp_path, changes, names):
    with pytest.raises(SelectionError) as caught:
        select(None, None, _package(tmp_path, **changes))
    assert str(caught.value) == (
        f"which AT module? The firmware package has {names}\n  write module: NAME; esp-at modules lists them"
    )
    assert caught.value.code == "module-missing"


def test_own_module_based_on_one_that_only_the_package_knows(tmp_path):
    package = _package(tmp_path, factory_param_OTHER=_param("OTHER"))
    with pytest.raises(EspAtError) as caught:
        select(_own(name="MY-BOARD", based_on="OTHER"), None, package)
    assert str(caught.value) == (
        "esp_at.yml:2: OTHER is not in the catalog\n  name a module that esp-at modules lists for this chip"
    )
    assert caught.value.code == "module-base-unknown"


# --- flash size ---

HINT = "\n  take a firmware package for that flash size, or name the module that is really there"


@pytest.mark.parametrize(
    ("module", "board_flash", "needed", "message"),
    [
        pytest.param("WROOM-32", 4 << 20, 4 << 20, None, id="as-large"),
        pytest.param("WROOM-32", 16 << 20, 4 << 20, None, id="larger"),
        pytest.param("WROOM-32", None, 4 << 20, None, id="board-without-a-size"),
        pytest.param("WROOM-32", 2 << 20, 4 << 20, "needs 4MB of flash, board b has 2MB", id="board-too-small"),
        pytest.param("ESP32-D2WD", 4 << 20, 4 << 20, "needs 4MB of flash, module ESP32-D2WD has 2MB", id="module"),
        pytest.param("ESP32-D2WD", 1 << 20, 4 << 20, "needs 4MB of flash, board b has 1MB", id="both"),
        pytest.param("WROOM-32", 4 << 20, 8 << 20, "needs 8MB of flash, board b has 4MB", id="large-package"),
    ],
)
def test_flash_size(tmp_path, module, board_flash, needed, message):
    package = _package(tmp_path)
    selected = SelectedModule(module, package.chip, "named so", row=find_module("esp32", module))
    board = BoardFacts("b", mcu="esp32", flash_size=board_flash)
    if message is None:
        check_flash_size(selected, board, needed, package)
        return
    with pytest.raises(SelectionError) as caught:
        check_flash_size(selected, board, needed, package)
    assert str(caught.value) == f"the firmware package AT_PACK {message}{HINT}"
    assert caught.value.code == "flash-too-small"


def test_flash_size_of_what_nobody_knows(tmp_path):
    package = _package(tmp_path)
    check_flash_size(SelectedModule("OWN", package.chip, "named so"), None, 16 << 20, package)
