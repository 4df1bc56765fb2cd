"""The stage `cluster`: what minikube has of it decides what is done, from nothing at all to creating it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canarylab.contract.stage import Action, Change, Stage, StageOptions
from canarylab.errors import CommandError, StageError
from canarylab.events import Notice
from canarylab.files import write_private
from canarylab.kube import kubeconfig
from canarylab.kube.objects import condition
from canarylab.kube.watch import Watch
from canarylab.providers.minikube import leftover_processes, teardown, user_context
from canarylab.providers.minikube.call import ASK_SECONDS, Reporter, call, call_or_raise, nodes, profiles
from canarylab.providers.minikube.checks import vmnet
from canarylab.providers.minikube.cluster_settings import Condition, condition_of, differences, start_options
from canarylab.providers.minikube.kubernetes_versions import fit
from canarylab.providers.minikube.problems import failure, recreation
from canarylab.removal import Removal
from canarylab.tools.minikube import Minikube, parse_version, version

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec

_WAIT_SECONDS = 360.0
"""minikube's own limit for a cluster that comes up (`--wait-timeout`)."""
_LEAST_SECONDS = 60.0
"""With less time than that it isn't started over: it would only be half made again."""
_UNPAUSE_SECONDS = 120.0
_LOOKS_AGAIN = 3
_LOOK_AGAIN_SECONDS = 5.0
"""Before each of them. minikube says `Stopped` of an API server, too, that only has too little of a processor."""
_ACTIONS: dict[Condition, Action] = {
    **dict.fromkeys(("missing", "half-made"), "create"),
    **dict.fromkeys(("stopped", "paused"), "start"),
    "broken": "repair",
}


@dataclass(frozen=True)
class ClusterState:
    """What is there. `differs` says in words which of its settings aren't the playbook's."""

    condition: Condition
    reason: str = ""
    differs: tuple[str, ...] = ()
    own_kubeconfig: bool = False


