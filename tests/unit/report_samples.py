"""Runs as the engine tells them, for the tests of what reads events."""

from __future__ import annotations

from collections.abc import Iterator

from canarylab.events import (
    DemoFinished,
    DemoInfo,
    DemoStarted,
    Event,
    Fact,
    Failure,
    Notice,
    Removed,
    RunFinished,
    RunStarted,
    StageChange,
    StageFinished,
    StageInfo,
    StageProgress,
    StageStarted,
)

DIFF = "--- live\n+++ wanted\n@@ -3,3 +3,3 @@\n spec:\n-  replicas: 1\n+  replicas: 5\n"

REFUSED = """rollouts-demo-vsvc1: Istio refused it
why: SNI host "reviews.bookinfo.com" is not a compatible subset of any of the virtual service hosts
next: give the VirtualService the host *.rollouts-demo-vsvc1.bookinfo.com
command: kubectl --context argo-istio-canary apply --server-side -f manifests/rollouts-demo"""

MIRRORED = """demo step evidence: answers of mirror's canary: expected none, saw 3
why: a VirtualService routes to it
next: `invoke status --playbook mirror` shows the rollout as it is"""


def stage(name: str, *needs: str, kind: str = "helm-release") -> StageInfo:
    return StageInfo(name, kind, needs)


def started(command: str, *stages: StageInfo) -> RunStarted:
    return RunStarted(command, "istio-canary", "argo-istio-canary", "embedded", stages)


DOCUMENTED_RUN: tuple[tuple[float, Event], ...] = (
    (0.000, started("up", stage("programs", kind="programs"), stage("istiod", "programs"))),
    (0.004, StageStarted("programs")),
    (0.130, StageChange("programs", "build", "kube-apiserver", "isn't in the cache")),
    (0.150, StageProgress("programs", "compiling", 0, 1004)),
    (61.020, StageProgress("programs", "compiling", 1004, 1004)),
    (61.030, StageFinished("programs", "changed", 61.026)),
    (61.031, StageStarted("istiod")),
    (61.240, StageFinished("istiod", "unchanged", 0.209)),
    (61.241, Notice("kubectl --context argo-istio-canary get rollouts")),
    (
        61.242,
        RunFinished(
            "up",
            ok=True,
            seconds=61.242,
            changed=("programs",),
            unchanged=("istiod",),
            stage_seconds={"programs": 61.026, "istiod": 0.209},
            critical_path=("programs", "istiod"),
            critical_path_seconds=61.235,
        ),
    ),
)
"""A run with seconds since its start; docs/events.md shows what becomes of it."""

DOCUMENTED_TEARDOWN: tuple[tuple[float, Event], ...] = (
    (0.000, started("teardown", stage("machine", kind="machine"))),
    (0.001, StageStarted("machine")),
    (1.400, Removed("machine", "network namespace canarylab-argo-istio-canary", "removed")),
    (1.401, StageFinished("machine", "changed", 1.400)),
    (
        1.402,
        RunFinished(
            "teardown",
            ok=True,
            seconds=1.402,
            changed=("machine",),
            stage_seconds={"machine": 1.4},
            critical_path=("machine",),
            critical_path_seconds=1.4,
        ),
    ),
)

DOCUMENTED_DEMO: tuple[tuple[float, Event], ...] = (
    (0.000, started("demo")),
    (2.310, Fact("expect-rollout", "weight of rollouts-demo", "5", "0", holds=False, playbook="istio-canary")),
    (2.311, Failure("demo step expect-rollout: weight of rollouts-demo: expected 5, saw 0", exit_code=1)),
    (2.312, RunFinished("demo", ok=False, seconds=2.312)),
)

_WEIGHT = "demo step expect-rollout: weight of mirror: expected 5, saw 0"

DOCUMENTED_DEMOS: tuple[tuple[float, Event], ...] = (
    (
        0.000,
        RunStarted(
            "demo",
            "all",
            "argo-istio-canary",
            "embedded",
            (),
            demos=(DemoInfo("basic-canary", 21), DemoInfo("mirror", 9)),
        ),
    ),
    (0.001, DemoStarted("basic-canary")),
    (0.002, DemoStarted("mirror")),
    (1.204, Fact("healthy", "status of basic-canary", "Healthy", "Healthy", holds=True, playbook="basic-canary")),
    (2.310, Fact("expect-rollout", "weight of mirror", "5", "0", holds=False, playbook="mirror")),
    (2.311, DemoFinished("mirror", "failed", 2.309, facts=1, held=0, reason=_WEIGHT)),
    (64.502, DemoFinished("basic-canary", "passed", 64.501, facts=1, held=1)),
    (64.503, RunFinished("demo", ok=False, seconds=64.503, demos={"basic-canary": "passed", "mirror": "failed"})),
)


