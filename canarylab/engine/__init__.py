"""Runs stages: the schedule, the walk that looks at all of them, and one boundary from errors to outcomes."""
