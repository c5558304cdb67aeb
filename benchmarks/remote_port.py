"""Measure what a remote port costs a flash, and compare it with the limit.

    python benchmarks/remote_port.py [ROUNDS]

The same write-flash by real esptool, to a simulated module: on a pseudo-terminal, over ``socket://``, and over
``rfc2217://`` with our client and with pyserial's. Every link is as fast as this machine, so what is measured is
waiting and work, not bytes. The ways take turns, so that a busy machine slows them alike. Prints ratios to the direct
port; ends with exit code 1 where the limit is exceeded.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from platformio_esp_at.demo.simulated_module import SimulatedModule

LIMIT = 3
"""How many times as long as on a direct port a flash may take over ``rfc2217://``."""

ROUNDS = 3
OFFSET = 0x10000
PYSERIAL = ["-m", "esptool"]
OUR_ESPTOOL = """
import runpy, serial, sys
serial.protocol_handler_packages.insert(0, "platformio_esp_at.device.worker.serial_ports")
sys.argv[0] = "esptool"
runpy.run_module("esptool", run_name="__main__", alter_sys=True)
"""
OURS = ["-c", OUR_ESPTOOL]
WAYS = {
    "direct": ("pty", PYSERIAL),
    "socket://": ("socket", PYSERIAL),
    "rfc2217://, our client": ("rfc2217", OURS),
    "rfc2217://, pyserial's": ("rfc2217", PYSERIAL),
}


def main() -> int:
    """Run the measurement and return the exit code."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    image = random.Random(1).randbytes(1 << 19)  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="esp-at-bench-") as scratch, ExitStack() as running:
        file = Path(scratch, "image.bin")
        file.write_bytes(image)
        modules = {
            way: running.enter_context(SimulatedModule("esp32c3", transport=transport))
            for way, (transport, _) in WAYS.items()
        }
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, (_, program) in WAYS.items():
                times[way].append(flash(modules[way], program, file))
        changed = [way for way, module in modules.items() if not module.flash[OFFSET:].startswith(image)]
    if changed:
        sys.exit(f"not what was written: {', '.join(changed)}")
    ratios = {
        way: median(taken / direct for taken, direct in zip(times[way], times["direct"], strict=True)) for way in WAYS
    }
    print(f"write-flash of 512 KB, {modules['direct'].sent + modules['direct'].received} bytes over the link in all")
    for way, ratio in ratios.items():
        print(f"   {way:24} {median(times[way]):6.2f} s   {ratio:5.1f} x")
    ratio = ratios["rfc2217://, our client"]
    passed = ratio <= LIMIT
    print(f"   {'PASS' if passed else 'FAIL'}: our client {ratio:.1f} x the direct port, limit {LIMIT}")
    return 0 if passed else 1


def flash(module: SimulatedModule, program: list[str], file: Path) -> float:
    """Return how many seconds esptool takes from its start to its end."""
    command = [
        sys.executable,
        *program,
        "--port",
        module.port,
        "--baud",
        "921600",
        "write-flash",
        hex(OFFSET),
        str(file),
    ]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"esptool failed at {module.port}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
