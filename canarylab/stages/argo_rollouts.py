"""Kind `argo-rollouts`: the controller and its definitions, from Argo's own install manifest."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from canarylab.stages.base import StageOptions
from canarylab.stages.objects import ObjectsStage

if TYPE_CHECKING:
    from canarylab.context import Context

_CONTROLLER = "argo-rollouts"


class ArgoRolloutsOptions(StageOptions):
    version: str = Field(description="version of Argo Rollouts, such as 1.10.1")
    namespace: str = Field("argo-rollouts", description="where the controller runs; created with it")


class ArgoRolloutsStage(ObjectsStage[ArgoRolloutsOptions]):
    """The manifest is taken as it is; the namespace is put into it, and the image that the provider has."""

    kind: ClassVar[str] = "argo-rollouts"
    Options: ClassVar[type[StageOptions]] = ArgoRolloutsOptions

    def objects(self, ctx: Context) -> list[dict[str, Any]]:
        manifest, image = ctx.provider.rollouts_manifest(ctx, self.options.version)
        return list(_objects(manifest, self.options.namespace, image))


@functools.cache
def _objects(manifest: Path, namespace: str, image: str) -> tuple[dict[str, Any], ...]:
    """Read once a run: the definitions are large."""
    created = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    found = json.loads(manifest.read_text())
    return (created, *(_placed(obj, namespace, image) for obj in found))


def _placed(obj: dict[str, Any], namespace: str, image: str) -> dict[str, Any]:
    kind, meta = obj["kind"], obj["metadata"]
    if kind not in ("CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"):
        obj = {**obj, "metadata": {**meta, "namespace": namespace}}
    if kind == "ClusterRoleBinding":
        subjects = [{**subject, "namespace": namespace} for subject in obj["subjects"]]
        return {**obj, "subjects": subjects}
    if kind == "Deployment" and meta["name"] == _CONTROLLER:
        for container in obj["spec"]["template"]["spec"]["containers"]:
            container["image"] = image
            container["imagePullPolicy"] = "IfNotPresent"
    return obj
