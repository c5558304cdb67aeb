"""One session with a device: the real worker and esptool, against a simulated module."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from platformio_esp_at.demo.faults import RefusedErase, SpeedLimit, StuckBits, Unplugged
from platformio_esp_at.demo.security import Security as Burned
from platformio_esp_at.device.difference import Image, md5_of
from platformio_esp_at.device.session import Connection, Device, Security, Session
from platformio_esp_at.errors import FlashError
from platformio_esp_at.events import EsptoolOutput, Noticed, Progressed

NOWHERE = "/dev/no-such-port" if sys.platform != "win32" else "COM255"
MEGABYTE = 1 << 20


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


@pytest.fixture
def reported() -> list:
    return []


@pytest.fixture
def session(tmp_path, reported):
    """Return a session; esptool looks for its settings in a folder of the test."""

    def begin(chip: str, port: str | None = NOWHERE, **options) -> Session:
        return Session(Connection(chip, port, **options), reported.append, folder=tmp_path)

    return begin


# --- what a device is ---


def test_a_device_tells_what_it_is(simulated_module, session, reported):
    module = simulated_module("esp32c3", 4 * MEGABYTE)
    with session("esp32c3", module.port, baud=921600) as begun:
        device = begun.probe()
    mac = device.mac
    assert device == Device(module.port, "esp32c3", Security(), 4, 40, mac, 4 * MEGABYTE, 921600, has_stub=True)
    assert mac
    assert len(mac.split(":")) == 6
    assert {type(event) for event in reported} == {EsptoolOutput}
    assert all(event.text.endswith("\n") for event in reported)
    assert module.writes == module.erases == []


def test_a_device_without_the_stub(simulated_module, session):
    module = simulated_module("esp32", 2 * MEGABYTE, noise(2 * MEGABYTE), crystal_mhz=26)
    with session("esp32", module.port, stub=False) as begun:
        device = begun.probe()
        assert begun.digest([(0, 4096)]) == [md5_of(module.flash[:4096])]
        begun.write([Image("a", 0x8000, b"a" * 5000)])
    assert (device.has_stub, device.flash_size, device.crystal_mhz) == (False, 2 * MEGABYTE, 26)
    assert module.flash[0x8000:].startswith(b"a" * 5000)


def test_the_rom_of_an_esp8266_keeps_its_speed(simulated_module, session):
    module = simulated_module("esp8266", MEGABYTE)
    with session("esp8266", module.port, stub=False, baud=460800) as begun:
        device = begun.probe()
    assert (device.baud, device.revision, device.has_stub) == (115200, None, False)


@pytest.mark.parametrize(
    ("chip", "burned", "security"),
    [
        ("esp32", Burned("v1"), Security(secure_boot=True)),
        ("esp32c3", Burned("v2", "development"), Security(secure_boot=True, encryption="development")),
        ("esp32c6", Burned(None, "release"), Security(encryption="release")),
        ("esp32c6", Burned(secure_download=True), Security(secure_download=True)),
    ],
)
def test_nothing_of_ours_is_started_on_a_protected_chip(simulated_module, session, chip, burned, security):
    module = simulated_module(chip, security=burned)
    with session(chip, module.port) as begun:
        device = begun.probe()
    assert (device.chip, device.security, device.flash_size, device.has_stub) == (chip, security, None, False)
    assert device.security.is_on
    assert (device.mac is None) == burned.secure_download


def test_nothing_of_ours_is_started_on_another_chip(simulated_module, session):
    module = simulated_module("esp32c3")
    with session("esp32", module.port) as begun:
        device = begun.probe()
    assert (device.chip, device.flash_size, device.has_stub) == ("esp32c3", None, False)


# --- reading and writing ---


def test_digests_and_reading(simulated_module, session, reported):
    flash = noise(2 * MEGABYTE)
    module = simulated_module("esp32c3", 2 * MEGABYTE, flash)
    with session("esp32c3", module.port) as begun:
        begun.probe()
        ranges = [(0, 4096), (0x1000, 3), (0, 2 * MEGABYTE)]
        assert begun.digest(ranges) == [md5_of(flash[at : at + size]) for at, size in ranges]
        assert begun.digest([]) == []
        assert begun.read("nvs", 0x12345, 70000) == flash[0x12345 : 0x12345 + 70000]
    progress = [event for event in reported if isinstance(event, Progressed)]
    assert progress[-1] == Progressed("nvs", 70000, 70000)
    assert module.writes == module.erases == []


def test_parts_are_written_and_noted_when_they_are_confirmed(simulated_module, session, reported):
    before = noise(MEGABYTE, seed=2)
    module = simulated_module("esp32c3", MEGABYTE, before)
    parts = [
        Image("noise", 0x8000, noise(9000)),
        Image("text", 0x20000, b"compresses well " * 4096),
        Image("more noise", 0x60000, noise(100, seed=3)),
        Image("byte", 0x70000, b"a" * 77),
    ]
    noted = []
    with session("esp32c3", module.port) as begun:
        begun.probe()
        begun.write(parts, lambda index, part: noted.append((index, part, module.flash)))
        after = module.flash
    assert [(index, part) for index, part, _ in noted] == [(index, parts[index]) for index in (1, 3, 0, 2)]
    for _, part, flash in noted:
        assert flash[part.offset :].startswith(part.data)
    expected = bytearray(before)
    for part in parts:
        end = part.offset + -(-len(part.data) // 4096) * 4096
        expected[part.offset : end] = part.data.ljust(end - part.offset, b"\xff")
    assert after == expected
    named = list(dict.fromkeys(event.name for event in reported if isinstance(event, Progressed)))
    assert named == ["text", "byte", "noise", "more noise"]


def test_small_parts_are_told_apart(simulated_module, session, reported):
    module = simulated_module("esp32", MEGABYTE)
    parts = [
        Image(name, offset, bytes(range(offset >> 9))) for name, offset in (("a", 0x8000), ("b", 0xA000), ("c", 0xC000))
    ]
    with session("esp32", module.port) as begun:
        begun.probe()
        begun.write(parts, lambda _, part: reported.append(part))
    order = [event.name for event in reported if isinstance(event, Image | Progressed)]
    assert order == ["a", "a", "b", "b", "c", "c"]


def test_erasing_and_leaving_the_bootloader(simulated_module, session):
    module = simulated_module("esp32", MEGABYTE, noise(MEGABYTE))
    with session("esp32", module.port) as begun:
        begun.probe()
        begun.erase()
        assert begun.reset() is None  # a pseudo-terminal has no reset lines
    assert set(module.flash) == {0xFF}


def test_the_port_is_free_after_a_reset(simulated_module, session):
    module = simulated_module("esp32", MEGABYTE)
    with session("esp32", module.port) as first, session("esp32", module.port) as second:
        first.probe()
        with pytest.raises(FlashError) as caught:
            second.probe()
        assert caught.value.code == "port-busy"
        first.reset()
        assert second.probe().chip == "esp32"


def test_restarting_without_the_bootloader(simulated_module, session):
    module = simulated_module("esp32", MEGABYTE)
    with session("esp32", module.port) as begun:
        assert begun.boot() is None
    assert module.received == 0


# --- failures ---


def test_a_port_that_is_not_there(session):
    with session("esp32") as begun, pytest.raises(FlashError) as caught:
        begun.probe()
    assert (caught.value.code, caught.value.message) == ("port-absent", f"there is no port {NOWHERE}")


def test_nobody_answers(session, silent_port):
    with session("esp32", silent_port, attempts=1) as begun, pytest.raises(FlashError) as caught:
        begun.probe()
    assert caught.value.code == "module-not-responding"


def test_a_link_that_fails_at_a_speed_goes_on_at_a_slower_one(simulated_module, session, reported):
    module = simulated_module("esp32", MEGABYTE, faults=[SpeedLimit(460800)])
    with session("esp32", module.port, baud=2_000_000) as begun:
        assert begun.probe().baud == 460800
        begun.write([Image("a", 0, b"a")])
    notices = [event.notice for event in reported if isinstance(event, Noticed)]
    assert [(notice.code, notice.facts["baud"]) for notice in notices] == [
        ("upload-speed-reduced", 921600),
        ("upload-speed-reduced", 460800),
    ]
    assert notices[0].message == "the link fails at 2000000 baud: going on at 921600"
    assert module.flash.startswith(b"a")


@pytest.mark.parametrize("baud", [115200, 9600])
def test_below_the_slowest_speed_there_is_none(session, baud):
    error = FlashError("chip-failed", "it fails", hint="")
    with pytest.raises(FlashError) as caught:
        session("esp32", baud=baud).fall_back(error)
    assert caught.value is error


def test_a_module_that_is_unplugged(simulated_module, session):
    module = simulated_module("esp32c3", MEGABYTE)
    with session("esp32c3", module.port) as begun:
        begun.probe()
        module.add_fault(Unplugged(after=20000))
        noted = []
        with pytest.raises(FlashError) as caught:
            begun.write([Image("a", 0, b"a" * 100), Image("b", 0x8000, noise(90000))], lambda *part: noted.append(part))
    assert caught.value.code == "port-lost"
    assert [index for index, _ in noted] == [0]


@pytest.mark.parametrize(
    "fault", [StuckBits(0x8123, ones=0xFF), RefusedErase(0x8000)], ids=lambda fault: type(fault).__name__
)
def test_a_flash_that_is_broken(simulated_module, session, fault):
    module = simulated_module("esp32c3", MEGABYTE, faults=[fault])
    with session("esp32c3", module.port) as begun:
        begun.probe()
        noted = []
        with pytest.raises(FlashError) as caught:
            begun.write([Image("a", 0x8000, b"a" * 4096)], lambda *part: noted.append(part))
    assert caught.value.code == "flash-bad"
    assert noted == []


# --- the worker ---


def _process(session: Session) -> subprocess.Popen[bytes]:
    assert session._process is not None
    return session._process


def test_the_worker_ends_with_the_session_whatever_it_does(silent_port, tmp_path):
    """It would try to connect for ever."""

    def stop(_event) -> None:
        raise ZeroDivisionError

    begun = Session(Connection("esp32", silent_port, attempts=0), stop, folder=tmp_path)
    with pytest.raises(ZeroDivisionError), begun:
        begun.probe()
    assert _process(begun).returncode == 0


def test_ctrl_c_reaches_the_worker_by_the_end_of_its_input_alone(session):
    with session("esp32") as begun:
        with pytest.raises(FlashError):
            begun.probe()  # it has begun
        _process(begun).send_signal(signal.SIGINT)
        with pytest.raises(FlashError) as caught:
            begun.probe()
        assert caught.value.code == "port-absent"
    assert _process(begun).returncode == 0


def test_a_worker_that_is_killed(session):
    with session("esp32") as begun:
        _process(begun).kill()
        with pytest.raises(FlashError) as caught:
            begun.probe()
    assert caught.value.code == "esptool-failed"
    assert "by signal 9" in caught.value.message or os.name == "nt"


@pytest.mark.skipif(os.name == "nt", reason="need the signals of POSIX")
def test_a_worker_that_was_stopped_is_killed(session, monkeypatch):
    monkeypatch.setattr("platformio_esp_at.device.session._ENDS_WITHIN", 0.1)
    with session("esp32") as begun:
        _process(begun).send_signal(signal.SIGSTOP)
    assert _process(begun).returncode == -signal.SIGKILL


def test_too_old_an_esptool_is_not_driven(session, monkeypatch):
    monkeypatch.setattr("platformio_esp_at.device.installed.version", lambda _name: "5.2")
    begun = session("esp32")
    with pytest.raises(FlashError) as caught, begun:
        pass
    assert caught.value.code == "esptool-too-old"
    assert begun._process is None


@contextmanager
def _in_folder(folder: Path):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.mark.parametrize("entries", [[], ["", "."], ["images"]], ids=["none", "current", "relative"])
def test_no_module_of_the_project_is_run(tmp_path, session, monkeypatch, entries):
    """Neither where this process runs nor where the worker runs."""
    project = tmp_path / "project"
    for folder in (project, project / "images", tmp_path):
        folder.mkdir(exist_ok=True)
        for name in ("esptool.py", "serial.py", "runpy.py", "os.py", "platformio_esp_at.py"):
            (folder / name).write_text("raise SystemExit('the wrong one')")
    for file in (project / "images").iterdir():  # what a relative entry names
        file.unlink()
    monkeypatch.setattr(sys, "path", [*entries, str(project), *sys.path])
    with _in_folder(project), session("esp32") as begun, pytest.raises(FlashError) as caught:
        begun.probe()
    assert caught.value.code == "port-absent"


@pytest.fixture
def own_esptool(tmp_path, monkeypatch):
    """Put an esptool that runs this program into a folder of which only this process's ``sys.path`` knows."""

    def install(program: str) -> Path:
        packages = tmp_path / "a folder für packages"
        (packages / "esptool").mkdir(parents=True)
        (packages / "esptool/__init__.py").write_text(program, encoding="utf-8")
        (packages / "esptool-99.0.dist-info").mkdir()
        (packages / "esptool-99.0.dist-info/METADATA").write_text("Name: esptool\nVersion: 99.0\n")
        monkeypatch.syspath_prepend(str(packages))
        return packages

    return install


