"""What idf.py loads from IDF_EXTRA_ACTIONS_PATH; see ``esp-at idf-setup``."""  # noqa: INP001 - loaded by its path

import contextlib

# An exception here would end every idf.py command; a module without `action_extensions` makes it warn.
with contextlib.suppress(Exception):
    from platformio_esp_at.idf.actions import action_extensions  # noqa: F401 - idf.py takes it
