from dataclasses import replace

import pytest

from platformio_esp_at.catalog.boards import (
    BoardFacts,
    Choice,
    has_ethernet,
    known_crystal_mhz,
    known_module,
    module_for_release,
    select_module,
    used_gpios,
)
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.errors import FormatError, Place, SelectionError, UnknownNameError

KIB = 1 << 10
MIB = 1 << 20
PSRAM = "-DBOARD_HAS_PSRAM -mfix-esp32-psram-cache-issue"


def board(board_id="my_board", *, mcu="esp32", flash_size=4 * MIB, **facts):
    return BoardFacts(board_id, mcu=mcu, flash_size=flash_size, **facts)


def test_facts_of_a_manifest():
    facts = BoardFacts.from_manifest(
        "esp-wrover-kit",
        {
            "name": "Espressif ESP-WROVER-KIT",
            "build": {"mcu": "esp32", "variant": "esp32", "extra_flags": ["-DARDUINO_ESP32_DEV", "-DBOARD_HAS_PSRAM"]},
            "upload": {"flash_size": "4MB", "maximum_size": 1310720},
            "debug": {"openocd_board": "esp32-wrover.cfg", "openocd_target": "esp32.cfg"},
            "at": {"module": "WROVER-32"},
        },
    )
    assert facts == BoardFacts(
        id="esp-wrover-kit",
        name="Espressif ESP-WROVER-KIT",
        mcu="esp32",
        variant="esp32",
        extra_flags="-DARDUINO_ESP32_DEV -DBOARD_HAS_PSRAM",
        flash_size=4 * MIB,
        openocd="esp32-wrover.cfg",
        at={"module": "WROVER-32"},
    )
    assert isinstance(hash(facts), int)


def test_a_bare_manifest_has_no_facts():
    assert BoardFacts.from_manifest("x", {}) == BoardFacts("x")
    assert BoardFacts.from_manifest("x", {"build": None, "upload": {"flash_size": None}}) == BoardFacts("x")


@pytest.mark.parametrize(
    ("mcu", "upload", "flash_size"),
    [
        ("esp32", {"flash_size": "16MB"}, 16 * MIB),
        ("esp32", {"flash_size": 4194304}, 4 * MIB),
        ("esp32", {"flash_size": "0x200000"}, 2 * MIB),
        ("esp32", {"maximum_size": 1310720}, None),
        ("esp8266", {"maximum_size": 4194304}, 4 * MIB),
        ("esp8266", {"maximum_size": 1044464}, 1 * MIB),
        ("ESP8266", {"maximum_size": 761840}, 1 * MIB),
        ("esp8266", {"maximum_size": 434160}, 512 * KIB),
        ("esp8266", {"maximum_size": 499696}, 512 * KIB),
        ("esp8266", {"maximum_size": 1044464, "flash_size": "4MB"}, 4 * MIB),
        ("esp8266", {}, None),
    ],
)
def test_flash_size(mcu, upload, flash_size):
    facts = BoardFacts.from_manifest("x", {"build": {"mcu": mcu}, "upload": upload})
    assert facts.flash_size == flash_size
    assert facts.flash_size_is_least == (flash_size is not None and "flash_size" not in upload)


def esp8266_facts(build, **upload):
    return BoardFacts.from_manifest("x", {"build": {"mcu": "esp8266", **build}, "upload": upload})


