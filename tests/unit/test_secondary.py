"""The user partition table: whether the firmware finds its partitions."""

from __future__ import annotations

import pytest
from plans import HERE, refusal, sample_plan

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import LayoutError
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.request.values import InputFile

LEGACY = PartitionTable.from_bytes(sample_package("esp32")["at_customize.bin"]).to_csv()
MODERN = PartitionTable.from_bytes(sample_package("esp32c6")["at_customize.bin"]).to_csv()


def _plan(tmp_path, chip: str, csv: str):
    return sample_plan(tmp_path, chip, partitions=InputFile("user.csv", HERE, csv.encode()))


@pytest.mark.parametrize(
    ("chip", "csv", "where", "code", "message", "hint"),
    [
        pytest.param(
            "esp32",
            LEGACY.replace("factory_param, 0x40, 0x08", "factory_param, data, 0x08"),
            "user.csv:9",
            "partition-type",
            "'factory_param' (0x30000…0x31000) is data, 0x08: the firmware looks for 0x40",
            "write 0x40 as its type",
            id="factory_param",
        ),
        pytest.param(
            "esp32",
            LEGACY.replace("wpa2_ca, 0x40", "wpa2_ca, data"),
            "user.csv:12",
            "partition-type",
            "'wpa2_ca' (0x35000…0x37000) is data, 0x0b: the firmware looks for 0x40",
            "write 0x40 as its type",
            id="certificate",
        ),
        pytest.param(
            "esp32c6",
            MODERN.replace("mfg_nvs, data, nvs", "mfg_nvs, data, fat"),
            "user.csv:2",
            "partition-type",
            "'mfg_nvs' (0x1f000…0x3e000) is data, fat: the firmware looks for data, nvs",
            "write data, nvs as its type and subtype",
            id="mfg_nvs",
        ),
        pytest.param(
            "esp32c6",
            MODERN.replace("mfg_nvs, data, nvs", "mfg_nvs, 0x40, 0x02"),
            "user.csv:2",
            "partition-type",
            "'mfg_nvs' (0x1f000…0x3e000) is 0x40, 0x02: the firmware looks for data, nvs",
            "write data, nvs as its type and subtype",
            id="mfg_nvs-as-before",
        ),
        pytest.param(
            "esp32c6",
            MODERN + "rmaker_mfg, data, nvs, 0x3e000, 8K\n",
            "user.csv:4",
            "partition-too-small",
            "'rmaker_mfg' (0x3e000…0x40000) has 8KB, an NVS image needs 12KB",
            "write 12KB or more as its size",
            id="small",
        ),
    ],
)
def test_partitions_that_the_firmware_doesnt_find(tmp_path, chip, csv, where, code, message, hint):
    error = refusal(_plan(tmp_path, chip, csv), LayoutError)
    assert (error.code, error.where, error.message, error.hint) == (code, where, message, hint)


@pytest.mark.parametrize(
    ("chip", "csv"),
    [
        pytest.param("esp32", LEGACY.replace("factory_param, 0x40, 0x08", "factory_param, 0x40, 0x01"), id="subtype"),
        pytest.param("esp32c6", MODERN + "client_cert, data, 0x05, 0x3e000, 8K\n", id="a-name-of-the-other-generation"),
        pytest.param("esp32", LEGACY + "mine, data, 0x05, 0x3d000, 8K\n", id="partition-of-ones-own"),
    ],
)
def test_tables_that_work(tmp_path, chip, csv):
    check_plan(_plan(tmp_path, chip, csv), None)
