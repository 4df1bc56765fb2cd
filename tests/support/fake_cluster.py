"""A cluster's API in memory, with the merging and the field owners of server-side apply."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from canarylab.cancel import Cancel
from canarylab.kube.client import ApiError, Resource, UnknownKindError
from canarylab.kube.watch import Watch

Key = tuple[str, str, str, str]
Object = dict[str, Any]

_BUILT_IN = {
    ("v1", "Namespace"),
    ("v1", "Node"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "Pod"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "Job"),
    ("v1", "Event"),
    ("coordination.k8s.io/v1", "Lease"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
}
_CLUSTER_WIDE = {
    "Namespace",
    "Node",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingWebhookConfiguration",
}


class FakeCluster:
    """Stands in for `canarylab.kube.client.Cluster`.

    Maps are merged, lists replaced; what a manager applied before and no longer names goes, unless another manager
    names it. A namespace is active at once; a kind is known once its CustomResourceDefinition was applied. `writes`
    has every write that was no dry run, in order. Each call of `wait` lets the next of `pending` happen until its
    check is content.
    """

    kubeconfig = Path("/state/kubeconfig")
    context = "unit-test"

    def __init__(self, *objects: Object, kinds: Sequence[tuple[str, str]] = ()) -> None:
        self.objects: dict[Key, Object] = {}
        self.kinds = {*_BUILT_IN, *kinds}
        self._cluster_wide = set(_CLUSTER_WIDE)
        self.writes: list[str] = []
        self.dry_runs: list[str] = []
        self.watched: list[Watch] = []
        self.pending: deque[Callable[[], None]] = deque()
        self.unready: str | None = None
        self.kubernetes = (1, 36)
        self.forbidden: set[str] = set()
        """What this user may not, as `verb plural`."""
        self.refused: dict[str, ApiError] = {}
        """Errors by `verb Kind name`, for the next request of that kind."""
        self._applied: dict[Key, dict[str, Object]] = {}
        for obj in objects:
            self.put(obj)

    def put(self, obj: Object) -> None:
        """Have an object there, as somebody else made it."""
        meta = obj["metadata"]
        self.objects[self._key(obj["apiVersion"], obj["kind"], meta["name"], meta.get("namespace"))] = obj

    def put_pod(self, namespace: str, labels: Mapping[str, str], *, ready: bool = True, **status: Any) -> None:
        """Have a pod there, as the kubelet tells of it."""
        meta = {"name": f"{namespace}-pod", "namespace": namespace, "labels": dict(labels)}
        conditions = [{"type": "Ready", "status": str(ready)}]
        self.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "status": {"conditions": conditions, **status}})

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        self._refuse("get", kind, name)
        key = self._key(api_version, kind, name, namespace)
        return copy.deepcopy(self._held(api_version, kind).get(key))

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[Object]:
        self._refuse("list", kind, "")
        self._key(api_version, kind, "", namespace)
        return [
            copy.deepcopy(obj)
            for key, obj in self._held(api_version, kind).items()
            if namespace in (None, key[2])
            and (labels or {}).items() <= obj["metadata"].get("labels", {}).items()
            and all(_field(obj, path) == value for path, value in (fields or {}).items())
        ]

    def _held(self, api_version: str, kind: str) -> dict[Key, Object]:
        """All there is of a kind. Worlds whose objects follow from something else make them here."""
        return {key: obj for key, obj in self.objects.items() if key[:2] == (api_version, kind)}

    def resource(self, api_version: str, kind: str) -> Resource:
        self._key(api_version, kind, "", None)
        return Resource(api_version, f"{kind.lower()}s", kind not in self._cluster_wide)

    def namespaced_kinds(self) -> list[tuple[str, str]]:  # type: ignore[valid-type]
        return sorted(kind for kind in self.kinds if kind[1] not in self._cluster_wide)

    def ready(self, timeout: float = 15.0) -> str | None:  # noqa: ARG002
        return self.unready

    def answers(self, timeout: float) -> bool:  # noqa: ARG002
        return self.unready is None

    def version(self) -> tuple[int, int]:
        return self.kubernetes

    def may(self, verb: str, group: str, plural: str, namespace: str | None = None) -> bool:  # noqa: ARG002
        return f"{verb} {plural}" not in self.forbidden

    def apply(self, body: Mapping[str, Any], *, dry_run: bool = False, manager: str = "canarylab") -> Object:
        meta = body["metadata"]
        self._refuse("apply", body["kind"], meta["name"])
        key = self._key(body["apiVersion"], body["kind"], meta["name"], meta.get("namespace"))
        by_manager = self._applied.get(key, {})
        wanted = copy.deepcopy(dict(body))
        kept = _without(self.objects.get(key, {}), by_manager.get(manager, {}), wanted)
        for other, applied in by_manager.items():
            if other != manager:
                kept = _merged(applied, kept)
        result = _merged(kept, wanted)
        if body["kind"] == "Namespace":
            result.setdefault("status", {"phase": "Active"})
        if dry_run:
            self.dry_runs.append(f"{body['kind']} {meta['name']}")
            return result
        self.objects[key] = result
        self._applied[key] = {**by_manager, manager: wanted}
        self.writes.append(f"apply {body['kind']} {meta['name']} as {manager}")
        self._define(wanted)
        return copy.deepcopy(result)

    def patch(self, api_version: str, kind: str, name: str, body: Object, namespace: str | None = None) -> Object:
        """As a merge patch whose values replace those of maps; null isn't needed so far."""
        key = self._key(api_version, kind, name, namespace)
        self.objects[key] = _merged(self.objects[key], copy.deepcopy(body))
        self.writes.append(f"patch {kind} {name}")
        return copy.deepcopy(self.objects[key])

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        self._refuse("delete", kind, name)
        key = self._key(api_version, kind, name, namespace)
        self._applied.pop(key, None)
        self.writes.append(f"delete {kind} {name}")
        return self.objects.pop(key, None) is not None

    def wait(
        self, watches: Sequence[Watch], check: Callable[[], str | None], *, deadline: float, cancel: Cancel
    ) -> str | None:
        self.watched += watches
        reason = check()
        while reason is not None and self.pending and time.monotonic() < deadline:
            cancel.check()
            self.pending.popleft()()
            reason = check()
        return reason

    def _key(self, api_version: str, kind: str, name: str, namespace: str | None) -> Key:
        if (api_version, kind) not in self.kinds:
            raise UnknownKindError(f"the cluster has no kind {kind} in {api_version}")
        return (api_version, kind, "" if kind in self._cluster_wide else namespace or "", name)

    def _refuse(self, verb: str, kind: str, name: str) -> None:
        if error := self.refused.pop(f"{verb} {kind} {name}".rstrip(), None):
            raise error

    def _define(self, body: Object) -> None:
        if body["kind"] == "CustomResourceDefinition":
            spec = body["spec"]
            self.kinds |= {(f"{spec['group']}/{one['name']}", spec["names"]["kind"]) for one in spec["versions"]}
            if spec.get("scope") == "Cluster":
                self._cluster_wide.add(spec["names"]["kind"])


def _field(obj: Any, path: str) -> Any:
    for name in path.split("."):
        obj = obj.get(name, {})
    return obj


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Object:
    result = copy.deepcopy(dict(below))
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else copy.deepcopy(value)
    return result


def _without(live: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> Object:
    """`live` less what `before` names and `after` doesn't."""
    result = copy.deepcopy(dict(live))
    for key, value in before.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = _without(result[key], value, after.get(key) or {})
        elif key not in after:
            result.pop(key, None)
    return result
