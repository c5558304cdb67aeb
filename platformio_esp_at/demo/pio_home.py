"""A separate PlatformIO home, made from what pip installed: ``pio run`` then works and downloads nothing.

PlatformIO takes SCons from its own registry as the package ``tool-scons``. It checks only ``.piopm`` and runs only
``scons.py`` in it, so the `scons` distribution from PyPI works as well.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PACKAGE = "tool-scons"
_NOWHERE = "http://"
"""A proxy without a host fails at once; one that doesn't answer costs PlatformIO a minute of retries."""

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_NO_PROXY_VARIABLES = ("NO_PROXY", "no_proxy")
_SCONS_SCRIPT = """\
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "scons-local-{version}"))

from SCons.Script import main

main()
"""


def make_pio_home(folder: Path, *, offline: bool = True) -> dict[str, str]:
    """Return the environment for `run_pio` with ``folder`` as PlatformIO's home, which is made if it doesn't exist.

    Several processes may ask for the same folder at once: the package appears there complete or not at all.
    ``offline``: whatever would be downloaded fails, in children of pio, too.
    """
    version = _wanted_version()
    package = folder / "packages" / _PACKAGE
    if _installed_version(package) != version:
        _make_scons_package(package, version)
    return _environment(folder, offline=offline)


def run_pio(
    args: Sequence[str], *, project: Path, env: Mapping[str, str], timeout: float = 120, shown: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run ``pio`` in the folder ``project`` and return its exit code and output, also if it failed.

    ``shown``: what it prints appears at once where ours does, and isn't returned. Raises `EspAtError` when it takes
    longer than ``timeout`` seconds.
    """
    pipe = None if shown else subprocess.PIPE
    command = [sys.executable, "-m", "platformio", *args]
    with subprocess.Popen(
        command,
        cwd=project,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _kill_with_children(process)
            raise EspAtError(
                "demo-failed",
                f"pio {' '.join(args)} didn't end within {timeout:g} s",
                where=Place.at(file=str(project)),
                hint=f"see where it stops: cd {project} && pio {' '.join(args)} -v",
            ) from error
        except BaseException:
            _kill_with_children(process)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _wanted_version() -> str:
    """Return the version of tool-scons that this interpreter's PlatformIO asks for."""
    try:
        from platformio.dependencies import (  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415
            get_core_dependencies,
        )
    except ImportError as error:
        raise _missing("PlatformIO") from error
    return str(get_core_dependencies()[_PACKAGE]).lstrip("~^=")


def _installed_version(package: Path) -> str | None:
    try:
        return str(json.loads((package / ".piopm").read_text(encoding="utf-8"))["version"])
    except FileNotFoundError:
        return None


def _make_scons_package(package: Path, version: str) -> None:
    scons = importlib.util.find_spec("SCons")
    if scons is None or scons.origin is None:
        raise _missing("SCons")
    package.parent.mkdir(parents=True, exist_ok=True)
    # Not inside packages/: PlatformIO would take a half-made folder there for a package.
    with tempfile.TemporaryDirectory(dir=package.parent.parent, prefix=f".{_PACKAGE}-") as scratch:
        made = Path(scratch, "new")
        # The docbook tool is 22 MB of style sheets, most of the distribution.
        ignored = shutil.ignore_patterns("docbook", "*Tests.py")
        shutil.copytree(Path(scons.origin).parent, made / f"scons-local-{version}" / "SCons", ignore=ignored)
        (made / "scons.py").write_text(_SCONS_SCRIPT.format(version=version), encoding="utf-8")
        (made / "package.json").write_text(json.dumps({"name": _PACKAGE, "version": version}), encoding="utf-8")
        spec = {"owner": "platformio", "id": None, "name": _PACKAGE, "requirements": None, "uri": None}
        marker = {"type": "tool", "name": _PACKAGE, "version": version, "spec": spec}
        (made / ".piopm").write_text(json.dumps(marker), encoding="utf-8")
        _put_in_place(made, package, version)


def _put_in_place(made: Path, package: Path, version: str) -> None:
    if package.exists() and _installed_version(package) != version:
        package.replace(made.with_name("old"))
    try:
        made.replace(package)
    except OSError:
        # A folder can't replace one with files: another process was faster, and made the same.
        if _installed_version(package) != version:
            raise


def _environment(folder: Path, *, offline: bool) -> dict[str, str]:
    private = {
        "PLATFORMIO_CORE_DIR": str(folder),
        "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
        "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
        "PLATFORMIO_NO_ANSI": "true",
        "PLATFORMIO_OFFLINE": "1",  # pioarduino's platform reads this one
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PLATFORMIO_")}
    if offline:
        private |= dict.fromkeys(_PROXY_VARIABLES, _NOWHERE)
        inherited = {name: value for name, value in inherited.items() if name not in _NO_PROXY_VARIABLES}
    return inherited | private


def _kill_with_children(process: subprocess.Popen[str]) -> None:
    """End pio and the SCons that it started, which would keep our pipes open."""
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)


def _missing(what: str) -> EspAtError:
    return EspAtError(
        "demo-part-missing", f"a PlatformIO home needs {what}", hint='pip install "platformio-esp-at[demo]"'
    )
