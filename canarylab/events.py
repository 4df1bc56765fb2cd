"""What happens during a run, as values. The engine emits them; the console, the JSON lines and the tests read them.

`events.schema.json` beside this file is the JSON Schema of one line of `--output json`.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

StageState = Literal["changed", "unchanged", "failed", "skipped", "planned"]
DemoState = Literal["passed", "failed", "interrupted", "skipped"]


@dataclass(frozen=True)
class Event:
    """The root of all events. `event` names the type in JSON."""

    event: ClassVar[str]

    def as_json(self) -> dict[str, Any]:
        """The event as one line of `--output json` has it."""
        return {"event": self.event, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class StageInfo:
    """A stage as a reader needs it before anything has happened."""

    name: str
    kind: str
    needs: tuple[str, ...]


@dataclass(frozen=True)
class DemoInfo:
    """One of several demonstrations, as a reader needs it before it begins."""

    playbook: str
    steps: int


@dataclass(frozen=True)
class RunStarted(Event):
    """The first event of a run. `demos` are those of `demo --all`; a demonstration on its own is the run itself."""

    event: ClassVar[str] = "run-started"
    command: str
    playbook: str
    profile: str
    provider: str
    stages: tuple[StageInfo, ...]
    demos: tuple[DemoInfo, ...] = ()


@dataclass(frozen=True)
class StageStarted(Event):
    """A stage begins: all that it needs is healthy."""

    event: ClassVar[str] = "stage-started"
    stage: str


@dataclass(frozen=True)
class StageProgress(Event):
    """What a stage is doing now, or a step of a playbook's demonstration.

    `done` of `total` where the amount of work is known, in whatever is counted.
    """

    event: ClassVar[str] = "stage-progress"
    stage: str
    message: str
    done: int | None = None
    total: int | None = None
    playbook: str = ""


@dataclass(frozen=True)
class StageChange(Event):
    """One change, before it is made (`up`) or instead of being made (`plan`)."""

    event: ClassVar[str] = "stage-change"
    stage: str
    action: str
    subject: str
    reason: str
    diff: str = ""


@dataclass(frozen=True)
class StageFinished(Event):
    """The end of a stage. `seconds` counts from its start, waiting for its needs not included."""

    event: ClassVar[str] = "stage-finished"
    stage: str
    state: StageState
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class DemoStarted(Event):
    """One of several demonstrations begins."""

    event: ClassVar[str] = "demo-started"
    playbook: str


@dataclass(frozen=True)
class Fact(Event):
    """One expectation of a playbook's demonstration and what was seen."""

    event: ClassVar[str] = "fact"
    step: str
    text: str
    expected: str
    seen: str
    holds: bool
    playbook: str = ""


@dataclass(frozen=True)
class DemoFinished(Event):
    """The end of one of several demonstrations. `held` of its `facts` did; `reason` says why it didn't pass.

    `seconds` counts from its start, waiting for others to make room not included.
    """

    event: ClassVar[str] = "demo-finished"
    playbook: str
    state: DemoState
    seconds: float
    facts: int = 0
    held: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Notice(Event):
    """In words, what is worth knowing; `playbook` where it is about that one's demonstration."""

    event: ClassVar[str] = "notice"
    message: str
    playbook: str = ""


@dataclass(frozen=True)
class Failure(Event):
    """An error that ends the run."""

    event: ClassVar[str] = "failure"
    message: str
    exit_code: int


@dataclass(frozen=True)
class Removed(Event):
    """One line of a teardown's receipt: what was found, and what became of it."""

    event: ClassVar[str] = "removed"
    stage: str
    subject: str
    outcome: Literal["removed", "left", "failed"]
    reason: str = ""


@dataclass(frozen=True)
class RunFinished(Event):
    """The summary: the last event of every run."""

    event: ClassVar[str] = "run-finished"
    command: str
    ok: bool
    seconds: float
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    stage_seconds: dict[str, float] = field(default_factory=dict)
    critical_path: tuple[str, ...] = ()
    critical_path_seconds: float = 0.0
    demos: dict[str, DemoState] = field(default_factory=dict)


Emit = Callable[[Event], None]


class Bus:
    """Hands every event to every reader, one at a time, from whichever thread it comes."""

    def __init__(self, readers: Iterable[Emit]) -> None:
        self._readers = tuple(readers)
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            for reader in self._readers:
                reader(event)
