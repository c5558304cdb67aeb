"""Where the documentation is: in the package, or published."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.commands import documentation
from platformio_esp_at.commands.documentation import PAGES, SITE, address
from platformio_esp_at.commands.explain import all_codes
from platformio_esp_at.errors import UnknownNameError
from platformio_esp_at.request.options import OPTIONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DOCS = [sys.executable, "-m", "platformio_esp_at", "docs"]


@pytest.fixture(autouse=True)
def built(tmp_path, monkeypatch):
    """Return the folder of the built documentation; there is nothing in it yet."""
    monkeypatch.setattr(documentation, "BUILT", tmp_path / "documentation")
    return tmp_path / "documentation"


def test_the_published_one_is_that_of_the_metadata():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert urls["Documentation"] == SITE


@pytest.mark.parametrize(
    ("topic", "place"),
    [
        (None, "index.html"),
        ("options", "reference/options.html"),
        ("pin-taken", "reference/codes.html#pin-taken"),
        ("[PIN-TAKEN]", "reference/codes.html#pin-taken"),
        ("factory_param", "reference/options.html#factory-param"),
        ("--module", "reference/options.html#module"),
        ("flash", "reference/commands.html#esp-at-flash"),
        ("report", "reference/report.html"),
    ],
)
def test_topics(topic, place):
    assert address(topic, ["flash", "report"]) == SITE + place


def test_what_a_release_brings_goes_first(built):
    built.mkdir()
    (built / "index.html").write_text("<p>")
    assert address(None, []) == (built / "index.html").as_uri()
    assert address("pin-taken", []) == f"{(built / 'reference' / 'codes.html').as_uri()}#pin-taken"


@pytest.mark.parametrize(("topic", "hint"), [("pin-takn", "did you mean pin-taken"), ("§", "name a page")])
def test_an_unknown_topic(topic, hint):
    with pytest.raises(UnknownNameError) as caught:
        address(topic, ["flash"])
    assert caught.value.code == "unknown-topic"
    assert (caught.value.hint or "").startswith(hint)


def test_every_anchor_is_one_that_sphinx_makes():
    docutils = pytest.importorskip("docutils.nodes", reason="need Sphinx (the extra docs)")
    for name in (*OPTIONS, *(entry.code for entry in all_codes()), *PAGES):
        assert address(name, []).partition("#")[2] in ("", docutils.make_id(name))


def test_without_a_terminal_the_address_is_printed_alone(tmp_path):
    """Neither a browser nor a program that stands for one is started."""
    opened = tmp_path / "opened"
    done = subprocess.run(
        [*DOCS, "pin-taken"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"BROWSER": _browser(tmp_path, opened)},
    )
    assert re.fullmatch(r"(https|file)://\S+/reference/codes\.html#pin-taken\n", done.stdout)
    assert not opened.exists()


def _browser(folder, opened):
    """Return a command that writes the address which it is to open into a file."""
    program = folder / "browser.py"
    program.write_text(f"import sys; open({str(opened)!r}, 'w').write(sys.argv[1])\n")
    return f"{shlex.join([sys.executable, str(program)])} %s"


@pytest.mark.parametrize("arguments", [[], ["--path"]])
def test_in_a_terminal(tmp_path, arguments):
    pty = pytest.importorskip("pty", reason="need pseudo-terminals")
    opened = tmp_path / "opened"
    ours, theirs = pty.openpty()
    env = os.environ | {"BROWSER": _browser(tmp_path, opened)}
    subprocess.run([*DOCS, *arguments], stdout=theirs, check=True, env=env)
    printed = os.read(ours, 4096).decode().strip()
    os.close(theirs)
    os.close(ours)
    assert (opened.read_text() if opened.exists() else None) == (None if arguments else printed)


def test_in_a_terminal_without_a_browser(tmp_path):
    pty = pytest.importorskip("pty", reason="need pseudo-terminals")
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(DOCS, stdout=theirs, check=False, env=kept | {"PATH": str(tmp_path)})
    printed = os.read(ours, 4096).decode().strip()
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 0
    assert printed.endswith("index.html")
