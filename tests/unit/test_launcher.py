"""What a host's Python runs of ours: standard library, old syntax; and how it finds what runs the rest."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from old_pythons import NEEDED, old_pythons
from packaging.requirements import Requirement

import platformio_esp_at
from platformio_esp_at.launcher import child, environment, interpreter, packages
from platformio_esp_at.launcher.environment import find_runtime
from platformio_esp_at.launcher.interpreter import LaunchError, clean_environment

PACKAGE = Path(platformio_esp_at.__file__).parent
ROOT = PACKAGE.parent
IN_A_HOST = [
    *("__init__.py", "pio/__init__.py", "pio/targets.py", "idf/__init__.py", "idf/actions.py"),
    *("pio/platform/platform.py", "pio/platform/builder/main.py"),
    *(f"launcher/{file.name}" for file in sorted((PACKAGE / "launcher").glob("*.py"))),
    *("../esp_at.py", "../idf_component/esp_at_flash/esp_at_idf.py"),
]
HOSTS_OWN = {"SCons", "platformio", "click", "idf_py_actions"}
OURS = re.compile(r"platformio_esp_at\.(launcher(\..*)?|(pio\.targets|idf\.actions))")


@pytest.mark.parametrize("name", IN_A_HOST)
def test_it_is_read_by_python_3_6_and_imports_the_standard_library_alone(name):
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    others = {module for module in imported if module.partition(".")[0] not in sys.stdlib_module_names | HOSTS_OWN}
    assert not {module for module in others if not OURS.fullmatch(module)}


@pytest.mark.parametrize("python", old_pythons() or [pytest.param("", marks=pytest.mark.skip(reason=NEEDED))])
def test_an_older_python_finds_a_newer_one(python, tmp_path):
    script = f"""if True:
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        import platformio_esp_at.idf.actions, platformio_esp_at.pio, platformio_esp_at.launcher.child
        from platformio_esp_at.launcher.interpreter import new_enough_python
        print(new_enough_python())
    """
    newer = tmp_path / f"python3.{sys.version_info[1]}"
    newer.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    newer.chmod(0o755)
    env = {"PATH": str(tmp_path), "LC_ALL": "C.UTF-8"}  # 3.6 reads its arguments as ASCII without
    done = subprocess.run([python, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == f"{sys.executable}\n", done.stderr
    newer.unlink()
    done = subprocess.run([python, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert "Python 3.10 or newer is needed; this one is 3." in done.stderr
    assert "[python-too-old]" in done.stderr


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No variable of ours, and a home without a folder of packages."""
    for name in (interpreter.PYTHON, packages.FOLDER, packages.CA_BUNDLE, "CERTIFI_PATH"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path / "home"


def refuse(text):
    raise AssertionError(text)


def folder_in(home):
    folder = home / environment._name(sys.executable)
    folder.mkdir(parents=True)
    return folder


@pytest.mark.usefixtures("alone")
def test_a_python_that_has_the_packages_is_named(monkeypatch):
    monkeypatch.setenv(interpreter.PYTHON, sys.executable)
    assert find_runtime(["/nowhere"], refuse) == (sys.executable, "")


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("exit 0", "python-not-found", "is no Python interpreter"),  # nothing would be flashed, and it would succeed
        ("cat", "python-not-found", "is no Python interpreter"),
        ("echo Python 2.7.18", "python-too-old", "ESP_AT_PYTHON names 2.7.18 ("),
        ("echo Python 3.9.1", "python-too-old", "Python 3.10 or newer is needed"),
        (None, "python-not-found", "can't be run: "),
    ],
)
def test_what_is_named_as_python_and_is_none_that_will_do(script, code, message, monkeypatch, tmp_path):
    named = tmp_path / "a program"
    if script is not None:
        named.write_text(f"#!/bin/sh\n{script}\n")
        named.chmod(0o755)
    monkeypatch.setenv(interpreter.PYTHON, str(named))
    with pytest.raises(LaunchError) as caught:
        find_runtime([], refuse)
    assert (caught.value.code, message in caught.value.message) == (code, True)
    assert str(named) in caught.value.message
    assert "ESP_AT_PYTHON; or unset it" in caught.value.hint


