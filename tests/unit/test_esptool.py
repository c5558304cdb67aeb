"""From a plan to esptool: its arguments, what it prints as events, and what its failures become."""

from __future__ import annotations

import errno
import importlib.metadata
import io
import itertools
import json
import os
import subprocess
import sys

import pytest

from platformio_esp_at.device.esptool import (
    END_OF_FLASH,
    Connection,
    Device,
    _failure,
    _reported,
    check_baud,
    check_esptool,
    check_port,
    differing_offsets,
    erase_command,
    probe_command,
    process_arguments,
    run_esptool,
    verify_command,
    write_command,
)
from platformio_esp_at.errors import EspAtError, FlashError
from platformio_esp_at.events import EsptoolOutput
from platformio_esp_at.outputs.terminal import show

IMAGES = [(0x8000, "partition_table/partition-table.bin"), (0x1000, "bootloader/bootloader.bin")]
NOWHERE = "/dev/no-such-port" if sys.platform != "win32" else "COM255"
OWN_ENVIRONMENT = (
    "install platformio-esp-at in an environment of its own, which brings esptool: pipx install platformio-esp-at, "
    "or with pip in a new venv"
)
PORT_HINT = "write the module's port, port: PORT; close other programs that have it open"


class Printed:
    """Collects what esptool prints."""

    def __init__(self) -> None:
        self.events = []

    def __call__(self, event) -> None:
        assert type(event) is EsptoolOutput
        self.events.append(event)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events)


@pytest.fixture
def printed() -> Printed:
    return Printed()


# --- argument lists ---


def test_write():
    assert write_command("esp32c3", IMAGES, Connection("COM3", 115200), flash_size=4 << 20) == [
        *("--chip", "esp32c3", "--port", "COM3", "--baud", "115200", "write-flash"),
        *("--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep"),
        *("0x8000", "partition_table/partition-table.bin", "0x1000", "bootloader/bootloader.bin"),
        *("0x400000", END_OF_FLASH),
    ]


def test_asking_which_chip_is_there_leaves_it_in_its_bootloader():
    assert probe_command("esp32", Connection("COM3", 921600)) == [
        *("--chip", "esp32", "--port", "COM3", "--after", "no-reset", "--no-stub", "read-mac"),
    ]
    assert probe_command("esp32", Connection()) == ["--chip", "esp32", "--after", "no-reset", "--no-stub", "read-mac"]


def test_erase():
    assert erase_command("esp32", Connection("COM3", 921600)) == [
        *("--chip", "esp32", "--port", "COM3", "--baud", "921600", "erase-flash"),
    ]


def test_write_with_an_empty_file_of_the_run():
    command = write_command("esp32", [(0, "a.bin")], Connection(), flash_size=2 << 20)
    assert command[-4:] == ["0x0", "a.bin", "0x200000", "end-of-flash"]


def test_verify():
    assert verify_command("esp8266", [(0, "a.bin")], Connection()) == [
        *("--chip", "esp8266", "verify-flash"),
        *("--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep"),
        *("0x0", "a.bin"),
    ]


@pytest.mark.parametrize(
    ("connection", "arguments"),
    [
        pytest.param(Connection(), [], id="left-to-esptool"),
        pytest.param(Connection(port="COM3"), ["--port", "COM3"], id="port"),
        pytest.param(Connection(baud=9600), ["--baud", "9600"], id="speed"),
    ],
)
def test_connection(connection, arguments):
    command = write_command("esp32", IMAGES, connection, flash_size=4 << 20)
    assert command[: 3 + len(arguments)] == ["--chip", "esp32", *arguments, "write-flash"]


def test_the_installed_esptool_takes_these_arguments(tmp_path, printed):
    """It gets as far as the port: with an argument that it doesn't know, it wouldn't."""
    (tmp_path / "a.bin").write_bytes(b"x" * 16)
    (tmp_path / END_OF_FLASH).touch()
    images, connection = [(0, "a.bin")], Connection(NOWHERE, 115200)
    for arguments in (
        write_command("esp32", images, connection, flash_size=1 << 20),
        verify_command("esp32", images, connection),
        erase_command("esp32", connection),
        probe_command("esp32", connection),
    ):
        with pytest.raises(FlashError) as caught:
            run_esptool(arguments, folder=tmp_path, report=printed)
        assert "no such option" not in caught.value.output.lower()
        assert "deprecated" not in caught.value.output.lower()
        assert caught.value.hint == PORT_HINT
    assert "esptool" in printed.text


