"""The scenes that are recorded of Argo's controller, and played by `demo_world`: a Rollout, and what is done to it.

A trigger is what the plugin is told (`set image rollouts-demo ...`), or `patch JSON`, a merge patch of the Rollout.
Each Rollout has a name of its own in the cluster; here all are `rollouts-demo`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from support.argo_states import NAME, State

IMAGE = "localhost/argoproj/rollouts-demo"
API = "argoproj.io/v1alpha1"
_CANARY, _STABLE = f"{NAME}-canary", f"{NAME}-stable"
_VIRTUAL_SERVICES = {f"{NAME}-vsvc1": "primary", f"{NAME}-vsvc2": "secondary"}
_SNI_PORT = 3000


@dataclass(frozen=True)
class Act:
    """One trigger, and the part of the state by which it is known that all of its consequences have come."""

    trigger: str
    until: State


@dataclass(frozen=True)
class Scene:
    """A Rollout at rest on blue, and what happens to it."""

    name: str
    about: str
    strategy: dict[str, Any]
    acts: Sequence[Act]
    templates: Sequence[dict[str, Any]] = ()
    """AnalysisTemplates"""
    deadline: int = 600
    """progressDeadlineSeconds: a short one also passes while a Rollout waits for something else."""

    def objects(self) -> list[dict[str, Any]]:
        """All that the Rollout needs, and the Rollout."""
        routed = [_virtual_service(*each) for each in _VIRTUAL_SERVICES.items()] if "canary" in self.strategy else []
        services = [_service(suffix) for suffix in ("canary", "stable", "active", "preview")]
        return [*services, *routed, *self.templates, _rollout(self.strategy, self.deadline)]


def set_image(color: str) -> str:
    return f"set image {NAME} {NAME}={IMAGE}:{color}"


def patch(**spec: Any) -> str:
    return f"patch {json.dumps({'spec': spec})}"


UNDO, ABORT, RETRY = f"undo {NAME} --to-revision=1", f"abort {NAME}", f"retry rollout {NAME}"
PROMOTE, PROMOTE_FULL = f"promote {NAME}", f"promote {NAME} --full"
PAUSE, RESUME = f"pause {NAME}", patch(paused=None)
CREATE = "create"


_AT_REST: State = {"observed": True, "phase": "Healthy", "condition Healthy": "True RolloutHealthy"}
"""The condition is the last that the controller writes."""


def _healthy(stable: str = "blue", other: str = "yellow") -> State:
    return {**_AT_REST, "stable": stable, f"replicas {stable}": "1/1", f"replicas {other}": "0/0"}


_PAUSED: State = {"observed": True, "phase": "Paused", "condition Paused": "True RolloutPaused"}


def _paused(step: int) -> State:
    return {**_PAUSED, "pause": "CanaryPauseStep", "step": step}


_CREATED = Act(CREATE, {**_AT_REST, "stable": "blue", "replicas blue": "1/1"})
_ABORTED: State = {"observed": True, "phase": "Degraded", "abort": True, "weights": "stable 100, canary 0"}
_PREVIEWED: State = {**_PAUSED, "pause": "BlueGreenPause"}


def _sni(name: str) -> str:
    return f"{name}.recordings.test"


def _canary(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    listed = [
        {"name": name, "routes": [route], "tlsRoutes": [{"port": _SNI_PORT, "sniHosts": [_sni(name)]}]}
        for name, route in _VIRTUAL_SERVICES.items()
    ]
    routing = {"istio": {"virtualServices": listed}, **more}
    services = {"canaryService": _CANARY, "stableService": _STABLE}
    return {"canary": {**services, "scaleDownDelaySeconds": 1, "steps": [*steps], "trafficRouting": routing}}


_FIVE: dict[str, Any] = {"setWeight": 5}
_PAUSED_STEP: dict[str, Any] = {"pause": {}}
_DEMO = _canary(_FIVE, _PAUSED_STEP)
_TESTERS = {"headerName": "X-Tester", "headerValue": {"exact": "yes"}}
_METRIC = {
    "name": "requests",
    "provider": {"web": {"url": f"http://{_STABLE}.NAMESPACE/stats", "jsonPath": "{$.total.users.requests}"}},
}


def _template(name: str, condition: str) -> dict[str, Any]:
    metric = {**_METRIC, "successCondition": condition}
    return {"apiVersion": API, "kind": "AnalysisTemplate", "metadata": {"name": name}, "spec": {"metrics": [metric]}}


def _analysis(name: str) -> dict[str, Any]:
    return _canary(_FIVE, {"analysis": {"templates": [{"templateName": name}]}})


SCENES = (
    Scene(
        "update",
        "a canary that pauses at 5 %, is promoted, and taken back",
        _DEMO,
        (
            _CREATED,
            Act(set_image("yellow"), _paused(1)),
            Act(PROMOTE, _healthy("yellow", "blue")),
            Act(UNDO, _paused(1)),
            Act(PROMOTE_FULL, _healthy()),
        ),
    ),
    Scene(
        "abort",
        "a canary that is aborted, tried again, aborted again, and set back",
        _DEMO,
        (
            _CREATED,
            Act(set_image("yellow"), _paused(1)),
            Act(ABORT, _ABORTED),
            Act(RETRY, _paused(1)),
            Act(ABORT, _ABORTED),
            Act(set_image("blue"), _healthy()),
        ),
    ),
    Scene(
        "back",
        "a canary whose image is set back at its pause, without an abort",
        _DEMO,
        (_CREATED, Act(set_image("yellow"), _paused(1)), Act(set_image("blue"), _healthy())),
    ),
    Scene(
        "two-pauses",
        "a canary that is promoted from one pause to the next",
        _canary(_FIVE, _PAUSED_STEP, {"setWeight": 50}, _PAUSED_STEP),
        (
            _CREATED,
            Act(set_image("yellow"), _paused(1)),
            Act(PROMOTE, _paused(3)),
            Act(PROMOTE, _healthy("yellow", "blue")),
        ),
    ),
    Scene(
        "paused-by-hand",
        "a Rollout at rest that somebody pauses and resumes",
        _DEMO,
        (
            _CREATED,
            Act(PAUSE, {"observed": True, "phase": "Paused", "condition Healthy": "False RolloutHealthy"}),
            Act(RESUME, _AT_REST),
        ),
    ),
    Scene(
        "missing-image",
        "an update whose image isn't there, past progressDeadlineSeconds, and back",
        _DEMO,
        (
            _CREATED,
            Act(set_image("green"), {"observed": True, "phase": "Degraded"}),
            Act(set_image("blue"), _healthy("blue", "green")),
        ),
        deadline=15,
    ),
    Scene(
        "refused",
        "a spec that Argo refuses, and takes again",
        _DEMO,
        (
            _CREATED,
            Act(patch(strategy={"canary": {"canaryService": "nope"}}), {"observed": True, "phase": "Degraded"}),
            Act(patch(strategy={"canary": {"canaryService": _CANARY}}), _AT_REST),
        ),
    ),
    Scene(
        "analysis-fails",
        "a canary whose analysis fails",
        _analysis(f"{NAME}-fails"),
        (_CREATED, Act(set_image("yellow"), _ABORTED)),
        (_template(f"{NAME}-fails", "result < 0"),),
    ),
    Scene(
        "analysis-passes",
        "a canary whose analysis is successful",
        _analysis(f"{NAME}-passes"),
        (_CREATED, Act(set_image("yellow"), _healthy("yellow", "blue"))),
        (_template(f"{NAME}-passes", "result >= 0"),),
    ),
    Scene(
        "header-route",
        "testers, by a header, get the canary before anybody else does",
        _canary(
            {"setCanaryScale": {"replicas": 1}},
            {"setHeaderRoute": {"name": "testers", "match": [_TESTERS]}},
            _PAUSED_STEP,
            {"setHeaderRoute": {"name": "testers"}},
            _PAUSED_STEP,
            managedRoutes=[{"name": "testers"}],
        ),
        (_CREATED, Act(set_image("yellow"), _paused(2)), Act(PROMOTE, _paused(4))),
    ),
    Scene(
        "mirror-route",
        "every request is copied to the canary",
        _canary(
            {"setCanaryScale": {"replicas": 1}},
            {"setMirrorRoute": {"name": "shadow", "percentage": 100, "match": [{"path": {"prefix": "/"}}]}},
            _PAUSED_STEP,
            {"setMirrorRoute": {"name": "shadow"}},
            _PAUSED_STEP,
            managedRoutes=[{"name": "shadow"}],
        ),
        (_CREATED, Act(set_image("yellow"), _paused(2)), Act(PROMOTE, _paused(4))),
    ),
    Scene(
        "blue-green",
        "a preview that is promoted, and another that is aborted",
        {
            "blueGreen": {
                "activeService": f"{NAME}-active",
                "previewService": f"{NAME}-preview",
                "autoPromotionEnabled": False,
                "scaleDownDelaySeconds": 1,
                "abortScaleDownDelaySeconds": 1,
            }
        },
        (
            _CREATED,
            Act(set_image("yellow"), {**_PREVIEWED, "preview": "yellow"}),
            Act(PROMOTE, _healthy("yellow", "blue")),
            Act(set_image("blue"), {**_PREVIEWED, "preview": "blue"}),
            Act(ABORT, {"observed": True, "phase": "Degraded", "abort": True, "replicas blue": "0/0"}),
        ),
    ),
)


def _rollout(strategy: dict[str, Any], deadline: int) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": f"{IMAGE}:blue",
        "imagePullPolicy": "Never",
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"memory": "16Mi", "cpu": "5m"}},
    }
    labels = {"app": NAME}
    spec = {
        "replicas": 1,
        "progressDeadlineSeconds": deadline,
        "selector": {"matchLabels": labels},
        "strategy": strategy,
        "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
        },
    }
    return {"apiVersion": API, "kind": "Rollout", "metadata": {"name": NAME}, "spec": spec}


def _service(suffix: str) -> dict[str, Any]:
    spec = {"selector": {"app": NAME}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"{NAME}-{suffix}"}, "spec": spec}


def _virtual_service(name: str, route: str) -> dict[str, Any]:
    split = [{"destination": {"host": _STABLE}, "weight": 100}, {"destination": {"host": _CANARY}, "weight": 0}]
    tls = {"match": [{"port": _SNI_PORT, "sniHosts": [_sni(name)]}], "route": split}
    spec = {"hosts": [_sni(name)], "http": [{"name": route, "route": split}], "tls": [tls]}
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": name}, "spec": spec}
