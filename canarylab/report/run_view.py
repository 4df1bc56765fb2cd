"""What is known of a run from its events so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from canarylab.events import (
    DemoFinished,
    DemoStarted,
    DemoState,
    Event,
    Fact,
    Failure,
    RunFinished,
    RunStarted,
    StageChange,
    StageFinished,
    StageProgress,
    StageStarted,
    StageState,
)
from canarylab.report.work import Work

Status = Literal["waiting", "running", "interrupted", "not reached"] | StageState | DemoState


DEMONSTRATION = "demonstration"
"""The kind of a row that is a demonstration."""


@dataclass
class StageView:
    """One stage, or one of several demonstrations. Points of time and durations are in seconds."""

    name: str
    kind: str = ""
    needs: tuple[str, ...] = ()
    status: Status = "waiting"
    started: float = 0.0
    seconds: float = 0.0
    doing: str = ""
    work: Work | None = None
    reason: str = ""
    changes: list[StageChange] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    announced: bool = False
    """Whether a StageStarted announced it; if only its progress did, it ends when something else begins."""

    @property
    def ended(self) -> bool:
        """Whether it has come to an end, whatever that was."""
        return self.status not in ("waiting", "running")


class RunView:
    """Takes events and answers what a console asks. Each event comes with the time it came at, in seconds."""

    def __init__(self) -> None:
        self.run: RunStarted | None = None
        self.started = 0.0
        self.stages: dict[str, StageView] = {}
        self.demos: dict[str, StageView] = {}
        """The demonstrations of `demo --all`, by playbook; a stage may have the same name."""
        self.activities: dict[str, StageView] = {}
        """What goes on without having been announced as a stage: the steps of a demonstration."""
        self.facts: list[Fact] = []
        self.failures: list[Failure] = []
        self.finished: RunFinished | None = None

    @property
    def command(self) -> str:
        """The command that runs, such as `up`; "" before its first event."""
        return self.run.command if self.run else ""

    @property
    def rows(self) -> list[StageView]:
        """All that was announced: the stages, then the demonstrations."""
        return [*self.stages.values(), *self.demos.values()]

    @property
    def failed(self) -> list[StageView]:
        """The stages and demonstrations that failed."""
        return [row for row in self.rows if row.status == "failed"]

    def apply(self, event: Event, now: float) -> None:
        """Take in an event that came at `now`."""
        match event:
            case RunStarted():
                self._start(event, now)
            case StageStarted():
                stage = self._stage(event.stage)
                stage.status, stage.started, stage.announced = "running", now, True
            case StageProgress():
                self._progress(event, now)
            case StageChange():
                stage = self._stage(event.stage)
                stage.changes.append(event)
                stage.doing = f"{event.action} {event.subject}"
            case StageFinished():
                self._finish(event)
            case DemoStarted():
                demo = self._demo(event.playbook)
                demo.status, demo.started = "running", now
            case Fact():
                self._fact(event)
            case DemoFinished():
                demo = self._demo(event.playbook)
                demo.status, demo.seconds, demo.reason = event.state, event.seconds, event.reason
            case Failure():
                self.failures.append(event)
            case RunFinished():
                self.finished = event

    def close(self, now: float) -> None:
        """Nothing more will come: what still runs or waits won't any more."""
        for stage in self.rows:
            if stage.status == "running":
                stage.status, stage.seconds = "interrupted", now - stage.started
            elif stage.status == "waiting":
                stage.status = "not reached"
        self.activities.clear()

    def waits_for(self, stage: StageView) -> list[str]:
        """The stages that have to end before this one can start."""
        return [need for need in stage.needs if need in self.stages and not self.stages[need].ended]

    def _start(self, event: RunStarted, now: float) -> None:
        self.run, self.started = event, now
        self.stages = {info.name: StageView(info.name, info.kind, info.needs) for info in event.stages}
        self.demos = {info.playbook: StageView(info.playbook, DEMONSTRATION) for info in event.demos}

    def _stage(self, name: str) -> StageView:
        return self.stages.get(name) or self.activities.setdefault(name, StageView(name))

    def _demo(self, playbook: str) -> StageView:
        return self.demos.setdefault(playbook, StageView(playbook, DEMONSTRATION))

    def _end_unannounced(self, but: str | None = None) -> None:
        self.activities = {name: each for name, each in self.activities.items() if each.announced or name == but}

    def _fact(self, event: Fact) -> None:
        self.facts.append(event)
        if demo := self.demos.get(event.playbook):
            demo.facts.append(event)
            demo.doing, demo.work = f"{event.step}: {event.text}", None
        else:
            self._end_unannounced()

    def _progress(self, event: StageProgress, now: float) -> None:
        if demo := self.demos.get(event.playbook):
            demo.doing = f"{event.stage}: {event.message}"
            _count(demo, event, now)
            return
        self._end_unannounced(but=event.stage)
        stage = self._stage(event.stage)
        if stage.status == "waiting":
            stage.status, stage.started = "running", now
        stage.doing = event.message
        _count(stage, event, now)

    def _finish(self, event: StageFinished) -> None:
        stage = self._stage(event.stage)
        stage.status, stage.seconds, stage.reason = event.state, event.seconds, event.reason
        self.activities.pop(event.stage, None)


def _count(stage: StageView, event: StageProgress, now: float) -> None:
    """How much of its work is done, where that is known."""
    if event.done is None or event.total is None:
        stage.work = None
    elif stage.work is None:
        stage.work = Work.begin(event.done, event.total, now)
    else:
        stage.work = stage.work.advance(event.done, event.total, now)
