"""Firmware packages that Espressif has released, and how to find the one for a module and a release."""

from __future__ import annotations

import functools
import posixpath
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from platformio_esp_at.catalog import _data
from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import LATEST, Module, modules, release_key
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.errors import SelectionError, near_names, setting

if TYPE_CHECKING:
    from collections.abc import Iterator

_RELEASE = re.compile(r"v\d+(\.\d+){1,3}|\d+(\.\d+){3}", re.IGNORECASE)


class ReleasedPackage(NamedTuple):
    """A firmware package as Espressif offers it."""

    chip: str
    module: str
    """The AT module that it is made for."""
    release: str
    """``v4.1.1.0``."""
    url: str
    """Where to download the zip, or the form to request it with."""
    by_form: bool = False
    """Whether it is available only by request form."""
    recommended: bool = False
    chip_revisions: str | None = None
    """``v1.0 to v1.1``: the chip revisions that it is for, according to Espressif; None if not published."""

    @property
    def file_name(self) -> str:
        """The name of the zip; "" where there is none to download."""
        return "" if self.by_form else posixpath.basename(urlsplit(self.url).path)

    @property
    def name(self) -> str:
        """The name of the zip without ``.zip``: ``ESP32-WROOM-32-AT-V4.1.1.0``."""
        return self.file_name.removesuffix(".zip")


def released_packages(chip: str | None = None, module: str | None = None) -> tuple[ReleasedPackage, ...]:
    """Return the released packages of all chips, of one, or of one AT module (any spelling), the newest first.

    If a release has two URLs, the preferred one is first. Raises as `chips.chip` and `modules.module`.
    """
    if chip is None:
        return _releases()
    key = find_chip(chip).key
    name = find_module(key, module).name if module else None
    return tuple(found for found in _releases() if found.chip == key and name in (None, found.module))


def is_release_name(text: str) -> bool:
    """Return whether a text names a release: ``v4.1.1.0``, or ``latest``.

    >>> is_release_name("v4.1.1.0"), is_release_name("4.1.1.0.zip")
    (True, False)
    """
    return bool(_RELEASE.fullmatch(text)) or text.lower() == LATEST


def is_full_name(text: str) -> bool:
    """Return whether a release's name has all four numbers, so that it will always mean the same release.

    >>> is_full_name("v4.1.1.0"), is_full_name("v4.1.1"), is_full_name("latest")
    (True, False, False)
    """
    return is_release_name(text) and text.count(".") == 3


def package_at(url: str) -> ReleasedPackage | None:
    """Return the package that Espressif offers at a URL, or None."""
    return next((found for found in _releases() if found.url == url and not found.by_form), None)


def package_named(name: str) -> ReleasedPackage | None:
    """Return the package whose zip has this name, with or without ``.zip``; None where no release has it.

    >>> package_named("esp32-wroom-32-at-v4.1.1.0").release
    'v4.1.1.0'
    """
    wanted = name.lower().removesuffix(".zip")
    return next((found for found in _releases() if wanted and found.name.lower() == wanted), None)


def near_package_names(name: str) -> list[str]:
    """Return released packages with nearly this name, the nearest first."""
    return near_names(name.removesuffix(".zip"), (found.name for found in _releases() if found.name))


def find_release(module: Module, release: str) -> ReleasedPackage:
    """Return the package of ``release`` (``v4.1.1.0``, ``latest``) that a module is flashed with.

    If the module has none of its own, that is the package of its successor, or of a module with the same firmware.
    Raises `SelectionError`, which lists the available releases, if there is no package to download.
    """
    line = [module, *_successors(module)]
    offered = [package for candidate in line for package in _of(candidate)]
    shared = [package for package in _same_firmware(module) if _has_parameters(module, package.release)]
    if release.lower() == LATEST:
        found = _latest(list(_of(line[-1])) or shared)
    else:
        found = _of_release(release, [*offered, *shared])
    if found is None or (found.module != module.name and not _has_parameters(module, found.release)):
        raise _none_for(module, release, found, list(_of(module)))
    if found.by_form:
        others = [package.release for package in offered if not package.by_form]
        hint = f"request it at {found.url}, and name the path of the zip that you get: {setting('firmware', 'PATH')}"
        if others:
            hint += f"\nor take one of {', '.join(others)}"
        name = f"the {find_chip(found.chip).display_name} firmware {found.release} for {found.module}"
        raise SelectionError("release-by-request", f"{name} is available only by request form", hint=hint)
    return found


