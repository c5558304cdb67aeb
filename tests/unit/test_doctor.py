"""What doctor finds of this computer, and that it tells no password."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from firmware_server import Served

from platformio_esp_at.commands import doctor
from platformio_esp_at.commands.doctor import State, cache_findings, describe, examine, has_problem, port_findings
from platformio_esp_at.commands.pythons import interpreter_in, interpreter_of, look_into
from platformio_esp_at.commands.usb_adapters import has_brltty, without_port
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.device.ports import Port
from platformio_esp_at.errors import EspAtError, raise_all
from platformio_esp_at.firmware.cache import Cache


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """Look at nothing of this machine but what a test puts there."""
    for name in ("PATH", "HOME", "PLATFORMIO_CORE_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in (*doctor._PROXIES, "IDF_PYTHON_ENV_PATH", "ESP_IDF_VERSION", "ESP_AT_ENV"):
        monkeypatch.delenv(name, raising=False)


def found(folder, subject=None):
    findings = examine(folder, lambda _: None)
    return [finding for finding in findings if subject in (None, finding.subject)]


# --- subjects ---


def test_ports(tmp_path):
    there, gone = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    there.touch()
    ports = [Port(str(file), "CP2102", "0001", "1-2") for file in (there, gone)]
    good, closed = list(port_findings(ports))[:2]
    assert (good.state, good.code, good.words) == (State.OK, None, f"{there} (CP2102, serial 0001, at USB 1-2)")
    assert (closed.state, closed.code) == (State.PROBLEM, "port-permission")
    assert closed.fix.startswith("add yourself to its group, and log in again: sudo usermod -aG ")


def device(root, name, key, *, port=None):
    folder = root / name
    folder.mkdir(parents=True)
    for part, number in zip(("Vendor", "Product"), key.split(":"), strict=True):
        (folder / f"id{part}").write_text(f"{number}\n")
    (folder / f"{name}:1.0").mkdir()
    if port:
        (folder / f"{name}:1.0" / port).mkdir(parents=True)


def test_adapters_without_a_driver(tmp_path):
    root = tmp_path / "devices"
    device(root, "1-1", "10c4:ea60")
    device(root, "1-2", "10c4:ea60", port="ttyUSB0")
    device(root, "1-3", "303a:1001", port="tty/ttyACM0")
    device(root, "1-4", "046d:c52b")  # a mouse
    device(root, "1-5", "1a86:7523")
    assert [adapter.name for adapter in without_port(root)] == ["CP210x", "CH340"]
    assert without_port(tmp_path / "nowhere") == []


def test_brltty(tmp_path):
    assert not has_brltty((tmp_path / "rules.d",))
    (tmp_path / "rules.d").mkdir()
    (tmp_path / "rules.d/85-brltty.rules").touch()
    assert has_brltty((tmp_path / "rules.d",))


def test_the_cache(tmp_path):
    (good,) = cache_findings(Cache(tmp_path / "new"))
    assert (good.state, good.words) == (State.OK, f"{tmp_path / 'new'}: 0 packages, 0.0 KB")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    (bad,) = cache_findings(Cache(tmp_path / "file" / "cache"))
    assert (bad.state, bad.code) == (State.PROBLEM, "cache-not-writable")
    assert "or set ESP_AT_CACHE to a folder that you can write" in bad.fix


# --- the Pythons of hosts ---


@pytest.mark.skipif(os.name == "nt", reason="need commands that name their interpreter")
def test_the_python_of_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent)]))
    command = tmp_path / "pio"
    for line, python in (
        (f"#!{sys.executable} -E", None),
        (f"#!{sys.executable}", sys.executable),
        ("#!/usr/bin/env python3", str(Path(sys.executable).with_name("python3"))),
        ("#!/no/such/python", None),
        ("binary", None),
        ("#!", None),
        ("#!/bin/sh\nexec my-pio", None),
        ("#!/bin/sh\n'''exec' \"/a folder/bin/python\" \"$0\" \"$@\"\n' '''", "/a folder/bin/python"),
        ("#!/bin/sh\n'''exec' /long/bin/python \"$0\" \"$@\"\n' '''", "/long/bin/python"),
    ):
        command.write_text(f"{line}\nprint(1)\n")
        assert interpreter_of(command) == python, line
    assert interpreter_of(tmp_path / "gone") is None


def test_what_is_in_a_python(tmp_path):
    own = look_into(sys.executable)
    assert own.is_ours
    assert own.is_new_enough
    assert own.packages["esptool"]
    assert not own._replace(version="3.9.1").is_new_enough
    assert look_into(str(tmp_path / "python")) is None
    assert interpreter_in(tmp_path) is None


@pytest.mark.skipif(os.name == "nt", reason="need commands that name their interpreter")
def test_platformio(tmp_path, monkeypatch):
    (tmp_path / "pio").write_text(f"#!{sys.executable}\n")
    (tmp_path / "pio").chmod(0o755)
    first, *_ = found(tmp_path, "PlatformIO")
    assert first.state is State.OK
    assert first.words.endswith(f"{sys.executable}: the same that esp-at runs in")
    (tmp_path / "broken").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "broken").chmod(0o755)
    (tmp_path / "pio").write_text(f"#!{tmp_path / 'broken'}\n")
    (broken,) = found(tmp_path, "PlatformIO")
    assert (broken.state, broken.code) == (State.WARNING, "host-python-broken")


@pytest.mark.skipif(os.name == "nt", reason="need symbolic links")
def test_esp_idf_5_with_our_package_in_its_python(tmp_path, monkeypatch):
    (tmp_path / "env/bin").mkdir(parents=True)
    python = tmp_path / "env/bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("IDF_PYTHON_ENV_PATH", str(tmp_path / "env"))
    monkeypatch.setenv("ESP_IDF_VERSION", "6.0")
    assert all(finding.state is State.OK for finding in found(tmp_path, "ESP-IDF"))
    if not look_into(str(python)).packages["platformio-esp-at"]:
        pytest.skip("need platformio-esp-at in this Python")
    monkeypatch.setenv("ESP_IDF_VERSION", "5.1")
    *_, problem = found(tmp_path, "ESP-IDF")
    assert (problem.state, problem.code) == (State.PROBLEM, "installed-in-idf")


# --- the project and its server ---


def test_no_project(tmp_path, http_server, monkeypatch):
    monkeypatch.setenv("ESP_AT_MIRROR", http_server.url)
    (project,) = found(tmp_path, "project")
    assert project.words == f"no esp_at.yml in {tmp_path}: esp-at init makes one"
    (network,) = found(tmp_path, "network")
    assert (network.state, network.code) == (State.WARNING, "download-not-found")


def test_a_project_whose_firmware_is_here_asks_no_server(tmp_path, http_server, monkeypatch):
    monkeypatch.setenv("ESP_AT_MIRROR", http_server.url)
    write_sample_package(tmp_path / "firmware.zip")
    (tmp_path / "esp_at.yml").write_text("firmware: firmware.zip\nmodule: WROOM-32\n")
    (project,) = found(tmp_path, "project")
    assert project == ("project", State.OK, None, "firmware for module WROOM-32: 17 images, checked", None)
    assert [finding.words for finding in found(tmp_path, "network")] == ["no server is needed"]
    assert http_server.asked == []


def test_a_project_that_is_refused(tmp_path):
    (tmp_path / "esp_at.yml").write_text("firmware: nothere.zip\n")
    (project,) = found(tmp_path, "project")
    assert (project.state, project.code) == (State.PROBLEM, "firmware-not-found")
    assert project.words.startswith("esp_at.yml:1: firmware package 'nothere.zip' does not exist")
    assert has_problem(found(tmp_path))


def test_the_board_of_a_project_of_platformio(tmp_path):
    write_sample_package(tmp_path / "firmware.zip")
    (tmp_path / "platformio.ini").write_text(
        "[env:other]\nboard = nobody\n[env:it]\nboard = esp32dev\nextra_scripts = pre:x/esp_at.py\n"
        "custom_at_firmware = firmware.zip\n"
    )
    first, *_ = found(tmp_path, "project")
    assert (first.state, first.words) == (State.OK, "firmware for module WROOM-32: 17 images, checked")


def release_project(folder):
    (folder / "esp_at.yml").write_text("firmware: v4.1.1.0\nmodule: WROOM-32\n")
    return folder


def test_the_server_of_a_release_is_asked(tmp_path, http_server, monkeypatch):
    write_sample_package(tmp_path / "package.zip", nvs=True)
    http_server.files["/ESP32-WROOM-32-AT-V4.1.1.0.zip"] = Served((tmp_path / "package.zip").read_bytes())
    url = http_server.url.replace("://", "://me:secret@")
    monkeypatch.setenv("ESP_AT_MIRROR", url)
    (mirror,) = found(release_project(tmp_path), "mirror")
    assert mirror.words == f"ESP_AT_MIRROR: {http_server.url}"
    assert [finding.state for finding in found(tmp_path, "network")] == [State.OK]
    assert "secret" not in describe(found(tmp_path))


def test_a_server_that_is_needed_and_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@localhost:9")
    monkeypatch.setenv("NO_PROXY", "")
    proxy, network = found(release_project(tmp_path), "network")
    assert proxy.words == "proxy for dl.espressif.com: http://localhost:9"
    assert (network.state, network.code) == (State.PROBLEM, "server-unreachable")
    assert "secret" not in describe(found(tmp_path))


@pytest.mark.parametrize(
    "proxy", ["me:s3cret@:x", "http://me:s3cret@[x", "s3cret@localhost:9", "socks9://me:s3cret@h:1"]
)
def test_no_finding_has_a_password(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    findings = found(release_project(tmp_path))
    assert "s3cret" not in describe(findings)
    assert "s3cret" not in str([finding.record() for finding in findings])


# --- in words ---


def test_each_problem_of_an_error_is_a_finding():
    problems = [EspAtError(code, "wrong", hint=f"cure {code}") for code in ("a", "b")]
    with pytest.raises(EspAtError) as caught:
        raise_all(problems)
    findings = list(doctor._problem("project", caught.value))
    assert [(finding.code, finding.fix) for finding in findings] == [("a", "cure a"), ("b", "cure b")]
    assert describe(findings) == (
        "problem  project  wrong  [a]\n                  cure a\n"
        "problem  project  wrong  [b]\n                  cure b\n\nProblems: 2, warnings: 0"
    )
    assert findings[0].record() == {
        "subject": "project",
        "state": "problem",
        "code": "a",
        "words": "wrong",
        "fix": "cure a",
    }
