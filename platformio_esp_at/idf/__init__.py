"""ESP-IDF: the actions of ``idf.py`` that flash an AT module.

``actions`` is what idf.py loads, from the component through a project's ``idf_ext.py``, or in ESP-IDF 6 through the
entry point of the distribution. ``run`` is the child that does the work.
"""
