"""The host's half of the contract with the package, which runs as a child: a request in, events out, an exit status.

The child gets one JSON object, the request, in a line of its input. Each line of its output is an event: its name, its
text for people, and facts. Where an event is a question, the answer is a JSON value in a line of its input. That input
stays open as long as this process lives: when it ends, so does the child. The child's error output is the host's own.

A host's Python runs this, which may be as old as 3.6: the standard library and its syntax only.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from typing import IO, Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence

from platformio_esp_at.launcher.environment import PACKAGE, Runtime, find_runtime, homes_of_idf
from platformio_esp_at.launcher.interpreter import LaunchError, clean_environment, interrupted
from platformio_esp_at.launcher.packages import find_damage
from platformio_esp_at.launcher.signals import INTERRUPTED, holding_interrupts_back
from platformio_esp_at.launcher.streams import print_now


class Failure(NamedTuple):
    """Why a command wasn't carried out."""

    text: str
    """The message, with its code and the next step, without "Error:"."""
    code: str

    @property
    def is_interrupt(self) -> bool:
        """Whether somebody stopped it."""
        return self.code == "interrupted"


def run_command(
    host: str,
    request: Mapping[str, Any],
    answers: Mapping[str, Callable[[], Any]],
    homes: Sequence[str] = (),
) -> Optional[Failure]:
    """Carry out the request of a host, ``pio`` or ``idf``, in a child, and show what happens; None where it succeeded.

    ``answers``: what the host is asked, by the name of the event; a question is asked only where a command needs it.
    ``homes``: see `find_runtime`.
    """
    try:
        runtime = find_runtime(homes, _say)
        child = _start(runtime, "platformio_esp_at.{}.run".format(host), (), stdout=subprocess.PIPE)
    except LaunchError as error:
        return Failure(str(error), error.code)
    with child, _Interrupts(child) as interrupts:
        failure = _converse(child, request, answers)
    if interrupts.happened or child.returncode == INTERRUPTED:
        return failure or Failure(str(interrupted()), "interrupted")
    if failure is None and child.returncode:
        failure = Failure(str(_unexplained(child.returncode)), "child-ended")
    if failure and failure.code in _OF_ESPTOOL and runtime.packages:
        damage = find_damage(runtime.packages)
        failure = Failure(str(damage), damage.code) if damage else failure
    return failure


def _unexplained(status: int) -> LaunchError:
    """Return the error for a child that ended without an event that says why; a negative status is a signal's."""
    if status < 0:
        message = "esp-at was ended by signal {}".format(-status)
        return LaunchError("child-ended", message, "run it again: a module that was being written is half written")
    message = "esp-at ended with exit status {}".format(status)
    return LaunchError("child-ended", message, "run it again; if it stays so, report it with the lines above")


_OF_ESPTOOL = ("esptool-failed", "esptool-missing", "esptool-too-old")
"""Errors that esptool's own files may be the cause of; it is a process of its own."""


def run_program(arguments: Sequence[str], homes: Sequence[str] = ()) -> int:
    """Run ``esp-at`` with these arguments in a child that has this process's streams, and return its exit status.

    Raises `LaunchError`.
    """
    with _start(find_runtime(homes, _say), "platformio_esp_at", arguments) as child, _Interrupts(child):
        child.wait()
    return child.returncode


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _start(
    runtime: Runtime, module: str, arguments: Sequence[str], stdout: Optional[int] = None
) -> "subprocess.Popen[bytes]":
    inside = os.path.join(PACKAGE, "launcher", "inside.py")
    # With a folder of packages, nothing of the interpreter's own ones is seen: theirs are other versions.
    alone = ["-I", "-S"] if runtime.packages else []
    sys.stdout.flush()  # or the child's lines come before ours
    try:
        with holding_interrupts_back():
            return subprocess.Popen(
                [runtime.python, *alone, inside, runtime.packages, module, *arguments],
                env=clean_environment(),
                stdin=subprocess.PIPE,
                stdout=stdout,
            )
    except OSError as error:
        raise LaunchError(
            "python-not-found",
            "{} can't be run: {}".format(runtime.python, error.strerror),
            "name an interpreter in ESP_AT_PYTHON, or unset that variable",
        ) from None


def _converse(
    child: "subprocess.Popen[bytes]", request: Mapping[str, Any], answers: Mapping[str, Callable[[], Any]]
) -> Optional[Failure]:
    """Send the request, show events and answer questions until the child ends."""
    assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018 - pipes, as `_start` was asked
    failure = None
    try:
        _send(child.stdin, request)
        for line in child.stdout:
            event = _event(line)
            if event["event"] in answers:
                _send(child.stdin, answers[event["event"]]())
            elif event["event"] == "error":
                failure = Failure(event["text"], str(event.get("code")))
            else:
                _show(event)
    finally:
        _close(child.stdin)  # also where the host gives no answer, and raises: the child ends then
        child.wait()
    return failure


def _event(line: bytes) -> Dict[str, Any]:
    try:
        event = json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"event": "output", "text": line.decode("utf-8", "replace")}


def _show(event: Mapping[str, Any]) -> None:
    """Print the text of an event."""
    stream = sys.stderr if event.get("stream") == "stderr" else sys.stdout
    if stream is None or not event.get("text"):
        return
    try:
        print_now(event["text"], stream)
    except (OSError, ValueError):
        pass  # a terminal that was closed mustn't leave the module half written


def _send(stream: IO[bytes], value: object) -> None:
    try:
        stream.write(json.dumps(value).encode() + b"\n")
        stream.flush()
    except OSError:
        pass  # it has ended; its exit status tells


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except (OSError, RuntimeError):
        pass  # it has ended; or a signal came in the middle of writing: then the terminal alone tells the child of it


class _Interrupts:
    """Lets a child end by itself after Ctrl-C, which it gets from the terminal, too, and takes once."""

    def __init__(self, child: "subprocess.Popen[bytes]") -> None:
        self.happened = False
        self._child = child
        self._before: Any = None

    def __enter__(self) -> "_Interrupts":  # noqa: PYI034 - Self is newer
        # SCons has a handler of its own, and runs actions in threads: it is told by the child's exit status.
        is_ours = threading.current_thread() is threading.main_thread()
        if is_ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, *_: object) -> None:
        self.happened = True
        # Where only this process got the signal, the child learns of it by the end of its input.
        if self._child.stdin is not None:
            _close(self._child.stdin)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


def main(arguments: List[str]) -> int:
    """Run ``esp-at`` as the CMake of ESP-IDF does; return its exit status."""
    try:
        return run_program(arguments, homes_of_idf())
    except LaunchError as error:
        sys.stderr.write("Error: {}\n".format(error))
        return INTERRUPTED if error.code == "interrupted" else 1
    except KeyboardInterrupt:  # at the first use, before there is a child
        sys.stderr.write("Error: {}\n".format(interrupted()))
        return INTERRUPTED