# --- one run of the real esptool ---


def test_port_that_does_not_exist(tmp_path, printed):
    (tmp_path / "a.bin").write_bytes(b"x" * 16)
    (tmp_path / END_OF_FLASH).touch()
    command = write_command("esp32", [(0, "a.bin")], Connection(NOWHERE), flash_size=1 << 20)
    with pytest.raises(FlashError) as caught:
        run_esptool(command, folder=tmp_path, report=printed)
    error = caught.value
    assert error.code == "port-unavailable"
    assert error.message.startswith("esptool failed: Could not open ")
    assert NOWHERE in error.message
    assert error.hint == PORT_HINT
    assert printed.text == error.output
    assert printed.text.startswith("esptool")


def test_success_reports_nothing_more(tmp_path, printed):
    assert run_esptool(["version"], folder=tmp_path, report=printed) == Device()
    assert importlib.metadata.version("esptool") in printed.text


@pytest.mark.parametrize("entries", [[], ["", "."], ["images"]], ids=["none", "current", "relative"])
def test_no_esptool_py_of_the_project_or_of_the_images_is_run(tmp_path, monkeypatch, printed, entries):
    project = tmp_path / "project"
    for folder in (project, project / "images", tmp_path / "run"):
        folder.mkdir()
        for name in ("esptool.py", "runpy.py", "os.py"):
            (folder / name).write_text("raise SystemExit('the wrong one')")
    (project / "images/esptool.py").unlink()  # what a relative entry names
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [*entries, str(project), *sys.path])
    run_esptool(["version"], folder=tmp_path / "run", report=printed)
    assert importlib.metadata.version("esptool") in printed.text


@pytest.fixture
def own_esptool(tmp_path, monkeypatch):
    """Put an esptool that runs this program into a folder of which only this process's ``sys.path`` knows."""

    def install(program):
        packages = tmp_path / "a folder für packages"
        (packages / "esptool").mkdir(parents=True)
        (packages / "esptool/__init__.py").touch()
        (packages / "esptool/__main__.py").write_text(program)
        (packages / "esptool-99.0.dist-info").mkdir()
        (packages / "esptool-99.0.dist-info/METADATA").write_text("Name: esptool\nVersion: 99.0\n")
        monkeypatch.syspath_prepend(str(packages))
        return packages

    return install


def test_esptool_has_the_packages_of_this_process(own_esptool, tmp_path, printed):
    packages = own_esptool("import json, sys; print(json.dumps([__name__, sys.argv, sys.path]))")
    run_esptool(["--port", "a b", "-x"], folder=tmp_path, report=printed)
    name, arguments, path = json.loads(printed.text)
    assert name == "__main__"
    assert arguments == [str(packages / "esptool/__main__.py"), "--port", "a b", "-x"]
    assert path[0] == str(packages)
    assert set(path) == set(map(os.path.abspath, sys.path))


