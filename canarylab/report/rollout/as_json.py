"""A state as a JSON document; docs/watch.md describes it. Pure."""

from __future__ import annotations

from typing import Any

from canarylab.report.times import timestamp
from canarylab.watch.state import State
from canarylab.watch.traffic import Traffic
from canarylab.watch.view import Revision, Steps, Weights


def document(state: State) -> dict[str, Any]:
    """Nothing in it changes merely by time going by, so that equal documents are the same state."""
    view = state.view
    return {
        "namespace": view.namespace,
        "rollout": view.name,
        "strategy": view.strategy,
        "phase": view.phase,
        "message": view.message,
        "aborted": view.aborted,
        "steps": _steps(view.steps),
        "ends_at": _time(view.ends_at),
        "weights": _weights(view.weights),
        "services": [{"service": name, "revision": number} for name, number in view.services],
        "replicas": vars(view.replicas),
        "revisions": [_revision(one, state.traffic) for one in view.revisions if one.is_shown],
        "analyses": [{**vars(one), "metrics": [vars(metric) for metric in one.metrics]} for one in view.analyses],
        "traffic": _traffic(state.traffic),
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


def _revision(one: Revision, traffic: Traffic) -> dict[str, Any]:
    flow = traffic.flows.get(one.hash)
    return {
        "revision": one.number,
        "role": one.role,
        "hash": one.hash,
        "status": one.status,
        "images": one.images,
        "wanted": one.wanted,
        "ready": one.ready,
        "created": _time(one.created),
        "scales_down_at": _time(one.scales_down_at),
        "trouble": one.trouble,
        "pods": [{**vars(pod), "created": _time(pod.created)} for pod in one.pods],
        "traffic": flow
        and {
            "requests_per_second": round(flow.rate, 2),
            "requests": flow.requests,
            "errors": flow.errors,
            "percent": round(flow.share, 2),
        },
    }


def _traffic(traffic: Traffic) -> dict[str, Any]:
    return {
        "problem": traffic.problem,
        "gateways": traffic.gateways,
        "seconds": round(traffic.seconds, 1),
        "requests_per_second": round(traffic.rate, 2),
        "requests": traffic.requests,
        "errors": traffic.errors,
    }


def _time(epoch: float | None) -> str | None:
    return None if epoch is None else timestamp(epoch)
