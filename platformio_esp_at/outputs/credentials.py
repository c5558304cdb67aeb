"""The certificates and private keys of a plan, as people may see them: a key by its kind and size alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.pki import PKI_SLOTS, PkiContainer, pki_slot
from platformio_esp_at.formats.x509 import summarize
from platformio_esp_at.planning.content import MFG_NVS
from platformio_esp_at.planning.mfg_nvs import pki_entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.planning.plan import FlashPlan


class Credential(NamedTuple):
    """A certificate or a private key."""

    name: str
    """Of its partition or its entry in ``mfg_nvs``."""
    origin: str
    kind: str
    """``certificate``, ``private key``; or why it can't be read."""
    key: str = ""
    """Kind and size of the key."""
    subject: str = ""
    issuer: str = ""
    valid: str = ""
    """From when and until when, as dates."""
    sha256: str = ""
    """The fingerprint of a certificate."""


def credentials(plan: FlashPlan) -> Iterator[Credential]:
    """Yield the certificates and keys that a plan writes."""
    for name, content in _files(plan):
        origin = "project" if pki_slot(name.partition(".")[0]) in plan.project_pki else "firmware package"
        try:
            found = summarize(content)
        except FormatError as error:
            yield Credential(name, origin, f"not readable: {error.message}")
            continue
        for one in found:
            facts = {fact: str(value) for fact, value in one.items()}
            valid = f"{facts['not_before'][:10]} to {facts['not_after'][:10]}" if "not_before" in facts else ""
            yield Credential(
                name,
                origin,
                facts["kind"],
                facts.get("key", ""),
                facts.get("subject", ""),
                facts.get("issuer", ""),
                valid,
                facts.get("sha256", ""),
            )


def _files(plan: FlashPlan) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each certificate and key file."""
    for region in plan.regions:
        if region.name == MFG_NVS and plan.nvs:
            for entries in pki_entries(plan.nvs).values():
                yield from entries.items()
        elif pki_slot(region.name) in PKI_SLOTS and not plan.package.has_mfg_nvs:
            try:
                items = PkiContainer.from_bytes(region.data).items
            except FormatError:
                yield region.name, region.data
                continue
            for item in items:
                yield region.name if len(items) == 1 else f"{region.name}.{item.id}", item.content
