"""Whether a module is alive, and as planned: the verdict from its log and from its AT port.

The verdict says no more than was seen: what nobody has asked, and what no line says, is "not seen". Where several
things are wrong for one reason, the reason is the problem.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import EspAtError, Place, note, setting, warning
from platformio_esp_at.formats.at_replies import Reply, Result
from platformio_esp_at.formats.boot_log import Trouble
from platformio_esp_at.formats.esp_image import ESP8266, app_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.formats.at_replies import AtVersion, Conversation
    from platformio_esp_at.formats.boot_log import AtPort, BootLog
    from platformio_esp_at.planning.plan import FlashPlan, Wiring

_LOG, _AT = "log", "AT port"
_MODES = {0: "nowhere", 1: "mfg_nvs", 2: "factory_param"}
_MOST_LINES = 8


class State(enum.Enum):
    """What an aspect is like."""

    AS_PLANNED = "as planned"
    OTHER = "other"
    NOT_SEEN = "not seen"
    NOT_COMPARED = "not compared"
    """It was seen, and the plan doesn't say how it should be."""


class Aspect(NamedTuple):
    """One thing that the plan says of a module, and what was seen of it."""

    name: str
    planned: str
    """Empty where the plan doesn't say it."""
    seen: str
    state: State
    source: str = ""
    """Where it was seen."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the module is alive and as planned, and what that is known from."""

    aspects: tuple[Aspect, ...]
    evidence: tuple[str, ...]
    """Lines that the module has sent, each with its source in front."""
    problems: tuple[EspAtError, ...]
    notices: tuple[Notice, ...]

    @property
    def holds(self) -> bool:
        """Whether the AT firmware was seen to run, and nothing was seen that isn't as planned."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Expected:
    """What a module with a plan on it says of itself."""

    chip: Chip
    module_name: str | None
    """None where the firmware doesn't know the name that its parameters have, and prints another."""
    uart: int | None
    wiring: Wiring | None
    parameter_mode: int
    version: str
    """For people: the application's version, else the release."""
    application: bytes = field(repr=False)

    @classmethod
    def of(cls, plan: FlashPlan) -> Expected:
        """Return what a plan leads to."""
        values: Mapping[str, int | str] = plan.parameters or {}
        name, uart = values.get("module_name"), values.get("uart_port")
        package = plan.package
        rows = {row.name for row in plan.secondary}
        return cls(
            chip=plan.chip,
            module_name=name if isinstance(name, str) and package.reads(name) else None,
            uart=uart if isinstance(uart, int) and uart >= 0 else None,
            wiring=plan.wiring,
            parameter_mode=1 if "mfg_nvs" in rows else 2 if "factory_param" in rows else 0,
            version=app_version(package.application) or package.release or package.name,
            application=package.application,
        )

    def prints(self, text: str) -> bool:
        """Return whether the application contains a text that ends there, so that it can be what has printed it."""
        return text.encode("latin-1", "replace") + b"\0" in self.application


def judge(expected: Expected, log: BootLog | None, talk: Conversation | None) -> Verdict:
    """Return the verdict; ``log`` and ``talk`` are None where nobody has listened or asked."""
    answered = talk.answered if talk else None
    version = talk.version if talk and answered else None
    aspects = (
        _starts(log, talk),
        _name(expected, log, version),
        _pins(expected, log),
        _speed(expected, log, answered.baud if answered else None),
        _mode(expected, log),
        _version(expected, log, version),
    )
    problems = tuple(_problems(expected, aspects, log, talk))
    return Verdict(
        aspects=aspects,
        evidence=tuple(_evidence(log, talk)),
        problems=problems,
        notices=tuple(_notices(expected, log, talk)),
    )


# --- the aspects ---


class _Seen(NamedTuple):
    source: str
    text: str
    is_planned: bool | None
    """None where it can't be compared."""


