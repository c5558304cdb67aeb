"""One command with a device: the connection, what is on the device now, and the report that stays."""

from __future__ import annotations

import enum
from collections import Counter
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

from platformio_esp_at.checks.device import check_device
from platformio_esp_at.commands.setup import Link
from platformio_esp_at.commands.upload_port import choose_port, name_origin
from platformio_esp_at.device.difference import Image, differing_parts, first_difference, md5_of
from platformio_esp_at.device.failures import LINK
from platformio_esp_at.device.ports import check_baud
from platformio_esp_at.device.session import Connection, Session
from platformio_esp_at.errors import EspAtError, FlashError, located, note, setting
from platformio_esp_at.events import Connected, ImageDone, Noticed
from platformio_esp_at.formats.esp_image import ESP8266
from platformio_esp_at.outputs.report import write_report
from platformio_esp_at.units import UPLOAD_BAUD, format_offset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType
    from typing import TypeVar

    from typing_extensions import Self

    from platformio_esp_at.commands.setup import Job, Reach, Setup
    from platformio_esp_at.device.session import Device
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.events import Event
    from platformio_esp_at.planning.plan import FlashPlan

    Result = TypeVar("Result")


class _State(enum.Enum):
    """What is on the device, as far as this run has changed it; what to tell if the run ends here."""

    AS_BEFORE = "nothing was written"
    HALF = "the module is half written"
    WHOLE = "all images are on the module"
    HALF_ERASED = "the flash may be half erased"
    BLANK = "the flash is blank"


