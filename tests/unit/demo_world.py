"""A small world for the tests of the demonstration: the demo's objects, and what Argo's controller makes of commands.

The objects have the API's form. What the controller would do in time waits in `pending`; each wait of the fake cluster
lets one more of it happen, so that nothing sleeps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mesh_world import ADDRESSES, APP, HASH, HASHES, VSVC1, VSVC2, Mesh

from canarylab.cancel import Cancel
from canarylab.contract.context import Context
from canarylab.contract.ownership import Ownership
from canarylab.contract.provider import Access
from canarylab.contract.step import Step
from canarylab.events import Event, Fact
from canarylab.kube.client import Resource, UnknownKindError
from canarylab.kube.objects import load_balancer_address
from canarylab.tools.runner import Result

IMAGE = "localhost/argoproj/rollouts-demo"
STEPS = [{"setWeight": 5}, {"pause": {}}]


class World:
    """The Rollout, its ReplicaSets and pods, at rest on blue; and the mesh before them."""

    def __init__(self) -> None:
        self.revisions: dict[str, dict[str, int]] = {"blue": {"number": 1, "replicas": 1}}
        self.wanted = self.current = self.stable = "blue"
        self.index = len(STEPS)
        self.generation = self.observed = 1
        self.phase, self.message = "Healthy", ""
        self.abort = self.controller_pause = False
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
        self.pending += [self._back] if color == self.stable else [self._begin, self._weigh]

    def promote(self) -> None:
        self.pause, self.controller_pause = [], True
        self.pending += [self._finish, self._reroute, self._scale_down]

    def aborted(self) -> None:
        self.abort, self.weight, self.index = True, 0, 0
        self.pause, self.controller_pause = [], False
        self.phase, self.message = "Degraded", "RolloutAborted: Rollout aborted update to revision 2"

    def retried(self) -> None:
        self.abort = False
        self.pending += [self._resume, self._weigh]

    def undone(self, number: int) -> None:
        """To the revision of that number, as it was when the command was given."""
        self.set_image(next(color for color, one in self.revisions.items() if one["number"] == number))

    def paused_by_hand(self) -> None:
        self.paused, self.phase, self.message = True, "Paused", "manually paused"

    def patched(self, kind: str, name: str, body: dict[str, Any]) -> None:
        self.patches.append((kind, name, body))
        if kind == "Rollout":
            self.paused, self.generation = bool(body["spec"]["paused"]), self.generation + 1
            self.pending.append(self._back)
        else:
            self.delays = False
            self._scale_down()

    def _resume(self) -> None:
        self.phase, self.message = "Progressing", "more replicas need to be updated"

    def _begin(self) -> None:
        number = 1 + max(one["number"] for one in self.revisions.values())
        self.revisions[self.wanted] = {"number": number, "replicas": 1}
        self.current, self.observed, self.index = self.wanted, self.generation, 0
        self.phase, self.message = "Progressing", "more replicas need to be updated"

    def _weigh(self) -> None:
        self.weight, self.index, self.controller_pause = 5, 1, True
        self.pause = [{"reason": "CanaryPauseStep", "startTime": "2026-01-01T00:00:00Z"}]
        self.phase, self.message = "Paused", "CanaryPauseStep"

    def _finish(self) -> None:
        self.stable, self.index, self.weight, self.controller_pause = self.current, len(STEPS), 100, False
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
        listed = [{"name": name, "routes": routes} for name, routes in self.route_names.items()]
        return {
            "metadata": {"name": "rollouts-demo", "namespace": "default", "uid": "ro", "generation": self.generation},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "rollouts-demo"}},
                "strategy": {
                    "canary": {
                        "stableService": "rollouts-demo-stable",
                        "canaryService": "rollouts-demo-canary",
                        "steps": STEPS,
                        "trafficRouting": {"istio": {"virtualServices": listed}},
                    }
                },
                "template": _template(self.wanted),
                **({"paused": True} if self.paused else {}),
            },
            "status": {
                "observedGeneration": str(self.observed),
                "phase": self.phase,
                "message": self.message,
                "conditions": [{"type": "Healthy", "status": "True"}] if self.has_been_healthy else [],
                "abort": self.abort,
                "controllerPause": self.controller_pause,
                "pauseConditions": self.pause,
                "currentStepIndex": self.index,
                "currentPodHash": HASHES[self.current],
                "stableRS": HASHES[self.stable],
                "replicas": up,
                "readyReplicas": up,
                "availableReplicas": up,
                "updatedReplicas": self.revisions.get(self.current, {}).get("replicas", 0),
                "canary": {"weights": {"canary": {"weight": self.weight}, "stable": {"weight": 100 - self.weight}}},
            },
        }

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """All of a kind, of whatever namespace."""
        known = {"Rollout": lambda: [self.rollout()], "ReplicaSet": self.replica_sets}
        return known[kind]() if kind in known else self.mesh.objects(kind)

    def replica_sets(self) -> list[dict[str, Any]]:
        return [_replica_set(color, **revision) for color, revision in self.revisions.items()]

    def pods(self) -> list[dict[str, Any]]:
        up = [color for color, revision in self.revisions.items() if revision["replicas"]]
        return [pod(color, sidecar=self.sidecar) for color in up]


def _template(color: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "rollouts-demo", "image": f"{IMAGE}:{color}"}]}}


def _replica_set(color: str, number: int, replicas: int) -> dict[str, Any]:
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
        "status": {"observedGeneration": 1, "replicas": replicas, "availableReplicas": replicas},
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
}
"""What the cluster knows beside the kinds in `World.others`: nothing of the Gateway API."""


def about(event: dict[str, Any]) -> dict[str, Any]:
    """What an event can be selected by."""
    what = event["involvedObject"]
    return {"involvedObject.kind": what["kind"], "involvedObject.name": what["name"], "type": event["type"]}


def _is_selected(meta: dict[str, Any], namespace: str | None, labels: dict[str, str]) -> bool:
    return namespace in (None, meta["namespace"]) and labels.items() <= meta.get("labels", {}).items()


class FakeCluster:
    """The API of a world, with the methods of `canarylab.kube.client.Cluster` that the demonstration uses."""

    kubeconfig = Path("/state/kubeconfig")
    context = "argo-istio-canary"

    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        found = (one for one in self.list(api_version, kind, namespace) if one["metadata"]["name"] == name)
        return next(found, None)

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: Any = None, fields: Any = None
    ) -> list[dict[str, Any]]:
        if kind in self.world.others:
            return [one for one in self.world.others[kind] if not fields or about(one) == fields]
        self.resource(api_version, kind)
        found = [one for one in self.world.objects(kind) if _is_selected(one["metadata"], namespace, labels or {})]
        return [{"apiVersion": api_version, "kind": kind, **one} for one in found]

    def patch(self, _api_version: str, kind: str, name: str, body: dict[str, Any], namespace: str) -> None:
        assert namespace == "default"
        self.world.patched(kind, name, body)

    def resource(self, api_version: str, kind: str) -> Resource:
        if (api_version, kind) not in KINDS:
            raise UnknownKindError(f"the cluster has no kind {kind} in {api_version}")
        return Resource(api_version, f"{kind.lower()}s", namespaced=True)

    def wait(self, watches: Sequence[Any], check: Callable[[], str | None], *, deadline: float, cancel: Cancel):
        assert watches
        assert deadline > time.monotonic()
        reason = check()
        while reason is not None and self.world.pending:
            cancel.check()
            self.world.pending.popleft()()
            reason = check()
        return reason


class FakeRunner:
    """Knows the plugin's commands and raises on any other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.commands: list[str] = []

    def run(self, argv: Sequence[str], *, timeout: float, **_: Any) -> Result:
        assert 0 < timeout <= 60
        where = ["--namespace", "default", "--kubeconfig", "/state/kubeconfig", "--context", "argo-istio-canary"]
        assert argv[0] == "/programs/kubectl-argo-rollouts"
        assert argv[-6:] == where
        command = " ".join(argv[1:-6])
        self.commands.append(command)
        known: dict[str, Callable[[], None]] = {
            f"set image rollouts-demo rollouts-demo={IMAGE}:{color}": lambda color=color: self.world.set_image(color)
            for color in HASHES
        }
        known["promote rollouts-demo"] = known["promote rollouts-demo --full"] = self.world.promote
        known["abort rollouts-demo"] = self.world.aborted
        known["retry rollout rollouts-demo"] = self.world.retried
        for number in {one["number"] for one in self.world.revisions.values()}:
            known[f"undo rollouts-demo --to-revision={number}"] = lambda number=number: self.world.undone(number)
        known[command]()
        return Result(f"{command}: done", "", 0, 0.1)