def _aspect(name: str, planned: str, seen: Iterable[_Seen]) -> Aspect:
    """Return an aspect: what isn't as planned decides, else what was seen first."""
    found = list(seen)
    if not found:
        return Aspect(name, planned, "", State.NOT_SEEN)
    one = next((other for other in found if other.is_planned is False), found[0])
    if one.is_planned is None:
        return Aspect(name, "", one.text, State.NOT_COMPARED, one.source)
    return Aspect(name, planned, one.text, State.AS_PLANNED if one.is_planned else State.OTHER, one.source)


def _starts(log: BootLog | None, talk: Conversation | None) -> Aspect:
    seen = []
    if talk and _says_anything(talk):
        seen.append(_Seen(_AT, "runs", is_planned=True))
    if log and _log_starts(log):
        seen.append(_Seen(_LOG, "runs", is_planned=True))
    elif log and (log.is_download_mode or log.trouble) and not (talk and talk.answered):
        seen.append(_Seen(_LOG, "doesn't start", is_planned=False))
    return _aspect("AT firmware", "runs", seen)


def _log_starts(log: BootLog) -> bool:
    return log.firmware_started and log.trouble is None and not log.is_download_mode


def _says_anything(talk: Conversation) -> bool:
    """Return whether the AT port has sent what only AT firmware sends."""
    return any(one.reply.result is not Result.NOTHING for one in talk.exchanges) or _is_ready(talk)


def _is_ready(talk: Conversation) -> bool:
    return any(reply.says_ready for reply in _replies(talk))


def _replies(talk: Conversation) -> Iterator[Reply]:
    yield Reply.from_bytes(talk.unasked)
    yield from (one.reply for one in talk.exchanges)


def _name(expected: Expected, log: BootLog | None, version: AtVersion | None) -> Aspect:
    names = {_AT: version.module_name if version else None, _LOG: log.module_name if log else None}
    planned = expected.module_name
    seen = [
        _Seen(source, name, is_planned=None if planned is None else name == planned)
        for source, name in names.items()
        if name
    ]
    return _aspect("Module name", planned or "", seen)


def _pins(expected: Expected, log: BootLog | None) -> Aspect:
    wiring = expected.wiring
    planned = _pin_text(wiring, expected.uart) if wiring else "none"
    if log is None or log.at_port is None:
        return Aspect("Pins", planned, "", State.NOT_SEEN)
    port = log.at_port
    is_planned = wiring is not None and (port.tx, port.rx, port.cts, port.rts) == wiring[:4]
    is_planned = is_planned and expected.uart in (None, port.uart)
    return _aspect("Pins", planned, [_Seen(_LOG, _pin_text(port, port.uart), is_planned)])


def _pin_text(pins: Wiring | AtPort, uart: int | None) -> str:
    names = f"TX {pins.tx}, RX {pins.rx}, CTS {pins.cts}, RTS {pins.rts}"
    return names if uart is None else f"UART{uart}: {names}"


def _speed(expected: Expected, log: BootLog | None, answered: int | None) -> Aspect:
    """Return the speed; an answer counts more than a line of the log."""
    planned = expected.wiring.baudrate if expected.wiring else None
    if answered is not None:
        seen = [_Seen(_AT, str(answered), answered == planned)]
    else:
        seen = [_Seen(_LOG, str(log.at_port.baudrate), log.at_port.baudrate == planned)] if log and log.at_port else []
    return _aspect("Speed", str(planned or "none"), seen)


def _mode(expected: Expected, log: BootLog | None) -> Aspect:
    planned = _MODES[expected.parameter_mode]
    if log is None or log.parameter_mode is None:
        return Aspect("Parameters", planned, "", State.NOT_SEEN)
    mode = log.parameter_mode
    is_planned = mode == expected.parameter_mode
    return _aspect("Parameters", planned, [_Seen(_LOG, _MODES.get(mode, str(mode)), is_planned)])


def _version(expected: Expected, log: BootLog | None, version: AtVersion | None) -> Aspect:
    seen = list(_at_version(expected, version)) if version else []
    if log and log.version:
        seen.append(_Seen(_LOG, log.version, expected.prints(log.version)))
    return _aspect("Version", expected.version, seen)


