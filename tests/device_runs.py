"""Runs of ``esp-at`` with a simulated module that are refused, fail or are ended, and what they leave behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from processes import children, descendants, is_running, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from platformio_esp_at.demo.simulated_module import SimulatedModule

NOISE = random.Random(0).randbytes(400 << 10)  # noqa: S311
"""What can't be compressed, so that it takes a while to write."""
LONG = {"yml": "firmware: firmware.zip\nmodule: WROOM-32\ndata: {fatfs: www}\n", "www/noise.bin": NOISE}
"""For the fixture ``project``: an upload that is in the middle for a while."""
AS_BEFORE, HALF, WHOLE = "nothing was written", "the module is half written", "all images are on the module"
_STATES = {AS_BEFORE: "as_before", HALF: "half", WHOLE: "whole"}


class Ended(NamedTuple):
    """A run, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one error that it printed, with its next steps."""
        assert self.err.count("Error: ") == 1, self.err
        return self.err[self.err.index("Error: ") :]


class DeviceProject:
    """A project whose runs have a folder of their own for temporary files."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self.image_set = folder / "build/esp_at"
        self._scratch = scratch
        scratch.mkdir()
        self._files = self._outside_the_image_set()

    def start(self, *words: object, env: Mapping[str, str] | None = None, **popen: Any) -> subprocess.Popen[str]:
        """Start ``esp-at``; Ctrl-C ends it as in a terminal, wherever the tests run."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "platformio_esp_at", *map(str, words)],
                cwd=self.folder,
                env=os.environ | {"TMPDIR": str(self._scratch)} | dict(env or {}),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **popen,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def wait(self, run: subprocess.Popen[str], code: int | None = 0) -> Ended:
        """Return a run that has ended, with ``code`` unless that is None."""
        out, err = run.communicate(timeout=120)
        assert code is None or run.returncode == code, out + err
        assert "Traceback" not in out + err
        return Ended(run.returncode, out, err)

    def run(self, *words: object, code: int = 0, **popen: Any) -> Ended:
        """Run ``esp-at``; nothing but the image set and the report may be left, and no process."""
        done = self.wait(self.start(*words, **popen), code)
        self.check_nothing_is_left()
        return done

    def refused(self, *words: object, code: str, state: str, **popen: Any) -> str:
        """Return the error of a run that is refused or fails; it must say what is on the module now."""
        done = self.run(*words, code=1, **popen)
        self.check_error(done, code, state)
        return done.error

    def check_error(self, done: Ended, code: str, state: str) -> None:
        """Check code and state of the error in which a run has ended, in its words and in the report."""
        first, *hint = done.error.splitlines()
        assert first.endswith(f"{state}  [{code}]")
        assert hint
        assert ("run the same command again: it writes what is missing" in done.error) is (state == HALF)
        assert (self.report["ended"], self.report["module_state"]) == (code, _STATES[state])

    @property
    def report(self) -> dict[str, Any]:
        """The report of the last run."""
        found: dict[str, Any] = json.loads((self.folder / "build/esp_at_report.json").read_text())
        return found

    def completes(self, *words: object, module: Any) -> Ended:
        """Run the same command once more: it must bring the module to what the plan is, and touch nothing else."""
        done = self.run(*words)
        assert module.flash == module.after_upload(self.image_set)
        assert (self.report["ended"], self.report["module_state"]) == ("succeeded", "whole")
        return done

    def writing(self, *words: object, module: SimulatedModule) -> subprocess.Popen[str]:
        """Start ``esp-at``, and return when it is in the middle of its write."""
        known = len(module.writes)
        run = self.start(*words)
        wait_for(lambda: len(module.writes) > known or run.poll() is not None, "the first write")
        assert run.poll() is None, run.communicate()
        self._check_files()
        return run

    def check_nothing_is_left(self) -> None:
        """Check that of all runs no process is left, and of their files only image set and report."""
        assert not children(os.getpid())
        self._check_files()

    def _check_files(self) -> None:
        assert not list(self._scratch.iterdir())
        report = self.folder / "build/esp_at_report.json"
        assert self._outside_the_image_set() - self._files <= {report, self.folder / "build"}

    def _outside_the_image_set(self) -> set[Path]:
        return {file for file in self.folder.rglob("*") if self.image_set not in (file, *file.parents)}


def running_of(run: subprocess.Popen[str]) -> list[int]:
    """Return all processes of a run."""
    return [run.pid, *descendants(run.pid)]


def wait_for_end(processes: list[int]) -> None:
    """Wait until none of the processes is there."""
    for pid in processes:
        wait_for(lambda pid=pid: not is_running(pid), "the end of a process")
