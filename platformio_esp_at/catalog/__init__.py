"""Chips, AT modules, boards and releases as data, and the rules that choose from them."""