def _at_version(expected: Expected, version: AtVersion) -> Iterator[_Seen]:
    """Yield what ``AT+GMR`` shows of the version.

    The application contains its texts, so it is compared with those, and not with the version in its description: many
    builds print another one. When it was compiled tells apart two builds of one release.
    """
    texts: tuple[str, ...]
    if version.compiled:
        texts = tuple(version.compiled)
    elif version.firmware:
        texts = (version.firmware,)
    elif version.core_build and version.sdk:
        texts = (version.sdk, version.core_build[0].removeprefix("s-"))
    else:
        return
    compiled = f", compiled {version.compiled.date} {version.compiled.time}" if version.compiled else ""
    name = version.firmware or (f"AT core {version.core}" if version.core else "not named")
    yield _Seen(_AT, f"{name.strip()}{compiled}", all(map(expected.prints, texts)))


# --- what is wrong ---


def _problems(
    expected: Expected, aspects: tuple[Aspect, ...], log: BootLog | None, talk: Conversation | None
) -> Iterator[EspAtError]:
    """Yield what is wrong; nothing that is so only because of what comes before."""
    starts, name, pins, speed, mode, version = aspects
    answers = talk is not None and talk.answered is not None
    if log and not answers and (stopped := _stopped(log)):
        yield stopped
        return
    if version.state is State.OTHER:
        hint = "upload the plan, and test again" + _other_module(version, log, talk)
        message = f"the module runs {version.seen}, not the {version.planned} of the plan"
        yield EspAtError("module-other-version", message, hint=hint, seen=version.seen, planned=version.planned)
        return
    if mode.state is State.OTHER:
        message = f"the module looks for its parameters in another place: {mode.seen}, not {mode.planned}"
        hint = f"upload the plan; if it stays so, the user partition table of the module has no {mode.planned}"
        yield EspAtError("module-other-parameters", message, hint=hint, seen=mode.seen, planned=mode.planned)
        return
    if name.state is State.OTHER:
        message = f"the module calls itself {name.seen}, the plan is for {name.planned}"
        hint = "upload the plan, and test again" + _other_module(name, log, talk)
        yield EspAtError("module-other-name", message, hint=hint, seen=name.seen, planned=name.planned)
    if pins.state is State.OTHER:
        message = f"the module has its AT port on other pins: {pins.seen}, not {pins.planned}"
        hint = f"upload the plan; or connect it there, and write these pins into {setting('factory_param')}"
        yield EspAtError("module-other-pins", message, hint=hint, seen=pins.seen, planned=pins.planned)
    if speed.state is State.OTHER:
        yield _other_speed(speed)
    if talk and not answers:
        yield _no_answer(expected, log, talk)
    elif starts.state is not State.AS_PLANNED:
        yield _not_seen(expected, log)


def _other_module(aspect: Aspect, log: BootLog | None, talk: Conversation | None) -> str:
    """Return what else to do where the AT port contradicts the log: it may be that of another module."""
    log_says = {"Version": log.version, "Module name": log.module_name}[aspect.name] if log else None
    if talk is None or aspect.source != _AT or log_says is None or log_says == aspect.seen:
        return ""
    return f"; the log says {log_says}, so {talk.port} may belong to another module"


def _other_speed(speed: Aspect) -> EspAtError:
    parts = "answers" if speed.source == _AT else "has its AT port"
    return EspAtError(
        "module-other-speed",
        f"the module {parts} at {speed.seen} baud, not at {speed.planned}: what its nvs has saved wins",
        hint=f"write {setting('factory_param.uart_baudrate', speed.seen)}; or send "
        f"AT+UART_DEF={speed.planned},8,1,0,0 at {speed.seen} baud, which saves the planned speed",
        seen=int(speed.seen),
        planned=speed.planned,
    )


