"""Files that Mbed TLS doesn't read are written anew; what it reads stays, byte for byte."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from oracle import needs_mbedtls, reads_certificate, reads_key
from pem_forms import AS_IT_IS, WRITTEN_ANEW
from plans import sample_plan
from x509_files import der, ec_key, key_bytes, leaf, middle, pem, root, rsa_key

from platformio_esp_at.errors import Place
from platformio_esp_at.formats import der as tlv
from platformio_esp_at.formats.pki import PkiContainer, PkiType
from platformio_esp_at.formats.x509 import X509File
from platformio_esp_at.planning.pki_files import readable_form, with_readable_pki
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import InputFile

HERE = Place.at(file="esp_at.yml", line=3)
KEYS = {
    "PKCS#1": lambda: key_bytes(rsa_key()),
    "SEC 1": lambda: key_bytes(ec_key("leaf")),
    "PKCS#8, RSA": lambda: key_bytes(rsa_key(), form=PrivateFormat.PKCS8),
    "PKCS#8, EC": lambda: key_bytes(ec_key("leaf"), form=PrivateFormat.PKCS8),
}
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


def _version_2(key) -> bytes:
    """Return a PKCS#8 key with its public key: RFC 5958."""
    parts = tlv.read(key_bytes(key, Encoding.DER, PrivateFormat.PKCS8)).children()
    return tlv.write(tlv.SEQUENCE, tlv.write(tlv.INTEGER, b"\1"), parts[1].whole, parts[2].whole, b"\x81\x02\0\1")


def _pem(label: str, content: bytes) -> bytes:
    from platformio_esp_at.formats.pem import write  # noqa: PLC0415 - `pem` is that of x509_files here

    return write(label, content)


# --- certificates ---


@pytest.mark.parametrize("form", AS_IT_IS.values(), ids=AS_IT_IS)
@pytest.mark.parametrize("kind", [PkiType.CERT, PkiType.CA])
def test_what_mbedtls_reads_stays(form, kind):
    for data in (form(pem(leaf())), form(pem(leaf(), middle(), root()))):
        assert readable_form(data, kind) == (data, ())


@pytest.mark.parametrize(("form", "fault"), WRITTEN_ANEW.values(), ids=WRITTEN_ANEW)
def test_certificates_are_written_anew(form, fault):
    for chain in ((leaf(),), (leaf(), middle(), root())):
        data, faults = readable_form(form(pem(*chain)), PkiType.CERT)
        assert data == pem(*chain)  # as `cryptography` writes them: 64 columns, LF
        assert fault in faults


def test_an_old_label():
    old = pem(leaf(), middle()).replace(b"CERTIFICATE", b"X509 CERTIFICATE", 2)
    data, faults = readable_form(old, PkiType.CERT)
    assert data == pem(leaf(), middle())
    assert faults == ("its label is X509 CERTIFICATE",)


def test_an_end_between_two_certificates():
    """Mbed TLS stops there, and says nothing of the rest."""
    data, faults = readable_form(pem(leaf()) + b"-----END CERTIFICATE-----\n" + pem(middle()), PkiType.CERT)
    assert data == pem(leaf(), middle())
    assert faults == ("a line -----END has no -----BEGIN",)


def test_what_follows_stays_in_its_order():
    mixed = PARAMETERS + pem(leaf()).replace(b"\n", b"\r") + PARAMETERS + pem(middle())
    assert readable_form(mixed, PkiType.CERT)[0] == PARAMETERS + pem(leaf()) + PARAMETERS + pem(middle())


