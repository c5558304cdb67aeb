"""How Sphinx builds the documentation: `python3 bootstrap.py docs`."""

from platformio_esp_at import __version__

project = "platformio-esp-at"
author = "The platformio-esp-at developers"
version = release = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 3  # links such as device.md#the-link, as on GitHub
nitpicky = True
smartquotes = False  # or --module gets a dash

html_theme = "furo"
html_title = f"platformio-esp-at {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_copyright = False
html_theme_options = {
    "source_repository": "https://github.com/platformio-esp-at/platformio-esp-at/",
    "source_branch": "main",
    "source_directory": "docs/",
}
