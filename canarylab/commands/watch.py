"""`invoke watch`: shows a Rollout live, whoever made it. Reads only, so it needs no lock."""

from __future__ import annotations

import shlex
import sys

from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.errors import EXIT_DONE, CanarylabError, CancelledError, NotYetObservableError, UsageError
from canarylab.kube.client import ApiError, Cluster, UnknownKindError
from canarylab.kube.objects import Object
from canarylab.report.rollout.screen import screen
from canarylab.rollouts.view import API_VERSION
from canarylab.watch.snapshot import RolloutSnapshot, take_snapshot
from canarylab.watch.watcher import Watcher
from canarylab.yamlfile.problems import did_you_mean


def watch(options: Options, rollout: str, namespace: str) -> int:
    """Until Ctrl-C, which is how it is meant to end: 0. Else the code of the error that ended it."""

    def work(ctx: Context) -> int:
        first = _find(ctx, namespace, rollout)
        shown = screen(options.output, sys.stdout, _command(ctx, namespace), ctx.cancel.set)
        try:
            Watcher(ctx, first, shown).follow()
        except CancelledError:
            return EXIT_DONE
        finally:
            shown.close()

    return run(options, work)


def _find(ctx: Context, namespace: str, name: str) -> RolloutSnapshot:
    """Raises UsageError where there is no such Rollout, with those that there are."""
    try:
        found = take_snapshot(ctx.cluster, namespace, name)
        if found is not None:
            return found
        known = _known(ctx.cluster, namespace)
    except UnknownKindError as error:
        raise NotYetObservableError(
            f"this cluster has no Rollouts: {error.what}",
            why="Argo Rollouts isn't installed in it",
            remedy=f"`{ctx.command('up')}` installs it",
        ) from error
    raise _missing(ctx, namespace, name, known)


def _known(cluster: Cluster, namespace: str) -> list[Object]:
    """Those of all namespaces; of this one, where the user may not ask for all."""
    try:
        return list(cluster.list(API_VERSION, "Rollout"))
    except ApiError as error:
        if error.may_pass:
            raise
        return list(cluster.list(API_VERSION, "Rollout", namespace))


def _missing(ctx: Context, namespace: str, name: str, known: list[Object]) -> CanarylabError:
    places = [(one["metadata"]["namespace"], one["metadata"]["name"]) for one in known]
    elsewhere = sorted(place for place, found in places if found == name)
    what = f"there is no Rollout {name} in namespace {namespace}"
    if elsewhere:
        command = ctx.command(f"watch {shlex.quote(name)} --namespace {elsewhere[0]}")
        return UsageError(what, why=f"it is in {', '.join(elsewhere)}", remedy=f"`{command}`")
    if not places:
        return UsageError(what, why="the cluster has none at all", remedy=f"`{ctx.command('up')}` makes the playbook's")
    words = did_you_mean(f"{namespace}/{name}", [f"{place}/{found}" for place, found in places])
    return UsageError(what, remedy=f"{words} (namespace/name; --namespace says which)")


def _command(ctx: Context, namespace: str) -> str:
    where = f"--namespace {shlex.quote(namespace)} --context {shlex.quote(ctx.cluster.context)}"
    return f"kubectl argo rollouts {{}} {where}"
