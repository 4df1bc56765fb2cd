"""Kind `gateway-api`: the definitions of the Kubernetes Gateway API, its standard channel."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from canarylab.contract.stage import StageOptions
from canarylab.kube.apply import Comparison, subject
from canarylab.kube.objects import condition
from canarylab.kube.watch import Watch
from canarylab.ownership import foreign
from canarylab.removal import Removal
from canarylab.stages.objects import ObjectsStage

if TYPE_CHECKING:
    from canarylab.contract.context import Context

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
        """None where somebody else's definitions do."""
        if self._others(ctx):
            return []
        return list(_objects(ctx.provider.sources.gateway_api_manifest(ctx, self.options.version)))

    def observe(self, ctx: Context) -> list[Comparison]:
        if others := self._others(ctx):
            self._require_fit(others)
            ctx.progress(f"the Gateway API {_version(others[0])} is somebody else's, and fits: it is used as it is")
        return super().observe(ctx)

    def health(self, ctx: Context) -> str | None:
        for obj in self.objects(ctx):
            if obj["kind"] == _DEFINITION[1]:
                live = ctx.cluster.get(*_DEFINITION, obj["metadata"]["name"])
                if condition(live or {}, "Established").get("status") != "True":
                    return f"{subject(obj)} isn't established yet"
        return None

    def watches(self) -> Sequence[Watch]:
        return (Watch(*_DEFINITION),)

    def remove(self, ctx: Context) -> list[Removal]:
        return self._left(ctx) or super().remove(ctx)

    def removals(self, ctx: Context) -> list[Removal]:
        return self._left(ctx) or super().removals(ctx)

    def _left(self, ctx: Context) -> list[Removal]:
        others = self._others(ctx)
        return (
            [Removal(f"the Gateway API {_version(others[0])}", "left", "somebody else installed it")] if others else []
        )

    def _others(self, ctx: Context) -> list[dict[str, Any]]:
        """The group's definitions that aren't ours."""
        return [obj for obj in ctx.ownership.others(ctx, *_DEFINITION) if obj["spec"]["group"] == _GROUP]

    def _require_fit(self, others: Sequence[dict[str, Any]]) -> None:
        """Raise ClashError where a definition is of an earlier release than the playbook wants."""
        for obj in others:
            if not foreign.is_at_least(_version(obj), self.options.version):
                raise foreign.clash(
                    self.name,
                    "the Gateway API is there already, and doesn't fit",
                    f"{subject(obj)} is of version {_version(obj)}, the playbook wants {self.options.version} or a "
                    "later one of the same major",
                )


def _version(definition: dict[str, Any]) -> str:
    return str((definition["metadata"].get("annotations") or {}).get(_VERSION, "unknown"))


@functools.cache
def _objects(manifest: Path) -> tuple[dict[str, Any], ...]:
    """Read once a run: the definitions are large."""
    return tuple(json.loads(manifest.read_text()))
