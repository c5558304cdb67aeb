"""The certificates and keys of a firmware package: each is opened before it is flashed, and none is said to be old."""

from __future__ import annotations

import base64
import subprocess
import sys
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from plans import HERE, refusal, sample_plan
from x509_files import NOW, YEAR, certificate, der, ec_key, key_bytes, leaf, pem, rsa_key

from platformio_esp_at.checks.package_pki import package_pki_problems
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.demo.sample_pki import sample_pki
from platformio_esp_at.errors import EspAtError, PackageError
from platformio_esp_at.firmware.package import FOLDER_AGAIN
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.pki import PkiContainer, PkiItem, PkiType
from platformio_esp_at.request.values import InputFile, Text

MFG_NVS = "customized_partitions/mfg_nvs.bin"
CERT, KEY, CA = (sample_pki("client", kind) for kind in (PkiType.CERT, PkiType.KEY, PkiType.CA))
OLD = certificate("Old", rsa_key(), start=NOW - 9 * YEAR, end=NOW - 8 * YEAR)


def _changed_der(data: bytes, at: int, label: str) -> bytes:
    """Return a PEM file with one bit of its content flipped."""
    text = base64.b64decode(data.partition(b"-----BEGIN")[2].partition(b"-----\n")[2].partition(b"-----END")[0])
    at %= len(text)
    text = text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(text) + f"-----END {label}-----\n".encode()


def _plan(tmp_path, *, nvs: bool, **contents: bytes):
    """Return the plan for a package with these certificates and keys, of one generation or the other."""
    if nvs:
        files = sample_package("esp32c6")
        image = NvsImage.from_bytes(files[MFG_NVS])
        entries = [
            replace(entry, value=contents[entry.namespace]) if entry.namespace in contents else entry
            for entry in image.entries
        ]
        return sample_plan(tmp_path, "esp32c6", files={MFG_NVS: replace(image, entries=tuple(entries)).to_bytes()})
    files = {
        f"customized_partitions/{name}.bin": PkiContainer.of(PkiType.CERT, [data]).to_bytes()
        for name, data in contents.items()
    }
    return sample_plan(tmp_path, files=files)


def _problems(tmp_path, *, nvs: bool = False, **contents: bytes) -> list[EspAtError]:
    return list(package_pki_problems(_plan(tmp_path, nvs=nvs, **contents)))


# --- what is right ---


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp32c6", "esp32s2", "esp8266"])
def test_a_clean_package(tmp_path, chip):
    check_plan(sample_plan(tmp_path, chip), None)


@pytest.mark.parametrize("nvs", [False, True])
@pytest.mark.parametrize(
    "contents",
    [
        {"client_cert": pem(OLD), "client_key": key_bytes(rsa_key())},
        {"client_cert": der(OLD), "client_key": key_bytes(rsa_key(), Encoding.DER, PrivateFormat.PKCS8)},
        {"client_cert": pem(leaf()), "client_key": key_bytes(ec_key("leaf"))},
        {"client_cert": pem(leaf()), "client_key": key_bytes(ec_key("leaf"), form=PrivateFormat.PKCS8)},
        {"client_ca": pem(OLD, leaf())},
        {"client_ca": pem(certificate("EC", ec_key("root"), ca=True))},
    ],
    ids=["expired", "der", "ec", "ec-pkcs8", "no-ca-flag", "ec-ca"],
)
def test_content_that_is_old_or_of_another_kind(tmp_path, nvs, contents):
    assert _problems(tmp_path, nvs=nvs, **contents) == []


