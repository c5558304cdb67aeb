"""The first lines of the child: ``inside.py PACKAGES MODULE [ARGUMENT ...]`` runs a module of the package beside it.

PACKAGES is the folder of packages, or empty. The path is set here: a Python that sees nothing of its own packages
takes none from its environment either.
"""

import importlib.util
import json
import os
import runpy
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Callable, Optional

if TYPE_CHECKING:
    from platformio_esp_at.launcher.interpreter import LaunchError

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NAME = "platformio_esp_at"


def load_package() -> None:
    """Import the package of this file, and no other of its name; its folder has no other modules to be found."""
    path = os.path.join(PACKAGE, "__init__.py")
    spec = importlib.util.spec_from_file_location(_NAME, path, submodule_search_locations=[PACKAGE])
    assert spec is not None  # noqa: S101 - the suffix is .py
    assert spec.loader is not None  # noqa: S101
    sys.modules[_NAME] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def read_lines(take: Callable[[bytes], None]) -> None:
    """Give each line of the input to ``take`` in a thread; its end is an empty line, and interrupts this process."""
    # Not sys.stdin: a thread that waits for it at the end of Python stops that with a fatal error.
    stream = os.fdopen(os.dup(0), "rb", buffering=0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    def read() -> None:
        for line in stream:
            take(line)
        take(b"")
        interrupt()

    threading.Thread(target=read, daemon=True).start()


def interrupt() -> None:
    """Interrupt the main thread as SIGTERM does, also while it waits for a child of its own."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        with suppress(ProcessLookupError):
            signal.pthread_kill(main, signal.SIGTERM)
    else:
        signal.raise_signal(signal.SIGTERM)


def main() -> None:
    """Run a module as a program: `esp-at`, or the child of a host's script, which gets the stream of its events."""
    packages, module = sys.argv[1:3]
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [*filter(None, [packages]), *(folder for folder in sys.path if folder != own)]
    del sys.argv[1:3]
    load_package()
    from platformio_esp_at.launcher.signals import end_when_interrupted, ignore_interrupts

    end_when_interrupted()
    from platformio_esp_at.launcher.environment import missing_module
    from platformio_esp_at.launcher.interpreter import LaunchError
    from platformio_esp_at.launcher.packages import find_damage

    events = None
    if module == _NAME:
        read_lines(lambda _: None)
    else:
        events = os.dup(1)
        os.dup2(2, 1)  # what is printed by accident is no event
        sys.argv[1:] = [str(events)]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except LaunchError as error:
        _fail(error, events)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == _NAME:
            raise
        _fail(missing_module(error.name, packages), events)
    except Exception:
        damage = find_damage(packages) if packages else None
        if damage is None:
            raise
        _fail(damage, events)
    finally:
        ignore_interrupts()  # a host's script that sees the end of the events closes our input


def _fail(error: "LaunchError", events: Optional[int]) -> None:
    """End with an error: as an event, if there is a host's script to tell."""
    if events is None:
        sys.exit("Error: {}".format(error))
    os.write(events, json.dumps({"event": "error", "code": error.code, "text": str(error)}).encode() + b"\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
