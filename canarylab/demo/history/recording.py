"""What a recording found: the history in one line that a reader can follow, and what is claimed of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from canarylab.contract.step import Claim
from canarylab.demo.history import bounds
from canarylab.demo.history.states import RolloutState, Scale

_HEAD, _TAIL = 40, 10
"""Entries that are shown of a history that has more than both together."""


@dataclass(frozen=True)
class Recording:
    """The states of a history, and why it isn't complete, if it isn't."""

    states: tuple[RolloutState, ...]
    gap: str

    @property
    def claims(self) -> list[Claim]:
        """That it is complete, with the history in a line, and the bounds that Argo promises for it.

        Of a history that isn't complete nothing else is claimed.
        """
        return [self._complete(), *([] if self.gap else bounds.promised(self.states))]

    def _complete(self) -> Claim:
        first, last = self.states[0], self.states[-1]
        expected = f"every state from resourceVersion {first.version} on"
        seen = f"{len(self.states)} states in {last.seconds:.1f} s: {timeline(self.states)}"
        text = f"history, {heading(self.states)}"
        if self.gap:
            seen = f"{self.gap}; before that {seen}"
        return Claim(text, expected, seen, not self.gap, "nothing can be claimed of states that weren't seen")


def heading(states: Sequence[RolloutState]) -> str:
    """What the columns of the line are."""
    names = " + ".join(f"revision {scale.revision}" for scale in _columns(states).values())
    weights = ", weights in the status" if any(state.weights for state in states) else ""
    return f"{names or 'no revision'}: available/pods{weights}"


def timeline(states: Sequence[RolloutState]) -> str:
    """When how many pods of each revision were available, wherever that changed: 2.1 s 3/4+1 75:25."""
    columns = _columns(states)
    changes = groupby(states, key=lambda state: _shown(state, columns))
    entries = [f"{next(same).seconds:.1f} s {shown}" for shown, same in changes if shown]
    if len(entries) > _HEAD + _TAIL:
        entries[_HEAD:-_TAIL] = [f"({len(entries) - _HEAD - _TAIL} more)"]
    return ", ".join(entries)


def _columns(states: Sequence[RolloutState]) -> dict[str, Scale]:
    """The revisions in the order in which they came up, each as it was then: a rollback gives it a new number."""
    found: dict[str, Scale] = {}
    for state in states:
        for digest, scale in state.revisions.items():
            if scale.is_up:
                found.setdefault(digest, scale)
    return found


def _shown(state: RolloutState, columns: Iterable[str]) -> str:
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
