"""The chip at the other end of the serial port."""
