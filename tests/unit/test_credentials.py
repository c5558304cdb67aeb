"""What people may see of a plan's certificates and keys."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from plans import HERE, sample_plan
from x509_files import certificate, ec_key

from platformio_esp_at.demo.sample_pki import sample_pki
from platformio_esp_at.formats.pki import PkiContainer, PkiType
from platformio_esp_at.formats.x509 import X509File
from platformio_esp_at.outputs.credentials import credentials
from platformio_esp_at.request.values import InputFile

KEY = ec_key("mine")


def _pem(data: bytes) -> tuple[InputFile, ...]:
    return (InputFile("mine.pem", HERE, data),)


@pytest.mark.parametrize("nvs", [False, True])
def test_of_the_package_and_of_the_project(nvs, tmp_path):
    own = certificate("mine", KEY, issuer="somebody", issuer_key=ec_key("somebody"))
    secret = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pki = {"mqtt_cert": _pem(own.public_bytes(Encoding.PEM)), "mqtt_key": _pem(secret)}
    found = {one.name: one for one in credentials(sample_plan(tmp_path, nvs=nvs, pki=pki))}
    mine = found["mqtt_cert"]
    assert mine == (
        *("mqtt_cert", "project", "certificate", "EC secp256r1, 256 bits", "CN=mine", "CN=somebody"),
        *("2025-01-01 to 2027-01-01", hashlib.sha256(own.public_bytes(Encoding.DER)).hexdigest()),
    )
    assert found["mqtt_key"] == ("mqtt_key", "project", "private key", "EC secp256r1, 256 bits", "", "", "", "")
    ca = found["server_ca"]
    (info,) = X509File.from_bytes(sample_pki("server", PkiType.CA)).certificates()
    assert (ca.origin, ca.subject, ca.sha256) == ("firmware package", info.subject, info.sha256)
    assert {"client_cert.0", "client_key.1"} <= set(found) if nvs else "client_cert" in found
    lines = secret.decode().splitlines()[1:-1]
    assert not [line for line in lines if any(line in text for one in found.values() for text in one)]


def test_two_sets_in_one_partition(tmp_path):
    pems = [certificate(name, KEY).public_bytes(Encoding.PEM) for name in ("a", "b")]
    pki = {"client_cert": tuple(InputFile(f"{at}.pem", HERE, pem) for at, pem in enumerate(pems))}
    found = [(one.name, one.subject) for one in credentials(sample_plan(tmp_path, pki=pki)) if one.origin == "project"]
    assert found == [("client_cert.0", "CN=a"), ("client_cert.1", "CN=b")]


@pytest.mark.parametrize(
    "data", [b"\xff" * 16, PkiContainer.of(PkiType.CERT, [b"nothing of the kind"]).to_bytes()], ids=["blank", "other"]
)
def test_what_cannot_be_read_is_named(data, tmp_path):
    plan = sample_plan(tmp_path, files={"customized_partitions/server_ca.bin": data})
    (one,) = (one for one in credentials(plan) if one.name == "server_ca")
    assert one.kind.startswith("not readable: ")