@pytest.mark.parametrize(
    ("script", "flash_size"),
    [
        ("eagle.flash.512k32.ld", 512 * KIB),
        ("eagle.flash.1m64.ld", 1 * MIB),
        ("eagle.flash.1m.ld", 1 * MIB),
        ("eagle.flash.2m.ld", 2 * MIB),
        ("eagle.flash.4m2m.ld", 4 * MIB),
        ("eagle.flash.16m14m.ld", 16 * MIB),
        ("EAGLE.FLASH.8M7M.LD", 8 * MIB),
        ("../../boards/own.flash.2m32.ld", 2 * MIB),
        ("esp8266.flash.4m1m.ld", 4 * MIB),
    ],
)
def test_the_flash_of_an_esp8266_by_its_linker_script(script, flash_size):
    """The room for a sketch is 1 MB at most in most layouts, however large the flash is."""
    for build in (
        {"arduino": {"ldscript": script}},
        {"ldscript": script},
        {"arduino": {"ldscript": [script]}},
        {"extra_flags": ["-DESP8266", f"-Wl,-T{script}"]},
        {"ldscript": "own.ld", "arduino": {"ldscript": script}},
    ):
        facts = esp8266_facts(build, maximum_size=434160)
        assert (facts.flash_size, facts.flash_size_is_least) == (flash_size, False)
    assert esp8266_facts({"ldscript": script}).flash_size == flash_size
    assert esp8266_facts({"ldscript": script}, flash_size="8MB").flash_size == 8 * MIB
    other = BoardFacts.from_manifest("x", {"build": {"mcu": "esp32", "ldscript": script}})
    assert other.flash_size is None


@pytest.mark.parametrize("script", ["", "own.ld", "esp32_out.ld", "eagle.flash.ld", "eagle.flash.9999999999999m.ld"])
def test_linker_scripts_that_do_not_name_the_flash(script):
    facts = esp8266_facts({"arduino": {"ldscript": script}}, maximum_size=1044464)
    assert (facts.flash_size, facts.flash_size_is_least) == (1 * MIB, True)


def test_a_sketch_that_is_larger_than_the_flash_of_the_linker_script():
    facts = esp8266_facts({"arduino": {"ldscript": "eagle.flash.1m.ld"}}, maximum_size=4 * MIB)
    assert (facts.flash_size, facts.flash_size_is_least) == (4 * MIB, True)


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ([], "the manifest must be an object, not a list"),
        ({"build": "esp32"}, "build must be an object, not a string"),
        ({"build": {"mcu": 32}}, "build.mcu must be a string, not a number"),
        ({"name": ["x"]}, "name must be a string, not a list"),
        ({"build": {"variant": {}}}, "build.variant must be a string, not an object"),
        ({"build": {"extra_flags": ["-DX", 1]}}, "build.extra_flags has something"),
        ({"build": {"extra_flags": 1.5}}, "build.extra_flags must be a string, not a number"),
        ({"upload": []}, "upload must be an object, not a list"),
        ({"upload": {"flash_size": True}}, "upload.flash_size must be a size, not true or false"),
        ({"upload": {"flash_size": 4.0}}, "upload.flash_size must be a size, not a number"),
        ({"upload": {"flash_size": "detect"}}, "upload.flash_size is 'detect'"),
        ({"upload": {"flash_size": "9" * 9999}}, "upload.flash_size is '9999"),
        ({"upload": {"flash_size": "-4MB"}}, "upload.flash_size is not a possible flash size"),
        ({"upload": {"flash_size": 0}}, "upload.flash_size is not a possible flash size"),
        ({"upload": {"flash_size": 10**5000}}, "upload.flash_size is not a possible flash size"),
        (
            {"build": {"mcu": "esp8266"}, "upload": {"maximum_size": {}}},
            "upload.maximum_size must be a size, not an object",
        ),
        (
            {"build": {"mcu": "esp8266"}, "upload": {"maximum_size": -1}},
            "upload.maximum_size is not a possible flash size",
        ),
        ({"debug": {"openocd_board": 1}}, "debug.openocd_board must be a string, not a number"),
        ({"at": "WROOM-32"}, "at must be an object, not a string"),
        (
            {"build": {"mcu": "esp8266", "arduino": {"ldscript": 4}}},
            "build.arduino.ldscript must be a string, not a number",
        ),
    ],
)
def test_odd_manifests_are_refused_by_key(manifest, problem):
    with pytest.raises(FormatError) as caught:
        BoardFacts.from_manifest("odd", manifest)
    assert (caught.value.code, caught.value.place) == ("board-manifest-invalid", Place.at(board="odd"))
    assert str(caught.value).startswith(f"board odd: {problem}")


