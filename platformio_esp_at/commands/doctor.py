"""``esp-at doctor``: what of this computer and this project would keep a module from being flashed, and the next step.

A function for each subject returns what it found. No port is opened, since that may reset a device, and nothing is
written; the only server that is asked is the one that the project's firmware would come from.
"""

from __future__ import annotations

import enum
import os
import platform
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from platformio_esp_at import __version__
from platformio_esp_at.catalog.modules import LATEST
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.releases import find_release
from platformio_esp_at.commands.project_host import (
    Host,
    environment_of,
    host_of,
    read_ini,
    setup_without_server,
)
from platformio_esp_at.commands.pythons import core_dir, look_into, python_of_idf, python_of_platformio
from platformio_esp_at.commands.setup import ask, prepare
from platformio_esp_at.commands.usb_adapters import has_brltty, without_port
from platformio_esp_at.device.failures import failure
from platformio_esp_at.device.installed import check_esptool
from platformio_esp_at.device.ports import usb_ports
from platformio_esp_at.errors import IN_PROJECT_FILE, EspAtError, printable, spelled, warning
from platformio_esp_at.files import writing_hint
from platformio_esp_at.firmware.cache import CACHE, Cache
from platformio_esp_at.firmware.download import allows_http, ask_server, proxy_for
from platformio_esp_at.firmware.fetch import places_to_ask
from platformio_esp_at.firmware.lock import read_lock
from platformio_esp_at.firmware.mirror import MIRROR, Mirror
from platformio_esp_at.launcher.environment import homes_of_idf, packages_of
from platformio_esp_at.launcher.interpreter import NEWEST_PYTHON, LaunchError
from platformio_esp_at.launcher.packages import CA_BUNDLE, find_damage
from platformio_esp_at.outputs.tables import wrap
from platformio_esp_at.request.options import PROJECT_FILE_OPTION
from platformio_esp_at.request.project_files import project_files
from platformio_esp_at.request.values import PROJECT_FILE
from platformio_esp_at.units import format_amount
from platformio_esp_at.urls import host_of as server_of
from platformio_esp_at.urls import scheme_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.commands.pythons import HostPython
    from platformio_esp_at.commands.setup import Setup
    from platformio_esp_at.device.ports import Port
    from platformio_esp_at.errors import Notice

_NOT_HERE = "firmware-not-here"
"""The code of a project whose firmware would be downloaded."""
_SECONDS = 5.0
"""How long a server may take to connect, and then to answer."""
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


