"""Make a folder of packages with pip: whole, or not at all.

A host's Python loads this, which may be as old as 3.6: the standard library and its syntax only.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from typing import Mapping, Sequence

from platformio_esp_at.launcher.interpreter import PYTHON, LaunchError, clean_environment, interrupted

PINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements.txt")
"""Every package that we need, each with its version and hashes."""
BUILD_PINS = os.path.join(os.path.dirname(PINS), "build-requirements.txt")
"""What pip builds esptool with, which is released as source alone: the same way."""

FOLDER = "ESP_AT_ENV"
"""Environment variable: where the folder of packages is looked for and made, instead of the usual places."""
CA_BUNDLE = "ESP_AT_CA_BUNDLE"
"""Environment variable: a file of CA certificates (PEM) to trust when something is downloaded.

One of our own, since a PlatformIO platform may set SSL_CERT_FILE and REQUESTS_CA_BUNDLE for all that runs in pio.
"""

_SCRATCH = "esp-at-half-made-"
"""How a folder begins that is being made. A name of ours alone: users may have folders of theirs in `FOLDER`."""
_SCRATCH_AGE = 24 * 3600
"""After this many seconds, a folder that was being made is left behind by a process that was killed."""
_UNUSED_AGE = 180 * 24 * 3600
"""After this many seconds without a run that used it, a folder of packages is removed."""
_USED = ".esp-at-used"
"""A file in a folder of packages; its time is that of the last use."""
_ROOM = 100 << 20
"""Free space in bytes below which a failure is taken for that of a full disk; the packages take about half."""


def make_folder(python: str, place: str) -> None:
    """Make a folder of packages for an interpreter; it gets its name when it is whole. Raises `LaunchError`."""
    home = os.path.dirname(place)
    _sweep(home)
    scratch = tempfile.mkdtemp(prefix=_SCRATCH, dir=home)
    try:
        made = os.path.join(scratch, "packages")
        _install(python, made, scratch)
        mark_used(made)
        _put_in_place(made, place)
    except OSError as error:
        raise _not_made(str(error.strerror or error), home) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _install(python: str, folder: str, scratch: str) -> None:
    """Install the packages into a folder, each as its hash says; so are those that build esptool."""
    settings = dict(clean_environment(), PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0", PIP_CONSTRAINT=os.devnull)
    settings["TMPDIR"] = scratch  # what pip unpacks goes with the scratch folder, also after a kill
    if os.environ.get(CA_BUNDLE):
        settings["PIP_CERT"] = os.environ[CA_BUNDLE]
    builders = os.path.join(scratch, "builders")
    _run_pip(python, ["--target", builders, "--requirement", BUILD_PINS], settings)
    settings["PYTHONPATH"] = builders  # in an environment of pip's own, they would be any version
    # Built, whatever a user's settings say of source.
    options = ["--no-build-isolation", "--no-binary", "esptool"]
    _run_pip(python, [*options, "--target", folder, "--requirement", PINS], settings)


def _run_pip(python: str, arguments: Sequence[str], settings: Mapping[str, str]) -> None:
    command = [python, os.path.join(os.path.dirname(PINS), "run_pip.py"), "install", "--disable-pip-version-check"]
    command += ["--no-input", "--no-deps", "--require-hashes", "--no-warn-script-location", "--retries", "1"]
    command += ["--progress-bar", "off"]
    command += ["--no-compile"]  # half the time and a third of the room; Python compiles what it loads
    with subprocess.Popen(
        [*command, *arguments],
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as pip:
        try:
            output = pip.communicate()[0].decode("utf-8", "replace")
        except BaseException:
            pip.kill()
            raise
    if pip.returncode and re.search(_PIP_INTERRUPTED, output):
        raise interrupted()
    if pip.returncode:
        raise _not_made(_reason(output, pip.returncode), os.path.dirname(settings["TMPDIR"]))


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


def _reason(output: str, status: int) -> str:
    """Return in one line why pip failed, from its output and exit status."""
    for pattern in _PIP_FAILURES:
        match = re.search(pattern, output)
        if match:
            return ": ".join(match.groups()).strip()
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    if errors:
        return errors[-1].replace("ERROR: ", "")
    last = (output.strip().splitlines() or ["nothing"])[-1]
    return "pip ended with exit status {}, and printed last: {}".format(status, last)


_PIP_FAILURES = (
    r"(No space left on device|Disk quota exceeded)",
    r"(CERTIFICATE_VERIFY_FAILED[^'\")]*)",
    r"(Tunnel connection failed: [^'\")]*)",
    r"((?:Cannot|Unable to) connect to proxy).*?(\[Errno[^'\"]*)",
    r"connection broken by '[^:]*:? ?.*?((?:\[Errno[^'\"]*|timed out[^'\"]*))",
    r"ERROR: (THESE PACKAGES DO NOT MATCH THE HASHES.*)",
    r"(?m)^ *ERROR: (No matching distribution found for .*)",
    r"(?m)^ *\u00d7 (.+ did not run successfully\.)",
)
"""What pip says of a cause, the first cause first, before its last lines: those are the same for many causes."""
_PIP_INTERRUPTED = r"(?m)^(ERROR: Operation cancelled by user|KeyboardInterrupt)$"
"""What pip says of a Ctrl-C, which it gets from the terminal as this process does."""


def _not_made(reason: str, home: str) -> LaunchError:
    """Return the error for a failed installation, with the step that helps."""
    if shutil.disk_usage(home).free < _ROOM or re.search("No space|quota", reason):
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


def mark_used(folder: str) -> None:
    """Note the time; a folder that can't be written, such as one of a Docker image, stays as it is."""
    try:
        with open(os.path.join(folder, _USED), "ab"):
            os.utime(os.path.join(folder, _USED), None)
    except OSError:
        pass
