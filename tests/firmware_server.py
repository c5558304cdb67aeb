"""A local http or https server of firmware packages that does things wrong on request."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Self


@dataclass
class Served:
    """The content at a path, and what the server does wrong with it."""

    data: bytes = b""
    etag: str | None = '"first"'
    last_modified: str | None = None
    status: int = 200
    redirect: str | None = None
    length: int | None = None
    """A wrong Content-Length."""
    names_length: bool = True
    cut_after: list[int] = field(default_factory=list)
    """For each of the next requests: close the connection after this many bytes of the body."""
    stall_after: list[int] = field(default_factory=list)
    """For each of the next requests: send nothing more after this many bytes of the body."""
    knows_ranges: bool = True
    minds_if_range: bool = True
    range_begins: int | None = None
    """The offset at which an answer to a range begins, instead of the requested one."""
    always_partial: bool = False
    """Answer 206 to every request."""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def current(self) -> str | None:
        """The validator of this content: its ETag or Last-Modified."""
        return self.etag or self.last_modified


@dataclass(frozen=True)
class Asked:
    """A request that the server got."""

    path: str
    begin: int
    """The first byte that was asked for."""


class FirmwareServer:
    """A context manager: inside it, ``files`` are served below ``url``."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.files: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.stopped = threading.Event()
        self._certificate = certificate
        self._server = _Server(self)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        """The URL of its root, without a slash at its end."""
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """The server of a `FirmwareServer`; its handlers find the files to serve in ``owner``."""

    def __init__(self, owner: FirmwareServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.owner = owner


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.server.owner.asked.append(Asked(self.path, begin))
        served = self.server.owner.files.get(self.path)
        if served is None:
            self.send_error(404)
        elif served.redirect is not None:
            self._redirect(served.redirect, served.data)
        elif served.status != 200:
            self.send_error(served.status)
        elif self._has_it_already(served):
            self.send_response(304)
            self.end_headers()
        elif not self._wants_a_range(served):
            self._send(served, 200, served.data)
        elif begin >= len(served.data):
            self.send_error(416)
        else:
            begin = begin if served.range_begins is None else served.range_begins
            place = f"bytes {begin}-{len(served.data) - 1}/{len(served.data)}"
            self._send(served, 206, served.data[begin:], {"Content-Range": place})

    def _has_it_already(self, served: Served) -> bool:
        named = self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")
        return served.current is not None and served.current in named

    def _wants_a_range(self, served: Served) -> bool:
        fits = not served.minds_if_range or self.headers.get("If-Range") in (None, served.current)
        return served.always_partial or ("Range" in self.headers and served.knows_ranges and fits)

    def _redirect(self, place: str, body: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._write(body)

    def _send(self, served: Served, status: int, body: bytes, more: Mapping[str, str] = MappingProxyType({})) -> None:
        self.send_response(status)
        named = {"ETag": served.etag, "Last-Modified": served.last_modified}
        for name, value in {**named, **served.headers, **more}.items():
            if value is not None:
                self.send_header(name, value)
        if served.names_length:
            self.send_header("Content-Length", str(len(body) if served.length is None else served.length))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self._send_body(served, body)

    def _send_body(self, served: Served, body: bytes) -> None:
        if served.stall_after:
            self._write(body[: served.stall_after.pop(0)])
            self.server.owner.stopped.wait()
            self.close_connection = True
            return
        cut = served.cut_after.pop(0) if served.cut_after else None
        self._write(body[:cut])
        if cut is not None or not served.names_length or served.length is not None:
            self.close_connection = True

    def _write(self, data: bytes) -> None:
        with suppress(OSError):  # the client has closed the connection
            self.wfile.write(data)
            self.wfile.flush()

    def log_message(self, *_words: object) -> None:
        pass


def write_certificate(folder: Path) -> Path:
    """Write a new self-signed certificate for 127.0.0.1, with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"a server of {folder.name}")])
    now = dt.datetime.now(dt.timezone.utc)
    usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])  # without it, macOS refuses a server
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(usage, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file
