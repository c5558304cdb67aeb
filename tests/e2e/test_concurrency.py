"""Several runs at once in one project: each module gets what its own run was told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.package import open_package

YML = "firmware: firmware.zip\nmodule: WROOM-32\n"
SPEEDS = (9600, 57600, 230400)
FACTORY_PARAM = slice(0x30000, 0x31000)


@pytest.mark.parametrize("option", [[], ["--factory"]], ids=["images", "factory-image"])
@pytest.mark.parametrize("attempt", range(3))
def test_every_module_has_its_own(project, simulated_module, option, attempt):
    folder = project(yml=YML)
    modules = [simulated_module("esp32") for _ in SPEEDS]
    runs = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "platformio_esp_at", "flash", *option),
                *("--factory-param", f"uart_baudrate={speed}", "-p", module.port),
            ],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for speed, module in zip(SPEEDS, modules, strict=True)
    ]
    for run in runs:
        said, _ = run.communicate(timeout=120)
        assert run.returncode == 0, said
    written = [FactoryParam.from_bytes(module.flash[FACTORY_PARAM]).values["uart_baudrate"] for module in modules]
    assert written == list(SPEEDS)

    assert [path.name for path in (folder / "build").iterdir()] == ["esp_at"]
    published = open_package(folder / "build/esp_at").files["customized_partitions/factory_param.bin"]
    assert FactoryParam.from_bytes(published).values["uart_baudrate"] in SPEEDS
