"""What must be true before the first erase: all reasons to refuse a plan are here."""
