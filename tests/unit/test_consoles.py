"""The reader of our pages, by which the tests follow them."""

from __future__ import annotations

import os

import pytest
from consoles import Command, Shell, Written, difference, differs, follow, steps

PAGE = """\
1. In `platformio.ini`:

   ```ini platformio.ini
   [env:a]

   board = b
   ```

```yaml
not: a file
```
   ```console
   $ one   # says nothing
   $ two \\
         --more
   a
    b

   $ three
   ```
"""


def test_what_a_page_tells():
    assert list(steps(PAGE)) == [
        Written(3, "platformio.ini", "[env:a]\n\nboard = b\n"),
        Command(13, "one   # says nothing", ()),
        Command(14, "two --more", ("a", " b")),
        Command(19, "three", ()),
    ]


def test_a_section_of_a_page():
    page = "# Page\n{0}\n## One\n{0}\n## Two\n### Half\n{0}".format("```console\n$ a\n## no heading\n```")
    assert [step.line for step in steps(page)] == [3, 8, 14]
    assert [[step.line for step in steps(page, section)] for section in ("", "One", "Two")] == [[3], [8], [14]]


@pytest.mark.parametrize(
    ("expected", "first"),
    [
        (("a", "b c", "d"), None),
        (("a", "b …", "d"), None),
        (("a", "…"), None),
        (("…", "d"), None),
        (("…", "b c", "…"), None),
        (("a", "…", "d"), None),
        (("…",), None),
        (("a", "b c"), "d"),
        (("a", "d"), "d"),
        (("…", "b"), "b"),
        (("…", "d", "a", "…"), "a"),
        (("b c", "d"), "b c"),
    ],
)
def test_what_is_printed_is_compared(expected, first):
    assert differs(expected, "\na\nb c\nd  \n") == first


def test_what_differs_is_shown_in_its_place():
    expected = ("one …", "…", "three", "four")
    assert difference(expected, "one 1\ntwo\nfour\n").split("\n") == ["  one …", "- three", "+ two", "  four"]


@pytest.mark.skipif(os.name == "nt", reason="need bash")
def test_a_page_is_followed(tmp_path):
    page, shell = tmp_path / "page.md", Shell(tmp_path, os.environ | {"TMPDIR": str(tmp_path)}, {"/dev/x": "/dev/null"})
    block = "```console\n$ mkdir d && cd d\n$ pip install x\n$ export A=1\n$ echo $A $PWD /dev/x\n1 …/d /dev/x\n{}```\n"
    page.write_text(block.format("$ ls /dev/x\n/dev/x\n"))
    assert follow(page, shell, not_run=("pip",)) == 4
    for wrong in ("$ false\n", "$ true\nError: …\n", "$ echo a\nb\n"):
        page.write_text(f"```console\n{wrong}```\n")
        with pytest.raises(AssertionError):
            follow(page, shell)