def test_without_cryptography(tmp_path):
    """With RSA keys, as in every release, nothing of it is imported: it takes 40 ms."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from plans import sample_plan\n"
        "from platformio_esp_at.checks.package_pki import package_pki_problems\n"
        f"assert list(package_pki_problems(sample_plan(Path({str(tmp_path)!r})))) == []\n"
        "print('cryptography' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_path())
    assert done.stdout == "False\n"


def _path() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}


# --- damaged ---

BROKEN = {
    "blank": lambda data: b"\xff" * len(data),
    "zeros": lambda data: bytes(len(data)),
    "empty": lambda _: b"",
    "cut": lambda data: data[:-100],
    "half": lambda data: data[: len(data) // 2],
    "text": lambda _: b"version https://git-lfs.github.com/spec/v1\n",
    "a star in its text": lambda data: data.replace(b"-----\nM", b"-----\n*"),
    "no end": lambda data: data.replace(b"-----END", b"-----"),
}


@pytest.mark.parametrize("nvs", [False, True])
@pytest.mark.parametrize("name", ["client_cert", "client_key", "client_ca", "mqtt_cert"])
@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_damaged_content(tmp_path, nvs, name, damage):
    role, _, kind = name.partition("_")
    found = _problems(tmp_path, nvs=nvs, **{name: damage(sample_pki(role, PkiType[kind.upper()]))})
    assert {problem.code for problem in found} == {"package-pki-damaged"}
    assert {problem.facts["certificate_or_key"] for problem in found} == {name}
    for problem in found:
        assert isinstance(problem, PackageError)
        assert problem.facts["file"] == (MFG_NVS if nvs else f"customized_partitions/{name}.bin")
        assert problem.message.startswith(f"{name}." if nvs and role == "client" else f"{name} is damaged: ")
        assert problem.hint == (f"{FOLDER_AGAIN}; or give your own: pki: {{{name}: FILE}}")


@pytest.mark.parametrize(
    ("name", "kind", "why"),
    [
        pytest.param("client_cert", PkiType.CERT, "its signature doesn't match", id="certificate"),
        pytest.param("client_ca", PkiType.CA, "its signature doesn't match", id="ca"),
        pytest.param("client_key", PkiType.KEY, "its numbers don't belong together", id="key"),
    ],
)
def test_a_flipped_bit_inside(tmp_path, name, kind, why):
    """Well-formed still: only the numbers show it."""
    label = "RSA PRIVATE KEY" if kind is PkiType.KEY else "CERTIFICATE"
    at = 120 if kind is PkiType.KEY else 44  # in the name of the issuer
    (problem,) = _problems(tmp_path, **{name: _changed_der(sample_pki("client", kind), at, label)})
    assert (problem.code, problem.message) == ("package-pki-damaged", f"{name} is damaged: {why}")


def test_a_flipped_bit_in_ec_content(tmp_path):
    ca = pem(certificate("EC", ec_key("root"), ca=True))
    (problem,) = _problems(tmp_path, mqtt_ca=_changed_der(ca, -20, "CERTIFICATE"))
    assert problem.message == "mqtt_ca is damaged: its signature doesn't match"
    key = _changed_der(key_bytes(ec_key("root")), 12, "EC PRIVATE KEY")
    (problem,) = _problems(tmp_path, mqtt_cert=ca, mqtt_key=key)
    assert problem.message == "mqtt_key is damaged: the private key can't be read"


def test_a_certificate_without_its_key(tmp_path):
    """The key may be the project's, and up to v3.0.0.0 it may be skipped."""
    plan = sample_plan(tmp_path, nvs=True)
    left = NvsImage(tuple(entry for entry in plan.nvs if entry.key != "client_key.1"), plan.nvs.size)
    (problem,) = package_pki_problems(replace(plan, nvs=left))
    assert (problem.code, problem.facts["certificate_or_key"]) == ("package-pki-damaged", "client_cert")
    assert problem.message == "client_cert.1 has no private key: there is no client_key for it"
    assert list(package_pki_problems(replace(plan, nvs=left, project_pki=frozenset({"client_key"})))) == []


def test_the_signature_of_a_ca_of_its_own_name(tmp_path):
    """A signature of nobody: it is the CA's own, so it is damaged."""
    (problem,) = _problems(tmp_path, client_ca=_changed_der(CA, -9, "CERTIFICATE"))
    assert problem.message == "client_ca is damaged: its signature doesn't match"


# --- something else ---


@pytest.mark.parametrize("nvs", [False, True])
def test_a_certificate_and_its_key_exchanged(tmp_path, nvs):
    found = _problems(
        tmp_path, nvs=nvs, mqtt_cert=sample_pki("mqtt", PkiType.KEY), mqtt_key=sample_pki("mqtt", PkiType.CERT)
    )
    assert [(problem.code, problem.message) for problem in found] == [
        ("pki-wrong-kind", "mqtt_cert is a private key, where a certificate belongs"),
        ("pki-wrong-kind", "mqtt_key is a certificate, where a private key belongs"),
    ]


