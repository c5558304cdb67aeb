"""Download a URL to a file; an interrupted download is resumed.

Only the transport is decided here: which URLs are allowed, how often to try, when a partial file may be resumed.
The caller checks the content.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import stat
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from platformio_esp_at import __version__
from platformio_esp_at.errors import EspAtError, PackageError, located
from platformio_esp_at.events import Copying, DownloadProgressed, DownloadStarted
from platformio_esp_at.files import looked_for, open_regular, read_file, reading_hint, replace_file
from platformio_esp_at.launcher.packages import CA_BUNDLE
from platformio_esp_at.units import format_amount, format_size
from platformio_esp_at.urls import (
    ALLOW_HTTP,
    check_url,
    followed,
    host_of,
    is_loopback,
    path_of_file_url,
    scheme_of,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from platformio_esp_at.events import Report

_TIMEOUT = (10.0, 30.0)
"""Timeouts in seconds: to connect, and between two pieces."""
_ATTEMPTS = 5
"""Consecutive attempts without new data before giving up."""
_MAX_ATTEMPTS = 100
_PAUSE = 0.3
"""Seconds before the second attempt; each further pause is twice as long."""
_MAX_REDIRECTS = 5
_PIECE = 1 << 10
"""In bytes; if the connection is cut, the unfinished piece is lost."""
_MAX_STATE_SIZE = 64 << 10
_SHOWN_EVERY = 1.0
"""Seconds between two progress lines, at least."""
_TRY_AGAIN = (408, 429, 500, 502, 503, 504)


class NotThereError(PackageError):
    """The server, or the folder, has no such file."""


class UnreachableError(PackageError):
    """The server can't be reached."""


class _BrokenOffError(Exception):
    """The transfer ended early; the data so far is kept."""


def allows_http() -> bool:
    """Return whether `ALLOW_HTTP` is set, to anything but 0, no or false."""
    return os.environ.get(ALLOW_HTTP, "").lower() not in ("", "0", "no", "false")


def download(url: str, file: Path, *, limit: int, allow_http: bool, report: Report, unless: str = "") -> str | None:
    """Download ``url`` to ``file``: at most ``limit`` bytes, by https (or http where allowed); ``file:`` is copied.

    Returns the validator of the content (ETag or Last-Modified), "" if the server sends none. ``unless``: the validator
    of a file that is there already; returns None, and makes no file, if the server still has that. An incomplete file
    is ``<file>.part``, with its URL and validator in ``<file>.part.json``: a later call resumes it, unless the server's
    file has changed. Raises `NotThereError`, `UnreachableError`, or `PackageError` for a transfer that fails otherwise;
    `EspAtError` for a URL that isn't allowed.
    """
    check_url(url, allow_http=allow_http)
    part = _Part(url, file, limit)
    if scheme_of(url) == "file":
        _copy(path_of_file_url(url), part, report)
    elif not _fetch(url, part, unless, allow_http=allow_http, report=report):
        return None
    validator = part.validator
    part.finish()
    return validator


def ask_server(url: str, *, allow_http: bool, seconds: float) -> None:
    """Ask a server for a file, once, and read nothing of it: only whether it would be sent.

    ``seconds``: how long to wait for the connection, and then for the answer. Raises as `download`.
    """
    check_url(url, allow_http=allow_http)
    waiting = (seconds, seconds)
    try:
        with _session() as session, _follow(session, url, {}, allow_http=allow_http, timeout=waiting) as response:
            status = response.status_code
    except _BrokenOffError as error:
        message = f"{shown(url)} can't be fetched: {error}"
        raise PackageError("download-failed", message, hint="try again later") from None
    if status in (404, 410):
        hint = "check the URL, or take another release"
        raise NotThereError("download-not-found", f"{host_of(url)} answers {status} for {shown(url)}", hint=hint)
    if status >= 400:
        hint = "it may want a name and a password: see ~/.netrc; or it has a trouble of its own: try again later"
        raise PackageError("download-failed", f"{host_of(url)} answers {status} for {shown(url)}", hint=hint)


