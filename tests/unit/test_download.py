"""Downloads against a server on this machine that cuts, lies and redirects."""

from __future__ import annotations

import contextlib
import errno
import gzip
import itertools
import json
import os
import secrets
import socket
import sys
import tracemalloc
from contextlib import contextmanager
from functools import partial
from unittest import mock

import pytest
from firmware_server import Asked, FirmwareServer, Served, write_certificate

from platformio_esp_at.errors import EspAtError, PackageError
from platformio_esp_at.events import Copying, DownloadProgressed, DownloadStarted
from platformio_esp_at.firmware import download as download_module
from platformio_esp_at.firmware.download import NotThereError, UnreachableError, download
from platformio_esp_at.outputs.text import event_text

DATA = secrets.token_bytes(300_000)
OTHER = secrets.token_bytes(300_000)
LIMIT = 1 << 20
CUT = 96 << 10


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(download_module, "_PAUSE", 0.001)


@contextmanager
def refused(code, kind=PackageError):
    with pytest.raises(kind) as caught:
        yield caught
    assert caught.value.code == code


@pytest.fixture
def fetch(https_server, tmp_path):
    """Download ``/a.zip`` of the server, or the file from another URL, and return the bytes of the file."""

    def run(url=None, limit=LIMIT, *, allow_http=False):
        file = tmp_path / "a.zip"
        run.events = []
        download(
            url or f"{https_server.url}/a.zip",
            file,
            limit=limit,
            allow_http=allow_http,
            report=run.events.append,
        )
        assert not list(tmp_path.glob("*.part*"))
        return file.read_bytes()

    run.folder = tmp_path
    return run


def begins(server: FirmwareServer) -> list[int]:
    return [asked.begin for asked in server.asked]


def test_a_file(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA)
    assert fetch() == DATA
    assert fetch.events == [DownloadStarted(f"{https_server.url}/a.zip", len(DATA))]
    assert event_text(fetch.events[0]) == f"Downloading {https_server.url}/a.zip (293.0 KB)\n"


def test_a_file_whose_length_is_not_named(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA, names_length=False)
    assert fetch() == DATA
    assert fetch.events == [DownloadStarted(f"{https_server.url}/a.zip", None)]
    assert event_text(fetch.events[0]) == f"Downloading {https_server.url}/a.zip\n"


# --- cut connections ---


