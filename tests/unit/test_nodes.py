"""Texts become nodes: YAML, the text of a host's option, a value from JSON."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError, Place
from platformio_esp_at.request.nodes import (
    is_mapping,
    nodes_of_json,
    parse_mapping,
    parse_names,
    parse_yaml,
    place_of,
    without_blanks,
    without_space,
)
from platformio_esp_at.request.values import Text

FILE = Place.at(file="esp_at.yml")
HERE = Place.at(option="custom_at_x")
EXAMPLE = "{uart_tx_pin: 17}"


def _line(number: int) -> Place:
    return Place.at(file="esp_at.yml", line=number)


def _mapping(text: str, *, lists: bool = False) -> object:
    return parse_mapping(text, HERE, lists=lists, example=EXAMPLE)


# --- YAML ---


def test_a_file_has_lines():
    assert parse_yaml("a: 1\nb:\n- x\n- {y: z}\n", FILE, has_lines=True) == {
        "a": Text("1", _line(1)),
        "b": (Text("x", _line(3)), {"y": Text("z", _line(4))}),
    }


def test_an_option_has_no_lines():
    assert parse_yaml("a: 1\nb: 2", HERE) == {"a": Text("1", HERE), "b": Text("2", HERE)}
    with pytest.raises(FormatError) as caught:
        parse_yaml("a: 1\na: 2", HERE)
    assert caught.value.place == HERE


@pytest.mark.parametrize("word", ["NO", "yes", "null", "~", "0x10", "1e3", "2024-01-01", "010", "1_000"])
def test_a_value_stays_the_text_that_was_written(word):
    assert parse_yaml(f"{{country_code: {word}}}", FILE, has_lines=True) == {"country_code": Text(word, _line(1))}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "[]", "{}"], ids=repr)
def test_nothing_is_a_blank_text(text):
    node = parse_yaml(text, HERE)
    assert node == Text("", HERE)


@pytest.mark.parametrize(
    ("text", "code", "line", "message", "hint"),
    [
        pytest.param(
            "\n\nport: 1\nport: 2\n",
            "option-twice",
            4,
            "'port' is given twice",
            "remove one of the two; the first is esp_at.yml:3",
            id="twice",
        ),
        pytest.param(
            "data:\n  a: 1\n  a: 2\n",
            "option-twice",
            3,
            "'a' is given twice",
            "remove one of the two; the first is esp_at.yml:2",
            id="twice-inside-a-mapping",
        ),
        pytest.param(
            "pki: &a {x: y}\ndata: *a\n",
            "not-yaml",
            1,
            "YAML aliases are not supported here",
            "write the value itself in place of the *alias",
            id="alias",
        ),
        pytest.param(
            "data: &a {x: *a}\n",
            "not-yaml",
            1,
            "YAML aliases are not supported here",
            "write the value itself in place of the *alias",
            id="loop",
        ),
        pytest.param(
            "data: *a\n",
            "not-yaml",
            1,
            "not YAML: found undefined alias 'a'",
            "put the value here in single quotes: 'VALUE'",
            id="unknown-alias",
        ),
        pytest.param("[a]: b\n", "option-invalid", 1, "a key must be a name", "write NAME: VALUE", id="list-as-a-key"),
        pytest.param(
            "port: x\n\tbaud: 1\n",
            "not-yaml",
            2,
            "not YAML: a tab",
            "write spaces in place of the tab",
            id="tab",
        ),
        pytest.param(
            "port: [1\nbaud: 2\n",
            "not-yaml",
            2,
            "not YAML: expected ',' or ']', but got ':'",
            "close the bracket, and put a comma between its parts: [a.pem, b.pem]",
            id="open-bracket",
        ),
        pytest.param(
            "a: 1\n---\nb: 2\n",
            "not-yaml",
            2,
            "not YAML: but found another document",
            "put the value here in single quotes: 'VALUE'",
            id="two-documents",
        ),
        pytest.param(
            "port: \x01\n",
            "not-yaml",
            1,
            "not YAML: the character U+0001 is not allowed",
            "remove this character, 7 characters from the start",
            id="control",
        ),
        pytest.param(
            "[" * 5000,
            "not-yaml",
            None,
            "not YAML: maximum recursion depth exceeded",
            "write NAME: VALUE, with fewer brackets inside brackets",
            id="nested",
        ),
    ],
)
def test_yaml_refuses(text, code, line, message, hint):
    with pytest.raises(FormatError) as caught:
        parse_yaml(text, FILE, has_lines=True)
    assert (caught.value.code, caught.value.place) == (code, Place.at(file="esp_at.yml", line=line))
    assert caught.value.message.startswith(message)
    assert caught.value.hint == hint


SPACE = "there is no space after the colon"
ESCAPE = "a backslash in double quotes is an escape"


@pytest.mark.parametrize(
    ("text", "line", "problem", "hint"),
    [
        pytest.param("module:WROOM-32\nport: x\n", 1, SPACE, "write module: WROOM-32, with a", id="first-line"),
        pytest.param("port: x\nmodule:WROOM-32\n", 2, SPACE, "write module: WROOM-32, with a", id="last-line"),
        pytest.param("port: x\n\nmodule:WROOM-32\n\nbaud: 1\n", 3, SPACE, "write module: WROOM-32,", id="between"),
        pytest.param(
            "factory_param:\n  uart_tx_pin:17\n  uart_rx_pin: 16\n", 2, SPACE, "write uart_tx_pin: 17,", id="inside"
        ),
        pytest.param(
            "port: x\nmodule\nbaud: 1\n", 2, "could not find expected ':'", "write NAME: VALUE", id="no-colon"
        ),
        pytest.param("port: x\n\tbaud: 1\n", 2, "a tab", "write spaces in place of the tab", id="tab"),
        pytest.param("port:\tx\n", 1, "a tab", "write spaces in place of the tab", id="tab-after-the-colon"),
        pytest.param(
            'port: x\nfirmware: "C:\\new\\x"\n',
            2,
            ESCAPE,
            "write it in single quotes, 'C:\\new\\x', or with / in place of \\",
            id="unknown-escape",
        ),
        pytest.param(
            'firmware: "C:\\temp\\fw.zip"\n', 1, ESCAPE, "write it in single quotes, 'C:\\temp\\fw.zip'", id="escape"
        ),
        pytest.param(
            'pki: {a: "C:\\temp", b: "D:\\b"}\n', 1, ESCAPE, "write it in single quotes, 'C:\\temp", id="escape-inside"
        ),
        pytest.param("port: x\nboard: 'y\nbaud: 1\n", 2, "found unexpected end", "close the quote", id="open-quote"),
        pytest.param("board: a: b\n", 1, "mapping values are not", "put a value with a colon", id="two-colons"),
        pytest.param("data:\n  a: 1\n b: 2\n", 3, "expected <block end>", "indent this line", id="indent"),
    ],
)
def test_what_is_wrong_with_a_line_and_what_to_write(text, line, problem, hint):
    with pytest.raises(FormatError) as caught:
        parse_yaml(text, FILE, has_lines=True)
    assert (caught.value.code, caught.value.place) == ("not-yaml", _line(line))
    assert caught.value.message.startswith(f"not YAML: {problem}")
    assert caught.value.hint.startswith(hint)


def test_a_path_in_single_quotes_and_an_escape_that_is_a_letter_are_taken():
    assert parse_yaml("'C:\\temp'", HERE) == Text("C:\\temp", HERE)
    assert parse_yaml('"gr\\u00fcn.pem"', HERE) == Text("grün.pem", HERE)
    assert parse_yaml("'https://a/b:c'", HERE) == Text("https://a/b:c", HERE)


@pytest.mark.parametrize("line", ["module: WROOM-32", "https://a", "C:\\temp", "C:/temp", "a b:c", "", "a:"])
def test_lines_that_lack_no_space(line):
    assert without_space(line) is None


# --- the text of an option ---


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("uart_tx_pin = 1\nuart_rx_pin = 3", id="lines-with-equals"),
        pytest.param("uart_tx_pin = 1\n\n  uart_rx_pin=3\n", id="indented-lines-with-equals"),
        pytest.param("uart_tx_pin: 1\nuart_rx_pin: 3", id="yaml-lines"),
        pytest.param("{uart_tx_pin: 1, uart_rx_pin: 3}", id="yaml-in-one-line"),
        pytest.param('{"uart_tx_pin": "1", "uart_rx_pin": 3}', id="json"),
    ],
)
def test_spellings_of_a_mapping(text):
    assert _mapping(text) == {"uart_tx_pin": Text("1", HERE), "uart_rx_pin": Text("3", HERE)}


def test_only_files_come_in_lists():
    two = (Text("a.pem", HERE), Text("b.pem", HERE))
    assert _mapping("ca = [a.pem, b.pem]", lists=True) == {"ca": two}
    assert _mapping("ca = [a.pem, b.pem]") == {"ca": Text("[a.pem, b.pem]", HERE)}
    assert _mapping("ca = a.pem, b.pem", lists=True) == {"ca": Text("a.pem, b.pem", HERE)}


@pytest.mark.parametrize(
    ("text", "lists", "code", "message", "hint"),
    [
        pytest.param("a = 1\na=2", False, "option-twice", "'a' is given twice", "remove one of the two a", id="twice"),
        pytest.param(
            "{a: 1, a: 2}",
            False,
            "option-twice",
            "'a' is given twice",
            "remove one of the two; the first is custom_at_x",
            id="twice-in-yaml",
        ),
        pytest.param(
            "a = x.pem\na = y.pem",
            True,
            "option-twice",
            "'a' is given twice",
            "for two files, write a=[a.pem, b.pem]",
            id="file-twice",
        ),
        pytest.param(
            "a = 1\nb: 2",
            False,
            "option-invalid",
            "'b: 2' is not name = value, as other lines are",
            "write b = 2",
            id="mixed",
        ),
        pytest.param(
            "a: 1\nb = 2",
            False,
            "option-invalid",
            "'a: 1' is not name = value, as other lines are",
            "write a = 1",
            id="mixed-too",
        ),
        pytest.param(
            "a = 1\nb",
            False,
            "option-invalid",
            "'b' is not name = value, as other lines are",
            "write NAME = VALUE",
            id="name-among-pairs",
        ),
        pytest.param(
            "uart_rx_pin", False, "option-invalid", "uart_rx_pin has no value", "write uart_rx_pin=17", id="name-alone"
        ),
        pytest.param(
            "a = [x",
            True,
            "not-yaml",
            "not YAML: ",
            "close the bracket, and put a comma between its parts: [a.pem, b.pem]",
            id="open-bracket-in-a-list",
        ),
    ],
)
def test_mapping_refuses(text, lists, code, message, hint):
    with pytest.raises(FormatError) as caught:
        _mapping(text, lists=lists)
    assert (caught.value.code, caught.value.where, caught.value.hint) == (code, "custom_at_x", hint)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("text", ["a b", "a, b", "a,b", "[a, b]", "a\nb", " a ,\n b "], ids=repr)
def test_spellings_of_names(text):
    assert parse_names(text, HERE) == (Text("a", HERE), Text("b", HERE))


@pytest.mark.parametrize("text", ["", "[]", ","], ids=repr)
def test_no_names(text):
    assert parse_names(text, HERE) == ()


@pytest.mark.parametrize(
    ("text", "more"),
    [("WROOM-32", False), ("name: A", False), ("{name: A}", True), ("name = A", True), ("name: A\nbased_on: B", True)],
)
def test_what_is_more_than_a_single_value(text, more):
    assert is_mapping(text) is more


# --- JSON, and what is blank ---


def test_nodes_of_json():
    assert nodes_of_json({"a": 1, "b": ["x", 2], "c": True, "d": {"e": "f"}}, HERE) == {
        "a": Text("1", HERE),
        "b": (Text("x", HERE), Text("2", HERE)),
        "c": Text("True", HERE),
        "d": {"e": Text("f", HERE)},
    }
    assert nodes_of_json([], HERE) == nodes_of_json({}, HERE) == Text("", HERE)


@pytest.mark.parametrize("blank", ["", " ", "~", "null", "NULL"], ids=repr)
def test_blank_options_are_left_out(blank):
    assert without_blanks({"a": Text(blank, HERE), "b": Text("x", HERE)}) == {"b": Text("x", HERE)}


def test_the_place_of_a_node_is_that_of_its_first_text():
    node = parse_yaml("\na:\n- b\n- c\n", FILE, has_lines=True)
    assert place_of(node) == _line(3)
    assert place_of(()) == Place()