def proxy_for(url: str) -> str | None:
    """Return the proxy that a download goes through, without user name and password; None for none."""
    from requests.utils import get_environ_proxies, select_proxy  # noqa: PLC0415 - see `_session`

    proxy = None if is_loopback(url) else select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if proxy is None:
        return None
    scheme, mark, _ = proxy.rpartition("@")[0].partition("://")
    return f"{scheme}{mark}" * bool(mark) + proxy.rpartition("@")[2]


def _copy(path: Path, part: _Part, report: Report) -> None:
    try:
        source = open_regular(path)
    except FileNotFoundError:
        raise NotThereError("download-not-found", f"there is no {path}", hint=looked_for(path)) from None
    except OSError as error:
        hint = reading_hint(path, error)
        raise PackageError("unreadable", f"{path} can't be read: {error.strerror or error}", hint=hint) from None
    report(Copying(path))
    with source, part.begin(os.fstat(source.fileno()).st_size, "") as target:
        while piece := source.read(1 << 20):
            part.size += len(piece)
            part.check_size(part.size)
            target.write(piece)


def _fetch(url: str, part: _Part, unless: str, *, allow_http: bool, report: Report) -> bool:
    """Try until the file is complete; an attempt that gets new data restarts the count.

    Returns False if the server's file still has the validator ``unless``.
    """
    progress = _Progress(report)
    with _session() as session:
        failures = most = 0
        for attempt in range(1, _MAX_ATTEMPTS + 1):
            try:
                return _attempt(session, part, unless, progress, allow_http=allow_http)
            except _BrokenOffError as error:  # noqa: PERF203 - trying again is what the loop is for
                failures = 1 if part.size > most else failures + 1
                most = max(most, part.size)
                if failures == _ATTEMPTS or attempt == _MAX_ATTEMPTS:
                    raise _gave_up(url, part, str(error)) from None
                time.sleep(_PAUSE * 2 ** (failures - 1))
    raise AssertionError  # the loop ends by returning or raising


def _gave_up(url: str, part: _Part, reason: str) -> PackageError:
    if not part.size:
        return PackageError("download-failed", f"{shown(url)} can't be fetched: {reason}", hint="try again later")
    of = f" of {format_amount(part.total)}" if part.total else ""
    goes_on = "it resumes there" if part.validator else "this server can't resume, so it starts from the beginning"
    return PackageError(
        "download-interrupted",
        f"the download of {shown(url)} broke off at {format_amount(part.size)}{of}: {reason}",
        hint=f"run it again: {goes_on}",
    )


