"""What a project asks for: its options and files, as one frozen value."""
