"""From a Service's port to the pod's own, which is what Istio's policies speak of. Pure."""

from __future__ import annotations

from canarylab.kube.objects import Object, listed


def service_port(service: Object, port: int) -> Object | None:
    """The Service's entry for a port, None where it has none of that number."""
    return next((one for one in listed(service, "spec", "ports") if one.get("port") == port), None)


def pod_port(service: Object, port: int, pod: Object) -> int | None:
    """Where the pod listens for what comes to that port of the Service; None where that can't be told."""
    if (entry := service_port(service, port)) is None:
        return None
    target = entry.get("targetPort") or port
    if isinstance(target, int):
        return target
    ports = (each for one in listed(pod, "spec", "containers") for each in listed(one, "ports"))
    return next((each["containerPort"] for each in ports if each.get("name") == target), None)


def known_ports(service: Object) -> str:
    """Those that it has, as numbers."""
    return ", ".join(str(one.get("port")) for one in listed(service, "spec", "ports")) or "none"
