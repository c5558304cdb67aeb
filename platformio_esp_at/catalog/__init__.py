"""What exists in the world (chips, AT modules, boards, releases) as data, and the rules that choose from it."""