def test_a_named_folder_may_start_at_home_or_here(alone, monkeypatch, tmp_path):
    """A program that CMake starts elsewhere has to find it, too."""
    monkeypatch.chdir(tmp_path)
    for named, folder in (("~/at", alone / "at"), ("at", tmp_path / "at")):
        monkeypatch.setenv(packages.FOLDER, named)
        made = folder_in(folder)
        assert find_runtime([], refuse) == (sys.executable, str(made))


def test_a_folder_is_found_wherever_it_is(alone, monkeypatch, tmp_path):
    host, named = tmp_path / "core", tmp_path / "named"
    cache = alone / ("Library/Caches" if sys.platform == "darwin" else "") / "platformio-esp-at" / "packages"
    in_cache = folder_in(cache)
    assert find_runtime([str(host)], refuse) == (sys.executable, str(in_cache))
    of_host = folder_in(host)
    assert find_runtime([str(host)], refuse) == (sys.executable, str(of_host))
    assert (of_host / packages._USED).is_file()
    of_name = folder_in(named)
    monkeypatch.setenv(packages.FOLDER, str(named))
    assert find_runtime([str(host)], refuse) == (sys.executable, str(of_name))


def test_a_home_and_a_relative_folder_are_written_out(alone, monkeypatch, tmp_path):
    """As a Dockerfile or an IDE has them, without a shell."""
    monkeypatch.chdir(tmp_path)
    if os.name == "nt":
        monkeypatch.setenv("USERPROFILE", str(alone))
    for value, place in (("~/packages", alone / "packages"), ("here", tmp_path / "here")):
        folder = folder_in(place)
        monkeypatch.setenv(packages.FOLDER, value)
        assert find_runtime([], refuse).packages == str(folder)
    python = alone / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setenv(interpreter.PYTHON, "~/bin/python")
    assert find_runtime([], refuse).python.startswith(str(alone))


def test_what_pip_installed_runs_in_its_own_python(alone, tmp_path):
    site = tmp_path / "site-packages"
    shutil.copytree(PACKAGE / "launcher", site / "platformio_esp_at/launcher")
    (site / "platformio_esp_at/__init__.py").touch()
    (site / "platformio_esp_at-0.2.0.dist-info").mkdir()
    script = "from platformio_esp_at.launcher.environment import find_runtime; print(*find_runtime([], None))"
    done = subprocess.run([sys.executable, "-c", script], cwd=site, capture_output=True, text=True, check=True)
    assert done.stdout == f"{sys.executable} \n"
    assert not alone.exists()


def test_the_name_of_the_folder_tells_python_machine_and_pins(monkeypatch, tmp_path):
    name = environment._name(sys.executable)
    assert re.fullmatch(r"\S+-\w+-[0-9a-f]{12}", name)
    pins = tmp_path / "requirements.txt"
    pins.write_bytes(Path(packages.PINS).read_bytes().replace(b"\n", b"\r\n"))
    monkeypatch.setattr(environment, "PINS", str(pins))
    assert environment._name(sys.executable) == name  # as git writes the file on Windows
    pins.write_text("click==8.0\n")
    assert environment._name(sys.executable) != name