def test_esptool_loads_nothing_of_a_python_that_this_process_doesnt_see(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "host"], check=True)
    python = tmp_path / "host" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (site,) = (tmp_path / "host").rglob("site-packages")
    (site / "hosts.pth").write_text("import sys; sys.modules['click'] = None\n")
    script = f"import subprocess, sys; sys.path[:] = {list(map(os.path.abspath, sys.path))}\n"
    script += "from platformio_esp_at.device.esptool import process_arguments\n"
    script += "sys.exit(subprocess.call(process_arguments(['version'])))"
    done = subprocess.run([python, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)
    assert importlib.metadata.version("esptool") in done.stdout, done.stderr


def test_ctrl_c_before_esptool_can_report_it(own_esptool, tmp_path, printed):
    own_esptool("print('Connecting', flush=True)\nraise KeyboardInterrupt")
    with pytest.raises(FlashError) as caught:
        run_esptool(["version"], folder=tmp_path, report=printed)
    assert (caught.value.code, caught.value.message) == ("interrupted", "esptool failed: KeyboardInterrupt")


def test_an_esptool_that_lacks_a_package(own_esptool, tmp_path, printed):
    own_esptool("import no_such_package")
    with pytest.raises(FlashError) as caught:
        run_esptool(["version"], folder=tmp_path, report=printed)
    assert caught.value.code == "esptool-failed"
    assert caught.value.message == "esptool failed: ModuleNotFoundError: No module named 'no_such_package'"


def test_a_terminal_that_isnt_utf8(tmp_path, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(FlashError) as caught:
        run_esptool(["--port", "/dev/p\u00f6rt", "--chip", "esp32", "run"], folder=tmp_path, report=show)
    assert "/dev/p\u00f6rt" in caught.value.output
    assert b"/dev/p?rt" in terminal.buffer.getvalue()


OUTPUT = """\
Hash of data verified.

Writing 'end-of-flash' at 0x00400000...
WARNING: 'end-of-flash' is empty.
Warning: 'end-of-flash' is empty.

Writing 'end.bin' at 0x00300000...
WARNING: something else
Hard resetting via RTS pin..."""


@pytest.mark.parametrize("size", [1, 2, 7, 4096])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_about_the_end_of_the_flash_are_kept_and_not_reported(printed, size, end):
    class Pieces(io.BytesIO):
        def read1(self, _size: int) -> bytes:
            return self.read(size)

    text = OUTPUT.replace("\n", end)
    assert _reported(Pieces(text.encode()), printed) == text
    lines = text.split("\n")
    shown = [line for line in lines if "end-of-flash" not in line]
    assert printed.text == "\n".join(shown)
    assert len(lines) - len(shown) == 3


def test_the_start_of_a_line_is_reported_at_once(printed):
    class Slow(io.BytesIO):
        pieces = iter([b"Hello\nWri", b"ting at 0x1", b"0...\nConnecting.", b"..", b"\nWriting 'end"])

        def read1(self, _size: int) -> bytes:
            before.append(printed.text)
            return next(self.pieces, b"")

    before: list[str] = []
    _reported(Slow(), printed)
    reported = [after.removeprefix(text) for text, after in itertools.pairwise([*before, printed.text])]
    assert reported == ["Hello\n", "Writing at 0x1", "0...\nConnecting.", "..", "\n", "Writing 'end"]


@pytest.mark.parametrize("text", [b"", b"Hello\n", b"Hello", b"Wri", b"Writing 'end-of-flash' at 0x0\n"], ids=repr)
def test_no_event_is_empty(printed, text):
    _reported(io.BytesIO(text), printed)
    assert all(event.text for event in printed.events)


def test_output_that_is_not_utf8_is_reported(printed):
    assert _reported(io.BytesIO(b"a\xffb\n"), printed) == printed.text == "a\ufffdb\n"


def test_a_character_in_two_pieces_is_whole(printed):
    class Pieces(io.BytesIO):
        def read1(self, _size: int) -> bytes:
            return self.read(1)

    assert _reported(Pieces("fürm…\n".encode()), printed) == printed.text == "fürm…\n"


class _FullDisk(io.TextIOWrapper):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def _closed() -> io.TextIOWrapper:
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    return stream


@pytest.mark.parametrize("stdout", [_FullDisk(io.BytesIO()), _closed(), None], ids=["full", "closed", "none"])
def test_esptool_goes_on_where_nothing_can_be_shown(tmp_path, monkeypatch, stdout):
    monkeypatch.setattr(sys, "stdout", stdout)
    run_esptool(["version"], folder=tmp_path, report=show)
    with pytest.raises(FlashError, match="Could not open") as caught:
        run_esptool(["--port", NOWHERE, "--chip", "esp32", "run"], folder=tmp_path, report=show)
    assert NOWHERE in caught.value.output


def test_a_defect_of_a_front_end_ends_esptool(tmp_path):
    def report(_event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_esptool(["version"], folder=tmp_path, report=report)


# --- failures ---


@pytest.mark.parametrize(
    ("output", "code", "message", "hint"),
    [
        pytest.param(
            "Connecting......\n\nA fatal error occurred: Failed to connect to ESP32: No serial data received.\n"
            "For troubleshooting steps visit: https://example.com",
            "module-not-responding",
            "Failed to connect to ESP32: No serial data received.",
            "hold BOOT, tap RESET (or EN), and try again; or write another port, port: PORT",
            id="no-answer",
        ),
        pytest.param(
            "A fatal error occurred: This chip is ESP32-C3, not ESP32. Wrong chip argument?\n",
            "device-other-chip",
            "This chip is ESP32-C3, not ESP32. Wrong chip argument?",
            "write the port of the right module, port: PORT; or take the firmware package of this chip",
            id="another-chip",
        ),
        pytest.param(
            "A fatal error occurred: File esp-at.bin (length 4) at offset 0 will not fit in 2097152 bytes of flash.",
            "device-flash-too-small",
            "File esp-at.bin (length 4) at offset 0 will not fit in 2097152 bytes of flash.",
            "take the firmware package for a module with that flash; esp-at modules lists them",
            id="flash-too-small",
        ),
        pytest.param(
            "ERROR: A fatal error occurred: Timed out waiting for packet header",
            "module-not-responding",
            "Timed out waiting for packet header",
            "hold BOOT, tap RESET (or EN), and try again; or write another port, port: PORT",
            id="silence",
        ),
        pytest.param(
            "Writing at 0x00001000...\n\nKeyboardInterrupt: Run cancelled by user.\n",
            "interrupted",
            "KeyboardInterrupt: Run cancelled by user.",
            "run it again: a module that was being written is half written until then",
            id="ctrl-c",
        ),
        pytest.param(
            "something else\n\n",
            "esptool-failed",
            "something else",
            "see its lines above; with a slower speed it may go: baud: 115200",
            id="no-error",
        ),
        pytest.param(
            "",
            "esptool-failed",
            "it printed nothing",
            "see its lines above; with a slower speed it may go: baud: 115200",
            id="nothing",
        ),
    ],
)
def test_what_failures_become(output, code, message, hint):
    error = _failure(output)
    assert (error.code, error.message, error.hint) == (code, f"esptool failed: {message}", hint)
    assert error.output == output


def _run(monkeypatch, tmp_path, output: str, code: int) -> Device:
    """Run what prints ``output`` in esptool's place."""
    script = f"import sys; sys.stdout.write({output!r}); raise SystemExit({code})"
    popen = subprocess.Popen

    def start(command: list[str], **options: object) -> subprocess.Popen:
        assert command == process_arguments(["run"])
        return popen([sys.executable, "-c", script], **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    return run_esptool(["run"], folder=tmp_path, report=Printed())


def test_a_device_with_less_flash(tmp_path, monkeypatch):
    output = (
        "A fatal error occurred: File end-of-flash (length 0) at offset 4 will not fit in 2097152 bytes of flash.\n"
    )
    with pytest.raises(FlashError) as caught:
        _run(monkeypatch, tmp_path, output, 2)
    assert caught.value.code == "device-flash-too-small"
    assert str(caught.value) == (
        "the device has 2MB of flash, less than the firmware is laid out for\n"
        "  take the firmware package for a module with that flash; see esp-at modules"
    )


def test_a_chip_of_another_revision(tmp_path, monkeypatch):
    output = (
        "A fatal error occurred: bootloader.bin requires chip revision in range [v3.0 - v3.99] "
        "(this chip is revision v1.0). Use --force to flash anyway.\n"
    )
    with pytest.raises(FlashError) as caught:
        _run(monkeypatch, tmp_path, output, 2)
    assert caught.value.code == "chip-revision"
    assert caught.value.message == "the device's chip is revision v1.0, the firmware is for v3.0 to v3.99"


@pytest.mark.parametrize(
    ("output", "device"),
    [
        ("Chip type:          ESP32-D0WD-V3 (revision v3.1)\nCrystal frequency:  40MHz\n", Device(301, 40)),
        ("Chip type:          ESP32-C3 (QFN32) (revision v0.4)\nCrystal frequency:  26MHz\n", Device(4, 26)),
        ("done\n", Device()),
    ],
)
def test_what_is_known_of_the_device(tmp_path, monkeypatch, output, device):
    assert _run(monkeypatch, tmp_path, output, 0) == device


def test_no_esptool(monkeypatch):
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("platformio_esp_at.device.esptool.version", version)
    with pytest.raises(FlashError) as caught:
        check_esptool()
    assert caught.value.code == "esptool-missing"
    assert caught.value.message == "esptool is not installed in this Python, 5.2 or newer is needed"
    assert caught.value.hint == OWN_ENVIRONMENT


@pytest.mark.parametrize("found", ["4.12.0", "5.1.0", "5.1", "5.0.2", "unknown", "", None, "5", "\u0665.2", "9" * 5000])
def test_an_esptool_that_is_too_old(tmp_path, monkeypatch, printed, found):
    """Also one without a version: broken metadata gives None. It is not run."""
    monkeypatch.setattr("platformio_esp_at.device.esptool.version", lambda _name: found)
    with pytest.raises(FlashError) as caught:
        run_esptool(["version"], folder=tmp_path, report=printed)
    assert caught.value.code == "esptool-too-old"
    assert caught.value.message == f"the version of esptool in this Python is {found}, 5.2 or newer is needed"
    assert caught.value.hint == OWN_ENVIRONMENT
    assert printed.text == ""


@pytest.mark.parametrize("found", ["5.2", "5.2.0", "5.2.dev1", "5.10.0", "10.0"])
def test_an_esptool_that_is_new_enough(monkeypatch, found):
    monkeypatch.setattr("platformio_esp_at.device.esptool.version", lambda _name: found)
    check_esptool()


def test_esptool_without_metadata(tmp_path, monkeypatch):
    """What `importlib.metadata` finds first counts, damaged or not."""
    (tmp_path / "esptool-5.0.dist-info").mkdir()
    (tmp_path / "esptool-5.0.dist-info/METADATA").write_text("Name: esptool\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(FlashError) as caught:
        check_esptool()
    assert caught.value.code == "esptool-too-old"


VERIFIED = """\
Verifying 0x1000 (4096) bytes at 0x00001000 in flash against 'bootloader/bootloader.bin'...
Verification failed (digest mismatch).
Verifying 0xc00 (3072) bytes at 0x00008000 in flash against 'partition_table/partition-table.bin'...
Verification successful (digest matched).
"""


@pytest.mark.parametrize(("output", "offsets"), [(VERIFIED, (0x1000,)), ("", ())], ids=["one", "nothing"])
def test_differing_offsets(output, offsets):
    assert differing_offsets(output) == offsets


@pytest.mark.parametrize("port", [None, "COM3", "/dev/ttyUSB0", "socket://127.0.0.1:5555", "rfc2217://host:1"])
def test_ports(port):
    check_port(port)


@pytest.mark.parametrize("port", ["", "-", "--before", "-x"])
def test_not_a_port(port):
    with pytest.raises(EspAtError) as caught:
        check_port(port)
    assert (caught.value.code, caught.value.message) == ("not-a-port", f"{port!r} is not a serial port")
    assert caught.value.hint == "write a port's name, such as port: /dev/ttyUSB0; pio device list shows them"


@pytest.mark.parametrize("baud", [None, 1, 9600, 460800, 5_000_000])
def test_speeds(baud):
    check_baud(baud)


@pytest.mark.parametrize("baud", [5_000_001, 99999999999, 0, -9600])
def test_not_a_speed(baud):
    with pytest.raises(EspAtError) as caught:
        check_baud(baud)
    assert caught.value.code == "upload-speed-invalid"
    assert caught.value.message == f"baud is {baud}, the UART of a module takes up to 5000000"
    assert caught.value.hint == "write baud: 460800, which is usual; 115200 is the safest"
