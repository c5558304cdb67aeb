"""A project's parameters, certificates and services are in the module's flash, since v3.1.0.0 as before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from nvs_images import with_value

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.pki import PkiContainer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from platformio_esp_at.firmware.package import FirmwarePackage

INI = """\
    [env:at]
    platform = espressif_at
    board = {board}
    custom_at_firmware = {firmware}
"""
YML = """\
    factory_param:
      uart_tx_pin: {tx}
      uart_rx_pin: {rx}
      uart_cts_pin: -1
      uart_rts_pin: -1
      uart_baudrate: 921600
      country_code: DE
      tx_max_power: 60
    pki:
      mqtt_ca: certs/ca.pem
      mqtt_cert: certs/device.der
      mqtt_key: certs/device.key
    gatts: gatts.csv
"""
ASKED = {"uart_cts_pin": -1, "uart_rts_pin": -1, "uart_baudrate": 921600, "country_code": "DE", "max_tx_power": 60}
ROWS = [
    "0,16,0x2800,0x01,2,2,A003",
    "1,16,0x2803,0x01,1,1,0A",
    "2,16,0xC400,0x11,20,5,48454C4C4F",
]
GATTS = "\n".join(["index,uuid_len,uuid,perm,val_max_len,val_cur_len,value", *ROWS, ""])


@pytest.fixture(scope="session")
def certs() -> dict[str, bytes]:
    """Return a CA, a device's certificate and its key, valid for an hour and kept nowhere."""
    now = datetime.now(timezone.utc)
    ca_key, device_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def sign(name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a throw-away CA")]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - timedelta(hours=1),
            not_valid_after=now + timedelta(hours=1),
        )
        return builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True).sign(
            ca_key, hashes.SHA256()
        )

    return {
        "certs/ca.pem": sign("a throw-away CA", ca_key, ca=True).public_bytes(Encoding.PEM),
        "certs/device.der": sign("a device", device_key, ca=False).public_bytes(Encoding.DER),
        "certs/device.key": device_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }


def _expected(package: FirmwarePackage, values: Mapping[str, int | str], certs: Mapping[str, bytes]) -> NvsImage:
    """Return the package's own image with just these parameters, certificates and rows in it, entry by entry."""
    image = NvsImage.from_bytes(package.content_of("mfg_nvs"))
    for name, value in values.items():
        image = with_value(image, "factory_param", name, value)
    for name, path in (("mqtt_ca", "ca.pem"), ("mqtt_cert", "device.der"), ("mqtt_key", "device.key")):
        image = with_value(image, name, name, certs[f"certs/{path}"])
    before = [entry for entry in image.entries if entry.namespace != "ble_data"]
    marker = NvsEntry("ble_data", "", image.entries[0].encoding, b"")
    text = image.get("ble_data", "cfg0")
    rows = [replace(text, key=f"cfg{number}", value=row) for number, row in enumerate(ROWS)]
    return replace(image, entries=(*before, marker, *rows))


RELEASES = {
    "ESP32-WROOM-32-AT-V4.1.0.0-dev": ("esp32", "esp32dev", 25, 26),
    "ESP32-C3-MINI-1-AT-V4.0.0.0-dev": ("esp32c3", "esp32-c3-devkitm-1", 10, 3),
}


@pytest.fixture
def release(name, reference) -> Path:
    return reference / "at-packages" / f"{name}.zip"


@pytest.mark.parametrize("name", RELEASES)
def test_a_release_with_the_projects_own_values(name, release, project, at_pio, used_module, certs):
    chip, board, tx, rx = RELEASES[name]
    package = open_package(release)
    home = package.secondary.find("mfg_nvs")
    ini, yml = INI.format(board=board, firmware=release), YML.format(tx=tx, rx=rx)
    folder = project(ini, yml, **{"gatts.csv": GATTS, **certs})
    device = used_module(chip)
    said = at_pio(f"run -t upload_at -t verify_at --upload-port {device.port}", folder).stdout

    written = device.flash[home.offset : home.offset + home.size]
    expected = _expected(package, {"uart_tx_pin": tx, "uart_rx_pin": rx, **ASKED}, certs)
    assert NvsImage.from_bytes(written) == expected
    images = {image.offset: package.files[image.path] for image in package.args.images}
    assert device.flash == device.after_writing(images | {home.offset: written})
    wiring = f"AT commands GPIO{tx} GPIO{rx} unused unused 921600"
    assert wiring in " ".join(said.split())
    assert "PRIVATE" not in said