def test_what_a_host_sets_doesnt_reach_the_child(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/pio")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("CERTIFI_PATH", "/penv/cacert.pem")
    monkeypatch.setenv("SSL_CERT_FILE", "/penv/cacert.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/company.pem")
    made = clean_environment()
    assert not {"PYTHONPATH", "PIP_TARGET", "SSL_CERT_FILE"} & made.keys()
    assert made["REQUESTS_CA_BUNDLE"] == "/company.pem"
    assert made["CERTIFI_PATH"] == "/penv/cacert.pem"


BROKEN = "WARNING: Retrying (Retry(total=0)) after connection broken by "
NEW = "Failed to establish a new connection"
NO_VERSION = "\nERROR: No matching distribution found for click==8.1\n"
NOT_BUILT = (
    "error: subprocess-exited-with-error\n\n\u00d7 Getting requirements to build wheel did not run successfully.\n"
    "note: This error originates from a subprocess, and is likely not a problem with pip.\n"
)


@pytest.mark.parametrize(
    ("output", "reason", "hint"),
    [
        (
            (
                f"{BROKEN}'NewConnectionError(<HTTPSConnection(host='h', port=9)>: {NEW}: "
                f"[Errno 111] Connection refused')': /simple/click/{NO_VERSION}"
            ),
            "[Errno 111] Connection refused",
            "go online once",
        ),
        (
            (
                f"{BROKEN}'NewConnectionError(\"HTTPSConnection(host='h', port=443): {NEW}: "
                f"[Errno -3] Temporary failure in name resolution\")': /simple/{NO_VERSION}"
            ),
            "[Errno -3] Temporary failure in name resolution",
            "go online once",
        ),
        (
            (
                f"{BROKEN}'ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Auth "
                f"Required'))': /simple/click/{NO_VERSION}"
            ),
            "Tunnel connection failed: 407 Auth Required",
            "HTTPS_PROXY",
        ),
        *(
            (
                f"{BROKEN}'ProxyError('{said}', OSError('{NEW}: [Errno 111] Connection refused'))': /x/{NO_VERSION}",
                " connect to proxy: [Errno 111] Connection refused",
                "HTTPS_PROXY",
            )
            for said in ("Cannot connect to proxy.", "Unable to connect to proxy")
        ),
        (
            (
                "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
                f"self-signed certificate (_ssl.c:1006)')){NO_VERSION}"
            ),
            "certificate verify failed: self-signed certificate",
            "ESP_AT_CA_BUNDLE=FILE.pem",
        ),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n", "space", "room"),
        (
            (
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. Otherwise, examine them.\n"
                "    click==8.1 from file:///wheels/click-8.1-py3-none-any.whl:\n        Expected sha256 0\n"
            ),
            "click==8.1 doesn't match its hash",
            "PIP_INDEX_URL",
        ),
        ("/usr/bin/python3: No module named ensurepip\n", "No module named ensurepip", "apt install python3-pip"),
        ("OSError: [Errno 122] Disk quota exceeded\n", "Disk quota exceeded", "make room"),
        ("Collecting click\nInstalling\n", "exit status 1, and printed last: Installing", "go online once"),
        ("", "pip ended with exit status 1, and printed last: nothing", "go online once"),
        (NO_VERSION, "No matching distribution found for click==8.1", "needs it for /a/python: add it"),
        (
            f"Looking in indexes: https://h/simple\nLooking in links: wheels{NO_VERSION}",
            "No matching distribution found for click==8.1 (pip looked in https://h/simple; wheels)",
            "needs it for /a/python: add it",
        ),
        (
            (
                "  error: subprocess-exited-with-error\n"
                "      ERROR: No matching distribution found for setuptools>=77\n      [end of output]\n"
                "note: This error originates from a subprocess, and is likely not a problem with pip.\n"
            ),
            "No matching distribution found for setuptools>=77",
            "needs it for /a/python: add it",
        ),
        (
            (
                "error: subprocess-exited-with-error\n      ValueError: invalid pyproject.toml\n      \n"
                "      [end of output]\nnote: This error originates from a subprocess.\n"
            ),
            "ValueError: invalid pyproject.toml",
            "go online once",
        ),
    ],
)
@pytest.mark.usefixtures("alone")
def test_why_pip_failed(output, reason, hint, tmp_path):
    error = packages._failure(output, 1, "/a/python", str(tmp_path))
    assert reason in error.message
    assert "\n" not in error.message
    assert (error.code, hint in error.hint) == ("packages-not-installed", True)
    assert error.message.startswith("the Python packages of esp-at can't be installed: ")


def test_a_ca_that_is_named_and_doesnt_help(monkeypatch, tmp_path):
    monkeypatch.setenv(packages.CA_BUNDLE, "/other.pem")
    output = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)')"
    hint = packages._failure(output, 1, "/a/python", str(tmp_path)).hint
    assert hint.startswith("ESP_AT_CA_BUNDLE=/other.pem doesn't have the CA of that server")