def test_a_cut_connection_is_resumed(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA, cut_after=[CUT, CUT // 2])
    assert fetch() == DATA
    assert begins(https_server) == [0, CUT, CUT + CUT // 2]
    url = f"{https_server.url}/a.zip"
    assert fetch.events == [DownloadStarted(url, len(DATA), begun) for begun in begins(https_server)]
    assert event_text(fetch.events[1]) == f"Resuming at 96.0 KB: {url} (293.0 KB)\n"


def test_a_connection_that_is_cut_again_and_again_gets_there(https_server, fetch):
    cuts = 12
    https_server.files["/a.zip"] = Served(DATA, cut_after=[len(DATA) // (cuts + 2)] * cuts)
    assert fetch() == DATA
    assert len(https_server.asked) == cuts + 1


def test_a_date_tells_the_content_where_there_is_no_etag(https_server, fetch):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    https_server.files["/a.zip"] = Served(DATA, etag=None, last_modified=date, cut_after=[CUT])
    assert fetch() == DATA
    assert begins(https_server) == [0, CUT]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_name_for_the_content_it_starts_anew(https_server, fetch, etag):
    https_server.files["/a.zip"] = Served(DATA, etag=etag, cut_after=[CUT])
    assert fetch() == DATA
    assert begins(https_server) == [0, 0]


def test_a_server_without_ranges(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA, knows_ranges=False, cut_after=[CUT])
    assert fetch() == DATA


def test_a_later_run_resumes_where_an_earlier_one_gave_up(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA, cut_after=[2 * CUT, 0, 0, 0, 0, 0])
    with refused("download-interrupted") as caught:
        fetch()
    assert f"the download of {https_server.url}/a.zip broke off at 192.0 KB of 293.0 KB: " in caught.value.message
    assert caught.value.hint.startswith("run it again: it resumes there")
    https_server.asked.clear()
    https_server.files["/a.zip"].cut_after.clear()
    assert fetch() == DATA
    assert begins(https_server) == [2 * CUT]


@pytest.mark.parametrize("minds_if_range", [True, False])
def test_content_that_changed_meanwhile_is_not_mixed(https_server, fetch, minds_if_range):
    https_server.files["/a.zip"] = Served(DATA, cut_after=[2 * CUT, 0, 0, 0, 0, 0])
    with refused("download-interrupted"):
        fetch()
    https_server.files["/a.zip"] = Served(OTHER, etag='"second"', minds_if_range=minds_if_range)
    assert fetch() == OTHER


def test_content_that_is_shorter_by_now(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA, cut_after=[2 * CUT, 0, 0, 0, 0, 0])
    with refused("download-interrupted"):
        fetch()
    https_server.files["/a.zip"] = Served(OTHER[:1000], minds_if_range=False)
    assert fetch() == OTHER[:1000]


def test_a_range_that_begins_elsewhere(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA, cut_after=[CUT], range_begins=CUT - 1)
    assert fetch() == DATA
    assert begins(https_server) == [0, CUT, 0]


@pytest.mark.parametrize(
    "state", ["{", "[]", '{"url": 1}', '{"url": "x", "validator": "\\"first\\"", "total": 300000}']
)
def test_a_part_of_something_unknown_is_not_resumed(https_server, fetch, state):
    (fetch.folder / "a.zip.part").write_bytes(OTHER[:1000])
    (fetch.folder / "a.zip.part.json").write_text(state)
    https_server.files["/a.zip"] = Served(DATA)
    assert fetch() == DATA
    assert begins(https_server) == [0]


def test_a_part_that_is_complete_already(https_server, fetch):
    url = f"{https_server.url}/a.zip"
    (fetch.folder / "a.zip.part").write_bytes(DATA)
    state = {"url": url, "validator": '"first"', "total": len(DATA)}
    (fetch.folder / "a.zip.part.json").write_text(json.dumps(state))
    https_server.files["/a.zip"] = Served(DATA)
    assert fetch() == DATA


@pytest.mark.skipif(sys.platform == "win32", reason="need links and pipes")
@pytest.mark.parametrize("kind", ["/dev/zero", "/dev/full", "pipe", "secret"])
def test_a_part_that_is_a_link_or_a_pipe(https_server, fetch, kind):
    """It is replaced: a link may lead anywhere, and a pipe never opens."""
    https_server.files["/a.zip"] = Served(DATA)
    part = fetch.folder / "a.zip.part"
    secret = fetch.folder / "secret"
    secret.write_bytes(b"mine")
    os.mkfifo(part) if kind == "pipe" else part.symlink_to(kind)
    state = {"url": f"{https_server.url}/a.zip", "validator": '"first"', "total": len(DATA)}
    (fetch.folder / "a.zip.part.json").write_text(json.dumps(state))
    assert fetch() == DATA
    assert begins(https_server) == [0]
    assert secret.read_bytes() == b"mine"


def test_a_part_that_nobody_asked_for(https_server, fetch):
    """What an earlier run has left without a name isn't resumed, whatever the server calls its answer."""
    https_server.files["/a.zip"] = Served(DATA, etag=None, cut_after=[CUT, 0, 0, 0, 0, 0])
    with refused("download-failed"):
        fetch()
    https_server.files["/a.zip"] = Served(DATA, etag=None, always_partial=True)
    with refused("download-failed") as caught:
        fetch()
    assert caught.value.message == f"{https_server.url}/a.zip can't be fetched: the server has another file now"
    assert caught.value.hint == "try again later"
    https_server.files["/a.zip"] = Served(DATA, etag=None)
    assert fetch() == DATA


def test_a_run_that_ended_while_it_began_anew(https_server, fetch):
    """The state of the new content is never beside what is left of the old one."""
    https_server.files["/a.zip"] = Served(DATA, cut_after=[2 * CUT, 0, 0, 0, 0, 0])
    with refused("download-interrupted"):
        fetch()
    part, state = fetch.folder / "a.zip.part", fetch.folder / "a.zip.part.json"
    assert part.stat().st_size >= 2 * CUT - 1024
    https_server.files["/a.zip"] = Served(OTHER, etag='"second"')
    fill_disk = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with mock.patch("json.dumps", side_effect=fill_disk), pytest.raises(OSError, match="No space"):
        fetch()
    assert not state.exists()
    assert not part.exists()
    assert fetch() == OTHER


def test_a_part_that_is_longer_than_the_whole(https_server, fetch):
    url = f"{https_server.url}/a.zip"
    (fetch.folder / "a.zip.part").write_bytes(DATA + b"more")
    state = {"url": url, "validator": '"first"', "total": len(DATA)}
    (fetch.folder / "a.zip.part.json").write_text(json.dumps(state))
    https_server.files["/a.zip"] = Served(DATA)
    assert fetch() == DATA
    assert begins(https_server) == [0]


def test_only_what_has_changed_is_fetched(https_server, tmp_path):
    https_server.files["/a.zip"] = Served(DATA)
    again = partial(download, f"{https_server.url}/a.zip", tmp_path / "a.zip", limit=LIMIT, allow_http=False)
    assert again(report=print) == '"first"'
    (tmp_path / "a.zip").unlink()
    assert again(report=print, unless='"first"') is None
    assert list(tmp_path.iterdir()) == []
    https_server.files["/a.zip"] = Served(OTHER, etag='"second"')
    assert again(report=print, unless='"first"') == '"second"'
    assert (tmp_path / "a.zip").read_bytes() == OTHER


def test_content_is_taken_as_it_is(https_server, fetch):
    """A file that was compressed for the way has another length and another hash: it is not unpacked."""
    packed = gzip.compress(DATA)
    https_server.files["/a.zip"] = Served(packed, headers={"Content-Encoding": "gzip"})
    assert fetch() == packed


# --- lengths ---


def test_a_length_that_is_too_long(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA, length=len(DATA) + 5)
    with refused("download-interrupted"):
        fetch()
    assert not (fetch.folder / "a.zip").exists()


def test_a_length_that_is_too_short_is_all_that_comes(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA, length=1000)
    assert fetch() == DATA[:1000]  # whether that is a firmware package, the caller finds out


@pytest.mark.parametrize("names_length", [True, False])
def test_more_than_allowed(https_server, fetch, names_length):
    https_server.files["/a.zip"] = Served(DATA, names_length=names_length)
    with refused("download-too-large") as caught:
        fetch(limit=128 << 10)
    assert caught.value.message == f"{https_server.url}/a.zip is larger than 128KB"
    assert caught.value.hint == "check the URL: no firmware package is so large"
    assert list(fetch.folder.iterdir()) == []


# --- what a server answers ---


@pytest.mark.parametrize("status", [404, 410])
def test_what_does_not_exist(https_server, fetch, status):
    https_server.files["/a.zip"] = Served(status=status)
    with refused("download-not-found", NotThereError) as caught:
        fetch()
    assert caught.value.message.startswith(f"127.0.0.1 answers {status} ")
    assert caught.value.message.endswith(f" for {https_server.url}/a.zip")
    assert caught.value.hint == "check the URL, or take another release"
    assert len(https_server.asked) == 1


def test_what_is_closed(https_server, fetch):
    https_server.files["/a.zip"] = Served(status=403)
    with refused("download-forbidden") as caught:
        fetch()
    assert "answers 403" in caught.value.message
    assert "netrc" in caught.value.hint


def test_a_server_that_is_busy_is_asked_again(https_server, fetch):
    https_server.files["/a.zip"] = Served(status=503)
    with refused("download-failed") as caught:
        fetch()
    assert "answers 503" in caught.value.message
    assert caught.value.hint == "try again later"
    assert len(https_server.asked) == 5


def test_nobody_there(fetch):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{bound.getsockname()[1]}/a.zip"
        with refused("server-unreachable", UnreachableError) as caught:
            fetch(url)
    assert caught.value.message == "127.0.0.1 can't be reached: Connection refused"


def test_a_host_that_does_not_exist(fetch):
    with refused("server-unreachable", UnreachableError) as caught:
        fetch("https://no-such-host.invalid/a.zip")
    assert caught.value.message.startswith("no-such-host.invalid can't be reached: ")


def test_a_certificate_that_nobody_vouches_for(server_certificate, fetch, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with FirmwareServer(server_certificate) as server, refused("server-not-trusted") as caught:
        fetch(f"{server.url}/a.zip")
    assert "127.0.0.1 has no certificate that can be trusted: " in caught.value.message
    assert caught.value.hint == (
        "behind a proxy with a certificate of its own, set ESP_AT_CA_BUNDLE to the file of its CA (PEM)"
    )


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "ESP_AT_CA_BUNDLE"])
@pytest.mark.parametrize("others", [True, False])
def test_variables_for_certificates(
    https_server, fetch, monkeypatch, server_certificate, tmp_path_factory, name, others
):
    """Each of them will do, whatever the others name."""
    https_server.files["/a.zip"] = Served(DATA)
    another = write_certificate(tmp_path_factory.mktemp("another"))
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(variable, str(another)) if others else monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(name, str(server_certificate))
    if (name, others) == ("CURL_CA_BUNDLE", True):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")  # which requests takes in its place
    assert fetch() == DATA


def test_a_file_of_cas_for_downloads_has_several(server_certificate, https_server, fetch, monkeypatch, tmp_path):
    """Comments in any encoding, as bundles have them; and a path that starts at the current folder."""
    https_server.files["/a.zip"] = Served(DATA)
    monkeypatch.delenv("SSL_CERT_FILE")
    (tmp_path / "another").mkdir()
    another = write_certificate(tmp_path / "another").read_bytes()
    (tmp_path / "cas für uns.pem").write_bytes("# Főtanúsítvány\n".encode() + another + server_certificate.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ESP_AT_CA_BUNDLE", "cas für uns.pem")
    assert fetch() == DATA


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.pem", None, "can't be read: No such file or directory"),
        (".", None, "can't be read: it is a folder, a file is needed"),
        ("empty.pem", "", "has no certificates in PEM, or damaged ones"),
        ("web.pem", "<html>", "has no certificates in PEM, or damaged ones"),
        ("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB", "has no certificates in PEM, or damaged ones"),
    ],
)
def test_a_file_of_cas_for_downloads_that_cannot_be(https_server, fetch, monkeypatch, tmp_path, name, content, reason):
    """It is refused, also where the server is trusted without it."""
    https_server.files["/a.zip"] = Served(DATA)
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("ESP_AT_CA_BUNDLE", str(path))
    with refused("download-ca-invalid", EspAtError) as caught:
        fetch()
    assert str(caught.value) == (
        f"ESP_AT_CA_BUNDLE: {path} {reason}\n"
        "  set ESP_AT_CA_BUNDLE to a file of CAs in PEM (-----BEGIN CERTIFICATE-----), or unset it"
    )
    assert https_server.asked == []


def test_a_file_of_cas_for_downloads_without_that_of_the_server(
    server_certificate, fetch, monkeypatch, tmp_path_factory
):
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("ESP_AT_CA_BUNDLE", str(write_certificate(tmp_path_factory.mktemp("another"))))
    with FirmwareServer(server_certificate) as server, refused("server-not-trusted"):
        fetch(f"{server.url}/a.zip")


def test_a_file_of_certificates_that_does_not_exist(https_server, fetch, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with refused("download-failed") as caught:
        fetch()
    assert "/nowhere/ca.pem" in caught.value.message
    assert "certificate variables" in caught.value.hint


@pytest.mark.parametrize(
    ("host", "code"), [("a..b", "download-failed"), ("a" * 70, "download-failed"), ("h:99999", "url-damaged")]
)
def test_hosts_that_cannot_be(fetch, host, code):
    with refused(code, EspAtError) as caught:
        fetch(f"https://{host}/a.zip")
    assert f"{host}/a.zip" in caught.value.message


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("http://h:bad/", "redirect-invalid"),
        ("https://a..b/c", "download-failed"),
        ("https://[::1/", "redirect-invalid"),
    ],
)
def test_redirects_to_hosts_that_cannot_be(https_server, fetch, place, code):
    https_server.files["/a.zip"] = Served(redirect=place)
    with refused(code):
        fetch()


def test_a_server_that_speaks_no_tls(http_server, fetch):
    http_server.files["/a.zip"] = Served(DATA)
    with refused("download-failed") as caught:
        fetch(http_server.url.replace("http:", "https:") + "/a.zip")
    assert "certificate" not in str(caught.value)


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-1", "many"])
def test_lengths_that_are_none(https_server, fetch, length):
    https_server.files["/a.zip"] = Served(DATA, names_length=False, headers={"Content-Length": length})
    with contextlib.suppress(PackageError):
        assert fetch() == DATA


# --- http, files, redirects ---


def test_http_is_refused_unless_allowed(http_server, fetch):
    http_server.files["/a.zip"] = Served(DATA)
    with refused("url-not-encrypted", EspAtError) as caught:
        fetch(f"{http_server.url}/a.zip")
    assert caught.value.message.startswith(f"{http_server.url}/a.zip is not encrypted")
    assert "ESP_AT_ALLOW_HTTP=1" in caught.value.hint
    assert http_server.asked == []
    assert fetch(f"{http_server.url}/a.zip", allow_http=True) == DATA


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ftp://host/a.zip", "url-scheme"),
        ("data://a", "url-scheme"),
        ("https:///a.zip", "url-damaged"),
        ("https://host:x/a.zip", "url-damaged"),
    ],
)
def test_urls_that_nothing_is_fetched_from(fetch, url, code):
    with refused(code, EspAtError):
        fetch(url)
    assert fetch.events == []


