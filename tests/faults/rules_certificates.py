"""Faults in the certificates and keys of a project: the firmware's Mbed TLS can't use them, or its peers don't.

What Mbed TLS reads: its ``x509_crt.c``, ``pkparse.c`` and ``pem.c``.
"""

from __future__ import annotations

import functools
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from x509_files import dsa_key, ec_key, key_bytes, name_of, rsa_key

from faults.rule import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

_FROM, _TO = datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2049, 1, 1, tzinfo=timezone.utc)
_CA = x509.BasicConstraints(ca=True, path_length=None)


def _signed(subject: str, key, *extensions, issuer: str = "Root", by=None, algorithm=None, start=_FROM, end=_TO):
    """Return a certificate as PEM; each extension is critical where it comes with True: ``(extension, True)``."""
    builder = x509.CertificateBuilder(name_of(issuer), name_of(subject), key.public_key(), 7, start, end)
    for extension in extensions:
        one, critical = extension if isinstance(extension, tuple) else (extension, False)
        builder = builder.add_extension(one, critical)
    by = by or ec_key("root")
    if algorithm is None and not isinstance(by, ed25519.Ed25519PrivateKey):
        algorithm = hashes.SHA256()
    return builder.sign(by, algorithm).public_bytes(Encoding.PEM)


