"""``python -m platformio_esp_at``, and what `esp-at` runs: the command line, and a Ctrl-C before it is there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
START = {
    "module": ["-m", "platformio_esp_at"],
    "script": ["-c", "import sys\nfrom platformio_esp_at.__main__ import main\nsys.exit(main())"],
}
CTRL_C = "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n"


def _run(words, folder):
    """Run Python in a folder, whose modules come first; a Ctrl-C ends it, as in a terminal, wherever tests run."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=None if os.name == "nt" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("start", START)
def test_version(start, tmp_path):
    done = _run([*START[start], "--version"], tmp_path)
    assert (done.returncode, done.stdout) == (0, f"esp-at, version {__version__}\n")


def test_the_script_of_the_wheel_is_this_one():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"esp-at": "platformio_esp_at.__main__:main"}


@pytest.mark.skipif(sys.platform == "win32", reason="there, a process can't send itself a Ctrl-C")
@pytest.mark.parametrize("start", START)
@pytest.mark.parametrize(
    "module",
    ["click.py", *(f"platformio_esp_at/{name}.py" for name in ("cli", "errors", "commands/packaging", "events"))],
)
def test_ctrl_c_while_it_loads(start, module, tmp_path):
    """In a copy, one module is still loading when the signal comes; some are loaded when their command runs."""
    shutil.copytree(ROOT / "platformio_esp_at", tmp_path / "platformio_esp_at", ignore=shutil.ignore_patterns("*.pyc"))
    (tmp_path / module).write_text(CTRL_C)
    done = _run([*START[start], "package"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Aborted!\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal")
def test_ctrl_c_with_no_error_output(tmp_path):
    (tmp_path / "click.py").write_text(CTRL_C)
    done = _run(["-c", "import sys; sys.stderr = None\nfrom platformio_esp_at.__main__ import main\nmain()"], tmp_path)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal")
def test_ctrl_c_before_anything_is_loaded(tmp_path):
    (tmp_path / "signal.py").write_text("raise KeyboardInterrupt")
    done = _run(START["script"], tmp_path)
    assert (done.returncode, done.stderr) == (130, "Aborted!\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal")
def test_an_ignored_ctrl_c_stays_ignored(tmp_path):
    """As in a shell script, for what runs in the background."""
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise SystemExit(7)")
    start = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + START["script"][1]
    assert _run(["-c", start], tmp_path).returncode == 7
