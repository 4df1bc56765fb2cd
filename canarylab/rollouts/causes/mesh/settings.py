"""What holds for the whole mesh, and which of its policies are for a pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from canarylab.kube.client import is_served
from canarylab.kube.objects import Object, dig, labels_of, listed
from canarylab.kube.workloads import GATEWAY_NAME
from canarylab.yamlfile.kubernetes_yaml import load_yaml

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

SYSTEM = "istio-system"
SECURITY = "security.istio.io/v1"
_CONFIG = "istio"


@dataclass(frozen=True)
class Mesh:
    """`root` is the namespace whose policies are for all of the mesh, `trust_domain` how identities begin."""

    root: str = SYSTEM
    trust_domain: str = "cluster.local"

    def identity(self, pod: Object) -> str:
        """Who a pod is to others by mutual TLS, without spiffe://."""
        namespace, account = pod["metadata"]["namespace"], dig(pod, "spec", "serviceAccountName") or "default"
        return f"{self.trust_domain}/ns/{namespace}/sa/{account}"


def mesh_of(cluster: Cluster) -> Mesh:
    """By istiod's ConfigMap; what it doesn't say is as Istio has it (istio/istio, pkg/config/mesh/mesh.go)."""
    try:
        found = load_yaml(dig(cluster.get("v1", "ConfigMap", _CONFIG, SYSTEM), "data", "mesh") or "")
    except yaml.YAMLError:
        found = None
    said: Mapping[str, str] = found if isinstance(found, dict) else {}
    return Mesh(said.get("rootNamespace") or SYSTEM, said.get("trustDomain") or "cluster.local")


def policies(cluster: Cluster, kind: str, mesh: Mesh, namespace: str) -> list[Object]:
    """All of a kind that may be for pods of a namespace, the oldest first; none where the cluster has no such kind."""
    if not is_served(cluster, SECURITY, kind):
        return []
    found = [one for place in dict.fromkeys((mesh.root, namespace)) for one in cluster.list(SECURITY, kind, place)]
    return sorted(found, key=lambda one: str(dig(one, "metadata", "creationTimestamp") or ""))


def attached(policy: Object, pod: Object) -> bool:
    """Whether a policy of the pod's namespace, or of the root namespace, is for this pod.

    Source: istio/istio, pilot/pkg/model/policyattachment.go, ShouldAttachPolicy; waypoints are left out.
    """
    targets = _targets(policy)
    if not targets:
        return _selects(policy, pod)
    gateway = labels_of(pod).get(GATEWAY_NAME)
    same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return same and any(one.get("kind") == "Gateway" and one.get("name") == gateway for one in targets)


def _targets(policy: Object) -> Iterable[Object]:
    legacy = dig(policy, "spec", "targetRef")
    return listed(policy, "spec", "targetRefs") or ([legacy] if legacy else [])


def selector_of(policy: Object) -> Mapping[str, str]:
    """The labels that it selects pods by; {} where it is for all of them."""
    return dig(policy, "spec", "selector", "matchLabels") or {}


def _selects(policy: Object, pod: Object) -> bool:
    return selector_of(policy).items() <= labels_of(pod).items()


def named(policy: Object) -> str:
    """As a person finds it."""
    meta = policy["metadata"]
    return f"{policy['kind']} {meta['namespace']}/{meta['name']}"
