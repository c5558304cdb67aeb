"""The sessions: everything that is run to prove a change. `bootstrap.py` makes the environment that they start from.

`python3 bootstrap.py SESSION [ARGUMENT ...]` runs one anywhere; in an activated environment, `nox -s SESSION` does.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import nox
from python_discovery import get_interpreter

nox.options.sessions = ["test", "lint"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = True

REFERENCE_TESTS = (
    *("tests/golden", "tests/faults"),
    *("tests/e2e/test_real_packages.py", "tests/e2e/test_projects_with_mfg_nvs.py"),
)
WORKFLOWS = ".github/workflows/tests.yml"
DOCUMENTATION = Path("platformio_esp_at", "documentation")
"""The documentation as it is built: `esp-at docs` opens it, and a release brings it."""

# Twice as many as there are processors: the end-to-end tests wait on serial ports and child processes.
SIDE_BY_SIDE = ("-n", str(2 * (os.cpu_count() or 1)), "--dist", "loadgroup")


def _show_all_of_pyenv() -> None:
    """Let pyenv offer every Python that it has; by itself, it has those of one version."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    if versions.is_dir() and os.name != "nt":  # there, pyenv is another program
        own = Path(sys.base_prefix).name
        names = sorted((path.name for path in versions.iterdir()), key=lambda name: (name != own, name))
        os.environ["PYENV_VERSION"] = ":".join(names)


_show_all_of_pyenv()
SUPPORTED = nox.project.python_versions(nox.project.load_toml("pyproject.toml"))
PYTHONS = [version for version in SUPPORTED if get_interpreter(version, [], env=os.environ)]
"""The supported ones that this machine has."""
OWN = ".".join(map(str, sys.version_info[:2]))
"""That of bootstrap.py's environment."""


@nox.session(python=False)
def test(session: nox.Session) -> None:
    """Run the fast tests in the environment of bootstrap.py; with arguments, what these name."""
    _pytest(session, *session.posargs)


@nox.session(python=PYTHONS)
def unit(session: nox.Session) -> None:
    """Run the unit and property tests on one Python."""
    session.install("--editable", ".[unit]")
    session.run("python", "-m", "pytest", "--quiet", *SIDE_BY_SIDE, "tests/unit", "tests/property", *session.posargs)


@nox.session(python=False)
def pythons(session: nox.Session) -> None:
    """Run the unit and property tests on every other Python of this machine, one at least; `test` has this one's."""
    if len(PYTHONS) < 2:
        session.error(f"of the Pythons {', '.join(SUPPORTED)} only {', '.join(PYTHONS) or 'none'} is here: two must be")
    for version in PYTHONS:
        if version != OWN:
            session.notify(f"unit-{version}")


@nox.session(python=PYTHONS)
def e2e(session: nox.Session) -> None:
    """Run the end-to-end tests on one Python."""
    session.install("--editable", ".[test]")
    session.run("python", "-m", "pytest", "--quiet", *SIDE_BY_SIDE, "tests/e2e", *session.posargs)


@nox.session(python=False)
def oldest(session: nox.Session) -> None:
    """Run the end-to-end tests on the oldest Python of this machine; `coverage` does on the newest."""
    session.notify(f"e2e-{PYTHONS[0]}")


@nox.session(python=PYTHONS[-1:])
def coverage(session: nox.Session) -> None:
    """Run all tests, count which lines run in them and in their child processes, and report it."""
    session.install("--editable", ".[test]")
    # Since 3.12, Python itself can count lines, at hardly a cost.
    session.env["COVERAGE_CORE"] = "ctrace" if session.python in ("3.10", "3.11") else "sysmon"
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "--quiet", *SIDE_BY_SIDE, *(session.posargs or ["tests"]))
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python=PYTHONS[-1:])
def browser(session: nox.Session) -> None:
    """Look at the report in a real headless Chromium."""
    session.install("--editable", ".[browser]")
    chromium = os.environ.get("ESP_AT_CHROMIUM") or shutil.which("chromium") or _chromium_of_npm(session)
    tests = ("-m", "pytest", "--quiet", "tests/e2e/test_report_in_browser.py")
    session.run("python", *tests, *session.posargs, env={"ESP_AT_CHROMIUM": chromium})


CHROMIUM = "@sparticuz/chromium@153.0.0"
UNPACK = """
import { inflate } from "@sparticuz/chromium";
for (const part of ["chromium.br", "fonts.tar.br", "al2023.tar.br"])
  await inflate("node_modules/@sparticuz/chromium/bin/" + part);
"""
RUN_CHROMIUM = """#!/bin/sh
here="$(dirname "$(realpath "$0")")"
[ -e /etc/fonts/fonts.conf ] || export FONTCONFIG_PATH="$here/fonts"
LD_LIBRARY_PATH="$here/al2023/lib" exec "$here/chromium" "$@"
"""


