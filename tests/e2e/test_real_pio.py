"""A real dev-platform, run by the ``pio`` of `PIO` (a command, such as ``pio``): that of `PIO_PLATFORM`.

Its packages may be stubs: nothing of a program is compiled here.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from firmware_server import FirmwareServer, Served

from platformio_esp_at import __version__

ROOT = Path(__file__).parents[2]
PIOARDUINO = "https://github.com/pioarduino/platform-espressif32/releases/download/{0}/platform-espressif32.zip"
PLATFORMS = {
    "espressif32": ("esp32dev", "esp32", ["", "arduino", "espidf"]),
    "espressif8266": ("d1_mini", "esp8266", ["arduino"]),
    "ststm32": ("nucleo_f411re", "esp32c3", ["", "arduino"]),
    "pioarduino": ("esp32dev", "esp32", ["", "arduino", "espidf"]),
}
"""By name: a board, the chip of the AT module, and frameworks."""
NAME = os.environ.get("PIO_PLATFORM", "").partition("@")[0]
BOARD, CHIP, FRAMEWORKS = PLATFORMS.get(NAME, ("", "", [""]))

pytestmark = pytest.mark.skipif(not NAME or not os.environ.get("PIO"), reason="need a real PlatformIO (PIO)")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Return the address of this checkout's last commit in git, with a tag."""
    clone = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, clone], check=True)
    subprocess.run(["git", "tag", f"v{__version__}"], cwd=clone, check=True)
    return f"git+file://{clone}#v{__version__}"


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Return the folder of packages, empty at first."""
    return tmp_path_factory.mktemp("packages")


@pytest.fixture
def real_pio(packages, monkeypatch):
    monkeypatch.delenv("ESP_AT_PYTHON", raising=False)
    monkeypatch.setenv("ESP_AT_ENV", str(packages))

    def run(words, folder, code=0, **settings):
        command = [*shlex.split(os.environ["PIO"]), *words.split()]
        env = {name: value for name, value in (os.environ | settings).items() if value is not None}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def ini(library, framework):
    version = os.environ["PIO_PLATFORM"].partition("@")[2]
    platform = PIOARDUINO.format(version) if NAME == "pioarduino" else NAME
    beside = "custom_at_board = esp32-c3-devkitm-1\n" if NAME == "ststm32" else ""
    return (
        f"[env:it]\nplatform = {platform}\nboard = {BOARD}\nlib_deps = {library}\n"
        f"extra_scripts = pre:$PROJECT_LIBDEPS_DIR/$PIOENV/esp-at/esp_at.py\n"
        f"custom_at_firmware = firmware.zip\n{beside}" + (f"framework = {framework}\n" if framework else "")
    )


OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": None, "HTTPS_PROXY": "http://127.0.0.1:9"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_two_lines_flash_a_module(framework, *, project, real_pio, library, used_module, packages):
    module = used_module(CHIP)
    folder = project(ini(library, framework), chip=CHIP)
    done = real_pio(f"run -t upload_at --upload-port {module.port}", folder)
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")
    assert len(list(packages.iterdir())) == 1
    assert "Compiling" not in done.stdout
    done = real_pio(f"run -t verify_at --upload-port {module.port}", folder, **OFFLINE)
    assert "The device has all " in done.stdout
    assert "getting the packages" not in done.stderr
    again = used_module(CHIP)
    real_pio(f"run -t upload_at_factory --upload-port {again.port}", folder)
    (image,) = (folder / ".pio/build/it/esp_at/factory").glob("factory_*[!d].bin")
    assert again.flash[: image.stat().st_size] == image.read_bytes()


def test_from_git(project, real_pio, repository, used_module):
    module = used_module(CHIP)
    folder = project(ini(repository, FRAMEWORKS[-1]), chip=CHIP)
    real_pio(f"run -t upload_at --upload-port {module.port}", folder)
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")


def test_a_company_s_ca_comes_through(project, real_pio, library, server_certificate, tmp_path):
    """pioarduino points SSL_CERT_FILE and REQUESTS_CA_BUNDLE at a file of its own, in pio itself."""
    with FirmwareServer(server_certificate) as server:
        address = f"{server.url}/firmware.zip"
        text = ini(library, FRAMEWORKS[-1]).replace("firmware.zip", address)
        folder = project(text, chip=CHIP)
        server.files["/firmware.zip"] = Served((folder / "firmware.zip").read_bytes())
        cache = {"ESP_AT_CACHE": str(tmp_path / "cache")}
        assert "ESP_AT_CA_BUNDLE" in real_pio("run -t info_at", folder, code=1, **cache).stderr
        done = real_pio("run -t info_at", folder, ESP_AT_CA_BUNDLE=str(server_certificate), **cache)
    assert "AT module: " in done.stdout


def test_the_released_platform_beside_it(project, real_pio, used_module, released_platform):
    module = used_module(CHIP)
    folder = project(
        f"[env:it]\nplatform = {released_platform}\n"
        f"board = {BOARD if NAME != 'ststm32' else 'esp32-c3-devkitm-1'}\ncustom_at_firmware = firmware.zip\n",
        chip=CHIP,
    )
    real_pio(f"run -t upload --upload-port {module.port}", folder)
    assert module.flash == module.after_upload(folder / ".pio/build/it/esp_at")
    assert re.search(r"^it +Platform +erase ", real_pio("run --list-targets", folder).stdout, re.MULTILINE)
