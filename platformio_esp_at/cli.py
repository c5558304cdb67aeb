"""``esp-at``: the command line. Exit code 0 done, 1 refused or failed, 2 wrong usage.

Commands load what they need when they run, so that ``--help`` and the completion of words take no time.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from platformio_esp_at import __version__
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.launcher.signals import interrupt_once

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.commands.init_answers import Question
    from platformio_esp_at.commands.lookups import Listing
    from platformio_esp_at.commands.setup import Setup
    from platformio_esp_at.errors import Spelling
    from platformio_esp_at.events import Event, Report
    from platformio_esp_at.idf.project import IdfProject

_SPELLING = "spelling"
"""Key in click's ``ctx.obj``: how the project writes options, if not on the command line."""
_JSON = "json"
"""Key in click's ``ctx.obj``: there if the output is for programs."""
_SHORT = {"project_file": "-f", "port": "-p", "baud": "-b", "write_all": "--all", "show_kept": "--kept"}


def main() -> None:
    """Run the command line; every expected failure ends here, as one message."""
    gc.disable()  # a run is short, and what it leaves is freed with it: a sixth of the CPU time of `package`
    interrupt_once(but=signal.SIGINT)  # nothing private may be left on the disk; Ctrl-C: see `__main__`
    if sys.stdout is None:
        # Closed (>&-): a stream that fails, as a full disk does, instead of none, which would hide that all is lost.
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: SIM115
    host: dict[str, Any] = {}
    try:
        cli(obj=host)
    except EspAtError as error:
        from platformio_esp_at.request.command_line import ON_COMMAND_LINE

        spelling = host.get(_SPELLING, ON_COMMAND_LINE)
        if _JSON in host:
            from platformio_esp_at.outputs.records import error_record

            _print_record(error_record(error, spelling))
        from platformio_esp_at.outputs.text import error_text

        _fail(error_text(error, spelling))
    except OSError as error:
        # A stream forgets what it couldn't write, so both are tried; errors of files have a name.
        if error.filename is not None or not any(_drop_if_full(stream, "\n") for stream in (sys.stdout, sys.stderr)):
            raise
        _fail(f"the output can't be written: {error.strerror or error}")
    finally:
        gc.freeze()  # or Python looks through all objects once more when it ends


def _fail(message: str) -> NoReturn:
    with suppress(OSError):  # nobody can read it
        click.echo(f"Error: {message}", err=True)
    for stream in (sys.stdout, sys.stderr):
        _drop_if_full(stream)
    sys.exit(1)


def _drop_if_full(stream: TextIO | None, probe: str = "") -> bool:
    """Return whether a stream can't be written; then its buffer is dropped, or Python's own end would fail."""
    if stream is None:  # closed (2>&-)
        return False
    try:
        stream.write(probe)
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        return True
    return False


def _begin_work() -> None:
    """Let Ctrl-C raise `KeyboardInterrupt` from here on: there is something to clean up, and to report."""
    interrupt_once()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="esp-at")
def cli() -> None:
    """Flash ESP-AT firmware packages onto Espressif modules."""


# --- commands of a project ---


class _ProjectCommand(click.Command):
    """A command of a project: takes its folder, and all of `HOST_OPTIONS`, which are loaded when it is used."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its parameters."""
        if not any(param.name == "folder" for param in self.params):
            self.params[:0] = _project_params()
        return super().get_params(ctx)


