"""What a module holds, saved and put back byte for byte, by every front end, and never by mistake on another one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from module_nvs import ModuleNvs
from nvs_pages import DATA, begin, blob_index, page, with_data
from ota_data import entry, sector

from platformio_esp_at.demo.faults import DamagedByte, Unplugged
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.security import Security
from platformio_esp_at.firmware.factory_image import FactoryImage
from platformio_esp_at.formats.partition_table import PartitionType

if TYPE_CHECKING:
    from platformio_esp_at.demo.simulated_module import SimulatedModule

PASSWORD = b"a Wi-Fi password"
NUMBER = 1234567891
"""What a module has saved of itself besides: nobody is shown either."""


class Kind(NamedTuple):
    """A chip with the firmware of a generation."""

    chip: str
    module: str
    nvs: bool = False
    size: int = 4 << 20
    own_row: str = ""
    """A partition of one's own in the user table."""


KINDS = {
    "esp32-legacy": Kind("esp32", "WROOM-32", own_row="mine, 0x40, 15, , 8K\n"),
    "esp32c3-mfg_nvs": Kind("esp32c3", "MINI-1", nvs=True, own_row="mine, 0x40, 15, , 8K\n"),
    "esp32c61-mfg_nvs": Kind("esp32c61", "ESP32C61-4MB", nvs=True, own_row="mine, 0x40, 15, , 8K\n"),
    "esp8266": Kind("esp8266", "WROOM-02", size=1 << 20),
}
C3, SMALL = KINDS["esp32c3-mfg_nvs"], KINDS["esp8266"]


def some_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - the same ones each time


