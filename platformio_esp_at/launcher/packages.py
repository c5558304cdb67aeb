"""Make a folder of packages with pip: whole, or not at all.

A host's Python loads this, which may be as old as 3.6: the standard library and its syntax only.
"""

import base64
import csv
import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from typing import Mapping, Optional, Sequence

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
        reason = "{}: {}".format(error.filename2 or error.filename or home, error.strerror or error)
        hint = _room_hint(home) if _is_full(home, reason) else "name another folder: {}=FOLDER".format(FOLDER)
        raise _not_made(reason, hint) from None
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
    if pip.returncode:
        raise _failure(output, pip.returncode, python, os.path.dirname(settings["TMPDIR"]))


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


def _failure(output: str, status: int, python: str, home: str) -> LaunchError:
    """Return the error for a failed run of pip, with the step that helps."""
    if re.search(_PIP_INTERRUPTED, output):
        return interrupted()
    if status < 0:
        return _not_made("pip was ended by signal {}".format(-status), "run it again; it may have run out of memory")
    reason = why_pip_failed(output, status)
    return _not_made(reason, _hint(reason, python, home))


_PIP_INTERRUPTED = r"(?m)^(ERROR: Operation cancelled by user|KeyboardInterrupt)$"
"""What pip says of a Ctrl-C; SCons takes the signal for itself, so that only pip reports it."""


def why_pip_failed(output: str, status: int) -> str:
    """Return in one line why pip failed, from its output and exit status, and where it looked."""
    looked = "; ".join(re.findall(r"^Looking in (?:indexes|links): (.+)", output, re.MULTILINE))
    where = " (pip looked in {})".format(looked) if looked else ""
    other = re.search(r"DO NOT MATCH THE HASHES.*\n +(\S+)", output)
    if other:
        return "{} doesn't match its hash".format(other.group(1)) + where
    for pattern in _PIP_FAILURES:
        match = re.search(pattern, output)
        if match:
            return ": ".join(match.groups()).strip() + where
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR: ")]
    built = re.findall(r"(\S.*)\s+\[end of output\]", output)
    if errors or built:
        return (built or errors)[-1].replace("ERROR: ", "") + where
    return "pip ended with exit status {}, and printed last: {}".format(status, (lines or ["nothing"])[-1])


_PIP_FAILURES = (
    r"(No space left on device|Disk quota exceeded)",
    r"CERTIFICATE_VERIFY_FAILED\] ([^'\"(]*)",
    r"(Tunnel connection failed: [^'\")]*)",
    r"((?:Cannot|Unable to) connect to proxy).*?(\[Errno[^'\"]*|timed out)",
    r"connection broken by '[^:]*:? ?.*?((?:\[Errno[^'\"]*|timed out[^'\"]*))",
    r"(?m)^ *ERROR: (No matching distribution found for .*)",
)
"""What pip says of a cause, which stands before its last error: "no matching distribution found"."""


def _hint(reason: str, python: str, home: str) -> str:
    """Return the next step for what `why_pip_failed` found."""
    another = "or name an interpreter that has the packages: {}=PYTHON".format(PYTHON)
    bundle = os.environ.get(CA_BUNDLE)
    if _is_full(home, reason):
        return _room_hint(home)
    if "certificate verify failed" in reason and bundle:
        return "{}={} doesn't have the CA of that server: add your company's CA to it".format(CA_BUNDLE, bundle)
    if "certificate verify failed" in reason:
        return "name the file with your company's CA: {}=FILE.pem".format(CA_BUNDLE)
    if "match its hash" in reason:
        return (
            "the file there is damaged, or another one under this name: replace it, or name another package index: "
            "PIP_INDEX_URL=URL"
        )
    if "no module" in reason.lower():
        return "give this Python pip, on Debian and Ubuntu: apt install python3-pip; or name another in {}".format(
            PYTHON
        )
    if "No matching distribution" in reason:
        hint = "your package index or folder needs it for {}: add it, or name another index: PIP_INDEX_URL=URL;\n{}"
        return hint.format(python, another)
    proxy = next((name for name in _PROXIES if os.environ.get(name)), None)
    if proxy:
        said = "pip went through the proxy that {} names: correct it, or go online once without;\n"
        return said.format(proxy) + another
    return "go online once, and set HTTPS_PROXY or PIP_INDEX_URL as for pip where your network wants it;\n" + another


_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
"""Environment variables that pip takes a proxy for https from, the first that is set; not every pip says so."""


def _is_full(home: str, reason: str) -> bool:
    return shutil.disk_usage(home).free < _ROOM or re.search("No space|quota", reason) is not None


def _room_hint(home: str) -> str:
    return "make room in {} (100 MB), or name another folder: {}=FOLDER".format(home, FOLDER)


def _not_made(reason: str, hint: str) -> LaunchError:
    message = "the Python packages of esp-at can't be installed: {}".format(reason)
    return LaunchError("packages-not-installed", message, hint)


def find_damage(folder: str) -> Optional[LaunchError]:
    """Return the error for a file of a folder of packages that isn't as pip wrote it; None if all are."""
    records = sorted(glob.glob(os.path.join(glob.escape(folder), "*.dist-info", "RECORD")))
    for record in records:
        with open(record, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) > 1 and row[1].startswith("sha256=")]
        for name, digest in (row[:2] for row in rows):
            if not name.startswith("..") and _digest(os.path.join(folder, name)) != digest:  # those are programs
                return _damaged(name, folder)
    return None if records else _damaged("*.dist-info", folder)


def _digest(path: str) -> str:
    """Return the digest of a file as pip's records have it, or nothing if it can't be read."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).digest()
    except OSError:
        return ""
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _damaged(name: str, folder: str) -> LaunchError:
    message = "the Python packages of esp-at are damaged: {} in {} isn't as it was installed".format(name, folder)
    return LaunchError("packages-damaged", message, "remove {}: the next run makes it again".format(folder))


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