def test_a_redirect_by_https_is_followed(https_server, fetch):
    https_server.files |= {"/a.zip": Served(redirect="/b/c.zip"), "/b/c.zip": Served(DATA, cut_after=[8192])}
    assert fetch() == DATA
    assert https_server.asked[-1] == Asked("/b/c.zip", 8192)


def test_nothing_of_a_redirect_is_read_but_where_it_leads(https_server, fetch):
    https_server.files |= {"/a.zip": Served(bytes(50 << 20), redirect="/b.zip"), "/b.zip": Served(DATA)}
    tracemalloc.start()
    try:
        assert fetch() == DATA
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("allow_http", [False, True])
def test_a_redirect_to_http_is_not_followed(https_server, http_server, fetch, allow_http):
    https_server.files["/a.zip"] = Served(redirect=f"{http_server.url}/a.zip")
    http_server.files["/a.zip"] = Served(DATA)
    with refused("redirect-not-encrypted") as caught:
        fetch(allow_http=allow_http)
    assert f"redirects to {http_server.url}/a.zip, which is not encrypted" in caught.value.message
    assert http_server.asked == []


def test_a_redirect_to_a_file_is_not_followed(http_server, fetch, tmp_path):
    (tmp_path / "secret").write_bytes(DATA)
    http_server.files["/a.zip"] = Served(redirect=(tmp_path / "secret").as_uri())
    with refused("redirect-not-encrypted") as caught:
        fetch(f"{http_server.url}/a.zip", allow_http=True)
    assert "redirects to file:" in caught.value.message


