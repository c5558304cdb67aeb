"""The sample package's certificates and keys: of the right form, as others read them."""

from __future__ import annotations

import pytest
from oracle import needs_mbedtls, reads_certificate, reads_key

from platformio_esp_at.demo.sample_pki import sample_pki
from platformio_esp_at.formats.pki import PkiType
from platformio_esp_at.formats.x509 import X509File

ROLES = ("server", "client", "mqtt")


@pytest.mark.parametrize("role", ROLES)
def test_they_belong_together(role):
    certificate, key, ca = (
        X509File.from_bytes(sample_pki(role, kind)) for kind in (PkiType.CERT, PkiType.KEY, PkiType.CA)
    )
    (leaf,), (issuer,) = certificate.certificates(), ca.certificates()
    assert leaf.issued_by(issuer)
    assert issuer.issued_by(issuer)
    assert (leaf.is_ca, issuer.is_ca) == (False, True)
    assert key.private_key() == leaf.key
    assert (leaf.subject, issuer.subject) == (f"CN=Sample {role}", f"CN=Sample {role} CA")


def test_they_are_the_same_each_time_and_differ_from_each_other():
    made = [sample_pki(role, kind) for role in ROLES for kind in PkiType]
    assert made == [sample_pki(role, kind) for role in ROLES for kind in PkiType]
    assert len(set(made)) == len(made)


@needs_mbedtls
@pytest.mark.parametrize("role", ROLES)
def test_mbedtls_reads_them(role):
    assert reads_certificate(sample_pki(role, PkiType.CERT))
    assert reads_certificate(sample_pki(role, PkiType.CA))
    assert reads_key(sample_pki(role, PkiType.KEY))
