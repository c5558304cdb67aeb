"""What several kinds of tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """Return the folder of the reference data; tests that need it are skipped where it isn't there.

    It holds what upstream's tools made and firmware packages as released, and lies outside this repository.
    """
    place = os.environ.get("ESP_AT_REFERENCE")
    if not place:
        pytest.skip("ESP_AT_REFERENCE isn't set: no reference data to compare with")
    return Path(place)
