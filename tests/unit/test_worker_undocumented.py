"""What the worker uses of esptool beyond its documented API exists in the esptool that is installed, for each chip."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest
from esptool.loader import ESPLoader
from esptool.targets import CHIP_DEFS

from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.device import worker
from platformio_esp_at.device.installed import BEFORE, OLDEST
from platformio_esp_at.device.worker import undocumented

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
CLASSES = [CHIP_DEFS[chip.key] for chip in chips()]
STUBS = [rom.STUB_CLASS for rom in CLASSES]


def _parameters(kind: type, name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters of a method, also of one that a decorator of esptool hides."""
    method = getattr(kind, name)
    while method.__closure__ and method.__name__ != name:
        inner = [cell.cell_contents for cell in method.__closure__ if inspect.isfunction(cell.cell_contents)]
        (method,) = [function for function in inner if function.__name__ == name]
    return {name: row for name, row in inspect.signature(method).parameters.items() if name != "self"}


@pytest.mark.parametrize("kind", [ESPLoader, *CLASSES, *STUBS], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", undocumented.USED)
def test_a_method_has_the_parameters_that_are_given(kind, name):
    found = _parameters(kind, name)
    assert set(undocumented.USED[name]) <= set(found)
    needed = {key for key, row in found.items() if row.default is row.empty}
    assert needed <= set(undocumented.USED[name])


@pytest.mark.parametrize("kind", [*CLASSES, *STUBS], ids=lambda kind: kind.__name__)
def test_an_attribute_is_there(kind):
    made = inspect.getsource(ESPLoader.__init__)
    for name in undocumented.ATTRIBUTES:
        assert hasattr(kind, name) or f"self.{name} = " in made or f"self.{name}: " in made, name


def test_nothing_else_of_a_chip_is_used():
    used = {
        node.attr
        for file in Path(worker.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("esp", "self._esp", "self._chip", "ESPLoader")
    }
    assert used == {*undocumented.USED, *undocumented.ATTRIBUTES}


def test_the_versions_are_those_that_are_asked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wanted,) = [row for row in project["dependencies"] if row.startswith("esptool")]
    oldest, before = OLDEST, BEFORE
    assert wanted == f"esptool>={'.'.join(map(str, oldest))},<{before[0]}"
    assert before[1] == 0
    pins = (ROOT / "platformio_esp_at/launcher/requirements.txt").read_text(encoding="utf-8")
    (pinned,) = re.findall(r"(?m)^esptool==(\d+)\.(\d+)", pins)
    assert oldest <= tuple(map(int, pinned)) < before


@pytest.mark.parametrize("chip", chips(), ids=lambda chip: chip.key)
def test_the_name_of_a_chip_is_that_of_the_catalog(chip):
    assert undocumented.chip_key(CHIP_DEFS[chip.key]) == chip.key