def saved_nvs(size: int) -> bytes:
    """Return what a module has saved: numbers in pages that were written often, and a password."""
    module = ModuleNvs(size // 4096 - 1)
    for number in range(600):
        module.set(f"key{number % 9}" if number % 20 else "rate", 921600 if number % 20 == 0 else NUMBER - number % 5)
    blob = with_data(1, DATA, "password", PASSWORD, chunk=0)
    return page(begin("net80211"), blob, blob_index("password", len(PASSWORD), 1), sequence=99) + module.image()


class Seeded(NamedTuple):
    module: SimulatedModule
    image: FactoryImage
    flash: bytes
    """What it was seeded with."""

    @property
    def app(self):
        return next(row for row in self.image.primary if row.type == PartitionType.APP)

    def row(self, name):
        return next(row for row in self.image.partitions if row.name == name)

    def differing(self, flash: bytes) -> set[str]:
        """Return the partitions that aren't as they were."""
        was, now = self.flash, flash
        return {row.name for row in self.image.partitions if was[row.offset : row.end] != now[row.offset : row.end]} | (
            {"table"} if now[self.table : self.table + 4096] != was[self.table : self.table + 4096] else set()
        )

    @property
    def table(self):
        return self.image.table_offset

    def change(self, *, table: bool = False, but: tuple[str, ...] = ()) -> None:
        """Fill all of its flash with something else, but bootloader, some partitions and, if wanted, the table."""
        kept = [(0, self.table)] + ([] if table else [(self.table, self.table + 4096)])
        kept += [(self.row(name).offset, self.row(name).end) for name in but]
        flash = bytearray(some_bytes(1, len(self.flash)))
        for start, end in kept:
            flash[start:end] = self.flash[start:end]
        self.module._flash._data[:] = flash
        self.module.reset_counts()


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Return the folder of a project of a kind, packaged once: its firmware package and its factory image are in it."""
    made: dict[Kind, Path] = {}

    def pack(kind: Kind) -> Path:
        if kind in made:
            return made[kind]
        folder = made[kind] = tmp_path_factory.mktemp("seed")
        write_sample_package(folder / "FIRMWARE.zip", kind.chip, nvs=kind.nvs)
        lines = ["firmware: FIRMWARE.zip", f"module: {kind.module}", "factory_param: {country_code: DE}"]
        if kind.own_row:
            lines += ["partitions: own.csv", "data: {mine: mine.bin}"]
            (folder / "own.csv").write_text(kind.own_row)
            (folder / "mine.bin").write_bytes(some_bytes(0, 8000))
        (folder / "esp_at.yml").write_text("\n".join(lines))
        subprocess.run([sys.executable, "-m", "platformio_esp_at", "package"], cwd=folder, check=True)
        return folder

    return pack


def factory_image(project: Path) -> bytes:
    (file,) = (project / "build/esp_at/factory").glob("factory_*[!d].bin")
    return file.read_bytes()


@pytest.fixture
def seeded(packed, simulated_module):
    """Start a module of a kind with its firmware, and with what users and the module itself have left on it."""

    def seed(kind: Kind, **options) -> Seeded:
        data = factory_image(packed(kind))
        image = FactoryImage.from_bytes(data)
        flash = bytearray(data.ljust(kind.size, b"\xff"))
        for row in image.primary:
            if row.name == "nvs":
                flash[row.offset : row.end] = saved_nvs(row.size)
            if row.name == "otadata" and kind.chip != "esp8266":
                flash[row.offset : row.end] = sector(entry(3)) + sector()
        module = simulated_module(kind.chip, options.pop("size", kind.size), bytes(flash), **options)
        return Seeded(module, image, bytes(flash))

    return seed


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def only_backup(folder: Path) -> Path:
    (found,) = folder.glob("esp_at_backup_*")
    return found


# --- there and back ---


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_everything_is_put_back_byte_for_byte(kind, seeded, esp_at, tmp_path):
    one = seeded(kind)
    said = esp_at("backup", "-p", one.module.port)
    assert not one.module.writes
    assert not one.module.erases
    assert one.module.flash == one.flash
    folder = only_backup(tmp_path)
    assert f"in {folder.name}\n" in said.stdout

    manifest = json.loads((folder / "esp_at_backup.json").read_text())
    assert (manifest["chip"], manifest["flash_size"], manifest["raw"]) == (kind.chip, kind.size, False)
    assert folder.name == f"esp_at_backup_{manifest['mac'].replace(':', '').upper()}"
    saved = {part["name"]: part for part in manifest["saved"]}
    kept = {row.name for row in one.image.partitions if row.type != PartitionType.APP}
    assert saved.keys() == kept | {"primary partition table", "at_customize"}
    for part in saved.values():
        data = (folder / part["file"]).read_bytes()
        assert data == one.flash[part["offset"] : part["offset"] + part["size"]]

    one.change()
    assert one.differing(one.module.flash) == {row.name for row in one.image.partitions}
    said = esp_at("restore", "-p", one.module.port)
    applications = {row.name for row in one.image.partitions if row.type == PartitionType.APP}
    assert one.differing(one.module.flash) == applications  # the firmware is not what was saved
    assert "[backup-other-firmware]" in said.stderr
    home = one.image.home
    assert one.module.flash[home.offset : home.offset + 4096] == one.flash[home.offset : home.offset + 4096]
    parts = [(part["offset"], part["offset"] + part["size"]) for part in saved.values()]
    assert all(any(at <= start and start + size <= end for at, end in parts) for start, size in one.module.erases)

    one.module.reset_counts()
    assert "0 of " in esp_at("restore", folder.name, "-p", one.module.port).stdout
    assert not one.module.writes


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_its_project_rebuilds_the_user_partitions(kind, seeded, packed, esp_at, tmp_path):
    one = seeded(kind)
    esp_at("backup", "mine", "-p", one.module.port)
    project = (tmp_path / "mine/esp_at.yml").read_text()
    assert f"module: {kind.module}\n" in project
    assert "country_code: DE" in project
    shutil.copy(packed(kind) / "FIRMWARE.zip", tmp_path / "mine")  # as esp_at.yml names it
    esp_at("package", cwd=tmp_path / "mine")
    made = factory_image(tmp_path / "mine").ljust(kind.size, b"\xff")
    changed = one.differing(made)
    assert changed <= {"nvs", "otadata"}  # what no firmware package and no project has
    assert "nvs" in changed


def test_only_what_differs_is_written(seeded, esp_at):
    one = seeded(C3)
    esp_at("backup", "mine", "-p", one.module.port)
    row = one.row("nvs")
    one.module._flash._data[row.offset + 4096 : row.offset + 4100] = b"new!"
    said = esp_at("restore", "mine", "-p", one.module.port).stdout
    assert one.module.flash == one.flash
    assert one.module.erases == [(row.offset + 4096, 4096)]
    assert "1 of 14 sectors written" in said
    assert "[backup-other-firmware]" not in said


def test_the_whole_flash(seeded, esp_at, tmp_path):
    one = seeded(SMALL)
    esp_at("backup", "mine", "--raw", "-p", one.module.port)
    assert (tmp_path / "mine/flash/whole.bin").read_bytes() == one.flash
    assert (tmp_path / "mine/esp_at.yml").is_file()
    one.change(table=True)
    esp_at("restore", "mine", "-p", one.module.port)
    assert one.module.flash == one.flash


def test_other_firmware_is_saved_as_bytes(esp_at, simulated_module, tmp_path):
    module = simulated_module("esp32", 1 << 20, some_bytes(2, 1 << 16))
    before = module.flash
    said = esp_at("backup", "mine", "-p", module.port, code=1).stderr
    assert "[module-without-table]\n  to save the whole flash, whatever is in it, write --raw\n" in said
    assert not (tmp_path / "mine").exists()
    said = esp_at("backup", "mine", "--raw", "-p", module.port)
    assert "[backup-without-project]" in said.stderr
    assert set(files_in(tmp_path / "mine")) == {".gitignore", "esp_at_backup.json", "flash/whole.bin"}
    module._flash._data[:] = b"\xff" * len(before)
    esp_at("restore", "mine", "-p", module.port)
    assert module.flash == before


def test_damaged_content_is_saved_as_bytes(seeded, esp_at, tmp_path):
    one = seeded(KINDS["esp32-legacy"])
    row = one.row("server_key")
    one.module._flash._data[row.offset + 40] ^= 0xFF
    one.module._flash._data[row.offset + 2] ^= 0xFF
    before = one.module.flash
    assert "server_key" in esp_at("backup", "mine", "-p", one.module.port).stderr
    assert not (tmp_path / "mine/esp_at.yml").exists()
    one.change(but=("ota_0",))
    esp_at("restore", "mine", "-p", one.module.port)
    assert one.module.flash[row.offset : row.end] == before[row.offset : row.end]


# --- who may read it ---


def test_only_its_owner_can_read_it_and_nobody_is_shown_it(seeded, esp_at, tmp_path):
    one = seeded(C3)
    shown = [esp_at("backup", "mine", "-v", "-p", one.module.port)]
    shown += [esp_at("backup", "--json", "-p", one.module.port)]
    one.change(but=("ota_0",))
    shown += [esp_at("restore", "mine", "--json", "-p", one.module.port)]
    assert one.differing(one.module.flash) == {"ota_1"}
    report = (tmp_path / "build/esp_at_report.json").read_text()
    row = one.row("nvs")
    assert PASSWORD in one.flash[row.offset : row.end]
    for text in [report, *(done.stdout + done.stderr for done in shown)]:
        assert PASSWORD.decode() not in text
        assert str(NUMBER - 1)[:-1] not in text
        assert "PRIVATE KEY" not in text

    report = json.loads(report)
    assert (report["command"], report["ended"], report["module_state"]) == ("restore", "succeeded", "whole")
    events = {json.loads(line)["event"]: json.loads(line) for line in shown[1].stdout.splitlines()}
    assert events["backed_up"]["folder"] == only_backup(tmp_path).name
    events = [json.loads(line)["event"] for line in shown[2].stdout.splitlines()]
    assert events.index("connected") < events.index("restoring") < events.index("restored")

    for path in [tmp_path / "mine", *(tmp_path / "mine").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    listed = subprocess.run(["git", "ls-files"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert "esp_at_report.json" in listed
    assert "mine/" not in listed
    assert "esp_at_backup_" not in listed


KILLED = """\
import os, signal, sys

left = int(sys.argv[1])

def count(event, args):
    global left
    if event == "open" and "unfinished" in str(args[0]) and args[2] & os.O_CREAT:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
from platformio_esp_at.cli import cli
cli(sys.argv[2:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="need signals")
@pytest.mark.parametrize("file", [1, 3, 8])
def test_a_kill_leaves_no_half_backup(file, seeded, esp_at, tmp_path):
    one = seeded(C3)
    folder = tmp_path / "here"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    command = [sys.executable, "-c", KILLED, str(file), "backup", "mine", "-p", one.module.port]
    done = subprocess.run(command, cwd=folder, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (folder / "mine").exists()
    assert "[backup-missing]" in esp_at("restore", "-p", one.module.port, cwd=folder, code=1).stderr
    (left,) = folder.glob(".mine-*.unfinished")
    assert stat.S_IMODE(left.stat().st_mode) == 0o700
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    listed = subprocess.run(["git", "ls-files"], cwd=folder, check=True, capture_output=True, text=True).stdout
    assert listed in ("", "build/esp_at_report.json\n")
    esp_at("backup", "mine", "-p", one.module.port, cwd=folder)
    assert not left.exists()
    assert len(list(folder.glob(".mine*"))) == 0


def test_what_a_bad_link_spoils_is_read_again(seeded, esp_at, tmp_path):
    """The ROM sends no checksums: only the digest shows it."""
    one = seeded(C3, faults=[DamagedByte(nth=30_000, to_client=True)])
    said = esp_at("backup", "mine", "--no-stub", "-p", one.module.port).stderr
    assert "[upload-speed-reduced]" in said
    for part in json.loads((tmp_path / "mine/esp_at_backup.json").read_text())["saved"]:
        data = (tmp_path / "mine" / part["file"]).read_bytes()
        assert data == one.flash[part["offset"] : part["offset"] + part["size"]]


def test_a_restore_that_is_cut_off_is_taken_up_again(seeded, esp_at):
    one = seeded(C3)
    esp_at("backup", "mine", "-p", one.module.port)
    one.change(but=("ota_0",))
    one.module.add_fault(Unplugged(after=8000))  # the partition with random bytes alone is more
    said = esp_at("restore", "mine", "-p", one.module.port, code=1).stderr
    assert "the module is half written" in said
    assert "run the same command again: it writes what is missing" in said
    one.module.plug_in()
    esp_at("restore", "mine", "-p", one.module.port)
    assert one.differing(one.module.flash) == {"ota_1"}


# --- what is refused ---


def refused(one: Seeded, code: str, run, *words: object) -> str:
    """Return why a command was refused, which wrote nothing."""
    one.module.reset_counts()
    before = one.module.flash
    said = run(*words, "-p", one.module.port, code=1).stderr
    assert f"[{code}]\n" in said.splitlines(keepends=True)[0]
    assert one.module.flash == before
    assert not one.module.erases
    return said


def test_another_backup_is_never_replaced(seeded, esp_at, tmp_path):
    one = seeded(C3)
    for _ in range(2):
        esp_at("backup", "-p", one.module.port)
    first = min(tmp_path.glob("esp_at_backup_*"), key=lambda folder: len(folder.name))
    assert {f"{first.name}{end}" for end in ("", "_2")} == {p.name for p in tmp_path.glob("esp_at_backup_*")}
    said = refused(one, "already-exists", esp_at, "backup", first.name)
    assert "name another place: nothing is replaced" in said
    said = refused(one, "several-backups", esp_at, "restore")
    assert f"--backup {first.name} or --backup {first.name}_2\n" in said
    refused(one, "backup-missing", esp_at, "restore", "nowhere")
    shutil.rmtree(tmp_path / f"{first.name}_2")
    esp_at("restore", "-p", one.module.port)
    shutil.rmtree(first)
    assert "esp_at_backup_MAC" in refused(one, "backup-missing", esp_at, "restore")


def test_another_module_gets_it_only_on_ones_word(seeded, esp_at, tmp_path):
    one = seeded(C3)
    esp_at("backup", "mine", "-p", one.module.port)
    manifest = tmp_path / "mine/esp_at_backup.json"
    mac = json.loads(manifest.read_text())["mac"]
    manifest.write_text(manifest.read_text().replace(mac, "24:0a:c4:00:00:99"))
    one.change(but=("ota_0",))
    said = refused(one, "backup-other-module", esp_at, "restore", "mine")
    assert f"the backup is of the module 24:0a:c4:00:00:99, the device is {mac}: " in said
    assert "write --other-module\n" in said
    esp_at("restore", "mine", "--other-module", "-p", one.module.port)
    assert one.differing(one.module.flash) == {"ota_1"}


def test_another_chip_and_a_smaller_flash(seeded, esp_at):
    one, other = seeded(C3), seeded(KINDS["esp32-legacy"])
    esp_at("backup", "mine", "-p", one.module.port)
    refused(other, "device-other-chip", esp_at, "restore", "mine", "--other-module")
    large = seeded(SMALL, size=2 << 20)
    esp_at("backup", "large", "-p", large.module.port)
    refused(seeded(SMALL), "device-flash-too-small", esp_at, "restore", "large", "--other-module")


def test_another_partition_table(seeded, esp_at):
    one = seeded(C3)
    esp_at("backup", "mine", "-p", one.module.port)
    one.change(table=True)
    assert "mine" in refused(one, "backup-other-table", esp_at, "restore", "mine")


@pytest.mark.parametrize("how", ["changed", "cut", "missing", "manifest"])
def test_a_damaged_backup(how, seeded, esp_at, tmp_path):
    one = seeded(C3)
    esp_at("backup", "mine", "-p", one.module.port)
    one.change(but=("ota_0",))
    (file,) = (tmp_path / "mine/flash").glob("*-nvs.bin")
    data = file.read_bytes()
    if how == "changed":
        file.write_bytes(data[:100] + b"!" + data[101:])
    elif how == "cut":
        file.write_bytes(data[:-1])
    elif how == "missing":
        file.unlink()
    else:
        file = tmp_path / "mine/esp_at_backup.json"
        file.write_text(file.read_text()[:-9])
    said = refused(one, "backup-missing" if how == "missing" else "backup-damaged", esp_at, "restore", "mine")
    assert f"mine/{file.relative_to(tmp_path / 'mine')}: " in said


@pytest.mark.parametrize(
    ("security", "code"),
    [(Security(flash_encryption="development"), "flash-encrypted"), (Security(secure_boot="v2"), "secure-boot")],
    ids=["encrypted", "secure-boot"],
)
def test_a_protected_module(security, code, seeded, esp_at, tmp_path):
    one = seeded(C3, security=security)
    refused(one, code, esp_at, "backup", "mine")
    refused(one, code, esp_at, "backup", "mine", "--raw")
    assert not (tmp_path / "mine").exists()


# --- the hosts ---

INI = """\
    [env:at]
    platform = espressif_at
    board = esp8266-at-wroom-02
"""


def test_platformio(project, at_pio, seeded):
    """Neither a clean-up nor a change of platformio.ini takes the backup along. No firmware is named."""
    one = seeded(SMALL)
    folder = project(INI)
    said = at_pio(f"run -t backup_at --upload-port {one.module.port}", folder).stdout
    place = only_backup(folder)
    assert place.name in said
    at_pio("run -t clean", folder)
    (folder / "platformio.ini").write_text((folder / "platformio.ini").read_text() + "upload_speed = 115200\n")
    one.change(but=("factory",))
    at_pio(f"run -t restore_at --upload-port {one.module.port}", folder)
    assert not one.differing(one.module.flash)

    with (folder / "platformio.ini").open("a") as ini:
        ini.write("custom_at_backup = backups/gateway\ncustom_at_raw = true\n")
    at_pio(f"run -t backup_at --upload-port {one.module.port}", folder)
    assert (folder / "backups/gateway/flash/whole.bin").read_bytes() == one.module.flash
    said = at_pio(f"run -t backup_at --upload-port {one.module.port}", folder, code=1).stderr
    assert "[already-exists]" in said


def test_idf_py(project, seeded, tmp_path):
    one = seeded(SMALL)
    folder = project()
    script = Path(__file__).parents[1] / "idf_py.py"

    def idf_py(*words):
        command = [sys.executable, str(script), "-C", str(folder), *words, "-p", one.module.port]
        env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr

    idf_py("at-backup", "--raw", "--backup", str(tmp_path / "whole"))
    assert (tmp_path / "whole/flash/whole.bin").read_bytes() == one.flash
    one.change(table=True)
    idf_py("at-restore", "--backup", str(tmp_path / "whole"))
    assert one.module.flash == one.flash
    idf_py("at-backup")
    assert (only_backup(folder) / "esp_at.yml").is_file()
