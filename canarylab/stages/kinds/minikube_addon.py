"""Kind `minikube-addon`: an addon of minikube, enabled, with the Deployments that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from canarylab.contract.stage import Change, Stage, StageOptions
from canarylab.errors import MachineError, NotYetObservableError, UsageError
from canarylab.events import Notice
from canarylab.kube.client import FIELD_MANAGER, ApiError
from canarylab.kube.objects import owned, owner_of
from canarylab.kube.watch import Watch
from canarylab.kube.workloads import workload_health
from canarylab.pins import architecture
from canarylab.removal import Removal
from canarylab.tools.minikube import ENVIRONMENT, Minikube, parse_addons
from canarylab.yamlfile.problems import did_you_mean

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_PROVIDER = "minikube"
_LIST_SECONDS, _CHANGE_SECONDS = 30.0, 180.0
"""minikube itself tries for two minutes to apply or delete an addon's objects (pkg/addons/addons.go)."""

_NAMESPACE = "kube-system"
"""Of the ConfigMap that says that this tool enabled the addon."""

_HELM_WAY = "`invoke up --playbook istio-canary` installs Istio by Helm"
_LAST_OPERATOR = (
    "its operator, istio/operator 1.23.3 in minikube 1.38, is the last one: Istio discontinued it with 1.24. What it "
    "installs is Istio 1.23, made for Kubernetes 1.27 to 1.30 and without fixes since April 2025"
)
_PROVISIONER = "istio-provisioner"
_ISTIO = (_PROVISIONER, "istio")
"""The second is an IstioOperator object: nothing without the operator that the first one runs."""


class MinikubeAddonOptions(StageOptions):
    """Which addon, and what comes of it."""

    addon: str = Field(description="name of the addon, as `minikube addons list` has it")
    deployments: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+/[a-z0-9.-]+$")], ...] = Field(
        (), description="the Deployments that come of it, each as NAMESPACE/NAME; healthy once all of them are"
    )


@dataclass(frozen=True)
class AddonState:
    """What is there. `missing` are Deployments that should have come of it; `ours`: this tool enabled it."""

    enabled: bool
    ours: bool
    missing: tuple[str, ...]


