"""`pio run` works in a home that was made here, and fetches nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from platformio_esp_at.demo.pio_home import make_pio_home, run_pio
from platformio_esp_at.errors import EspAtError

BUILDER = """
from SCons.Script import AlwaysBuild, COMMAND_LINE_TARGETS, DefaultEnvironment

env = DefaultEnvironment()

def greet(target, source, env):
    print("hello from", env["BOARD"], "at", env.subst("$UPLOAD_SPEED"))

env.AddCustomTarget("greet", None, env.VerboseAction(greet, "Greeting"), title="Greet", description="Say hello")
"""
PIO_HOME_CALL = (
    "import sys, pathlib; from platformio_esp_at.demo.pio_home import *; make_pio_home(pathlib.Path(sys.argv[1]))"
)


def write(path: Path, content: str | dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def is_running(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in {"", "Z"}


@pytest.fixture
def project(tmp_path):
    platform = tmp_path / "platform"
    write(
        platform / "platform.json",
        {"name": "greeter", "title": "Greeter", "version": "1.0.0", "frameworks": {}, "packages": {}},
    )
    write(
        platform / "platform.py",
        "from platformio.public import PlatformBase\n\nclass GreeterPlatform(PlatformBase):\n    pass\n",
    )
    write(platform / "builder/main.py", BUILDER)
    board = {
        "name": "Greeting board",
        "vendor": "nobody",
        "url": "",
        "build": {"mcu": "esp32"},
        "upload": {"speed": 460800},
    }
    write(platform / "boards/greeting.json", board)
    project = tmp_path / "project"
    write(
        project / "platformio.ini",
        textwrap.dedent("""\
            [env:greeting]
            platform = symlink://../platform
            board = greeting
        """),
    )
    return project


@pytest.fixture
def env(pio_env, tmp_path):
    return pio_env | {"PLATFORMIO_PLATFORMS_DIR": str(tmp_path / "platforms")}


def test_pio_run_builds_a_target_without_downloads(project, env):
    run = run_pio(["run", "-t", "greet"], project=project, env=env)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "hello from greeting at 460800" in run.stdout
    packages = Path(env["PLATFORMIO_CORE_DIR"], "packages")
    assert [package.name for package in packages.iterdir()] == ["tool-scons"]


def test_what_is_not_installed_is_refused_and_not_fetched(project, env):
    config = project / "platformio.ini"
    config.write_text(config.read_text() + "platform_packages = platformio/tool-cmake\n")
    run = run_pio(["run", "-t", "greet"], project=project, env=env)
    assert run.returncode == 1
    assert "hello from" not in run.stdout


def test_settings_of_the_user_stay_outside(monkeypatch, tmp_path, pio_env):
    monkeypatch.setenv("PLATFORMIO_UPLOAD_PORT", "/dev/somebody")
    monkeypatch.setenv("NO_PROXY", "*")
    env = make_pio_home(Path(pio_env["PLATFORMIO_CORE_DIR"]))
    assert "PLATFORMIO_UPLOAD_PORT" not in env
    assert "NO_PROXY" not in env


def test_many_processes_make_one_home(tmp_path):
    home = tmp_path / "home"
    makers = [subprocess.Popen([sys.executable, "-c", PIO_HOME_CALL, str(home)]) for _ in range(4)]
    assert [maker.wait(timeout=30) for maker in makers] == [0, 0, 0, 0]
    assert [entry.name for entry in home.iterdir()] == ["packages"]
    assert (home / "packages/tool-scons/scons.py").is_file()


def test_another_version_is_replaced_and_the_same_is_kept(tmp_path):
    make_pio_home(tmp_path)
    marker = tmp_path / "packages/tool-scons/.piopm"
    wanted = json.loads(marker.read_text())
    marker.write_text(json.dumps(wanted | {"version": "1.0.0"}))
    make_pio_home(tmp_path)
    assert json.loads(marker.read_text()) == wanted
    made = marker.stat().st_mtime_ns
    make_pio_home(tmp_path)
    assert marker.stat().st_mtime_ns == made


def test_an_endless_run_is_ended_with_its_children(project, env, tmp_path):
    pid, survived = tmp_path / "pid", tmp_path / "survived"
    builder = f"""if True:
        import os, pathlib, time
        pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))
        time.sleep(60)
        pathlib.Path({str(survived)!r}).touch()
    """
    write(tmp_path / "platform/builder/main.py", builder)
    for timeout in (2.5, 10, 40):  # a busy machine takes longer until the builder is there
        with pytest.raises(EspAtError, match=f"within {timeout} s") as ended:
            run_pio(["run"], project=project, env=env, timeout=timeout)
        assert ended.value.code == "demo-failed"
        if pid.exists():
            break
    while is_running(int(pid.read_text())):
        time.sleep(0.01)
    assert not survived.exists()
