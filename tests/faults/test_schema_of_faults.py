"""Which faults of the corpus an editor sees by the schema of ``esp_at.yml``: what is misspelt, and nothing else."""

from __future__ import annotations

import json

import pytest
import yaml
from jsonschema import Draft7Validator
from ruamel.yaml import YAML, YAMLError

from faults.corpus import every_case, rules
from platformio_esp_at.request.schema import project_schema

VALIDATOR = Draft7Validator(project_schema())
SEEN = ("option-misspelt", "parameter-unknown", "pki-misspelt")
"""Rules of which every fault is seen."""
SEEN_IN_PART = ("pki-too-many", "project-file-of-nonsense")


def is_refused(fault) -> bool:
    """Return whether an editor marks the esp_at.yml of a fault."""
    options = {name: value for name, value in fault.case.options.items() if value is not None}
    text = fault.case.project.get("esp_at.yml") or yaml.safe_dump(options, allow_unicode=True).encode()
    try:
        content = YAML(typ="safe", pure=True).load(text.decode())
        return not VALIDATOR.is_valid(json.loads(json.dumps(content)))
    except (YAMLError, ValueError):  # no YAML, or no tree
        return True


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.name)
def test_what_an_editor_refuses(rule):
    refused = {is_refused(fault) for fault in rule.faults(every_case())}
    if rule.name in SEEN:
        assert refused == {True}
    elif rule.name in SEEN_IN_PART:
        assert True in refused
    else:
        assert True not in refused
