"""Every code of an error, a warning or a note is written out where it is raised, and explained in ``errors.yml``."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

import platformio_esp_at
from platformio_esp_at.checks import alive
from platformio_esp_at.commands.explain import all_codes, explain
from platformio_esp_at.errors import UnknownNameError

PACKAGE = Path(platformio_esp_at.__file__).parent
EXPLANATIONS = PACKAGE / "errors.yml"

COMPOSED = {
    ("checks/alive.py", "code"): tuple(dict.fromkeys(code for code, _, _ in alive._TROUBLES.values())),
}
"""Codes that are put together: by file and expression."""

CODE = re.compile(r"[a-z]+(-[a-z]+)*")


class Site(NamedTuple):
    place: str
    codes: tuple[str, ...]
    """Empty where the code can't be told from the source."""


def _functions(node, function=None):
    """Yield every node with the innermost function around it."""
    for child in ast.iter_child_nodes(node):
        yield child, function
        inner = child if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) else function
        yield from _functions(child, inner)


def _error_classes(trees):
    """Return the names of `EspAtError` and of all classes derived from it."""
    bases = {
        node.name: {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases}
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"EspAtError"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def _parameters(function):
    arguments = function.args
    return [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _assigned(function, name):
    """Return what a function assigns to a name, alone or in a tuple: ``code, message = "pin-taken", …``."""
    values = []
    for node in ast.walk(function):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            pairs = (
                zip(target.elts, node.value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                else [(target, node.value)]
            )
            values += [value for part, value in pairs if isinstance(part, ast.Name) and part.id == name]
    return values


def _argument(call):
    named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    return named[0] if named else call.args[0] if call.args else None


def _is_literal(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _sites_in(tree, name, takers):
    """Return the sites of one module, and the functions that hand their own parameter on as the code."""
    sites, passing = [], set()
    for node, function in _functions(tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called not in takers:
            continue
        place, code = f"{name}:{node.lineno}", _argument(node)
        if _is_literal(code):
            sites.append(Site(place, (code.value,)))
        elif isinstance(code, ast.Attribute) and code.attr == "code":
            pass  # the code of an error that is there already
        elif isinstance(code, ast.Name) and function and code.id in _parameters(function):
            passing.add(function.name)
        elif isinstance(code, ast.Name) and function and (assigned := _assigned(function, code.id)):
            sites.append(Site(place, tuple(value.value for value in assigned if _is_literal(value))))
        else:
            sites.append(Site(place, COMPOSED.get((name, ast.unparse(code) if code else ""), ())))
    return sites, passing


def _all_sites():
    trees = {
        file.relative_to(PACKAGE).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
        for file in sorted(PACKAGE.rglob("*.py"))
    }
    everywhere = _error_classes(trees) | {"LaunchError", "Notice", "_Failure", "unknown_name", "warning", "note"}
    sites = []
    for name, tree in trees.items():
        takers, passing = set(), everywhere
        while passing - takers:
            takers |= passing
            found, passing = _sites_in(tree, name, takers)
        sites += found
    return sites


SITES = _all_sites()
RAISED = {code: site.place for site in SITES for code in site.codes}
ROWS = yaml.safe_load(EXPLANATIONS.read_text(encoding="utf-8"))


def test_the_ways_to_give_a_code_are_found():
    found = set(RAISED)
    assert {
        "option-invalid",
        "unknown-chip",
        "crystal-mismatch",
        "partition-moved",
    } <= found  # error, name, warning, note
    assert {"cache-not-writable", "server-unreachable"} <= found  # classes derived elsewhere
    assert {"pin-taken", "table-overlap", "pin-of-usb", "unknown-partition-subtype"} <= found
    assert len(SITES) > len(found) > 200


def test_every_code_is_written_out():
    unclear = [site.place for site in SITES if not site.codes]
    assert not unclear, f"the code is neither a literal nor in COMPOSED: {', '.join(unclear)}"


def test_every_code_is_lower_case_words_with_dashes():
    odd = [f"{code} ({place})" for code, place in RAISED.items() if not CODE.fullmatch(code)]
    assert not odd, f"not words joined by dashes: {', '.join(odd)}"


def test_every_code_is_explained():
    missing = [f"{code} ({RAISED[code]})" for code in sorted(RAISED.keys() - ROWS.keys())]
    assert not missing, f"not in errors.yml: {', '.join(missing)}"


def test_every_explanation_is_of_a_code():
    unused = sorted(ROWS.keys() - RAISED.keys())
    assert not unused, f"nothing raises these codes of errors.yml: {', '.join(unused)}"


def test_each_code_has_one_entry_and_they_are_sorted():
    keys = re.findall(r"^([^\s#:]+):", EXPLANATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    assert keys == sorted(set(keys))
    assert keys == list(ROWS)


@pytest.mark.parametrize("code", ROWS)
def test_an_entry_is_short_and_made_of_sentences(code):
    row = ROWS[code]
    assert list(row) == ["means", "do"]
    assert sum(map(len, row.values())) <= 400
    for text, most in ((row["means"], 2), (row["do"], 3)):
        sentences = re.split(r"(?<=\.) ", text)
        assert len(sentences) <= most, sentences
        for sentence in sentences:
            assert re.fullmatch(r"[A-Za-z0-9].*[^. ]\.", sentence), sentence


@pytest.mark.parametrize("code", ROWS)
def test_explain(code):
    assert explain(code) == (code, ROWS[code]["means"], ROWS[code]["do"])


@pytest.mark.parametrize("spelled", ["[pin-taken]", "PIN-TAKEN", " Pin-Taken ", " [ pin-taken ] "])
def test_a_code_as_a_message_or_a_user_writes_it(spelled):
    assert explain(spelled).code == "pin-taken"


def test_all_codes():
    assert [found.code for found in all_codes()] == sorted(ROWS)
    assert [explain(found.code) for found in all_codes()] == list(all_codes())


@pytest.mark.parametrize(
    ("given", "name", "hint"),
    [
        ("[pin-takn]", "pin-takn", "did you mean pin-taken"),
        ("Lock_Mismatch", "lock_mismatch", "did you mean lock-mismatch"),
        ("no such thing", "no such thing", "a code is in brackets at the end of a message, such as [pin-taken]"),
        ("", "", "a code is in brackets at the end of a message, such as [pin-taken]"),
    ],
)
def test_an_unknown_code(given, name, hint):
    with pytest.raises(UnknownNameError) as caught:
        explain(given)
    assert (caught.value.code, caught.value.facts["name"]) == ("unknown-code", name)
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)


def _unhinted(tree, classes):
    """Yield the lines that make an error, or a warning, without a next step."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        hints = [keyword.value for keyword in node.keywords if keyword.arg == "hint"]
        if called not in classes | {"warning"}:
            continue
        if not hints or any(isinstance(hint, ast.Constant) and not str(hint.value or "").strip() for hint in hints):
            yield node.lineno


def _unhinted_everywhere():
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(PACKAGE.rglob("*.py"))}
    classes = _error_classes(trees)
    return [
        f"{file.relative_to(PACKAGE).as_posix()}:{line}"
        for file, tree in trees.items()
        for line in _unhinted(tree, classes)
    ]


def test_every_error_and_warning_has_a_next_step():
    found = _unhinted_everywhere()
    assert not found, f"give it a hint: what to type, edit or do: {', '.join(found)}"
    made = (
        "FormatError('a', 'b')\nwarning('a', 'b', hint='')\nEspAtError('a', 'b', hint=' ')\nEspAtError('a', hint='do')"
    )
    assert list(_unhinted(ast.parse(made), {"FormatError", "EspAtError"})) == [1, 2, 3]


VAGUE = re.compile(r"(check|see|look at|mend|correct|fix) (it|the file|the value|the format|this)\.?")


def test_no_next_step_is_a_general_one():
    hints = [
        (f"{file.relative_to(PACKAGE).as_posix()}:{keyword.value.lineno}", keyword.value.value)
        for file in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "hint" and isinstance(keyword.value, ast.Constant) and keyword.value.value
    ]
    vague = [f"{place} ({hint})" for place, hint in hints if VAGUE.fullmatch(hint)]
    assert not vague, f"name what to type, edit or do: {', '.join(vague)}"
    assert VAGUE.fullmatch("check the file")
    assert len(hints) > 100


SEARCHES = ("startswith", "endswith", "find", "index", "count", "search", "match", "fullmatch")


def _words_compared(tree):
    """Yield the lines that compare, search or match the message or the hint of an error, or an error as text."""
    for node in ast.walk(tree):
        parts = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            if all(isinstance(operator, (ast.Is, ast.IsNot)) for operator in node.ops):
                continue  # whether there is a hint at all
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            searched = node.func.attr in (
                "startswith",
                "endswith",
                "find",
                "index",
                "count",
                "search",
                "match",
                "fullmatch",
            )
            parts = [node.func.value, *node.args] if searched else []
        for part in parts:
            for inner in ast.walk(part):
                if isinstance(inner, ast.Attribute) and inner.attr in ("message", "hint"):
                    yield node.lineno


def test_nothing_is_decided_by_the_words_of_a_message():
    found = [
        f"{file.relative_to(PACKAGE).as_posix()}:{line}"
        for file in sorted(PACKAGE.rglob("*.py"))
        for line in _words_compared(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not found, f"decide by the code or a fact: {', '.join(found)}"
    assert list(_words_compared(ast.parse("if 'x' in error.message: pass\nif error.hint.startswith('x'): pass"))) == [
        1,
        2,
    ]
