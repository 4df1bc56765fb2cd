"""The step `record`: watches a Rollout from its start on, and in the end judges every state that it went through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from canarylab.contract.context import Context
from canarylab.contract.step import Claim, RolloutOptions, Session, Step, StepOptions
from canarylab.demo.history import bounds
from canarylab.demo.history.recorder import Recorder
from canarylab.demo.history.states import RolloutState
from canarylab.demo.preconditions import misplaced
from canarylab.errors import ExpectationError


class RecordOptions(RolloutOptions):
    """From `start` to `stop` of the same Rollout.

    At the end it is claimed of every moment what Argo promises for the Rollout's strategy: without a traffic router,
    that maxSurge and maxUnavailable were kept; with one, that each revision had available pods enough for its weight.
    What else is expected, `stop` says:

        - record: {state: start, rollout: rolling-update, namespace: rolling-update}
        - record: {state: stop, rollout: rolling-update, namespace: rolling-update, peak: 5}
    """

    state: Literal["start", "stop"] = Field(description="whether the recording begins or ends")
    peak: int | None = Field(None, ge=0, description="stop: most pods of all revisions at once, exactly so many")
    least_stable: int | None = Field(
        None, ge=0, description="stop: fewest available pods of the stable revision at any moment, exactly so many"
    )

    @model_validator(mode="after")
    def _expected_at_the_end(self) -> RecordOptions:
        if self.state == "start" and (self.peak, self.least_stable) != (None, None):
            raise ValueError("write what is expected of a recording at its `state: stop`")
        return self


class Record(Step):
    """`start`: every change of the Rollout, its ReplicaSets and pods is recorded; `stop`: none broke a bound."""

    kind: ClassVar[str] = "record"
    Options: ClassVar[type[StepOptions]] = RecordOptions
    clock: ClassVar[Callable[[], float]] = time.monotonic
    """Seconds from some point on: when each change was seen."""
    options: RecordOptions

    @property
    def _name(self) -> str:
        return f"{self.kind} {self.options.namespace}/{self.options.rollout}"

    def run(self, ctx: Context, session: Session) -> None:
        act = self._start if self.options.state == "start" else self._stop
        act(ctx, session)

    def _start(self, ctx: Context, session: Session) -> None:
        if session.find(self._name, Recorder):
            raise self._misplaced("is already being recorded", "remove the second `record: {state: start, ...}`")
        recorder = Recorder(ctx, self.options.namespace, self.options.rollout, type(self).clock)
        session.leave(self._name, recorder)
        what = f"every change of {self.options.rollout}, its ReplicaSets and pods"
        self.report(ctx, [Claim("recording", what, f"from resourceVersion {recorder.since} on", holds=True)])

    def _stop(self, ctx: Context, session: Session) -> None:
        recorder = session.take(self._name, Recorder)
        if recorder is None:
            before = "put `record: {state: start, ...}` of the same Rollout before it"
            raise self._misplaced("isn't being recorded", before)
        recording = recorder.stop(ctx)
        self.report(ctx, recording.claims)
        self.report(ctx, self._expected(recording.states))

    def _expected(self, states: Sequence[RolloutState]) -> Iterator[Claim]:
        if self.options.peak is not None:
            yield bounds.peak(states, self.options.peak)
        if self.options.least_stable is not None:
            yield bounds.least_stable(states, self.options.least_stable)

    def _misplaced(self, what: str, remedy: str) -> ExpectationError:
        return misplaced(self, f"Rollout {self.options.namespace}/{self.options.rollout} {what}", remedy)
