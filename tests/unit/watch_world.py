"""A Rollout with its revisions, pods and routes, as the API has them, for the tests of `invoke watch`."""

from __future__ import annotations

from typing import Any

from canarylab.watch.snapshot import RolloutSnapshot
from canarylab.watch.state import WatchState
from canarylab.watch.traffic import Counted, GatewayTraffic, Meter, Reading
from canarylab.watch.view import WatchView

NOW = 1_800_000_000.0
"""2027-01-15T08:00:00Z"""
HASHES = {1: "65b87647b8", 2: "6fb857444", 3: "57b7ccb94c"}
IMAGES = {1: "localhost/argoproj/web:blue", 2: "localhost/argoproj/web:yellow", 3: "localhost/argoproj/web:red"}
Object = dict[str, Any]

STEPS: tuple[Object, ...] = (
    {"setWeight": 25},
    {"pause": {"duration": "20s"}},
    {"setWeight": 50},
    {"pause": {}},
)
GATEWAY = "istio-ingress/gateway-1"


def pod(number: int, name: str, *, ready: bool = True, **status: Any) -> Object:
    """A pod of a revision, half a minute old, with the IP address 10.0.NUMBER.LAST DIGIT OF NAME."""
    state = {"running": {}} if ready else {"waiting": {"reason": "ContainerCreating"}}
    return {
        "metadata": {
            "name": f"web-{HASHES[number]}-{name}",
            "creationTimestamp": "2027-01-15T07:59:30Z",
            "labels": {"app": "web"},
            "ownerReferences": [{"uid": f"rs-{number}"}],
        },
        "spec": {"containers": [{"name": "web"}]},
        "status": {
            "phase": "Running",
            "podIP": f"10.0.{number}.{name[-1]}",
            "containerStatuses": [{"name": "web", "ready": ready, "restartCount": 0, "state": state}],
            **status,
        },
    }


def replica_set(number: int, wanted: int, ready: int, **annotations: str) -> Object:
    return {
        "metadata": {
            "name": f"web-{HASHES[number]}",
            "uid": f"rs-{number}",
            "creationTimestamp": "2027-01-15T07:00:00Z",
            "labels": {"rollouts-pod-template-hash": HASHES[number]},
            "annotations": {
                "rollout.argoproj.io/revision": str(number),
                **{key.replace("_", "-"): value for key, value in annotations.items()},
            },
            "ownerReferences": [{"uid": "ro"}],
        },
        "spec": {
            "replicas": wanted,
            "template": {"spec": {"containers": [{"name": "web", "image": IMAGES[number]}]}},
        },
        "status": {"replicas": ready, "readyReplicas": ready, "availableReplicas": ready},
    }


def rollout(strategy: Object, **status: Any) -> Object:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web", "namespace": "shop", "uid": "ro", "generation": 1},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": strategy,
            "template": {"spec": {"containers": [{"name": "web", "image": IMAGES[1]}]}},
        },
        "status": {"observedGeneration": "1", "replicas": 3, "availableReplicas": 3, **status},
    }


def virtual_service(canary: int) -> Object:
    route = [
        {"destination": {"host": "web-stable"}, "weight": 100 - canary},
        {"destination": {"host": "web-canary.shop.svc.cluster.local"}, "weight": canary},
    ]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"http": [{"name": "primary", "route": route}]},
    }


def canary_strategy(steps: tuple[Object, ...] = STEPS, *, routed: bool = True) -> Object:
    routing = {"istio": {"virtualServices": [{"name": "web", "routes": ["primary"]}]}}
    services = {"stableService": "web-stable", "canaryService": "web-canary", "trafficRouting": routing}
    return {"canary": {"steps": list(steps), **(services if routed else {})}}


def at_rest() -> RolloutSnapshot:
    """Revision 1 is stable, and nothing is rolled out."""
    status = {"phase": "Healthy", "currentPodHash": HASHES[1], "stableRS": HASHES[1], "currentStepIndex": 4}
    pods = [pod(1, name) for name in ("a1", "b2", "c3")]
    return RolloutSnapshot(rollout(canary_strategy(), **status), [replica_set(1, 3, 3)], pods, [virtual_service(0)])


def paused(index: int = 1, weight: int = 25, *, route: int | None = None, **more: Any) -> RolloutSnapshot:
    """Revision 2 is the canary and stands at a step of STEPS since 07:59:48, 12 s ago."""
    status = {
        "phase": "Paused",
        "message": "CanaryPauseStep",
        "currentPodHash": HASHES[2],
        "stableRS": HASHES[1],
        "currentStepIndex": index,
        "controllerPause": True,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2027-01-15T07:59:48Z"}],
        "canary": {"weights": {"canary": {"weight": weight}, "stable": {"weight": 100 - weight}}},
        **more,
    }
    return RolloutSnapshot(
        rollout(canary_strategy(), **status),
        [replica_set(1, 3, 3), replica_set(2, 1, 1)],
        [*(pod(1, name) for name in ("a1", "b2", "c3")), pod(2, "d4")],
        [virtual_service(weight if route is None else route)],
    )


def blue_green() -> RolloutSnapshot:
    """Revision 2 is the preview and waits to be promoted."""
    strategy = {"blueGreen": {"activeService": "web", "previewService": "web-preview", "autoPromotionEnabled": False}}
    status = {
        "phase": "Paused",
        "message": "BlueGreenPause",
        "currentPodHash": HASHES[2],
        "stableRS": HASHES[1],
        "controllerPause": True,
        "pauseConditions": [{"reason": "BlueGreenPause", "startTime": "2027-01-15T07:59:48Z"}],
        "blueGreen": {"activeSelector": HASHES[1], "previewSelector": HASHES[2]},
    }
    sets = [replica_set(1, 1, 1), replica_set(2, 1, 1)]
    return RolloutSnapshot(rollout(strategy, **status), sets, [pod(1, "a1"), pod(2, "d4")])


def counted(*figures: tuple[str, int, int]) -> Reading:
    """What one gateway counts: address, requests, errors."""
    counters = {(GATEWAY, "web", address): Counted(address, asked, failed) for address, asked, failed in figures}
    return Reading(counters, (GATEWAY,))


def flowing(view: WatchView, canary: int = 25, errors: int = 0) -> GatewayTraffic:
    """100 requests in each of ten seconds: `canary` to 10.0.2.4, with so many `errors` in all, the rest to 10.0.1.1."""
    figures = (((100 - canary) * second, canary * second, errors if second else 0) for second in range(11))
    return traffic(
        view, *(counted(("10.0.1.1", one, 0), ("10.0.2.4", other, failed)) for one, other, failed in figures)
    )


def traffic(view: WatchView, *readings: Reading) -> GatewayTraffic:
    """What a reading each second amounts to."""
    meter, revisions = Meter(), {address: one.hash for address, one in view.revision_by_address.items()}
    for second, reading in enumerate(readings):
        meter.add(reading, revisions, second)
    return meter.traffic()


def state(snapshot: RolloutSnapshot, canary: int | None = None, **more: Any) -> WatchState:
    """With traffic where `canary` percent are said."""
    view = WatchView.of(snapshot)
    return WatchState(view, GatewayTraffic() if canary is None else flowing(view, canary), **more)
