"""A rule of make: what an image set was made from."""

from __future__ import annotations

from pathlib import Path

from platformio_esp_at.outputs.depfile import format_depfile


def test_a_rule():
    assert format_depfile(Path("/p/out/m.json"), [Path("/p/a.csv"), Path("/p/b.zip")]) == (
        "/p/out/m.json: \\\n  /p/a.csv \\\n  /p/b.zip\n"
    )
    assert format_depfile(Path("/p/m.json"), []) == "/p/m.json:\n"


def test_paths_with_what_make_takes_for_its_own(tmp_path):
    assert format_depfile(tmp_path / "a b", [tmp_path / "c$d#e"]).endswith("c$$d\\#e\n")
    assert "a\\ b:" in format_depfile(tmp_path / "a b", [])
