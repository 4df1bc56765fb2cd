"""The webhooks by which Istio puts sidecars into pods: which namespaces and pods they are for. Pure.

As istio/istio makes them: manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml, and
revision-tags-mwc.yaml for tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from canarylab.kube.objects import Object, dig, labels_of, listed

API_VERSION, KIND = "admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"
REVISION, LABEL, CHOICE = "istio.io/rev", "istio-injection", "sidecar.istio.io/inject"
_INJECTOR = "sidecar-injector.istio.io"
"""What the names of the webhooks end with."""


def injectors(configurations: Iterable[Object]) -> list[Object]:
    """The webhooks of these configurations that inject sidecars."""
    hooks = (hook for each in configurations for hook in listed(each, "webhooks"))
    return [hook for hook in hooks if str(dig(hook, "name")).endswith(_INJECTOR)]


def are_for(webhooks: Iterable[Object], namespace: Object, pod: Object) -> bool:
    """Whether one of them is asked when such a pod begins."""
    selected = (("namespaceSelector", labels_of(namespace)), ("objectSelector", labels_of(pod)))
    return any(all(_matches(dig(hook, key), labels) for key, labels in selected) for hook in webhooks)


def revisions(webhooks: Iterable[Object]) -> list[str]:
    """The revisions of Istio, and tags of them, that a label `istio.io/rev` may name."""
    selectors = (dig(hook, key) for hook in webhooks for key in ("namespaceSelector", "objectSelector"))
    asked = (one for each in selectors for one in listed(each, "matchExpressions") if dig(one, "key") == REVISION)
    return sorted({str(value) for one in asked if dig(one, "operator") == "In" for value in listed(one, "values")})


def asked_by(namespace: Object, pod: Object) -> str:
    """The label by which a sidecar is asked for: the namespace's, else the pod's own."""
    of_namespace, of_pod = labels_of(namespace), labels_of(pod)
    for labels, key in ((of_namespace, LABEL), (of_namespace, REVISION), (of_pod, REVISION), (of_pod, CHOICE)):
        if key in labels:
            return f"{key}={labels[key]}"
    return "no label"


def _matches(selector: Any, labels: Mapping[str, str]) -> bool:
    """A LabelSelector as Kubernetes reads it; an empty one, or none, is for everything."""
    wanted = dig(selector, "matchLabels") or {}
    return wanted.items() <= labels.items() and all(_holds(one, labels) for one in listed(selector, "matchExpressions"))


def _holds(expression: Any, labels: Mapping[str, str]) -> bool:
    """An object without the label isn't in a list of values (apimachinery, pkg/labels/selector.go)."""
    key, values = dig(expression, "key"), listed(expression, "values")
    return {
        "In": key in labels and labels[key] in values,
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(dig(expression, "operator")), False)
