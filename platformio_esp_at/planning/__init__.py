"""From firmware package, module and request to a plan: the bytes of every flash region. Pure."""
