"""The JSON Schema of ``esp_at.yml``: it accepts what we read, and refuses what is misspelt."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML
from test_options import PROJECT, WRONG

from platformio_esp_at import __version__
from platformio_esp_at.request.options import OPTIONS
from platformio_esp_at.request.schema import MODELINE, SCHEMA_FILE, SCHEMA_URL, project_schema

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft7Validator(project_schema())


def problems(text: str) -> list[str]:
    """Return what an editor would say of an esp_at.yml, which it reads as YAML 1.2."""
    content = json.loads(json.dumps(YAML(typ="safe", pure=True).load(text)))
    return [error.message for error in VALIDATOR.iter_errors(content)]


def project_files():
    """Yield every esp_at.yml of examples and documents, by where it is."""
    for file in sorted(ROOT.rglob("esp_at.yml")):
        if not {".pio", "build", ".nox", ".venv"} & set(file.relative_to(ROOT).parts):
            yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8")
    for file in (
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted(ROOT.glob("idf_component/**/*.md")),
    ):
        blocks = re.findall(r"(?ms)^ *```ya?ml\n(.*?)```", file.read_text(encoding="utf-8"))
        for number, block in enumerate(blocks, 1):
            yield f"{file.relative_to(ROOT)} {number}", re.sub(r"(?m)^   ", "", block) if block[0] == " " else block


FILES = dict(project_files())


def test_it_is_a_schema_and_the_published_one():
    made = project_schema()
    Draft7Validator.check_schema(made)
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == made, "run: python3 bootstrap.py generate"
    assert list(made["properties"]) == list(OPTIONS)
    for name, option in OPTIONS.items():
        assert made["properties"][name]["description"].startswith(option.help)
    assert MODELINE.endswith(f"={SCHEMA_URL}")
    assert f"```yaml\n{MODELINE}\n```" in (ROOT / "docs/reference/project-file.md").read_text(encoding="utf-8")
    assert SCHEMA_URL.endswith(f"/v{__version__}/{SCHEMA_FILE.relative_to(ROOT).as_posix()}")


@pytest.mark.parametrize("name", FILES)
def test_it_accepts_what_examples_and_documents_have(name):
    assert problems(FILES[name]) == []


def test_there_are_such_files():
    assert {
        "examples/flash-only/esp_at.yml",
        "docs/reference/project-file.md 1",
        "idf_component/esp_at_flash/README.md 1",
    } <= set(FILES)


@pytest.mark.parametrize(
    "text",
    [
        PROJECT,
        "",
        "firmware:\nmodule: ~\npki:\n",
        "module: {name: GATEWAY-7, based_on: WROOM-32, uart_tx_pin: 4}",
        "module: ESP32-WROOM-32E-N4",
        "module: OUR-OWN-BUILD",
        "pki: {wpa2_ca: a.pem, wpa_ent_cert: [a.pem, b.pem]}",
        "factory_param: {uart_tx_pin: 0x11, country_code: NO, tx_max_power: '78', uart_rts_pin: -1}",
        "skip: ble_data",
        "baud: 0x1C200\nno_stub: Yes\ntest: off\nwrite_all: 1\nafter: watchdog_reset",
        "data: {fs_storage: [web/], my_partition: table.bin}",
    ],
)
def test_it_accepts_what_we_read(text):
    assert problems(text) == []


@pytest.mark.parametrize("name", OPTIONS)
def test_it_accepts_every_example(name):
    assert problems(f"{name}: {OPTIONS[name].example}") == []


@pytest.mark.parametrize("name", OPTIONS)
def test_it_refuses_what_an_option_never_is(name):
    assert problems(f"{name}: {WRONG[name]}")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("modul: WROOM-32", "'modul' was unexpected"),
        ("factory_param: {uart_txd: 1}", "'uart_txd' was unexpected"),
        ("factory_param: {version: 2}", "'version' was unexpected"),
        ("pki: {mqtt_cca: a.pem}", "'mqtt_cca' was unexpected"),
        ("pki: {client_ca: [a.pem, b.pem, c.pem]}", "not valid under any"),
        ("module: {name: GATEWAY-7}", "not valid under any"),
        ("before: sometimes", "not valid under any"),
        ("baud: fast", "not valid under any"),
        ("test: perhaps", "not valid under any"),
    ],
)
def test_it_refuses_what_is_misspelt(text, named):
    (problem,) = problems(text)
    assert named in problem
