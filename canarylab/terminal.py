"""Asks the user on the terminal."""

from __future__ import annotations

import sys


def confirmed(question: str) -> bool:
    """Whether the answer is yes. The question goes to stderr: stdout may be read by a program."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
