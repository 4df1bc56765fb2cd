"""Pods whose sidecars have certificates of an authority that istiod isn't any more.

Where namespace istio-system is deleted and brought back, istiod makes itself a new root (istio/istio,
security/pkg/pki/ca/ca.go, Secret istio-ca-secret), and hands it out in the ConfigMaps istio-ca-root-cert. Proxies that
run keep the certificates that they have: half a day may go by before they ask for others. Until then they and new ones
refuse each other.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canarylab.errors import CanarylabError
from canarylab.kube.client import ApiError
from canarylab.kube.forward import PodPort
from canarylab.kube.objects import Object, container_statuses, dig, is_terminating, listed
from canarylab.rollouts.causes.mesh.settings import SYSTEM
from canarylab.rollouts.routes.envoy import ADMIN_PORT

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

STILL_HAVE = "still have certificates of the authority before istiod's present one"

_PROXY = "istio-proxy"
_CERTIFICATES = "/certs"
_ROOT_MAP, _ROOT_KEY = "istio-ca-root-cert", "root-cert.pem"
_SECRETS = (("cacerts", "root-cert.pem"), ("istio-ca-secret", "ca-cert.pem"))
"""Where istiod has its root from: plugged in by somebody, or made by itself. The first there is counts."""


@dataclass(frozen=True)
class Authority:
    """The serial numbers of the root certificates that count now, and since when they do, as the API writes times."""

    serials: frozenset[str]
    since: str


def outdated(cluster: Cluster, pods: Iterable[Object]) -> list[Object]:
    """Of the pods those with a proxy that has none of the present roots.

    Only a proxy that began before the present authority did is asked what it has, over its admin interface: where all
    is well none is. One that can't be asked isn't counted.
    """
    found: dict[str, Authority | None] = {}
    old = []
    for pod in pods:
        began, namespace = _began(pod), pod["metadata"]["namespace"]
        if not began or is_terminating(pod):
            continue
        if namespace not in found:
            found[namespace] = _authority(cluster, namespace)
        present = found[namespace]
        if present and present.serials and began < present.since and _has_others(cluster, pod, present):
            old.append(pod)
    return old


def _began(pod: Object) -> str:
    """When its proxy was started; "" where it has none, or it doesn't run."""
    proxy = next((one for one in container_statuses(pod) if one.get("name") == _PROXY), None)
    return str(dig(proxy, "state", "running", "startedAt") or "")


def _authority(cluster: Cluster, namespace: str) -> Authority | None:
    """By istiod's own secret; where that may not be read, by what it handed out to the namespace."""
    try:
        for name, key in _SECRETS:
            if (secret := cluster.get("v1", "Secret", name, SYSTEM)) is not None:
                pem = base64.b64decode(dig(secret, "data", key) or "").decode(errors="replace")
                return Authority(_serials(pem), str(dig(secret, "metadata", "creationTimestamp") or ""))
    except ApiError:
        pass
    try:
        handed = cluster.get("v1", "ConfigMap", _ROOT_MAP, namespace)
    except ApiError:
        return None
    return Authority(_serials(dig(handed, "data", _ROOT_KEY) or ""), _written_at(handed)) if handed else None


def _written_at(config: Object) -> str:
    """When istiod last wrote the root into it, by the API server's own note."""
    writers = (one for one in listed(config, "metadata", "managedFields") if dig(one, "fieldsV1", "f:data") is not None)
    return max((str(one.get("time") or "") for one in writers), default="")


def _serials(pem: str) -> frozenset[str]:
    """The serial numbers of the certificates in a text, as Envoy writes them: hexadecimal, in lower case."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        return frozenset()
    return frozenset(_number(str(one.get("serialNumber", ""))) for one in context.get_ca_certs())


def _number(serial: str) -> str:
    return serial.lower().lstrip("0")


def _has_others(cluster: Cluster, pod: Object, present: Authority) -> bool:
    """Whether its proxy trusts roots, and none of them is a present one."""
    meta = pod["metadata"]
    try:
        with PodPort(cluster, meta["namespace"], meta["name"], ADMIN_PORT) as port:
            trusted = roots(port.json(_CERTIFICATES))
    except CanarylabError:
        return False
    return bool(trusted) and not trusted & present.serials


def roots(certificates: Any) -> set[str]:
    """The serial numbers of the roots that a proxy trusts, from what Envoy's /certs says. Pure.

    https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/certs.proto
    """
    found = (root for one in listed(certificates, "certificates") for root in listed(one, "ca_cert"))
    return {_number(str(root["serial_number"])) for root in found if root.get("serial_number")}
