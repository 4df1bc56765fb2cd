"""Kind `gateway-api`: the definitions of the Kubernetes Gateway API, its standard channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.stage import StageOptions
from canarylab.kube.apply import live_object, subject
from canarylab.kube.objects import Object, annotations_of, condition
from canarylab.kube.watch import Watch
from canarylab.ownership import foreign
from canarylab.removal import Removal
from canarylab.stages.objects import ObjectsStage, read_list

_GROUP = "gateway.networking.k8s.io"
_DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
_VERSION = f"{_GROUP}/bundle-version"
"""The annotation that says which release a definition is of."""


class GatewayApiOptions(StageOptions):
    """Which release of the definitions."""

    version: str = Field(description="version of the Gateway API, such as 1.6.0")


class GatewayApiStage(ObjectsStage[GatewayApiOptions]):
    """The release is taken as it is. A cluster has the group's definitions once: those of others are used, and left."""

    kind: ClassVar[str] = "gateway-api"
    Options: ClassVar[type[StageOptions]] = GatewayApiOptions

    def objects(self, ctx: Context) -> list[dict[str, Any]]:
        return list(read_list(ctx.provider.sources.gateway_api_manifest(ctx, self.options.version)))

    def health(self, ctx: Context) -> str | None:
        for obj in (obj for obj in self.made(ctx) if obj["kind"] == _DEFINITION[1]):
            if condition(live_object(ctx.cluster, obj) or {}, "Established").get("status") != "True":
                return f"{subject(obj)} isn't established yet"
        return None

    def watches(self) -> Sequence[Watch]:
        return (Watch(*_DEFINITION),)

    def left(self, ctx: Context) -> list[Removal]:
        if not (others := self._others(ctx)):
            return []
        return [Removal(f"the Gateway API {_version(others[0])}", "left", "somebody else installed it")]

    def foreign(self, ctx: Context) -> str | None:
        """The definitions, each of the playbook's release or a later one."""
        others = self._others(ctx)
        for obj in others:
            if mismatch := foreign.version_mismatch(subject(obj), _version(obj), self.options.version):
                raise foreign.conflict(self.name, "the Gateway API is there already, and doesn't fit", mismatch)
        return f"the Gateway API {_version(others[0])} is somebody else's, and fits" if others else None

    def _others(self, ctx: Context) -> list[dict[str, Any]]:
        """The group's definitions that aren't ours."""
        return [obj for obj in ctx.ownership.others(ctx, *_DEFINITION) if obj["spec"]["group"] == _GROUP]


def _version(definition: Object) -> str:
    return annotations_of(definition).get(_VERSION, "unknown")
