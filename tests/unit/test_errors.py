"""Errors, warnings and notes: a code, facts, the place, the next step."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import (
    EspAtError,
    FlashError,
    FormatError,
    LayoutError,
    Notice,
    PackageError,
    Place,
    SelectionError,
    Spelling,
    UnknownNameError,
    as_yaml,
    located,
    near_names,
    note,
    printable,
    raise_all,
    setting,
    spelled,
    unknown_name,
    warning,
)

# --- places ---


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place(), ""),
        (Place.at(file="a.csv", line=3), "a.csv:3"),
        (Place.at(package="fw.zip", file="esp-at.bin", offset=0x20), "fw.zip:esp-at.bin:0x20"),
        (Place.at(option="--module"), "--module"),
        (Place.at(board="esp32dev", option="at"), "board esp32dev:at"),
        (Place.at(file="mfg_nvs.bin", page=0, entry=7), "mfg_nvs.bin:page 0:entry 7"),
        (Place.at(file="gatts.csv", row=0), "gatts.csv:row 0"),
        (Place.at(partition="mqtt_ca", parameter="uart_tx_pin"), "mqtt_ca:uart_tx_pin"),
    ],
    ids=str,
)
def test_places_in_words(place, text):
    assert str(place) == text


def test_a_part_that_is_not_known_is_left_out():
    assert Place.at(file="a.csv", line=None) == Place.at(file="a.csv")
    assert Place.at(offset=0) != Place()
    assert Place.at(file=None) == Place()


def test_a_place_inside_a_place():
    assert Place.at(file="a.csv") / Place.at(line=3) == Place.at(file="a.csv", line=3)
    assert Place() / Place.at(line=3) == Place.at(line=3)
    assert Place.at(file="a.csv") / Place() == Place.at(file="a.csv")
    assert str(Place.at(file="fw.zip") / Place.at(file="a.bin")) == "fw.zip:a.bin"


# --- texts ---


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (EspAtError("broken", "it broke", hint="mend it"), "it broke\n  mend it"),
        (
            EspAtError("broken", "it broke", where=Place.at(file="a.csv", line=3), hint="mend it"),
            "a.csv:3: it broke\n  mend it",
        ),
        (EspAtError("broken", "it broke", where=Place.at(offset=16), hint="mend it"), "0x10: it broke\n  mend it"),
        (EspAtError("broken", "it broke", hint="one\ntwo"), "it broke\n  one\n  two"),
    ],
    ids=["message", "where", "offset", "two-hints"],
)
def test_text(error, text):
    assert str(error) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("grün 1…", "grün 1…", id="as-it-is"),
        pytest.param("a\x1b]0;b\x07", "a\\x1b]0;b\\x07", id="escape-sequence"),
        pytest.param("a\u202eb", "a\\u202eb", id="right-to-left"),
        pytest.param("a\nError: b\r", "a\\nError: b\\r", id="line-ends"),
        pytest.param("a\udcff", "a\\udcff", id="not-utf-8"),
        pytest.param("\x9b2J", "\\x9b2J", id="c1"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_no_part_of_a_message_reaches_the_terminal_raw():
    error = EspAtError("broken", "m\x1b", where=Place.at(file="w\x1b\n"), hint="one\x1b\ntwo\u202e")
    assert str(error) == "w\\x1b\\n: m\\x1b\n  one\\x1b\n  two\\u202e"
    with pytest.raises(EspAtError) as caught:
        raise_all([error, error])
    assert str(caught.value).count("w\\x1b") == 2
    assert "\x1b" not in str(caught.value)


# --- what programs read ---


@pytest.mark.parametrize(
    "kind",
    [FormatError, LayoutError, UnknownNameError, SelectionError, PackageError, FlashError],
    ids=lambda k: k.__name__,
)
def test_one_base_catches_every_kind(kind):
    error = kind("broken", "it broke", hint="mend it")
    assert isinstance(error, EspAtError)
    assert isinstance(error, ValueError) == (kind is FormatError)
    assert (error.code, error.message, error.hint) == ("broken", "it broke", "mend it")
    assert (error.place, error.where, error.facts, error.problems) == (Place(), None, {}, ())


def test_facts_are_those_of_the_place_and_its_own():
    error = FormatError(
        "bad-row", "bad row", where=Place.at(file="a.csv", line=3), hint="mend it", column="size", names=("a", "b")
    )
    assert error.facts == {"file": "a.csv", "line": 3, "column": "size", "names": ("a", "b")}
    error.locate(Place.at(package="fw.zip"))
    assert error.facts == {"package": "fw.zip", "file": "a.csv", "line": 3, "column": "size", "names": ("a", "b")}


def test_facts_of_the_error_go_before_those_of_its_place():
    error = FormatError(
        "option-invalid", "no", where=Place.at(option="custom_at_port"), hint="write one", option="port"
    )
    assert (error.facts, error.where) == ({"option": "port"}, "custom_at_port")


def test_flash_error_keeps_the_output():
    error = FlashError("esptool-failed", "esptool failed", output="A fatal error occurred", hint="check the wiring")
    assert (error.output, str(error)) == ("A fatal error occurred", "esptool failed\n  check the wiring")
    assert error.code == "esptool-failed"


# --- places around what is raised ---


def test_located_puts_places_in_front():
    with pytest.raises(FormatError) as caught, located(package="fw.zip"), located(Place.at(file="a.csv")):
        raise FormatError("bad-row", "bad row", where=Place.at(line=3), hint="write another")
    assert caught.value.where == "fw.zip:a.csv:3"
    assert caught.value.place == Place.at(package="fw.zip", file="a.csv", line=3)
    assert (caught.value.code, caught.value.message, caught.value.hint) == ("bad-row", "bad row", "write another")


def test_located_leaves_programming_mistakes_alone():
    with pytest.raises(KeyError) as caught, located(file="table.csv"):
        raise KeyError("name")
    assert caught.value.args == ("name",)


def test_located_without_failure():
    with located(file="table.csv"):
        pass


def test_the_hint_of_a_format_is_that_of_the_caller_who_knows_where_the_bytes_come_from():
    with (
        pytest.raises(FormatError) as caught,
        located(package="fw.zip", origin_hint="download it again"),
        located(file="a.bin"),
    ):
        raise FormatError("cut", "it is cut", hint="copy it again")
    assert str(caught.value) == "fw.zip:a.bin: it is cut\n  download it again"


def test_a_file_that_people_edit_keeps_the_hint_of_its_reader():
    with (
        pytest.raises(FormatError) as caught,
        located(package="fw.zip", origin_hint="download it again"),
        located(file="download.config", origin_hint=""),
    ):
        raise FormatError("odd", "unknown option", hint="write --flash_mode")
    assert str(caught.value) == "fw.zip:download.config: unknown option\n  write --flash_mode"


def test_the_innermost_origin_counts():
    with pytest.raises(FormatError) as caught, located(origin_hint="outer"), located(origin_hint="inner"):
        raise FormatError("cut", "it is cut", hint="copy it again")
    assert caught.value.hint == "inner"


def test_the_origin_of_each_of_several_problems():
    problems = [FormatError("cut", "it is cut", hint="copy it"), LayoutError("over", "it is over", hint="move it")]
    with pytest.raises(FormatError) as caught, located(origin_hint="download it again"):
        raise_all(problems)
    assert [problem.hint for problem in caught.value.problems] == ["download it again", "move it"]


@pytest.mark.parametrize("kind", [EspAtError, LayoutError, UnknownNameError, FlashError])
def test_a_hint_that_is_not_about_the_format_stays(kind):
    with pytest.raises(EspAtError) as caught, located(origin_hint="download it again"):
        raise kind("odd", "it is odd", hint="mend it")
    assert caught.value.hint == "mend it"


# --- options in hints ---


def test_a_setting_is_written_as_the_host_does():
    hint = f"write {setting('module', 'NAME')} or remove {setting('skip')}"
    assert spelled(hint) == "write module: NAME or remove skip"
    assert spelled(hint, Spelling("<{}|{}>".format)) == "write <module|NAME> or remove <skip|>"
    assert spelled("write another", Spelling("{}{}".format)) == "write another"


def test_the_file_of_the_settings_is_named_once():
    hint = f"write {setting('board', 'none')} and {setting('port', 'PORT')}, or remove {setting('skip')}"
    spelling = Spelling(as_yaml, "esp_at.yml")
    assert spelled(hint, spelling) == "write board: none and port: PORT in esp_at.yml, or remove skip"
    assert spelled(f"remove {setting('skip')}", spelling) == "remove skip"


def test_a_setting_inside_a_mapping():
    assert spelled(setting("factory_param.uart_tx_pin", "17")) == "factory_param: {uart_tx_pin: 17}"
    assert spelled(setting("data.mfg_nvs")) == "data: {mfg_nvs: …}"


def test_an_error_and_a_notice_have_settings_as_esp_at_yml():
    hint = f"write {setting('port', 'PORT')}"
    error = EspAtError("odd", "it is odd", hint=hint)
    assert (error.hint, str(error)) == ("write port: PORT", "it is odd\n  write port: PORT")
    assert (error.marked_hint, error.as_warning().marked_hint) == (hint, hint)
    assert warning("odd", "it is odd", hint=hint).hint == "write port: PORT"


# --- several problems ---


def test_raise_all_of_none():
    raise_all([])


def test_raise_all_of_one_raises_it_unchanged():
    problem = LayoutError("overlap", "overlap", where=Place.at(line=4), hint="move it")
    with pytest.raises(LayoutError) as caught:
        raise_all([problem])
    assert caught.value is problem


def test_raise_all_of_several_has_them_all():
    problems = [
        FormatError("no-size", "no size", where=Place.at(line=2), hint="write one"),
        UnknownNameError("no-type", "no such type", where=Place.at(line=5), hint="write app"),
    ]
    with pytest.raises(FormatError) as caught, located(file="table.csv"):
        raise_all(problems)
    assert caught.value.problems == tuple(problems)
    assert caught.value.code == "no-size"
    assert [problem.facts for problem in problems] == [
        {"file": "table.csv", "line": 2},
        {"file": "table.csv", "line": 5},
    ]
    assert str(caught.value) == "2 problems:\ntable.csv:2: no size\n  write one\ntable.csv:5: no such type\n  write app"


# --- warnings and notes ---


def test_a_warning_and_a_note():
    where = Place.at(file="esp_at.yml", line=3)
    assert warning("odd", "that is odd", where=where, hint="mend it", pin=4) == Notice(
        "odd", "that is odd", is_warning=True, place=where, facts={"pin": 4}, marked_hint="mend it"
    )
    assert note("kept", "it stays") == Notice("kept", "it stays", is_warning=False, place=Place(), facts={})
    assert note("kept", "it stays").hint is None
    assert note("kept", "it stays", hint="mend it").hint == "mend it"


def test_a_notice_in_words():
    assert str(note("kept", "it stays")) == "it stays"
    assert str(note("kept", "it stays", where=Place.at(file="a.csv", line=3))) == "a.csv:3: it stays"
    assert str(warning("odd", "a\nb\x1b", where=Place.at(file="\x1b"), hint="mend it")) == "\\x1b: a\\nb\\x1b"


def test_a_notice_inside_a_place():
    inner = warning("odd", "that is odd", where=Place.at(row=2), hint="mend it", pin=4)
    outer = inner.inside(Place.at(file="gatts.csv"))
    assert str(outer) == "gatts.csv:row 2: that is odd"
    assert (outer.code, outer.is_warning, outer.facts) == ("odd", True, {"pin": 4})
    assert inner.place == Place.at(row=2)


def test_an_error_as_a_warning():
    error = FormatError("bad-row", "bad row", where=Place.at(file="a.csv"), hint="write another", column="size")
    assert error.as_warning() == Notice(
        "bad-row",
        "bad row",
        is_warning=True,
        place=Place.at(file="a.csv"),
        facts={"column": "size"},
        marked_hint="write another",
    )


# --- names ---


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        pytest.param(
            "esp32c33", ["esp32", "esp32c2", "esp32c3"], "did you mean esp32c3 or esp32c2 or esp32?", id="near"
        ),
        pytest.param("WROOM", ["wroom-32", "mini-1"], "did you mean wroom-32?", id="near-in-other-case"),
        pytest.param("pico", ["esp32", "avr"], "known: avr, esp32", id="far"),
        pytest.param("pico", [], "known: none", id="nothing-known"),
    ],
)
def test_unknown_name(name, known, hint):
    error = unknown_name("unknown-chip", "chip", name, known, where=Place.at(file="esp_at.yml"))
    assert type(error) is UnknownNameError
    assert (error.message, error.where, error.hint) == (f"unknown chip {name!r}", "esp_at.yml", hint)
    assert (error.code, error.facts) == ("unknown-chip", {"file": "esp_at.yml", "name": name})


def test_near_names():
    assert near_names("WROOM", ["wroom-32", "mini-1"]) == ["wroom-32"]
    assert near_names("esp32c33", ["esp32", "esp32c2", "esp32c3", "esp32c6"])[0] == "esp32c3"
    assert near_names("pico", ["esp32"]) == []
