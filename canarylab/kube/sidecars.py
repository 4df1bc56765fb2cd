"""Istio's sidecar in a pod: whether it is there, and whether it was to be. Pure.

As istio/istio decides it: pkg/kube/inject/inject.go and the namespace selectors of its webhook.
"""

from __future__ import annotations

from canarylab.kube.injectors import CHOICE, LABEL, REVISION
from canarylab.kube.objects import Object

_INJECTED = "sidecar.istio.io/status"
"""The annotation that the injector leaves on every pod that it changed."""


def is_injected(pod: Object) -> bool:
    """Whether the pod has a sidecar."""
    return _INJECTED in (pod["metadata"].get("annotations") or {})


def is_exempt(pod: Object) -> bool:
    """Whether the pod itself keeps the sidecar out."""
    meta = pod["metadata"]
    choice = (meta.get("labels") or {}).get(CHOICE) or (meta.get("annotations") or {}).get(CHOICE)
    return choice == "false" or bool(pod["spec"].get("hostNetwork"))


def are_asked_for(namespace: Object) -> bool:
    """Whether new pods of the namespace get one."""
    labels = namespace.get("metadata", {}).get("labels") or {}
    return labels.get(LABEL) == "enabled" or (LABEL not in labels and REVISION in labels)


def too_early(namespace: Object, pod: Object) -> str:
    """Why a pod has none although its namespace asks for them now: what is known of who came first."""
    began = pod["metadata"].get("creationTimestamp")
    for entry in namespace["metadata"].get("managedFields") or ():
        labels = (entry.get("fieldsV1") or {}).get("f:metadata", {}).get("f:labels", {})
        if f"f:{LABEL}" in labels and str(entry.get("time")) > str(began):
            return f"it began at {began}, and its namespace got the label {LABEL} only at {entry['time']}"
    return (
        f"its namespace asks for one, but when the pod began, at {began}, most likely the label wasn't there yet, or "
        "istiod didn't answer"
    )
