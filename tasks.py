"""This repository's tasks are the package's: see canarylab/tasks.py."""

from canarylab.tasks import ns

__all__ = ["ns"]
