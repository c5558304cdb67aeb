"""Shared by the end-to-end tests: simulated modules, and a PlatformIO that downloads nothing."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from platformio_esp_at.demo.pio_home import make_pio_home
from platformio_esp_at.demo.simulated_module import SimulatedModule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def simulated_module() -> Iterator[Callable[..., SimulatedModule]]:
    """Start a `SimulatedModule` with these arguments; it stops after the test."""
    with ExitStack() as running:
        yield lambda *args, **options: running.enter_context(SimulatedModule(*args, **options))


@pytest.fixture(scope="session")
def pio_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment for `run_pio`: one PlatformIO home for this test run and all its xdist workers.

    A test that brings a dev-platform adds its own ``PLATFORMIO_PLATFORMS_DIR``: links to two platforms of one name
    would overwrite each other.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return make_pio_home(shared / "pio-home")