@pytest.mark.parametrize(
    "data",
    [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\r*\r-----END CERTIFICATE-----", b"\0" + PARAMETERS],
    ids=["empty", "text", "damaged", "no-certificate"],
)
@pytest.mark.parametrize("kind", PkiType)
def test_what_the_checks_refuse_stays(data, kind):
    assert readable_form(data, kind) == (data, ())


def test_a_file_that_is_too_large_stays():
    data = (pem(leaf()) * 200).replace(b"\n", b"\r")
    assert readable_form(data, PkiType.CA) == (data, ())


def test_der_stays():
    for kind in (PkiType.CERT, PkiType.CA):
        assert readable_form(der(leaf()), kind) == (der(leaf()), ())


# --- keys ---


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("form", AS_IT_IS.values(), ids=AS_IT_IS)
def test_keys_that_mbedtls_reads_stay(key, form):
    data = form(key())
    assert readable_form(data, PkiType.KEY) == (data, ())


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(("form", "fault"), WRITTEN_ANEW.values(), ids=WRITTEN_ANEW)
def test_keys_are_written_anew(key, form, fault):
    data, faults = readable_form(form(key()), PkiType.KEY)
    assert data == key()
    assert fault in faults


def test_a_key_under_the_label_of_another_form():
    right = key_bytes(rsa_key(), form=PrivateFormat.PKCS8)
    wrong = right.replace(b" PRIVATE KEY", b" RSA PRIVATE KEY")
    data, faults = readable_form(wrong, PkiType.KEY)
    assert data == right
    assert faults == ("its label is RSA PRIVATE KEY, and its content is that of PRIVATE KEY",)
    for key in (rsa_key(), ec_key("leaf")):
        old = key_bytes(key)
        label = old[11:].partition(b"-----")[0]
        assert readable_form(old.replace(label, b"PRIVATE KEY"), PkiType.KEY)[0] == old


@pytest.mark.parametrize("key", [rsa_key, lambda: ec_key("leaf")], ids=["RSA", "EC"])
def test_a_key_of_pkcs8_version_2(key):
    one = key_bytes(key(), Encoding.DER, PrivateFormat.PKCS8)
    two = _version_2(key())
    assert readable_form(two, PkiType.KEY) == (one, ("it is a PKCS#8 key of version 2",))
    assert readable_form(_pem("PRIVATE KEY", two), PkiType.KEY)[0] == _pem("PRIVATE KEY", one)


def test_parameters_of_a_key_stay():
    right = PARAMETERS + key_bytes(ec_key("leaf"))
    assert readable_form(right, PkiType.KEY) == (right, ())
    assert readable_form(right.replace(b"\n", b"\r"), PkiType.KEY)[0] == right


# --- the oracle ---


@needs_mbedtls
@pytest.mark.parametrize("form", AS_IT_IS.values(), ids=AS_IT_IS)
def test_mbedtls_reads_what_stays(form):
    assert reads_certificate(form(pem(leaf()))) == der(leaf())
    assert reads_certificate(form(pem(leaf(), middle()))) == der(leaf())
    for key in KEYS.values():
        assert reads_key(form(key()))


@needs_mbedtls
@pytest.mark.parametrize("form", [form for form, _ in WRITTEN_ANEW.values()], ids=WRITTEN_ANEW)
def test_mbedtls_does_not_read_what_is_written_anew(form):
    """Nothing is changed without need."""
    assert reads_certificate(form(pem(leaf()))) is None
    assert reads_certificate(readable_form(form(pem(leaf())), PkiType.CERT)[0]) == der(leaf())
    for key in KEYS.values():
        assert not reads_key(form(key()))
        assert reads_key(readable_form(form(key()), PkiType.KEY)[0])


@needs_mbedtls
def test_mbedtls_needs_the_right_label_and_version():
    wrong = key_bytes(rsa_key(), form=PrivateFormat.PKCS8).replace(b" PRIVATE KEY", b" RSA PRIVATE KEY")
    for data in (wrong, _version_2(rsa_key()), _version_2(ec_key("leaf")), _pem("PRIVATE KEY", _version_2(rsa_key()))):
        assert not reads_key(data)
        assert reads_key(readable_form(data, PkiType.KEY)[0])
    assert reads_certificate(pem(leaf()).replace(b"CERTIFICATE", b"X509 CERTIFICATE")) is None


# --- in a plan ---


def _request(**pki: bytes) -> Request:
    return Request(pki={name: (InputFile(f"{name}.pem", HERE, data),) for name, data in pki.items()})


def test_each_file_that_is_written_anew_is_said():
    request = _request(mqtt_cert=pem(leaf()), mqtt_key=key_bytes(ec_key("leaf")).replace(b"\n", b"\r"))
    readable = with_readable_pki(request)
    assert readable.request.pki["mqtt_cert"] == request.pki["mqtt_cert"]
    assert readable.request.pki["mqtt_key"][0].data == key_bytes(ec_key("leaf"))
    (note,) = readable.notes
    assert (note.code, note.is_warning, str(note.place)) == ("pki-rewritten", False, "mqtt_key.pem")
    assert note.message == (
        "mqtt_key is written anew, as the firmware's TLS doesn't read the file's form: its lines end in CR"
    )


def test_nothing_is_said_of_what_stays():
    request = _request(mqtt_ca=pem(root()))
    assert with_readable_pki(request) == (request, ())


def test_the_plan_writes_what_the_module_reads(tmp_path):
    file = InputFile("certs/ca.pem", HERE, pem(root()).replace(b"\n", b"\r"))
    plan = sample_plan(tmp_path, pki={"mqtt_ca": (file,)})
    (region,) = (region for region in plan.regions if region.name == "mqtt_ca")
    (item,) = PkiContainer.from_bytes(region.data).items
    assert item.content == pem(root())
    assert X509File.from_bytes(item.content).certificates()[0].subject == "CN=Root"
    assert [note.code for note in plan.notes if not note.is_warning][:1] == ["pki-rewritten"]
    assert plan.inputs["certs/ca.pem"] == file.data


@pytest.mark.parametrize("padding", [b"\n", b"\r\n", bytes(8), b"\xff" * 8])
@pytest.mark.parametrize("kind", [PkiType.CERT, PkiType.KEY])
@needs_mbedtls
def test_der_with_padding_after_it(padding, kind):
    data = key_bytes(rsa_key(), Encoding.DER) if kind is PkiType.KEY else der(leaf())
    assert (reads_key if kind is PkiType.KEY else reads_certificate)(data + padding)
    assert readable_form(data + padding, kind) == (data + padding, ())
