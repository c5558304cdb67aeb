"""Measure what this package costs a PlatformIO project, and compare it with the limits.

    python benchmarks/overhead.py [ROUNDS]

1. The time that registering the targets adds to a ``pio run`` without any of them.
2. The time of ``pio run -t upload_at``, which writes all images, besides that of plain ``esptool write-flash`` of the
   same images, compared with a ``pio run`` that has nothing to do.

Real pio, real esptool, a simulated module. Prints figures and commands; ends with exit code 1 where a limit is
exceeded. The runs that are compared take turns, so that a busy machine slows them alike.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from platformio_esp_at.demo.pio_home import make_pio_home, run_pio
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.formats.download_config import parse_download_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REGISTERING_LIMIT_MS = 30
UPLOAD_LIMIT = 2
"""In runs of pio that have nothing to do."""

ROUNDS = 15
BAUD = 460800
SCRIPT = Path(__file__).parents[1] / "esp_at.py"

PLATFORM = {
    "platform.json": '{"name": "bench", "title": "Bench", "version": "1.0.0", "frameworks": {}, "packages": {}}',
    "platform.py": "from platformio.public import PlatformBase\n\n\nclass BenchPlatform(PlatformBase):\n    pass\n",
    "builder/main.py": "",
    "boards/esp32dev.json": """\
        {
          "name": "Espressif ESP32 Dev Module", "vendor": "Espressif", "url": "",
          "build": {"mcu": "esp32"}, "upload": {"flash_size": "4MB", "speed": 460800}
        }
    """,
}
"""A dev-platform whose ``pio run`` has nothing to do: what is left is PlatformIO's own time."""

PLAIN_INI = """\
    [env:bench]
    platform = bench
    board = esp32dev
"""
AT_INI = f"""\
{PLAIN_INI}\
    extra_scripts = pre:{SCRIPT}
    custom_at_firmware = firmware.zip
    custom_at_module = WROOM-32
    custom_at_write_all = true
"""
TIMED_INI = AT_INI.replace(str(SCRIPT), "timed.py")
TIMED_SCRIPT = f"""\
    import time

    Import("env")
    start = time.perf_counter()
    env.SConscript({str(SCRIPT)!r}, exports="env")
    print("REGISTERED", time.perf_counter() - start)
"""


def main() -> int:
    """Run both measurements and return the exit code."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="esp-at-bench-") as scratch:
        bench = Bench(Path(scratch))
        passed = [measure_registering(bench, rounds), measure_upload(bench, rounds)]
    return 0 if all(passed) else 1


class Bench:
    """Three projects that differ only in their extra script, and the PlatformIO to run them."""

    def __init__(self, folder: Path) -> None:
        platforms = folder / "platforms"
        write_files(platforms / "bench", PLATFORM)
        self.env = make_pio_home(folder / "pio-home")
        self.env |= {"PLATFORMIO_PLATFORMS_DIR": str(platforms), "ESP_AT_PYTHON": sys.executable}
        self.plain, self.at, self.timed = (folder / name for name in ("plain", "at", "timed"))
        for project, ini in {self.plain: PLAIN_INI, self.at: AT_INI, self.timed: TIMED_INI}.items():
            write_files(project, {"platformio.ini": ini, "timed.py": TIMED_SCRIPT})
            write_sample_package(project / "firmware.zip")

    def pio(self, words: str, project: Path, env: Mapping[str, str] | None = None) -> str:
        """Run pio, which must succeed, and return its output."""
        done = run_pio(words.split(), project=project, env=env or self.env)
        if done.returncode:
            sys.exit(f"pio {words} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


def measure_registering(bench: Bench, rounds: int) -> bool:
    """Return whether a run without any of our targets is about as fast as a project without them."""
    without, with_targets = partial(bench.pio, "run", bench.plain), partial(bench.pio, "run", bench.at)
    times = take_turns([without, with_targets], rounds)
    added = [with_it - without_it for without_it, with_it in zip(*times, strict=True)]
    inside = [float(bench.pio("run", bench.timed).partition("REGISTERED ")[2].split()[0]) for _ in range(rounds)]
    print("1. Registering the targets")
    print(f"   pio run, without the extra script     {milliseconds(median(times[0]))}")
    print(f"   pio run, with pre:esp_at.py           {milliseconds(median(times[1]))}")
    print(f"   added, median of {rounds:2} pairs             {milliseconds(median(added))}")
    print(f"   inside SCons: read, import, register  {milliseconds(median(inside))}  (median of {rounds})")
    return verdict("registering", median(added) * 1000, REGISTERING_LIMIT_MS, "ms")


def measure_upload(bench: Bench, rounds: int) -> bool:
    """Return whether upload_at takes little time besides what esptool alone takes for the same images."""
    with SimulatedModule("esp32") as module:
        words = f"run -t upload_at --upload-port {module.port}"
        bench.pio(words, bench.at)
        image_set = bench.at / ".pio" / "build" / "bench" / "esp_at"
        images = parse_download_config((image_set / "download.config").read_text()).images
        arguments = ["--chip", "esp32", "--port", module.port, "--baud", str(BAUD), "write-flash"]
        arguments += [word for image in images for word in (hex(image.offset), image.path)]
        esptool = partial(run_esptool, arguments, image_set)
        uploads, bare, empty = take_turns(
            [partial(bench.pio, words, bench.at), esptool, partial(bench.pio, "run", bench.at)], rounds
        )
    extra = [upload - esptool_alone for upload, esptool_alone in zip(uploads, bare, strict=True)]
    print("\n2. Flashing")
    print(f"   pio {words:38} {milliseconds(median(uploads))}")
    print(f"   plain esptool write-flash                  {milliseconds(median(bare))}")
    print(f"   upload_at besides esptool                  {milliseconds(median(extra))}  (median of {rounds} pairs)")
    print(f"   pio run with nothing to do                 {milliseconds(median(empty))}")
    print(f"   esptool was: esptool {' '.join(arguments[:8])} … ({len(images)} images)")
    return verdict("upload_at besides esptool", median(extra) / median(empty), UPLOAD_LIMIT, "empty runs of pio")


def run_esptool(arguments: list[str], folder: Path) -> None:
    """Run esptool, and show nothing."""
    subprocess.run([sys.executable, "-m", "esptool", *arguments], cwd=folder, capture_output=True, check=True)


def take_turns(calls: list[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Return how many seconds each call took in each round; a round before them warms up."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, taken in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if turn:
                taken.append(time.perf_counter() - start)
    return times


def verdict(what: str, value: float, limit: float, unit: str) -> bool:
    """Print and return whether a figure is within its limit."""
    passed = value <= limit
    print(f"   {'PASS' if passed else 'FAIL'}: {what} {value:.1f} {unit}, limit {limit}")
    return passed


def milliseconds(seconds: float) -> str:
    """Return a time for a column of times."""
    return f"{seconds * 1000:7.1f} ms"


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write text files by their paths."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
