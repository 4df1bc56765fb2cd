"""What kinds of stages have in common; the kinds themselves are in `kinds`."""
