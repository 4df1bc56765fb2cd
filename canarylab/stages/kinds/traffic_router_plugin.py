"""Kind `traffic-router-plugin`: a plugin by which Argo's controller shifts traffic, with the rights it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from canarylab.contract.context import Context
from canarylab.contract.stage import Change, StageOptions
from canarylab.errors import StageError
from canarylab.events import Notice
from canarylab.kube.apply import Comparison, compare, diff_of, subject
from canarylab.kube.watch import Watch
from canarylab.kube.workloads import workload_health
from canarylab.ownership import foreign
from canarylab.removal import Removal
from canarylab.stages import plugin_config, rollouts_controller
from canarylab.stages.objects import ObjectsStage
from canarylab.stages.plugin_config import CONFIG_MAP, KEY

_RBAC = "rbac.authorization.k8s.io"
_RIGHTS = [
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get"]},
    {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": ["httproutes", "grpcroutes", "tcproutes", "tlsroutes"],
        "verbs": ["get", "list", "update", "patch"],
    },
]
"""Those that the plugin asks for: docs/installation.md of argoproj-labs/rollouts-plugin-trafficrouter-gatewayapi."""


class TrafficRouterPluginOptions(StageOptions):
    """Which plugin at which version, for the controller of which namespace."""

    plugin: Literal["argoproj-labs/gatewayAPI"] = Field(description="its name, as Rollouts write it")
    version: str = Field(description="version of the plugin, such as 0.17.0")
    namespace: str = Field("argo-rollouts", description="where the controller runs")


class TrafficRouterPluginStage(ObjectsStage[TrafficRouterPluginOptions]):
    """Beside the rights, which are objects of its own, it has its part in two objects of the stage `argo-rollouts`.

    One is the configuration that names the plugin; the other is the Deployment, whose pods are replaced for it. Either
    stage owns fields of its own in them, and leaves those of the other.
    """

    kind: ClassVar[str] = "traffic-router-plugin"
    Options: ClassVar[type[StageOptions]] = TrafficRouterPluginOptions
    default_deadline: ClassVar[float] = 360.0
    """More than the startup probe allows for a download."""

    def objects(self, ctx: Context) -> list[dict[str, Any]]:  # noqa: ARG002 - they are the same everywhere
        """A ClusterRole for what Argo's plugin reads and writes, and its binding to the controller's account."""
        meta = {"name": f"{rollouts_controller.NAME}-gateway-api"}
        role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": _RIGHTS}
        account = {"kind": "ServiceAccount", "name": rollouts_controller.NAME, "namespace": self.options.namespace}
        bound = {"roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": meta["name"]}, "subjects": [account]}
        return [role, {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": meta, **bound}]

    # -- comparing ----------------------------------------------------------------------------------------------------

    def compared(self, ctx: Context) -> list[Comparison]:
        """The rights, and last the two parts in objects of the stage `argo-rollouts`."""
        config = self._config(ctx)
        configuration = self._configuration(ctx, config)
        at = "when the plugin is configured" if configuration.diff else plugin_config.written_at(config)
        return [*super().compared(ctx), configuration, self._controller(ctx, at)]

    def _configuration(self, ctx: Context, config: dict[str, Any] | None) -> Comparison:
        """Ours among the plugins; those that others put there stay."""
        plugin = ctx.provider.sources.router_plugin(ctx, self.options.plugin, self.options.version)
        checked = {"sha256": plugin.sha256} if plugin.sha256 else {}
        entry = {"name": self.options.plugin, "location": plugin.location, **checked}
        body = self._part("v1", "ConfigMap", CONFIG_MAP, data={KEY: plugin_config.with_entry(config, entry)})
        if entry in plugin_config.entries(config):
            return Comparison(body, config, "")
        after = {**config, "data": {**(config.get("data") or {}), **body["data"]}} if config else body
        is_there = plugin_config.has_plugin(config, self.options.plugin)
        return Comparison(body, config if is_there else None, diff_of(config, after))

    def _controller(self, ctx: Context, configured_at: str) -> Comparison:
        found = compare(ctx.cluster, self._deployment(configured_at), (), self.manager)
        is_there = found.live and rollouts_controller.names_configuration_time(found.live["spec"]["template"])
        return found if is_there else Comparison(found.wanted, None, found.diff)

    def _deployment(self, configured_at: str) -> dict[str, Any]:
        template = rollouts_controller.pod_template(configured_at)
        return self._part("apps/v1", "Deployment", rollouts_controller.NAME, spec={"template": template})

    def _part(self, api_version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
        meta = {"name": name, "namespace": self.options.namespace}
        return {"apiVersion": api_version, "kind": kind, "metadata": meta, **rest}

    def _config(self, ctx: Context) -> dict[str, Any] | None:
        return ctx.cluster.get("v1", "ConfigMap", CONFIG_MAP, self.options.namespace)

    def change(self, found: Comparison) -> Change:
        if found.wanted["kind"] == "Deployment":
            return Change("start", found.subject, "the controller reads its plugins when it starts", found.diff)
        named = f"plugin {self.options.plugin} in " if found.wanted["kind"] == "ConfigMap" else ""
        return replace(super().change(found), subject=named + found.subject)

    # -- health -------------------------------------------------------------------------------------------------------

    def health(self, ctx: Context) -> str | None:
        """None once the controller that acts has the plugin."""
        if self.foreign(ctx):
            return None
        configured_at = plugin_config.written_at(self._config(ctx))
        if reason := workload_health(ctx.cluster, self._deployment(configured_at)):
            return reason
        if not rollouts_controller.leads(ctx.cluster, self.options.namespace, configured_at):
            return "the controller that has the plugin doesn't lead yet"
        return None

    def watches(self) -> Sequence[Watch]:
        kinds = (("apps/v1", "Deployment"), ("v1", "Pod"), ("coordination.k8s.io/v1", "Lease"))
        return tuple(Watch(api_version, kind, self.options.namespace) for api_version, kind in kinds)

    def facts(self, ctx: Context) -> dict[str, Any]:
        if self.foreign(ctx):
            return {"installed by": "somebody else"}
        plugin = ctx.provider.sources.router_plugin(ctx, self.options.plugin, self.options.version)
        return {"plugin": plugin.location, **({"note": plugin.note} if plugin.note else {})}

    # -- changing -----------------------------------------------------------------------------------------------------

    def apply(self, ctx: Context, observed: list[Comparison]) -> None:
        rights, parts = observed[:-2], observed[-2:]
        super().apply(ctx, rights)
        if any(found.diff for found in parts):
            self._configure(ctx, parts[0])

    def _configure(self, ctx: Context, configuration: Comparison) -> None:
        """Name the plugin where it isn't named, then have the controller restarted.

        Interrupted between the two, the next run sees by the time that the controller was not started since.
        """
        plugin = ctx.provider.sources.router_plugin(ctx, self.options.plugin, self.options.version)
        if plugin.note:
            ctx.emit(Notice(plugin.note))
        config = configuration.live
        if configuration.diff:
            config = ctx.cluster.apply(configuration.wanted, manager=self.manager)
        configured_at = plugin_config.written_at(config)
        ctx.cluster.apply(self._deployment(configured_at), manager=self.manager)
        if reason := self._await_start(ctx, configured_at):
            self._take_back(ctx)
            raise StageError(
                f"Argo's controller doesn't start with the plugin {self.options.plugin}",
                where=f"stage {self.name}",
                why=f"{reason}; it takes the plugin from {plugin.location} each time it starts",
                remedy="the plugin was taken out of its configuration again, so that it goes on for other playbooks; "
                f"make sure that the cluster's nodes reach that address, then `{ctx.command('up')}` goes on from here",
            )

    def _await_start(self, ctx: Context, configured_at: str) -> str | None:
        """Wait until the controller has the plugin; None, or why it hasn't."""

        def stuck() -> str | None:
            return rollouts_controller.last_words(ctx.cluster, self.options.namespace, configured_at)

        def look() -> str | None:
            rollouts_controller.free_lead(ctx.cluster, self.options.namespace)
            return None if stuck() else self.health(ctx)

        ctx.progress("waiting for the controller to restart and take the lead")
        waited = ctx.cluster.wait(self.watches(), look, deadline=ctx.deadline, cancel=ctx.cancel)
        return stuck() or waited

    # -- removal ------------------------------------------------------------------------------------------------------

    def remove(self, ctx: Context) -> list[Removal]:
        if planned := self._planned(ctx):
            self._take_back(ctx)
        return [*planned, *super().remove(ctx)]

    def removals(self, ctx: Context) -> list[Removal]:
        return [*self._planned(ctx), *super().removals(ctx)]

    def left(self, ctx: Context) -> list[Removal]:
        controller = rollouts_controller.foreign_controller(ctx)
        return [Removal(f"plugins of {subject(controller)}", "left", "somebody else's")] if controller else []

    def _planned(self, ctx: Context) -> list[Removal]:
        if self.left(ctx) or not plugin_config.has_plugin(self._config(ctx), self.options.plugin):
            return []
        return [Removal(f"plugin {self.options.plugin} of Argo Rollouts", "removed")]

    def _take_back(self, ctx: Context) -> None:
        """Take the plugin out of the configuration, and our annotation off the controller's pods: it restarts."""
        if config := self._config(ctx):
            data = {KEY: plugin_config.without(config, self.options.plugin)}
            ctx.cluster.patch("v1", "ConfigMap", CONFIG_MAP, {"data": data}, self.options.namespace)
        if ctx.cluster.get("apps/v1", "Deployment", rollouts_controller.NAME, self.options.namespace):
            nothing = self._part("apps/v1", "Deployment", rollouts_controller.NAME)
            ctx.cluster.apply(nothing, manager=self.manager)

    # -- somebody else's ----------------------------------------------------------------------------------------------

    def foreign(self, ctx: Context) -> str | None:
        """The controller, with the plugin."""
        if not (controller := rollouts_controller.foreign_controller(ctx)):
            return None
        config = ctx.cluster.get("v1", "ConfigMap", CONFIG_MAP, controller["metadata"]["namespace"])
        if not plugin_config.has_plugin(config, self.options.plugin):
            raise foreign.conflict(
                self.name,
                f"Argo Rollouts is there already ({subject(controller)}), without the plugin {self.options.plugin}",
                "a controller that is somebody else's is neither configured nor restarted",
            )
        return f"{subject(controller)} is somebody else's, and has the plugin"