@pytest.mark.parametrize(
    ("facts", "module", "reason"),
    [
        (board("esp32-solo1"), "SOLO-1", "board id has 'solo'"),
        (board(name="Kit with ESP32-SOLO-1"), "SOLO-1", "board name has 'SOLO'"),
        (board(extra_flags="-DCORE32SOLO1"), "SOLO-1", "build.extra_flags has 'CORE32SOLO1'"),
        (board(name="Kit Wroom", extra_flags=PSRAM), "WROOM-32", "board name has 'Wroom'"),
        (board(variant="wroom_da", extra_flags=PSRAM), "WROOM-32", "build.variant has 'wroom'"),
        (board(variant="pico32", extra_flags=PSRAM, openocd="esp32-wrover.cfg"), "PICO-D4", "build.variant has 'pico'"),
        (board("tinypico", name="TinyPICO"), "PICO-D4", "board id has 'pico'"),
        (board(name="DevKit WROVER"), "WROVER-32", "board name has 'WROVER'"),
        (board("nina_w10", flash_size=2 * MIB), "ESP32-D2WD", "board id has 'nina'"),
        (board(name="D2WD stick"), "ESP32-D2WD", "board name has 'D2WD'"),
        (board(flash_size=2 * MIB), "ESP32-D2WD", "it has only 2MB of flash"),
        (board(flash_size=2 * MIB, extra_flags=PSRAM), "ESP32-D2WD", "it has only 2MB of flash"),
        (board(extra_flags="-DCONFIG_FREERTOS_UNICORE=1"), "MINI-1", "build.extra_flags has 'UNICORE'"),
        (board(openocd="esp32-solo-1.cfg"), "MINI-1", "OpenOCD file has 'solo'"),
        (board(name="Board with ESP32-MINI-1"), "MINI-1", "board name has 'ESP32-MINI-1'"),
        (board(name="U4WDH board"), "MINI-1", "board name has 'U4WDH'"),
        (board(extra_flags=PSRAM), "WROVER-32", "build.extra_flags has 'BOARD_HAS_PSRAM'"),
        (board(openocd="esp32-wrover.cfg"), "WROVER-32", "OpenOCD file has 'wrover'"),
        (board("wipy3"), "WROVER-32", "wipy3 is known: it carries an ESP32 with PSRAM"),
        (board("roboheart_hercules", extra_flags=PSRAM), "WROOM-32", "roboheart_hercules is known"),
        (board(mcu="esp32s2"), "MINI", "every ESP32-S2 board"),
        (board("lolin_s2_pico", mcu="esp32s2", extra_flags=PSRAM), "MINI", "every ESP32-S2 board"),
        (board("nodemcu-32s2", mcu="esp32s2"), "WROOM", "is known: it carries an Ai-Thinker ESP-12K"),
        (board(mcu="esp32c3"), "MINI-1", "every ESP32-C3 board"),
        (board("esp32-wroom-clone", mcu="esp32c3", name="ESP32 S3 WROVER"), "MINI-1", "every ESP32-C3 board"),
        (board(mcu="esp32c5", flash_size=8 * MIB), "ESP32C5-4MB", "every ESP32-C5 board"),
        (board(mcu="esp32c6"), "ESP32C6-4MB", "every ESP32-C6 board"),
        (board(mcu="esp32c61"), "ESP32C61-4MB", "every ESP32-C61 board"),
        (board(mcu="esp32c2", flash_size=2 * MIB), "ESP32C2-2MB", "it has 2MB of flash"),
        (board(mcu="esp32c2"), "ESP32C2-4MB", "it has 4MB of flash"),
        (board(mcu="esp8266", flash_size=1 * MIB), "ESP8266_1MB", "it has 1MB of flash"),
        (board(mcu="esp8266", flash_size=2 * MIB), "WROOM-02", "it has 2MB of flash"),
        (board(mcu="esp8266", flash_size=16 * MIB), "WROOM-02", "it has 16MB of flash"),
        (board(mcu="esp8266", flash_size_is_least=True), "WROOM-02", "it has at least 4MB of flash"),
        (board(variant="esp32", extra_flags=PSRAM, openocd="esp32-wrover.cfg"), "WROVER-32", "'BOARD_HAS_PSRAM'"),
        (board(variant="m5stack_fire", extra_flags=PSRAM), "WROVER-32", "'BOARD_HAS_PSRAM'"),
        (board("esp32cam", variant="esp32", extra_flags=PSRAM), "WROVER-32", "esp32cam is known: it carries"),
        (board(at={"module": "mini-1"}, extra_flags=PSRAM), "MINI-1", "the board's own at.module names mini-1"),
        (board("wipy3", at={"module": "WROOM-32"}), "WROOM-32", "at.module"),
        (board(at={"chip": "ESP32", "module": "ESP32-SDIO"}), "ESP32-SDIO", "at.module"),
    ],
)
def test_the_fact_that_decides(facts, module, reason):
    choice = select_module(facts)
    assert (choice.chip, choice.module) == (facts.mcu, module)
    assert reason in choice.reason
    assert not choice.assumed


