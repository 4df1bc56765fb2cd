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

from loopback import Seen, answer

from canarylab.cancel import Cancel
from canarylab.context import Context
from canarylab.demo.base import Step
from canarylab.events import Event, Fact
from canarylab.kube.objects import load_balancer_address
from canarylab.tools.runner import Result

IMAGE = "localhost/argoproj/rollouts-demo"
HASHES = {"blue": "c5d6b64c6", "yellow": "6877dff844", "green": "5f8b7d9c4"}
STEPS = [{"setWeight": 5}, {"pause": {}}]
VSVC1, VSVC2 = "rollouts-demo-vsvc1", "rollouts-demo-vsvc2"


class World:
    """The Rollout, its ReplicaSets and pods, two VirtualServices and the gateway's Service, at rest on blue."""

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
        self.answered = 0

    # -- what commands lead to ----------------------------------------------------------------------------------------

    def set_image(self, color: str) -> None:
        self.wanted, self.generation = color, self.generation + 1
        self.pending += [self._back] if color == self.stable else [self._begin, self._weigh]

    def promote(self) -> None:
        self.pause, self.controller_pause = [], True
        self.pending += [self._finish, self._reroute, self._scale_down]

    def aborted(self) -> None:
        self.abort, self.weight, self.index = True, 0, 0
        self.phase, self.message = "Degraded", "RolloutAborted: Rollout aborted update to revision 2"

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
            if color != self.stable:
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
            },
            "status": {
                "observedGeneration": str(self.observed),
                "phase": self.phase,
                "message": self.message,
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

    def replica_sets(self) -> list[dict[str, Any]]:
        return [_replica_set(color, **revision) for color, revision in self.revisions.items()]

    def pods(self) -> list[dict[str, Any]]:
        up = [color for color, revision in self.revisions.items() if revision["replicas"]]
        return [pod(color, sidecar=self.sidecar) for color in up]

    def virtual_service(self, name: str) -> dict[str, Any]:
        http = {VSVC1: "primary", VSVC2: "secondary"}[name]
        match = {"port": 3000, "sniHosts": [f"reviews.{name}.bookinfo.com"]}
        destinations = [("stable", 100 - self.weight), ("canary", self.weight)]
        route = [{"destination": {"host": f"rollouts-demo-{to}"}, "weight": weight} for to, weight in destinations]
        spec = {"http": [{"name": http, "route": route}], "tls": [{"match": [match], "route": route}]}
        return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}

    def service(self) -> dict[str, Any]:
        return {"status": {"loadBalancer": {"ingress": [{"ip": self.address}] if self.address else []}}}

    # -- the traffic --------------------------------------------------------------------------------------------------

    def respond(self, _seen: Seen) -> bytes:
        """An answer as the gateway would route it by the weights of this moment, but in turn instead of by chance."""
        self.answered += 1
        canary = self.answered * self.weight // 100 > (self.answered - 1) * self.weight // 100
        color = self.current if canary else self.stable
        return answer(HASHES[color], color=color)


def _template(color: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "rollouts-demo", "image": f"{IMAGE}:{color}"}]}}


def _replica_set(color: str, number: int, replicas: int) -> dict[str, Any]:
    name = f"rollouts-demo-{HASHES[color]}"
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "generation": 1,
            "labels": {"rollouts-pod-template-hash": HASHES[color]},
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
            "ownerReferences": [{"uid": f"rollouts-demo-{HASHES[color]}"}],
        },
        "spec": {
            "initContainers": [init, *([keeps_on] if apart else [])],
            "containers": [{"name": "rollouts-demo"}, *([{"name": "istio-proxy"}] if beside else [])],
        },
        "status": {
            "initContainerStatuses": [{"name": "istio-init", "ready": True}, *([proxy] if apart else [])],
            "containerStatuses": [app, *([proxy] if beside else [])],
        },
    }


class FakeCluster:
    """The API of a world, with the methods of `canarylab.kube.client.Cluster` that the demonstration uses."""

    kubeconfig = Path("/state/kubeconfig")
    context = "argo-istio-canary"

    def __init__(self, world: World) -> None:
        self.world = world

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        known: dict[tuple[str, ...], Callable[[], dict[str, Any]]] = {
            ("argoproj.io/v1alpha1", "Rollout", "default", "rollouts-demo"): self.world.rollout,
            ("v1", "Service", "istio-ingress", "istio-ingressgateway"): self.world.service,
            ("networking.istio.io/v1", "VirtualService", "default", VSVC1): lambda: self.world.virtual_service(VSVC1),
            ("networking.istio.io/v1", "VirtualService", "default", VSVC2): lambda: self.world.virtual_service(VSVC2),
        }
        found = known.get((api_version, kind, str(namespace), name))
        return found() if found else None

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: Any = None
    ) -> list[dict[str, Any]]:
        assert (namespace, labels) == ("default", {"app": "rollouts-demo"})
        return {("apps/v1", "ReplicaSet"): self.world.replica_sets, ("v1", "Pod"): self.world.pods}[api_version, kind]()

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
        known["promote rollouts-demo"] = self.world.promote
        known["abort rollouts-demo"] = self.world.aborted
        known["undo rollouts-demo --to-revision=1"] = lambda: self.world.set_image(self.world.stable)
        known[command]()
        return Result(f"{command}: done", "", 0, 0.1)


class FakeProvider:
    """Supplies the world's cluster; notes which addresses were checked before they were used."""

    owns_cluster = True

    def __init__(self, world: World) -> None:
        self._cluster = FakeCluster(world)
        self.checked: list[str] = []

    def cluster(self, _ctx: Context) -> FakeCluster:
        return self._cluster

    def programs(self, _ctx: Context) -> Path:
        return Path("/programs")

    def image_reference(self, reference: str) -> str:
        return reference

    def endpoint(self, _ctx: Context, service: dict[str, Any], port: int) -> tuple[str, int] | None:
        address = load_balancer_address(service)
        return (address, port) if address else None

    def check_route(self, _ctx: Context, address: str) -> None:
        self.checked.append(address)


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
