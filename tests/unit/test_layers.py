"""The arrows go one way: docs/architecture.md says which, and this holds the imports against it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import platformio_esp_at

ROOT = Path(platformio_esp_at.__file__).parent
FRONT_ENDS = {"cli", "__main__", "idf", "pio", "command_line", "demo"}
EDGES = {
    *(
        "artifacts",
        "commands",
        "flash",
        "board_manifests",
        "inspection",
        "depfile",
        "lookups",
        "firmware",
        "download",
        "cache",
        "lock",
        "mirror",
    ),
}
KNOWLEDGE = {"formats", "catalog", "certificates", "filesystems", "gatts_lint", "parameter_checks", "factory_image"}
CORE = {"plan", "content", "legacy_content", "mfg_nvs", "selection", "checks", "migration", "report"}
BASE = {"errors", "units", "addresses"}
DOERS = {"SCons", "click", "serial", "subprocess", "platformio", "idf_py_actions", "esptool"}


def _modules(names: set[str]) -> list[Path]:
    files = (path for name in sorted(names) for path in ([ROOT / f"{name}.py"], (ROOT / name).rglob("*.py")))
    return [path for group in files for path in group if path.is_file()]


def _imports(file: Path) -> set[str]:
    """Return what a module imports, our own by their first part, those for type checking left out."""
    found = set()
    tree = ast.parse(file.read_text())
    only_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            found.add(parts[1] if parts[0] == "platformio_esp_at" and len(parts) > 1 else parts[0])
    return found


def test_every_module_has_a_layer():
    named = FRONT_ENDS | EDGES | KNOWLEDGE | CORE | BASE | {"__init__", "files", "package", "project"}
    there = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert there == named


@pytest.mark.parametrize("file", _modules(KNOWLEDGE | CORE | BASE), ids=lambda file: str(file.relative_to(ROOT)))
def test_the_core_does_nothing_itself(file):
    assert not _imports(file) & (DOERS | FRONT_ENDS | EDGES)


@pytest.mark.parametrize("file", _modules(KNOWLEDGE | BASE), ids=lambda file: str(file.relative_to(ROOT)))
def test_knowledge_knows_no_project(file):
    assert not _imports(file) & (CORE | {"package", "project"})


@pytest.mark.parametrize("file", _modules(EDGES | CORE), ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_uses_a_front_end(file):
    assert not _imports(file) & FRONT_ENDS
