"""The PlatformIO library and the flash-only platform as released: two lines in a project, nothing installed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from conftest import pio_environment
from processes import children, is_running, wait_for

from platformio_esp_at import __version__

ROOT = Path(__file__).parents[2]
INI = """\
    [env:it]
    platform = compiling
    board = esp32dev
    lib_deps = {library}
    extra_scripts = pre:$PROJECT_LIBDEPS_DIR/$PIOENV/esp-at/esp_at.py
    custom_at_firmware = firmware.zip
    custom_at_module = WROOM-32
"""
GETTING = "esp-at: getting the Python packages that it needs into "


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """Return the address of a git repository with the files of this checkout, and a tag in it."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("need a git checkout")
    folder = tmp_path_factory.mktemp("repository")
    for name in filter(None, tracked.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    me = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*me, "commit", "-qm", "all"], ["tag", f"v{__version__}"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return f"git+file://{folder}#v{__version__}"


def python_packages():
    return sorted((package.metadata["Name"], package.version) for package in distributions())


def test_the_library_flashes_and_installs_nothing_into_platformio_s_python(
    *, project, compiling_pio_with, offline_packages, library, used_module, pio_env
):
    """All packages by real pip, once; whatever a company's settings say of source."""
    before, module = python_packages(), used_module()
    settings = {"ESP_AT_ENV": None, "ESP_AT_PYTHON": None, "PIP_ONLY_BINARY": ":all:"}
    pio = compiling_pio_with(offline_packages | settings)
    folder = project(INI.format(library=library))  # it has no src folder
    upload = f"run -t upload_at --upload-port {module.port}"
    assert f"{GETTING}{pio_env['PLATFORMIO_CORE_DIR']}{os.sep}esp-at{os.sep}" in pio(upload, folder).stderr
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")
    (made,) = Path(pio_env["PLATFORMIO_CORE_DIR"], "esp-at").iterdir()
    (metadata,) = made.glob("esptool-*.dist-info/METADATA")
    metadata.write_bytes(b"")  # as after a power failure
    said = pio(upload, folder, code=1).stderr
    assert GETTING not in said
    assert f"/METADATA in {made} isn't as it was installed  [packages-damaged]\n  remove {made}: " in said
    assert python_packages() == before


def test_a_git_address(project, compiling_pio, repository, used_module):
    module = used_module()
    folder = project(INI.format(library=repository))
    compiling_pio(f"run -t upload_at --upload-port {module.port}", folder)
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")


def test_the_first_use_without_a_network_gives_one_message(
    project, compiling_pio_with, offline_packages, library, tmp_path
):
    index = {"PIP_FIND_LINKS": None, "PIP_NO_INDEX": None, "PIP_INDEX_URL": "https://localhost:9/simple"}
    env = offline_packages | {"ESP_AT_ENV": str(tmp_path / "packages"), "ESP_AT_PYTHON": None} | index
    done = compiling_pio_with(env)("run -t info_at", project(INI.format(library=library)), code=1)
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert errors[0].startswith("Error: the Python packages of esp-at can't be installed: ")
    assert not list((tmp_path / "packages").iterdir())


def test_who_has_it_by_pip_in_platformio_s_python_runs_it_there(project, compiling_pio_with, tmp_path):
    """As pip leaves it: the package with its metadata beside it; its packages are those of this Python."""
    site = tmp_path / "site-packages"
    shutil.copytree(ROOT / "platformio_esp_at", site / "platformio_esp_at")
    (site / f"platformio_esp_at-{__version__}.dist-info").mkdir()
    script = f"""\
        import sys; sys.path.insert(0, {str(site)!r})
        from platformio_esp_at.pio import register
        Import("env"); register(env)
    """
    ini = re.sub(r"(?m)^ *lib_deps.*\n", "", INI).replace("$PROJECT_LIBDEPS_DIR/$PIOENV/esp-at/", "")
    packages = tmp_path / "packages"
    pio = compiling_pio_with({"ESP_AT_PYTHON": None, "ESP_AT_ENV": str(packages)})
    said = pio("run -t info_at", project(ini, **{"esp_at.py": script})).stdout
    assert "AT module: WROOM-32 (platformio.ini [env:it] custom_at_module)" in said
    assert not packages.exists()


def test_a_python_without_the_packages(project, compiling_pio_with, library, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python = tmp_path / "bare" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = compiling_pio_with({"ESP_AT_PYTHON": str(python)})(
        "run -t info_at", project(INI.format(library=library)), code=1
    )
    assert re.search(r"Error: there is no module \w+ in .*  \[packages-missing\]\n  unset ESP_AT_PYTHON", done.stderr)
    gone = compiling_pio_with({"ESP_AT_PYTHON": str(tmp_path / "gone")})
    done = gone("run -t info_at", project(INI.format(library=library)), code=1)
    assert f"Error: {tmp_path / 'gone'} can't be run: No such file or directory  [python-not-found]\n" in done.stderr


@pytest.mark.skipif(shutil.which("g++") is None, reason="need a C++ compiler")
@pytest.mark.parametrize("source", ["library", "repository"])
def test_a_plain_build_compiles_the_user_s_file_alone_and_pays_nothing(
    source, request, project, compiling_pio_with, tmp_path
):
    ini = INI.replace("compiling", "building").replace("esp32dev", "here")
    address = request.getfixturevalue(source)
    folder = project(ini.format(library=address), **{"src/main.cpp": "int main() { return 0; }\n"})
    packages = tmp_path / "packages"
    said = compiling_pio_with({"ESP_AT_ENV": str(packages), "ESP_AT_PYTHON": None})("run", folder).stdout
    assert re.findall(r"^Compiling (\S+)", said, re.MULTILINE) == [".pio/build/it/src/main.o"]
    assert not packages.exists()


def test_the_released_platform(project, at_pio, used_module, released_platform):
    """Nothing is installed before: its address is all that a project has."""
    module = used_module()
    folder = project(f"""\
        [env:it]
        platform = {released_platform}
        board = esp32-at-wroom-32
        custom_at_firmware = firmware.zip
    """)
    at_pio(f"run -t upload --upload-port {module.port}", folder)
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")
    at_pio(f"run -t erase --upload-port {module.port}", folder)
    assert module.flash == b"\xff" * len(module.before)


@pytest.mark.skipif(sys.platform != "linux", reason="need Linux's ps")
@pytest.mark.parametrize("ended_by", ["the terminal", "a kill of SCons"])
def test_an_end_leaves_no_process(ended_by, *, project, compiling_env, library, silent_port):
    folder = project(INI.format(library=library), chip="esp32")
    command = [sys.executable, "-m", "platformio", "run", "-v", "-t", "upload_at", "--upload-port", silent_port]
    pio = subprocess.Popen(
        command,
        cwd=folder,
        env=pio_environment(compiling_env, {"PYTHONUNBUFFERED": None}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - as in a terminal
    )
    said = b""
    while b"Connecting" not in said:
        piece = pio.stdout.read1(4096)
        assert piece, said
        said += piece
    (scons,) = children(pio.pid)
    (child,) = children(scons)
    (worker,) = children(child)
    if ended_by == "the terminal":
        os.killpg(pio.pid, signal.SIGINT)
    else:
        os.kill(scons, signal.SIGKILL)
    pio.communicate(timeout=60)
    assert pio.returncode
    for process in (child, worker):
        wait_for(lambda process=process: not is_running(process), "the end of all processes")
    made = {path.name for path in (folder / ".pio/build/it").glob("*esp_at*")}
    assert made <= {"esp_at", "esp_at_report.json"}
    assert "esp_at" in made
