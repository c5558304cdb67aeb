"""NVS images with another value in them, and those that the upstream generator makes of a CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from esp_idf_nvs_partition_gen import nvs_partition_gen as upstream

from platformio_esp_at.formats.nvs_pages import PAGE_SIZE

if TYPE_CHECKING:
    from platformio_esp_at.formats.nvs import NvsImage
    from platformio_esp_at.formats.nvs_pages import Value


def with_value(image: NvsImage, namespace: str, key: str, value: Value) -> NvsImage:
    """Return a copy with another value of an entry that is there."""
    assert image.get(namespace, key), (namespace, key)
    entries = (
        replace(entry, value=value) if (entry.namespace, entry.key) == (namespace, key) else entry
        for entry in image.entries
    )
    return replace(image, entries=tuple(entries))


def generated_from_csv(text: str, size: int) -> bytes:
    """Return the generator's image of a CSV, read as its ``generate`` does, which only accepts files.

    The size that it gets doesn't count the blank page.
    """
    lines = io.StringIO(text, newline=None)
    stream = io.BytesIO()
    nvs = upstream.nvs_open(stream, size - PAGE_SIZE, upstream.Page.VERSION2)
    for row in csv.DictReader(line for line in lines if line[0] != "#"):
        upstream.write_entry(nvs, row["key"], row["type"], row["encoding"], row["value"])
    upstream.nvs_close(nvs)
    return stream.getvalue()
