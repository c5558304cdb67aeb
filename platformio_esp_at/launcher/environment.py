"""The packages that we need, in a folder of their own that no Python looks into by itself.

A host's Python runs this (PlatformIO's, ESP-IDF's), which may be as old as 3.6: the standard library and its syntax
only. Nothing is installed into that Python.

As a program: ``environment.py --tag`` prints what `_tag` returns, ``environment.py --pip …`` runs pip.
"""

import glob
import hashlib
import importlib.util
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(HERE)
PINS = os.path.join(HERE, "requirements.txt")
"""Every package that we need, each with its version and hashes."""

OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 14)

PYTHON = "ESP_AT_PYTHON"
"""Environment variable: an interpreter that has the packages already, such as one of an air-gapped line."""
FOLDER = "ESP_AT_ENV"
"""Environment variable: where the folder of packages is looked for and made, instead of the usual places."""
CA_BUNDLE = "ESP_AT_CA_BUNDLE"
"""Environment variable: a file of CA certificates (PEM) to trust when something is downloaded.

One of our own, since a PlatformIO platform may set SSL_CERT_FILE and REQUESTS_CA_BUNDLE for all that runs in pio.
"""

_SCRATCH = "new-"
_SCRATCH_AGE = 3600
"""After this many seconds, a folder that was being made is left behind by a process that was killed."""
_UNUSED_AGE = 180 * 24 * 3600
"""After this many seconds without a run that used it, a folder of packages is removed."""
_USED = ".used"
"""A file in a folder of packages; its time is that of the last use."""
_ROOM = 100 << 20
"""Free space in bytes below which a failure is taken for that of a full disk; the packages take about half."""

_NOT_FOR_US = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONPYCACHEPREFIX", "__PYVENV_LAUNCHER__"),
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIREMENT"),
)
"""Variables by which a host would change what a child of ours loads, or a user where pip writes."""
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class LaunchError(Exception):
    """The package can't be run; ``code`` is one of ``errors.yml``, ``hint`` the next step."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return it as all errors of ours are shown: the code in brackets, the next step below."""
        return "{}  [{}]\n  {}".format(self.message, self.code, self.hint.replace("\n", "\n  "))


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
        return Runtime(named, "")
    if glob.glob(os.path.join(glob.escape(os.path.dirname(PACKAGE)), "platformio_esp_at-*.dist-info")):
        return Runtime(sys.executable, "")  # pip installed us, and with us what we need
    python = _new_enough_python()
    name = _name(python)
    places = [os.path.join(home, name) for home in _homes(homes)]
    for place in places:
        if os.path.isdir(place):
            _mark_used(place)
            return Runtime(python, place)
    place = _writable(places)
    say("esp-at: getting the packages that it needs into {} (once)".format(place))
    _make(python, place)
    return Runtime(python, place)


def homes_of_idf() -> List[str]:
    """Return where ESP-IDF would have the folder: with its tools, if these have a place that is named."""
    tools = os.environ.get("IDF_TOOLS_PATH")
    return [os.path.join(tools, "esp-at")] if tools else []


def missing_module(name: Optional[str], packages: str) -> LaunchError:
    """Return the error for a module that isn't there; ``packages`` as in `Runtime`."""
    if packages:
        hint = "remove {}: the next run makes it again".format(packages)
    else:
        hint = "give it what platformio-esp-at needs: {} -m pip install -r {}".format(sys.executable, PINS)
    where = packages or "{} (Python {})".format(sys.executable, platform.python_version())
    return LaunchError("packages-missing", "there is no module {} in {}".format(name, where), hint)


def clean_environment() -> Dict[str, str]:
    """Return the environment variables for a child: without those of a host that are not for us.

    pioarduino sets the variables for CA certificates to a file of its own (its penv_setup.py), and CERTIFI_PATH to the
    same: that would hide the user's CAs, those of the system among them.
    """
    bundle = os.environ.get("CERTIFI_PATH")
    hosts = {name for name in _CA_VARIABLES if bundle and os.environ.get(name) == bundle}
    return {name: value for name, value in os.environ.items() if name not in _NOT_FOR_US and name not in hosts}