def _project_params() -> list[click.Parameter]:
    from platformio_esp_at.request.command_line import parameters
    from platformio_esp_at.request.options import HOST_OPTIONS

    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    output = click.Path(file_okay=False, path_type=Path)
    sdkconfig = click.Path(exists=True, dir_okay=False, path_type=Path)
    about = "that of an ESP-IDF project: its chip and flash, and options that esp_at.yml overrides"
    params: list[click.Parameter] = [
        click.Option(["-C", "folder"], type=folder, default=Path(), help="folder of the project (default: this one)"),
        click.Option(
            ["-o", "--output"],
            type=output,
            help="folder of the image set (default: build/esp_at; with -f: build/FILE/esp_at)",
        ),
        click.Option(["--sdkconfig"], type=sdkconfig, metavar="FILE", help=about),
        click.Option(["--json", "as_json"], is_flag=True, help="for programs: an event in each line of the output"),
        click.Option(["-q", "--quiet"], is_flag=True, help="show warnings and errors alone"),
        click.Option(["-v", "--verbose"], is_flag=True, help="show what esptool says, too"),
    ]
    for name, parameter in parameters().items():
        names = [*parameter.pop("names"), *filter(None, [_SHORT.get(name)])]
        complete = _completer(HOST_OPTIONS[name].kind.completes.name)
        params.append(click.Option(names, shell_complete=complete, **parameter))
    return params


def _completer(what: str) -> Any:  # noqa: ANN401 - click's
    """Return the completion of a member of `Completes`, by its name: the class is loaded when it is used."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from platformio_esp_at.commands.completions import completions
        from platformio_esp_at.request.kinds import Completes

        completes = Completes[what]
        found = completions(completes, incomplete)
        files = [CompletionItem(incomplete, type="file")] if completes.has_files else []
        return [*map(CompletionItem, found), *files]

    return complete


def _setup(
    folder: Path,
    output: Path | None,
    sdkconfig: Path | None,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,  # noqa: ANN401 - click's values
) -> Setup:
    from platformio_esp_at.commands.setup import Link, Setup
    from platformio_esp_at.request.command_line import ON_COMMAND_LINE, layer_of_command_line
    from platformio_esp_at.request.project_files import find_project_file, output_folder
    from platformio_esp_at.request.read import read_project

    typed = layer_of_command_line(options)
    file = find_project_file(folder, typed)
    project, spelling = None, ON_COMMAND_LINE._replace(project_file=file)
    if sdkconfig:
        from platformio_esp_at.idf.project import find_board_of, spelling_of

        project = _idf_project(sdkconfig, folder)
        spelling = spelling_of(project, folder, file)
    click.get_current_context().ensure_object(dict)[_SPELLING] = spelling

    def find(board: str | None) -> BoardFacts | None:
        if project:
            return find_board_of(project, folder, board)
        return _find_board(board, folder) if board else None

    _begin_work()
    return Setup(
        layers=(*([project.options_below(file)] if project else ()), read_project(folder, file), typed),
        project=folder,
        folder=output or folder / "build" / output_folder(file),
        find_board=find,
        link=project.link() if project else Link(),
        report=_reporter(spelling, as_json=as_json, verbosity=verbose - quiet),
        spelling=spelling,
        project_file=file,
    )


def _reporter(spelling: Spelling, *, as_json: bool, verbosity: int) -> Report:
    """Return what shows events: as JSON lines, or as text, with bars where the output is a terminal."""
    context = click.get_current_context()
    if as_json:
        from platformio_esp_at.outputs.records import event_record

        context.ensure_object(dict)[_JSON] = True
        return lambda event: _print_record(event_record(event, spelling))
    from platformio_esp_at.outputs.terminal import show, shown_parts

    def show_text(event: Event) -> None:
        for part in shown_parts(event, verbosity):
            show(part, spelling)

    if verbosity or not sys.stdout.isatty():
        return show_text
    from platformio_esp_at.outputs.bars import Bars

    bars = Bars(show_text)
    context.call_on_close(bars.clear)
    return bars.show


def _print_record(record: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(record))


def _idf_project(sdkconfig: Path, folder: Path) -> IdfProject:
    from platformio_esp_at.idf.project import IdfProject, layer_of_sdkconfig, parse_sdkconfig, read_sdkconfig

    config = parse_sdkconfig(read_sdkconfig(sdkconfig))
    return IdfProject(config.get("CONFIG_IDF_TARGET", ""), config, layer_of_sdkconfig(config, base=folder))


def _find_board(board: str, folder: Path = Path()) -> BoardFacts:
    from platformio_esp_at.request.board_manifests import find_board

    return find_board(board, own_boards=folder / "boards")


@cli.command(cls=_ProjectCommand)
@click.option(
    "--depfile", type=click.Path(dir_okay=False, path_type=Path), help="list what was read there, as make and ninja do"
)
def package(*, depfile: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Write the image set, the factory image and their manifest."""
    from platformio_esp_at.commands import packaging

    packaging.package(_setup(**options), depfile=depfile)


