"""The edits of upstream's at.py, done by us: the result is the same; what at.py ignores or does wrong is refused.

``$ESP_AT_REFERENCE/golden/_at_py`` has the inputs, options and results of at.py.
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from platformio_esp_at.checks.plan import check_values
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.errors import EspAtError, Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam, field_names
from platformio_esp_at.formats.nvs import Dialect, NvsImage
from platformio_esp_at.formats.pki import PkiContainer
from platformio_esp_at.planning.content import gatts_of, make_content
from platformio_esp_at.planning.mfg_nvs import make_mfg_nvs, parameters
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import SelectedModule, select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile, Text

if TYPE_CHECKING:
    from platformio_esp_at.firmware.package import FirmwarePackage

OPTIONS = {
    "--tx_pin": "uart_tx_pin",
    "-tx": "uart_tx_pin",
    "--rx_pin": "uart_rx_pin",
    "--cts_pin": "uart_cts_pin",
    "--rts_pin": "uart_rts_pin",
    "-txctrl": "tx_control_pin",
    "-rxctrl": "rx_control_pin",
    "--baud": "uart_baudrate",
    "-b": "uart_baudrate",
    "--uart_num": "uart_port",
    "--tx_power": "tx_max_power",
    "--country_code": "country_code",
    "-cc": "country_code",
    "--start_channel": "start_channel",
    "--channel_number": "channel_num",
    "--module_name": "module_name",
    "-mn": "module_name",
    "--platform": "platform",
}
"""at.py's options, and what we call the parameters that they set."""

NOT_PARAMETERS = ("-os", "--server_ca")

pytestmark = pytest.mark.usefixtures("reference")

pytestmark = pytest.mark.usefixtures("reference")
REFERENCE = os.environ.get("ESP_AT_REFERENCE")
FOLDER = Path(REFERENCE or ".", "golden", "_at_py")
CASES = {
    str(file.parent.relative_to(FOLDER)): json.loads(file.read_text())
    for file in sorted(FOLDER.glob("*/*/result.json") if REFERENCE else ())
}
NVS = [name for name, case in CASES.items() if case["partition"] == "mfg_nvs"]
LEGACY = [name for name, case in CASES.items() if case["partition"] == "factory_param"]

REFUSED = {"country_long": "parameter-too-long", "module_long": "parameter-too-long", "pin_200": "parameter-range"}
"""Values that don't fit: at.py cuts texts silently, or prints "A system error occurred"; its exit code is 0."""

OPTION = Place.at(option="--option")

OFFSET_REFUSED = "offset16"
"""at.py prints that it finds no parameters there; we need no offset: the partition table has it."""


@pytest.fixture(scope="module")
def at_py(reference: Path) -> Path:
    return reference / "golden" / "_at_py"


def _before(name: str) -> bytes:
    """Return the partition before at.py edits it."""
    case = CASES[name]
    data = gzip.decompress((FOLDER / "_base" / f"{Path(name).parent}.bin.gz").read_bytes())
    assert len(data) == case["before_size"]
    return data[case["partition_offset"] :][: case["partition_size"]]


def _after(name: str) -> bytes:
    return (FOLDER / name / "after_partition.bin").read_bytes()


def _values(name: str) -> dict[str, Text]:
    """Return the parameters that a case sets, by our names."""
    args = CASES[name]["args"]
    pairs = zip(args[::2], args[1::2], strict=True)
    return {
        OPTIONS[option]: Text(value, Place.at(option=option)) for option, value in pairs if option not in NOT_PARAMETERS
    }


def test_every_case_is_compared(at_py):
    assert len(NVS) == 6
    assert len(LEGACY) == 15
    assert len(NVS + LEGACY) == len(list(at_py.glob("*/*/result.json")))
    assert {Path(name).name for name in LEGACY} >= {*REFUSED, OFFSET_REFUSED}


# --- mfg_nvs ---


def _edit(base: NvsImage, **request) -> NvsImage:
    """Return the image with a request's changes, for a firmware that reads the names in ``base``."""
    reads = {*base.namespaces, *(entry.key for entry in base)}
    module = SelectedModule(str(parameters(base)["module_name"]), None, "")
    asked = Request(**request)
    return make_mfg_nvs(
        base, size=base.size, reads=reads.__contains__, module=module, request=asked, gatts=gatts_of(asked)
    )