def check_python() -> None:
    """Raise `LaunchError` in a Python that is too old for the package."""
    if sys.version_info < OLDEST_PYTHON:
        raise LaunchError(
            "python-too-old",
            "Python {}.{} or newer is needed; this one is {} ({})".format(
                OLDEST_PYTHON[0], OLDEST_PYTHON[1], platform.python_version(), sys.executable
            ),
            "install a newer one, so that python3.{} is on PATH; or name one that has what platformio-esp-at needs: "
            "{}=PYTHON".format(NEWEST_PYTHON[1] - 1, PYTHON),
        )


def _new_enough_python() -> str:
    """Return this Python, or another one of PATH: ESP-IDF 5.1 and PlatformIO 6.1 still run in older ones."""
    if sys.version_info >= OLDEST_PYTHON:
        return sys.executable
    for minor in range(NEWEST_PYTHON[1], OLDEST_PYTHON[1] - 1, -1):
        found = shutil.which("python3.{}".format(minor))
        if found and _runs(found):
            return found
    check_python()
    raise AssertionError  # it has raised


def _runs(python: str) -> bool:
    """Return whether an interpreter runs: pyenv has names on PATH for all of its versions."""
    null = subprocess.DEVNULL
    return subprocess.call([python, "-c", ""], stdin=null, stdout=null, stderr=null, env=clean_environment()) == 0


def _name(python: str) -> str:
    """Return the name of the folder: it differs by Python, machine, C library and pins."""
    if python == sys.executable:
        tag = _tag()
    else:
        command = [python, os.path.abspath(__file__), "--tag"]
        tag = subprocess.check_output(command, env=clean_environment(), universal_newlines=True).strip()
    with open(PINS, "rb") as file:
        pins = file.read().replace(b"\r\n", b"\n")
    library = os.confstr("CS_GNU_LIBC_VERSION") or "" if "CS_GNU_LIBC_VERSION" in _confstr_names() else ""
    return "{}-{}".format(tag, hashlib.sha256(pins + library.encode()).hexdigest()[:12])


def _confstr_names() -> Sequence[str]:
    return getattr(os, "confstr_names", ())  # there is none on Windows


def _tag() -> str:
    """Return what a compiled module depends on: ``cpython-311-x86_64-linux-gnu-x86_64``."""
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX") or sys.implementation.cache_tag)
    abi = re.sub(r"^\.|\.(so|pyd)$", "", suffix)
    return re.sub(r"[^\w.-]", "_", "{}-{}".format(abi, platform.machine().lower()))


def _homes(of_host: Sequence[str]) -> List[str]:
    """Return where folders of packages may be, the best first."""
    if os.environ.get(FOLDER):
        return [os.environ[FOLDER]]
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
        "there is no place for the packages that it needs: {}".format(", ".join(reasons)),
        "name a folder that can be written: {}=FOLDER".format(FOLDER),
    )


