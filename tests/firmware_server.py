"""A server of firmware packages on this machine, by http or https, that misbehaves as it is told."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self


@dataclass
class Served:
    """What is at a path, and what the server does wrong about it."""

    data: bytes = b""
    etag: str | None = '"first"'
    last_modified: str | None = None
    status: int = 200
    redirect: str | None = None
    length: int | None = None
    """A Content-Length that isn't true."""
    names_length: bool = True
    cut_after: list[int] = field(default_factory=list)
    """For each of the next requests: close the connection after so many bytes of the body."""
    stall_after: list[int] = field(default_factory=list)
    """For each of the next requests: after so many bytes of the body, send nothing more."""
    knows_ranges: bool = True
    minds_if_range: bool = True
    range_begins: int | None = None
    """Where an answer to a range begins, which isn't where it was asked to."""
    always_partial: bool = False
    """Answer 206 to whatever was asked."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    path: str
    begin: int
    """The first byte that was asked for."""


class FirmwareServer:
    """A context manager: inside it, ``files`` are served below ``address``."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.files: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.stopped = threading.Event()
        self._certificate = certificate
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def address(self) -> str:
        """The address of its root, without a slash at its end."""
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


def _handler_of(server: FirmwareServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            server.asked.append(Asked(self.path, begin))
            served = server.files.get(self.path)
            if served is None:
                self.send_error(404)
            elif served.redirect is not None:
                self.send_response(302)
                self.send_header("Location", served.redirect)
                self.send_header("Content-Length", str(len(served.data)))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(served.data)
            elif served.status != 200:
                self.send_error(served.status)
            else:
                self._send(served, begin)

        def _send(self, served: Served, begin: int) -> None:
            current = served.etag or served.last_modified
            if current and current in (self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")):
                self.send_response(304)
                self.end_headers()
                return
            fits = not served.minds_if_range or self.headers.get("If-Range") in (None, current)
            is_range = ("Range" in self.headers and served.knows_ranges and fits) or served.always_partial
            if is_range and begin >= len(served.data):
                self.send_error(416)
                return
            if is_range and served.range_begins is not None:
                begin = served.range_begins
            body = served.data[begin:] if is_range else served.data
            self.send_response(206 if is_range else 200)
            for name, value in {"ETag": served.etag, "Last-Modified": served.last_modified, **served.headers}.items():
                if value is not None:
                    self.send_header(name, value)
            if is_range:
                self.send_header("Content-Range", f"bytes {begin}-{len(served.data) - 1}/{len(served.data)}")
            if served.names_length:
                self.send_header("Content-Length", str(len(body) if served.length is None else served.length))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            if served.stall_after:
                self.wfile.write(body[: served.stall_after.pop(0)])
                server.stopped.wait()
                self.close_connection = True
                return
            cut = served.cut_after.pop(0) if served.cut_after else None
            with suppress(OSError):  # a client that has heard enough
                self.wfile.write(body[:cut])
            if cut is not None or not served.names_length or served.length is not None:
                self.wfile.flush()
                self.close_connection = True

        def log_message(self, *_words: object) -> None:
            pass

    return Handler


def write_certificate(folder: Path) -> Path:
    """Write a new certificate for 127.0.0.1 that signs itself, with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"a server of {folder.name}")])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file