@pytest.mark.parametrize(
    ("facts", "module"),
    [
        (board("esp32dev"), "WROOM-32"),
        (board("mh-et-live-minikit"), "WROOM-32"),  # a bare "mini" is no MINI-1
        (board(flash_size=None), "WROOM-32"),
        (board(mcu="esp32c2", flash_size=None), "ESP32C2-2MB"),
        (board(mcu="esp8266", flash_size=None), "ESP8266_1MB"),
        (board(mcu="esp8266", flash_size=1 * MIB, flash_size_is_least=True), "ESP8266_1MB"),
    ],
)
def test_guesses_are_marked(facts, module):
    choice = select_module(facts)
    assert choice.module == module
    assert choice.assumed
    assert choice.reason.startswith(("its manifest", "nothing names the module"))


@pytest.mark.parametrize(
    "facts",
    [
        board(variant="esp32", extra_flags=PSRAM),
        board(variant="ESP32", extra_flags=PSRAM, openocd="esp-wroom-32.cfg"),
        board(extra_flags=f"-DARDUINO_ESP32_DEV {PSRAM}"),
        board(extra_flags=f"-D ARDUINO_ESP32_DEV=1 {PSRAM}"),
    ],
)
def test_psram_of_a_generic_board_is_a_guess(facts):
    choice = select_module(facts)
    assert (choice.module, choice.assumed) == ("WROVER-32", True)
    assert choice.reason == "build.extra_flags has 'BOARD_HAS_PSRAM'"


@pytest.mark.parametrize(
    ("facts", "module"),
    [
        (board("esp-wrover-kit"), "WROVER-32"),
        (board("esp-wrover-kit", at={"module": "WROOM-32"}), "WROVER-32"),
        (board("wipy3"), "WROVER-32"),
        (board("pico32"), "PICO-D4"),
        (board(variant="m5stack_fire", extra_flags=PSRAM), "WROVER-32"),
        (board(mcu="esp32c3"), "MINI-1"),
        (board("esp32dev"), None),
        (board(variant="esp32", extra_flags=PSRAM), None),
        (board(openocd="esp32-wrover.cfg"), None),
        (board(openocd="esp32-solo-1.cfg"), None),
        (board(extra_flags="-DCONFIG_FREERTOS_UNICORE=1"), None),
        (board(flash_size=2 * MIB), None),
        (board(mcu="stm32f4"), None),
        (board(name="WROOM or WROVER"), None),
        (None, None),
    ],
)
def test_what_a_board_is_known_to_carry(facts, module):
    found = known_module(facts)
    assert (found and found.name) == module


