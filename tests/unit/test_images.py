"""Whether bootloader and application are whole, for this chip, and for the same silicon."""

from __future__ import annotations

import hashlib
import struct
from functools import reduce
from operator import xor

import pytest
from esp_images import for_revisions, with_start
from plans import refusal, sample_plan

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import EspAtError, FormatError, PackageError
from platformio_esp_at.formats.esp_image import ChipRevisions
from platformio_esp_at.units import align_up

SAMPLE = sample_package("esp32")
CONFIG = SAMPLE["download.config"].decode()
BOOTLOADER = "bootloader/bootloader.bin"
AGAIN = "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again"


def _damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("app", "kind", "code", "where", "message", "hint"),
    [
        pytest.param(
            _damaged(SAMPLE["esp-at.bin"], 100),
            FormatError,
            "image-checksum",
            "esp-at.bin:0x402f",
            "the ESP image's checksum is ",
            "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again",
            id="checksum",
        ),
        pytest.param(
            _damaged(SAMPLE["esp-at.bin"], len(SAMPLE["esp-at.bin"]) - 1),
            PackageError,
            "image-digest",
            "esp-at.bin",
            "the image's SHA-256 doesn't match its bytes",
            AGAIN,
            id="digest",
        ),
        pytest.param(
            SAMPLE["esp-at.bin"][:1000],
            FormatError,
            "image-cut",
            "esp-at.bin:0x18",
            "the ESP image is cut inside segment 0",
            "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again",
            id="cut",
        ),
        pytest.param(
            b"\0not an image",
            FormatError,
            "not-an-image",
            "esp-at.bin:0x0",
            "no ESP image: it starts with 00 instead of e9",
            "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again",
            id="none",
        ),
        pytest.param(
            sample_package("esp32c3")["esp-at.bin"],
            PackageError,
            "image-other-chip",
            "esp-at.bin",
            "not an image for ESP32 (chip id 5)",
            "take the firmware package of the module's chip",
            id="another-chip",
        ),
        pytest.param(
            sample_package("esp8266")["esp-at.bin"],
            FormatError,
            "image-cut",
            "esp-at.bin:0x18",
            "the ESP image is cut inside segment 0",
            "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again",
            id="esp8266",
        ),
    ],
)
def test_app(tmp_path, app, kind, code, where, message, hint):
    with pytest.raises(EspAtError) as caught:
        check_plan(sample_plan(tmp_path, files={"esp-at.bin": app}), None)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.where, error.hint) == (code, where, hint)
    assert error.message.startswith(message)


def test_an_app_without_a_digest_passes(tmp_path):
    app = bytearray(SAMPLE["esp-at.bin"][:-32])
    app[23] = 0
    check_plan(sample_plan(tmp_path, files={"esp-at.bin": bytes(app)}), None)


@pytest.mark.parametrize("flag", [2, 0x81, 0xFF])
def test_any_value_but_0_says_that_there_is_a_digest(tmp_path, flag):
    """As a bootloader takes it: the digest of the file, made with another value there, doesn't match then."""
    app = SAMPLE["esp-at.bin"]
    files = {"esp-at.bin": app[:23] + bytes([flag]) + app[24:]}
    error = refusal(sample_plan(tmp_path, files=files), PackageError)
    assert (error.code, error.where) == ("image-digest", "esp-at.bin")


def test_an_application_where_the_bootloader_should_be(tmp_path):
    """An application of ESP-IDF starts with its description, one for ESP8266 has code in flash."""
    described = with_start(SAMPLE[BOOTLOADER], b"\x32\x54\xcd\xab")
    error = refusal(sample_plan(tmp_path / "esp32", files={BOOTLOADER: described}), PackageError)
    assert (error.code, error.where) == ("programs-mixed-up", BOOTLOADER)
    assert error.message == "this is an application, where the bootloader should be"
    in_flash = _esp8266((0x40200010, bytes(64)))
    error = refusal(sample_plan(tmp_path / "esp8266", "esp8266", files={BOOTLOADER: in_flash}), PackageError)
    assert (error.code, error.where) == ("programs-mixed-up", BOOTLOADER)


def test_the_bootloader_twice(tmp_path):
    error = refusal(sample_plan(tmp_path, files={"esp-at.bin": SAMPLE[BOOTLOADER]}), PackageError)
    assert (error.code, error.where) == ("programs-mixed-up", "esp-at.bin")
    assert error.message == "the application is the same program as the bootloader"


# --- addresses, which no digest holds in a bootloader of ESP8266 ---


def _patched(data: bytes, offset: int, value: int) -> bytes:
    return data[:offset] + value.to_bytes(4, "little") + data[offset + 4 :]


