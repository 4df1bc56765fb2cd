"""A state as a JSON document; docs/watch.md describes it. Pure."""

from __future__ import annotations

from typing import Any

from canarylab.kube.times import timestamp
from canarylab.rollouts.pods import PodView
from canarylab.rollouts.revisions import RevisionView
from canarylab.watch.state import WatchState
from canarylab.watch.traffic import GatewayTraffic
from canarylab.watch.view import Analysis, Steps, Weights


def document(state: WatchState) -> dict[str, Any]:
    """Nothing in it changes merely by time going by, so that equal documents are the same state."""
    view = state.view
    return {
        "namespace": view.rollout.namespace,
        "rollout": view.rollout.name,
        **_fields(view.rollout, "strategy", "phase", "message", "aborted"),
        "steps": _steps(view.steps),
        "ends_at": _time(view.ends_at),
        "weights": _weights(view.weights),
        "services": [{"service": name, "revision": number} for name, number in view.services],
        "replicas": vars(view.rollout.replicas),
        "revisions": [_revision(one, state.traffic) for one in view.revisions if one.is_shown],
        "analyses": [_analysis(one) for one in view.analyses],
        "traffic": _traffic(state.traffic),
        "cause": state.cause and _fields(state.cause, "why", "remedy"),
        "no_answer_since": _time(state.silence.since) if state.silence else None,
    }


def _steps(steps: Steps | None) -> dict[str, Any] | None:
    if steps is None:
        return None
    return {"done": steps.index, "of": len(steps.words), "current": steps.current, "all": steps.words}


def _weights(weights: Weights | None) -> dict[str, Any] | None:
    if weights is None:
        return None
    routes = [{"route": one.where, "canary": one.canary} for one in weights.routes]
    return {"set": weights.set, "actual": weights.actual, "of": weights.whole, "routes": routes}


def _revision(one: RevisionView, traffic: GatewayTraffic) -> dict[str, Any]:
    flow = traffic.flows.get(one.hash)
    return {
        "revision": one.number,
        **_fields(one, "role", "hash", "status"),
        "images": tuple(dict.fromkeys(one.images.values())),
        **_fields(one, "wanted", "ready"),
        "created": _time(one.created),
        "scales_down_at": _time(one.scales_down_at),
        "trouble": one.trouble,
        "pods": [_pod(pod) for pod in one.pods],
        "traffic": flow
        and {
            "requests_per_second": round(flow.rate, 2),
            **_fields(flow, "requests", "errors"),
            "percent": round(flow.share, 2),
        },
    }


def _pod(pod: PodView) -> dict[str, Any]:
    shown = _fields(pod, "name", "ip", "ready", "state")
    return {**shown, "trouble": pod.own_words, "restarts": pod.restarts, "created": _time(pod.created)}


def _analysis(one: Analysis) -> dict[str, Any]:
    keys = ("name", "phase", "good", "count", "errors", "value", "message")
    metrics = [_fields(each, *keys) for each in one.run.begun]
    return {"name": one.run.name, "purpose": one.purpose, **_fields(one.run, "phase", "message"), "metrics": metrics}


def _traffic(traffic: GatewayTraffic) -> dict[str, Any]:
    return {
        **_fields(traffic, "problem", "gateways"),
        "seconds": round(traffic.seconds, 1),
        "requests_per_second": round(traffic.rate, 2),
        **_fields(traffic, "requests", "errors"),
    }


def _fields(of: object, *names: str) -> dict[str, Any]:
    """Those that have the same name in the document."""
    return {name: getattr(of, name) for name in names}


def _time(epoch: float | None) -> str | None:
    return None if epoch is None else timestamp(epoch)