class State(enum.Enum):
    """How a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """What was found of a subject."""

    subject: str
    state: State
    code: str | None
    """One of ``errors.yml``; None where all is well."""
    words: str
    fix: str | None

    def record(self) -> dict[str, Any]:
        """Return it for programs."""
        return {**self._asdict(), "state": self.state.value}


def examine(folder: Path, idf_board: Callable[[Path], BoardFacts | None]) -> tuple[Finding, ...]:
    """Return all findings about this computer and the project in ``folder``.

    ``idf_board``: returns the facts of a configured project of ESP-IDF. None of the findings has a password.
    """
    setups, of_project = _project(folder, idf_board)
    is_needed = any(finding.code == _NOT_HERE for finding in of_project)
    found = (
        *_python(),
        *_esptool(),
        *port_findings(usb_ports()),
        *_platformio(),
        *_idf(),
        *cache_findings(Cache.of_this_user()),
        *of_project,
        *_network(setups, is_needed=is_needed),
    )
    hidden = _passwords(os.environ.get(name, "") for name in (*_PROXIES, MIRROR))
    return tuple(_without(hidden, finding) for finding in found)


def has_problem(findings: Iterable[Finding]) -> bool:
    """Return whether anything keeps a module from being flashed."""
    return any(finding.state is State.PROBLEM for finding in findings)


def describe(findings: Sequence[Finding], width: int | None = None) -> str:
    """Return the findings in the columns of a terminal, each with its next step below."""
    longest = max(len(finding.subject) for finding in findings)
    indent = " " * (longest + 11 if width is None else min(longest + 11, width // 3))
    lines = []
    for finding in findings:
        code = f"  [{finding.code}]" if finding.code else ""
        words = f"{finding.state.value:7}  {finding.subject:{longest}}  {printable(finding.words)}{code}"
        steps = (f"{indent}{printable(line)}" for line in (finding.fix or "").splitlines())
        lines += [part for line in (words, *steps) for part in wrap(line, width, indent)]
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    return "\n".join([*lines, "", f"Problems: {counts[State.PROBLEM]}, warnings: {counts[State.WARNING]}"])


# --- findings of what is raised and noticed ---------------------------------------------------------------------------


def _ok(subject: str, words: str) -> Finding:
    return Finding(subject, State.OK, None, words, None)


def _problem(subject: str, error: EspAtError | LaunchError) -> Iterator[Finding]:
    """Yield each single problem of an error."""
    if isinstance(error, LaunchError):
        yield Finding(subject, State.PROBLEM, error.code, error.message, error.hint)
        return
    for single in error.problems or (error,):
        place = f"{single.place}: " if single.place.parts else ""
        fix = spelled(single.marked_hint, IN_PROJECT_FILE)
        yield Finding(subject, State.PROBLEM, single.code, f"{place}{single.message}", fix)


def _noticed(subject: str, notice: Notice) -> Finding:
    return Finding(subject, State.WARNING, notice.code, str(notice), notice.hint)


def _passwords(urls: Iterable[str]) -> tuple[str, ...]:
    """Return user name and password of each URL that has them, as they stand there."""
    named = (url.rpartition("@")[0].rpartition("//")[2] for url in urls if "@" in url)
    return tuple(part for name in named for part in (name, name.partition(":")[2]) if part)


def _without(hidden: tuple[str, ...], finding: Finding) -> Finding:
    """Return a finding without what is hidden: a library may have put an address into its message."""
    if not hidden:
        return finding
    pattern = "|".join(re.escape(part) for part in sorted(hidden, key=len, reverse=True))
    fix = finding.fix and re.sub(pattern, "…", finding.fix)
    return finding._replace(words=re.sub(pattern, "…", finding.words), fix=fix)


# --- this Python ------------------------------------------------------------------------------------------------------


def _python() -> Iterator[Finding]:
    words = f"esp-at {__version__} runs in Python {platform.python_version()}, {sys.executable}"
    if sys.version_info[:2] > NEWEST_PYTHON:
        newest = ".".join(map(str, NEWEST_PYTHON))
        hint = f"if something fails that others don't see, install esp-at with Python {newest}"
        yield _noticed("Python", warning("python-untested", f"{words}, which is newer than all tested ones", hint=hint))
        return
    yield _ok("Python", words)


def _esptool() -> Iterator[Finding]:
    try:
        check_esptool()
    except EspAtError as error:
        yield from _problem("esptool", error)
        return
    yield _ok("esptool", f"esptool {version('esptool')}")


# --- ports ------------------------------------------------------------------------------------------------------------


def port_findings(ports: Sequence[Port]) -> Iterator[Finding]:
    """Yield what is wrong with the ports on USB, and with adapters that have none."""
    for port in ports:
        if os.name == "nt" or os.access(port.name, os.R_OK | os.W_OK):
            yield _ok("port", str(port))
            continue
        yield from _problem("port", failure("port-permission", "", port.name))
        if _is_in_group(port.name):
            hint = "log out and in again, or restart: a session has the groups that you had when it began"
            message = f"you are in the group of {port.name}, but this session isn't"
            yield _noticed("port", warning("group-not-in-session", message, hint=hint))
    lost = without_port()
    for adapter in lost:
        brltty = adapter.driver == "ch341" and has_brltty()
        hint = (
            "brltty takes it: sudo apt remove brltty" if brltty else f"load its driver: sudo modprobe {adapter.driver}"
        )
        message = f"a {adapter.name} is plugged in, but has no serial port"
        yield _noticed("port", warning("adapter-without-port", f"{message}", hint=f"{hint}; then plug it in again"))
    if not ports and not lost:
        hint = "plug the module in with a cable that has data lines; on Windows and macOS, install its adapter's driver"
        yield _noticed("port", warning("no-port-on-usb", "no serial port is on USB", hint=hint))


def _is_in_group(port: str) -> bool:
    """Return whether the user is, by the system's list, in the group of a port."""
    try:
        import grp  # noqa: PLC0415 - not on Windows
        import pwd  # noqa: PLC0415

        group = grp.getgrgid(Path(port).stat().st_gid)
        return pwd.getpwuid(os.getuid()).pw_name in group.gr_mem
    except (ImportError, KeyError, OSError):
        return False


