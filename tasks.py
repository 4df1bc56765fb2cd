"""The commands. Each parses its flags and hands over to the package, which is imported only then."""

from invoke import Exit, task

_COMMON = {
    "playbook": "name of a file in playbooks/, or a path",
    "profile": "name of the cluster and of its kubeconfig context (default: the playbook's)",
    "provider": "embedded, minikube or existing (default: what fits this machine)",
    "output": "text, or json: one event a line (docs/events.md)",
}
_STAGES = {
    "only": "only this stage and what it needs; may be repeated",
    "from": "this stage and what needs it",
}
_PLAYBOOK = "istio-canary"


def _options(playbook, profile, provider, output):
    from canarylab.commands.run import Options

    return Options(playbook=playbook, profile=profile, provider=provider, output=output)


def _end(code):
    if code:
        raise Exit(code=code)


@task(auto_shortflags=False, iterable=["only"], help=_COMMON | _STAGES)
def up(c, playbook=_PLAYBOOK, profile=None, provider=None, output="text", only=None, from_=None):
    """Bring everything up: cluster, Istio, Argo Rollouts, the demo application. Again: changes only what differs."""
    from canarylab.commands.up import up as command

    _end(command(_options(playbook, profile, provider, output), only or [], from_))


@task(auto_shortflags=False, iterable=["only"], help=_COMMON | _STAGES)
def plan(c, playbook=_PLAYBOOK, profile=None, provider=None, output="text", only=None, from_=None):
    """Say what `up` would change, with diffs, and change nothing."""
    from canarylab.commands.up import plan as command

    _end(command(_options(playbook, profile, provider, output), only or [], from_))


@task(
    auto_shortflags=False,
    help=_COMMON | {"reset": "bring the rollout back to rest instead, whatever it is in the middle of"},
)
def demo(c, playbook=_PLAYBOOK, profile=None, provider=None, output="text", reset=False):
    """Perform the canary and prove it: weights, routes and measured traffic agree at every step."""
    from canarylab.commands.demo import demo as command

    _end(command(_options(playbook, profile, provider, output), start_over=reset))


@task(
    auto_shortflags=False,
    iterable=["only"],
    help=_COMMON
    | {"only": "only this stage and what needs it; may be repeated", "purge": "also the caches that profiles share"},
)
def teardown(c, playbook=_PLAYBOOK, profile=None, provider=None, output="text", only=None, purge=False):
    """Remove everything that `up` made, and print a receipt. Nothing else is touched."""
    from canarylab.commands.teardown import teardown as command

    _end(command(_options(playbook, profile, provider, output), only or [], purge=purge))


@task(auto_shortflags=False, help=_COMMON)
def status(c, playbook=_PLAYBOOK, profile=None, provider=None, output="text"):
    """Show every stage (present, healthy, drifted), the gateway's address and the Rollout's tree."""
    from canarylab.commands.status import status as command

    _end(command(_options(playbook, profile, provider, output)))


@task(auto_shortflags=False, help=_COMMON)
def doctor(c, playbook=_PLAYBOOK, profile=None, provider=None, output="text"):
    """Check whether this machine can do it; each finding comes with its remedy."""
    from canarylab.commands.doctor import doctor as command

    _end(command(_options(playbook, profile, provider, output)))


@task(auto_shortflags=False, positional=["action"], help=_COMMON | {"action": "start, stop or status"})
def tunnel(c, action, playbook=_PLAYBOOK, profile=None, provider=None, output="text"):
    """Start, stop or show the way from this machine to LoadBalancer Services."""
    from canarylab.commands.tunnel import tunnel as command

    _end(command(_options(playbook, profile, provider, output), action))


@task(
    auto_shortflags=False,
    help=_COMMON | {"build": "build them", "platform": "build them for linux/amd64 or linux/arm64"},
)
def images(c, build=False, platform=None, playbook=_PLAYBOOK, profile=None, provider=None, output="text"):
    """List the demo's images in the cluster with their architecture, or build them."""
    from canarylab.commands.images import images as command

    _end(command(_options(playbook, profile, provider, output), build=build, platform=platform))


@task(auto_shortflags=False, help=_COMMON)
def env(c, playbook=_PLAYBOOK, profile=None, provider=None, output="text"):
    """Print what a shell needs to use the tool's own kubectl, helm and Argo plugin: eval "$(invoke env)"."""
    from canarylab.commands.env import env as command

    _end(command(_options(playbook, profile, provider, output)))
