"""For every provider the commands that it may run to look at a machine on which nothing of it is there.

They read only. A new provider needs an entry here.
"""

from __future__ import annotations

from support.fake_runner import FakeRunner
from support.runs import context_of

from canarylab.context import Context
from canarylab.playbook.model import ClusterSpec
from canarylab.playbook.registry import Registry
from canarylab.providers.base import Provider

PROFILE = "contract-test-nobody-has"
PROVIDERS = Registry.discovered().providers

READS: dict[str, dict[str, str | int]] = {
    "embedded": {
        "ip -j -4 route show table all": "",
        "ip -j route show type unreachable": "",
        "ip -j route get": 2,
        "nft -j list tables": '{"nftables": []}',
        "unshare --mount sh -c mount -t overlay overlay": 0,  # in a mount namespace of its own
    },
}


def provider_on_nothing(cls: type[Provider]) -> tuple[Provider, Context, FakeRunner]:
    """A provider of a profile that nobody has, with a runner that knows its reading commands only."""
    assert cls.name in READS, f"add the commands of provider {cls.name} to tests/support/provider_samples.py"
    provider, runner = cls(ClusterSpec(profile=PROFILE)), FakeRunner(READS[cls.name])
    return provider, context_of(*provider.stages(), provider=provider, runner=runner, profile=PROFILE), runner
