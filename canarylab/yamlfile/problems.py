"""How a problem in a playbook is worded: `FILE:LINE: KEY.PATH: what is wrong`, then what to do about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from canarylab.errors import PlaybookError
from canarylab.paths import normal

Place = tuple[str | int, ...]
"""The way from the top of a playbook to a node: keys of mappings and positions in lists. Empty: the whole file."""

_BARE = re.compile(r"[A-Za-z0-9_-]{1,60}")
_SHOWN = 60
_MOST_KNOWN = 30
_ALIKE = 0.5
"""From 0 to 1: low enough that `helm` finds `helm-release`."""


def problem(file: Path, line: int, place: Place, what: str, remedy: str, *, why: str | None = None) -> PlaybookError:
    """The error that says where in which file something is wrong. `line` counts from 1."""
    return PlaybookError(what, where=f"{located(file, line)}: {key_path(place)}", why=why, remedy=remedy)


def located(file: Path, line: int) -> str:
    """FILE:LINE as an editor or a terminal takes it."""
    return f"{_shown_path(file)}:{line}"


def file_problem(file: Path, what: str, remedy: str) -> PlaybookError:
    """The error for a file that has no lines to name: one that isn't there, or can't be read."""
    return PlaybookError(what, where=_shown_path(file), remedy=remedy)


def key_path(place: Place) -> str:
    """A place in one word, such as `demo[2].expect-rollout.step`."""
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += ("." if path else "") + (part if _BARE.fullmatch(part) else short_repr(part))
    return path or "(file)"


def short_repr(value: object) -> str:
    """A value from a playbook on one line, however long or strange it is."""
    return short(repr(value))


def short(text: str) -> str:
    """The text on one line, cut where it goes on for long."""
    line = " ".join(text[: _SHOWN + 1].split())
    return line if len(text) <= _SHOWN else f"{line[:_SHOWN]}..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to do about an unknown word: the one that was probably meant, and all that are known."""
    words = sorted(known)
    meant = difflib.get_close_matches(word, words, n=1, cutoff=_ALIKE)
    listed = [*words[:_MOST_KNOWN], f"and {len(words) - _MOST_KNOWN} more"] if len(words) > _MOST_KNOWN else words
    return (f"did you mean {meant[0]}? " if meant else "") + f"known: {', '.join(listed) or 'none'}"


def _shown_path(file: Path) -> str:
    here, file = Path.cwd(), normal(file)
    return str(file.relative_to(here) if file.is_relative_to(here) else file)
