"""Known problems: their sign, cause and remedy, each with its reference."""
