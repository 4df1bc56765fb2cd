"""Kind `argo-rollouts`: the controller and its definitions, from Argo's own install manifest."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.stage import StageOptions
from canarylab.kube.apply import placed, subject
from canarylab.kube.objects import Object, labels_of
from canarylab.kube.workloads import workload_health
from canarylab.ownership import foreign
from canarylab.removal import Removal
from canarylab.stages import rollouts_controller
from canarylab.stages.objects import ObjectsStage, read_list


class ArgoRolloutsOptions(StageOptions):
    """Which release of Argo Rollouts, and where."""

    version: str = Field(description="version of Argo Rollouts, such as 1.10.1")
    namespace: str = Field("argo-rollouts", description="where the controller runs; created with it")


class ArgoRolloutsStage(ObjectsStage[ArgoRolloutsOptions]):
    """The manifest is taken as it is; the namespace is put into it, and the image that the provider has."""

    kind: ClassVar[str] = "argo-rollouts"
    Options: ClassVar[type[StageOptions]] = ArgoRolloutsOptions

    def objects(self, ctx: Context) -> list[dict[str, Any]]:
        """All but the namespace where that is somebody else's."""
        manifest, image = ctx.provider.sources.rollouts_manifest(ctx, self.options.version)
        namespace = self.options.namespace
        wanted = [_adapted(obj, namespace, image) for obj in read_list(manifest)]
        if self._may_have_namespace(ctx):
            wanted = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}, *wanted]
        return [placed(ctx.cluster, obj, namespace) for obj in wanted]

    def _may_have_namespace(self, ctx: Context) -> bool:
        live = ctx.cluster.get("v1", "Namespace", self.options.namespace)
        return live is None or ctx.ownership.is_ours(ctx, labels_of(live))

    def left(self, ctx: Context) -> list[Removal]:
        if not (controller := rollouts_controller.foreign_controller(ctx)):
            return []
        return [Removal(f"Argo Rollouts, {subject(controller)}", "left", "somebody else installed it")]

    def foreign(self, ctx: Context) -> str | None:
        """The controller that somebody else installed, in words. Raises ConflictError where it doesn't fit."""
        if not (controller := rollouts_controller.foreign_controller(ctx)):
            return None
        named, version = subject(controller), foreign.version_of(controller)
        if mismatch := self._mismatch(ctx, controller, version):
            raise foreign.conflict(self.name, f"Argo Rollouts is there already ({named}), and doesn't fit", mismatch)
        return f"{named} ({version}) is somebody else's, and fits"

    def _mismatch(self, ctx: Context, controller: Object, version: str | None) -> str | None:
        container = controller["spec"]["template"]["spec"]["containers"][0]
        if "--namespaced" in [*container.get("command", []), *container.get("args", [])]:
            return "it looks at the Rollouts of its own namespace only"
        if version is None or not foreign.is_at_least(version, self.options.version):
            return f"its version is {version or 'unknown'}; the playbook wants {self.options.version} or a later one"
        return workload_health(ctx.cluster, controller)


def _adapted(obj: dict[str, Any], namespace: str, image: str) -> dict[str, Any]:
    if obj["kind"] == "ClusterRoleBinding":
        return {**obj, "subjects": [{**bound, "namespace": namespace} for bound in obj["subjects"]]}
    if (obj["kind"], obj["metadata"]["name"]) == ("Deployment", rollouts_controller.NAME):
        obj = copy.deepcopy(obj)
        for container in obj["spec"]["template"]["spec"]["containers"]:
            container |= {"image": image, "imagePullPolicy": "IfNotPresent"}
    return obj