@pytest.mark.parametrize("name", NVS)
def test_mfg_nvs_after_the_same_edit(name):
    base = NvsImage.from_bytes(_before(name))
    image = _edit(base, factory_param=_values(name))
    after = NvsImage.from_bytes(_after(name))
    assert image.entries == after.entries
    assert after.dialect is Dialect.FULL_PAGES
    assert replace(image, dialect=Dialect.FULL_PAGES).to_bytes() == _after(name)


@pytest.mark.parametrize("name", [name for name in NVS if name.endswith("/noop")])
def test_nothing_to_edit_changes_no_byte(name):
    """at.py always writes the page headers of older generators; we keep those that the firmware package has."""
    before = _before(name)
    assert _edit(NvsImage.from_bytes(before)).to_bytes() == before


@pytest.mark.parametrize("name", [name for name in NVS if name.endswith("/uart_wifi")])
def test_an_edit_changes_just_its_values(name):
    base, after = NvsImage.from_bytes(_before(name)), NvsImage.from_bytes(_after(name))
    changed = {new.key for old, new in zip(base.entries, after.entries, strict=True) if old != new}
    asked = {key.replace("tx_max_power", "max_tx_power") for key in _values(name)}
    assert changed <= asked
    assert len(changed) > 7


def _base_of(release: str) -> NvsImage:
    return NvsImage.from_bytes(_before(next(name for name in NVS if name.startswith(release))))


def _file(at_py: Path, name: str) -> InputFile:
    return InputFile(name, Place.at(file="esp_at.yml", line=3), (at_py / "_files" / name).read_bytes())


def test_defect_a_der_certificate_can_only_be_imported_once(at_py):
    """at.py writes it to a temporary text file, so that every later run ends in "A system error occurred"."""
    der = _file(at_py, "new.der")
    image = _edit(_base_of("v4.1.1.0"), pki={"mqtt_ca": (der,)})
    again = _edit(NvsImage.from_bytes(image.to_bytes()), pki={"mqtt_cert": (der,)})
    assert [again.get(name, name).value for name in ("mqtt_ca", "mqtt_cert")] == [der.data, der.data]


def test_certificates_of_any_length(at_py):
    base = _base_of("v3.1.0.0")
    for name in ("new_small.crt", "new_big.crt"):
        file = _file(at_py, name)
        image = _edit(base, pki={"mqtt_ca": (file,)})
        changed = [new.name for old, new in zip(base.entries, image.entries, strict=True) if old != new]
        assert changed == ["mqtt_ca.mqtt_ca"]
        assert NvsImage.from_bytes(image.to_bytes()).get("mqtt_ca", "mqtt_ca").value == file.data


@pytest.mark.parametrize("option", ["https_ca", "wss_key"])
def test_defect_a_missing_key_is_ignored_silently(at_py, option):
    """at.py then changes nothing, and its exit code is 0."""
    base = _base_of("v3.1.0.0")
    assert option not in base.namespaces
    with pytest.raises(EspAtError) as caught:
        _edit(base, pki={option: (_file(at_py, "new_small.crt"),)})
    assert (caught.value.code, caught.value.where) == ("not-read-by-release", "esp_at.yml:3")
    assert caught.value.message == f"the firmware of this release doesn't read {option}"


@pytest.mark.parametrize("option", ["platform", "tx_control_pin", "rx_control_pin"])
def test_defect_options_of_earlier_releases_are_ignored_silently(option):
    with pytest.raises(EspAtError) as caught:
        _edit(_base_of("v4.1.1.0"), factory_param={option: Text("5", OPTION)})
    assert (caught.value.code, caught.value.place) == ("not-read-by-release", OPTION)
    assert caught.value.message == f"the firmware of this release doesn't read {option}"


def test_defect_sys_store_cannot_be_set():
    base = _base_of("HEAD")
    image = _edit(base, factory_param={"sys_store": Text("0", OPTION)})
    assert [new.value for old, new in zip(base.entries, image.entries, strict=True) if old != new] == [0]


