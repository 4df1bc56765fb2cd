"""What a recording found, and what is claimed of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from canarylab.contract.step import Claim
from canarylab.demo.history import bounds, line
from canarylab.demo.history.states import RolloutState


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
        seen = f"{len(self.states)} states in {last.seconds:.1f} s: {line.timeline(self.states)}"
        text = f"history, {line.heading(self.states)}"
        if self.gap:
            cause = "nothing can be claimed of states that weren't seen"
            return Claim(text, expected, f"{self.gap}; before that {seen}", holds=False, cause=cause)
        return Claim(text, expected, seen, holds=True)