# --- the hosts --------------------------------------------------------------------------------------------------------


def _broken(host: str, path: str, hint: str) -> Finding:
    return _noticed(host, warning("host-python-broken", f"its Python doesn't run: {path}", hint=hint))


def _platformio() -> Iterator[Finding]:
    path = python_of_platformio()
    if path is None:
        yield _ok("PlatformIO", "not found on PATH, nor in its usual folder: esp-at needs none")
        return
    found = look_into(path)
    if found is None:
        hint = "install PlatformIO again, or remove what is left of it from PATH"
        yield _broken("PlatformIO", path, hint)
        return
    yield _ok("PlatformIO", f"PlatformIO {found.packages['platformio']} runs in {_in_words(found)}")
    yield from _packages("PlatformIO", found, [str(core_dir() / "esp-at")])


def _idf() -> Iterator[Finding]:
    path = python_of_idf()
    if path is None:
        yield _ok("ESP-IDF", "its export script hasn't run in this terminal: esp-at needs none")
        return
    found = look_into(path)
    if found is None:
        hint = "run ESP-IDF's install script again, then its export script"
        yield _broken("ESP-IDF", path, hint)
        return
    yield _ok("ESP-IDF", f"idf.py runs in {_in_words(found)}")
    if os.environ.get("ESP_IDF_VERSION", "").startswith("5.") and found.packages["platformio-esp-at"]:
        message = "platformio-esp-at is installed in the Python of ESP-IDF 5, whose idf.py refuses its esptool"
        hint = f"{path} -m pip uninstall platformio-esp-at; then run ESP-IDF's install script again"
        yield from _problem("ESP-IDF", EspAtError("installed-in-idf", message, hint=hint))
        return
    yield from _packages("ESP-IDF", found, homes_of_idf())


def _in_words(found: HostPython) -> str:
    own = found.packages["platformio-esp-at"]
    if found.is_ours:
        where = "the same that esp-at runs in"
    elif own:
        where = f"which has platformio-esp-at {own}, too"
    else:
        where = "where nothing of esp-at is installed, and needn't be"
    return f"Python {found.version}, {found.path}: {where}"


def _packages(subject: str, found: HostPython, homes: Sequence[str]) -> Iterator[Finding]:
    """Yield how it is with the folder of packages that a host's script uses."""
    if found.packages["platformio-esp-at"]:
        return  # it runs with those of that Python
    if not found.is_new_enough:
        yield _ok(subject, f"Python {found.version} is too old for esp-at: its script takes a newer one of PATH")
        return
    try:
        place = packages_of(found.path, homes)
        damage = find_damage(place) if place else None
    except OSError as error:
        place, damage = "", None
        yield _ok(subject, f"the folder of packages can't be looked for: {error.strerror}")
    if damage:
        yield from _problem(subject, damage)
    elif place:
        yield _ok(subject, f"its Python packages of esp-at are in {place}")
    else:
        yield _ok(subject, "its Python packages of esp-at aren't there yet: the first target or action gets them")


# --- cache, project, network ------------------------------------------------------------------------------------------


