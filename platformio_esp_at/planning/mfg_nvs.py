"""The content of ``mfg_nvs``, since v3.1.0.0: parameters, certificates and GATT services in one NVS image.

The firmware package's own image is edited: the request's values replace those of the image, everything else stays, in
its order and dialect. If the package has no image, one is made in upstream's order.

The application shows which names the firmware reads: it contains them as text. A name that the firmware of this release
doesn't read is refused, instead of being written without effect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, located, setting, unknown_name
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.formats.pki import PKI_SLOTS, pki_names, pki_slot
from platformio_esp_at.request.nodes import place_of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from platformio_esp_at.formats.gatts import GattTable
    from platformio_esp_at.formats.nvs_pages import Value
    from platformio_esp_at.planning.selection import SelectedModule
    from platformio_esp_at.request.options import Request
    from platformio_esp_at.request.values import InputFile, Text

PARAMETERS = "factory_param"
"""The namespace of the factory parameters."""

GATTS = "ble_data"
"""The namespace of the GATT rows, ``cfg0``, ``cfg1``…"""

VERSION = 4
"""The version that factory parameters have in NVS."""

ENCODINGS = {
    "version": Encoding.I8,
    "module_name": Encoding.STRING,
    "max_tx_power": Encoding.I8,
    "country_code": Encoding.STRING,
    "start_channel": Encoding.U8,
    "channel_num": Encoding.U8,
    "uart_port": Encoding.I8,
    "uart_baudrate": Encoding.I32,
    "uart_tx_pin": Encoding.I32,
    "uart_rx_pin": Encoding.I32,
    "uart_cts_pin": Encoding.I32,
    "uart_rts_pin": Encoding.I32,
    "sys_store": Encoding.U8,
}
"""The factory parameters and their types, in upstream's order: its ``factory_param_type.csv``."""

_FIXED = ("version", "reserved1")
"""Parameters that describe the layout, not how the module works."""

RENAMED = {"max_tx_power": "tx_max_power"}
"""Parameter names since v3.1.0.0 -> names before: a project file works for both generations."""

_NEW_NAMES = {old: new for new, old in RENAMED.items()}

_ORDER = (
    *(
        f"{role}_{kind}"
        for role in ("server", "client", "wpa2", "wpa_ent", "mqtt", "https", "wss")
        for kind in ("cert", "key", "ca")
    ),
    PARAMETERS,
    GATTS,
)
"""The namespaces in the order of upstream's ``at_customized_config_dependency.txt``; its GATT rows come last."""


def make_mfg_nvs(
    base: NvsImage | None,
    *,
    size: int,
    reads: Callable[[str], bool],
    module: SelectedModule,
    request: Request,
    gatts: GattTable | None = None,
) -> NvsImage:
    """Return the image that ``request`` asks for: ``base`` with changes, or a new one of ``size`` bytes.

    ``reads`` returns whether the firmware reads a name; ``gatts`` is the request's GATT table, parsed. Raises an
    `EspAtError`, naming the option's place, for a name that it doesn't read or a value that an entry can't hold.
    """
    image = base or NvsImage((), size)
    image = _with_parameters(image, reads, module, request)
    for name, files in request.pki.items():
        with located(files[0].where):
            namespace = _pki_namespace(image, reads, name)
        entries = [
            NvsEntry(namespace, key, Encoding.BINARY, file.data)
            for key, file in zip(_pki_keys(image, namespace, len(files)), files, strict=True)
        ]
        image = image.with_namespace(namespace, entries)
    if request.gatts and gatts:
        image = image.with_namespace(GATTS, _gatt_entries(image, reads, request.gatts, gatts))
    return image if base else _in_upstream_order(image)


def is_mfg_nvs(data: bytes) -> bool:
    """Return whether pages of NVS are ``mfg_nvs``, whole or damaged, and not a module's ``nvs``, which holds passwords.

    A namespace tells: those of the parameters, of the GATT rows, of certificates and keys are in ``mfg_nvs`` only. What
    modules save for themselves has other namespaces, such as ``UART``, ``phy`` and ``nvs.net80211``.
    """
    from platformio_esp_at.formats.saved_nvs import SavedNvs  # noqa: PLC0415 - 3 ms that only inspecting needs

    whole = len(data) // PAGE_SIZE * PAGE_SIZE
    names = SavedNvs.from_bytes(data[:whole]).namespaces if whole else ()
    return any(name in (PARAMETERS, GATTS) or pki_slot(name) in PKI_SLOTS for name in names)


def parameters(image: NvsImage) -> dict[str, int | str]:
    """Return the factory parameters in an image, by name."""
    return {
        entry.key: entry.value
        for entry in image
        if entry.namespace == PARAMETERS and not isinstance(entry.value, bytes)
    }