@pytest.mark.parametrize(
    "facts",
    [
        board("esp32-pico-v3-zero-devkit"),
        board(name="ESP32-PICO-V3-ZERO kit"),
        board(variant="pico_v3_zero", extra_flags=PSRAM),
    ],
)
def test_a_board_whose_module_runs_with_no_released_firmware(facts):
    with pytest.raises(UnknownNameError) as caught:
        select_module(facts)
    assert (caught.value.code, caught.value.facts["board"]) == ("module-unsupported", facts.id)
    assert "ESP32-PICO-V3-ZERO runs with none of the released firmware" in caught.value.message
    assert select_module(replace(facts, at={"module": "PICO-D4"})).module == "PICO-D4"


@pytest.mark.parametrize(
    ("facts", "alternatives"),
    [
        (board("esp32dev"), ("SOLO-1",)),
        (board(extra_flags=PSRAM), ("PICO-D4", "MINI-1")),
        (board("pico32"), ("MINI-1",)),
        (board(flash_size=2 * MIB), ()),
        (board(mcu="esp32s2"), ("WROOM", "WROVER", "SOLO")),
        (board(mcu="esp32c2", flash_size=2 * MIB), ("ESP32C2-2MB-G2",)),
        (board(mcu="esp32c3"), ()),
        (board(mcu="esp8266", flash_size=None), ()),
    ],
)
def test_alternatives(facts, alternatives):
    assert select_module(facts).alternatives == alternatives


@pytest.mark.parametrize(
    ("facts", "code", "message", "hint"),
    [
        (board(mcu="esp32s3"), "chip-unsupported", "ESP32-S3", "put an AT module"),
        (board(mcu="esp32h2"), "chip-unsupported", "ESP32-H2: it has no Wi-Fi", "put an AT module"),
        (board(mcu="esp32p4"), "chip-unsupported", "ESP32-P4", "put an AT module"),
        (board("esp32-c3-looking", mcu="esp32s3"), "chip-unsupported", "ESP32-S3", "put an AT module"),
        (board(mcu="stm32f103c8t6"), "chip-unsupported", "has the chip stm32f103c8t6, for which", "known: "),
        (board(mcu=""), "board-without-chip", "doesn't name its chip", "build.mcu"),
        (
            board(mcu="esp8266", flash_size=512 * KIB),
            "flash-too-small",
            "512KB of flash, but ESP8266_1MB",
            "no AT firmware fits",
        ),
        (
            board(mcu="esp32c3", flash_size=2 * MIB),
            "flash-too-small",
            "2MB of flash, but MINI-1 firmware needs 4MB",
            "no AT firmware fits",
        ),
        (
            board(mcu="esp32c2", flash_size=1 * MIB),
            "flash-too-small",
            "but ESP32C2-2MB firmware needs 2MB",
            "no AT firmware fits",
        ),
        (board(flash_size=1 * MIB), "flash-too-small", "1MB of flash, but ESP32-D2WD", "no AT firmware fits"),
        (
            board(name="WROOM", flash_size=2 * MIB),
            "flash-too-small",
            "but WROOM-32 firmware needs 4MB",
            "module: NAME, with one that fits: ESP32-D2WD; else write upload.flash_size = 4MB into the board's JSON",
        ),
        (board("wipy3", flash_size=2 * MIB), "flash-too-small", "but WROVER-32 firmware needs 4MB", "ESP32-D2WD"),
        (
            board(at={"module": "WROOM-32"}, flash_size=2 * MIB),
            "flash-too-small",
            "but WROOM-32 firmware needs 4MB",
            "ESP32-D2WD",
        ),
        (
            board(at={"chip": "esp32c3"}),
            "board-contradiction",
            "has the chip ESP32, but its at.chip says esp32c3",
            "remove at.chip from the board's JSON file (board_at.chip from platformio.ini); if it is right, correct",
        ),
        (board(mcu="esp32s3", at={"module": "WROOM-32"}), "chip-unsupported", "ESP32-S3", "put an AT module"),
    ],
)
def test_boards_that_no_firmware_fits(facts, code, message, hint):
    with pytest.raises(SelectionError) as caught:
        select_module(facts)
    assert caught.value.code == code
    assert message in caught.value.message
    assert facts.id in caught.value.message
    assert hint in caught.value.hint


