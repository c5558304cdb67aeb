"""The folder of packages that a host's script makes at its first use, by real pip from a folder of real packages."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import certifi
import pytest
from conftest import pio_environment

from platformio_esp_at import __version__
from platformio_esp_at.launcher.packages import _SCRATCH, _USED, BUILD_PINS, PINS

PACKAGE = Path(__file__).parents[2] / "platformio_esp_at"
SAYS_ONCE = "esp-at: getting the Python packages that it needs into "
VERSION = f"esp-at, version {__version__}\n"
PYTHONS = [f"python3.{minor}" for minor in range(10, 15)]


@pytest.fixture
def home(tmp_path):
    return tmp_path / "a folder für packages"


@pytest.fixture(scope="session")
def package(pytestconfig, tmp_path_factory):
    """Return a copy of our package that needs few packages: those of `esp-at --version`."""
    if pytestconfig.getoption("--all-packages"):
        return PACKAGE
    copy = tmp_path_factory.mktemp("copy") / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    pins = re.split(r"\n(?=\S)", Path(PINS).read_text())
    few = [pin for pin in pins if pin.startswith(("click=", "colorama="))]
    (copy / "launcher" / Path(PINS).name).write_text("\n".join(few))
    (copy / "launcher" / Path(BUILD_PINS).name).write_text(few[-1])  # none of these is built: the smallest will do
    return copy


@pytest.fixture
def first_use(home, offline_packages, package):
    """Start `esp-at --version` as CMake does, with the packages in ``home``."""

    def start(package=package, *, start_new_session=False, **settings):
        env = offline_packages | {"ESP_AT_ENV": str(home)} | settings
        env = {name: value for name, value in env.items() if value is not None}
        command = [sys.executable, str(package / "launcher"), "--version"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=env, start_new_session=start_new_session, **streams)

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
    assert (output, errors) == (VERSION, f"{SAYS_ONCE}{made} (once; it takes a moment)\n")
    gone = {"PIP_FIND_LINKS": (home / "nowhere").as_uri()}
    assert ended(first_use(**gone)) == (VERSION, "")
    assert list(home.iterdir()) == [made]


def test_pip_s_settings_of_a_user_dont_keep_it_from_that(first_use, tmp_path):
    settings = tmp_path / "pip.conf"
    constraint = tmp_path / "constraints.txt"
    constraint.write_text("click<7\n")
    settings.write_text(f"[global]\nuser = true\nrequire-virtualenv = true\nconstraint = {constraint}\n")
    others = {"PIP_TARGET": str(tmp_path / "elsewhere"), "PIP_PYTHON": "/nowhere", "PIP_DRY_RUN": "1"}
    assert ended(first_use(PIP_CONFIG_FILE=str(settings), **others))[0] == VERSION
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_network_there_is_one_message_and_nothing_is_left(home, first_use):
    index = {"PIP_NO_INDEX": None, "PIP_FIND_LINKS": None, "PIP_INDEX_URL": "https://localhost:9/simple"}
    output, errors = ended(first_use(**index), 1)
    said, *rest = errors.splitlines()
    assert said.startswith(SAYS_ONCE)
    assert rest[0].startswith("Error: the Python packages of esp-at can't be installed: ")
    assert rest[0].endswith("  [packages-not-installed]")
    assert "Connection refused" in rest[0]
    assert len(rest) == 3
    assert not output
    assert not list(home.iterdir())
    assert ended(first_use())[0] == VERSION  # and it can be made from then on


def test_a_proxy_that_refuses_is_named(first_use):
    index = {"PIP_NO_INDEX": None, "PIP_FIND_LINKS": None, "PIP_INDEX_URL": "https://example.org/simple"}
    _, errors = ended(first_use(**index, HTTPS_PROXY="http://localhost:9"), 1)
    assert "pip went through the proxy that HTTPS_PROXY names" in errors
    assert "refused" in errors


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


@pytest.fixture
def https_packages(offline_packages, server_certificate):
    """Return the address of a server that has the packages, with a certificate that only its file vouches for."""
    folder = url2pathname(urlsplit(offline_packages["PIP_FIND_LINKS"]).path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server_certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_company_s_ca_is_named_by_a_variable_of_our_own(first_use, https_packages, server_certificate):
    """As under pioarduino, which points the usual variables at a file of its own."""
    hosts = dict.fromkeys(("CERTIFI_PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), certifi.where())
    _, errors = ended(first_use(PIP_FIND_LINKS=https_packages, **hosts), 1)
    assert "certificate verify failed" in errors
    assert "ESP_AT_CA_BUNDLE=FILE.pem" in errors
    settings = hosts | {"ESP_AT_CA_BUNDLE": str(server_certificate)}
    assert ended(first_use(PIP_FIND_LINKS=https_packages, **settings))[0] == VERSION


def test_other_files_under_the_same_names_are_refused(first_use, offline_packages, tmp_path):
    changed = tmp_path / "changed"
    shutil.copytree(url2pathname(urlsplit(offline_packages["PIP_FIND_LINKS"]).path), changed)
    (wheel,) = changed.glob("click-*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    _, errors = ended(first_use(PIP_FIND_LINKS=changed.as_uri()), 1)
    assert re.search("click==\\S+ doesn't match its hash", errors)
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
        time.sleep(moments.uniform(0, pytestconfig.getoption("--kill-within")))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert ended(first_use())[0] == VERSION, f"seed {seed}"
        whole = [folder for folder in home.iterdir() if not folder.name.startswith(_SCRATCH)]
        assert len(whole) == 1


@pytest.fixture
def mute_index():
    """Return pip's settings for a package index that never answers, and a function that waits until it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
        yield {"PIP_NO_INDEX": None, "PIP_FIND_LINKS": None, "PIP_INDEX_URL": url}, server.accept


