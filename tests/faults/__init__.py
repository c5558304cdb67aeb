"""Harmful faults in firmware packages and projects, made by rules, and what becomes of each before esptool is started.

`python tests/faults` prints the table; `python tests/faults --list missed` names the faults that nothing catches.
"""