def _latest(packages: list[ReleasedPackage]) -> ReleasedPackage | None:
    """Return the recommended one of these packages, or the newest."""
    return next((package for package in packages if package.recommended), packages[0] if packages else None)


def _of_release(release: str, packages: list[ReleasedPackage]) -> ReleasedPackage | None:
    """Return the first package of a release. Raises `SelectionError` for a short name that several releases begin with.

    ``v2.0`` is v2.0.0.0, which is the only one; ``v4.1`` may be v4.1.0.0 or v4.1.1.0.
    """
    wanted = release.lower().removeprefix("v").split(".")
    found = [package for package in packages if package.release.removeprefix("v").split(".")[: len(wanted)] == wanted]
    names = list(dict.fromkeys(package.release for package in found))
    if len(names) > 1:
        raise SelectionError(
            "release-ambiguous", f"{release} may be {' or '.join(names)}", hint="write all of its numbers"
        )
    return found[0] if found else None


def _of(module: Module) -> Iterator[ReleasedPackage]:
    return (package for package in _releases() if (package.chip, package.module) == (module.chip, module.name))


def _successors(module: Module) -> Iterator[Module]:
    while module.successor:
        module = find_module(module.chip, module.successor.module)
        yield module


def _same_firmware(module: Module) -> Iterator[ReleasedPackage]:
    """Yield the packages for other modules whose firmware is built from the same configuration."""
    for other in modules(module.chip):
        if other.module_config == module.module_config:
            yield from _of(other)


def _has_parameters(module: Module, release: str) -> bool:
    """Return whether a release's own table has factory parameters for the module."""
    return any(release in releases for releases in module.versions.values())


def _none_for(
    module: Module, release: str, successor: ReleasedPackage | None, offered: list[ReleasedPackage]
) -> SelectionError:
    what = f"{find_chip(module.chip).display_name} module {module.name}"
    if successor:
        confirm = setting("module", successor.module)
        hint = f"{successor.release} is for {successor.module}, which runs on it: write {confirm}"
        return SelectionError("no-release", f"there is no firmware package {release} for the {what}", hint=hint)
    if not offered:
        path = setting("firmware", "PATH")
        hint = f"build it with ESP-AT, or take the artifact of its GitHub Actions, and name its path: {path}"
        return SelectionError("no-release", f"Espressif releases no firmware package for the {what}", hint=hint)
    known = dict.fromkeys(f"{other.release}{' (recommended)' if other.recommended else ''}" for other in offered)
    hint = f"write one of those released: {', '.join(known)}"
    if module.successor:
        hint += f"; from {module.successor.since} on, those of {module.successor.module}"
    return SelectionError("no-release", f"there is no firmware package {release} for the {what}", hint=hint)


@functools.cache
def _releases() -> tuple[ReleasedPackage, ...]:
    catalog = _data.load("releases.yml")
    found = [
        package
        for chip, series in catalog["releases"].items()
        for module, row in series.items()
        for group in row["packages"]
        for package in _group(chip, module, group, row.get("recommended"), catalog["servers"])
    ]
    order = {module: number for number, module in enumerate(dict.fromkeys((p.chip, p.module) for p in found))}
    return tuple(sorted(found, key=lambda p: (order[p.chip, p.module], [-number for number in release_key(p.release)])))


def _group(
    chip: str, module: str, group: dict[str, Any], recommended: str | None, servers: dict[str, str]
) -> Iterator[ReleasedPackage]:
    by_form = "form" in group
    for release in group["releases"]:
        yield ReleasedPackage(
            chip=chip,
            module=module,
            release=release,
            url=group["form" if by_form else "url"].format(release=release.removeprefix("v"), **servers),
            by_form=by_form,
            recommended=release == recommended,
            chip_revisions=group.get("chip_revisions"),
        )