class MinikubeAddonStage(Stage[MinikubeAddonOptions, AddonState]):
    """An addon that somebody else enabled is used, and left enabled.

    Which it is, a ConfigMap in the cluster says. It is written before the addon is enabled, so that an interrupted
    run's addon is removed, too.
    """

    kind: ClassVar[str] = "minikube-addon"
    Options: ClassVar[type[StageOptions]] = MinikubeAddonOptions
    default_deadline: ClassVar[float] = 600.0

    @property
    def _subject(self) -> str:
        return f"addon {self.options.addon}"

    @property
    def _mark(self) -> str:
        return f"canarylab-addon-{self.options.addon}"

    # -- where it can work --------------------------------------------------------------------------------------------

    def preflight(self, ctx: Context) -> None:
        self._require_minikube(ctx)
        if self.options.addon not in _ISTIO:
            return
        if "arm64" in _architectures(ctx):
            raise MachineError(
                f"{self._subject} isn't offered on arm64",
                where=f"stage {self.name}",
                why="minikube enables it without checking the architecture. Its operator was amd64 only "
                "(istio/operator 1.12.2 and before, kubernetes/minikube#6253): the pod ends with 'exec format error'. "
                "That of newer minikubes, 1.23.3, is the last there will be: Istio discontinued it with 1.24",
                remedy=f"{_HELM_WAY}, whose images have arm64 variants since 1.15",
            )
        if self.options.addon == _PROVISIONER:
            ctx.emit(Notice(f"{self._subject}: {_LAST_OPERATOR}. {_HELM_WAY}"))

    def _require_minikube(self, ctx: Context) -> None:
        if ctx.provider.name != _PROVIDER:
            otherwise = f"; or {_HELM_WAY}, on any provider" if self.options.addon in _ISTIO else ""
            raise UsageError(
                f"provider {ctx.provider.name} has no {self._subject}: addons are minikube's",
                where=f"stage {self.name}",
                remedy=f"--provider {_PROVIDER}{otherwise}",
            )

    # -- the stage ----------------------------------------------------------------------------------------------------

    def observe(self, ctx: Context) -> AddonState:
        self._require_minikube(ctx)
        ours = self._is_ours(ctx)
        return AddonState(self._is_enabled(ctx), ours, tuple(self._missing(ctx)))

    def changes(self, observed: AddonState) -> list[Change]:
        if not observed.enabled:
            return [Change("create", self._subject, "it isn't enabled")]
        return [Change("repair", f"Deployment {name}", "it isn't there any more") for name in observed.missing]

    def apply(self, ctx: Context, observed: AddonState) -> None:
        if not observed.enabled:
            ctx.cluster.apply(self._mark_body(ctx.profile), manager=f"{FIELD_MANAGER}/{self.name}")
        ctx.progress(f"minikube addons enable {self.options.addon}")
        self._run(ctx, "enable", self.options.addon)

    def health(self, ctx: Context) -> str | None:
        reasons = (workload_health(ctx.cluster, _deployment(name)) for name in self.options.deployments)
        return next(filter(None, reasons), None)

    def watches(self) -> Sequence[Watch]:
        namespaces = dict.fromkeys(name.partition("/")[0] for name in self.options.deployments)
        kinds = (("apps/v1", "Deployment"), ("v1", "Pod"))
        return [Watch(*kind, namespace) for namespace in namespaces for kind in kinds]

    def remove(self, ctx: Context) -> list[Removal]:
        if ctx.provider.name != _PROVIDER:
            return []
        enabled = self._is_enabled(ctx)
        if not self._is_ours(ctx):
            return [Removal(self._subject, "left", "this tool didn't enable it")] if enabled else []
        if enabled:
            self._run(ctx, "disable", self.options.addon)
        ctx.cluster.delete("v1", "ConfigMap", self._mark, _NAMESPACE)
        return [Removal(self._subject, "removed")] if enabled else []

    def facts(self, ctx: Context) -> dict[str, Any]:
        return {"addon": self.options.addon, "enabled by": "this tool" if self._is_ours(ctx) else "somebody else"}

    # -- what is there ------------------------------------------------------------------------------------------------

    def _is_ours(self, ctx: Context) -> bool:
        mark = ctx.cluster.get("v1", "ConfigMap", self._mark, _NAMESPACE)
        return owner_of(mark) == ctx.profile

    def _mark_body(self, profile: str) -> dict[str, Any]:
        meta = owned({"name": self._mark, "namespace": _NAMESPACE}, profile)
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"addon": self.options.addon}}

    def _is_enabled(self, ctx: Context) -> bool:
        found = parse_addons(self._run(ctx, "list", "-o", "json", seconds=_LIST_SECONDS))
        if self.options.addon not in found:
            raise UsageError(
                f"this minikube has no {self._subject}",
                where=f"stage {self.name}, addon",
                remedy=did_you_mean(self.options.addon, found),
            )
        return found[self.options.addon]

    def _missing(self, ctx: Context) -> list[str]:
        parts = ((reference, *reference.split("/")) for reference in self.options.deployments)
        return [
            reference
            for reference, namespace, name in parts
            if ctx.cluster.get("apps/v1", "Deployment", name, namespace) is None
        ]

    @staticmethod
    def _run(ctx: Context, *words: str, seconds: float = _CHANGE_SECONDS) -> str:
        argv = Minikube(ctx.profile).addons(*words)
        return ctx.runner.run(argv, timeout=min(seconds, ctx.remaining), env=ENVIRONMENT).stdout


def _architectures(ctx: Context) -> tuple[str, ...]:
    """The nodes'; the host's where the cluster is stopped and can't say: minikube's machines are never of another."""
    try:
        return ctx.provider.images.architectures(ctx)
    except (NotYetObservableError, ApiError):
        return (architecture(),)


def _deployment(reference: str) -> dict[str, Any]:
    """As much of it as it takes to ask for its health."""
    namespace, name = reference.split("/", 1)
    meta = {"namespace": namespace, "name": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {}}
