"""Which processes are still there."""

from __future__ import annotations

import subprocess
import time


def children(pid: int) -> list[int]:
    """Return the running children of a process."""
    listed = _ps("-o", "pid=,stat=,comm=", "--ppid", str(pid))
    return [int(pid) for pid, state, name in map(str.split, listed) if state[0] != "Z" and name != "ps"]


def descendants(pid: int) -> list[int]:
    """Return the running children of a process, and theirs."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def is_running(pid: int) -> bool:
    """Return whether a process is there and not just waiting for its parent to take note of its end."""
    return any(not state.startswith("Z") for state in _ps("-o", "stat=", "-p", str(pid)))


def wait_for(condition, what: str, limit: float = 60):
    """Return what a condition gives as soon as that is true; ``limit`` in seconds is for a test that hangs."""
    end = time.monotonic() + limit
    while not (value := condition()):
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.02)
    return value


def _ps(*arguments: str) -> list[str]:
    done = subprocess.run(["ps", *arguments], capture_output=True, text=True, check=False)
    return [line.strip() for line in done.stdout.splitlines()]