def _key_usage(**given: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


@functools.cache
def root() -> bytes:
    return _signed("Root", ec_key("root"), (_CA, True), _key_usage(key_cert_sign=True, digital_signature=True))


@functools.cache
def leaf() -> bytes:
    return _signed("Module", ec_key("leaf"))


def key() -> bytes:
    return key_bytes(ec_key("leaf"))


def tls(case: Case, **files: bytes) -> Case:
    """Return a copy whose project has certificate, key and CA for its clients; ``files`` replace them."""
    own = {"cert": leaf(), "key": key(), "ca": root(), **files}
    return case.asking(
        {f"certs/{name}.pem": data for name, data in own.items()},
        pki={f"client_{name}": f"certs/{name}.pem" for name in own},
    )


@rule("the private key isn't that of the certificate: every TLS handshake fails")
def key_of_other_certificate(case: Case) -> Iterator[tuple[str, Case]]:
    yield "other", tls(case, key=key_bytes(ec_key("other")))
    yield "RSA for EC", tls(case, key=key_bytes(rsa_key()))


@rule("a key where the certificate belongs is shown to everyone; the firmware finds no certificate")
def certificate_and_key_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    yield "swapped", tls(case, cert=key(), key=leaf())
    yield "twice the certificate", tls(case, key=leaf())
    yield "a key as CA", tls(case, ca=key())
    yield "both in one", tls(case, cert=leaf() + key())


@rule("Mbed TLS doesn't know keys of this type: no TLS")
def key_of_unknown_type(case: Case) -> Iterator[tuple[str, Case]]:
    strange = ed25519.Ed25519PrivateKey.generate()
    yield "Ed25519", tls(case, cert=_signed("Module", strange), key=key_bytes(strange, form=PrivateFormat.PKCS8))
    yield "Ed25519 CA", tls(case, ca=_signed("Root", strange, (_CA, True), by=strange))
    yield "DSA", tls(case, cert=_signed("Module", dsa_key()), key=key_bytes(dsa_key()))
    other = ed448.Ed448PrivateKey.generate()
    yield "Ed448", tls(case, cert=_signed("Module", other), key=key_bytes(other, form=PrivateFormat.PKCS8))


@rule("the firmware has no password: it can't read the key")
def key_encrypted(case: Case) -> Iterator[tuple[str, Case]]:
    yield "PKCS 8", tls(case, key=key_bytes(ec_key("leaf"), form=PrivateFormat.PKCS8, password=b"secret"))
    yield "traditional", tls(case, key=key_bytes(ec_key("leaf"), password=b"secret"))


class _Large:
    """The public half of a key that takes minutes to make: any odd number will do as its modulus."""

    def __init__(self, bits: int) -> None:
        self._key = rsa.RSAPublicNumbers(65537, (1 << bits - 1) + 12345).public_key()

    def public_key(self) -> rsa.RSAPublicKey:
        return self._key


@rule("Mbed TLS reads numbers of 1024 bytes at most (MBEDTLS_MPI_MAX_SIZE), and the default profile refuses short keys")
def rsa_key_of_wrong_size(case: Case) -> Iterator[tuple[str, Case]]:
    yield "8200 bits", tls(case, ca=_signed("Big", _Large(8200), (_CA, True), issuer="Big"))
    yield "1000 bits", tls(case, ca=_signed("Small", _Large(1000), (_CA, True), issuer="Small"))
    yield "16384 bits", tls(case, ca=_signed("Big", _Large(16384), (_CA, True), issuer="Big"))


@rule("a peer finds no way from the module's certificate to its CA: the handshake fails")
def chain_broken(case: Case) -> Iterator[tuple[str, Case]]:
    middle = _signed("Middle", ec_key("middle"), (_CA, True))
    under = _signed("Module", ec_key("leaf"), issuer="Middle", by=ec_key("middle"))
    yield "order", tls(case, cert=middle + under)
    yield "other issuer", tls(case, cert=under + root())
    yield (
        "other signature",
        tls(case, cert=_signed("Module", ec_key("leaf"), issuer="Middle", by=ec_key("no")) + middle),
    )


def _cut(pem: bytes, *, at: int, by: bytes) -> bytes:
    return pem[:at] + by + pem[at + len(by) :]


@rule("the file can't be read: no TLS")
def pem_damaged(case: Case) -> Iterator[tuple[str, Case]]:
    yield "base64", tls(case, cert=_cut(leaf(), at=100, by=b"!*?"))
    yield "no end", tls(case, cert=leaf()[: len(leaf()) // 2])
    yield "a bit of the DER", tls(case, ca=_cut(root(), at=120, by=b"AAAAAAAA"))
    yield "key cut", tls(case, key=key()[:-60])
    yield "end of another", tls(case, ca=root().replace(b"END CERTIFICATE", b"END X509 CRL"))
    yield "no marks", tls(case, ca=b"".join(root().splitlines()[1:-1]))


@rule("the file is something else: no TLS")
def pki_file_is_other_content(case: Case) -> Iterator[tuple[str, Case]]:
    both = serialize_key_and_certificates(
        b"a", ec_key("leaf"), x509.load_pem_x509_certificate(leaf()), None, NoEncryption()
    )
    request = x509.CertificateSigningRequestBuilder(name_of("Module")).sign(ec_key("leaf"), hashes.SHA256())
    for word, data in {
        "empty": b"",
        "text": b"hello\n",
        "HTML": b"<!DOCTYPE html><html></html>",
        "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        "zeros": bytes(1000),
        "UTF-16": root().decode().encode("utf-16"),
        "PKCS 12": both,
        "request": request.public_bytes(Encoding.PEM),
        "public key": ec_key("leaf").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    }.items():
        yield word, tls(case, cert=data)
        yield f"{word} as CA", tls(case, ca=data)


@rule("Mbed TLS refuses critical extensions that it doesn't know: no TLS")
def critical_extension(case: Case) -> Iterator[tuple[str, Case]]:
    constraints = x509.NameConstraints([x509.DNSName("example.com")], None)
    yield "nameConstraints", tls(case, ca=_signed("Root", ec_key("root"), (_CA, True), (constraints, True)))
    policies = x509.PolicyConstraints(0, None)
    yield "policyConstraints", tls(case, ca=_signed("Root", ec_key("root"), (_CA, True), (policies, True)))
    yield (
        "inhibitAnyPolicy",
        tls(case, ca=_signed("Root", ec_key("root"), (_CA, True), (x509.InhibitAnyPolicy(0), True))),
    )
    own = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    yield "own", tls(case, cert=_signed("Module", ec_key("leaf"), (own, True)))


@rule("Mbed TLS of these releases has no SHA-3: it can't read the certificate")
def signature_of_sha3(case: Case) -> Iterator[tuple[str, Case]]:
    yield "certificate", tls(case, cert=_signed("Module", ec_key("leaf"), algorithm=hashes.SHA3_256()))
    yield "CA", tls(case, ca=_signed("Root", ec_key("root"), (_CA, True), algorithm=hashes.SHA3_384()))


@rule("it doesn't fit into its place: it is cut, or written over the next one")
def pki_too_large(case: Case) -> Iterator[tuple[str, Case]]:
    yield "64 KB", tls(case, ca=root() * 150)
    if not case.modern and case.row("client_ca"):
        many = root() * (case.row("client_ca").size // len(root()) + 1)
        yield "partition", tls(case, ca=many)


@rule("the firmware reads two files of each at most: the third is never used")
def pki_too_many(case: Case) -> Iterator[tuple[str, Case]]:
    files = {f"certs/{name}.pem": root() for name in "abc"}
    yield "three", case.asking(files, pki={"client_ca": list(files)})
    if case.modern or case.row("server_ca"):
        yield "two for one", case.asking(files, pki={"server_ca": list(files)[:2]})


@rule("no release has this name: what is given isn't stored")
def pki_misspelt(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("client_crt", "mqtt", "ca"):
        yield name, case.asking({"a.pem": root()}, pki={name: "a.pem"})


@rule("the release doesn't read it: what is given isn't stored")
def pki_of_later_release(case: Case) -> Iterator[tuple[str, Case]]:
    if not case.modern:
        for name in ("https_ca", "wss_ca"):
            yield name, case.asking({"a.pem": root()}, pki={name: "a.pem"})


_DATES = "the module boots and answers; it checks dates only where the time is set, and the peer may accept them"


@rule("a peer that checks dates refuses the certificate, or the module refuses the peer's", still_works=_DATES,
      codes="certificate-expired certificate-not-yet-valid")  # fmt: skip
def certificate_out_of_date(case: Case) -> Iterator[tuple[str, Case]]:
    past, future = datetime(2021, 1, 1, tzinfo=timezone.utc), datetime(2048, 1, 1, tzinfo=timezone.utc)
    yield "expired", tls(case, cert=_signed("Module", ec_key("leaf"), end=past))
    yield "not yet", tls(case, ca=_signed("Root", ec_key("root"), (_CA, True), start=future))


@rule("Mbed TLS doesn't accept what such a CA signed: connections that verify their peer fail",
      still_works="TLS without verification, boot and AT commands work",
      codes="certificate-no-ca certificate-key-usage")  # fmt: skip
def ca_that_may_not_sign(case: Case) -> Iterator[tuple[str, Case]]:
    usage = _key_usage(digital_signature=True)
    yield "no keyCertSign", tls(case, ca=_signed("Root", ec_key("root"), (_CA, True), (usage, True)))
    yield (
        "CA false",
        tls(case, ca=_signed("Root", ec_key("root"), (x509.BasicConstraints(ca=False, path_length=None), True))),
    )


@rule("a server that checks the purpose refuses the client's certificate",
      still_works="servers that don't ask for a certificate, or not for its purpose, accept the module")  # fmt: skip
def client_certificate_for_servers(case: Case) -> Iterator[tuple[str, Case]]:
    yield (
        "serverAuth",
        tls(case, cert=_signed("Module", ec_key("leaf"), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))),
    )


_PEM_FORMS = {
    "CR": lambda pem: pem.replace(b"\n", b"\r"),
    "tabs": lambda pem: pem.replace(b"\n", b"\n\t"),
    "indented": lambda pem: b"  " + pem.rstrip(b"\n").replace(b"\n", b"\n  ") + b"\n",
    "one line": lambda pem: _marked(pem, b" ".join(pem.splitlines()[1:-1])),
    "spaces inside": lambda pem: _marked(
        pem, b"\n".join(line[:20] + b"   " + line[20:] for line in pem.splitlines()[1:-1])
    ),
    "spaces at ends": lambda pem: pem.replace(b"\n", b"  \n"),
    "NUL in front": lambda pem: b"\0" + pem,
    "END before BEGIN": lambda pem: b"-----END CERTIFICATE-----\n" + pem,
}


def _marked(pem: bytes, body: bytes) -> bytes:
    lines = pem.splitlines()
    return b"\n".join([lines[0], body, lines[-1], b""])


@rule("Mbed TLS can't read PEM in this form: no TLS", a_note_will_do=True,
      still_works="what is written to the module is the same certificate in the form that Mbed TLS reads")  # fmt: skip
def pem_in_odd_form(case: Case) -> Iterator[tuple[str, Case]]:
    forms = list(_PEM_FORMS.items())
    turn = len(case.name) % len(forms)
    for word, change in forms[turn:] + forms[:turn]:
        yield word, tls(case, ca=change(root()))


@rule("the sets are mixed: each certificate goes with the key of the other one")
def sets_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    files = {
        "a.pem": leaf(),
        "a.key": key(),
        "b.pem": _signed("Other", ec_key("other")),
        "b.key": key_bytes(ec_key("other")),
    }
    pki = {"client_cert": ["a.pem", "b.pem"], "client_key": ["b.key", "a.key"]}
    yield "keys", case.asking(files, pki=pki)


@rule("Mbed TLS doesn't know the signature, and so can't read the certificate")
def signature_of_unknown_kind(case: Case) -> Iterator[tuple[str, Case]]:
    strange = ed25519.Ed25519PrivateKey.generate()
    yield "Ed25519", tls(case, cert=_signed("Module", ec_key("leaf"), by=strange))
    yield "DSA", tls(case, cert=_signed("Module", ec_key("leaf"), by=dsa_key()))
    yield "CA", tls(case, ca=_signed("Root", ec_key("root"), (_CA, True), by=strange))


@rule("the package's key isn't that of the project's certificate: a server that asks for it refuses the module",
      still_works="TLS without a certificate of the module's own works, and so do boot and AT commands")  # fmt: skip
def certificate_without_its_key(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_pair(case):
        yield "certificate", case.asking({"a.pem": leaf()}, pki={"client_cert": "a.pem"})
        yield "key", case.asking({"a.key": key()}, pki={"client_key": "a.key"})


def _has_pair(case: Case) -> bool:
    return case.modern or (case.has("client_cert", "client_key"))


@rule("two certificates of one key: who has one of the two peers' trust has both",
      still_works="each certificate goes with its key, and TLS works", a_note_will_do=True)  # fmt: skip
def one_key_twice(case: Case) -> Iterator[tuple[str, Case]]:
    files = {"a.pem": leaf(), "b.pem": _signed("Other", ec_key("leaf")), "a.key": key(), "b.key": key()}
    yield "client", case.asking(files, pki={"client_cert": ["a.pem", "b.pem"], "client_key": ["a.key", "b.key"]})
