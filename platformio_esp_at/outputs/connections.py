"""How the module is connected, as lines from its pins to those of the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from platformio_esp_at.planning.plan import FlashPlan


class Line(NamedTuple):
    """One wire."""

    pin: str
    """The module's name for its pin, such as ``TX``."""
    gpio: int | None
    """None for the supply."""
    other: str
    """The name of the pin on the other side."""
    is_output: bool | None = None
    """Whether the module drives it; None for the supply."""


class Interface(NamedTuple):
    """The wires to one other thing."""

    title: str
    other: str
    """What is on the other side."""
    lines: tuple[Line, ...]


class Connections(NamedTuple):
    """All that has to be connected."""

    module: str
    interfaces: tuple[Interface, ...]
    steps: tuple[str, ...]
    """How to start the module's download mode by hand."""


def connections(plan: FlashPlan) -> Connections | None:
    """Return how to connect the module of a plan; None where it has no UART for AT commands, or none that is known."""
    wiring = plan.wiring
    if wiring is None:
        return None
    lines = [Line("TX", wiring.tx, "RX", is_output=True), Line("RX", wiring.rx, "TX", is_output=False)]
    if wiring.rts >= 0:
        lines.append(Line("RTS", wiring.rts, "CTS", is_output=True))
    if wiring.cts >= 0:
        lines.append(Line("CTS", wiring.cts, "RTS", is_output=False))
    supply = (Line("3V3", None, "3.3 V, 500 mA"), Line("GND", None, "GND"))
    download = (
        Line("TX", wiring.download_tx, "RX", is_output=True),
        Line("RX", wiring.download_rx, "TX", is_output=False),
    )
    uart = (plan.parameters or {}).get("uart_port")
    port = f" on UART{uart}" if isinstance(uart, int) and uart >= 0 else ""
    return Connections(
        plan.module.name,
        (
            Interface(f"AT commands{port}, {wiring.baudrate} baud", "Host", (*lines, *supply)),
            Interface("Download and log, levels of 3.3 V", "USB adapter", (*download, Line("GND", None, "GND"))),
        ),
        _steps(plan.chip.download_levels),
    )


def _steps(levels: tuple[tuple[int, str], ...]) -> tuple[str, ...]:
    (boot, level), *others = levels
    besides = " and ".join(f"GPIO{gpio} {needed}" for gpio, needed in others)
    return (
        f"Hold GPIO{boot} {level} (the BOOT button), and tap RESET (EN), with {besides}.",
        "Boards with a USB socket do that by themselves, with DTR and RTS.",
    )