def test_a_redirect_from_http_to_http(http_server, fetch):
    http_server.files |= {"/a.zip": Served(redirect="/b.zip"), "/b.zip": Served(DATA)}
    assert fetch(f"{http_server.url}/a.zip", allow_http=True) == DATA
    http_server.files["/a.zip"] = Served(redirect="http://example.invalid/a.zip")
    with refused("redirect-not-encrypted") as caught:
        fetch(f"{http_server.url}/a.zip", allow_http=True)
    assert "redirects to http://example.invalid/a.zip, which is not encrypted" in caught.value.message


def test_a_redirect_to_itself(https_server, fetch):
    https_server.files["/a.zip"] = Served(redirect="/a.zip")
    with refused("redirect-invalid") as caught:
        fetch()
    assert "too many redirects (more than 5)" in caught.value.message
    assert "name the URL that it ends at" in caught.value.hint


def test_a_file_url(fetch, tmp_path):
    source = tmp_path / "eine Datei.zip"
    source.write_bytes(DATA)
    assert fetch(source.as_uri()) == DATA
    assert fetch.events == [Copying(source)]
    assert event_text(fetch.events[0]) == f"Copying {source}\n"
    source.unlink()
    with refused("download-not-found", NotThereError) as caught:
        fetch(source.as_uri())
    assert caught.value.message == f"there is no {source}"
    with refused("unreadable") as caught:
        fetch(tmp_path.as_uri())
    assert caught.value.message == f"{tmp_path} can't be read: it is a folder, a file is needed"
    with refused("url-scheme", EspAtError):
        fetch("file://elsewhere/a.zip")


