"""The commands that the front ends offer, and those that there are."""

from __future__ import annotations

from importlib import import_module

import pytest

from platformio_esp_at import commands
from platformio_esp_at.idf.actions import ACTIONS
from platformio_esp_at.pio.targets import TARGETS


def test_platformio_and_idf_py_offer_every_command():
    assert {row.command for row in TARGETS} == {row.command for row in ACTIONS} == set(commands._MODULES)


@pytest.mark.parametrize("command", sorted(commands._MODULES))
def test_a_command_is_a_function_of_its_module(command):
    assert callable(getattr(import_module(f"{commands.__name__}.{commands._MODULES[command]}"), command))
