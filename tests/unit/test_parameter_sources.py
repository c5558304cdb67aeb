"""Which option or file a parameter comes from."""

from __future__ import annotations

from dataclasses import replace

from plans import sample_plan

from platformio_esp_at.errors import Place
from platformio_esp_at.planning.parameter_sources import parameter_sources
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import CustomModule, Text

LINE = Place.at(file="esp_at.yml", line=5)


def test_of_the_project_and_of_the_package(tmp_path):
    request = {"factory_param": {"uart_tx_pin": Text("4", LINE), "tx_max_power": Text("40", LINE)}}
    for nvs in (False, True):
        plan = sample_plan(tmp_path / str(nvs), nvs=nvs, **request)
        sources = parameter_sources(plan, Request(**request))
        assert set(sources) == set(plan.parameters)
        power = "max_tx_power" if nvs else "tx_max_power"
        assert {name for name, source in sources.items() if source == "esp_at.yml:5"} == {"uart_tx_pin", power}
        assert set(sources.values()) == {"esp_at.yml:5", "firmware package"}


def test_of_a_module_of_ones_own(tmp_path):
    values = {"uart_baudrate": Text("9600", LINE)}
    module = CustomModule(Text("OURS", LINE), Text("WROOM-32", LINE), values)
    package = sample_plan(tmp_path).package
    request = Request(module=module)
    plan = make_plan(package, select(module, None, package), request)
    sources = parameter_sources(plan, request)
    assert sources["uart_baudrate"] == "esp_at.yml:5"
    assert sources["uart_tx_pin"] != "esp_at.yml:5"


def test_of_none(tmp_path):
    assert parameter_sources(replace(sample_plan(tmp_path), parameters=None), Request()) == {}
