"""A cluster with Helm's records in it, and a Helm that keeps them as the real one does."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import yaml
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.fake_runner import FakeRunner
from support.helm_records import record
from support.runs import Heard, context_of

from canarylab.contract.context import Context
from canarylab.contract.stage import Stage
from canarylab.engine import bring_up
from canarylab.engine.outcome import Outcome

UPGRADE = "/programs/helm upgrade gateway /charts/gateway-1.31.0.tgz --install --namespace ns --create-namespace"
_UNINSTALL = "/programs/helm uninstall gateway --namespace ns"


class HelmWorld:
    """Release `gateway` in namespace `ns`: a Deployment, available as soon as Helm made it, and a ServiceAccount."""

    def __init__(self, base: Path, *secrets: dict[str, Any]) -> None:
        self.base = base
        self.cluster = FakeCluster(*secrets)
        self.runner = FakeRunner({UPGRADE: self._upgrade, _UNINSTALL: self._uninstall})
        self.provider = FakeProvider(self.cluster)
        self.provider.charts = {"istio/gateway 1.31.0": Path("/charts/gateway-1.31.0.tgz")}
        self.heard = Heard()

    def context(self, *stages: Stage[Any, Any]) -> Context:
        return context_of(*stages, provider=self.provider, runner=self.runner, base=self.base, emit=self.heard.append)

    def up(self, stage: Stage[Any, Any]) -> Outcome:
        return bring_up.up(self.context(stage), [stage]).outcomes[stage.name]

    def records(self) -> list[dict[str, Any]]:
        return self.cluster.list("v1", "Secret", "ns", {"owner": "helm"})

    def deploy(self, **status: Any) -> None:
        """Have the release's objects there, with what differs from a healthy status."""
        healthy = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
        spec = {"selector": {"matchLabels": {"app": "gateway"}}}
        workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _meta("ns", app="gateway"), "spec": spec}
        self.cluster.apply({**workload, "status": {**healthy, **status}}, manager="helm")
        self.cluster.put_pod("ns", {"app": "gateway"})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta("elsewhere")}
        self.cluster.apply(account, manager="helm")

    def _upgrade(self) -> str:
        words = self.runner.commands[-1].split()
        values: dict[str, Any] = {}
        labels: dict[str, str] = {}
        for option, given in itertools.pairwise(words):
            if option == "--values":
                values |= yaml.safe_load(Path(given).read_text()) or {}
            if option == "--labels":
                key, _, value = given.partition("=")
                labels[key] = value
        secret = record(revision=1 + len(self.records()), config=values)
        secret["metadata"]["labels"] |= labels
        self.cluster.put(secret)
        self.deploy()
        return ""

    def _uninstall(self) -> str:
        for secret in self.cluster.list("v1", "Secret", "ns", {"owner": "helm", "name": "gateway"}):
            self.cluster.delete("v1", "Secret", secret["metadata"]["name"], "ns")
        return ""


def _meta(namespace: str, **labels: str) -> dict[str, Any]:
    return {
        "name": "gateway",
        "namespace": namespace,
        "labels": {**labels, "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "gateway", "meta.helm.sh/release-namespace": "ns"},
    }
