"""Input that is made to be slow: the steps to read it grow with its size and no faster.

Steps are counted, not timed: a count is the same on every machine.
"""

from __future__ import annotations

import sys

import pytest
from hostile import HOSTILE, NVS_ENTRIES, NVS_PAGES

from platformio_esp_at.errors import EspAtError


def _steps(read, data) -> int:
    """Return how many lines of Python are run to read ``data``, or to refuse it."""
    count = 0

    def trace(_frame, event, _argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read(data)
    except EspAtError:
        pass
    finally:
        sys.settrace(before)
    return count


def _quadratic(data):
    return [one for one in data for other in data if one is other]


def test_the_count_shows_quadratic_growth():
    assert _steps(_quadratic, bytes(range(200))) > 3 * _steps(_quadratic, bytes(range(100)))


@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_input_takes_twice_the_steps(kind):
    read, make, largest = HOSTILE[kind]
    half, whole = (_steps(read, make(largest // part)) for part in (8, 4))
    assert half
    assert whole <= 2.2 * half + 200


@pytest.mark.parametrize("kind", HOSTILE)
def test_large_input_is_read_or_refused(kind):
    """It is read, or refused with an `EspAtError`; every other exception fails the test."""
    read, make, largest = HOSTILE[kind]
    try:
        read(make(largest))
    except EspAtError as error:
        outcome = str(error)
    else:
        outcome = "read"
    assert outcome


READ = {"numbers": 126 * 256, "empty blobs": 126 * 256, "pages, blank": 0}
"""How many entries a mebibyte of NVS gives; the other kinds are refused."""


@pytest.mark.parametrize("kind", [*NVS_ENTRIES, *(f"pages, {kind}" for kind in NVS_PAGES)])
def test_a_mebibyte_of_nvs(kind):
    read, make, largest = HOSTILE[f"nvs: {kind}"]
    if kind in READ:
        assert len(read(make(largest)).entries) == READ[kind]
    else:
        with pytest.raises(EspAtError):
            read(make(largest))
