"""A Rollout, drawn: for a terminal, for a pipe, as JSON."""
