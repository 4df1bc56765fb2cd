"""Small kinds of stages and steps, and a playbook that uses them, for the tests of the loader."""

# ruff: noqa: ARG002 - the contract gives what these stages have no use for

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from support.fake_provider import FakeProvider

from canarylab.contract.provider import Provider
from canarylab.contract.stage import Stage, StageOptions
from canarylab.contract.step import Step, StepOptions
from canarylab.playbook.extensions import Extensions


class Inert(Stage[Any, None]):
    """A stage that is up to date and healthy whatever happens."""

    kind = "inert"
    Options = StageOptions

    def observe(self, ctx):
        return None

    def changes(self, observed):
        return []

    def apply(self, ctx, observed):
        pass

    def health(self, ctx):
        return None

    def remove(self, ctx):
        return []


class HelmOptions(StageOptions):
    chart: str = Field(description="repository/name of the chart")
    version: str
    namespace: str = "default"
    values: dict[str, Any] = Field({})
    port: int | str = 80


class Helm(Inert):
    kind = "helm-release"
    Options = HelmOptions
    default_deadline = 420.0
    default_retries = 3


class Label(BaseModel):
    model_config = ConfigDict(extra="forbid")

    key: str
    value: str = "enabled"


class NamespaceOptions(StageOptions):
    labels: list[Label] = Field([])
    strict: bool = False

    @model_validator(mode="after")
    def _strict_needs_labels(self):
        if self.strict and not self.labels:
            raise ValueError("strict says nothing without labels")
        return self


class Namespace(Inert):
    kind = "namespace"
    Options = NamespaceOptions


class Image(Inert):
    kind = "image"


class SetImageOptions(StepOptions):
    rollout: str
    image: str
    settle_seconds: int = 0


class SetImage(Step):
    kind = "set-image"
    Options = SetImageOptions

    def run(self, ctx, session):
        pass


class Promote(SetImage):
    kind = "promote"
    Options = StepOptions


EXTENSIONS = Extensions(
    stages={cls.kind: cls for cls in (Inert, Helm, Namespace, Image)},
    steps={cls.kind: cls for cls in (SetImage, Promote)},
    providers={"embedded": Provider, "minikube": Provider},  # type: ignore[type-abstract]
)


def infrastructure() -> FakeProvider:
    """A provider with what is put under a playbook: programs, machine, cluster, each on the last."""
    options, provider = StageOptions(), FakeProvider()
    provider.needs = ("machine",)
    provider.below = (
        Helm("programs", options),
        Inert("machine", options, ("programs",)),
        Inert("cluster", options, ("machine",)),
    )
    return provider


VALID = """\
# yaml-language-server: $schema=playbook.schema.json
name: istio-canary
description: a canary of 5 % behind Istio
cluster: {profile: argo-istio-canary, memory: 8192mb, cpus: 4, driver: qemu, network: socket_vmnet}
stages:
  istio-base: {kind: helm-release, chart: istio/base, version: 1.31.0, namespace: istio-system}
  istiod:
    kind: helm-release
    chart: istio/istiod
    version: "1.31"
    needs: [istio-base]
    deadline: 3m
    retries: 0
    values:
      pilot: {env: {A: "true"}, replicas: 2, ratio: 0.5, off: null}
  injection: {kind: namespace, labels: [{key: istio-injection}], needs: [istiod]}
  image-blue: {kind: image}
demo:
  - set-image: {rollout: rollouts-demo, image: yellow, settle-seconds: 3}
  - promote:
  - promote: {}
"""


def written(folder: Path, content: str | bytes, name: str = "p.yaml") -> Path:
    """A file in the folder that holds the content."""
    file = folder / name
    file.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return file