def _make(python: str, place: str) -> None:
    """Make a folder of packages; it gets its name when it is whole. Raises `LaunchError`."""
    home = os.path.dirname(place)
    _sweep(home)
    scratch = tempfile.mkdtemp(prefix=_SCRATCH, dir=home)
    try:
        made = os.path.join(scratch, "packages")
        _install(python, made, scratch)
        _mark_used(made)
        _put_in_place(made, place)
    except OSError as error:
        raise _not_made(str(error.strerror or error), home) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _install(python: str, folder: str, scratch: str) -> None:
    command = [python, os.path.abspath(__file__), "--pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--require-hashes", "--no-warn-script-location", "--retries", "1", "--progress-bar", "off"]
    command += ["--no-compile"]  # half the time and a third of the room; Python compiles what it loads
    command += ["--target", folder, "--requirement", PINS]
    settings = dict(clean_environment(), PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_CONSTRAINT=os.devnull)
    settings["TMPDIR"] = scratch  # what pip unpacks goes with the scratch folder, also after a kill
    if os.environ.get(CA_BUNDLE):
        settings["PIP_CERT"] = os.environ[CA_BUNDLE]
    with subprocess.Popen(
        command, env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as pip:
        try:
            output = pip.communicate()[0].decode("utf-8", "replace")
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise _not_made(_reason(output), os.path.dirname(scratch))


def _put_in_place(made: str, place: str) -> None:
    """Rename a folder that is whole. Raises `OSError`."""
    attempts = 20 if os.name == "nt" else 1  # there, a virus scanner holds new files open
    while attempts and not os.path.isdir(place):  # another first use was faster, and made the same
        attempts -= 1
        try:
            os.rename(made, place)
        except OSError:
            if not attempts and not os.path.isdir(place):
                raise
            time.sleep(0.25)


def _reason(output: str) -> str:
    """Return in one line why pip failed, from its output."""
    for pattern in _PIP_FAILURES:
        match = re.search(pattern, output)
        if match:
            return match.group(1).strip()
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    lines = errors or output.strip().splitlines() or ["pip printed nothing"]
    return lines[-1].replace("ERROR: ", "")


_PIP_FAILURES = (
    r"(No space left on device|Disk quota exceeded)",
    r"(CERTIFICATE_VERIFY_FAILED[^'\")]*)",
    r"(Tunnel connection failed: [^'\")]*)",
    r"connection broken by '[^:]*:? ?.*?((?:\[Errno[^'\"]*|Cannot connect[^'\"]*|timed out[^'\"]*))",
    r"ERROR: (THESE PACKAGES DO NOT MATCH THE HASHES.*)",
)
"""What pip says of a cause, which stands before its last error: "no matching distribution found"."""


def _not_made(reason: str, home: str) -> LaunchError:
    """Return the error for a failed installation, with the step that helps."""
    if shutil.disk_usage(home).free < _ROOM or "No space" in reason:
        hint = "make room there (100 MB), or name another folder: {}=FOLDER".format(FOLDER)
    elif "CERTIFICATE_VERIFY_FAILED" in reason:
        hint = "name the file with your company's CA: {}=FILE.pem".format(CA_BUNDLE)
    elif "HASHES" in reason:
        hint = "your package index has other files under these names: take another one by PIP_INDEX_URL"
    elif "no module" in reason.lower():
        hint = "give this Python pip, on Debian and Ubuntu: apt install python3-pip; or name another in {}".format(
            PYTHON
        )
    else:
        hint = (
            "go online once, and set HTTPS_PROXY or PIP_INDEX_URL as for pip where your network wants it;\n"
            "or name an interpreter that has the packages: {}=PYTHON".format(PYTHON)
        )
    return LaunchError(
        "packages-not-installed", "the packages that it needs can't be installed: {}".format(reason), hint
    )


def _sweep(home: str) -> None:
    """Remove what killed processes left half-made, and what no run has used for long."""
    for name in os.listdir(home):
        path = os.path.join(home, name)
        is_scratch = name.startswith(_SCRATCH)
        limit = _SCRATCH_AGE if is_scratch else _UNUSED_AGE
        try:
            is_old = time.time() - os.stat(path if is_scratch else os.path.join(path, _USED)).st_mtime > limit
        except OSError:
            continue  # not ours
        if is_old:
            shutil.rmtree(path, ignore_errors=True)


def _mark_used(folder: str) -> None:
    """Note the time; a folder that can't be written, such as one of a Docker image, stays as it is."""
    try:
        with open(os.path.join(folder, _USED), "ab"):
            os.utime(os.path.join(folder, _USED), None)
    except OSError:
        pass


def _run_pip(arguments: List[str]) -> None:
    """Run the pip of this Python; where it has none, as in an environment of uv, the one that ensurepip brings."""
    if importlib.util.find_spec("pip") is None:
        import ensurepip

        bundled = glob.glob(os.path.join(glob.escape(os.path.dirname(ensurepip.__file__)), "_bundled", "pip-*.whl"))
        sys.path[:0] = bundled or glob.glob("/usr/share/python-wheels/pip-*.whl")  # Debian has it there
    sys.argv = ["pip", *arguments]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    del sys.path[0]  # this folder has no modules for others
    if sys.argv[1] == "--tag":
        sys.stdout.write(_tag())
    else:
        _run_pip(sys.argv[2:])
