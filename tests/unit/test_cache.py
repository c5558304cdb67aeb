"""The cache of downloads: what is put in comes out, and what is damaged counts as missing."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import textwrap

import pytest

from platformio_esp_at.events import WaitingForDownload
from platformio_esp_at.firmware.cache import Cache, CachedFile, CacheError

URL = "https://host/firmware.zip"
DATA = b"a firmware package"
HASH = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def put(cache, url=URL, data=DATA, name="firmware.zip"):
    with cache.exclusive(url, report=lambda _: None) as folder:
        (folder / name).write_bytes(data)
        return cache.admit(url, folder / name, source="https://mirror/firmware.zip", validator='"etag"')


def test_what_is_put_in_comes_out(cache):
    assert cache.find(URL) is None
    assert cache.find_content(HASH, "firmware.zip") is None
    place = put(cache)
    assert place.read_bytes() == DATA
    assert place.name == "firmware.zip"
    assert cache.find(URL) == CachedFile(place, "https://mirror/firmware.zip", '"etag"')
    assert cache.find_content(HASH, "firmware.zip") == place
    assert cache.find_content(hashlib.sha256(b"").hexdigest(), "firmware.zip") is None
    assert cache.find("https://host/other.zip") is None
    assert not any(entry.is_dir() for entry in (cache.folder / "downloads").iterdir())


def test_content_is_found_by_its_hash_whatever_the_url_had_last(cache):
    first = put(cache)
    second = put(cache, data=b"changed since")
    assert cache.find(URL).path == second
    assert cache.find_content(HASH, "firmware.zip") == first


def test_content_under_another_name(cache):
    put(cache)
    other = cache.find_content(HASH, "other.zip")
    assert (other.name, other.read_bytes()) == ("other.zip", DATA)
    assert cache.find(URL).path.name == "firmware.zip"
    assert cache.find_content(HASH, "../other.zip") is None


@pytest.mark.parametrize("damage", [b"", b"something else", None])
def test_damaged_content_counts_as_missing(cache, damage):
    place = put(cache)
    place.unlink() if damage is None else place.write_bytes(damage)
    assert cache.find(URL) is None
    assert cache.find_content(HASH, "firmware.zip") is None
    assert put(cache) == place
    assert cache.find(URL).path == place


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "",
            "{",
            "[]",
            "{}",
            '{"name": "firmware.zip", "sha256": "HASH"}',
            "[" * 50_000,
            '{"name":' * 50_000,
            "9" * 9999,
        ),
        '{"name": "\\ud800.zip", "sha256": "HASH", "source": "", "validator": ""}',
        '{"name": "a\\u0000b", "sha256": "HASH", "source": "", "validator": ""}',
        '{"name": "../../secret", "sha256": "HASH", "source": "", "validator": ""}',
        '{"name": "secret", "sha256": "../..", "source": "", "validator": ""}',
    ],
)
def test_a_damaged_entry_leads_nowhere(cache, entry):
    put(cache)
    (file,) = (cache.folder / "urls").iterdir()
    (cache.folder / "secret").write_bytes(DATA)
    file.write_text(entry.replace("HASH", HASH))
    assert cache.find(URL) is None


def _endless(place, kind):
    """Put something in the place of a file that can't be read to its end."""
    place.unlink()
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "large file":
        with place.open("wb") as stream:
            stream.truncate(1 << 40)
    else:
        place.symlink_to(kind)


ENDLESS = ["/dev/zero", "pipe", "large file", "."]


@pytest.mark.skipif(sys.platform == "win32", reason="need links and pipes")
@pytest.mark.parametrize("kind", ENDLESS)
def test_content_that_would_never_end_counts_as_missing(cache, kind):
    place = put(cache)
    _endless(place, kind)
    assert cache.find(URL) is None
    assert cache.find_content(HASH, "firmware.zip") is None
    assert cache.find_content(HASH, "other.zip") is None
    assert put(cache) == place
    assert cache.find(URL).path == place
    assert not place.is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="need links and pipes")
@pytest.mark.parametrize("kind", ENDLESS)
def test_an_entry_that_would_never_end_counts_as_missing(cache, kind):
    put(cache)
    (file,) = (cache.folder / "urls").iterdir()
    _endless(file, kind)
    assert cache.find(URL) is None


def test_a_forgotten_url(cache):
    place = put(cache)
    cache.forget(URL)
    assert cache.find(URL) is None
    assert cache.find_content(HASH, "firmware.zip") == place
    cache.forget(URL)


def test_entries_have_what_they_are_about(cache):
    put(cache)
    (file,) = (cache.folder / "urls").iterdir()
    expected = {"url": URL, "name": "firmware.zip", "size": len(DATA), "sha256": HASH}
    expected |= {"source": "https://mirror/firmware.zip", "validator": '"etag"'}
    assert json.loads(file.read_text()) == expected


def test_a_file_in_place_of_the_cache(cache):
    cache.folder.write_text("")
    assert cache.find(URL) is None
    with pytest.raises(CacheError) as caught:
        put(cache)
    assert caught.value.code == "cache-not-writable"
    assert f"the cache {cache.folder} can't be written: " in caught.value.message
    assert "ESP_AT_CACHE" in caught.value.hint


def test_a_full_disk_has_the_same_message(cache):
    with pytest.raises(CacheError) as caught, cache.exclusive(URL, report=lambda _: None):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.code == "cache-not-writable"
    assert caught.value.message == f"the cache {cache.folder} can't be written: No space left on device"
    assert "ESP_AT_CACHE" in caught.value.hint


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("ESP_AT_CACHE", "~/mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Cache.of_this_user().folder == tmp_path / "mine"
    monkeypatch.delenv("ESP_AT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert "platformio-esp-at" in Cache.of_this_user().folder.parts
    if sys.platform == "linux":
        assert Cache.of_this_user().folder == tmp_path / "xdg" / "platformio-esp-at"


def test_one_run_waits_for_the_other(cache):
    """A second process that wants the same download reports it, and goes on when the first one is done."""
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from platformio_esp_at.firmware.cache import Cache
        cache = Cache(Path(sys.argv[1]))
        with cache.exclusive(sys.argv[2], report=lambda event: print(event, flush=True)):
            print("found" if cache.find(sys.argv[2]) else "nothing", flush=True)
    """)
    command = [sys.executable, "-c", code, str(cache.folder), URL]
    with cache.exclusive(URL, report=lambda _: None) as folder:
        other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == f"{WaitingForDownload()}\n"
        (folder / "firmware.zip").write_bytes(DATA)
        cache.admit(URL, folder / "firmware.zip")
    assert other.communicate(timeout=20)[0] == "found\n"
    assert other.returncode == 0


def test_a_run_that_was_killed_holds_nobody_up(cache):
    code = (
        "import os, sys; from pathlib import Path; from platformio_esp_at.firmware.cache import Cache\n"
        "with Cache(Path(sys.argv[1])).exclusive(sys.argv[2], report=print): os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(cache.folder), URL], check=False, timeout=20)
    assert done.returncode == 9
    events = []
    with cache.exclusive(URL, report=events.append):
        pass
    assert events == []
