"""A cluster in memory in which Argo's controller starts anew when its pod template changes, as a real one's does."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from support.fake_cluster import FakeCluster, Object

from canarylab.kube.objects import OWNER_LABEL
from canarylab.stages.plugin_config import CONFIG_MAP, KEY
from canarylab.stages.rollouts_controller import CONFIGURED_AT, LABELS, NAME

NAMESPACE = "argo-rollouts"
DEPLOYMENT = ("apps/v1", "Deployment", NAMESPACE, NAME)
CONFIG = ("v1", "ConfigMap", NAMESPACE, CONFIG_MAP)
LEASE = ("coordination.k8s.io/v1", "Lease", NAMESPACE, "argo-rollouts-controller-lock")
HEALTHY = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


class ArgoWorld(FakeCluster):
    """It has the objects of the stage `argo-rollouts` that others have their part in, of profile unit-test."""

    def __init__(self, owner: str = "unit-test") -> None:
        super().__init__()
        self.starts = 0
        self.fatal = ""
        """What a controller says that can't load its plugins; "" where it can."""
        self._clock = 0
        self.put(_object("v1", "ConfigMap", CONFIG_MAP, owner))
        self.put(_object("apps/v1", "Deployment", NAME, owner, spec=_spec(), status=HEALTHY))
        self._start({})

    @property
    def plugins(self) -> str | None:
        """The configuration as it is."""
        found: str | None = (self.objects[CONFIG].get("data") or {}).get(KEY)
        return found

    @property
    def told(self) -> str | None:
        """What the controller's pods are told."""
        template: Object = self.objects[DEPLOYMENT]["spec"]["template"]
        found: str | None = template["metadata"].get("annotations", {}).get(CONFIGURED_AT)
        return found

    def write(self, text: str | None, manager: str) -> None:
        """Have somebody write the configuration."""
        config = self.objects[CONFIG]
        config["data"] = {KEY: text} if text is not None else {}
        self._clock += 1
        field = {
            "manager": manager,
            "time": f"2026-01-01T00:00:{self._clock:02}Z",
            "fieldsV1": {"f:data": {f"f:{KEY}": {}}},
        }
        config["metadata"]["managedFields"] = [field] if text is not None else []

    def apply(self, body: Mapping[str, Any], *, dry_run: bool = False, manager: str = "canarylab") -> Object:
        body = _without_containers(body)
        if dry_run or body["kind"] not in ("ConfigMap", "Deployment"):
            return super().apply(body, dry_run=dry_run, manager=manager)
        before = (self.plugins, self.told)
        super().apply(body, manager=manager)
        if self.plugins != before[0]:
            self.write(self.plugins, manager)
        if self.told != before[1]:
            self._start({CONFIGURED_AT: self.told} if self.told else {})
        meta = body["metadata"]
        return self.objects[(body["apiVersion"], body["kind"], meta["namespace"], meta["name"])]

    def patch(self, api_version: str, kind: str, name: str, body: Object, namespace: str | None = None) -> Object:
        assert (api_version, kind, namespace, name) == CONFIG
        self.writes.append(f"patch {kind} {name}")
        self.write(body["data"][KEY], "canarylab")
        return self.objects[CONFIG]

    def lead(self, pod: str) -> None:
        self.objects[LEASE] = {
            **_object("coordination.k8s.io/v1", "Lease", LEASE[3], ""),
            "spec": {"holderIdentity": f"{pod}_a-uuid"},
        }

    def _start(self, annotations: Mapping[str, str]) -> None:
        """A new pod; the former one stays where this one doesn't get ready."""
        self.starts += 1
        name, fails = f"{NAME}-{self.starts}", bool(annotations) and self.fatal
        if not fails:
            self.objects = {key: obj for key, obj in self.objects.items() if key[1] != "Pod"}
            self.lead(name)
        said = {"exitCode": 1, "message": self.fatal}
        container = {
            "ready": not fails,
            "restartCount": 2 if fails else 0,
            "lastState": {"terminated": said} if fails else {},
        }
        status = {
            "conditions": [{"type": "Ready", "status": str(not fails)}],
            "containerStatuses": [{"state": {}, "name": NAME, **container}],
        }
        pod = _object("v1", "Pod", name, "", status=status)
        pod["metadata"] |= {"labels": dict(LABELS), "annotations": dict(annotations)}
        self.put(pod)
        self.objects[DEPLOYMENT]["status"] = {**HEALTHY, "replicas": 2} if fails else HEALTHY


def _object(api_version: str, kind: str, name: str, owner: str, **rest: Any) -> Object:
    labels = {**LABELS, **({OWNER_LABEL: owner} if owner else {})}
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        **copy.deepcopy(rest),
    }


def _spec() -> Object:
    container = {"name": NAME, "image": "quay.io/argoproj/argo-rollouts:v1.10.1"}
    template = {"metadata": {"labels": dict(LABELS)}, "spec": {"containers": [container]}}
    return {"replicas": 1, "selector": {"matchLabels": dict(LABELS)}, "template": template}


def _without_containers(body: Mapping[str, Any]) -> Object:
    """A real API server merges containers by their name; here they would be replaced."""
    kept = copy.deepcopy(dict(body))
    if kept["kind"] == "Deployment" and "spec" in kept:
        del kept["spec"]["template"]["spec"]
    return kept
