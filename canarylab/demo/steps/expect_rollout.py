"""The step `expect-rollout`: what the Rollout's tree must show, each line of it a fact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import ClassVar, Literal

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.playbook import Seconds
from canarylab.contract.step import Claim, RolloutOptions, Session, Step, StepOptions
from canarylab.demo import claims
from canarylab.demo.waiting import expect
from canarylab.rollouts.view import RolloutView


class ReplicaOptions(StepOptions):
    """The tree's block `Replicas`; what is left out may be anything."""

    desired: int | None = Field(default=None, ge=0, description="pods that the Rollout asks for")
    current: int | None = Field(default=None, ge=0, description="pods that there are, of all revisions")
    updated: int | None = Field(default=None, ge=0, description="pods of the latest revision")
    ready: int | None = Field(default=None, ge=0, description="pods that are ready")
    available: int | None = Field(default=None, ge=0, description="pods that have been ready for minReadySeconds")


class ReadyPodsOptions(StepOptions):
    """Pods of each revision in use, all of them ready; what is left out may be anything."""

    stable: int | None = Field(default=None, ge=0, description="pods of the stable revision")
    canary: int | None = Field(default=None, ge=0, description="pods of the canary; 0 also where there is no canary")


class ExpectRolloutOptions(RolloutOptions):
    """What is left out may be anything.

    With a status, the pods of each revision, and how many there are in all:

        - expect-rollout:
            rollout: basic-canary
            status: Paused
            ready-pods: {stable: 4, canary: 1}
            replicas: {desired: 5, current: 5}
    """

    status: Literal["Healthy", "Paused", "Progressing", "Degraded"] = Field(description="the Rollout's phase")
    reason: str | None = Field(None, description="the message beside the status, such as CanaryPauseStep")
    step: str | None = Field(None, pattern=r"^\d+/\d+$", description="steps done, of how many: 1/2")
    set_weight: int | None = Field(None, ge=0, le=100, description="the weight that the steps ask for, in percent")
    actual_weight: int | None = Field(None, ge=0, le=100, description="the weight that the traffic router was given")
    canary: Literal["latest", "none"] | None = Field(None, description="which revision is the canary")
    stable: Literal["latest", "previous"] | None = Field(None, description="which revision is stable")
    replicas: ReplicaOptions = Field(ReplicaOptions(), description="how many pods there are")
    ready_pods: ReadyPodsOptions = Field(ReadyPodsOptions(), description="how many pods each revision has, all ready")
    pods: str | None = Field(None, pattern=r"^\d+/\d+$", description="kubectl's READY of each pod in use: 2/2")
    old_scaled_down: bool = Field(False, description="all other ReplicaSets are ScaledDown")
    timeout: Seconds = Field(120, description="how long to wait for all of it")


class ExpectRollout(Step):
    """Waits until all that is expected is so, then reports each part of it."""

    kind: ClassVar[str] = "expect-rollout"
    Options: ClassVar[type[StepOptions]] = ExpectRolloutOptions
    options: ExpectRolloutOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        expect(ctx, self, self.options, lambda view: expected(self.options, view), self.options.timeout)


def expected(options: ExpectRolloutOptions, view: RolloutView) -> Iterator[Claim]:
    """A claim for each option that is set."""
    cause = claims.cause(view)
    yield claims.status(view, options.status, options.reason)
    if options.step is not None:
        yield claims.step(view, options.step)
    if options.set_weight is not None:
        yield claims.equal("SetWeight", options.set_weight, view.set_weight, cause)
    if options.actual_weight is not None:
        yield claims.equal("ActualWeight", options.actual_weight, view.actual_weight, cause)
    if options.canary is not None:
        yield claims.canary_is(view, options.canary)
    if options.stable is not None:
        yield claims.stable_is(view, options.stable)
    for name, number in asdict(view.replicas).items():
        if (wanted := getattr(options.replicas, name)) is not None:
            yield claims.equal(f"replicas {name}", wanted, number, cause)
    for role in ("stable", "canary"):
        if (wanted := getattr(options.ready_pods, role)) is not None:
            yield claims.ready_pods(view, role, wanted)
    if options.pods is not None:
        yield from claims.pods_ready(view, options.pods)
    if options.old_scaled_down:
        yield claims.old_scaled_down(view)