def test_the_worker_has_the_packages_of_this_process(own_esptool, session):
    """What esptool prints by itself is no answer of the worker's."""
    packages = own_esptool("import sys; print('noise'); raise ValueError(sys.path)")
    with session("esp32") as begun, pytest.raises(FlashError) as caught:
        begun.probe()
    assert caught.value.code == "esptool-failed"
    path = caught.value.output.removeprefix("ValueError: ")
    assert path.startswith(repr([str(packages)])[:-1])
    for folder in map(os.path.abspath, sys.path):
        assert repr(folder) in path


def test_an_esptool_that_lacks_a_package(own_esptool, session):
    own_esptool("import no_such_package")
    with session("esp32") as begun, pytest.raises(FlashError) as caught:
        begun.probe()
    assert caught.value.code == "esptool-failed"
    assert caught.value.message == ("esptool can't be loaded: ModuleNotFoundError: No module named 'no_such_package'")


def test_the_worker_loads_nothing_of_a_python_that_this_process_doesnt_see(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "host"], check=True)
    python = tmp_path / "host" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (site,) = (tmp_path / "host").rglob("site-packages")
    (site / "hosts.pth").write_text("import sys; sys.modules['serial'] = None\n")
    script = f"import sys; sys.path[:] = {list(map(os.path.abspath, sys.path))}\n"
    script += f"""
from pathlib import Path
from platformio_esp_at.device.session import Connection, Session
from platformio_esp_at.errors import FlashError
with Session(Connection("esp32", {NOWHERE!r}), print, folder=Path()) as session:
    try:
        session.probe()
    except FlashError as error:
        print(error.code)
"""
    done = subprocess.run([python, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("port-absent\n"), done.stdout + done.stderr
