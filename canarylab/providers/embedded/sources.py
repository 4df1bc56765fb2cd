"""Charts, manifests and the plugin that were built from the modules that node/go.mod pins."""

# ruff: noqa: ARG002 - the contract names the arguments

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from canarylab import pins
from canarylab.contract.provider import RouterPlugin, Sources
from canarylab.errors import UsageError
from canarylab.providers.embedded.programs.built import built
from canarylab.providers.embedded.programs.charts import CHARTS
from canarylab.providers.embedded.programs.images import GATEWAY_API_PLUGIN, ROLLOUTS

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_GATEWAY_API = "argoproj-labs/gatewayAPI"
"""The plugin for which there is a stand-in: node/internal/gatewayapi."""


class PinnedSources(Sources):
    """One version of each: the pinned one."""

    def programs(self, ctx: Context) -> Path:
        return built().bin

    def chart(self, ctx: Context, reference: str, version: str) -> Path:
        packaged = pins.pins().istio
        line = packaged.partition("-")[0]
        if reference not in CHARTS or version != line:
            raise UsageError(
                f"the embedded provider has no chart {reference} of version {version}",
                why="there is no chart repository: charts come from the modules that node/go.mod pins",
                remedy=f"use one of {', '.join(f'{chart} {line}' for chart in CHARTS)}",
            )
        return built().charts / f"{reference.rpartition('/')[2]}-{packaged}.tgz"

    def rollouts_manifest(self, ctx: Context, version: str) -> tuple[Path, str]:
        _require_pinned("Argo Rollouts", version, pins.pins().rollouts.removeprefix("v"))
        return built().rollouts_manifest, f"{ROLLOUTS}:{pins.pins().rollouts}"

    def gateway_api_manifest(self, ctx: Context, version: str) -> Path:
        _require_pinned("Gateway API", version, pins.pins().gateway_api)
        return built().gateway_api_manifest

    def router_plugin(self, ctx: Context, name: str, version: str) -> RouterPlugin:
        if name != _GATEWAY_API:
            what = f"the embedded provider has no traffic-router plugin {name!r}"
            raise UsageError(what, remedy=f"use {_GATEWAY_API}")
        note = f"{name} isn't available here: a plugin of this tool stands in for it (docs/embedded.md, Gateway API)"
        return RouterPlugin(f"file://{GATEWAY_API_PLUGIN}", note=note)


def _require_pinned(what: str, version: str, pinned: str) -> None:
    if version != pinned:
        said = f"the embedded provider has no {what} {version}"
        raise UsageError(said, remedy=f"use {pinned}, which node/go.mod pins")
