"""What runs the package: an interpreter, and a folder of packages that no Python looks into by itself.

A host's Python loads this, which may be as old as 3.6: the standard library and its syntax only. Nothing is installed
into that Python.
"""

import glob
import hashlib
import os
import platform
import sys
import tempfile
from typing import Callable, List, NamedTuple, Optional, Sequence

from platformio_esp_at.launcher.interpreter import PYTHON, LaunchError, named_python, new_enough_python, tag_of
from platformio_esp_at.launcher.packages import FOLDER, PINS, make_folder, mark_used

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Runtime(NamedTuple):
    """What runs the package."""

    python: str
    """An interpreter."""
    packages: str
    """The folder of packages for it; empty where it has them itself."""


def find_runtime(homes: Sequence[str], say: Callable[[str], None]) -> Runtime:
    """Return what runs the package; where no folder of packages is there yet, it is made, which is told by ``say``.

    ``homes``: where the host would have the folder, before the user's cache. Raises `LaunchError`.
    """
    named = os.environ.get(PYTHON)
    if named:
        return Runtime(named_python(named), "")
    if glob.glob(os.path.join(glob.escape(os.path.dirname(PACKAGE)), "platformio_esp_at-*.dist-info")):
        return Runtime(sys.executable, "")  # pip installed us, and with us what we need
    python = new_enough_python()
    places = _places(python, homes)
    for place in places:
        if os.path.isdir(place):
            mark_used(place)
            return Runtime(python, place)
    place = _writable(places)
    say("esp-at: getting the Python packages that it needs into {} (once; it takes a moment)".format(place))
    make_folder(python, place)
    return Runtime(python, place)


def packages_of(python: str, homes: Sequence[str]) -> str:
    """Return the folder of packages that is there for an interpreter; empty where none was made yet."""
    return next(filter(os.path.isdir, _places(python, homes)), "")


def _places(python: str, homes: Sequence[str]) -> List[str]:
    name = _name(python)
    return [os.path.join(home, name) for home in _homes(homes)]


def homes_of_idf() -> List[str]:
    """Return where ESP-IDF would have the folder: with its tools, if these have a place that is named."""
    tools = os.environ.get("IDF_TOOLS_PATH")
    return [os.path.join(tools, "esp-at")] if tools else []


def missing_module(name: Optional[str], packages: str) -> LaunchError:
    """Return the error for a module that isn't there; ``packages`` as in `Runtime`."""
    if packages:
        hint = "remove {}: the next run makes it again".format(packages)
    elif not os.environ.get(PYTHON):
        hint = "pip has removed it since: {} -m pip install platformio-esp-at".format(sys.executable)
    else:
        hint = (
            "unset {}, and the packages come into a folder of their own; or name a Python of yours, not one of a host, "
            "and there: python -m pip install -r {}".format(PYTHON, PINS)
        )
    where = packages or "{} (Python {})".format(sys.executable, platform.python_version())
    return LaunchError("packages-missing", "there is no module {} in {}".format(name, where), hint)


def _name(python: str) -> str:
    """Return the name of the folder: it differs by Python, machine, C library and pins."""
    with open(PINS, "rb") as file:
        pins = file.read().replace(b"\r\n", b"\n")
    library = os.confstr("CS_GNU_LIBC_VERSION") or "" if "CS_GNU_LIBC_VERSION" in _confstr_names() else ""
    return "{}-{}".format(tag_of(python), hashlib.sha256(pins + library.encode()).hexdigest()[:12])


def _confstr_names() -> Sequence[str]:
    return getattr(os, "confstr_names", ())  # there is none on Windows


def _homes(of_host: Sequence[str]) -> List[str]:
    """Return where folders of packages may be, the best first."""
    if os.environ.get(FOLDER):
        return [os.path.abspath(os.path.expanduser(os.environ[FOLDER]))]
    if os.name == "nt":
        cache = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
    elif sys.platform == "darwin":
        cache = os.path.expanduser("~/Library/Caches")
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return [*of_host, os.path.join(cache, "platformio-esp-at", "packages")]


def _writable(places: Sequence[str]) -> str:
    """Return the first place that can be made. Raises `LaunchError`."""
    reasons = []
    for place in places:
        home = os.path.dirname(place)
        try:
            os.makedirs(home, exist_ok=True)
            with tempfile.TemporaryFile(dir=home):
                return place
        except OSError as error:
            reasons.append("{} ({})".format(home, error.strerror))
    raise LaunchError(
        "packages-folder-not-writable",
        "there is no place for the Python packages of esp-at: {}".format(", ".join(reasons)),
        "name a folder that can be written: {}=FOLDER".format(FOLDER),
    )
