"""Kinds of stages, one file each, and nothing else."""
