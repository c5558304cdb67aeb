"""PEM files: their blocks, and what Mbed TLS finds in them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from x509_files import der, ec_key, key_bytes, leaf, middle
from x509_files import pem as pem_of

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats import pem


@given(st.binary(min_size=1, max_size=500))
def test_what_is_written_is_read(content):
    text = pem.write("CERTIFICATE", content)
    assert all(len(line) <= 64 for line in text.splitlines())
    assert list(pem.blocks(text)) == [pem.Block("CERTIFICATE", content, 1)]
    assert list(pem.mbedtls_blocks(text, "CERTIFICATE")) == [content]


def test_it_is_written_as_others_write_it():
    assert pem.write("CERTIFICATE", der(leaf())) == pem_of(leaf())


def test_lines_are_counted_by_either_end():
    text = pem_of(leaf(), middle())
    second = pem_of(leaf()).count(b"\n") + 1
    for data in (text, text.replace(b"\n", b"\r"), text.replace(b"\n", b"\r\n")):
        assert [block.line for block in pem.blocks(data)] == [1, second]


def test_what_mbedtls_does_not_find_ends_its_search():
    both = pem_of(leaf()) + b"-----END CERTIFICATE-----\n" + pem_of(middle())
    assert list(pem.mbedtls_blocks(both, "CERTIFICATE")) == [der(leaf())]
    assert [block.der for block in pem.blocks(both)] == [der(leaf()), der(middle())]


def test_what_mbedtls_can_not_read_is_none():
    damaged = pem_of(leaf()).replace(b"-----\nM", b"-----\n M")
    assert list(pem.mbedtls_blocks(damaged + pem_of(middle()), "CERTIFICATE")) == [None, der(middle())]


def test_mbedtls_takes_the_first_label_that_it_knows():
    key = key_bytes(ec_key("leaf"))
    other = pem.write("PRIVATE KEY", b"other")
    assert pem.mbedtls_key(other + key) == pem.mbedtls_key(key)
    assert pem.mbedtls_key(pem_of(leaf())) is None


def test_a_fault_that_has_no_name():
    assert pem.faults(b"-----BEGIN CERTIFICATE-----\n") == ("its lines are not those of PEM",)


@pytest.mark.parametrize("data", [b"-----BEGIN \x01", b"-----BEGIN A-----\nAA", b"-----BEGIN A-----\n-----END A-----"])
def test_damaged_blocks(data):
    with pytest.raises(FormatError) as caught:
        list(pem.blocks(data))
    assert (caught.value.code, caught.value.where) == ("pem-damaged", "1")
    assert re.search("export the .* again", caught.value.hint)


@given(st.text(alphabet="-BEGINRTFCA \n\r\t=\0:", max_size=200).map(str.encode))
def test_any_text(text):
    for data in (text, b"-----BEGIN CERTIFICATE-----" + text + b"-----END CERTIFICATE-----"):
        found = list(pem.mbedtls_blocks(data, "CERTIFICATE"))
        try:
            read = [block.der for block in pem.blocks(data)]
        except FormatError:
            continue
        # Whatever Mbed TLS reads is in the file for everybody.
        assert all(content in read for content in found if content is not None)
        assert all(re.match(r"\w", fault) for fault in pem.faults(data))
