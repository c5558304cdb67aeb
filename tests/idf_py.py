"""The part of ESP-IDF's tools/idf.py (5.1 to 6.1) that makes commands of dictionaries and runs them.

As a program, ``idf_py.py WORD ...`` ends as idf.py does, with our actions: those of the project's ``idf_ext.py``, if
it has one. It finds no port and compiles nothing: it configures and builds on the stand-ins for ESP-IDF's CMake.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import click
from idf_stand_ins import STAND_IN_IDF, building, configuring


class FatalError(RuntimeError):
    """idf.py's: its message goes to stderr, and idf.py ends with 2."""


class NoSerialPortFoundError(FatalError):
    """idf.py's, too."""


class Option(click.Option):
    def __init__(self, *, scope: str | None = None, **kwargs):
        super().__init__(kwargs.pop("names"), **kwargs)
        self.scope = scope or "default"


class Action(click.Command):
    def __init__(self, name, callback, **kwargs):
        def task(**args):
            return SimpleNamespace(name=name, callback=callback, args=args)

        super().__init__(name, callback=task, **kwargs)


class IdfPy(click.Group):
    def __init__(self, all_actions):
        super().__init__(chain=True, invoke_without_command=True, result_callback=self.execute_tasks)
        self.params += [Option(**option) for option in all_actions["global_options"]]
        for name, action in all_actions["actions"].items():
            options = action.pop("options", [])
            arguments = [click.Argument(argument["names"]) for argument in action.pop("arguments", [])]
            self.commands[name] = Action(name, params=arguments, **action)
            for option in (Option(**option) for option in options):
                if option.scope == "global" and option.name not in [known.name for known in self.params]:
                    self.params.append(option)
                self.commands[name].params.append(option)

    def get_command(self, ctx, name):
        return super().get_command(ctx, name) or Action(name, callback=_run_target)

    def execute_tasks(self, tasks, **kwargs):
        context = click.get_current_context()
        args = SimpleNamespace(**kwargs)
        options = {option.name: option for option in context.command.params}
        for task in tasks:
            for key in set(task.args) & set(options):
                if options[key].scope == "global":
                    local, default = task.args.pop(key), options[key].default
                    if local not in (default, getattr(args, key)) and getattr(args, key) != default:
                        raise FatalError(f'Option "{key}" is already defined to a different value.')
                    if local != default:
                        setattr(args, key, local)
        args.project_dir = os.path.realpath(args.project_dir)
        args.build_dir = os.path.realpath(args.build_dir or Path(args.project_dir, "build"))
        for task in tasks:
            click.echo(f"Executing action: {task.name}")
            task.callback(task.name, context, args, **task.args)


def _unexpected(*_args, **_options):
    raise AssertionError("idf.py flash ran")


def _set_target(_name, _context, args, idf_target):
    for made in (Path(args.project_dir, "sdkconfig"), Path(args.build_dir, "CMakeCache.txt")):
        made.unlink(missing_ok=True)
    _cmake(configuring(args.project_dir, args.build_dir, IDF_TARGET=idf_target))


def _reconfigure(_name, _context, args):
    _cmake(configuring(args.project_dir, args.build_dir))


def _run_target(name, context, args):
    """Build what is no action, but a target of CMake: it gets neither port nor speed of the command line."""
    if not Path(args.build_dir, "CMakeCache.txt").exists():
        _reconfigure(name, context, args)
    targets = subprocess.run(building(args.build_dir, "help"), capture_output=True, text=True, check=True).stdout
    if f"{name}: phony" not in targets.splitlines():
        raise FatalError(f'command "{name}" is not known to idf.py and is not a Ninja target')
    _cmake(building(args.build_dir, name))


def _cmake(command):
    sys.stdout.flush()  # before what the child prints
    env = os.environ | {"IDF_PATH": str(STAND_IN_IDF)}
    code = subprocess.run(command, env=env, check=False).returncode
    if code:
        raise FatalError(f"{Path(command[0]).name} failed with exit code {code}")


def base_actions():
    """Return what idf.py has before extensions are loaded."""
    return {
        "global_options": [
            {"names": ["-C", "--project-dir"], "type": click.Path(), "default": Path.cwd(), "scope": "shared"},
            {"names": ["-B", "--build-dir"], "type": click.Path(), "default": None},
            {"names": ["-v", "--verbose"], "is_flag": True, "default": False},
        ],
        "actions": {
            "set-target": {"callback": _set_target, "arguments": [{"names": ["idf-target"]}]},
            "reconfigure": {"callback": _reconfigure},
            "flash": {
                "callback": _unexpected,
                "options": [
                    {"names": ["-b", "--baud"], "scope": "global", "envvar": "ESPBAUD", "default": 460800},
                    {
                        "names": ["-p", "--port"],
                        "scope": "global",
                        "envvar": "ESPPORT",
                        "type": click.Path(),
                        "default": None,
                    },
                ],
            },
        },
    }


def modules(find_port):
    """Return what an extension may import from idf.py, by name; ``find_port`` stands for its search for a port."""
    made = {name: ModuleType(name) for name in ("idf_py_actions", "idf_py_actions.errors", "idf_py_actions.tools")}
    made["idf_py_actions.errors"].FatalError = FatalError
    made["idf_py_actions.tools"].get_default_serial_port = find_port
    return made


def no_port():
    """Fail as idf.py does without a port."""
    raise NoSerialPortFoundError("No serial ports found. Connect a device, or use '-p PORT' option.")


def run(words, action_extensions):
    """Run idf.py with these words in the current folder, and return its exit status."""
    everything = base_actions()
    everything["actions"] |= action_extensions(everything, str(Path.cwd()))["actions"]
    try:
        IdfPy(everything).main([str(word) for word in words], prog_name="idf.py")
    except FatalError as error:
        click.echo(error, err=True)
        return 2
    except SystemExit as end:
        return end.code
    return 0


if __name__ == "__main__":
    sys.modules.update(modules(no_port))
    # In a project without, the entry point of our package, as ESP-IDF 6 has it.
    own = Path("idf_ext.py")
    extension = runpy.run_path(str(own)) if own.exists() else runpy.run_module("platformio_esp_at.idf.actions")
    sys.exit(run(sys.argv[1:], extension["action_extensions"]))
