"""Draw what an upload prints, for the README: `python3 bootstrap.py run python tools/picture.py`.

It is what a real pio prints for the example project, with real esptool and a simulated module; the port's name is
replaced by a usual one.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from platformio_esp_at.demo.pio_home import run_pio
from platformio_esp_at.demo.run import demo_project

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "upload_at.svg"
COMMAND = "pio run -t upload_at"
WIDTH = 104
PORT = "/dev/ttyUSB0"
# As rich has it, without fonts from a server: where a picture is shown, nothing else may be loaded.
FORM = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>What pio run -t upload_at prints</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def printed_by_an_upload() -> list[str]:
    """Return the lines of an upload to a module whose firmware is in the cache already."""
    with demo_project() as project:
        options = {"project": project.folder, "env": project.pio_environment}
        run_pio(["run", "-t", "info_at"], **options)
        done = run_pio([*COMMAND.split()[1:], "--upload-port", project.module.port], **options)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        lines = done.stdout.replace(project.module.port, PORT).splitlines()
    # What comes before is PlatformIO's; its last line says how long it took.
    return lines[next(number for number, line in enumerate(lines) if line.startswith("Firmware package")) : -1]


def draw(lines: list[str]) -> str:
    """Return these lines in a terminal as SVG, below the command."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), (COMMAND, "bold")))
    for line in lines:
        console.print(Text(line, overflow="fold"))
    svg = console.export_svg(title=COMMAND, code_format=FORM, unique_id="upload")
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines())


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(printed_by_an_upload()), encoding="utf-8", newline="\n")