# --- factory_param ---


@pytest.fixture(scope="module")
def legacy(reference, tmp_path_factory) -> FirmwarePackage:
    """Return a package with the factory_param of at.py's cases."""
    folder = tmp_path_factory.mktemp("legacy") / "package"
    write_sample_package(folder, "esp32")
    for file in folder.glob("customized_partitions/factory_param*.bin"):
        file.write_bytes(_before(LEGACY[0]))
    return open_package(folder)


def _contents(package: FirmwarePackage, **request) -> dict[str, bytes]:
    contents = make_content(package, select(None, None, package), Request(**request), package.secondary)
    return {name: content.data for name, content in contents.items()}


@pytest.mark.parametrize("name", [name for name in LEGACY if Path(name).name not in REFUSED])
def test_factory_param_after_the_same_edit(legacy, name):
    assert CASES[name]["rc"] == (2 if name.endswith(OFFSET_REFUSED) else 0)
    values = {} if name.endswith(OFFSET_REFUSED) else _values(name)
    assert _contents(legacy, factory_param=values)["factory_param"] == _after(name)


@pytest.mark.parametrize("name", [name for name in LEGACY if Path(name).name in REFUSED])
def test_defect_a_value_that_does_not_fit_exits_with_0(legacy, name):
    assert CASES[name]["rc"] == 0
    with pytest.raises(EspAtError) as caught:
        _contents(legacy, factory_param=_values(name))
    ((option, _),) = [CASES[name]["args"]]
    assert (caught.value.code, caught.value.where) == (REFUSED[Path(name).name], option)


@pytest.mark.parametrize(
    ("name", "shown"), [("country_long", ("country_code", "USXX")), ("module_long", ("module_name", "A" * 32))]
)
def test_defect_texts_are_cut_silently(at_py, name, shown):
    after = FactoryParam.from_bytes(_after(next(case for case in LEGACY if case.endswith(name))))
    key, value = shown
    assert after.values[key] == value


def test_defect_server_ca_is_ignored_silently(legacy, at_py):
    """at.py can't write certificates up to v3.0.0.0; we write them into their own partitions."""
    (name,) = (name for name in LEGACY if name.endswith("server_ca_ignored"))
    assert (CASES[name]["rc"], CASES[name]["unchanged"]) == (0, True)
    file = _file(at_py, "new_small.crt")
    contents = _contents(legacy, pki={"server_ca": (file,)})
    assert contents["factory_param"] == _before(name)
    (item,) = PkiContainer.from_bytes(contents["server_ca"]).items
    assert item.content == file.data


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("option", ["platform", "module_name"])
def test_defect_names_are_written_into_versions_that_have_none(legacy, version, option):
    """at.py writes them after the last field; no firmware of these releases reads them there."""
    assert option not in field_names(version)
    param = FactoryParam.from_values({"version": version, "module_id": 1})
    params = dict.fromkeys(legacy.factory_params, param.to_bytes())
    package = replace(legacy, factory_params=params)
    with pytest.raises(EspAtError) as caught:
        _contents(package, factory_param={option: Text("X", OPTION)})
    assert caught.value.place == OPTION
    assert caught.value.code == ("unknown-parameter" if option == "platform" else "not-read-by-release")


UNFIT = {"baud_neg": "uart-missing", "country_USXX": "country-invalid", "pin_127": "pin-nonexistent"}


@pytest.mark.parametrize("name", UNFIT)
def test_defect_values_that_cannot_work_exit_with_0(legacy, name):
    """They fit into the image, so at.py writes them; we check them before anything is written."""
    (case,) = (case for case in LEGACY if Path(case).name == name)
    assert CASES[case]["rc"] == 0
    request = Request(factory_param=_values(case))
    plan = make_plan(legacy, select(None, None, legacy), request)
    with pytest.raises(EspAtError) as caught:
        check_values(plan, None, request, now=datetime(2024, 1, 1, tzinfo=timezone.utc))
    option, _ = CASES[case]["args"]
    assert (caught.value.code, caught.value.where) == (UNFIT[name], f"{option}:{OPTIONS[option]}")