def test_the_least_flash_of_a_board_does_not_refuse_a_module_that_is_named():
    facts = board(mcu="esp8266", flash_size=1 * MIB, flash_size_is_least=True, at={"module": "WROOM-02"})
    assert select_module(facts).module == "WROOM-02"
    with pytest.raises(SelectionError) as caught:
        select_module(replace(facts, flash_size_is_least=False))
    assert caught.value.code == "flash-too-small"
    with pytest.raises(SelectionError) as caught:
        select_module(board(mcu="esp8266", flash_size=512 * KIB, flash_size_is_least=True))
    assert caught.value.code == "flash-too-small"
    assert "board_upload.flash_size = 1MB" in caught.value.hint


def test_at_module_that_does_not_exist():
    with pytest.raises(UnknownNameError) as caught:
        select_module(board(mcu="esp32c3", at={"module": "WROOM-32"}))
    assert caught.value.code == "unknown-module"
    assert caught.value.facts == {"board": "my_board", "option": "at.module", "name": "WROOM-32"}
    assert str(caught.value).startswith("board my_board:at.module: unknown ESP32-C3 AT module 'WROOM-32'\n")
    assert "that is a module of ESP32" in caught.value.hint


def test_at_module_of_an_odd_type():
    with pytest.raises(FormatError) as caught:
        select_module(board(at={"module": ["WROOM-32"]}))
    assert caught.value.code == "board-manifest-invalid"
    assert (
        str(caught.value) == "board my_board: at.module must be a string, not a list\n"
        '  write "module": "TEXT" in the board\'s JSON file'
    )


def test_an_empty_at_module_is_none():
    assert "at.module" not in select_module(board(at={"module": ""})).reason


@pytest.mark.parametrize(
    ("chip", "module", "release", "then"),
    [
        ("esp32", "WROVER-32", "v2.4.0.0", "WROVER-32"),
        ("esp32", "WROVER-32", "v3.0.0.0", "MINI-1"),
        ("esp32", "WROVER-32", "v4.1.1.0", "MINI-1"),
        ("esp32", "WROOM-32", "v4.1.1.0", "WROOM-32"),
        ("esp32s2", "WROOM", "v2.1.0.0", "WROOM"),
        ("esp32s2", "WROOM", "v3.4.0.0", "MINI"),
    ],
)
def test_module_for_release(chip, module, release, then):
    assert module_for_release(Choice(chip, module, "because"), release).module == then


def test_a_replaced_module_has_a_reason_and_stays_an_alternative():
    choice = module_for_release(select_module(board(extra_flags=PSRAM)), "v4.1.1.0")
    assert choice.alternatives == ("WROVER-32", "PICO-D4")
    assert choice.reason.startswith("build.extra_flags has 'BOARD_HAS_PSRAM'; from v3.0.0.0 on, MINI-1 firmware")


