"""The webhooks by which Istio injects sidecars, as its chart makes them."""

from __future__ import annotations

from typing import Any


def webhooks(revision: str = "default", tag: str = "") -> dict[str, Any]:
    """The configuration of one revision, or of a tag of it, as Istio's chart and istioctl make them."""
    own = {"key": "istio.io/rev", "operator": "In", "values": [tag or revision]}
    none = [{"key": key, "operator": "DoesNotExist"} for key in ("istio.io/rev", "istio-injection")]
    willing = {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}
    hooks = [
        _hook("rev.namespace.", [own, none[1]], [willing]),
        _hook("rev.object.", none, [willing, own]),
    ]
    if "default" in (revision, tag):
        enabled = {"key": "istio-injection", "operator": "In", "values": ["enabled"]}
        asking = {"key": "sidecar.istio.io/inject", "operator": "In", "values": ["true"]}
        hooks += [_hook("namespace.", [enabled], [willing]), _hook("object.", none, [asking, none[0]])]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"istio-sidecar-injector-{tag or revision}"},
        "webhooks": hooks,
    }


def _hook(prefix: str, namespace: list[dict[str, Any]], pod: list[dict[str, Any]]) -> dict[str, Any]:
    selectors = {"namespaceSelector": {"matchExpressions": namespace}, "objectSelector": {"matchExpressions": pod}}
    return {"name": f"{prefix}sidecar-injector.istio.io", **selectors}
