"""What others have on the cluster, and what there is on it at all: looked at before and after."""

from __future__ import annotations

import difflib
import json
from typing import Any

from support.foreign_cluster import ForeignCluster

OBJECTS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a", "labels": {"team": "a"}}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-b"}},
    *(
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": "theirs", "namespace": namespace}, **content}
        for namespace in ("team-a", "team-b", "default")
        for kind, content in (
            ("ConfigMap", {"data": {"a": "b"}}),
            ("Secret", {"stringData": {"a": "b"}}),
            ("ServiceAccount", {}),
        )
    ),
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "theirs", "namespace": "team-a", "labels": {"app": "theirs"}},
        "spec": {
            "selector": {"matchLabels": {"app": "theirs"}},
            "template": {
                "metadata": {"labels": {"app": "theirs"}},
                "spec": {"containers": [{"name": "pause", "image": "localhost/k8s/pause:3.10"}]},
            },
        },
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "theirs", "namespace": "team-a"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "theirs"}, "ports": [{"port": 80}]},
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "theirs"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    },
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    },
]
THING = {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "theirs", "namespace": "default"}}

_KINDS = ",".join(
    (
        *("configmap", "secret", "serviceaccount", "deployment", "replicaset", "pod", "service", "thing"),
        *("clusterrole", "namespace", "customresourcedefinition"),
    )
)
_PASSING = ("events", "endpointslices", "endpoints", "leases", "componentstatuses")


def settle(cluster: ForeignCluster) -> None:
    """Have it all there, with nothing more to happen to it."""
    cluster.apply(*OBJECTS)
    cluster.kubectl("wait", "--for=condition=Established", "crd/things.example.org", "--timeout=60s")
    cluster.apply(THING)
    cluster.kubectl("-n", "team-a", "rollout", "status", "deployment/theirs", "--timeout=120s")
    addressed = "--for=jsonpath={.status.loadBalancer.ingress}"
    cluster.kubectl("-n", "team-a", "wait", "service/theirs", addressed, "--timeout=60s")


def to_the_byte(cluster: ForeignCluster) -> str:
    """Everything that belongs to others, with versions and owners of fields."""
    found = [_written_by_people(obj) for obj in cluster.every(_KINDS) if _is_theirs(obj["metadata"])]
    assert len(found) == len(OBJECTS) + len([THING]) + 2, "and a ReplicaSet and a pod"
    return json.dumps(found, indent=1, sort_keys=True)


def _written_by_people(obj: dict[str, Any]) -> dict[str, Any]:
    """All of it, but for a pod's status, in which the kubelet goes on writing."""
    if obj["kind"] != "Pod":
        return obj
    kept = {key: obj["metadata"][key] for key in ("name", "namespace", "uid", "labels", "generation")}
    return {"kind": "Pod", "metadata": kept, "spec": obj["spec"]}


def difference(before: str, after: str) -> str:
    """As a diff; "" where nothing has changed."""
    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="", n=8))


def _is_theirs(meta: dict[str, Any]) -> bool:
    return meta["name"] in ("theirs", "things.example.org", "team-a", "team-b") or meta["name"].startswith("theirs-")


def everything(cluster: ForeignCluster) -> set[str]:
    """Kind, namespace and name of whatever can be listed, but for what comes and goes by itself."""
    kinds = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    wanted = [kind for kind in kinds if not kind.startswith(_PASSING)]
    listed = cluster.kubectl("get", ",".join(wanted), "-A", "--ignore-not-found", "-o", "json")
    return {
        f"{obj['kind']} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
        for obj in json.loads(listed)["items"]
    }
