"""How a process of ours is interrupted: once, by whichever signal comes first."""

import os
import signal
from contextlib import contextmanager
from types import FrameType
from typing import Iterator, Optional

INTERRUPTED = 130
"""Exit status of a process that was interrupted, as shells have it."""

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


@contextmanager
def holding_interrupts_back() -> Iterator[None]:
    """Hold Ctrl-C back; for a child that is started meanwhile, until `end_when_interrupted`. Not so on Windows."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_when_interrupted() -> None:
    """Let each of these signals end this process at once: what is loaded now has nothing to clean up.

    An exception would be a traceback, or be reported by whatever is being loaded.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def interrupt_once(*, but: Optional[int] = None) -> None:
    """Let the first of Ctrl-C, SIGTERM and SIGHUP raise `KeyboardInterrupt`, and let the others that follow do nothing.

    A signal that is ignored, as nohup does, stays so. ``but``: a signal that is left as it is.
    """
    ours = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]

    def interrupt(_number: int, _frame: Optional[FrameType]) -> None:
        ignore_interrupts()
        raise KeyboardInterrupt

    for number in ours:
        if number != but:
            signal.signal(number, interrupt)


def ignore_interrupts() -> None:
    """Let none of these signals do anything any more: all is done, or being ended."""
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _pass)


def _end(_number: int, _frame: Optional[FrameType]) -> None:
    os._exit(INTERRUPTED)


def _pass(_number: int, _frame: Optional[FrameType]) -> None:
    """Do nothing; of a signal that came together with the first, Python would report that it was set to SIG_IGN."""
