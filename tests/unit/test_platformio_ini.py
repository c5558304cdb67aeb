"""platformio.ini: what an environment has, as PlatformIO finds it, and lines added that leave all others alone."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.platformio_ini import PlatformioIni, Value, items

ITEM = "https://example.org/esp-at.tar.gz"
INHERITED = f"lib_deps =\n    ${{%s.lib_deps}}\n    {ITEM}\n"


def added(text, option="lib_deps", environment="it"):
    """Return the file with one library more, and that PlatformIO has it then as well as all that it had."""
    ini = PlatformioIni.from_text(text)
    made = ini.with_item(environment, option, ITEM)
    if made is None:
        return None
    platformio = pytest.importorskip("platformio.project.config", reason="need PlatformIO")
    was, now = (_config(platformio, each.text) for each in (ini, made))
    assert now.get(f"env:{environment}", option) == [*was.get(f"env:{environment}", option, []), ITEM]
    return made.text


def _config(platformio, text):
    config = platformio.ProjectConfig(path=None)
    config._parser.read_string(text)
    return config


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[env:it]\nboard = x\n", f"[env:it]\nboard = x\nlib_deps = {ITEM}\n"),
        ("[env:it]\nboard = x", f"[env:it]\nboard = x\nlib_deps = {ITEM}\n"),
        ("[env:it]\n", f"[env:it]\nlib_deps = {ITEM}\n"),
        (
            "[env:it]\nboard = x\n\n; about the other\n[env:other]\n",
            f"[env:it]\nboard = x\nlib_deps = {ITEM}\n\n; about the other\n[env:other]\n",
        ),
        ("[env:it]\nlib_deps = a\nboard = x\n", f"[env:it]\nlib_deps = a\n    {ITEM}\nboard = x\n"),
        ("[env:it]\nlib_deps =\nboard = x\n", f"[env:it]\nlib_deps =\n    {ITEM}\nboard = x\n"),
        ("[env:it]\nlib_deps = a, b\n", f"[env:it]\nlib_deps = a, b, {ITEM}\n"),
        ("[env:it]\nLIB_DEPS: a ; why\n", f"[env:it]\nLIB_DEPS: a ; why\n    {ITEM}\n"),
        (
            "[env:it]\nlib_deps =\n\ta @ 1 ; why\n\n\t; or this\n\tb\n\n; next\nboard = x\n",
            f"[env:it]\nlib_deps =\n\ta @ 1 ; why\n\n\t; or this\n\tb\n\t{ITEM}\n\n; next\nboard = x\n",
        ),
        ("[env:it]\r\nlib_deps =\r\n  a\r\n", f"[env:it]\r\nlib_deps =\r\n  a\r\n  {ITEM}\r\n"),
        (
            "[env]\nlib_deps = a\n\n[env:it]\nboard = x\n",
            f"[env]\nlib_deps = a\n\n[env:it]\nboard = x\nlib_deps =\n    ${{env.lib_deps}}\n    {ITEM}\n",
        ),
        (
            "[base]\nlib_deps =\n  a\n  b\n[env]\nlib_deps = c\n[env:it]\nextends = base\n",
            f"[base]\nlib_deps =\n  a\n  b\n[env]\nlib_deps = c\n[env:it]\nextends = base\n{INHERITED % 'base'}",
        ),
        (
            "[env:first]\nlib_deps = a\n[env:it]\nextends = env:first\n",
            f"[env:first]\nlib_deps = a\n[env:it]\nextends = env:first\n{INHERITED % 'env:first'}",
        ),
    ],
)
def test_a_library_more(before, after):
    assert added(before) == after


def test_a_script_more():
    assert added("[env:it]\nextra_scripts = pre:a.py\n", "extra_scripts") == (
        f"[env:it]\nextra_scripts = pre:a.py\n    {ITEM}\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[env:it]\nlib_deps = a, b ; both\n",  # the comment is at the end of the list
        "[platformio]\nextra_configs = more.ini\n[env:it]\nboard = x\n",  # that file may have libraries
        "[env:other]\n",
    ],
)
def test_what_is_not_safe_is_left_alone(text):
    assert added(text) is None


def test_an_own_list_is_extended_although_there_are_other_files():
    text = "[platformio]\nextra_configs = more.ini\n[env:it]\nlib_deps =\n  a\n"
    made = PlatformioIni.from_text(text).with_item("it", "lib_deps", ITEM)
    assert made.text == f"{text}  {ITEM}\n"


def test_what_an_environment_has():
    ini = PlatformioIni.from_text(
        "[platformio]\ndefault_envs = b, gone\n[env]\nboard = x\nspeed = 1\n[base]\nboard = y\n"
        "[env:a]\n[env:b]\nextends = base\nspeed = 2 ; fast\n"
    )
    assert (ini.environments, ini.default_environments) == (("a", "b"), ("b",))
    assert ini.find("a", "board") == Value("x", "env")
    assert ini.find("b", "board") == Value("y", "base")
    assert ini.find("b", "speed") == Value("2", "env:b")
    assert ini.find("b", "nothing") is None
    assert ini.options("b") == {"extends": "base", "speed": "2", "board": "y"}


def test_sections_that_extend_each_other_end():
    ini = PlatformioIni.from_text("[a]\nextends = b\n[b]\nextends = a\n[env:it]\nextends = a\n")
    assert ini.find("it", "board") is None


@pytest.mark.parametrize(
    ("text", "line"),
    [("board = x\n", 1), ("[env:a]\n[env:a]\n", 2), ("[env:a]\nboard\n", 2), ("[env:a]\na=1\na=2\n", 3)],
)
def test_a_file_that_platformio_cannot_read(text, line):
    with pytest.raises(FormatError) as caught:
        PlatformioIni.from_text(text)
    assert (caught.value.code, caught.value.where) == ("platformio-ini-invalid", f"platformio.ini:{line}")


def test_items():
    assert items("a, b @ ^1, c") == ["a", "b @ ^1", "c"]
    assert items("\na\n; no\n  b, c\n") == ["a", "b, c"]
    assert items("") == []
