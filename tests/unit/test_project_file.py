"""The text of a new esp_at.yml."""

from __future__ import annotations

import re

import pytest

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.outputs.project_file import as_scalar, project_text, write_new
from platformio_esp_at.request.nodes import parse_yaml
from platformio_esp_at.request.options import OPTIONS
from platformio_esp_at.request.read import layer_of_text
from platformio_esp_at.request.schema import MODELINE


def test_what_is_set_is_set_and_all_else_is_a_comment(tmp_path):
    text = project_text({"firmware": "v4.1.1.0", "port": "COM3"})
    options = layer_of_text(text, tmp_path).options
    assert {name: node.text for name, node in options.items()} == {"firmware": "v4.1.1.0", "port": "COM3"}
    assert text.startswith(f"{MODELINE}\n# ")
    words = " ".join(line.removeprefix("# ") for line in text.splitlines())
    for name, option in OPTIONS.items():
        assert option.help in words
        assert (f"\n# {name}: {option.example}\n" in text) == (name not in options)
    assert all(len(line) <= 100 for line in text.splitlines()[1:])


def test_without_its_comment_each_line_is_an_option(tmp_path):
    """Whoever takes a # away has what the option's example says."""
    lines = [line for line in project_text({}).splitlines() if re.match(r"# [a-z_]+: \S", line)]
    examples = [line.removeprefix("# ") for line in lines if line[2:].partition(":")[0] in OPTIONS]
    assert list(layer_of_text("\n".join(examples), tmp_path).options) == list(OPTIONS)


@pytest.mark.parametrize(
    "text",
    ["v4.1.1.0", "fw.zip", "a b.zip", "C:\\fw #1.zip", "it's", "no", "[x]", "a: b", "#", "~/x", "ä.zip", "x:", " a"],
)
def test_a_value_is_read_as_it_was_given(text):
    assert parse_yaml(f"a: {as_scalar(text)}", None)["a"].text == text


def test_nothing_is_overwritten(tmp_path):
    write_new(tmp_path / "new" / "a.txt", "one\n")
    with pytest.raises(EspAtError) as caught:
        write_new(tmp_path / "new" / "a.txt", "two\n")
    assert caught.value.code == "already-exists"
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"one\n"
    with pytest.raises(EspAtError) as caught:
        write_new(tmp_path / "new" / "a.txt" / "b.txt", "")
    assert caught.value.code == "not-writable"