def test_a_pip_that_was_stopped(tmp_path):
    killed = packages._failure("  Installing build dependencies: started\n", -9, "/a/python", str(tmp_path))
    assert killed.message == "the Python packages of esp-at can't be installed: pip was ended by signal 9"
    assert killed.hint.startswith("run it again")
    stopped = packages._failure("ERROR: Operation cancelled by user\n", 1, "/a/python", str(tmp_path))
    assert (stopped.code, "Operation" in stopped.message) == ("interrupted", False)


def test_a_python_that_leaves_the_script_s_folder_out_keeps_its_path(tmp_path):
    """As PYTHONSAFEPATH says, or an embeddable one."""
    (tmp_path / "pip.py").write_text("print('the pip of this Python')")
    env = os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, PACKAGE / "launcher" / "run_pip.py"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "the pip of this Python\n"


def test_no_place_can_be_written(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.touch()
    monkeypatch.delenv(interpreter.PYTHON, raising=False)
    monkeypatch.setenv(packages.FOLDER, str(file / "folder"))
    with pytest.raises(LaunchError) as caught:
        find_runtime([], refuse)
    assert caught.value.code == "packages-folder-not-writable"
    assert f"{file / 'folder'} (Not a directory)" in caught.value.message
    assert "ESP_AT_ENV=FOLDER" in caught.value.hint


def test_the_oldest_python_is_that_of_the_metadata():
    toml = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    project = toml.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">={}.{}".format(*interpreter.OLDEST_PYTHON)
    assert f"Programming Language :: Python :: 3.{interpreter.NEWEST_PYTHON[1]}" in project["classifiers"]
    pins = [Requirement(line.rstrip(" \\")) for line in _pinned()]
    for wanted in map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["launcher"]]):
        (pin,) = (pin for pin in pins if pin.name == wanted.name)
        assert wanted.specifier.contains(str(pin.specifier).removeprefix("=="))


def _pinned():
    text = Path(packages.PINS).read_text(encoding="utf-8")
    assert "://" not in text  # no index is named
    return [line for line in text.splitlines() if "==" in line]


@pytest.mark.parametrize("file", [packages.PINS, packages.BUILD_PINS])
def test_every_pin_has_hashes(file):
    text = Path(file).read_text(encoding="utf-8")
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.search(r"^[\w.-]+==\S+.* \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry


def test_what_a_missing_module_needs(alone, monkeypatch):
    """By what brings the packages: the folder, pip, or a Python that is named."""
    assert environment.missing_module("yaml", str(alone)).hint == f"remove {alone}: the next run makes it again"
    assert f"{sys.executable} -m pip install platformio-esp-at" in environment.missing_module("yaml", "").hint
    monkeypatch.setenv(interpreter.PYTHON, "python")
    assert environment.missing_module("yaml", "").hint.startswith("unset ESP_AT_PYTHON")


# --- what a child says ---


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (-9, "esp-at was ended by signal 9  [child-ended]\n  run it again: a module that was being written is "),
        (3, "esp-at ended with exit status 3  [child-ended]\n  run it again; if it stays so, report it with "),
    ],
)
def test_a_child_that_says_nothing(status, text):
    assert str(child._unexplained(status)).startswith(text)


def test_an_event_is_a_line_of_json_and_anything_else_is_shown(capsys):
    child._show(child._event(b'{"event": "packaged", "text": "Wrote it\\n", "stream": "stdout"}\n'))
    child._show(child._event(b'{"event": "noticed", "text": "Note: so\\n", "stream": "stderr"}\n'))
    child._show(child._event(b"a library prints\n"))
    child._show(child._event(json.dumps(["no", "event"]).encode()))
    said = capsys.readouterr()
    assert said.out == 'Wrote it\na library prints\n["no", "event"]'
    assert said.err == "Note: so\n"


def test_the_folder_of_packages_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("ESP_AT_ENV", str(tmp_path))
    assert environment.packages_of(sys.executable, []) == ""
    made = tmp_path / environment._name(sys.executable)
    made.mkdir()
    assert environment.packages_of(sys.executable, []) == str(made)
