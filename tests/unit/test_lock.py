"""esp_at.lock of a project: read and added to."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from platformio_esp_at.errors import EspAtError, PackageError
from platformio_esp_at.firmware.lock import add_to_lock, read_lock
from platformio_esp_at.formats.lock_file import Lock, LockedPackage, LockedPartition

ENTRY = LockedPackage("v4.1.1.0", "https://h/a.zip", 1, "0" * 64, "esp32", "WROOM-32")


def test_none_is_none(tmp_path):
    assert read_lock(tmp_path) == Lock()


def test_entries_are_added_and_replaced(tmp_path):
    other = ENTRY._replace(module="MINI-1", url="https://h/b.zip")
    for entry in (ENTRY, other, other._replace(sha256="1" * 64, url="https://h/c.zip")):
        add_to_lock(tmp_path, entry)
    assert set(read_lock(tmp_path).packages) == {ENTRY, other._replace(sha256="1" * 64, url="https://h/c.zip")}


def test_where_partitions_are_is_added_and_replaced(tmp_path):
    placed = LockedPartition("esp32", "WROOM-32", "my_data", 0x3D000)
    log, moved = placed._replace(name="log", offset=0x41000), placed._replace(offset=0x50000)
    add_to_lock(tmp_path, ENTRY, placed)
    add_to_lock(tmp_path, moved, log)
    assert read_lock(tmp_path) == Lock((ENTRY,), (log, moved))


def test_one_url_has_one_content(tmp_path):
    add_to_lock(tmp_path, ENTRY)
    with pytest.raises(PackageError) as caught:
        add_to_lock(tmp_path, ENTRY._replace(firmware="latest", size=2))
    assert caught.value.code == "lock-mismatch"
    assert caught.value.message == (
        f"https://h/a.zip differs from esp_at.lock: downloaded: 2 bytes, SHA-256 {'0' * 64}; "
        f"locked: 1 bytes, SHA-256 {'0' * 64}"
    )
    assert "remove its entries (firmware: v4.1.1.0) from esp_at.lock" in caught.value.hint
    assert read_lock(tmp_path) == Lock((ENTRY,))


def test_a_link_is_followed(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project/esp_at.lock").symlink_to(tmp_path / "shared/esp_at.lock")
    add_to_lock(tmp_path / "project", ENTRY)
    assert (tmp_path / "project/esp_at.lock").is_symlink()
    assert read_lock(tmp_path / "shared") == Lock((ENTRY,))


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, "unreadable", "it is a folder"),
        (b"#" * (1 << 20) + b"#", "lock-damaged", "larger than 1MB"),
        (b"\xff", "lock-damaged", "not UTF-8"),
    ],
)
def test_what_cannot_be_read(tmp_path, content, code, message):
    file = tmp_path / "esp_at.lock"
    file.mkdir() if content is None else file.write_bytes(content)
    for use in (read_lock, lambda project: add_to_lock(project, ENTRY)):
        with pytest.raises(EspAtError) as caught:
            use(tmp_path)
        assert (caught.value.code, caught.value.where) == (code, "esp_at.lock")
        assert message in caught.value.message
        assert "remove the file to make a new one" in caught.value.hint


SLOW = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from platformio_esp_at.firmware import lock
    from platformio_esp_at.formats.lock_file import LockedPackage
    write = lock.replace_file
    def slowly(*words):
        print("about to write", flush=True)
        time.sleep(0.5)
        write(*words)
    lock.replace_file = slowly
    lock.add_to_lock(Path(sys.argv[1]), LockedPackage("other", "https://h/other.zip", 1, "0" * 64))
""")


def test_one_run_waits_for_the_other(tmp_path):
    """Between reading the file and writing it, nobody else writes: both entries are there in the end."""
    with subprocess.Popen([sys.executable, "-c", SLOW, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "about to write\n"
        add_to_lock(tmp_path, ENTRY)
    assert {entry.firmware for entry in read_lock(tmp_path).packages} == {"other", "v4.1.1.0"}
