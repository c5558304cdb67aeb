"""Replies over the AT port, and what comes there without being one."""

from __future__ import annotations

import pytest
from boot_logs import NOISE, Says
from hypothesis import given
from hypothesis import strategies as st

from platformio_esp_at.formats.at_replies import AtVersion, Compiled, Conversation, Exchange, Reply, Result

GMR = (
    b"AT version:4.1.0.0(b1dca01 - ESP32 - Jul 10 2025 11:41:05)\r\nSDK version:v5.0.6-dirty\r\n"
    b"compile time(4b00c3d4):Jul 30 2025 17:17:20\r\nBin version:v4.1.0.0-dev(WROOM-32)\r\n"
)


@pytest.mark.parametrize(
    ("data", "result"),
    [
        (b"AT\r\r\n\r\nOK\r\n", Result.OK),
        (b"\r\nOK\r\n", Result.OK),
        (b"OK", Result.OK),
        (b"AT\r\n\r\nERROR\r\n", Result.ERROR),
        (b"busy p...\r\n", Result.BUSY),
        (b"busy p...\r\n\r\nOK\r\n", Result.OK),
        (b"WIFI CONNECTED\r\n\r\nOK\r\n", Result.OK),
        (b"AT\r\r\n\r\nO", Result.NOTHING),
        (b"NOK\r\n", Result.NOTHING),
        (b"", Result.NOTHING),
        (NOISE, Result.NOTHING),
    ],
)
def test_results(data, result):
    assert Reply.from_bytes(data, "AT").result is result


def test_an_echo():
    assert Reply.from_bytes(b"AT\r\n", "AT").is_only_echo
    assert Reply.from_bytes(b"AT\r\nAT\r\n", "AT").is_only_echo
    assert not Reply.from_bytes(b"AT\r\r\n\r\nOK\r\n", "AT").is_only_echo
    assert not Reply.from_bytes(b"\r\nOK\r\n", "AT").has_echo
    assert not Reply.from_bytes(b"AT\r\n").has_echo


@pytest.mark.parametrize(
    ("data", "foreign"),
    [
        (b"\r\n>", True),
        (b"WIFI CONNECTED\r\nWIFI GOT IP\r\n\r\nOK\r\n\r\n>", False),  # an answer; the prompt is of CIPSEND
        (b"\r\nready\r\nWIFI CONNECTED\r\nWIFI GOT IP\r\n\r\n>", True),
        (b"HTTP/1.1 400 Bad Request\r\n", True),
        (b"ready\r\n", False),
        (b"WIFI GOT IP\r\n+IPD,0,5:hello", False),
        (b"busy p...\r\n", False),
        (b"pong", False),
        (b">", False),
        (NOISE, False),
        (Says().log("v4.1").encode(), False),
        (b"", False),
    ],
)
def test_what_is_not_for_a_host(data, foreign):
    assert Reply.from_bytes(data).is_foreign is foreign


def test_ready():
    assert Reply.from_bytes(NOISE + b"\r\nready\r\n").says_ready
    assert not Reply.from_bytes(b"already\r\n").says_ready


def test_a_version():
    assert AtVersion.from_bytes(b"AT+GMR\r\r\n" + GMR + b"\r\nOK\r\n") == AtVersion(
        core="4.1.0.0",
        core_build=("b1dca01", "ESP32", "Jul 10 2025 11:41:05"),
        sdk="v5.0.6-dirty",
        compiled=Compiled("4b00c3d4", "Jul 30 2025", "17:17:20"),
        firmware="v4.1.0.0-dev",
        module_name="WROOM-32",
    )


def test_other_versions():
    old = b"AT version:2.0.0.0(e472c16 - Nov 22 2019 19:56:05)\r\nBin version:2.0.0(WROOM-32)\r\n"
    version = AtVersion.from_bytes(old)
    assert (version.core_build, version.firmware) == (("e472c16", "Nov 22 2019 19:56:05"), "2.0.0")
    vendor = b"Ai-Thinker-compile time(233da6c):Apr  7 2021 01:56:20\r\nBin version:2.2.1  example.com  (WROOM-02)\r\n"
    version = AtVersion.from_bytes(vendor)
    assert version.compiled == Compiled("233da6c", "Apr  7 2021", "01:56:20")
    assert (version.firmware, version.module_name) == ("2.2.1  example.com  ", "WROOM-02")


def test_a_cut_version_says_nothing_wrong():
    whole = AtVersion.from_bytes(GMR)
    for end in range(len(GMR)):
        for part in (GMR[:end], GMR[end:]):
            version = AtVersion.from_bytes(part)
            for name in AtVersion.__slots__:
                assert getattr(version, name) in (None, (), getattr(whole, name))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_reply(data):
    Reply.from_bytes(data, "AT")
    AtVersion.from_bytes(data)


def test_a_conversation():
    silent, answered = Exchange(921600, "AT", b""), Exchange(115200, "AT", b"\r\nOK\r\n")
    talk = Conversation("COM4", b"", (silent, answered, Exchange(115200, "AT+GMR", GMR)))
    assert talk.answered == answered
    assert talk.version.firmware == "v4.1.0.0-dev"
    assert Conversation("COM4", b"", (silent,)).answered is None
    assert Conversation("COM4", b"", (silent,)).version == AtVersion()
