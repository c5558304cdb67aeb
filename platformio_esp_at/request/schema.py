"""The JSON Schema of ``esp_at.yml``, from the one list of options: what an editor completes, explains and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformio_esp_at import __version__
from platformio_esp_at.catalog.modules import LATEST, modules, parameter_names, release_key
from platformio_esp_at.catalog.releases import released_packages
from platformio_esp_at.formats.pki import PKI_SLOTS, pki_names
from platformio_esp_at.request.kinds import Completes
from platformio_esp_at.request.options import OPTIONS, Option
from platformio_esp_at.request.values import PROJECT_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SCHEMA_FILE = Path(__file__).with_name("esp_at.schema.json")
"""The schema in this package: a generated file."""
SCHEMA_URL = (
    "https://raw.githubusercontent.com/platformio-esp-at/platformio-esp-at/"
    f"v{__version__}/platformio_esp_at/request/{SCHEMA_FILE.name}"
)
"""Where the schema of this version is published."""
MODELINE = f"# yaml-language-server: $schema={SCHEMA_URL}"
"""The line of a YAML file by which editors find its schema: VS Code and all that use yaml-language-server."""


def project_schema() -> dict[str, Any]:
    """Return the schema of ``esp_at.yml``. A blank option counts as not set."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": SCHEMA_URL,
        "title": PROJECT_FILE,
        "description": "What an ESP-AT module gets. What isn't set stays as the firmware package has it.",
        "type": ["object", "null"],
        "properties": {name: _property(option) for name, option in OPTIONS.items()},
        "additionalProperties": False,
    }


def _property(option: Option) -> dict[str, Any]:
    made = option.kind.schema(_known)
    if "anyOf" in made:
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    else:
        made["type"] = [made["type"], "null"]
    return {"description": f"{option.help}\n\n{option.name}: {option.example}", **made}


def _known(what: Completes) -> Sequence[str]:
    """Return the names that there are; what depends on this machine, such as its ports, is not among them."""
    find = _FINDERS.get(what)
    return tuple(dict.fromkeys(find())) if find else ()


def _releases() -> Iterable[str]:
    names = {package.release for package in released_packages()}
    return (LATEST, *sorted(names, key=lambda name: (release_key(name), name), reverse=True))


def _modules() -> Iterable[str]:
    return (name for module in modules() for name in (module.name, module.full_name))


_FINDERS: dict[Completes, Callable[[], Iterable[str]]] = {
    Completes.FIRMWARE: _releases,
    Completes.MODULES: _modules,
    Completes.PARAMETERS: parameter_names,
    Completes.CERTIFICATES: lambda: (name for slot in PKI_SLOTS for name in pki_names(slot)),
}