def _session() -> requests.Session:
    import requests  # noqa: PLC0415 - 80 ms that only a download needs

    class SystemsTrust(requests.adapters.HTTPAdapter):
        """Trusts the CAs of `_trust`, and those of requests."""

        def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as requests has it
            super().init_poolmanager(*args, ssl_context=_trust(), **options)

        def proxy_manager_for(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
            return super().proxy_manager_for(*args, ssl_context=_trust(), **options)

    class OneRequest(requests.Session):
        """A session that reads only the headers of a redirect; `_follow` decides whether to follow it."""

        def resolve_redirects(self, *_args: object, **_options: object) -> Iterator[Any]:
            return iter(())

    session = OneRequest()
    session.headers["User-Agent"] = f"platformio-esp-at/{__version__}"
    session.headers["Accept-Encoding"] = "identity"
    session.mount("https://", SystemsTrust())
    return session


def _trust() -> ssl.SSLContext:
    """Return the context of https: the CAs of the system, those of ``SSL_CERT_FILE``, and those of `CA_BUNDLE`.

    Raises `EspAtError` for a `CA_BUNDLE` that can't be read.
    """
    import truststore  # noqa: PLC0415 - 5 ms that only a download needs

    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a company's file may have an intermediate CA alone
    context.set_default_verify_paths()  # OpenSSL's, which are not the system's on macOS and Windows: SSL_CERT_FILE
    if text := os.environ.get(CA_BUNDLE, "").strip():
        path = Path(os.path.expanduser(text)).absolute()  # noqa: PTH111 - never raises
        with located(variable=CA_BUNDLE):
            _trust_file(context, path)
    return context


def _trust_file(context: ssl.SSLContext, path: Path) -> None:
    hint = f"set {CA_BUNDLE} to a file of CAs in PEM (-----BEGIN CERTIFICATE-----), or unset it"
    try:
        open_regular(path).close()  # OpenSSL would wait for what a pipe brings
        context.load_verify_locations(path)
    except ssl.SSLError:
        message = f"{path} has no certificates in PEM, or damaged ones"
        raise EspAtError("download-ca-invalid", message, hint=hint) from None
    except OSError as error:
        message = f"{path} can't be read: {error.strerror or error}"
        raise EspAtError("download-ca-invalid", message, hint=hint) from None


def _attempt(session: requests.Session, part: _Part, unless: str, progress: _Progress, *, allow_http: bool) -> bool:
    """Download what is missing; return False if the server's file still has the validator ``unless``.

    Raises `_BrokenOffError` where another attempt may help, `PackageError` where not.
    """
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with requests

    # Without a validator, our part may be the start of another file.
    begun = part.size if part.validator else 0
    headers = {"Range": f"bytes={begun}-", "If-Range": part.validator} if begun else {}
    if unless:
        headers["If-None-Match" if unless.startswith('"') else "If-Modified-Since"] = unless
    with _follow(session, part.url, headers, allow_http=allow_http) as response:
        if unless and response.status_code == 304:
            return False
        _check_status(response, part)
        with part.accept(response, is_continued=begun > 0) as stream:
            progress.start(part)
            try:
                for piece in response.raw.stream(_PIECE, decode_content=False):
                    part.check_size(part.size + len(piece))
                    stream.write(piece)
                    part.size += len(piece)
                    progress.update(part)
            except HTTPError as error:
                raise _BrokenOffError(_reason(error)) from None
    if part.total is not None and part.size != part.total:
        raise _BrokenOffError("the connection was closed")
    return True


def _follow(
    session: requests.Session,
    url: str,
    headers: dict[str, str],
    *,
    allow_http: bool,
    timeout: tuple[float, float] = _TIMEOUT,
) -> requests.Response:
    """Return the response after all redirects. Raises `EspAtError` for a redirect that isn't allowed."""
    at = url
    for _ in range(_MAX_REDIRECTS + 1):
        response = _answer(session, at, headers, timeout)
        if not response.is_redirect:
            return response
        response.close()
        target = _target(at, response.headers["location"])
        if scheme_of(target) != "https" and not (allow_http and _stays_http(at, target)):
            raise PackageError(
                "redirect-not-encrypted",
                f"{shown(at)} redirects to {shown(target)}, which is not encrypted",
                hint="others on the network could change the download; download it by hand if you trust it",
            )
        at = target
    hint = "open it in a browser, and name the URL that it ends at"
    raise PackageError(
        "redirect-invalid", f"{shown(url)} has too many redirects (more than {_MAX_REDIRECTS})", hint=hint
    )


def _target(at: str, location: str) -> str:
    """Return the URL of a redirect. Raises `PackageError` for an invalid one."""
    try:
        target = followed(at, location)
        if scheme_of(target) in ("http", "https"):
            check_url(target, allow_http=True)
    except EspAtError:
        raise PackageError(
            "redirect-invalid", f"{shown(at)} redirects to an invalid URL", hint="report it to the server's operator"
        ) from None
    return target


def _answer(
    session: requests.Session, url: str, headers: dict[str, str], timeout: tuple[float, float]
) -> requests.Response:
    """Return a server's response, its body not read yet.

    Raises `UnreachableError` if there is none, `_BrokenOffError` if another attempt may help, else `PackageError`.
    """
    from requests import exceptions  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    # For a proxy, localhost is its own machine, not this one.
    proxies = {"no_proxy": host_of(url)} if is_loopback(url) else None
    try:
        return session.get(url, headers=headers, stream=True, allow_redirects=False, timeout=timeout, proxies=proxies)
    except exceptions.SSLError as error:
        if not isinstance(_innermost(error), ssl.SSLCertVerificationError):
            raise _BrokenOffError(_reason(error)) from None
        message = f"{host_of(url)} has no certificate that can be trusted: {_reason(error)}"
        hint = f"behind a proxy with a certificate of its own, set {CA_BUNDLE} to the file of its CA (PEM)"
        raise PackageError("server-not-trusted", message, hint=hint) from None
    except exceptions.InvalidProxyURL as error:
        raise UnreachableError(
            "server-unreachable",
            f"the proxy for {host_of(url)} can't be used: {_reason(error)}",
            hint="write HTTPS_PROXY as http://HOST:PORT, or unset it",
        ) from None
    except exceptions.ReadTimeout as error:
        raise _BrokenOffError(_reason(error)) from None
    except exceptions.ConnectionError as error:
        if _is_cut(error):
            raise _BrokenOffError(_reason(error)) from None
        if refusal := re.search(r"Tunnel connection failed: ((\d+).*)", _reason(error)):
            if int(refusal[2]) in _TRY_AGAIN:
                raise _BrokenOffError(f"the proxy answers {refusal[1]}") from None
            hint = "if it wants a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT"
            raise PackageError(
                "proxy-refused", f"the proxy for {host_of(url)} refuses: {refusal[1]}", hint=hint
            ) from None
        through, hint = "", f"see whether this machine is online, and opens https://{host_of(url)} in a browser"
        if isinstance(error, exceptions.ProxyError):
            through = "the proxy for "
            hint = (
                f"the proxy is {proxy_for(url)}, by HTTPS_PROXY or the settings of this system: correct it, or unset it"
            )
        message = f"{through}{host_of(url)} can't be reached: {_reason(error)}"
        raise UnreachableError("server-unreachable", message, hint=hint) from None
    except (exceptions.RequestException, HTTPError, OSError, ValueError) as error:
        # Not all of them are documented: a missing CA file is an OSError, a strange host a ValueError.
        hint = "check the URL, and what the proxy and certificate variables of this terminal say"
        raise PackageError("download-failed", f"{shown(url)} can't be fetched: {_reason(error)}", hint=hint) from None


def _stays_http(at: str, target: str) -> bool:
    """Return whether a redirect is from http to http, and not from this machine (trusted more) to another."""
    return (scheme_of(at), scheme_of(target)) == ("http", "http") and (is_loopback(target) or not is_loopback(at))


def _check_status(response: requests.Response, part: _Part) -> None:
    url = part.url
    status = response.status_code
    if status in (200, 206):
        return
    if status == 416:  # the server's file is shorter than our part: another file
        part.discard()
        raise _BrokenOffError("the server has another file now")
    answer = f"{host_of(url)} answers {status} {response.reason or ''}".rstrip()
    if status in (404, 410):
        raise NotThereError(
            "download-not-found", f"{answer} for {shown(url)}", hint="check the URL, or take another release"
        )
    if status in _TRY_AGAIN:
        raise _BrokenOffError(answer)
    if status in (401, 403):
        hint = "it wants a name and a password: see ~/.netrc"
        raise PackageError("download-forbidden", f"{answer} for {shown(url)}", hint=hint, status=status)
    hint = "open it in a browser to see what it wants"
    raise PackageError("download-failed", f"{answer} for {shown(url)}", hint=hint, status=status)


@dataclass(frozen=True, slots=True)
class _State:
    """The download that a partial file belongs to."""

    url: str
    validator: str
    """A strong ETag, or else the date of Last-Modified."""
    total: int | None


class _Part:
    """A file that is being downloaded."""

    def __init__(self, url: str, file: Path, limit: int) -> None:
        self.url = url
        self.limit = limit
        self._file = file
        self._path = file.with_name(f"{file.name}.part")
        self._state_path = file.with_name(f"{file.name}.part.json")
        self.size = 0
        self.total: int | None = None
        self.validator = ""
        self._resume()

    def _resume(self) -> None:
        """Take the partial file of an earlier run, if its JSON is for the same download."""
        with suppress(OSError, ValueError, TypeError, RecursionError):
            state = _State(**json.loads(read_file(self._state_path, _MAX_STATE_SIZE)))
            size = os.lstat(self._path).st_size
            if not stat.S_ISREG(os.lstat(self._path).st_mode):
                return  # a link, or a pipe: `begin` replaces it
            if state.url != shown(self.url) or not isinstance(state.validator, str) or not state.validator:
                return
            if state.total is None or size <= state.total:
                self.size, self.total, self.validator = size, state.total, state.validator

    def accept(self, response: requests.Response, *, is_continued: bool) -> BinaryIO:
        """Return the stream for a response's body: it appends to our part, or replaces it."""
        validator = _validator(response)
        if response.status_code == 206:
            place = re.fullmatch(
                r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)", _header(response, "content-range")
            )
            same = is_continued and validator == self.validator and place and int(place[1]) == self.size
            if not same or (self.total is not None and place and place[2] not in ("*", str(self.total))):
                self.discard()
                raise _BrokenOffError("the server has another file now")
            return self._path.open("ab")
        length = re.fullmatch(r"[0-9]{1,15}", _header(response, "content-length"))
        return self.begin(int(length[0]) if length else None, validator)

    def begin(self, total: int | None, validator: str) -> BinaryIO:
        """Return an empty stream for the whole file."""
        if total is not None:
            self.check_size(total)
        self.discard()  # the old part is of another file: it must not be there with the new state
        self.total, self.validator = total, validator
        replace_file(self._state_path, json.dumps(asdict(_State(shown(self.url), validator, total))))
        return self._path.open("wb")

    def check_size(self, size: int) -> None:
        """Raise `PackageError`, and remove the part, for more bytes than are allowed."""
        if size > self.limit:
            self.discard()
            hint = "check the URL: no firmware package is so large"
            raise PackageError(
                "download-too-large", f"{shown(self.url)} is larger than {format_size(self.limit)}", hint=hint
            )

    def discard(self) -> None:
        """Remove the part, its state first: a part without a state is never resumed."""
        self._state_path.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
        self.size, self.total, self.validator = 0, None, ""

    def finish(self) -> None:
        """Give the complete file its name."""
        self._state_path.unlink(missing_ok=True)
        self._path.replace(self._file)


