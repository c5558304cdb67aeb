"""ESP-IDF: the actions of ``idf.py`` that flash an AT module.

``actions`` is what idf.py loads, through the entry point of the distribution (ESP-IDF 6) or through
``extra_actions/esp_at_ext.py`` or a project's ``idf_ext.py`` (ESP-IDF 5). `install` explains which.
"""
