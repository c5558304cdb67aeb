"""Input that is made to do harm: reading takes steps in proportion to its size, and fails only with errors of ours.

Steps are counted, not timed: a count is the same on every machine.
"""

from __future__ import annotations

import sys
import time

import pytest
from hostile import HOSTILE, NVS_ENTRIES, NVS_PAGES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import READERS, REPAIRS

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


# --- every reader, as long as one likes ---


@st.composite
def _inputs(draw, name):
    """Draw an input: whole ones with pieces replaced, removed, repeated or cut off; now and then anything."""
    reader, repair = READERS[name], REPAIRS.get(name)
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300)) + b"".join(draw(st.lists(st.sampled_from(reader.pieces), max_size=4)))
    data = draw(st.sampled_from(reader.valid))
    overwrites = draw(st.booleans())
    for _ in range(draw(st.integers(1, 4))):
        near = draw(st.sampled_from([*(at for at in reader.hot if at <= len(data)), None]))
        first, last = (near, min(near + 200, len(data))) if near is not None else (0, len(data))
        begin = draw(st.integers(first, last))
        piece = draw(
            st.one_of(st.binary(max_size=8), st.sampled_from(reader.pieces), st.just(data[begin : begin + 64]))
        )
        size = len(piece) if overwrites else draw(st.sampled_from([0, 1, 2, 4, 8, 32, 100, 1 << 24]))
        begin -= begin % 4 if overwrites else 0
        data = data[:begin] + piece + data[begin + size :]
    return repair(data) if repair and draw(st.booleans()) else data


def _meet(reader, data: bytes) -> None:
    """Read it: every exception but an `EspAtError`, with a message that can be shown, is a failure."""
    try:
        reader.read(data)
    except EspAtError as error:
        refusal = error
    else:
        return
    for problem in refusal.problems or (refusal,):
        assert problem.code
        assert problem.message
    assert all(line.isprintable() for line in str(refusal).split("\n"))


@pytest.mark.parametrize("name", READERS)
def test_every_reader_reads_or_refuses(name, request):
    """Some examples; with ``--reader-seconds N``, as many as fit into that time, each round other ones."""
    reader = READERS[name]
    seconds = request.config.getoption("--reader-seconds")
    end = time.monotonic() + seconds
    rounds = 0
    while rounds == 0 or time.monotonic() < end:

        @settings(max_examples=300 if seconds else 20, deadline=None, suppress_health_check=list(HealthCheck))
        @given(_inputs(name))
        def meet(data):
            _meet(reader, data)

        meet()
        rounds += 1
    assert rounds


@pytest.mark.parametrize("name", READERS)
def test_what_every_reader_is_made_for(name):
    """Else the changes would be made to something that is refused anyway, and repairs would damage."""
    for data in READERS[name].valid:
        READERS[name].read(data)
        assert REPAIRS.get(name, bytes)(data) == data
