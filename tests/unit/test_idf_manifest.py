"""idf_component.yml with one dependency more."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.idf_manifest import has_dependency, with_dependency

LINE = 'acme/esp_at_flash: "^1"'
BELOW = '    idf: ">=5"  # new\n    a/b:\n        version: "*"\nfiles: {}\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"dependencies:\n  {LINE}\n"),
        ("description: mine # yes\n", f"description: mine # yes\ndependencies:\n  {LINE}\n"),
        ("dependencies:\n", f"dependencies:\n  {LINE}\n"),
        (
            f"# all\ndependencies: # that we need\n{BELOW}",
            f"# all\ndependencies: # that we need\n    {LINE}\n{BELOW}",
        ),
        ("dependencies:\r\n  idf: '1'\r\n", f"dependencies:\r\n  {LINE}\r\n  idf: '1'\r\n"),
    ],
)
def test_a_dependency_more(before, after):
    assert with_dependency(before, "acme/esp_at_flash", "^1") == after


@pytest.mark.parametrize("text", ["dependencies: {idf: '1'}\n", '"dependencies":\n  idf: "1"\n', "dependencies: [a]\n"])
def test_what_is_not_safe_is_left_alone(text):
    assert with_dependency(text, "acme/esp_at_flash", "^1") is None


@pytest.mark.parametrize("text", ["- a\n", "a: [", "words"])
def test_what_is_no_manifest(text):
    with pytest.raises(FormatError) as caught:
        with_dependency(text, "acme/esp_at_flash", "^1")
    assert caught.value.code == "idf-manifest-invalid"


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("dependencies:\n  x/esp_at_flash: '1'\n", True),
        ("dependencies:\n  esp_at_flash: {path: ..}\n", True),
        ("dependencies:\n  x/esp_at_flash_more: '1'\n", False),
        ("dependencies:\n", False),
        ("", False),
    ],
)
def test_has_dependency(text, has):
    assert has_dependency(text, "esp_at_flash") is has
