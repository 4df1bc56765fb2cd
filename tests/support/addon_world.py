"""A minikube that keeps its addons as the real one does: as a switch, and as what comes of it in the cluster."""

from __future__ import annotations

import json

from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.fake_runner import FakeRunner

_MINIKUBE = "minikube -p unit-test addons"
LIST = f"{_MINIKUBE} list -o json"


class AddonWorld:
    """One addon, from which one Deployment comes, NAMESPACE/NAME, available as soon as the addon is enabled.

    `rest` are others that this minikube knows, disabled.
    """

    def __init__(self, addon: str, deployment: str, rest: tuple[str, ...] = ("dashboard",)) -> None:
        self.addon, self._rest = addon, rest
        self._namespace, self._name = deployment.split("/")
        self.enabled = False
        self.cluster = FakeCluster()
        self.provider = FakeProvider(self.cluster)
        self.provider.name = "minikube"  # type: ignore[misc]  # of this one object
        self.enable, self.disable = (f"{_MINIKUBE} {verb} {addon}" for verb in ("enable", "disable"))
        self.runner = FakeRunner({LIST: self._list, self.enable: self.switch_on, self.disable: self.switch_off})

    def _list(self) -> str:
        states = dict.fromkeys(self._rest, False) | {self.addon: self.enabled}
        status = {True: "enabled", False: "disabled"}
        return json.dumps({name: {"Profile": "unit-test", "Status": status[on]} for name, on in states.items()})

    def switch_on(self) -> str:
        """As `minikube addons enable` does, whoever calls it."""
        self.enabled = True
        meta = {"name": self._name, "namespace": self._namespace}
        spec = {"selector": {"matchLabels": {"app": self._name}}}
        status = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        self.cluster.put(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec, "status": status}
        )
        self.cluster.put_pod(self._namespace, {"app": self._name})
        return f"* The '{self.addon}' addon is enabled\n"

    def switch_off(self) -> str:
        self.enabled = False
        self.lose_deployment()
        return f"* \"The '{self.addon}' addon is disabled\n"

    def lose_deployment(self) -> None:
        """As if somebody had deleted it."""
        self.cluster.objects.pop(("apps/v1", "Deployment", self._namespace, self._name), None)
