"""Shared by the end-to-end tests: simulated modules, and a PlatformIO that downloads nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from platformio_esp_at.demo.pio_home import make_pio_home, run_pio
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.simulated_module import SimulatedModule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    Pio: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
    """Runs ``pio`` with these words in a project's folder; it must end with the exit code ``code``.

    What names ESP_AT_… in this process's environment is passed on.
    """


ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

COMPILING_PLATFORM = {
    "platform.json": """\
        {
          "name": "compiling", "title": "Compiles", "version": "1.0.0", "packages": {},
          "frameworks": {"arduino": {"script": "builder/arduino.py"}}
        }
    """,
    "platform.py": """\
        from platformio.public import PlatformBase

        class CompilingPlatform(PlatformBase):
            pass
    """,
    "builder/main.py": """\
        import os
        import sys

        from SCons.Script import COMMAND_LINE_TARGETS, Default, DefaultEnvironment

        env = DefaultEnvironment()

        if "espidf" in env.get("PIOFRAMEWORK"):  # espressif32 asks it this way, framework or not
            env.SConscript("_embed_files.py", exports="env")

        def compile_program(target, source, env):
            with open(str(target[0]), "w") as program:
                program.write("the user's program")

        if "nobuild" in COMMAND_LINE_TARGETS:
            program = "$BUILD_DIR/program.bin"
        else:
            print("Looking for the program's sources and libraries")
            if not os.path.isfile(env.subst("$PROJECT_SRC_DIR/main.cpp")):
                sys.stderr.write("Error: Nothing to build\\n")
                env.Exit(1)
            compiling = env.VerboseAction(compile_program, "Compiling the program")
            program = env.Command("$BUILD_DIR/program.bin", "$PROJECT_SRC_DIR/main.cpp", compiling)
            env.AddPlatformTarget("upload", program, env.VerboseAction("true", "Uploading the program"), "Upload")
            Default(program)
    """,
    "boards/esp32dev.json": """\
        {
          "name": "Espressif ESP32 Dev Module", "vendor": "Espressif", "url": "", "frameworks": ["arduino"],
          "build": {"mcu": "esp32"}, "upload": {"flash_size": "4MB", "speed": 460800}
        }
    """,
    "boards/host_mcu.json": """\
        {
          "name": "A host MCU", "vendor": "nobody", "url": "", "frameworks": ["arduino"],
          "build": {"mcu": "stm32f411ret6"}, "upload": {"maximum_size": 524288}
        }
    """,
}
"""A dev-platform whose builder does for one program what that of espressif32 does, unless it is told ``nobuild``."""


@pytest.fixture
def simulated_module() -> Iterator[Callable[..., SimulatedModule]]:
    """Start a `SimulatedModule` with these arguments; it stops after the test."""
    with ExitStack() as running:
        yield lambda *args, **options: running.enter_context(SimulatedModule(*args, **options))


@pytest.fixture(scope="session")
def pio_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment for `run_pio`: a PlatformIO home of this process's own, for one test at a time.

    Two runs that make their first folders in one home at the same moment may fail: PlatformIO doesn't expect it. A test
    that brings a dev-platform adds its own ``PLATFORMIO_PLATFORMS_DIR``, since links to two platforms of one name would
    overwrite each other.
    """
    return make_pio_home(tmp_path_factory.mktemp("pio-home"))


@pytest.fixture(scope="session")
def sample_zip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return the sample firmware package of a chip as a zip, made once: a copy is the test's to spoil."""
    folder = tmp_path_factory.mktemp("samples")

    def sample(chip: str = "esp32", module: str | None = None) -> Path:
        file = folder / f"{chip}-{module or 'default'}.zip"
        if not file.exists():
            write_sample_package(file, chip, module=module)
        return file

    return sample