def pki_entries(image: NvsImage) -> dict[str, dict[str, bytes]]:
    """Return the certificates and keys in an image, by their names in `PKI_SLOTS` and by those of their entries."""
    found: dict[str, dict[str, bytes]] = {}
    for entry in image:
        slot = pki_slot(entry.namespace)
        if slot in PKI_SLOTS:
            content = entry.value if isinstance(entry.value, bytes) else str(entry.value).encode()
            found.setdefault(slot, {})[entry.key] = content
    return found


# --- parameters ---


def _with_parameters(
    image: NvsImage, reads: Callable[[str], bool], module: SelectedModule, request: Request
) -> NvsImage:
    own = parameters(image)
    values: dict[str, Value] = {}
    start = module.based_on or module.name
    if str(own.get("module_name", "")).casefold() != start.casefold() and (module.row or not own):
        row = module.factory_param_values(VERSION)
        values |= {name: value for name, value in row.items() if _has(name, own, reads)}
    if module.based_on:
        values["module_name"] = module.name
    # A later release may have a parameter that `ENCODINGS` doesn't know yet: its own image has the type.
    encodings = ENCODINGS | {entry.key: entry.encoding for entry in image if entry.namespace == PARAMETERS}
    for changes in (module.changes, request.factory_param):
        names = {given: _known_name(given, text, own or values, reads) for given, text in changes.items()}
        values |= {name: _typed(name, encodings[name], changes[given]) for given, name in names.items()}
    if not values:
        return image
    entries = [
        replace(entry, value=values.pop(entry.key, entry.value)) for entry in image if entry.namespace == PARAMETERS
    ]
    entries += [NvsEntry(PARAMETERS, name, ENCODINGS[name], values[name]) for name in ENCODINGS if name in values]
    return image.with_namespace(PARAMETERS, entries)


def _has(name: str, own: Mapping[str, object], reads: Callable[[str], bool]) -> bool:
    """Return whether the image has a parameter; a new image gets those that the firmware reads."""
    return name in own if own else name != "sys_store" or reads(name)


def _known_name(name: str, text: Text, own: Mapping[str, object], reads: Callable[[str], bool]) -> str:
    """Return the name that a parameter has in NVS. Raises where this release's firmware doesn't read it."""
    current = _NEW_NAMES.get(name, name)
    readable = [each for each in own if each not in _FIXED]
    if current not in _FIXED:
        if current in own or (current in ENCODINGS and reads(current)):
            return current
        from platformio_esp_at.formats import factory_param  # noqa: PLC0415 - 1 ms that only a refusal needs

        if current in ENCODINGS or any(name in factory_param.field_names(each) for each in factory_param.VERSIONS):
            hint = f"remove it; the firmware reads {', '.join(readable)}"
            raise EspAtError(
                "not-read-by-release", f"the firmware of this release doesn't read {name}", where=text.where, hint=hint
            )
    where = place_of_key(name, text.where)
    raise unknown_name("unknown-parameter", "factory parameter", name, readable, where=where)


def _typed(name: str, encoding: Encoding, text: Text) -> int | str:
    value = text.number() if encoding.is_number else text.text
    with located(text.where):
        NvsEntry(PARAMETERS, name, encoding, value)
    return value


# --- certificates, keys, GATT rows ---


def _pki_namespace(image: NvsImage, reads: Callable[[str], bool], name: str) -> str:
    """Return the namespace of a certificate or key that the release has. Raises `EspAtError` where it has none."""
    for known in (image.namespaces.__contains__, reads):
        if found := next(filter(known, pki_names(name)), None):
            return found
    held = ", ".join(namespace for namespace in image.namespaces if namespace not in (PARAMETERS, GATTS))
    raise EspAtError(
        "not-read-by-release",
        f"the firmware of this release doesn't read {name}",
        hint=f"remove {name}: the firmware package has {held}",
    )


def _pki_keys(image: NvsImage, namespace: str, count: int) -> Sequence[str]:
    """Return the keys of ``count`` sets: numbered if there are several, or if the package numbers even a single one."""
    numbered = f"{namespace}.0" in image.keys(namespace)
    return [f"{namespace}.{number}" for number in range(count)] if count > 1 or numbered else [namespace]


def _gatt_entries(image: NvsImage, reads: Callable[[str], bool], file: InputFile, gatts: GattTable) -> list[NvsEntry]:
    if GATTS not in image.namespaces and not reads(GATTS):
        raise EspAtError(
            "not-read-by-release",
            "the firmware of this release has no Bluetooth LE services",
            where=file.where,
            hint=f"remove {setting('gatts')}, or take a firmware package with Bluetooth LE",
        )
    with located(file=file.label):
        return [NvsEntry(GATTS, f"cfg{number}", Encoding.STRING, row) for number, row in enumerate(gatts.to_cfg())]


def _in_upstream_order(image: NvsImage) -> NvsImage:
    place = {namespace: number for number, namespace in enumerate(_ORDER)}
    entries = sorted(image.entries, key=lambda entry: place[entry.namespace])
    return replace(image, entries=tuple(entries))
