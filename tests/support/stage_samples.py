"""For every kind of stage one stage of that kind, in a world in which it can come up. A new kind needs one here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from support.addon_world import LIST, AddonWorld
from support.argo_world import ArgoWorld
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.fake_runner import FakeRunner
from support.helm_world import HelmWorld
from support.oci_archives import AMD64, archive, elf
from support.runs import context_of

from canarylab.contract.context import Context
from canarylab.contract.stage import Stage
from canarylab.images.image import SOURCE_LABEL, source_digest
from canarylab.paths import cache_home
from canarylab.playbook.extensions import Extensions

_CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
_ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "argo-rollouts"}}
_IMAGE = "localhost/argoproj/rollouts-demo:blue"


@dataclass
class Sample:
    """A stage, what it runs on, and the options that a playbook would write."""

    options: dict[str, Any]
    provider: FakeProvider
    runner: FakeRunner
    base: Path
    reads: tuple[str, ...] = ()
    """The commands that only read, and so may be run by whoever observes."""

    def stage(self, cls: type[Stage[Any, Any]]) -> Stage[Any, Any]:
        return cls("gateway", cls.Options.model_validate(self.options), base=self.base)

    def context(self, stage: Stage[Any, Any]) -> Context:
        return context_of(stage, provider=self.provider, runner=self.runner, base=self.base)

    def without_cluster(self, stage: Stage[Any, Any]) -> Context:
        self.provider.there = None
        return self.context(stage)


def _plain(base: Path, **options: Any) -> Sample:
    return Sample(options, FakeProvider(FakeCluster()), FakeRunner(), base)


def _helm_release(base: Path) -> Sample:
    (base / "values.yaml").write_text("a: 1")
    world = HelmWorld(base)
    options = {"chart": "istio/gateway", "version": "1.31.0", "namespace": "ns", "values": "values.yaml"}
    return Sample(options, world.provider, world.runner, base)


def _image(base: Path) -> Sample:
    """Its archive is in the cache already."""
    folder = base / "app"
    folder.mkdir()
    (folder / "Containerfile").write_text("FROM scratch")
    digest = source_digest(folder, {})
    cached = cache_home() / "images" / folder.name / f"{digest[:16]}-amd64.tar"
    cached.parent.mkdir(parents=True)
    archive(cached, {"server": elf(AMD64)}, entrypoint=["/server"], labels={SOURCE_LABEL: digest})
    return _plain(base, path="app", image=_IMAGE)


def _minikube_addon(base: Path) -> Sample:
    world = AddonWorld("ingress", "ingress-nginx/controller")
    options = {"addon": "ingress", "deployments": ["ingress-nginx/controller"]}
    return Sample(options, world.provider, world.runner, base, reads=(LIST,))


def _manifests(base: Path) -> Sample:
    (base / "manifests").mkdir()
    (base / "manifests" / "settings.yaml").write_text(yaml.safe_dump(_CONFIG_MAP))
    return _plain(base, path="manifests")


def _argo_rollouts(base: Path) -> Sample:
    sample = _plain(base, version="1.10.1")
    sample.provider.manifest = base / "install.json"
    sample.provider.manifest.write_text(json.dumps([_ACCOUNT]))
    return sample


def _gateway_api(base: Path) -> Sample:
    sample = _plain(base, version="1.6.0")
    sample.provider.definitions = base / "gateway-api.json"
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "httproutes.gateway.networking.k8s.io"},
        "spec": {
            "group": "gateway.networking.k8s.io",
            "names": {"kind": "HTTPRoute"},
            "versions": [{"name": "v1", "served": True}],
        },
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    }
    sample.provider.definitions.write_text(json.dumps([definition]))
    return sample


def _traffic_router_plugin(base: Path) -> Sample:
    options = {"plugin": "argoproj-labs/gatewayAPI", "version": "0.17.0"}
    return Sample(options, FakeProvider(ArgoWorld()), FakeRunner(), base)


SAMPLES: dict[str, Callable[[Path], Sample]] = {
    "argo-rollouts": _argo_rollouts,
    "gateway-api": _gateway_api,
    "helm-release": _helm_release,
    "image": _image,
    "manifests": _manifests,
    "minikube-addon": _minikube_addon,
    "namespace": lambda base: _plain(base, namespace="extra", labels={"istio-injection": "enabled"}),
    "traffic-router-plugin": _traffic_router_plugin,
    "tunnel": _plain,
}
KINDS = Extensions.discovered().stages
