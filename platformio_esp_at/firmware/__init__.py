"""Where the firmware comes from: from a name or a path to a firmware package in memory."""