@pytest.mark.parametrize("nvs", [False, True])
@pytest.mark.parametrize("key", [rsa_key, lambda: ec_key("leaf")], ids=["rsa", "ec"])
def test_the_key_of_another_certificate(tmp_path, nvs, key):
    (problem,) = _problems(tmp_path, nvs=nvs, mqtt_key=key_bytes(key()))
    assert problem.code == "key-not-of-certificate"
    assert problem.message == "mqtt_key is not the private key of mqtt_cert"


@pytest.mark.parametrize("kind", [PkiType.CERT, PkiType.KEY])
def test_der_of_another_kind(tmp_path, kind):
    content = key_bytes(rsa_key(), Encoding.DER) if kind is PkiType.CERT else der(leaf())
    (problem,) = _problems(tmp_path, **{f"mqtt_{kind.name.lower()}": content})
    assert problem.code == "package-pki-damaged"


# --- the container ---


def _container(tmp_path, data: bytes) -> EspAtError:
    plan = sample_plan(tmp_path, files={"customized_partitions/client_cert.bin": data})
    return refusal(plan, type(next(package_pki_problems(plan))))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff" * 100, "not-pki"),
        (bytes(100), "not-pki"),
        (PkiContainer.of(PkiType.CERT, [CERT]).to_bytes()[:-100], "pki-damaged"),
        (PkiContainer(()).to_bytes(), "package-pki-damaged"),
        (PkiContainer.of(PkiType.CA, [CERT]).to_bytes(), "package-pki-damaged"),
        (PkiContainer((PkiItem(PkiType.CERT, 1, CERT),)).to_bytes(), "package-pki-damaged"),
        (PkiContainer((PkiItem(9, 0, CERT),)).to_bytes(), "package-pki-damaged"),
    ],
    ids=["blank", "zeros", "cut", "nothing-in-it", "type-of-a-ca", "wrong-id", "unknown-type"],
)
def test_damaged_containers(tmp_path, data, code):
    error = _container(tmp_path, data)
    assert (error.code, error.facts["file"]) == (code, "customized_partitions/client_cert.bin")
    assert error.hint == f"{FOLDER_AGAIN}; or give your own: pki: {{client_cert: FILE}}"


def test_the_second_set_is_named(tmp_path):
    both = PkiContainer.of(PkiType.CERT, [CERT, b"\xff" * 9]).to_bytes()
    found = [problem.message for problem in _container(tmp_path, both).problems]
    assert found == [
        "client_cert.1 has no private key: there is no client_key for it",
        "client_cert.1 is damaged: it is blank",
    ]


# --- what the project gives ---


def test_what_the_project_replaces_is_not_looked_at(tmp_path):
    files = {"customized_partitions/mqtt_ca.bin": b"\xff" * 100}
    own = (InputFile("ca.pem", HERE, sample_pki("mqtt", PkiType.CA)),)
    assert list(package_pki_problems(sample_plan(tmp_path, files=files, pki={"mqtt_ca": own}))) == []


def test_what_is_skipped_is_not_looked_at(tmp_path):
    files = {"customized_partitions/mqtt_ca.bin": b"\xff" * 100}
    assert list(package_pki_problems(sample_plan(tmp_path, files=files, skip=(Text("mqtt_ca", HERE),)))) == []


def test_a_finished_image_of_the_project(tmp_path):
    image = InputFile("own.bin", HERE, PkiContainer.of(PkiType.CERT, [KEY]).to_bytes())
    (problem,) = package_pki_problems(sample_plan(tmp_path, data={"mqtt_cert": image}))
    assert problem.code == "pki-wrong-kind"
    assert problem.hint == "make own.bin again; or give your own: pki: {mqtt_cert: FILE}"


@pytest.mark.parametrize("slot", ["client_cert", "client_ca"])
def test_a_set_in_mfg_nvs_that_is_incomplete(tmp_path, slot):
    plan = sample_plan(tmp_path, nvs=True)
    left = NvsImage(tuple(entry for entry in plan.nvs.entries if entry.namespace != slot), plan.nvs.size)
    (problem,) = package_pki_problems(replace(plan, nvs=left))
    assert (problem.code, problem.where) == ("package-incomplete", MFG_NVS)
    assert problem.message == f"it has no {slot}: TLS needs all of client_ca, client_cert, client_key"
    assert problem.hint == f"{FOLDER_AGAIN}; or give your own: pki: {{{slot}: FILE}}"
    assert list(package_pki_problems(replace(plan, nvs=left, project_pki=frozenset({slot})))) == []
