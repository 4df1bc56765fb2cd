"""The commands. Each parses its flags and hands over to the package, which is imported only then."""

import inspect
import sys
from functools import wraps
from typing import Any

from invoke import Collection, Exit, Task, task

_EVERYWHERE = {
    "playbook": "name of a file in playbooks/, or a path (default: istio-canary)",
    "profile": "name of the cluster and of its kubeconfig context (default: the playbook's)",
    "provider": "embedded, minikube or existing (default: what fits this machine)",
    "context": "existing: the kubeconfig context to work on",
    "output": "text, or json: one event a line (docs/events.md)",
}
_ALL = {"all_": "every playbook that has a demonstration and the default one's cluster"}
_YES = {"yes": "go on where a question would be asked"}
_STAGES = {"only": "only this stage and what it needs; may be repeated", "from_": "this stage and what needs it"}


def _options(
    playbook=None, profile=None, provider=None, context=None, output="text", all_=False, recreate=False, yes=False
):
    """What the flags say that several commands have; a command has those of them that it explains."""
    from canarylab.commands.run import Options
    from canarylab.contract.context import Consent

    return Options(playbook, profile, provider, context, output, Consent(recreate=recreate, yes=yes), all_)


def _command(*, kind=Task, **explained):
    """Make a task of a function that takes the options, then flags of its own, and returns an exit code.

    All that is explained is a flag of the task. Invoke reads them from a signature, so the task is given one.
    """
    explained = _EVERYWHERE | explained
    shared = [flag for flag in inspect.signature(_options).parameters.values() if flag.name in explained]

    def as_task(function):
        _, *own = inspect.signature(function).parameters.values()

        @wraps(function)
        def body(c, **given):
            options = _options(**{flag.name: given.pop(flag.name) for flag in shared if flag.name in given})
            if code := function(options, **given):
                raise Exit(code=code)

        context = inspect.Parameter("c", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        body.__signature__ = inspect.Signature([context, *own, *shared])  # type: ignore[attr-defined]  # of PEP 362
        return task(auto_shortflags=False, iterable=["only"], help=explained, klass=kind)(body)

    return as_task


def _named(only):
    """The stages, and "" for an `--only` without one, which Invoke lets pass as if it hadn't been given."""
    following = zip(sys.argv, [*sys.argv[1:], "--"], strict=True)
    return [*only, *("" for word, value in following if word == "--only" and value.startswith("-"))]


@_command(**_ALL, **_STAGES, **_YES, recreate="delete a cluster that differs from the playbook, and make a new one")
def up(options, only=None, from_=None):
    """Bring everything up: cluster, Istio, Argo Rollouts, the demo application. Again: changes only what differs."""
    from canarylab.commands.up import up as command

    return command(options, _named(only), from_)


@_command(**_ALL, **_STAGES)
def plan(options, only=None, from_=None):
    """Say what `up` would change, with diffs, and change nothing."""
    from canarylab.commands.up import plan as command

    return command(options, _named(only), from_)


@_command(**_ALL, **_YES, reset="bring the rollout back to rest instead, whatever it is in the middle of")
def demo(options, reset=False):
    """Perform the canary and prove it: weights, routes and measured traffic agree at every step."""
    from canarylab.commands.demo import demo as command

    return command(options, start_over=reset)


@_command(
    **_ALL,
    **_YES,
    only="only this stage and what needs it; may be repeated",
    purge="also the caches that profiles share",
)
def teardown(options, only=None, purge=False):
    """Remove everything that `up` made, and print a receipt. Nothing else is touched."""
    from canarylab.commands.teardown import teardown as command

    return command(options, _named(only), purge=purge)


@_command(**_ALL)
def status(options):
    """Show every stage (present, healthy, drifted), the gateway's address and the Rollout's tree."""
    from canarylab.commands.status import status as command

    return command(options)


@_command(
    rollout="name of a Rollout, whoever made it",
    namespace="the Rollout's namespace",
    output="text, or json: one state a line (docs/watch.md)",
)
def watch(options, rollout, namespace="default"):
    """Show a Rollout live: its step, weights and pods, and the traffic that the gateway counts. Ctrl-C ends it."""
    from canarylab.commands.watch import watch as command

    return command(options, rollout, namespace)


@_command(**_ALL, **_YES, fix="do what is safe; what needs sudo is shown and asked for once")
def doctor(options, fix=False):
    """Check whether this machine can do it; each finding comes with its remedy."""
    from canarylab.commands.doctor import doctor as command

    return command(options, fix=fix)


@_command(**_ALL, action="start, stop or status")
def tunnel(options, action):
    """Start, stop or show the way from this machine to LoadBalancer Services."""
    from canarylab.commands.tunnel import tunnel as command

    return command(options, action)


@_command(build="build them", platform="build them for linux/amd64 or linux/arm64")
def images(options, build=False, platform=None):
    """List the demo's images in the cluster with their architecture, or build them."""
    from canarylab.commands.images import images as command

    return command(options, build=build, platform=platform)


class _WithAction(Task[Any]):
    """An action and a file, or neither. Invoke has no words that may be left out: it expects them after an action."""

    def get_arguments(self, ignore_unknown_help=None):
        self.positional = ["action", "file"] if {"pack", "unpack"} & set(sys.argv) else []
        return super().get_arguments(ignore_unknown_help)


@_command(
    kind=_WithAction,
    action="pack or unpack; without it, what is built is shown",
    file="the file to write or to read",
    platform="pack for linux/amd64 or linux/arm64 (default: this machine's)",
)
def programs(options, action=None, file=None, platform=None):
    """Show what is built of the programs, pack it into one file, or unpack such a file on another machine."""
    from canarylab.commands.programs import programs as command

    return command(options, action, file, platform)


@_command()
def env(options):
    """Print what a shell needs to use the tool's own kubectl, helm and Argo plugin: eval "$(invoke env)"."""
    from canarylab.commands.env import env as command

    return command(options)


# What a tasks.py of your own takes in with `ns.add_collection(canarylab.tasks.ns)`, as `canary.up` and so on.
ns = Collection("canary", up, plan, demo, teardown, status, watch, doctor, tunnel, images, programs, env)