class _Progress:
    """Reports the progress of a download."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._started: DownloadStarted | None = None
        self._reported = 0.0

    def start(self, part: _Part) -> None:
        started = DownloadStarted(shown(part.url), part.total, part.size)
        if started != self._started:  # another attempt from the same place isn't reported again
            self._report(started)
        self._started, self._reported = started, time.monotonic()

    def update(self, part: _Part) -> None:
        now = time.monotonic()
        if now - self._reported >= _SHOWN_EVERY and part.size != part.total:
            self._reported = now
            self._report(DownloadProgressed(part.size, part.total))


def _validator(response: requests.Response) -> str:
    """Return the strong ETag of a response, else its Last-Modified, else ""."""
    etag = response.headers.get("etag", "")
    return str(etag if etag.startswith('"') else response.headers.get("last-modified", ""))


def _header(response: requests.Response, name: str) -> str:
    return str(response.headers.get(name, ""))


def _is_cut(error: Exception) -> bool:
    """Return whether an open connection was cut, not refused."""
    return any(word in repr(error) for word in ("RemoteDisconnected", "ConnectionResetError", "IncompleteRead"))


def _reason(error: BaseException) -> str:
    """Return the text of the innermost error: the outer ones repeat URLs and objects."""
    error = _innermost(error)
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return re.sub(r"^<[^>]*>: |\(_ssl\.c:\d+\)|HTTPS?ConnectionPool\([^)]*\): ", "", str(text)).strip()


def _innermost(error: BaseException) -> BaseException:
    inner: BaseException | None = error
    while inner is not None:
        error, inner = inner, getattr(inner, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in error.args if isinstance(arg, BaseException)), error.__cause__)
    return error
