"""Shared by the end-to-end tests: simulated modules, and a PlatformIO that downloads nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from platformio_esp_at import __version__
from platformio_esp_at.demo.pio_home import make_pio_home, run_pio
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.launcher.packages import BUILD_PINS, PINS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    Pio: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
    """Runs ``pio`` with these words in a project's folder; it must end with the exit code ``code``.

    What names ESP_AT_… in this process's environment is passed on.
    """


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


NUCLEO = {
    "boards/nucleo_f411re.json": """\
        {
          "name": "ST Nucleo F411RE", "vendor": "ST", "url": "", "frameworks": ["arduino"],
          "build": {"mcu": "stm32f411ret6"}, "upload": {"maximum_size": 524288}
        }
    """
}
"""The board of a host MCU, where `COMPILING_PLATFORM` stands for the platform of its maker."""


BUILDING_PLATFORM = {
    "platform.json": '{"name": "building", "title": "Builds", "version": "1.0.0", "packages": {}, "frameworks": {}}',
    "platform.py": "from platformio.public import PlatformBase\n\n\nclass BuildingPlatform(PlatformBase):\n    pass\n",
    "builder/main.py": """\
        from SCons.Script import Default, DefaultEnvironment

        env = DefaultEnvironment()
        env.Replace(AR="ar", AS="as", CC="gcc", CXX="g++", LINK="g++", RANLIB="ranlib", PROGNAME="program")
        Default(env.BuildProgram())
    """,
    "boards/here.json": """\
        {
          "name": "Here", "vendor": "nobody", "url": "", "build": {"mcu": "here"},
          "upload": {"maximum_ram_size": 1, "maximum_size": 1}
        }
    """,
}
"""A dev-platform that builds as PlatformIO does, its library finder included, with the compiler of this machine."""


@pytest.fixture(scope="session")
def pio_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment for `run_pio`: a PlatformIO home of this process's own, for one test at a time.

    Two runs that make their first folders in one home at the same moment may fail: PlatformIO doesn't expect it. A test
    that brings a dev-platform adds its own ``PLATFORMIO_PLATFORMS_DIR``, since links to two platforms of one name would
    overwrite each other.
    """
    return make_pio_home(tmp_path_factory.mktemp("pio-home"))


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Let children heed Ctrl-C as in a terminal, wherever tests run: in the background, it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def offline_packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment in which a host's script makes its folder of packages from files, without a network.

    They are downloaded once for all processes of a test run.
    """
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root) / "offline packages"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            scratch = folder.with_name("offline packages, not whole")
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(scratch)]
            pinned = ["--no-deps", "--require-hashes", "--requirement", PINS]
            settings = os.environ | {"PIP_CONSTRAINT": os.devnull}
            for words in (pinned, [*pinned[:-1], BUILD_PINS]):
                done = subprocess.run([*download, *words], env=settings, capture_output=True, text=True, check=False)
                if "from versions: none" in done.stderr or "Could not fetch" in done.stderr:
                    pytest.skip("need a package index to ask")
                assert done.returncode == 0, done.stderr
            scratch.rename(folder)
    hidden = ("PIP_", "ESP_AT_", "PLATFORMIO_", "HTTP", "http", "ALL_PROXY", "all_proxy")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    # As a URL, since pip splits the value at spaces.
    return env | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": folder.as_uri(), "PIP_CONFIG_FILE": os.devnull}


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
def compiling_env(pio_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a ``pio`` with `COMPILING_PLATFORM` and `BUILDING_PLATFORM`, under those names."""
    platforms = tmp_path_factory.mktemp("compiling-platforms")
    _write_files(platforms / "compiling", COMPILING_PLATFORM)
    _write_files(platforms / "building", BUILDING_PLATFORM)
    return pio_env | {"PLATFORMIO_PLATFORMS_DIR": str(platforms)}


@pytest.fixture
def reader_pio_env(pio_env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Return the environment of a ``pio`` whose platforms are stand-ins for those that our pages name."""
    platforms = tmp_path / "platforms"
    for name, boards in {"espressif32": {}, "ststm32": NUCLEO}.items():
        renamed = {file: text.replace("compiling", name) for file, text in COMPILING_PLATFORM.items()}
        renamed["platform.py"] = renamed["platform.py"].replace("Compiling", name.capitalize())
        _write_files(platforms / name, renamed | boards)
    return pio_env | {"PLATFORMIO_PLATFORMS_DIR": str(platforms)}


@pytest.fixture(scope="session")
def compiling_pio(compiling_env: dict[str, str]) -> Pio:
    """Run ``pio`` in `compiling_env`."""
    return _pio_with(compiling_env)


@pytest.fixture(scope="session")
def compiling_pio_with(compiling_env: dict[str, str]) -> Callable[[Mapping[str, str | None]], Pio]:
    """Return a ``pio`` in `compiling_env` with other environment variables; None removes one."""
    return lambda settings: _pio_with(compiling_env, settings)


def _pio_with(env: dict[str, str], settings: Mapping[str, str | None] | None = None) -> Pio:
    def run(words: str | list[str], folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        args = words.split() if isinstance(words, str) else words
        return _checked(run_pio(args, project=folder, env=pio_environment(env, settings)), code)

    return run


def pio_environment(env: dict[str, str], settings: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return an environment with what names ESP_AT_… in this process's, and with other settings; None removes one."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("ESP_AT_")}
    return {name: value for name, value in (env | ours | dict(settings or {})).items() if value is not None}


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
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of what is released beside wheel and sdist: to be read, or copied."""
    folder = tmp_path_factory.mktemp("released")
    script = Path(__file__).parents[2] / "tools" / "pack.py"
    subprocess.run([sys.executable, script, folder], stdout=subprocess.DEVNULL, check=True)
    return folder


@pytest.fixture(scope="session")
def packed_component(released: Path) -> Path:
    """Return the ESP-IDF component, with the package in it."""
    return released / "esp_at_flash"


@pytest.fixture(scope="session")
def library(released: Path) -> str:
    """Return the address of the PlatformIO library's archive."""
    return f"file://{released / f'esp-at-{__version__}.tar.gz'}"


@pytest.fixture(scope="session")
def released_platform(released: Path) -> str:
    """Return the address of the flash-only platform's archive."""
    return f"file://{released / f'espressif_at-{__version__}.tar.gz'}"


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
    """A simulated module whose flash is full of what somebody saved: no two sectors alike, none blank.

    With ``before``, its flash has that.
    """

    def __init__(self, chip: str = "esp32", size: int = 4 << 20, before: bytes | None = None, **options: Any) -> None:
        in_use = (b"%08x in use, " % offset for offset in range(0, size, 16))
        self.before = b"".join(in_use)[:size] if before is None else before
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