# --- manifests that contradict themselves ---


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (
            BoardFacts("a", name="WROOM or WROVER", mcu="esp32"),
            "its id, name, variant and extra_flags name wroom and wrover",
        ),
        (BoardFacts("my-solo", mcu="esp32", variant="pico32"), "name solo and pico"),
        (BoardFacts("a", name="ESP32-MINI-1", mcu="esp32", extra_flags="-DWROVER"), "name wrover and esp32-mini-1"),
        (BoardFacts("a", mcu="esp32", variant="esp32s3"), "its variant or extra_flags are for esp32s3"),
        (BoardFacts("a", mcu="esp32c6", extra_flags="-DARDUINO_ESP32C61_DEV"), "are for esp32c61"),
        (BoardFacts("a", mcu="esp32s2", extra_flags="-DARDUINO_ESP32_C3_DEV -DESP8266"), "esp32c3 and esp8266"),
        (BoardFacts("a", mcu="esp32c3", extra_flags="-DBOARD_HAS_PSRAM"), "no ESP32-C3 has PSRAM"),
        (BoardFacts("a", mcu="esp8266", extra_flags="-DBOARD_HAS_PSRAM", flash_size=4 << 20), "no ESP8266 has PSRAM"),
        (BoardFacts("a-solo-1", mcu="esp32", extra_flags="-DBOARD_HAS_PSRAM"), "no ESP32-SOLO-1 has PSRAM"),
    ],
)
def test_contradictory_facts_are_refused(facts, reason):
    with pytest.raises(SelectionError) as caught:
        select_module(facts)
    assert caught.value.code == "board-contradiction"
    assert f"board {facts.id} contradicts itself: " in caught.value.message
    assert reason in caught.value.message
    assert caught.value.hint == "correct its manifest, or name the module that it carries: module: NAME"
    # The user's word ends it.
    first = {"esp32": "WROOM-32", "esp8266": "WROOM-02"}.get(facts.mcu, modules(facts.mcu)[0].name)
    assert select_module(replace(facts, at={"module": first})).module == first


@pytest.mark.parametrize(
    ("facts", "module"),
    [
        # A WROOM with a PSRAM flag is a slip, a PICO with one has PSRAM inside; an id names what it likes.
        (BoardFacts("wroom", mcu="esp32", extra_flags="-DBOARD_HAS_PSRAM"), "WROOM-32"),
        (BoardFacts("pico", mcu="esp32", extra_flags="-DBOARD_HAS_PSRAM", openocd="esp32-wrover.cfg"), "PICO-D4"),
        (BoardFacts("esp32s2_lookalike", mcu="esp32", extra_flags="-DARDUINO_ARCH_ESP32"), "WROOM-32"),
        (BoardFacts("solo", mcu="esp32", extra_flags="-DCORE32SOLO1", openocd="esp32-solo.cfg"), "SOLO-1"),
        (BoardFacts("a", mcu="esp32", extra_flags="-DCONFIG_IDF_TARGET_ESP32S3_NOT=1"), "WROOM-32"),
        (BoardFacts("a", mcu="esp32", extra_flags="-DESP8266_COMPAT -DUSE_ESP32S3=0"), "WROOM-32"),
        (BoardFacts("a", mcu="esp32c61", variant="esp32c61"), "ESP32C61-4MB"),
    ],
)
def test_facts_that_only_look_contradictory(facts, module):
    assert select_module(facts).module == module


def test_boards_with_ethernet():
    assert has_ethernet(BoardFacts("esp32-poe", mcu="esp32"))
    assert has_ethernet(BoardFacts.from_manifest("own", {"connectivity": ["wifi", "ethernet"]}))
    for odd in ({}, {"connectivity": ["wifi"]}, {"connectivity": "ethernet"}, {"connectivity": 7}):
        assert not has_ethernet(BoardFacts.from_manifest("own", odd))


def test_what_boards_are_known_to_have():
    assert used_gpios(BoardFacts("esp32-poe", mcu="esp32")) == {17: "Ethernet clock"}
    assert used_gpios(BoardFacts("esp32-poe", mcu="esp32c3")) == used_gpios(BoardFacts("x", mcu="stm32")) == {}
    assert known_crystal_mhz(BoardFacts("esp32thing", mcu="esp32")) == 26
    assert known_crystal_mhz(BoardFacts("esp32dev", mcu="esp32")) is None