class FakeProvider:
    """Supplies the world's cluster; notes which addresses were checked before they were used. It is all its parts."""

    ownership = Ownership()

    def __init__(self, world: World) -> None:
        self.infrastructure = self.sources = self.images = self.access = self
        self._cluster = FakeCluster(world)
        self.checked: list[str] = []
        self.ports: dict[int, int] = {}
        """Where ports of Services answer, if not there."""

    def cluster(self, _ctx: Context) -> FakeCluster:
        return self._cluster

    def programs(self, _ctx: Context) -> Path:
        return Path("/programs")

    def reference(self, reference: str) -> str:
        return reference

    def endpoint(self, _ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int] | None:
        address = load_balancer_address(service)
        return (address, self.ports.get(port, port)) if address else None

    def check_route(self, _ctx: Context, address: str) -> None:
        self.checked.append(address)

    reach = Access.reach


class Stage:
    """What a test acts on: the world, a context for steps, and the events they emit."""

    def __init__(self) -> None:
        self.world = World()
        self.runner = FakeRunner(self.world)
        self.provider = FakeProvider(self.world)
        self.events: list[Event] = []
        self.ctx = Context(None, self.provider, self.events.append, runner=self.runner)  # type: ignore[arg-type]

    @property
    def facts(self) -> list[Fact]:
        return [event for event in self.events if isinstance(event, Fact)]

    @property
    def said(self) -> str:
        """All facts as lines."""
        return "\n".join(f"{fact.text}: {fact.expected} | {fact.seen} | {fact.holds}" for fact in self.facts)


def step(cls: type[Step], **options: Any) -> Step:
    """A step with options as a playbook has them; underscores stand for dashes."""
    return cls(cls.Options.model_validate({key.replace("_", "-"): value for key, value in options.items()}))
