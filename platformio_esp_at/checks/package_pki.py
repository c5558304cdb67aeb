"""The certificates and keys that a firmware package brings, as far as they are written unchanged.

Each must be what its name says, whole, and a key must be that of its certificate. Nothing is said of dates, sizes and
uses: the samples of a release are old, and work. This runs with every plan, so it does without `cryptography`, unless
there are EC keys: that takes 40 ms to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import EspAtError, FormatError, PackageError, Place, located, setting
from platformio_esp_at.formats import der, pem, pki_der
from platformio_esp_at.formats.pki import PKI_SETS, PKI_SLOTS, PkiContainer, PkiType, pki_slot
from platformio_esp_at.formats.pki_der import Signature
from platformio_esp_at.planning.content import FIRMWARE_PACKAGE, MFG_NVS
from platformio_esp_at.planning.mfg_nvs import pki_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.formats.pki_der import Certificate, PrivateKey
    from platformio_esp_at.planning.plan import FlashPlan, Region


class _Item(NamedTuple):
    """One certificate or key file."""

    name: str
    """What it is called: a partition or an entry of ``mfg_nvs``, with the number of its set."""
    slot: str
    content: bytes
    region: Region
    package: FirmwarePackage

    @property
    def kind(self) -> PkiType:
        return PKI_SLOTS[self.slot]

    @property
    def hint(self) -> str:
        """The next step where it is damaged."""
        again = self.package.origin_hint
        if not self.region.origin.startswith(FIRMWARE_PACKAGE):
            again = f"make {self.region.origin} again"
        return f"{again}; or give your own: {setting(f'pki.{self.slot}', 'FILE')}"

    def problem(self, code: str, message: str) -> EspAtError:
        """Return a problem of it, with a next step."""
        place = Place.at(file=self.region.path)
        return PackageError(code, message, where=place, hint=self.hint, certificate_or_key=self.slot)

    def damaged(self, why: str) -> EspAtError:
        return self.problem("package-pki-damaged", f"{self.name} is damaged: {why}")


class _Read(NamedTuple):
    """What a file holds."""

    item: _Item
    certificates: tuple[Certificate, ...] = ()
    key: PrivateKey | None = None
    der: tuple[bytes, ...] = ()


def package_pki_problems(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for each certificate and key of the plan that isn't the project's, and that can't work."""
    read: dict[str, list[_Read]] = {}
    found = _items(plan)
    yield from _without_key(plan, found)
    yield from _incomplete_sets(plan)
    for slot, items in found.items():
        if isinstance(items, EspAtError):
            yield items
            continue
        for item in items:
            file = _read(item)
            if isinstance(file, EspAtError):
                yield file
            else:
                read.setdefault(slot, []).append(file)
    authorities = [
        info for slot in read if PKI_SLOTS[slot] is PkiType.CA for file in read[slot] for info in file.certificates
    ]
    damaged: set[str] = set()
    for file in (file for files in read.values() for file in files):
        for problem in _damage(file, authorities):
            damaged.add(file.item.name)
            yield problem
    for slot, files in read.items():
        if PKI_SLOTS[slot] is PkiType.CERT:
            for certificate, key in zip(files, read.get(slot.replace("_cert", "_key"), ()), strict=False):
                if damaged.isdisjoint((certificate.item.name, key.item.name)):
                    yield from _pair(certificate, key)


# --- what there is ---


def _items(plan: FlashPlan) -> dict[str, list[_Item] | EspAtError]:
    """Return the certificate and key files that aren't the project's, by slot; or why a container can't be read."""
    found: dict[str, list[_Item] | EspAtError] = {}
    for region in plan.regions:
        if region.name == MFG_NVS and plan.nvs:
            for slot, entries in pki_entries(plan.nvs).items():
                if slot not in plan.project_pki:
                    found[slot] = [_Item(key, slot, content, region, plan.package) for key, content in entries.items()]
        slot = pki_slot(region.name)
        if slot in PKI_SLOTS and slot not in plan.project_pki and not plan.package.has_mfg_nvs:
            found[slot] = _container_items(slot, region, plan.package)
    return found


def _without_key(plan: FlashPlan, found: Mapping[str, list[_Item] | EspAtError]) -> Iterator[EspAtError]:
    """Yield a problem for a certificate whose key isn't there, with that of the firmware package or the project."""
    for slot, certificates in found.items():
        key_slot = slot.replace("_cert", "_key")
        keys = found.get(key_slot, [] if plan.package.has_mfg_nvs else None)
        if PKI_SLOTS[slot] is not PkiType.CERT or key_slot in plan.project_pki:
            continue
        if isinstance(certificates, list) and isinstance(keys, list) and len(keys) < len(certificates):
            item = certificates[len(keys)]
            yield item.problem("package-pki-damaged", f"{item.name} has no private key: there is no {key_slot} for it")


