"""Every binary and text format, one file each: bytes or text in, frozen values out, and back."""
