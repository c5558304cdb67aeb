"""An update of each module that upstream has released for: what the plan doesn't own stays, byte for byte."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from test_factory_packages import ALL, _id, _image

from platformio_esp_at.commands import flashing
from platformio_esp_at.commands.setup import Setup, prepare
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.request.layers import layer_of_options
from platformio_esp_at.request.read import read_project

if TYPE_CHECKING:
    from pathlib import Path


def pytest_generate_tests(metafunc):
    """Take as many modules as --module-rows says, from all over the list."""
    if "entry" in metafunc.fixturenames:
        count = min(metafunc.config.getoption("--module-rows"), len(ALL))
        chosen = [ALL[index * len(ALL) // count] for index in range(count)]
        metafunc.parametrize("entry", chosen, ids=_id)


def test_random_bytes_that_the_plan_does_not_own_stay(entry, reference, tmp_path):
    (tmp_path / entry["name"]).write_bytes(_image(reference / "golden", entry))
    (tmp_path / "esp_at.yml").write_text(f"firmware: {entry['name']}\n")
    setup = _setup(tmp_path)
    plan = prepare(setup).plan
    before = random.Random(entry["name"]).randbytes(plan.flash_size)  # noqa: S311 - any bytes will do
    with SimulatedModule(plan.chip.key, plan.flash_size, before) as module:
        flashing.upload(_setup(tmp_path, module.port))
        after = module.flash
    expected = bytearray(before)
    for region in plan.regions:
        expected[region.offset : region.erase_end] = region.data.ljust(region.erase_end - region.offset, b"\xff")
    assert after == bytes(expected)


def _setup(folder: Path, port: str | None = None) -> Setup:
    options = {"port": port} if port else {}
    return Setup(
        layers=(read_project(folder), layer_of_options(options, base=folder, spelling="--{}".format)),
        project=folder,
        folder=folder / "build" / "at",
        find_board=lambda _board: None,
        report=lambda _event: None,
    )
