"""How a process of ours is interrupted: once, by whichever signal comes first."""

import signal
from types import FrameType
from typing import Optional

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


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


def _pass(_number: int, _frame: Optional[FrameType]) -> None:
    """Do nothing; of a signal that came together with the first, Python would report that it was set to SIG_IGN."""