# --- one project, both generations ---

OLD_NAMES = {"max_tx_power": "tx_max_power"}


@pytest.fixture(params=["esp32", "esp32c3"])
def chip(request) -> str:
    return request.param


@pytest.fixture
def generations(chip, tmp_path) -> dict[bool, Path]:
    """Return the sample packages of a chip: the one with mfg_nvs (True), and the one of earlier releases."""
    zips = {nvs: tmp_path / f"nvs-{nvs}.zip" for nvs in (False, True)}
    for nvs, file in zips.items():
        write_sample_package(file, chip, nvs=nvs)
    return zips


@pytest.fixture
def packaging_fails(esp_at, project, certs) -> Callable[[Path, str], str]:
    """Run ``esp-at package`` with an option that is refused, and return what it prints."""

    def run(firmware: Path, option: str) -> str:
        folder = project(**certs)
        refused = esp_at("package", "--firmware", firmware, *option.split(), cwd=folder, code=1)
        assert not (folder / "build").exists()
        return refused.stderr

    return run


@pytest.fixture
def packaged(esp_at, generations) -> Callable[..., FirmwarePackage]:
    """Run ``esp-at package`` in a folder for one generation, and return the image set that it writes."""

    def run(folder: Path, *, nvs: bool) -> FirmwarePackage:
        esp_at("package", "--firmware", generations[nvs], "-o", f"out-{nvs}", cwd=folder)
        return open_package(folder / f"out-{nvs}")

    return run


def test_one_project_serves_both_generations(chip, generations, packaged, project, certs):
    _, _, tx, rx = next(values for values in RELEASES.values() if values[0] == chip)
    folder = project(yml=YML.format(tx=tx, rx=rx), **{"gatts.csv": GATTS, **certs})
    asked = {"uart_tx_pin": tx, "uart_rx_pin": rx, **ASKED}
    pki = {"mqtt_ca": "ca.pem", "mqtt_cert": "device.der", "mqtt_key": "device.key"}

    old = packaged(folder, nvs=False)
    before = FactoryParam.from_bytes(open_package(generations[False]).content_of("factory_param")).values
    values = FactoryParam.from_bytes(old.content_of("factory_param")).values
    assert values == before | {OLD_NAMES.get(name, name): value for name, value in asked.items()}
    for name, path in pki.items():
        (item,) = PkiContainer.from_bytes(old.content_of(name)).items
        assert item.content == certs[f"certs/{path}"]
    assert GattTable.from_bytes(old.content_of("ble_data")).rows == GattTable.from_csv(GATTS).rows

    image = NvsImage.from_bytes(packaged(folder, nvs=True).content_of("mfg_nvs"))
    assert image == _expected(open_package(generations[True]), asked, certs)


@pytest.mark.parametrize(
    ("option", "nvs"),
    [
        pytest.param("--factory-param sys_store=0", False, id="parameter-of-later-releases"),
        pytest.param("--factory-param tx_control_pin=5", True, id="parameter-of-earlier-releases"),
        pytest.param("--pki https_ca=certs/ca.pem", False, id="certificate-of-later-releases"),
    ],
)
def test_what_one_generation_does_not_read_is_refused(option, nvs, generations, packaging_fails):
    said = packaging_fails(generations[nvs], option)
    spelling, name = option.partition("=")[0].split()
    assert said.startswith(f"Error: {spelling}:")
    assert f": the firmware of this release doesn't read {name}  [not-read-by-release]\n" in said


def test_a_release_takes_what_its_application_reads(project, esp_at, packaging_fails, reference, certs):
    """The application itself tells: V4.1.0.0-dev reads https_ca, V4.0.0.0-dev doesn't."""
    option = "--pki https_ca=certs/ca.pem"
    newer, older = (reference / "at-packages" / f"{name}.zip" for name in RELEASES)
    refused = packaging_fails(older, option)
    assert ": the firmware of this release doesn't read https_ca  [not-read-by-release]\n" in refused
    folder = project(**certs)
    esp_at("package", "--firmware", newer, *option.split(), "-o", "out", cwd=folder)
    image = NvsImage.from_bytes(open_package(folder / "out").content_of("mfg_nvs"))
    assert image.get("https_ca", "https_ca").value == certs["certs/ca.pem"]
