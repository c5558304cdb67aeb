"""Set up this checkout on a machine with nothing but Python 3.10 or newer, and run it: `python3 bootstrap.py demo`.

Everything goes into `.venv` beside this file, and what some sessions need into `.nox`. Only the standard library is
used, and nothing that a Python too old couldn't at least read.
"""

import hashlib
import os
import re
import subprocess
import sys
from difflib import get_close_matches
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
WIDTH = 78
USAGE = """usage: python3 bootstrap.py COMMAND [ARGUMENT ...]

  demo                  flash the example project onto a simulated module
  test [PYTEST ARG]     run the fast tests; test tests/e2e: those with real programs
  lint                  check style, types and what would be released
  run PROGRAM [ARG]     run a program of the environment, such as: run esp-at --help
  SESSION [ARG]         run another session of noxfile.py; those are listed by: run nox --list
"""


NO_VENV = "This Python has neither venv nor pip: install one (Debian, Ubuntu: apt install python3-venv)"


def main(arguments):
    """Run one command and return its exit code."""
    if sys.version_info < (3, 10):
        sys.exit("Python 3.10 or newer is needed; this is {}.{}".format(*sys.version_info[:2]))
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if not command or command.startswith("-") or (command == "run" and not rest):
        sys.stderr.write(USAGE)
        return 2
    if command == "demo":
        return run(set_up("demo"), "-m", "platformio_esp_at", "demo", *rest)
    if command != "run":
        check_session(command)
    python = set_up("lint" if command in ("lint", "build", "docs", "generate") else "test")
    if command == "run":
        return run_program(rest[0], rest[1:])
    return run(python, "-m", "nox", "--session", command, "--", *rest)


def check_session(command):
    """End if there is no session of this name, before anything is installed for it."""
    known = re.findall(r"(?m)^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"))
    name = command.partition("-")[0]  # unit-3.12
    if name not in known:
        near = get_close_matches(name, [*known, "demo", "run"], 1)
        also = "did you mean {}?".format(near[0]) if near else "there are: {}".format(", ".join(sorted(known)))
        sys.stderr.write("There is no command {}; {}\n\n{}".format(command, also, USAGE))
        sys.exit(2)


def run_program(name, arguments):
    """Run a program of the environment and return its exit code."""
    try:
        return subprocess.call([str(PYTHON.parent / name), *arguments])
    except OSError as failure:
        sys.exit("{} can't be run: {}; the programs are in {}".format(name, failure.strerror, PYTHON.parent))


def run(python, *arguments):
    """Run Python in the folder of the checkout and return its exit code."""
    return subprocess.call([str(python), *arguments], cwd=str(ROOT))


def set_up(extra):
    """Return the Python of the environment with ``extra`` of pyproject.toml installed, made anew where it is stale."""
    wanted = hashlib.sha256((sys.version + extra).encode() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = VENV / ("installed-" + extra)
    if stamp.is_file() and stamp.read_text() == wanted and PYTHON.exists():
        return PYTHON
    print("Setting up {} (once; it takes a minute)".format(VENV), flush=True)
    make_environment()
    install("--editable", "{}[{}]".format(ROOT, extra))
    stamp.write_text(wanted)
    return PYTHON


def install(*arguments):
    """Install with pip, and show what it gets; all that it says where it fails."""
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", *arguments]
    settings = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8:replace")
    said, column = [], len("  pip gets")
    print("  pip gets", end="", flush=True)
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as pip:
        for line in pip.stdout:
            said.append(line.decode("utf-8", "replace"))
            found = re.match(r"\s*(?:Collecting ([\w.-]+)|Installing collected packages)", said[-1])
            if found:
                word = found.group(1) or "and installs them (it takes a moment)"
                column += 1 + len(word)
                print("\n  " if column > WIDTH else " ", word, sep="", end="", flush=True)
                column = 2 + len(word) if column > WIDTH else column
    print(flush=True)
    if pip.returncode:
        fail_to_install("".join(said), pip.returncode)


def fail_to_install(said, status):
    """End with what pip's output says, and keep all of it."""
    sys.path.insert(0, str(ROOT))
    from platformio_esp_at.launcher.packages import why_pip_failed  # noqa: PLC0415 - standard library, too

    log = VENV / "pip.log"
    log.write_text(said, encoding="utf-8")
    next_step = "go online, or correct PIP_INDEX_URL, HTTPS_PROXY or pip.conf; all that pip said is in {}".format(log)
    sys.exit("The packages can't be installed: {}\n  {}".format(why_pip_failed(said, status), next_step))


def make_environment():
    """Make an environment with pip, also where Debian left ensurepip out of its Python."""
    if PYTHON.exists() and subprocess.call([str(PYTHON), "-c", "import pip"], stderr=subprocess.DEVNULL) == 0:
        return
    try:
        import venv  # noqa: PLC0415 - some systems leave it out
    except ImportError:
        sys.exit(NO_VENV)
    try:
        import ensurepip  # noqa: F401, PLC0415 - python3-venv brings it on Debian
    except ImportError:
        venv.create(str(VENV), clear=True, with_pip=False)
        script = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
        packages = subprocess.check_output([str(PYTHON), "-c", script], universal_newlines=True).strip()
        # The system's pip refuses its own Python there, but not another folder.
        if subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", "--target", packages, "pip"]):
            sys.exit(NO_VENV)
    else:
        venv.create(str(VENV), clear=True, with_pip=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as failure:
        sys.exit("failed: {}".format(" ".join(map(str, failure.cmd))))
    except OSError as failure:
        sys.exit("{}: {}; is the checkout in a folder that is yours?".format(failure.filename, failure.strerror))
    except KeyboardInterrupt:
        sys.exit(130)
