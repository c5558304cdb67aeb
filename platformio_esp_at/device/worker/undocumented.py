"""What we use of esptool beyond its documented API (``esptool.cmds``): methods of the object for a chip.

`device.installed` has the versions for which this was read; `tests/unit/test_worker_undocumented.py` looks whether each
still exists with these parameters. Sources: esptool/loader.py, esptool/targets/*.py.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from esptool.loader import DEFAULT_CONNECT_ATTEMPTS, DEFAULT_OPEN_PORT_ATTEMPTS, DEFAULT_TIMEOUT, ESPLoader
from esptool.util import strip_chip_name

if TYPE_CHECKING:
    from collections.abc import Iterator

USED = {
    "change_baud": ("baud",),
    "flash_md5sum": ("addr", "size"),
    "get_chip_revision": (),
    "get_crystal_freq": (),
    "get_encrypted_download_disabled": (),
    "get_flash_encryption_enabled": (),
    "get_secure_boot_enabled": (),
    "get_security_info": ("cache",),
    "read_mac": ("mac_type",),
    "read_reg": ("addr", "timeout"),
}
"""Each method of ``ESPLoader`` that the worker calls, with its parameters."""
ATTRIBUTES = ("CHIP_NAME", "ESP_ROM_BAUD", "IS_STUB", "_port", "cache", "secure_download_mode")
"""What else of it the worker reads."""


def _attempts(variable: str, otherwise: int) -> int:
    """Return the number in an environment variable of esptool's command line; its Python API reads none."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() else otherwise


CONNECT_ATTEMPTS = _attempts("ESPTOOL_CONNECT_ATTEMPTS", DEFAULT_CONNECT_ATTEMPTS)
"""As the environment, or else ``esptool.cfg``, has it; otherwise esptool's own number."""
OPEN_PORT_ATTEMPTS = _attempts("ESPTOOL_OPEN_PORT_ATTEMPTS", DEFAULT_OPEN_PORT_ATTEMPTS)


def chip_key(esp: ESPLoader) -> str:
    """Return the name of the chip as `--chip` of esptool has it, such as ``esp32c3``."""
    return str(strip_chip_name(esp.CHIP_NAME))


def serial_port(esp: ESPLoader) -> Any:  # noqa: ANN401 - pyserial's, or a handler of ours
    """Return the open port."""
    return esp._port  # noqa: SLF001


def open_port(port: str) -> ESPLoader:
    """Return an object for whatever chip is at an open port, at 115200 baud; nothing is sent.

    DTR is released, which opening asserts: with both lines asserted, a reset has no effect (`hard_reset` uses RTS).
    """
    esp = ESPLoader(port, ESPLoader.ESP_ROM_BAUD)
    with suppress(OSError):  # a pseudo-terminal has no lines
        serial_port(esp).dtr = False
    return esp


def set_speed(esp: ESPLoader, baud: int) -> None:
    """Let the port, not the chip, run at another speed."""
    serial_port(esp).baudrate = baud


def has_reset_lines(esp: ESPLoader) -> bool:
    """Return whether the port has lines that reset the chip: a TCP socket and a pseudo-terminal have none."""
    port = serial_port(esp)
    if str(port.port).startswith("socket:"):
        return False
    try:
        port.cts  # noqa: B018 - asks the driver
    except OSError as error:
        return error.errno not in (errno.ENOTTY, errno.EINVAL)
    return True


def close_port(esp: ESPLoader) -> None:
    """Close the port."""
    serial_port(esp).close()


def is_secured_download(esp: ESPLoader) -> bool:
    """Return whether the chip is in Secure Download Mode: it tells nothing but its security info."""
    return bool(esp.secure_download_mode)


@contextmanager
def remembered_registers(esp: ESPLoader) -> Iterator[None]:
    """Read each register once: eFuses don't change, and esptool reads those of the revision for every question."""
    read, known = esp.read_reg, {}

    def read_once(addr: int, timeout: float = DEFAULT_TIMEOUT) -> int:
        if addr not in known:
            known[addr] = read(addr, timeout)
        return int(known[addr])

    esp.read_reg = read_once
    try:
        yield
    finally:
        del esp.read_reg


def identity(esp: ESPLoader) -> dict[str, Any]:
    """Return revision (major * 100 + minor) and crystal in MHz; nothing in Secure Download Mode."""
    if is_secured_download(esp):
        return {}
    return {
        "revision": None if chip_key(esp) == "esp8266" else esp.get_chip_revision(),
        "crystal_mhz": esp.get_crystal_freq(),
    }


def mac(esp: ESPLoader) -> str | None:
    """Return the MAC address; None in Secure Download Mode."""
    if is_secured_download(esp):
        return None
    return ":".join(f"{byte:02x}" for byte in esp.read_mac("BASE_MAC"))


def security(esp: ESPLoader) -> dict[str, Any]:
    """Return which security features are on: from the security info where the chip has it, and from its eFuses."""
    secured = is_secured_download(esp)
    found = {"secure_boot": False, "encryption": None, "secure_download": secured}
    if chip_key(esp) == "esp8266":
        return found
    info = esp.cache["security_info"] or (esp.get_security_info() if secured else None)
    boots_signed = bool(info and info["parsed_flags"]["SECURE_BOOT_EN"])
    encrypts = bool(info and info["flash_crypt_cnt"].bit_count() & 1)
    released = secured
    if not secured:
        boots_signed = bool(esp.get_secure_boot_enabled()) or boots_signed
        encrypts = bool(esp.get_flash_encryption_enabled()) or encrypts
        released = encrypts and bool(esp.get_encrypted_download_disabled())
    mode = "release" if released else "development"
    return {**found, "secure_boot": boots_signed, "encryption": mode if encrypts else None}


def md5_of_flash(esp: ESPLoader, offset: int, size: int) -> bytes:
    """Return the MD5 of a range of flash, which the chip computes; offset and size in bytes."""
    return bytes.fromhex(esp.flash_md5sum(offset, size))
