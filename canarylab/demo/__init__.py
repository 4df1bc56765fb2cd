"""The demonstration: performs its steps, measures traffic and watches what happens meanwhile."""