def _stopped(log: BootLog) -> EspAtError | None:
    """Return why the firmware doesn't start, if the log says it."""
    if log.is_download_mode:
        return EspAtError(
            "module-in-download-mode",
            "the module waits for a download, and doesn't start its firmware",
            hint="let go of BOOT, or take its boot pin off GND, then tap RESET (or EN)",
        )
    if log.trouble is None:
        return None
    code, message, hint = _TROUBLES[log.trouble]
    said = f": {log.trouble_line}" if log.trouble_line else ""
    return EspAtError(code, f"{message}{said}", hint=hint, trouble=log.trouble.value, line=log.trouble_line)


_TROUBLES = {
    Trouble.NO_BOOTLOADER: (
        "module-not-booting",
        "the module finds no bootloader in its flash",
        "upload the plan: it has the bootloader, too, and what the module has saved stays",
    ),
    Trouble.NO_APPLICATION: (
        "module-not-booting",
        "the module's bootloader finds no application that it can start",
        "upload the plan; if it stays so, upload the factory image",
    ),
    Trouble.BROWNOUT: (
        "module-brownout",
        "the module's supply breaks down while it starts",
        "give it 3.3 V with 500 mA, by short wires; many USB adapters have less",
    ),
    Trouble.CRASH: (
        "module-crashing",
        "the module's firmware crashes while it starts",
        "upload the factory image; if it stays so, compare the module with the firmware package: flash, PSRAM, pins",
    ),
    Trouble.RESTARTS: (
        "module-crashing",
        "the module starts again and again",
        "upload the factory image; if it stays so, look at its supply: 3.3 V with 500 mA",
    ),
}


def _no_answer(expected: Expected, log: BootLog | None, talk: Conversation) -> EspAtError:
    """Return what a person would conclude where no ``AT`` was answered with ``OK``."""
    where = Place.at(port=talk.port)
    replies = list(_replies(talk))
    if foreign := next((reply for reply in replies if reply.is_foreign), None):
        return _foreign(foreign, where)
    if text := _short_text(talk):
        return _foreign(text, where)
    echoes = {one.baud for one in talk.exchanges if one.reply.is_only_echo}
    if len(echoes) > 1:
        message = "the port sends back what it is sent, at any speed: its TX and RX are connected to each other"
        return EspAtError("at-port-loopback", message, where=where, hint=f"connect {_wires(expected)}")
    results = [one.reply.result for one in talk.exchanges]
    if Result.BUSY in results:
        message = "the module is busy with an earlier command, and takes no other"
        hint = "wait until it has ended, or tap RESET (or EN), and test again"
        return EspAtError("module-busy", message, where=where, hint=hint)
    if echoes or Result.ERROR in results:
        said = "repeats AT, but doesn't answer it" if echoes else "answers AT with ERROR"
        hint = "tap RESET (or EN), and test again; if it stays so, upload the factory image"
        return EspAtError("module-not-answering", f"the module {said}", where=where, hint=hint)
    if _is_ready(talk):
        receiving = f"GPIO{expected.wiring.rx}, the module's RX" if expected.wiring else "the module's RX"
        message = "the module says that it is ready, but doesn't hear AT"
        hint = f"connect the adapter's TX to {receiving}; test again without passthrough mode"
        return EspAtError("module-deaf", message, where=where, hint=hint)
    if any(one.heard.strip(b"\0") for one in talk.exchanges) or talk.unasked.strip(b"\0"):
        message = "the port sends bytes that are no text at any usual speed"
        hint = "the speed, parity or data bits are unusual: RESET and the log port show the speed; or GND is missing"
        return EspAtError("at-port-garbled", message, where=where, hint=hint)
    return _silent(expected, log, where)


def _short_text(talk: Conversation) -> Reply | None:
    """Return a reply with a text that is too short to be one by itself, if all at the planned speed are text."""
    first = [one.reply for one in talk.exchanges if one.baud == talk.exchanges[0].baud and one.heard]
    return next((reply for reply in first if reply.other_text and all(one.is_readable for one in first)), None)


