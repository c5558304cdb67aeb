"""The pip of the Python that runs this; where it has none, as in uv's environments, the one that ensurepip brings."""

import glob
import importlib.util
import os
import runpy
import sys


def main() -> None:
    """Run pip with the arguments of this program."""
    own = os.path.dirname(os.path.abspath(__file__))  # it has no modules for others
    sys.path[:] = [folder for folder in sys.path if folder != own]
    if importlib.util.find_spec("pip") is None:
        import ensurepip

        bundled = glob.glob(os.path.join(glob.escape(os.path.dirname(ensurepip.__file__)), "_bundled", "pip-*.whl"))
        sys.path[:0] = bundled or glob.glob("/usr/share/python-wheels/pip-*.whl")  # Debian has it there
    sys.argv[0] = "pip"
    runpy.run_module("pip", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
