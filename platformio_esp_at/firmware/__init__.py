"""Find the firmware: from a name or a path to a firmware package in memory."""