def _foreign(reply: Reply, where: Place) -> EspAtError:
    if reply.waits_for_data:
        return EspAtError(
            "module-in-passthrough",
            "the module waits for data: in passthrough mode it would hand AT on to a server",
            where=where,
            hint="send +++ without a line's end, wait a second, then send AT+SAVETRANSLINK=0, and test again",
        )
    text = reply.other_text[0]
    return EspAtError(
        "at-port-other-text",
        f"the port sends text that is not the module's own: {text}",
        where=where,
        hint="a module in passthrough mode hands on what a server sends: send +++, wait a second, and test again; "
        f"or write the port at which the module answers AT, {setting('command_port', 'PORT')}",
        text=text,
    )


def _silent(expected: Expected, log: BootLog | None, where: Place) -> EspAtError:
    is_known = log is not None and _log_starts(log)
    message = "the module starts, but nothing answers AT" if is_known else "nothing answers AT"
    return EspAtError(
        "module-silent",
        f"{message} at any usual speed",
        where=where,
        hint=f"are TX and RX swapped? connect {_wires(expected)}\n"
        "a module in passthrough mode is silent, too, and has handed AT on: send +++, wait a second, and test again",
    )


def _wires(expected: Expected) -> str:
    wiring = expected.wiring
    if wiring is None:
        return "the adapter's RX to the module's TX, its TX to the module's RX, and GND"
    return f"the adapter's RX to GPIO{wiring.tx} (the module's TX), its TX to GPIO{wiring.rx} (RX), and GND"


def _not_seen(expected: Expected, log: BootLog | None) -> EspAtError:
    return EspAtError(
        "module-not-seen",
        f"nothing was seen of the AT firmware: {_why_no_log(expected, log)}",
        hint=f"connect a serial adapter to the module's AT port, and write {setting('command_port', 'PORT')}",
    )


# --- what was not seen ---


def _why_no_log(expected: Expected, log: BootLog | None) -> str:
    if log is None:
        return "the log was not read"
    if log.is_empty:
        if expected.chip.key == ESP8266:
            return "the log port printed nothing (the ESP8266 has its log on GPIO2)"
        return "the log port printed nothing, as over the chip's own USB"
    if not log.is_readable:
        return "the log port printed no text, as the ROM of a 26 MHz chip does"
    return "the log has no line of it, as with a silent build"


def _notices(expected: Expected, log: BootLog | None, talk: Conversation | None) -> Iterator[Notice]:
    if log is None or not (log.firmware_started or log.trouble or log.is_download_mode):
        yield note("log-not-seen", f"the log shows nothing of the AT firmware: {_why_no_log(expected, log)}")
    if talk is None and expected.wiring is None:
        yield note("at-not-asked", "AT was not asked: it doesn't come over a UART of this module")
    elif talk is None:
        hint = f"write {setting('command_port', 'PORT')}, and a test asks there, too"
        yield note("at-not-asked", "AT itself was not asked: no port is named for it", hint=hint)
    elif talk.answered and not talk.version.compiled and not talk.version.firmware:
        hint = "send AT+GMR in a terminal, and compare"
        yield warning("version-not-told", "the module answers AT, but not AT+GMR in full", hint=hint)


def _evidence(log: BootLog | None, talk: Conversation | None) -> Iterator[str]:
    if log:
        yield from (f"{_LOG}: {line}" for line in dict.fromkeys((*log.lines, log.trouble_line)) if line)
    if talk is None:
        return
    for line in Reply.from_bytes(talk.unasked).lines[:_MOST_LINES]:
        yield f"{_AT}, unasked: {line}"
    for one in talk.exchanges:
        reply = one.reply
        said = " | ".join(reply.lines[:_MOST_LINES]) if reply.is_readable else f"{len(one.heard)} bytes, no text"
        yield f"{_AT}, {one.command} at {one.baud}: {said if one.heard else 'nothing'}"
    for speed in talk.refused_speeds:
        yield f"{_AT}: the adapter has no {speed} baud"
