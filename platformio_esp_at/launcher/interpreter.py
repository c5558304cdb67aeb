"""Which Python runs the package: the host's own, or a newer one.

A host's Python loads this, which may be as old as 3.6: the standard library and its syntax only. As a program, it
prints what `tag` returns.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from typing import Dict, List

OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 14)

PYTHON = "ESP_AT_PYTHON"
"""Environment variable: an interpreter that has the packages already, such as one of an air-gapped line."""

_NOT_FOR_US = (
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONPYCACHEPREFIX", "__PYVENV_LAUNCHER__"),
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIREMENT", "PIP_DRY_RUN"),
    *("PIP_PYTHON", "PIP_PLATFORM", "PIP_PYTHON_VERSION", "PIP_IMPLEMENTATION", "PIP_ABI"),
)
"""Variables by which a host changes what a child of ours loads, or a user, where pip writes and for which Python."""
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


def interrupted() -> LaunchError:
    """Return the error for Ctrl-C before the package has begun to work."""
    return LaunchError("interrupted", "interrupted", "run the command again")


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


def named_python(named: str) -> str:
    """Return the interpreter that ESP_AT_PYTHON names. Raises `LaunchError` unless it is one, and new enough."""
    python = os.path.expanduser(named)
    hint = "name a Python that has the packages in {}; or unset it: then they are installed into a folder".format(
        PYTHON
    )
    command = [python, "-c", "import sys; print('Python %d.%d.%d' % sys.version_info[:3])"]
    null = subprocess.DEVNULL
    env = clean_environment()
    try:
        with subprocess.Popen(command, env=env, stdin=null, stdout=subprocess.PIPE, stderr=null) as process:
            answer = process.communicate()[0].decode("utf-8", "replace")
    except OSError as error:
        raise LaunchError("python-not-found", "{} can't be run: {}".format(python, error.strerror), hint) from None
    version = re.match(r"Python ((\d+)\.(\d+)\.\d+)\s*$", answer)
    if version is None:
        message = "{} is no Python interpreter: it doesn't print its version when asked".format(python)
        raise LaunchError("python-not-found", message, hint)
    if (int(version.group(2)), int(version.group(3))) < OLDEST_PYTHON:
        message = "Python {}.{} or newer is needed; {} names {} ({})"
        found = message.format(OLDEST_PYTHON[0], OLDEST_PYTHON[1], PYTHON, version.group(1), python)
        raise LaunchError("python-too-old", found, hint)
    return python


def new_enough_python() -> str:
    """Return this Python, or another one of PATH: ESP-IDF 5.1 and PlatformIO 6.1 still run in older ones.

    Raises `LaunchError` if all are too old.
    """
    if sys.version_info >= OLDEST_PYTHON:
        return sys.executable
    names = [["python3.{}".format(minor)] for minor in range(NEWEST_PYTHON[1], OLDEST_PYTHON[1] - 1, -1)]
    if os.name == "nt":
        names.append(["py", "-3"])  # the launcher of python.org, which puts no versions on PATH
    for name, *options in names:
        found = shutil.which(name)
        python = _new_enough([found, *options]) if found else ""
        if python:
            return python
    check_python()
    raise AssertionError  # it has raised


def _new_enough(command: List[str]) -> str:
    """Return the path of the interpreter that a command runs; empty if it is too old, or doesn't run.

    pyenv has commands on PATH for versions that are not in use.
    """
    script = "import sys; sys.version_info < {} and sys.exit(1); sys.stdout.write(sys.executable)".format(OLDEST_PYTHON)
    try:
        null, env = subprocess.DEVNULL, clean_environment()
        return subprocess.check_output([*command, "-c", script], stdin=null, stderr=null, env=env).decode()
    except (OSError, subprocess.CalledProcessError):
        return ""


def tag_of(python: str) -> str:
    """Return the `tag` of an interpreter."""
    if python == sys.executable:
        return tag()
    command = [python, os.path.abspath(__file__)]
    return subprocess.check_output(command, env=clean_environment(), universal_newlines=True).strip()


def tag() -> str:
    """Return what a compiled module depends on in this Python: ``cpython-311-x86_64-linux-gnu-x86_64``."""
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX") or sys.implementation.cache_tag)
    abi = re.sub(r"^\.|\.(so|pyd)$", "", suffix)
    return re.sub(r"[^\w.-]", "_", "{}-{}".format(abi, platform.machine().lower()))


if __name__ == "__main__":
    sys.stdout.write(tag())
