"""A small world for the tests of the demonstration: the demo's objects, and what Argo's controller makes of commands.

The objects have the API's form. What the controller would do in time waits in `pending`; each wait of the fake cluster
lets one more of it happen, so that nothing sleeps.
"""

from __future__ import annotations

import functools
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mesh_world import ADDRESSES, APP, CANARY, HASH, HASHES, STABLE, VSVC1, VSVC2, Mesh
from support.fake_cluster import FakeCluster, Key
from support.fake_provider import FakeProvider
from support.fake_runner import FakeRunner
from support.runs import playbook_of

from canarylab.cancel import Cancel
from canarylab.contract.context import Context
from canarylab.contract.provider import Access
from canarylab.contract.step import Step
from canarylab.events import Event, Fact
from canarylab.kube.client import ApiError
from canarylab.kube.objects import load_balancer_address
from canarylab.tools.runner import Result

IMAGE = "localhost/argoproj/rollouts-demo"
CONTEXT = "argo-istio-canary"
STEPS = [{"setWeight": 5}, {"pause": {}}]


class World:
    """The Rollout, its ReplicaSets and pods, at rest on blue; and the mesh before them.

    What it shows of them is held against recordings of the real controller (test_demo_world_recorded.py).
    """

    def __init__(self) -> None:
        self.revisions: dict[str, dict[str, int]] = {"blue": {"number": 1, "replicas": 1}}
        self.wanted = self.current = self.stable = "blue"
        self.steps: list[dict[str, Any]] = STEPS
        self.blue_green = False
        """Whether the strategy is blueGreen; else it is a canary of `steps`."""
        self.active = "blue"
        """Of blueGreen: what the active Service selects."""
        self.verdict: list[Callable[[], None]] = []
        """What an analysis leads to; nothing as long as it goes on."""
        self.missing: set[str] = set()
        """Colors whose image isn't there."""
        self.index = len(self.steps)
        self.generation = self.observed = 1
        self.phase, self.message = "Healthy", ""
        self.abort = self.promote_full = self.controller_pause = False
        self.pause: list[dict[str, str]] = []
        self.weight = 0
        self.route_names = {VSVC1: ["primary"], VSVC2: ["secondary"]}
        self.address: str | None = "127.0.0.1"
        self.sidecar = True
        self.pending: deque[Callable[[], None]] = deque()
        self.mesh = Mesh(self)
        self.others: dict[str, list[dict[str, Any]]] = {"Event": [], "Node": [], "Namespace": []}
        """Objects of other kinds, by kind."""
        self.paused = False
        """Whether somebody has paused the Rollout by hand."""
        self.has_been_healthy = True
        self.delays = False
        """Whether old pods stay until somebody sets an end to it."""
        self.patches: list[tuple[str, str, dict[str, Any]]] = []

    # -- what commands lead to ----------------------------------------------------------------------------------------

    def set_image(self, color: str) -> None:
        self.wanted, self.generation = color, self.generation + 1
        if color == self.stable:
            self.pending += [self._back]
        else:
            goes_on = self._preview if self.blue_green else self._go_on
            self.pending += [self._begin, self._time_out if color in self.missing else goes_on]

    def promote(self) -> None:
        self.pause, self.controller_pause = [], True
        self.pending += [self._switch, self._scale_down] if self.blue_green else [self._go_past]

    def promote_fully(self) -> None:
        self.promote_full = True
        self.pending += [self._finish, self._reroute, self._scale_down]

    def aborted(self) -> None:
        self.abort, self.weight, self.index = True, 0, 0
        self.pause, self.controller_pause = [], False
        number = self.revisions[self.current]["number"]
        self.phase, self.message = "Degraded", f"RolloutAborted: Rollout aborted update to revision {number}"
        if self.blue_green:
            self.pending.append(self._scale_down)

    def retried(self) -> None:
        self.abort = False
        self.pending += [self._resume, self._go_on]

    def undone(self, number: int) -> None:
        """To the revision of that number, as it was when the command was given."""
        self.set_image(next(color for color, one in self.revisions.items() if one["number"] == number))

    def paused_by_hand(self) -> None:
        self.paused, self.phase, self.message = True, "Paused", "manually paused"

    def refused(self, complaint: str = "") -> None:
        """The controller finds the spec invalid."""
        self.observed = self.generation
        self.phase, self.message = "Degraded", f'InvalidSpec: The Rollout "rollouts-demo" is invalid: {complaint}'

    def analysis_failed(self, why: str) -> None:
        """The controller aborts the update, since an AnalysisRun failed."""
        self.aborted()
        self.message += f": Step-based analysis phase error/failed: {why}"

    def patched(self, kind: str, name: str, body: dict[str, Any]) -> None:
        self.patches.append((kind, name, body))
        if kind == "Rollout":
            self.generation += 1
            self._take(body["spec"])
        else:
            self.delays = False
            self._scale_down()

    def _take(self, spec: dict[str, Any]) -> None:
        if "paused" in spec:
            self.paused = bool(spec["paused"])
        service = spec.get("strategy", {}).get("canary", {}).get("canaryService", CANARY)
        why = f'spec.strategy.canary.canaryService: Invalid value: "{service}": service "{service}" not found'
        self.pending.append(self._back if service == CANARY else lambda: self.refused(why))

    def _resume(self) -> None:
        to_come = "active service cutover pending" if self.blue_green else "waiting for all steps to complete"
        self.phase, self.message = "Progressing", to_come

    def _begin(self) -> None:
        number = 1 + max(one["number"] for one in self.revisions.values())
        self.revisions[self.wanted] = {"number": number, "replicas": 1}
        self.current, self.observed, self.index = self.wanted, self.generation, 0
        self._resume()

    def _go_past(self) -> None:
        """The step at hand is over."""
        self.index += 1
        self.controller_pause = False
        self._resume()
        self._go_on()

    def _go_on(self) -> None:
        """Perform the steps up to the next that waits."""
        for step in self.steps[self.index :]:
            match step:
                case {"setWeight": weight}:
                    self.weight = weight
                case {"setHeaderRoute": route}:
                    self.mesh.testers = "match" in route
                case {"setMirrorRoute": route}:
                    self.mesh.mirror = route["percentage"] if "match" in route else 0
                case {"pause": _}:
                    self._pause("CanaryPauseStep")
                    return
                case {"analysis": _}:
                    self.pending += self.verdict
                    return
            self.index += 1
        self.pending.extendleft([self._scale_down, self._reroute, self._shift])

    def _preview(self) -> None:
        self._pause("BlueGreenPause")

    def _pause(self, reason: str) -> None:
        self.controller_pause = True
        self.pause = [{"reason": reason, "startTime": "2026-01-01T00:00:00Z"}]
        self.phase, self.message = "Paused", reason

    def _time_out(self) -> None:
        name = f"rollouts-demo-{HASHES[self.current]}"
        self.phase, self.message = (
            "Degraded",
            f'ProgressDeadlineExceeded: ReplicaSet "{name}" has timed out progressing.',
        )

    def _shift(self) -> None:
        """All steps are done: the canary gets everything, and is stable at the same moment."""
        self.weight = 100
        self._finish()

    def _switch(self) -> None:
        self.active = self.current
        self._finish()

    def _finish(self) -> None:
        self.stable, self.index, self.pause, self.controller_pause = self.current, len(self.steps), [], False
        self.promote_full = False
        self.phase, self.message = "Healthy", ""

    def _reroute(self) -> None:
        self.weight = 0

    def _scale_down(self) -> None:
        for color, revision in self.revisions.items():
            if color != self.stable and not self.delays:
                revision["replicas"] = 0

    def _back(self) -> None:
        self.current, self.observed, self.abort = self.stable, self.generation, False
        self._finish()
        self._reroute()
        self._scale_down()

    # -- the objects --------------------------------------------------------------------------------------------------

    def rollout(self) -> dict[str, Any]:
        up = sum(one["replicas"] for one in self.revisions.values())
        ready = sum(one["replicas"] for color, one in self.revisions.items() if color not in self.missing)
        return {
            "metadata": {"name": "rollouts-demo", "namespace": "default", "uid": "ro", "generation": self.generation},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "rollouts-demo"}},
                "strategy": self._strategy(),
                "template": _template(self.wanted),
                **({"paused": True} if self.paused else {}),
            },
            "status": {
                "observedGeneration": str(self.observed),
                "phase": self.phase,
                "message": self.message,
                "conditions": self._conditions(),
                "abort": self.abort,
                "promoteFull": self.promote_full,
                "controllerPause": self.controller_pause,
                "pauseConditions": self.pause,
                "currentPodHash": HASHES[self.current],
                "stableRS": HASHES[self.stable],
                "replicas": up,
                "readyReplicas": ready,
                "availableReplicas": ready,
                "updatedReplicas": self.revisions.get(self.current, {}).get("replicas", 0),
                **self._strategy_status(),
            },
        }

    def _conditions(self) -> list[dict[str, Any]]:
        others_up = any(one["replicas"] for color, one in self.revisions.items() if color != self.stable)
        at_rest = self.stable == self.current and (self.blue_green or not others_up)
        refused = self.message.startswith("InvalidSpec")
        is_healthy = at_rest and (refused or self.phase == "Healthy")
        healthy = {"type": "Healthy", "status": str(is_healthy), "reason": "RolloutHealthy"}
        invalid = {"type": "InvalidSpec", "status": "True", "reason": "InvalidSpec"}
        return [*([healthy] if self.has_been_healthy else []), *([invalid] if refused else [])]

    def _strategy(self) -> dict[str, Any]:
        if self.blue_green:
            return {"blueGreen": {"activeService": "active", "previewService": "preview"}}
        listed = [{"name": name, "routes": routes} for name, routes in self.route_names.items()]
        return {
            "canary": {
                "stableService": STABLE,
                "canaryService": CANARY,
                "steps": self.steps,
                "trafficRouting": {"istio": {"virtualServices": listed}},
            }
        }

    def _strategy_status(self) -> dict[str, Any]:
        if self.blue_green:
            selectors = {"activeSelector": HASHES[self.active], "previewSelector": HASHES[self.current]}
            return {"blueGreen": selectors, "canary": {}}
        weights = {"canary": {"weight": self.weight}, "stable": {"weight": 100 - self.weight}}
        return {"currentStepIndex": self.index, "canary": {"weights": weights}}

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind, of whatever namespace."""
        known = {"Rollout": lambda: [self.rollout()], "ReplicaSet": self.replica_sets}
        return known[kind]() if kind in known else self.mesh.objects(kind)

    def replica_sets(self) -> list[dict[str, Any]]:
        return [
            _replica_set(color, **revision, available=0 if color in self.missing else revision["replicas"])
            for color, revision in self.revisions.items()
        ]

    def pods(self) -> list[dict[str, Any]]:
        up = [color for color, revision in self.revisions.items() if revision["replicas"]]
        return [pod(color, sidecar=self.sidecar, ready=color not in self.missing) for color in up]


def _template(color: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "rollouts-demo", "image": f"{IMAGE}:{color}"}]}}


def _replica_set(color: str, number: int, replicas: int, available: int) -> dict[str, Any]:
    name = f"rollouts-demo-{HASHES[color]}"
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "generation": 1,
            "namespace": "default",
            "labels": {**APP, HASH: HASHES[color]},
            "annotations": {"rollout.argoproj.io/revision": str(number)},
            "ownerReferences": [{"uid": "ro"}],
        },
        "spec": {"replicas": replicas, "template": _template(color)},
        "status": {"observedGeneration": 1, "replicas": replicas, "availableReplicas": available},
    }


def pod(color: str, *, sidecar: bool = True, native: bool = True, ready: bool = True) -> dict[str, Any]:
    """A pod of the demo, its sidecar as a native one (an init container that stays) or as a container."""
    app, proxy = {"name": "rollouts-demo", "ready": ready}, {"name": "istio-proxy", "ready": True}
    keeps_on = {"name": "istio-proxy", "restartPolicy": "Always"}
    init = {"name": "istio-init"}
    apart, beside = sidecar and native, sidecar and not native
    return {
        "metadata": {
            "name": f"rollouts-demo-{HASHES[color]}-x",
            "namespace": "default",
            "labels": {**APP, HASH: HASHES[color]},
            "annotations": {"sidecar.istio.io/status": "{}"} if sidecar else {},
            "ownerReferences": [{"uid": f"rollouts-demo-{HASHES[color]}"}],
        },
        "spec": {
            "initContainers": [init, *([keeps_on] if apart else [])],
            "containers": [{"name": "rollouts-demo"}, *([{"name": "istio-proxy"}] if beside else [])],
        },
        "status": {
            "podIP": ADDRESSES[color],
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "initContainerStatuses": [{"name": "istio-init", "ready": True}, *([proxy] if apart else [])],
            "containerStatuses": [app, *([proxy] if beside else [])],
        },
    }


KINDS = {
    ("argoproj.io/v1alpha1", "Rollout"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("networking.istio.io/v1", "Gateway"),
}
"""What the cluster knows beside the kinds in `World.others`: nothing of the Gateway API."""


class WorldCluster(FakeCluster):
    """The API of a world: its objects are what the world makes of them at this moment."""

    context = CONTEXT

    def __init__(self, world: World) -> None:
        super().__init__(kinds=sorted(KINDS))
        self.world = world
        self.pending = world.pending

    def upgrade(self, path: str, *_: Any) -> None:
        """Connections into pods are forbidden, unless a test stands in for them."""
        raise ApiError("forbidden", 403, where=path)

    def _held(self, api_version: str, kind: str) -> dict[Key, dict[str, Any]]:
        others = self.world.others
        found = others[kind] if kind in others else self.world.objects(kind) if (api_version, kind) in KINDS else []
        held = {}
        for number, obj in enumerate(found):
            meta = obj.get("metadata", {})
            key = self._key(api_version, kind, meta.get("name", str(number)), meta.get("namespace", "default"))
            held[key] = {"apiVersion": api_version, "kind": kind, "metadata": meta, **obj}
        return held

    def patch(
        self, api_version: str, kind: str, name: str, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        assert namespace == "default"
        self.world.patched(kind, name, body)
        return self._held(api_version, kind).get(self._key(api_version, kind, name, namespace), body)

    def wait(self, watches: Sequence[Any], check: Callable[[], str | None], *, deadline: float, cancel: Cancel):
        assert watches
        assert deadline > time.monotonic()
        return super().wait(watches, check, deadline=deadline, cancel=cancel)


class PluginRunner(FakeRunner):
    """Knows the plugin's commands; each is noted without the words that every one of them has."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def run(self, argv: Sequence[str | Path], *, timeout: float, **given: Any) -> Result:
        assert timeout <= 60
        where = ["--namespace", "default", "--kubeconfig", "/state/kubeconfig", "--context", CONTEXT]
        assert argv[0] == "/programs/kubectl-argo-rollouts"
        assert argv[-6:] == where
        return super().run(argv[1:-6], timeout=timeout, **given)

    def _answer(self, line: str) -> str:
        known: dict[str, Callable[[], None]] = {
            f"set image rollouts-demo rollouts-demo={IMAGE}:{color}": functools.partial(self.world.set_image, color)
            for color in HASHES
        }
        known["promote rollouts-demo"] = self.world.promote
        known["promote rollouts-demo --full"] = self.world.promote_fully
        known["abort rollouts-demo"] = self.world.aborted
        known["retry rollout rollouts-demo"] = self.world.retried
        known["pause rollouts-demo"] = self.world.paused_by_hand
        for number in {one["number"] for one in self.world.revisions.values()}:
            known[f"undo rollouts-demo --to-revision={number}"] = functools.partial(self.world.undone, number)
        known[line]()
        return f"{line}: done"


