"""A whole plan before the first erase: what passes, and which check comes first. Each check has its own test file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.x509 import SubjectKeyIdentifier
from plans import HERE, refusal, sample_plan
from x509_files import NOW, certificate, ec_key, pem

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.checks.plan import check_plan, check_values
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import EspAtError, FormatError, LayoutError, PackageError, SelectionError
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile

SAMPLE = sample_package("esp32")
USER_CSV = PartitionTable.from_bytes(SAMPLE["at_customize.bin"]).to_csv()


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp32c6", "esp8266"])
def test_a_sound_plan_passes(tmp_path, chip):
    plan = sample_plan(tmp_path, chip)
    check_plan(plan, None)
    check_plan(plan, BoardFacts("b", mcu=chip, flash_size=plan.flash_size))


def test_a_sound_csv_passes(tmp_path):
    csv = USER_CSV.replace("0x3b000, 0x2000", "0x50000, 0x20000")
    assert csv != USER_CSV
    check_plan(sample_plan(tmp_path, partitions=InputFile("user.csv", HERE, csv.encode())), None)


def test_every_problem_of_a_kind_is_reported_and_the_kinds_have_an_order(tmp_path):
    """The module, the user table, the images, their content: what comes first is corrected first."""
    csv = USER_CSV.replace("0x24000, 0x2000", "0x24800, 0x1000").replace("0x70000, 0x90000", "0x70000, 0x90001")
    wrong = {
        "files": {
            "download.config": SAMPLE["download.config"].decode() + " 0x6800 extra.bin 0x400000 other.bin",
            "extra.bin": b"x",
            "other.bin": b"x",
            "esp-at.bin": sample_package("esp32c3")["esp-at.bin"],
            "customized_partitions/ble_data.bin": bytes(64),
        },
        "partitions": InputFile("user.csv", HERE, csv.encode()),
    }
    plan = sample_plan(tmp_path, **wrong)
    small = BoardFacts("small", mcu="esp32", flash_size=2 << 20)
    assert refusal(plan, SelectionError, small).code == "flash-too-small"

    error = refusal(plan, LayoutError)
    assert (error.message, error.code) == ("2 problems:", "partition-misaligned")
    assert [(problem.where, problem.code) for problem in error.problems] == [
        ("user.csv:3", "partition-misaligned"),
        ("user.csv:16", "partition-outside"),
    ]
    # Each problem in a line, with its next step below.
    assert str(error) == (
        "2 problems:\n"
        "user.csv:3: partition 'server_cert' (0x24800…0x25800) doesn't start at a multiple of 0x1000\n"
        "  write 0x25000 as its offset\n"
        "user.csv:16: partition 'fatfs' (0x70000…0x100001) ends after 0x100000, "
        "the end of the primary table's 'at_customize' (0x20000…0x100000)\n"
        "  write 576KB or less as its size"
    )

    del wrong["partitions"]
    error = refusal(sample_plan(tmp_path, **wrong), LayoutError)
    assert [(problem.where, problem.code) for problem in error.problems] == [
        ("extra.bin", "image-misaligned"),
        ("other.bin", "image-outside-flash"),
    ]

    wrong["files"]["download.config"] = SAMPLE["download.config"]
    assert refusal(sample_plan(tmp_path, **wrong), PackageError).code == "image-other-chip"

    del wrong["files"]["esp-at.bin"]
    assert refusal(sample_plan(tmp_path / "last", **wrong), PackageError).code == "image-blank"


@pytest.mark.parametrize(
    ("chip", "release", "codes"),
    [
        ("esp32", None, ["certificate-extension"]),
        ("esp32", "v2.2.0.0", ["certificate-extension"]),
        ("esp32", "v2.4.0.0", ["certificate-extension"]),
        ("esp32c6", None, ["certificate-extension"]),
        ("esp32c6", "v3.2.0.0", ["certificate-extension"]),
        ("esp32c6", "v3.3.0.0", []),
        ("esp32c6", "v4.1.1.0", []),
    ],
)
def test_the_release_decides_what_its_tls_reads(tmp_path, chip, release, codes):
    """Mbed TLS 3.5 is the first that reads a critical subjectKeyIdentifier."""
    ca = certificate("Root", ec_key("root"), ca=True, extensions=[(SubjectKeyIdentifier(b"1234"), True)])
    pki = {"mqtt_ca": (InputFile("ca.pem", HERE, pem(ca)),)}
    plan = sample_plan(tmp_path, chip, pki=pki)
    plan = replace(plan, package=replace(plan.package, release=release))
    found = []
    try:
        check_values(plan, None, Request(pki=pki), now=NOW)
    except EspAtError as error:
        found = [error.code]
    assert found == codes


def test_damaged_certificates_of_the_package_are_refused(tmp_path):
    files = {"customized_partitions/mqtt_ca.bin": b"\xff" * 400}
    assert refusal(sample_plan(tmp_path, files=files), FormatError).code == "not-pki"