@pytest.mark.parametrize(
    ("offset", "value", "where", "message"),
    [
        pytest.param(4, 0, "0x4", "the image starts at address 0x0, where it has no code", id="no-entry-point"),
        pytest.param(
            4, 0x40100002, "0x4", "the image starts at address 0x40100002, where it has no code", id="half-a-word"
        ),
        pytest.param(
            8,
            0x3FFB0000,
            "0x8",
            "a segment goes to address 0x3ffb0000, where the ESP8266 has no memory for it",
            id="rom",
        ),
        pytest.param(8, 0x40100001, "0x8", "the segment's address 0x40100001 isn't a multiple of 4", id="alignment"),
    ],
)
def test_addresses_of_a_bootloader_of_esp8266(tmp_path, offset, value, where, message):
    bootloader = _patched(sample_package("esp8266")[BOOTLOADER], offset, value)
    error = refusal(sample_plan(tmp_path, "esp8266", files={BOOTLOADER: bootloader}), PackageError)
    problems = error.problems or (error,)
    assert (f"{BOOTLOADER}:{where}", message) in [(problem.where, problem.message) for problem in problems]
    assert {(problem.code, problem.hint) for problem in problems} == {("image-address", AGAIN)}


def _esp8266(*segments: tuple[int, bytes], digest: bool = False) -> bytes:
    """Return an application of these segments (address, data), which starts at the first address."""
    image = bytes([0xE9, len(segments), 3, 0x2F]) + segments[0][0].to_bytes(4, "little")
    image += b"".join(struct.pack("<LL", address, len(data)) + data for address, data in segments)
    checksum = reduce(xor, b"".join(data for _, data in segments), 0xEF)
    image = image.ljust(align_up(len(image) + 1, 16) - 1, b"\0") + bytes([checksum])
    return image + hashlib.sha256(image).digest() if digest else image


def test_an_application_that_starts_where_it_has_no_code(tmp_path):
    """An application of ESP-IDF is looked at even if its digest is right."""
    app = with_start(SAMPLE["esp-at.bin"], b"\x32\x54\xcd\xab")
    check_plan(sample_plan(tmp_path, files={"esp-at.bin": app}), None)
    wrong = for_revisions(app[:4] + bytes(4) + app[8:], 0, 0xFFFF)
    error = refusal(sample_plan(tmp_path, files={"esp-at.bin": wrong}), PackageError)
    assert (error.code, error.where) == ("image-address", "esp-at.bin:0x4")


def test_segments_that_share_an_address(tmp_path):
    app = _esp8266((0x40100000, bytes(64)), (0x40100020, bytes(64)))
    error = refusal(sample_plan(tmp_path, "esp8266", files={"esp-at.bin": app}), PackageError)
    assert (error.code, error.where) == ("image-address", "esp-at.bin:0x50")
    assert error.message == "two segments have the address 0x40100020"


def test_an_application_of_esp8266_with_a_digest(tmp_path):
    app = _esp8266((0x40220010, bytes(64)), (0x40220050, bytes(64)), (0x40100000, bytes(64)), digest=True)
    check_plan(sample_plan(tmp_path, "esp8266", files={"esp-at.bin": app}), None)
    error = refusal(sample_plan(tmp_path, "esp8266", files={"esp-at.bin": _patched(app, 4, 0x40100000)}), PackageError)
    assert (error.code, error.where) == ("image-digest", "esp-at.bin")


def test_an_application_of_esp8266_for_another_place_in_flash(tmp_path):
    app = _esp8266((0x40210010, bytes(64)))
    error = refusal(sample_plan(tmp_path, "esp8266", files={"esp-at.bin": app}), PackageError)
    assert (error.code, error.where) == ("image-other-layout", "esp-at.bin")
    assert error.message == "the application is linked for offset 0x10000 of each megabyte of flash"
    assert error.hint == "it is written to 0x20000: take the application of this flash layout"


@pytest.mark.parametrize("mode", ["dio", "qio"])
def test_damaged_bootloader(tmp_path, mode):
    """New flash settings in its header come with a new digest, which mustn't hide the damage."""
    bootloader = _damaged(SAMPLE[BOOTLOADER], 5)
    files = {BOOTLOADER: bootloader, "download.config": CONFIG.replace("dio", mode)}
    with pytest.raises(PackageError) as caught:
        check_plan(sample_plan(tmp_path, files=files), None)
    assert caught.value.code == "image-digest"
    assert str(caught.value) == f"{BOOTLOADER}: the image's SHA-256 doesn't match its bytes\n  {AGAIN}"


def test_programs_for_different_silicon(tmp_path):
    files = {
        BOOTLOADER: for_revisions(SAMPLE[BOOTLOADER], 0, 99),
        "esp-at.bin": for_revisions(SAMPLE["esp-at.bin"], 300, 399),
    }
    plan = sample_plan(tmp_path, files=files)
    assert plan.chip_revisions == ChipRevisions(300, 99)
    error = refusal(plan, PackageError)
    assert error.code == "revisions-contradict"
    assert str(error) == (
        "AT_PACK: bootloader and application are for different revisions of the chip\n"
        "  unpack the firmware package's zip again; in an esp-at build folder, run build.py build again"
    )


def test_programs_for_one_revision_that_both_run_on(tmp_path):
    files = {
        BOOTLOADER: for_revisions(SAMPLE[BOOTLOADER], 0, 300),
        "esp-at.bin": for_revisions(SAMPLE["esp-at.bin"], 300, 399),
    }
    plan = sample_plan(tmp_path, files=files)
    assert plan.chip_revisions == ChipRevisions(300, 300)
    check_plan(plan, None)
