"""Which option or file a factory parameter of a plan comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.planning.content import ESSENTIAL
from platformio_esp_at.planning.mfg_nvs import RENAMED

if TYPE_CHECKING:
    from platformio_esp_at.planning.plan import FlashPlan
    from platformio_esp_at.request.options import Request

_OF_PROJECT = " of the project"


def parameter_sources(plan: FlashPlan, request: Request) -> dict[str, str]:
    """Return where each of a plan's parameters comes from, for people, by its name.

    ``request``: what the plan was made for.
    """
    asked = {**plan.module.changes, **request.factory_param}
    origin = next((region.origin for region in plan.regions if region.name in ESSENTIAL), "")
    if origin.endswith(_OF_PROJECT):
        origin = origin.rpartition(", with ")[0]
    other_names = RENAMED | {old: new for new, old in RENAMED.items()}
    sources = {}
    for name in plan.parameters or {}:
        given = asked.get(name) or asked.get(other_names.get(name, name))
        sources[name] = str(given.where) if given else origin
    return sources
