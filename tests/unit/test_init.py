"""What esp-at init does with a folder: what it finds out, asks, adds and keeps."""

from __future__ import annotations

import json

import pytest

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands.init import describe, plan_copy, plan_start, write_start
from platformio_esp_at.commands.init_answers import Around, Wishes
from platformio_esp_at.commands.project_host import Host, host_of
from platformio_esp_at.commands.templates import TEMPLATES
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.idf.install import PROJECT_EXTENSION
from platformio_esp_at.request.read import read_project

HOST_MCU = "[env:it]\nplatform = ststm32\nboard = nucleo\n"
CMAKE = "include($ENV{IDF_PATH}/tools/cmake/project.cmake)\n"
MODULE = BoardFacts("esp32c3 with 4MB at COM3", mcu="esp32c3", flash_size=4 << 20)


@pytest.fixture(autouse=True)
def no_platforms(monkeypatch, tmp_path):
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "none"))


def around(*, device=None, idf_board=None, answers=None):
    """Lend what a front end does; a question without an answer is an error of the test."""
    left = list(answers or ())

    def ask(question):
        words, answer = left.pop(0)
        assert words in question.text
        return answer

    return Around(ask if answers else None, lambda _: device, lambda _: idf_board, PROJECT_EXTENSION)


def started(folder, *, host=None, environment=None, namespace=None, lent=None, **options):
    return plan_start(folder, Wishes(options, host, environment, namespace), lent or around())


def made(start, name="esp_at.yml"):
    return next(change.text for change in start.changes if change.path.name == name)


def options(start, tmp_path):
    folder = tmp_path / "made"
    folder.mkdir(exist_ok=True)
    (folder / "esp_at.yml").write_text(made(start))
    return {name: node.text for name, node in read_project(folder).options.items()}


# --- which host ---