def failed_up() -> Iterator[Event]:
    """One stage done, one failed, one skipped for it."""
    yield started(
        "up", stage("istiod"), stage("rollouts-demo", "istiod", kind="manifests"), stage("last", "rollouts-demo")
    )
    yield StageStarted("istiod")
    yield StageFinished("istiod", "unchanged", 0.2)
    yield StageStarted("rollouts-demo")
    yield StageChange("rollouts-demo", "create", "VirtualService default/rollouts-demo-vsvc1", "isn't there", DIFF)
    yield StageFinished("rollouts-demo", "failed", 3.2, REFUSED)
    yield StageFinished("last", "skipped", 0.0, "needs rollouts-demo, which failed")
    yield Failure(REFUSED, 1)
    yield RunFinished(
        "up",
        ok=False,
        seconds=41.2,
        unchanged=("istiod",),
        failed=("rollouts-demo",),
        skipped=("last",),
        critical_path=("istiod", "rollouts-demo"),
        critical_path_seconds=3.4,
    )


def demo() -> Iterator[Event]:
    """Two steps, three facts."""
    yield started("demo")
    yield StageProgress("", "waiting: step: expected 1/2, saw 0/2")
    yield Fact("expect-rollout", "step of rollouts-demo", "1/2", "1/2", holds=True)
    yield Fact("expect-routes", "weights of http route primary of rollouts-demo-vsvc1", "95/5", "95/5", holds=True)
    yield Fact("expect-routes", "weights of tls route of rollouts-demo-vsvc1", "95/5", "100/0", holds=False)
    yield RunFinished("demo", ok=False, seconds=12.0)


def demos() -> Iterator[Event]:
    """`demo --all` with one absent stage: one demonstration passes, one fails, one can't begin."""
    infos = (DemoInfo("basic-canary", 3), DemoInfo("blue-green", 2), DemoInfo("mirror", 5))
    yield RunStarted("demo", "all", "argo-istio-canary", "embedded", (stage("blue-green", kind="manifests"),), infos)
    yield StageStarted("blue-green")
    yield StageFinished("blue-green", "failed", 1.2, "Service blue-green: refused")
    yield DemoFinished("blue-green", "failed", 0.0, reason="stage blue-green failed: Service blue-green: refused")
    yield DemoStarted("mirror")
    yield DemoStarted("basic-canary")
    yield StageProgress("expect-rollout", "waiting: step of basic-canary", playbook="basic-canary")
    yield Fact("expect-rollout", "step of basic-canary", "1/8", "1/8", holds=True, playbook="basic-canary")
    yield Fact("evidence", "answers of mirror's canary", "none", "3", holds=False, playbook="mirror")
    yield Notice("rollout 'mirror' aborted", playbook="mirror")
    yield DemoFinished("mirror", "failed", 8.1, facts=1, held=0, reason=MIRRORED)
    yield StageProgress("evidence", "asking", 250, 500, playbook="basic-canary")
    yield DemoFinished("basic-canary", "passed", 40.2, facts=1, held=1)
    yield RunFinished(
        "demo",
        ok=False,
        seconds=41.5,
        failed=("blue-green",),
        stage_seconds={"blue-green": 1.2},
        demos={"basic-canary": "passed", "blue-green": "failed", "mirror": "failed"},
    )


def plan() -> Iterator[Event]:
    """One stage that would change, one that is up to date."""
    yield started("plan", stage("istiod"), stage("rollouts-demo", "istiod", kind="manifests"))
    yield StageStarted("rollouts-demo")
    yield StageChange("rollouts-demo", "update", "Rollout default/rollouts-demo", "replicas differ", DIFF)
    yield StageChange("rollouts-demo", "create", "Service default/rollouts-demo-canary", "isn't there")
    yield StageFinished("rollouts-demo", "planned", 0.1)
    yield StageStarted("istiod")
    yield StageFinished("istiod", "unchanged", 0.1)
    yield RunFinished("plan", ok=True, seconds=0.3, unchanged=("istiod",))


class Clock:
    """A clock that is set, in seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
