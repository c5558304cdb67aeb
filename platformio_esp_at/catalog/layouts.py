"""The partition tables of ESP-AT's releases, as facts: what a firmware package of a known release should have."""

from __future__ import annotations

import functools
from typing import NamedTuple

from platformio_esp_at.catalog import _data
from platformio_esp_at.catalog.modules import Releases


class Layout(NamedTuple):
    """The flash layout of a release; the tables are rows of a partition CSV."""

    table_offset: int
    """Where the bootloader of that release looks for the primary table, in bytes."""
    primary: str
    secondary: str


def release_layout(chip: str, module_config: str, release: str) -> Layout | None:
    """Return the layout of a release for the modules of a ``module_config`` folder; None if it isn't known."""
    return release_layouts(chip, release).get(module_config)


def release_layouts(chip: str, release: str) -> dict[str, Layout]:
    """Return the layouts that a release has for a chip, by the folder of ``module_config``; none if it isn't known."""
    return {used_by[1]: layout for used_by, layout in _layouts() if used_by[0] == chip and release in used_by[2]}


def layouts_of(chip: str) -> tuple[Layout, ...]:
    """Return the layouts of all releases for a chip, the newest last."""
    return tuple(dict.fromkeys(layout for used_by, layout in _layouts() if used_by[0] == chip))


@functools.cache
def _layouts() -> tuple[tuple[tuple[str, str, Releases], Layout], ...]:
    found = []
    for row in _data.load("layouts.yml")["layouts"]:
        layout = Layout(row["table_offset"], row["primary"], row["secondary"])
        for users in row["used_by"]:
            chip, module_config, releases = users.split()
            found.append(((chip, module_config, Releases(releases)), layout))
    return tuple(found)
