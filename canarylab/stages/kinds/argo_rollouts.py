"""Kind `argo-rollouts`: the controller and its definitions, from Argo's own install manifest."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from canarylab.contract.ownership import Foreign
from canarylab.contract.stage import StageOptions
from canarylab.kube.apply import Comparison, placed
from canarylab.kube.objects import Object
from canarylab.kube.workloads import workload_health
from canarylab.ownership import foreign
from canarylab.removal import Removal
from canarylab.stages import rollouts_controller
from canarylab.stages.objects import ObjectsStage

if TYPE_CHECKING:
    from canarylab.contract.context import Context


class ArgoRolloutsOptions(StageOptions):
    """Which release of Argo Rollouts, and where."""

    version: str = Field(description="version of Argo Rollouts, such as 1.10.1")
    namespace: str = Field("argo-rollouts", description="where the controller runs; created with it")


class ArgoRolloutsStage(ObjectsStage[ArgoRolloutsOptions]):
    """The manifest is taken as it is; the namespace is put into it, and the image that the provider has."""

    kind: ClassVar[str] = "argo-rollouts"
    Options: ClassVar[type[StageOptions]] = ArgoRolloutsOptions

    def objects(self, ctx: Context) -> list[dict[str, Any]]:
        """None where somebody else's controller does the work; all but the namespace where that is somebody else's."""
        if self._foreign(ctx):
            return []
        manifest, image = ctx.provider.sources.rollouts_manifest(ctx, self.options.version)
        wanted = _objects(manifest, self.options.namespace, image)
        ours = wanted if self._may_have_namespace(ctx) else wanted[1:]
        return [placed(ctx.cluster, obj, self.options.namespace) for obj in ours]

    def observe(self, ctx: Context) -> list[Comparison]:
        if found := self._foreign(ctx):
            ctx.progress(f"{found.subject} ({found.version}) is somebody else's, and fits: it is used as it is")
        return super().observe(ctx)

    def remove(self, ctx: Context) -> list[Removal]:
        return self._left(ctx) or super().remove(ctx)

    def removals(self, ctx: Context) -> list[Removal]:
        return self._left(ctx) or super().removals(ctx)

    def _left(self, ctx: Context) -> list[Removal]:
        if not (controller := rollouts_controller.foreign_controller(ctx)):
            return []
        return [Removal(f"Argo Rollouts, {_named(controller)}", "left", "somebody else installed it")]

    def _may_have_namespace(self, ctx: Context) -> bool:
        live = ctx.cluster.get("v1", "Namespace", self.options.namespace)
        labels = (live or {}).get("metadata", {}).get("labels") or {}
        return live is None or ctx.ownership.is_ours(ctx, labels)

    def _foreign(self, ctx: Context) -> Foreign | None:
        """The controller that somebody else installed, if there is one. Raises ClashError where it doesn't fit."""
        if not (controller := rollouts_controller.foreign_controller(ctx)):
            return None
        version = foreign.version_of(controller)
        if misfit := self._misfit(ctx, controller, version):
            raise foreign.clash(
                self.name, f"Argo Rollouts is there already ({_named(controller)}), and doesn't fit", misfit
            )
        return Foreign(_named(controller), version or "")

    def _misfit(self, ctx: Context, controller: Object, version: str | None) -> str | None:
        container = controller["spec"]["template"]["spec"]["containers"][0]
        if "--namespaced" in [*container.get("command", []), *container.get("args", [])]:
            return "it looks at the Rollouts of its own namespace only"
        if version is None or not foreign.is_at_least(version, self.options.version):
            return f"it is of version {version or 'unknown'}, the playbook wants {self.options.version} or a later one"
        return workload_health(ctx.cluster, controller)


def _named(controller: Object) -> str:
    meta = controller["metadata"]
    return f"Deployment {meta['namespace']}/{meta['name']}"


@functools.cache
def _objects(manifest: Path, namespace: str, image: str) -> tuple[dict[str, Any], ...]:
    """Read once a run: the definitions are large."""
    created = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    found = json.loads(manifest.read_text())
    return (created, *(_adapted(obj, namespace, image) for obj in found))


def _adapted(obj: dict[str, Any], namespace: str, image: str) -> dict[str, Any]:
    kind, meta = obj["kind"], obj["metadata"]
    if kind == "ClusterRoleBinding":
        subjects = [{**subject, "namespace": namespace} for subject in obj["subjects"]]
        return {**obj, "subjects": subjects}
    if kind == "Deployment" and meta["name"] == rollouts_controller.NAME:
        for container in obj["spec"]["template"]["spec"]["containers"]:
            container["image"] = image
            container["imagePullPolicy"] = "IfNotPresent"
    return obj