@cli.command(cls=_ProjectCommand)
@click.option("--factory", is_flag=True, help="write the factory image: erases all that the module has saved")
def flash(*, factory: bool, **options: Any) -> None:  # noqa: ANN401
    """Write to the module what it doesn't have; what it has saved stays."""
    from platformio_esp_at.commands import flashing

    command = flashing.upload_factory if factory else flashing.upload
    command(_setup(**options))


@cli.command(cls=_ProjectCommand)
def verify(**options: Any) -> None:  # noqa: ANN401
    """Compare the module's flash with the project."""
    from platformio_esp_at.commands import flashing

    flashing.verify(_setup(**options))


@cli.command(cls=_ProjectCommand)
def test(**options: Any) -> None:  # noqa: ANN401
    """Look whether the module is alive and as the project has it: its log, and AT at --command-port."""
    from platformio_esp_at.commands import testing

    testing.test(_setup(**options))


@cli.command(cls=_ProjectCommand)
def erase(**options: Any) -> None:  # noqa: ANN401
    """Erase the whole flash of the module: the firmware, and all that it has saved."""
    from platformio_esp_at.commands import flashing

    flashing.erase(_setup(**options))


@cli.command(cls=_ProjectCommand)
@click.argument("place", metavar="[FOLDER]", required=False, shell_complete=_completer("FILES"))
def backup(*, place: str | None, **options: Any) -> None:  # noqa: ANN401
    """Save what the module holds in a new FOLDER, as bytes and as a project; needs no project and no firmware.

    FOLDER is esp_at_backup_MAC in the project's folder, if none is named. Keys and Wi-Fi passwords are in it.
    """
    from platformio_esp_at.commands import backup

    backup.backup(_setup_with_folder(place, options))


@cli.command(cls=_ProjectCommand)
@click.argument("place", metavar="[FOLDER]", required=False, shell_complete=_completer("FILES"))
def restore(*, place: str | None, **options: Any) -> None:  # noqa: ANN401
    """Put back, byte for byte, what the backup in FOLDER has saved of the module.

    FOLDER is the only esp_at_backup_MAC in the project's folder, if none is named.
    """
    from platformio_esp_at.commands import backup

    backup.restore(_setup_with_folder(place, options))


def _setup_with_folder(place: str | None, options: dict[str, Any]) -> Setup:
    """Return the setup of a command whose argument is the option ``backup``."""
    setup = _setup(**options)
    if place is None:
        return setup
    from platformio_esp_at.request.layers import layer_of_options

    if options["backup"]:
        raise click.UsageError("give FOLDER or --backup, not both")
    named = layer_of_options({"backup": place}, base=Path(), spelling=lambda _: "FOLDER")
    return setup._replace(layers=(*setup.layers, named))


@cli.command(cls=_ProjectCommand)
def info(**options: Any) -> None:  # noqa: ANN401
    """Show what flash would write and keep, and the wiring; needs no module."""
    from platformio_esp_at.commands import packaging

    packaging.info(_setup(**options))


