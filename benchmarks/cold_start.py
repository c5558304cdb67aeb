"""Measure the CPU time of cold starts, each next to a peer in the same run, and compare the ratios with the limits.

    python benchmarks/cold_start.py [ROUNDS]

1. ``esp-at package`` next to the commands of upstream that make the same files: the NVS generator, and esptool's
   ``merge-bin`` for both factory images; where ``IDF_PATH`` is set, ``gen_esp32part.py`` for ``at_customize.bin``, too.
2. ``esp-at --help`` next to ``python -c "import click"``.

Prints figures and commands; ends with exit code 1 where a limit is exceeded. The commands that are compared take turns,
so that a busy machine slows them alike; CPU time is what the operating system counts for the finished processes.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.units import format_offset

PACKAGE_LIMIT = 0.33
HELP_LIMIT = 2.3
ROUNDS = 15

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
"""As for users: with PYTHONDONTWRITEBYTECODE, Python would compile our files at every start, but not the peer's."""

CSV = """\
mfg_nvs,data,nvs,0x21000,0x1c000
fatfs,data,fat,0x47000,0x80000
"""


def main() -> int:
    """Measure, print, and return the exit code."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="esp-at-bench-") as scratch:
        folder = Path(scratch)
        ours, theirs = package_command(folder), upstream_commands(folder)
        return max(
            compare("esp-at package", [ours], theirs, rounds, PACKAGE_LIMIT),
            compare(
                "esp-at --help",
                [[*esp_at(), "--help"]],
                [[sys.executable, "-c", "import click"]],
                rounds,
                HELP_LIMIT,
            ),
        )


def esp_at() -> list[str]:
    """Return the command line as it is installed: a script of its environment."""
    return [sys.executable, str(Path(sys.executable).with_name("esp-at"))]


def package_command(folder: Path) -> list[str]:
    """Return our command, after making its project: a package since v3.1, a changed pin, a user partition table."""
    project = folder / "project"
    project.mkdir()
    write_sample_package(project / "firmware.zip", nvs=True)
    (project / "at_customize.csv").write_text(CSV)
    (project / "esp_at.yml").write_text(
        "firmware: firmware.zip\nmodule: WROOM-32\npartitions: at_customize.csv\n"
        "factory_param: {uart_tx_pin: 5, uart_rx_pin: 18, uart_cts_pin: -1, uart_rts_pin: -1}\n"
    )
    return [*esp_at(), "package", "-C", str(project)]


def upstream_commands(folder: Path) -> list[list[str]]:
    """Return the commands that make the same files, after running ours once to make their inputs."""
    subprocess.run(package_command_of(folder), check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    made = folder / "project" / "build" / "esp_at"
    args = parse_download_config((made / "download.config").read_text())
    nvs = next(image for image in args.images if image.path.endswith("mfg_nvs.bin"))
    image = NvsImage.from_bytes((made / nvs.path).read_bytes())
    (folder / "mfg_nvs.csv").write_text(image.to_csv())
    python, out = sys.executable, str(folder / "upstream.bin")
    pairs = [word for each in args.images for word in (format_offset(each.offset), str(made / each.path))]
    merge = [python, "-m", "esptool", "--chip", "esp32", "merge-bin", "-o", out]
    commands = [
        [python, "-m", "esp_idf_nvs_partition_gen", "generate", str(folder / "mfg_nvs.csv"), out, hex(image.size)],
        [*merge, "--pad-to-size", "4MB", *pairs],
        [*merge, *pairs],  # the unfilled one
    ]
    if idf := os.environ.get("IDF_PATH"):
        script = str(Path(idf, "components", "partition_table", "gen_esp32part.py"))
        csv = str(folder / "project" / "at_customize.csv")
        commands.append([python, script, "--quiet", "--offset", "0x20000", csv, out])
    return commands


def package_command_of(folder: Path) -> list[str]:
    """Return our command for a project that is there already."""
    return [*esp_at(), "package", "-C", str(folder / "project")]


def compare(name: str, ours: list[list[str]], theirs: list[list[str]], rounds: int, limit: float) -> int:
    """Print the CPU times of two groups of commands and their ratio; return 1 where that exceeds ``limit``."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for group, times in zip((ours, theirs), seconds, strict=True):
            times.append(sum(map(cpu_seconds, group)))
    pairs = list(zip(*(times[1:] for times in seconds), strict=True))  # the first round only fills the caches
    ratio = median(our / their for our, their in pairs)
    print(f"{name}: {ratio:.2f} of its peer (limit {limit}), {rounds} rounds")
    for group, times in zip((ours, theirs), seconds, strict=True):
        print(f"  {median(times[1:]) * 1000:6.1f} ms CPU: {' + '.join(map(shown, group))}")
    return int(ratio > limit)


def shown(command: list[str]) -> str:
    """Return the part of a command that identifies it."""
    return " ".join(Path(word).name for word in command[1:4])


def cpu_seconds(command: list[str]) -> float:
    """Return the CPU time of a command, user and system, with its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