@pytest.mark.parametrize(
    ("files", "host"),
    [
        ({}, None),
        ({"platformio.ini": ""}, Host.PLATFORMIO),
        ({"CMakeLists.txt": CMAKE}, Host.IDF),
        ({"CMakeLists.txt": f"# {CMAKE}project(x)\n"}, None),
        ({"CMakeLists.txt": CMAKE, "platformio.ini": ""}, Host.PLATFORMIO),  # PlatformIO builds with ESP-IDF, too
    ],
)
def test_the_host_is_found_by_the_files(files, host, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert host_of(tmp_path) is host


# --- what is found out ---


def test_the_device_that_is_connected(tmp_path):
    start = started(tmp_path / "new", lent=around(device=MODULE))
    assert options(start, tmp_path) == {"firmware": "v4.1.1.0", "module": "ESP32-C3-MINI-1"}
    (notice,) = start.notices
    assert (notice.code, notice.message.partition(";")[0]) == (
        "module-of-device",
        "esp32c3 with 4MB at COM3: module MINI-1",
    )


def test_a_connected_chip_without_at_firmware(tmp_path):
    with pytest.raises(EspAtError) as caught:
        started(tmp_path, lent=around(device=BoardFacts("x", mcu="esp32s3")))
    assert caught.value.code == "chip-unsupported"


def test_nothing_is_asked_of_a_device_if_the_board_is_named(tmp_path):
    def device(_port):
        raise AssertionError

    start = started(tmp_path / "new", lent=around()._replace(device=device), board="esp32-c3-devkitm-1")
    assert options(start, tmp_path) == {"board": "esp32-c3-devkitm-1", "firmware": "v4.1.1.0"}


def test_a_path_from_here_becomes_one_from_the_folder(tmp_path, monkeypatch):
    write_sample_package(tmp_path / "fw.zip")
    monkeypatch.chdir(tmp_path)
    start = started(tmp_path / "a/b", firmware="fw.zip", module="WROOM-32")
    assert "\nfirmware: ../../fw.zip\n" in made(start)
    assert start.plan.module.name == "WROOM-32"


def test_a_board_of_ones_own(tmp_path, monkeypatch):
    manifest = {"name": "WROVER", "build": {"mcu": "esp32"}, "upload": {"flash_size": "4MB"}}
    (tmp_path / "mine.json").write_text(json.dumps(manifest))
    monkeypatch.chdir(tmp_path)
    start = started(tmp_path / "new", host=Host.PLATFORMIO, board="mine.json")
    assert "\nboard = esp32-at-mini-1\n" in made(start, "platformio.ini")  # the successor of WROVER-32 in v4.1.1.0
    assert "\nboard: ../mine.json\n" in made(start)


# --- PlatformIO ---


def test_a_host_mcu(tmp_path):
    (tmp_path / "platformio.ini").write_text(HOST_MCU)
    with pytest.raises(EspAtError) as caught:
        started(tmp_path)
    assert caught.value.code == "init-module-missing"
    start = started(tmp_path, board="esp32-c3-devkitm-1")
    assert options(start, tmp_path) == {"board": "esp32-c3-devkitm-1", "firmware": "v4.1.1.0"}
    assert start.following[-1] == "pio run -e it -t upload_at --upload-port PORT"
    assert started(tmp_path, module="WROOM-32", port="COM3").following[-1] == "pio run -e it -t upload_at"


def test_a_board_that_no_platform_has_yet_is_taken_for_espressif_s_if_its_platform_is(tmp_path):
    (tmp_path / "platformio.ini").write_text("[env:it]\nplatform = espressif32\nboard = lolin_next\n")
    assert options(started(tmp_path), tmp_path) == {"firmware": "latest"}


def test_the_board_of_the_project_is_not_written_again(tmp_path):
    (tmp_path / "platformio.ini").write_text("[env:it]\nboard = esp32dev\n")
    assert options(started(tmp_path, board="esp32dev"), tmp_path) == {"firmware": "v4.1.1.0"}


def test_options_that_platformio_ini_has_are_not_written_again(tmp_path):
    write_sample_package(tmp_path / "fw.zip")
    (tmp_path / "platformio.ini").write_text(f"{HOST_MCU}custom_at_firmware = fw.zip\ncustom_at_module = WROOM-32\n")
    start = started(tmp_path, firmware="latest")
    assert options(start, tmp_path) == {}
    assert start.plan.package.name == "fw"


def test_a_project_that_has_all_stays_as_it_is(tmp_path):
    script = "pre:$PROJECT_LIBDEPS_DIR/$PIOENV/esp-at/esp_at.py"
    (tmp_path / "platformio.ini").write_text(f"[env:it]\nboard = esp32dev\nextra_scripts = {script}\n")
    (tmp_path / "esp_at.yml").write_text("firmware: v4.1.1.0\n")
    start = started(tmp_path, port="COM3")
    assert (start.changes, start.kept) == ((), ("esp_at.yml",))
    (paste,) = start.paste
    assert paste == ("esp_at.yml", ("port: COM3",))
    said = describe(start, dry_run=False)
    assert "Write yourself, in esp_at.yml:\n    port: COM3\n" in said


def test_what_a_project_has_otherwise_is_named(tmp_path):
    (tmp_path / "esp_at.yml").write_text("firmware: v4.1.1.0\nmodule: WROOM-32\n")
    start = started(tmp_path, module="PICO-D4", firmware="v4.1.1.0")
    assert start.changes == ()
    assert "Write yourself, in esp_at.yml:\n    module: PICO-D4\n" in describe(start, dry_run=False)


def test_our_own_platform_needs_no_line(tmp_path):
    (tmp_path / "platformio.ini").write_text("[env:it]\nplatform = espressif_at\nboard = esp32dev\n")
    assert [change.path.name for change in started(tmp_path).changes] == ["esp_at.yml"]


def test_what_cannot_be_added_safely_is_to_be_pasted(tmp_path):
    text = "[env:it]\nboard = esp32dev\nlib_deps = a, b ; both\n"
    (tmp_path / "platformio.ini").write_text(text)
    start = started(tmp_path)
    assert made(start, "platformio.ini").startswith(f"{text}extra_scripts = pre:$PROJECT")
    (paste,) = start.paste
    assert paste.where == "platformio.ini, [env:it]"
    assert paste.lines[0].startswith("lib_deps, one line more: https://")


def test_which_environment(tmp_path):
    (tmp_path / "platformio.ini").write_text("[env:a]\nboard = esp32dev\n[env:b]\nboard = esp32dev\n")
    start = started(tmp_path, lent=around(answers=[("Which environment", "b")]))
    assert start.following[0] == "pio run -e b -t info_at"
    (tmp_path / "platformio.ini").write_text("[platformio]\n")
    with pytest.raises(EspAtError) as caught:
        started(tmp_path)
    assert caught.value.code == "unknown-environment"


# --- ESP-IDF ---


@pytest.fixture
def idf_project(tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    (tmp_path / "main").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("board", "given", "written"),
    [
        (BoardFacts("this project", mcu="esp32"), {}, {"firmware": "v4.1.1.0"}),
        (None, {}, {"firmware": "latest"}),
        (
            BoardFacts("this project", mcu="esp32"),
            {"module": "ESP32-C3-MINI-1"},
            {"board": "none", "firmware": "v4.1.1.0", "module": "ESP32-C3-MINI-1"},
        ),
        (
            BoardFacts("this project", mcu="esp32s3"),
            {"module": "WROOM-32"},
            {"board": "none", "firmware": "v4.1.1.0", "module": "WROOM-32"},
        ),
        (
            BoardFacts("this project", mcu="esp32"),
            {"module": "WROVER-32", "firmware": "v2.4.0.0"},
            {"firmware": "v2.4.0.0", "module": "WROVER-32"},
        ),
    ],
)
def test_a_module_on_the_chip_of_a_project_or_next_to_it(board, given, written, idf_project, tmp_path):
    start = started(idf_project, lent=around(idf_board=board), **given)
    assert options(start, tmp_path) == written


def test_an_extension_of_its_own_stays(idf_project):
    (idf_project / "idf_ext.py").write_text("theirs")
    start = started(idf_project)
    assert [change.path.name for change in start.changes] == ["esp_at.yml"]
    assert [notice.code for notice in start.notices] == ["idf-ext-differs"]


def test_the_component_of_a_project(idf_project):
    assert "<namespace>" in started(idf_project).paste[0].where
    start = started(idf_project, namespace="acme")
    assert made(start, "idf_component.yml").startswith('dependencies:\n  acme/esp_at_flash: "^')
    (idf_project / "components/esp_at_flash").mkdir(parents=True)
    (idf_project / "components/esp_at_flash/esp_at_idf.py").touch()
    start = started(idf_project, namespace="acme")
    assert start.paste == ()
    assert {change.path.name for change in start.changes} == {"esp_at.yml", "idf_ext.py"}


@pytest.mark.parametrize("namespace", ["<namespace>", "a b", "acme/esp_at_flash", "", "a\n"])
def test_what_is_no_namespace(namespace, idf_project):
    with pytest.raises(EspAtError) as caught:
        started(idf_project, namespace=namespace)
    assert (caught.value.code, str(caught.value.place)) == ("namespace-invalid", "--namespace")


# --- templates ---


def test_a_copy_of_a_template_keeps_what_is_there(tmp_path):
    (tmp_path / "README.md").write_text("ours")
    start = plan_copy(tmp_path, "esp8266")
    assert start.kept == ("README.md",)
    write_start(start)
    assert (tmp_path / "README.md").read_text() == "ours"
    again = plan_copy(tmp_path, "esp8266")
    assert (again.changes, again.kept) == ((), TEMPLATES["esp8266"])
    (tmp_path / "esp_at.yml").write_text("firmware: latest\n")
    with pytest.raises(EspAtError) as caught:
        plan_copy(tmp_path, "esp8266")
    assert caught.value.code == "already-exists"
    assert "esp-at init --template esp8266 FOLDER" in caught.value.hint


# --- writing ---


def test_what_would_be_refused_is_refused_before_anything_is_written(tmp_path):
    write_sample_package(tmp_path / "fw.zip", "esp32c3")
    with pytest.raises(EspAtError) as caught:
        started(tmp_path, firmware=str(tmp_path / "fw.zip"), board="esp32dev")
    assert caught.value.code == "board-other-chip"
    assert [file.name for file in tmp_path.iterdir()] == ["fw.zip"]


def test_it_says_what_it_wrote_and_a_dry_run_what_it_would(tmp_path):
    (tmp_path / "platformio.ini").write_text("[env:it]\nboard = esp32dev\n")
    start = started(tmp_path)
    dry = describe(start, dry_run=True)
    assert "Would write esp_at.yml:\n    # yaml-language-server" in dry
    assert "Would add to platformio.ini:\n    lib_deps = https://" in dry
    write_start(start)
    said = describe(start, dry_run=False)
    assert said.startswith("Wrote esp_at.yml\nAdded to platformio.ini: lib_deps = https://")
    assert "Not checked yet: the next command gets the firmware" in said
    assert said.endswith("    pio run -e it -t info_at\n    pio run -e it -t upload_at")
    assert started(tmp_path).changes == ()
