"""The nvs of a module whose power is cut at any moment, and of one whose bytes are changed at random."""

from __future__ import annotations

from bisect import bisect_right
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from module_nvs import ModuleNvs

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.nvs import NvsEntry
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.formats.saved_nvs import PageState, SavedNvs, changed_sectors

few = settings(max_examples=25, deadline=None)


class History:
    """What a module has saved: the values after each number of writes to its flash."""

    def __init__(self, seed: int, saved: int, version: int = 0xFE) -> None:
        random = Random(seed)  # noqa: S311
        self.module = ModuleNvs(3, version)
        self.writes, self.values = [len(self.module.writes)], [{}]
        # Values stay in old pages for long if some keys are saved seldom: then a page that is freed has some to move.
        for _ in range(saved):
            key = random.choice("ab") if random.random() < 0.9 else random.choice("cdefghijkl")
            self.module.set(key, random.choice([0, 1, -1, 115200, 921600]))
            self.writes.append(len(self.module.writes))
            self.values.append(dict(self.module.values))

    def possible(self, cut: int) -> list[dict[str, int]]:
        """Return what may be read after that many writes: the old values, or the new ones if they count already."""
        number = bisect_right(self.writes, cut) - 1
        return self.values[max(0, number) : number + 2]


def _values(data: bytes) -> dict[str, int]:
    entries = SavedNvs.from_bytes(data).entries
    values = {entry.key: entry.value for entry in entries}
    assert len(values) == len(entries)
    return values


def _changed(data: bytes, *changes: NvsEntry) -> bytes:
    new = bytearray(data)
    for offset, sector in changed_sectors(data, changes).items():
        new[offset : offset + PAGE_SIZE] = sector
    return bytes(new)


histories = st.builds(
    History, st.integers(0, 2**32), st.sampled_from([3, 130, 400, 900]), st.sampled_from([0xFE, 0xFF])
)


@few
@given(histories, st.data())
def test_a_power_cut(history, data):
    """Either the old value is read or the new one, whatever is half written; all others are as they were."""
    cut = data.draw(st.integers(history.writes[0], history.writes[-1]) | st.sampled_from(history.writes))
    image = history.module.image(cut)
    values = _values(image)
    assert values in history.possible(cut)
    for key in values:
        changed = _changed(image, NvsEntry("UART", key, Encoding.I32, 77))
        assert _values(changed) == values | {key: 77}


def test_power_cuts_while_a_page_is_freed():
    """At each write of a history at whose end that happens."""
    history = History(seed=1, saved=400)
    states = set()
    for cut, image in enumerate(history.module.images()):
        if cut < history.writes[-1] - 2000:
            continue
        pages = [page.state for page in SavedNvs.from_bytes(image).pages]
        if PageState.FREEING in pages or PageState.CORRUPT in pages:
            states.add(tuple(pages))
            assert _values(image) in history.possible(cut)
    assert {state for pages in states for state in pages} == set(PageState)


@settings(few, max_examples=25)
@given(histories, st.lists(st.tuples(st.integers(0), st.integers(1, 255)), max_size=4), st.booleans())
def test_a_change_touches_nothing_but_value_and_crc(history, flips, near):
    """Also in a damaged partition: of each entry that is changed, only those; and the others are read as before."""
    damaged = bytearray(history.module.image())
    for at, bits in flips:
        damaged[at % (4096 if near else len(damaged))] ^= bits
    data = bytes(damaged)
    try:
        before = SavedNvs.from_bytes(data)
        changed = _changed(data, NvsEntry("UART", "a", Encoding.I32, 77))
    except FormatError:
        return
    for at in range(0, len(data), 32):
        old, new = data[at : at + 32], changed[at : at + 32]
        assert old == new or (old[1] == Encoding.I32 and old[:4] + old[8:24] == new[:4] + new[8:24])
    expected = [
        (entry, 77 if (entry.namespace, entry.key, entry.encoding) == ("UART", "a", Encoding.I32) else entry.value)
        for entry in before.entries
    ]
    after = SavedNvs.from_bytes(changed)
    assert after.pages == before.pages
    assert [entry.value for entry in after.entries] == [value for _, value in expected]
