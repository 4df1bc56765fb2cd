"""For every provider the commands that it may run to look at a machine on which nothing of it is there.

They read only. A new provider needs an entry here.
"""

from __future__ import annotations

import shutil

from support.fake_runner import FakeRunner
from support.runs import context_of

from canarylab.contract.context import Context
from canarylab.contract.playbook import ClusterSpec
from canarylab.contract.provider import Provider
from canarylab.kube.kubeconfig import user_path
from canarylab.playbook.extensions import Extensions

PROFILE = "contract-test-nobody-has"
PROVIDERS = Extensions.discovered().providers

HOST_PROGRAMS = ("minikube", "kubectl", "kubectl-argo-rollouts", "helm")
"""What doctor asks for its version, where this machine has it."""

READS: dict[str, dict[str, str | int]] = {
    "embedded": {
        "ip -j -4 route show table all": "",
        "ip -j route show type unreachable": "",
        "ip -j route get": 2,
        "nft -j list tables": '{"nftables": []}',
        "nft list table inet": 1,
        "unshare --mount mount -t overlay overlay": 0,  # in a mount namespace of its own
    },
    "minikube": {
        "minikube profile list --light --output=json": '{"invalid":[],"valid":[]}',
        f"minikube -p {PROFILE} image ls --format json": 14,
        **{path: 1 for name in HOST_PROGRAMS if (path := shutil.which(name))},
    },
    "existing": {},
}

SPECS = {"existing": {"context": "somebody-elses"}}
"""What a playbook or a flag has to say under `cluster`, beside the profile."""

_KUBECONFIG = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: somebody-elses, context: {cluster: c, user: u}}]
"""


def provider_on_nothing(cls: type[Provider]) -> tuple[Provider, Context, FakeRunner]:
    """A provider of a profile that nobody has, with a runner that knows its reading commands only."""
    assert cls.name in READS, f"add the commands of provider {cls.name} to tests/support/provider_samples.py"
    if cls.name == "existing":  # a cluster that isn't up
        path = user_path()
        path.parent.mkdir(exist_ok=True)
        path.write_text(_KUBECONFIG)
    spec = ClusterSpec(profile=PROFILE, **SPECS.get(cls.name, {}))
    provider, runner = cls(spec), FakeRunner(READS[cls.name])
    return (
        provider,
        context_of(*provider.infrastructure.stages(), provider=provider, runner=runner, profile=PROFILE),
        runner,
    )
