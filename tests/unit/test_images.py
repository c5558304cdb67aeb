"""Whether bootloader and application are whole, for this chip, and for the same silicon."""

from __future__ import annotations

import pytest
from esp_images import for_revisions
from plans import refusal, sample_plan

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import EspAtError, FormatError, PackageError
from platformio_esp_at.formats.esp_image import ChipRevisions

SAMPLE = sample_package("esp32")
CONFIG = SAMPLE["download.config"].decode()
BOOTLOADER = "bootloader/bootloader.bin"
AGAIN = "the file is damaged: download the firmware package again"


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
            "the file is damaged: take it from the firmware package again",
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
            None,
            id="cut",
        ),
        pytest.param(
            b"\0not an image",
            FormatError,
            "not-an-image",
            "esp-at.bin:0x0",
            "no ESP image: it starts with 00 instead of e9",
            None,
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
            None,
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
        "  download the firmware package again"
    )


def test_programs_for_one_revision_that_both_run_on(tmp_path):
    files = {
        BOOTLOADER: for_revisions(SAMPLE[BOOTLOADER], 0, 300),
        "esp-at.bin": for_revisions(SAMPLE["esp-at.bin"], 300, 399),
    }
    plan = sample_plan(tmp_path, files=files)
    assert plan.chip_revisions == ChipRevisions(300, 300)
    check_plan(plan, None)
