"""The step `healthy`: the demonstration may begin, for the Rollout is at rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.playbook import Seconds
from canarylab.contract.step import Claim, RolloutOptions, Session, Step, StepOptions
from canarylab.demo import claims
from canarylab.demo.waiting import expect
from canarylab.rollouts.view import RolloutView


class HealthyOptions(RolloutOptions):
    """Which Rollout should be at rest."""

    timeout: Seconds = Field(90, description="how long it may take to come to rest by itself")


class Healthy(Step):
    """Healthy, at its last step, and only the stable revision has pods.

    What may come to rest by itself is waited for: pods that start, the end of an update, an old ReplicaSet that is
    still to be scaled down. A Rollout that is Paused or Degraded waits for somebody, so it fails at once.
    """

    kind: ClassVar[str] = "healthy"
    Options: ClassVar[type[StepOptions]] = HealthyOptions
    options: HealthyOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        def look(view: RolloutView) -> Iterable[Claim]:
            status, *others = at_rest(view)
            return [replace(status, permanent=view.phase in ("Paused", "Degraded")), *others]

        expect(ctx, self, self.options, look, self.options.timeout)


def at_rest(view: RolloutView) -> list[Claim]:
    """Settled, and no pods but those of the stable revision. The status comes first."""
    return [*settled(view), claims.old_scaled_down(view)]


def settled(view: RolloutView) -> list[Claim]:
    """Healthy, at the last step, the wanted revision stable. The status comes first."""
    cause = f"{view.name} is in the middle of an update: {view}" if view.updating else claims.cause(view)
    found = [claims.equal("status", "Healthy", view.status, cause), claims.stable_is_wanted(view)]
    if view.step:
        last = view.step.partition("/")[2]
        found.insert(1, claims.equal("step", f"{last}/{last}", view.step, cause))
    return found