class GatewayProvider(FakeProvider):
    """Notes which addresses were checked before they were used."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(cluster)
        self.checked: list[str] = []
        self.ports: dict[int, int] = {}
        """Where ports of Services answer, if not there."""

    def endpoint(self, _ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int] | None:
        address = load_balancer_address(service)
        return (address, self.ports.get(port, port)) if address else None

    def check_route(self, _ctx: Context, address: str) -> None:
        self.checked.append(address)

    reach = Access.reach


class Stage:
    """What a test acts on: the world, a context for steps, and the events they emit."""

    def __init__(self, cancel: Cancel | None = None) -> None:
        self.world = World()
        self.runner = PluginRunner(self.world)
        self.cluster = WorldCluster(self.world)
        self.provider = GatewayProvider(self.cluster)
        self.events: list[Event] = []
        self.ctx = Context(playbook_of([]), self.provider, self.events.append, cancel or Cancel(), self.runner)

    @property
    def facts(self) -> list[Fact]:
        return [event for event in self.events if isinstance(event, Fact)]

    @property
    def unmet(self) -> list[Fact]:
        """Those that don't hold."""
        return [fact for fact in self.facts if not fact.holds]

    @property
    def said(self) -> str:
        """All facts as lines."""
        return "\n".join(f"{fact.text}: {fact.expected} | {fact.seen} | {fact.holds}" for fact in self.facts)


def step(cls: type[Step], **options: Any) -> Step:
    """A step with options as a playbook has them; underscores stand for dashes."""
    return cls(cls.Options.model_validate({key.replace("_", "-"): value for key, value in options.items()}))
