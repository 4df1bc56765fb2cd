"""A Rollout as it is watched: everything that is shown of it, at one moment. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from canarylab.kube.objects import Object, dig
from canarylab.rollouts import steps
from canarylab.rollouts.analysis import AnalysisRunView
from canarylab.rollouts.revisions import RevisionView
from canarylab.rollouts.routes.route_objects import RouteWeight
from canarylab.rollouts.routes.route_objects import weights as route_weights
from canarylab.rollouts.strategy import pause_ends_at, steps_done, steps_of
from canarylab.rollouts.traffic_routing import CANARY, ROUTING, full_weight
from canarylab.rollouts.view import RolloutView
from canarylab.watch.snapshot import RolloutSnapshot

_PERCENT = 100


@dataclass(frozen=True)
class Steps:
    """`index` steps are done, so that it is also the one at which the canary stands; all of them: there is none."""

    words: tuple[str, ...]
    index: int

    @property
    def current(self) -> str:
        """The step at which the canary stands; "" once all are done."""
        return self.words[self.index] if self.index < len(self.words) else ""


@dataclass(frozen=True)
class Weights:
    """The canary's part of `whole`, which is 100 unless the Rollout says another maxTrafficWeight."""

    set: int
    """What the last setWeight step that was reached wants."""
    actual: int
    """What the traffic router was given; without a router, the share of the available pods."""
    whole: int
    routed: bool
    """Whether there is a traffic router."""
    routes: tuple[RouteWeight, ...]
    """What its objects say, in percent."""

    @property
    def mismatched(self) -> tuple[RouteWeight, ...]:
        """The routes that say something else than the status."""
        status = _PERCENT * self.actual / self.whole
        return tuple(route for route in self.routes if abs(route.canary - status) >= 1)


@dataclass(frozen=True)
class Analysis:
    """An AnalysisRun of the Rollout. `purpose` is step, background, pre-promotion or post-promotion."""

    purpose: str
    run: AnalysisRunView

    def __str__(self) -> str:
        return f"{self.purpose} analysis {self.run.phase}: {self.run.tally}"


@dataclass(frozen=True)
class WatchView:
    """One state. `advice` is a command for the user, without its cluster; "" where nothing waits for him."""

    rollout: RolloutView
    steps: Steps | None
    weights: Weights | None
    services: tuple[tuple[str, int], ...]
    """With blueGreen: the Services and the revisions that they select."""
    analyses: tuple[Analysis, ...]
    ends_at: float | None
    """When a pause ends by itself, in seconds since 1970."""
    advice: str

    @classmethod
    def of(cls, snapshot: RolloutSnapshot) -> WatchView:
        """From the objects of one moment."""
        rollout = snapshot.rollout
        seen = RolloutView.of(rollout, snapshot.replica_sets, snapshot.pods)
        ends_at = pause_ends_at(rollout)
        return cls(
            rollout=seen,
            steps=_steps(rollout),
            weights=_weights(seen, snapshot),
            services=_services(rollout, seen.revisions),
            analyses=tuple(Analysis(purpose, AnalysisRunView.of(run)) for purpose, run in snapshot.analysis_runs),
            ends_at=ends_at,
            advice=_advice(seen, ends_at),
        )

    @property
    def revisions(self) -> tuple[RevisionView, ...]:
        """From the newest to the oldest."""
        return self.rollout.revisions

    @property
    def revision_by_address(self) -> Mapping[str, RevisionView]:
        """Which revision answers at a pod's IP address."""
        return {pod.ip: revision for revision in self.revisions for pod in revision.pods if pod.ip}

    @property
    def split(self) -> tuple[tuple[RevisionView, float], ...]:
        """Who should get which percent of the traffic: the canary, if there is one, then stable; or the active one.

        What an experiment gets is nobody's of these.
        """
        if self.weights is None:
            return tuple((one, float(_PERCENT)) for one in self.revisions if one.role == "active")
        canary, stable = self.rollout.canary, self.rollout.stable
        share = _PERCENT * self.weights.actual / self.weights.whole if canary else 0.0
        rest = _PERCENT - share - sum(self.rollout.experimental.values())
        return tuple((one, part) for one, part in ((canary, share), (stable, rest)) if one)

    @property
    def split_key(self) -> Hashable:
        """Equal as long as the traffic should be split alike: without a router, the ready pods decide."""
        shares = tuple((revision.hash, share) for revision, share in self.split if share)
        routed = self.weights is None or self.weights.routed
        return shares, () if routed else tuple((one.hash, one.ready) for one in self.revisions)


def _steps(rollout: Object) -> Steps | None:
    found = steps_of(rollout)
    return Steps(tuple(map(steps.in_words, found)), steps_done(rollout)) if found else None


def _weights(seen: RolloutView, snapshot: RolloutSnapshot) -> Weights | None:
    if seen.strategy != "canary" or not seen.stable_hash:  # there is nothing yet to weigh against
        return None
    set_to, actual = (seen.set_weight, seen.actual_weight) if seen.canary else (0, 0)
    return Weights(
        set=set_to,
        actual=actual,
        whole=full_weight(dig(snapshot.rollout, *CANARY)),
        routed=dig(snapshot.rollout, *ROUTING) is not None,
        routes=route_weights(snapshot.rollout, snapshot.routes),
    )


def _services(rollout: Object, revisions: Sequence[RevisionView]) -> tuple[tuple[str, int], ...]:
    wanted, status = dig(rollout, "spec", "strategy", "blueGreen"), dig(rollout, "status", "blueGreen")
    numbers = {one.hash: one.number for one in revisions}
    return tuple(
        (name, numbers.get(dig(status, f"{which}Selector") or "", 0))
        for which in ("active", "preview")
        if (name := dig(wanted, f"{which}Service"))
    )


def _advice(seen: RolloutView, ends_at: float | None) -> str:
    if seen.aborted:
        return f"retry rollout {seen.name}"
    if seen.phase == "Paused" and ends_at is None:
        return f"promote {seen.name}"
    if seen.phase == "Degraded" and seen.updating:
        return f"abort {seen.name}"
    return ""