@pytest.fixture(scope="session")
def at_pio(pio_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Pio:
    """Run ``pio`` with the flash-only platform, installed as its users do it."""
    env = pio_env | {"PLATFORMIO_PLATFORMS_DIR": str(tmp_path_factory.mktemp("platforms"))}
    command = [sys.executable, "-m", "platformio_esp_at", "pio-platform"]
    spec = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    run = _pio_with(env)
    run(["pkg", "install", "-g", "-p", spec], tmp_path_factory.getbasetemp())
    return run


@pytest.fixture(scope="session")
def compiling_pio(pio_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Pio:
    """Run ``pio`` with `COMPILING_PLATFORM`, under the name ``compiling``."""
    platforms = tmp_path_factory.mktemp("compiling-platforms")
    _write_files(platforms / "compiling", COMPILING_PLATFORM)
    return _pio_with(pio_env | {"PLATFORMIO_PLATFORMS_DIR": str(platforms)})


def _pio_with(env: dict[str, str]) -> Pio:
    def run(words: str | list[str], folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        ours = {name: value for name, value in os.environ.items() if name.startswith("ESP_AT_")}
        args = words.split() if isinstance(words, str) else words
        return _checked(run_pio(args, project=folder, env=env | ours), code)

    return run


def _checked(done: subprocess.CompletedProcess[str], code: int) -> subprocess.CompletedProcess[str]:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.fixture
def esp_at(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``esp-at`` with these arguments in the folder ``cwd``, and return what it printed."""

    script = shutil.which("esp-at", path=str(Path(sys.executable).parent))
    assert script, "esp-at isn't installed beside this Python: pip install -e ."

    def run(*args: object, cwd: Path = tmp_path, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [script, *map(str, args)]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
        return _checked(done, code)

    return run


@pytest.fixture(scope="session")
def packed_component(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ESP-IDF component as it is released, with the package in it: to be read, or copied."""
    folder = tmp_path_factory.mktemp("released")
    subprocess.run([sys.executable, ROOT / "tools" / "pack.py", folder], stdout=subprocess.DEVNULL, check=True)
    return folder / "esp_at_flash"


@pytest.fixture(scope="session")
def shim() -> Path:
    """Return the extra script that a project commits: the one of our templates."""
    return EXAMPLES / "arduino-esp32" / "esp_at.py"


@pytest.fixture
def project(tmp_path: Path, sample_zip: Callable[..., Path]) -> Callable[..., Path]:
    """Write a project: platformio.ini, esp_at.yml, files named for their paths, a chip's sample as firmware.zip."""

    def write(ini: str = "", yml: str = "", chip: str = "esp32", **files: str | bytes | Path) -> Path:
        folder = tmp_path / "a project für AT"  # spaces and umlauts are no trouble
        named = {name: text for name, text in {"platformio.ini": ini, "esp_at.yml": yml}.items() if text}
        _write_files(folder, named | {"firmware.zip": sample_zip(chip)} | files)
        return folder

    return write


def _write_files(folder: Path, files: Mapping[str, str | bytes | Path]) -> None:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        data = content.read_bytes() if isinstance(content, Path) else content
        file.write_bytes(data if isinstance(data, bytes) else textwrap.dedent(data).encode())


class UsedModule(SimulatedModule):
    """A simulated module whose flash is full of what somebody saved: no two sectors alike, none blank."""

    def __init__(self, chip: str = "esp32", size: int = 4 << 20, **options: Any) -> None:
        self.before = b"".join(b"%08x in use, " % offset for offset in range(0, size, 16))[:size]
        super().__init__(chip, size, self.before, **options)

    def after_writing(self, images: Mapping[int, bytes]) -> bytes:
        """Return what the flash must hold then: the rest of every sector that an image touches is FF."""
        flash = bytearray(self.before)
        for offset, data in images.items():
            sectors = -(-len(data) // 4096) * 4096
            flash[offset : offset + sectors] = data.ljust(sectors, b"\xff")
        return bytes(flash)

    def after_upload(self, image_set: Path) -> bytes:
        """Return what the flash must hold once the images are written that a folder's download.config lists."""
        listed = re.findall(r"(0x[0-9a-f]+)\s+(\S+)", (image_set / "download.config").read_text())
        return self.after_writing({int(offset, 16): (image_set / path).read_bytes() for offset, path in listed})

    @property
    def untouched(self) -> bool:
        """Whether nothing was written and nothing erased."""
        return not self.writes and not self.erases and self.flash == self.before


@pytest.fixture
def used_module() -> Iterator[Callable[..., UsedModule]]:
    """Start a `UsedModule` with these arguments; it stops after the test."""
    with ExitStack() as running:
        yield lambda *args, **options: running.enter_context(UsedModule(*args, **options))
