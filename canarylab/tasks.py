"""The commands. Each parses its flags and hands over to the package, which is imported only then."""

import sys

from invoke import Collection, Exit, task

_COMMON = {
    "playbook": "name of a file in playbooks/, or a path (default: istio-canary)",
    "profile": "name of the cluster and of its kubeconfig context (default: the playbook's)",
    "provider": "embedded, minikube or existing (default: what fits this machine)",
    "context": "existing: the kubeconfig context to work on",
    "output": "text, or json: one event a line (docs/events.md)",
}
_YES = {"yes": "go on where a question would be asked"}
_STAGES = {
    "only": "only this stage and what it needs; may be repeated",
    "from": "this stage and what needs it",
}
_ALL = {"all": "every playbook that has a demonstration and the default one's cluster"}


def _options(playbook, profile, provider, context, output, everything=False, **consent):
    from canarylab.commands.run import Options
    from canarylab.contract.context import Consent

    return Options(playbook, profile, provider, context, output, Consent(**consent), everything)


def _named(only):
    """The stages, and "" for an `--only` without one, which Invoke lets pass as if it hadn't been given."""
    following = zip(sys.argv, [*sys.argv[1:], "--"], strict=True)
    return [*only, *("" for word, value in following if word == "--only" and value.startswith("-"))]


def _end(code):
    if code:
        raise Exit(code=code)


@task(
    auto_shortflags=False,
    iterable=["only"],
    help=_COMMON
    | _ALL
    | _STAGES
    | _YES
    | {"recreate": "delete a cluster that differs from the playbook, and make a new one"},
)
def up(
    c,
    playbook=None,
    profile=None,
    provider=None,
    context=None,
    output="text",
    all_=False,
    only=None,
    from_=None,
    recreate=False,
    yes=False,
):
    """Bring everything up: cluster, Istio, Argo Rollouts, the demo application. Again: changes only what differs."""
    from canarylab.commands.up import up as command

    options = _options(playbook, profile, provider, context, output, all_, recreate=recreate, yes=yes)
    _end(command(options, _named(only), from_))


@task(auto_shortflags=False, iterable=["only"], help=_COMMON | _ALL | _STAGES)
def plan(c, playbook=None, profile=None, provider=None, context=None, output="text", all_=False, only=None, from_=None):
    """Say what `up` would change, with diffs, and change nothing."""
    from canarylab.commands.up import plan as command

    _end(command(_options(playbook, profile, provider, context, output, all_), _named(only), from_))


@task(
    auto_shortflags=False,
    help=_COMMON | _ALL | _YES | {"reset": "bring the rollout back to rest instead, whatever it is in the middle of"},
)
def demo(
    c, playbook=None, profile=None, provider=None, context=None, output="text", all_=False, reset=False, yes=False
):
    """Perform the canary and prove it: weights, routes and measured traffic agree at every step."""
    from canarylab.commands.demo import demo as command

    _end(command(_options(playbook, profile, provider, context, output, all_, yes=yes), start_over=reset))


@task(
    auto_shortflags=False,
    iterable=["only"],
    help=_COMMON
    | _ALL
    | _YES
    | {"only": "only this stage and what needs it; may be repeated", "purge": "also the caches that profiles share"},
)
def teardown(
    c,
    playbook=None,
    profile=None,
    provider=None,
    context=None,
    output="text",
    all_=False,
    only=None,
    purge=False,
    yes=False,
):
    """Remove everything that `up` made, and print a receipt. Nothing else is touched."""
    from canarylab.commands.teardown import teardown as command

    _end(command(_options(playbook, profile, provider, context, output, all_, yes=yes), _named(only), purge=purge))


@task(auto_shortflags=False, help=_COMMON | _ALL)
def status(c, playbook=None, profile=None, provider=None, context=None, output="text", all_=False):
    """Show every stage (present, healthy, drifted), the gateway's address and the Rollout's tree."""
    from canarylab.commands.status import status as command

    _end(command(_options(playbook, profile, provider, context, output, all_)))


@task(
    auto_shortflags=False,
    positional=["rollout"],
    help=_COMMON
    | {
        "rollout": "name of a Rollout, whoever made it",
        "namespace": "the Rollout's namespace",
        "output": "text, or json: one state a line (docs/watch.md)",
    },
)
def watch(c, rollout, namespace="default", playbook=None, profile=None, provider=None, context=None, output="text"):
    """Show a Rollout live: its step, weights and pods, and the traffic that the gateway counts. Ctrl-C ends it."""
    from canarylab.commands.watch import watch as command

    _end(command(_options(playbook, profile, provider, context, output), rollout, namespace))


@task(
    auto_shortflags=False, help=_COMMON | _YES | {"fix": "do what is safe; what needs sudo is shown and asked for once"}
)
def doctor(c, playbook=None, profile=None, provider=None, context=None, output="text", fix=False, yes=False):
    """Check whether this machine can do it; each finding comes with its remedy."""
    from canarylab.commands.doctor import doctor as command

    _end(command(_options(playbook, profile, provider, context, output, yes=yes), fix=fix))


@task(auto_shortflags=False, positional=["action"], help=_COMMON | {"action": "start, stop or status"})
def tunnel(c, action, playbook=None, profile=None, provider=None, context=None, output="text"):
    """Start, stop or show the way from this machine to LoadBalancer Services."""
    from canarylab.commands.tunnel import tunnel as command

    _end(command(_options(playbook, profile, provider, context, output), action))


@task(
    auto_shortflags=False,
    help=_COMMON | {"build": "build them", "platform": "build them for linux/amd64 or linux/arm64"},
)
def images(c, build=False, platform=None, playbook=None, profile=None, provider=None, context=None, output="text"):
    """List the demo's images in the cluster with their architecture, or build them."""
    from canarylab.commands.images import images as command

    _end(command(_options(playbook, profile, provider, context, output), build=build, platform=platform))


@task(auto_shortflags=False, help=_COMMON)
def env(c, playbook=None, profile=None, provider=None, context=None, output="text"):
    """Print what a shell needs to use the tool's own kubectl, helm and Argo plugin: eval "$(invoke env)"."""
    from canarylab.commands.env import env as command

    _end(command(_options(playbook, profile, provider, context, output)))


# What a tasks.py of your own takes in with `ns.add_collection(canarylab.tasks.ns)`, as `canary.up` and so on.
ns = Collection("canary", up, plan, demo, teardown, status, watch, doctor, tunnel, images, env)
