"""Firmware package, module and request become a plan: which bytes go where in flash. Pure."""