def cache_findings(cache: Cache) -> Iterator[Finding]:
    """Yield whether the cache can be written, and what is in it."""
    there = next(place for place in (cache.folder, *cache.folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        message = f"the cache {cache.folder} can't be written: {error.strerror or error}"
        hint = f"{writing_hint(cache.folder / 'file', error)}; or set {CACHE} to a folder that you can write"
        yield from _problem("cache", EspAtError("cache-not-writable", message, hint=hint))
        return
    files = [file for file in (cache.folder / "packages").glob("*/*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    yield _ok("cache", f"{cache.folder}: {len(files)} packages, {format_amount(size)}")


def _project(
    folder: Path, idf_board: Callable[[Path], BoardFacts | None]
) -> tuple[tuple[Setup, ...], tuple[Finding, ...]]:
    """Return the setup of each module of the project that names firmware, and what was found of all."""
    try:
        setups = tuple(_setups(folder, idf_board))
    except EspAtError as error:
        return (), tuple(_problem("project", error))
    if not any(layer.options for setup in setups for layer in setup.layers):
        words = f"no {PROJECT_FILE} in {folder.absolute()}: esp-at init makes one"
        return (), (_ok("project", words),)
    findings = dict.fromkeys(finding for setup in setups for finding in _module(setup))
    return tuple(filter(_names_firmware, setups)), tuple(findings)


def _names_firmware(setup: Setup) -> bool:
    try:
        read_lock(setup.project, setup.lock_file)
        ask(setup)
    except EspAtError:
        return False
    return True


def _module(setup: Setup) -> Iterator[Finding]:
    """Yield what is found of a module's part of the project."""
    try:
        read_lock(setup.project, setup.lock_file)
        plan = prepare(setup, lock=False).plan
    except EspAtError as error:
        if error.code == _NOT_HERE:
            yield Finding("project", State.OK, error.code, error.message, error.hint)
        else:
            yield from _problem("project", error)
        return
    words = f"{plan.package.name} for module {plan.module.name}: {len(plan.regions)} images, checked"
    yield _ok("project", words if setup.project_file == PROJECT_FILE else f"{setup.project_file}: {words}")
    yield from (_noticed("project", notice) for notice in plan.notes if notice.is_warning)


def _setups(folder: Path, idf_board: Callable[[Path], BoardFacts | None]) -> Iterator[Setup]:
    """Yield the setup of each module: of each environment of PlatformIO that has one, else of each project file."""
    host = host_of(folder)
    if host is Host.PLATFORMIO:
        ini = read_ini(folder)
        names = ini.default_environments or ini.environments
        environments = [environment_of(ini, name, folder) for name in names]
        chosen = [found for found in environments if found.has_targets or found.is_flash_only] or environments[:1]
        if chosen:
            yield from (setup_without_server(folder, found.own, found.facts) for found in chosen)
            return
    files = project_files(folder)
    if PROJECT_FILE in files or not files:
        yield setup_without_server(folder, {}, idf_board(folder) if host is Host.IDF else None)
    for name in files:
        if name != PROJECT_FILE:  # of a module next to the project's chip
            yield setup_without_server(folder, {PROJECT_FILE_OPTION.name: name}, None)


def _network(setups: Sequence[Setup], *, is_needed: bool) -> Iterator[Finding]:
    """Yield whether the server answers from which the firmware would come, and through what.

    ``is_needed``: whether the project doesn't work without it.
    """
    try:
        places = _places(setups)
        mirror = Mirror.of_environment()
    except EspAtError as error:
        yield from _problem("network", error)
        return
    if mirror:
        yield _ok("mirror", f"{MIRROR}: {shown(mirror.url)}")
    if os.environ.get(CA_BUNDLE):
        yield _ok("network", f"{CA_BUNDLE}: {os.environ[CA_BUNDLE]}")
    servers = [place for place in places if scheme_of(place) != "file"]
    if not servers:
        yield _ok("network", "no server is needed")
        return
    if proxy := proxy_for(servers[0]):
        yield _ok("network", f"proxy for {server_of(servers[0])}: {proxy}")
    allow_http = mirror.allows_http if mirror else allows_http()
    failures = tuple(filter(None, (_failure_of(place, allow_http=allow_http) for place in servers)))
    if len(failures) < len(servers):
        yield _ok("network", f"{server_of(servers[0])} answers")
    elif is_needed:
        yield from _problem("network", failures[0])
    else:
        yield _noticed("network", failures[0].as_warning())


def _places(setups: Sequence[Setup]) -> tuple[str, ...]:
    """Return the URLs that a run would ask for its firmware: those of a project, or of the latest release."""
    if not setups:
        url = find_release(find_module("esp32", "WROOM-32"), LATEST).url
        mirror = Mirror.of_environment()
        return mirror.places(url) if mirror else (url,)
    return tuple(dict.fromkeys(place for setup in setups for place in _places_of(setup)))


def _places_of(setup: Setup) -> tuple[str, ...]:
    asked = ask(setup)
    if asked.firmware.path is not None:
        return ()
    return places_to_ask(
        asked.firmware, asked.request.module, asked.board, project=setup.project, lock_file=setup.lock_file
    )


def _failure_of(place: str, *, allow_http: bool) -> EspAtError | None:
    """Return why a server doesn't send a file; None if it does."""
    try:
        ask_server(place, allow_http=allow_http, seconds=_SECONDS)
    except EspAtError as error:
        return error
    return None
