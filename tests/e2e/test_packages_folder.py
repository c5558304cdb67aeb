"""The folder of packages that a host's script makes at its first use, by real pip from a folder of real packages."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from platformio_esp_at import __version__
from platformio_esp_at.launcher.environment import PINS

LAUNCHER = Path(__file__).parents[2] / "platformio_esp_at" / "launcher"
SAYS_ONCE = "esp-at: getting the packages that it needs into "
VERSION = f"esp-at, version {__version__}\n"
MISSING = "  [packages-not-installed]\n"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "a folder für packages"


@pytest.fixture
def first_use(home, offline_packages):
    """Start `esp-at --version` as CMake does, with the packages in ``home``."""

    def start(launcher=LAUNCHER, python=sys.executable, **settings):
        env = offline_packages | {"ESP_AT_ENV": str(home)} | settings
        env = {name: value for name, value in env.items() if value is not None}
        command = [python, str(launcher), "--version"]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def ended(process, code=0):
    """Return what a process printed: its output, and its error output."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == code, output + errors
    assert "Traceback" not in errors
    return output, errors


def test_the_first_use_makes_it_and_the_next_ones_need_nothing(home, first_use):
    output, errors = ended(first_use())
    (made,) = home.iterdir()
    assert (output, errors) == (VERSION, f"{SAYS_ONCE}{made} (once)\n")
    gone = {"PIP_FIND_LINKS": (home / "nowhere").as_uri()}
    assert ended(first_use(**gone)) == (VERSION, "")
    assert list(home.iterdir()) == [made]


def test_pip_s_settings_of_a_user_dont_keep_it_from_that(first_use, tmp_path):
    settings = tmp_path / "pip.conf"
    constraint = tmp_path / "constraints.txt"
    constraint.write_text("click<7\n")
    settings.write_text(f"[global]\nuser = true\nrequire-virtualenv = true\nconstraint = {constraint}\n")
    assert ended(first_use(PIP_CONFIG_FILE=str(settings), PIP_TARGET=str(tmp_path / "elsewhere")))[0] == VERSION
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_network_there_is_one_message_and_nothing_is_left(home, first_use):
    index = {"PIP_NO_INDEX": None, "PIP_FIND_LINKS": None, "PIP_INDEX_URL": "https://localhost:9/simple"}
    output, errors = ended(first_use(**index), 1)
    said, *rest = errors.splitlines()
    assert said.startswith(SAYS_ONCE)
    assert rest[0].startswith("Error: the packages that it needs can't be installed: ")
    assert rest[0].endswith("  [packages-not-installed]")
    assert "Connection refused" in rest[0]
    assert len(rest) == 3
    assert not output
    assert not list(home.iterdir())
    assert ended(first_use())[0] == VERSION  # and it can be made from then on


def test_a_proxy_that_refuses_is_named(first_use):
    index = {"PIP_NO_INDEX": None, "PIP_FIND_LINKS": None, "PIP_INDEX_URL": "https://example.org/simple"}
    _, errors = ended(first_use(**index, HTTPS_PROXY="http://localhost:9"), 1)
    assert "proxy" in errors.lower()


def test_other_files_under_the_same_names_are_refused(first_use, offline_packages, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(url2pathname(urlsplit(offline_packages["PIP_FIND_LINKS"]).path), changed)
    (esptool,) = changed.glob("esptool-*.tar.gz")
    esptool.write_bytes(esptool.read_bytes() + b"\0")
    _, errors = ended(first_use(PIP_FIND_LINKS=changed.as_uri()), 1)
    assert "DO NOT MATCH THE HASHES" in errors
    assert "PIP_INDEX_URL" in errors


def test_three_first_uses_at_once(home, first_use):
    started = [first_use() for _ in range(3)]
    assert [ended(process)[0] for process in started] == [VERSION] * 3
    assert len(list(home.iterdir())) == 1


def test_killed_at_any_moment_it_is_right_the_next_time(pytestconfig, home, first_use):
    """Nothing half-made is ever used: after each kill, the next first use makes the folder, or finds it whole."""
    seed = int.from_bytes(os.urandom(4), "big")
    moments = random.Random(seed)  # noqa: S311
    for _ in range(pytestconfig.getoption("--kills")):
        shutil.rmtree(home, ignore_errors=True)
        process = first_use()
        time.sleep(moments.uniform(0, 6))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert ended(first_use())[0] == VERSION, f"seed {seed}"
        whole = [folder for folder in home.iterdir() if not folder.name.startswith("new-")]
        assert len(whole) == 1


def test_what_a_kill_left_and_what_nobody_uses_is_swept(home, first_use):
    half_made, in_work, unused, foreign = (home / name for name in ("new-old", "new-now", "cpython-309-x", "mine"))
    for folder in (half_made, in_work, unused, foreign):
        folder.mkdir(parents=True)
    (unused / ".used").touch()
    long_ago = time.time() - 400 * 24 * 3600
    for path in (half_made, unused / ".used", foreign):
        os.utime(path, (long_ago, long_ago))
    ended(first_use())
    assert not half_made.exists()
    assert not unused.exists()
    assert in_work.exists()
    assert foreign.exists()


def test_two_versions_have_a_folder_each(home, first_use, tmp_path):
    other = tmp_path / "other" / "platformio_esp_at"
    shutil.copytree(LAUNCHER.parent, other, ignore=shutil.ignore_patterns("__pycache__"))
    pins = other / "launcher" / Path(PINS).name
    pins.write_text(pins.read_text() + "\n# another version\n")
    for _ in range(2):  # they alternate
        for launcher in (LAUNCHER, other / "launcher"):
            assert ended(first_use(launcher))[0] == VERSION
    assert len(list(home.iterdir())) == 2


def test_a_package_that_is_gone_from_it(home, first_use):
    ended(first_use())
    (made,) = home.iterdir()
    shutil.rmtree(made / "click")
    _, errors = ended(first_use(), 1)
    assert errors == (
        f"Error: there is no module click in {made}  [packages-missing]\n  remove {made}: the next run makes it again\n"
    )


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="need to be root, to become another user")
class TestAsAnotherUser:
    """Permissions hold for others than root."""

    def run(self, command, env):
        user = {"user": 65534, "group": 65534, "extra_groups": []}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **user)

    def launch(self, env):
        """Run a copy of the launcher that everyone can read, in a Python that everyone can."""
        python = shutil.which("python3", path="/usr/bin:/bin")
        return self.run([python, str(self.copy / "platformio_esp_at/launcher"), "--version"], env)

    @pytest.fixture(autouse=True)
    def _copy(self, tmp_path_factory):
        self.copy = tmp_path_factory.getbasetemp() / "readable"
        target = self.copy / "platformio_esp_at"
        if not target.exists():
            shutil.copytree(LAUNCHER.parent, target, ignore=shutil.ignore_patterns("__pycache__"))
        for folder in (self.copy, *self.copy.parents):
            if folder.stat().st_uid == 0 and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o555)

    def test_a_folder_that_cant_be_written(self, tmp_path):
        home = tmp_path / "home"
        home.mkdir(mode=0o555)
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "ESP_AT_ENV": str(home / "packages")}
        output, errors = ended(self.launch(env), 1)
        assert not output
        assert f"there is no place for the packages that it needs: {home / 'packages'} (Permission denied)" in errors
        assert "[packages-folder-not-writable]" in errors