@cli.command(cls=_ProjectCommand)
@click.argument("package", required=False, shell_complete=_completer("FIRMWARE"))
@click.option("--primary", is_flag=True, help="the primary partition table instead: that of the whole flash")
def table(*, package: str | None, primary: bool, **options: Any) -> None:  # noqa: ANN401
    """Print the user partition table as CSV: the project's, or that of PACKAGE alone.

    PACKAGE is what --firmware takes: a release, a zip, a folder, a factory image or a URL.
    """
    from platformio_esp_at.commands import packaging
    from platformio_esp_at.outputs.terminal import show_table_alone

    setup = _setup(**options)
    if not options["as_json"]:
        setup = setup._replace(report=partial(show_table_alone, spelling=setup.spelling))
    if package is not None:
        from platformio_esp_at.request.layers import layer_of_options

        if options["firmware"]:
            raise click.UsageError("give PACKAGE or --firmware, not both")
        named = layer_of_options({"firmware": package}, base=Path(), spelling=lambda _: "PACKAGE")
        setup = setup._replace(layers=(*setup.layers, named))
    packaging.table(setup, primary=primary, of_package=package is not None)


_file = click.Path(dir_okay=False, path_type=Path)


@cli.command(cls=_ProjectCommand)
@click.option("--html", "page", type=_file, help="the page alone, in this file")
@click.option("--flash-map", type=_file, metavar="FILE.svg", help="the map of the flash, in this file")
@click.option("--wiring", type=_file, metavar="FILE.svg", help="the picture of the wiring, in this file")
def report(*, page: Path | None, flash_map: Path | None, wiring: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Write a page about the plan and the last run, and its pictures; needs no module.

    They are esp_at_report.html, esp_at_flash_map.svg and esp_at_wiring.svg beside the image set; with one of --html,
    --flash-map and --wiring, only what these name.
    """
    from platformio_esp_at.commands import reporting

    named = reporting.ReportFiles(page, flash_map, wiring)
    reporting.report(_setup(**options), named if any(named) else None)


# --- artefacts and look-ups ---


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="for programs")
@click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="write its NVS entries, keys too, as CSV"
)
@click.option(
    "--as-project",
    "project",
    type=click.Path(file_okay=False, path_type=Path),
    help="write a project that rebuilds its content",
)
def inspect(*, file: Path, as_json: bool, csv_file: Path | None, project: Path | None) -> None:
    """Decode FILE: any file of an AT firmware, a firmware package, or a folder that esp-at has made."""
    from platformio_esp_at.commands import inspection
    from platformio_esp_at.outputs.folder import write_new_files
    from platformio_esp_at.request.values import PROJECT_FILE

    _begin_work()
    if csv_file is not None:
        write_new_files(csv_file.parent, {csv_file.name: inspection.nvs_csv(file).encode()})
        click.echo(f"Wrote {csv_file}")
    if project is not None:
        files = inspection.project_of(file)
        write_new_files(project, files)
        click.echo(f"Wrote {', '.join(files)} to {project}; name the firmware package in {PROJECT_FILE}")
    if csv_file is None and project is None:
        decoded = inspection.inspect_path(file)
        click.echo(_as_json(decoded) if as_json else inspection.describe(decoded, _width()))


def _width() -> int | None:
    from platformio_esp_at.launcher.streams import terminal_width

    return terminal_width(sys.stdout)


def _as_json(value: object) -> str:
    import json

    return json.dumps(value, indent=2)


_chip = click.option("--chip", shell_complete=_completer("CHIPS"), help="only those of a chip, such as esp32c3")
_json = click.option("--json", "as_json", is_flag=True, help="for programs")
_folder = click.option(
    "-C",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="folder of the project (default: this one)",
)


def _show(listing: Listing, *, as_json: bool) -> None:
    click.echo(_as_json(listing.rows) if as_json else listing.as_text(_width()))


@cli.command()
@_chip
@_json
def modules(*, chip: str | None, as_json: bool) -> None:
    """List the AT modules that are known."""
    from platformio_esp_at.commands.lookups import list_modules

    _show(list_modules(chip), as_json=as_json)


@cli.command()
@_chip
@click.option("--module", shell_complete=_completer("MODULES"), help="only those of an AT module, such as WROOM-32")
@_json
def releases(*, chip: str | None, module: str | None, as_json: bool) -> None:
    """List the firmware packages that Espressif has released."""
    from platformio_esp_at.commands.lookups import list_releases

    _show(list_releases(chip, module), as_json=as_json)


@cli.command()
@_chip
@_json
def boards(*, chip: str | None, as_json: bool) -> None:
    """List the boards known here, of installed PlatformIO platforms and our own, with the AT module of each."""
    from platformio_esp_at.commands.lookups import list_boards

    _show(list_boards(chip, own_boards=Path("boards")), as_json=as_json)


@cli.command("module-for")
@click.argument("board", shell_complete=_completer("KNOWN_BOARDS"))
@click.option("--release", help="for firmware of that release, such as v4.1.1.0 (default: any)")
@_json
def module_for(*, board: str, release: str | None, as_json: bool) -> None:
    """Show the AT module of BOARD: a PlatformIO board, or the JSON file of one."""
    from platformio_esp_at.commands.lookups import module_of_board

    found = module_of_board(_find_board(board), release)
    if as_json:
        click.echo(_as_json(found))
        return
    guess = " This is a guess." if found["assumed"] else ""
    click.echo(f"{found['module']} ({found['chip']}): {found['reason']}.{guess}")
    if found["alternatives"]:
        click.echo(f"Firmware for {', '.join(found['alternatives'])} runs on it, too.")
    if found["assumed"]:
        name = found["module"]
        places = f"module: {name} (esp_at.yml), custom_at_module = {name} (platformio.ini) or --module {name} (esp-at)"
        click.echo(f"To confirm it, or to name the right one, write {places}.")
    of = f", that of {found['package_module']}" if found["package_module"] != found["module"] else ""
    firmware = f"{found['package']} ({found['release']}{of})" if found["package"] else found["no_package"]
    click.echo(f"Its {'' if release else 'latest '}firmware: {firmware}")


@cli.command()
@click.argument("code", required=False, shell_complete=_completer("CODES"))
@_json
def explain(*, code: str | None, as_json: bool) -> None:
    """Explain the CODE of an error or a warning, such as pin-taken; without one, list all."""
    from platformio_esp_at.commands.explain import all_codes
    from platformio_esp_at.commands.explain import explain as find_code

    found = [find_code(code)] if code else list(all_codes())
    if as_json:
        click.echo(_as_json([entry._asdict() for entry in found]))
        return
    from platformio_esp_at.outputs.tables import wrap

    for entry in found:
        lines = (part for line in (entry.means, entry.action) for part in wrap(f"  {line}", _width(), "  "))
        click.echo("\n".join([entry.code, *lines]))


@cli.command()
@click.argument("topic", required=False, shell_complete=_completer("CODES"))
@click.option("--path", "only_print", is_flag=True, help="print where it is, and open nothing")
def docs(*, topic: str | None, only_print: bool) -> None:
    """Open the documentation in a browser, and print where it is; without a terminal or a browser, print it alone.

    TOPIC is a page of the reference, such as options, the code of a message, a command or an option.
    """
    from platformio_esp_at.commands.documentation import address

    url = address(topic, list(cli.commands))
    click.echo(url)
    if sys.stdout.isatty() and not only_print:
        import webbrowser

        webbrowser.open(url)


class _InitCommand(click.Command):
    """`init`: takes some of `HOST_OPTIONS`, and the names of templates, which are loaded when it is used."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its parameters."""
        from platformio_esp_at.commands.templates import TEMPLATES

        if not any(param.name == "firmware" for param in self.params):
            wanted = ("firmware", "board", "module", "port")
            self.params[1:1] = [param for param in _project_params() if param.name in wanted]
            about = f"copy a whole project, with a README: {', '.join(TEMPLATES)}"
            kind = click.Choice([*TEMPLATES])
            self.params.append(click.Option(["--template"], type=kind, metavar="NAME", help=about))
        return super().get_params(ctx)


@cli.command(cls=_InitCommand)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--host", type=click.Choice(["pio", "idf", "esp-at"]), help="what flashes (default: by FOLDER's files)")
@click.option("-e", "--environment", metavar="NAME", help="the environment of platformio.ini that gets the lines")
@click.option("--namespace", metavar="NAME", help="where ESP-IDF's registry has the component esp_at_flash")
@click.option("--dry-run", is_flag=True, help="show what would be written, and write nothing")
def init(
    *,
    folder: Path,
    host: str | None,
    environment: str | None,
    namespace: str | None,
    dry_run: bool,
    template: str | None,
    **options: Any,  # noqa: ANN401 - click's values
) -> None:
    """Make FOLDER (default: this one) a project that flashes the AT module, or add that to one.

    A project of PlatformIO or ESP-IDF gets the lines that it needs. What is there stays as it is. Questions come in a
    terminal alone, and only for what can't be found out.
    """
    from platformio_esp_at.commands import init as starting
    from platformio_esp_at.commands.connected import connected_board
    from platformio_esp_at.commands.init_answers import Around, Wishes
    from platformio_esp_at.commands.project_host import Host
    from platformio_esp_at.idf.install import PROJECT_EXTENSION

    _begin_work()
    given = {name: value for name, value in options.items() if value}
    if template:
        if given or host or environment or namespace:
            raise click.UsageError("--template copies a project as it is: it takes no other option but --dry-run")
        start = starting.plan_copy(folder, template)
    else:
        wishes = Wishes(given, Host(host) if host else None, environment, namespace)
        is_terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
        around = Around(_ask if is_terminal else None, connected_board, _idf_board, PROJECT_EXTENSION)
        start = starting.plan_start(folder, wishes, around)
    if not dry_run:
        starting.write_start(start)
    click.echo(starting.describe(start, dry_run=dry_run))


def _ask(question: Question) -> str:
    kind = click.Choice(question.choices) if question.choices else str
    return str(click.prompt(question.text, type=kind, default=question.default))


def _idf_board(folder: Path) -> BoardFacts | None:
    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.errors import SelectionError
    from platformio_esp_at.idf.project import BOARD_ID, read_idf_project

    project = read_idf_project(folder, folder / "build")
    if project is None:
        return None
    try:
        return project.board()
    except SelectionError:
        return BoardFacts(BOARD_ID, mcu=project.target)  # a chip without AT firmware: the module is next to it


@cli.command()
@_folder
@_json
def doctor(*, folder: Path, as_json: bool) -> None:
    """Look what is wrong here: Python, esptool, ports, PlatformIO, ESP-IDF, cache, network, project.

    Each finding has its next step. No device is opened, nothing is written; the only server that is asked is the one
    that the project's firmware would come from.
    """
    from platformio_esp_at.commands.doctor import describe, examine, has_problem

    findings = examine(folder, _idf_board)
    click.echo(_as_json([finding.record() for finding in findings]) if as_json else describe(findings, _width()))
    if has_problem(findings):
        sys.exit(1)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of esp_at.yml, by which editors complete and check it."""
    from platformio_esp_at.request.schema import project_schema

    click.echo(_as_json(project_schema()))


@cli.command("pio-platform")
def pio_platform() -> None:
    """Print where the flash-only PlatformIO platform is, as `pio pkg install -g -p` takes it."""
    from platformio_esp_at.request.board_manifests import PLATFORM

    click.echo(f"symlink://{PLATFORM}")


@cli.command("idf-setup")
@click.option("--write", is_flag=True, help="write idf_ext.py into the project")
@_folder
def idf_setup(*, write: bool, folder: Path) -> None:
    """Tell how `idf.py at-flash` and its relatives come into ESP-IDF."""
    from platformio_esp_at.idf import install

    _begin_work()
    click.echo(install.write_project_extension(folder) if write else install.explanation())


@cli.command()
def demo() -> None:
    """Show it all at work: the example project, a real `pio run -t upload_at`, a simulated module."""
    from platformio_esp_at.demo.run import run_demo

    _begin_work()
    run_demo(say=click.echo)


if __name__ == "__main__":
    main()
