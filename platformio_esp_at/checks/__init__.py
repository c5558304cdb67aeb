"""What must be true before the first erase. Each 'refused because …' has its place here."""
