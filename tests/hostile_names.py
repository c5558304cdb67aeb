"""A project in which whatever can have a name has a hostile one: markup, quotes, marks that turn text, great length."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding
from x509_files import certificate, ec_key

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.formats.download_config import FlashArgs, FlashImage, format_download_config
from platformio_esp_at.formats.download_config import parse_download_config as parse
from platformio_esp_at.formats.partition_table import Partition, PartitionTable

if TYPE_CHECKING:
    from pathlib import Path

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "footer", "div", "h1", "h2", "p"),
    *("dl", "dt", "dd", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "bdi", "code", "span", "strong"),
    *("svg", "desc", "defs", "pattern", "path", "circle", "rect", "line", "polygon", "polyline", "g", "text"),
}
"""All that the page and its pictures are made of: nothing that loads, runs or sends."""

SCRIPT = "<script>document.title='taken'</script>"
TURNED = "\u202egnp.exe\u2066"
LONG = "W" * 60
PARTITION = "<b>\"'&\u202e</b>"
IMAGE = f"{SCRIPT}/{LONG}<img\"src=x'onerror=alert(1)>&amp;.bin"
PACKAGE = f"<svg onload=alert(1)>{TURNED}\"'"
FILE = f"<style>*{{display:none}}<&sol;style>{LONG}.pem"


def write_hostile_project(folder: Path) -> Path:
    """Write the project with its firmware package as a folder, and return it."""
    files = sample_package("esp32")
    table = PartitionTable.from_bytes(files["at_customize.bin"])
    row = Partition(PARTITION, 0x40, 15, 0x3D000, 0x1000)
    files["at_customize.bin"] = PartitionTable((*table.partitions[:-1], row, table.partitions[-1])).to_bytes()
    files[IMAGE] = files.pop("phy_init_data.bin")
    args = parse(files["download.config"].decode())
    images = [FlashImage(image.offset, IMAGE if "phy_init" in image.path else image.path) for image in args.images]
    files["download.config"] = format_download_config(FlashArgs(args.settings, tuple(images))).encode()
    del files["flasher_args.json"]
    for name, data in files.items():
        file = folder / PACKAGE / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    authority = certificate(SCRIPT[:60], ec_key("hostile"), ca=True)
    (folder / FILE).write_bytes(authority.public_bytes(Encoding.PEM))
    options = {"firmware": PACKAGE, "module": "WROOM-32", "pki": {"mqtt_ca": FILE}}
    (folder / "esp_at.yml").write_text(json.dumps(options))  # JSON is YAML
    return folder


def hostile_run(run: dict[str, object]) -> dict[str, object]:
    """Return the report of a run with each text in it replaced, but for what says which plan it is of."""

    def replaced(value: object) -> object:
        if isinstance(value, dict):
            return {name: replaced(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [replaced(inner) for inner in value]
        return f"{value}{SCRIPT}{TURNED}{LONG}" if isinstance(value, str) else value

    whose = {name: run[name] for name in ("module", "plan_sha256")}
    return {name: replaced(value) for name, value in run.items()} | whose
