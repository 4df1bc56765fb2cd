"""A history in one line that a reader can follow: when how many pods of each revision were available. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from canarylab.demo.history.states import RolloutState, Scale

_HEAD, _TAIL = 40, 10
"""Entries that are shown of a history that has more than both together."""


def heading(states: Sequence[RolloutState]) -> str:
    """What the columns of the line are."""
    names = " + ".join(f"revision {_first(states, digest).revision}" for digest in _columns(states))
    weights = ", weights in the status" if any(state.weights for state in states) else ""
    return f"{names or 'no revision'}: available/pods{weights}"


def timeline(states: Sequence[RolloutState]) -> str:
    """An entry for each state that differs from the one before in what is shown: 2.1 s 3/4+1 75:25."""
    columns = _columns(states)
    entries = list[str]()
    before = ""
    for state in states:
        shown = _shown(state, columns)
        if shown != before:
            entries.append(f"{state.seconds:.1f} s {shown}")
            before = shown
    if len(entries) > _HEAD + _TAIL:
        entries[_HEAD:-_TAIL] = [f"({len(entries) - _HEAD - _TAIL} more)"]
    return ", ".join(entries)


def _columns(states: Sequence[RolloutState]) -> list[str]:
    """The revisions that ever had or wanted a pod, in the order in which they did."""
    up = (digest for state in states for digest, scale in state.revisions.items() if _is_up(scale))
    return list(dict.fromkeys(up))


def _first(states: Sequence[RolloutState], digest: str) -> Scale:
    """As it came up: a rollback to a revision gives it a new number later."""
    return next(state.revisions[digest] for state in states if _is_up(state.revisions.get(digest)))


def _is_up(scale: Scale | None) -> bool:
    return scale is not None and bool(scale.wanted or scale.pods)


def _shown(state: RolloutState, columns: Sequence[str]) -> str:
    counts = "+".join(_count(state.revisions.get(digest)) for digest in columns)
    if not state.weights:
        return counts
    weights = (sum(share.weight for share in state.weights if share.hash == digest) for digest in columns)
    return f"{counts} {':'.join(map(str, weights))}"


def _count(scale: Scale | None) -> str:
    """Available of all, or one number where these are the same."""
    if scale is None:
        return "0"
    return str(scale.pods) if scale.available == scale.pods else f"{scale.available}/{scale.pods}"
