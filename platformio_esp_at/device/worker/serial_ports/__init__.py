"""Kinds of serial ports that take the place of pyserial's own in this process."""