@pytest.mark.skipif(os.name == "nt", reason="need process groups")
@pytest.mark.parametrize("host", ["CMake", "PlatformIO"])
def test_an_interrupt_of_pip(host, *, home, package, offline_packages, mute_index, project, compiling_env):
    """SCons has a handler of its own, and runs the target in a thread: there, only pip ends by it."""
    settings, wait_until_asked = mute_index
    settings |= {"ESP_AT_ENV": str(home), "ESP_AT_PYTHON": None, "NO_PROXY": "127.0.0.1"}
    command, env, code = [sys.executable, str(package / "launcher"), "--version"], offline_packages, 130
    if host == "PlatformIO":
        command, env, code = [sys.executable, "-m", "platformio", "run", "-t", "info_at"], compiling_env, 1
    script = Path(__file__).parents[2] / "esp_at.py"
    run = subprocess.Popen(
        command,
        cwd=project(f"[env:it]\nplatform = compiling\nboard = esp32dev\nextra_scripts = pre:{script}\n"),
        env=pio_environment(env, settings | {"PIP_CONFIG_FILE": os.devnull}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    connection, _ = wait_until_asked()
    with connection:
        os.killpg(run.pid, signal.SIGINT)
        _, errors = ended(run, code)
    assert "[packages-not-installed]" not in errors
    assert errors.count("Error: interrupted  [interrupted]\n  run the command again\n") == 1
    assert not list(home.iterdir())


def test_what_a_kill_left_and_what_nobody_uses_is_swept(home, first_use):
    half_made, in_work, unused = (home / name for name in (f"{_SCRATCH}old", f"{_SCRATCH}now", "cpython-309-x"))
    users = [home / name for name in ("mine", "new-project", "used")]
    for folder in (half_made, in_work, unused, *users):
        folder.mkdir(parents=True)
    (unused / _USED).touch()
    (users[-1] / ".used").touch()
    long_ago = time.time() - 400 * 24 * 3600
    for path in (half_made, unused / _USED, users[-1] / ".used", *users):
        os.utime(path, (long_ago, long_ago))
    ended(first_use())
    assert not half_made.exists()
    assert not unused.exists()
    assert in_work.exists()
    assert all(folder.exists() for folder in users)


def test_two_versions_have_a_folder_each(home, first_use, package, tmp_path):
    other = tmp_path / "other" / package.name
    shutil.copytree(package, other)
    pins = other / "launcher" / Path(PINS).name
    pins.write_text(pins.read_text() + "\n# another version\n")
    for _ in range(2):  # they alternate
        for each in (package, other):
            assert ended(first_use(each))[0] == VERSION
    assert len(list(home.iterdir())) == 2


def test_a_package_that_is_gone_from_it(home, first_use):
    ended(first_use())
    (made,) = home.iterdir()
    shutil.rmtree(made / "click")
    _, errors = ended(first_use(), 1)
    assert errors == (
        f"Error: there is no module click in {made}  [packages-missing]\n  remove {made}: the next run makes it again\n"
    )


@pytest.mark.parametrize("content", [b"", b"\0" * 100], ids=["empty", "NULs"])
def test_a_file_of_it_is_damaged(home, first_use, content):
    """As after a power failure."""
    ended(first_use())
    (made,) = home.iterdir()
    (made / "click" / "core.py").write_bytes(content)
    _, errors = ended(first_use(), 1)
    assert errors == (
        f"Error: the Python packages of esp-at are damaged: click/core.py in {made} isn't as it was installed  "
        f"[packages-damaged]\n  remove {made}: the next run makes it again\n"
    )


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="need to be root, to become another user")
def test_a_folder_that_cant_be_written(package, tmp_path, tmp_path_factory):
    python = next((path for name in PYTHONS if (path := shutil.which(name, path="/usr/bin:/bin"))), None)
    if python is None:
        pytest.skip("need a Python of the system, which another user can run")
    home, copy = tmp_path / "home", Path(tempfile.mkdtemp())
    home.mkdir(mode=0o555)
    try:
        shutil.copytree(package, copy / package.name)
        copy.chmod(0o755)
        for folder in (home, *home.parents):
            folder.chmod(folder.stat().st_mode | 0o555)
        env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "ESP_AT_ENV": str(home / "packages")}
        command = [python, str(copy / package.name / "launcher"), "--version"]
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **nobody)
        _, errors = ended(run, 1)
    finally:
        shutil.rmtree(copy)
    assert f"there is no place for the Python packages of esp-at: {home / 'packages'} (Permission denied)" in errors
    assert "[packages-folder-not-writable]" in errors


def test_a_full_disk(package, offline_packages, tmp_path):
    """A file system of 200 kB: its folder is left empty, and the message says what to do."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("need Linux, and to be root, to mount a small file system")
    try:
        env = offline_packages | {"ESP_AT_ENV": str(disk)}
        command = [sys.executable, str(package / "launcher"), "--version"]
        run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        _, errors = ended(run, 1)
        left = list(disk.iterdir())
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    assert "No space left on device" in errors
    assert f"make room in {disk} (100 MB), or name another folder: ESP_AT_ENV=FOLDER" in errors
    assert not left