class ClusterStage(Stage[StageOptions, ClusterState]):
    """A virtual machine with Kubernetes, by minikube; ends with nodes that are Ready and a kubeconfig of our own."""

    kind = "cluster"
    Options = StageOptions
    in_cluster = False
    default_deadline = 1800.0  # the first start fetches a system's image and Kubernetes, a gigabyte and more

    def __init__(self, spec: ClusterSpec) -> None:
        super().__init__(self.kind, StageOptions())
        self._spec = spec
        self.minikube = Minikube(spec.profile)

    # -- observe ------------------------------------------------------------------------------------------------------

    def observe(self, ctx: Context) -> ClusterState:
        profile = profiles(ctx).get(ctx.profile)
        half_made = teardown.half_made(ctx).exists()
        if profile is None:
            user_context.refuse_foreign(ctx.profile)
            return ClusterState("half-made" if half_made else "missing", "there is none")
        if half_made:
            return ClusterState("half-made", "an interrupted start left it half made")
        differs = tuple(differences(profile, self._spec, platform.system()))
        state, reason = condition_of(nodes(ctx))
        own = user_context.own_kubeconfig(kubeconfig.load(kubeconfig.first_path()), ctx.profile)
        if state == "running" and own is None:
            state, reason = "broken", f"its context is missing in {kubeconfig.first_path()}"
        has_own = own is not None and kubeconfig.load(ctx.paths.kubeconfig) == own
        return ClusterState(state, reason, differs, has_own)

    def changes(self, observed: ClusterState) -> list[Change]:
        subject = f"cluster {self._spec.profile}"
        if observed.differs:
            made = f"it was made with {'; '.join(observed.differs)}"
            return [Change("update", subject, f"{made}; only `--recreate` changes that")]
        if action := _ACTIONS.get(observed.condition):
            return [Change(action, subject, observed.reason)]
        if not observed.own_kubeconfig:
            return [Change("update", "the tool's own kubeconfig", "it is missing or another")]
        return []

    def is_absent(self, observed: ClusterState) -> bool:
        return observed.condition == "missing"

    # -- apply --------------------------------------------------------------------------------------------------------

    def apply(self, ctx: Context, observed: ClusterState) -> None:
        leftover_processes.await_other_start(ctx)
        if observed.condition == "broken" and _settled_condition(ctx) != "broken":
            observed = self.observe(ctx)
        if observed.differs:
            self._recreate(ctx, observed.differs)
        elif observed.condition == "missing":
            self._create(ctx)
        elif observed.condition == "half-made":
            self._resume(ctx)
        elif observed.condition == "paused":
            ctx.progress("unpausing")
            where = f"stage {self.name}"
            call_or_raise(ctx, self.minikube.unpause(), "unpause the cluster", timeout=_UNPAUSE_SECONDS, where=where)
        elif observed.condition != "running":
            self._repair(ctx)
        self._take_context(ctx)

    def _recreate(self, ctx: Context, differs: Iterable[str]) -> None:
        if not ctx.consent.recreate:
            raise StageError(
                f"cluster {ctx.profile} was made with other settings than the playbook's: {'; '.join(differs)}",
                where=f"stage {self.name}",
                why="minikube can't change that in a cluster that exists: it refuses, or warns and leaves it as it is",
                remedy=f"`{ctx.command('up --recreate')}` deletes the cluster with everything in it and creates it "
                "again; or write into the playbook what there is",
            )
        self._start_over(ctx, "it was made with other settings, and `--recreate` allows it")

    def _create(self, ctx: Context) -> None:
        """While minikube is at work, the profile's folder says that the cluster is half made."""
        ctx.provider.infrastructure.require_host(ctx)
        ctx.paths.create()
        teardown.half_made(ctx).touch()
        self._start(ctx)
        teardown.half_made(ctx).unlink()

    def _resume(self, ctx: Context) -> None:
        """Go on with a start that was interrupted; where minikube can't, start over: nobody has used it yet."""
        profile = profiles(ctx).get(ctx.profile)
        if profile and differences(profile, self._spec, platform.system()):
            self._start_over(ctx, "the playbook wants other settings by now")
            return
        try:
            self._create(ctx)
        except StageError as error:
            if ctx.remaining < _LEAST_SECONDS or _settled_condition(ctx) == "running":
                raise
            self._start_over(ctx, error.what)

    def _repair(self, ctx: Context) -> None:
        """Start what is stopped or broken; what can't be started is created again only where the user allowed it."""
        try:
            self._start(ctx, otherwise=f"if it stays so: {recreation(ctx)}")
        except StageError as error:
            if not ctx.consent.recreate:
                raise
            self._start_over(ctx, error.what)

    def _start_over(self, ctx: Context, why: str) -> None:
        ctx.progress(f"deleting it and creating it again: {why}")
        for removal in teardown.delete_profile(ctx):
            if removal.outcome == "failed":
                what, remedy = f"{removal.subject} can't be deleted", ctx.command("teardown")
                raise StageError(what, why=removal.reason, remedy=remedy)
        self._create(ctx)

    def _start(self, ctx: Context, *, otherwise: str = "") -> None:
        known = profiles(ctx)
        options = start_options(self._spec, known.pop(ctx.profile, None), known.values(), platform.system())
        _say_whether_known(ctx, options.kubernetes)
        reporter = Reporter(ctx)
        seconds = ctx.remaining
        argv = self.minikube.start(options, wait_seconds=min(_WAIT_SECONDS, seconds))
        try:
            result = call(ctx, argv, timeout=seconds, on_line=reporter)
        except CommandError as error:
            if error.code is not None:
                raise
            raise StageError(
                f"minikube didn't finish within {seconds:.0f} s; its last step was: {reporter.last}",
                where=f"stage {self.name}",
                remedy=f"`{ctx.command('up')}` goes on from here; "
                f"`{ctx.command('doctor')}` checks what may be in its way",
            ) from error
        if result.code:
            made = profiles(ctx).get(ctx.profile)
            network = vmnet.hints(ctx.profile) if "vmnet" in result.output and platform.system() == "Darwin" else []
            # The address says something only of a machine that was to have another network (OLD_NETWORK).
            addresses = made.addresses if made and made.network != "builtin" else ()
            hints, what = [*addresses, *network], "start the cluster"
            where = f"stage {self.name}"
            raise failure(what, result.output, result.code, ctx, hints=hints, otherwise=otherwise, where=where)

    def _take_context(self, ctx: Context) -> None:
        """Copy what minikube wrote into the user's kubeconfig to one of our own, which has nothing else."""
        own = user_context.own_kubeconfig(kubeconfig.load(kubeconfig.first_path()), ctx.profile)
        if own is None:
            raise StageError(
                f"minikube left no context {ctx.profile}",
                where=str(kubeconfig.first_path()),
                remedy=f"`{ctx.command('up')}` tries again; check KUBECONFIG if it happens again",
            )
        ctx.paths.create()
        write_private(ctx.paths.kubeconfig, kubeconfig.as_text(own))
        ctx.provider.access.forget_client()

    # -- the rest of a stage ------------------------------------------------------------------------------------------

    def health(self, ctx: Context) -> str | None:
        """The API server and the nodes: what everything after this relies on."""
        cluster = ctx.cluster
        if not_ready := cluster.ready():
            return not_ready
        found = cluster.list("v1", "Node")
        for node in found:
            ready = condition(node, "Ready")
            if ready.get("status") != "True":
                return f"node {node['metadata']['name']} isn't Ready: {ready.get('message', 'it has not said yet')}"
        return None if found else "no node has registered yet"

    def watches(self) -> Sequence[Watch]:
        return (Watch("v1", "Node"),)

    def remove(self, ctx: Context) -> list[Removal]:
        return teardown.remove_cluster(ctx)

    def facts(self, ctx: Context) -> dict[str, Any]:
        profile = profiles(ctx).get(ctx.profile)
        if profile is None:
            return {}
        return {
            "kubernetes": profile.kubernetes,
            "driver": profile.driver,
            "network": profile.network or "the driver's own",
            "runtime": profile.container_runtime,
            "node": ", ".join(profile.addresses),
            "services": profile.service_range,
        }


def _say_whether_known(ctx: Context, kubernetes: str) -> None:
    """That minikube will ask GitHub for this Kubernetes. A look that fails is no reason not to start."""
    with suppress(CommandError):
        found = fit(parse_version(call(ctx, version(), timeout=ASK_SECONDS).stdout), kubernetes)
        if found.outcome == "looked up":
            ctx.emit(
                Notice(f"Kubernetes {found.seen}. `kubernetes: {found.instead}` in the playbook needs no internet")
            )


def _settled_condition(ctx: Context) -> Condition:
    """How the nodes are: what looks broken is expensive to mend, so one look isn't enough to say that it is."""
    for _ in range(_LOOKS_AGAIN):
        found, reason = condition_of(nodes(ctx))
        if found != "broken":
            return found
        ctx.progress(f"looking again before it is started over: {reason}")
        ctx.cancel.sleep(_LOOK_AGAIN_SECONDS)
    return condition_of(nodes(ctx))[0]