class SessionRun:
    """A context manager: inside it, a device is connected, and has passed ``check``, which returns the warnings.

    However it ends, a report is written. An error says what the device has now.
    """

    def __init__(
        self,
        setup: Setup,
        job: Job | Reach,
        command: str,
        check: Callable[[Device], Iterable[Notice]],
        plan: FlashPlan | None = None,
    ) -> None:
        self.setup = setup
        self.device: Device | None = None
        self._command = command
        self._check = check
        self._plan = plan
        self._state = _State.AS_BEFORE
        self._lost_output: Exception | None = None
        self._port = job.request.port
        self._session = Session(connection(setup, job), self.report, folder=setup.project)
        self._written: dict[str, int] = {}
        self._done: list[ImageDone] = []
        self.facts: dict[str, object] = {}
        """What else the report has."""

    @property
    def written_images(self) -> int:
        """How many images were written, or parts of them."""
        return len(self._written)

    def report(self, event: Event) -> None:
        """Show an event. An output that takes nothing any more doesn't end the run: it is raised at its end."""
        try:
            self.setup.report(event)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self._lost_output = self._lost_output or error

    def __enter__(self) -> Self:
        self._session.__enter__()
        try:
            self._connect()
        except BaseException as error:  # noqa: BLE001 - also Ctrl-C: the report tells, and it is raised again
            self._session.__exit__(type(error), error, error.__traceback__)
            self._end(error)
            raise self._told(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.__exit__(kind, error, trace)
        self._end(error)
        if error is not None and (told := self._told(error)) is not error:
            raise told from None
        if error is None and self._lost_output is not None:
            raise self._lost_output

    def update(self, images: Sequence[Image], *, everything: bool = False) -> None:
        """Write what the device doesn't have of images, or ``everything``, and confirm each by its digest."""
        self._over_link(lambda: self._write(images, everything=everything))
        self._state = _State.WHOLE

    def differing(self, images: Sequence[Image]) -> dict[Image, int]:
        """Return the images that the device doesn't have, and where in its flash each differs first."""

        def compare() -> dict[Image, int]:
            session = self._session
            found = session.digest([(image.offset, len(image.data)) for image in images])
            others = [image for image, md5 in zip(images, found, strict=True) if md5_of(image.data) != md5]
            first = {
                image: first_difference(image, session.digest, partial(session.read, image.name)) for image in others
            }
            return {image: offset for image, offset in first.items() if offset is not None}

        return self._over_link(compare)

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return a range of the flash; ``name`` says for people what it is."""
        return self._over_link(lambda: self._session.read(name, offset, size))

    def read_confirmed(self, name: str, offset: int, size: int) -> bytes:
        """Return a range of the flash as `read`, compared with the digest that the device computes of it."""

        def read() -> bytes:
            data = self._session.read(name, offset, size)
            if self._session.digest([(offset, size)]) != [md5_of(data)]:
                message = f"{name} comes over the link otherwise than the flash has it"
                hint = f"look at the cable; with a slower speed it may go: {setting('baud', '115200')}"
                raise FlashError("link-bad", message, hint=hint)
            return data

        return self._over_link(read)

    def rewrite(self, sectors: dict[int, bytes]) -> None:
        """Write whole sectors, by their offsets, and confirm each; the module is half written meanwhile."""
        before, self._state = self._state, _State.HALF
        self._over_link(lambda: self._write_sectors(sectors))
        self._state = before

    def erase(self) -> None:
        """Erase the whole flash."""
        self._state = _State.HALF_ERASED
        self._session.erase()
        self._state = _State.BLANK

    def restart(self, *, listen: float = 0) -> bytes | None:
        """Let the firmware start, and return what it prints on the download port within so many seconds.

        None, and a note, if it doesn't start.
        """
        printed = self._session.reset(listen=listen)
        if printed is None:
            message = "the firmware isn't started: this port can't reset the module, or the project doesn't want it"
            self.report(Noticed(note("not-restarted", message, hint="press RESET (or EN), or switch its power")))
        return printed

    def _connect(self) -> None:
        self.device = device = self._session.probe()
        warnings = self._check(device)
        self.report(Connected(device))
        for warning in warnings:
            self.report(Noticed(warning))

    def _over_link(self, work: Callable[[], Result]) -> Result:
        """Return what ``work`` does; where the link fails, at the next slower speed. It begins anew then."""
        while True:
            try:
                return work()
            except FlashError as error:  # noqa: PERF203 - a handful of speeds
                if error.code not in LINK:
                    raise
                self.device = self._session.fall_back(error)

    def _write(self, images: Sequence[Image], *, everything: bool) -> None:
        found = [(image,) for image in images] if everything else differing_parts(images, self._session.digest)
        differing = [(image, parts) for image, parts in zip(images, found, strict=True) if parts]
        for image, parts in zip(images, found, strict=True):
            if not parts:
                self._note_done(image)
        if differing:
            self._state = _State.HALF
        owners = [image for image, parts in differing for _ in parts]
        missing = Counter(image.name for image in owners)

        def note_part(index: int, part: Image) -> None:
            image = owners[index]
            self._written[image.name] = self._written.get(image.name, 0) + len(part.data)
            missing[image.name] -= 1
            if not missing[image.name]:
                self._note_done(image)

        # In one go: each call of esptool's costs something on the link.
        self._session.write([part for _, parts in differing for part in parts], note_part)
        self._confirm([image for image, parts in differing if parts != (image,)])

    def _note_done(self, image: Image) -> None:
        if image.name not in {done.name for done in self._done}:  # after a fall back, all is compared once more
            written = self._written.get(image.name, 0)
            self._done.append(ImageDone(image.name, image.offset, len(image.data), written))
            self.report(self._done[-1])

    def _write_sectors(self, sectors: dict[int, bytes]) -> None:
        for offset, sector in sectors.items():
            self._session.write([Image("nvs", offset, sector)])
            if self._session.read("nvs", offset, len(sector)) != sector:
                raise _not_held("nvs", offset)

    def _confirm(self, images: Sequence[Image]) -> None:
        """Compare images that were written in parts once more. Raises `FlashError` for the first that differs."""
        found = self._session.digest([(image.offset, len(image.data)) for image in images])
        for image, md5 in zip(images, found, strict=True):
            if md5_of(image.data) != md5:
                raise _not_held(image.name, image.offset)

    def _told(self, error: BaseException) -> BaseException:
        """Return an error that says what the device has now, and how to go on."""
        state = self._state.value
        again = "run the same command again: it writes what is missing"
        if isinstance(error, KeyboardInterrupt):
            hint = again if self._state is _State.HALF else "run the command again"
            return FlashError("interrupted", f"interrupted: {state}", hint=hint)
        if isinstance(error, FlashError) and error.code != "content-differs" and not error.problems:
            name_origin(error, self._port)
            error.message += f"; {state}"
            error.args = (error.message,)
            if self._state is _State.HALF:
                error.hint = f"{error.marked_hint}\n{again}"
        return error

    def _end(self, error: BaseException | None) -> None:
        """Write the report; where it can't be written, only a run that succeeded says so."""
        with suppress(EspAtError) if error else nullcontext():
            write_report(
                self.setup.folder,
                self._plan,
                command=self._command,
                device=self.device,
                images=self._done,
                state=self._state.name.lower(),
                error=_code(error),
                facts=self.facts,
            )


class DeviceRun(SessionRun):
    """A run with the device of a job, which is what the plan is for."""

    def __init__(self, setup: Setup, job: Job, command: str) -> None:
        super().__init__(setup, job, command, partial(check_device, job.plan), job.plan)
        self.job = job


def _code(error: BaseException | None) -> str | None:
    """Return the code of an error for a report."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, EspAtError):
        return error.code
    return type(error).__name__ if error else None


def connection(setup: Setup, job: Job | Reach) -> Connection:
    """Return how to reach the device of a job. Raises `EspAtError` for a port or a speed that can't be."""
    request, link = job.request, setup.link if job.on_own_board else Link()
    port = choose_port(setup, job)
    baud = request.baud.baud if request.baud else setup.baud or link.baud or UPLOAD_BAUD
    with located(request.baud.where) if request.baud else nullcontext():
        check_baud(baud)
    stub = link.stub and not request.no_stub
    check_stub(job.chip, has_stub=stub)
    return Connection(
        job.chip,
        port,
        baud,
        before=request.before or link.before,
        after=request.after or link.after,
        stub=stub,
        attempts=link.attempts,
    )


def check_stub(chip: str | None, *, has_stub: bool) -> None:
    """Raise `EspAtError` for a chip whose ROM can't do what is needed here."""
    if chip == ESP8266 and not has_stub:
        message = "the ROM of the ESP8266 computes no digests: nothing could be confirmed without esptool's stub"
        raise EspAtError("stub-needed", message, hint=f"remove {setting('no_stub')}, or --no-stub")


def _not_held(name: str, offset: int) -> FlashError:
    return FlashError(
        "flash-bad",
        f"the flash doesn't hold what was written: {name} at {format_offset(offset)}",
        hint="run it again; if it stays so, the flash or its power supply is bad: take another module",
        partition=name,
        offset=offset,
    )