def _chromium_of_npm(session: nox.Session) -> str:
    """Return a Chromium for Linux that an npm package carries, with the libraries that a small machine lacks."""
    if (sys.platform, os.uname().machine if hasattr(os, "uname") else "") != ("linux", "x86_64"):
        session.error("install Chromium, and name its program in ESP_AT_CHROMIUM")
    folder = Path(session.virtualenv.location, "chromium").resolve()
    program = folder / f"run-{CHROMIUM.rpartition('@')[2]}"
    if not program.exists():
        settings = {"NODE_USE_SYSTEM_CA": "1", "TMPDIR": str(folder)}  # it unpacks into the folder for temporary files
        folder.mkdir(exist_ok=True)
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder))
        session.run("npm", "install", *options, CHROMIUM, env=settings)
        with session.chdir(folder):
            session.run("node", "--input-type=module", "--eval", UNPACK, env=settings)
        program.write_text(RUN_CHROMIUM)
        program.chmod(0o755)
    return str(program)


@nox.session(python=False)
def reference(session: nox.Session) -> None:
    """Compare with the reference data in the folder ESP_AT_REFERENCE."""
    if not os.environ.get("ESP_AT_REFERENCE"):
        session.error("ESP_AT_REFERENCE must be the folder of the reference data")
    _pytest(session, *REFERENCE_TESTS, *session.posargs)


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Check style, types and metadata, and then what is released."""
    _run(session, "ruff", "check")
    _run(session, "ruff", "format", "--check")
    _run(session, "mypy")
    session.run(str(Path(sys.executable).with_name("lint-imports")), external=True, silent=True)
    _run(session, "validate_pyproject", "pyproject.toml")
    _run(session, "check_jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOWS)
    session.run(sys.executable, "tools/generate.py", "--check", external=True)
    session.notify("build")


@nox.session(python=False)
def docs(session: nox.Session) -> None:
    """Build the documentation; whatever Sphinx warns of, such as a link to nowhere, is an error."""
    shutil.rmtree(DOCUMENTATION, ignore_errors=True)
    strictly = ("-W", "--keep-going", "-n", "-E", "-q")
    cache = ("-d", str(Path(session.create_tmp(), "doctrees")))
    _run(session, "sphinx", *strictly, *cache, "-b", "html", "docs", str(DOCUMENTATION))
    for source_map in DOCUMENTATION.rglob("*.map"):  # of the theme, for its developers: a tenth of the size
        source_map.unlink()
    session.log(f"built: {DOCUMENTATION / 'index.html'}")


@nox.session(python=False)
def generate(session: nox.Session) -> None:
    """Write the files that are made from others; with --upgrade, the newest pins."""
    session.run(sys.executable, "tools/generate.py", *session.posargs, external=True)


@nox.session(python=False)
def build(session: nox.Session) -> None:
    """Build what is released, with its documentation, check it, and run the tests that the sdist brings."""
    docs(session)
    released = Path(session.create_tmp(), "released")
    shutil.rmtree(released, ignore_errors=True)
    _run(session, "build", "--outdir", str(released), silent=True)
    (wheel,), (sdist,) = released.glob("*.whl"), released.glob("*.tar.gz")
    _run(session, "twine", "check", "--strict", str(wheel), str(sdist))
    _run(session, "check_wheel_contents", str(wheel))
    if Path(".git").exists():  # it compares with what git has
        _run(session, "check_manifest")
    session.run(sys.executable, "tools/pack.py", str(released), external=True)
    shutil.unpack_archive(sdist, released)
    unpacked = released / sdist.name.removesuffix(".tar.gz")
    with session.chdir(unpacked):
        _pytest(session, "tests/unit", env={"PYTHONPATH": str(unpacked.resolve())})


@nox.session(python=False)
def benchmarks(session: nox.Session) -> None:
    """Measure what the package costs; only a machine that does nothing else measures well."""
    for script in sorted(Path("benchmarks").glob("*.py")):
        session.run(sys.executable, str(script), external=True)


def _pytest(session: nox.Session, *arguments: str, **options: Any) -> None:  # noqa: ANN401 - of Session.run
    _run(session, "pytest", *SIDE_BY_SIDE, *arguments, **options)


def _run(session: nox.Session, module: str, *arguments: str, **options: Any) -> None:  # noqa: ANN401 - of Session.run
    """Run a module in the environment of bootstrap.py, which is that of nox itself."""
    session.run(sys.executable, "-m", module, *arguments, external=True, **options)
