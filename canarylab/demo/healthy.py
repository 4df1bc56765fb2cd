"""The step `healthy`: the demonstration may begin, for the Rollout is at rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from canarylab.demo import claims
from canarylab.demo.base import Claim, Session, Step, StepOptions
from canarylab.demo.rollout import RolloutView, read, watches
from canarylab.demo.waiting import wait_for
from canarylab.playbook.model import Seconds

if TYPE_CHECKING:
    from canarylab.context import Context


class HealthyOptions(StepOptions):
    rollout: str = Field(description="name of the Rollout")
    namespace: str = Field("default", description="namespace of the Rollout")
    timeout: Seconds = Field(90, description="how long it may take to come to rest by itself")


class Healthy(Step):
    """Healthy, at its last step, and only the stable revision has pods.

    What comes to rest by itself is waited for: pods that restart, an old ReplicaSet that is still to be scaled down.
    An update under way isn't: it may be somebody's.
    """

    kind: ClassVar[str] = "healthy"
    Options: ClassVar[type[StepOptions]] = HealthyOptions
    options: HealthyOptions

    def run(self, ctx: Context, session: Session) -> None:  # noqa: ARG002 - leaves nothing open
        options = self.options

        def look() -> Iterable[Claim]:
            return at_rest(read(ctx, options.namespace, options.rollout))

        self.report(ctx, wait_for(ctx, watches(options.namespace), look, options.timeout))


def at_rest(view: RolloutView) -> list[Claim]:
    """Healthy, at the last step, the wanted revision stable, no other one up."""
    busy = bool(view.stable_hash) and view.updating
    status = claims.status(view, "Healthy")
    if busy:
        status = replace(status, cause=f"{view.name} is in the middle of an update: {view}", hopeless=True)
    found = [status, claims.stable_is_wanted(view), claims.old_scaled_down(view)]
    if view.step:
        last = view.step.partition("/")[2]
        found.insert(1, claims.equal("step", f"{last}/{last}", view.step, claims.cause(view)))
    return found
