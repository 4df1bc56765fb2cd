"""Kinds of steps, one file each, and nothing else."""
