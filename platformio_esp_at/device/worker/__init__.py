"""The process that drives esptool; nothing else imports esptool."""
