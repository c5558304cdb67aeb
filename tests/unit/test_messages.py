"""The messages between us and the worker."""

from __future__ import annotations

import io
import os

import pytest

from platformio_esp_at.device.messages import receive, send

SENT = [
    ({"do": "digest", "ranges": [[0, 4096]]}, b""),
    ({"do": "write", "name": "grün\n"}, b'\n{"bytes": 3}\n\0\xff'),
    ({}, b"\n"),
]


@pytest.mark.parametrize(("message", "data"), SENT)
def test_what_is_sent_is_received(message, data):
    stream = io.BytesIO()
    send(stream, message, data)
    stream.seek(0)
    assert receive(stream) == (message, data)
    assert receive(stream) is None


def test_one_message_after_the_other():
    stream = io.BytesIO()
    for message, data in SENT:
        send(stream, message, data)
    stream.seek(0)
    assert list(iter(lambda: receive(stream), None)) == SENT


def test_a_message_that_is_cut_is_none():
    stream = io.BytesIO()
    send(stream, {"do": "write"}, b"data")
    whole = stream.getvalue()
    for size in range(len(whole)):
        assert receive(io.BytesIO(whole[:size])) is None


def test_nobody_at_the_other_end():
    theirs, ours = os.pipe()
    os.close(theirs)
    with os.fdopen(ours, "wb", buffering=0) as stream, pytest.raises(OSError, match="pipe"):
        send(stream, {"do": "digest"})
