"""What the real controller did in each scene, as it was recorded: `tests/recordings/argo`, one file a scene.

`python tests/e2e/argo_recorder.py` writes the files, tests/e2e/test_5c_argo_recordings.py tells where a controller no
longer does what they say, and tests/unit/test_demo_world_recorded.py holds `demo_world` against them. A state is
written as what is otherwise than in the one before; null is for what is no longer there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from support.argo_states import State, changed

LEFT_TO_CHANCE = {
    "message": "while pods come up, it tells which of the counts the controller has seen",
}
"""Keys that two recordings of one controller may differ in, and why."""
FOLDER = Path(__file__).resolve().parents[1] / "recordings" / "argo"


@dataclass(frozen=True)
class Played:
    """A trigger, and the states that it led to."""

    trigger: str
    states: tuple[State, ...]


@dataclass(frozen=True)
class Recorded:
    """A scene as it was performed. `argo` is the controller's version."""

    argo: str
    acts: tuple[Played, ...]

    @property
    def states(self) -> list[State]:
        """All of them in their order."""
        return [state for act in self.acts for state in act.states]


def write(folder: Path, name: str, about: str, recorded: Recorded) -> None:
    """One state a line."""
    before: Mapping[str, Any] = {}
    acts = []
    for act in recorded.acts:
        lines = []
        for state in act.states:
            lines.append("   " + json.dumps(changed(before, state)))
            before = state
        acts.append(f'  {{"trigger": {json.dumps(act.trigger)}, "states": [\n' + ",\n".join(lines) + "\n  ]}")
    head = f' "argo": {json.dumps(recorded.argo)},\n "about": {json.dumps(about)},\n "acts": [\n'
    (folder / f"{name}.json").write_text("{\n" + head + ",\n".join(acts) + "\n ]\n}\n")


def read(name: str, folder: Path = FOLDER) -> Recorded:
    """The recording of a scene."""
    found = json.loads((folder / f"{name}.json").read_text())
    before: State = {}
    acts = []
    for act in found["acts"]:
        states = _whole(before, act["states"])
        before = states[-1]
        acts.append(Played(act["trigger"], tuple(states)))
    return Recorded(found["argo"], tuple(acts))


def _whole(before: State, changes: Sequence[Mapping[str, Any]]) -> list[State]:
    states = []
    for change in changes:
        before = {key: value for key, value in {**before, **change}.items() if value is not None}
        states.append(before)
    return states


def differences(was: Recorded, now: Recorded, left_out: Mapping[str, str]) -> list[str]:
    """Where a controller no longer does what was recorded; `left_out` are the keys that depend on who was faster.

    Each key is looked at by itself, with the values that it had one after another: which of two keys is written first
    may depend on the machine, and what each of them goes through doesn't.
    """
    found = [] if was.argo == now.argo else [f"the recording is of Argo {was.argo}, this one is {now.argo}"]
    for before, after in zip(was.acts, now.acts, strict=True):
        assert before.trigger == after.trigger
        for key in sorted({key for state in (*before.states, *after.states) for key in state} - left_out.keys()):
            ways = [_way(key, act.states) for act in (before, after)]
            if ways[0] != ways[1]:
                found.append(f"after `{before.trigger}`, {key} was {ways[0]}, and is {ways[1]}")
    return found


def _way(key: str, states: Sequence[State]) -> str:
    """The values one after another."""
    values = [str(state.get(key, "not there")) for state in states]
    return " -> ".join(value for value, _ in groupby(values))