def test_a_file_url_that_is_too_large(fetch, tmp_path):
    (tmp_path / "b.zip").write_bytes(DATA)
    with refused("download-too-large") as caught:
        fetch((tmp_path / "b.zip").as_uri(), limit=128 << 10)
    assert caught.value.message.endswith("/b.zip is larger than 128KB")


# --- proxies ---


def test_a_proxy_is_asked(fetch, http_server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", http_server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    http_server.files["http://example.invalid/a.zip"] = Served(DATA)
    assert fetch("http://example.invalid/a.zip", allow_http=True) == DATA


def test_a_proxy_that_does_not_answer(fetch, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with refused("server-unreachable", UnreachableError) as caught:
        fetch("https://example.invalid/a.zip")
    assert caught.value.message.startswith("the proxy for example.invalid can't be reached: ")
    assert caught.value.hint.startswith("the proxy is http://127.0.0.1:")


def test_a_proxy_that_is_no_url(fetch, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with refused("server-unreachable", UnreachableError) as caught:
        fetch("https://example.invalid/a.zip")
    assert caught.value.message.startswith("the proxy for example.invalid can't be used: ")


def test_no_proxy_for_this_machine(https_server, fetch, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    https_server.files["/a.zip"] = Served(DATA)
    assert fetch() == DATA


# --- what is reported ---


def test_a_password_is_not_shown(https_server, fetch):
    https_server.files["/a.zip"] = Served(DATA)
    url = https_server.url.replace("https://", "https://me:secret@")
    assert fetch(f"{url}/a.zip") == DATA
    assert fetch.events == [DownloadStarted(f"{https_server.url}/a.zip", len(DATA))]
    with refused("download-not-found") as caught:
        fetch(f"{url}/b.zip")
    assert f"{https_server.url}/b.zip" in caught.value.message
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value.facts)


@pytest.mark.parametrize(
    "place", ["me:sec/ret@host/x.zip", "me:secret@host:bad/", "me:secret@[::1/", "me:sec#ret@host/x"]
)
def test_no_part_of_a_password_is_shown_wherever_it_ends(fetch, place):
    with refused("url-damaged", EspAtError) as caught:
        fetch(f"https://{place}")
    assert "sec" not in str(caught.value)
    assert "sec" not in repr(caught.value.facts)


def test_progress_of_a_long_download(https_server, fetch, monkeypatch):
    monkeypatch.setattr(download_module, "_SHOWN_EVERY", 0)
    https_server.files["/a.zip"] = Served(DATA)
    fetch()
    _, *progressed = fetch.events
    assert progressed[0] == DownloadProgressed(1 << 10, len(DATA))
    assert progressed[-1] == DownloadProgressed(292 << 10, len(DATA))
    assert event_text(progressed[0]) == "  1.0 KB of 293.0 KB, 0 %\n"
    assert event_text(progressed[-1]) == "  292.0 KB of 293.0 KB, 99 %\n"


def test_progress_of_a_download_whose_length_is_not_named(https_server, fetch, monkeypatch):
    monkeypatch.setattr(download_module, "_SHOWN_EVERY", 0)
    https_server.files["/a.zip"] = Served(DATA, names_length=False)
    fetch()
    assert fetch.events[1] == DownloadProgressed(1 << 10, None)
    assert event_text(fetch.events[1]) == "  1.0 KB\n"


def test_progress_is_reported_about_once_a_second(https_server, fetch, monkeypatch):
    seconds = itertools.count(step=1 / 128)
    monkeypatch.setattr(download_module, "time", mock.Mock(monotonic=lambda: next(seconds)))
    https_server.files["/a.zip"] = Served(DATA)
    fetch()
    assert [event.done for event in fetch.events[1:]] == [128 << 10, 256 << 10]
