"""What Argo's controller shows of a Rollout at one moment, in few words, whoever the objects come from.

A state is flat: what is named by color is named by the tag of its image, and the Rollout is always `rollouts-demo`, so
that a real Rollout and one of `demo_world` can be compared. What isn't there has no key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from canarylab.kube.objects import dig, labels_of, listed
from canarylab.rollouts.revisions import HASH_LABEL

State = dict[str, str | int | bool]
NAME = "rollouts-demo"


def state_of(
    rollout: Mapping[str, Any], replica_sets: Iterable[Mapping[str, Any]], routes: Iterable[Mapping[str, Any]]
) -> State:
    """Of a Rollout, its own ReplicaSets and its VirtualServices."""
    status = rollout.get("status", {})
    colors = {labels_of(one).get(HASH_LABEL, ""): one for one in replica_sets}
    name_of = {digest: _color(one) for digest, one in colors.items()}
    name = rollout["metadata"]["name"]
    found = {
        "template": _color(rollout),
        "paused": dig(rollout, "spec", "paused") or None,
        "observed": status.get("observedGeneration") == str(rollout["metadata"]["generation"]),
        "phase": status.get("phase"),
        "message": _general(status.get("message") or "", name, name_of),
        **{f"condition {one['type']}": _condition(one) for one in status.get("conditions") or ()},
        "step": status.get("currentStepIndex"),
        "current": name_of.get(status.get("currentPodHash", "")),
        "stable": name_of.get(status.get("stableRS", "")),
        "pause": ", ".join(one["reason"] for one in status.get("pauseConditions") or ()),
        "controllerPause": status.get("controllerPause") or None,
        "abort": status.get("abort") or None,
        "promoteFull": status.get("promoteFull") or None,
        "weights": _weights(status),
        "active": name_of.get(dig(status, "blueGreen", "activeSelector") or ""),
        "preview": name_of.get(dig(status, "blueGreen", "previewSelector") or ""),
        **{f"replicas {_color(one)}": _replicas(one) for one in colors.values()},
        **{f"routes {one['metadata']['name'].removeprefix(name)}": _routes(one) for one in routes},
    }
    return {key: value for key, value in found.items() if value not in (None, "")}


def _color(owner: Mapping[str, Any]) -> str:
    """The tag of the image in its template."""
    return str(dig(owner, "spec", "template", "spec", "containers")[0]["image"]).rpartition(":")[2]


def _general(text: str, name: str, name_of: Mapping[str, str]) -> str:
    for digest, color in name_of.items():
        text = text.replace(f"{name}-{digest}", f"{NAME}-{color}")
    return text.replace(name, NAME)


def _condition(one: Mapping[str, Any]) -> str:
    return f"{one['status']} {one.get('reason', '')}"


def _weights(status: Mapping[str, Any]) -> str:
    weights = dig(status, "canary", "weights") or {}
    return ", ".join(f"{role} {weights[role].get('weight', 0)}" for role in ("stable", "canary") if role in weights)


def _replicas(replica_set: Mapping[str, Any]) -> str:
    """Wanted, and available."""
    return f"{dig(replica_set, 'spec', 'replicas') or 0}/{dig(replica_set, 'status', 'availableReplicas') or 0}"


def _routes(virtual_service: Mapping[str, Any]) -> str:
    """All routes in their order, of each its name, the headers that it asks for, what it copies, its weights."""
    spec = virtual_service["spec"]
    return "; ".join([*map(_http, listed(spec, "http")), *(f"tls: {_split(one)}" for one in listed(spec, "tls"))])


def _http(route: Mapping[str, Any]) -> str:
    headers = [
        f"{header} {kind} {value}"
        for match in listed(route, "match")
        for header, how in (match.get("headers") or {}).items()
        for kind, value in how.items()
    ]
    mirror = route.get("mirror")
    copies = [f"{dig(route, 'mirrorPercentage', 'value')} % copied to {_role(mirror)}"] if mirror else []
    asks = f" ({', '.join([*headers, *copies])})" if headers or copies else ""
    return f"{route.get('name', '')}{asks}: {_split(route)}"


def _split(route: Mapping[str, Any]) -> str:
    """A destination without a weight gets everything if it is the only one, and nothing otherwise (Istio)."""
    shares = listed(route, "route")
    unsaid = 100 if len(shares) == 1 else 0
    return ", ".join(f"{_role(one['destination'])} {one.get('weight', unsaid)}" for one in shares)


def _role(destination: Mapping[str, Any]) -> str:
    return str(destination["host"]).rpartition("-")[2]


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What is otherwise after; None for what is no longer there."""
    return {key: after.get(key) for key in [*after, *(before.keys() - after)] if before.get(key) != after.get(key)}


def missing_in_order(wanted: Sequence[State], seen: Sequence[State]) -> State | None:
    """The first state wanted that isn't found in `seen` after the ones before it; None where all are."""
    rest = iter(seen)
    return next((state for state in wanted if not any(state == one for one in rest)), None)
