"""The commands. Each parses its flags and hands over to the package, which is imported only then."""

from invoke import Exit, task

_COMMON = {
    "playbook": "name of a file in playbooks/, or a path",
    "profile": "name of the cluster and of its kubeconfig context (default: the playbook's)",
    "provider": "embedded, minikube or existing (default: what fits this machine)",
    "output": "text, or json: one event a line (docs/events.md)",
}


def _options(playbook, profile, provider, output):
    from canarylab.commands.run import Options

    return Options(playbook=playbook, profile=profile, provider=provider, output=output)


def _end(code):
    if code:
        raise Exit(code=code)


@task(
    iterable=["only"],
    help=_COMMON | {"only": "only this stage and what it needs; may be repeated", "from": "this stage and what needs it"},
)
def up(c, playbook="istio-canary", profile=None, provider=None, output="text", only=None, from_=None):
    """Bring everything up: cluster, Istio, Argo Rollouts, the demo application. Again: changes only what differs."""
    from canarylab.commands.up import up as command

    _end(command(_options(playbook, profile, provider, output), only or [], from_))