def _incomplete_sets(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for a set in the package's ``mfg_nvs`` that has a key, and not its certificate or its CA."""
    region = next((region for region in plan.regions if region.name == MFG_NVS), None)
    if plan.nvs is None or region is None or not region.origin.startswith(FIRMWARE_PACKAGE):
        return
    there = {*pki_entries(plan.nvs), *plan.project_pki}
    for role in PKI_SETS:
        of_role = [f"{role}_{kind.name.lower()}" for kind in PkiType]
        missing = [slot for slot in of_role if slot not in there]
        if f"{role}_key" in there and missing:
            message = f"it has no {' and no '.join(missing)}: TLS needs all of {', '.join(of_role)}"
            again = f"{plan.package.origin_hint}; or give your own: {setting(f'pki.{missing[0]}', 'FILE')}"
            yield PackageError("package-incomplete", message, where=Place.at(file=region.path), hint=again)


def _container_items(slot: str, region: Region, package: FirmwarePackage) -> list[_Item] | EspAtError:
    """Return the items of a container; or the problem, where it is damaged."""
    whole = _Item(region.name, slot, region.data, region, package)
    try:
        with located(file=region.path, origin_hint=whole.hint):
            items = PkiContainer.from_bytes(region.data).items
    except FormatError as error:
        return error
    if not items:
        return whole.damaged("there is nothing in it")
    for number, item in enumerate(items):
        # Up to v3.0.0.0 some releases mark all as certificates: `planning.legacy_content`.
        if item.type not in (PKI_SLOTS[slot], PkiType.CERT) or item.id != number:
            return whole.damaged(f"item {number} has the type {item.type} and the id {item.id}")
    names = [f"{region.name}.{item.id}" if len(items) > 1 else region.name for item in items]
    return [_Item(name, slot, item.content, region, package) for name, item in zip(names, items, strict=True)]


# --- what it holds ---


def _read(item: _Item) -> _Read | EspAtError:
    """Return what an item holds; or the problem, where it is something else or damaged."""
    if not item.content.strip(b"\xff\0 \t\r\n"):
        return item.damaged("it is blank")
    try:
        return _read_key(item) if item.kind is PkiType.KEY else _read_certificates(item)
    except EspAtError as problem:
        return problem


def _read_certificates(item: _Item) -> _Read:
    if pem.is_pem(item.content):
        found = tuple(pem.mbedtls_blocks(item.content, pem.CERTIFICATE))
        if not found and pem.mbedtls_key(item.content):
            raise item.problem("pki-wrong-kind", f"{item.name} is a private key, where a certificate belongs")
    else:
        found = (item.content,)
    if not found or None in found or len(found) < item.content.count(b"-----BEGIN "):
        raise item.damaged("its PEM text can't be read")
    contents = tuple(content for content in found if content is not None)
    try:
        return _Read(item, tuple(pki_der.certificate(_whole(content)) for content in contents), der=contents)
    except ValueError as error:
        raise item.damaged(_reason(error)) from None


def _read_key(item: _Item) -> _Read:
    content: bytes | None = item.content
    if pem.is_pem(item.content):
        if any(pem.mbedtls_blocks(item.content, pem.CERTIFICATE)):
            raise item.problem("pki-wrong-kind", f"{item.name} is a certificate, where a private key belongs")
        content = (pem.mbedtls_key(item.content) or ("", None))[1]
    if content is None:
        raise item.damaged("its PEM text can't be read")
    try:
        key = pki_der.private_key(_whole(content))
    except ValueError as error:
        raise item.damaged(_reason(error)) from None
    if not key.is_consistent:
        raise item.damaged("its numbers don't belong together")
    return _Read(item, key=key, der=(content,))


def _whole(content: bytes) -> bytes:
    """Return a DER file. Raises `ValueError` where it is cut, or followed by other bytes than padding."""
    element = der.read(content)
    if content[len(element.whole) :].strip(b"\0\xff\r\n"):
        raise ValueError("other bytes follow its content")
    return element.whole


def _reason(error: ValueError) -> str:
    return "it is cut" if str(error) == "cut" else str(error)


# --- what belongs together ---


def _damage(file: _Read, authorities: Sequence[Certificate]) -> Iterator[EspAtError]:
    """Yield a problem where a signature shows that a certificate isn't what was signed."""
    for info in file.certificates:
        if _is_changed(info, authorities, is_ca=file.item.kind is PkiType.CA):
            yield file.item.damaged("its signature doesn't match")
    if _has_ec_key(file):
        from platformio_esp_at.checks.ec_keys import ec_damage  # noqa: PLC0415 - 40 ms, for cryptography

        if why := ec_damage(file.der, is_key=file.key is not None, is_ca=file.item.kind is PkiType.CA):
            yield file.item.damaged(why)


def _is_changed(info: Certificate, authorities: Sequence[Certificate], *, is_ca: bool) -> bool:
    """Return whether a certificate isn't what one of the CAs, or its own key, has signed."""
    found = own = pki_der.signed_by(info, info.public_key)
    # Most often, the CA with the issuer's name has signed it: this saves the time for all others.
    for issuer in sorted(authorities, key=lambda issuer: issuer.subject != info.issuer):
        if found in (Signature.VALID, Signature.DAMAGED):
            break
        found = pki_der.signed_by(info, issuer.public_key)
    # Several CAs have one name, so that nobody's signature says nothing; a CA's own must be its own.
    nobodys = is_ca and own is Signature.OTHER and info.issuer == info.subject
    return found is Signature.DAMAGED or nobodys


def _has_ec_key(file: _Read) -> bool:
    keys = [info.public_key.algorithm.oid for info in file.certificates]
    return pki_der.EC in (*keys, file.key.algorithm.oid if file.key else "")


def _pair(certificate: _Read, key: _Read) -> Iterator[EspAtError]:
    if not certificate.certificates or key.key is None or key.key.public is None:
        return
    public = certificate.certificates[0].public_key
    if public.is_compressed or (public.algorithm.oid, public.key) == (key.key.algorithm.oid, key.key.public):
        return
    message = f"{key.item.name} is not the private key of {certificate.item.name}"
    yield key.item.problem("key-not-of-certificate", message)
