"""What is known of a run from its events so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from canarylab import events

Status = Literal["waiting", "running", "interrupted", "not reached"] | events.StageState | events.DemoState


DEMONSTRATION = "demonstration"
"""The kind of a row that is a demonstration."""
_TOO_EARLY = 5.0
"""Seconds before an estimate is worth anything."""


@dataclass(frozen=True)
class Work:
    """`done` of `total`, counted since `since` (seconds of some clock), when `before` were done already."""

    done: int
    total: int
    since: float
    before: int

    @classmethod
    def counted(cls, done: int | None, total: int | None, now: float, last: Work | None = None) -> Work | None:
        """As it is `now`, None where it isn't counted. A count below the last, or of another total, is other work."""
        if done is None or total is None:
            return None
        if last is None or total != last.total or done < last.done:
            return cls(done, total, now, done)
        return replace(last, done=done)

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0

    def remaining(self, now: float) -> float | None:
        """Seconds until all is done at the pace so far; None while it can't be estimated."""
        elapsed, achieved = now - self.since, self.done - self.before
        if elapsed < _TOO_EARLY or achieved <= 0:
            return None
        return max(0.0, self.total - self.done) * elapsed / achieved


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
    changes: list[events.StageChange] = field(default_factory=list)
    facts: list[events.Fact] = field(default_factory=list)
    announced: bool = False
    """Whether a StageStarted announced it; if only its progress did, it ends when something else begins."""

    @property
    def ended(self) -> bool:
        """Whether it has come to an end, whatever that was."""
        return self.status not in ("waiting", "running")

    def end(self, event: events.StageFinished | events.DemoFinished) -> None:
        """Keep what came of it."""
        self.status, self.seconds, self.reason = event.state, event.seconds, event.reason


class RunView:
    """Takes events and answers what a console asks. Each event comes with the time it came at, in seconds."""

    def __init__(self) -> None:
        self.run: events.RunStarted | None = None
        self.started = 0.0
        self.stages: dict[str, StageView] = {}
        self.demos: dict[str, StageView] = {}
        """The demonstrations of `demo --all`, by playbook; a stage may have the same name."""
        self.activities: dict[str, StageView] = {}
        """What goes on without having been announced as a stage: the steps of a demonstration."""
        self.facts: list[events.Fact] = []
        self.failures: list[events.Failure] = []
        self.finished: events.RunFinished | None = None

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

    def apply(self, event: events.Event, now: float) -> None:
        """Take in an event that came at `now`."""
        match event:
            case events.RunStarted():
                self.run, self.started = event, now
                self.stages = {info.name: StageView(info.name, info.kind, info.needs) for info in event.stages}
                self.demos = {info.playbook: StageView(info.playbook, DEMONSTRATION) for info in event.demos}
            case events.StageStarted():
                stage = self._stage(event.stage)
                stage.status, stage.started, stage.announced = "running", now, True
            case events.StageProgress():
                self._progress(event, now)
            case events.StageChange():
                stage = self._stage(event.stage)
                stage.changes.append(event)
                stage.doing = f"{event.action} {event.subject}"
            case events.StageFinished():
                self._stage(event.stage).end(event)
                self.activities.pop(event.stage, None)
            case events.DemoStarted():
                demo = self._demo(event.playbook)
                demo.status, demo.started = "running", now
            case events.Fact():
                self._fact(event)
            case events.DemoFinished():
                self._demo(event.playbook).end(event)
            case events.Failure():
                self.failures.append(event)
            case events.RunFinished():
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

    def _stage(self, name: str) -> StageView:
        return self.stages.get(name) or self.activities.setdefault(name, StageView(name))

    def _demo(self, playbook: str) -> StageView:
        return self.demos.setdefault(playbook, StageView(playbook, DEMONSTRATION))

    def _end_unannounced(self, but: str | None = None) -> None:
        self.activities = {name: each for name, each in self.activities.items() if each.announced or name == but}

    def _fact(self, event: events.Fact) -> None:
        self.facts.append(event)
        if demo := self.demos.get(event.playbook):
            demo.facts.append(event)
            demo.doing, demo.work = f"{event.step}: {event.text}", None
        else:
            self._end_unannounced()

    def _progress(self, event: events.StageProgress, now: float) -> None:
        if row := self.demos.get(event.playbook):
            row.doing = f"{event.stage}: {event.message}"
        else:
            self._end_unannounced(but=event.stage)
            row = self._stage(event.stage)
            if row.status == "waiting":
                row.status, row.started = "running", now
            row.doing = event.message
        row.work = Work.counted(event.done, event.total, now, row.work)
