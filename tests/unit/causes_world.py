"""A Rollout `web` in namespace `shop` that stands still, and what else the cluster has, for the tests of causes."""

from __future__ import annotations

from typing import Any

from support.fake_cluster import FakeCluster
from support.runs import context_of

from canarylab.contract.context import Context
from canarylab.rollouts.view import RolloutView, read_rollout

ARGO = "argoproj.io/v1alpha1"
ISTIO = "networking.istio.io/v1"
SECURITY = "security.istio.io/v1"
KINDS = [
    (ARGO, "Rollout"),
    (ARGO, "AnalysisRun"),
    ("v1", "ResourceQuota"),
    (ISTIO, "VirtualService"),
    (ISTIO, "DestinationRule"),
    (ISTIO, "Gateway"),
    (SECURITY, "PeerAuthentication"),
    (SECURITY, "AuthorizationPolicy"),
    (SECURITY, "RequestAuthentication"),
]
SIDECAR = {"sidecar.istio.io/status": "{}"}

Object = dict[str, Any]


class CausesWorld:
    """Revision 2 is being rolled out: its ReplicaSet is there, and has as many pods as are put."""

    def __init__(self) -> None:
        self.cluster = FakeCluster(kinds=KINDS)
        self.ctx: Context = context_of(cluster=self.cluster)
        self.put("v1", "Namespace", "shop")
        self.rollout = self.put(
            ARGO,
            "Rollout",
            "web",
            spec={
                "replicas": 1,
                "selector": {"matchLabels": {"app": "web"}},
                "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}},
            },
            status={
                "phase": "Progressing",
                "message": "waiting for rollout to unpause",
                "observedGeneration": "1",
                "currentPodHash": "two",
                "stableRS": "one",
                "currentStepIndex": 1,
                "conditions": [{"type": "Progressing", "lastUpdateTime": "2026-01-01T10:00:00Z"}],
            },
            uid="ro",
            generation=1,
        )
        for number, name in ((1, "one"), (2, "two")):
            self.put(
                "apps/v1",
                "ReplicaSet",
                f"web-{name}",
                spec={"replicas": 1, "template": {"spec": {"containers": [{"name": "web", "image": f"web:{number}"}]}}},
                status={"availableReplicas": 2 - number},
                uid=f"rs-{name}",
                labels={"app": "web", "rollouts-pod-template-hash": name},
                annotations={"rollout.argoproj.io/revision": str(number)},
                ownerReferences=[{"uid": "ro"}],
            )
        self.pod("web-one-x", owner="rs-one", labels={"app": "web", "rollouts-pod-template-hash": "one"})

    def put(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str = "shop",
        *,
        spec: Any = None,
        status: Any = None,
        more: Any = None,
        **meta: Any,
    ) -> Object:
        where = {} if kind == "Namespace" else {"namespace": namespace}
        obj = {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, **where, "labels": {}, **meta},
            "spec": spec or {},
            "status": status or {},
            **(more or {}),
        }
        self.cluster.put(obj)
        return obj

    def pod(self, name: str, namespace: str = "shop", *, owner: str = "", ready: bool = True, **meta: Any) -> Object:
        owners = {"ownerReferences": [{"uid": owner}]} if owner else {}
        ports = [{"name": "http", "containerPort": 8080}]
        return self.put(
            "v1",
            "Pod",
            name,
            namespace,
            spec={"serviceAccountName": "default", "containers": [{"name": "web", "image": "web:1", "ports": ports}]},
            status={"podIP": "10.1.0.1", "conditions": [{"type": "Ready", "status": str(ready)}]},
            **owners,
            **meta,
        )

    def event(self, kind: str, name: str, reason: str, message: str, *, time: str = "", type_: str = "Warning") -> None:
        count = len(self.cluster.objects)
        self.put(
            "v1",
            "Event",
            f"event-{count}",
            more={
                "involvedObject": {"kind": kind, "name": name},
                "type": type_,
                "reason": reason,
                "message": message,
                "lastTimestamp": time or "2026-01-01T10:05:00Z",
            },
        )

    def refused(self, message: str) -> None:
        """The new ReplicaSet gets no pod."""
        self.event("ReplicaSet", "web-two", "FailedCreate", message)

    @property
    def view(self) -> RolloutView:
        return read_rollout(self.ctx, "shop", "web")
